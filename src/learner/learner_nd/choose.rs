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

impl Choice {
    /// The point, from the D + 1 corners.
    #[inline]
    pub(super) fn point<const D: usize>(self, corner: impl Fn(usize) -> [f64; D]) -> [f64; D] {
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

/// The mean of some points.
#[inline]
fn mean<const D: usize>(points: &[[f64; D]]) -> [f64; D] {
    let count = points.len() as f64;
    std::array::from_fn(|axis| {
        let along = points.iter().map(|point| point[axis]);
        let mean = along.clone().sum::<f64>() / count;
        // A sum may be too large where the numbers are not.
        let mean = if mean.is_finite() { mean } else { along.map(|x| x / count).sum() };
        // Adding 0.0 turns -0.0 into 0.0: they are the same point.
        mean + 0.0
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen<const D: usize>(corners: &[[f64; D]]) -> (Choice, [f64; D]) {
        let choice = choose::<D>(corners.as_flattened());
        (choice.clone(), choice.point(|i| corners[i]))
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
        let point = |choice: Choice| choice.point(|i| corners[i]);
        assert_eq!(point(Choice::Edge(1, 2)), [1.6e308, -1.6e308]);
        let [x, y] = point(Choice::Centroid);
        assert!((x / 1.6e308 - 2.0 / 3.0).abs() < 1e-15 && (y / 1.6e308 + 2.0 / 3.0).abs() < 1e-15);
    }
}
