use super::{Place, Triangle, TriangleLoss, TriangleLossKind};
use crate::geometry::simplex;
use smallvec::SmallVec;
use std::sync::Arc;

/// Area of the triangle in the space of x, y and all components of the value
/// (upstream: `minimize_triangle_surface_loss`, there for scalar functions only).
#[derive(Clone, Copy, Debug, Default)]
pub struct Surface;

/// Mean volume of the tetrahedra that the triangle makes with the vertices opposite to its sides, in the space of
/// x, y and all components of the value: zero where the function is linear (upstream: `triangle_loss`, there with
/// unscaled values).
#[derive(Clone, Copy, Debug, Default)]
pub struct Bend;

pub(super) const SURFACE: TriangleLossKind = TriangleLossKind {
    name: "minimize_triangle_surface",
    about: "area of the triangle in the space of coordinates and values",
    from_settings: |_| Ok(Arc::new(Surface)),
};

pub(super) const BEND: TriangleLossKind = TriangleLossKind {
    name: "triangle",
    about: "volume between the triangle and its neighbours in the space of coordinates and values",
    from_settings: |_| Ok(Arc::new(Bend)),
};

impl TriangleLoss for Surface {
    fn evaluate(&self, triangle: &Triangle<'_>) -> f64 {
        volume([0, 1, 2].map(|corner| triangle.corner(corner)))
    }
}

impl TriangleLoss for Bend {
    fn needs_neighbours(&self) -> bool {
        true
    }

    fn evaluate(&self, triangle: &Triangle<'_>) -> f64 {
        let [a, b, c] = [0, 1, 2].map(|corner| triangle.corner(corner));
        let (mut sum, mut count) = (0.0, 0.0);
        for neighbour in triangle.neighbours() {
            sum += volume([a.clone(), b.clone(), c.clone(), neighbour]);
            count += 1.0;
        }
        if count > 0.0 { sum / count } else { 0.0 }
    }
}

/// The volume of the simplex between these points.
fn volume<const N: usize>(points: [Place; N]) -> f64 {
    let dim = points[0].len();
    let rows: SmallVec<[f64; 24]> = points.into_iter().flatten().collect();
    simplex::embedded_volume(&rows, dim)
}

#[cfg(test)]
mod tests {
    use super::*;
    use approx::assert_relative_eq;

    #[test]
    fn a_right_triangle_standing_on_edge_by_hand() {
        // Sides (3, 0, 4) and (0, 2, 0): a right angle, lengths 5 and 2.
        let values = [[1.0], [3.0], [1.0]];
        let points = [[0.0, 0.0], [3.0, 0.0], [0.0, 2.0]];
        let triangle = Triangle::new(points, values.each_ref().map(|y| &y[..]), 2.0);
        assert_relative_eq!(Surface.evaluate(&triangle), 5.0, max_relative = 1e-15);
    }

    #[test]
    fn a_vector_whose_second_component_is_constant_is_like_a_scalar() {
        let points = [[0.1, 0.2], [0.5, 0.1], [0.3, 0.9]];
        let scalar = [[1.0], [3.0], [0.5]];
        let vector = [[7.0, 1.0], [7.0, 3.0], [7.0, 0.5]];
        let surface = |triangle: Triangle<'_>| Surface.evaluate(&triangle);
        assert_relative_eq!(
            surface(Triangle::new(points, scalar.each_ref().map(|y| &y[..]), 0.4)),
            surface(Triangle::new(points, vector.each_ref().map(|y| &y[..]), 0.4)),
            max_relative = 1e-14
        );
    }

    #[test]
    fn volumes_with_neighbours_are_averaged_and_vanish_where_the_function_is_linear() {
        let points = [[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]];
        let of = |neighbours: &[([f64; 2], &[f64])]| {
            Bend.evaluate(&Triangle::new(points, [&[2.0]; 3], 0.5).with_neighbours(neighbours))
        };
        // Base 1/2, heights 3 and 0 above the plane of the triangle.
        assert_relative_eq!(of(&[([1.0, 1.0], &[8.0])]), 0.5, max_relative = 1e-14);
        assert_relative_eq!(of(&[([1.0, 1.0], &[8.0]), ([-1.0, 1.0], &[2.0])]), 0.25, max_relative = 1e-14);
        assert_eq!(of(&[]), 0.0);
    }
}
