mod results;
mod starts;
mod stopping;
mod work;

use super::goal::{Condition, GoalTracker, Moment, Reached};
use super::{
    Accounting, Cached, Ended, Engine, Finished, Observer, Outlook, Phase, Resting, StopReason, StopSignals,
    Walltime, Work,
};
use crate::checkpoint::{Checkpoint, Ending, EndingKind};
use crate::model::{Outcome, Sample};
use crate::pool::{Queue, Standing};
use jiff::Timestamp;
use starts::Starts;
use std::time::{Duration, Instant};
use stopping::not_saved;

/// The longest that rank 0 looks away from signals, limits and status lines.
const LONGEST_WAIT: Duration = Duration::from_millis(50);
/// Between two looks at clocks, signals and status lines while results stream in.
const CHORES_EVERY: Duration = Duration::from_millis(20);

/// Everything that a run needs, ready to go.
pub struct Drive<'a> {
    /// Decides what to evaluate.
    pub engine: Engine,
    /// Evaluates.
    pub queue: Queue<Sample, Outcome>,
    /// Number of workers behind the queue.
    pub workers: usize,
    /// Workers on which the function could not be started at the beginning, and will not be.
    pub cannot_start: Vec<u32>,
    /// Remembers.
    pub checkpoint: Checkpoint,
    /// When the run is over.
    pub goals: GoalTracker,
    /// Which learners take no points.
    pub resting: Resting,
    /// Signals that stop it.
    pub signals: &'a StopSignals,
    /// The end of the job, if it has one.
    pub walltime: Option<Walltime>,
    /// How long before that end the run stops asking.
    pub walltime_margin: Duration,
    /// How long results are waited for when the run stops.
    pub grace: Duration,
    /// What to say while a run that a signal stops waits for results, if the launcher may not be as patient.
    pub impatient_launcher: Option<&'static str>,
    /// A fixed number of evaluations in flight, instead of what the pool finds best.
    pub in_flight: Option<usize>,
    /// Stop when a sample failed more often than it may be tried.
    pub raise_if_retries_exceeded: bool,
    /// By learner of this run: its index in the checkpoint, where combos of the study file were added or moved.
    pub stored_learner: Option<Vec<u32>>,
    /// By learner: the priority of its points among those that wait for a worker. Learners beyond its end have 0.
    pub priorities: Vec<i32>,
    /// What need not be computed, where the study wants a cache.
    pub cached: Option<Cached>,
}

/// What is asked and not settled, as the checkpoint keeps it: with its own indices of learners.
fn unfinished(engine: &Engine, stored_learner: Option<&[u32]>) -> Vec<Sample> {
    let mut unfinished = engine.unfinished();
    if let Some(stored) = stored_learner {
        unfinished.iter_mut().for_each(|sample| sample.learner = stored[sample.learner as usize]);
    }
    unfinished
}

/// Runs until the goal, a signal, the end of the job, or nothing is left to ask.
///
/// Every result is handed to the operating system as a journal record before the next points are sent.
pub fn drive(mut drive: Drive<'_>, observer: &mut dyn Observer) -> Finished {
    let mut run = Loop {
        accounting: Accounting::start(Instant::now()),
        told: 0,
        goal: None,
        draining: false,
        work: Vec::new(),
        waiting: false,
        told_of_lost_goal: false,
        warned_of_failures: false,
        doubts: None,
        doubts_said: false,
        first_failure: None,
        starts: Starts::default(),
        changed: None,
        not_saved: None,
        chores_due: Instant::now(),
        moment: Moment { elapsed: Duration::ZERO, now: Timestamp::now() },
    };
    if !drive.engine.is_deterministic() {
        drive.resting.give_up_hope_after(2 * drive.workers as u64);
    }
    for &rank in &drive.cannot_start {
        drive.queue.set_standing(rank, Standing::Aside);
    }
    let ended = loop {
        let ended = run.until_something_ends_it(&mut drive, observer);
        let goal = matches!(ended, Ended::Goal(_));
        // How much is in flight at the end depends on the workers; a deterministic run ends with what it took to get there.
        let keep = !(drive.engine.is_deterministic() && (goal || matches!(ended, Ended::Hopeless(_))));
        run.drain(&mut drive, keep, observer);
        if goal && keep {
            run.see_as_others(&mut drive);
        }
        if !(goal && keep && run.goal_is_lost(&drive)) {
            break ended;
        }
        run.go_on(&mut drive, observer);
    };
    if !matches!(ended, Ended::Stopped(StopReason::CannotStart(_))) {
        run.say_starts(observer);
    }
    let ended = match &run.not_saved {
        Some(reason) => Ended::Stopped(reason.clone()),
        None => ended,
    };
    let Drive { mut engine, queue, checkpoint, goals, cached, stored_learner, .. } = drive;
    engine.stop_asking();
    let unfinished = unfinished(&engine, stored_learner.as_deref());
    let kind = match &ended {
        Ended::Goal(_) => EndingKind::Goal,
        Ended::Stopped(StopReason::Signal(_) | StopReason::Walltime | StopReason::WorkerLost(_)) => {
            EndingKind::Stopped
        }
        Ended::Exhausted | Ended::Hopeless(_) | Ended::Stopped(_) => EndingKind::Failed,
    };
    let unsaved = checkpoint.unsaved();
    let closed = checkpoint.close(unfinished, Ending::new(kind, ended.to_string()));
    let (ended, snapshot_error, unsaved) = match closed {
        Ok(()) => (ended, None, 0),
        Err(warning) if warning.results_are_safe() => (ended, Some(warning), 0),
        Err(error) => {
            (Ended::Stopped(run.not_saved.take().unwrap_or_else(|| not_saved(&error))), None, unsaved)
        }
    };
    let from_cache = cached.as_ref().map_or(0, Cached::found);
    let cache_error = cached.and_then(|cached| cached.close().err());
    run.accounting.book(Phase::Checkpoint, Instant::now());
    let (left_behind, health) = (queue.in_flight(), queue.health());
    Finished {
        ended,
        accounting: run.accounting,
        told: run.told,
        unsaved,
        from_cache,
        engine,
        goals,
        left_behind,
        snapshot_error,
        cache_error,
        health,
    }
}

struct Loop {
    accounting: Accounting,
    told: u64,
    goal: Option<Reached>,
    /// The run is over and only takes what still comes back: goals no longer matter.
    draining: bool,
    work: Vec<Work>,
    /// Values that wait for their turn are not yet committed.
    waiting: bool,
    /// It was said that a goal did not hold any more with what was still in flight.
    told_of_lost_goal: bool,
    warned_of_failures: bool,
    /// Since when nothing new is asked, as nothing has worked so far, and whether that was said.
    doubts: Option<Instant>,
    doubts_said: bool,
    /// The first failure, until a value comes or it was said.
    first_failure: Option<(Instant, String)>,
    starts: Starts,
    /// The function's files are not those that the run began with.
    changed: Option<String>,
    /// Results can't be saved any more, or not by this run.
    not_saved: Option<StopReason>,
    chores_due: Instant,
    /// The time, as of the last chores: reading clocks for every result would cost more than the result.
    moment: Moment,
}

impl Loop {
    fn until_something_ends_it(&mut self, drive: &mut Drive<'_>, observer: &mut dyn Observer) -> Ended {
        for index in 0..drive.goals.learners() {
            drive.resting.judge(&drive.goals, &mut drive.engine, index);
        }
        // A goal may hold before anything is asked: an old study started again.
        self.look_at_goal(drive);
        loop {
            if let Some(reached) = self.goal.take() {
                return Ended::Goal(reached);
            }
            if let Some(reason) = self.stop_reason(drive) {
                return Ended::Stopped(reason);
            }
            let exhausted = drive.engine.is_exhausted();
            if let Some(why) = Self::no_hope(drive, exhausted) {
                return Ended::Hopeless(why);
            }
            if exhausted {
                return Ended::Exhausted;
            }
            let known = self.hand_out(drive);
            // What is known already is told before anybody waits for what is not.
            self.take_results(drive, if known { Duration::ZERO } else { LONGEST_WAIT });
            self.settle(drive);
            self.chores(drive, observer);
        }
    }

    /// Whether the goal is reached now, and may end the run: points that are owed keep it from that, but not from its limit
    /// of time.
    fn look_at_goal(&mut self, drive: &Drive<'_>) {
        let ends = |reached: &Reached| {
            let of_time = |goal: &Condition| matches!(goal, Condition::Duration(_) | Condition::EndTime(_));
            drive.engine.owed() == 0 || reached.conditions.iter().any(of_time)
        };
        self.goal = drive.goals.reached(self.moment).filter(ends);
    }

    /// Why there is no sense in going on.
    fn no_hope(drive: &Drive<'_>, exhausted: bool) -> Option<String> {
        if drive.engine.owed() > 0 {
            return None;
        }
        drive.resting.no_hope(&drive.goals, &drive.engine, exhausted)
    }

    /// What is to be done some times a second, not for each result.
    fn chores(&mut self, drive: &mut Drive<'_>, observer: &mut dyn Observer) {
        let now = Instant::now();
        if now < self.chores_due {
            return;
        }
        self.chores_due = now + CHORES_EVERY;
        self.moment = Moment { elapsed: self.accounting.elapsed(), now: Timestamp::now() };
        if self.goal.is_none() {
            self.look_at_goal(drive);
        }
        self.look_after_checkpoint(drive, now, observer);
        if let Some(cached) = &mut drive.cached {
            cached.tick(now);
            if let Some(error) = cached.trouble() {
                observer.note(&format!("warning: the cache: {error}; the results of this run are safe"));
            }
        }
        self.accounting.book(Phase::Checkpoint, Instant::now());
        self.look_after_starts(drive, now, observer);
        self.say_doubts(drive, now, observer);
        self.say_failure(drive, now, observer);
        self.warn_of_failures(drive, observer);
        self.show(drive, observer);
        self.accounting.book(Phase::Other, Instant::now());
    }

    /// Holds the lock, and begins and publishes snapshots when it is time.
    fn look_after_checkpoint(&mut self, drive: &mut Drive<'_>, now: Instant, observer: &mut dyn Observer) {
        let (engine, stored_learner) = (&drive.engine, drive.stored_learner.as_deref());
        match drive.checkpoint.tick(now, &|| unfinished(engine, stored_learner)) {
            Ok(()) => {}
            // The journal still holds everything: the next snapshot may succeed.
            Err(error) if error.results_are_safe() => observer.note(&format!("warning: {error}")),
            Err(error) => {
                self.not_saved.get_or_insert_with(|| not_saved(&error));
            }
        }
    }

    fn show(&self, drive: &Drive<'_>, observer: &mut dyn Observer) {
        observer.progress(&Outlook {
            engine: &drive.engine,
            accounting: &self.accounting,
            goals: &drive.goals,
            workers: drive.workers,
            told: self.told,
            from_cache: drive.cached.as_ref().map_or(0, Cached::found),
            health: Box::new(|| drive.queue.health()),
        });
    }
}
