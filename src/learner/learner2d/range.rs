/// The range of the values told so far; what is not finite has no part in it.
#[derive(Clone, Debug, Default)]
pub(super) struct Range {
    /// Smallest and largest value per component.
    ends: Vec<(f64, f64)>,
}

impl Range {
    #[inline]
    pub(super) fn put(&mut self, row: &[f64]) {
        self.ends.resize(row.len(), (f64::INFINITY, f64::NEG_INFINITY));
        for ((lo, hi), value) in self.ends.iter_mut().zip(row).filter(|(_, value)| value.is_finite()) {
            *lo = lo.min(*value);
            *hi = hi.max(*value);
        }
    }

    /// Whether a component had a finite value at some point.
    pub(super) fn is_known(&self) -> bool {
        self.ends.iter().any(|(lo, hi)| lo <= hi)
    }

    /// The widest of the components; 0 before two values differ.
    #[inline]
    pub(super) fn widest(&self) -> f64 {
        self.ends.iter().map(|(lo, hi)| hi - lo).fold(0.0, f64::max)
    }

    /// The same with a 0 among the values.
    pub(super) fn widest_with_zero(&self) -> f64 {
        self.ends.iter().map(|(lo, hi)| hi.max(0.0) - lo.min(0.0)).fold(0.0, f64::max)
    }
}

#[cfg(test)]
mod tests {
    use super::Range;

    #[test]
    fn the_widest_component_counts_and_what_is_not_finite_does_not() {
        let mut range = Range::default();
        range.put(&[f64::NAN; 2]);
        assert!(!range.is_known());
        assert_eq!(range.widest(), 0.0);
        range.put(&[1.0, f64::NAN]);
        assert_eq!((range.widest(), range.is_known()), (0.0, true));
        for row in [[2.0, f64::INFINITY], [4.0, -3.0], [f64::NEG_INFINITY, 7.0]] {
            range.put(&row);
        }
        assert_eq!((range.widest(), range.is_known()), (10.0, true));
    }
}
