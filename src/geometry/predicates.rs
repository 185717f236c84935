//! Signs of determinants that rounding can't turn.
//!
//! Each predicate first computes in floats; only if the result is below a bound on its error does it go exact:
//! with the adaptive predicates of the `robust` crate in two and three dimensions, with expansions above. So the
//! signs are exact in every dimension (as long as nothing underflows, see the bounds of `robust`).
//! Above three dimensions the bound is `1e-12` times the product of the lengths of the rows, which covers the error of
//! Gaussian elimination up to nine rows.

use super::exact::{self, Expansion};
use super::matrix::{Matrix, determinant, sub};
use robust::{Coord, Coord3D};
use smallvec::SmallVec;

/// Share of the product of the row lengths below which a determinant by elimination may have the wrong sign.
const DOUBT: f64 = 1e-12;

pub(super) fn sign(x: f64) -> i8 {
    i8::from(x > 0.0) - i8::from(x < 0.0)
}

fn coord<const D: usize>(p: &[f64; D]) -> Coord<f64> {
    Coord { x: p[0], y: p[1] }
}

fn coord3<const D: usize>(p: &[f64; D]) -> Coord3D<f64> {
    Coord3D { x: p[0], y: p[1], z: p[2] }
}

/// The orientation of D+1 points: the sign of the determinant of `points[i] - points[0]`, `i = 1..=D`; 0 if all lie in
/// one hyperplane. Positive means counter-clockwise in two dimensions.
#[must_use]
pub fn orient<const D: usize>(points: &[&[f64; D]]) -> i8 {
    debug_assert_eq!(points.len(), D + 1, "an orientation needs D+1 points");
    match D {
        1 => sign(points[1][0] - points[0][0]),
        2 => sign(robust::orient2d(coord(points[0]), coord(points[1]), coord(points[2]))),
        3 => {
            let [a, b, c, d] = [points[0], points[1], points[2], points[3]].map(coord3);
            -sign(robust::orient3d(a, b, c, d))
        }
        _ => orient_many(points),
    }
}

fn orient_many<const D: usize>(points: &[&[f64; D]]) -> i8 {
    // A coordinate that all points share (the face of a box) needs no arithmetic.
    if (0..D).any(|i| points.iter().all(|point| point[i] == points[0][i])) {
        return 0;
    }
    let rows: Matrix<D> = std::array::from_fn(|i| sub(points[i + 1], points[0]));
    let lengths: f64 = rows.iter().map(|row| row.iter().map(|x| x * x).sum::<f64>()).product();
    let det = determinant(&rows);
    if det.abs() > DOUBT * lengths.sqrt() {
        return sign(det);
    }
    let entries: SmallVec<[Expansion; 36]> = points[1..]
        .iter()
        .flat_map(|point| (0..D).map(|i| exact::difference(point[i], points[0][i])))
        .collect();
    exact::sign_of_determinant(&entries, D)
}

/// Whether a point lies inside (1), on (0) or outside (-1) of the sphere through the D+1 points of a simplex, whatever
/// the simplex' orientation. A flat simplex has no sphere: 0.
#[must_use]
pub fn in_sphere<const D: usize>(simplex: &[&[f64; D]], point: &[f64; D]) -> i8 {
    let orientation = orient(simplex);
    if orientation == 0 {
        return 0;
    }
    let sign = match D {
        2 => sign(robust::incircle(coord(simplex[0]), coord(simplex[1]), coord(simplex[2]), coord(point))),
        3 => {
            let [a, b, c, d] = [simplex[0], simplex[1], simplex[2], simplex[3]].map(coord3);
            -sign(robust::insphere(a, b, c, d, coord3(point)))
        }
        _ if D % 2 == 0 => lifted(simplex, point),
        _ => -lifted(simplex, point),
    };
    sign * orientation
}

/// The sign of the determinant with rows `(v - p, |v - p|^2)`: of the simplex lifted to a paraboloid around `p`.
fn lifted<const D: usize>(simplex: &[&[f64; D]], point: &[f64; D]) -> i8 {
    let n = D + 1;
    let mut rows: SmallVec<[f64; 96]> = SmallVec::new();
    let mut lengths = 1.0;
    for vertex in simplex {
        let edge = sub(vertex, point);
        let square: f64 = edge.iter().map(|x| x * x).sum();
        rows.extend(edge);
        rows.push(square);
        lengths *= square + square * square;
    }
    let det = super::simplex::determinant(&mut rows, n);
    if det.abs() > DOUBT * f64::sqrt(lengths) {
        return sign(det);
    }
    let mut entries: Vec<Expansion> = Vec::with_capacity(n * n);
    for vertex in simplex {
        let start = entries.len();
        entries.extend((0..D).map(|i| exact::difference(vertex[i], point[i])));
        let square = exact::sum_of_squares(&entries[start..]);
        entries.push(square);
    }
    exact::sign_of_determinant(&entries, n)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn corner<const D: usize>() -> Vec<[f64; D]> {
        let mut points = vec![[0.0; D]];
        for i in 0..D {
            points.push(std::array::from_fn(|j| if i == j { 1.0 } else { 0.0 }));
        }
        points
    }

    fn check<const D: usize>() {
        let points = corner::<D>();
        let mut simplex: Vec<&[f64; D]> = points.iter().collect();
        assert_eq!(orient(&simplex), 1);
        let (inside, on, outside) = ([0.3; D], [1.0; D], [1.1; D]);
        for _ in 0..2 {
            assert_eq!(in_sphere(&simplex, &inside), 1, "{D}");
            assert_eq!(in_sphere(&simplex, &on), 0, "{D}");
            assert_eq!(in_sphere(&simplex, &outside), -1, "{D}");
            assert_eq!(in_sphere(&simplex, &[1.0 - f64::EPSILON; D]), 1, "{D}");
            assert_eq!(in_sphere(&simplex, &[1.0 + f64::EPSILON; D]), -1, "{D}");
            simplex.swap(0, 1);
            assert_eq!(orient(&simplex), -1);
        }
        // Almost, and exactly, in the plane through the unit vectors.
        let mut near = points.clone();
        near[0] = [1.0 / 8.0; D];
        near[0][0] = 1.0 - (D as f64 - 1.0) / 8.0;
        assert_eq!(orient(&near.iter().collect::<Vec<_>>()), 0);
        near[0][0] -= f64::EPSILON / 2.0;
        assert_eq!(orient(&near.iter().collect::<Vec<_>>()), 1);
        near[0][0] += f64::EPSILON;
        assert_eq!(orient(&near.iter().collect::<Vec<_>>()), -1);
    }

    #[test]
    fn the_last_bit_decides_in_every_dimension() {
        check::<1>();
        check::<2>();
        check::<3>();
        check::<4>();
        check::<5>();
        check::<6>();
        check::<7>();
    }
}
