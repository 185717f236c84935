//! Why a run stops before its goal, and how it comes to rest.

use super::{Drive, LONGEST_WAIT, Loop};
use crate::checkpoint::CheckpointError;
use crate::runner::{Observer, StopReason};
use std::time::{Duration, Instant};

/// After so many points that failed for good in this run, without a single value, the function itself is taken to be
/// broken: a run that went on would only give up all points that the learners ask for.
const HOPELESS: u64 = 20;
/// Attempts in a row, for each worker, that could not begin: then no worker can be expected to start the function.
const TIMES_NOT_STARTED: usize = 3;
/// A run that stops within this time says nothing about it.
const QUIET_DRAIN: Duration = Duration::from_millis(500);

impl Loop {
    pub(super) fn stop_reason(&self, drive: &Drive<'_>) -> Option<StopReason> {
        if let Some(reason) = &self.not_saved {
            return Some(reason.clone());
        }
        // A launcher that ends the job because of a dead rank sends a signal first: the rank is what to name.
        let signal = drive.signals.received();
        if let Some(why) = drive.queue.fatal_loss(signal.is_some()) {
            return Some(StopReason::WorkerLost(why));
        }
        if signal.is_some() {
            return signal;
        }
        if let (times, Some(failure)) = drive.engine.not_started()
            && times >= TIMES_NOT_STARTED * drive.workers
        {
            return Some(StopReason::CannotStart(format!("{}\n{}", failure.message, failure.detail)));
        }
        if drive.raise_if_retries_exceeded && drive.engine.first_given_up().is_some() {
            return Some(StopReason::RetriesExceeded);
        }
        if self.given_up >= HOPELESS && self.told == 0 {
            return Some(StopReason::NothingWorks(self.given_up));
        }
        drive.walltime.filter(|end| end.left() <= drive.walltime_margin).map(|_| StopReason::Walltime)
    }

    /// Nothing new is asked; what is running may finish within the grace time. It is told and saved, or, without
    /// `keep`, left to the next run.
    pub(super) fn drain(&mut self, drive: &mut Drive<'_>, keep: bool, observer: &mut dyn Observer) {
        drive.engine.stop_asking();
        self.draining = true;
        self.goal = None;
        for key in drive.queue.cancel_unsent() {
            self.withdraw(drive, key);
        }
        let begin = Instant::now();
        let deadline = begin + drive.grace;
        let mut said = false;
        while drive.queue.in_flight() > 0 {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() || drive.queue.fatal_loss(false).is_some() {
                break;
            }
            if !said && begin.elapsed() > QUIET_DRAIN {
                said = true;
                let open = drive.queue.in_flight();
                observer
                    .note(&format!("stopping: waiting up to {left:.0?} for {open} evaluations in flight"));
            }
            self.take_results(drive, left.min(LONGEST_WAIT));
            if keep {
                self.settle(drive);
            } else if std::mem::take(&mut self.waiting) {
                self.commit(drive);
            }
            self.show(drive, observer);
        }
        if !keep {
            return;
        }
        self.settle(drive);
        while let Some(fact) = drive.engine.settle_early() {
            self.record(drive, fact);
        }
        self.commit(drive);
    }
}

pub(super) fn not_saved(error: &CheckpointError) -> StopReason {
    match error {
        CheckpointError::LockLost { .. } => StopReason::LockLost(error.to_string()),
        _ => StopReason::NotSaved(error.to_string()),
    }
}
