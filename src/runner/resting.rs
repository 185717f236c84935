//! Which of many learners take no points: those that have met their part of the goal, and those for which there is no
//! hope. The others have the use of their share.
//!
//! It follows from what was settled, in that order, and from nothing else, so that a run that is gone over again lets the
//! same learners rest at the same moments.

use super::Engine;
use super::goal::{Condition, Goal, GoalTracker, Progress};
use crate::learner::{Learner, Loss};
use crate::model::Failure;
use rustc_hash::FxHashSet;
use std::collections::BTreeMap;

/// After so many points that failed for good, without a single value, the function itself is taken to be broken.
pub(super) const HOPELESS: u64 = 20;

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

/// Which learners rest, and why.
#[derive(Debug, Default)]
pub struct Resting {
    /// After so many points given up without a value there is no hope for one of many learners, if that is more than
    /// [`HOPELESS`].
    many: u64,
    /// Learners that will never be finished, and why.
    hopeless: BTreeMap<usize, (Cause, String)>,
    /// Points given up since the last value, of each of several learners, and why the first one was.
    failing: BTreeMap<usize, (u64, String)>,
    resting: FxHashSet<usize>,
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

impl Resting {
    /// With more workers more points may fail before one that works comes back.
    pub(super) fn give_up_hope_after(&mut self, many: u64) {
        self.many = many;
    }

    /// A learner was told a value.
    pub(super) fn told(&mut self, goals: &mut GoalTracker, engine: &mut Engine, index: usize) {
        self.note_value(index);
        look_at(goals, engine.learner(), index);
        self.judge(goals, engine, index);
    }

    /// A point of a learner was given up.
    pub(super) fn gave_up(
        &mut self,
        goals: &mut GoalTracker,
        engine: &mut Engine,
        index: usize,
        failure: &Failure,
    ) {
        // Where points are given up learners have no more to do: the loss falls.
        look_at(goals, engine.learner(), index);
        self.note_failure(index, failure);
        self.judge(goals, engine, index);
    }

    /// As [`Self::told`], without drawing any consequence yet.
    pub(super) fn note_value(&mut self, index: usize) {
        // Almost always empty.
        if !self.failing.is_empty() {
            self.failing.remove(&index);
        }
    }

    /// As [`Self::gave_up`], without drawing any consequence yet.
    pub(super) fn note_failure(&mut self, index: usize, failure: &Failure) {
        self.failing.entry(index).or_insert_with(|| (0, failure.message.clone())).0 += 1;
    }

    /// Lets a learner rest, or wakes it.
    pub(super) fn judge(&mut self, goals: &GoalTracker, engine: &mut Engine, index: usize) {
        match self.grounds(goals, engine, index) {
            Some(grounds) => drop(self.hopeless.insert(index, grounds)),
            None => drop(self.hopeless.remove(&index)),
        }
        let finished = goals.lets_rest() && goals.is_finished(index);
        let rests = finished || self.hopeless.contains_key(&index);
        if rests != self.resting.contains(&index) {
            if rests {
                self.resting.insert(index)
            } else {
                self.resting.remove(&index)
            };
            engine.rest(index, rests);
        }
    }

    /// Why there is no hope for a learner.
    fn grounds(&self, goals: &GoalTracker, engine: &Engine, index: usize) -> Option<(Cause, String)> {
        let of_many = engine.learner().children().is_some_and(|children| children.len() > 1);
        let one = OneLearner(engine.learner(), index);
        let named = |why: String| if of_many { format!("learner {index}: {why}") } else { why };
        if let Some(why) = one.learner().hopeless() {
            return Some((Cause::Learner, named(why)));
        }
        if let Some(sample) = engine.needed_in_vain(index).filter(|_| needs_an_estimate(goals.goal())) {
            let why = format!(
                "the point {:?} was given up, and without it there is no estimate of what is left to do; where the \
                 function has no value, let it return NaN",
                &*sample.point
            );
            return Some((Cause::Needed, why));
        }
        // What is not known comes first: one whose points fail one and all would have all others wait.
        let (failures, why) =
            self.failing.get(&index).filter(|(failures, _)| *failures >= HOPELESS.max(self.many))?;
        let why = named(format!("all of its first {failures} points were given up: {why}"));
        (of_many && one.learner().npoints() == 0).then_some((Cause::Failures, why))
    }

    /// Why there is no sense in going on: where the other learners are finished, or nothing is left to ask.
    pub(super) fn no_hope(&self, goals: &GoalTracker, engine: &Engine, exhausted: bool) -> Option<String> {
        if !exhausted && goals.finished() + self.hopeless.len() < goals.learners() {
            return None;
        }
        let unfinished = || self.hopeless.iter().filter(|(index, _)| !goals.is_finished(**index));
        let (_, (_, why)) = unfinished().next()?;
        let others_finished = goals.finished() + unfinished().count() == goals.learners();
        let waits_for_learners = goals.goal().conditions().iter().any(Condition::is_per_learner);
        if !(exhausted || others_finished && waits_for_learners) {
            return None;
        }
        // What is out may take longer than to fail does.
        let failing = |index| self.hopeless.get(&index).is_some_and(|(cause, _)| *cause == Cause::Failures);
        let awaits_some = engine.unsettled().any(|sample| failing(sample.learner as usize));
        (!awaits_some).then(|| why.clone())
    }
}

/// Whether the goal can't be reached while a learner has no loss.
fn needs_an_estimate(goal: &Goal) -> bool {
    let Goal::When { conditions, all } = goal else { return false };
    let of_estimate = |condition: &Condition| matches!(condition, Condition::Loss(_) | Condition::Done);
    if *all { conditions.iter().any(of_estimate) } else { conditions.iter().all(of_estimate) }
}
