//! The point at which a simplex is split where its loss says how wrong the interpolant is.

use crate::geometry::simplex::Weights;
use smallvec::SmallVec;

/// How far outside of the simplex the middle may lie and still count as inside, in barycentric coordinates: that of a
/// right-angled triangle lies on its longest side.
const TOLERANCE: f64 = 1e-8;
/// Which part of the metric is the bending of the function, where that is known well.
const TRUST: f64 = 0.8;
/// Where tangents at the two ends of an edge miss each other by so much of the range of values, the function is not
/// resolved: its gradients say little. (At a jump they never say much.)
const UNRESOLVED: f64 = 0.2;

/// Where to split a simplex.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Cut {
    /// Between the corners, with these weights.
    Between(Weights),
    /// In the middle of the edge between these two corners.
    Edge(usize, usize),
}

/// Numbers of pairs of corners, row after row.
type Pairs = SmallVec<[f64; 16]>;

/// The place in a simplex where a linear interpolant is most wrong, moved half-way to the centroid; or the middle of
/// the edge along which it is most wrong, if that place lies outside.
///
/// Beside the plane through its corners, a function whose second derivatives are constant has the height
/// -½ Σ wᵢ wⱼ qᵢⱼ at barycentric coordinates w, with the second difference qᵢⱼ along each edge. It is greatest in the
/// point that is equally far from all corners, if √qᵢⱼ are the lengths of the edges. The squares of the true lengths are
/// mixed in: alone (no gradients known, or too large differences to believe them) they make this point the centre of
/// the circumsphere, which is as far as possible from all vertices around, so that simplices stay round. Half-way to the
/// centroid is better than either by some percent.
///
/// `corners` are the D + 1 corners; `gradients`, if known, those at the corners: per corner, component by component.
/// `scale` brings values to a range of 1. O(D^3 + D^3 M) for M components.
pub(super) fn cut<const D: usize>(corners: &[[f64; D]], gradients: &[[f64; D]], scale: f64) -> Cut {
    let n = corners.len();
    let mean = |pairs: &[f64]| pairs.iter().sum::<f64>() / (n * (n - 1)) as f64;
    let mut metric = pairs(n, |i, j| squared(difference(&corners[i], &corners[j])));
    let size = mean(&metric);
    metric.iter_mut().for_each(|square| *square /= size);

    let rows = gradients.len() / n;
    let bends = pairs(n, |i, j| {
        let edge = difference(&corners[j], &corners[i]);
        let at = |corner: usize| &gradients[corner * rows..(corner + 1) * rows];
        let along = at(i).iter().zip(at(j)).map(|(from, to)| dot(difference(to, from), edge));
        along.map(|bend| bend * bend).sum::<f64>().sqrt()
    });
    let bend = mean(&bends);
    if bend > 0.0 && bend.is_finite() {
        let trust = TRUST / (1.0 + (bend * scale / UNRESOLVED).powi(2));
        let mixed = |(square, own): (&mut f64, &f64)| *square += trust * (own / bend - *square);
        metric.iter_mut().zip(&bends).for_each(mixed);
    }
    match middle(&metric, n) {
        Some(mut weights) => {
            weights.iter_mut().for_each(|weight| *weight = 0.5 * (*weight + 1.0 / n as f64));
            Cut::Between(weights)
        }
        None => longest(&metric, n),
    }
}

fn pairs(n: usize, of: impl Fn(usize, usize) -> f64) -> Pairs {
    (0..n * n).map(|k| if k / n == k % n { 0.0 } else { of(k / n, k % n) }).collect()
}

#[inline]
fn difference<const D: usize>(a: &[f64; D], b: &[f64; D]) -> [f64; D] {
    std::array::from_fn(|axis| a[axis] - b[axis])
}

#[inline]
fn dot<const D: usize>(a: [f64; D], b: [f64; D]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

#[inline]
fn squared<const D: usize>(a: [f64; D]) -> f64 {
    dot(a, a)
}

/// Barycentric coordinates of the point that is equally far from all corners, from the squares of the lengths of the
/// edges: Σⱼ wⱼ qᵢⱼ is the same for all corners i. `None` if it lies outside, or the simplex is flat.
fn middle(squares: &[f64], n: usize) -> Option<Weights> {
    if let &[_, ab, ca, _, _, bc, _, _, _] = squares {
        let weights = [bc * (ca + ab - bc), ca * (ab + bc - ca), ab * (bc + ca - ab)];
        return inside(weights.into_iter().collect());
    }
    let mut rows = Pairs::from_slice(squares);
    let mut weights = Weights::from_elem(1.0, n);
    for column in 0..n {
        let size = |row: usize, rows: &Pairs| rows[row * n + column].abs();
        let pivot = (column + 1..n)
            .fold(column, |best, row| if size(row, &rows) > size(best, &rows) { row } else { best });
        (0..n).for_each(|k| rows.swap(pivot * n + k, column * n + k));
        weights.swap(pivot, column);
        for row in column + 1..n {
            let factor = rows[row * n + column] / rows[column * n + column];
            (column..n).for_each(|k| rows[row * n + k] -= factor * rows[column * n + k]);
            weights[row] -= factor * weights[column];
        }
    }
    for row in (0..n).rev() {
        let known: f64 = (row + 1..n).map(|k| rows[row * n + k] * weights[k]).sum();
        weights[row] = (weights[row] - known) / rows[row * n + row];
    }
    inside(weights)
}

/// Weights that add up to 1, if none is negative.
fn inside(mut weights: Weights) -> Option<Weights> {
    let sum: f64 = weights.iter().sum();
    weights.iter_mut().for_each(|weight| *weight /= sum);
    (sum > 0.0 && weights.iter().all(|weight| *weight >= -TOLERANCE)).then_some(weights)
}

/// The longest edge; of equal ones, the first.
fn longest(squares: &[f64], n: usize) -> Cut {
    let mut best = (0, 1);
    for i in 0..n {
        for j in i + 1..n {
            if squares[i * n + j] > squares[best.0 * n + best.1] {
                best = (i, j);
            }
        }
    }
    Cut::Edge(best.0, best.1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at<const D: usize>(cut: Cut, corners: &[[f64; D]]) -> [f64; D] {
        let Cut::Between(weights) = cut else { panic!("an edge") };
        std::array::from_fn(|axis| weights.iter().zip(corners).map(|(w, corner)| w * corner[axis]).sum())
    }

    #[test]
    fn without_gradients_it_is_half_way_to_the_circumcentre_or_the_longest_edge() {
        let right: [[f64; 2]; 3] = [[0.0, 0.0], [0.0, 3.0], [3.0, 0.0]];
        assert!(at(cut(&right, &[], 1.0), &right).iter().all(|x| (x - 1.25).abs() < 1e-12));
        let obtuse = [[0.0, 0.0], [0.4, 0.1], [1.0, 0.0]];
        assert_eq!(cut(&obtuse, &[], 1.0), Cut::Edge(0, 2));
        let flat = [[0.0, 0.0], [0.5, 0.5], [2.0, 2.0]];
        assert_eq!(cut(&flat, &[], 1.0), Cut::Edge(0, 2));
    }

    #[test]
    fn the_circumcentre_is_found_in_any_dimension() {
        // Corners of a box that hold its diagonal: the middle of the box is equally far from all.
        let corners = [[0.0, 0.0, 0.0], [1.0, 1.0, 0.0], [1.0, 0.0, 2.0], [0.0, 1.0, 2.0]];
        let point = at(cut(&corners, &[], 1.0), &corners);
        for (got, centre) in point.iter().zip([0.5, 0.5, 1.0]) {
            assert!((got - centre).abs() < 1e-12, "{point:?}");
        }
        let thin = [
            [0.0; 4],
            [1.0, 0.0, 0.0, 0.0],
            [0.5, 0.1, 0.0, 0.0],
            [0.5, 0.0, 0.1, 0.0],
            [0.5, 0.0, 0.0, 0.1],
        ];
        assert_eq!(cut(&thin, &[], 1.0), Cut::Edge(0, 1));
    }

    #[test]
    fn a_function_that_bends_along_one_axis_is_cut_across() {
        // f = 0.01 x²: its gradients differ along x alone.
        let corners: [[f64; 2]; 3] = [[0.0, 0.0], [1.0, 0.2], [0.4, 0.9]];
        let gradients = corners.map(|[x, _]| [0.02 * x, 0.0]);
        assert_eq!(cut(&corners, &gradients, 1.0), Cut::Edge(0, 1));
        assert!(matches!(cut(&corners, &[[0.0; 2]; 3], 1.0), Cut::Between(_)), "where nothing bends");
    }

    #[test]
    fn gradients_that_differ_too_much_are_not_believed() {
        let corners: [[f64; 2]; 3] = [[0.0, 0.0], [1.0, 0.2], [0.4, 0.9]];
        let steep = corners.map(|[x, _]| [100.0 * x, 0.0]);
        let (plain, cut) = (at(cut(&corners, &[], 1.0), &corners), at(cut(&corners, &steep, 1.0), &corners));
        assert!(plain.iter().zip(cut).all(|(a, b)| (a - b).abs() < 1e-3));
        let unknown = [[f64::NAN; 2], [0.0; 2], [0.0; 2]];
        assert_eq!(at(super::cut(&corners, &unknown, 1.0), &corners), plain);
    }
}
