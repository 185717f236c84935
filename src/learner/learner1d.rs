//! `Learner1D`: a function of one real number.

use super::heap::IndexedHeap;
use super::line::{Line, NONE};
use super::split::{Place, Planned, Terrain, Urgency, can_split, plan};
use super::{Learner, LearnerKind, Loss, Suggestion, TellError};
use crate::loss::{IntervalLoss, Window, interval_loss_from_settings};
use crate::model::settings::{self, Table};
use crate::model::{Point, Sample, Signature, Value};
use rustc_hash::FxHashMap;
use std::sync::Arc;

/// When the range of values has grown by more than this factor, all losses are computed anew (upstream:
/// `_recompute_losses_factor`). Until then a loss keeps the scale of its last update: that is what makes a
/// tell O(log n).
const RECOMPUTE_FACTOR: f64 = 2.0;

/// Samples f: R -> R^N on an interval: splits the part with the largest loss (upstream: `Learner1D`).
///
/// Asks for the same points in the same order as Python adaptive 1.5.2. An `ask` of n points is O(n log N), a
/// `tell` O(log N) amortised, with N points known; neither allocates in the steady state of scalar functions.
///
/// Two things differ: [`Learner::tell_many`] takes O(n log n), and there too points outside of the bounds,
/// and second values of known points, have no effect.
#[derive(Clone)]
pub struct Learner1D {
    bounds: (f64, f64),
    loss: Arc<dyn IntervalLoss>,
    line: Line,
    /// Ranks of the intervals between told points, by their left node.
    real: IndexedHeap<Urgency>,
    /// Ranks of the intervals between all points, by their left node.
    expected: IndexedHeap<Urgency>,
    /// Points outside of the bounds, by their bits: values of told ones.
    outside: FxHashMap<u64, Option<Box<[f64]>>>,
    outside_told: usize,
    values: Values,
    x_scale: f64,
    /// Intervals shorter than this are fine as they are (upstream: `_dx_eps`).
    shortest: f64,
    old_y_scale: f64,
    plan: Vec<Planned>,
    window: (Vec<f64>, Vec<f64>),
}

/// The values of the nodes, and their range.
#[derive(Clone, Debug, Default)]
struct Values {
    /// Components of a value; 0 before the first.
    dim: usize,
    /// Row after row, by node.
    rows: Vec<f64>,
    min: Vec<f64>,
    max: Vec<f64>,
    /// The widest range of a component.
    scale: f64,
}

impl Values {
    #[inline]
    fn row(&self, id: u32) -> &[f64] {
        let start = id as usize * self.dim;
        &self.rows[start..start + self.dim]
    }

    #[inline]
    fn put(&mut self, id: u32, y: &[f64]) {
        let end = (id as usize + 1) * self.dim;
        if self.rows.len() < end {
            self.rows.resize(end, f64::NAN);
        }
        self.rows[end - self.dim..end].copy_from_slice(y);
        self.scale = 0.0f64;
        for ((min, max), y) in self.min.iter_mut().zip(&mut self.max).zip(y) {
            // NaN fails both comparisons and so leaves the range alone.
            if *y < *min {
                *min = *y;
            }
            if *y > *max {
                *max = *y;
            }
            let range = *max - *min;
            // A component that was NaN so far has the range -inf; inf - inf has to stay NaN.
            if range > self.scale || range.is_nan() {
                self.scale = range;
            }
        }
    }

    fn set_dim(&mut self, dim: usize) {
        self.dim = dim;
        self.min = vec![f64::INFINITY; dim];
        self.max = vec![f64::NEG_INFINITY; dim];
    }

    /// What values are divided by.
    #[inline]
    fn divisor(&self) -> f64 {
        if self.scale == 0.0 { 1.0 } else { self.scale }
    }
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
        let (lo, hi) = bounds;
        Self {
            bounds,
            loss,
            line: Line::new(),
            real: IndexedHeap::default(),
            expected: IndexedHeap::default(),
            outside: FxHashMap::default(),
            outside_told: 0,
            values: Values::default(),
            x_scale: hi - lo,
            shortest: 2.0 * lo.abs().max(hi.abs()) * f64::EPSILON,
            old_y_scale: 0.0,
            plan: Vec::new(),
            window: (Vec::new(), Vec::new()),
        }
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
        (self.x_scale, self.values.scale)
    }

    /// The told points within the bounds and their values, from left to right.
    pub fn told(&self) -> impl Iterator<Item = (f64, &[f64])> {
        self.line.told().map(|id| (self.line.x(id), self.values.row(id)))
    }

    /// The pending points within the bounds, from left to right.
    pub fn pending(&self) -> impl Iterator<Item = f64> {
        self.line.all().map(|id| self.line.node(id)).filter(|node| !node.told).map(|node| node.x)
    }

    /// Left end, right end and loss of all intervals, the next one to split first.
    pub fn intervals(&self, which: Loss) -> Vec<(f64, f64, f64)> {
        let line = &self.line;
        match which {
            Loss::Real => {
                let interval = |(_, id)| (line.x(id), line.x(line.node(id).told_next), line.node(id).loss);
                self.real.descending().map(interval).collect()
            }
            Loss::Expected => {
                let interval = |(_, id)| (line.x(id), line.x(line.node(id).next), line.node(id).expected);
                self.expected.descending().map(interval).collect()
            }
        }
    }

    /// Takes many values at once and computes all losses anew with the scales that are known then, so that the
    /// order of `told` does not matter (upstream: `tell_many(force=True)`). O((n + N) log(n + N)).
    pub fn tell_bulk(&mut self, told: &[(Sample, Value)]) -> Result<(), TellError> {
        // Anything to refuse: let the loop of single tells stop at the right place.
        let dim = if self.values.dim > 0 {
            self.values.dim
        } else {
            told.first().map_or(0, |t| t.1.components.len())
        };
        if told.iter().any(|(sample, value)| coordinate(sample).is_err() || value.components.len() != dim) {
            return told.iter().try_for_each(|(sample, value)| self.tell(sample, value));
        }
        let mut new = Vec::new();
        for (sample, value) in told {
            let x = coordinate(sample)?;
            let y = &value.components;
            self.check_shape(y)?;
            if self.is_outside(x) {
                self.tell_outside(x, y);
                continue;
            }
            let id = match self.line.find(x) {
                Some(id) if self.line.node(id).told => continue,
                Some(id) => {
                    self.line.mark_told_unlinked(id);
                    id
                }
                None => {
                    let id = self.line.create(x, true);
                    new.push(id);
                    id
                }
            };
            self.values.put(id, y);
        }
        self.line.relink(&new);
        self.recompute_all();
        // An interval without pending points expects its loss unscaled: the product and quotient of
        // `spread` could change its last digit.
        let mut id = self.line.first_told;
        while id != NONE {
            let node = self.line.node_mut(id);
            if node.next == node.told_next {
                node.expected = node.loss;
            }
            id = node.told_next;
        }
        self.requeue_all();
        Ok(())
    }

    #[inline]
    fn is_outside(&self, x: f64) -> bool {
        x < self.bounds.0 || x > self.bounds.1
    }

    #[inline]
    fn has_bounds(&self) -> bool {
        let Line { head, tail, .. } = self.line;
        head != NONE && self.line.x(head) == self.bounds.0 && self.line.x(tail) == self.bounds.1
    }

    #[inline]
    fn check_shape(&mut self, y: &[f64]) -> Result<(), TellError> {
        if self.values.dim == 0 && !y.is_empty() {
            self.values.set_dim(y.len());
        }
        if y.len() == self.values.dim && !y.is_empty() {
            Ok(())
        } else {
            Err(TellError::WrongShape { expected: self.values.dim.max(1), got: y.len() })
        }
    }

    fn tell_outside(&mut self, x: f64, y: &[f64]) {
        let entry = self.outside.entry(x.to_bits()).or_default();
        if entry.is_none() {
            *entry = Some(y.into());
            self.outside_told += 1;
        }
    }

    #[inline]
    fn urgency(&self, loss: f64, a: f64, b: f64) -> Urgency {
        Urgency::new(loss, a, b, 1, self.x_scale)
    }

    /// The loss of the told interval that starts at `id`, with the scales of now.
    #[inline]
    fn interval_loss(&mut self, id: u32) -> f64 {
        let node = self.line.node(id);
        let right = node.told_next;
        let (a, b) = (node.x, self.line.x(right));
        if b - a < self.shortest {
            return 0.0;
        }
        let reach = self.loss.nth_neighbors();
        let (x_scale, y_scale) = (self.x_scale, self.values.divisor());
        if reach == 0 && self.values.dim == 1 {
            let ys = [self.values.rows[id as usize] / y_scale, self.values.rows[right as usize] / y_scale];
            return self.loss.evaluate(&Window::new(&[a / x_scale, b / x_scale], &ys, 1, 0));
        }
        let (mut first, mut left) = (id, 0);
        while left < reach && self.line.node(first).told_prev != NONE {
            first = self.line.node(first).told_prev;
            left += 1;
        }
        let (xs, ys) = &mut self.window;
        xs.clear();
        ys.clear();
        let mut id = first;
        while id != NONE && xs.len() < left + 2 + reach {
            xs.push(self.line.x(id) / x_scale);
            ys.extend(self.values.row(id).iter().map(|y| y / y_scale));
            id = self.line.node(id).told_next;
        }
        self.loss.evaluate(&Window::new(xs, ys, self.values.dim, left))
    }

    /// Computes the loss of the told interval at `left` and shares it out among its sub-intervals. The queues
    /// are left to the caller.
    #[inline]
    fn spread(&mut self, left: u32) {
        let loss = self.interval_loss(left);
        let node = self.line.node_mut(left);
        node.loss = loss;
        let (right, a) = (node.told_next, node.x);
        let width = self.line.x(right) - a;
        let mut id = left;
        while id != right {
            let next = self.line.node(id).next;
            let next_x = self.line.x(next);
            let node = self.line.node_mut(id);
            node.expected = (next_x - node.x) * loss / width;
            if id != left {
                node.told_prev = left;
            }
            id = next;
        }
    }

    /// [`Self::spread`], and puts the new losses in both queues.
    #[inline]
    fn update(&mut self, left: u32) {
        self.spread(left);
        let node = self.line.node(left);
        let (right, a) = (node.told_next, node.x);
        self.real.set(left, self.urgency(node.loss, a, self.line.x(right)));
        let mut id = left;
        while id != right {
            self.queue_expected(id);
            id = self.line.node(id).next;
        }
    }

    #[inline]
    fn queue_expected(&mut self, id: u32) {
        let node = self.line.node(id);
        let urgency = self.urgency(node.expected, node.x, self.line.x(node.next));
        self.expected.set(id, urgency);
    }

    /// Computes all losses with the scales of now. The queues are left to the caller.
    fn recompute_all(&mut self) {
        self.old_y_scale = self.values.scale;
        let mut id = self.line.first_told;
        while id != NONE && id != self.line.last_told {
            self.spread(id);
            id = self.line.node(id).told_next;
        }
    }

    /// Makes both queues anew, in O(n).
    fn requeue_all(&mut self) {
        let (line, x_scale) = (&self.line, self.x_scale);
        let rank = |id: u32, next: u32, loss: f64| {
            (next != NONE).then(|| (Urgency::new(loss, line.x(id), line.x(next), 1, x_scale), id))
        };
        self.real.rebuild(line.told().filter_map(|id| rank(id, line.node(id).told_next, line.node(id).loss)));
        self.expected
            .rebuild(line.all().filter_map(|id| rank(id, line.node(id).next, line.node(id).expected)));
    }

    /// Makes `x` pending right after the node `prev`.
    #[inline]
    fn insert_pending(&mut self, prev: u32, x: f64) -> u32 {
        let id = self.line.insert_after(prev, x);
        let next = self.line.node(id).next;
        let (before, after) = match self.line.told_interval(prev, x) {
            Some(left) => {
                let told = self.line.node(left);
                let (loss, width) = (told.loss, self.line.x(told.told_next) - told.x);
                self.line.node_mut(id).told_prev = left;
                ((x - self.line.x(prev)) * loss / width, (self.line.x(next) - x) * loss / width)
            }
            None => (f64::INFINITY, f64::INFINITY),
        };
        if prev != NONE {
            self.line.node_mut(prev).expected = before;
            self.queue_expected(prev);
        }
        if next != NONE {
            self.line.node_mut(id).expected = after;
            self.queue_expected(id);
        }
        id
    }

    #[inline]
    fn tell_node(&mut self, id: u32, y: &[f64]) {
        self.line.mark_told(id);
        self.values.put(id, y);
        if self.values.scale > RECOMPUTE_FACTOR * self.old_y_scale {
            self.recompute_all();
            self.requeue_all();
            return;
        }
        // The new point is in the windows of this many intervals to each side.
        let reach = self.loss.nth_neighbors() + 1;
        let mut left = id;
        let mut count = reach;
        while count > 0 && self.line.node(left).told_prev != NONE {
            left = self.line.node(left).told_prev;
            count -= 1;
        }
        let mut count = 2 * reach - count;
        while count > 0 && self.line.node(left).told_next != NONE {
            self.update(left);
            left = self.line.node(left).told_next;
            count -= 1;
        }
    }

    /// The single next point: the middle of the most urgent interval. `None` where that is not the rule.
    #[inline]
    fn best(&self) -> Option<(u32, f64, f64)> {
        if !self.has_bounds() {
            return None;
        }
        let (_, id) = self.expected.top()?;
        let node = self.line.node(id);
        let (a, b) = (node.x, self.line.x(node.next));
        let x = a + (b - a) / 2.0 + 0.0;
        can_split(a, b, 2).then_some((id, x, node.expected / 2.0))
    }

    fn plan(&self, n: usize, out: &mut Vec<Planned>) {
        let Self { line, expected, bounds, x_scale, .. } = self;
        plan(&Terrain { line, expected, bounds: *bounds, x_scale: *x_scale }, n, out);
    }
}

/// The coordinate of a sample; a finite number, and never -0.0.
#[inline]
fn coordinate(sample: &Sample) -> Result<f64, TellError> {
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
            self.insert_pending(prev, x);
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
                Place::Back => self.line.tail,
                Place::After(id) => *id,
                Place::AfterHead => self.line.head,
                Place::AfterPrevious => previous,
            };
            previous = self.insert_pending(prev, *x);
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
        let id = match self.line.find(x) {
            Some(id) if self.line.node(id).told => return Ok(()),
            Some(id) => {
                self.check_shape(y)?;
                id
            }
            None => {
                self.check_shape(y)?;
                let prev = self.line.predecessor(x);
                self.insert_pending(prev, x)
            }
        };
        self.tell_node(id, y);
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
        } else if self.line.find(x).is_none() {
            let prev = self.line.predecessor(x);
            self.insert_pending(prev, x);
        }
    }

    fn remove_unfinished(&mut self) {
        self.outside.retain(|_, value| value.is_some());
        if self.line.npending == 0 {
            return;
        }
        self.line.remove_pending();
        let mut id = self.line.first_told;
        while id != NONE {
            let node = self.line.node_mut(id);
            node.expected = node.loss;
            id = node.told_next;
        }
        self.expected = self.real.clone();
    }

    fn loss(&self, which: Loss) -> f64 {
        if !self.has_bounds() {
            return f64::INFINITY;
        }
        match which {
            Loss::Real => self.real.top().map_or(f64::INFINITY, |(_, id)| self.line.node(id).loss),
            Loss::Expected => {
                self.expected.top().map_or(f64::INFINITY, |(_, id)| self.line.node(id).expected)
            }
        }
    }

    fn npoints(&self) -> usize {
        self.line.ntold + self.outside_told
    }

    fn npending(&self) -> usize {
        self.line.npending + self.outside.len() - self.outside_told
    }

    fn new_empty(&self) -> Box<dyn Learner> {
        Box::new(Self::empty(self.bounds, self.loss.clone()))
    }

    fn boxed_clone(&self) -> Box<dyn Learner> {
        Box::new(self.clone())
    }
}
