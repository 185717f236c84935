//! `Learner2D`: a function of two real numbers.
//!
//! | part | what it owns |
//! |---|---|
//! | `domain` | the rectangle, its scaling, where a new point goes within a triangle |
//! | `field` | a triangulation with values, gradients and losses |
//! | `gradients` | the gradients at the vertices, kept locally |
//! | `expected` | told and pending points together |
//! | `range` | the range of the values |
//! | `ranking` | which triangle to split next |
//! | `rings` | what lies around each vertex |
//! | `settings` | from a study file |

mod domain;
mod expected;
mod field;
mod gradients;
mod range;
mod ranking;
mod rings;
mod settings;

#[cfg(test)]
mod tests;

pub(super) use settings::KIND;
pub use settings::PlaneError;

use super::interpolant;
use super::points_first::refused_by_box;
use super::{Interpolant, Learner, Loss, Suggestion, TellError};
use crate::geometry::SimplexId;
use crate::loss::triangle::TriangleLoss;
use crate::model::{Point, Sample, Signature, Value};
use domain::Domain;
use expected::Expected;
use field::Field;
use range::Range;
use rustc_hash::FxHashMap;
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
///   on rounding anyway. Gradients are accurate to what changes a loss by some percent.
/// - Losses are computed anew when the range of values has grown by a tenth; until then some stand for the smaller
///   range.
/// - Values that are not finite have no part in ranges and gradients, and triangles whose loss they make NaN count as
///   much as where the function is flat: an unknown region is sampled coarsely, not forever.
/// - A second value for a point is ignored. Points outside of the bounds are counted, and else without effect.
/// - Triangles near the resolution of floating point numbers are not split.
/// - All losses take vectors.
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
    /// `hint`: a triangle of told points at or near it.
    Pending {
        order: u64,
        hint: Option<SimplexId>,
        inside: bool,
    },
}

#[derive(Clone, Copy, Debug)]
struct Candidate {
    point: [f64; 2],
    improvement: f64,
    /// The triangle that it was put into.
    hint: Hint,
}

/// A triangle at or near a point, where the search for its place begins.
#[derive(Clone, Copy, Debug, Default)]
struct Hint {
    /// Of the told points.
    told: Option<SimplexId>,
    /// Of told and pending points.
    expected: Option<SimplexId>,
}

/// The next points, and triangles into which no point can be put.
#[derive(Default)]
struct Plan {
    candidates: VecDeque<Candidate>,
    hopeless: Vec<SimplexId>,
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
        [x, y] => Err(TellError::Foreign(format!("({x}, {y}) is not finite"))),
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
    /// (closer than rounding errors) are left out.
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

    fn linear(&self) -> Option<interpolant::Field<'_, 2>> {
        let field = self.told.as_ref()?;
        let (mesh, points, values) = (field.mesh(), field.points(), field.values());
        Some(interpolant::Field { mesh, points, values, width: self.dim })
    }

    fn stack_corners(&mut self) {
        let corners =
            self.domain.corners().into_iter().filter(|corner| !self.known.contains_key(&key(*corner)));
        let candidate = |point| Candidate { point, improvement: f64::INFINITY, hint: Hint::default() };
        self.stack = corners.map(candidate).collect();
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
        if self.dim == 0 {
            self.dim = y.len();
        }
        if y.len() == self.dim && !y.is_empty() {
            Ok(())
        } else {
            Err(TellError::WrongShape { expected: self.dim.max(1), got: y.len() })
        }
    }

    /// The field of told and pending points, made anew.
    fn expect(&self) -> Option<Expected> {
        let made = match &self.told {
            Some(told) => Ok(Expected::of(told)),
            None => Expected::of_corners(&self.domain, &self.loss, self.dim),
        };
        // A rectangle can always be triangulated; should it fail, nothing is suggested.
        let mut expected = made.ok()?;
        let pending = self.known.iter().filter_map(|(key, known)| match known {
            Known::Pending { order, inside: true, .. } => {
                Some((*order, [f64::from_bits(key.0), f64::from_bits(key.1)]))
            }
            _ => None,
        });
        let mut pending: Vec<_> = pending.collect();
        pending.sort_unstable_by_key(|(order, _)| *order);
        // Early points count as pending: without all corners no value is used.
        let early = self.early.0.iter().copied();
        for point in early.chain(pending.into_iter().map(|(_, point)| point)) {
            expected.insert_pending(&self.domain, self.told.as_ref(), point, Hint::default());
        }
        expected.field.settle();
        Some(expected)
    }

    /// Whether the next points are chosen among the triangles of the told points alone.
    fn told_is_all(&self) -> bool {
        self.npending_inside == 0 && self.told.is_some()
    }

    /// The next `n` or more points, best first, from the present state; does not look at the stack.
    fn plan(&self, n: usize) -> Plan {
        let wanted = n.max(self.stack_size);
        if self.told_is_all() {
            let hint = |id| Hint { told: Some(id), expected: None };
            return self.told.as_ref().map_or_else(Plan::default, |told| self.plan_from(told, wanted, hint));
        }
        let hint = |id| Hint { told: None, expected: Some(id) };
        match &self.expected {
            Some(expected) => self.plan_from(&expected.field, wanted, hint),
            None => self
                .expect()
                .map_or_else(Plan::default, |expected| self.plan_from(&expected.field, wanted, hint)),
        }
    }

    fn plan_from(&self, field: &Field, wanted: usize, hint: impl Fn(SimplexId) -> Hint) -> Plan {
        let mut plan = Plan::default();
        let towards_circumcentre = self.loss.splits_towards_circumcentre();
        // Two triangles may share the side that both would be cut through.
        let mut chosen = rustc_hash::FxHashSet::default();
        field.descending(|(id, loss)| {
            let corners = field.corners(id);
            let slopes = towards_circumcentre.then(|| field.slopes(id));
            let wrong = slopes.as_ref().map(|(slopes, scale)| (&slopes[..], *scale));
            let mut point = self.domain.choose(corners, wrong);
            let is_known = |point: &[f64; 2]| self.known.contains_key(&key(*point));
            if let Some(lattice) = &self.domain.lattice {
                let is_taken = |point: &[f64; 2]| is_known(point) || chosen.contains(&key(*point));
                point = match lattice.free_point(&corners, &point, is_taken) {
                    Some(free) => free,
                    // One that another triangle of this plan has, or else a corner.
                    None => lattice.free_point(&corners, &point, is_known).unwrap_or(corners[0]),
                };
            }
            if is_known(&point) {
                plan.hopeless.push(id);
            } else if chosen.insert(key(point)) {
                plan.candidates.push_back(Candidate { point, improvement: loss, hint: hint(id) });
            }
            plan.candidates.len() < wanted
        });
        // What the triangles have not shown, if there is anything left.
        if plan.candidates.is_empty()
            && let Some(lattice) = &self.domain.lattice
            && let Some(point) = lattice.first_free(|point| self.known.contains_key(&key(*point)))
        {
            plan.candidates.push_back(Candidate { point, improvement: 0.0, hint: Hint::default() });
        }
        plan
    }

    /// Fills the empty stack with `n` points or more, if there are so many.
    fn fill_stack(&mut self, n: usize) {
        if !self.told_is_all() && self.expected.is_none() {
            self.expected = self.expect();
        }
        self.settle_if_looked_at();
        let plan = self.plan(n);
        self.stack = plan.candidates;
        let field = match (&mut self.told, &mut self.expected) {
            (Some(told), _) if self.npending_inside == 0 => told,
            (_, Some(expected)) => &mut expected.field,
            _ => return,
        };
        plan.hopeless.into_iter().for_each(|id| field.give_up(id));
    }

    /// Makes the field of told and pending points right if the next points are chosen there now.
    fn settle_if_looked_at(&mut self) {
        if let Some(expected) = self.expected.as_mut().filter(|_| self.stack.is_empty()) {
            expected.field.settle();
        }
    }

    fn make_pending(&mut self, point: [f64; 2], hint: Hint) {
        let inside = self.domain.holds(point);
        let mut home = hint.told;
        if inside {
            self.npending_inside += 1;
            if let Some(expected) = &mut self.expected {
                home = expected.insert_pending(&self.domain, self.told.as_ref(), point, hint);
            }
            if let Some(watched) = self.watched.get_mut() {
                let hint = Hint { told: home, expected: None };
                watched.insert_pending(&self.domain, self.told.as_ref(), point, hint);
                watched.field.settle();
            }
        }
        self.known.insert(key(point), Known::Pending { order: self.counter, hint: home, inside });
        self.counter += 1;
        self.npending += 1;
    }

    fn tell_inside(&mut self, point: [f64; 2], y: &[f64], hint: Option<SimplexId>) {
        self.range.put(y);
        let Some(told) = &mut self.told else {
            self.early.0.push(point);
            self.early.1.extend_from_slice(y);
            // Few points, if any: made anew when needed.
            (self.expected, *self.watched.get_mut()) = (None, None);
            let corners = self.domain.corners();
            let all = corners.iter().all(|corner| matches!(self.known.get(&key(*corner)), Some(Known::Told)));
            if all {
                self.start();
            }
            return;
        };
        let placed = told.insert(&self.domain, point, y, hint).is_ok();
        told.set_range(self.range.widest());
        told.settle();
        for expected in self.expected.iter_mut().chain(self.watched.get_mut()) {
            expected.tell(&self.domain, told, point, y, placed);
            expected.field.set_range(self.range.widest());
        }
        if let Some(watched) = self.watched.get_mut() {
            watched.field.settle();
        }
    }

    /// All corners are told: triangulates what is known by now.
    fn start(&mut self) {
        let (points, rows) = std::mem::take(&mut self.early);
        let row = |at: usize| &rows[at * self.dim..(at + 1) * self.dim];
        let corners = self.domain.corners();
        let of_corner = |corner: &[f64; 2]| points.iter().position(|point| point == corner);
        let corner_values: Vec<f64> = corners.iter().filter_map(of_corner).flat_map(row).copied().collect();
        let Ok(mut field) = Field::new(&self.domain, &self.loss, &corner_values, self.range.widest()) else {
            return;
        };
        for (at, point) in points.iter().enumerate().filter(|(_, point)| !corners.contains(point)) {
            // A point that can't be told apart from another one changes nothing.
            let _ = field.insert(&self.domain, *point, row(at), None);
        }
        field.settle();
        self.told = Some(field);
    }
}

impl Learner for Learner2D {
    fn kind(&self) -> &'static str {
        KIND.name
    }

    fn signature(&self) -> Signature {
        Signature { names: Signature::usual_names(2), scalar: false, seeded: false }
    }

    fn ask_into(&mut self, n: usize, out: &mut Vec<Suggestion>) {
        let mut left = n;
        while left > 0 {
            let Some(next) = self.stack.pop_front() else {
                self.fill_stack(left);
                if self.stack.is_empty() {
                    return;
                }
                continue;
            };
            self.make_pending(next.point, next.hint);
            out.push(suggestion(&next));
            left -= 1;
        }
        self.settle_if_looked_at();
    }

    fn suggest(&mut self, n: usize) -> Vec<Suggestion> {
        if n <= self.stack.len() {
            return self.stack.iter().take(n).map(suggestion).collect();
        }
        if self.stack.is_empty() {
            let planned = self.plan(n).candidates;
            if n <= planned.len() {
                return planned.iter().take(n).map(suggestion).collect();
            }
        }
        self.clone().ask(n)
    }

    fn tell(&mut self, sample: &Sample, value: &Value) -> Result<(), TellError> {
        let point = self.point_of(sample)?;
        let known = self.known.get(&key(point)).copied();
        if matches!(known, Some(Known::Told)) {
            return Ok(());
        }
        self.check_shape(&value.components)?;
        self.known.insert(key(point), Known::Told);
        self.ntold += 1;
        let mut near = None;
        match known {
            Some(Known::Pending { hint, inside, .. }) => {
                self.npending -= 1;
                self.npending_inside -= usize::from(inside);
                near = hint;
            }
            _ => self.stack.retain(|candidate| candidate.point != point),
        }
        if self.domain.holds(point) {
            self.tell_inside(point, &value.components, near);
        }
        self.settle_if_looked_at();
        Ok(())
    }

    fn tell_pending(&mut self, sample: &Sample) {
        let Ok(point) = self.point_of(sample) else { return };
        if !self.known.contains_key(&key(point)) {
            let on_stack = self.stack.iter().position(|candidate| candidate.point == point);
            let hint = on_stack.and_then(|at| self.stack.remove(at)).map(|candidate| candidate.hint);
            self.make_pending(point, hint.unwrap_or_default());
            self.settle_if_looked_at();
        }
    }

    fn remove_unfinished(&mut self) {
        self.known.retain(|_, known| matches!(known, Known::Told));
        (self.npending, self.npending_inside) = (0, 0);
        (self.expected, *self.watched.get_mut()) = (None, None);
        self.stack_corners();
    }

    fn loss(&self, which: Loss) -> f64 {
        let Some(told) = &self.told else { return f64::INFINITY };
        if which == Loss::Real || self.npending_inside == 0 {
            return told.largest();
        }
        if let Some(expected) = self.expected.as_ref().filter(|_| self.stack.is_empty()) {
            return expected.field.largest();
        }
        let mut watched = self.watched.borrow_mut();
        if watched.is_none() {
            *watched = self.expect();
        }
        watched.as_ref().map_or(f64::INFINITY, |watched| watched.field.largest())
    }

    fn npoints(&self) -> usize {
        self.ntold
    }

    fn npending(&self) -> usize {
        self.npending
    }

    /// Of whole numbers along both axes: whether all of them are told.
    fn done(&self) -> Option<bool> {
        let told = self.told.as_ref();
        self.domain.is_finite().then(|| told.is_some_and(Field::is_full))
    }

    fn refuses(&self, point: &[f64]) -> Option<String> {
        let whole = |axis| self.domain.lattice.as_ref().is_some_and(|lattice| lattice.is_whole(axis));
        refused_by_box(&Signature::usual_names(2), &self.domain.bounds, whole, point)
    }

    fn bounding_box(&self) -> Option<Vec<(f64, f64)>> {
        Some(self.domain.bounds.to_vec())
    }

    fn interpolate(&self, at: &[f64], out: &mut Vec<f64>) -> bool {
        at.len() == 2 && self.interpolate_all(at, out)
    }

    fn interpolate_all(&self, at: &[f64], out: &mut Vec<f64>) -> bool {
        let Some(field) = self.linear() else { return false };
        let scaled = |point: &[f64; 2]| self.domain.holds(*point).then(|| self.domain.scaled(*point));
        field.interpolate(at, scaled, out);
        true
    }

    fn interpolant(&self) -> Option<Interpolant> {
        self.linear().map(|field| field.to_interpolant())
    }

    fn new_empty(&self) -> Box<dyn Learner> {
        Box::new(Self::empty(self.domain.clone(), self.loss.clone(), self.stack_size))
    }

    fn boxed_clone(&self) -> Box<dyn Learner> {
        Box::new(self.clone())
    }
}

#[inline]
fn suggestion(candidate: &Candidate) -> Suggestion {
    let sample = Sample::at(Point::new(&candidate.point));
    Suggestion { sample, loss_improvement: candidate.improvement }
}
