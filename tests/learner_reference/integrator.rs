//! `IntegratorLearner`.

use crate::case::{Case, assert_close, number, numbers};
use crate::replay::{replay_all, value};
use adaptive_mpi::learner::{IntegratorLearner, Learner, Loss};
use adaptive_mpi::model::Value;

/// Where upstream ends with an error that ours has no need of: the integral diverges, or nothing is left to improve.
/// Both have tests of their own below.
const ENDS_WITH_AN_ERROR: [&str; 2] = ["int_divergent", "int_exp_until_exhausted"];

#[test]
fn integrator_follows_every_recorded_run() {
    assert_eq!(replay_all("int_", &ENDS_WITH_AN_ERROR), 13);
}

fn learner(case: &Case) -> IntegratorLearner {
    let bounds = numbers(&case.json["params"]["bounds"]);
    IntegratorLearner::new((bounds[0], bounds[1]), number(&case.json["params"]["tol"])).unwrap()
}

/// Tells what was recorded, points and values, in the recorded order of asks and tells; hands over the number of tells so far.
fn retell(case: &Case, learner: &mut IntegratorLearner, mut check: impl FnMut(&IntegratorLearner, usize)) {
    let mut told = 0;
    for event in case.list("events") {
        let argument = event[1].as_u64().unwrap() as usize;
        if event[0] == "ask" {
            learner.ask(argument);
        } else {
            let sample = case.sample(&case.list("asked")[argument]);
            learner.tell(&sample, &value(&case.list("values")[argument])).unwrap();
            told += 1;
            check(learner, told);
        }
    }
}

/// A run of our own, one by one, until the goal of the case or `most` points.
fn run(case: &Case, learner: &mut IntegratorLearner, most: usize) {
    let function = case.function(0);
    while learner.done() == Some(false) && learner.npoints() < most {
        for suggestion in learner.ask(1) {
            let y = function.at(suggestion.sample.point.x());
            learner.tell(&suggestion.sample, &Value::vector(&y)).unwrap();
        }
    }
}

#[test]
fn integral_and_error_are_the_recorded_ones_after_every_value() {
    let mut compared = 0;
    for case in Case::all("int_") {
        let (igrals, errs) = (numbers(&case.json["igral_history"]), numbers(&case.json["err_history"]));
        let (stable, done_after) = (case.stable_points(), case.json["done_after"].as_u64());
        retell(&case, &mut learner(&case), |learner, told| {
            if told > stable.min(igrals.len()) {
                return;
            }
            let context = format!("{}, after {told} values", case.name());
            let (igral, err) = (igrals[told - 1], errs[told - 1]);
            assert_close(learner.igral(), igral, 1e-12, 1e-14, &context);
            // Near the limit of rounding, errors are differences of equal numbers.
            assert_close(learner.err(), err, 1e-9, 1e-14, &context);
            if done_after.is_none_or(|n| n as usize <= stable) {
                assert_eq!(learner.done(), Some(done_after == Some(told as u64)), "{context}");
            }
            compared += 1;
        });
    }
    assert!(compared > 9000, "{compared}");
}

#[test]
fn intervals_are_the_recorded_ones_at_the_end() {
    let mut seen = 0;
    for case in Case::all("int_") {
        let whole = case.json.get("recorded_points").is_none();
        let Some(recorded) = case.optional("intervals").filter(|_| whole) else { continue };
        let mut learner = learner(&case);
        retell(&case, &mut learner, |_, _| {});
        let intervals = learner.approximating_intervals();
        assert_eq!(intervals.len(), recorded.len(), "{}", case.name());
        for (interval, row) in intervals.iter().zip(recorded) {
            let row = numbers(row);
            let context = format!("{}, interval at {}", case.name(), row[0]);
            assert_close(interval.a, row[0], 0.0, 1e-12, &context);
            assert_close(interval.b, row[1], 0.0, 1e-12, &context);
            assert_eq!(
                (f64::from(interval.depth), f64::from(interval.rdepth)),
                (row[2], row[3]),
                "{context}"
            );
            assert_close(interval.err, row[4], 1e-9, 1e-14, &context);
            assert_close(interval.igral, row[5], 1e-12, 1e-14, &context);
        }
        seen += 1;
    }
    assert_eq!(seen, 12);
}

#[test]
fn where_upstream_finds_divergence_nothing_is_asked_any_more() {
    let case = Case::all("int_divergent").remove(0);
    let mut learner = learner(&case);
    let n_told = case.json["error"]["n_told"].as_u64().unwrap() as usize;
    retell(&case, &mut learner, |learner, told| {
        assert_eq!(learner.is_divergent(), told >= n_told, "after {told} values");
        assert_eq!(learner.hopeless().is_some(), told >= n_told);
    });
    assert!(learner.ask(3).is_empty() && learner.suggest(1).is_empty());
    assert_eq!(learner.done(), Some(false));
    assert!(learner.figures().contains(&("divergent", 1.0)));
}

#[test]
fn where_nothing_can_be_improved_nothing_is_asked_any_more() {
    let case = Case::all("int_exp_until_exhausted").remove(0);
    let mut learner = learner(&case);
    retell(&case, &mut learner, |learner, told| assert_eq!(learner.done(), Some(told == 33)));
    assert!(learner.ask(3).is_empty() && learner.suggest(1).is_empty());
    assert_close(learner.igral(), number(&case.json["exact_integral"]), 1e-15, 0.0, case.name());
}

#[test]
fn where_upstream_stops_by_an_assertion_ours_goes_on_to_the_right_integral() {
    for name in ["int_f24_batch33", "int_f24_async8", "int_quadpack_cos_sin_6"] {
        let case = Case::all(name).remove(0);
        let mut learner = learner(&case);
        let wanted = learner.tol();
        retell(&case, &mut learner, |_, _| {});
        run(&case, &mut learner, 40_000);
        assert_eq!(learner.done(), Some(true), "{name}");
        let exact = if name == "int_quadpack_cos_sin_6" {
            // pi J0(64)
            std::f64::consts::PI * 0.092_590_012_216_048_08
        } else {
            number(&case.json["exact_integral"])
        };
        assert_close(learner.igral(), exact, wanted, 0.0, name);
        assert!((learner.igral() - exact).abs() <= learner.err(), "{name}: the claimed error is too small");
    }
}

#[test]
fn long_runs_end_with_the_recorded_number_of_points() {
    for (name, slack) in [("int_f24_loose_seq", 0.1), ("int_f24_tutorial_seq", 0.1)] {
        let case = Case::all(name).remove(0);
        let mut learner = learner(&case);
        run(&case, &mut learner, 40_000);
        let recorded = number(&case.json["done_after"]);
        assert!(learner.npoints() as f64 <= recorded * (1.0 + slack), "{name}: {}", learner.npoints());
        let exact = number(&case.json["exact_integral"]);
        assert!((learner.igral() - exact).abs() <= learner.err());
        assert!(learner.err() <= learner.tol() * exact.abs());
        assert!(learner.loss(Loss::Expected) == 0.0);
    }
}
