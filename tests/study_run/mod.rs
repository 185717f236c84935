//! Runs of the real program in a folder of their own, for the end-to-end tests.
//!
//! Every process of a run carries a mark in its environment. So a run can be ended for certain, a rank can be
//! found by its number, and nothing may be left behind.

#![allow(dead_code, unused_imports, reason = "each test program uses a part of this")]

#[path = "../launcher/mod.rs"]
mod launcher;

use adaptive_mpi::checkpoint::{self, Loaded};
pub(crate) use launcher::{is_mpich, launcher, with_recovery};
use nix::sys::signal::{self, Signal};
use nix::unistd::Pid;
use serde_json::Value as Json;
use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// No run takes longer, whatever happens; far beyond what is needed on a loaded machine.
const LIMIT: Duration = Duration::from_secs(90);
/// How long after its launcher the last process of a run may end.
const LEAVE: Duration = Duration::from_secs(10);
/// Between two looks at something that another process does.
const LOOK: Duration = Duration::from_millis(3);
/// The system's own, where `python3` in PATH may be a slow wrapper.
const PYTHON: &str = "/usr/bin/python3";
const MARK: &str = "ADAPTIVE_MPI_TEST_RUN";

static NUMBER: AtomicU32 = AtomicU32::new(0);

/// The program under test.
pub(crate) fn program() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_adaptive-mpi"))
}

/// A folder with a study `adaptive.toml` and all its files.
pub(crate) struct Folder(tempfile::TempDir);

/// A point with its value, and which learner it belongs to, in the order told.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Row {
    pub(crate) learner: u32,
    pub(crate) point: Vec<f64>,
    pub(crate) values: Vec<f64>,
}

impl Folder {
    pub(crate) fn new(study: &str) -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        folder.write("adaptive.toml", study);
        folder
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        std::fs::write(self.file(name), text).unwrap();
    }

    /// The text of a file; empty if there is none.
    pub(crate) fn text(&self, name: &str) -> String {
        String::from_utf8_lossy(&std::fs::read(self.file(name)).unwrap_or_default()).into_owned()
    }

    /// All files with their contents, to see that nothing was touched.
    pub(crate) fn contents(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let (mut folders, mut found) = (vec![self.path().to_owned()], Vec::new());
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    found.push((path.clone(), std::fs::read(path).unwrap()));
                }
            }
        }
        found.sort();
        found
    }

    /// What the checkpoint holds right now.
    pub(crate) fn read(&self) -> Loaded {
        checkpoint::read(self.file("data"), "adaptive").unwrap_or_else(|error| panic!("{error}"))
    }

    /// The points that the checkpoint holds right now.
    pub(crate) fn rows(&self) -> Vec<Row> {
        rows(&self.read())
    }

    /// A command in this folder, as `["run", "--quiet"]`.
    pub(crate) fn command(&self, arguments: &[&str]) -> Launch {
        self.program(program(), arguments)
    }

    /// Any program in this folder.
    pub(crate) fn program(&self, program: &Path, arguments: &[&str]) -> Launch {
        let mut command = Command::new(program);
        command.args(arguments);
        Launch::new(command, self.path())
    }

    /// The same on `ranks` ranks under the launcher.
    pub(crate) fn ranks(&self, ranks: u32, arguments: &[&str]) -> Launch {
        self.flagged_ranks(&[], ranks, arguments)
    }

    /// The same with flags for the launcher.
    pub(crate) fn flagged_ranks(&self, flags: &[&str], ranks: u32, arguments: &[&str]) -> Launch {
        self.ranks_by(&launcher(), flags, ranks, arguments)
    }

    /// The same under some other launcher.
    pub(crate) fn ranks_by(&self, launcher: &str, flags: &[&str], ranks: u32, arguments: &[&str]) -> Launch {
        let mut command = Command::new(launcher);
        command.args(flags).args(["-n", &ranks.to_string()]).arg(program()).args(arguments);
        let mut launch = Launch::new(command, self.path());
        for (name, value) in [
            ("OMPI_ALLOW_RUN_AS_ROOT", "1"),
            ("OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1"),
            ("OMPI_MCA_rmaps_base_oversubscribe", "1"),
            ("OMPI_MCA_hwloc_base_binding_policy", "none"),
        ] {
            launch = launch.env(name, value);
        }
        launch
    }

    /// `adaptive-mpi run`, which has to end with this exit code.
    pub(crate) fn run(&self, code: i32, more: &[&str]) -> Ended {
        self.command(&[&["run"], more].concat()).end().expect(code)
    }

    /// `adaptive-mpi status --json`
    pub(crate) fn status(&self) -> Json {
        self.command(&["status", "--json", "--failures", "--learners"]).end().expect(0).json()
    }

    /// The rows of `adaptive-mpi export --format json`: column name to cell.
    pub(crate) fn export(&self) -> Vec<serde_json::Map<String, Json>> {
        let table = self.command(&["export", "--format", "json"]).end().expect(0).json();
        let columns: Vec<String> =
            table["columns"].as_array().unwrap().iter().map(|c| c.as_str().unwrap().to_owned()).collect();
        let rows = table["rows"].as_array().unwrap().iter();
        rows.map(|row| columns.iter().cloned().zip(row.as_array().unwrap().iter().cloned()).collect())
            .collect()
    }
}

/// The points of a checkpoint.
pub(crate) fn rows(loaded: &Loaded) -> Vec<Row> {
    let row = |row: checkpoint::Row<'_>| Row {
        learner: row.learner,
        point: row.point.to_vec(),
        values: row.values.to_vec(),
    };
    loaded.columns.iter().map(row).collect()
}

/// That no sample is there twice, and none of those known before is lost or changed.
pub(crate) fn check_rows(before: &[Row], after: &[Row], value: impl Fn(&Row) -> f64) {
    let key = |row: &Row| (row.learner, row.point.iter().map(|x| x.to_bits()).collect::<Vec<_>>());
    let mut known = std::collections::HashMap::new();
    for row in after {
        assert!(known.insert(key(row), row).is_none(), "told twice: {row:?}");
        assert_eq!(row.values, [value(row)], "{row:?}");
    }
    for row in before {
        assert_eq!(known.get(&key(row)), Some(&row), "told before, and lost");
    }
}

/// A command that is about to be started.
pub(crate) struct Launch {
    command: Command,
    mark: String,
}

impl Launch {
    fn new(mut command: Command, folder: &Path) -> Self {
        let mark = format!("{}-{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        for (name, _) in std::env::vars_os() {
            let text = name.to_string_lossy();
            if ["OMPI_COMM", "PMI", "SLURM_", "ADAPTIVE_MPI_"].iter().any(|start| text.starts_with(start)) {
                command.env_remove(&name);
            }
        }
        if std::env::var_os("PYTHON").is_none() && Path::new(PYTHON).exists() {
            command.env("PYTHON", PYTHON);
        }
        command.current_dir(folder).env(MARK, &mark).process_group(0);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        Self { command, mark }
    }

    /// The same command through a shell that does something before, such as setting a limit.
    pub(crate) fn after(self, shell: &str) -> Self {
        let mut words = vec![self.command.get_program().to_owned()];
        words.extend(self.command.get_args().map(ToOwned::to_owned));
        let mut command = Command::new("bash");
        command.arg("-c").arg(format!("{shell}; exec \"$@\"")).arg("bash").args(words);
        let mut launch = Self::new(command, self.command.get_current_dir().unwrap());
        for (name, value) in self.command.get_envs() {
            if let (Some(value), true) = (value, name != MARK) {
                launch.command.env(name, value);
            }
        }
        launch
    }

    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        self.command.env(name, value);
        self
    }

    /// As another user, where this one may do that.
    pub(crate) fn user(mut self, id: u32) -> Self {
        self.command.uid(id).gid(id);
        self
    }

    pub(crate) fn start(mut self) -> Running {
        let began = Instant::now();
        let name = self.command.get_program().to_owned();
        let mut child = self.command.spawn().unwrap_or_else(|error| panic!("{name:?}: {error}; set MPIEXEC"));
        let (out, err) = (Arc::default(), Arc::default());
        let readers = vec![
            read_all(child.stdout.take().unwrap(), Arc::clone(&out)),
            read_all(child.stderr.take().unwrap(), Arc::clone(&err)),
        ];
        let what = format!("{:?}", self.command.get_args().collect::<Vec<_>>());
        Running { child, mark: self.mark, out, err, readers, began, what }
    }

    /// Starts it and waits for its end.
    pub(crate) fn end(self) -> Ended {
        self.start().end()
    }
}

type Said = Arc<Mutex<String>>;

fn read_all(from: impl Read + Send + 'static, into: Said) -> JoinHandle<()> {
    std::thread::spawn(move || {
        let mut reader = BufReader::new(from);
        let mut line = Vec::new();
        while matches!(reader.read_until(b'\n', &mut line), Ok(n) if n > 0) {
            let text = String::from_utf8_lossy(&line).into_owned();
            into.lock().unwrap_or_else(PoisonError::into_inner).push_str(&text);
            line.clear();
        }
    })
}

/// A command that runs. Dropping it ends all its processes.
pub(crate) struct Running {
    child: Child,
    mark: String,
    out: Said,
    err: Said,
    readers: Vec<JoinHandle<()>>,
    began: Instant,
    what: String,
}

impl Running {
    /// The process that was started: the program itself, or its launcher.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it has said to standard error so far.
    pub(crate) fn said(&self) -> String {
        self.err.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// All processes of this run that live; zombies have no environment and do not count.
    pub(crate) fn processes(&self) -> Vec<u32> {
        let mark = format!("{MARK}={}", self.mark);
        let processes = std::fs::read_dir("/proc").unwrap().flatten();
        let pids = processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        pids.filter(|pid| environment(*pid).contains(&mark)).collect()
    }

    /// The process of a rank, if it is there yet.
    pub(crate) fn rank(&self, rank: u32) -> Option<u32> {
        let names = ["OMPI_COMM_WORLD_RANK", "PMI_RANK"].map(|name| format!("{name}={rank}"));
        self.processes().into_iter().find(|pid| {
            let is_program = std::fs::read_link(format!("/proc/{pid}/exe")).is_ok_and(|exe| exe == program());
            is_program && environment(*pid).iter().any(|entry| names.contains(entry))
        })
    }

    /// All ranks that are there.
    pub(crate) fn all_ranks(&self) -> Vec<u32> {
        (0..64).map_while(|rank| self.rank(rank)).collect()
    }

    /// Waits until something is so; false if the run ends before.
    pub(crate) fn until(&mut self, mut condition: impl FnMut(&Self) -> bool) -> bool {
        loop {
            if condition(self) {
                return true;
            }
            if self.child.try_wait().unwrap().is_some() {
                return condition(self);
            }
            if self.began.elapsed() > LIMIT {
                let said = self.said();
                self.kill_all();
                panic!("{}: what was waited for did not happen; it said\n{said}", self.what);
            }
            std::thread::sleep(LOOK);
        }
    }

    pub(crate) fn signal(&self, signal: Signal) {
        send(self.pid(), signal);
    }

    /// `kill -9` of everything, the launcher too, as long as anything is left.
    pub(crate) fn kill_all(&self) {
        for _ in 0..100 {
            let left = self.processes();
            left.iter().for_each(|pid| send(*pid, Signal::SIGKILL));
            if left.is_empty() {
                break;
            }
            std::thread::sleep(LOOK);
        }
    }

    /// Waits so long for its end, and then ends it by force.
    pub(crate) fn end_or_kill(mut self, patience: Duration) {
        let deadline = Instant::now() + patience;
        self.until(|_| Instant::now() > deadline);
        self.kill_all();
    }

    /// Waits for its end, and that nothing is left behind.
    pub(crate) fn end(mut self) -> Ended {
        let mut status = None;
        self.until(|_| false);
        while status.is_none() {
            status = self.child.try_wait().unwrap();
        }
        let ended = Instant::now();
        // A launcher may end a moment before its last rank has.
        while !self.processes().is_empty() {
            if ended.elapsed() > LEAVE {
                let left: Vec<String> = self.processes().iter().map(|pid| command_line(*pid)).collect();
                self.kill_all();
                panic!("{} left processes behind: {left:?}; it said\n{}", self.what, self.said());
            }
            std::thread::sleep(LOOK);
        }
        let took = self.began.elapsed();
        for reader in std::mem::take(&mut self.readers) {
            reader.join().unwrap();
        }
        let take = |said: &Said| std::mem::take(&mut *said.lock().unwrap_or_else(PoisonError::into_inner));
        Ended {
            code: status.and_then(|status| status.code()),
            out: take(&self.out),
            err: take(&self.err),
            took,
            what: std::mem::take(&mut self.what),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if !self.readers.is_empty() {
            self.kill_all();
        }
        let _ = self.child.wait();
    }
}

fn environment(pid: u32) -> Vec<String> {
    let bytes = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
    bytes.split(|byte| *byte == 0).map(|entry| String::from_utf8_lossy(entry).into_owned()).collect()
}

fn command_line(pid: u32) -> String {
    let bytes = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let mut text = format!("{pid}:");
    for word in bytes.split(|byte| *byte == 0) {
        let _ = write!(text, " {}", String::from_utf8_lossy(word));
    }
    text.chars().take(200).collect()
}

/// Sends a signal to a process, which may be gone.
pub(crate) fn send(pid: u32, signal: Signal) {
    let _ = signal::kill(Pid::from_raw(pid as i32), signal);
}

/// A command that has ended.
pub(crate) struct Ended {
    /// `None` if a signal ended it.
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
    pub(crate) took: Duration,
    what: String,
}

impl Ended {
    #[track_caller]
    pub(crate) fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{}\n{}\n{}", self.what, self.out, self.err);
        self
    }

    /// That it said this, to standard error.
    #[track_caller]
    pub(crate) fn says(self, text: &str) -> Self {
        assert!(self.err.contains(text), "{text:?} is not in what {} said:\n{}", self.what, self.err);
        self
    }

    /// Its output as JSON.
    #[track_caller]
    pub(crate) fn json(&self) -> Json {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}\n{}\n{}", self.out, self.err))
    }
}

/// Numbers that look random and can be repeated (xorshift, Marsaglia 2003).
pub(crate) struct Random(pub(crate) u64);

impl Random {
    /// From 0 to `limit` - 1.
    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}
