//! Study files that change between two runs.

use crate::study_run::{Ended, Folder, check_rows};
use crate::{PEAK, peak, renamed};
use adaptive_mpi::model::FailureKind;

#[test]
fn a_changed_function_domain_or_learner_is_refused_with_the_difference_shown() {
    let folder = Folder::new(PEAK);
    folder.run(0, &["--quiet"]);
    let changes = [
        ("builtin = \"peak\"", "builtin = \"tanh\"", "function.builtin", "\"peak\"", "\"tanh\""),
        (
            "builtin = \"peak\"",
            "expression = \"x * offset\"",
            "function.expression",
            "\"peak\"",
            "x * offset",
        ),
        ("bounds = [-1, 1]", "bounds = [-1, 2]", "learner.bounds", "[-1, 1]", "[-1, 2]"),
    ];
    let before = folder.contents();
    for (from, to, key, old, new) in changes {
        folder.write("adaptive.toml", PEAK.replace(from, to).replace("30", "40"));
        let refused = folder.run(2, &[]).says(key).says(old).says(new).says("--accept-changes");
        folder.command(&["status"]).end().expect(0).says("changed since the last run").says(key);
        assert!(refused.err.contains("data/adaptive.h5"), "{}", refused.err);
        folder.write("adaptive.toml", PEAK);
        assert_eq!(folder.contents(), before, "{to}: nothing was touched");
    }
}

#[test]
fn a_change_that_was_accepted_is_not_asked_about_again() {
    let folder = Folder::new(PEAK);
    folder.run(0, &["--quiet"]);
    let rows = folder.rows();
    folder.write("adaptive.toml", PEAK.replace("bounds = [-1, 1]", "bounds = [-1, 2]").replace("30", "40"));
    folder.run(2, &["--quiet"]);
    folder.run(0, &["--accept-changes"]).says("changed since the last run").says("learner.bounds");
    check_rows(&rows, &folder.rows(), peak);
    folder.run(0, &["--quiet"]);
    folder.write("adaptive.toml", PEAK.replace("30", "40"));
    folder.run(2, &[]).says("learner.bounds");
}

#[test]
fn what_the_learner_can_not_take_is_shown_with_advice() {
    let study = "[function]\nexpression = \"x\"\n[learner]\ntype = \"nd\"\nbounds = [[0, 1], [0, 1], [0, 1]]\n\
                 [goal]\nnpoints = 10\n[run]\nworkers = 1\n";
    let folder = Folder::new(study);
    folder.run(0, &["--quiet"]);
    let npoints = folder.rows().len();
    folder.write("adaptive.toml", study.replace("[[0, 1], [0, 1], [0, 1]]", "[[0, 1], [0, 1]]"));
    let help = "another `name`, or take data/adaptive.* away";
    folder.run(5, &["--accept-changes"]).says("3 coordinates instead of 2").says(help);
    folder.command(&["ask-tell", "--accept-changes"]).end().expect(5).says(help);
    let status = folder.command(&["status"]).end().expect(5).says("does not fit").says(help);
    assert!(status.out.contains(&format!("points   {npoints} are stored")), "{}", status.out);
    let status = folder.command(&["status", "--json"]).end().expect(5).json();
    assert_eq!(status["npoints"], npoints);
    assert!(status["unfit"].as_str().unwrap().contains("3 coordinates"), "{status}");
}

#[test]
fn another_loss_goes_on_with_the_same_results_and_is_told() {
    let folder = Folder::new(PEAK);
    folder.run(0, &["--quiet"]);
    let rows = folder.rows();
    let other = PEAK.replace("bounds = [-1, 1]", "bounds = [-1, 1]\nloss = \"uniform\"").replace("30", "40");
    folder.write("adaptive.toml", other);
    folder.run(0, &[]).says("changed since the last run: `learner.loss`");
    check_rows(&rows, &folder.rows(), peak);
    assert!(folder.rows().len() > rows.len());
}

#[test]
fn another_model_is_refused_and_an_accepted_one_is_not_asked_about_again() {
    let study = |n: u32| {
        format!(
            "[function]\npython = \"model.py:h\"\n[learner]\ntype = \"1d\"\nbounds = [0, 1]\n\
             [goal]\nnpoints = {n}\n[run]\nworkers = 1\n"
        )
    };
    let folder = Folder::new(&study(10));
    folder.write("model.py", "def h(x):\n    return x\n");
    folder.run(0, &["--quiet"]);
    let rows = folder.rows();
    folder.write("adaptive.toml", study(20));
    folder.write("model.py", "# Now with a comment.\ndef h(x):\n    return x\n");
    let before = folder.contents();
    folder.run(2, &[]).says("model.py has other contents").says("--accept-changes");
    let check = folder.command(&["check"]).end().expect(0);
    assert!(check.err.contains("`run` refuses") && check.err.contains("model.py"), "{}", check.err);
    assert_eq!(folder.contents(), before, "nothing was touched");
    folder.run(0, &["--accept-changes"]).says("changed since the last run: model.py");
    check_rows(&rows, &folder.rows(), |row| row.point[0]);
    folder.write("adaptive.toml", study(30));
    let again = folder.run(0, &[]);
    assert!(!again.err.contains("changed since"), "{}", again.err);
}

#[test]
fn another_model_is_noticed_also_where_it_is_named_as_a_module() {
    let study = "[function]\npython = \"model:h\"\n[learner]\ntype = \"1d\"\nbounds = [0, 1]\n\
                 [goal]\nnpoints = 5\n[run]\nworkers = 1\n";
    let folder = Folder::new(study);
    folder.write("model.py", "def h(x):\n    return x\n");
    folder.run(0, &["--quiet"]);
    folder.write("model.py", "def h(x):\n    return 2 * x\n");
    folder.run(2, &[]).says("model.py has other contents");
}

#[test]
fn a_child_does_not_evaluate_a_study_that_was_changed_since_its_parent_read_it() {
    let study = PEAK.replace("[parameters]", "isolate = true\n[parameters]");
    let folder = Folder::new(&study);
    folder.run(0, &["--quiet"]);
    let child = |digest: &str| folder.command(&["__evaluate", "--sha256", digest, "adaptive.toml"]).end();
    let digest = adaptive_mpi::study::Study::load(folder.file("adaptive.toml")).unwrap().evaluated();
    assert_eq!(child(&digest).expect(0).out, "{\"ready\":true}\n");
    // A goal for the next run says nothing about the function.
    folder.write("adaptive.toml", format!("# Comment.\n{}", study.replace("30", "40")));
    assert_eq!(child(&digest).expect(0).out, "{\"ready\":true}\n");
    folder.write("adaptive.toml", study.replace("\"peak\"", "\"tanh\""));
    let refused = child(&digest);
    assert!(refused.out.contains("has been changed since this run began"), "{}", refused.out);
    assert!(refused.out.contains("\"kind\":\"setup\""), "{}", refused.out);
}

#[test]
fn goals_workers_and_the_like_may_change_freely() {
    let folder = Folder::new(PEAK);
    folder.run(0, &["--quiet"]);
    let rows = folder.rows();
    let more =
        PEAK.replace("npoints = 30", "npoints = 50").replace("workers = 2", "workers = 5\nretries = 1");
    folder.write("adaptive.toml", format!("{more}[balancing]\nstrategy = \"cycle\"\n"));
    let again = folder.run(0, &[]);
    assert!(!again.err.contains("changed since"), "{}", again.err);
    check_rows(&rows, &folder.rows(), peak);
}

#[test]
fn combos_may_be_added_moved_and_left_out() {
    let folder = Folder::new(PEAK);
    folder.run(0, &["--quiet"]);
    let rows = folder.rows();
    let offsets = |list: &str, n: &str| PEAK.replace("[-0.5, 0.0, 0.5]", list).replace("30", n);
    let values = |offset: f64| move |x: f64| x + 1e-4 / (1e-4 + (x - offset) * (x - offset));
    // A new combo first, the others in another order: results still belong to their offsets.
    folder.write("adaptive.toml", offsets("[0.25, 0.5, -0.5, 0.0]", "40"));
    folder.run(0, &["--quiet"]);
    let table = folder.export();
    let by_offset =
        |offset: f64| table.iter().filter(|row| row["offset"].as_f64() == Some(offset)).collect::<Vec<_>>();
    for offset in [0.25, 0.5, -0.5, 0.0] {
        let own = by_offset(offset);
        assert!(own.len() >= 40, "{offset}: {}", own.len());
        for row in own {
            let (x, y) = (row["x"].as_f64().unwrap(), row["value"].as_f64().unwrap());
            assert!((y - values(offset)(x)).abs() < 1e-12, "{row:?}");
        }
    }
    // Learners are counted as in the study.
    let places = |rows: &[serde_json::Map<String, serde_json::Value>], offset: f64| {
        let own = rows.iter().filter(|row| row["offset"].as_f64() == Some(offset));
        own.map(|row| row["learner"].as_u64()).collect::<std::collections::BTreeSet<_>>()
    };
    for (place, offset) in [0.25, 0.5, -0.5, 0.0].into_iter().enumerate() {
        assert_eq!(places(&table, offset), [Some(place as u64)].into(), "{offset}");
    }
    let first = folder.command(&["export", "--learner", "0"]).end().expect(0).out;
    assert!(first.lines().skip(1).all(|line| line.starts_with("0,0.25,")), "{first}");
    assert_eq!(&folder.rows()[..rows.len()], &rows[..], "what was there stays as it was");
    // One left out is kept, and not continued.
    folder.write("adaptive.toml", offsets("[0.5, 0.25]", "300"));
    folder.run(0, &[]).says("no longer in the study").says("offset=-0.5");
    let before = table.len();
    assert!(folder.export().len() > before);
    let left_out = |table: &[serde_json::Map<String, serde_json::Value>]| {
        table.iter().filter(|row| row["offset"].as_f64() == Some(-0.5)).count()
    };
    assert_eq!(left_out(&folder.export()), left_out(&table));
    assert_eq!(folder.status()["learners"], 2);
    assert_eq!(places(&folder.export(), -0.5), [None].into(), "it has no place any more");
    assert_eq!(places(&folder.export(), 0.25), [Some(1)].into());
}

#[test]
fn failures_name_learners_by_their_places_in_the_study() {
    let study = |list: &str| {
        format!(
            "[function]\nexpression = 'a < 1 ? x : 0/0'\n[parameters]\na = {list}\n[learner]\ntype = 'sequence'\n\
             sequence = [1, 2]\n[run]\nworkers = 1\nnan = 'fail'\nretries = 0\n"
        )
    };
    let folder = Folder::new(&study("[0.5, 2.0]"));
    folder.command(&["run", "--quiet"]).end();
    let learners = || {
        let failures = folder.status()["failures"].as_array().unwrap().clone();
        assert!(!failures.is_empty());
        failures.iter().map(|failed| failed["learner"].as_u64()).collect::<std::collections::BTreeSet<_>>()
    };
    assert_eq!(learners(), [Some(1)].into());
    folder.write("adaptive.toml", study("[2.0, 0.5]"));
    assert_eq!(learners(), [Some(0)].into());
    folder.write("adaptive.toml", study("[0.5]"));
    assert_eq!(learners(), [None].into());
}

// Journals alone do not say what was in flight.
#[cfg(feature = "hdf5")]
#[test]
fn what_was_in_flight_belongs_to_its_combo_after_combos_were_moved() {
    // Slow enough that most of what is asked ahead has no value when the goal is reached.
    let study = |list: &str| {
        PEAK.replace("\"peak\"", "\"sleep\"")
            .replace("offset = [-0.5, 0.0, 0.5]", &format!("seconds = 0.003\njitter = {list}"))
            + "deterministic = true\n"
    };
    let folder = Folder::new(&study("[0.001, 0.002]"));
    folder.run(0, &["--quiet"]);
    // Only the new combo is asked now. It is the third of the checkpoint, and the first of the study.
    folder.write("adaptive.toml", study("[0.0, 0.001, 0.002]"));
    folder.run(0, &["--quiet"]);
    let in_flight = folder.read().in_flight;
    assert!(!in_flight.is_empty());
    assert!(in_flight.iter().any(|sample| sample.learner == 2), "{in_flight:?}");
    let known: Vec<(u32, f64)> = folder.rows().iter().map(|row| (row.learner, row.point[0])).collect();
    for sample in &in_flight {
        assert!(!known.contains(&(sample.learner, sample.point.x())), "{sample:?} has its value");
    }
    // And they are asked for the same combo again.
    folder.write("adaptive.toml", study("[0.0, 0.001, 0.002]").replace("npoints = 30", "npoints = 120"));
    folder.run(0, &["--quiet"]);
    let rows = folder.rows();
    for sample in in_flight {
        let asked = rows.iter().any(|row| row.learner == sample.learner && row.point[0] == sample.point.x());
        assert!(asked, "{sample:?} was forgotten");
    }
    check_rows(&[], &rows, |row| row.point[0]);
}

#[test]
fn files_that_the_function_reads_are_part_of_it() {
    let cases = [
        ("command = ['sh', 'sim.sh', '{x}']", "sim.sh"),
        ("command = ['cat', 'in']\ntemplate = { in = 'in.txt' }", "in.txt"),
        ("command = ['echo', '{x}']\ndata = ['table']", "table"),
    ];
    for (function, file) in cases {
        let study = |n: u32| {
            format!(
                "[function]\n{function}\n[learner]\ntype = '1d'\nbounds = [0, 1]\n[goal]\nnpoints = {n}\n\
                 [run]\nworkers = 1\n"
            )
        };
        let folder = Folder::new(&study(3));
        folder.write("sim.sh", "echo $1\n");
        folder.write("in.txt", "{x}\n");
        folder.write("table", "1\n");
        folder.run(0, &["--quiet"]);
        folder.write("adaptive.toml", study(4));
        folder.write(file, format!("{}\n", folder.text(file)));
        folder.run(2, &["--quiet"]).says(&format!("{file} has other contents"));
        folder.run(0, &["--quiet", "--accept-changes"]);
    }
}

/// A study with this function, whose points are all 0.
fn slow(function: &str) -> Folder {
    Folder::new(&format!(
        "[function]\n{function}\n[learner]\ntype = '1d'\nbounds = [0, 1]\n[goal]\nnpoints = 200\n[run]\nworkers = 2\n"
    ))
}

/// Changes a file when a few points have their values, and waits for the end of the run.
fn edit(folder: &Folder, file: &str, from: &str, to: &str) -> Ended {
    let mut run = folder.command(&["run"]).start();
    assert!(run.until(|_| folder.file("data/adaptive.journal").exists() && folder.read().len() >= 5));
    let text = folder.text(file).replace(from, to);
    // In one step, as editors do it.
    folder.write("edited", text);
    std::fs::copy(folder.file(file), folder.file("old")).unwrap();
    std::fs::set_permissions(
        folder.file("edited"),
        std::fs::metadata(folder.file("old")).unwrap().permissions(),
    )
    .unwrap();
    std::fs::rename(folder.file("edited"), folder.file(file)).unwrap();
    run.end()
}

/// That the run was ended because of a file, with nothing but old values, and goes on when that is as before.
fn stops_and_goes_on(folder: &Folder, ended: Ended, file: &str) {
    let ended = ended.expect(2).says(&format!("the function was changed: {file} has other contents since"));
    ended.says("--accept-changes");
    let rows = folder.rows();
    assert!((5..200).contains(&rows.len()), "{}", rows.len());
    check_rows(&[], &rows, |_| 0.0);
    assert!(folder.read().failures.iter().all(|failed| failed.failure.kind == FailureKind::Timeout));
    folder.run(2, &[]).says(&format!("{file} has other contents"));
    std::fs::rename(folder.file("old"), folder.file(file)).unwrap();
    folder.run(0, &[]);
    check_rows(&rows, &folder.rows(), |_| 0.0);
}

#[test]
fn a_python_model_that_is_edited_during_a_run_is_not_started_again() {
    let folder = slow("python = 'model.py:h'\ntimeout = '1s'");
    folder.write(
        "model.py",
        "import os, time\ndef h(x):\n    time.sleep(0.02)\n    if os.path.exists('old') and not os.path.exists('hung'):\n        \
         open('hung', 'w')\n        time.sleep(100)\n    return 0.0\n",
    );
    let ended = edit(&folder, "model.py", "return 0.0", "return 1.0");
    stops_and_goes_on(&folder, ended, "model.py");
}

#[test]
fn no_value_of_a_command_that_is_edited_during_a_run_is_kept_not_even_in_a_cache() {
    let folder = slow("command = ['./sim.sh', '{x}']\ncache = true");
    folder.write("sim.sh", "#!/bin/sh\nsleep 0.02\necho 0\n");
    std::fs::set_permissions(folder.file("sim.sh"), std::os::unix::fs::PermissionsExt::from_mode(0o755))
        .unwrap();
    // The same points, whatever comes back first.
    let study = folder.text("adaptive.toml") + "deterministic = true\nin_flight = 2\n";
    folder.write("adaptive.toml", &study);
    let ended = edit(&folder, "sim.sh", "echo 0", "echo 1");
    stops_and_goes_on(&folder, ended, "./sim.sh");
    folder.write("adaptive.toml", renamed("other", &study));
    let again = folder.command(&["run", "--json"]).end().expect(0).json();
    assert_eq!(again["from_cache"], 200, "{again}");
    let values: Vec<_> = folder.export().iter().map(|row| row["value"].as_f64()).collect();
    assert!(values.iter().all(|value| *value == Some(0.0)), "{values:?}");
}
