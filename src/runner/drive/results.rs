//! From the workers to the learners, the checkpoint and the cache.

use super::stopping::not_saved;
use super::{Drive, Loop};
use crate::checkpoint::{Fact, Meta, Told};
use crate::model::{Failure, FailureKind, Outcome};
use crate::pool::{Completed, TaskError, TaskErrorKind};
use crate::runner::Phase;
use std::time::{Duration, Instant};

/// Results taken from the pool before rank 0 looks at goals, signals and new points again.
const RESULTS_A_ROUND: usize = 256;

impl Loop {
    pub(super) fn take_results(&mut self, drive: &mut Drive<'_>, longest: Duration) {
        let mut next = drive.queue.next(Duration::ZERO);
        if next.is_none() {
            self.accounting.book(Phase::Wire, Instant::now());
            if drive.queue.in_flight() == 0 {
                // All workers pause, or too few are left for now.
                drive.queue.wait(longest);
            }
            next = drive.queue.next(longest);
            self.accounting.book(Phase::Idle, Instant::now());
        }
        let mut taken = 0;
        while let Some(completed) = next {
            self.take(drive, completed);
            taken += 1;
            next = if taken < RESULTS_A_ROUND { drive.queue.next(Duration::ZERO) } else { None };
        }
        self.accounting.book(Phase::Wire, Instant::now());
    }

    fn take(&mut self, drive: &mut Drive<'_>, completed: Completed<Outcome>) {
        let Completed { key, result, worker, started, duration } = completed;
        let outcome = match result {
            Ok(outcome) => outcome,
            Err(TaskError { kind: TaskErrorKind::Cancelled, .. }) => return self.withdraw(drive, key),
            // No fault of the point: the next run begins with it.
            Err(TaskError { kind: TaskErrorKind::WorkerLost | TaskErrorKind::TooLarge, .. })
                if drive.queue.fatal_loss(false).is_some() =>
            {
                return self.withdraw(drive, key);
            }
            Err(error) => Err(failure(error)),
        };
        if let Err(failure) = &outcome
            && failure.kind == FailureKind::Changed
        {
            self.changed.get_or_insert_with(|| failure.message.clone());
            return self.withdraw(drive, key);
        }
        // Some batch systems send the signal to all processes of a job, also to those of functions: no fault of the point.
        if outcome.is_err() && drive.signals.received().is_some() {
            return self.withdraw(drive, key);
        }
        if outcome.is_ok() {
            self.note_value(drive, key);
        }
        self.note_start(drive, worker, &outcome);
        self.accounting.evaluated(duration);
        let mut waited = Vec::new();
        match &mut drive.cached {
            Some(cached) if outcome.is_ok() => cached.arrived(key),
            Some(cached) => waited = cached.without_value(key),
            None => {}
        }
        let meta = Meta { worker, attempt: 0, started, duration: duration.as_secs_f64() };
        self.arrive(drive, key, outcome, meta);
        self.submit_again(drive, waited);
    }

    pub(super) fn withdraw(&mut self, drive: &mut Drive<'_>, key: u64) {
        drive.engine.withdrawn(key);
        let waited = drive.cached.as_mut().map(|cached| cached.without_value(key)).unwrap_or_default();
        self.submit_again(drive, waited);
    }

    pub(super) fn arrive(&mut self, drive: &mut Drive<'_>, key: u64, outcome: Outcome, meta: Meta) {
        if let Some(waiting) = drive.engine.completed(key, outcome, meta) {
            self.save_early(drive, waiting);
        }
    }

    /// Saves a value that waits for its turn.
    pub(super) fn save_early(&mut self, drive: &mut Drive<'_>, mut waiting: Told) {
        if let Some(stored) = &drive.stored_learner {
            waiting.sample.learner = stored[waiting.sample.learner as usize];
        }
        drive.checkpoint.append_early(&waiting);
        self.waiting = true;
    }

    pub(super) fn settle(&mut self, drive: &mut Drive<'_>) {
        // What waits for its turn is saved meanwhile.
        let mut any = std::mem::take(&mut self.waiting);
        // With a goal reached, results that wait for their turn stay unsettled: asks and tells end at the goal, or where
        // there is no hope for one.
        while self.goal.is_none()
            && !(drive.engine.is_deterministic() && Self::no_hope(drive, false).is_some())
            && let Some(fact) = drive.engine.settle()
        {
            any = true;
            self.record(drive, fact);
        }
        self.accounting.book(Phase::Tell, Instant::now());
        if any {
            self.commit(drive);
        }
    }

    pub(super) fn record(&mut self, drive: &mut Drive<'_>, mut fact: Fact) {
        let learner = fact.sample().learner;
        let waited = match (&mut drive.cached, &fact) {
            (Some(cached), Fact::Told(told)) => cached.told(told),
            (Some(cached), Fact::Failed(failed)) => cached.refused(&failed.sample),
            (None, _) => Vec::new(),
        };
        if let Some(stored) = &drive.stored_learner {
            fact.sample_mut().learner = stored[learner as usize];
        }
        drive.checkpoint.append(&fact);
        self.note_failure(drive, &fact);
        if let Fact::Failed(failed) = &fact
            && failed.given_up
        {
            drive.resting.gave_up(&mut drive.goals, &mut drive.engine, learner as usize, &failed.failure);
            // It may have been the last that was owed.
            if !self.draining {
                self.look_at_goal(drive);
            }
        }
        if matches!(fact, Fact::Told(_)) {
            self.told += 1;
            drive.resting.told(&mut drive.goals, &mut drive.engine, learner as usize);
            if !self.draining {
                self.look_at_goal(drive);
            }
        }
        self.submit_again(drive, waited);
    }

    pub(super) fn commit(&mut self, drive: &mut Drive<'_>) {
        if let Err(error) = drive.checkpoint.commit() {
            self.not_saved.get_or_insert_with(|| not_saved(&error));
        }
        if let Some(cached) = &mut drive.cached {
            cached.commit();
        }
        self.accounting.book(Phase::Checkpoint, Instant::now());
    }
}

fn failure(error: TaskError) -> Failure {
    let kind = match error.kind {
        TaskErrorKind::Panic => FailureKind::Panic,
        TaskErrorKind::WorkerLost => FailureKind::WorkerLost,
        TaskErrorKind::Malformed => FailureKind::BadOutput,
        _ => FailureKind::Setup,
    };
    Failure::new(kind, error.message).with_detail(error.location)
}
