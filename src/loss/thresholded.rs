//! A loss for users who care about what lies between two thresholds.

use super::level::{component, ends};
use super::{InterpolationError, IntervalLoss, IntervalLossKind, Window, weight};
use crate::model::settings::{self, Table};
use std::sync::Arc;

/// Another loss, [`InterpolationError`] in a study file, times a factor where all ends of an interval (all corners of a
/// simplex) lie below a lower or all above an upper threshold (upstream, for `Learner2D`: `thresholded_loss_function`).
#[derive(Clone, Debug)]
pub struct Thresholded<B = InterpolationError> {
    /// Values below this matter less; -inf for none. In the units of the function.
    pub lower_threshold: f64,
    /// Values above this matter less; inf for none.
    pub upper_threshold: f64,
    /// How much less: 0.1 unless said otherwise.
    pub priority_factor: f64,
    /// Which component of the value counts, from 0.
    pub component: usize,
    /// What counts between the thresholds.
    pub base: B,
}

pub(super) const KIND: IntervalLossKind = IntervalLossKind {
    name: "thresholded",
    about: "interpolation_error, less below and above: lower_threshold, upper_threshold, priority_factor, component",
    from_settings: |table| {
        Ok(Arc::new(Thresholded::from_settings(table, InterpolationError::from_settings)?))
    },
};

impl<B> Thresholded<B> {
    /// Reads `lower_threshold`, `upper_threshold`, `priority_factor` and `component`, and what counts between.
    pub(super) fn from_settings(
        table: &Table,
        base: impl FnOnce(&Table) -> settings::Result<B>,
    ) -> settings::Result<Self> {
        let lower_threshold = table.float("lower_threshold")?.unwrap_or(f64::NEG_INFINITY);
        let upper_threshold = table.float("upper_threshold")?.unwrap_or(f64::INFINITY);
        if lower_threshold == f64::NEG_INFINITY && upper_threshold == f64::INFINITY {
            return Err(table
                .missing("lower_threshold")
                .help("give one or both, as in { name = \"thresholded\", lower_threshold = 0.1, upper_threshold = 2 }"));
        }
        if lower_threshold.is_nan() || upper_threshold.is_nan() || lower_threshold >= upper_threshold {
            let message = "`lower_threshold` should be less than `upper_threshold`";
            let help = "as in lower_threshold = 0.1, upper_threshold = 2";
            return Err(table.error("lower_threshold", message).help(help));
        }
        Ok(Self {
            lower_threshold,
            upper_threshold,
            priority_factor: weight(table, "priority_factor", 0.1)?,
            component: component(table)?,
            base: base(table)?,
        })
    }

    /// What the loss is multiplied by where these are the values at the ends or corners, in the units of the function.
    #[inline]
    pub(super) fn factor(&self, values: impl Iterator<Item = f64> + Clone) -> f64 {
        let below = values.clone().all(|value| value < self.lower_threshold);
        let above = || values.clone().all(|value| value > self.upper_threshold);
        if below || above() { self.priority_factor } else { 1.0 }
    }
}

impl IntervalLoss for Thresholded {
    fn nth_neighbors(&self) -> usize {
        self.base.nth_neighbors()
    }

    fn ignores_infinite(&self) -> bool {
        true
    }

    fn component(&self) -> Option<usize> {
        Some(self.component)
    }

    fn evaluate(&self, window: &Window<'_>) -> f64 {
        let (a, b) = ends(window, self.component);
        self.base.evaluate(window) * self.factor([a, b].into_iter())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::settings::SettingValue;

    #[test]
    fn values_beyond_the_thresholds_matter_less() {
        let loss = Thresholded {
            lower_threshold: -1.0,
            upper_threshold: 2.0,
            priority_factor: 0.25,
            component: 0,
            base: InterpolationError::default(),
        };
        let of = |ys: &[f64]| loss.evaluate(&Window::new(&[0.0, 0.1], ys, 1, 0).divided_by(10.0));
        assert_eq!(of(&[0.3, 0.4]), 0.1 / 4.0);
        assert_eq!(of(&[-0.3, -0.4]), 0.1 / 4.0);
        assert_eq!(of(&[-0.3, 0.4]), 0.1);
    }

    #[test]
    fn thresholds_that_are_missing_or_in_the_wrong_order_are_refused() {
        let refused = |table: Table| (KIND.from_settings)(&table).err().map(|error| error.message);
        let table = || Table::new("learner.loss");
        assert!(refused(table()).is_some());
        let both = |lo, hi| {
            let table = table().with("lower_threshold", SettingValue::Float(lo));
            table.with("upper_threshold", SettingValue::Float(hi))
        };
        assert!(refused(both(1.0, 0.0)).unwrap().contains("less than"));
        assert_eq!(refused(both(0.0, 1.0)), None);
    }
}
