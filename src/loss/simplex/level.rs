//! Where a function of several variables crosses a level.

use super::{Demands, InterpolationError, SimplexLoss, SimplexLossKind, View};
use crate::loss::Level;
use std::sync::Arc;

pub(super) const KIND: SimplexLossKind = SimplexLossKind {
    name: "level",
    about: "where a value crosses one of the levels: levels, component, resolution",
    from_settings: |table| Ok(Arc::new(Level::from_settings(table, 1e-3)?)),
};

impl SimplexLoss for Level {
    fn demands(&self) -> Demands {
        Demands { sees_neighbors: true, is_current: true, splits_towards_error: true, sees_gradients: false }
    }

    fn component(&self) -> Option<usize> {
        Some(self.component)
    }

    /// √V where a level may be crossed and the simplex is large, else a tenth of the second term of
    /// [`InterpolationError`] with the weight 0.5.
    fn evaluate(&self, view: &View<'_>) -> f64 {
        let volume = view.volume();
        let elsewhere = 0.05 * volume * volume.sqrt();
        let mut corners = (0..=view.dim()).map(|i| view.raw(i, self.component));
        if corners.clone().any(|y| !y.is_finite()) {
            return elsewhere;
        }
        let first = corners.next().unwrap_or(0.0);
        let (low, high) = corners.fold((first, first), |(low, high), y| (low.min(y), high.max(y)));
        // Twice the estimate, which is only an estimate.
        let error = 2.0 * InterpolationError::error(view).unwrap_or(0.0) * view.scale();
        let (low, high) = (low - error, high + error);
        // Where the function stays at the level, nothing crosses it.
        let crossed = low < high && self.levels.iter().any(|level| (low..=high).contains(level));
        let large = volume > self.resolution.powi(view.dim() as i32);
        if crossed && large { volume.sqrt() } else { elsewhere }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(level: f64, values: [f64; 4], size: f64) -> f64 {
        let points: Vec<f64> = crate::loss::simplex::tests::POINTS.iter().map(|x| x * size).collect();
        let view = View::new(2, &points, 1, &values, 0.5 * size * size).with_scale(100.0);
        Level { levels: vec![level], component: 0, resolution: 1e-3 }.evaluate(&view)
    }

    #[test]
    fn a_simplex_that_a_level_crosses_comes_first_until_it_is_small() {
        let plane = [0.0, 0.1, 0.2, 0.3];
        assert!((of(10.0, plane, 0.1) - 0.005f64.sqrt()).abs() < 1e-12);
        assert!(of(40.0, plane, 0.1) < 1e-3 && of(10.0, plane, 1e-4) < 1e-9);
        assert!(of(10.0, [0.0, f64::NAN, 0.2, 0.3], 0.1) < 1e-3);
    }

    #[test]
    fn a_plateau_at_the_level_is_not_crossed() {
        assert!(of(0.0, [0.0; 4], 0.1) < 1e-3 && of(0.0, [0.0, 0.0, 0.1, 0.0], 0.1) > 0.05);
        // The parts of the level that the corners have in a vertex behind a face do not quite add up to the level.
        let loss = Level { levels: vec![0.3], component: 0, resolution: 1e-3 };
        for i in 0..100 {
            let points = [0.0, 0.0, 0.1, 0.0, 0.03, 0.07, 0.1, 0.1 + 0.001 * f64::from(i)];
            let view = View::new(2, &points, 1, &[0.3; 4], 0.0035);
            assert!(loss.evaluate(&view) < 1e-3, "{points:?}");
        }
    }

    #[test]
    fn a_level_that_may_be_reached_inside_counts_as_crossed() {
        assert!(of(20.5, [0.0, 0.1, 0.2, 0.9], 0.1) > 0.05);
    }
}
