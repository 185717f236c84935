//! `AverageLearner1D`: a noisy function of one real number.

mod asking;
mod quantile;
mod queues;
mod samples;
mod sampling;
mod telling;

pub use sampling::{Sampling, SamplingError};

use super::heap::IndexedHeap;
use super::learner1d::coordinate;
use super::line::NONE;
use super::points_first;
use super::split::Domain;
use super::{BoundsError, Interpolant, Learner, Learner1D, LearnerKind, Loss, Suggestion, TellError};
use crate::loss::IntervalLoss;
use crate::model::settings::{self, Table};
use crate::model::{Sample, Signature, Value};
use asking::{Target, suggestion};
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
///    `delta`. The error is half the width of the interval of confidence of the mean, by Student's t. Only the latest error
///    counts. (Upstream never comes back to a point whose error was within `min_error` before it had a neighbour.)
/// 3. The point that [`Learner1D`] would ask.
///
/// Pending samples count in all three as if they were told and left the spread as it is, so that many workers share
/// the work. (Upstream asks the same seeds again while they are pending.) Only where `max_samples` leaves too little
/// room is an `ask` spread over several points. A point is never given more samples than that. After
/// [`Learner::work_in_parallel`] a point gets no more at once than it lacks: by rule 1, or until rule 2 is expected to
/// be done with it.
///
/// Other seeds are asked instead of those that were given up. Where `min_samples` fail, and more than have a value, no
/// more are asked; a point without any value is then to its neighbours as one that is NaN.
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
    /// All nodes by the bits of x.
    by_x: FxHashMap<u64, u32>,
    /// Undersampled points whose pending samples don't suffice, by [`Samples::turn`].
    undersampled: BTreeSet<(bool, u64, u32)>,
    /// Other points that may be sampled again, by the ratio of rule 2; of equal ones the leftmost comes first.
    uncertain: IndexedHeap<(u64, u64)>,
    /// The next [`Samples::order`] of points with and without a value.
    next_told: u64,
    next_asked: u64,
    nsamples: usize,
    npending: usize,
    /// A point gets no more samples at once than it lacks.
    parallel: bool,
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
    about: "a noisy function of one number: bounds, loss, delta, alpha, neighbor_sampling, min_samples, max_samples, min_error, scaled_distances, points_first",
    from_settings: |table| {
        points_first::from_settings(table, Box::new(AverageLearner1D::from_settings(table)?))
    },
};

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
            by_x: FxHashMap::default(),
            undersampled: BTreeSet::new(),
            uncertain: IndexedHeap::default(),
            next_told: 0,
            next_asked: 0,
            nsamples: 0,
            npending: 0,
            parallel: false,
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
        line.told().filter(|id| self.samples[*id as usize].ntold() > 0).map(|id| {
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

    /// The node at `x`.
    #[inline]
    fn find(&self, x: f64) -> Option<u32> {
        self.by_x.get(&x.to_bits()).copied()
    }

    fn told(&self) -> Vec<u32> {
        self.line.intervals.line.told().collect()
    }
}

impl Learner for AverageLearner1D {
    fn lacks_needed(&self) -> bool {
        self.line.lacks_needed()
    }

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
        let known = self.find(x);
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

    fn give_up(&mut self, sample: &Sample) {
        self.tell_pending(sample);
        let known = coordinate(sample).ok().and_then(|x| self.find(x));
        if let Some(id) = known {
            self.give_up_at(id, sample.replica);
        }
    }

    /// O(N).
    fn remove_unfinished(&mut self) {
        self.outside.retain(|_, told| *told);
        self.undersampled.retain(|(unknown, ..)| !unknown);
        let line = &self.line.intervals.line;
        self.by_x.retain(|_, id| line.node(*id).told);
        self.line.remove_unfinished();
        (self.npending, self.next_asked) = (0, 0);
        for id in self.told() {
            let seeds = &mut self.samples[id as usize].seeds;
            if seeds.npending() > 0 {
                seeds.remove_unfinished();
                self.npending += seeds.npending() as usize;
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

    fn work_in_parallel(&mut self) {
        self.parallel = true;
        self.told().into_iter().for_each(|id| self.refresh(id));
    }

    fn new_empty(&self) -> Box<dyn Learner> {
        let line = Learner1D::empty(self.line.bounds(), Domain::Real, self.line.intervals.loss().clone());
        let empty = Self::over(line, self.sampling, self.quantiles.clone());
        Box::new(Self { parallel: self.parallel, ..empty })
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

#[cfg(test)]
mod tests;
