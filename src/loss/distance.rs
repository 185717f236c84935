use super::{IntervalLoss, IntervalLossKind, Window};
use std::sync::Arc;

/// Length of the straight line between the two ends; of a vector, the longest over its components
/// (upstream: `default_loss`).
#[derive(Clone, Copy, Debug, Default)]
pub struct Distance;

/// Length of the interval: a regular grid (upstream: `uniform_loss`).
#[derive(Clone, Copy, Debug, Default)]
pub struct Uniform;

/// [`Distance`] of the logarithm of the smallest component's size: prefers zeros (upstream: `abs_min_log_loss`).
#[derive(Clone, Copy, Debug, Default)]
pub struct AbsMinLog;

pub(super) const DEFAULT: IntervalLossKind = IntervalLossKind {
    name: "default",
    about: "length of the line between neighbouring points",
    from_settings: |_| Ok(Arc::new(Distance)),
};

pub(super) const UNIFORM: IntervalLossKind = IntervalLossKind {
    name: "uniform",
    about: "distance between neighbouring points: a regular grid",
    from_settings: |_| Ok(Arc::new(Uniform)),
};

pub(super) const ABS_MIN_LOG: IntervalLossKind = IntervalLossKind {
    name: "abs_min_log",
    about: "as default for the logarithm of the smallest |value|: prefers zeros",
    from_settings: |_| Ok(Arc::new(AbsMinLog)),
};

impl IntervalLoss for Distance {
    #[inline]
    fn evaluate(&self, window: &Window<'_>) -> f64 {
        let dx = window.width();
        match window.ends() {
            (&[left], &[right]) => dx.hypot(right - left),
            // A NaN in any component makes the loss NaN, so that such intervals are ranked by length.
            (left, right) => left
                .iter()
                .zip(right)
                .map(|(a, b)| dx.hypot(b - a))
                .fold(0.0, |max, length| if length > max || length.is_nan() { length } else { max }),
        }
    }
}

impl IntervalLoss for Uniform {
    fn evaluate(&self, window: &Window<'_>) -> f64 {
        window.width()
    }
}

impl IntervalLoss for AbsMinLog {
    fn evaluate(&self, window: &Window<'_>) -> f64 {
        let log = |y: &[f64]| {
            let smallest = y
                .iter()
                .map(|y| y.abs())
                .fold(f64::INFINITY, |min, y| if y < min || y.is_nan() { y } else { min });
            smallest.ln()
        };
        let (left, right) = window.ends();
        window.width().hypot(log(right) - log(left))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_loss_is_a_distance_and_takes_the_worst_component() {
        assert_eq!(Distance.evaluate(&Window::new(&[0.0, 0.3], &[0.5, 0.1], 1, 0)), 0.5);
        let ys = [0.0, 0.0, 0.4, -0.72];
        assert_eq!(Distance.evaluate(&Window::new(&[0.1, 0.4], &ys, 2, 0)), 0.3f64.hypot(0.72).max(0.0));
    }

    #[test]
    fn a_nan_in_one_component_makes_the_default_loss_nan() {
        for ys in [[f64::NAN, 0.0, 0.4, 0.9], [0.0, f64::NAN, 0.4, 0.9], [0.0, 0.0, f64::NAN, 0.9]] {
            assert!(Distance.evaluate(&Window::new(&[0.0, 0.3], &ys, 2, 0)).is_nan());
        }
    }

    #[test]
    fn the_log_loss_grows_towards_a_zero() {
        let near = AbsMinLog.evaluate(&Window::new(&[0.0, 0.1], &[1e-9, 1.0], 1, 0));
        let far = AbsMinLog.evaluate(&Window::new(&[0.0, 0.1], &[0.9, 1.0], 1, 0));
        assert!(near > 20.0 && far < 0.2);
    }
}
