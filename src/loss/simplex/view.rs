/// A simplex of told points in scaled coordinates, as a [`SimplexLoss`](super::SimplexLoss) sees it.
///
/// With D dimensions it has the corners `0..=D`. A loss that sees neighbours also sees the vertices behind its faces,
/// one per face that is not on the border: the points from D + 1 on, in no particular order.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    dim: usize,
    points: &'a [f64],
    value_dim: usize,
    values: &'a [f64],
    volume: f64,
    gradients: &'a [f64],
    scale: f64,
}

impl<'a> View<'a> {
    /// A simplex in `dim` dimensions whose values have `value_dim` components each. `points` and `values` hold row
    /// after row: the `dim + 1` corners, then the vertices behind the faces.
    pub fn new(dim: usize, points: &'a [f64], value_dim: usize, values: &'a [f64], volume: f64) -> Self {
        debug_assert!(points.len() > dim * dim && points.len().is_multiple_of(dim));
        debug_assert!(values.len() == points.len() / dim * value_dim);
        Self { dim, points, value_dim, values, volume, gradients: &[], scale: 1.0 }
    }

    /// The same simplex where a scaled value of 1 is this much in the units of the function.
    #[inline]
    #[must_use]
    pub fn with_scale(self, scale: f64) -> Self {
        Self { scale, ..self }
    }

    /// What a scaled value is multiplied by to get it in the units of the function.
    #[inline]
    pub fn scale(&self) -> f64 {
        self.scale
    }

    /// The same simplex with gradients at its corners: per corner, component by component.
    #[inline]
    #[must_use]
    pub fn with_gradients(self, gradients: &'a [f64]) -> Self {
        Self { gradients, ..self }
    }

    /// The gradient of a component at corner `i`, scaled; `None` if the loss did not ask for gradients.
    #[inline]
    pub fn gradient(&self, i: usize, component: usize) -> Option<&'a [f64]> {
        let at = (i * self.value_dim + component) * self.dim;
        self.gradients.get(at..at + self.dim)
    }

    /// Number of coordinates D.
    #[inline]
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// Number of components of a value.
    #[inline]
    pub fn value_dim(&self) -> usize {
        self.value_dim
    }

    /// Number of vertices behind the faces.
    #[inline]
    pub fn neighbors(&self) -> usize {
        self.points.len() / self.dim - self.dim - 1
    }

    /// Coordinates of point `i`, as fractions of the domain.
    #[inline]
    pub fn point(&self, i: usize) -> &'a [f64] {
        &self.points[i * self.dim..(i + 1) * self.dim]
    }

    /// The value at point `i`, scaled.
    #[inline]
    pub fn value(&self, i: usize) -> &'a [f64] {
        &self.values[i * self.value_dim..(i + 1) * self.value_dim]
    }

    /// A component of the value at point `i`, in the units of the function; NaN where values lack it.
    #[inline]
    pub fn raw(&self, i: usize, component: usize) -> f64 {
        self.value(i).get(component).map_or(f64::NAN, |y| y * self.scale)
    }

    /// Volume of the simplex: 1 is the box around the whole domain.
    #[inline]
    pub fn volume(&self) -> f64 {
        self.volume
    }
}
