//! The point at which a simplex is split.

use super::super::cut::Cut;
use crate::geometry::simplex::{Weights, barycentric, circumsphere, longest_edge};
use smallvec::SmallVec;

/// How far outside of the simplex its circumcentre may lie and still count as inside, in barycentric coordinates.
/// The circumcentre of a right-angled triangle lies on its longest side.
const TOLERANCE: f64 = 1e-8;

/// Where to split a simplex.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Choice {
    /// In the mean of its corners.
    Centroid,
    /// Between the corners, with these weights.
    Between(Weights),
    /// In the middle of the edge between these two corners.
    Edge(usize, usize),
}

/// The centroid of a well-shaped simplex, one that holds the centre of its circumsphere; else the middle of its
/// longest edge, of equal ones the first (upstream: `choose_point_in_simplex`).
///
/// `corners` are the coordinates of the D + 1 corners, one after the other, in which lengths are measured. O(D^3).
#[inline]
pub(super) fn choose<const D: usize>(corners: &[f64]) -> Choice {
    let mut centre = [0.0; D];
    let weights = circumsphere(corners, D, &mut centre).and_then(|_| barycentric(corners, D, &centre));
    if weights.is_some_and(|weights| weights.iter().all(|b| *b >= -TOLERANCE)) {
        return Choice::Centroid;
    }
    let (i, j) = longest_edge(corners, D);
    Choice::Edge(i, j)
}

impl From<Cut> for Choice {
    fn from(cut: Cut) -> Self {
        match cut {
            Cut::Between(weights) => Self::Between(weights),
            Cut::Edge(i, j) => Self::Edge(i, j),
        }
    }
}

/// The box in whose coordinates upstream takes means. They are rounded there, so only who does the same asks for the same
/// points to the last bit.
#[derive(Clone, Copy, Debug)]
pub(super) struct Frame<const D: usize> {
    lower: [f64; D],
    upper: [f64; D],
    /// One by its widths.
    inverse: [f64; D],
}

impl<const D: usize> Frame<D> {
    pub(super) fn new(lower: [f64; D], upper: [f64; D]) -> Self {
        Self { lower, upper, inverse: std::array::from_fn(|axis| 1.0 / (upper[axis] - lower[axis])) }
    }

    /// The mean of some points as upstream, but never outside of the box.
    fn mean(&self, points: &[[f64; D]]) -> [f64; D] {
        std::array::from_fn(|axis| {
            let (lower, upper, inverse) = (self.lower[axis], self.upper[axis], self.inverse[axis]);
            let sum: f64 = points.iter().map(|point| point[axis] * inverse).sum();
            let mean = sum / points.len() as f64 / inverse;
            // Of numbers that are too large or too small for that.
            if mean.is_finite() { mean.clamp(lower, upper) + 0.0 } else { mean_along(points, axis) }
        })
    }
}

impl Choice {
    /// The point, from the D + 1 corners. `frame`: as upstream computes it.
    #[inline]
    pub(super) fn point<const D: usize>(
        self,
        corner: impl Fn(usize) -> [f64; D],
        frame: Option<&Frame<D>>,
    ) -> [f64; D] {
        let mean = |points: &[[f64; D]]| match frame {
            Some(frame) => frame.mean(points),
            None => std::array::from_fn(|axis| mean_along(points, axis)),
        };
        match self {
            Self::Edge(i, j) => mean(&[corner(i), corner(j)]),
            Self::Between(weights) => {
                let mut sum = [0.0; D];
                for (i, weight) in weights.iter().enumerate() {
                    sum.iter_mut().zip(corner(i)).for_each(|(sum, x)| *sum += x * weight);
                }
                sum.map(|sum| sum + 0.0)
            }
            Self::Centroid => mean(&(0..=D).map(corner).collect::<SmallVec<[[f64; D]; 9]>>()),
        }
    }
}

/// The mean of some points along an axis.
#[inline]
fn mean_along<const D: usize>(points: &[[f64; D]], axis: usize) -> f64 {
    let count = points.len() as f64;
    let along = points.iter().map(|point| point[axis]);
    let mean = along.clone().sum::<f64>() / count;
    // A sum may be too large where the numbers are not.
    let mean = if mean.is_finite() { mean } else { along.map(|x| x / count).sum() };
    // Adding 0.0 turns -0.0 into 0.0: they are the same point.
    mean + 0.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen<const D: usize>(corners: &[[f64; D]]) -> (Choice, [f64; D]) {
        let choice = choose::<D>(corners.as_flattened());
        (choice.clone(), choice.point(|i| corners[i], None))
    }

    #[test]
    fn a_well_shaped_simplex_is_split_in_its_centroid() {
        assert_eq!(chosen(&[[0.0, 0.0], [1.0, 0.0], [0.5, 0.8]]).0, Choice::Centroid);
        let corners = [[0.0; 3], [1.0, 0.0, 0.0], [0.5, 1.0, 0.0], [0.5, 0.4, 1.0]];
        assert_eq!(chosen(&corners).0, Choice::Centroid);
    }

    #[test]
    fn a_right_angle_counts_as_well_shaped() {
        assert_eq!(chosen(&[[0.0, 0.0], [0.0, 3.0], [3.0, 0.0]]), (Choice::Centroid, [1.0, 1.0]));
    }

    #[test]
    fn an_obtuse_simplex_is_split_at_its_longest_edge() {
        assert_eq!(chosen(&[[0.0, 0.0], [0.4, 0.1], [1.0, 0.0]]), (Choice::Edge(0, 2), [0.5, 0.0]));
        // Two edges are the longest: the first is taken.
        let corners = [[0.0, 0.0, 0.0], [1.0, 1.0, 0.0], [0.0, 1.0, 1.0], [0.5, 0.9, 0.1]];
        assert_eq!(chosen(&corners).0, Choice::Edge(0, 1));
    }

    #[test]
    fn a_flat_simplex_is_split_at_its_longest_edge() {
        assert_eq!(chosen(&[[0.0, 0.0], [0.5, 0.5], [2.0, 2.0]]), (Choice::Edge(0, 2), [1.0, 1.0]));
    }

    #[test]
    fn a_sum_that_is_too_large_still_has_a_mean() {
        let corners = [[0.0, 1.0], [1.6e308, -1.6e308], [1.6e308, -1.6e308]];
        let frame = Frame::new([0.0, -1.7e308], [1.7e308, 1.0]);
        let point = |choice: Choice| choice.point(|i| corners[i], None);
        assert_eq!(point(Choice::Edge(1, 2)), [1.6e308, -1.6e308]);
        let [x, y] = point(Choice::Centroid);
        assert!((x / 1.6e308 - 2.0 / 3.0).abs() < 1e-15 && (y / 1.6e308 + 2.0 / 3.0).abs() < 1e-15);
        assert_eq!(Choice::Edge(1, 2).point(|i| corners[i], Some(&frame)), [1.6e308, -1.6e308]);
    }

    #[test]
    fn a_mean_as_upstream_has_its_bits_and_stays_in_the_box() {
        let frame = Frame::new([-2.0, 0.0], [3.0, 0.5]);
        let between = |a, b| Choice::Edge(0, 1).point(|i| [a, b][i], Some(&frame));
        // Upstream asks for [3.0000000000000004, 0.25] here.
        assert_eq!(between([3.0, 0.0], [3.0, 0.5]), [3.0, 0.25]);
        // numpy 2.4: solve(t, (a @ t + b @ t) / 2) with t = inv(diag([5, 0.5])).
        let (a, b) = ([0.1, 0.3], [0.7, 0.1]);
        assert_eq!(between(a, b), [0.3999999999999999, 0.2]);
    }
}
