//! Disks that are full, folders that can't be written, files that can't be read, and other runs.

use crate::study_run::{Folder, check_rows, program, rows};
use crate::{PEAK, peak};
use std::fs;
use std::path::Path;

const FOREVER: &str = "goal = 'forever'\n[function]\nbuiltin = 'sleep'\n[parameters]\nseconds = [0.001]\n\
                       [learner]\ntype = '1d'\nbounds = [0, 1]\n[run]\nworkers = 2\n";

#[test]
fn a_second_run_on_a_checkpoint_is_refused_and_the_first_goes_on() {
    let folder = Folder::new(FOREVER);
    let mut first = folder.command(&["run", "--quiet"]).start();
    assert!(first.until(|_| folder.file("data/adaptive.journal").exists() && !folder.read().is_empty()));
    let refused = folder.run(7, &[]).says("another run holds this checkpoint");
    assert!(refused.err.contains(&format!("process {}", first.pid())), "{}", refused.err);
    folder.run(7, &["--break-lock"]).says("another run holds this checkpoint");
    let so_far = folder.read().len();
    assert!(first.until(|_| folder.read().len() > so_far), "{}", first.said());
    first.signal(nix::sys::signal::Signal::SIGTERM);
    first.end().expect(75);
    check_rows(&[], &folder.rows(), |row| row.point[0]);
}

#[test]
fn a_run_whose_checkpoint_is_taken_over_stops_writing() {
    let folder = Folder::new(FOREVER);
    let mut run = folder.command(&["run"]).start();
    assert!(run.until(|_| folder.file("data/adaptive.journal").exists() && !folder.read().is_empty()));
    // What a run on another machine does with --break-lock.
    folder.write("data/other", folder.text("data/adaptive.lock"));
    fs::rename(folder.file("data/other"), folder.file("data/adaptive.lock")).unwrap();
    run.end().expect(7).says("taken over by another run");
    assert!(folder.file("data/adaptive.lock").exists(), "the lock of the other run stays");
    check_rows(&[], &folder.rows(), |row| row.point[0]);
}

#[test]
fn a_folder_that_cannot_be_written_is_exit_6() {
    let folder = Folder::new(&format!("{PEAK}[checkpoint]\nfolder = 'file'\n"));
    folder.write("file", "not a folder");
    folder.run(6, &[]).says("checkpoint.folder");
    assert_eq!(folder.text("file"), "not a folder");
}

#[test]
fn a_read_only_folder_is_exit_6() {
    use std::os::unix::fs::{MetadataExt, PermissionsExt};
    let folder = Folder::new(PEAK);
    folder.run(0, &["--quiet"]);
    fs::remove_file(folder.file("data/adaptive.status.json")).unwrap();
    let mode = |mode| fs::set_permissions(folder.file("data"), fs::Permissions::from_mode(mode)).unwrap();
    let (before, rows) = (folder.contents(), folder.rows());
    folder.write("adaptive.toml", PEAK.replace("30", "40"));
    // Root may write anywhere, so another user has to try, with a copy of the program that it can reach.
    let copy = tempfile::tempdir().unwrap();
    fs::copy(program(), copy.path().join("program")).unwrap();
    for path in [copy.path(), folder.path()] {
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    }
    mode(0o555);
    let is_root = fs::metadata(copy.path()).unwrap().uid() == 0;
    let run = || match is_root {
        true => folder.program(&copy.path().join("program"), &["run"]).user(65534),
        false => folder.command(&["run"]),
    };
    let refused = run().end().expect(6).says("adaptive.lock").says("make it writable");
    assert!(!refused.err.contains("panicked"), "{}", refused.err);
    mode(0o755);
    folder.write("adaptive.toml", PEAK);
    assert_eq!(folder.contents(), before, "nothing was touched");
    folder.write("adaptive.toml", PEAK.replace("30", "40"));
    folder.run(0, &["--quiet"]);
    check_rows(&rows, &folder.rows(), peak);
}

#[test]
fn a_full_disk_ends_the_run_and_loses_nothing_that_was_told() {
    // A limit on the size of files fails in the same calls, and needs no rights.
    for blocks in [1, 8, 40] {
        let folder = Folder::new(FOREVER.replace("0.001", "0.0").as_str());
        let full =
            folder.command(&["run", "--json"]).after(&format!("trap '' XFSZ; ulimit -f {blocks}")).end();
        let full = full.expect(6).says("could not be saved");
        assert!(!full.err.contains("panicked"), "{}", full.err);
        let known = folder.rows();
        let said: serde_json::Value = serde_json::from_str(&full.out).unwrap();
        let count = |key: &str| said[key].as_u64().unwrap() as usize;
        assert!(count("unsaved") > 0);
        let why = said["ended"].as_str().unwrap();
        assert!(why.contains("adaptive.journal") && why.contains("free space"), "{why}");
        assert_eq!(known.len(), count("told") - count("unsaved"));
        if blocks > 1 {
            // There is room for this.
            let status = folder.status();
            assert_eq!((&status["state"], &status["ending"]), (&"failed".into(), &why.into()));
        }
        assert!(folder.read().losses.is_empty());
        check_rows(&[], &known, |row| row.point[0]);
        let goal = known.len() + 100;
        let study = FOREVER.replace("goal = 'forever'\n", "").replace("0.001", "0.0");
        folder.write("adaptive.toml", format!("{study}[goal]\nnpoints = {goal}\n"));
        folder.run(0, &["--quiet"]);
        check_rows(&known, &folder.rows(), |row| row.point[0]);
    }
}

/// Mounts a small disk on `data`, in a mount namespace of its own, runs until it is full, copies what is there, makes the
/// disk larger, and runs again.
const SMALL_DISK: &str = r#"
mkdir -p data && mount -t tmpfs -o size=1m disk data || exit 99
"$0" run --quiet; echo "first run: $?"
cp -r data full && mount -o remount,size=64m data && sed -i "s/.forever./{ npoints = 40000 }/" adaptive.toml
"$0" run --quiet; code=$?
cp -r data end; exit $code
"#;

#[test]
fn a_disk_that_fills_up_loses_nothing_and_the_run_goes_on_when_there_is_room() {
    use std::os::unix::fs::MetadataExt;
    let study = FOREVER.replace("0.001", "0.0") + "[checkpoint]\ninterval = '100ms'\n";
    let folder = Folder::new(&study);
    let is_root = fs::metadata(folder.path()).unwrap().uid() == 0;
    let namespace: &[&str] = if is_root { &["-m"] } else { &["-m", "-U", "-r"] };
    let arguments = [namespace, &["sh", "-c", SMALL_DISK, program().to_str().unwrap()]].concat();
    let run = folder.program(Path::new("unshare"), &arguments).end();
    if run.code == Some(99) {
        // Some containers forbid mounts; the limit on file sizes above fails in the same calls.
        eprintln!("not tested: this machine lets nobody mount a small disk: {}", run.err);
        return;
    }
    let run = run.expect(0).says("No space left on device");
    assert!(run.out.contains("first run: 6") && !run.err.contains("panicked"), "{}{}", run.out, run.err);
    let read = |data: &str| adaptive_mpi::checkpoint::read(folder.file(data), "adaptive").unwrap();
    let (full, end) = (read("full"), read("end"));
    assert!(full.losses.is_empty() && end.losses.is_empty());
    let (full, end) = (rows(&full), rows(&end));
    assert!(full.len() > 5000, "{} points fit", full.len());
    check_rows(&full, &end, |row| row.point[0]);
    assert!(end.len() >= 40_000);
}

/// A study whose run was killed when it had some results.
fn killed() -> Folder {
    let folder = Folder::new(FOREVER);
    let mut run = folder.command(&["run", "--quiet"]).start();
    assert!(run.until(|_| folder.file("data/adaptive.journal").exists() && folder.read().len() > 20));
    run.kill_all();
    drop(run);
    folder
}

#[test]
fn a_run_that_was_killed_before_its_first_result_does_not_end_as_the_one_before() {
    let study = |seconds: &str, n: u32| {
        let study = FOREVER.replace("goal = 'forever'\n", "").replace("0.001", seconds);
        format!("{study}[goal]\nnpoints = {n}\n")
    };
    let folder = Folder::new(&study("0.0", 5));
    folder.run(0, &["--quiet"]);
    assert_eq!(folder.status()["state"], "goal reached");
    let rows = folder.rows();
    folder.write("adaptive.toml", study("60.0", 5000));
    let mut run = folder.command(&["run", "--accept-changes", "--quiet"]).start();
    assert!(run.until(|_| folder.file("data/adaptive.lock").exists() && folder.status()["ending"].is_null()));
    assert_eq!(folder.status()["state"], "running");
    run.kill_all();
    drop(run);
    assert_eq!((&folder.status()["state"], folder.rows()), (&"killed".into(), rows));
}

#[test]
fn a_journal_with_a_torn_tail_is_cut_with_a_notice() {
    let folder = killed();
    let rows = folder.rows();
    let journal = folder.file("data/adaptive.journal");
    let bytes = fs::read(&journal).unwrap();
    for cut in 1..30 {
        fs::write(&journal, &bytes[..bytes.len() - cut]).unwrap();
        let left = folder.rows();
        assert!(left.len() < rows.len() && left[..] == rows[..left.len()], "{cut}");
    }
    let study = FOREVER.replace("goal = 'forever'\n", "");
    folder.write("adaptive.toml", format!("{study}[goal]\nnpoints = 60\n"));
    let left = folder.rows();
    folder.run(0, &[]).says("of an unfinished record").says("going on from data/adaptive.journal: ");
    check_rows(&left, &folder.rows(), |row| row.point[0]);
}

/// That nobody takes what is left of a damaged checkpoint for all of it, or for none.
fn is_damaged(folder: &Folder, what: &str) {
    let status = folder.command(&["status", "--json"]).end().expect(5).says(what).says("run --accept-losses");
    let status = status.json();
    assert_eq!(status["state"], "damaged");
    assert!(status["losses"][0].as_str().unwrap().contains(what), "{status}");
    let text = folder.command(&["status"]).end().expect(5).says(what).out;
    assert!(text.contains("adaptive: damaged") && !text.contains("the same command goes on"), "{text}");
    let export = folder.command(&["export"]).end().expect(5).says(what).says("--accept-losses");
    assert_eq!(export.out, "");
    // The lock of a run that was killed goes; the results stay.
    let results =
        || folder.contents().into_iter().filter(|(path, _)| path.extension() != Some("lock".as_ref()));
    let before: Vec<_> = results().collect();
    folder.run(5, &[]).says("can't read").says("nothing was changed").says("--accept-losses");
    assert!(results().eq(before));
}

#[test]
fn facts_that_are_lost_are_missed_by_every_command() {
    let folder = killed();
    let rows = folder.rows();
    let good = fs::read(folder.file("data/adaptive.journal")).unwrap();
    let mut bytes = good.clone();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 4;
    folder.write("data/adaptive.journal", &bytes);
    is_damaged(&folder, "is missing");
    let left = folder.command(&["export", "--accept-losses"]).end().expect(0).says("warning: ").out;
    assert_eq!(left.lines().count(), rows.len(), "a head, and all rows but one");

    let mut random = crate::study_run::Random(88_172_645_463_325_252);
    let mut junk = || (0..5000).map(|_| random.below(256) as u8).collect::<Vec<u8>>();
    folder.write("data/adaptive.journal", junk());
    folder.write("data/adaptive.h5", junk());
    is_damaged(&folder, "can be read");
    folder.command(&["export", "--accept-losses"]).end().expect(5).says("help: ");
}

#[test]
#[cfg(feature = "hdf5")]
fn a_checkpoint_that_cannot_be_read_is_exit_5_and_never_overwritten() {
    let folder = Folder::new(PEAK);
    folder.run(0, &["--quiet"]);
    let rows = folder.rows();
    for file in ["data/adaptive.journal", "data/adaptive.journal.old"] {
        fs::remove_file(folder.file(file)).unwrap();
    }
    let good = fs::read(folder.file("data/adaptive.h5")).unwrap();
    for name in ["data/adaptive.h5", "data/adaptive.h5.old"] {
        if folder.file(name).exists() {
            folder.write(name, &good[..good.len() / 2]);
        }
    }
    let before = folder.contents();
    folder.write("adaptive.toml", PEAK.replace("30", "40"));
    folder.run(5, &[]).says("adaptive.h5").says("nothing was changed").says("--accept-losses");
    folder.write("adaptive.toml", PEAK);
    assert_eq!(folder.contents(), before, "nothing was touched");
    // Brought back from a copy, it goes on.
    folder.write("data/adaptive.h5", good);
    folder.write("adaptive.toml", PEAK.replace("30", "40"));
    folder.run(0, &["--quiet"]);
    check_rows(&rows, &folder.rows(), peak);
}

#[test]
#[cfg(feature = "hdf5")]
fn a_flipped_byte_in_the_checkpoint_costs_nothing() {
    let mut random = crate::study_run::Random(2_463_534_242);
    let folder = Folder::new(PEAK);
    folder.run(0, &["--quiet"]);
    let rows = folder.rows();
    let good = folder.contents();
    for round in 0..8 {
        for (path, bytes) in &good {
            fs::write(path, bytes).unwrap();
        }
        let mut bytes = fs::read(folder.file("data/adaptive.h5")).unwrap();
        let at = random.below(bytes.len() as u64) as usize;
        bytes[at] ^= 1 << random.below(8);
        folder.write("data/adaptive.h5", bytes);
        folder.write("adaptive.toml", PEAK.replace("30", "33"));
        folder.run(0, &["--quiet"]);
        check_rows(&rows, &folder.rows(), peak);
        assert!(folder.read().losses.is_empty(), "round {round}, byte {at}");
    }
}

#[test]
fn nothing_is_written_over_the_files_of_a_study() {
    let study = |log: &str| {
        format!(
            "[function]\npython = 'model.py:h'\n[learner]\ntype = '1d'\nbounds = [0, 1]\n[goal]\nnpoints = 3\n\
             [run]\nworkers = 1\nlog = {log}\n"
        )
    };
    let folder = Folder::new(&study("false"));
    folder.write("model.py", "def h(x): return x\n");
    folder.run(0, &["--quiet"]);
    let before = folder.contents();
    for own in ["adaptive.toml", "model.py", "data/adaptive.journal", "./data/../data/adaptive.h5"] {
        folder.write("adaptive.toml", study(&format!("'{own}'")));
        for command in ["check", "run"] {
            folder.command(&[command]).end().expect(2).says("is a file of the study");
        }
        folder.write("adaptive.toml", study("false"));
        folder.command(&["export", "-o", own]).end().expect(2).says("is a file of the study");
        assert!(folder.contents() == before, "{own}: something was touched");
    }
    folder.command(&["export", "-o", "data/adaptive.csv"]).end().expect(0);
    folder.command(&["export", "--grid", "1000000000000"]).end().expect(2).says("too much for one file");
}
