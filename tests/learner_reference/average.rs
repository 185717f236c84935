//! `AverageLearner`, `AverageLearner1D`, `DataSaver`.

use crate::case::{Case, assert_close, number, numbers};
use crate::replay::{replay_all, told_value};
use adaptive_mpi::learner::{AverageLearner1D, Learner, Loss};
use adaptive_mpi::model::settings::{SettingValue, Table};
use adaptive_mpi::model::{Sample, Value};

#[test]
fn average_learner_follows_every_recorded_run() {
    assert_eq!(replay_all("avg_", &[]), 5);
}

#[test]
fn average_learner1d_follows_every_recorded_run() {
    assert_eq!(replay_all("avg1d_", &[]), 6);
}

#[test]
fn data_saver_follows_every_recorded_run() {
    assert_eq!(replay_all("datasaver_", &[]), 2);
}

/// Tells a new learner all recorded values in the recorded order.
fn told(case: &Case, learner: &mut dyn Learner) {
    let samples: Vec<Sample> = case.list("asked").iter().map(|point| case.sample(point)).collect();
    let tell = |i: &serde_json::Value| {
        let i = i.as_u64().unwrap() as usize;
        (samples[i].clone(), told_value(case, i))
    };
    for event in case.list("events") {
        match event[0].as_str().unwrap() {
            "tell" => {
                let (sample, value) = tell(&event[1]);
                learner.tell(&sample, &value).unwrap();
            }
            "tell_many" => {
                let many: Vec<_> = event[1].as_array().unwrap().iter().map(tell).collect();
                learner.tell_many(&many).unwrap();
            }
            _ => {}
        }
    }
}

#[test]
fn means_and_deviations_end_as_recorded() {
    for case in Case::all("avg_") {
        let mut learner = case.learner();
        told(&case, learner.as_mut());
        let figures = learner.figures();
        assert_eq!(figures.iter().map(|(name, _)| *name).collect::<Vec<_>>(), ["mean", "std"]);
        for (name, got) in figures {
            assert_close(got, number(&case.json[name]), 1e-9, 1e-12, &format!("{}, {name}", case.name()));
        }
        let goal = case.json["goal"].get("loss").map(number);
        assert!(goal.is_none_or(|goal| goal == 1.0 && learner.done() == Some(true)));
    }
}

#[test]
fn points_end_with_the_recorded_means_and_errors() {
    for case in Case::all("avg1d_") {
        let mut table = Table::new("learner");
        for (key, value) in case.json["params"].as_object().unwrap() {
            let value = match value.as_array() {
                Some(_) => {
                    let item = |x| adaptive_mpi::model::settings::Setting {
                        value: SettingValue::Float(x),
                        span: 0..0,
                    };
                    SettingValue::List(numbers(value).into_iter().map(item).collect())
                }
                None => SettingValue::Float(number(value)),
            };
            table = table.with(key, value);
        }
        table = table.with("loss", SettingValue::Text("default".into()));
        let mut learner = AverageLearner1D::from_settings(&table).unwrap();
        told(&case, &mut learner);
        let recorded = case.list("points_at_end");
        assert_eq!(learner.points().count(), recorded.len(), "{}", case.name());
        for (point, recorded) in learner.points().zip(recorded) {
            let recorded = numbers(recorded);
            let context = format!("{} at {}", case.name(), point.x);
            assert_close(point.x, recorded[0], 0.0, 1e-9, &context);
            assert_eq!(point.samples as f64, recorded[1], "{context}");
            assert_close(point.mean, recorded[2], 1e-9, 1e-12, &context);
            assert_close(point.error, recorded[3], 1e-9, 1e-12, &context);
        }
        let fewest = learner.points().map(|point| point.samples).min().unwrap();
        assert_eq!(
            learner.figures(),
            [("nsamples", learner.npoints() as f64), ("min_samples_per_point", fewest as f64)]
        );
    }
}

/// A run with many workers: what is asked while others are pending is as good as what is asked one by one.
#[test]
fn workers_share_the_samples_of_a_point() {
    for case in Case::all("avg1d_").into_iter().filter(|case| case.json["mode"]["n"] == 1) {
        let (function, n) = (case.function(0), case.list("asked").len());
        let mut learner = case.learner();
        let mut pending = std::collections::VecDeque::new();
        let mut asked = std::collections::BTreeSet::new();
        while learner.npoints() < n {
            while pending.len() < 24 {
                let sample = learner.ask(1).remove(0).sample;
                let key = (sample.point.x().to_bits(), sample.replica);
                assert!(asked.insert(key), "{}: {sample:?} is asked twice", case.name());
                pending.push_back(sample);
            }
            let sample: Sample = pending.pop_front().unwrap();
            learner.tell(&sample, &Value::vector(&function.of(&sample))).unwrap();
        }
        let (loss, recorded) = (learner.loss(Loss::Real), number(&case.json["final_loss"]));
        assert!(loss < 1.6 * recorded, "{}: {loss} is worse than {recorded}", case.name());
    }
}

#[test]
fn the_recorded_values_are_those_of_our_functions() {
    for case in Case::all("avg") {
        let function = case.function(0);
        for (point, value) in case.list("asked").iter().zip(case.list("values")) {
            assert_close(function.of(&case.sample(point))[0], number(value), 1e-12, 1e-12, case.name());
        }
    }
}
