//! The values of the points on a line, and their range.

/// The values of the nodes, and their range.
#[derive(Clone, Debug, Default)]
pub(super) struct Values {
    /// Components of a value; 0 before the first.
    pub(super) dim: usize,
    /// Row after row, by node.
    rows: Vec<f64>,
    min: Vec<f64>,
    max: Vec<f64>,
    /// The widest range of a component.
    pub(super) scale: f64,
    /// Whether infinite values have no part in the range.
    finite_only: bool,
    /// Whether a component was finite at some point.
    known: bool,
}

impl Values {
    /// No values. Those that are infinite count in the range, unless `finite_only`.
    pub(super) fn new(finite_only: bool) -> Self {
        Self { finite_only, ..Self::default() }
    }

    #[inline]
    pub(super) fn row(&self, id: u32) -> &[f64] {
        let start = id as usize * self.dim;
        &self.rows[start..start + self.dim]
    }

    #[inline]
    pub(super) fn put(&mut self, id: u32, y: &[f64]) {
        self.set_row(id, y);
        self.widen(y);
    }

    /// Sets a value that need not be within the range, nor widens it.
    #[inline]
    pub(super) fn set_row(&mut self, id: u32, y: &[f64]) {
        let end = (id as usize + 1) * self.dim;
        if self.rows.len() < end {
            self.rows.resize(end, f64::NAN);
        }
        self.rows[end - self.dim..end].copy_from_slice(y);
    }

    /// Takes a value into the range.
    #[inline]
    pub(super) fn widen(&mut self, y: &[f64]) {
        self.scale = 0.0f64;
        self.known = self.known || y.iter().any(|y| y.is_finite());
        for ((min, max), y) in self.min.iter_mut().zip(&mut self.max).zip(y) {
            // NaN fails both comparisons and so leaves the range alone.
            let counts = !self.finite_only || y.is_finite();
            if counts && *y < *min {
                *min = *y;
            }
            if counts && *y > *max {
                *max = *y;
            }
            let range = *max - *min;
            // A component that was NaN so far has the range -inf; inf - inf has to stay NaN.
            if range > self.scale || range.is_nan() {
                self.scale = range;
            }
        }
    }

    /// Whether a component had a finite value at some point.
    pub(super) fn is_known(&self) -> bool {
        self.known
    }

    pub(super) fn set_dim(&mut self, dim: usize) {
        self.dim = dim;
        self.min = vec![f64::INFINITY; dim];
        self.max = vec![f64::NEG_INFINITY; dim];
    }

    /// What values are divided by.
    #[inline]
    pub(super) fn divisor(&self) -> f64 {
        if self.scale == 0.0 { 1.0 } else { self.scale }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scale(rows: &[&[f64]]) -> f64 {
        let mut values = Values::default();
        values.set_dim(rows[0].len());
        rows.iter().enumerate().for_each(|(id, row)| values.put(id as u32, row));
        values.scale
    }

    #[test]
    fn the_scale_is_the_widest_range_of_a_component() {
        assert_eq!(scale(&[&[1.0]]), 0.0);
        assert_eq!(scale(&[&[1.0], &[-2.0], &[0.0]]), 3.0);
        assert_eq!(scale(&[&[1.0, 10.0], &[2.0, 5.0]]), 5.0);
    }

    #[test]
    fn nan_has_no_part_in_the_scale_and_infinity_has() {
        assert_eq!(scale(&[&[f64::NAN], &[1.0], &[f64::NAN], &[3.0]]), 2.0);
        assert_eq!(scale(&[&[1.0], &[f64::INFINITY]]), f64::INFINITY);
    }

    #[test]
    fn infinity_is_left_out_of_the_scale_on_demand() {
        let mut values = Values::new(true);
        values.set_dim(1);
        for (id, y) in [f64::INFINITY, 1.0, f64::NEG_INFINITY, f64::NAN, 4.0].into_iter().enumerate() {
            values.put(id as u32, &[y]);
        }
        assert_eq!(values.scale, 3.0);
    }

    #[test]
    fn rows_of_pending_points_are_left_open() {
        let mut values = Values::default();
        values.set_dim(2);
        values.put(3, &[5.0, 6.0]);
        values.put(1, &[1.0, 2.0]);
        assert_eq!((values.row(3), values.row(1)), (&[5.0, 6.0][..], &[1.0, 2.0][..]));
        assert!(values.row(2)[0].is_nan());
    }
}
