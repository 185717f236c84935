/// The told points around an interval, from left to right, in scaled coordinates.
///
/// A loss with `nth_neighbors() == n` sees up to n points on each side of the interval's two ends; fewer at the
/// border of what is known. So the points are contiguous, and [`Window::ends`] are two of them.
#[derive(Clone, Copy, Debug)]
pub struct Window<'a> {
    xs: &'a [f64],
    ys: &'a [f64],
    dim: usize,
    left: usize,
    y_scale: f64,
}

impl<'a> Window<'a> {
    /// A window of `xs.len()` points with `dim` value components each (`ys` is row after row); the interval
    /// lies between the points `left` and `left + 1`.
    pub fn new(xs: &'a [f64], ys: &'a [f64], dim: usize, left: usize) -> Self {
        debug_assert!(left + 1 < xs.len() && ys.len() == xs.len() * dim);
        Self { xs, ys, dim, left, y_scale: 1.0 }
    }

    /// The same window; its values are those of the function divided by `y_scale`.
    #[inline]
    #[must_use]
    pub fn divided_by(self, y_scale: f64) -> Self {
        Self { y_scale, ..self }
    }

    /// What the values of the function were divided by (1 if nobody said): a loss with a number in the units of the
    /// user divides it by this.
    #[inline]
    pub fn y_scale(&self) -> f64 {
        self.y_scale
    }

    /// The place of the interval's left end among the points; its right end is the next.
    #[inline]
    pub fn left(&self) -> usize {
        self.left
    }

    /// All points.
    #[inline]
    pub fn xs(&self) -> &'a [f64] {
        self.xs
    }

    /// Number of components of a value.
    #[inline]
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// The value at point `i`, scaled.
    #[inline]
    pub fn y(&self, i: usize) -> &'a [f64] {
        &self.ys[i * self.dim..(i + 1) * self.dim]
    }

    /// The values at the two ends of the interval.
    #[inline]
    pub fn ends(&self) -> (&'a [f64], &'a [f64]) {
        (self.y(self.left), self.y(self.left + 1))
    }

    /// Length of the interval; 1 is the whole domain.
    #[inline]
    pub fn width(&self) -> f64 {
        self.xs[self.left + 1] - self.xs[self.left]
    }
}
