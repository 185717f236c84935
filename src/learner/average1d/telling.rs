//! What is told: the samples of a point, one by one or many at once, and their mean.

use super::samples::Samples;
use super::{AverageLearner1D, Sampling};
use crate::learner::TellError;
use crate::learner::learner1d::coordinate;
use crate::model::{Sample, Value};

impl AverageLearner1D {
    /// Makes room for the samples of a node that was made just now.
    pub(super) fn begin(&mut self, id: u32) {
        let place = id as usize;
        if place >= self.samples.len() {
            self.samples.resize(place + 1, Samples::new(0));
        }
        self.samples[place] = Samples::new(self.next_asked);
        self.by_x.insert(self.line.intervals.line.x(id).to_bits(), id);
        self.next_asked += 1;
    }

    /// The node at `x`, within the bounds; made if there is none.
    pub(super) fn node_at(&mut self, x: f64) -> u32 {
        self.find(x).unwrap_or_else(|| {
            let id = self.line.intervals.insert_foreign(x);
            self.begin(id);
            id
        })
    }

    /// Takes note that a seed of a node is told; false if it was before.
    #[inline]
    fn count(&mut self, id: u32, seed: u64) -> bool {
        let seeds = &mut self.samples[id as usize].seeds;
        let pending = seeds.npending();
        if !seeds.tell(seed) {
            return false;
        }
        self.npending -= (pending - seeds.npending()) as usize;
        self.nsamples += 1;
        true
    }

    /// The first sample of a point, whose seed is counted.
    fn tell_first(&mut self, id: u32, y: f64) {
        let samples = &mut self.samples[id as usize];
        self.undersampled.remove(&samples.turn(id));
        samples.moments.push(y);
        samples.order = self.next_told;
        samples.undersampled = self.sampling.max_samples > 1;
        samples.settled = self.sampling.max_samples == 1;
        self.next_told += 1;
        let before = self.scale();
        self.line.tell_at(id, &[y]);
        self.refresh_around(id, before);
    }

    /// No value will come for a seed of a point. Where all of the first ones failed, it stands as told NaN.
    pub(super) fn give_up_at(&mut self, id: u32, seed: u64) {
        if !self.samples[id as usize].seeds.give_up(seed) {
            return;
        }
        let samples = &self.samples[id as usize];
        let is_nan = samples.ntold() == 0 && samples.is_failing(self.sampling.min_samples);
        let is_told = self.line.intervals.line.node(id).told;
        if is_nan && !is_told && self.line.check_shape(&[f64::NAN]).is_ok() {
            self.line.give_up_node(id);
        }
        self.refresh_around(id, self.scale());
    }

    /// What values are divided by, as bits, by which it can be told from another.
    #[inline]
    pub(super) fn scale(&self) -> u64 {
        self.line.intervals.values.divisor().to_bits()
    }

    /// More samples of a point, whose seeds are counted. What is told `at_once` need not be as many as neighbours have, as
    /// upstream.
    fn tell_more(&mut self, id: u32, ys: &[f64], at_once: bool) {
        let samples = &mut self.samples[id as usize];
        ys.iter().for_each(|y| samples.moments.push(*y));
        samples.estimate_error(&self.quantiles);
        let (number, mean) = (samples.ntold(), samples.moments.mean);
        let Sampling { min_samples, max_samples, .. } = self.sampling;
        let is_enough = match at_once {
            false => self.is_enough(id, number),
            true => number > min_samples || number >= max_samples,
        };
        self.samples[id as usize].undersampled &= !is_enough;
        self.settle(id);
        // The turn of a point that is no longer undersampled is taken out by its refreshing.
        let before = self.scale();
        self.line.intervals.tell_mean(id, mean, ys.iter().copied());
        self.refresh_around(id, before);
    }

    /// All samples of one point within the bounds out of a bulk.
    pub(super) fn tell_many_at(&mut self, x: f64, told: &[(u64, f64)]) {
        let id = self.node_at(x);
        let mut new = told.iter().filter(|(seed, _)| !self.samples[id as usize].seeds.is_told(*seed));
        if self.samples[id as usize].ntold() == 0 {
            let Some(&(seed, y)) = new.next() else { return };
            self.count(id, seed);
            self.tell_first(id, y);
        }
        let mut ys = Vec::with_capacity(told.len());
        for &(seed, y) in told {
            if self.count(id, seed) {
                ys.push(y);
            }
        }
        if !ys.is_empty() {
            self.tell_more(id, &ys, true);
        }
    }

    /// One sample out of a bulk that is not within the bounds, or alone at its x.
    pub(super) fn tell_one(&mut self, x: f64, seed: u64, y: f64) {
        if self.line.is_outside(x) {
            let told = self.outside.entry((x.to_bits(), seed)).or_default();
            self.outside_told += usize::from(!std::mem::replace(told, true));
            return;
        }
        let id = self.node_at(x);
        if self.count(id, seed) {
            if self.samples[id as usize].ntold() == 0 {
                self.tell_first(id, y)
            } else {
                self.tell_more(id, &[y], false)
            }
        }
    }

    /// Whether a sample is told, and its x and y if it can be.
    #[inline]
    pub(super) fn check(&mut self, sample: &Sample, value: &Value) -> Result<(f64, f64), TellError> {
        let x = coordinate(sample)?;
        let &[y] = value.components.as_slice() else {
            return Err(TellError::WrongShape { expected: 1, got: value.components.len() });
        };
        self.line.check_shape(&[y])?;
        Ok((x, y))
    }
}
