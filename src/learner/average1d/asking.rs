//! What is asked: the point whose turn it is, and what its samples promise.

use super::{AverageLearner1D, Sampling};
use crate::learner::Suggestion;
use crate::learner::line::NONE;
use crate::learner::split::Planned;
use crate::model::{Point, Sample};

/// Which point is asked.
pub(super) enum Target {
    Known(u32),
    New(Planned),
}

impl AverageLearner1D {
    pub(super) fn target(&self) -> Option<Target> {
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

    /// How many more samples a target may get at once, one at least: no more than there is room for, and where many are
    /// at work, no more than it lacks.
    pub(super) fn room(&self, target: &Target) -> u64 {
        let Sampling { min_samples, max_samples, .. } = self.sampling;
        let (expected, lacking) = match target {
            Target::Known(id) if self.parallel => (self.samples[*id as usize].nexpected(), self.lacking(*id)),
            Target::Known(id) => (self.samples[*id as usize].nexpected(), u64::MAX),
            Target::New(_) => (0, if self.parallel { min_samples } else { u64::MAX }),
        };
        max_samples.saturating_sub(expected).min(lacking).max(1)
    }

    /// By how much each of `n` more samples of a target is expected to improve the loss.
    pub(super) fn improvement(&self, target: &Target, n: u64) -> f64 {
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
        let used = self.samples[id as usize].nexpected() as f64;
        (loss - loss * used.sqrt() / (used + n as f64).sqrt()) / n as f64
    }
}

#[inline]
pub(super) fn suggestion(x: f64, seed: u64, loss_improvement: f64) -> Suggestion {
    let sample = Sample { learner: 0, replica: seed, point: Point::scalar(x) };
    Suggestion { sample, loss_improvement }
}
