//! Runs that give the same again: deterministic ones, and logs that are replayed.

use crate::study_run::{Folder, Row};
use crate::{PEAK, renamed};
use nix::sys::signal::Signal;

fn deterministic(workers: &str, more: &str) -> Vec<Row> {
    let study = PEAK.replace("workers = 2", &format!("workers = {workers}\ndeterministic = true\n{more}"));
    let folder = Folder::new(&study);
    folder.run(0, &["--quiet"]);
    folder.rows()
}

#[test]
fn any_number_of_workers_gives_the_same_points_values_and_order() {
    let one = deterministic("1", "");
    assert!(one.len() >= 90);
    for workers in ["2", "3", "8"] {
        assert_eq!(deterministic(workers, ""), one, "{workers} workers");
    }
    let narrow = deterministic("1", "in_flight = 4");
    assert_eq!(deterministic("5", "in_flight = 4"), narrow);
    assert_ne!(narrow, one, "points in flight are part of what is decided");
}

#[test]
fn a_deterministic_run_that_was_stopped_while_others_waited_for_a_slow_point_gives_the_same() {
    const PYTHON: &str = "import os, time\n\
        def h(x):\n    \
            open(f'started-{x}', 'w').close()\n    \
            while x == 0 and not os.path.exists('go'): time.sleep(0.005)\n    \
            return 1e-4 / (1e-4 + (x - 0.3)**2) + x\n";
    let study = |grace: &str| {
        let folder = Folder::new(&format!(
            "[function]\npython = 'model.py:h'\n[learner]\ntype = '1d'\nbounds = [0, 1]\n[goal]\nnpoints = 60\n\
             [run]\nworkers = 3\nin_flight = 6\ndeterministic = true\ngrace = '{grace}'\n"
        ));
        folder.write("model.py", PYTHON);
        folder
    };
    let whole = study("1s");
    whole.write("go", "");
    whole.run(0, &["--quiet"]);
    let broken = study("0s");
    let mut run = broken.command(&["run"]).start();
    let started = || {
        let names = std::fs::read_dir(broken.path()).unwrap().flatten().map(|entry| entry.file_name());
        names.filter(|name| name.to_string_lossy().starts_with("started-")).count()
    };
    // The others of the window are done, but for those that the last workers are at.
    assert!(run.until(|_| started() == 6), "{}", run.said());
    run.signal(Signal::SIGTERM);
    run.end().expect(75);
    assert!(broken.rows().is_empty(), "the first in the order has no value");
    broken.write("go", "");
    broken.run(0, &["--quiet"]);
    assert_eq!(broken.rows(), whole.rows());
}

#[test]
fn failures_do_not_disturb_a_deterministic_run() {
    let run = |workers: &str| {
        let study = PEAK
            .replace("builtin = \"peak\"", "builtin = \"fail\"")
            .replace("offset = [-0.5, 0.0, 0.5]", "rate = [0.1, 0.5]")
            .replace("workers = 2", &format!("workers = {workers}\ndeterministic = true\nretries = 2"));
        let folder = Folder::new(&study);
        folder.run(0, &["--quiet"]);
        assert!(!folder.read().failures.is_empty());
        folder.rows()
    };
    let one = run("1");
    assert_eq!(run("2"), one);
    assert_eq!(run("6"), one);
}

#[test]
fn logs_of_learners_that_choose_otherwise_in_parallel_are_replayed_exactly() {
    for study in [
        "goal = { npoints = 2000 }\n[function]\nbuiltin = 'noisy_peak'\n[learner]\ntype = 'average1d'\n\
         bounds = [-1, 1]\nmin_samples = 20\n",
        "goal = { done = true }\n[function]\nexpression = 'sqrt(x)'\n[learner]\ntype = 'integrator'\n\
         bounds = [0, 1]\ntol = 1e-9\n",
    ] {
        for workers in [1, 3] {
            let folder = Folder::new(&format!("{study}[run]\nlog = true\nworkers = {workers}\n"));
            folder.run(0, &["--quiet"]);
            folder.command(&["check", "--replay", "data/adaptive.log"]).end().expect(0);
        }
    }
}

#[test]
fn a_log_of_asks_and_tells_is_replayed_exactly() {
    let study = PEAK.replace("workers = 2", "workers = 3\nlog = true");
    let folder = Folder::new(&study);
    folder.run(0, &["--quiet"]);
    let points = folder.rows().len();
    let replay = |folder: &Folder| folder.command(&["check", "--replay", "data/adaptive.log"]).end();
    let said = replay(&folder).expect(0).out;
    assert!(said.contains(&format!("{points} told")), "{said}");
    let first = folder.text("data/adaptive.log");
    // The log of a second run starts from what the first one left.
    folder.write("adaptive.toml", study.replace("30", "60"));
    folder.run(0, &["--quiet"]);
    let said = replay(&folder).expect(0).out;
    assert!(said.contains(&format!("{} told", folder.rows().len())), "{said}");
    let kept = || ["data/adaptive.log.1", "data/adaptive.log.2"].map(|name| folder.text(name));
    assert_eq!(kept(), [first.as_str(), ""]);

    // Another learner would have asked other points.
    folder.write("adaptive.toml", study.replace("bounds = [-1, 1]", "bounds = [-1, 1]\nloss = \"uniform\""));
    replay(&folder).expect(2).says("but the learner now asks");
    folder.write("adaptive.toml", &study);
    let log = folder.text("data/adaptive.log");
    folder.write("data/adaptive.log", format!("{log}not a line of a log\n"));
    replay(&folder).expect(2).says("is not a line of a log");
    folder.command(&["check", "--replay", "none.log"]).end().expect(2).says("none.log");
    folder.write("data/adaptive.log", "\n");
    replay(&folder).expect(2).says("data/adaptive.log: it holds no calls to replay");
    folder.run(0, &["--quiet"]);
    assert_eq!(kept(), [first.as_str(), "\n"], "each under a name of its own");
    replay(&folder).expect(0);
}

#[test]
fn a_log_takes_the_place_of_logs_alone() {
    let folder = Folder::new(&renamed("other", PEAK));
    folder.run(0, &["--quiet"]);
    let results = if cfg!(feature = "hdf5") { "data/other.h5" } else { "data/other.journal" };
    std::fs::create_dir(folder.file("folder")).unwrap();
    folder.write("table.csv", "x,y\n");
    let before = folder.contents();
    for (log, why) in [
        (results, "is not a log of asks and tells"),
        ("table.csv", "is not a log of asks and tells"),
        ("folder", "is a folder"),
        ("adaptive.toml", "is a file of the study"),
    ] {
        folder.write("adaptive.toml", PEAK.replace("workers = 2", &format!("log = '{log}'")));
        for command in ["check", "run"] {
            folder.command(&[command]).end().expect(2).says("the log can't be written to").says(why);
        }
    }
    folder.write("adaptive.toml", renamed("other", PEAK));
    assert!(folder.contents() == before);
}

#[test]
fn a_log_with_failures_and_a_killed_run_is_replayed_too() {
    let folder = Folder::new(
        "goal = 'forever'\n[function]\nbuiltin = 'fail'\n[parameters]\nrate = [0.2]\n[learner]\ntype = '1d'\n\
         bounds = [0, 1]\n[run]\nretries = 1\nworkers = 2\nlog = 'asks.log'\n",
    );
    let mut run = folder.command(&["run", "--quiet"]).start();
    assert!(run.until(|_| folder.file("data/adaptive.journal").exists() && folder.read().len() > 100));
    run.kill_all();
    drop(run);
    let check = || folder.command(&["check", "--replay", "asks.log"]).end();
    let killed = check().expect(0).out;
    assert!(killed.contains("calls replayed"), "{killed}");
}

/// The first point takes long; those asked with it arrive before their turn.
const SLOW_FIRST: &str = r#"
[function]
command = ["sh", "-c", "echo {x} >> FOLDER/calls; if [ {x} = -1.0 ] && [ ! -e FOLDER/awake ]; then sleep 1000; fi; echo {x}"]
[learner]
type = "1d"
bounds = [-1, 1]
[goal]
npoints = 12
[run]
workers = 3
in_flight = 6
deterministic = true
"#;

#[test]
fn results_that_wait_for_their_turn_survive_a_kill() {
    let folder = Folder::new("");
    folder.write("adaptive.toml", SLOW_FIRST.replace("FOLDER", folder.path().to_str().unwrap()));
    let mut run = folder.command(&["run", "--quiet"]).start();
    let mut waiting = Vec::new();
    assert!(run.until(|_| {
        waiting = if folder.file("data/adaptive.journal").exists() { folder.read().early } else { vec![] };
        waiting.len() >= 3
    }));
    run.kill_all();
    drop(run);
    // More may have arrived since.
    let known = std::mem::replace(&mut waiting, folder.read().early);
    assert!(folder.rows().is_empty() && known.iter().all(|told| waiting.contains(told)));

    folder.write("awake", "");
    folder.run(0, &["--quiet"]);
    let rows = folder.rows();
    assert_eq!(rows.len(), 12);
    // Those that arrived after the goal wait for another run.
    assert!(folder.read().early.iter().all(|told| !waiting.contains(told)));
    let calls = folder.text("calls");
    for told in waiting {
        let x = told.sample.point[0];
        assert_eq!(calls.lines().filter(|line| line.parse() == Ok(x)).count(), 1, "{x} was computed again");
        assert!(rows.iter().any(|row| row.point == [x] && row.values == [x]));
    }
}

#[test]
fn a_fast_function_is_sampled_as_well_as_a_slow_one() {
    // A ring so narrow that it is found by going along it, which takes many generations of points.
    let folder = Folder::new(
        "[function]\nbuiltin = 'ring_2d'\n[parameters]\na = 0.1\n[learner]\ntype = '2d'\n\
         bounds = [[-1, 1], [-1, 1]]\n[goal]\nnpoints = 10000\n[run]\nworkers = 2\n",
    );
    folder.run(0, &["--quiet"]);
    // 0.0013 with one point in flight; 0.01 to 0.02 with an eighth of all in flight, and parts of the ring not found.
    let loss = folder.status()["loss"].as_f64().unwrap();
    assert!(loss < 0.004, "{loss}");
}
