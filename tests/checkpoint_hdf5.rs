//! What only checkpoints with HDF5 have: snapshots, their layout, and damage to them.
#![cfg(feature = "hdf5")]
#![expect(clippy::unwrap_used, reason = "a test may fail loudly")]

use adaptive_mpi::checkpoint::*;
use adaptive_mpi::model::{Detail, Failure, FailureKind, Parameter, Parameters, Point, Sample, Value};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

fn options(folder: &Path) -> Options {
    let header = Header {
        study_text: "name = \"a\"\n# ünïcode\n".into(),
        study_hash: "abc".into(),
        dimensions: vec!["x".into()],
        ..Header::new("study")
    };
    Options::new(folder, "run", header)
}

fn told(i: usize) -> Fact {
    let sample = Sample { learner: 0, replica: 0, point: Point::scalar(i as f64) };
    let meta = Meta { worker: 1, attempt: 0, started: 1e9, duration: 0.5 };
    Fact::Told(Told { sample, value: Value::scalar(0.5 * i as f64), meta })
}

fn ending() -> Ending {
    Ending::new(EndingKind::Goal, "npoints = 3")
}

#[test]
fn samples_in_flight_are_kept_until_they_have_a_result() {
    let folder = tempfile::tempdir().unwrap();
    let (mut checkpoint, _) = Checkpoint::open(&options(folder.path())).unwrap();
    checkpoint.append(&told(0));
    let sample = |i: usize| Sample::at(Point::scalar(i as f64));
    checkpoint.snapshot_now(vec![sample(1), sample(2), Sample::default()]).unwrap();
    checkpoint.append(&told(1));
    drop(checkpoint);
    let loaded = read(folder.path(), "run").unwrap();
    assert_eq!(loaded.in_flight, [sample(2), Sample::default()]);
    assert_eq!(loaded.generation, 1);
}

#[test]
fn ten_thousand_learners_are_rows_with_their_parameters() {
    let folder = tempfile::tempdir().unwrap();
    let mut options = options(folder.path());
    let mixed = |i: usize| match i % 4 {
        0 => Parameter::Integer(i as i64),
        1 => Parameter::Float(0.1 * i as f64),
        2 => Parameter::Text(format!("t\u{fc}{i}")),
        _ => Parameter::Bool(true),
    };
    options.header.learners = (0..10_000)
        .map(|i| {
            let mut row = vec![
                ("offset".into(), Parameter::Float(i as f64 / 3.0)),
                ("n".into(), Parameter::Integer(i as i64 - 7)),
                ("on".into(), Parameter::Bool(i % 2 == 0)),
                ("label".into(), Parameter::Text(format!("é{i}"))),
                ("a/b".into(), mixed(i)),
                ("npoints".into(), if i % 2 == 0 { mixed(0) } else { mixed(1) }),
            ];
            if i % 3 == 0 {
                row.push(("rare".into(), Parameter::Integer(i64::MAX)));
            }
            Parameters(row)
        })
        .collect();
    let (mut checkpoint, _) = Checkpoint::open(&options).unwrap();
    for i in 0..10_000 {
        let sample = Sample::at(Point::scalar(1.0)).of_learner(i);
        checkpoint.append(&Fact::Told(Told { sample, value: Value::scalar(2.0), ..Told::default() }));
    }
    checkpoint.close(vec![], ending()).unwrap();
    std::fs::remove_file(folder.path().join("run.journal")).unwrap();
    std::fs::remove_file(folder.path().join("run.journal.old")).unwrap();
    let loaded = read(folder.path(), "run").unwrap();
    assert_eq!(loaded.header.unwrap().learners, options.header.learners);
    assert_eq!(loaded.columns.len(), 10_000);
    let size = std::fs::metadata(folder.path().join("run.h5")).unwrap().len();
    assert!(size < 3_000_000, "{size} bytes");
}

#[test]
fn values_of_very_different_lengths_are_not_padded() {
    let folder = tempfile::tempdir().unwrap();
    let (mut checkpoint, _) = Checkpoint::open(&options(folder.path())).unwrap();
    for i in 0..200_usize {
        let n = if i == 77 { 100_000 } else { i % 3 };
        let value = Value::vector(&vec![i as f64; n]);
        checkpoint.append(&Fact::Told(Told { value, ..Told::default() }));
    }
    checkpoint.close(vec![], ending()).unwrap();
    std::fs::remove_file(folder.path().join("run.journal")).unwrap();
    std::fs::remove_file(folder.path().join("run.journal.old")).unwrap();
    let loaded = read(folder.path(), "run").unwrap();
    let lengths: Vec<usize> = loaded.columns.iter().map(|row| row.values.len()).collect();
    assert!(lengths.iter().enumerate().all(|(i, n)| *n == if i == 77 { 100_000 } else { i % 3 }));
    assert_eq!(loaded.columns.get(77).unwrap().values[99_999], 77.0);
    assert!(std::fs::metadata(folder.path().join("run.h5")).unwrap().len() < 2_000_000);
}

#[test]
fn a_flipped_byte_in_a_snapshot_is_found_and_the_older_files_are_used() {
    let folder = tempfile::tempdir().unwrap();
    let (mut checkpoint, _) = Checkpoint::open(&options(folder.path())).unwrap();
    for i in 0..40 {
        checkpoint.append(&told(i));
        if i % 10 == 9 {
            checkpoint.snapshot_now(vec![]).unwrap();
        }
    }
    drop(checkpoint);
    let path = folder.path().join("run.h5");
    let good = std::fs::read(&path).unwrap();
    for at in (0..good.len()).step_by(23) {
        let mut bytes = good.clone();
        bytes[at] ^= 0x20;
        std::fs::write(&path, &bytes).unwrap();
        let loaded = read(folder.path(), "run").unwrap();
        assert!(loaded.losses.is_empty() && loaded.facts().eq((0..40).map(told)), "byte {at}");
        assert!(loaded.notices[0].contains("run.h5 can't be read"), "byte {at}: {:?}", loaded.notices);
    }
}

#[test]
fn a_snapshot_that_can_t_be_read_is_never_a_start_from_zero() {
    let folder = tempfile::tempdir().unwrap();
    let (mut checkpoint, _) = Checkpoint::open(&options(folder.path())).unwrap();
    for i in 0..20 {
        checkpoint.append(&told(i));
    }
    checkpoint.close(vec![], ending()).unwrap();
    for journal in ["run.journal", "run.journal.old"] {
        std::fs::remove_file(folder.path().join(journal)).unwrap();
    }
    let path = folder.path().join("run.h5");
    let good = std::fs::read(&path).unwrap();
    std::fs::write(&path, &good[..good.len() / 2]).unwrap();
    let error = Checkpoint::open(&options(folder.path())).err().unwrap();
    assert!(matches!(error, CheckpointError::Unreadable { .. }), "{error}");
    assert_eq!(std::fs::read(&path).unwrap(), &good[..good.len() / 2]);
    let accepting = Options { accept_losses: true, ..options(folder.path()) };
    let (checkpoint, loaded) = Checkpoint::open(&accepting).unwrap();
    assert!(loaded.is_empty() && !loaded.losses.is_empty());
    checkpoint.close(vec![], ending()).unwrap();
    let aside = folder.path().join("run.h5.unreadable-1");
    assert_eq!(std::fs::read(aside).unwrap(), &good[..good.len() / 2]);
}

#[test]
fn a_snapshot_that_another_process_has_locked_is_read_all_the_same() {
    use nix::fcntl::{Flock, FlockArg};
    let folder = tempfile::tempdir().unwrap();
    let (mut checkpoint, _) = Checkpoint::open(&options(folder.path())).unwrap();
    checkpoint.append(&told(0));
    checkpoint.close(vec![], ending()).unwrap();
    let file = std::fs::File::open(folder.path().join("run.h5")).unwrap();
    let Ok(_locked) = Flock::lock(file, FlockArg::LockExclusiveNonblock) else { panic!("no lock") };
    let loaded = read(folder.path(), "run").unwrap();
    assert_eq!((loaded.generation, loaded.notices), (1, vec![]));
}

#[test]
fn background_snapshots_come_by_interval_and_only_when_something_is_new() {
    let folder = tempfile::tempdir().unwrap();
    let (mut checkpoint, _) = Checkpoint::open(&options(folder.path())).unwrap();
    let start = Instant::now();
    checkpoint.append(&told(0));
    checkpoint.tick(start, &Vec::new).unwrap();
    checkpoint.tick(start + Duration::from_secs(299), &|| panic!("not yet")).unwrap();
    let now = start + Duration::from_secs(301);
    checkpoint.tick(now, &Vec::new).unwrap();
    while checkpoint.stats().snapshots == 0 {
        checkpoint.tick(now, &|| panic!("one is enough")).unwrap();
        std::thread::yield_now();
    }
    checkpoint.tick(now + Duration::from_secs(1000), &|| panic!("nothing is new")).unwrap();
    assert_eq!(read(folder.path(), "run").unwrap().generation, 1);
}

/// The Python that has h5py: `$PYTHON`, or that of the system.
fn python() -> Option<String> {
    let python = std::env::var("PYTHON").unwrap_or_else(|_| "/usr/bin/python3".into());
    let status = Command::new(&python).args(["-c", "import h5py, numpy"]).output().ok()?.status;
    status.success().then_some(python)
}

fn fill(folder: &Path, compress: bool) {
    let mut options = Options { compress, ..options(folder) };
    options.header.dimensions = vec!["x".into(), "t".into()];
    options.header.outputs = vec!["re".into(), "im".into()];
    let row = |i: i64| {
        Parameters(vec![
            ("a".into(), Parameter::Float(i as f64 + 0.5)),
            ("n".into(), Parameter::Integer(i - 1)),
            ("on".into(), Parameter::Bool(i % 2 == 0)),
            ("label".into(), Parameter::Text(format!("l{i}"))),
        ])
    };
    options.header.learners = (0..3).map(row).collect();
    let (mut checkpoint, _) = Checkpoint::open(&options).unwrap();
    for i in 0..1000_u32 {
        let x = f64::from(i);
        let mut value = Value::vector(&[1.0 / (1.0 + x), if i == 0 { f64::NAN } else { f64::INFINITY }]);
        if i == 10 {
            let extra = Some("{\"é\": 10}".to_owned());
            value.detail = Some(Box::new(Detail { names: vec![], extra }));
        }
        let point = Point::new(&[x / 3.0, -x]);
        let sample = Sample { learner: i % 3, replica: u64::from(i) + (1 << 63), point };
        let meta = Meta { worker: i % 7, attempt: i % 2, started: 1.6e9 + x, duration: 0.25 * x };
        checkpoint.append(&Fact::Told(Told { sample, value, meta }));
    }
    for attempt in 0..3 {
        checkpoint.append(&Fact::Failed(Failed {
            sample: Sample::at(Point::new(&[1.0, 2.0])),
            failure: Failure::new(FailureKind::Timeout, "too slow"),
            meta: Meta { attempt, ..Meta::default() },
            given_up: attempt == 2,
        }));
    }
    let in_flight = Sample::at(Point::new(&[7.0, 8.0])).of_learner(2);
    checkpoint.close(vec![in_flight], ending()).unwrap();
}

#[test]
fn h5py_reads_the_same_values_types_and_attributes() {
    let Some(python) = python() else {
        println!("skipped: no Python with h5py (set PYTHON)");
        return;
    };
    for compress in [false, true] {
        let folder = tempfile::tempdir().unwrap();
        fill(folder.path(), compress);
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/read_with_h5py.py");
        let output = Command::new(&python).arg(script).arg(folder.path().join("run.h5")).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}
