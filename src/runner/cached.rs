use super::Work;
use crate::cache::{Cache, Key};
use crate::checkpoint::{CheckpointError, Told};
use crate::model::Sample;
use rustc_hash::{FxHashMap, FxHashSet};
use std::time::Instant;

/// Keeps attempts from computing what is known already, or is being computed: rank 0 asks it before it hands out an
/// attempt, and tells it what became of each.
pub struct Cached {
    cache: Cache,
    /// By learner: the number of its call.
    calls: Vec<usize>,
    /// Whether functions see which replica it is. Otherwise all replicas are the same evaluation.
    seeded: bool,
    /// Attempts under way, by their key, and those that wait for the same value.
    running: FxHashMap<Key, Running>,
    owners: FxHashMap<u64, Key>,
    /// Values, computed or found, that the run has not yet accepted.
    arrived: FxHashSet<Key>,
    /// Values that it did not accept: they are computed after all.
    refused: FxHashSet<Key>,
    found: u64,
    trouble: Option<CheckpointError>,
    trouble_was_told: bool,
}

/// A value that is being computed.
#[derive(Default)]
struct Running {
    /// The earliest turn of those that compute it.
    turn: Option<u64>,
    /// Who waits for it.
    waiting: Vec<Work>,
}

/// What to do with an attempt.
#[derive(Clone, Debug, PartialEq)]
pub enum LookUp {
    /// Nothing is known: evaluate it.
    Evaluate(Work),
    /// The value is this, and who computed it when.
    Known(u64, Told),
    /// Another attempt computes it now: [`Cached::told`] or [`Cached::without_value`] gives it back.
    Waits,
}

impl Cached {
    /// Around a cache; `calls` has the text of the call of each learner.
    pub fn new(mut cache: Cache, calls: &[String], seeded: bool) -> Self {
        let calls = calls.iter().map(|text| cache.call(text)).collect();
        Self {
            cache,
            calls,
            seeded,
            running: FxHashMap::default(),
            owners: FxHashMap::default(),
            arrived: FxHashSet::default(),
            refused: FxHashSet::default(),
            found: 0,
            trouble: None,
            trouble_was_told: false,
        }
    }

    fn key(&self, sample: &Sample) -> Option<Key> {
        let call = *self.calls.get(sample.learner as usize)?;
        Some(Key::new(call, if self.seeded { sample.replica } else { 0 }, &sample.point))
    }

    /// Looks an attempt up, in O(1).
    pub fn look_up(&mut self, work: Work) -> LookUp {
        let Some(key) = self.key(&work.sample) else { return LookUp::Evaluate(work) };
        if let Some(running) = self.running.get_mut(&key) {
            // That one will be told after this one, which would wait for itself.
            let is_earlier = work.turn.is_some() && work.turn < running.turn;
            if !is_earlier {
                running.waiting.push(work);
                return LookUp::Waits;
            }
            running.turn = work.turn;
            self.owners.insert(work.key, key);
            return LookUp::Evaluate(work);
        }
        if let Some(told) = self.stored(&key) {
            return LookUp::Known(work.key, Told { sample: work.sample, ..told });
        }
        self.owners.insert(work.key, key.clone());
        self.running.insert(key, Running { turn: work.turn, waiting: Vec::new() });
        LookUp::Evaluate(work)
    }

    /// As [`Self::look_up`] for an attempt that is not made if nothing is known: `None` leaves no trace of it.
    pub fn only_if_known(&mut self, work: &Work) -> Option<Told> {
        let key = self.key(&work.sample).filter(|key| !self.running.contains_key(key))?;
        Some(Told { sample: work.sample.clone(), ..self.stored(&key)? })
    }

    fn stored(&mut self, key: &Key) -> Option<Told> {
        if self.refused.contains(key) {
            return None;
        }
        let told = self.cache.get(key)?;
        self.found += 1;
        self.arrived.insert(key.clone());
        Some(told)
    }

    /// An attempt ended without a value. Those that waited for it are given back, to be looked up again.
    pub fn without_value(&mut self, attempt: u64) -> Vec<Work> {
        let key = self.owners.remove(&attempt);
        key.and_then(|key| self.running.remove(&key)).unwrap_or_default().waiting
    }

    /// A value was told: keeps it, and gives back those that waited for it, to be looked up again.
    pub fn told(&mut self, told: &Told) -> Vec<Work> {
        let Some(key) = self.key(&told.sample) else { return Vec::new() };
        self.arrived.remove(&key);
        self.refused.remove(&key);
        self.cache.put(&key, told);
        self.running.remove(&key).unwrap_or_default().waiting
    }

    /// An attempt at this sample failed. If it had a value, then that was not accepted, wherever it came from. Gives back those that
    /// waited for it.
    pub fn refused(&mut self, sample: &Sample) -> Vec<Work> {
        let Some(key) = self.key(sample) else { return Vec::new() };
        if !self.arrived.remove(&key) {
            return Vec::new();
        }
        let waiting = self.running.remove(&key).unwrap_or_default().waiting;
        self.refused.insert(key);
        waiting
    }

    /// An attempt arrived with a value, which is told when its turn comes.
    pub fn arrived(&mut self, attempt: u64) {
        self.arrived.extend(self.owners.remove(&attempt));
    }

    /// Hands new values to the system. What goes wrong is told once, by [`Cached::trouble`]: a cache that can't be
    /// written is no reason to stop a run.
    pub fn commit(&mut self) {
        if let Err(error) = self.cache.commit() {
            self.trouble.get_or_insert(error);
        }
    }

    /// To be called now and then.
    pub fn tick(&mut self, now: Instant) {
        if let Err(error) = self.cache.tick(now) {
            self.trouble.get_or_insert(error);
        }
    }

    /// What went wrong with the file first, said once.
    pub fn trouble(&mut self) -> Option<CheckpointError> {
        // A full disk would have the same to say at each commit.
        self.trouble.take().filter(|_| !std::mem::replace(&mut self.trouble_was_told, true))
    }

    /// Attempts that were answered from the cache.
    pub fn found(&self) -> u64 {
        self.found
    }

    /// Writes the file.
    ///
    /// # Errors
    /// As [`Cache::close`]; the run's own results are not touched by it.
    pub fn close(self) -> Result<(), CheckpointError> {
        self.cache.close()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Point, Value};

    fn cached(folder: &std::path::Path, seeded: bool) -> Cached {
        let (cache, _) = Cache::open(&folder.join("c.h5")).unwrap();
        Cached::new(cache, &["f a=1".into(), "f a=2".into()], seeded)
    }

    fn work(key: u64, learner: u32, replica: u64, x: f64) -> Work {
        Work {
            key,
            sample: Sample { learner, replica, point: Point::scalar(x) },
            failed_on: Default::default(),
            turn: None,
        }
    }

    fn told(work: &Work, y: f64) -> Told {
        Told { sample: work.sample.clone(), value: Value::scalar(y), ..Told::default() }
    }

    #[test]
    fn a_value_is_computed_once_for_all_that_ask_for_it() {
        let folder = tempfile::tempdir().unwrap();
        let mut cached = cached(folder.path(), false);
        let (first, second, other) = (work(0, 0, 0, 0.5), work(1, 0, 1, 0.5), work(2, 1, 0, 0.5));
        assert_eq!(cached.look_up(first.clone()), LookUp::Evaluate(first.clone()));
        assert_eq!(cached.look_up(second.clone()), LookUp::Waits);
        assert_eq!(cached.look_up(other.clone()), LookUp::Evaluate(other));
        cached.arrived(0);
        assert_eq!(cached.told(&told(&first, 7.0)), std::slice::from_ref(&second));
        assert_eq!(cached.look_up(second.clone()), LookUp::Known(1, told(&second, 7.0)));
        assert_eq!(cached.found(), 1);
    }

    #[test]
    fn an_attempt_that_is_not_made_leaves_no_trace() {
        let folder = tempfile::tempdir().unwrap();
        let mut cached = cached(folder.path(), false);
        let (first, second) = (work(0, 0, 0, 0.5), work(1, 0, 1, 0.5));
        assert_eq!(cached.only_if_known(&first), None);
        assert_eq!(cached.look_up(second.clone()), LookUp::Evaluate(second.clone()));
        assert_eq!(cached.only_if_known(&first), None);
        assert!(cached.told(&told(&second, 7.0)).is_empty());
        assert_eq!(cached.only_if_known(&first), Some(told(&first, 7.0)));
    }

    #[test]
    fn replicas_are_one_evaluation_unless_the_function_sees_them() {
        let folder = tempfile::tempdir().unwrap();
        let mut cached = cached(folder.path(), true);
        for replica in 0..3 {
            let work = work(replica, 0, replica, 0.5);
            assert_eq!(cached.look_up(work.clone()), LookUp::Evaluate(work));
        }
    }

    #[test]
    fn whoever_waits_for_a_failure_is_tried_itself() {
        let folder = tempfile::tempdir().unwrap();
        let mut cached = cached(folder.path(), false);
        let (first, second, third) = (work(0, 0, 0, 0.5), work(1, 0, 1, 0.5), work(2, 0, 2, 0.5));
        cached.look_up(first.clone());
        cached.look_up(second.clone());
        cached.look_up(third.clone());
        assert_eq!(cached.without_value(0), [second.clone(), third.clone()]);
        assert_eq!(cached.look_up(second.clone()), LookUp::Evaluate(second));
        assert_eq!(cached.look_up(third), LookUp::Waits);
        // The next attempt at the first waits for the second.
        assert_eq!(cached.look_up(first), LookUp::Waits);
    }

    #[test]
    fn in_turns_nobody_waits_for_a_later_one() {
        let folder = tempfile::tempdir().unwrap();
        let mut cached = cached(folder.path(), false);
        let in_turn = |key: u64, turn: u64| Work { turn: Some(turn), ..work(key, 0, key, 0.5) };
        let (first, second, third) = (in_turn(0, 10), in_turn(1, 11), in_turn(2, 12));
        cached.look_up(first.clone());
        cached.look_up(second.clone());
        cached.look_up(third.clone());
        assert_eq!(cached.without_value(0), [second.clone(), third.clone()]);
        assert_eq!(cached.look_up(second.clone()), LookUp::Evaluate(second));
        assert_eq!(cached.look_up(third.clone()), LookUp::Waits);
        // The value of the second, when it comes, is told after that of the first.
        assert_eq!(cached.look_up(first.clone()), LookUp::Evaluate(first.clone()));
        cached.arrived(1);
        cached.arrived(0);
        assert_eq!(cached.told(&told(&first, 7.0)), [third]);
    }

    #[test]
    fn a_value_that_the_run_refuses_is_computed_after_all() {
        let folder = tempfile::tempdir().unwrap();
        let mut cached = cached(folder.path(), false);
        let first = work(0, 0, 0, 0.5);
        cached.look_up(first.clone());
        cached.told(&told(&first, f64::NAN));
        assert!(matches!(cached.look_up(first.clone()), LookUp::Known(0, _)));
        cached.refused(&first.sample);
        assert_eq!(cached.look_up(first.clone()), LookUp::Evaluate(first));
    }
}
