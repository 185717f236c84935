//! Opens the checkpoint of a study: for those who add results to it, and for those who only look.

use super::args::CheckpointArgs;
use super::exit::{CommandError, Exit};
use super::output;
use super::own::{log_of, refuse_log};
use crate::checkpoint::{self, Checkpoint, CheckpointError, Header, Loaded};
use crate::learner::Learner;
use crate::model::{Parameters, Signature};
use crate::runner::goal::GoalTracker;
use crate::runner::{Engine, Log, NanPolicy, Order, Policy, Restored, restore};
use crate::study::{self, AllKinds, Difference, Learners, Severity, Study};
use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

/// How often a checkpoint is read again that another run has changed before it could be locked.
const TURNS: usize = 3;

/// Where the learners of this run stand in the checkpoint, and the other way round.
pub(super) struct Places {
    /// By index in the checkpoint: the index now, or none for a combo that left the study file.
    now: Vec<Option<u32>>,
    /// By index now: the index in the checkpoint, where the two differ.
    pub(super) stored: Option<Vec<u32>>,
}

impl Places {
    /// The learner of this run that has this index in the checkpoint.
    pub(super) fn now(&self, stored: u32) -> Option<u32> {
        self.now.get(stored as usize).copied().flatten()
    }
}

/// Where a run tells other processes how it goes.
pub(super) fn status_path(study: &Study) -> PathBuf {
    study.checkpoint.folder.join(format!("{}.status.json", study.name))
}

/// Opens the checkpoint, after making sure that it belongs to this study.
pub(super) fn open(
    args: &CheckpointArgs,
    study: &Study,
    signature: &Signature,
    combos: &[Parameters],
) -> Result<(Checkpoint, Loaded, Places), CommandError> {
    refuse_log(study)?;
    // It is read before it is locked, so that a study that is refused changes nothing, not even a lock file.
    for _ in 0..TURNS {
        match open_as_read(args, study, signature, combos)? {
            Err(CheckpointError::Changed { .. }) => {}
            opened => return opened.map_err(checkpoint_error),
        }
    }
    open_as_read(args, study, signature, combos)?.map_err(checkpoint_error)
}

/// Reads the checkpoint, and opens it if the study may go on with what it has read.
fn open_as_read(
    args: &CheckpointArgs,
    study: &Study,
    signature: &Signature,
    combos: &[Parameters],
) -> Result<Result<(Checkpoint, Loaded, Places), CheckpointError>, CommandError> {
    let before = checkpoint::read(&study.checkpoint.folder, &study.name).map_err(checkpoint_error)?;
    let function_files = study.function_files();
    let mut changed = Vec::new();
    let mut stored_combos = before.header.as_ref().map(|header| header.learners.clone()).unwrap_or_default();
    if let Some(header) = &before.header
        && !header.study_text.is_empty()
    {
        changed = refuse_changes(args, study, &function_files, header, !before.columns.is_empty())?;
    }
    drop(before);
    let places = places(&mut stored_combos, combos);
    let header = Header {
        study_hash: study::sha256(study.text.as_bytes()),
        study_text: study.text.clone(),
        function_files,
        dimensions: signature.names.clone(),
        learners: stored_combos,
        ..Header::new(study.name.clone())
    };
    let options = checkpoint::Options {
        interval: study.checkpoint.interval,
        compress: study.checkpoint.compress,
        accept_losses: args.accept_losses,
        break_lock: args.break_lock,
        sync: checkpoint::SyncPolicy::Every(study.checkpoint.sync_interval),
        ..checkpoint::Options::new(&study.checkpoint.folder, study.name.clone(), header)
    };
    let opened = Checkpoint::open(&options);
    if opened.is_ok() {
        // What an earlier run has said of itself, and of its end, is not said of this process.
        let _ = std::fs::remove_file(status_path(study));
        changed
            .iter()
            .for_each(|difference| output::note(format!("changed since the last run: {difference}")));
    }
    Ok(opened.map(|(checkpoint, loaded)| (checkpoint, loaded, places)))
}

/// Stored combos keep their index; new ones come behind them.
fn places(stored: &mut Vec<Parameters>, combos: &[Parameters]) -> Places {
    let known: HashMap<String, u32> =
        stored.iter().enumerate().map(|(index, combo)| (study::identity(combo), index as u32)).collect();
    let mut stored_index = Vec::with_capacity(combos.len());
    for combo in combos {
        stored_index.push(known.get(&study::identity(combo)).copied().unwrap_or_else(|| {
            stored.push(combo.clone());
            stored.len() as u32 - 1
        }));
    }
    let mut now = vec![None; stored.len()];
    for (index, &place) in stored_index.iter().enumerate() {
        now[place as usize] = Some(index as u32);
    }
    let same = stored_index.iter().enumerate().all(|(index, &place)| index as u32 == place);
    Places { now, stored: (!same).then_some(stored_index) }
}

/// What has changed since the run that wrote this header: in the study file, and in the files of its function. A stored text
/// that this version can't read any more says nothing about changes.
fn changes(
    study: &Study,
    files: &BTreeMap<String, String>,
    header: &Header,
) -> (Vec<Difference>, Vec<Difference>) {
    let settings = study::compare(&header.study_text, &study.text, &study.path).unwrap_or_default();
    (settings, study::compare_files(&header.function_files, files, &study.function))
}

/// What is said of the changes that a run would refuse to go on with to those who ask beforehand.
pub(super) fn refused_changes(
    study: &Study,
    files: &BTreeMap<String, String>,
    stored: &Loaded,
) -> Vec<String> {
    let Some(header) = stored.header.as_ref().filter(|_| !stored.columns.is_empty()) else {
        return Vec::new();
    };
    let (settings, files) = changes(study, files, header);
    let refused = settings.into_iter().chain(files).filter(|change| change.severity == Severity::Refuse);
    let text = |change| {
        format!("warning: changed since the last run, which `run` refuses without --accept-changes: {change}")
    };
    refused.map(text).collect()
}

/// The changes that this run accepts.
fn refuse_changes(
    args: &CheckpointArgs,
    study: &Study,
    files: &BTreeMap<String, String>,
    header: &Header,
    has_values: bool,
) -> Result<Vec<Difference>, CommandError> {
    // A stored text that this version can't read any more says nothing about changes.
    // Where nothing has a value yet there is nothing to mix, and a failure is mended by changing the model.
    let mended = args.retry_failed || !has_values;
    let (settings, files) = changes(study, files, header);
    let settings = settings.into_iter().map(|difference| (difference, args.accept_changes));
    let files = files.into_iter().map(|difference| (difference, args.accept_changes || mended));
    let (mut refused, mut changed) = (String::new(), Vec::new());
    for (difference, accepted) in settings.chain(files) {
        if difference.severity == Severity::Refuse && !accepted {
            refused.push_str(&format!("\n  {difference}"));
        } else {
            changed.push(difference);
        }
    }
    if refused.is_empty() {
        return Ok(changed);
    }
    let file = study.checkpoint.folder.join(&study.name);
    Err(CommandError::new(
        Exit::Usage,
        format!("the study is not the one that {}.h5 holds results of:{refused}", file.display()),
    )
    .help("change it back, give the study another `name`, or go on with the old results by --accept-changes"))
}

/// That the learners can't take what is stored: the study has changed too much, and nobody has refused it.
pub(super) fn unfit(study: &Study, error: impl std::fmt::Display) -> CommandError {
    let files = study.checkpoint.folder.join(&study.name);
    CommandError::new(Exit::Unreadable, format!("a stored value does not fit: {error}"))
        .help(format!("change the study back, give it another `name`, or take {}.* away", files.display()))
}

/// What to do about files that can't be read.
pub(super) const MEND: &str =
    "bring the files back from a copy, or go on without what is lost by `adaptive-mpi run --accept-losses`";

/// How the program ends when a checkpoint can't be used.
pub(super) fn checkpoint_error(error: CheckpointError) -> CommandError {
    let exit = match &error {
        CheckpointError::Locked { .. }
        | CheckpointError::Changed { .. }
        | CheckpointError::LockLost { .. } => Exit::Locked,
        CheckpointError::Unreadable { .. } | CheckpointError::Newer { .. } => Exit::Unreadable,
        CheckpointError::Foreign { .. } => Exit::Usage,
        _ => Exit::NotSaved,
    };
    let help = match &error {
        CheckpointError::Unreadable { .. } => MEND,
        _ => "",
    };
    CommandError::new(exit, error).help(help)
}

/// The same of a cache.
pub(super) fn cache_error(error: CheckpointError) -> CommandError {
    let help = match &error {
        CheckpointError::Foreign { .. } => {
            "give `function.cache` a file of its own, as in cache = \"data/cache.h5\""
        }
        _ => "move the file away to begin a new one; it holds copies only",
    };
    let error = checkpoint_error(error);
    CommandError::new(error.exit, format!("the cache: {}", error.message)).help(help)
}

/// That results are known to be lost, if some are.
pub(super) fn lost(loaded: &Loaded) -> Option<CommandError> {
    let (first, more) = loaded.losses.split_first()?;
    let more = if more.is_empty() { String::new() } else { format!("; and {} losses more", more.len()) };
    Some(CommandError::new(Exit::Unreadable, format!("stored results can't be read any more: {first}{more}")))
}

/// What the files of a study make of its learners, for those who only look.
pub(super) struct Rebuilt {
    /// Its learner knows all that is stored.
    pub(super) engine: Engine,
    pub(super) restored: Restored,
    /// The parameter values of learner 0, 1, ….
    pub(super) combos: Vec<Parameters>,
    pub(super) signature: Signature,
    /// The combos by their indices in the checkpoint.
    pub(super) stored: Vec<Parameters>,
    /// Their places in the study, for those that it still has.
    pub(super) places: Vec<Option<u32>>,
}

/// The places in the study of the combos of a checkpoint, for those that it still has.
pub(super) fn places_of(stored: &[Parameters], combos: &[Parameters]) -> Vec<Option<u32>> {
    let places: HashMap<String, u32> =
        combos.iter().enumerate().map(|(index, combo)| (study::identity(combo), index as u32)).collect();
    stored.iter().map(|combo| places.get(&study::identity(combo)).copied()).collect()
}

/// Rebuilds the learners of a study from its checkpoint, and writes nothing: works while a run goes on, after it and after
/// its death.
pub(super) fn rebuild(study: &Study, loaded: &Loaded) -> Result<Rebuilt, CommandError> {
    let kinds = AllKinds { folder: study.folder(), ..AllKinds::default() };
    let Learners { learner, combos, signature, .. } = study.learners(&kinds)?;
    let stored = loaded.header.as_ref().map(|header| header.learners.clone()).unwrap_or_default();
    let places = places_of(&stored, &combos);
    let now = |stored: u32| places.get(stored as usize).copied().flatten();
    let policy = Policy { retries: study.run.retries, nan: NanPolicy::Accept, order: Order::Arrival };
    let mut goals = GoalTracker::new(study.goal.clone(), combos.len());
    let (engine, _, restored) =
        restore(learner, policy, loaded, &now, &mut goals, false).map_err(|error| unfit(study, error))?;
    Ok(Rebuilt { engine, restored, combos, signature, stored, places })
}

/// The learner, with a log of its calls if the study wants one.
pub(super) fn logged(study: &Study, learner: Box<dyn Learner>) -> Result<Box<dyn Learner>, CommandError> {
    let Some(path) = log_of(study) else { return Ok(learner) };
    // Each run starts from the stored facts and logs them too, so its log is whole by itself. What an earlier one
    // asked, and in which order, stands in its own log alone.
    let file = keep_former(&path)
        .and_then(|()| std::fs::File::create(&path))
        .map_err(|error| CommandError::new(Exit::NotSaved, format!("the log {}: {error}", path.display())))?;
    Ok(Box::new(Log::new(learner, Box::new(std::io::BufWriter::new(file)))))
}

/// Gives a file that holds something a name of its own: `NAME.1` the first one, `NAME.2` the next.
fn keep_former(path: &Path) -> std::io::Result<()> {
    if std::fs::metadata(path).map_or(true, |file| file.len() == 0) {
        return Ok(());
    }
    let numbered = |n: u32| path.with_added_extension(n.to_string());
    let free = (1..).map(numbered).find(|name| std::fs::symlink_metadata(name).is_err());
    free.map_or(Ok(()), |free| std::fs::rename(path, free))
}
