//! `Learner1D`: a function of one real number.

use super::intervals::Intervals;
use super::line::NONE;
use super::split::{Place, Planned, Terrain, can_split, plan};
use super::{Learner, LearnerKind, Loss, Suggestion, TellError};
use crate::loss::{IntervalLoss, interval_loss_from_settings};
use crate::model::settings::{self, Table};
use crate::model::{Point, Sample, Signature, Value};
use rustc_hash::FxHashMap;
use std::sync::Arc;

/// Samples f: R -> R^N on an interval: splits the part with the largest loss (upstream: `Learner1D`).
///
/// Asks for the same points in the same order as Python adaptive 1.5.2. With N points known, an `ask` of n points
/// is O(n log N), and a `tell` O((1 + k) log N) amortised, where k points are pending between the told neighbours
/// of its point. Neither allocates in the steady state of scalar functions asked one by one.
///
/// Two things differ: [`Learner::tell_many`] takes O(n log n), and there too points outside of the bounds,
/// and second values of known points, have no effect.
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
    intervals: Intervals,
    /// Points outside of the bounds, by their bits: values of told ones.
    outside: FxHashMap<u64, Option<Box<[f64]>>>,
    outside_told: usize,
    /// Scratch space.
    plan: Vec<Planned>,
}

/// Bounds that are no interval.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("bounds should be two finite numbers, the smaller one first, but are [{lo}, {hi}]")]
pub struct BoundsError {
    /// The lower bound as given.
    pub lo: f64,
    /// The upper bound as given.
    pub hi: f64,
}

pub(super) const KIND: LearnerKind = LearnerKind {
    name: "1d",
    about: "a function of one number: bounds, loss",
    from_settings: |table| Ok(Box::new(Learner1D::from_settings(table)?)),
};

impl Learner1D {
    /// An empty learner over `lo..=hi`.
    pub fn new(bounds: (f64, f64), loss: Arc<dyn IntervalLoss>) -> Result<Self, BoundsError> {
        // Adding 0.0 turns -0.0 into 0.0: they are the same point.
        let (lo, hi) = (bounds.0 + 0.0, bounds.1 + 0.0);
        if !(lo < hi && (hi - lo).is_finite()) {
            return Err(BoundsError { lo, hi });
        }
        Ok(Self::empty((lo, hi), loss))
    }

    fn empty(bounds: (f64, f64), loss: Arc<dyn IntervalLoss>) -> Self {
        let intervals = Intervals::new(bounds, loss);
        Self { bounds, intervals, outside: FxHashMap::default(), outside_told: 0, plan: Vec::new() }
    }

    /// Reads `bounds` and `loss`.
    pub fn from_settings(table: &Table) -> settings::Result<Self> {
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
        line.told().map(|id| (line.x(id), values.row(id)))
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
    /// order of `told` does not matter (upstream: `tell_many(force=True)`). O((n + N) log(n + N)).
    pub fn tell_bulk(&mut self, told: &[(Sample, Value)]) -> Result<(), TellError> {
        // If there is anything to refuse, single tells stop at the right place.
        let dim = match self.intervals.values.dim {
            0 => told.first().map_or(0, |(_, value)| value.components.len()),
            dim => dim,
        };
        if told.iter().any(|(sample, value)| coordinate(sample).is_err() || value.components.len() != dim) {
            return told.iter().try_for_each(|(sample, value)| self.tell(sample, value));
        }
        let mut inside = Vec::with_capacity(told.len());
        for (sample, value) in told {
            let (x, y) = (coordinate(sample)?, value.components.as_slice());
            self.check_shape(y)?;
            if self.is_outside(x) { self.tell_outside(x, y) } else { inside.push((x, y)) }
        }
        self.intervals.tell_bulk(inside.into_iter());
        Ok(())
    }

    #[inline]
    fn is_outside(&self, x: f64) -> bool {
        x < self.bounds.0 || x > self.bounds.1
    }

    #[inline]
    fn has_bounds(&self) -> bool {
        let line = &self.intervals.line;
        line.head != NONE && line.x(line.head) == self.bounds.0 && line.x(line.tail) == self.bounds.1
    }

    #[inline]
    fn check_shape(&mut self, y: &[f64]) -> Result<(), TellError> {
        let values = &mut self.intervals.values;
        if values.dim == 0 && !y.is_empty() {
            values.set_dim(y.len());
        }
        if y.len() == values.dim && !y.is_empty() {
            Ok(())
        } else {
            Err(TellError::WrongShape { expected: values.dim.max(1), got: y.len() })
        }
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
        let Intervals { line, expected, .. } = &self.intervals;
        let (_, id) = expected.top()?;
        let node = line.node(id);
        let (a, b) = (node.x, line.x(node.next));
        let x = a + (b - a) / 2.0 + 0.0;
        can_split(a, b, 2).then_some((id, x, node.expected / 2.0))
    }

    fn plan(&self, n: usize, out: &mut Vec<Planned>) {
        let Intervals { line, expected, x_scale, .. } = &self.intervals;
        plan(&Terrain { line, expected, bounds: self.bounds, x_scale: *x_scale }, n, out);
    }
}

/// The coordinate of a sample; a finite number, and never -0.0.
#[inline]
pub(super) fn coordinate(sample: &Sample) -> Result<f64, TellError> {
    match *sample.point {
        [x] if x.is_finite() => Ok(x + 0.0),
        [x] => Err(TellError::Foreign(format!("x = {x} is not a finite number"))),
        ref other => Err(TellError::Foreign(format!("it has {} coordinates instead of 1", other.len()))),
    }
}

#[inline]
fn suggestion(x: f64, loss_improvement: f64) -> Suggestion {
    Suggestion { sample: Sample::at(Point::scalar(x)), loss_improvement }
}

impl Learner for Learner1D {
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
        for Planned { x, improvement, place } in &planned {
            let prev = match place {
                Place::Front => NONE,
                Place::Back => self.intervals.line.tail,
                Place::After(id) => *id,
                Place::AfterHead => self.intervals.line.head,
                Place::AfterPrevious => previous,
            };
            previous = self.intervals.insert_pending(prev, *x);
            out.push(suggestion(*x, *improvement));
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
        let x = coordinate(sample)?;
        let y = &value.components;
        if self.is_outside(x) {
            self.check_shape(y)?;
            self.tell_outside(x, y);
            return Ok(());
        }
        let id = match self.intervals.line.find(x) {
            Some(id) if self.intervals.line.node(id).told => return Ok(()),
            known => {
                self.check_shape(y)?;
                known.unwrap_or_else(|| self.intervals.insert_foreign(x))
            }
        };
        self.intervals.tell(id, y);
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
        let Ok(x) = coordinate(sample) else { return };
        if self.is_outside(x) {
            self.outside.entry(x.to_bits()).or_default();
        } else if self.intervals.line.find(x).is_none() {
            self.intervals.insert_foreign(x);
        }
    }

    fn remove_unfinished(&mut self) {
        self.outside.retain(|_, value| value.is_some());
        self.intervals.remove_pending();
    }

    fn loss(&self, which: Loss) -> f64 {
        if self.has_bounds() { self.intervals.largest(which) } else { f64::INFINITY }
    }

    fn npoints(&self) -> usize {
        self.intervals.line.ntold + self.outside_told
    }

    fn npending(&self) -> usize {
        self.intervals.line.npending + self.outside.len() - self.outside_told
    }

    fn bounding_box(&self) -> Option<Vec<(f64, f64)>> {
        Some(vec![self.bounds])
    }

    fn new_empty(&self) -> Box<dyn Learner> {
        Box::new(Self::empty(self.bounds, self.intervals.loss().clone()))
    }

    fn boxed_clone(&self) -> Box<dyn Learner> {
        Box::new(self.clone())
    }
}
