//! Checkpoints through their public interface: what is written is what is read, in any circumstances.

#![expect(clippy::unwrap_used, reason = "a test may fail loudly")]

use adaptive_mpi::checkpoint::*;
use adaptive_mpi::model::{Detail, Failure, FailureKind, Parameter, Parameters, Point, Sample, Value};
use proptest::prelude::*;
use std::path::Path;
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

/// Facts compared by bits, so that NaN equals NaN.
fn bits(fact: &Fact) -> String {
    let numbers = |numbers: &[f64]| numbers.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
    match fact {
        Fact::Told(told) => format!(
            "{} {} {:?} {:?} {:?} {:?}",
            told.sample.learner,
            told.sample.replica,
            numbers(&told.sample.point),
            numbers(&told.value.components),
            told.value.detail.as_ref().and_then(|d| d.extra.clone()),
            told.meta
        ),
        Fact::Failed(failed) => {
            format!("{:?} {:?} {:?}", numbers(&failed.sample.point), failed.failure, failed.meta)
        }
    }
}

fn any_number() -> impl Strategy<Value = f64> {
    prop_oneof![any::<f64>(), Just(f64::NAN), Just(f64::INFINITY), Just(-0.0)]
}

fn any_sample() -> impl Strategy<Value = Sample> {
    (0..5_u32, any::<u64>(), proptest::collection::vec(any_number(), 0..4))
        .prop_map(|(learner, replica, x)| Sample { learner, replica, point: Point::new(&x) })
}

fn any_meta() -> impl Strategy<Value = Meta> {
    (any::<u32>(), any::<u32>(), 0.0..2e9, 0.0..1e6).prop_map(|(worker, attempt, started, duration)| Meta {
        worker,
        attempt,
        started,
        duration,
    })
}

fn any_fact() -> impl Strategy<Value = Fact> {
    let value = (proptest::collection::vec(any_number(), 0..5), proptest::option::of("[a-z{}\"é]{1,9}"))
        .prop_map(|(y, extra)| {
            let detail = extra.map(|extra| Box::new(Detail { names: vec![], extra: Some(extra) }));
            Value { detail, ..Value::vector(&y) }
        });
    let kind = (0..FailureKind::ALL.len()).prop_map(|i| FailureKind::ALL[i].0);
    prop_oneof![
        4 => (any_sample(), value, any_meta())
            .prop_map(|(sample, value, meta)| Fact::Told(Told { sample, value, meta })),
        1 => (any_sample(), kind, "\\PC{0,20}", "\\PC{0,20}", any_meta(), any::<bool>()).prop_map(
            |(sample, kind, message, detail, meta, given_up)| {
                let failure = Failure::new(kind, message).with_detail(detail);
                Fact::Failed(Failed { sample, failure, meta, given_up })
            }
        ),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn any_facts_come_back_bit_by_bit_through_snapshots_and_journals(
        facts in proptest::collection::vec(any_fact(), 0..60),
        snapshots in proptest::collection::vec(0..60_usize, 0..5),
        compress in any::<bool>(),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let options = Options { compress, sync: SyncPolicy::Never, ..options(folder.path()) };
        let (mut checkpoint, _) = Checkpoint::open(&options).unwrap();
        for (i, fact) in facts.iter().enumerate() {
            checkpoint.append(fact);
            if snapshots.contains(&i) {
                checkpoint.snapshot_now(vec![]).unwrap();
            }
        }
        checkpoint.commit().unwrap();
        let expected: Vec<String> = facts.iter().map(bits).collect();
        let loaded = read(folder.path(), "run").unwrap();
        prop_assert_eq!(loaded.facts().map(|f| bits(&f)).collect::<Vec<_>>(), expected.clone());
        checkpoint.close(vec![], ending()).unwrap();
        let loaded = read(folder.path(), "run").unwrap();
        prop_assert_eq!(loaded.facts().map(|f| bits(&f)).collect::<Vec<_>>(), expected);
        prop_assert_eq!(loaded.ended.unwrap().ending, ending());
        prop_assert!(loaded.notices.is_empty() && loaded.losses.is_empty());
    }
}

#[test]
fn a_checkpoint_without_files_is_empty() {
    let folder = tempfile::tempdir().unwrap();
    let loaded = read(folder.path(), "nothing").unwrap();
    assert!(loaded.header.is_none() && loaded.is_empty() && loaded.holder.is_none());
}

#[test]
fn a_run_goes_on_where_it_ended() {
    let folder = tempfile::tempdir().unwrap();
    let mut created = None;
    for round in 0..5 {
        let (mut checkpoint, loaded) = Checkpoint::open(&options(folder.path())).unwrap();
        assert_eq!(loaded.columns.len(), 10 * round);
        assert_eq!(loaded.ended.is_some(), round > 0);
        let header = checkpoint.header().clone();
        assert_eq!(*created.get_or_insert(header.created), header.created);
        for i in 0..10 {
            checkpoint.append(&told(10 * round + i));
        }
        checkpoint.commit().unwrap();
        let meanwhile = read(folder.path(), "run").unwrap();
        assert!(meanwhile.ended.is_none() && meanwhile.holder.is_some());
        checkpoint.close(vec![], ending()).unwrap();
    }
    assert!(!folder.path().join("run.lock").exists());
    assert_eq!(folder.path().join("run.h5.old").exists(), cfg!(feature = "hdf5"));
}

#[test]
fn the_names_of_outputs_are_kept_from_the_first_value_that_has_them() {
    let folder = tempfile::tempdir().unwrap();
    let (mut checkpoint, _) = Checkpoint::open(&options(folder.path())).unwrap();
    let names = vec!["energy".to_owned()];
    let detail = Some(Box::new(Detail { names: names.clone(), extra: None }));
    let value = Value { detail, ..Value::scalar(1.0) };
    let fact = Fact::Told(Told { value, ..Told::default() });
    checkpoint.append(&fact);
    checkpoint.commit().unwrap();
    assert!(read(folder.path(), "run").unwrap().facts().eq([fact.clone()]));
    checkpoint.close(vec![], ending()).unwrap();
    let loaded = read(folder.path(), "run").unwrap();
    assert_eq!(loaded.header.as_ref().unwrap().outputs, names);
    assert!(loaded.facts().eq([fact]));
}

/// A value with named outputs at a place.
fn named(x: f64, outputs: &[(&str, f64)]) -> Told {
    let names = outputs.iter().map(|(name, _)| (*name).to_owned()).collect();
    let mut value = Value::vector(&outputs.iter().map(|(_, y)| *y).collect::<Vec<_>>());
    value.detail = Some(Box::new(Detail { names, extra: None }));
    let sample = Sample { learner: 0, replica: 0, point: Point::scalar(x) };
    Told { sample, value, ..Told::default() }
}

#[test]
fn outputs_in_another_order_are_not_stored_under_each_others_names() {
    for told_first in [false, true] {
        let folder = tempfile::tempdir().unwrap();
        let (mut checkpoint, _) = Checkpoint::open(&options(folder.path())).unwrap();
        let first = Fact::Told(named(0.0, &[("a", 1.0), ("b", 2.0)]));
        if told_first {
            checkpoint.append(&first);
        }
        checkpoint.append_early(&named(1.0, &[("b", 20.0), ("a", 10.0)]));
        checkpoint.append_early(&named(2.0, &[("a", 100.0), ("b", 200.0)]));
        checkpoint.append_early(&named(3.0, &[("c", 0.0)]));
        if !told_first {
            checkpoint.commit().unwrap();
            let early = read(folder.path(), "run").unwrap().early;
            let values: Vec<_> = early.iter().map(|told| told.value.components.to_vec()).collect();
            assert_eq!(values, [[20.0, 10.0], [200.0, 100.0]], "in the order of the first to arrive");
            checkpoint.append(&first);
        }
        checkpoint.commit().unwrap();
        let loaded = read(folder.path(), "run").unwrap();
        assert_eq!(loaded.header.as_ref().unwrap().outputs, ["a", "b"]);
        assert!(loaded.facts().eq([first]));
        let values: Vec<_> = loaded.early.iter().map(|told| told.value.components.to_vec()).collect();
        assert_eq!(values, [[10.0, 20.0], [100.0, 200.0]]);
    }
}

#[test]
fn a_second_writer_is_refused_and_the_first_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let (mut first, _) = Checkpoint::open(&options(folder.path())).unwrap();
    let error = Checkpoint::open(&options(folder.path())).err().unwrap();
    let CheckpointError::Locked { holder, .. } = &error else { panic!("{error}") };
    assert_eq!(holder.pid, std::process::id());
    let breaking = Options { break_lock: true, ..options(folder.path()) };
    assert!(matches!(Checkpoint::open(&breaking), Err(CheckpointError::Locked { .. })), "it is alive, here");
    first.append(&told(0));
    first.commit().unwrap();
    drop(first);
    let (_, loaded) = Checkpoint::open(&options(folder.path())).unwrap();
    assert_eq!(loaded.columns.len(), 1);
}

#[test]
fn learners_that_another_run_has_added_meanwhile_are_not_given_other_meanings() {
    let folder = tempfile::tempdir().unwrap();
    let with = |names: &[&str]| {
        let combo = |name: &&str| Parameters(vec![("a".into(), Parameter::Text((*name).into()))]);
        let learners = names.iter().map(combo).collect();
        let header = Header { learners, ..options(folder.path()).header };
        Options { header, ..options(folder.path()) }
    };
    drop(Checkpoint::open(&with(&["one", "two"])).unwrap());
    // Both have read a file with the first one only.
    let error = Checkpoint::open(&with(&["one", "three"])).err().unwrap();
    assert!(matches!(error, CheckpointError::Changed { .. }), "{error}");
    let (_, loaded) = Checkpoint::open(&with(&["one", "two", "three"])).unwrap();
    assert_eq!(loaded.header.unwrap().learners.len(), 2, "as it was");
}

fn leave_lock(folder: &Path, holder: &Holder) {
    std::fs::write(folder.join("run.lock"), serde_json::to_string(holder).unwrap()).unwrap();
}

#[test]
fn the_lock_of_a_dead_process_on_this_host_is_taken_over_with_a_notice() {
    let folder = tempfile::tempdir().unwrap();
    let mut child = std::process::Command::new("true").spawn().unwrap();
    child.wait().unwrap();
    leave_lock(folder.path(), &Holder { pid: child.id(), ..Holder::me() });
    assert!(read(folder.path(), "run").unwrap().holder.is_none());
    let (_, loaded) = Checkpoint::open(&options(folder.path())).unwrap();
    assert!(loaded.notices[0].contains("took over the lock"), "{:?}", loaded.notices);
}

#[test]
fn the_lock_of_another_host_is_respected_until_it_is_broken() {
    let folder = tempfile::tempdir().unwrap();
    let other = Holder { host: "node7".into(), job: Some("4711".into()), ..Holder::me() };
    leave_lock(folder.path(), &other);
    let error = Checkpoint::open(&options(folder.path())).err().unwrap().to_string();
    assert!(error.contains("node7") && error.contains("squeue -j 4711"), "{error}");
    assert_eq!(read(folder.path(), "run").unwrap().holder, Some(other));
    let breaking = Options { break_lock: true, ..options(folder.path()) };
    let (_, loaded) = Checkpoint::open(&breaking).unwrap();
    assert!(loaded.notices[0].contains("broke the lock"), "{:?}", loaded.notices);
}

#[test]
fn a_garbled_lock_is_respected_too() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("run.lock"), b"").unwrap();
    let error = Checkpoint::open(&options(folder.path())).err().unwrap();
    assert!(matches!(error, CheckpointError::Locked { .. }), "{error}");
}

#[test]
fn a_writer_whose_lock_was_broken_writes_no_more_snapshots() {
    let folder = tempfile::tempdir().unwrap();
    let (mut checkpoint, _) = Checkpoint::open(&options(folder.path())).unwrap();
    std::fs::remove_file(folder.path().join("run.lock")).unwrap();
    leave_lock(folder.path(), &Holder { host: "node7".into(), ..Holder::me() });
    checkpoint.append(&told(0));
    let result = checkpoint.snapshot_now(vec![]);
    assert_eq!(matches!(result, Err(CheckpointError::LockLost { .. })), cfg!(feature = "hdf5"));
    drop(checkpoint);
    assert!(folder.path().join("run.lock").exists(), "it belongs to node7");
}

#[test]
fn a_folder_that_can_t_be_written_is_told_at_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, b"").unwrap();
    // Permissions don't stop root, so a file in place of the folder stands for them as well.
    let error = Checkpoint::open(&options(&file)).err().unwrap();
    assert!(matches!(error, CheckpointError::NotSaved { .. }) && !error.results_are_safe(), "{error}");
}

#[test]
fn a_newer_format_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let (mut checkpoint, _) = Checkpoint::open(&options(folder.path())).unwrap();
    checkpoint.append(&told(0));
    drop(checkpoint);
    let path = folder.path().join("run.journal");
    let good = std::fs::read(&path).unwrap();
    // Raises a half of the version and makes the head's checksum right again.
    let with_version = |major: u16, minor: u16| {
        let mut bytes = good.clone();
        bytes[8..10].copy_from_slice(&major.to_le_bytes());
        bytes[10..12].copy_from_slice(&minor.to_le_bytes());
        let length = u32::from_le_bytes(bytes[12..16].try_into().unwrap()) as usize;
        let mut checksum = crc32fast::Hasher::new();
        checksum.update(&bytes[8..16]);
        checksum.update(&bytes[20..20 + length]);
        bytes[16..20].copy_from_slice(&checksum.finalize().to_le_bytes());
        bytes
    };
    let newer = with_version(2, 0);
    std::fs::write(&path, &newer).unwrap();
    let error = Checkpoint::open(&options(folder.path())).err().unwrap();
    assert!(error.to_string().contains("format 2.0"), "{error}");
    assert!(matches!(read(folder.path(), "run"), Err(CheckpointError::Newer { .. })));
    assert_eq!(std::fs::read(&path).unwrap(), newer);
    // A newer minor version is readable, but not for a writer that might leave out what it doesn't know.
    std::fs::write(&path, with_version(1, 9)).unwrap();
    assert_eq!(read(folder.path(), "run").unwrap().columns.len(), 1);
    assert!(matches!(Checkpoint::open(&options(folder.path())), Err(CheckpointError::Newer { .. })));
}

#[test]
fn files_of_two_runs_are_not_mixed() {
    let folder = tempfile::tempdir().unwrap();
    let journal = folder.path().join("run.journal");
    for n in [3, 5] {
        let (mut checkpoint, _) = Checkpoint::open(&options(folder.path())).unwrap();
        for i in 0..n {
            checkpoint.append(&told(i));
        }
        checkpoint.close(vec![], ending()).unwrap();
        for entry in std::fs::read_dir(folder.path()).unwrap() {
            let path = entry.unwrap().path();
            let keep = if n == 3 { "aside" } else { "run" };
            if path == journal && n == 3 {
                std::fs::rename(&path, folder.path().join("aside")).unwrap();
            } else if !path.file_name().unwrap().to_string_lossy().starts_with(keep)
                && path != folder.path().join("aside")
            {
                std::fs::remove_file(&path).unwrap();
            }
        }
    }
    if cfg!(feature = "hdf5") {
        std::fs::rename(folder.path().join("aside"), &journal).unwrap();
        let error = Checkpoint::open(&options(folder.path())).err().unwrap().to_string();
        assert!(error.contains("another run"), "{error}");
    }
}

#[test]
fn a_reader_sees_a_growing_prefix_while_a_writer_writes() {
    let folder = tempfile::tempdir().unwrap();
    let options = Options { interval: Duration::ZERO, sync: SyncPolicy::Never, ..options(folder.path()) };
    let (mut checkpoint, _) = Checkpoint::open(&options).unwrap();
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let (mut reads, mut last) = (0, 0);
            while !done.load(std::sync::atomic::Ordering::SeqCst) || reads == 0 {
                let loaded = read(folder.path(), "run").unwrap();
                assert_eq!(loaded.losses, Vec::<String>::new());
                assert!(loaded.len() >= last);
                last = loaded.len();
                assert!(loaded.facts().eq((0..last).map(told)));
                reads += 1;
            }
            reads
        });
        let mut i = 0;
        while i < 3000 || cfg!(feature = "hdf5") && checkpoint.stats().snapshots < 6 {
            checkpoint.append(&told(i));
            checkpoint.commit().unwrap();
            checkpoint.tick(Instant::now(), &Vec::new).unwrap();
            i += 1;
        }
        done.store(true, std::sync::atomic::Ordering::SeqCst);
        assert!(reader.join().unwrap() > 0);
    });
    checkpoint.close(vec![], ending()).unwrap();
}

#[cfg(feature = "hdf5")]
#[test]
fn what_a_snapshot_has_does_not_wait_for_its_turn_though_the_journal_that_told_it_is_lost() {
    let folder = tempfile::tempdir().unwrap();
    let Fact::Told(value) = told(7) else { unreachable!() };
    let (mut checkpoint, _) = Checkpoint::open(&options(folder.path())).unwrap();
    checkpoint.append_early(&value);
    checkpoint.commit().unwrap();
    let journal = std::fs::read(folder.path().join("run.journal")).unwrap();
    assert_eq!(read(folder.path(), "run").unwrap().early, [value]);
    checkpoint.append(&told(7));
    checkpoint.snapshot_now(vec![]).unwrap();
    drop(checkpoint);
    std::fs::write(folder.path().join("run.journal.old"), journal).unwrap();
    std::fs::remove_file(folder.path().join("run.journal")).unwrap();
    let found = read(folder.path(), "run").unwrap();
    assert_eq!((found.columns.len(), found.early), (1, vec![]));
}

#[test]
fn values_that_wait_for_their_turn_are_kept_through_rotations_until_they_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let value = |i| match told(i) {
        Fact::Told(told) => told,
        Fact::Failed(_) => unreachable!(),
    };
    let early = || read(folder.path(), "run").unwrap().early;
    let (mut checkpoint, _) = Checkpoint::open(&options(folder.path())).unwrap();
    checkpoint.append_early(&value(100));
    checkpoint.append_early(&value(101));
    checkpoint.commit().unwrap();
    assert_eq!(early(), [value(100), value(101)]);
    for i in 0..6 {
        checkpoint.append(&told(i));
        checkpoint.snapshot_now(vec![]).unwrap();
        assert_eq!(early(), [value(100), value(101)], "after snapshot {i}");
    }
    drop(checkpoint);
    let (mut checkpoint, loaded) = Checkpoint::open(&options(folder.path())).unwrap();
    assert_eq!(loaded.early, [value(100), value(101)]);
    checkpoint.append(&told(101));
    for i in 6..10 {
        checkpoint.append(&told(i));
        checkpoint.snapshot_now(vec![]).unwrap();
    }
    assert_eq!(early(), [value(100)]);
    checkpoint.append(&told(100));
    checkpoint.close(vec![], ending()).unwrap();
    let end = read(folder.path(), "run").unwrap();
    assert!(end.early.is_empty());
    assert_eq!(end.columns.len(), 12);
}
