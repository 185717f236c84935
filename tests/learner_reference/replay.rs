//! Walks through the events of a recorded run.

use crate::case::{Case, assert_close, number, numbers};
use adaptive_mpi::learner::{Learner, Loss};
use adaptive_mpi::model::{Detail, Sample, Value};
use serde_json::Value as Json;

/// Follows the events of a case; returns how many points were compared.
pub fn replay(case: &Case) -> usize {
    replay_on(case, case.learner(), 1e-9)
}

/// The same with an empty learner of the caller's. Losses are compared with this relative tolerance.
pub fn replay_on(case: &Case, mut learner: Box<dyn Learner>, tolerance: f64) -> usize {
    let mut asked: Vec<Sample> = Vec::new();
    let (mut losses, mut open) = (0, 0);
    for event in case.list("events") {
        let argument = &event[1];
        match event[0].as_str().unwrap() {
            "ask" => {
                let n = argument.as_u64().unwrap() as usize;
                let suggested = learner.suggest(n);
                let mut got = learner.ask(n);
                // As text, in which NaN equals itself.
                assert_eq!(format!("{suggested:?}"), format!("{got:?}"), "suggest and ask differ");
                let recorded = case.list("asked").len();
                if asked.len() + n > case.stable_points() && case.stable_points() < recorded {
                    return asked.len();
                }
                assert!(got.len() == n || asked.len() + got.len() == recorded, "too few points");
                if case.kind() == "AverageLearner" {
                    // Upstream asks the seeds after a gap in the order of a hash set.
                    let recorded = &case.list("asked")[asked.len()..];
                    got.sort_by_key(|s| recorded.iter().position(|seed| case.sample(seed) == s.sample));
                }
                for suggestion in got {
                    let i = asked.len();
                    let expected = case.sample(&case.list("asked")[i]);
                    let context = format!("{}, point {i}", case.name());
                    assert_eq!(suggestion.sample.learner, expected.learner, "{context}");
                    assert_eq!(suggestion.sample.replica, expected.replica, "{context}");
                    assert_eq!(suggestion.sample.point.len(), expected.point.len(), "{context}");
                    let coordinates = suggestion.sample.point.iter().zip(&*expected.point);
                    for ((got, expected), width) in coordinates.zip(case.widths(expected.learner)) {
                        assert_close(*got, *expected, 0.0, 1e-9 * width, &context);
                    }
                    let improvement = number(&case.list("improvements")[i]);
                    assert_close(suggestion.loss_improvement, improvement, tolerance, 1e-12, &context);
                    // What is told are the recorded points, to their last bit: whoever evaluates points elsewhere may say
                    // them as adaptive does.
                    asked.push(expected);
                    open += 1;
                }
                continue;
            }
            "tell" => {
                let i = argument.as_u64().unwrap() as usize;
                learner.tell(&asked[i], &told_value(case, i)).unwrap();
                open -= 1;
            }
            "tell_many" => {
                let indices = argument.as_array().unwrap().iter().map(|i| i.as_u64().unwrap() as usize);
                let told: Vec<_> = indices.map(|i| (asked[i].clone(), told_value(case, i))).collect();
                learner.tell_many(&told).unwrap();
                open -= told.len();
            }
            "give" => {
                let k = argument.as_u64().unwrap() as usize;
                let sample = case.sample(&case.list("given")[k]);
                learner.tell(&sample, &value(&case.list("given_values")[k])).unwrap();
            }
            "remove_unfinished" => {
                assert_eq!(learner.npending(), argument.as_u64().unwrap() as usize);
                learner.remove_unfinished();
                assert_eq!(learner.npending(), 0);
                open = 0;
                continue;
            }
            other => panic!("unknown event {other}"),
        }
        let context = format!("{}, loss after telling event {losses}", case.name());
        assert_close(
            learner.loss(Loss::Real),
            number(&case.list("loss")[losses]),
            tolerance,
            1e-12,
            &context,
        );
        // The pending loss of a balancing learner depends on the defect above.
        if let Some(pending) = case.optional("loss_pending").filter(|_| case.kind() != "BalancingLearner") {
            let expected = number(&pending[losses]);
            assert_close(learner.loss(Loss::Expected), expected, tolerance, 1e-12, &context);
        }
        losses += 1;
    }
    // Of a run that is followed to its end, each told point was one that was asked for here, bit by bit; stretched coordinates
    // are rounded in another way.
    if case.name() != "lnd2_anisotropic_seq" {
        assert_eq!(learner.npending(), open, "{}", case.name());
    }
    assert_eq!(learner.npoints(), case.json["n_told"].as_u64().unwrap() as usize);
    asked.len()
}

/// The i-th recorded value as the function returned it.
pub fn told_value(case: &Case, i: usize) -> Value {
    let value = value(&case.list("values")[i]);
    if case.kind() != "DataSaver" {
        return value;
    }
    let names = vec!["y".to_owned(), "index".to_owned()];
    let mut record = Value::vector(&[value.y(), i as f64]);
    record.detail = Some(Box::new(Detail { names, extra: None }));
    record
}

pub fn value(json: &Json) -> Value {
    Value::vector(&numbers(json))
}

pub fn replay_all(prefix: &str, skipped: &[&str]) -> usize {
    let cases: Vec<_> = Case::all(prefix).into_iter().filter(|case| !case.is_scripted()).collect();
    let mut followed = 0;
    for case in cases.iter().filter(|case| !skipped.contains(&case.name())) {
        let points = replay(case);
        assert!(points + 8 > case.stable_points().min(case.list("asked").len()), "{}: {points}", case.name());
        followed += 1;
    }
    assert_eq!(followed + skipped.len(), cases.len());
    followed
}
