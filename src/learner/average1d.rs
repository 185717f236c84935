//! `AverageLearner1D`: a noisy function of one real number.

mod quantile;
mod samples;
mod sampling;

pub use sampling::{Sampling, SamplingError};

use super::heap::{IndexedHeap, ordered_bits};
use super::learner1d::coordinate;
use super::line::NONE;
use super::points_first;
use super::split::{Domain, Planned};
use super::{BoundsError, Interpolant, Learner, Learner1D, LearnerKind, Loss, Suggestion, TellError};
use crate::loss::IntervalLoss;
use crate::model::settings::{self, Table};
use crate::model::{Point, Sample, Signature, Value};
use quantile::Quantiles;
use rustc_hash::FxHashMap;
use samples::Samples;
use std::collections::BTreeSet;
use std::sync::Arc;

/// Samples a noisy f: (seed, x) -> R on an interval (upstream: `AverageLearner1D`).
///
/// The value of a point is the mean of its samples; between the points it is a [`Learner1D`]. Each `ask` goes to one
/// point, by the first rule that gives one:
///
/// 1. A point that is *undersampled*: it has fewer than `min_samples` samples, or not more than `neighbor_sampling`
///    times the mean number of its neighbours. Points with a value come first, in the order in which they got their
///    first value; then those that are only asked, in that order. (Upstream: the order of a hash set.)
/// 2. The point with the largest ratio of its error to the distance to its nearest neighbour, if that is more than
///    `delta`. The error is half the width of the interval of confidence of the mean, by Student's t.
/// 3. The point that [`Learner1D`] would ask.
///
/// Pending samples count in all three as if they were told and left the spread as it is, so that many workers share
/// the work. (Upstream asks the same seeds again while they are pending.) Only where `max_samples` leaves too little
/// room is an `ask` spread over several points. A point is never given more samples than that.
///
/// [`Learner::npoints`] counts values told, as for any learner: it is the number of samples (upstream: `nsamples`).
/// The number of different x (upstream: `npoints`) is that of [`AverageLearner1D::points`].
///
/// An `ask` of n samples of one point is O(n + log N), a `tell` O(log N), with N points.
#[derive(Clone)]
pub struct AverageLearner1D {
    /// The points with their means.
    line: Learner1D,
    sampling: Sampling,
    quantiles: Quantiles,
    /// By node of the line.
    samples: Vec<Samples>,
    /// Undersampled points whose pending samples don't suffice, by [`Samples::turn`].
    undersampled: BTreeSet<(bool, u64, u32)>,
    /// Other points that may be sampled again, by the ratio of rule 2; of equal ones the leftmost comes first.
    uncertain: IndexedHeap<(u64, u64)>,
    /// The next [`Samples::order`] of points with and without a value.
    next_told: u64,
    next_asked: u64,
    nsamples: usize,
    npending: usize,
    /// Samples outside of the bounds, by the bits of x and the seed: whether they are told.
    outside: FxHashMap<(u64, u64), bool>,
    outside_told: usize,
    /// Scratch space.
    next_seeds: Vec<u64>,
}

/// A point of an [`AverageLearner1D`] as it is known so far.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    /// Where.
    pub x: f64,
    /// Number of samples told.
    pub samples: u64,
    /// Their mean.
    pub mean: f64,
    /// Half the width of the interval of confidence of the mean; infinite for one sample.
    pub error: f64,
}

/// Parameters that make no `AverageLearner1D`.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum AverageError {
    /// The domain is no interval.
    #[error(transparent)]
    Bounds(#[from] BoundsError),
    /// A parameter is outside of its range.
    #[error(transparent)]
    Sampling(#[from] SamplingError),
}

pub(super) const KIND: LearnerKind = LearnerKind {
    name: "average1d",
    about: "a noisy function of one number: bounds, loss, delta, alpha, neighbor_sampling, min_samples, max_samples, min_error, points_first",
    from_settings: |table| {
        points_first::from_settings(table, Box::new(AverageLearner1D::from_settings(table)?))
    },
};

/// Which point is asked.
enum Target {
    Known(u32),
    New(Planned),
}

impl AverageLearner1D {
    /// An empty learner over `lo..=hi`.
    pub fn new(
        bounds: (f64, f64),
        loss: Arc<dyn IntervalLoss>,
        sampling: Sampling,
    ) -> Result<Self, AverageError> {
        sampling.check()?;
        Ok(Self::over(Learner1D::new(bounds, loss)?, sampling, Quantiles::new(sampling.alpha)))
    }

    fn over(line: Learner1D, sampling: Sampling, quantiles: Quantiles) -> Self {
        Self {
            line,
            sampling,
            quantiles,
            samples: Vec::new(),
            undersampled: BTreeSet::new(),
            uncertain: IndexedHeap::default(),
            next_told: 0,
            next_asked: 0,
            nsamples: 0,
            npending: 0,
            outside: FxHashMap::default(),
            outside_told: 0,
            next_seeds: Vec::new(),
        }
    }

    /// Reads `bounds`, `loss` and the fields of [`Sampling`].
    pub fn from_settings(table: &Table) -> settings::Result<Self> {
        let line = Learner1D::of_interval(table)?;
        let sampling = Sampling::from_settings(table)?;
        Ok(Self::over(line, sampling, Quantiles::new(sampling.alpha)))
    }

    /// The points and their means, as a learner of a function without noise.
    pub fn means(&self) -> &Learner1D {
        &self.line
    }

    /// The points that have samples, within the bounds, from left to right.
    pub fn points(&self) -> impl Iterator<Item = Estimate> {
        let line = &self.line.intervals.line;
        line.told().map(|id| {
            let Samples { moments, error, .. } = &self.samples[id as usize];
            Estimate { x: line.x(id), samples: moments.n, mean: moments.mean, error: *error }
        })
    }

    /// How many samples points get.
    pub fn sampling(&self) -> Sampling {
        self.sampling
    }

    /// Changes how many samples points get from now on. Points that have got their share keep it. O(N log N).
    pub fn set_sampling(&mut self, sampling: Sampling) -> Result<(), SamplingError> {
        sampling.check()?;
        self.sampling = sampling;
        if self.quantiles.alpha() != sampling.alpha {
            self.quantiles = Quantiles::new(sampling.alpha);
        }
        for id in self.told() {
            let samples = &mut self.samples[id as usize];
            if samples.ntold() > 1 {
                samples.estimate_error(&self.quantiles);
                self.settle(id);
            }
            self.refresh(id);
        }
        Ok(())
    }

    fn told(&self) -> Vec<u32> {
        self.line.intervals.line.told().collect()
    }

    #[inline]
    fn neighbors(&self, id: u32) -> [Option<u32>; 2] {
        let node = self.line.intervals.line.node(id);
        let (left, right) = if node.told { (node.told_prev, node.told_next) } else { (NONE, NONE) };
        [left, right].map(|id| (id != NONE).then_some(id))
    }

    /// Whether this number of samples is the share of a point; that of neighbours counts for a told one only.
    fn is_enough(&self, id: u32, number: u64) -> bool {
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
    fn uncertainty(&self, id: u32) -> Option<f64> {
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
    fn refresh(&mut self, id: u32) {
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
    fn refresh_around(&mut self, id: u32, rescaled: bool) {
        self.refresh(id);
        if rescaled && self.sampling.scaled_distances {
            self.told().into_iter().for_each(|id| self.rank(id));
        } else {
            self.neighbors(id).into_iter().flatten().for_each(|id| self.rank(id));
        }
    }

    #[inline]
    fn settle(&mut self, id: u32) {
        let Sampling { min_error, max_samples, .. } = self.sampling;
        let samples = &mut self.samples[id as usize];
        samples.settled = samples.error <= min_error || samples.ntold() >= max_samples;
    }

    /// Makes room for the samples of a node that was made just now.
    fn begin(&mut self, id: u32) {
        let place = id as usize;
        if place >= self.samples.len() {
            self.samples.resize(place + 1, Samples::new(0));
        }
        self.samples[place] = Samples::new(self.next_asked);
        self.next_asked += 1;
    }

    /// The node at `x`, within the bounds; made if there is none.
    fn node_at(&mut self, x: f64) -> u32 {
        self.line.intervals.line.find(x).unwrap_or_else(|| {
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
        let rescaled = self.line.intervals.tell(id, &[y]);
        self.refresh_around(id, rescaled);
    }

    /// More samples of a point, whose seeds are counted. What is told at once need not be as many as neighbours have, as
    /// upstream.
    fn tell_more(&mut self, id: u32, ys: &[f64]) {
        let samples = &mut self.samples[id as usize];
        ys.iter().for_each(|y| samples.moments.push(*y));
        samples.estimate_error(&self.quantiles);
        let (number, mean) = (samples.ntold(), samples.moments.mean);
        let Sampling { min_samples, max_samples, .. } = self.sampling;
        let is_enough = match ys {
            [_] => self.is_enough(id, number),
            _ => number > min_samples || number >= max_samples,
        };
        self.samples[id as usize].undersampled &= !is_enough;
        self.settle(id);
        // The turn of a point that is no longer undersampled is taken out by its refreshing.
        let rescaled = self.line.intervals.tell_mean(id, mean, ys.iter().copied());
        self.refresh_around(id, rescaled);
    }

    /// All samples of one point within the bounds out of a bulk.
    fn tell_many_at(&mut self, x: f64, told: &[(u64, f64)]) {
        let id = self.node_at(x);
        let mut new = told.iter().filter(|(seed, _)| !self.samples[id as usize].seeds.is_told(*seed));
        if !self.line.intervals.line.node(id).told {
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
            self.tell_more(id, &ys);
        }
    }

    /// One sample out of a bulk that is not within the bounds, or alone at its x.
    fn tell_one(&mut self, x: f64, seed: u64, y: f64) {
        if self.line.is_outside(x) {
            let told = self.outside.entry((x.to_bits(), seed)).or_default();
            self.outside_told += usize::from(!std::mem::replace(told, true));
            return;
        }
        let id = self.node_at(x);
        if self.count(id, seed) {
            if self.line.intervals.line.node(id).told {
                self.tell_more(id, &[y])
            } else {
                self.tell_first(id, y)
            }
        }
    }

    /// Whether a sample is told, and its x and y if it can be.
    #[inline]
    fn check(&mut self, sample: &Sample, value: &Value) -> Result<(f64, f64), TellError> {
        let x = coordinate(sample)?;
        let &[y] = value.components.as_slice() else {
            return Err(TellError::WrongShape { expected: 1, got: value.components.len() });
        };
        self.line.check_shape(&[y])?;
        Ok((x, y))
    }

    fn target(&self) -> Option<Target> {
        if let Some((.., id)) = self.undersampled.first() {
            return Some(Target::Known(*id));
        }
        let uncertain = self.uncertain.top().map(|(_, id)| id);
        let is_uncertain = |id: &u32| self.uncertainty(*id).is_some_and(|ratio| ratio > self.sampling.delta);
        if self.line.intervals.line.ntold > 1
            && let Some(id) = uncertain.filter(is_uncertain)
        {
            return Some(Target::Known(id));
        }
        // Where floating point numbers run out, samples don't.
        self.line.next_point().map(Target::New).or(uncertain.map(Target::Known))
    }

    /// How many more samples a target may get, one at least.
    fn room(&self, target: &Target) -> u64 {
        let used = match target {
            Target::Known(id) => self.samples[*id as usize].seeds.nused(),
            Target::New(_) => 0,
        };
        self.sampling.max_samples.saturating_sub(used).max(1)
    }

    /// By how much each of `n` more samples of a target is expected to improve the loss.
    fn improvement(&self, target: &Target, n: u64) -> f64 {
        let id = match target {
            Target::New(planned) => return planned.improvement / n as f64,
            Target::Known(id) => *id,
        };
        let line = &self.line.intervals.line;
        let node = line.node(id);
        let left = if node.prev == NONE { f64::INFINITY } else { line.node(node.prev).expected };
        let right = if node.next == NONE { f64::INFINITY } else { node.expected };
        let loss = (left + right) / 2.0;
        if !loss.is_finite() {
            return f64::INFINITY;
        }
        let used = self.samples[id as usize].seeds.nused() as f64;
        (loss - loss * used.sqrt() / (used + n as f64).sqrt()) / n as f64
    }
}

#[inline]
fn suggestion(x: f64, seed: u64, loss_improvement: f64) -> Suggestion {
    let sample = Sample { learner: 0, replica: seed, point: Point::scalar(x) };
    Suggestion { sample, loss_improvement }
}

impl Learner for AverageLearner1D {
    fn kind(&self) -> &'static str {
        KIND.name
    }

    fn signature(&self) -> Signature {
        Signature { seeded: true, ..Signature::line() }
    }

    fn ask_into(&mut self, n: usize, out: &mut Vec<Suggestion>) {
        let mut left = n as u64;
        while left > 0 {
            let Some(target) = self.target() else { return };
            let share = left.min(self.room(&target));
            let improvement = self.improvement(&target, share);
            let id = match target {
                Target::Known(id) => id,
                Target::New(planned) => {
                    let id = self.line.insert(&planned, NONE);
                    self.begin(id);
                    id
                }
            };
            let x = self.line.intervals.line.x(id);
            let mut next = std::mem::take(&mut self.next_seeds);
            next.clear();
            let seeds = &mut self.samples[id as usize].seeds;
            seeds.next(share, &mut next);
            for &seed in &next {
                seeds.tell_pending(seed);
                out.push(suggestion(x, seed, improvement));
            }
            self.next_seeds = next;
            self.npending += share as usize;
            self.refresh(id);
            left -= share;
        }
    }

    fn suggest(&mut self, n: usize) -> Vec<Suggestion> {
        let wanted = n as u64;
        let Some(target) = self.target().filter(|target| wanted <= self.room(target)) else {
            return self.boxed_clone().ask(n);
        };
        let improvement = self.improvement(&target, wanted);
        let mut next = Vec::new();
        let x = match &target {
            Target::Known(id) => {
                self.samples[*id as usize].seeds.next(wanted, &mut next);
                self.line.intervals.line.x(*id)
            }
            Target::New(planned) => {
                next.extend(0..wanted);
                planned.x
            }
        };
        next.into_iter().map(|seed| suggestion(x, seed, improvement)).collect()
    }

    fn tell(&mut self, sample: &Sample, value: &Value) -> Result<(), TellError> {
        let x = coordinate(sample)?;
        let known = self.line.intervals.line.find(x);
        if known.is_some_and(|id| self.samples[id as usize].seeds.is_told(sample.replica)) {
            return Ok(());
        }
        let (x, y) = self.check(sample, value)?;
        self.tell_one(x, sample.replica, y);
        Ok(())
    }

    /// Several samples of one point are told at once: the losses are computed once for all of them, and the point is no
    /// longer undersampled when it has more than `min_samples` of them, whatever its neighbours have (as upstream).
    fn tell_many(&mut self, told: &[(Sample, Value)]) -> Result<(), TellError> {
        let mut place: FxHashMap<u64, usize> = FxHashMap::default();
        let mut groups: Vec<(f64, Vec<(u64, f64)>)> = Vec::new();
        for (sample, value) in told {
            let Ok((x, y)) = self.check(sample, value) else {
                // Single tells stop at the right place.
                return told.iter().try_for_each(|(sample, value)| self.tell(sample, value));
            };
            let group = *place.entry(x.to_bits()).or_insert_with(|| {
                groups.push((x, Vec::new()));
                groups.len() - 1
            });
            groups[group].1.push((sample.replica, y));
        }
        for (x, samples) in groups {
            if samples.len() > 1 && !self.line.is_outside(x) {
                self.tell_many_at(x, &samples);
            } else {
                samples.iter().for_each(|(seed, y)| self.tell_one(x, *seed, *y));
            }
        }
        Ok(())
    }

    fn tell_pending(&mut self, sample: &Sample) {
        let Ok(x) = coordinate(sample) else { return };
        if self.line.is_outside(x) {
            self.outside.entry((x.to_bits(), sample.replica)).or_default();
            return;
        }
        let id = self.node_at(x);
        if self.samples[id as usize].seeds.tell_pending(sample.replica) {
            self.npending += 1;
            self.refresh(id);
        }
    }

    /// O(N).
    fn remove_unfinished(&mut self) {
        self.outside.retain(|_, told| *told);
        self.undersampled.retain(|(unknown, ..)| !unknown);
        self.line.remove_unfinished();
        (self.npending, self.next_asked) = (0, 0);
        for id in self.told() {
            let seeds = &mut self.samples[id as usize].seeds;
            if seeds.npending() > 0 {
                seeds.remove_unfinished();
                self.refresh(id);
            }
        }
    }

    fn loss(&self, which: Loss) -> f64 {
        self.line.loss(which)
    }

    /// Number of samples told.
    fn npoints(&self) -> usize {
        self.nsamples + self.outside_told
    }

    fn npending(&self) -> usize {
        self.npending + self.outside.len() - self.outside_told
    }

    fn new_empty(&self) -> Box<dyn Learner> {
        let line = Learner1D::empty(self.line.bounds(), Domain::Real, self.line.intervals.loss().clone());
        Box::new(Self::over(line, self.sampling, self.quantiles.clone()))
    }

    fn boxed_clone(&self) -> Box<dyn Learner> {
        Box::new(self.clone())
    }

    /// `nsamples` and `min_samples_per_point` of upstream. O(N).
    fn figures(&self) -> Vec<(&'static str, f64)> {
        let fewest = self.points().map(|point| point.samples).min().unwrap_or(0);
        vec![("nsamples", self.nsamples as f64), ("min_samples_per_point", fewest as f64)]
    }

    fn refuses(&self, point: &[f64]) -> Option<String> {
        self.line.refuses(point)
    }

    fn bounding_box(&self) -> Option<Vec<(f64, f64)>> {
        self.line.bounding_box()
    }

    /// Of the means; O(N), as for [`Learner1D`].
    fn interpolate(&self, at: &[f64], out: &mut Vec<f64>) -> bool {
        self.line.interpolate(at, out)
    }

    fn interpolate_all(&self, at: &[f64], out: &mut Vec<f64>) -> bool {
        self.line.interpolate_all(at, out)
    }

    fn interpolant(&self) -> Option<Interpolant> {
        self.line.interpolant()
    }
}
