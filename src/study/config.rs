//! The study file as a whole: its sections, its name, its defaults.

use super::calls;
use super::homes::home_of;
use super::{CheckpointOptions, Combos, Priority, RunOptions, StudyError, tree};
use crate::learner::is_integer;
use crate::model::settings::{self, SettingError, SettingValue, Table, nearest, unknown};
use crate::runner::goal::Goal;
use jiff::tz::TimeZone;
use std::path::{Path, PathBuf};

/// What one study file describes. All of it is checked but for `[function]` and `[learner]`, which their own
/// layers read when the parts are built, and `[scheduler]`, of which only the keys are known here.
#[derive(Clone, Debug)]
pub struct Study {
    /// Name of the study and of its files; a safe file name.
    pub name: String,
    /// Where the text came from.
    pub path: PathBuf,
    /// The text as written. It is kept with the data, so that a restart can tell what has changed.
    pub text: String,
    /// `[function]`; empty where [`Reader::Learners`] found none.
    pub function: Table,
    /// `[parameters]` and `[[cases]]`
    pub combos: Combos,
    /// `[learner]`
    pub learner: Table,
    /// `[goal]`
    pub goal: Goal,
    /// `[balancing] strategy`: how points are shared among the learners; one of [`STRATEGIES`].
    pub strategy: &'static str,
    /// `[run]`
    pub run: RunOptions,
    /// `[checkpoint]`
    pub checkpoint: CheckpointOptions,
    /// `[function] cache`: the file of values that need not be computed again.
    pub cache: Option<PathBuf>,
    /// `[function] priority`: the points of which combos are evaluated first.
    pub priority: Priority,
    /// `[scheduler]`, as written.
    pub scheduler: Option<Table>,
}

/// Who reads a study: what it has to say depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reader {
    /// A run: the study needs a function and a goal.
    Run,
    /// Someone who needs the learners and the results only, because the function is elsewhere (`ask-tell`): a study
    /// without `[function]` will do, and one without a goal has no end.
    Learners,
}

/// Names of the strategies of a balancing learner; the first is the default (upstream: the same).
pub const STRATEGIES: [&str; 4] = ["loss_improvements", "loss", "npoints", "cycle"];

/// Types of learners that come to an end by themselves, so that a study needs no goal (upstream: `auto_goal`).
pub(super) const ENDING_LEARNERS: [&str; 3] = ["sequence", "integrator", "average"];

const FUNCTION_EXAMPLE: &str =
    "write\n[function]\npython = \"model.py:h\"     # or builtin, expression, command, program, library";
const LEARNER_EXAMPLE: &str = "write\n[learner]\ntype = \"1d\"\nbounds = [-1, 1]";

impl Study {
    /// Reads and checks the study in this file.
    pub fn load(path: impl AsRef<Path>) -> Result<Self, StudyError> {
        Self::load_for(Reader::Run, path)
    }

    /// The same for other readers than a run.
    pub fn load_for(reader: Reader, path: impl AsRef<Path>) -> Result<Self, StudyError> {
        let path = path.as_ref();
        let bytes =
            std::fs::read(path).map_err(|source| StudyError::Read { path: path.to_owned(), source })?;
        match String::from_utf8(bytes) {
            Ok(text) => Self::parse_for(reader, &text, path),
            Err(error) => {
                let at = error.utf8_error().valid_up_to();
                let text = String::from_utf8_lossy(error.as_bytes());
                let problem = SettingError::new(&(at..at + 1), "the file is not text in UTF-8")
                    .help("save it with the encoding UTF-8");
                Err(StudyError::invalid(path, &text, [problem]))
            }
        }
    }

    /// Checks a study's text. `path` is where it came from: for messages, the default name, and relative paths;
    /// nothing is read there.
    ///
    /// As many problems as possible are found at once; of the text's syntax, only the first.
    pub fn parse(text: &str, path: impl AsRef<Path>) -> Result<Self, StudyError> {
        Self::parse_for(Reader::Run, text, path)
    }

    /// The same for other readers than a run.
    pub fn parse_for(reader: Reader, text: &str, path: impl AsRef<Path>) -> Result<Self, StudyError> {
        let path = path.as_ref();
        let root = tree::read(text).map_err(|error| StudyError::invalid(path, text, [error]))?;
        let mut problems = Vec::new();
        let study = Self::read(reader, &root, text, path, &mut problems);
        match study {
            Some(study) if problems.is_empty() => Ok(study),
            _ => {
                place_at_end(&mut problems, text);
                Err(StudyError::invalid(path, text, problems))
            }
        }
    }

    /// The problem of a part of this study (a learner's or a function's setting), shown like all others.
    pub fn error(&self, problem: SettingError) -> StudyError {
        StudyError::invalid(&self.path, &self.text, [problem])
    }

    /// The folder of the study file: relative paths of functions start there.
    pub fn folder(&self) -> PathBuf {
        match self.path.parent() {
            Some(folder) if folder != Path::new("") => folder.to_owned(),
            _ => PathBuf::from("."),
        }
    }

    fn read(
        reader: Reader,
        root: &Table,
        text: &str,
        path: &Path,
        problems: &mut Vec<SettingError>,
    ) -> Option<Self> {
        let name = note(name(root, path), problems);
        let absent = |key| reader == Reader::Learners && root.get(key).is_none();
        let function = if absent("function") {
            Some(Table::new("function"))
        } else {
            note(required(root, "function", FUNCTION_EXAMPLE), problems).cloned()
        };
        let combos = Combos::read(root, problems);
        let learner = note(required(root, "learner", LEARNER_EXAMPLE), problems);
        let ends = learner.is_some_and(ends_by_itself);
        let goal = match Goal::from_settings(root, ends, &TimeZone::system()) {
            Err(_) if absent("goal") => Ok(Goal::Forever),
            read => read,
        };
        let goal = goal.map_err(|found| problems.extend(found)).ok();
        problems.extend(loss_of_an_integral(root, learner));
        let strategy = note(strategy(root), problems);
        let mut section = |key| note(optional(root, key), problems).flatten();
        let (run, checkpoint, scheduler) = (section("run"), section("checkpoint"), section("scheduler"));
        note(scheduler.map_or(Ok(()), check_scheduler), problems);
        let run = run.map_or_else(RunOptions::default, |table| RunOptions::read(table, problems));
        let checkpoint = checkpoint
            .map_or_else(CheckpointOptions::default, |table| CheckpointOptions::read(table, problems));
        // Relative paths start at the folder of the study file, wherever the program was started.
        let at = path.parent().unwrap_or(Path::new(""));
        let checkpoint = CheckpointOptions { folder: at.join(checkpoint.folder), ..checkpoint };
        let log = match run.log {
            super::Log::File(file) => super::Log::File(at.join(file)),
            log => log,
        };
        let run = RunOptions { log, ..run };
        let cache = match (&function, &name) {
            (Some(function), Some(name)) => {
                note(calls::cache(function, at, &checkpoint.folder, name), problems).flatten()
            }
            _ => None,
        };
        let priority = function.as_ref().map(|function| Priority::read(function, &combos));
        let priority = priority.map_or(Some(Priority::default()), |read| note(read, problems));
        unknown_sections(root, problems);
        stray_goal(root, problems);
        Some(Self {
            name: name?,
            path: path.to_owned(),
            text: text.to_owned(),
            function: function?,
            combos,
            learner: learner?.clone(),
            goal: goal?,
            strategy: strategy?,
            run,
            checkpoint,
            cache,
            priority: priority?,
            scheduler: scheduler.cloned(),
        })
    }
}

/// The value, or `None` and a problem more.
fn note<T>(read: settings::Result<T>, problems: &mut Vec<SettingError>) -> Option<T> {
    read.map_err(|error| problems.push(error)).ok()
}

fn optional<'a>(root: &'a Table, key: &str) -> settings::Result<Option<&'a Table>> {
    root.table(key)
        .map_err(|error| error.help(format!("write it as a section, with a line [{key}] above its keys")))
}

fn required<'a>(root: &'a Table, key: &str, example: &str) -> settings::Result<&'a Table> {
    root.table(key).map_err(|error| error.help(example))?.ok_or_else(|| root.missing(key).help(example))
}

/// Also a learner over whole numbers, which has them all one day, and a data saver around such a learner.
fn ends_by_itself(learner: &Table) -> bool {
    let inner = |key| learner.table(key).is_ok_and(|inner| inner.is_some_and(ends_by_itself));
    match learner.text("type") {
        Ok(Some("data_saver")) => inner("learner"),
        Ok(Some("1d" | "2d" | "nd")) => is_integer(learner),
        Ok(Some(kind)) => ENDING_LEARNERS.contains(&kind),
        _ => false,
    }
}

/// What an integrator calls its loss neither falls steadily nor towards zero (upstream: the same).
fn loss_of_an_integral(root: &Table, learner: Option<&Table>) -> Option<SettingError> {
    let mut learner = learner?;
    while let Ok(Some(inner)) = learner.table("learner") {
        learner = inner;
    }
    let is_integrator = learner.text("type").is_ok_and(|kind| kind == Some("integrator"));
    let goal =
        root.table("goal").ok().flatten().filter(|goal| is_integrator && goal.get("loss").is_some())?;
    let help = "set `tol` in [learner], and write done = true instead";
    Some(goal.error("loss", "`goal.loss` is no goal for an integral").help(help))
}

/// Longest name: files get suffixes, and most file systems end at 255 bytes.
const LONGEST_NAME: usize = 200;

fn name(root: &Table, path: &Path) -> settings::Result<String> {
    let written = root.text("name")?;
    let stem = path.file_stem().map(|stem| stem.to_string_lossy().into_owned());
    let name = written.map(str::to_owned).or(stem).unwrap_or_default();
    let good = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | '+' | '=' | ',');
    let starts_well = name.chars().next().is_some_and(|c| c.is_alphanumeric() || c == '_');
    if starts_well && name.chars().all(good) && name.len() <= LONGEST_NAME {
        return Ok(name);
    }
    let whence = if written.is_some() { "" } else { " (from the name of the file)" };
    Err(root
        .error(
            "name",
            format!("`{name}`{whence} can't be the name of a study").replace("``", "an empty text"),
        )
        .help(format!(
            "files are named after it: write one of letters, digits, `_`, `-` and `.` in the study file, at most \
             {LONGEST_NAME} bytes, as in name = \"resonance\""
        )))
}

pub(super) fn strategy(root: &Table) -> settings::Result<&'static str> {
    let Some(table) = optional(root, "balancing")? else { return Ok(STRATEGIES[0]) };
    let Some(name) = table.text("strategy")? else {
        table.finish()?;
        return Ok(STRATEGIES[0]);
    };
    let strategy = STRATEGIES.into_iter().find(|strategy| *strategy == name).ok_or_else(|| {
        unknown(
            &table.error("strategy", "").span,
            &format!("unknown strategy `{name}`"),
            name,
            STRATEGIES.into_iter(),
        )
    })?;
    table.finish()?;
    Ok(strategy)
}

/// What a batch system is to be asked for.
pub(super) fn check_scheduler(table: &Table) -> settings::Result<()> {
    const SYSTEMS: [&str; 1] = ["slurm"];
    if let Some(system) = table.text("system")?
        && !SYSTEMS.contains(&system)
    {
        let span = table.error("system", "").span;
        let message = format!("unknown batch system `{system}`").replace("``", "without a name");
        return Err(unknown(&span, &message, system, SYSTEMS.into_iter()));
    }
    table.count("ntasks")?;
    table.text("partition")?;
    table.finish()
}

const SECTIONS: [&str; 10] = [
    "name",
    "function",
    "parameters",
    "cases",
    "learner",
    "goal",
    "balancing",
    "run",
    "checkpoint",
    "scheduler",
];

/// Every top-level key that is none of ours. A section that is missing because its name is misspelt is one
/// problem, not two.
fn unknown_sections(root: &Table, problems: &mut Vec<SettingError>) {
    for (key, span, setting) in root.entries() {
        if SECTIONS.contains(&key.as_str()) {
            continue;
        }
        let is_table = matches!(setting.value, SettingValue::Table(_) | SettingValue::List(_));
        let what = if is_table { "section" } else { "key" };
        let mut problem = unknown(span, &format!("unknown {what} `{key}`"), key, SECTIONS.into_iter());
        match (nearest(key, SECTIONS.into_iter()), home_of(key, "")) {
            (Some(meant), _) => problems.retain(|other| other.message != format!("`{meant}` is missing")),
            (None, Some(home)) => {
                problem.help = format!("write it below [{home}], not above the first section")
            }
            (None, None) => {}
        }
        problems.push(problem);
    }
}

/// `goal = "forever"` below a section's header is a key of that section; this is told instead of a goal that
/// is missing.
fn stray_goal(root: &Table, problems: &mut Vec<SettingError>) {
    let stray = root.entries().iter().find_map(|(section, _, setting)| match &setting.value {
        SettingValue::Table(table) => {
            table.entries().iter().find(|(key, ..)| key == "goal").map(|(_, span, _)| (section, span))
        }
        _ => None,
    });
    if let Some((section, span)) = stray
        && root.get("goal").is_none()
    {
        problems.retain(|other| other.message != "`goal` is missing" && other.span != *span);
        problems.push(
            SettingError::new(span, format!("`goal` stands in [{section}]"))
                .help("move it above the first [section]; or write a section [goal]"),
        );
    }
}

/// What is missing from the whole file has no place there: it is shown where it could be added, at the end.
fn place_at_end(problems: &mut [SettingError], text: &str) {
    let end = text.trim_end().len();
    for problem in problems.iter_mut().filter(|problem| problem.span == (0..0)) {
        problem.span = end..end;
    }
}

#[cfg(test)]
mod tests;
