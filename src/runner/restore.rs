use super::outputs::Outputs;
use super::{Engine, Policy};
use crate::checkpoint::Loaded;
use crate::learner::{Learner, TellError};
use crate::model::Sample;
use rustc_hash::FxHashMap;

/// What an earlier run left to a new one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Restored {
    /// Values told to the learners.
    pub told: u64,
    /// Samples that have no value yet and are evaluated first: in flight at the end, or failed and to be retried.
    pub resumed: u64,
    /// Samples given up earlier: not evaluated again.
    pub given_up: u64,
    /// Values of combos that are no longer in the study file: kept in the checkpoint, not told.
    pub kept: u64,
}

/// Identity of a sample by the bits of its coordinates; NaN never occurs in them.
type Key = (u32, u64, Vec<u64>);

fn key(sample: &Sample) -> Key {
    // Adding zero makes one of the two zeros, as learners do.
    (sample.learner, sample.replica, sample.point.iter().map(|x| (x + 0.0).to_bits()).collect())
}

struct Open {
    sample: Sample,
    attempts: u32,
    given_up: bool,
    order: usize,
}

/// An engine whose learner knows all that is in the checkpoint, rebuilt from the facts in the order in which they
/// came: it asks the same points as the learner of the earlier run would have.
///
/// `learner_now` gives, by index in the checkpoint, the index of the learner in this run, if it still has one.
/// With `retry_given_up`, samples that were given up start anew.
pub fn restore(
    mut learner: Box<dyn Learner>,
    policy: Policy,
    loaded: &Loaded,
    learner_now: &dyn Fn(u32) -> Option<u32>,
    retry_given_up: bool,
) -> Result<(Engine, Restored), TellError> {
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
            order,
        });
        // In flight at the end comes in the order of asks, which is the order to go on in.
        entry.order = entry.order.max(order);
        if let Some(failed) = failed {
            entry.attempts = entry.attempts.max(failed.meta.attempt + 1);
            entry.given_up = failed.given_up;
        }
    }
    let outputs =
        Outputs::new(loaded.header.as_ref().map(|header| header.outputs.clone()).unwrap_or_default());
    for row in loaded.columns.iter() {
        let mut sample = row.sample();
        if !open.is_empty() {
            open.remove(&key(&sample));
        }
        let Some(now) = learner_now(sample.learner) else {
            restored.kept += 1;
            continue;
        };
        sample.learner = now;
        let mut value = row.value();
        outputs.name(&mut value);
        learner.tell(&sample, &value)?;
        restored.told += 1;
    }
    let mut engine = Engine::new(learner, policy);
    engine.set_outputs(outputs);
    let mut open: Vec<Open> = open.into_values().collect();
    open.sort_by_key(|open| open.order);
    for Open { mut sample, attempts, given_up, .. } in open {
        let Some(now) = learner_now(sample.learner) else { continue };
        sample.learner = now;
        if given_up && !retry_given_up {
            engine.leave_out(&sample);
            restored.given_up += 1;
        } else {
            engine.resume(sample, if given_up { 0 } else { attempts });
            restored.resumed += 1;
        }
    }
    Ok((engine, restored))
}
