//! The range of all values, by which they are divided for the losses.

/// When the range has grown by more than this factor, all losses are computed anew (upstream:
/// `_recompute_losses_factor`). Until then a loss keeps the scale of the time when its simplex was made.
const RECOMPUTE_FACTOR: f64 = 1.1;

/// Numbers have about this relative error: a range which is not much wider than the error of its ends is left alone.
const RELATIVE_ERROR: f64 = 1e-15;
const LARGEST_SCALED_ERROR: f64 = 1e-2;

/// Smallest and largest finite value over all points and components.
#[derive(Clone, Debug)]
pub(super) struct Range {
    min: f64,
    max: f64,
    /// The width when all losses were computed last.
    old: f64,
    multiplier: f64,
}

impl Range {
    /// Before the first value. Losses are not computed anew for ranges below `floor`.
    pub(super) fn new(floor: f64) -> Self {
        Self { min: f64::INFINITY, max: f64::NEG_INFINITY, old: floor, multiplier: 1.0 }
    }

    /// Takes a value in; says whether all losses have to be computed anew.
    pub(super) fn extend(&mut self, value: &[f64]) -> bool {
        for y in value.iter().filter(|y| y.is_finite()) {
            self.min = self.min.min(*y);
            self.max = self.max.max(*y);
        }
        let width = self.max - self.min;
        self.multiplier = 1.0;
        if width > 0.0 {
            let multiplier = 1.0 / width;
            let error = RELATIVE_ERROR * self.max.abs().max(self.min.abs()) * multiplier;
            if error <= LARGEST_SCALED_ERROR {
                self.multiplier = multiplier;
            }
        }
        let grown = width > RECOMPUTE_FACTOR * self.old;
        if grown {
            self.old = width;
        }
        grown
    }

    /// What values are multiplied by.
    pub(super) fn multiplier(&self) -> f64 {
        self.multiplier
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_divided_by_the_range_of_all_components() {
        let mut range = Range::new(0.0);
        assert!(!range.extend(&[3.0]));
        assert_eq!(range.multiplier(), 1.0);
        assert!(range.extend(&[5.0, 1.0]));
        assert_eq!(range.multiplier(), 0.25);
    }

    #[test]
    fn losses_are_computed_anew_when_the_range_has_grown_by_a_tenth() {
        let mut range = Range::new(0.0);
        assert!(range.extend(&[0.0, 1.0]));
        assert!(!range.extend(&[1.09]));
        assert!(range.extend(&[1.11]));
    }

    #[test]
    fn ranges_below_the_floor_change_no_losses() {
        let mut range = Range::new(1.0);
        assert!(!range.extend(&[0.0, 0.3]));
        assert!(!range.extend(&[1.0]));
        assert!(range.extend(&[1.2]));
    }

    #[test]
    fn a_range_of_rounding_errors_is_not_blown_up() {
        let mut range = Range::new(0.0);
        range.extend(&[1.0, 1.0 + 4.0 * f64::EPSILON]);
        assert_eq!(range.multiplier(), 1.0);
    }

    #[test]
    fn nan_and_infinity_have_no_part_in_the_range() {
        let mut range = Range::new(0.0);
        assert!(!range.extend(&[f64::NAN]));
        assert!(range.extend(&[1.0, 3.0, f64::NAN]));
        assert!(!range.extend(&[f64::INFINITY]));
        assert_eq!(range.multiplier(), 0.5);
    }
}
