//! Which points are to be sampled again: the undersampled ones, and the uncertain ones beside them.

use super::{AverageLearner1D, Sampling};
use crate::learner::heap::ordered_bits;
use crate::learner::line::NONE;

impl AverageLearner1D {
    #[inline]
    fn neighbors(&self, id: u32) -> [Option<u32>; 2] {
        let node = self.line.intervals.line.node(id);
        let (left, right) = if node.told { (node.told_prev, node.told_next) } else { (NONE, NONE) };
        [left, right].map(|id| (id != NONE).then_some(id))
    }

    /// More samples than this make the share of a point that its neighbours demand. They count for a told one only, and
    /// not where all samples failed.
    fn share_of_neighbors(&self, id: u32) -> f64 {
        let number = |id: u32| Some(self.samples[id as usize].ntold() as f64).filter(|number| *number > 0.0);
        let mean = match self.neighbors(id).map(|id| id.and_then(number)) {
            [Some(left), Some(right)] => (left + right) / 2.0,
            [left, right] => left.or(right).unwrap_or(0.0),
        };
        self.sampling.neighbor_sampling * mean
    }

    /// Whether this number of samples is the share of a point.
    pub(super) fn is_enough(&self, id: u32, number: u64) -> bool {
        let Sampling { min_samples, max_samples, .. } = self.sampling;
        number >= max_samples || number >= min_samples && number as f64 > self.share_of_neighbors(id)
    }

    /// How many more samples a point lacks: for its share, or until its error is expected to be small beside the
    /// distance to its nearest neighbour. One at least.
    pub(super) fn lacking(&self, id: u32) -> u64 {
        let samples = &self.samples[id as usize];
        let wanted = if samples.undersampled {
            self.sampling.min_samples.max(self.share_of_neighbors(id) as u64 + 1)
        } else {
            let ratio = self.uncertainty(id).unwrap_or(0.0) / self.sampling.delta;
            // The error falls as the root of the number. One sample alone says nothing of it.
            if ratio.is_finite() { (samples.nexpected() as f64 * ratio * ratio).ceil() as u64 } else { 2 }
        };
        wanted.saturating_sub(samples.nexpected()).max(1)
    }

    /// Distance between neighbouring points in the plane of x and mean, in the units of the values. NaN beside a point
    /// without a mean.
    #[inline]
    fn distance(&self, a: u32, b: u32) -> f64 {
        let intervals = &self.line.intervals;
        let dx = intervals.line.x(b) - intervals.line.x(a);
        let dy = intervals.values.row(b)[0] - intervals.values.row(a)[0];
        if self.sampling.scaled_distances {
            (dx / intervals.x_scale * intervals.values.divisor()).hypot(dy)
        } else {
            dx.hypot(dy)
        }
    }

    /// The expected error of a point beside the distance to its nearest neighbour (upstream: `rescaled_error`, of what is
    /// told); `None` if it is not to be sampled again.
    pub(super) fn uncertainty(&self, id: u32) -> Option<f64> {
        let samples = &self.samples[id as usize];
        let Sampling { min_samples, max_samples, min_error, .. } = self.sampling;
        let has_share = !samples.undersampled && samples.nexpected() < max_samples;
        if !has_share || samples.settled || samples.is_failing(min_samples) {
            return None;
        }
        let (awaited, error) = (samples.seeds.nawaited(), samples.expected_error());
        if awaited > 0 && (error <= min_error || self.parallel && error.is_infinite()) {
            return None;
        }
        let [left, right] = self.neighbors(id);
        let left = left.map_or(f64::INFINITY, |left| self.distance(left, id));
        let right = right.map_or(f64::INFINITY, |right| self.distance(id, right));
        // More samples don't help where the mean is undefined.
        Some(error / left.min(right)).filter(|uncertainty| !uncertainty.is_nan())
    }

    /// Puts a point where it belongs among the uncertain ones.
    #[inline]
    fn rank(&mut self, id: u32) {
        match self.uncertainty(id) {
            Some(uncertainty) => {
                let leftness = !ordered_bits(self.line.intervals.line.x(id));
                self.uncertain.set(id, (ordered_bits(uncertainty), leftness));
            }
            None => self.uncertain.remove(id),
        }
    }

    /// Puts a point in the queues where it belongs after its samples changed.
    #[inline]
    pub(super) fn refresh(&mut self, id: u32) {
        let samples = &self.samples[id as usize];
        let turn = samples.turn(id);
        let is_served = samples.seeds.nawaited() > 0 && self.is_enough(id, samples.nexpected());
        if samples.undersampled && !is_served && !samples.is_failing(self.sampling.min_samples) {
            self.undersampled.insert(turn);
        } else {
            self.undersampled.remove(&turn);
        }
        self.rank(id);
    }

    /// [`Self::refresh`], and ranks what depends on the value of the point: its neighbours, or all if distances are
    /// measured by another scale than `before`. (The range of noisy values grows some dozen times in all.)
    pub(super) fn refresh_around(&mut self, id: u32, before: u64) {
        self.refresh(id);
        if self.sampling.scaled_distances && self.scale() != before {
            self.told().into_iter().for_each(|id| self.rank(id));
        } else {
            self.neighbors(id).into_iter().flatten().for_each(|id| self.rank(id));
        }
    }

    #[inline]
    pub(super) fn settle(&mut self, id: u32) {
        let Sampling { min_error, max_samples, .. } = self.sampling;
        let samples = &mut self.samples[id as usize];
        samples.settled = samples.error <= min_error || samples.ntold() >= max_samples;
    }
}
