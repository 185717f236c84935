//! What a run shows of itself while it goes on, and at its end.

use super::goal::{GoalTracker, Reached};
use super::{Accounting, Engine, StopReason};
use crate::checkpoint::CheckpointError;
use crate::learner::Loss;
use crate::pool::Health;
use std::fmt;

/// How a run ended.
#[derive(Clone, Debug, PartialEq)]
pub enum Ended {
    /// The goal was reached.
    Goal(Reached),
    /// The learners have nothing left to ask, and the goal was not reached.
    Exhausted,
    /// Every learner that is not finished knows that it will never be ([`crate::learner::Learner::hopeless`]); why the first is.
    Hopeless(String),
    /// It stopped before; the same command goes on.
    Stopped(StopReason),
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Goal(reached) => write!(f, "goal reached: {reached}"),
            Self::Exhausted => f.write_str("nothing is left to ask, and the goal is not reached"),
            Self::Hopeless(why) => write!(f, "the goal can't be reached: {why}"),
            Self::Stopped(reason) => write!(f, "stopped: {reason}"),
        }
    }
}

/// Who watches a run: status lines, status files.
pub trait Observer {
    /// Called some times a second; decides itself how often to show something.
    fn progress(&mut self, outlook: &Outlook<'_>);
    /// Something that the user should know, once.
    fn note(&mut self, text: &str);
}

/// A run as it stands, for an [`Observer`]; what costs time is computed when it is asked for.
pub struct Outlook<'a> {
    /// The engine, for points, failures and loss.
    pub engine: &'a Engine,
    /// Where the time went.
    pub accounting: &'a Accounting,
    /// The goals.
    pub goals: &'a GoalTracker,
    /// Number of workers.
    pub workers: usize,
    /// Points told in this run.
    pub told: u64,
    /// Those of them whose values came from a cache.
    pub from_cache: u64,
    /// How the workers are: O(workers).
    pub health: Box<dyn Fn() -> Health + 'a>,
}

impl Outlook<'_> {
    /// The loss of the learner, over all children.
    pub fn loss(&self) -> f64 {
        self.engine.learner().loss(Loss::Real)
    }

    /// Workers that have something to do.
    pub fn busy(&self) -> usize {
        self.engine.in_flight().min(self.workers)
    }

    /// Points a second since the start of this run.
    pub fn rate(&self) -> f64 {
        let elapsed = self.accounting.elapsed().as_secs_f64();
        if elapsed > 0.0 { self.told as f64 / elapsed } else { 0.0 }
    }
}

/// What a run did.
#[derive(Debug)]
pub struct Finished {
    /// How it ended.
    pub ended: Ended,
    /// Where the time went.
    pub accounting: Accounting,
    /// Points told in this run.
    pub told: u64,
    /// Those of them whose values came from a cache.
    pub from_cache: u64,
    /// Results of this run that could not be saved: they are lost.
    pub unsaved: u64,
    /// The engine with its learner, for a summary.
    pub engine: Engine,
    /// How far each learner came.
    pub goals: GoalTracker,
    /// Evaluations that were still with workers when the grace time was over.
    pub left_behind: usize,
    /// The last snapshot could not be written; the journal holds what it would hold.
    pub snapshot_error: Option<CheckpointError>,
    /// The cache could not be written: its new values will be computed again by whoever needs them.
    pub cache_error: Option<CheckpointError>,
    /// How the workers were at the end.
    pub health: Health,
}
