//! Jobs under a real controller with two nodes: submitted with `sbatch`, started with `srun --mpi=pmi2` as one world
//! over both nodes. The SLURM example is cancelled and submitted again until the goal; other jobs lose workers.
//!
//! `scripts/test-slurm` starts the controller, builds with MPICH and sets `ADAPTIVE_MPI_SLURM_TEST`; without it
//! there is nothing to test against, and the test says so.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test panics with the reason, or says that it was skipped"
)]
#![cfg(all(feature = "mpi", feature = "hdf5"))]

use adaptive_mpi::checkpoint::{self, Loaded};
use nix::sys::signal::{self, Signal};
use nix::unistd::Pid;
use std::collections::HashSet;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

const LONGEST: Duration = Duration::from_secs(240);

fn slurm(program: &str, arguments: &[&str], folder: &Path) -> String {
    let mut command = Command::new(program);
    command.args(arguments).current_dir(folder);
    command.env("ADAPTIVE_MPI", env!("CARGO_BIN_EXE_adaptive-mpi")).env("RESUBMIT", "0");
    let output = command.output().unwrap_or_else(|error| panic!("{program}: {error}"));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success(),
        "{program} {arguments:?}: {text}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    text
}

struct Job<'a> {
    id: String,
    folder: &'a Path,
}

impl<'a> Job<'a> {
    fn submit(folder: &'a Path, options: &[&str]) -> Self {
        let arguments: Vec<&str> = options.iter().copied().chain(["--parsable", "job.sh"]).collect();
        Self { id: slurm("sbatch", &arguments, folder).trim().to_owned(), folder }
    }

    /// `JobState` and `ExitCode` as SLURM shows them.
    fn state(&self) -> (String, String) {
        let shown = slurm("scontrol", &["show", "job", &self.id], self.folder);
        let field = |name: &str| {
            let word = shown.split_whitespace().find_map(|word| word.strip_prefix(name));
            word.unwrap_or_default().to_owned()
        };
        (field("JobState="), field("ExitCode="))
    }

    fn output(&self) -> String {
        std::fs::read_to_string(self.folder.join(format!("job-{}.out", self.id))).unwrap_or_default()
    }

    /// The process of a rank.
    fn rank(&self, rank: u32) -> Option<Pid> {
        let program = Path::new(env!("CARGO_BIN_EXE_adaptive-mpi"));
        let wanted = [format!("SLURM_JOB_ID={}", self.id), format!("SLURM_PROCID={rank}")];
        let pids = std::fs::read_dir("/proc").unwrap().flatten();
        let mut pids = pids.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
        let pid = pids.find(|pid| {
            let environ = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
            let has = |entry: &String| environ.split(|byte| *byte == 0).any(|word| word == entry.as_bytes());
            std::fs::read_link(format!("/proc/{pid}/exe")).is_ok_and(|exe| exe == program)
                && wanted.iter().all(has)
        });
        pid.map(Pid::from_raw)
    }

    fn wait(&self) -> (String, String) {
        wait_for(&format!("the end of job {}", self.id), || {
            let (state, code) = self.state();
            (!["PENDING", "RUNNING", "CONFIGURING", "COMPLETING"].contains(&state.as_str()))
                .then_some((state, code))
        })
    }
}

fn wait_for<T>(what: &str, mut found: impl FnMut() -> Option<T>) -> T {
    let begin = Instant::now();
    loop {
        if let Some(found) = found() {
            return found;
        }
        assert!(begin.elapsed() < LONGEST, "waited too long for {what}");
        std::thread::sleep(Duration::from_millis(200));
    }
}

fn example() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("examples/slurm")
}

fn copy_example() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for name in ["adaptive.toml", "model.py", "job.sh"] {
        std::fs::copy(example().join(name), folder.path().join(name)).unwrap();
    }
    // Each call leaves a line, so that the test can tell what was computed twice.
    let path = folder.path().join("model.py");
    let model = std::fs::read_to_string(&path).unwrap();
    let counting = "\n_transmission = transmission\n\ndef transmission(energy, disorder):\n    \
                    with open('calls.txt', 'a') as calls:\n        calls.write(f'{energy!r} {disorder!r}\\n')\n    \
                    return _transmission(energy, disorder)\n";
    std::fs::write(&path, model + counting).unwrap();
    folder
}

/// Calls of the function, and how many of them were for different points.
fn calls(folder: &Path) -> (usize, usize) {
    let text = std::fs::read_to_string(folder.join("calls.txt")).unwrap();
    let different: HashSet<&str> = text.lines().collect();
    (text.lines().count(), different.len())
}

fn results(folder: &Path) -> Loaded {
    checkpoint::read(folder.join("data"), "wire").unwrap()
}

/// One at a time, where there is a SLURM to test against.
fn controller() -> Option<MutexGuard<'static, ()>> {
    static CONTROLLER: Mutex<()> = Mutex::new(());
    if std::env::var_os("ADAPTIVE_MPI_SLURM_TEST").is_none() {
        println!("skipped: no SLURM here; scripts/test-slurm starts one");
        return None;
    }
    Some(CONTROLLER.lock().unwrap_or_else(PoisonError::into_inner))
}

/// Every sample with its value, by bits. Panics if one is there twice.
fn samples(loaded: &Loaded) -> HashSet<(u32, u64, u64)> {
    let mut samples = HashSet::new();
    for row in loaded.columns.iter() {
        let sample = (row.learner, row.point[0].to_bits(), row.values[0].to_bits());
        assert!(samples.insert(sample), "{sample:?} is there twice");
    }
    samples
}

#[test]
fn a_cancelled_job_is_submitted_again_and_reaches_the_goal() {
    let Some(_controller) = controller() else { return };
    let folder = copy_example();
    let folder = folder.path();

    // First job: cancelled while it runs.
    let first = Job::submit(folder, &[]);
    wait_for("the first points", || (results(folder).columns.len() > 60).then_some(()));
    slurm("scancel", &[&first.id], folder);
    let (state, _) = first.wait();
    assert_eq!(state, "CANCELLED", "{}", first.output());
    let output = first.output();
    assert!(output.contains("1 manager, 5 workers"), "one world of six ranks: {output}");
    let after_first = results(folder);
    let before = samples(&after_first);
    assert!(before.len() > 60 && before.len() < 600, "{} points after the first job", before.len());

    // Second job: its time limit is near from the start, so it stops in good order and says that it can go on.
    let second = Job::submit(folder, &["--time=1"]);
    let (state, code) = second.wait();
    let after_second = samples(&results(folder));
    assert!(after_second.is_superset(&before), "points were lost");
    if after_second.len() < 600 {
        assert_eq!((state.as_str(), code.as_str()), ("FAILED", "75:0"), "{}", second.output());
    }

    // Third job: to the goal.
    let third = Job::submit(folder, &[]);
    let (state, code) = third.wait();
    assert_eq!((state.as_str(), code.as_str()), ("COMPLETED", "0:0"), "{}", third.output());
    let end = results(folder);
    let all = samples(&end);
    assert!(all.is_superset(&after_second), "points were lost");
    for learner in 0..4 {
        let npoints = end.columns.iter().filter(|row| row.learner == learner).count();
        assert!(npoints >= 150, "learner {learner} has {npoints} points");
    }
    // Computed twice: only what was in flight when a job ended, at most two tasks for each of five workers.
    let (calls, different) = calls(folder);
    assert_eq!(different, all.len(), "each point that was computed is there");
    assert!(calls - different <= 10, "{} points were computed twice", calls - different);
}

/// A job with a script in the place of the program, whose `run` does this first. Its state in the end.
fn submit_wrapped<'a>(folder: &'a Path, run: &str) -> (Job<'a>, String) {
    let program = env!("CARGO_BIN_EXE_adaptive-mpi");
    let wrapped = folder.join("wrapped");
    let text = format!("#!/bin/bash\nif [ \"$1\" = run ]; then {run}; fi\nexec {program} \"$@\"\n");
    std::fs::write(&wrapped, text).unwrap();
    std::fs::set_permissions(&wrapped, std::fs::Permissions::from_mode(0o755)).unwrap();
    let variables = format!("--export=ALL,RESUBMIT=3,ADAPTIVE_MPI={}", wrapped.display());
    let job = Job::submit(folder, &[&variables]);
    // A job keeps its own copy of the script.
    std::fs::remove_file(folder.join("job.sh")).unwrap();
    let (state, _) = job.wait();
    (job, state)
}

#[test]
fn a_crash_at_the_start_is_not_taken_for_the_end_of_the_run_before() {
    let Some(_controller) = controller() else { return };
    for (goal, walltime, earlier) in [("npoints = 3", "60s", 0), ("npoints = 150", "4s", 75)] {
        let folder = copy_example();
        let folder = folder.path();
        let study = std::fs::read_to_string(folder.join("adaptive.toml")).unwrap();
        std::fs::write(folder.join("adaptive.toml"), study.replace("npoints = 150", goal)).unwrap();
        let mut run = Command::new(env!("CARGO_BIN_EXE_adaptive-mpi"));
        run.args(["run", "--quiet", "--workers=1", "--walltime", walltime]).current_dir(folder);
        assert_eq!(run.status().unwrap().code(), Some(earlier));
        let (job, state) = submit_wrapped(folder, "kill -SEGV $$");
        let output = job.output();
        assert!(state == "FAILED" && !output.contains("stopped early"), "{state}: {output}");
    }
}

#[test]
fn a_job_is_followed_by_another_only_if_it_got_further() {
    let Some(_controller) = controller() else { return };
    let folder = copy_example();
    let folder = folder.path();
    let by_turn = "case $RESUBMIT in 3) set -- \"$@\" --walltime=8s ;; *) exit 75 ;; esac";
    let (first, _) = submit_wrapped(folder, by_turn);
    let output = first.output();
    assert!(output.contains("stopped early: going on in that job"), "{output}");
    let id = output.lines().find_map(|line| line.strip_prefix("Submitted batch job ")).unwrap().to_owned();
    let second = Job { id, folder };
    let (state, code) = second.wait();
    let output = second.output();
    assert_eq!((state.as_str(), code.as_str()), ("FAILED", "75:0"), "{output}");
    assert!(output.contains("without a new result") && !output.contains("Submitted"), "{output}");
}

const LOSSES: &str = r#"
name = "wire"
[function]
python = "model.py:h"
data = ["table.txt"]
[learner]
type = "1d"
bounds = [0, 1]
[goal]
npoints = 900
[run]
unresponsive_after = "1s"
[checkpoint]
interval = "100ms"
"#;
const MODEL: &str = "import os, time\nTABLE = float(open(os.environ['ADAPTIVE_MPI_DATA'] + '/table.txt').read())\n\
                     def h(x):\n    time.sleep(0.005)\n    return TABLE + x\n";

#[test]
fn a_step_outlives_its_workers() {
    let Some(_controller) = controller() else { return };
    // Workers that are seen by their processes, and such that are seen by their pulses only, as on real nodes.
    for node_size in ["99", "1"] {
        for signal in [Signal::SIGKILL, Signal::SIGSTOP] {
            let folder = tempfile::tempdir().unwrap();
            let folder = folder.path();
            for (name, text) in [("adaptive.toml", LOSSES), ("model.py", MODEL), ("table.txt", "1.5")] {
                std::fs::write(folder.join(name), text).unwrap();
            }
            std::fs::copy(example().join("job.sh"), folder.join("job.sh")).unwrap();
            let job = Job::submit(folder, &[&format!("--export=ALL,ADAPTIVE_MPI_NODE_SIZE={node_size}")]);
            // One on each node.
            for (rank, points) in [(2, 60), (4, 200)] {
                wait_for("points", || (results(folder).columns.len() >= points).then_some(()));
                signal::kill(job.rank(rank).unwrap(), signal).unwrap();
            }
            let (state, code) = job.wait();
            let output = job.output();
            println!("{signal}, nodes of {node_size}: {output}");
            // Although srun ends with the code of a dead rank.
            assert_eq!((state.as_str(), code.as_str()), ("COMPLETED", "0:0"));
            assert!(output.contains("worker loss: survivable"), "{output}");
            assert!(output.contains("goal reached: npoints >= 900"), "{output}");
            let end = results(folder);
            assert_eq!((samples(&end).len(), end.failures.len()), (900, 0));
            assert!(end.columns.iter().all(|row| row.values == [1.5 + row.point[0]]));
            assert!((0..6).all(|rank| job.rank(rank).is_none()), "a rank is left behind");
        }
    }
}
