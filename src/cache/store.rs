//! The file of a cache: values in the order in which they came, each of a call.

use crate::checkpoint::{self, Checkpoint, CheckpointError, Columns, Ending, EndingKind, Header, Told};
use crate::model::{Parameter, Parameters, Value};
use rustc_hash::FxHashMap;
use std::borrow::Cow;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// The parameters of a stored call: what it is, and the names of the components of its values, as JSON.
const CALL: &str = "call";
const OUTPUTS: &str = "outputs";

/// Values by their row, and calls by their number. Which rows belong to which arguments is for others to know.
pub(super) struct Store {
    file: File,
    path: PathBuf,
    calls: Vec<Call>,
    by_text: FxHashMap<String, usize>,
}

enum File {
    Ours(Box<Checkpoint>),
    /// Another run adds to the file, or nobody may.
    Others(Columns),
}

struct Call {
    text: String,
    /// Its place among the learners of the file, once it has a value there.
    stored: Option<u32>,
    outputs: Vec<String>,
}

/// Refuses what is no cache: the results of a study, which must stay as they are.
fn refuse_results(path: &Path, header: Option<&Header>) -> Result<(), CheckpointError> {
    match header.filter(|header| !header.study_text.is_empty()) {
        None => Ok(()),
        Some(header) => {
            let what = format!("the results file of the study `{}`, not a cache", header.name);
            Err(CheckpointError::Foreign { path: path.to_owned(), what })
        }
    }
}

/// The folder and the name of a cache.
fn place(path: &Path) -> (&Path, Cow<'_, str>) {
    let folder = match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    };
    (folder, path.file_stem().unwrap_or_default().to_string_lossy())
}

/// Whether a file can't be written, ever.
fn is_read_only(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem)
}

impl Store {
    /// Opens the file, or begins it. The learners of its rows are then numbers of calls. What there is to tell comes along.
    pub(super) fn open(path: &Path) -> Result<(Self, Vec<String>), CheckpointError> {
        let (folder, name) = place(path);
        let open = || {
            // A checkpoint is what its writer says of it, so the writer has to know the calls that are there.
            let known = checkpoint::read(folder, &name)?.header;
            refuse_results(path, known.as_ref())?;
            let known = known.map(|header| header.learners);
            let header = Header { learners: known.unwrap_or_default(), ..Header::new(name.clone()) };
            Checkpoint::open(&checkpoint::Options::new(folder, name.clone(), header))
        };
        let opened = match open() {
            Err(CheckpointError::Changed { .. }) => open(),
            opened => opened,
        };
        let (file, loaded) = match opened {
            Ok((checkpoint, loaded)) => (File::Ours(Box::new(checkpoint)), loaded),
            Err(error) => {
                let mut loaded = checkpoint::read(folder, &name)?;
                let why = match &error {
                    CheckpointError::Locked { .. } => "is in use",
                    CheckpointError::NotSaved { source, .. }
                        if is_read_only(source) && loaded.header.is_some() =>
                    {
                        "can only be read here"
                    }
                    _ => return Err(error),
                };
                loaded.notices.push(format!(
                    "the cache {} {why}, so nothing is added to it by this run, but its values are used ({error})",
                    path.display()
                ));
                (File::Others(loaded.columns.clone()), loaded)
            }
        };
        // Whatever ending was asked for.
        let path = folder.join(format!("{name}.h5"));
        let mut store = Self { file, path, calls: Vec::new(), by_text: FxHashMap::default() };
        let learners = loaded.header.map(|header| header.learners).unwrap_or_default();
        for (place, parameters) in learners.iter().enumerate() {
            store.remember_call(parameters, place as u32);
        }
        Ok((store, loaded.notices))
    }

    /// What [`open`](Self::open) would refuse; changes nothing.
    pub(super) fn check(path: &Path) -> Result<(), CheckpointError> {
        let (folder, name) = place(path);
        refuse_results(path, checkpoint::read(folder, &name)?.header.as_ref())
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

    /// The number of a call.
    pub(super) fn call(&mut self, text: &str) -> usize {
        if let Some(&known) = self.by_text.get(text) {
            return known;
        }
        self.by_text.insert(text.to_owned(), self.calls.len());
        self.calls.push(Call { text: text.to_owned(), stored: None, outputs: Vec::new() });
        self.calls.len() - 1
    }

    /// The value in a row, of this call. O(log n / 65 536).
    pub(super) fn told(&self, row: usize, call: usize) -> Option<Told> {
        let mut told = self.columns().get(row)?.told();
        let outputs = &self.calls.get(call)?.outputs;
        if !outputs.is_empty() {
            told.value.detail.get_or_insert_default().names.clone_from(outputs);
        }
        Some(told)
    }

    pub(super) fn columns(&self) -> &Columns {
        match &self.file {
            File::Ours(checkpoint) => checkpoint.columns(),
            File::Others(columns) => columns,
        }
    }

    /// Adds a value of this call, in memory only until the next [`commit`](Self::commit); its row. `None`: another run holds
    /// the file, or the call had outputs of other names.
    pub(super) fn append(&mut self, call: usize, mut told: Told) -> Option<usize> {
        let File::Ours(checkpoint) = &mut self.file else { return None };
        if self.calls[call].stored.is_none() {
            // All at once, because each time writes all calls of the file.
            store_calls(checkpoint, &mut self.calls, &told.value);
        }
        told.sample.learner = self.calls[call].stored.unwrap_or_default();
        if !told.value.arrange(&self.calls[call].outputs) {
            return None;
        }
        if let Some(detail) = &mut told.value.detail {
            // Those of the whole file would be those of its first value.
            detail.names.clear();
        }
        let row = checkpoint.columns().len();
        checkpoint.append(&told.into());
        Some(row)
    }

    /// As [`Checkpoint::commit`].
    pub(super) fn commit(&mut self) -> Result<(), CheckpointError> {
        match &mut self.file {
            File::Ours(checkpoint) => checkpoint.commit(),
            File::Others(_) => Ok(()),
        }
    }

    /// As [`Checkpoint::tick`].
    pub(super) fn tick(&mut self, now: Instant) -> Result<(), CheckpointError> {
        match &mut self.file {
            File::Ours(checkpoint) => checkpoint.tick(now, &Vec::new),
            File::Others(_) => Ok(()),
        }
    }

    /// As [`Checkpoint::close`].
    pub(super) fn close(self) -> Result<(), CheckpointError> {
        match self.file {
            // Nothing is new.
            File::Ours(checkpoint) if checkpoint.stats().appended == 0 => Ok(()),
            File::Ours(checkpoint) => {
                checkpoint.close(Vec::new(), Ending::new(EndingKind::Stopped, "a cache has no end"))
            }
            File::Others(_) => Ok(()),
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
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
