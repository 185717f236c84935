//! What the engine tells about itself.

use super::{Attempt, Engine};
use crate::checkpoint::Failed;
use crate::learner::Learner;
use crate::model::Sample;

impl Engine {
    /// Nothing is in flight and nothing is left to ask.
    pub fn is_exhausted(&self) -> bool {
        self.exhausted
            && self.in_flight == 0
            && self.first.is_empty()
            && self.due.is_empty()
            && self.early.is_empty()
    }

    /// Samples that are asked and have no value: in flight, waiting for another attempt or for their turn.
    /// In the order in which they were asked.
    pub fn unfinished(&self) -> Vec<Sample> {
        let mut open: Vec<&Attempt> = self.open_attempts().collect();
        open.sort_by_key(|attempt| attempt.turn);
        open.into_iter().map(|attempt| attempt.sample.clone()).collect()
    }

    /// The same in any order.
    pub(in super::super) fn unsettled(&self) -> impl Iterator<Item = &Sample> {
        self.open_attempts().map(|attempt| &attempt.sample)
    }

    fn open_attempts(&self) -> impl Iterator<Item = &Attempt> {
        let arrived = self.due.iter().chain(self.early.values()).map(|(attempt, ..)| attempt);
        self.attempts.iter().flatten().chain(&self.first).chain(arrived)
    }

    /// The learner.
    pub fn learner(&self) -> &dyn Learner {
        self.learner.as_ref()
    }

    /// Samples that are to be evaluated before anything is asked.
    pub(in super::super) fn waiting(&self) -> usize {
        self.first.len()
    }

    /// Attempts that are with the pool.
    pub fn in_flight(&self) -> usize {
        self.in_flight
    }

    /// Samples that this run gave up, but for those that an earlier one had given up before.
    pub(in super::super) fn given_up_here(&self) -> u64 {
        self.given_up_here
    }

    /// Samples given up, over all runs.
    pub fn given_up(&self) -> u64 {
        self.given_up
    }

    /// Attempts that failed in this run.
    pub fn failed_attempts(&self) -> u64 {
        self.failed_attempts
    }

    /// Attempts of this run that followed failed ones.
    pub fn retried(&self) -> u64 {
        self.retried
    }

    /// Samples that are to be evaluated before any goal ends the run: who asked for them again wants to see them tried,
    /// also where the goal holds without.
    pub fn owed(&self) -> usize {
        self.owed
    }

    /// The first sample that this run gave up (upstream: `raise_if_retries_exceeded` raises it).
    pub fn first_given_up(&self) -> Option<&Failed> {
        self.first_given_up.as_ref()
    }
}
