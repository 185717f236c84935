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
}

impl<'a> Window<'a> {
    /// A window of `xs.len()` points with `dim` value components each (`ys` is row after row); the interval
    /// lies between the points `left` and `left + 1`.
    pub fn new(xs: &'a [f64], ys: &'a [f64], dim: usize, left: usize) -> Self {
        debug_assert!(left + 1 < xs.len() && ys.len() == xs.len() * dim);
        Self { xs, ys, dim, left }
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
