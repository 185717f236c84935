//! `Learner1D`: a function of one real number.

use super::interpolant::Polyline;
use super::intervals::Intervals;
use super::line::NONE;
use super::points_first;
use super::split::{Domain, Place, Planned, Terrain, plan};
use super::{Interpolant, Learner, LearnerKind, Loss, Suggestion, TellError, components};
use crate::loss::{IntervalLoss, interval_loss_from_settings};
use crate::model::settings::{self, Table};
use crate::model::{Point, Sample, Signature, Value, shown};
use rustc_hash::{FxHashMap, FxHashSet};
use std::sync::Arc;

/// Samples f: R -> R^N on an interval: splits the part with the largest loss (upstream: `Learner1D`).
///
/// Asks for the same points in the same order as Python adaptive 1.5.2. With N points known, an `ask` of n points
/// is O(n log N), and a `tell` O((1 + k) log N) amortised, where k points are pending between the told neighbours
/// of its point. Neither allocates in the steady state of scalar functions asked one by one.
///
/// With [`Learner1D::over_whole_numbers`] only whole numbers are asked.
///
/// Some things differ:
/// - [`Learner::tell_many`] takes O(n log n), and there too points outside of the bounds, and second values of known
///   points, have no effect. Lengths are measured by the bounds there as elsewhere, also where these are not told, so that a
///   restart changes no loss. A NaN has no part in the range of values, and points that are pending beyond the outermost
///   told ones change nothing between these; upstream's bulk path takes the range for NaN then, and those for one interval.
/// - Of intervals without a loss (a resolution is reached, the function is a straight line for a loss that looks for bends)
///   the longest is split, not the leftmost again and again.
///
/// ```
/// use adaptive_mpi::learner::{Learner, Learner1D, Loss};
/// use adaptive_mpi::loss;
///
/// let mut learner = Learner1D::new((-1.0, 1.0), loss::default_interval_loss())?;
/// while learner.loss(Loss::Real) > 0.05 {
///     for suggestion in learner.ask(4) {
///         let x = suggestion.sample.point.x();
///         learner.tell(&suggestion.sample, &x.tanh().into())?;
///     }
/// }
/// assert!(learner.npoints() < 100);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Learner1D {
    bounds: (f64, f64),
    pub(super) intervals: Intervals,
    /// Points outside of the bounds, by their bits: values of told ones.
    outside: FxHashMap<u64, Option<Box<[f64]>>>,
    outside_told: usize,
    /// Nodes that stand as told NaN, because they were given up.
    given_up: FxHashSet<u32>,
    /// Points given up before the first value, when nobody knew what a NaN has to look like: pending. Twice
    /// changes nothing.
    given_up_early: Vec<f64>,
    /// Scratch space.
    plan: Vec<Planned>,
}

/// Bounds that are no interval.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("bounds should be {}, but are [{}, {}]", wanted(*.lo, *.hi), shown(*.lo), shown(*.hi))]
pub struct BoundsError {
    /// The lower bound as given.
    pub lo: f64,
    /// The upper bound as given.
    pub hi: f64,
}

/// What bounds that are no interval should be.
pub(super) fn wanted(lo: f64, hi: f64) -> &'static str {
    if lo < hi && lo.is_finite() && hi.is_finite() {
        "two numbers whose difference does not overflow"
    } else {
        "two finite numbers, the smaller one first"
    }
}

pub(super) const KIND: LearnerKind = LearnerKind {
    name: "1d",
    about: "a function of one number: bounds, loss, integer, points_first",
    from_settings: |table| points_first::from_settings(table, Box::new(Learner1D::from_settings(table)?)),
};

impl Learner1D {
    /// An empty learner over `lo..=hi`.
    pub fn new(bounds: (f64, f64), loss: Arc<dyn IntervalLoss>) -> Result<Self, BoundsError> {
        // Adding 0.0 turns -0.0 into 0.0: they are the same point.
        let (lo, hi) = (bounds.0 + 0.0, bounds.1 + 0.0);
        if !(lo < hi && (hi - lo).is_finite()) {
            return Err(BoundsError { lo, hi });
        }
        Ok(Self::empty((lo, hi), Domain::Real, loss))
    }

    /// An empty learner over the whole numbers from `lo` to `hi`, both of them whole: an interval of width 1 has no
    /// loss, and is never split.
    pub fn over_whole_numbers(bounds: (f64, f64), loss: Arc<dyn IntervalLoss>) -> Result<Self, BoundsError> {
        let Self { bounds: (lo, hi), .. } = Self::new(bounds, loss.clone())?;
        // Beyond 2^53 whole numbers have gaps.
        if lo.fract() != 0.0 || hi.fract() != 0.0 || lo.abs().max(hi.abs()) > 9e15 {
            return Err(BoundsError { lo, hi });
        }
        Ok(Self::empty((lo, hi), Domain::Whole, loss))
    }

    /// An empty learner over checked bounds.
    pub(super) fn empty(bounds: (f64, f64), domain: Domain, loss: Arc<dyn IntervalLoss>) -> Self {
        Self {
            bounds,
            intervals: Intervals::new(bounds, domain, loss),
            outside: FxHashMap::default(),
            outside_told: 0,
            given_up: FxHashSet::default(),
            given_up_early: Vec::new(),
            plan: Vec::new(),
        }
    }

    /// Reads `bounds`, `loss` and `integer`.
    pub fn from_settings(table: &Table) -> settings::Result<Self> {
        let mut learner = Self::of_interval(table)?;
        if table.bool("integer")?.unwrap_or(false) {
            let (lo, hi) = learner.bounds;
            learner = Self::over_whole_numbers((lo, hi), learner.intervals.loss().clone()).map_err(|_| {
                let path = table.path_of("bounds");
                let message = format!(
                    "with integer = true, `{path}` should be whole numbers, but are [{}, {}]",
                    shown(lo),
                    shown(hi)
                );
                table.error("bounds", message).help("as in bounds = [0, 100]")
            })?;
        }
        Ok(learner)
    }

    /// Reads `bounds` and `loss`: what every learner over a line has.
    pub(super) fn of_interval(table: &Table) -> settings::Result<Self> {
        let help = "write it as bounds = [-1, 1]";
        let bounds = table.floats("bounds")?.ok_or_else(|| table.missing("bounds").help(help))?;
        let &[lo, hi] = bounds.as_slice() else {
            return Err(table
                .error("bounds", format!("`{}` should be two numbers", table.path_of("bounds")))
                .help(help));
        };
        let loss = interval_loss_from_settings(table)?;
        Self::new((lo, hi), loss).map_err(|error| table.error("bounds", error.to_string()).help(help))
    }

    /// The domain.
    pub fn bounds(&self) -> (f64, f64) {
        self.bounds
    }

    /// Widths by which x and values are divided for the loss; the second is 0 until two values differ.
    pub fn scales(&self) -> (f64, f64) {
        (self.intervals.x_scale, self.intervals.values.scale)
    }

    /// The told points within the bounds and their values, from left to right.
    pub fn told(&self) -> impl Iterator<Item = (f64, &[f64])> {
        let Intervals { line, values, .. } = &self.intervals;
        let has_value = |id: &u32| self.given_up.is_empty() || !self.given_up.contains(id);
        line.told().filter(has_value).map(|id| (line.x(id), values.row(id)))
    }

    /// The pending points within the bounds, from left to right.
    pub fn pending(&self) -> impl Iterator<Item = f64> {
        let line = &self.intervals.line;
        line.all().map(|id| line.node(id)).filter(|node| !node.told).map(|node| node.x)
    }

    /// Left end, right end and loss of all intervals, the next one to split first.
    pub fn intervals(&self, which: Loss) -> Vec<(f64, f64, f64)> {
        self.intervals.list(which)
    }

    /// Takes many values at once and computes all losses anew with the scales that are known then, so that the
    /// order of `told` does not matter (upstream: `tell_many(force=True)`). O(N + n log n) for n of N points.
    pub fn tell_bulk(&mut self, told: &[(Sample, Value)]) -> Result<(), TellError> {
        // If there is anything to refuse, single tells stop at the right place; and only they replace values.
        let dim = match self.intervals.values.dim {
            0 => told.first().map_or(0, |(_, value)| value.components.len()),
            dim => dim,
        };
        let given_up: FxHashSet<u64> =
            self.given_up.iter().map(|id| self.intervals.line.x(*id).to_bits()).collect();
        let is_usual = |(sample, value): &(Sample, Value)| {
            let can_be = |x: f64| given_up.is_empty() || !given_up.contains(&x.to_bits());
            value.components.len() == dim && self.place(sample).is_ok_and(can_be)
        };
        if !told.iter().all(is_usual) {
            return told.iter().try_for_each(|(sample, value)| self.tell(sample, value));
        }
        let mut inside = Vec::with_capacity(told.len());
        for (sample, value) in told {
            let (x, y) = (self.place(sample)?, value.components.as_slice());
            self.check_shape(y)?;
            if self.is_outside(x) { self.tell_outside(x, y) } else { inside.push((x, y)) }
        }
        self.intervals.tell_bulk(inside);
        self.give_up_early();
        Ok(())
    }

    /// A pending node that was given up stands as told NaN from now on.
    pub(super) fn give_up_node(&mut self, id: u32) {
        self.given_up.insert(id);
        let unknown = vec![f64::NAN; self.intervals.values.dim];
        self.intervals.tell(id, &unknown);
    }

    /// The first value of a node, which is pending or was given up.
    #[inline]
    pub(super) fn tell_at(&mut self, id: u32, y: &[f64]) {
        if self.given_up.remove(&id) {
            self.intervals.tell_again(id, y);
        } else {
            self.intervals.tell(id, y);
        }
    }

    /// The first value is known: what was given up before can be told.
    fn give_up_early(&mut self) {
        if !self.given_up_early.is_empty() && self.intervals.values.dim > 0 {
            for x in std::mem::take(&mut self.given_up_early) {
                if let Some(id) = self.intervals.line.find_pending(x) {
                    self.give_up_node(id);
                }
            }
        }
    }

    #[inline]
    pub(super) fn is_outside(&self, x: f64) -> bool {
        x < self.bounds.0 || x > self.bounds.1
    }

    #[inline]
    fn has_bounds(&self) -> bool {
        let line = &self.intervals.line;
        line.head != NONE && line.x(line.head) == self.bounds.0 && line.x(line.tail) == self.bounds.1
    }

    fn has_told_bounds(&self) -> bool {
        let line = &self.intervals.line;
        line.first_told != NONE
            && line.x(line.first_told) == self.bounds.0
            && line.x(line.last_told) == self.bounds.1
    }

    #[inline]
    pub(super) fn check_shape(&mut self, y: &[f64]) -> Result<(), TellError> {
        let before = self.intervals.values.dim;
        let dim = components(before, y.len(), || self.intervals.loss().component())?;
        if before == 0 {
            self.intervals.values.set_dim(dim);
        }
        Ok(())
    }

    fn tell_outside(&mut self, x: f64, y: &[f64]) {
        let entry = self.outside.entry(x.to_bits()).or_default();
        if entry.is_none() {
            *entry = Some(y.into());
            self.outside_told += 1;
        }
    }

    /// The single next point: the middle of the most urgent interval. `None` where that is not the rule.
    #[inline]
    fn best(&self) -> Option<(u32, f64, f64)> {
        if !self.has_bounds() {
            return None;
        }
        let Intervals { line, ranking, .. } = &self.intervals;
        let id = ranking.top(Loss::Expected)?;
        let node = line.node(id);
        let (a, b) = (node.x, line.x(node.next));
        let domain = self.intervals.domain;
        let x = domain.nearest(a + (b - a) / 2.0);
        domain.can_split(a, b, 2).then_some((id, x, node.expected / 2.0))
    }

    /// The single next point; `None` if there are no more floating point numbers.
    pub(super) fn next_point(&self) -> Option<Planned> {
        if let Some((prev, x, improvement)) = self.best() {
            return Some(Planned { x, improvement, place: Place::After(prev) });
        }
        let mut planned = Vec::new();
        self.plan(1, &mut planned);
        planned.pop()
    }

    /// Makes a planned point pending; `previous` is the one that was planned and inserted before it.
    #[inline]
    pub(super) fn insert(&mut self, planned: &Planned, previous: u32) -> u32 {
        let prev = match planned.place {
            Place::Front => NONE,
            Place::Back => self.intervals.line.tail,
            Place::After(id) => id,
            Place::AfterHead => self.intervals.line.head,
            Place::AfterPrevious => previous,
        };
        self.intervals.insert_pending(prev, planned.x)
    }

    fn plan(&self, n: usize, out: &mut Vec<Planned>) {
        let Intervals { line, ranking, x_scale, domain, .. } = &self.intervals;
        plan(&Terrain { line, ranking, bounds: self.bounds, x_scale: *x_scale, domain: *domain }, n, out);
    }

    #[inline]
    fn is_whole(&self) -> bool {
        self.intervals.domain == Domain::Whole
    }

    /// The coordinate of a sample that can be a point of this learner.
    #[inline]
    fn place(&self, sample: &Sample) -> Result<f64, TellError> {
        let x = coordinate(sample)?;
        if self.is_whole() && x.fract() != 0.0 {
            return Err(TellError::Foreign(format!("x = {} is not a whole number", shown(x))));
        }
        Ok(x)
    }
}

/// The coordinate of a sample; a finite number, and never -0.0.
#[inline]
pub(super) fn coordinate(sample: &Sample) -> Result<f64, TellError> {
    match *sample.point {
        [x] if x.is_finite() => Ok(x + 0.0),
        [x] => Err(TellError::Foreign(format!("x = {} is not a finite number", shown(x)))),
        ref other => Err(TellError::Foreign(format!("it has {} coordinates instead of 1", other.len()))),
    }
}

#[inline]
fn suggestion(x: f64, loss_improvement: f64) -> Suggestion {
    Suggestion { sample: Sample::at(Point::scalar(x)), loss_improvement }
}

impl Learner for Learner1D {
    /// While an end is pending, the told points may be neighbours in a corner of the domain (adaptive has a loss then).
    fn lacks_needed(&self) -> bool {
        !self.intervals.values.is_known() || !self.has_told_bounds()
    }

    fn kind(&self) -> &'static str {
        KIND.name
    }

    fn signature(&self) -> Signature {
        Signature::line()
    }

    fn ask_into(&mut self, n: usize, out: &mut Vec<Suggestion>) {
        if n == 1
            && let Some((prev, x, improvement)) = self.best()
        {
            self.intervals.insert_pending(prev, x);
            out.push(suggestion(x, improvement));
            return;
        }
        let mut planned = std::mem::take(&mut self.plan);
        planned.clear();
        self.plan(n, &mut planned);
        let mut previous = NONE;
        for planned in &planned {
            previous = self.insert(planned, previous);
            out.push(suggestion(planned.x, planned.improvement));
        }
        self.plan = planned;
    }

    fn suggest(&mut self, n: usize) -> Vec<Suggestion> {
        if n == 1
            && let Some((_, x, improvement)) = self.best()
        {
            return vec![suggestion(x, improvement)];
        }
        let mut planned = Vec::new();
        self.plan(n, &mut planned);
        planned.iter().map(|planned| suggestion(planned.x, planned.improvement)).collect()
    }

    fn tell(&mut self, sample: &Sample, value: &Value) -> Result<(), TellError> {
        let x = self.place(sample)?;
        let y = &value.components;
        if self.is_outside(x) {
            self.check_shape(y)?;
            self.tell_outside(x, y);
            return Ok(());
        }
        let id = match self.intervals.line.seek(x) {
            Ok(id) if self.intervals.line.node(id).told => {
                if self.given_up.contains(&id) {
                    self.check_shape(y)?;
                    self.tell_at(id, y);
                }
                return Ok(());
            }
            Ok(id) => {
                self.check_shape(y)?;
                id
            }
            Err(prev) => {
                self.check_shape(y)?;
                self.intervals.insert_pending(prev, x)
            }
        };
        self.intervals.tell(id, y);
        self.give_up_early();
        Ok(())
    }

    /// Large batches, compared to what is known, go through [`Learner1D::tell_bulk`].
    fn tell_many(&mut self, told: &[(Sample, Value)]) -> Result<(), TellError> {
        if told.len() > 2 && 2 * told.len() > self.npoints() {
            self.tell_bulk(told)
        } else {
            told.iter().try_for_each(|(sample, value)| self.tell(sample, value))
        }
    }

    fn tell_pending(&mut self, sample: &Sample) {
        let Ok(x) = self.place(sample) else { return };
        if self.is_outside(x) {
            self.outside.entry(x.to_bits()).or_default();
        } else if let Err(prev) = self.intervals.line.seek(x) {
            self.intervals.insert_pending(prev, x);
        }
    }

    fn give_up(&mut self, sample: &Sample) {
        self.tell_pending(sample);
        let Ok(x) = self.place(sample) else { return };
        let Some(id) = self.intervals.line.find_pending(x) else { return };
        if self.intervals.values.dim > 0 {
            self.give_up_node(id);
        } else {
            self.given_up_early.push(x);
        }
    }

    fn remove_unfinished(&mut self) {
        self.given_up_early.clear();
        self.outside.retain(|_, value| value.is_some());
        self.intervals.remove_pending();
    }

    fn loss(&self, which: Loss) -> f64 {
        if self.has_bounds() { self.intervals.largest(which) } else { f64::INFINITY }
    }

    fn npoints(&self) -> usize {
        self.intervals.line.ntold - self.given_up.len() + self.outside_told
    }

    fn npending(&self) -> usize {
        self.intervals.line.npending() + self.given_up.len() + self.outside.len() - self.outside_told
    }

    /// Of a learner over whole numbers: whether all of them are told.
    fn done(&self) -> Option<bool> {
        let (lo, hi) = self.bounds;
        let told = self.intervals.line.ntold - self.given_up.len();
        self.is_whole().then_some(told as f64 > hi - lo)
    }

    fn refuses(&self, point: &[f64]) -> Option<String> {
        points_first::refused_by_box(&self.signature().names, &[self.bounds], |_| self.is_whole(), point)
    }

    fn bounding_box(&self) -> Option<Vec<(f64, f64)>> {
        Some(vec![self.bounds])
    }

    /// O(N): many points are better given to [`Learner::interpolate_all`].
    fn interpolate(&self, at: &[f64], out: &mut Vec<f64>) -> bool {
        at.len() == 1 && self.interpolate_all(at, out)
    }

    fn interpolate_all(&self, at: &[f64], out: &mut Vec<f64>) -> bool {
        Polyline::new(self.told()).interpolate(at, out)
    }

    fn interpolant(&self) -> Option<Interpolant> {
        Polyline::new(self.told()).into_interpolant()
    }

    fn new_empty(&self) -> Box<dyn Learner> {
        Box::new(Self::empty(self.bounds, self.intervals.domain, self.intervals.loss().clone()))
    }

    fn boxed_clone(&self) -> Box<dyn Learner> {
        Box::new(self.clone())
    }
}
