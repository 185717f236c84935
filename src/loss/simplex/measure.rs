//! Volumes of simplices in the space of points and values.

use super::View;
use crate::geometry::simplex;
use smallvec::SmallVec;

/// k-volume of the simplex that point `apex` and the points before `count` span in the space of coordinates and
/// values, with k = `count`. (The points are 0 to k - 1, and the apex.)
pub(super) fn embedded_volume(view: &View<'_>, count: usize, apex: usize) -> f64 {
    let mut rows: SmallVec<[f64; 64]> = SmallVec::new();
    for i in std::iter::once(apex).chain(0..count) {
        rows.extend_from_slice(view.point(i));
        rows.extend_from_slice(view.value(i));
    }
    simplex::embedded_volume(&rows, view.dim() + view.value_dim())
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
