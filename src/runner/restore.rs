use super::engine::Replay;
use super::goal::GoalTracker;
use super::outputs::Outputs;
use super::{Engine, Order, Policy, Resting};
use crate::checkpoint::{Fact, Loaded, Told};
use crate::learner::{Learner, TellError};
use crate::model::{Failure, Sample, Value};
use rustc_hash::FxHashMap;
use smallvec::SmallVec;

/// What an earlier run left to a new one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Restored {
    /// Values told to the learners.
    pub told: u64,
    /// Values that arrived earlier and are told in their turn.
    pub early: u64,
    /// Samples that have no value yet and are evaluated first: in flight at the end, or failed and to be retried.
    pub resumed: u64,
    /// Samples given up earlier: not evaluated again.
    pub given_up: u64,
    /// Values of combos that are no longer in the study file: kept in the checkpoint, not told.
    pub kept: u64,
}

/// Identity of a sample by the bits of its coordinates; NaN never occurs in them.
pub(super) type Key = (u32, u64, SmallVec<[u64; 2]>);

pub(super) fn key(sample: &Sample) -> Key {
    // Adding zero makes one of the two zeros, as learners do.
    (sample.learner, sample.replica, sample.point.iter().map(|x| (x + 0.0).to_bits()).collect())
}

struct Open {
    sample: Sample,
    attempts: u32,
    given_up: bool,
    /// Given up, and tried again since, by a run that was asked to and was stopped while it did.
    retried: bool,
    order: usize,
}

/// An engine whose learner knows all that is in the checkpoint, rebuilt from the facts in the order in which they
/// came.
///
/// Where results are told in the order of asks, the run is gone over again, at the cost of its asks and tells: from
/// here on it asks what it would have asked without a break, also where only the values were saved. `goals` say which
/// learners rested.
///
/// `learner_now` gives, by index in the checkpoint, the index of the learner in this run, if it still has one.
/// With `retry_given_up`, samples that were given up start anew; what such a run was at when it stopped is gone on with.
pub fn restore(
    mut learner: Box<dyn Learner>,
    policy: Policy,
    loaded: &Loaded,
    learner_now: &dyn Fn(u32) -> Option<u32>,
    goals: &mut GoalTracker,
    retry_given_up: bool,
) -> Result<(Engine, Resting, Restored), TellError> {
    let mut resting = Resting::default();
    let (mut engine, (open, mut restored)) = match policy.order {
        Order::Arrival => {
            // Learners whose points all failed rest from the start: what has no value is asked first, and others would wait
            // for them anew in each run.
            let settled = settle_all(loaded, learner_now, &mut |sample, outcome| match outcome {
                Ok(value) => {
                    resting.note_value(sample.learner as usize);
                    learner.tell(sample, value)
                }
                Err(_) if retry_given_up => Ok(()),
                Err(failure) => {
                    resting.note_failure(sample.learner as usize, failure);
                    learner.give_up(sample);
                    Ok(())
                }
            })?;
            (Engine::new(learner, policy), settled)
        }
        Order::Asked { .. } => {
            let mut replay = Replay::new(Engine::new(learner, policy));
            let settled = settle_all(loaded, learner_now, &mut |sample, outcome| {
                replay.settle(sample, outcome.ok())?;
                let index = sample.learner as usize;
                match outcome {
                    Ok(_) => resting.told(goals, replay.engine(), index),
                    Err(failure) => resting.gave_up(goals, replay.engine(), index, failure),
                }
                Ok(())
            })?;
            (replay.end(), settled)
        }
    };
    let outputs = Outputs::of(loaded);
    let mut early: Vec<_> =
        loaded.early.iter().filter_map(|told| in_this_run(told, &outputs, learner_now)).collect();
    engine.set_outputs(outputs);
    restored.early = early.len() as u64;
    for Open { sample, attempts, given_up, retried, .. } in open {
        if let Some(at) = early.iter().position(|told| key(&told.sample) == key(&sample)) {
            engine.resume_arrived(early.remove(at));
        } else if given_up && !retried && !retry_given_up {
            engine.leave_out(&sample);
            restored.given_up += 1;
        } else {
            match given_up || retried {
                true => engine.retry(sample, if given_up { 0 } else { attempts }),
                false => engine.resume(sample, attempts),
            }
        }
    }
    restored.resumed = engine.waiting() as u64;
    // Asked after the last snapshot, so that nothing tells their place: in the order in which they arrived.
    early.into_iter().for_each(|told| engine.resume_arrived(told));
    Ok((engine, resting, restored))
}

fn in_this_run(told: &Told, outputs: &Outputs, learner_now: &dyn Fn(u32) -> Option<u32>) -> Option<Told> {
    let mut told = told.clone();
    outputs.name(&mut told.value);
    told.sample.learner = learner_now(told.sample.learner)?;
    Some(told)
}

/// Tells a learner all that is in the checkpoint and nothing else, shows each told sample to `told`, and returns the
/// samples that were given up, unless they are to be tried again. What was in flight, or waited for another attempt, is
/// forgotten.
pub(super) fn restore_values(
    learner: &mut dyn Learner,
    loaded: &Loaded,
    learner_now: &dyn Fn(u32) -> Option<u32>,
    told: &mut dyn FnMut(&Sample),
    retry_given_up: bool,
) -> Result<(Vec<Sample>, Restored), TellError> {
    let (open, mut restored) = settle_all(loaded, learner_now, &mut |sample, outcome| {
        match outcome {
            Ok(value) => {
                learner.tell(sample, value)?;
                told(sample);
            }
            Err(_) if retry_given_up => {}
            Err(_) => learner.give_up(sample),
        }
        Ok(())
    })?;
    let left_out = |open: &Open| open.given_up && !retry_given_up;
    let given_up: Vec<Sample> = open.into_iter().filter(left_out).map(|open| open.sample).collect();
    restored.given_up = given_up.len() as u64;
    Ok((given_up, restored))
}

/// Takes a sample and its value, or why it was given up.
type Settle<'a> = dyn FnMut(&Sample, Result<&Value, &Failure>) -> Result<(), TellError> + 'a;

/// Hands over all values, and failures of samples that were given up, in the order in which they came. Returns the
/// samples without a value, in the order in which they were asked or failed.
fn settle_all(
    loaded: &Loaded,
    learner_now: &dyn Fn(u32) -> Option<u32>,
    settle: &mut Settle<'_>,
) -> Result<(Vec<Open>, Restored), TellError> {
    let mut restored = Restored::default();
    // The few samples without a value, found first, so that the many with one need no table.
    let mut open: FxHashMap<Key, Open> = FxHashMap::default();
    let failed = loaded.failures.iter().map(|failed| (&failed.sample, Some(failed)));
    let in_flight = loaded.in_flight.iter().map(|sample| (sample, None));
    for (order, (sample, failed)) in failed.chain(in_flight).enumerate() {
        let entry = open.entry(key(sample)).or_insert_with(|| Open {
            sample: sample.clone(),
            attempts: 0,
            given_up: false,
            retried: false,
            order,
        });
        // In flight at the end comes in the order of asks, which is the order to go on in.
        entry.order = entry.order.max(order);
        // What has been given up since the snapshot is in flight no more.
        entry.retried = (entry.given_up || entry.retried) && failed.is_none_or(|failed| !failed.given_up);
        if let Some(failed) = failed {
            // The last one counts: `--retry-failed` begins again at 0.
            entry.attempts = failed.meta.attempt + 1;
            entry.given_up = failed.given_up;
        }
    }
    for mut fact in loaded.facts() {
        if let (Fact::Told(told), false) = (&fact, open.is_empty()) {
            open.remove(&key(&told.sample));
        }
        let now = learner_now(fact.sample().learner);
        if let Some(now) = now {
            fact.sample_mut().learner = now;
        }
        match &fact {
            Fact::Told(_) if now.is_none() => restored.kept += 1,
            Fact::Told(told) => {
                settle(&told.sample, Ok(&told.value))?;
                restored.told += 1;
            }
            Fact::Failed(failed) if failed.given_up && now.is_some() => {
                settle(&failed.sample, Err(&failed.failure))?;
            }
            Fact::Failed(_) => {}
        }
    }
    let mut open: Vec<Open> = open.into_values().collect();
    open.sort_by_key(|open| open.order);
    open.retain_mut(|open| match learner_now(open.sample.learner) {
        Some(now) => {
            open.sample.learner = now;
            true
        }
        None => false,
    });
    Ok((open, restored))
}
