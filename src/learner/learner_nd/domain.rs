//! Where points may lie, and the scaled coordinates in which all geometry is done.

use super::DIMENSIONS;
use super::choose::Frame;
use crate::geometry::{Triangulation, hull};
use crate::learner::lattice::{Lattice, NotWhole};
use crate::learner::learner1d::wanted;
use crate::learner::points_first::refused_by_box;
use crate::model::{Signature, shown};

/// Below this ratio of widths, nothing is triangulated in their proportions.
const MOST_UNLIKE: f64 = 1e-4;

/// How far outside of the box rounding may have put a point of its face, by the largest of the numbers that it is computed from.
const OUTSIDE: f64 = 8.0 * f64::EPSILON;

/// A domain that is none.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum DomainError {
    /// Too few dimensions, or too many.
    #[error("there should be {} to {} dimensions, but there are {got}; for one, take the learner 1d", DIMENSIONS.start(), DIMENSIONS.end())]
    Dimension {
        /// Dimensions as given.
        got: usize,
    },
    /// Bounds that are no interval.
    #[error(
        "bounds should be {}, but those of axis {axis} are [{}, {}]",
        wanted(*.lo, *.hi), shown(*.lo), shown(*.hi)
    )]
    Bounds {
        /// Which axis, from 0.
        axis: usize,
        /// The lower bound as given.
        lo: f64,
        /// The upper bound as given.
        hi: f64,
    },
    /// Points of a hull with different numbers of coordinates.
    #[error("point {index} has {got} coordinates, but the first one has {expected}")]
    UnequalLengths {
        /// Position of the point.
        index: usize,
        /// Coordinates of the first point.
        expected: usize,
        /// Coordinates of this point.
        got: usize,
    },
    /// An infinite or undefined coordinate.
    #[error("coordinate {axis} of point {index} is not a finite number")]
    NotFinite {
        /// Position of the point.
        index: usize,
        /// Which coordinate, from 0.
        axis: usize,
    },
    /// A corner between whole numbers, where only such are asked.
    #[error("only whole numbers are asked along axis {axis}, but a corner of the domain is at {}", shown(*.x))]
    NotWhole {
        /// Which axis, from 0.
        axis: usize,
        /// The coordinate of the corner.
        x: f64,
    },
    /// Not one truth value for each axis.
    #[error("`integer` has {got} values, but there are {expected} axes")]
    Axes {
        /// How many axes there are.
        expected: usize,
        /// How many values were given.
        got: usize,
    },
    /// Points that lie in a plane, or too few of them.
    #[error("a hull in {dim} dimensions needs at least {} points that do not lie in one plane", dim + 1)]
    FlatHull {
        /// Dimensions of the points.
        dim: usize,
    },
}

/// A box, or the convex hull of some points.
///
/// Scaled coordinates are `(x - lower bound) / width`: the domain, or the box around it, becomes the unit cube. So
/// ranges of any size can stand beside each other.
#[derive(Clone)]
pub(super) struct Domain<const D: usize> {
    lower: [f64; D],
    upper: [f64; D],
    /// The first points to ask, in their order.
    pub(super) corners: Vec<[f64; D]>,
    /// Of a hull: its corners, triangulated, in scaled coordinates.
    hull: Option<Triangulation<D>>,
    /// Where only whole numbers are asked.
    pub(super) lattice: Option<Lattice<D>>,
}

impl<const D: usize> Domain<D> {
    /// Widths along the axes, relative to the largest; all 1 where they are so unlike that geometry needs scaled coordinates.
    pub(super) fn aspect(&self) -> [f64; D] {
        let widths: [f64; D] = std::array::from_fn(|axis| self.upper[axis] - self.lower[axis]);
        let largest = widths.iter().copied().fold(0.0, f64::max);
        let aspect = widths.map(|width| width / largest);
        if aspect.iter().all(|part| *part >= MOST_UNLIKE) { aspect } else { [1.0; D] }
    }

    /// The size of the largest coordinates beside the width of their axis: scaled ones are as exact as numbers of this size.
    pub(super) fn magnitude(&self) -> f64 {
        let of_axis = |axis: usize| {
            self.lower[axis].abs().max(self.upper[axis].abs()) / (self.upper[axis] - self.lower[axis])
        };
        (0..D).map(of_axis).fold(0.0, f64::max)
    }

    /// A box.
    pub(super) fn cuboid(bounds: &[(f64, f64)]) -> Result<Self, DomainError> {
        let (mut lower, mut upper) = ([0.0; D], [0.0; D]);
        if bounds.len() != D {
            return Err(DomainError::Dimension { got: bounds.len() });
        }
        for (axis, (lo, hi)) in bounds.iter().enumerate() {
            // Adding 0.0 turns -0.0 into 0.0: they are the same point.
            (lower[axis], upper[axis]) = (lo + 0.0, hi + 0.0);
            if !(lo < hi && (hi - lo).is_finite()) {
                return Err(DomainError::Bounds { axis, lo: *lo, hi: *hi });
            }
        }
        let corner = |i: usize| {
            let end = |axis: usize| if i >> (D - 1 - axis) & 1 == 0 { lower[axis] } else { upper[axis] };
            std::array::from_fn(end)
        };
        Ok(Self { lower, upper, corners: (0..1 << D).map(corner).collect(), hull: None, lattice: None })
    }

    /// The convex hull of some points. Points inside of it, or between others on its faces, are no corners.
    pub(super) fn hull(points: &[Vec<f64>]) -> Result<Self, DomainError> {
        let mut all: Vec<[f64; D]> = Vec::with_capacity(points.len());
        for (index, point) in points.iter().enumerate() {
            let Ok(point) = <[f64; D]>::try_from(point.as_slice()) else {
                return Err(DomainError::UnequalLengths { index, expected: D, got: point.len() });
            };
            if let Some(axis) = point.iter().position(|x| !x.is_finite()) {
                return Err(DomainError::NotFinite { index, axis });
            }
            all.push(point.map(|x| x + 0.0));
        }
        all.sort_by(|a, b| a.partial_cmp(b).unwrap_or(std::cmp::Ordering::Equal));
        all.dedup();
        let along = |axis: usize| all.iter().map(move |point| point[axis]);
        let lower: [f64; D] = std::array::from_fn(|axis| along(axis).fold(f64::INFINITY, f64::min));
        let upper: [f64; D] = std::array::from_fn(|axis| along(axis).fold(f64::NEG_INFINITY, f64::max));
        if (0..D).any(|axis| !(lower[axis] < upper[axis] && (upper[axis] - lower[axis]).is_finite())) {
            return Err(DomainError::FlatHull { dim: D });
        }
        let mut domain = Self { lower, upper, corners: Vec::new(), hull: None, lattice: None };
        let flat = |_| DomainError::FlatHull { dim: D };
        let scaled: Vec<[f64; D]> = all.iter().map(|point| domain.scaled(point)).collect();
        domain.corners =
            hull::extreme_points(&scaled).map_err(flat)?.into_iter().map(|i| all[i as usize]).collect();
        let scaled: Vec<[f64; D]> = domain.corners.iter().map(|corner| domain.scaled(corner)).collect();
        domain.hull = Some(Triangulation::new_rounded(&scaled, domain.magnitude()).map_err(flat)?);
        Ok(domain)
    }

    /// The same domain, with whole numbers only along the axes that are true; none are if there are no values.
    pub(super) fn over_whole_numbers(mut self, integer: &[bool]) -> Result<Self, DomainError> {
        if !integer.is_empty() {
            if integer.len() != D {
                return Err(DomainError::Axes { expected: D, got: integer.len() });
            }
            self.lattice = Lattice::new(integer, &self.bounding_box(), &self.corners)
                .map_err(|NotWhole { axis, x }| DomainError::NotWhole { axis, x })?;
        }
        Ok(self)
    }

    /// Why a point is none that could be asked.
    pub(super) fn refuses(&self, point: &[f64]) -> Option<String> {
        let names = Signature::usual_names(D);
        let whole = |axis| self.lattice.as_ref().is_some_and(|lattice| lattice.is_whole(axis));
        refused_by_box(&names, &self.bounding_box(), whole, point).or_else(|| {
            let point = <[f64; D]>::try_from(point).ok()?;
            (!self.contains(&point)).then(|| format!("{point:?} lies outside of the hull"))
        })
    }

    /// A point of whole numbers that is not taken, wherever it is; nothing if there are none, or if not all axes are of
    /// whole numbers. O(points that are taken).
    pub(super) fn free_point(&self, is_taken: impl Fn(&[f64; D]) -> bool) -> Option<[f64; D]> {
        let lattice = self.lattice.as_ref().filter(|lattice| lattice.is_finite())?;
        let Some(hull) = &self.hull else { return lattice.first_free(is_taken) };
        hull.simplices().find_map(|id| {
            let corner = |vertex: &u32| self.corners[*vertex as usize];
            let corners: Vec<[f64; D]> = hull.vertices(id).iter().map(corner).collect();
            lattice.free_point(&corners, &corners[0], &is_taken)
        })
    }

    pub(super) fn bounding_box(&self) -> Vec<(f64, f64)> {
        self.lower.iter().copied().zip(self.upper).collect()
    }

    #[inline]
    pub(super) fn scaled(&self, point: &[f64; D]) -> [f64; D] {
        std::array::from_fn(|i| (point[i] - self.lower[i]) / (self.upper[i] - self.lower[i]))
    }

    /// Of a point of the unit cube.
    pub(super) fn unscaled(&self, point: [f64; D]) -> [f64; D] {
        std::array::from_fn(|i| point[i] * (self.upper[i] - self.lower[i]) + self.lower[i])
    }

    /// The box around it.
    pub(super) fn frame(&self) -> Frame<D> {
        Frame::new(self.lower, self.upper)
    }

    /// The same point, but on the face of the box where rounding has put it just outside, as upstream asks for some.
    pub(super) fn onto(&self, point: [f64; D]) -> [f64; D] {
        std::array::from_fn(|i| {
            let (x, lower, upper) = (point[i], self.lower[i], self.upper[i]);
            let nearest = x.clamp(lower, upper);
            let size = lower.abs().max(upper.abs());
            if (x - nearest).abs() <= OUTSIDE * size { nearest } else { x }
        })
    }

    /// Whether a point lies in the domain; points a little outside of a slanted face of a hull count as inside.
    #[inline]
    pub(super) fn contains(&self, point: &[f64; D]) -> bool {
        if (0..D).any(|i| point[i] < self.lower[i] || point[i] > self.upper[i]) {
            return false;
        }
        self.hull.as_ref().is_none_or(|hull| hull.locate(&self.scaled(point), None).is_some())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_corners_of_a_box_are_asked_in_order() {
        let domain = Domain::<2>::cuboid(&[(-1.0, 2.0), (0.0, 1e-9)]).unwrap();
        assert_eq!(domain.corners, [[-1.0, 0.0], [-1.0, 1e-9], [2.0, 0.0], [2.0, 1e-9]]);
        assert_eq!(domain.scaled(&[2.0, 1e-9]), [1.0, 1.0]);
        assert!(domain.contains(&[2.0, 1e-9]) && !domain.contains(&[2.0, 2e-9]));
    }

    #[test]
    fn points_just_outside_of_a_face_are_on_it() {
        let domain = Domain::<2>::cuboid(&[(-2.0, 3.0), (0.0, 0.5)]).unwrap();
        assert_eq!(domain.onto([3.0000000000000004, -1e-16]), [3.0, 0.0]);
        assert_eq!(domain.onto([3.0 + 1e-12, -1e-12]), [3.0 + 1e-12, -1e-12], "another point");
        assert_eq!(domain.onto([2.9999999999999996, 0.1]), [2.9999999999999996, 0.1]);
    }

    #[test]
    fn points_inside_a_hull_and_on_its_edges_are_no_corners() {
        let points =
            [[2.0, 0.0], [0.0, 1.0], [0.5, 0.2], [1.0, 0.0], [0.0, 0.0], [0.0, 1.0]].map(|p| p.to_vec());
        let domain = Domain::<2>::hull(&points).unwrap();
        assert_eq!(domain.corners, [[0.0, 0.0], [0.0, 1.0], [2.0, 0.0]]);
        assert!(domain.contains(&[0.5, 0.2]) && domain.contains(&[1.0, 0.5]));
        assert!(!domain.contains(&[1.1, 0.5]) && !domain.contains(&[-0.1, 0.5]));
        // The middle of the slanted edge, wherever rounding has put it.
        assert!(domain.contains(&[2.0 / 3.0, 2.0 / 3.0]));
    }

    #[test]
    fn what_is_no_domain_is_refused() {
        let rows = |points: &[[f64; 2]]| points.iter().map(|p| p.to_vec()).collect::<Vec<_>>();
        let hull = |points: &[[f64; 2]]| Domain::<2>::hull(&rows(points)).err();
        assert_eq!(hull(&[[0.0, 0.0], [1.0, 1.0]]), Some(DomainError::FlatHull { dim: 2 }));
        assert_eq!(hull(&[[0.0, 0.0], [1.0, 1.0], [2.0, 2.0]]), Some(DomainError::FlatHull { dim: 2 }));
        assert_eq!(hull(&[[0.0, f64::NAN]]), Some(DomainError::NotFinite { index: 0, axis: 1 }));
        assert_eq!(
            Domain::<2>::hull(&[vec![0.0; 2], vec![0.0; 3]]).err(),
            Some(DomainError::UnequalLengths { index: 1, expected: 2, got: 3 })
        );
        assert_eq!(
            Domain::<2>::cuboid(&[(0.0, 1.0), (1.0, 1.0)]).err(),
            Some(DomainError::Bounds { axis: 1, lo: 1.0, hi: 1.0 })
        );
    }
}
