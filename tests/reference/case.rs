//! A recorded run: how to read its file and make its learner.

use super::function::Function;
use adaptive_mpi::learner::{BalancingLearner, Learner, Learner1D, SequenceLearner};
use adaptive_mpi::loss::{self, IntervalLoss};
use adaptive_mpi::model::settings::{SettingValue, Table};
use adaptive_mpi::model::{Point, Sample};
use serde_json::Value as Json;
use std::path::Path;
use std::sync::Arc;

pub struct Case {
    pub json: Json,
}

impl Case {
    /// All cases whose name begins with `prefix`, by name.
    pub fn all(prefix: &str) -> Vec<Self> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/reference");
        let mut files: Vec<_> =
            std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.sort();
        let wanted = |path: &&std::path::PathBuf| {
            let name = path.file_name().unwrap().to_str().unwrap();
            name.starts_with(prefix) && name.ends_with(".json")
        };
        let read =
            |path| Self { json: serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap() };
        files.iter().filter(wanted).map(read).collect()
    }

    pub fn name(&self) -> &str {
        self.json["name"].as_str().unwrap()
    }

    pub fn kind(&self) -> &str {
        self.json["learner"].as_str().unwrap()
    }

    pub fn is_scripted(&self) -> bool {
        self.json["mode"]["kind"] == "scripted"
    }

    pub fn optional(&self, key: &str) -> Option<&Vec<Json>> {
        self.json.get(key).and_then(Json::as_array)
    }

    pub fn list(&self, key: &str) -> &Vec<Json> {
        self.optional(key).unwrap_or_else(|| panic!("{} has no {key}", self.name()))
    }

    pub fn stable_points(&self) -> usize {
        self.json["sensitivity"]["stable_points"].as_u64().unwrap() as usize
    }

    /// Parameters of a learner, or of a child.
    fn params(&self, child: u32) -> &Json {
        match self.kind() {
            "BalancingLearner" => &self.json["params"]["children"][child as usize]["params"],
            _ => &self.json["params"],
        }
    }

    pub fn function(&self, child: u32) -> Function {
        match self.kind() {
            "BalancingLearner" => Function::new(&self.json["params"]["children"][child as usize]["function"]),
            _ => Function::new(&self.json["function"]),
        }
    }

    /// Width of the domain, for tolerances.
    pub fn width(&self, child: u32) -> f64 {
        match self.params(child).get("bounds") {
            Some(bounds) => number(&bounds[1]) - number(&bounds[0]),
            None => 1.0,
        }
    }

    pub fn learner(&self) -> Box<dyn Learner> {
        match self.kind() {
            "SequenceLearner" => {
                Box::new(SequenceLearner::of_numbers(numbers(&self.json["params"]["sequence"])).unwrap())
            }
            "BalancingLearner" => {
                let params = &self.json["params"];
                let children = params["children"].as_array().unwrap();
                let child = |c: &Json| Box::new(learner1d(&c["params"])) as Box<dyn Learner>;
                let strategy = params["strategy"].as_str().unwrap().parse().unwrap();
                Box::new(BalancingLearner::new(children.iter().map(child).collect(), strategy))
            }
            _ => Box::new(self.learner1d()),
        }
    }

    pub fn learner1d(&self) -> Learner1D {
        learner1d(&self.json["params"])
    }
}

fn learner1d(params: &Json) -> Learner1D {
    let bounds = numbers(&params["bounds"]);
    let loss = params.get("loss").map_or_else(loss::default_interval_loss, named_loss);
    Learner1D::new((bounds[0], bounds[1]), loss).unwrap()
}

fn named_loss(params: &Json) -> Arc<dyn IntervalLoss> {
    let name = params["id"].as_str().unwrap();
    if name == "wide" {
        return loss::from_fn(2, |window| {
            let steps = 1..window.xs().len();
            let bend: f64 = steps.map(|i| (window.y(i)[0] - window.y(i - 1)[0]).abs()).sum();
            window.width() * (1.0 + bend)
        });
    }
    let mut table = Table::new("learner.loss").with("name", SettingValue::Text(name.into()));
    for (key, value) in params.as_object().unwrap().iter().filter(|(key, _)| *key != "id") {
        table = table.with(key, SettingValue::Float(number(value)));
    }
    let learner = Table::new("learner").with("loss", SettingValue::Table(table));
    loss::interval_loss_from_settings(&learner).unwrap()
}

/// The sample that a recorded point stands for.
pub fn sample_of(point: &Json, kind: &str) -> Sample {
    let at = |x: &Json| Point::scalar(number(x));
    match kind {
        "SequenceLearner" => Sample { learner: 0, replica: point[0].as_u64().unwrap(), point: at(&point[1]) },
        "BalancingLearner" => Sample::at(at(&point[1])).of_learner(point[0].as_u64().unwrap() as u32),
        _ => Sample::at(at(point)),
    }
}

/// A recorded number.
pub fn number(json: &Json) -> f64 {
    json.as_f64().unwrap_or_else(|| json.as_str().unwrap().parse().unwrap())
}

/// A recorded list of numbers; a single number counts as a list of one.
pub fn numbers(json: &Json) -> Vec<f64> {
    match json.as_array() {
        Some(list) => list.iter().map(number).collect(),
        None => vec![number(json)],
    }
}

pub fn assert_close(got: f64, expected: f64, relative: f64, absolute: f64, context: &str) {
    let same = got == expected || got.is_nan() && expected.is_nan();
    let close = (got - expected).abs() <= absolute.max(relative * expected.abs());
    assert!(same || close, "{context}: {got} instead of {expected}");
}
