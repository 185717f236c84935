//! Crashes between any two steps, and damage at any byte, with the parts that only this module sees.

use super::files::{BeforeStep, Files, Part};
use super::*;
use crate::model::{Failure, FailureKind, Point, Sample, Value};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// In memory where possible: these tests sync thousands of files.
fn folder() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

fn header() -> Header {
    Header { study_text: "[function]\n".into(), dimensions: vec!["x".into()], ..Header::new("test") }
}

fn options(folder: &std::path::Path) -> Options {
    Options { sync: SyncPolicy::Never, interval: Duration::ZERO, ..Options::new(folder, "run", header()) }
}

fn fact(i: usize) -> Fact {
    let sample = Sample { learner: 0, replica: i as u64, point: Point::scalar(i as f64) };
    let meta = Meta { worker: 1 + i as u32 % 3, attempt: 0, started: 1e9 + i as f64, duration: 0.25 };
    if i % 5 == 3 {
        let failure = Failure::new(FailureKind::Timeout, format!("slow at {i}")).with_detail("trace");
        Fact::Failed(Failed { sample, failure, meta, given_up: i.is_multiple_of(2) })
    } else {
        Fact::Told(Told { sample, value: Value::scalar(-(i as f64)), meta })
    }
}

fn facts(range: std::ops::Range<usize>) -> Vec<Fact> {
    range.map(fact).collect()
}

/// A machine that stops before its `stop`th step: that step and all later ones fail.
fn machine(folder: &std::path::Path, stop: usize) -> (Files, Arc<AtomicUsize>) {
    let steps = Arc::new(AtomicUsize::new(0));
    let counter = steps.clone();
    let before: BeforeStep = Arc::new(move |_| {
        if counter.fetch_add(1, Ordering::SeqCst) >= stop {
            return Err(io::Error::other("the machine stopped"));
        }
        Ok(())
    });
    (Files::new(folder, "run").before_each_step(before), steps)
}

/// Five runs' worth of snapshots; returns how many facts were committed.
fn live(options: &Options, files: Files) -> usize {
    let Ok((mut checkpoint, _)) = Checkpoint::open_files(options, files) else { return 0 };
    let mut committed = 0;
    for i in 0..30 {
        checkpoint.append(&fact(i));
        if checkpoint.commit().is_ok() {
            committed = i + 1;
        }
        if i % 6 == 5 {
            // Failures are what this is about.
            let _ = checkpoint.snapshot_now(vec![]);
        }
    }
    committed
}

#[test]
fn a_crash_between_any_two_steps_loses_and_doubles_nothing() {
    let mut stop = 0;
    loop {
        let folder = folder();
        let options = options(folder.path());
        let (files, steps) = machine(folder.path(), stop);
        let committed = live(&options, files);
        let whole = steps.load(Ordering::SeqCst) <= stop;
        let seen = read(folder.path(), "run").unwrap();
        assert_eq!(seen.losses, Vec::<String>::new(), "stopped at step {stop}");
        let (checkpoint, loaded) = Checkpoint::open(&options).unwrap();
        assert!(loaded.len() >= committed, "{} of {committed} facts, step {stop}", loaded.len());
        assert!(loaded.facts().eq(facts(0..loaded.len())), "stopped at step {stop}");
        assert!(seen.facts().eq(loaded.facts()));
        drop(checkpoint);
        // The generation before is good too, with the journals: pretend that the newest is damaged.
        if Files::new(folder.path(), "run").exists(Part::Snapshot) {
            // Another file of that name: the two generations may be links to one.
            std::fs::remove_file(folder.path().join("run.h5")).unwrap();
            std::fs::write(folder.path().join("run.h5"), b"not HDF5 at all").unwrap();
            let (mut checkpoint, loaded) = Checkpoint::open(&options).unwrap();
            assert!(loaded.facts().eq(facts(0..loaded.len())) && loaded.len() >= committed, "step {stop}");
            assert!(loaded.notices.iter().any(|n| n.contains("unreadable-1")), "{:?}", loaded.notices);
            // And so it goes on.
            let n = loaded.len();
            checkpoint.append(&fact(n));
            checkpoint.snapshot_now(vec![]).unwrap();
            drop(checkpoint);
            assert!(read(folder.path(), "run").unwrap().facts().eq(facts(0..n + 1)));
        }
        if whole {
            assert!(stop > if cfg!(feature = "hdf5") { 60 } else { 25 }, "only {stop} steps");
            return;
        }
        stop += 1;
    }
}

#[test]
fn a_single_failing_step_is_told_and_mended_by_the_next_try() {
    for failing in 0.. {
        let folder = folder();
        let options = options(folder.path());
        let steps = Arc::new(AtomicUsize::new(0));
        let counter = steps.clone();
        let before: BeforeStep = Arc::new(move |_| {
            if counter.fetch_add(1, Ordering::SeqCst) == failing {
                return Err(io::Error::other("a hiccup"));
            }
            Ok(())
        });
        let files = Files::new(folder.path(), "run").before_each_step(before);
        let opened = Checkpoint::open_files(&options, files.clone());
        let (mut checkpoint, _) = opened.or_else(|_| Checkpoint::open_files(&options, files)).unwrap();
        for i in 0..40 {
            checkpoint.append(&fact(i));
            let _ = checkpoint.commit();
            if i % 4 == 3 {
                let _ = checkpoint.snapshot_now(vec![]);
            }
        }
        let closed = checkpoint.close(vec![], Ending::new(EndingKind::Goal, "done"));
        assert!(closed.is_ok() || steps.load(Ordering::SeqCst) > failing);
        let loaded = read(folder.path(), "run").unwrap();
        assert!(loaded.facts().eq(facts(0..40)), "failing step {failing}: {} facts", loaded.len());
        assert!(loaded.losses.is_empty());
        if steps.load(Ordering::SeqCst) <= failing {
            assert!(closed.is_ok() && loaded.ended.is_some());
            return;
        }
    }
}

/// A journal of `n` facts without any snapshot; returns its path and where each fact's record ends.
fn journal_of(folder: &std::path::Path, n: usize) -> (std::path::PathBuf, Vec<u64>) {
    let (mut checkpoint, _) = Checkpoint::open(&options(folder)).unwrap();
    let mut ends = Vec::new();
    for i in 0..n {
        checkpoint.append(&fact(i));
        checkpoint.commit().unwrap();
        ends.push(checkpoint.stats().journal_bytes);
    }
    (folder.join("run.journal"), ends)
}

#[test]
fn a_torn_tail_is_cut_with_a_notice() {
    let folder = folder();
    let (path, ends) = journal_of(folder.path(), 8);
    let bytes = std::fs::read(&path).unwrap();
    for length in 0..=bytes.len() {
        std::fs::write(&path, &bytes[..length]).unwrap();
        let whole = ends.iter().filter(|end| **end <= length as u64).count();
        let (mut checkpoint, loaded) = Checkpoint::open(&options(folder.path())).unwrap();
        assert!(loaded.facts().eq(facts(0..whole)), "cut after {length} bytes");
        if ends.contains(&(length as u64)) {
            assert_eq!(loaded.notices, Vec::<String>::new(), "cut after {length} bytes");
        } else if whole > 0 {
            assert!(loaded.notices[0].contains("unfinished record"), "{:?}", loaded.notices);
        }
        checkpoint.append(&fact(whole));
        checkpoint.commit().unwrap();
        drop(checkpoint);
        assert!(read(folder.path(), "run").unwrap().facts().eq(facts(0..whole + 1)));
    }
}

#[test]
fn a_journal_that_ends_within_its_head_held_nothing() {
    let folder = folder();
    let (path, ends) = journal_of(folder.path(), 2);
    let bytes = std::fs::read(&path).unwrap();
    let mut told = 0;
    for length in 1..bytes.len() {
        std::fs::write(&path, &bytes[..length]).unwrap();
        let seen = read(folder.path(), "run").unwrap();
        let whole = ends.iter().filter(|end| **end <= length as u64).count();
        assert!(seen.losses.is_empty() && seen.facts().eq(facts(0..whole)), "cut after {length} bytes");
        told += usize::from(seen.notices.iter().any(|notice| notice.contains("ends within its head")));
    }
    assert!(told > 50 && told < bytes.len() - 50, "{told} of {}", bytes.len());
    // Damage is something else.
    for (at, length) in [(0, bytes.len()), (3, 100), (9, ends[0] as usize)] {
        let mut damaged = bytes[..length].to_vec();
        damaged[at] ^= 0x55;
        std::fs::write(&path, &damaged).unwrap();
        let notices = read(folder.path(), "run").map(|seen| seen.notices).unwrap_or_default();
        assert!(!notices.iter().any(|notice| notice.contains("ends within its head")), "{notices:?}");
    }
}

#[test]
fn a_flipped_byte_anywhere_never_goes_unnoticed() {
    let folder = folder();
    let (path, ends) = journal_of(folder.path(), 6);
    let bytes = std::fs::read(&path).unwrap();
    for at in 0..bytes.len() {
        let mut damaged = bytes.clone();
        damaged[at] ^= 0x55;
        std::fs::write(&path, &damaged).unwrap();
        let seen = read(folder.path(), "run").unwrap();
        let hit = ends.iter().position(|end| (at as u64) < *end).unwrap();
        let whole: Vec<Fact> = facts(0..6);
        // The first record follows the head, which a flip may hit as well.
        let without: Vec<Fact> = (0..6).filter(|i| *i != hit).map(fact).collect();
        let got: Vec<Fact> = seen.facts().collect();
        assert!(got == whole || got == without, "byte {at}: {} facts", got.len());
        assert!(!seen.notices.is_empty(), "byte {at}");
        let opened = Checkpoint::open(&options(folder.path()));
        if got == whole || hit == 5 {
            let (_, loaded) = opened.unwrap();
            assert!(loaded.facts().eq(got) && !loaded.notices.is_empty(), "byte {at}");
        } else {
            assert!(matches!(opened, Err(CheckpointError::Unreadable { .. })), "byte {at}");
            assert_eq!(std::fs::read(&path).unwrap(), damaged);
            let accepting = Options { accept_losses: true, ..options(folder.path()) };
            let (mut checkpoint, loaded) = Checkpoint::open(&accepting).unwrap();
            assert!(loaded.facts().eq(without.clone()) && !loaded.losses.is_empty());
            checkpoint.append(&fact(6));
            drop(checkpoint);
            let again = read(folder.path(), "run").unwrap();
            assert!(again.facts().eq(without.into_iter().chain([fact(6)])) && again.losses.is_empty());
        }
        for entry in std::fs::read_dir(folder.path()).unwrap() {
            std::fs::remove_file(entry.unwrap().path()).unwrap();
        }
    }
}

#[test]
fn a_crash_while_a_damaged_journal_is_made_anew_loses_nothing() {
    for stop in 0.. {
        let folder = folder();
        let (path, _) = journal_of(folder.path(), 6);
        let mut bytes = std::fs::read(&path).unwrap();
        bytes[30] ^= 0xff;
        std::fs::write(&path, &bytes).unwrap();
        let (files, steps) = machine(folder.path(), stop);
        let opened = Checkpoint::open_files(&options(folder.path()), files);
        let whole = opened.is_ok();
        drop(opened);
        let (_, loaded) = Checkpoint::open(&options(folder.path())).unwrap();
        assert!(loaded.facts().eq(facts(0..6)) && loaded.losses.is_empty(), "stopped at step {stop}");
        assert_eq!(std::fs::read(folder.path().join("run.journal.unreadable-1")).unwrap(), bytes);
        if whole {
            assert!(stop >= 7 && steps.load(Ordering::SeqCst) >= stop);
            return;
        }
    }
}

#[test]
fn a_record_after_a_torn_write_is_whole() {
    let folder = folder();
    let torn = Arc::new(AtomicUsize::new(0));
    let flag = torn.clone();
    let path = folder.path().join("run.journal");
    let tail = path.clone();
    // The write fails after part of it reached the file, and the cut that follows fails too.
    let before: BeforeStep = Arc::new(move |step| match (flag.load(Ordering::SeqCst), step) {
        (1, "write") => {
            use std::io::Write;
            let mut file = std::fs::OpenOptions::new().append(true).open(&tail)?;
            file.write_all(&[7; 30])?;
            Err(io::ErrorKind::StorageFull.into())
        }
        (1, "cut") => Err(io::Error::other("no")),
        _ => Ok(()),
    });
    let files = Files::new(folder.path(), "run").before_each_step(before);
    let (mut checkpoint, _) = Checkpoint::open_files(&options(folder.path()), files).unwrap();
    for i in 0..3 {
        checkpoint.append(&fact(i));
        torn.store(usize::from(i == 1), Ordering::SeqCst);
        assert_eq!(checkpoint.commit().is_err(), i == 1);
    }
    let loaded = read(folder.path(), "run").unwrap();
    assert!(loaded.facts().eq(facts(0..3)) && loaded.losses.is_empty() && loaded.notices.is_empty());
    drop(checkpoint);
}

#[test]
fn a_run_that_can_save_no_more_still_says_why_it_ended() {
    let folder = folder();
    let options = options(folder.path());
    let full = Arc::new(AtomicUsize::new(0));
    let refusals = full.clone();
    let before: BeforeStep = Arc::new(move |_| {
        let left = refusals.load(Ordering::SeqCst);
        refusals.store(left.saturating_sub(1), Ordering::SeqCst);
        if left > 0 { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
    });
    let files = Files::new(folder.path(), "run").before_each_step(before);
    let (mut checkpoint, _) = Checkpoint::open_files(&options, files).unwrap();
    (0..7).for_each(|i| checkpoint.append(&fact(i)));
    checkpoint.commit().unwrap();
    (7..30).for_each(|i| checkpoint.append(&fact(i)));
    // There is no room for the facts, and then, after the cut, just enough for the last word.
    full.store(2, Ordering::SeqCst);
    assert_eq!(checkpoint.unsaved(), 23);
    let ending = Ending::new(EndingKind::Failed, "no space");
    assert!(matches!(checkpoint.close(vec![], ending.clone()), Err(CheckpointError::NotSaved { .. })));
    let (mut checkpoint, loaded) = Checkpoint::open(&options).unwrap();
    assert_eq!(loaded.ended.as_ref().map(|ended| &ended.ending), Some(&ending));
    assert_eq!(loaded.facts().collect::<Vec<_>>(), facts(0..7));
    checkpoint.append(&fact(7));
    drop(checkpoint);
    let again = read(folder.path(), "run").unwrap();
    assert_eq!((again.facts().collect::<Vec<_>>(), again.losses), (facts(0..8), vec![]));
}
