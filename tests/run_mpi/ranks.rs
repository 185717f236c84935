//! Worlds of every size, and everything that ends a run on all ranks together.

use crate::study_run::{Folder, check_rows, launcher};
use crate::{SLEEP, forever, machine, results};
use nix::sys::signal::Signal;

#[test]
fn worlds_of_every_size_reach_the_goal_and_rank_0_alone_speaks() {
    let _machine = machine();
    for ranks in [1, 2, 4, 8] {
        let folder = Folder::new(SLEEP);
        let ended = folder.ranks(ranks, &["run", "--json"]).end().expect(0);
        let summary = ended.json();
        assert_eq!(summary["workers"], if ranks == 1 { 1 } else { ranks - 1 }, "{summary}");
        assert_eq!(ended.err.matches("adaptive: builtin sleep").count(), 1, "{}", ended.err);
        let rows = folder.rows();
        check_rows(&[], &rows, |row| row.point[0]);
        assert!((0..2).all(|learner| rows.iter().filter(|row| row.learner == learner).count() >= 60));
        let columns = folder.read().columns;
        let mut workers: Vec<u32> = columns.iter().map(|row| row.meta.worker).collect();
        workers.sort_unstable();
        workers.dedup();
        assert_eq!(workers, (1..ranks.max(2)).collect::<Vec<_>>(), "all of them worked");
    }
}

#[test]
fn a_study_goes_on_with_any_other_number_of_ranks() {
    let _machine = machine();
    let folder = Folder::new("");
    let mut known = Vec::new();
    for (i, ranks) in [4, 2, 1, 8, 3].into_iter().enumerate() {
        folder.write("adaptive.toml", SLEEP.replace("60", &format!("{}", 30 * (i + 1))));
        folder.ranks(ranks, &["run", "--quiet"]).end().expect(0);
        let now = folder.rows();
        check_rows(&known, &now, |row| row.point[0]);
        assert!(now.len() > known.len());
        known = now;
    }
    // And without a launcher.
    folder.write("adaptive.toml", SLEEP.replace("60", "180"));
    folder.run(0, &["--quiet"]);
    check_rows(&known, &folder.rows(), |row| row.point[0]);
    assert_eq!(folder.status()["state"], "goal reached");
}

#[test]
fn a_deterministic_study_gives_the_same_on_any_number_of_ranks() {
    let _machine = machine();
    let study = "[function]\nbuiltin = 'peak'\n[parameters]\noffset = [-0.3, 0.0, 0.7]\n[learner]\ntype = '1d'\n\
                 bounds = [-1, 1]\n[goal]\nnpoints = 100\n[run]\ndeterministic = true\nworkers = 3\n";
    let folder = Folder::new(study);
    folder.run(0, &["--quiet"]);
    let threads = folder.rows();
    assert!(threads.len() >= 300);
    for ranks in [1, 2, 4, 8] {
        let folder = Folder::new(study);
        folder.ranks(ranks, &["run", "--quiet"]).end().expect(0);
        assert!(folder.rows() == threads, "{ranks} ranks: other points, values or order");
    }
}

#[test]
fn what_is_wrong_is_said_once_and_all_ranks_leave_with_the_right_code() {
    let _machine = machine();
    let folder = Folder::new(&SLEEP.replace("npoints", "npoint"));
    let ended = folder.ranks(3, &["run"]).end().expect(2);
    assert_eq!(ended.err.matches("did you mean `npoints`?").count(), 1, "{}", ended.err);
    let ended = folder.ranks(3, &["run", "none.toml"]).end().expect(2);
    assert_eq!(ended.err.matches("none.toml").count(), 1, "{}", ended.err);
    assert!(!folder.file("data").exists());

    let missing = Folder::new(&SLEEP.replace("builtin = \"sleep\"", "command = ['./missing']"));
    missing.ranks(3, &["run"]).end().expect(2).says("missing");
    assert!(!missing.file("data").exists());

    let failing = "[function]\nbuiltin = 'fail'\n[parameters]\nrate = [1.0]\n[learner]\ntype = '1d'\nbounds = [0, 1]\n\
                   [goal]\nnpoints = 10\n[run]\nretries = 1\nraise_if_retries_exceeded = true\n";
    Folder::new(failing).ranks(3, &["run"]).end().expect(4).says("fails by design");

    let folder = Folder::new(SLEEP);
    folder.ranks(2, &["run", "--quiet"]).end().expect(0);
    let before = folder.contents();
    folder.write("adaptive.toml", SLEEP.replace("[0, 1]", "[0, 2]"));
    folder.ranks(3, &["run"]).end().expect(2).says("learner.bounds").says("--accept-changes");
    folder.write("adaptive.toml", SLEEP);
    assert_eq!(folder.contents(), before, "nothing was touched");

    folder.write("adaptive.toml", format!("{SLEEP}folder = 'adaptive.toml'\n"));
    folder.ranks(3, &["run"]).end().expect(6).says("checkpoint.folder");
}

#[test]
fn a_second_run_on_a_checkpoint_is_refused() {
    let _machine = machine();
    let folder = Folder::new(&forever());
    let mut first = folder.ranks(3, &["run", "--quiet"]).start();
    assert!(first.until(|_| results(&folder) > 0), "{}", first.said());
    folder.ranks(2, &["run"]).end().expect(7).says("another run holds this checkpoint");
    folder.run(7, &[]);
    let so_far = results(&folder);
    assert!(first.until(|_| results(&folder) > so_far));
    crate::study_run::send(first.rank(0).unwrap(), Signal::SIGTERM);
    first.end().expect(75);
    check_rows(&[], &folder.rows(), |row| row.point[0]);
}

#[test]
fn functions_in_other_processes_work_and_fail_on_ranks_as_on_threads() {
    let _machine = machine();
    let model = "import os, sys, time\ndef h(x, how):\n    if x != 0.5: return x\n    \
                 if how == 'raise': raise ValueError('no convergence')\n    \
                 if how == 'exit': sys.exit(3)\n    if how == 'leave': os._exit(7)\n    \
                 if how == 'die': os.kill(os.getpid(), 9)\n    if how == 'hang': time.sleep(1000)\n    return how\n";
    let simulate = "#!/bin/sh\n[ \"$2\" = 0.5 ] || { echo $2; exit 0; }\ncase $1 in\n  exit) exit 3 ;;\n  \
                    die) kill -9 $$ ;;\n  hang) sleep 1000 ;;\nesac\necho garbage\n";
    let kinds = ["error", "error", "crash", "crash", "timeout", "bad output"];
    for (function, how, kinds) in [
        ("python = 'model.py:h'", "['raise', 'exit', 'leave', 'die', 'hang', 'text']", &kinds[..]),
        (
            "command = ['sh', './simulate', '{how}', '{x}']",
            "['exit', 'die', 'hang', 'text']",
            &["error", "crash", "timeout", "bad output"],
        ),
    ] {
        let folder = Folder::new(&format!(
            "[function]\n{function}\ntimeout = '2s'\n[parameters]\nhow = {how}\n[learner]\ntype = 'sequence'\n\
             sequence = [0, 0.5, 1]\n[run]\nretries = 1\n"
        ));
        folder.write("model.py", model);
        folder.write("simulate", simulate);
        folder.ranks(4, &["run"]).end().expect(4).says("nothing is left to ask");
        let status = folder.status();
        for (learner, kind) in kinds.iter().enumerate() {
            let failures = status["failures"].as_array().unwrap().iter();
            let own: Vec<_> = failures.filter(|failure| failure["learner"] == learner).collect();
            assert_eq!(own.len(), 2, "{kind}: {own:?}");
            for failure in own {
                let in_a_row = failure["message"].as_str().unwrap().contains("time in a row");
                assert!(failure["kind"] == *kind || in_a_row, "{failure}");
            }
        }
        let rows = folder.rows();
        check_rows(&[], &rows, |row| row.point[0]);
        assert_eq!(rows.len(), 2 * kinds.len(), "all other points have their values");
    }
}

#[test]
fn the_launcher_of_another_mpi_is_exit_3_on_every_rank_before_any_file_is_touched() {
    let _machine = machine();
    let own = launcher();
    let other = if own.contains("mpich") { "mpiexec.openmpi" } else { "mpiexec.mpich" };
    // Where only one MPI is installed, the variables of the other launcher stand for it.
    let is_there = std::process::Command::new(other).arg("--version").output().is_ok();
    let folder = Folder::new(SLEEP);
    let before = folder.contents();
    if is_there {
        let flags: &[&str] = if other.contains("openmpi") { &["--oversubscribe"] } else { &[] };
        let ended = folder.ranks_by(other, flags, 2, &["run"]).end().expect(3);
        assert!(ended.err.contains("mpiexec") && !ended.err.contains("panicked"), "{}", ended.err);
    }
    let size = if other.contains("mpich") { "PMI_SIZE" } else { "OMPI_COMM_WORLD_SIZE" };
    folder.command(&["run"]).env(size, "4").end().expect(3).says("4");
    assert_eq!(folder.contents(), before);
}

#[test]
fn the_reported_efficiency_is_what_the_workers_measured() {
    let _machine = machine();
    let folder = Folder::new(
        "[function]\nbuiltin = 'sleep'\n[parameters]\nseconds = 0.004\n[learner]\ntype = '1d'\nbounds = [0, 1]\n\
         [goal]\nnpoints = 400\n",
    );
    let summary = folder.ranks(3, &["run", "--json"]).end().expect(0).json();
    let number = |key: &str| summary[key].as_f64().unwrap();
    let measured: f64 = folder.read().columns.iter().map(|row| row.meta.duration).sum();
    let busy = measured / (number("workers") * number("elapsed_s"));
    assert!((number("efficiency") - busy).abs() < 0.02, "{busy} in {summary}");
    let manager: f64 =
        summary["manager"].as_object().unwrap().values().filter_map(serde_json::Value::as_f64).sum();
    assert!((manager - 1.0).abs() < 0.02, "the phases of rank 0 add up to its time: {summary}");
}
