//! Why a run stops before its goal, and how it comes to rest.

use super::{Drive, LONGEST_WAIT, Loop};
use crate::checkpoint::{CheckpointError, Fact};
use crate::report::duration;
use crate::runner::goal::Moment;
use crate::runner::resting::HOPELESS;
use crate::runner::{Observer, StopReason, look_at};
use jiff::Timestamp;
use std::time::{Duration, Instant};

/// From so many points given up on, if that is one for so few values, the user is told what can be done about it.
const MANY: u64 = 100;
const FEW_VALUES: u64 = 10;
/// Failures are said after this time, if no value has come.
const QUIET_FAILURE: Duration = Duration::from_secs(3);
/// A run that waits for so long before it asks anything more says so.
const QUIET_DOUBT: Duration = Duration::from_secs(5);
/// A run that stops within this time says nothing about it.
const QUIET_DRAIN: Duration = Duration::from_millis(500);

impl Loop {
    pub(super) fn stop_reason(&self, drive: &Drive<'_>) -> Option<StopReason> {
        if let Some(reason) = &self.not_saved {
            return Some(reason.clone());
        }
        if let Some(why) = &self.changed {
            return Some(StopReason::Changed(why.clone()));
        }
        // A launcher that ends the job because of a dead rank sends a signal first: the rank is what to name.
        let signal = drive.signals.received();
        if let Some(why) = drive.queue.fatal_loss(signal.is_some()) {
            return Some(StopReason::WorkerLost(why));
        }
        if signal.is_some() {
            return signal;
        }
        if let Some(reason) = self.cannot_start(drive) {
            return Some(reason);
        }
        // Also one of an earlier run: starting the same study again does not mend it.
        if drive.raise_if_retries_exceeded && drive.engine.given_up() > 0 {
            return Some(StopReason::RetriesExceeded);
        }
        let is_back =
            drive.engine.is_deterministic() || drive.engine.in_flight() + drive.engine.waiting() == 0;
        if self.is_in_doubt(drive) && is_back {
            return Some(StopReason::NothingWorks(drive.engine.given_up_here()));
        }
        drive.walltime.filter(|end| end.left() <= drive.walltime_margin).map(|_| StopReason::Walltime)
    }

    /// Whether so many points of this run have failed for good, and none got a value, that nothing more is asked until what
    /// was asked has come to an end: it may take longer than to fail does. A run that went on would only give up all points
    /// that the learners ask for. With so many, each worker should be at a point that works, if there are any. Those that an
    /// earlier run gave up, and that are tried once more, say nothing about the others.
    pub(super) fn is_in_doubt(&self, drive: &Drive<'_>) -> bool {
        let many =
            if drive.engine.is_deterministic() { HOPELESS } else { HOPELESS.max(2 * drive.workers as u64) };
        self.told == 0 && drive.engine.given_up_here() >= many
    }

    pub(super) fn say_doubts(&mut self, drive: &Drive<'_>, now: Instant, observer: &mut dyn Observer) {
        if drive.engine.is_deterministic() || !self.is_in_doubt(drive) || self.doubts_said {
            return;
        }
        if *self.doubts.get_or_insert(now) + QUIET_DOUBT > now {
            return;
        }
        self.doubts_said = true;
        let why = drive.engine.first_given_up().map(|failed| format!(": {}", failed.failure.message));
        observer.note(&format!(
            "warning: {} points were given up and none got a value{}; {} evaluations are waited for before anything \
             else is asked\nhelp: `timeout` in [function] ends those that take too long",
            drive.engine.given_up_here(),
            why.unwrap_or_default(),
            drive.engine.in_flight()
        ));
    }

    /// Takes in the first failure of a run, if no value came before.
    pub(super) fn note_failure(&mut self, drive: &Drive<'_>, fact: &Fact) {
        if let Fact::Failed(failed) = fact
            && drive.engine.failed_attempts() == 1
            && self.told == 0
        {
            self.first_failure = Some((Instant::now(), failed.failure.message.clone()));
        }
    }

    /// A point may take hours and fail in the end: what is wrong is said before all its attempts are over.
    pub(super) fn say_failure(&mut self, drive: &Drive<'_>, now: Instant, observer: &mut dyn Observer) {
        if self.told > 0 {
            self.first_failure = None;
        }
        if let Some((_, why)) = self.first_failure.take_if(|(since, _)| *since + QUIET_FAILURE <= now) {
            observer.note(&format!(
                "warning: nothing has a value yet, and {} attempts have failed, the first with: {why}\n\
                 help: `adaptive-mpi status --failures` shows the others",
                drive.engine.failed_attempts()
            ));
        }
    }

    /// Learners leave alone the regions where points fail, but each point there costs all its attempts.
    pub(super) fn warn_of_failures(&mut self, drive: &Drive<'_>, observer: &mut dyn Observer) {
        if self.warned_of_failures || drive.engine.given_up_here() < MANY.max(self.told / FEW_VALUES) {
            return;
        }
        self.warned_of_failures = true;
        let why = drive.engine.first_given_up().map(|failed| format!(": {}", failed.failure.message));
        observer.note(&format!(
            "warning: {} points of this run were given up, {} got a value{}\nhelp: where the function has no value, \
             let it return NaN, which costs one evaluation a point, and no further attempts",
            drive.engine.given_up_here(),
            self.told,
            why.unwrap_or_default()
        ));
    }

    /// What the run says of its results is what `status` and the next run will say.
    pub(super) fn see_as_others(&mut self, drive: &mut Drive<'_>) {
        if drive.engine.forget_how() {
            for index in 0..drive.goals.learners() {
                look_at(&mut drive.goals, drive.engine.learner(), index);
                drive.resting.judge(&drive.goals, &mut drive.engine, index);
            }
        }
    }

    /// Whether the goal does not hold any more with the results that were in flight when it was reached. The error of an
    /// integral grows for a while when an interval is divided; losses may do so, too.
    pub(super) fn goal_is_lost(&self, drive: &Drive<'_>) -> bool {
        let moment = Moment { elapsed: self.accounting.elapsed(), now: Timestamp::now() };
        self.not_saved.is_none() && drive.goals.reached(moment).is_none()
    }

    /// Asks again after [`Self::drain`].
    pub(super) fn go_on(&mut self, drive: &mut Drive<'_>, observer: &mut dyn Observer) {
        if !std::mem::replace(&mut self.told_of_lost_goal, true) {
            observer.note("the goal was reached, but not with what was still in flight: going on");
        }
        self.draining = false;
        drive.engine.ask_again();
    }

    /// Nothing new is asked; what is running may finish within the grace time, unless one more signal insists. It is
    /// told and saved, or, without `keep`, left to the next run.
    pub(super) fn drain(&mut self, drive: &mut Drive<'_>, keep: bool, observer: &mut dyn Observer) {
        drive.engine.stop_asking();
        self.draining = true;
        self.goal = None;
        for key in drive.queue.cancel_unsent() {
            self.withdraw(drive, key);
        }
        let begin = Instant::now();
        let deadline = begin + drive.grace;
        let (mut said, mut said_how_to_insist) = (false, false);
        while drive.queue.in_flight() > 0 {
            let now = Instant::now();
            let left = deadline.saturating_duration_since(now);
            if left.is_zero() || drive.signals.insists(now) || drive.queue.fatal_loss(false).is_some() {
                break;
            }
            if !said && begin.elapsed() > QUIET_DRAIN {
                said = true;
                let open = drive.queue.in_flight();
                let grace = duration(drive.grace);
                observer.note(&format!("stopping: waiting up to {grace} for {open} evaluations in flight"));
                // Should this process not live to see them, the next run begins with them.
                drive.checkpoint.snapshot_soon();
            }
            if said
                && !said_how_to_insist
                && drive.signals.listens_again()
                && let Some(StopReason::Signal(name)) = drive.signals.received()
            {
                said_how_to_insist = true;
                observer.note(&format!("({name} again: stops at once; the next run begins with them)"));
                drive.impatient_launcher.iter().for_each(|advice| observer.note(advice));
            }
            self.look_after_checkpoint(drive, now, observer);
            if drive.queue.available() == 0 {
                // Those of lost workers wait for others, and there are none that can start them.
                for key in drive.queue.cancel_unsent() {
                    self.withdraw(drive, key);
                }
            }
            self.take_results(drive, left.min(LONGEST_WAIT));
            if keep {
                self.settle(drive);
            } else if std::mem::take(&mut self.waiting) {
                self.commit(drive);
            }
            self.show(drive, observer);
        }
        if keep {
            self.settle(drive);
        }
        // What waits for its turn is saved already, and the next run tells it in its turn.
        if let Some(told) = drive.engine.due_value() {
            self.save_early(drive, told);
        }
        if std::mem::take(&mut self.waiting) || keep {
            self.commit(drive);
        }
    }
}

pub(super) fn not_saved(error: &CheckpointError) -> StopReason {
    match error {
        CheckpointError::LockLost { .. } => StopReason::LockLost(error.to_string()),
        _ => StopReason::NotSaved(error.to_string()),
    }
}
