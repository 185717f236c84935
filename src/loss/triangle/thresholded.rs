use super::{Deviation, Triangle, TriangleLoss, TriangleLossKind};
use crate::loss::weight;
use std::sync::Arc;

/// [`Deviation`], made smaller where all values at the corners (all components) are below a lower threshold, or all
/// above an upper one: what lies there matters less. Thresholds are in the function's own units
/// (upstream: `thresholded_loss_function`).
#[derive(Clone, Copy, Debug)]
pub struct Thresholded {
    /// Below this, values matter less; `-inf` for nowhere.
    pub lower_threshold: f64,
    /// Above this, values matter less; `inf` for nowhere.
    pub upper_threshold: f64,
    /// What the loss is multiplied by there.
    pub priority_factor: f64,
}

pub(super) const KIND: TriangleLossKind = TriangleLossKind {
    name: "thresholded",
    about: "as default, times priority_factor where all values are below lower_threshold or above upper_threshold",
    from_settings: |table| {
        let threshold = |key: &str, default: f64| match table.float(key)?.unwrap_or(default) {
            nan if nan.is_nan() => {
                Err(table.error(key, format!("`{}` should be a number", table.path_of(key))))
            }
            number => Ok(number),
        };
        let lower_threshold = threshold("lower_threshold", f64::NEG_INFINITY)?;
        let upper_threshold = threshold("upper_threshold", f64::INFINITY)?;
        if lower_threshold > upper_threshold {
            return Err(table
                .error("lower_threshold", "`lower_threshold` should not be above `upper_threshold`")
                .help("values between the two are what matters: swap them"));
        }
        let priority_factor = weight(table, "priority_factor", 0.1)?;
        Ok(Arc::new(Thresholded { lower_threshold, upper_threshold, priority_factor }))
    },
};

impl TriangleLoss for Thresholded {
    fn needs_gradients(&self) -> bool {
        true
    }

    fn evaluate(&self, triangle: &Triangle<'_>) -> f64 {
        let mut values = (0..3).flat_map(|corner| triangle.raw(corner));
        let all_low = values.clone().all(|value| *value < self.lower_threshold);
        let matters_less = all_low || values.all(|value| *value > self.upper_threshold);
        Deviation.evaluate(triangle) * if matters_less { self.priority_factor } else { 1.0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::settings::{SettingValue, Table};

    #[test]
    fn only_values_that_are_all_on_one_side_matter_less() {
        let loss = Thresholded { lower_threshold: 1.0, upper_threshold: 2.0, priority_factor: 0.1 };
        let of = |values: [f64; 3]| {
            let triangle = Triangle::new(
                [[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]],
                values.each_ref().map(std::slice::from_ref),
                0.0,
            );
            loss.evaluate(&triangle) / Deviation.evaluate(&triangle)
        };
        for (values, factor) in [
            ([0.1, 0.9, -5.0], 0.1),
            ([2.1, 9.0, 3.0], 0.1),
            ([0.1, 2.1, 0.5], 1.0),
            ([1.0, 0.5, 0.2], 1.0),
            ([2.0, 3.0, 3.0], 1.0),
            ([1.5, 1.6, 1.7], 1.0),
        ] {
            assert!((of(values) - factor).abs() < 1e-15, "{values:?}");
        }
    }

    #[test]
    fn thresholds_in_the_wrong_order_are_refused() {
        let table = |low: f64, high: f64| {
            Table::new("learner.loss")
                .with("lower_threshold", SettingValue::Float(low))
                .with("upper_threshold", SettingValue::Float(high))
        };
        assert!((KIND.from_settings)(&table(2.0, 1.0)).is_err());
        assert!((KIND.from_settings)(&table(f64::NAN, 1.0)).is_err());
        assert!((KIND.from_settings)(&table(1.0, 2.0)).is_ok());
    }
}
