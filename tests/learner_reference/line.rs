//! `Learner1D`, `SequenceLearner`, and `BalancingLearner` over the former.

use crate::case::{Case, assert_close, number, numbers};
use crate::function;
use crate::replay::{replay_all, value};
use adaptive_mpi::learner::{Learner, Learner1D, Loss};
use adaptive_mpi::model::{Sample, Value};
use serde_json::Value as Json;

/// Cases that record defect D1: with the strategy `loss`, upstream's expected loss of a child is not refreshed when
/// points are asked, so that a batch goes to one child as a whole. Ours is, so the points differ by intent.
const STALE_EXPECTED_LOSS: [&str; 2] = ["bal_loss_batch4", "bal_loss_async6"];

#[test]
fn learner1d_follows_every_recorded_run() {
    assert_eq!(replay_all("l1d_", &[]), 45);
}

#[test]
fn sequence_learner_follows_every_recorded_run() {
    assert_eq!(replay_all("seq_", &[]), 3);
}

#[test]
fn balancing_learner_follows_every_recorded_run_without_the_stale_loss() {
    assert_eq!(replay_all("bal_", &STALE_EXPECTED_LOSS), 14);
}

#[test]
fn scripted_calls_leave_the_recorded_state() {
    let cases: Vec<_> = Case::all("l1d_").into_iter().filter(Case::is_scripted).collect();
    assert_eq!(cases.len(), 7);
    for case in cases {
        let mut learner = case.learner1d();
        for (i, step) in case.list("trace").iter().enumerate() {
            let context = format!("{}, step {i}", case.name());
            let args = step["args"].as_array().unwrap();
            let op = step["op"].as_str().unwrap();
            let at = |x: &Json| case.sample(x);
            match op {
                "ask" | "ask_without_pending" => {
                    let n = args[0].as_u64().unwrap() as usize;
                    let got = if op == "ask" { learner.ask(n) } else { learner.suggest(n) };
                    let points = numbers(&step["points"]);
                    assert_eq!(got.len(), points.len(), "{context}");
                    for ((got, x), improvement) in got.iter().zip(points).zip(numbers(&step["improvements"]))
                    {
                        assert_close(got.sample.point.x(), x, 0.0, 1e-9, &context);
                        assert_close(got.loss_improvement, improvement, 1e-9, 1e-12, &context);
                    }
                }
                "tell" => learner.tell(&at(&args[0]), &value(&args[1])).unwrap(),
                "tell_pending" => learner.tell_pending(&at(&args[0])),
                "remove_unfinished" => learner.remove_unfinished(),
                "tell_many" | "tell_many_force" => {
                    let rows = args[0].as_array().unwrap().iter().zip(args[1].as_array().unwrap());
                    let told: Vec<_> = rows.map(|(x, y)| (at(x), value(y))).collect();
                    if op == "tell_many" { learner.tell_many(&told) } else { learner.tell_bulk(&told) }
                        .unwrap();
                }
                other => panic!("unknown operation {other}"),
            }
            assert_state(&mut learner, &step["state"], &context);
        }
    }
}

fn assert_state(learner: &mut Learner1D, state: &Json, context: &str) {
    assert_eq!(learner.npoints(), state["npoints"].as_u64().unwrap() as usize, "{context}");
    assert_eq!(learner.pending().collect::<Vec<_>>(), numbers(&state["pending"]), "{context}");
    assert_eq!(learner.scales(), (number(&state["x_scale"]), number(&state["y_scale"])), "{context}");
    for (which, total, intervals) in
        [(Loss::Real, "loss", "losses"), (Loss::Expected, "loss_pending", "losses_combined")]
    {
        assert_close(learner.loss(which), number(&state[total]), 1e-9, 1e-12, context);
        let got = learner.intervals(which);
        let recorded = state[intervals].as_array().unwrap();
        assert_eq!(got.len(), recorded.len(), "{context}, {intervals}");
        for ((a, b, loss), row) in got.into_iter().zip(recorded) {
            assert_eq!([a, b], numbers(row)[..2], "{context}, {intervals}");
            assert_close(loss, number(&row[2]), 1e-9, 1e-12, context);
        }
    }
}

/// Runs a case with the function computed here, in batches, up to each recorded number of points; hands over
/// the measures of each.
fn run_ourselves(case: &Case, mut check: impl FnMut(&Json, &mut dyn Learner, &[(Sample, f64)])) {
    let batch = case.json["mode"]["n"].as_u64().unwrap_or(1) as usize;
    let mut learner = case.learner();
    let mut asked = std::collections::VecDeque::new();
    let mut told = Vec::new();
    for measure in case.list("measures") {
        let n = measure["n"].as_u64().unwrap() as usize;
        while told.len() < n {
            if asked.is_empty() {
                asked.extend(learner.ask(batch).into_iter().map(|suggestion| suggestion.sample));
            }
            let sample: Sample = asked.pop_front().unwrap();
            let y = case.function(sample.learner).at(sample.point.x());
            learner.tell(&sample, &Value::vector(&y)).unwrap();
            told.push((sample, y[0]));
        }
        check(measure, learner.as_mut(), &told);
    }
}

#[test]
fn our_own_runs_reach_the_recorded_measures() {
    let mut seen = 0;
    for case in Case::all("l1d_").into_iter().filter(|case| {
        case.optional("measures").is_some_and(|m| !m.is_empty())
            && case.json["mode"]["kind"] == "batch"
            && case.json["mode"].get("preload").is_none()
            && case.function(0).at(0.5).len() == 1
    }) {
        let stable = case.stable_points();
        run_ourselves(&case, |measure, learner, told| {
            // Beyond the stable points another order of equals is right too.
            let tolerance = if told.len() <= stable { 1e-6 } else { 0.2 };
            let context = format!("{} with {} points", case.name(), told.len());
            assert_close(learner.loss(Loss::Real), number(&measure["loss"]), tolerance, 1e-9, &context);
            let errors = function::errors(&case, told);
            assert_close(errors.0, number(&measure["max_error"]), tolerance, 1e-9, &context);
            assert_close(errors.1, number(&measure["rms_error"]), tolerance, 1e-9, &context);
        });
        seen += 1;
    }
    assert!(seen >= 20, "{seen}");
}

#[test]
fn balanced_runs_reach_the_recorded_losses_on_our_own_path() {
    for case in Case::all("bal_")
        .into_iter()
        .filter(|case| case.name().starts_with("bal_alike") || STALE_EXPECTED_LOSS.contains(&case.name()))
    {
        run_ourselves(&case, |measure, learner, told| {
            let context = format!("{} with {} points", case.name(), told.len());
            let recorded = number(&measure["loss"]);
            let loss = learner.loss(Loss::Real);
            assert!(loss <= 1.25 * recorded, "{context}: {loss} is worse than {recorded}");
            let children = learner.children().unwrap();
            assert!(
                children.iter().all(|child| child.npoints() > told.len() / 10),
                "{context}: a child starves"
            );
        });
    }
}
