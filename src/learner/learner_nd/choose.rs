//! The point at which a simplex is split.

use super::super::cut::Cut;
use crate::geometry::simplex::{Weights, barycentric, circumsphere, longest_edge};

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
            Self::Edge(i, j) => {
                let (a, b) = (corner(i), corner(j));
                // Adding 0.0 turns -0.0 into 0.0: they are the same point.
                std::array::from_fn(|axis| (a[axis] + b[axis]) / 2.0 + 0.0)
            }
            Self::Between(weights) => {
                let mut sum = [0.0; D];
                for (i, weight) in weights.iter().enumerate() {
                    sum.iter_mut().zip(corner(i)).for_each(|(sum, x)| *sum += x * weight);
                }
                sum.map(|sum| sum + 0.0)
            }
            Self::Centroid => {
                let mut sum = [0.0; D];
                for i in 0..=D {
                    sum.iter_mut().zip(corner(i)).for_each(|(sum, x)| *sum += x);
                }
                sum.map(|sum| sum / (D + 1) as f64 + 0.0)
            }
        }
    }
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
}
