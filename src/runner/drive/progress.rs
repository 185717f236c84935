//! How far the learners are: as goals see them, and whether there is any hope.

use super::stopping::HOPELESS;
use super::{Drive, Loop};
use crate::learner::{Learner, Loss};
use crate::runner::Engine;
use crate::runner::goal::{Condition, Goal, GoalTracker, Progress, Reached};

/// Why there is no hope for a learner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cause {
    /// It says so.
    Learner,
    /// A point that it needs was given up.
    Needed,
    /// All its points fail.
    Failures,
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
        let learner = self.learner();
        if learner.lacks_needed() { f64::INFINITY } else { learner.loss(Loss::Real) }
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

/// Shows the goals a learner that was told a value. One that has met its part of them rests while it has.
pub(in crate::runner) fn look_after(goals: &mut GoalTracker, engine: &mut Engine, index: usize) {
    let before = goals.is_finished(index);
    look_at(goals, engine.learner(), index);
    let after = goals.is_finished(index);
    if before != after && goals.lets_rest() {
        engine.rest(index, after);
    }
}

impl Loop {
    /// Whether the goal is reached now, and may end the run: points that are owed keep it from that, but not from its limit
    /// of time.
    pub(super) fn look_at_goal(&mut self, drive: &Drive<'_>) {
        let ends = |reached: &Reached| {
            let of_time = |goal: &Condition| matches!(goal, Condition::Duration(_) | Condition::EndTime(_));
            drive.engine.owed() == 0 || reached.conditions.iter().any(of_time)
        };
        self.goal = drive.goals.reached(self.moment).filter(ends);
    }

    pub(super) fn note_hopeless(&mut self, drive: &mut Drive<'_>, index: usize) {
        let learner = drive.engine.learner();
        match OneLearner(learner, index).learner().hopeless() {
            Some(why) => {
                let of_many = learner.children().is_some_and(|children| children.len() > 1);
                let why = if of_many { format!("learner {index}: {why}") } else { why };
                self.give_up_hope(drive, index, Cause::Learner, why);
            }
            None => self.take_hope(drive, index, Cause::Learner),
        }
    }

    /// One of many learners whose points fail one and all would have all others wait: what is not known comes first. Where
    /// calls are reproduced they don't depend on that.
    pub(super) fn note_failure(&mut self, drive: &mut Drive<'_>, index: usize, why: &str) {
        let of_many = drive.engine.learner().children().is_some_and(|children| children.len() > 1);
        if !of_many || drive.engine.is_deterministic() {
            return;
        }
        let failures = self.failing.entry(index).or_default();
        *failures += 1;
        let many = HOPELESS.max(2 * drive.workers as u64);
        if *failures >= many && OneLearner(drive.engine.learner(), index).learner().npoints() == 0 {
            let why = format!("learner {index}: all of its first {failures} points were given up: {why}");
            self.give_up_hope(drive, index, Cause::Failures, why);
        }
    }

    /// A learner has a value.
    pub(super) fn note_success(&mut self, drive: &mut Drive<'_>, index: usize) {
        // Almost always empty.
        if !self.failing.is_empty() && self.failing.remove(&index).is_some() {
            self.take_hope(drive, index, Cause::Failures);
        }
    }

    /// The others have the use of its share of the points.
    fn give_up_hope(&mut self, drive: &mut Drive<'_>, index: usize, cause: Cause, why: String) {
        self.hopeless.entry(index).or_insert_with(|| {
            if !drive.engine.is_deterministic() {
                drive.engine.rest(index, true);
            }
            (cause, why)
        });
    }

    fn take_hope(&mut self, drive: &mut Drive<'_>, index: usize, cause: Cause) {
        if self.hopeless.get(&index).is_some_and(|(known, _)| *known == cause) {
            self.hopeless.remove(&index);
            let finished = drive.goals.lets_rest() && drive.goals.is_finished(index);
            if !drive.engine.is_deterministic() && !finished {
                drive.engine.rest(index, false);
            }
        }
    }

    /// A point that has failed for good may be one without which there is no loss, and no end.
    pub(super) fn note_needed_in_vain(&mut self, drive: &mut Drive<'_>) {
        let Goal::When { conditions, all } = drive.goals.goal() else { return };
        let in_vain = |condition: &Condition| matches!(condition, Condition::Loss(_) | Condition::Done);
        if !(if *all { conditions.iter().any(in_vain) } else { conditions.iter().all(in_vain) }) {
            return;
        }
        let in_vain = drive.engine.needed_in_vain()[self.noted_in_vain..].to_vec();
        self.noted_in_vain += in_vain.len();
        for sample in in_vain {
            let index = sample.learner as usize;
            let why = format!(
                "the point {:?} was given up, and without it there is no estimate of what is left to do; where the \
                 function has no value, let it return NaN",
                &*sample.point
            );
            self.give_up_hope(drive, index, Cause::Needed, why);
        }
    }

    /// Why there is no sense in going on: where the other learners are finished, or nothing is left to ask.
    pub(super) fn no_hope(&self, drive: &Drive<'_>, exhausted: bool) -> Option<String> {
        let unfinished = |index: &&usize| !drive.goals.is_finished(**index);
        let (_, (cause, why)) = self.hopeless.iter().find(|(index, _)| unfinished(index))?;
        // What is out may take longer than to fail does.
        if *cause == Cause::Failures && drive.engine.in_flight() + drive.engine.waiting() > 0 {
            return None;
        }
        let without_hope = self.hopeless.keys().filter(unfinished).count();
        let others_finished = drive.goals.finished() + without_hope == drive.goals.learners();
        let waits_for_learners = drive.goals.goal().conditions().iter().any(Condition::is_per_learner);
        (exhausted || others_finished && waits_for_learners).then(|| why.clone())
    }
}
