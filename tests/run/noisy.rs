//! Studies of noisy quantities, and of functions that return more than is learned: from the file to tables and back.

use crate::study_run::Folder;
use std::collections::BTreeSet;

const AVERAGE: &str = r#"
[function]
expression = "10 + offset + sin(seed * seed)"

[parameters]
offset = [0.0, 1.0]

[learner]
type = "average"
atol = 0.05

[run]
workers = 3
"#;

const AVERAGE_1D: &str = r#"
[function]
expression = "x * x + 0.1 * sin(seed * seed + 100 * x)"

[learner]
type = "average1d"
bounds = [-1, 1]
min_samples = 5

[goal]
npoints = 200

[run]
workers = 3
"#;

const SAVER: &str = r#"
[function]
python = "model.py:h"

[parameters]
offset = [0.1, 0.4]

[learner]
type = "data_saver"
arg_picker = "y"
learner = { type = "1d", bounds = [-1, 1] }

[goal]
npoints = 12

[run]
workers = 2
retries = 0
"#;

const MODEL: &str = r#"
def h(x, offset):
    outputs = [("t", x - offset), ("y", abs(x - offset)), ("steps", [1, 2]), ("fit", {"at": [x, None]}), ("note", "ok")]
    # Dicts need not have one order.
    return dict(outputs if x < 0.3 else reversed(outputs))
"#;

/// Told samples by learner, seed and the bits of x; none twice.
fn samples(folder: &Folder) -> BTreeSet<(u32, u64, Vec<u64>)> {
    let loaded = folder.read();
    let key = |row: adaptive_mpi::checkpoint::Row<'_>| {
        (row.learner, row.replica, row.point.iter().map(|x| x.to_bits()).collect())
    };
    let samples: BTreeSet<_> = loaded.columns.iter().map(key).collect();
    assert_eq!(samples.len(), loaded.columns.len(), "a sample is there twice");
    samples
}

#[test]
fn means_are_sampled_until_they_are_within_their_tolerance_without_a_goal() {
    let folder = Folder::new(AVERAGE);
    let summary = folder.run(0, &["--json"]).json();
    assert_eq!(summary["ended"], "goal reached: done");
    let status = folder.status();
    assert_eq!((&status["finished_learners"], &status["state"]), (&2.into(), &"goal reached".into()));
    assert!(status["loss"].as_f64().unwrap() <= 1.0);
    let rows = folder.export();
    assert!(rows.len() > 100);
    for learner in [0, 1] {
        let own: Vec<_> = rows.iter().filter(|row| row["learner"] == learner).collect();
        let mean = own.iter().map(|row| row["value"].as_f64().unwrap()).sum::<f64>() / own.len() as f64;
        assert!((mean - 10.0 - f64::from(learner)).abs() < 0.3, "{mean}");
        let seeds: BTreeSet<u64> = own.iter().map(|row| row["replica"].as_u64().unwrap()).collect();
        // Points in flight when the goal was reached may be missing.
        assert!(seeds.len() == own.len() && *seeds.last().unwrap() < own.len() as u64 + 20);
    }
    // A tighter tolerance goes on from there, and keeps all.
    let before = samples(&folder);
    folder.write("adaptive.toml", AVERAGE.replace("0.05", "0.03"));
    folder.run(0, &["--quiet"]);
    let after = samples(&folder);
    assert!(after.is_superset(&before) && after.len() > 2 * before.len());
}

#[test]
fn a_goal_that_does_not_suit_the_learner_is_told() {
    let folder = Folder::new(&AVERAGE_1D.replace("npoints = 200", "done = true"));
    folder.command(&["check"]).end().expect(2).says("`goal.done` never holds").says("`average`");
}

#[test]
fn a_noisy_function_goes_on_after_a_stop_as_if_it_had_not_stopped() {
    let alone =
        |study: &str| study.replace("workers = 3", "workers = 1\nin_flight = 1\ndeterministic = true");
    let whole = Folder::new(&alone(AVERAGE_1D));
    whole.run(0, &["--quiet"]);
    let parts = Folder::new(&alone(AVERAGE_1D).replace("200", "87"));
    parts.run(0, &["--quiet"]);
    parts.write("adaptive.toml", alone(AVERAGE_1D));
    parts.run(0, &["--quiet"]);
    assert_eq!(parts.rows(), whole.rows());

    let many = Folder::new(AVERAGE_1D);
    many.run(0, &["--quiet"]);
    let seen = samples(&many);
    let xs: BTreeSet<_> = seen.iter().map(|(.., x)| x.clone()).collect();
    assert!(xs.len() > 5 && seen.len() >= 200 && seen.len() > 4 * xs.len(), "{} of {}", xs.len(), seen.len());
}

#[test]
fn all_that_a_function_returned_stays_with_the_point() {
    let folder = Folder::new(SAVER);
    folder.write("model.py", MODEL);
    folder.run(0, &["--quiet"]);
    // The names of outputs are needed again to rebuild the learners.
    folder.write("adaptive.toml", SAVER.replace("12", "30"));
    folder.run(0, &["--quiet"]);
    let rows = folder.export();
    assert!(rows.len() >= 60);
    for row in &rows {
        let (x, offset) = (row["x"].as_f64().unwrap(), row["offset"].as_f64().unwrap());
        assert_eq!((row["t"].as_f64(), row["y"].as_f64()), (Some(x - offset), Some((x - offset).abs())));
        assert_eq!((row["steps[0]"].as_f64(), row["steps[1]"].as_f64()), (Some(1.0), Some(2.0)));
        assert_eq!(row["extra"], serde_json::json!({"fit": {"at": [x, null]}, "note": "ok"}));
    }
    let csv = folder.command(&["export", "--format", "csv"]).end().expect(0).out;
    let head: BTreeSet<_> = csv.lines().next().unwrap().split(',').collect();
    assert!(["t", "y", "steps[0]", "extra"].iter().all(|name| head.contains(name)), "{head:?}");
    assert_eq!(folder.status()["npoints"], rows.len());
}

#[test]
fn a_run_with_named_outputs_can_be_replayed_from_its_log() {
    let folder = Folder::new(&SAVER.replace("retries = 0", "log = true"));
    folder.write("model.py", MODEL);
    folder.run(0, &["--quiet"]);
    let said = folder.command(&["check", "--replay", "data/adaptive.log"]).end().expect(0).out;
    assert!(said.contains(&format!("{} told", folder.rows().len())), "{said}");
}

#[test]
fn an_output_that_is_missing_is_a_failure_that_names_those_that_there_are() {
    let folder =
        Folder::new(&SAVER.replace("\"y\"", "\"energy\"").replace("npoints = 12", "duration = \"1s\""));
    folder.write("model.py", MODEL);
    folder.command(&["run", "--quiet"]).end();
    let failures = &folder.status()["failures"];
    let message = failures[0]["message"].as_str().unwrap();
    assert!(message.contains("it has no output `energy`, but t, y, steps[0], steps[1]"), "{message}");
}
