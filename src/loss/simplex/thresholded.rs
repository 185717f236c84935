//! What lies between two thresholds, of a function of several variables.

use super::{Demands, InterpolationError, SimplexLoss, SimplexLossKind, View};
use crate::loss::Thresholded;
use std::sync::Arc;

pub(super) const KIND: SimplexLossKind = SimplexLossKind {
    name: "thresholded",
    about: "interpolation_error, less below and above: lower_threshold, upper_threshold, priority_factor, component",
    from_settings: |table| {
        Ok(Arc::new(Thresholded::from_settings(table, InterpolationError::from_settings)?))
    },
};

impl SimplexLoss for Thresholded<InterpolationError> {
    fn demands(&self) -> Demands {
        self.base.demands()
    }

    fn component(&self) -> Option<usize> {
        Some(self.component)
    }

    fn evaluate(&self, view: &View<'_>) -> f64 {
        let corners = (0..=view.dim()).map(|i| view.raw(i, self.component));
        self.base.evaluate(view) * self.factor(corners)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::loss::simplex::tests::POINTS;

    #[test]
    fn a_simplex_whose_corners_are_all_beyond_a_threshold_matters_less() {
        let loss = Thresholded {
            lower_threshold: 100.0,
            upper_threshold: 200.0,
            priority_factor: 0.25,
            component: 1,
            base: InterpolationError::default(),
        };
        let factor = |values: [f64; 3]| {
            let rows: Vec<f64> = values.iter().flat_map(|y| [0.3, *y]).collect();
            let view = View::new(2, &POINTS[..6], 2, &rows, 0.5).with_scale(100.0);
            loss.evaluate(&view) / loss.base.evaluate(&view)
        };
        assert_eq!(factor([0.9, 0.5, -3.0]), 0.25);
        assert_eq!(factor([2.1, 2.5, 9.0]), 0.25);
        assert_eq!(factor([0.9, 0.5, 1.1]), 1.0);
        assert_eq!(factor([0.9, 0.5, 2.1]), 1.0);
        assert_eq!(factor([0.9, f64::NAN, 0.3]), 1.0, "an unknown value may be anything");
    }
}
