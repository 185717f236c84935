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
}

impl<'a> View<'a> {
    /// A simplex in `dim` dimensions whose values have `value_dim` components each. `points` and `values` hold row
    /// after row: the `dim + 1` corners, then the vertices behind the faces.
    pub fn new(dim: usize, points: &'a [f64], value_dim: usize, values: &'a [f64], volume: f64) -> Self {
        debug_assert!(points.len() > dim * dim && points.len().is_multiple_of(dim));
        debug_assert!(values.len() == points.len() / dim * value_dim);
        Self { dim, points, value_dim, values, volume }
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

    /// Volume of the simplex: 1 is the box around the whole domain.
    #[inline]
    pub fn volume(&self) -> f64 {
        self.volume
    }
}
