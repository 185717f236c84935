//! A recorded run: how to read its file and make its learner.

use crate::function::Function;
use adaptive_mpi::learner::{self, BalancingLearner, Learner, Learner1D};
use adaptive_mpi::loss::{self, Distance, IntervalLoss};
use adaptive_mpi::model::settings::{Setting, SettingValue, Table};
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

    /// The sample that a recorded point stands for.
    pub fn sample(&self, point: &Json) -> Sample {
        sample_of(point, self.kind(), self.json["params"]["child_type"].as_str().unwrap_or_default())
    }

    pub fn function(&self, child: u32) -> Function {
        match self.kind() {
            "BalancingLearner" => Function::new(&self.json["params"]["children"][child as usize]["function"]),
            _ => Function::new(&self.json["function"]),
        }
    }

    /// Widths of the domain along each coordinate, for tolerances.
    pub fn widths(&self, child: u32) -> Vec<f64> {
        let params = self.params(child);
        let params = params.get("inner").unwrap_or(params);
        let width = |lo: &Json, hi: &Json| number(hi) - number(lo);
        match (params.get("bounds").and_then(Json::as_array), params.get("hull").and_then(Json::as_array)) {
            (Some(bounds), _) if bounds[0].is_array() => bounds.iter().map(|b| width(&b[0], &b[1])).collect(),
            (Some(bounds), _) => vec![width(&bounds[0], &bounds[1])],
            (None, Some(hull)) => {
                let corners: Vec<_> = hull.iter().map(numbers).collect();
                let along = |i: usize| corners.iter().map(move |corner| corner[i]);
                let range = |i| along(i).fold(f64::MIN, f64::max) - along(i).fold(f64::MAX, f64::min);
                (0..corners[0].len()).map(range).collect()
            }
            (None, None) => vec![1.0],
        }
    }

    /// The learner, made as from a study file.
    pub fn learner(&self) -> Box<dyn Learner> {
        let params = &self.json["params"];
        if self.kind() != "BalancingLearner" {
            return made(self.kind(), params);
        }
        let child = |child: &Json| made(params["child_type"].as_str().unwrap(), &child["params"]);
        let children = params["children"].as_array().unwrap().iter().map(child).collect();
        let strategy = params["strategy"].as_str().unwrap().parse().unwrap();
        Box::new(BalancingLearner::new(children, strategy))
    }

    /// The `[learner]` table of a study that makes the learner.
    pub fn settings(&self) -> Table {
        settings(self.kind(), &self.json["params"])
    }

    pub fn learner1d(&self) -> Learner1D {
        learner1d(&self.json["params"])
    }
}

/// The `type` in a study file.
fn type_of(learner: &str) -> &'static str {
    match learner {
        "Learner1D" => "1d",
        "Learner2D" => "2d",
        "LearnerND" => "nd",
        "AverageLearner" => "average",
        "AverageLearner1D" => "average1d",
        "IntegratorLearner" => "integrator",
        "SequenceLearner" => "sequence",
        "DataSaver" => "data_saver",
        other => panic!("unknown learner {other}"),
    }
}

fn made(learner: &str, params: &Json) -> Box<dyn Learner> {
    if learner == "Learner1D" && params.get("loss").is_some_and(|loss| loss["id"] == "wide") {
        return Box::new(learner1d(params));
    }
    learner::from_settings(&settings(learner, params)).unwrap()
}

/// The `[learner]` table of a study that makes the learner of a case.
fn settings(learner: &str, params: &Json) -> Table {
    let mut table = Table::new("learner").with("type", SettingValue::Text(type_of(learner).into()));
    let has_losses = ["Learner1D", "Learner2D", "LearnerND", "AverageLearner1D"].contains(&learner);
    if has_losses && params.get("loss").is_none() {
        table = table.with("loss", SettingValue::Text("default".into()));
    }
    for (key, value) in params.as_object().unwrap() {
        table = match key.as_str() {
            "loss" => {
                let mut loss = Table::new("learner.loss");
                for (key, value) in value.as_object().unwrap() {
                    loss = loss.with(if key == "id" { "name" } else { key }, setting(value));
                }
                table.with("loss", SettingValue::Table(loss))
            }
            "inner_type" => table.with("arg_picker", SettingValue::Text("y".into())),
            "inner" => {
                let inner = settings(params["inner_type"].as_str().unwrap(), value);
                table.with("learner", SettingValue::Table(inner))
            }
            _ => table.with(key, setting(value)),
        };
    }
    table
}

fn setting(json: &Json) -> SettingValue {
    match json {
        Json::Bool(flag) => SettingValue::Bool(*flag),
        Json::Number(n) if n.is_i64() => SettingValue::Integer(n.as_i64().unwrap()),
        Json::Array(items) => {
            let item = |item| Setting { value: setting(item), span: 0..0 };
            SettingValue::List(items.iter().map(item).collect())
        }
        Json::String(text) if text.parse::<f64>().is_err() => SettingValue::Text(text.clone()),
        other => SettingValue::Float(number(other)),
    }
}

fn learner1d(params: &Json) -> Learner1D {
    let bounds = numbers(&params["bounds"]);
    let loss = params.get("loss").map_or_else(|| Arc::new(Distance) as _, named_loss);
    Learner1D::new((bounds[0], bounds[1]), loss).unwrap()
}

fn named_loss(params: &Json) -> Arc<dyn IntervalLoss> {
    if params["id"] == "wide" {
        return loss::from_fn(2, |window| {
            let steps = 1..window.xs().len();
            let bend: f64 = steps.map(|i| (window.y(i)[0] - window.y(i - 1)[0]).abs()).sum();
            window.width() * (1.0 + bend)
        });
    }
    let table = settings("Learner1D", &serde_json::json!({ "loss": params }));
    loss::interval_loss_from_settings(&table).unwrap()
}

/// The sample that a recorded point of a learner stands for.
pub fn sample_of(point: &Json, kind: &str, child_kind: &str) -> Sample {
    match kind {
        "SequenceLearner" => {
            Sample { learner: 0, replica: point[0].as_u64().unwrap(), point: coordinates(&point[1]) }
        }
        "AverageLearner" => Sample { learner: 0, replica: point.as_u64().unwrap(), point: Point::default() },
        "AverageLearner1D" => {
            Sample { learner: 0, replica: point[0].as_u64().unwrap(), point: coordinates(&point[1]) }
        }
        "BalancingLearner" => {
            sample_of(&point[1], child_kind, "").of_learner(point[0].as_u64().unwrap() as u32)
        }
        _ => Sample::at(coordinates(point)),
    }
}

fn coordinates(json: &Json) -> Point {
    numbers(json).into_iter().collect()
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
