use super::goal::{Condition, GoalTracker, Moment, Progress, Reached};
use super::{
    Accounting, Cached, Ended, Engine, Finished, LookUp, Observer, Outlook, Phase, StopReason, StopSignals,
    Walltime, Work,
};
use crate::checkpoint::{Checkpoint, CheckpointError, Ending, EndingKind, Fact, Meta};
use crate::learner::{Learner, Loss};
use crate::model::{Failure, FailureKind, Outcome, Sample};
use crate::pool::{Completed, Queue, TaskError, TaskErrorKind, TaskOptions};
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Results taken from the pool before rank 0 looks at goals, signals and new points again.
const RESULTS_A_ROUND: usize = 256;
/// Told points for each one in flight, where tasks are so short that many are in flight.
const KNOWN_PER_IN_FLIGHT: usize = 8;
/// This many in flight per worker are always allowed: one that runs, one that waits.
const FEWEST_PER_WORKER: usize = 2;
/// After so many points that failed for good in this run, without a single value, the function itself is taken to be
/// broken: a run that went on would only give up all points that the learners ask for.
const HOPELESS: u64 = 20;
/// Attempts in a row, for each worker, that could not begin: then no worker can be expected to start the function.
const TIMES_NOT_STARTED: usize = 3;
/// The longest that rank 0 looks away from signals, limits and status lines.
const LONGEST_WAIT: Duration = Duration::from_millis(50);
/// A run that stops within this time says nothing about it.
const QUIET_DRAIN: Duration = Duration::from_millis(500);
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
    /// Remembers.
    pub checkpoint: Checkpoint,
    /// When the run is over.
    pub goals: GoalTracker,
    /// Signals that stop it.
    pub signals: &'a StopSignals,
    /// The end of the job, if it has one.
    pub walltime: Option<Walltime>,
    /// How long before that end the run stops asking.
    pub walltime_margin: Duration,
    /// How long results are waited for when the run stops.
    pub grace: Duration,
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

/// Runs until the goal, a signal, the end of the job, or nothing is left to ask.
///
/// Every result is handed to the operating system as a journal record before the next points are sent.
pub fn drive(mut drive: Drive<'_>, observer: &mut dyn Observer) -> Finished {
    let mut run = Loop {
        accounting: Accounting::start(Instant::now()),
        told: 0,
        given_up: 0,
        goal: None,
        hopeless: BTreeMap::new(),
        draining: false,
        work: Vec::new(),
        waiting: false,
        not_saved: None,
        chores_due: Instant::now(),
        moment: Moment { elapsed: Duration::ZERO, now: Timestamp::now() },
    };
    let ended = run.until_something_ends_it(&mut drive, observer);
    // How much is in flight at the goal depends on the workers; a deterministic run ends with what the goal took.
    let keep = !(drive.engine.is_deterministic() && matches!(ended, Ended::Goal(_)));
    run.drain(&mut drive, keep, observer);
    let ended = match &run.not_saved {
        Some(reason) => Ended::Stopped(reason.clone()),
        None => ended,
    };
    let Drive { mut engine, queue, checkpoint, goals, cached, .. } = drive;
    engine.stop_asking();
    let unfinished = engine.unfinished();
    let kind = match &ended {
        Ended::Goal(_) => EndingKind::Goal,
        Ended::Stopped(StopReason::Signal(_) | StopReason::Walltime | StopReason::WorkerLost(_)) => {
            EndingKind::Stopped
        }
        Ended::Exhausted | Ended::Hopeless(_) | Ended::Stopped(_) => EndingKind::Failed,
    };
    let closed = checkpoint.close(unfinished, Ending::new(kind, ended.to_string()));
    let (ended, snapshot_error) = match closed {
        Ok(()) => (ended, None),
        Err(warning) if warning.results_are_safe() => (ended, Some(warning)),
        Err(error) => (Ended::Stopped(run.not_saved.take().unwrap_or_else(|| not_saved(&error))), None),
    };
    let from_cache = cached.as_ref().map_or(0, Cached::found);
    let cache_error = cached.and_then(|cached| cached.close().err());
    run.accounting.book(Phase::Checkpoint, Instant::now());
    let (left_behind, health) = (queue.in_flight(), queue.health());
    Finished {
        ended,
        accounting: run.accounting,
        told: run.told,
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
    /// Points given up in this run.
    given_up: u64,
    goal: Option<Reached>,
    /// Learners that will never be finished, and why.
    hopeless: BTreeMap<usize, String>,
    /// The run is over and only takes what still comes back: goals no longer matter.
    draining: bool,
    work: Vec<Work>,
    /// Values that wait for their turn are not yet committed.
    waiting: bool,
    /// Results can't be saved any more, or not by this run.
    not_saved: Option<StopReason>,
    chores_due: Instant,
    /// The time, as of the last chores: reading clocks for every result would cost more than the result.
    moment: Moment,
}

/// One learner of possibly many, as a goal sees it.
struct OneLearner<'a>(&'a dyn Learner, usize);

impl OneLearner<'_> {
    fn learner(&self) -> &dyn Learner {
        self.0.children().map_or(self.0, |children| children[self.1].as_ref())
    }
}

impl Progress for OneLearner<'_> {
    fn npoints(&mut self) -> u64 {
        self.learner().npoints() as u64
    }
    fn loss(&mut self) -> f64 {
        self.learner().loss(Loss::Real)
    }
    fn done(&mut self) -> bool {
        self.learner().done() == Some(true)
    }
}

/// Shows the goals one learner as it is now, by its index.
pub fn look_at(goals: &mut GoalTracker, learner: &dyn Learner, index: usize) {
    goals.update(index, &mut OneLearner(learner, index));
}

/// Shows the goals all learners as they are now, with what earlier runs told them.
pub fn look_at_all(goals: &mut GoalTracker, learner: &dyn Learner) {
    for index in 0..learner.children().map_or(1, <[_]>::len) {
        look_at(goals, learner, index);
    }
}

impl Loop {
    fn until_something_ends_it(&mut self, drive: &mut Drive<'_>, observer: &mut dyn Observer) -> Ended {
        for index in 0..drive.engine.learner().children().map_or(0, <[_]>::len) {
            if drive.goals.lets_rest() && drive.goals.is_finished(index) {
                drive.engine.rest(index, true);
            }
        }
        // A goal may hold before anything is asked: an old study started again.
        self.goal = drive.goals.reached(self.moment);
        for index in 0..drive.engine.learner().children().map_or(1, <[_]>::len) {
            self.note_hopeless(drive, index);
        }
        loop {
            if let Some(reached) = self.goal.take() {
                return Ended::Goal(reached);
            }
            if let Some(reason) = self.stop_reason(drive) {
                return Ended::Stopped(reason);
            }
            let exhausted = drive.engine.is_exhausted();
            if let Some(why) = self.no_hope(drive, exhausted) {
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

    fn note_hopeless(&mut self, drive: &Drive<'_>, index: usize) {
        let learner = drive.engine.learner();
        if let Some(why) = OneLearner(learner, index).learner().hopeless() {
            let of_many = learner.children().is_some_and(|children| children.len() > 1);
            let why = if of_many { format!("learner {index}: {why}") } else { why };
            self.hopeless.entry(index).or_insert(why);
        }
    }

    /// Why there is no sense in going on: where the other learners are finished, or nothing is left to ask.
    fn no_hope(&self, drive: &Drive<'_>, exhausted: bool) -> Option<String> {
        let unfinished = |index: &&usize| !drive.goals.is_finished(**index);
        let (_, why) = self.hopeless.iter().find(|(index, _)| unfinished(index))?;
        let without_hope = self.hopeless.keys().filter(unfinished).count();
        let others_finished = drive.goals.finished() + without_hope == drive.goals.learners();
        let waits_for_learners = drive.goals.goal().conditions().iter().any(Condition::is_per_learner);
        (exhausted || others_finished && waits_for_learners).then(|| why.clone())
    }

    /// As many new evaluations as the pool can use, and no more than the goal can. Whether some of them need none,
    /// because their values are known.
    fn hand_out(&mut self, drive: &mut Drive<'_>) -> bool {
        let room = match drive.in_flight {
            Some(fixed) => fixed.saturating_sub(drive.engine.in_flight()),
            None => drive.queue.wanted(),
        };
        let useful = drive.goals.points_left().map_or(usize::MAX, |left| left as usize);
        let most = if drive.in_flight.is_some() { useful } else { useful.min(self.most_in_flight(drive)) };
        let room = room.min(most.saturating_sub(drive.engine.in_flight()));
        if room > 0 {
            drive.engine.next(room, &mut self.work);
            self.accounting.book(Phase::Ask, Instant::now());
            let mut work = std::mem::take(&mut self.work);
            let known = self.submit(drive, work.drain(..));
            self.work = work;
            self.accounting.book(Phase::Wire, Instant::now());
            return known;
        }
        false
    }

    /// Sends attempts to the workers, but for those whose values are known or on their way. Whether any are known.
    fn submit(&mut self, drive: &mut Drive<'_>, work: impl IntoIterator<Item = Work>) -> bool {
        let mut known = false;
        for work in work {
            let work = match drive.cached.as_mut().map(|cached| cached.look_up(work.clone())) {
                None | Some(LookUp::Evaluate(_)) => work,
                Some(LookUp::Waits) => continue,
                Some(LookUp::Known(key, told)) => {
                    self.arrive(drive, key, Ok(told.value), told.meta);
                    known = true;
                    continue;
                }
            };
            let priority = drive.priorities.get(work.sample.learner as usize).copied().unwrap_or_default();
            drive.queue.submit_with(work.key, &work.sample, &TaskOptions::new().priority(priority));
        }
        drive.queue.flush();
        known
    }

    /// Attempts that waited for the value of another one.
    fn submit_again(&mut self, drive: &mut Drive<'_>, waited: Vec<Work>) {
        if self.draining {
            // Nothing new is begun any more; but what is known now is taken along.
            for work in waited {
                if let Some(LookUp::Known(key, told)) =
                    drive.cached.as_mut().map(|cached| cached.look_up(work.clone()))
                {
                    self.arrive(drive, key, Ok(told.value), told.meta);
                } else {
                    drive.engine.withdrawn(work.key);
                }
            }
        } else if !waited.is_empty() {
            self.submit(drive, waited);
        }
    }

    /// Points in flight are chosen without knowing each other. The pool would take thousands of short tasks at
    /// once; beyond a part of what is known already they would cost more points than they save time.
    fn most_in_flight(&self, drive: &Drive<'_>) -> usize {
        let learner = drive.engine.learner();
        let most = learner.most_in_flight().unwrap_or_else(|| learner.npoints() / KNOWN_PER_IN_FLIGHT);
        most.max(FEWEST_PER_WORKER * drive.workers)
    }

    fn take_results(&mut self, drive: &mut Drive<'_>, longest: Duration) {
        let mut next = drive.queue.next(Duration::ZERO);
        if next.is_none() {
            self.accounting.book(Phase::Wire, Instant::now());
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
            Err(TaskError { kind: TaskErrorKind::WorkerLost, .. })
                if drive.queue.fatal_loss(false).is_some() =>
            {
                return self.withdraw(drive, key);
            }
            Err(error) => Err(failure(error)),
        };
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

    fn withdraw(&mut self, drive: &mut Drive<'_>, key: u64) {
        drive.engine.withdrawn(key);
        let waited = drive.cached.as_mut().map(|cached| cached.without_value(key)).unwrap_or_default();
        self.submit_again(drive, waited);
    }

    fn arrive(&mut self, drive: &mut Drive<'_>, key: u64, outcome: Outcome, meta: Meta) {
        if let Some(mut waiting) = drive.engine.completed(key, outcome, meta) {
            if let Some(stored) = &drive.stored_learner {
                waiting.sample.learner = stored[waiting.sample.learner as usize];
            }
            drive.checkpoint.append_early(&waiting);
            self.waiting = true;
        }
    }

    fn settle(&mut self, drive: &mut Drive<'_>) {
        // What waits for its turn is saved meanwhile.
        let mut any = std::mem::take(&mut self.waiting);
        // With a goal reached, results that wait for their turn stay unsettled: asks and tells end at the goal.
        while self.goal.is_none()
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

    fn record(&mut self, drive: &mut Drive<'_>, mut fact: Fact) {
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
        if matches!(&fact, Fact::Failed(failed) if failed.given_up) {
            self.given_up += 1;
        }
        if matches!(fact, Fact::Told(_)) {
            self.told += 1;
            let index = learner as usize;
            self.note_hopeless(drive, index);
            let before = drive.goals.is_finished(index);
            look_at(&mut drive.goals, drive.engine.learner(), index);
            let after = drive.goals.is_finished(index);
            if before != after && drive.goals.lets_rest() {
                drive.engine.rest(index, after);
            }
            if !self.draining {
                self.goal = drive.goals.reached(self.moment);
            }
        }
        self.submit_again(drive, waited);
    }

    fn commit(&mut self, drive: &mut Drive<'_>) {
        if let Err(error) = drive.checkpoint.commit() {
            self.not_saved.get_or_insert_with(|| not_saved(&error));
        }
        if let Some(cached) = &mut drive.cached {
            cached.commit();
        }
        self.accounting.book(Phase::Checkpoint, Instant::now());
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
            self.goal = drive.goals.reached(self.moment);
        }
        let engine = &drive.engine;
        match drive.checkpoint.tick(now, &|| engine.unfinished()) {
            Ok(()) => {}
            // The journal still holds everything: the next snapshot may succeed.
            Err(error) if error.results_are_safe() => observer.note(&format!("warning: {error}")),
            Err(error) => {
                self.not_saved.get_or_insert_with(|| not_saved(&error));
            }
        }
        if let Some(cached) = &mut drive.cached {
            cached.tick(now);
            if let Some(error) = cached.trouble() {
                observer.note(&format!("warning: the cache: {error}; the results of this run are safe"));
            }
        }
        self.accounting.book(Phase::Checkpoint, Instant::now());
        self.show(drive, observer);
        self.accounting.book(Phase::Other, Instant::now());
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

    fn stop_reason(&self, drive: &Drive<'_>) -> Option<StopReason> {
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
    fn drain(&mut self, drive: &mut Drive<'_>, keep: bool, observer: &mut dyn Observer) {
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

fn not_saved(error: &CheckpointError) -> StopReason {
    match error {
        CheckpointError::LockLost { .. } => StopReason::LockLost(error.to_string()),
        _ => StopReason::NotSaved(error.to_string()),
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
