//! The values of studies: of a call at a point.

use super::store::Store;
use crate::checkpoint::{CheckpointError, Told};
use crate::model::{Sample, Value};
use rustc_hash::FxHashMap;
use smallvec::SmallVec;
use std::path::Path;
use std::time::Instant;

/// The values of many calls, in memory and in one file.
pub struct Cache {
    store: Store,
    /// By call and arguments: the row of the value.
    rows: FxHashMap<Key, usize>,
}

/// A call with its arguments. Equal where function, version, parameters, coordinates and seed are, to the bit.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Key(SmallVec<[u64; 4]>);

impl Key {
    /// `call` is a number from [`Cache::call`]; `seed` is 0 for functions that don't see one.
    pub fn new(call: usize, seed: u64, point: &[f64]) -> Self {
        Self([call as u64, seed].into_iter().chain(point.iter().map(|x| x.to_bits())).collect())
    }

    fn call(&self) -> Option<usize> {
        self.0.first().map(|call| *call as usize)
    }
}

impl Cache {
    /// Opens `path` (as `data/cache.h5`), or begins it. A cache that another run holds is read, and not added to: the notices say so.
    ///
    /// O(n) in the values that it has.
    ///
    /// # Errors
    /// The file can't be read or written, values in it are lost (the message names the file: it may be removed), or
    /// it holds the results of a study.
    pub fn open(path: &Path) -> Result<(Self, Vec<String>), CheckpointError> {
        let (store, notices) = Store::open(path)?;
        // Calls are numbered as they are stored.
        let key = |learner: u32, seed, point: &[f64]| Key::new(learner as usize, seed, point);
        let rows = store.columns().iter().enumerate();
        let rows = rows.map(|(at, row)| (key(row.learner, row.replica, row.point), at)).collect();
        Ok((Self { store, rows }, notices))
    }

    /// Whether `path` can be opened, as far as reading tells; changes nothing.
    ///
    /// O(n) in the values that it has.
    ///
    /// # Errors
    /// The file can't be read, or is no cache but the results of a study.
    pub fn check(path: &Path) -> Result<(), CheckpointError> {
        Store::check(path)
    }

    /// The number of a call, to make keys with.
    pub fn call(&mut self, text: &str) -> usize {
        self.store.call(text)
    }

    /// The value of a call, and who computed it when. O(1) beside O(log n / 65 536).
    pub fn get(&self, key: &Key) -> Option<Told> {
        self.store.told(*self.rows.get(key)?, key.call()?)
    }

    /// Keeps a value, in memory only until the next [`commit`](Self::commit). A key that has one already, and a cache that another run
    /// holds, stay as they are.
    pub fn put(&mut self, key: &Key, told: &Told) {
        let Some(call) = key.call().filter(|_| !self.rows.contains_key(key)) else { return };
        let sample = Sample { learner: 0, replica: key.0[1], point: told.sample.point.clone() };
        let value: Value = told.value.clone();
        if let Some(row) = self.store.append(call, Told { sample, value, meta: told.meta }) {
            self.rows.insert(key.clone(), row);
        }
    }

    /// Hands what was put to the system: from then on the death of any process does not lose it.
    ///
    /// # Errors
    /// As [`Checkpoint::commit`](crate::checkpoint::Checkpoint::commit).
    pub fn commit(&mut self) -> Result<(), CheckpointError> {
        self.store.commit()
    }

    /// To be called now and then: see [`Checkpoint::tick`](crate::checkpoint::Checkpoint::tick).
    ///
    /// # Errors
    /// As there.
    pub fn tick(&mut self, now: Instant) -> Result<(), CheckpointError> {
        self.store.tick(now)
    }

    /// Writes the file and lets others have it.
    ///
    /// # Errors
    /// As [`Checkpoint::close`](crate::checkpoint::Checkpoint::close).
    pub fn close(self) -> Result<(), CheckpointError> {
        self.store.close()
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.store.path()
    }

    /// Number of values.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether it has no value.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkpoint::Meta;
    use crate::model::{Detail, Point};

    fn told(x: f64, y: f64) -> Told {
        let meta = Meta { worker: 3, attempt: 0, started: 1e9, duration: 60.0 };
        Told { sample: Sample::at(Point::scalar(x)), value: Value::scalar(y), meta }
    }

    fn open(folder: &Path) -> Cache {
        let (cache, notices) = Cache::open(&folder.join("cache.h5")).unwrap();
        assert_eq!(notices, Vec::<String>::new());
        cache
    }

    #[test]
    fn values_come_back_with_their_provenance_in_the_next_run() {
        let folder = tempfile::tempdir().unwrap();
        let mut cache = open(folder.path());
        let (a, b) = (cache.call("f a=1"), cache.call("f a=2"));
        cache.put(&Key::new(a, 0, &[0.5]), &told(0.5, 1.0));
        cache.put(&Key::new(b, 0, &[0.5]), &told(0.5, 2.0));
        cache.put(&Key::new(b, 7, &[0.5]), &told(0.5, 3.0));
        cache.close().unwrap();

        let mut cache = open(folder.path());
        assert_eq!(cache.len(), 3);
        // In another order than they were stored in.
        let (b, c, a) = (cache.call("f a=2"), cache.call("f a=3"), cache.call("f a=1"));
        let y = |call, seed, x| cache.get(&Key::new(call, seed, &[x])).map(|told| told.value.y());
        assert_eq!([y(a, 0, 0.5), y(b, 0, 0.5), y(b, 7, 0.5)], [Some(1.0), Some(2.0), Some(3.0)]);
        assert_eq!([y(c, 0, 0.5), y(a, 1, 0.5), y(a, 0, 0.25)], [None; 3]);
        assert_eq!(cache.get(&Key::new(a, 0, &[0.5])).unwrap().meta, told(0.5, 1.0).meta);
    }

    #[test]
    fn keys_differ_in_every_bit() {
        let key = |x: f64| Key::new(0, 0, &[x]);
        assert_ne!(key(0.0), key(-0.0));
        assert_ne!(key(0.1 + 0.2), key(0.3));
        assert_ne!(Key::new(0, 0, &[1.0, 2.0]), Key::new(0, 0, &[1.0]));
        assert_eq!(key(f64::NAN), key(f64::NAN));
    }

    #[test]
    fn what_was_committed_survives_a_kill() {
        let folder = tempfile::tempdir().unwrap();
        let mut cache = open(folder.path());
        let call = cache.call("f");
        cache.put(&Key::new(call, 0, &[1.0]), &told(1.0, 4.0));
        cache.commit().unwrap();
        drop(cache); // writes no snapshot, as a kill
        let mut cache = open(folder.path());
        let call = cache.call("f");
        assert_eq!(cache.get(&Key::new(call, 0, &[1.0])).unwrap().value.y(), 4.0);
    }

    #[test]
    fn calls_that_came_later_have_their_values_and_names() {
        let folder = tempfile::tempdir().unwrap();
        let plain = told(2.0, 5.0);
        let mut named = plain.clone();
        named.value.detail = Some(Box::new(Detail { names: vec!["loss".into()], extra: Some("7".into()) }));
        for round in 0..3 {
            let mut cache = open(folder.path());
            let call = cache.call(&format!("f{round}"));
            cache.put(&Key::new(call, 0, &[2.0]), if round == 1 { &named } else { &plain });
            cache.close().unwrap();
        }
        let mut cache = open(folder.path());
        let (first, second) = (cache.call("f0"), cache.call("f1"));
        assert_eq!(cache.get(&Key::new(second, 0, &[2.0])).unwrap().value, named.value);
        assert_eq!(cache.get(&Key::new(first, 0, &[2.0])).unwrap().value, Value::scalar(5.0));
    }

    #[test]
    fn named_outputs_come_back_by_name_in_whatever_order_they_came() {
        let folder = tempfile::tempdir().unwrap();
        let named = |names: [&str; 2], components: [f64; 2]| {
            let mut told = told(components[0], 0.0);
            told.value = Value::vector(&components);
            let names = names.map(str::to_owned).to_vec();
            told.value.detail = Some(Box::new(Detail { names, extra: None }));
            told
        };
        let mut cache = open(folder.path());
        let call = cache.call("f");
        let key = |x: f64| Key::new(call, 0, &[x]);
        cache.put(&key(1.0), &named(["b", "a"], [2.0, 1.0]));
        cache.put(&key(2.0), &named(["a", "b"], [1.0, 2.0]));
        cache.put(&key(3.0), &named(["a", "c"], [1.0, 2.0]));
        let expected = named(["b", "a"], [2.0, 1.0]).value;
        assert_eq!(cache.get(&key(1.0)).unwrap().value, expected);
        assert_eq!(cache.get(&key(2.0)).unwrap().value, expected);
        assert!(cache.get(&key(3.0)).is_none(), "its outputs are others");
    }

    #[test]
    fn a_second_run_reads_and_does_not_add() {
        let folder = tempfile::tempdir().unwrap();
        let mut first = open(folder.path());
        let call = first.call("f");
        first.put(&Key::new(call, 0, &[1.0]), &told(1.0, 4.0));
        first.commit().unwrap();
        let (mut second, notices) = Cache::open(&folder.path().join("cache.h5")).unwrap();
        assert!(notices.last().unwrap().contains("nothing is added"), "{notices:?}");
        let call = second.call("f");
        assert_eq!(second.get(&Key::new(call, 0, &[1.0])).unwrap().value.y(), 4.0);
        second.put(&Key::new(call, 0, &[2.0]), &told(2.0, 4.0));
        second.commit().unwrap();
        assert_eq!((second.len(), first.len()), (1, 1));
    }
}
