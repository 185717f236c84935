//! `[run]` and `[checkpoint]`: how a study is run and kept. Nothing here changes what is computed.

use crate::model::settings::{self, Setting, SettingError, SettingValue, Table, unknown};
use crate::runner::NanPolicy;
use std::path::PathBuf;
use std::time::Duration;

/// `[run]`: what happens to failures, how much is in flight, when to stop early.
#[derive(Clone, Debug, PartialEq)]
pub struct RunOptions {
    /// How often a failed point is tried again (default 10; 0: never).
    pub retries: u32,
    /// Whether a point that failed once more than that ends the run (exit 4). Else it is listed under
    /// failures, and the run goes on (default).
    pub raise_if_retries_exceeded: bool,
    /// What a NaN or infinite component means (default: a value like any other).
    pub nan: NanPolicy,
    /// Tell results in the order in which their points were asked, so that any number of workers gives the same
    /// points, values and order, and so does a run that was stopped or killed and goes on (default: as they come). What waits for a
    /// slower point before it is saved, too, and told in its turn, be it by the next run.
    pub deterministic: bool,
    /// Where to write every ask and tell.
    pub log: Log,
    /// Worker threads of a run without MPI; `None`: one per core.
    pub workers: Option<usize>,
    /// Tasks in flight; `None`: chosen from the measured duration of tasks.
    pub in_flight: Option<usize>,
    /// How long to wait for points in flight when the run stops (default 30 s; 0: drop them).
    pub grace: Duration,
    /// The time limit of the allocation, counted from the start of the program; `None`: as the batch system
    /// says, or none.
    pub walltime: Option<Duration>,
    /// How long before the end of the walltime the run stops (default 60 s). Includes the grace.
    pub walltime_margin: Duration,
    /// Time between two plain progress lines (default 30 s); `None`: no progress.
    pub progress: Option<Duration>,
    /// A worker whose process shows no sign of life for this time is given up, until it is back (default 10 s).
    pub unresponsive_after: Duration,
    /// Start a point that takes far longer than others on an idle worker too; the first answer counts (default: no).
    pub duplicate_stragglers: bool,
}

/// Whether all asks and tells are written to a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Log {
    /// No.
    Off,
    /// To `NAME.log` in the checkpoint's folder; earlier ones stay as `NAME.log.1` and so on.
    Default,
    /// To this file.
    File(PathBuf),
}

/// `[checkpoint]`: where results are kept.
#[derive(Clone, Debug, PartialEq)]
pub struct CheckpointOptions {
    /// Folder of all files of the study (default `data`); in a study file, relative to the folder of that file.
    pub folder: PathBuf,
    /// Time between two checkpoints (default 5 min). The journal holds what came after the last one.
    pub interval: Duration,
    /// Compress the columns (default: no).
    pub compress: bool,
    /// Whether to also force results to the disk, against a loss of power, this often (default 10 s; 0: with
    /// every write). A crash of the program loses nothing in any case.
    pub sync_interval: Duration,
}

impl Default for RunOptions {
    fn default() -> Self {
        Self {
            retries: 10,
            raise_if_retries_exceeded: false,
            nan: NanPolicy::Accept,
            deterministic: false,
            log: Log::Off,
            workers: None,
            in_flight: None,
            grace: Duration::from_secs(30),
            walltime: None,
            walltime_margin: Duration::from_secs(60),
            progress: Some(Duration::from_secs(30)),
            unresponsive_after: Duration::from_secs(10),
            duplicate_stragglers: false,
        }
    }
}

impl Default for CheckpointOptions {
    fn default() -> Self {
        Self {
            folder: PathBuf::from("data"),
            interval: Duration::from_secs(300),
            compress: false,
            sync_interval: Duration::from_secs(10),
        }
    }
}

/// Puts what was read in place of a default; a problem is noted and leaves the default.
fn put<T>(place: &mut T, read: settings::Result<Option<T>>, problems: &mut Vec<SettingError>) {
    match read {
        Ok(Some(value)) => *place = value,
        Ok(None) => {}
        Err(error) => problems.push(error),
    }
}

impl RunOptions {
    /// Reads `[run]` with all its keys; problems are appended and leave the defaults.
    pub fn read(table: &Table, problems: &mut Vec<SettingError>) -> Self {
        let mut run = Self::default();
        put(&mut run.retries, retries(table), problems);
        put(&mut run.raise_if_retries_exceeded, table.bool("raise_if_retries_exceeded"), problems);
        put(&mut run.nan, nan(table), problems);
        put(&mut run.deterministic, table.bool("deterministic"), problems);
        put(&mut run.log, log(table), problems);
        put(&mut run.workers, auto_or_count(table, "workers"), problems);
        put(&mut run.in_flight, auto_or_count(table, "in_flight"), problems);
        put(&mut run.grace, table.duration("grace"), problems);
        put(&mut run.walltime, positive(table, "walltime").map(|time| time.map(Some)), problems);
        put(&mut run.walltime_margin, table.duration("walltime_margin"), problems);
        put(&mut run.progress, progress(table), problems);
        put(&mut run.unresponsive_after, positive(table, "unresponsive_after"), problems);
        put(&mut run.duplicate_stragglers, table.bool("duplicate_stragglers"), problems);
        if let Err(error) = table.finish() {
            problems.push(error);
        }
        if let Some(walltime) = run.walltime
            && walltime <= run.walltime_margin
        {
            problems.push(
                table
                    .error(
                        "walltime",
                        format!("`run.walltime` is not longer than its margin of {:?}", run.walltime_margin),
                    )
                    .help("there would be no time left to sample: set a longer time, or a smaller `walltime_margin`"),
            );
        }
        run
    }
}

impl CheckpointOptions {
    /// Reads `[checkpoint]` with all its keys; problems are appended and leave the defaults.
    pub fn read(table: &Table, problems: &mut Vec<SettingError>) -> Self {
        let mut checkpoint = Self::default();
        let folder = table.text("folder").and_then(|folder| match folder {
            Some("") => Err(table
                .error("folder", "`checkpoint.folder` is empty")
                .help("write \".\" for the folder of the study file")),
            Some(home) if home == "~" || home.starts_with("~/") => Err(table
                .error("folder", "`checkpoint.folder` begins with `~`, which only a shell knows")
                .help("write the whole path")),
            folder => Ok(folder.map(PathBuf::from)),
        });
        put(&mut checkpoint.folder, folder, problems);
        put(&mut checkpoint.interval, positive(table, "interval"), problems);
        put(&mut checkpoint.compress, table.bool("compress"), problems);
        put(&mut checkpoint.sync_interval, table.duration("sync_interval"), problems);
        if let Err(error) = table.finish() {
            problems.push(error);
        }
        checkpoint
    }
}

fn retries(table: &Table) -> settings::Result<Option<u32>> {
    let Some(retries) = table.count("retries")? else { return Ok(None) };
    u32::try_from(retries).map(Some).map_err(|_| {
        table
            .error("retries", format!("`run.retries` is {retries}, more than {}", u32::MAX))
            .help("a point that fails ten times will hardly succeed: the default is 10")
    })
}

const NAN_POLICIES: [(&str, NanPolicy); 2] = [("accept", NanPolicy::Accept), ("fail", NanPolicy::Fail)];

fn nan(table: &Table) -> settings::Result<Option<NanPolicy>> {
    let values =
        "write nan = \"accept\" if NaN and infinite values are values, \"fail\" if they are failures";
    let Some(name) = table.text("nan").map_err(|error| error.help(values))? else { return Ok(None) };
    match NAN_POLICIES.iter().find(|(n, _)| *n == name) {
        Some((_, policy)) => Ok(Some(*policy)),
        None => {
            let span = table.error("nan", "").span;
            let names = NAN_POLICIES.iter().map(|(name, _)| *name);
            Err(unknown(&span, &format!("unknown policy `{name}` for `run.nan`"), name, names))
        }
    }
}

fn log(table: &Table) -> settings::Result<Option<Log>> {
    let Some(setting) = table.get("log") else { return Ok(None) };
    match &setting.value {
        SettingValue::Bool(true) => Ok(Some(Log::Default)),
        SettingValue::Bool(false) => Ok(Some(Log::Off)),
        SettingValue::Text(path) if !path.is_empty() => Ok(Some(Log::File(PathBuf::from(path)))),
        _ => Err(table
            .error("log", "`run.log` should be true, false or the name of a file")
            .help("log = true writes every ask and tell to NAME.log beside the checkpoint")),
    }
}

/// A count of 1 or more, or `"auto"` for `None`.
fn auto_or_count(table: &Table, key: &str) -> settings::Result<Option<Option<usize>>> {
    let Some(setting) = table.get(key) else { return Ok(None) };
    let path = table.path_of(key);
    match &setting.value {
        SettingValue::Text(text) if text == "auto" => Ok(Some(None)),
        SettingValue::Integer(_) | SettingValue::Float(_) => match setting.count(&path)? {
            // Far beyond any machine, and small enough that sums of it can't overflow.
            n @ 1..=1_000_000_000 => Ok(Some(Some(n as usize))),
            n => Err(table.error(key, format!("`{path}` can't be {n}")).help(COUNT_ADVICE)),
        },
        _ => Err(table
            .error(key, format!("`{path}` should be a whole number, but is {}", setting.kind()))
            .help(COUNT_ADVICE)),
    }
}

const COUNT_ADVICE: &str = "write a whole number, 1 or more, or \"auto\"";

fn positive(table: &Table, key: &str) -> settings::Result<Option<Duration>> {
    match table.duration(key)? {
        Some(Duration::ZERO) => Err(table
            .error(key, format!("`{}` is 0", table.path_of(key)))
            .help("write it as \"90s\", \"10min\", \"1h 30m\"")),
        duration => Ok(duration),
    }
}

fn progress(table: &Table) -> settings::Result<Option<Option<Duration>>> {
    match table.get("progress") {
        Some(Setting { value: SettingValue::Bool(false), .. }) => Ok(Some(None)),
        _ => positive(table, "progress")
            .map(|time| time.map(Some))
            .map_err(|error| error.help("write the time between two lines as \"30s\", or false for none")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(text: &str) -> (RunOptions, Vec<SettingError>) {
        let mut problems = Vec::new();
        let mut table = super::super::tree::read(text).unwrap();
        table.path = "run".into();
        (RunOptions::read(&table, &mut problems), problems)
    }

    #[test]
    fn an_empty_section_gives_the_defaults() {
        assert_eq!(run(""), (RunOptions::default(), Vec::new()));
    }

    #[test]
    fn every_key_of_run_is_read() {
        let text = "retries = 0\nraise_if_retries_exceeded = true\nnan = 'fail'\ndeterministic = true\nlog = 'a.log'\n\
                    workers = 4\nin_flight = 'auto'\ngrace = 0\nwalltime = '1d'\nwalltime_margin = '5min'\nprogress = false\n\
                    unresponsive_after = '3s'\nduplicate_stragglers = true\n";
        let expected = RunOptions {
            retries: 0,
            raise_if_retries_exceeded: true,
            nan: NanPolicy::Fail,
            deterministic: true,
            log: Log::File("a.log".into()),
            workers: Some(4),
            in_flight: None,
            grace: Duration::ZERO,
            walltime: Some(Duration::from_secs(86400)),
            walltime_margin: Duration::from_secs(300),
            progress: None,
            unresponsive_after: Duration::from_secs(3),
            duplicate_stragglers: true,
        };
        assert_eq!(run(text), (expected, Vec::new()));
    }

    #[test]
    fn each_bad_key_is_a_problem_of_its_own() {
        let (_, problems) =
            run("retries = -1\nnan = 'acept'\nlog = 3\nworkers = 0\nin_flight = 'many'\nprogress = 0");
        assert_eq!(problems.len(), 6);
        assert_eq!(problems[1].help, "did you mean `accept`?");
        let (_, problems) = run("nan = true");
        assert!(problems[0].help.contains("\"accept\"") && problems[0].help.contains("\"fail\""));
    }

    #[test]
    fn a_margin_as_long_as_the_walltime_is_refused() {
        let (_, problems) = run("walltime = '1min'");
        assert!(problems[0].help.contains("walltime_margin"));
    }
}
