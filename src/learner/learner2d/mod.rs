//! `Learner2D`: a function of two real numbers.
//!
//! | part | what it owns |
//! |---|---|
//! | `domain` | the rectangle, its scaling, where a new point goes within a triangle |
//! | `field` | a triangulation with values, gradients and losses |
//! | `gradients` | the smooth gradients of upstream's losses, kept locally |
//! | `expected` | told and pending points together |
//! | `learner` | the learner as the runner sees it |
//! | `plan` | which points to ask next |
//! | `range` | the range of the values |
//! | `ranking` | which triangle to split next |
//! | `rings` | what lies around each vertex |
//! | `settings` | from a study file |
//! | `tangents` | the gradients, as the loss wants them |
//! | `take` | how points become pending and told |

mod domain;
mod expected;
mod field;
mod gradients;
mod learner;
mod plan;
mod range;
mod ranking;
mod rings;
mod settings;
mod take;
mod tangents;

#[cfg(test)]
mod tests;

pub(super) use settings::KIND;
pub use settings::PlaneError;

use super::interpolant;
use super::{TellError, components};
use crate::geometry::{SimplexId, VertexId};
use crate::loss::triangle::TriangleLoss;
use crate::model::{Sample, shown};
use domain::Domain;
use expected::Expected;
use field::Field;
use plan::Candidate;
use range::Range;
use rustc_hash::{FxHashMap, FxHashSet};
use std::cell::RefCell;
use std::collections::VecDeque;
use std::sync::Arc;

/// Points chosen from one state, where nothing else is said and the loss does not
/// [use every value](TriangleLoss::uses_every_value) (as upstream).
pub const DEFAULT_STACK_SIZE: usize = 10;

/// Samples f: R² -> R^N on a rectangle: puts points into the triangles with the largest losses (upstream:
/// `Learner2D`).
///
/// The corners come first, then points in the triangles of the Delaunay triangulation of all told points: in the
/// middle of the longest side of a thin triangle, in the centre of any other (or where the interpolant seems most wrong, if
/// the loss says so). While points are pending, the
/// triangles are those of told and pending points, where the values of pending points are interpolated.
///
/// # The stack
///
/// Up to [`Learner2D::stack_size`] points are chosen at once, from different triangles of one state, and handed out by
/// the asks that follow; values told in between are not looked at (upstream's way, and its default of 10, used with its losses). With a
/// stack of 1 every ask uses every value. The stack is a cache: [`Learner::remove_unfinished`] empties it, and it is
/// not part of what a restart has to know. A learner rebuilt from its values chooses from all of them at once; with
/// a stack of 1 and points told one by one it asks exactly the points that the first one would have asked.
///
/// # How it differs from upstream
///
/// - The triangulation, the gradients and the losses are kept from one value to the next, not computed from scratch.
///   Which of the two diagonals four points on a circle get, and so the path of a run, differs: such a path depends
///   on rounding anyway. Upstream's gradients are accurate to what changes a loss by some percent.
/// - Losses are computed anew when the range of values has grown by a tenth; until then some stand for the smaller
///   range.
/// - Values that are not finite have no part in ranges and gradients, and triangles whose loss they make NaN count as
///   much as where the function is flat: an unknown region is sampled coarsely, not forever.
/// - A second value for a point is ignored. Points outside of the bounds are counted, and else without effect.
/// - Triangles near the resolution of floating point numbers are not split.
/// - All losses take vectors.
/// - While corners are missing, upstream takes what is not known for 0. That is done with its losses only.
/// - An ask that makes nothing pending changes nothing; upstream cuts its stack, and keeps what it has interpolated with
///   points that are none.
///
/// # Cost
///
/// With N points known, [`Learner::ask_into`] of n points is O(n log N), [`Learner::tell`] O(log N) plus the walk to a
/// point that was not asked, [`Learner::loss`] O(1). The first call that needs the triangles of told and pending points
/// together copies those of the told ones, O(N); [`Learner::remove_unfinished`] forgets them.
///
/// ```
/// use adaptive_mpi::learner::{Learner, Learner2D, Loss};
/// use adaptive_mpi::loss::triangle::default_triangle_loss;
///
/// let mut learner = Learner2D::new([(-1.0, 1.0), (0.0, 2.0)], default_triangle_loss())?;
/// while learner.loss(Loss::Real) > 0.05 {
///     for suggestion in learner.ask(4) {
///         let [x, y] = suggestion.sample.point[..] else { continue };
///         learner.tell(&suggestion.sample, &(x * y).tanh().into())?;
///     }
/// }
/// assert!(learner.npoints() < 200);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// [`Learner::ask_into`]: super::Learner::ask_into
/// [`Learner::loss`]: super::Learner::loss
/// [`Learner::remove_unfinished`]: super::Learner::remove_unfinished
/// [`Learner::tell`]: super::Learner::tell
#[derive(Clone)]
pub struct Learner2D {
    domain: Domain,
    loss: Arc<dyn TriangleLoss>,
    stack_size: usize,
    /// Components of a value; 0 before the first.
    dim: usize,
    range: Range,
    known: FxHashMap<PointKey, Known>,
    ntold: usize,
    npending: usize,
    /// Pending points within the bounds.
    npending_inside: usize,
    /// Numbers pending points in their order.
    counter: u64,
    /// Vertices of told points that stand for points given up, with NaN.
    given_up: FxHashSet<VertexId>,
    /// Points given up while corners are missing: pending.
    given_up_early: Vec<[f64; 2]>,
    /// Points told within the bounds while corners are missing, and their values row after row.
    early: (Vec<[f64; 2]>, Vec<f64>),
    /// The told points, once all corners are told.
    told: Option<Field>,
    /// Told and pending points, once an ask needed them. Settled while the stack is empty: until then nobody looks.
    expected: Option<Expected>,
    /// The same for a question for the loss while `expected` is not settled, once there was one; always settled. Of its
    /// own, so that such a question changes nothing.
    watched: RefCell<Option<Expected>>,
    /// Points to hand out next.
    stack: VecDeque<Candidate>,
}

/// A point by its bits; never -0.0.
type PointKey = (u64, u64);

#[derive(Clone, Copy, Debug)]
enum Known {
    Told,
    /// Counted as pending. The vertex that stands for it, if it can be told apart from others.
    GivenUp(Option<VertexId>),
    /// `hint`: a triangle of told points at or near it. `given_up`: while corners are missing.
    Pending {
        order: u64,
        hint: Option<SimplexId>,
        inside: bool,
        given_up: bool,
    },
}

#[inline]
fn key(point: [f64; 2]) -> PointKey {
    (point[0].to_bits(), point[1].to_bits())
}

/// The coordinates of a sample; finite, and never -0.0.
#[inline]
fn coordinates(sample: &Sample) -> Result<[f64; 2], TellError> {
    match *sample.point {
        [x, y] if x.is_finite() && y.is_finite() => Ok([x + 0.0, y + 0.0]),
        [x, y] => Err(TellError::Foreign(format!("({}, {}) is not finite", shown(x), shown(y)))),
        ref other => Err(TellError::Foreign(format!("it has {} coordinates instead of 2", other.len()))),
    }
}

impl Learner2D {
    /// An empty learner over a rectangle: bounds of x and of y. The stack size is 1 for a loss that
    /// [uses every value](TriangleLoss::uses_every_value), else [`DEFAULT_STACK_SIZE`]; the aspect ratio is 1.
    pub fn new(bounds: [(f64, f64); 2], loss: Arc<dyn TriangleLoss>) -> Result<Self, PlaneError> {
        let stack_size = if loss.uses_every_value() { 1 } else { DEFAULT_STACK_SIZE };
        Ok(Self::empty(Domain::new(settings::checked(bounds)?, 1.0), loss, stack_size))
    }

    /// The same empty learner with another number of points (1 or more) chosen from one state.
    #[must_use]
    pub fn with_stack_size(self, stack_size: usize) -> Self {
        Self::empty(self.domain, self.loss, stack_size.max(1))
    }

    /// The same empty learner with the scaled domain this many times as high as wide, so that more (above 1) or less
    /// (below 1) of its points are spent on resolving y.
    pub fn with_aspect_ratio(self, aspect_ratio: f64) -> Result<Self, PlaneError> {
        if !(aspect_ratio > 0.0 && aspect_ratio.is_finite()) {
            return Err(PlaneError::AspectRatio { aspect_ratio });
        }
        Ok(Self::empty(self.domain.with_aspect_ratio(aspect_ratio), self.loss, self.stack_size))
    }

    /// The same empty learner, which asks only whole numbers along these axes; its bounds along them must be whole. Each
    /// point is rounded to the nearest one in its triangle that is free, and a triangle without one has no loss.
    pub fn over_whole_numbers(self, whole: [bool; 2]) -> Result<Self, PlaneError> {
        let domain = self.domain.over_whole_numbers(whole);
        let domain =
            domain.map_err(|error| PlaneError::NotWhole { axis: ['x', 'y'][error.axis], x: error.x })?;
        Ok(Self::empty(domain, self.loss, self.stack_size))
    }

    fn empty(domain: Domain, loss: Arc<dyn TriangleLoss>, stack_size: usize) -> Self {
        let mut learner = Self {
            domain,
            loss,
            stack_size,
            dim: 0,
            range: Range::default(),
            known: FxHashMap::default(),
            ntold: 0,
            npending: 0,
            npending_inside: 0,
            counter: 0,
            given_up: FxHashSet::default(),
            given_up_early: Vec::new(),
            early: Default::default(),
            told: None,
            expected: None,
            watched: RefCell::new(None),
            stack: VecDeque::new(),
        };
        learner.stack_corners();
        learner
    }

    /// The domain: bounds of x and of y.
    pub fn bounds(&self) -> [(f64, f64); 2] {
        self.domain.bounds
    }

    /// How many points are chosen from one state.
    pub fn stack_size(&self) -> usize {
        self.stack_size
    }

    /// Height of the scaled domain, whose width is 1.
    pub fn aspect_ratio(&self) -> f64 {
        self.domain.aspect_ratio
    }

    /// The told points within the bounds and their values: the corners first, then the others in the order of their
    /// telling; in that order alone while corners are missing. Points that could not be told apart from others
    /// (closer than rounding errors) are left out; those that were given up stand among them, with NaN.
    pub fn told(&self) -> impl Iterator<Item = ([f64; 2], &[f64])> {
        let (points, rows) = match &self.told {
            Some(field) => (field.points(), field.values()),
            None => (&self.early.0[..], &self.early.1[..]),
        };
        points.iter().copied().zip(rows.chunks_exact(self.dim.max(1)))
    }

    /// The triangles of the told points, as places in [`Learner2D::told`], with their losses. None while corners
    /// are missing. Where the loss is NaN it is 0.3 of the area, in the scaled domain.
    pub fn triangles(&self) -> impl Iterator<Item = ([usize; 3], f64)> {
        let field = self.told.iter();
        field.flat_map(|field| field.triangles().map(|(corners, loss)| (corners.map(|v| v as usize), loss)))
    }

    /// Does something with the linear interpolant of the told points. O(1), or O(n log n) where points were given up.
    fn with_linear<T>(&self, act: impl FnOnce(&interpolant::Field<'_, 2>) -> T) -> Option<T> {
        let field = self.told.as_ref()?;
        let (mesh, points, values) = (field.mesh(), field.points(), field.values());
        let all = interpolant::Field { mesh, points, values, width: self.dim };
        if self.given_up.is_empty() {
            return Some(act(&all));
        }
        let told = all.without(|vertex| self.given_up.contains(&vertex))?;
        Some(act(&told.field()))
    }

    /// The coordinates of a sample that can belong to this learner: whole numbers, where only such are asked.
    #[inline]
    fn point_of(&self, sample: &Sample) -> Result<[f64; 2], TellError> {
        let point = coordinates(sample)?;
        match self.domain.lattice.as_ref().and_then(|lattice| lattice.misfit(&point)) {
            Some(axis) => {
                let name = ['x', 'y'][axis];
                Err(TellError::Foreign(format!("{name} = {} is not a whole number", point[axis])))
            }
            None => Ok(point),
        }
    }

    #[inline]
    fn check_shape(&mut self, y: &[f64]) -> Result<(), TellError> {
        let before = self.dim;
        self.dim = components(before, y.len(), || self.loss.component())?;
        if before == 0 {
            // It had values of no components.
            self.expected = None;
        }
        Ok(())
    }
}
