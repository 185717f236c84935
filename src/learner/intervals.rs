//! The losses of all intervals of a line, kept up to date as points become pending and told.

use super::Loss;
use super::line::{Line, NONE, Node};
use super::ranking::Ranking;
use super::split::{Domain, Urgency};
use super::values::Values;
use crate::loss::{IntervalLoss, Window};
use std::sync::Arc;

/// When the range of values has grown by more than this factor, all losses are computed anew (upstream:
/// `_recompute_losses_factor`). Until then a loss keeps the scale of its last update: that is what makes a
/// tell O(log n).
const RECOMPUTE_FACTOR: f64 = 2.0;

/// A line of points, the loss of each interval between told points, and the expected loss of each interval between
/// any points: the share of the told interval that it lies in, by length. Where a told point is missing on one
/// side, the expected loss is infinite.
#[derive(Clone)]
pub(super) struct Intervals {
    loss: Arc<dyn IntervalLoss>,
    pub(super) line: Line,
    pub(super) values: Values,
    pub(super) ranking: Ranking<Urgency>,
    pub(super) x_scale: f64,
    pub(super) domain: Domain,
    /// Intervals shorter than this are fine as they are.
    shortest: f64,
    /// Scale of the values when all losses were computed last.
    old_y_scale: f64,
    /// Scratch space: coordinates and values of a [`Window`].
    window: (Vec<f64>, Vec<f64>),
}

impl Intervals {
    pub(super) fn new(bounds: (f64, f64), domain: Domain, loss: Arc<dyn IntervalLoss>) -> Self {
        let values = Values::new(loss.ignores_infinite());
        Self {
            loss,
            line: Line::new(),
            values,
            ranking: Ranking::default(),
            x_scale: bounds.1 - bounds.0,
            domain,
            shortest: domain.shortest(bounds),
            old_y_scale: 0.0,
            window: (Vec::new(), Vec::new()),
        }
    }

    /// How intervals are judged.
    pub(super) fn loss(&self) -> &Arc<dyn IntervalLoss> {
        &self.loss
    }

    /// The largest loss, in the order of urgency; infinite if there are no intervals.
    pub(super) fn largest(&self, which: Loss) -> f64 {
        self.ranking.top(which).map_or(f64::INFINITY, |id| self.rated(id, which).1)
    }

    /// Left end, right end and loss of all intervals, most urgent first.
    pub(super) fn list(&self, which: Loss) -> Vec<(f64, f64, f64)> {
        let interval = |(_, id)| {
            let (right, loss) = self.rated(id, which);
            (self.line.x(id), self.line.x(right), loss)
        };
        self.ranking.descending(which).map(interval).collect()
    }

    /// Right end and loss of the interval that starts at a node.
    #[inline]
    fn rated(&self, id: u32, which: Loss) -> (u32, f64) {
        let node = self.line.node(id);
        match which {
            Loss::Real => (node.told_next, node.loss),
            Loss::Expected => (node.next, node.expected),
        }
    }

    /// Makes `x`, which is no node, pending. Needs a search: O(log N) amortised.
    pub(super) fn insert_foreign(&mut self, x: f64) -> u32 {
        let prev = self.line.last_up_to(x);
        self.insert_pending(prev, x)
    }

    /// Makes `x` pending right after the node `prev`.
    #[inline]
    pub(super) fn insert_pending(&mut self, prev: u32, x: f64) -> u32 {
        let id = self.line.insert_after(prev, x);
        let next = self.line.node(id).next;
        let (before, after) = match self.line.told_interval(prev, x) {
            Some(left) => {
                let told = self.line.node(left);
                let (loss, width) = (told.loss, self.line.x(told.told_next) - told.x);
                self.line.node_mut(id).told_prev = left;
                if prev == left && next == self.line.node(left).told_next {
                    self.queue_told(left);
                }
                ((x - self.line.x(prev)) * loss / width, (self.line.x(next) - x) * loss / width)
            }
            None => (f64::INFINITY, f64::INFINITY),
        };
        if prev != NONE {
            self.line.node_mut(prev).expected = before;
            self.queue_part(prev);
        }
        if next != NONE {
            self.line.node_mut(id).expected = after;
            self.queue_part(id);
        }
        id
    }

    /// Gives a pending node its value.
    #[inline]
    pub(super) fn tell(&mut self, id: u32, y: &[f64]) {
        self.line.mark_told(id);
        self.values.put(id, y);
        self.update_around(id);
    }

    /// Gives a told node another value.
    pub(super) fn tell_again(&mut self, id: u32, y: &[f64]) {
        self.values.put(id, y);
        self.update_around(id);
    }

    /// Gives a told node, whose value is a mean, another value after these samples came in. The range of values is that
    /// of the samples.
    #[inline]
    pub(super) fn tell_mean(&mut self, id: u32, mean: f64, samples: impl Iterator<Item = f64>) {
        self.values.set_row(id, &[mean]);
        samples.for_each(|y| self.values.widen(&[y]));
        self.update_around(id);
    }

    /// Computes the losses that depend on the value of a told node, or all if the range of values has grown much.
    #[inline]
    fn update_around(&mut self, id: u32) {
        if self.values.scale > RECOMPUTE_FACTOR * self.old_y_scale {
            self.recompute_all();
            self.requeue_all();
            return;
        }
        // The point is in the windows of this many intervals to each side.
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

    /// Gives many points their values and computes all losses anew; of several values of a point the first counts.
    /// O(N + n log n) for n of N points.
    pub(super) fn tell_bulk(&mut self, mut told: Vec<(f64, &[f64])>) {
        told.sort_by(|(one, _), (other, _)| one.total_cmp(other));
        told.dedup_by(|(next, _), (x, _)| next == x);
        let mut new = Vec::new();
        let mut known = self.line.head;
        for (x, y) in told {
            while known != NONE && self.line.x(known) < x {
                known = self.line.node(known).next;
            }
            let id = if known == NONE || self.line.x(known) > x {
                let id = self.line.create(x, true);
                new.push(id);
                id
            } else if self.line.node(known).told {
                continue;
            } else {
                self.line.mark_told_unlinked(known);
                known
            };
            self.values.put(id, y);
        }
        self.line.relink(&new);
        self.recompute_all();
        self.expect_losses();
        self.requeue_all();
    }

    /// Takes all pending points out. O(n).
    pub(super) fn remove_pending(&mut self) {
        if self.line.npending() > 0 {
            self.line.remove_pending();
            self.ranking.remove_parts();
        }
        self.expect_losses();
    }

    /// What is expected of intervals without pending points is their loss, without the product and quotient of
    /// [`Self::spread`], which can change the last digit: a learner rebuilt from its values has to agree with one that
    /// dropped its pending points.
    fn expect_losses(&mut self) {
        let mut id = self.line.first_told;
        while id != NONE {
            let node = self.line.node_mut(id);
            if is_whole(node) {
                node.expected = node.loss;
            }
            id = node.told_next;
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
            let ys = [self.values.row(id)[0] / y_scale, self.values.row(right)[0] / y_scale];
            let xs = [a / x_scale, b / x_scale];
            return self.loss.evaluate(&Window::new(&xs, &ys, 1, 0).divided_by(y_scale));
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
        self.loss.evaluate(&Window::new(xs, ys, self.values.dim, left).divided_by(y_scale))
    }

    /// Computes the loss of the told interval at `left` and shares it out among its sub-intervals. The
    /// ranking is left to the caller.
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

    /// [`Self::spread`], and ranks the interval and its parts anew.
    #[inline]
    fn update(&mut self, left: u32) {
        self.spread(left);
        self.queue_told(left);
        let right = self.line.node(left).told_next;
        if self.line.node(left).next == right {
            return;
        }
        let mut id = left;
        while id != right {
            self.queue_part(id);
            id = self.line.node(id).next;
        }
    }

    /// Ranks the interval between told points that starts at a node.
    #[inline]
    fn queue_told(&mut self, id: u32) {
        let node = self.line.node(id);
        let urgency = self.urgency(node.loss, node.x, self.line.x(node.told_next));
        if is_whole(node) { self.ranking.set_whole(id, urgency) } else { self.ranking.set_split(id, urgency) }
    }

    #[inline]
    fn queue_part(&mut self, id: u32) {
        let node = self.line.node(id);
        let urgency = self.urgency(node.expected, node.x, self.line.x(node.next));
        self.ranking.set_part(id, urgency);
    }

    /// Computes all losses with the scales of now. The ranking is left to the caller.
    fn recompute_all(&mut self) {
        self.old_y_scale = self.values.scale;
        let mut id = self.line.first_told;
        while id != NONE && id != self.line.last_told {
            self.spread(id);
            id = self.line.node(id).told_next;
        }
    }

    /// Ranks everything anew, in O(n).
    fn requeue_all(&mut self) {
        let (line, x_scale) = (&self.line, self.x_scale);
        let rank = |id: u32, next: u32, loss: f64| {
            (next != NONE).then(|| (Urgency::new(loss, line.x(id), line.x(next), 1, x_scale), id))
        };
        let told = |whole: bool| {
            let is_it = move |id: &u32| is_whole(line.node(*id)) == whole;
            line.told()
                .filter(is_it)
                .filter_map(move |id| rank(id, line.node(id).told_next, line.node(id).loss))
        };
        let parts = line.all().filter(|id| !is_whole(line.node(*id)));
        let parts = parts.filter_map(|id| rank(id, line.node(id).next, line.node(id).expected));
        self.ranking.rebuild(told(true), told(false), parts);
    }
}

/// Whether an interval between told points starts here, with no point inside.
#[inline]
fn is_whole(node: &Node) -> bool {
    node.told && node.told_next != NONE && node.next == node.told_next
}
