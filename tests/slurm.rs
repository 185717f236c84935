//! The SLURM example under a real controller with two nodes: submitted with `sbatch`, started with
//! `srun --mpi=pmi2` as one world over both nodes, cancelled, submitted again until the goal.
//!
//! `scripts/test-slurm` starts the controller, builds with MPICH and sets `ADAPTIVE_MPI_SLURM_TEST`; without it
//! there is nothing to test against, and the test says so.

#![allow(clippy::unwrap_used, reason = "a test panics with the reason")]
#![cfg(all(feature = "mpi", feature = "hdf5"))]

use adaptive_mpi::checkpoint::{self, Loaded};
use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

const LONGEST: Duration = Duration::from_secs(240);

fn slurm(program: &str, arguments: &[&str], folder: &Path) -> String {
    let mut command = Command::new(program);
    command.args(arguments).current_dir(folder);
    command.env("ADAPTIVE_MPI", env!("CARGO_BIN_EXE_adaptive-mpi")).env("RESUBMIT", "no");
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

fn copy_example() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let example = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("examples/slurm");
    for name in ["adaptive.toml", "model.py", "job.sh"] {
        std::fs::copy(example.join(name), folder.path().join(name)).unwrap();
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
    if std::env::var_os("ADAPTIVE_MPI_SLURM_TEST").is_none() {
        println!("skipped: no SLURM here; scripts/test-slurm starts one");
        return;
    }
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
