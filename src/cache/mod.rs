//! Results that were paid for once: the same function at the same point is never computed twice, within a run and
//! across runs and studies that share the file.
//!
//! Owned by rank 0. It stores nothing but values, each under its *call* (a text that names function, version and
//! parameters: [`crate::study::Study::calls`]) and its arguments, bit by bit. Failures are not kept: they are tried again.
//!
//! The file is a [checkpoint](crate::checkpoint::layout) whose learners are calls, so that a crash at any moment
//! costs nothing here either, and h5py and xarray read it as they read a run: `/learners/parameters` has the calls, `/points` the
//! arguments and values.

use crate::checkpoint::{self, Checkpoint, CheckpointError, Columns, Ending, EndingKind, Header, Told};
use crate::model::{Parameter, Parameters, Sample, Value};
use rustc_hash::FxHashMap;
use smallvec::SmallVec;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// The parameters of a stored call: what it is, and the names of the components of its values, as JSON.
const CALL: &str = "call";
const OUTPUTS: &str = "outputs";

/// The values of many calls, in memory and in one file.
pub struct Cache {
    store: Store,
    path: PathBuf,
    calls: Vec<Call>,
    by_text: FxHashMap<String, usize>,
    /// By call and arguments: the row of the value.
    rows: FxHashMap<Key, usize>,
}

enum Store {
    Ours(Box<Checkpoint>),
    /// Another run adds to the file.
    Others(Columns),
}

struct Call {
    text: String,
    /// Its place among the learners of the file, once it has a value there.
    stored: Option<u32>,
    outputs: Vec<String>,
}

/// A call with its arguments. Equal where function, version, parameters, coordinates and seed are, to the bit.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Key(SmallVec<[u64; 4]>);

impl Key {
    /// `call` is a number from [`Cache::call`]; `seed` is 0 for functions that don't see one.
    pub fn new(call: usize, seed: u64, point: &[f64]) -> Self {
        Self([call as u64, seed].into_iter().chain(point.iter().map(|x| x.to_bits())).collect())
    }
}

impl Cache {
    /// Opens `path` (as `data/cache.h5`), or begins it. A cache that another run holds is read, and not added to: the notices say so.
    ///
    /// O(n) in the values that it has.
    ///
    /// # Errors
    /// The file can't be read or written, or values in it are lost (the message names the file: it may be removed).
    pub fn open(path: &Path) -> Result<(Self, Vec<String>), CheckpointError> {
        let folder = match path.parent() {
            Some(folder) if folder != Path::new("") => folder,
            _ => Path::new("."),
        };
        let name = path.file_stem().unwrap_or_default().to_string_lossy();
        // A checkpoint is what its writer says of it, so the writer has to know the calls that are there.
        let known = checkpoint::read(folder, &name)?.header.map(|header| header.learners);
        let header = Header { learners: known.unwrap_or_default(), ..Header::new(name.clone()) };
        let opened = Checkpoint::open(&checkpoint::Options::new(folder, name.clone(), header));
        let (store, loaded) = match opened {
            Ok((checkpoint, loaded)) => (Store::Ours(Box::new(checkpoint)), loaded),
            Err(error @ CheckpointError::Locked { .. }) => {
                let mut loaded = checkpoint::read(folder, &name)?;
                loaded.notices.push(format!(
                    "the cache {} is in use, so nothing is added to it by this run, but its values are used ({error})",
                    path.display()
                ));
                (Store::Others(loaded.columns.clone()), loaded)
            }
            Err(error) => return Err(error),
        };
        let mut cache = Self {
            store,
            path: path.to_owned(),
            calls: Vec::new(),
            by_text: FxHashMap::default(),
            rows: FxHashMap::default(),
        };
        let learners = loaded.header.map(|header| header.learners).unwrap_or_default();
        for (place, parameters) in learners.iter().enumerate() {
            cache.remember_call(parameters, place as u32);
        }
        for (at, row) in loaded.columns.iter().enumerate() {
            // Calls are numbered as they are stored.
            cache.rows.insert(Key::new(row.learner as usize, row.replica, row.point), at);
        }
        Ok((cache, loaded.notices))
    }

    fn remember_call(&mut self, parameters: &Parameters, place: u32) {
        let text = |name| match parameters.get(name) {
            Some(Parameter::Text(text)) => text.clone(),
            _ => String::new(),
        };
        let outputs = serde_json::from_str(&text(OUTPUTS)).unwrap_or_default();
        self.by_text.insert(text(CALL), self.calls.len());
        self.calls.push(Call { text: text(CALL), stored: Some(place), outputs });
    }

    /// The number of a call, to make keys with.
    pub fn call(&mut self, text: &str) -> usize {
        if let Some(&known) = self.by_text.get(text) {
            return known;
        }
        self.by_text.insert(text.to_owned(), self.calls.len());
        self.calls.push(Call { text: text.to_owned(), stored: None, outputs: Vec::new() });
        self.calls.len() - 1
    }

    /// The value of a call, and who computed it when. O(1) beside O(log n / 65 536).
    pub fn get(&self, key: &Key) -> Option<Told> {
        let row = self.columns().get(*self.rows.get(key)?)?;
        let mut told = row.told();
        let outputs = &self.calls.get(*key.0.first()? as usize)?.outputs;
        if !outputs.is_empty() {
            told.value.detail.get_or_insert_default().names.clone_from(outputs);
        }
        Some(told)
    }

    fn columns(&self) -> &Columns {
        match &self.store {
            Store::Ours(checkpoint) => checkpoint.columns(),
            Store::Others(columns) => columns,
        }
    }

    /// Keeps a value, in memory only until the next [`commit`](Self::commit). A key that has one already, and a cache that another run
    /// holds, stay as they are.
    pub fn put(&mut self, key: &Key, told: &Told) {
        if self.rows.contains_key(key) {
            return;
        }
        let Some(call) = key.0.first().map(|call| *call as usize) else { return };
        let Store::Ours(checkpoint) = &mut self.store else { return };
        if self.calls[call].stored.is_none() {
            // All at once, because each time writes all calls of the file.
            store_calls(checkpoint, &mut self.calls, &told.value);
        }
        let learner = self.calls[call].stored.unwrap_or_default();
        let sample = Sample { learner, replica: key.0[1], point: told.sample.point.clone() };
        let mut value = told.value.clone();
        if let Some(detail) = &mut value.detail {
            // Those of the whole file would be those of its first value.
            detail.names.clear();
        }
        self.rows.insert(key.clone(), checkpoint.columns().len());
        checkpoint.append(&Told { sample, value, meta: told.meta }.into());
    }

    /// Hands what was put to the system: from then on the death of any process does not lose it.
    ///
    /// # Errors
    /// As [`Checkpoint::commit`].
    pub fn commit(&mut self) -> Result<(), CheckpointError> {
        match &mut self.store {
            Store::Ours(checkpoint) => checkpoint.commit(),
            Store::Others(_) => Ok(()),
        }
    }

    /// To be called now and then: see [`Checkpoint::tick`].
    ///
    /// # Errors
    /// As there.
    pub fn tick(&mut self, now: Instant) -> Result<(), CheckpointError> {
        match &mut self.store {
            Store::Ours(checkpoint) => checkpoint.tick(now, &Vec::new),
            Store::Others(_) => Ok(()),
        }
    }

    /// Writes the file and lets others have it.
    ///
    /// # Errors
    /// As [`Checkpoint::close`].
    pub fn close(self) -> Result<(), CheckpointError> {
        match self.store {
            // Nothing is new.
            Store::Ours(checkpoint) if checkpoint.stats().appended == 0 => Ok(()),
            Store::Ours(checkpoint) => {
                checkpoint.close(Vec::new(), Ending::new(EndingKind::Stopped, "a cache has no end"))
            }
            Store::Others(_) => Ok(()),
        }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
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

fn store_calls(checkpoint: &mut Checkpoint, calls: &mut [Call], value: &Value) {
    let names = value.detail.as_ref().map(|detail| detail.names.clone()).unwrap_or_default();
    let mut parameters = Vec::new();
    let first = checkpoint.header().learners.len();
    for call in calls.iter_mut().filter(|call| call.stored.is_none()) {
        call.stored = Some((first + parameters.len()) as u32);
        call.outputs.clone_from(&names);
        let outputs = serde_json::Value::from(names.clone()).to_string();
        parameters.push(Parameters(vec![
            (CALL.to_owned(), Parameter::Text(call.text.clone())),
            (OUTPUTS.to_owned(), Parameter::Text(outputs)),
        ]));
    }
    checkpoint.add_learners(parameters);
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
