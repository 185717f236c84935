use super::{Distance, IntervalLoss, IntervalLossKind, Window, weight};
use std::sync::Arc;

/// Mean area of the triangles of consecutive points, up to four of them: large where the function bends
/// (upstream: `triangle_loss`). With only two points known: the length of the interval.
#[derive(Clone, Copy, Debug, Default)]
pub struct Triangle;

/// `area_factor * sqrt(Triangle) + euclid_factor * Distance + horizontal_factor * width`
/// (upstream: `curvature_loss_function`).
#[derive(Clone, Copy, Debug)]
pub struct Curvature {
    /// Weight of the bending.
    pub area_factor: f64,
    /// Weight of the distance between the ends.
    pub euclid_factor: f64,
    /// Weight of the length of the interval.
    pub horizontal_factor: f64,
}

pub(super) const TRIANGLE: IntervalLossKind = IntervalLossKind {
    name: "triangle",
    about: "area of the triangles of neighbouring points: where the function bends",
    from_settings: |_| Ok(Arc::new(Triangle)),
};

pub(super) const CURVATURE: IntervalLossKind = IntervalLossKind {
    name: "curvature",
    about: "mostly where the function bends: area_factor, euclid_factor, horizontal_factor",
    from_settings: |table| {
        let default = Curvature::default();
        Ok(Arc::new(Curvature {
            area_factor: weight(table, "area_factor", default.area_factor)?,
            euclid_factor: weight(table, "euclid_factor", default.euclid_factor)?,
            horizontal_factor: weight(table, "horizontal_factor", default.horizontal_factor)?,
        }))
    },
};

impl Default for Curvature {
    fn default() -> Self {
        Self { area_factor: 1.0, euclid_factor: 0.02, horizontal_factor: 0.02 }
    }
}

impl IntervalLoss for Triangle {
    fn nth_neighbors(&self) -> usize {
        1
    }

    fn evaluate(&self, window: &Window<'_>) -> f64 {
        let triangles = window.xs().len() - 2;
        if triangles == 0 {
            return window.width();
        }
        let area = if window.dim() == 1 { flat_area } else { spatial_area };
        (0..triangles).map(|i| area(window, i)).sum::<f64>() / triangles as f64
    }
}

impl IntervalLoss for Curvature {
    fn nth_neighbors(&self) -> usize {
        1
    }

    fn evaluate(&self, window: &Window<'_>) -> f64 {
        self.area_factor * Triangle.evaluate(window).sqrt()
            + self.euclid_factor * Distance.evaluate(window)
            + self.horizontal_factor * window.width()
    }
}

/// Area of the triangle of the points i, i + 1, i + 2 in the plane.
fn flat_area(window: &Window<'_>, i: usize) -> f64 {
    let (xs, last) = (window.xs(), window.y(i + 2)[0]);
    let (ux, uy) = (xs[i] - xs[i + 2], window.y(i)[0] - last);
    let (vx, vy) = (xs[i + 1] - xs[i + 2], window.y(i + 1)[0] - last);
    (ux * vy - uy * vx).abs() / 2.0
}

/// The same in the space of x and all components, by the Gram determinant of two edges.
fn spatial_area(window: &Window<'_>, i: usize) -> f64 {
    let xs = window.xs();
    let (ux, vx) = (xs[i] - xs[i + 2], xs[i + 1] - xs[i + 2]);
    let (mut uu, mut vv, mut uv) = (ux * ux, vx * vx, ux * vx);
    for ((a, b), c) in window.y(i).iter().zip(window.y(i + 1)).zip(window.y(i + 2)) {
        let (u, v) = (a - c, b - c);
        uu += u * u;
        vv += v * v;
        uv += u * v;
    }
    let gram = uu * vv - uv * uv;
    // Rounding can push the determinant of a flat triangle below zero; NaN has to stay NaN.
    if gram < 0.0 { 0.0 } else { gram.sqrt() / 2.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    const XS: [f64; 4] = [0.0, 0.25, 0.5, 1.0];

    #[test]
    fn a_straight_line_has_no_area() {
        assert_eq!(Triangle.evaluate(&Window::new(&XS, &XS, 1, 1)), 0.0);
        let ys: Vec<f64> = XS.iter().flat_map(|x| [2.0 * x, -x]).collect();
        assert!(Triangle.evaluate(&Window::new(&XS, &ys, 2, 1)) < 1e-8);
    }

    #[test]
    fn a_vector_with_a_constant_component_bends_like_the_scalar() {
        let ys = [0.1, 0.9, 0.4, 0.3];
        let doubled: Vec<f64> = ys.iter().flat_map(|y| [*y, 0.5]).collect();
        let scalar = Triangle.evaluate(&Window::new(&XS, &ys, 1, 1));
        let vector = Triangle.evaluate(&Window::new(&XS, &doubled, 2, 1));
        assert!((scalar - vector).abs() < 1e-12);
    }

    #[test]
    fn one_triangle_counts_at_the_border_and_none_with_two_points() {
        assert_eq!(Triangle.evaluate(&Window::new(&XS[..3], &[0.0, 1.0, 0.0], 1, 0)), 0.25);
        assert_eq!(Triangle.evaluate(&Window::new(&XS[..2], &[0.0, 1.0], 1, 0)), 0.25);
    }

    #[test]
    fn a_nan_value_makes_the_loss_nan() {
        let ys = [0.0, 0.0, f64::NAN, 1.0, 0.0, 0.0, 0.0, 0.0];
        assert!(Curvature::default().evaluate(&Window::new(&XS, &ys, 2, 1)).is_nan());
    }
}
