//! Signs of determinants that rounding can't turn.
//!
//! Each predicate first computes in floats; only if the result is below a bound on its error does it go exact:
//! with the adaptive predicates of the `robust` crate in two and three dimensions, with expansions above. So the
//! signs are exact in every dimension (as long as nothing underflows, see the bounds of `robust`).
//! Above three dimensions determinants are expanded by minors, and the bound is `1e-14` times the same sum with all
//! terms positive: each term is a product of at most nine differences, so its error, and that of adding it, is far less.

use super::exact::{self, Expansion};
use super::matrix::{Matrix, sub};
use robust::{Coord, Coord3D};
use smallvec::SmallVec;

/// Share of the sum of all absolute terms below which a determinant may have the wrong sign.
const DOUBT: f64 = 1e-14;

/// The sign of a determinant of n <= 9 rows, or `None` if rounding leaves it in doubt. O(n 2^n).
fn certain_sign(rows: &[f64], n: usize) -> Option<i8> {
    // Of the first rows with every set of columns: the minor, and the sum of the absolute terms.
    let mut minors = [(0.0, 0.0); 1 << 9];
    minors[0] = (1.0, 1.0);
    for columns in 1..1_usize << n {
        let row = columns.count_ones() as usize - 1;
        let (mut sum, mut absolute) = (0.0, 0.0);
        // The last row's columns from right to left have alternating signs.
        let (mut rest, mut sign) = (columns, 1.0);
        while rest != 0 {
            let column = rest.ilog2() as usize;
            rest &= !(1 << column);
            let (minor, terms) = minors[columns & !(1 << column)];
            let entry = rows[row * n + column];
            sum += sign * entry * minor;
            absolute += entry.abs() * terms;
            sign = -sign;
        }
        minors[columns] = (sum, absolute);
    }
    let (det, absolute) = minors[(1 << n) - 1];
    (absolute == 0.0 || det.abs() > DOUBT * absolute).then_some(sign(det))
}

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
    if let Some(sign) = certain_sign(rows.as_flattened(), D) {
        return sign;
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
        _ if D.is_multiple_of(2) => lifted(simplex, point),
        _ => -lifted(simplex, point),
    };
    sign * orientation
}

/// The sign of the determinant with rows `(v - p, |v - p|^2)`: of the simplex lifted to a paraboloid around `p`.
fn lifted<const D: usize>(simplex: &[&[f64; D]], point: &[f64; D]) -> i8 {
    let n = D + 1;
    let mut rows: SmallVec<[f64; 96]> = SmallVec::new();
    for vertex in simplex {
        let edge = sub(vertex, point);
        rows.extend(edge);
        rows.push(edge.iter().map(|x| x * x).sum());
    }
    if let Some(sign) = certain_sign(&rows, n) {
        return sign;
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
            let before = orient(&simplex);
            simplex.swap(0, 1);
            assert_eq!(orient(&simplex), -before);
        }
        // Almost, and exactly, in the plane through the unit vectors.
        let mut near = points.clone();
        near[0] = [1.0 / 8.0; D];
        near[0][0] = 1.0 - (D as f64 - 1.0) / 8.0;
        assert_eq!(orient(&near.iter().collect::<Vec<_>>()), 0);
        let plane = near[0][0];
        near[0][0] = plane - f64::EPSILON;
        assert_eq!(orient(&near.iter().collect::<Vec<_>>()), 1);
        near[0][0] = plane + f64::EPSILON;
        assert_eq!(orient(&near.iter().collect::<Vec<_>>()), -1);
    }

    /// Needles, flat simplices and points that almost meet: swapping two points has to turn the sign, and
    /// adding a point in the plane of a face must not matter.
    #[test]
    fn exchanging_points_turns_the_sign_whatever_the_shape() {
        fn check<const D: usize>() {
            let mut state = 1_u64;
            let mut random = || {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                (state >> 11) as f64 / (1_u64 << 53) as f64
            };
            for _ in 0..300 {
                let mut points: Vec<[f64; D]> = (0..=D).map(|_| std::array::from_fn(|_| random())).collect();
                for i in 1..=D {
                    let scale = 10f64.powf(-17.0 * random());
                    let near = points[i - 1];
                    points[i] = std::array::from_fn(|k| near[k] + scale * (points[i][k] - 0.5));
                }
                points[D] = std::array::from_fn(|k| {
                    points[..D].iter().map(|p| p[k]).sum::<f64>() / D as f64 + 1e-16 * (random() - 0.5)
                });
                let mut simplex: Vec<&[f64; D]> = points.iter().collect();
                let before = orient(&simplex);
                for (i, j) in [(0, 1), (1, D), (0, D), (D / 2, D)] {
                    simplex.swap(i, j);
                    assert_eq!(orient(&simplex), -before, "{points:?}");
                    simplex.swap(i, j);
                }
            }
        }
        check::<3>();
        check::<4>();
        check::<5>();
        check::<6>();
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
