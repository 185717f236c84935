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

    /// Whether this number of samples is the share of a point; that of neighbours counts for a told one only.
    pub(super) fn is_enough(&self, id: u32, number: u64) -> bool {
        let counts = self.neighbors(id).map(|id| id.map(|id| self.samples[id as usize].ntold() as f64));
        let mean = match counts {
            [Some(left), Some(right)] => (left + right) / 2.0,
            [left, right] => left.or(right).unwrap_or(0.0),
        };
        let Sampling { min_samples, max_samples, neighbor_sampling, .. } = self.sampling;
        number >= max_samples || number >= min_samples && number as f64 > neighbor_sampling * mean
    }

    /// Distance between neighbouring points in the plane of x and mean.
    #[inline]
    fn distance(&self, a: u32, b: u32) -> f64 {
        let intervals = &self.line.intervals;
        let dx = intervals.line.x(b) - intervals.line.x(a);
        let dy = self.samples[b as usize].moments.mean - self.samples[a as usize].moments.mean;
        if self.sampling.scaled_distances {
            (dx / intervals.x_scale).hypot(dy / intervals.values.divisor())
        } else {
            dx.hypot(dy)
        }
    }

    /// The expected error of a point beside the distance to its nearest neighbour (upstream: `rescaled_error`, of what is
    /// told); `None` if it is not to be sampled again.
    pub(super) fn uncertainty(&self, id: u32) -> Option<f64> {
        let samples = &self.samples[id as usize];
        if samples.undersampled || samples.settled || samples.seeds.nused() >= self.sampling.max_samples {
            return None;
        }
        let error = samples.expected_error();
        if samples.seeds.npending() > 0 && error <= self.sampling.min_error {
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
        let is_served = samples.seeds.npending() > 0 && self.is_enough(id, samples.seeds.nused());
        if samples.undersampled && !is_served {
            self.undersampled.insert(turn);
        } else {
            self.undersampled.remove(&turn);
        }
        self.rank(id);
    }

    /// [`Self::refresh`], and ranks what depends on the value of the point: its neighbours, or all if the scale of
    /// distances has changed.
    pub(super) fn refresh_around(&mut self, id: u32, rescaled: bool) {
        self.refresh(id);
        if rescaled && self.sampling.scaled_distances {
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
