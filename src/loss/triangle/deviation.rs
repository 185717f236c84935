use super::{Triangle, TriangleLoss, TriangleLossKind};
use std::sync::Arc;

/// How much of a triangle's area counts in [`Deviation`]: what keeps flat regions from being forgotten.
const AREA_WEIGHT: f64 = 0.3;

/// Deviation of the values from the tangent planes at the corners, times the square root of the area, plus 0.3 of
/// the area; of a vector, the deviations of all components are added (upstream: `default_loss`).
#[derive(Clone, Copy, Debug, Default)]
pub struct Deviation;

/// Square root of the area: an even covering (upstream: `uniform_loss`).
#[derive(Clone, Copy, Debug, Default)]
pub struct Uniform;

pub(super) const DEFAULT: TriangleLossKind = TriangleLossKind {
    name: "default",
    about: "deviation from the tangent planes at the corners",
    from_settings: |_| Ok(Arc::new(Deviation)),
};

pub(super) const UNIFORM: TriangleLossKind = TriangleLossKind {
    name: "uniform",
    about: "size of the triangle: an even covering",
    from_settings: |_| Ok(Arc::new(Uniform)),
};

impl TriangleLoss for Deviation {
    fn needs_gradients(&self) -> bool {
        true
    }

    #[inline]
    fn evaluate(&self, triangle: &Triangle<'_>) -> f64 {
        let area = triangle.area();
        let deviation = match triangle.components() {
            1 => triangle.deviation(0),
            n => (0..n).map(|component| triangle.deviation(component)).sum(),
        };
        deviation * area.sqrt() + AREA_WEIGHT * area
    }
}

impl TriangleLoss for Uniform {
    fn evaluate(&self, triangle: &Triangle<'_>) -> f64 {
        triangle.area().sqrt()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use approx::assert_relative_eq;

    const POINTS: [[f64; 2]; 3] = [[0.0, 0.0], [0.4, 0.0], [0.0, 0.3]];

    #[test]
    fn a_linear_function_costs_only_its_area() {
        let f = |p: [f64; 2]| 2.0 * p[0] - p[1] + 7.0;
        let values = POINTS.map(|p| [f(p)]);
        let gradient = [[2.0, -1.0]];
        let triangle =
            Triangle::new(POINTS, values.each_ref().map(|y| &y[..]), 0.5).with_gradients([&gradient; 3]);
        assert_relative_eq!(triangle.area(), 0.06);
        assert!(triangle.deviation(0) < 1e-15);
        assert_relative_eq!(Deviation.evaluate(&triangle), 0.3 * 0.06);
        assert_relative_eq!(Uniform.evaluate(&triangle), 0.06f64.sqrt());
    }

    #[test]
    fn deviations_by_hand() {
        // f = x² + 3 y over a range of 2: exact gradients (2x, 3).
        let values = [[0.0], [0.16], [0.9]];
        let gradients = [[[0.0, 3.0]], [[0.8, 3.0]], [[0.0, 3.0]]];
        let triangle = Triangle::new(POINTS, values.each_ref().map(|y| &y[..]), 0.5)
            .with_gradients(gradients.each_ref().map(|g| &g[..]));
        // Corner 0 misses corner 1 by 0.16, corner 1 misses 0 and 2 by 0.16, corner 2 misses 1 by 0.16.
        assert_relative_eq!(triangle.deviation(0), 0.5 * 3.0 * 0.16, max_relative = 1e-14);
        let expected = 0.24 * 0.06f64.sqrt() + 0.3 * 0.06;
        assert_relative_eq!(Deviation.evaluate(&triangle), expected, max_relative = 1e-14);
    }

    #[test]
    fn the_components_of_a_vector_add_up() {
        let values = [[0.0, 0.0], [0.16, 0.16], [0.9, 0.9]];
        let gradients = [[[0.0, 3.0], [0.0, 3.0]], [[0.8, 3.0], [0.8, 3.0]], [[0.0, 3.0], [0.0, 3.0]]];
        let triangle = Triangle::new(POINTS, values.each_ref().map(|y| &y[..]), 0.5)
            .with_gradients(gradients.each_ref().map(|g| &g[..]));
        let expected = 0.48 * 0.06f64.sqrt() + 0.3 * 0.06;
        assert_relative_eq!(Deviation.evaluate(&triangle), expected, max_relative = 1e-14);
    }

    #[test]
    fn one_unknown_corner_makes_the_loss_nan() {
        for unknown in 0..3 {
            let mut values = [[0.0], [0.16], [0.9]];
            values[unknown] = [f64::NAN];
            let triangle = Triangle::new(POINTS, values.each_ref().map(|y| &y[..]), 1.0);
            assert!(Deviation.evaluate(&triangle).is_nan());
        }
    }
}
