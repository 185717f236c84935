//! The bounding box and the extreme points of a set.

use super::matrix::{Matrix, dot, solve, sub};
use super::{GeometryError, Triangulation, VertexId};

/// Facets whose normals differ by less are in one plane.
const PARALLEL: f64 = 1e-8;

/// The lowest and the highest coordinate in every dimension. Infinite and reversed if there are no points.
#[must_use]
pub fn bounding_box<const D: usize>(points: &[[f64; D]]) -> ([f64; D], [f64; D]) {
    let (mut low, mut high) = ([f64::INFINITY; D], [f64::NEG_INFINITY; D]);
    for point in points {
        for i in 0..D {
            low[i] = low[i].min(point[i]);
            high[i] = high[i].max(point[i]);
        }
    }
    (low, high)
}

/// The numbers of the points that are corners of the convex hull, ascending: those not between others. Points inside,
/// or on a face or an edge (within 1e-8), are none. Triangulates the points.
///
/// # Errors
/// As for [`Triangulation::new`].
pub fn extreme_points<const D: usize>(points: &[[f64; D]]) -> Result<Vec<VertexId>, GeometryError> {
    Ok(extreme_vertices(&Triangulation::new(points)?))
}

/// The corners of the hull of a triangulation, ascending. O(n).
///
/// A vertex is a corner if the normals of the hull faces at it span all dimensions.
#[must_use]
pub fn extreme_vertices<const D: usize>(triangulation: &Triangulation<D>) -> Vec<VertexId> {
    let mut normals: Vec<Vec<[f64; D]>> = vec![Vec::new(); triangulation.npoints()];
    for (simplex, k) in triangulation.hull_faces() {
        let normal = normal(triangulation, simplex, k);
        for (i, &vertex) in triangulation.vertices(simplex).iter().enumerate() {
            let basis = &mut normals[vertex as usize];
            if i == k || basis.len() == D {
                continue;
            }
            // Orthogonal to the normals before; twice, for the sake of rounding.
            let mut rest = normal;
            for _ in 0..2 {
                for direction in basis.iter() {
                    let part = dot(&rest, direction);
                    (0..D).for_each(|i| rest[i] -= part * direction[i]);
                }
            }
            let length = dot(&rest, &rest).sqrt();
            if length > PARALLEL {
                basis.push(rest.map(|x| x / length));
            }
        }
    }
    (0..).zip(&normals).filter(|(_, basis)| basis.len() == D).map(|(vertex, _)| vertex).collect()
}

/// The unit normal of a face: the direction in which the weight of the opposite vertex changes.
fn normal<const D: usize>(triangulation: &Triangulation<D>, simplex: u32, k: usize) -> [f64; D] {
    let vertices = triangulation.vertices(simplex);
    // Edges from a vertex of the face; the one to vertex k has product 1 with the normal, the others 0.
    let base = usize::from(k == 0);
    let mut normal = [0.0; D];
    let mut edges: Matrix<D> = [[0.0; D]; D];
    for (row, i) in (0..=D).filter(|i| *i != base).enumerate() {
        edges[row] = sub(triangulation.point(vertices[i]), triangulation.point(vertices[base]));
        normal[row] = if i == k { 1.0 } else { 0.0 };
    }
    solve(&edges, &mut normal);
    let length = dot(&normal, &normal).sqrt();
    normal.map(|x| x / length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_inside_and_on_faces_and_edges_are_not_extreme() {
        let mut cube = Vec::new();
        for i in 0..27 {
            cube.push([i % 3, i / 3 % 3, i / 9].map(|x| f64::from(x) / 2.0));
        }
        assert_eq!(extreme_points(&cube).unwrap(), [0, 2, 6, 8, 18, 20, 24, 26]);
        assert_eq!(bounding_box(&cube), ([0.0; 3], [1.0; 3]));
    }

    #[test]
    fn a_rounded_edge_has_no_corner_in_its_middle() {
        let mut points = vec![[0.1, 0.3], [0.7, 1.1], [0.9, -0.2]];
        for share in [0.1, 0.35, 0.6] {
            points.push([0, 1].map(|i| points[0][i] + share * (points[1][i] - points[0][i])));
        }
        assert_eq!(extreme_points(&points).unwrap(), [0, 1, 2]);
    }

    #[test]
    fn no_points_have_no_box() {
        assert_eq!(bounding_box::<1>(&[]), ([f64::INFINITY], [f64::NEG_INFINITY]));
    }
}
