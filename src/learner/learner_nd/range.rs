//! The range of all values, by which they are divided for the losses.

/// When the range has grown by more than this factor, all losses are computed anew (upstream:
/// `_recompute_losses_factor`). Until then a loss keeps the scale of the time when its simplex was made.
const RECOMPUTE_FACTOR: f64 = 1.1;

/// Numbers have about this relative error: a range which is not much wider than the error of its ends is left alone.
const RELATIVE_ERROR: f64 = 1e-15;
const LARGEST_SCALED_ERROR: f64 = 1e-2;

/// Smallest and largest finite value over all points.
#[derive(Clone, Debug)]
pub(super) struct Range {
    /// Of each component, or of all together.
    ends: Vec<(f64, f64)>,
    /// Upstream: a component that is far from the others makes the range wide, though none of them may vary much.
    together: bool,
    /// The width when all losses were computed last.
    old: f64,
    multiplier: f64,
}

impl Range {
    /// Before the first value. The width is that of the widest component, or of all components `together`; in that case,
    /// as upstream, the first value's own width is where it starts. Where it has none, and else, losses are not
    /// computed anew for ranges below `floor`.
    pub(super) fn new(together: bool, floor: f64) -> Self {
        Self { ends: Vec::new(), together, old: floor, multiplier: 1.0 }
    }

    /// Takes a value in; says whether all losses have to be computed anew.
    pub(super) fn extend(&mut self, value: &[f64]) -> bool {
        let is_first = self.together && !self.is_known();
        let components = if self.together { 1 } else { value.len() };
        self.ends.resize(components, (f64::INFINITY, f64::NEG_INFINITY));
        for (component, y) in value.iter().enumerate().filter(|(_, y)| y.is_finite()) {
            let (min, max) = &mut self.ends[if self.together { 0 } else { component }];
            (*min, *max) = (min.min(*y), max.max(*y));
        }
        let widest = self.ends.iter().map(|(min, max)| (max - min, min.abs().max(max.abs())));
        let (width, largest) = widest.max_by(|a, b| a.0.total_cmp(&b.0)).unwrap_or_default();
        self.multiplier = 1.0;
        if width > 0.0 {
            let multiplier = 1.0 / width;
            if RELATIVE_ERROR * largest * multiplier <= LARGEST_SCALED_ERROR {
                self.multiplier = multiplier;
            }
        }
        if is_first && width > 0.0 {
            self.old = width;
        }
        let grown = width > RECOMPUTE_FACTOR * self.old;
        if grown {
            self.old = width;
        }
        grown
    }

    /// Whether a component had a finite value at some point.
    pub(super) fn is_known(&self) -> bool {
        self.ends.iter().any(|(min, max)| min <= max)
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
    fn the_widest_component_counts_or_all_of_them_together() {
        let mut range = Range::new(false, 0.0);
        range.extend(&[1e6, 0.0]);
        assert!(range.extend(&[1e6, -2.0]));
        assert_eq!(range.multiplier(), 0.5);
        let mut range = Range::new(true, 0.0);
        assert!(!range.extend(&[3.0]));
        assert_eq!(range.multiplier(), 1.0);
        assert!(range.extend(&[5.0, 1.0]));
        assert_eq!(range.multiplier(), 0.25);
    }

    #[test]
    fn losses_are_computed_anew_when_the_range_has_grown_by_a_tenth() {
        let mut range = Range::new(true, 0.0);
        assert!(!range.extend(&[0.0]) && range.extend(&[1.0]));
        assert!(!range.extend(&[1.09]));
        assert!(range.extend(&[1.11]));
    }

    #[test]
    fn ranges_below_the_floor_change_no_losses() {
        let mut range = Range::new(true, 1.0);
        assert!(!range.extend(&[0.0]) && !range.extend(&[0.3]));
        assert!(!range.extend(&[1.0]));
        assert!(range.extend(&[1.2]));
    }

    #[test]
    fn the_width_of_the_first_vector_is_where_a_common_range_starts() {
        let mut range = Range::new(true, 1.0);
        assert!(!range.extend(&[0.0, 0.01]));
        assert!(!range.extend(&[0.0105]));
        assert!(range.extend(&[0.012]));
    }

    #[test]
    fn a_range_of_rounding_errors_is_not_blown_up() {
        let mut range = Range::new(true, 0.0);
        range.extend(&[1.0, 1.0 + 4.0 * f64::EPSILON]);
        assert_eq!(range.multiplier(), 1.0);
    }

    #[test]
    fn nan_and_infinity_have_no_part_in_the_range() {
        let mut range = Range::new(true, 0.0);
        assert!(!range.extend(&[f64::NAN]) && !range.is_known());
        assert!(!range.extend(&[1.0, 3.0, f64::NAN]));
        assert!(!range.extend(&[f64::INFINITY]) && range.is_known());
        assert_eq!(range.multiplier(), 0.5);
        let mut range = Range::new(false, 0.0);
        range.extend(&[f64::INFINITY, f64::NAN]);
        assert!(!range.is_known());
        range.extend(&[f64::NAN, 1.0]);
        assert!(range.is_known());
    }
}
