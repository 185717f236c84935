//! Writers that die: `kill -9` at random moments, a full disk. The writer is this same test program, started
//! again with a folder in an environment variable.

#![expect(clippy::unwrap_used, reason = "a test may fail loudly")]

use adaptive_mpi::checkpoint::*;
use adaptive_mpi::model::{Point, Sample, Value};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const FOLDER: &str = "ADAPTIVE_MPI_TEST_CHECKPOINT";
const LIMIT: &str = "ADAPTIVE_MPI_TEST_FILE_LIMIT";

fn options(folder: &Path) -> Options {
    Options {
        interval: Duration::from_millis(5),
        sync: SyncPolicy::Every(Duration::from_millis(20)),
        ..Options::new(folder, "run", Header::new("killed"))
    }
}

fn fact(i: usize) -> Fact {
    let sample = Sample { learner: 0, replica: i as u64, point: Point::scalar(i as f64) };
    let meta = Meta { worker: 1, attempt: 0, started: 1e9, duration: 0.5 };
    Fact::Told(Told { sample, value: Value::vector(&[1.0 / (1.0 + i as f64), 2.0]), meta })
}

/// Appends facts in batches and acknowledges each committed batch on `out` with the number of facts so far.
/// Snapshots come by interval, or, with `wait`, after every 500 facts, and are waited for. Ends after `most`
/// facts or with the first error that loses facts; warnings are passed on.
fn write(folder: &Path, most: usize, wait: bool, out: &mut dyn Write) -> Result<(), CheckpointError> {
    let (mut checkpoint, loaded) = Checkpoint::open(&options(folder))?;
    assert!(loaded.facts().eq((0..loaded.len()).map(fact)), "what was there is not what was written");
    let mut n = loaded.len();
    let mut snapshots = n / 500;
    let mut acknowledge = |line: String| {
        out.write_all(line.as_bytes()).and_then(|()| out.flush()).unwrap();
    };
    acknowledge(format!("@{n}\n"));
    while n < most {
        for _ in 0..1 + n % 8 {
            checkpoint.append(&fact(n));
            n += 1;
        }
        checkpoint.commit()?;
        acknowledge(format!("@{n}\n"));
        let kept = match wait {
            true if n / 500 > snapshots => {
                snapshots = n / 500;
                checkpoint.snapshot_now(vec![])
            }
            true => Ok(()),
            false => checkpoint.tick(Instant::now(), &Vec::new),
        };
        match kept {
            Err(warning) if warning.results_are_safe() => acknowledge(format!("warning {warning}\n")),
            other => other?,
        }
    }
    checkpoint.close(vec![], Ending::new(EndingKind::Stopped, "enough"))
}

#[test]
fn a_writer_writes_what_it_acknowledges() {
    // Started by another test: this process is the writer.
    if let Some(folder) = std::env::var_os(FOLDER) {
        let limit = std::env::var(LIMIT).ok().and_then(|text| text.parse().ok());
        if let Some(limit) = limit {
            use nix::sys::resource::{Resource, setrlimit};
            use nix::sys::signal::{SigSet, SigmaskHow, Signal, sigprocmask};
            // Blocked, the signal of the limit leaves only the error, as a full disk does.
            let mut signals = SigSet::empty();
            signals.add(Signal::SIGXFSZ);
            sigprocmask(SigmaskHow::SIG_BLOCK, Some(&signals), None).unwrap();
            setrlimit(Resource::RLIMIT_FSIZE, limit, limit).unwrap();
        }
        let mut out = std::io::stdout().lock();
        if let Err(error) = write(Path::new(&folder), 3_000_000, limit.is_some(), &mut out) {
            writeln!(out, "error {error}").unwrap();
        }
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let mut said = Vec::new();
    write(folder.path(), 500, false, &mut said).unwrap();
    let last = String::from_utf8(said).unwrap().lines().filter_map(acknowledged).next_back();
    let loaded = read(folder.path(), "run").unwrap();
    assert!(loaded.facts().eq((0..loaded.len()).map(fact)) && Some(loaded.len()) == last);
}

fn start_writer(folder: &Path, limit: Option<u64>) -> Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["a_writer_writes_what_it_acknowledges", "--exact", "--nocapture"]);
    command.env(FOLDER, folder).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    if let Some(limit) = limit {
        command.env(LIMIT, limit.to_string());
    }
    command.spawn().unwrap()
}

/// The number in an acknowledgement, which may share its line with the test harness.
fn acknowledged(line: &str) -> Option<usize> {
    line.rsplit_once('@').and_then(|(_, number)| number.trim().parse().ok())
}

#[test]
fn nothing_acknowledged_is_lost_by_kill_9_at_any_moment() {
    let folder = tempfile::tempdir().unwrap();
    let mut known = 0;
    // A fixed sequence that looks random, so that a failure can be repeated.
    let mut random = 88_172_645_463_325_252_u64;
    for round in 0..40 {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        let last = known + 1 + random as usize % 4000;
        let mut writer = start_writer(folder.path(), None);
        let mut lines = BufReader::new(writer.stdout.take().unwrap()).lines();
        // Kills once so many facts are acknowledged, then reads what was acknowledged before death.
        for line in lines.by_ref() {
            if let Some(n) = acknowledged(&line.unwrap()) {
                assert!(n >= known, "round {round}: {n} facts after {known}");
                known = n;
                if n >= last {
                    break;
                }
            }
        }
        assert!(known >= last, "round {round}: the writer ended on its own");
        writer.kill().unwrap();
        known = lines.map_while(Result::ok).filter_map(|line| acknowledged(&line)).fold(known, usize::max);
        writer.wait().unwrap();
        let loaded = read(folder.path(), "run").unwrap();
        assert!(loaded.len() >= known, "round {round}: {} of {known} facts", loaded.len());
        assert!(loaded.facts().eq((0..loaded.len()).map(fact)), "round {round}");
        assert!(loaded.losses.is_empty() && loaded.holder.is_none(), "round {round}");
        // At most one batch was written but not acknowledged.
        assert!(loaded.len() <= known + 8, "round {round}: {} facts, {known} acknowledged", loaded.len());
    }
    let (_, loaded) = Checkpoint::open(&options(folder.path())).unwrap();
    assert!(loaded.facts().eq((0..loaded.len()).map(fact)));
    assert!(loaded.notices.iter().any(|notice| notice.contains("took over the lock")));
}

#[test]
fn a_full_disk_stops_the_run_with_all_acknowledged_facts_safe() {
    // A limit on the size of files stands for a full disk: it needs no rights, and fails in the same calls.
    for limit in [20_000, 333_333] {
        let folder = tempfile::tempdir().unwrap();
        let mut writer = start_writer(folder.path(), Some(limit));
        let lines = BufReader::new(writer.stdout.take().unwrap()).lines();
        let (mut known, mut warnings, mut errors) = (0, 0, Vec::new());
        for line in lines.map_while(Result::ok) {
            if let Some(n) = acknowledged(&line) {
                known = n;
            }
            warnings += usize::from(line.starts_with("warning"));
            if line.starts_with("error") {
                errors.push(line);
            }
        }
        assert!(writer.wait().unwrap().success(), "it should end in order");
        assert!(errors.len() == 1 && errors[0].contains("could not write"), "{errors:?}");
        assert!(errors[0].contains("run.journal"), "{errors:?}");
        let loaded = read(folder.path(), "run").unwrap();
        assert!(loaded.len() >= known && known > 0, "{} of {known} facts", loaded.len());
        assert!(loaded.facts().eq((0..loaded.len()).map(fact)) && loaded.losses.is_empty());
        assert!(!folder.path().join("run.h5.new").exists());
        // With room again, it goes on.
        let (mut checkpoint, loaded) = Checkpoint::open(&options(folder.path())).unwrap();
        checkpoint.append(&fact(loaded.len()));
        checkpoint.close(vec![], Ending::new(EndingKind::Goal, "done")).unwrap();
        let after = read(folder.path(), "run").unwrap();
        assert!(after.facts().eq((0..loaded.len() + 1).map(fact)));
        // The snapshot no longer fits long before the journal does, as that begins anew.
        assert!(warnings > 0 || cfg!(not(feature = "hdf5")) || limit < 100_000, "{known} facts");
    }
}
