//! Volumes of simplices in the space of points and values.

use super::View;
use smallvec::SmallVec;

/// k-volume of the simplex that point `apex` and the points before `count` span in the space of coordinates and
/// values, with k = `count`. (The points are 0 to k - 1, and the apex.)
///
/// The edges that meet in the apex are made orthogonal one after the other; the product of their lengths over k! is
/// the volume (upstream: `simplex_volume_in_embedding`, by the Cayley-Menger determinant, which squares the error).
/// O(k^2 m) with m = dimensions + components; no heap for less than 64 numbers.
pub(super) fn embedded_volume(view: &View<'_>, count: usize, apex: usize) -> f64 {
    if view.dim() == 2 && view.value_dim() == 1 && count == 2 {
        return triangle_area(view, apex);
    }
    let width = view.dim() + view.value_dim();
    let mut edges: SmallVec<[f64; 64]> = SmallVec::new();
    for i in 0..count {
        let (point, value) = (view.point(i), view.value(i));
        edges.extend(point.iter().zip(view.point(apex)).map(|(a, b)| a - b));
        edges.extend(value.iter().zip(view.value(apex)).map(|(a, b)| a - b));
    }
    let mut volume = 1.0;
    for i in 0..count {
        let (done, rest) = edges.split_at_mut(i * width);
        let edge = &mut rest[..width];
        for (j, unit) in done.chunks_exact(width).enumerate() {
            debug_assert!(j < i);
            let along: f64 = unit.iter().zip(&*edge).map(|(u, e)| u * e).sum();
            edge.iter_mut().zip(unit).for_each(|(e, u)| *e -= along * u);
        }
        let length = edge.iter().map(|e| e * e).sum::<f64>().sqrt();
        volume *= length / (i + 1) as f64;
        // An edge within the span of the others leaves the volume at zero, unless something later is NaN.
        let scale = if length > 0.0 { 1.0 / length } else { 0.0 };
        edge.iter_mut().for_each(|e| *e *= scale);
    }
    volume
}

/// The same for a triangle over the plane: half the length of a cross product.
fn triangle_area(view: &View<'_>, apex: usize) -> f64 {
    let edge = |i: usize| {
        let (a, b) = (view.point(i), view.point(apex));
        [a[0] - b[0], a[1] - b[1], view.value(i)[0] - view.value(apex)[0]]
    };
    let (u, v) = (edge(0), edge(1));
    let (x, y, z) = (u[1] * v[2] - u[2] * v[1], u[2] * v[0] - u[0] * v[2], u[0] * v[1] - u[1] * v[0]);
    (x * x + y * y + z * z).sqrt() / 2.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::loss::simplex::tests::triangle;

    #[test]
    fn a_triangle_over_the_plane_has_the_area_of_a_cross_product() {
        // Edges (1, 0, 1) and (0, 1, 2): their cross product is (-1, -2, 1).
        assert!((embedded_volume(&triangle(false), 2, 2) - 6f64.sqrt() / 2.0).abs() < 1e-15);
    }

    #[test]
    fn a_constant_component_changes_no_volume() {
        let points = [0.1, 0.2, 0.9, 0.3, 0.4, 0.8];
        let scalar = embedded_volume(&View::new(2, &points, 1, &[0.0, 0.7, 0.4], 0.2), 2, 2);
        let values = [0.0, 0.5, 0.7, 0.5, 0.4, 0.5];
        let vector = embedded_volume(&View::new(2, &points, 2, &values, 0.2), 2, 2);
        assert!((scalar - vector).abs() < 1e-15);
    }

    #[test]
    fn a_tetrahedron_over_the_plane_has_the_volume_of_a_determinant() {
        // Apex (1, 1, 5); edges to the others: (-1,-1,-5), (0,-1,-4), (-1,0,-3); determinant 2.
        assert!((embedded_volume(&triangle(true), 3, 3) - 2.0 / 6.0).abs() < 1e-14);
    }

    #[test]
    fn a_flat_simplex_has_no_volume_and_nan_stays_nan() {
        let points = [0.0, 0.0, 1.0, 1.0, 2.0, 2.0];
        let flat = |values: &[f64]| embedded_volume(&View::new(2, &points, 2, values, 0.0), 2, 2);
        assert!(flat(&[0.0, 0.0, 1.0, 0.5, 2.0, 1.0]).abs() < 1e-8);
        assert!(flat(&[0.0, 0.0, f64::NAN, 0.5, 2.0, 1.0]).is_nan());
    }
}
