//! Every type of learner from its study file to its goal on ranks: killed in the middle, gone on with by another number
//! of ranks, looked at with `check`, `status` and `export`.

use crate::study_run::{Folder, send};
use crate::{machine, results};
use adaptive_mpi::learner::LEARNERS;
use nix::sys::signal::Signal;
use std::collections::BTreeMap;
use std::time::Duration;

/// A type of learner with its study.
struct Kind {
    name: &'static str,
    /// The rest of `[learner]`.
    keys: &'static str,
    /// A Python expression of the arguments that the type gives to a function, and of `k`.
    function: &'static str,
    goal: Goal,
    /// Names of the figures that it shows.
    figures: &'static [&'static str],
}

/// When a run ends.
#[derive(Clone, Copy)]
enum Goal {
    /// So many values of each learner.
    Points(usize),
    /// The learner's own end, which is not there before so many values of each.
    Done(usize),
}

const IN_FLIGHT: usize = 6;

const KINDS: &[Kind] = &[
    Kind {
        name: "1d",
        keys: "bounds = [-1, 1]",
        function: "x + k**2 / (k**2 + x**2)",
        goal: Goal::Points(60),
        figures: &[],
    },
    Kind {
        name: "2d",
        keys: "bounds = [[-1, 1], [0, 1e-3]]",
        function: "math.exp(-((x[0]**2 + (1e3 * x[1])**2 - k)**2) * 20)",
        goal: Goal::Points(60),
        figures: &[],
    },
    Kind {
        name: "nd",
        keys: "bounds = [[-1, 1], [0, 300], [0, 1e-6]]",
        function: "math.exp(-((x[0]**2 + (x[1] / 300)**2 + 1e6 * x[2] - k)**2) * 20)",
        goal: Goal::Points(60),
        figures: &[],
    },
    Kind {
        name: "average",
        keys: "atol = 0.1",
        function: "k + math.sin(x * x)",
        goal: Goal::Done(20),
        figures: &["mean", "std"],
    },
    Kind {
        name: "average1d",
        keys: "bounds = [-1, 1]\nmin_samples = 5",
        function: "k * x[1] + 0.1 * math.sin(x[0]**2)",
        goal: Goal::Points(80),
        figures: &["nsamples", "min_samples_per_point"],
    },
    Kind {
        name: "integrator",
        keys: "bounds = [0, 1]\ntol = 1e-4",
        function: "math.sqrt(abs(x - k))",
        goal: Goal::Done(33),
        figures: &["igral", "err", "n_intervals", "divergent"],
    },
    Kind {
        name: "sequence",
        keys: "sequence = { start = 0, stop = 1, num = 50 }",
        function: "k * x",
        goal: Goal::Done(50),
        figures: &[],
    },
    Kind {
        name: "data_saver",
        keys: "arg_picker = 'y'\nlearner = { type = '1d', bounds = [-1, 1] }",
        function: "{'y': abs(x - k), 'twice': 2 * x, 'note': 'kept'}",
        goal: Goal::Points(60),
        figures: &[],
    },
];

/// Two learners, which are balanced.
fn folder(kind: &Kind) -> Folder {
    let goal = match kind.goal {
        Goal::Points(n) => format!("npoints = {n}"),
        Goal::Done(_) => "done = true".to_owned(),
    };
    let folder = Folder::new(&format!(
        "[function]\npython = 'model.py:h'\n[parameters]\nk = [0.3, 0.6]\n[learner]\ntype = '{}'\n{}\n[goal]\n{goal}\n\
         [run]\nin_flight = {IN_FLIGHT}\nretries = 0\n[checkpoint]\ninterval = '50ms'\n",
        kind.name, kind.keys
    ));
    let body = kind.function;
    // A moment for each point: so the run can be met in its middle.
    folder.write(
        "model.py",
        format!("import math, time\ndef h(x, k):\n    time.sleep(0.004)\n    return {body}\n"),
    );
    folder
}

/// What is stored: value by learner, seed and the bits of the point.
fn samples(folder: &Folder) -> BTreeMap<(u32, u64, Vec<u64>), Vec<f64>> {
    let loaded = folder.read();
    let entry = |row: adaptive_mpi::checkpoint::Row<'_>| {
        let point = row.point.iter().map(|x| x.to_bits()).collect();
        ((row.learner, row.replica, point), row.values.to_vec())
    };
    let samples: BTreeMap<_, _> = loaded.columns.iter().map(entry).collect();
    assert_eq!(samples.len(), loaded.columns.len(), "a sample is there twice");
    assert!(loaded.failures.is_empty(), "{:?}", loaded.failures);
    samples
}

fn is_killed_and_goes_on(name: &str) {
    let _machine = machine();
    let kind = KINDS.iter().find(|kind| kind.name == name).unwrap();
    let folder = folder(kind);

    let check = folder.command(&["check", "--json", "--evaluate", "2"]).end().expect(0).json();
    assert_eq!(check["learners"], 2);
    assert_eq!(check["problems"], serde_json::json!([]));
    assert!(!check["first_points"].as_array().unwrap().is_empty(), "{check}");
    let first: Vec<_> =
        check["evaluated"].as_array().unwrap().iter().map(|row| row["point"].clone()).collect();
    assert_eq!(first, check["first_points"].as_array().unwrap()[..2], "{check}");
    assert_eq!(folder.status()["state"], "not started");

    let mut run = folder.ranks(3, &["run", "--quiet"]).start();
    assert!(run.until(|_| results(&folder) >= 40), "{}", run.said());
    run.all_ranks().into_iter().for_each(|pid| send(pid, Signal::SIGKILL));
    run.end_or_kill(Duration::from_secs(10));
    let known = samples(&folder);
    // Not its state: where nobody buries a dead process at once, it looks alive for a while.
    let status = folder.status();
    assert_eq!(status["npoints"], known.len(), "{status}");

    let ended = folder.ranks(4, &["run"]).end().expect(0).says("goal reached");
    let all = samples(&folder);
    for (sample, value) in &known {
        let now = all.get(sample).unwrap_or_else(|| panic!("{name}: {sample:?} was lost"));
        assert!(now.iter().zip(value).all(|(a, b)| a.to_bits() == b.to_bits()), "{name}: {sample:?} changed");
    }
    for learner in 0..2 {
        let own = all.keys().filter(|key| key.0 == learner).count();
        let enough = match kind.goal {
            // What was in flight at the kill and what is in flight at the end may come on top.
            Goal::Points(n) => (n..=n + 2 * IN_FLIGHT).contains(&own),
            Goal::Done(n) => own >= n,
        };
        assert!(enough, "{name}: learner {learner} has {own} values");
    }

    let status = folder.status();
    assert_eq!((&status["state"], &status["finished_learners"]), (&"goal reached".into(), &2.into()));
    let by_learner = status["by_learner"].as_array().unwrap();
    for shown in by_learner {
        let named: Vec<&String> = shown["figures"].as_object().unwrap().keys().collect();
        assert_eq!(named, kind.figures, "{name}: {status}");
    }
    if let Some(figure) = kind.figures.first() {
        assert!(ended.err.contains(&format!("k=0.6: {figure} ")), "{}", ended.err);
        let text = folder.command(&["status", "--learners"]).end().expect(0).out;
        assert!(text.contains(&format!("  {figure} ")), "{text}");
    }
    if name == "integrator" {
        for (shown, k) in by_learner.iter().zip([0.3f64, 0.6]) {
            let exact = 2.0 / 3.0 * (k.powf(1.5) + (1.0 - k).powf(1.5));
            let [igral, err] = ["igral", "err"].map(|figure| shown["figures"][figure].as_f64().unwrap());
            assert!((igral - exact).abs() <= err && err <= 1e-4 * exact, "{shown}");
        }
    }

    let rows = folder.export();
    assert_eq!(rows.len(), all.len());
    assert!(rows.iter().all(|row| row["k"] == [0.3, 0.6][row["learner"].as_u64().unwrap() as usize]));
    if name == "data_saver" {
        assert!(rows.iter().all(|row| row["twice"] == 2.0 * row["x"].as_f64().unwrap()));
        assert!(rows.iter().all(|row| row["extra"] == serde_json::json!({"note": "kept"})));
    }

    // Done is done: nothing is evaluated again.
    folder.ranks(2, &["run"]).end().expect(0).says("goal reached");
    assert_eq!(samples(&folder).len(), all.len());
}

#[test]
fn every_type_of_learner_is_here() {
    let here: Vec<&str> = KINDS.iter().map(|kind| kind.name).collect();
    for kind in LEARNERS {
        assert!(here.contains(&kind.name), "no run of the type {}", kind.name);
    }
}

#[test]
fn one_variable_goes_on_after_a_kill() {
    is_killed_and_goes_on("1d");
}

#[test]
fn two_variables_go_on_after_a_kill() {
    is_killed_and_goes_on("2d");
}

#[test]
fn three_variables_go_on_after_a_kill() {
    is_killed_and_goes_on("nd");
}

#[test]
fn a_mean_goes_on_after_a_kill() {
    is_killed_and_goes_on("average");
}

#[test]
fn a_noisy_function_goes_on_after_a_kill() {
    is_killed_and_goes_on("average1d");
}

#[test]
fn an_integral_goes_on_after_a_kill() {
    is_killed_and_goes_on("integrator");
}

#[test]
fn a_sequence_goes_on_after_a_kill() {
    is_killed_and_goes_on("sequence");
}

#[test]
fn saved_outputs_go_on_after_a_kill() {
    is_killed_and_goes_on("data_saver");
}
