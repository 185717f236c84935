//! Measures of one simplex, with dimensions known at run time.
//!
//! Points come as one flat slice, row by row: `n` points of `dim` coordinates are `n * dim` numbers. Nothing here
//! allocates for up to 8 dimensions (64 numbers).

use super::matrix::factorial;
use smallvec::SmallVec;

/// Enough for nine points in eight dimensions.
type Buffer = SmallVec<[f64; 96]>;

/// Weights of a point between the vertices of a simplex.
pub type Weights = SmallVec<[f64; 9]>;

fn edges(points: &[f64], dim: usize) -> Buffer {
    let (first, rest) = points.split_at(dim);
    rest.iter().enumerate().map(|(i, x)| x - first[i % dim]).collect()
}

/// The determinant of an n x n matrix, row by row; the matrix is used up. O(n^3).
#[must_use]
pub fn determinant(matrix: &mut [f64], n: usize) -> f64 {
    let mut det = 1.0;
    for column in 0..n {
        let pivot = pivot(matrix, n, n, column);
        if pivot != column {
            (0..n).for_each(|i| matrix.swap(pivot * n + i, column * n + i));
            det = -det;
        }
        let top = matrix[column * n + column];
        det *= top;
        if det == 0.0 {
            return 0.0;
        }
        for row in column + 1..n {
            let factor = matrix[row * n + column] / top;
            for i in column + 1..n {
                matrix[row * n + i] -= factor * matrix[column * n + i];
            }
        }
    }
    det
}

/// The row at or below the diagonal with the greatest entry in a column.
fn pivot(matrix: &[f64], width: usize, rows: usize, column: usize) -> usize {
    let mut best = column;
    for row in column + 1..rows {
        if matrix[row * width + column].abs() > matrix[best * width + column].abs() {
            best = row;
        }
    }
    best
}

/// Solves `n` equations, given as rows of `n + 1` numbers with the right side last. False if they have no one solution.
fn solve(matrix: &mut [f64], n: usize, out: &mut [f64]) -> bool {
    let width = n + 1;
    for column in 0..n {
        let pivot = pivot(matrix, width, n, column);
        if matrix[pivot * width + column] == 0.0 {
            return false;
        }
        (0..width).for_each(|i| matrix.swap(pivot * width + i, column * width + i));
        for row in column + 1..n {
            let factor = matrix[row * width + column] / matrix[column * width + column];
            for i in column + 1..width {
                matrix[row * width + i] -= factor * matrix[column * width + i];
            }
        }
    }
    for row in (0..n).rev() {
        let known: f64 = (row + 1..n).map(|i| matrix[row * width + i] * out[i]).sum();
        out[row] = (matrix[row * width + n] - known) / matrix[row * width + row];
    }
    out[..n].iter().all(|x| x.is_finite())
}

/// The volume of a simplex of `dim + 1` points: `|det| / dim!` (upstream `volume`).
#[must_use]
pub fn volume(points: &[f64], dim: usize) -> f64 {
    debug_assert_eq!(points.len(), (dim + 1) * dim, "dim + 1 points");
    let mut edges = edges(points, dim);
    determinant(&mut edges, dim).abs() / factorial(dim)
}

/// The k-dimensional volume of `k + 1` points in `dim >= k` dimensions (upstream `simplex_volume_in_embedding`).
///
/// The Cayley-Menger determinant gives the same number, but squared and with cancellation; here the edges are made
/// orthogonal one after another (largest first), so that a flat simplex has the volume 0 up to rounding, not up to its root.
#[must_use]
pub fn embedded_volume(points: &[f64], dim: usize) -> f64 {
    let k = points.len() / dim - 1;
    debug_assert!(k <= dim && points.len() == (k + 1) * dim, "k + 1 points in at least k dimensions");
    if let (3, &[ax, ay, az, bx, by, bz, cx, cy, cz]) = (dim, points) {
        let (u, v) = ([bx - ax, by - ay, bz - az], [cx - ax, cy - ay, cz - az]);
        let (x, y, z) = (u[1] * v[2] - u[2] * v[1], u[2] * v[0] - u[0] * v[2], u[0] * v[1] - u[1] * v[0]);
        return (x * x + y * y + z * z).sqrt() / 2.0;
    }
    let mut edges = edges(points, dim);
    let mut product = 1.0;
    for done in 0..k {
        let square = |edges: &Buffer, row: usize| -> f64 {
            edges[row * dim..(row + 1) * dim].iter().map(|x| x * x).sum()
        };
        let mut best = (done, square(&edges, done));
        for row in done + 1..k {
            let length = square(&edges, row);
            // A NaN anywhere is a NaN of the volume.
            if length > best.1 || length.is_nan() {
                best = (row, length);
            }
        }
        if best.1 == 0.0 {
            return 0.0;
        }
        (0..dim).for_each(|i| edges.swap(best.0 * dim + i, done * dim + i));
        product *= best.1.sqrt();
        let (upper, lower) = edges.split_at_mut((done + 1) * dim);
        let direction = &upper[done * dim..];
        for row in lower.chunks_exact_mut(dim) {
            let part = row.iter().zip(direction).map(|(x, d)| x * d).sum::<f64>() / best.1;
            row.iter_mut().zip(direction).for_each(|(x, d)| *x -= part * d);
        }
    }
    product / factorial(k)
}

/// The centre of the sphere through `dim + 1` points, written to `centre`, and its squared radius. `None` if the
/// simplex is flat (upstream `circumsphere`).
#[must_use]
pub fn circumsphere(points: &[f64], dim: usize, centre: &mut [f64]) -> Option<f64> {
    let edges = edges(points, dim);
    let mut matrix = Buffer::new();
    for edge in edges.chunks_exact(dim) {
        matrix.extend_from_slice(edge);
        matrix.push(edge.iter().map(|x| x * x).sum::<f64>() / 2.0);
    }
    if !solve(&mut matrix, dim, centre) {
        return None;
    }
    let square = centre[..dim].iter().map(|x| x * x).sum();
    centre.iter_mut().zip(&points[..dim]).for_each(|(c, p)| *c += p);
    Some(square)
}

/// The weights of the `dim + 1` vertices whose mean is the point; one below 0 means that the point lies beyond the
/// face opposite to that vertex. `None` if the simplex is flat.
#[must_use]
pub fn barycentric(points: &[f64], dim: usize, point: &[f64]) -> Option<Weights> {
    let edges = edges(points, dim);
    let mut matrix = Buffer::new();
    for i in 0..dim {
        matrix.extend((0..dim).map(|edge| edges[edge * dim + i]));
        matrix.push(point[i] - points[i]);
    }
    let mut weights: Weights = SmallVec::from_elem(0.0, dim + 1);
    if !solve(&mut matrix, dim, &mut weights[1..]) {
        return None;
    }
    weights[0] = 1.0 - weights[1..].iter().sum::<f64>();
    Some(weights)
}

/// The two points (lower first) with the greatest distance; among equals the first in the order (0,1), (0,2), …, (1,2), …
/// as upstream takes it from the distance matrix.
#[must_use]
pub fn longest_edge(points: &[f64], dim: usize) -> (usize, usize) {
    let n = points.len() / dim;
    let mut best = ((0, 1.min(n.saturating_sub(1))), f64::NEG_INFINITY);
    for a in 0..n {
        for b in a + 1..n {
            let square: f64 = (0..dim)
                .map(|i| {
                    let d = points[a * dim + i] - points[b * dim + i];
                    d * d
                })
                .sum();
            if square > best.1 {
                best = ((a, b), square);
            }
        }
    }
    best.0
}

/// The mean of the points, written to `out`.
pub fn centroid(points: &[f64], dim: usize, out: &mut [f64]) {
    let n = points.len() / dim;
    for (i, x) in out[..dim].iter_mut().enumerate() {
        *x = points.iter().skip(i).step_by(dim).sum::<f64>() / n as f64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use approx::assert_relative_eq;
    use proptest::prelude::*;

    const UNIT: [f64; 12] = [0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0];

    #[test]
    fn the_unit_corner_has_known_measures() {
        assert_eq!(volume(&UNIT, 3), 1.0 / 6.0);
        assert_relative_eq!(embedded_volume(&UNIT, 3), 1.0 / 6.0);
        let mut centre = [0.0; 3];
        assert_relative_eq!(circumsphere(&UNIT, 3, &mut centre).unwrap(), 0.75);
        assert_eq!(centre, [0.5; 3]);
        centroid(&UNIT, 3, &mut centre);
        assert_eq!(centre, [0.25; 3]);
        // The three diagonals are equally long: the first counts.
        assert_eq!(longest_edge(&UNIT, 3), (1, 2));
        assert_eq!(barycentric(&UNIT, 3, &[0.25; 3]).unwrap().as_slice(), [0.25; 4]);
    }

    #[test]
    fn a_triangle_in_five_dimensions_has_its_area() {
        let mut points = vec![0.0; 15];
        points[5 + 1] = 3.0;
        points[10 + 4] = 4.0;
        assert_relative_eq!(embedded_volume(&points, 5), 6.0);
        assert_eq!(longest_edge(&points, 5), (1, 2));
    }

    #[test]
    fn flat_simplices_have_neither_volume_nor_sphere() {
        let line = [0.0, 0.0, 1.0, 1.0, 2.0, 2.0];
        assert_eq!(volume(&line, 2), 0.0);
        assert!(embedded_volume(&line, 2) < 1e-15);
        assert!(circumsphere(&line, 2, &mut [0.0; 2]).is_none());
        assert!(barycentric(&line, 2, &[0.5, 0.5]).is_none());
    }

    proptest! {
        #[test]
        fn the_sphere_goes_through_all_vertices(points in prop::collection::vec(-1.0..1.0f64, 20)) {
            prop_assume!(volume(&points, 4) > 1e-5);
            let mut centre = [0.0; 4];
            let square = circumsphere(&points, 4, &mut centre).unwrap();
            for vertex in points.chunks(4) {
                let d: f64 = vertex.iter().zip(&centre).map(|(a, b)| (a - b) * (a - b)).sum();
                prop_assert!((d - square).abs() < 1e-6 * square);
            }
        }

        #[test]
        fn weights_give_the_point_back(points in prop::collection::vec(-1.0..1.0f64, 12), at in prop::array::uniform3(-1.0..1.0f64)) {
            prop_assume!(volume(&points, 3) > 1e-4);
            let weights = barycentric(&points, 3, &at).unwrap();
            for i in 0..3 {
                let x: f64 = (0..4).map(|v| weights[v] * points[3 * v + i]).sum();
                prop_assert!((x - at[i]).abs() < 1e-9);
            }
        }

        #[test]
        fn both_volumes_agree(points in prop::collection::vec(-1.0..1.0f64, 30)) {
            let (a, b) = (volume(&points, 5), embedded_volume(&points, 5));
            prop_assert!((a - b).abs() < 1e-13);
        }
    }
}
