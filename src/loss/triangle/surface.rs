use super::{Place, Triangle, TriangleLoss, TriangleLossKind};
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
        if triangle.components() == 1 {
            let ([a, b, c], value) = (triangle.points(), |corner| triangle.value(corner, 0));
            let (u, v) = ([b[0] - a[0], b[1] - a[1]], [c[0] - a[0], c[1] - a[1]]);
            let (du, dv) = (value(1) - value(0), value(2) - value(0));
            let cross = [u[1] * dv - du * v[1], du * v[0] - u[0] * dv, u[0] * v[1] - u[1] * v[0]];
            return 0.5 * (cross[0] * cross[0] + cross[1] * cross[1] + cross[2] * cross[2]).sqrt();
        }
        let from = triangle.corner(0);
        0.5 * content([difference(&triangle.corner(1), &from), difference(&triangle.corner(2), &from)])
    }
}

impl TriangleLoss for Bend {
    fn needs_neighbours(&self) -> bool {
        true
    }

    fn evaluate(&self, triangle: &Triangle<'_>) -> f64 {
        let from = triangle.corner(0);
        let sides = [1, 2].map(|corner| difference(&triangle.corner(corner), &from));
        let (mut sum, mut count) = (0.0, 0.0);
        for neighbour in triangle.neighbours() {
            let [a, b] = sides.clone();
            sum += content([a, b, difference(&neighbour, &from)]) / 6.0;
            count += 1.0;
        }
        if count > 0.0 { sum / count } else { 0.0 }
    }
}

fn difference(to: &Place, from: &Place) -> Place {
    to.iter().zip(from).map(|(to, from)| to - from).collect()
}

/// The content of the parallelotope that these vectors span: the product of what remains of each one's length after
/// the directions before it were taken out. Twice, because the first pass leaves rounding errors of a thin one.
fn content<const N: usize>(mut vectors: [Place; N]) -> f64 {
    let dot = |a: &Place, b: &Place| -> f64 { a.iter().zip(b).map(|(a, b)| a * b).sum() };
    let mut content = 1.0;
    for i in 0..N {
        let (before, rest) = vectors.split_at_mut(i);
        let Some(vector) = rest.first_mut() else { break };
        for _ in 0..2 {
            for unit in before.iter() {
                let along = dot(vector, unit);
                vector.iter_mut().zip(unit).for_each(|(x, u)| *x -= along * u);
            }
        }
        let length = dot(vector, vector).sqrt();
        if length == 0.0 {
            return 0.0;
        }
        content *= length;
        vector.iter_mut().for_each(|x| *x /= length);
    }
    content
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
