//! What every learner promises, whatever its kind: properties over the registry and over balancing learners.

#![expect(clippy::unwrap_used, reason = "a test may panic, in its own functions too")]

mod balancing;
mod calls;
mod domain;
mod fine;
mod given_up;
mod lacking;
mod points_first;
mod refused;
mod restart;
mod whole_numbers;

use adaptive_mpi::learner::{
    self, BalancingLearner, LEARNERS, Learner, Learner1D, SequenceLearner, Strategy, Suggestion,
};
use adaptive_mpi::loss::simplex::SIMPLEX_LOSSES;
use adaptive_mpi::loss::triangle::TRIANGLE_LOSSES;
use adaptive_mpi::loss::{Curvature, INTERVAL_LOSSES, IntervalLoss};
use adaptive_mpi::model::settings::{Setting, SettingValue, Table};
use adaptive_mpi::model::{Sample, Value};
use std::sync::Arc;

fn list(numbers: &[f64]) -> SettingValue {
    let item = |x: &f64| Setting { value: SettingValue::Float(*x), span: 0..0 };
    SettingValue::List(numbers.iter().map(item).collect())
}

fn lists<const N: usize>(rows: &[[f64; N]]) -> SettingValue {
    let row = |row: &[f64; N]| Setting { value: list(row), span: 0..0 };
    SettingValue::List(rows.iter().map(row).collect())
}

/// The beginning of the settings of a learner.
fn of(kind: &str) -> Table {
    Table::new("learner").with("type", SettingValue::Text(kind.into()))
}

/// Settings of a learner of each registered kind; for a new kind, add its own here. A key that is added to them
/// again is not looked at.
fn settings(kind: &str) -> Table {
    let table = of(kind);
    match kind {
        "1d" => table.with("bounds", list(&[-1.0, 1.5])),
        "integrator" => table.with("bounds", list(&[-1.0, 1.5])).with("tol", SettingValue::Float(1e-9)),
        "2d" => {
            let pair = |lo, hi| Setting { value: list(&[lo, hi]), span: 0..0 };
            table.with("bounds", SettingValue::List(vec![pair(-1.0, 1.5), pair(0.0, 0.5)]))
        }
        "nd" => table.with("bounds", lists(&[[-1.0, 1.5], [0.0, 2.0]])),
        "sequence" => {
            table.with("sequence", list(&(0..60).map(|i| f64::from(i * i) - 30.0).collect::<Vec<_>>()))
        }
        "average" => table.with("atol", SettingValue::Float(0.1)),
        "average1d" => table
            .with("bounds", list(&[-1.0, 1.5]))
            .with("min_samples", SettingValue::Integer(3))
            .with("neighbor_sampling", SettingValue::Float(0.6)),
        "data_saver" => {
            let inner = settings("1d");
            table.with("arg_picker", SettingValue::Integer(0)).with("learner", SettingValue::Table(inner))
        }
        other => panic!("no example settings for the learner `{other}`"),
    }
}

/// The `loss` of a learner: a name, and the parameters that it can't do without.
fn loss_settings(name: &str) -> SettingValue {
    let table = Table::new("learner.loss").with("name", SettingValue::Text(name.into()));
    SettingValue::Table(match name {
        "level" => table.with("levels", list(&[0.5, 2.0])),
        "thresholded" => table.with("upper_threshold", SettingValue::Float(10.0)),
        _ => table,
    })
}

/// The same of a learner of type `2d`, where `thresholded` needs nothing.
fn triangle_loss_settings(name: &str) -> SettingValue {
    if name == "level" { loss_settings(name) } else { SettingValue::Text(name.into()) }
}

fn line(bounds: (f64, f64), loss: Arc<dyn IntervalLoss>) -> Learner1D {
    Learner1D::new(bounds, loss).unwrap()
}

fn curved(bounds: (f64, f64)) -> Learner1D {
    line(bounds, Arc::new(Curvature::default()))
}

/// One learner of every registered kind, one per loss, and a mixed balancing learner per strategy.
fn all_learners() -> Vec<(String, Box<dyn Learner>)> {
    let mut all: Vec<(String, Box<dyn Learner>)> = Vec::new();
    for kind in LEARNERS {
        let learner = learner::from_settings(&settings(kind.name)).unwrap();
        assert_eq!(learner.kind(), kind.name);
        all.push((kind.name.into(), learner));
    }
    for kind in INTERVAL_LOSSES {
        let table = settings("1d").with("loss", loss_settings(kind.name));
        all.push((format!("1d, {}", kind.name), learner::from_settings(&table).unwrap()));
    }
    let first = settings("1d").with("points_first", list(&[0.5, 0.1, -1.0, 0.5]));
    all.push(("1d, points first".into(), learner::from_settings(&first).unwrap()));
    let whole = of("1d")
        .with("bounds", list(&[-20.0, 45.0]))
        .with("integer", SettingValue::Bool(true))
        .with("points_first", list(&[3.0]));
    all.push(("1d, whole numbers".into(), learner::from_settings(&whole).unwrap()));
    for kind in TRIANGLE_LOSSES {
        let table = settings("2d")
            .with("loss", triangle_loss_settings(kind.name))
            .with("stack_size", SettingValue::Integer(3));
        all.push((format!("2d, {}", kind.name), learner::from_settings(&table).unwrap()));
    }
    for kind in SIMPLEX_LOSSES {
        let table = settings("nd").with("loss", loss_settings(kind.name));
        all.push((format!("nd, {}", kind.name), learner::from_settings(&table).unwrap()));
    }
    let cube = of("nd").with("bounds", lists(&[[-1.0, 1.0], [0.0, 1e-6], [-1e4, 3e4]]));
    let pentagon = of("nd")
        .with("hull", lists(&[[0.0, -1.0], [0.95, -0.3], [0.6, 0.8], [-0.6, 0.8], [-0.95, -0.3]]))
        .with("anisotropic", SettingValue::Bool(true));
    for (name, table) in [("nd, a cube", cube), ("nd, a pentagon", pentagon)] {
        all.push((name.into(), learner::from_settings(&table).unwrap()));
    }
    all.extend(learners_with_wishes());
    for (strategy, name, _) in Strategy::ALL {
        let children: Vec<Box<dyn Learner>> = vec![
            learner::from_settings(&settings("1d")).unwrap(),
            learner::from_settings(&settings("2d")).unwrap(),
            Box::new(SequenceLearner::of_numbers(vec![1.0, 4.0, 9.0]).unwrap()),
            Box::new(curved((0.0, 3.0))),
            learner::from_settings(&settings("average")).unwrap(),
            learner::from_settings(&settings("average1d")).unwrap(),
            learner::from_settings(&settings("data_saver")).unwrap(),
            learner::from_settings(&settings("nd")).unwrap(),
        ];
        all.push((format!("balancing, {name}"), Box::new(BalancingLearner::new(children, *strategy))));
    }
    all
}

/// Learners with given points and of whole numbers.
fn learners_with_wishes() -> Vec<(String, Box<dyn Learner>)> {
    let truth = |value| Setting { value: SettingValue::Bool(value), span: 0..0 };
    let axes = |axes: &[bool]| SettingValue::List(axes.iter().map(|axis| truth(*axis)).collect());
    let first = || lists(&[[0.5, 0.25], [-1.0, 0.0], [0.5, 0.25], [1.0, 0.5]]);
    let whole = || lists(&[[3.0, 2.0], [0.0, 5.0]]);
    let small = || lists(&[[0.0, 6.0], [-1.0, 5.0]]);
    let hull = || lists(&[[0.0, 0.0], [9.0, 2.0], [3.0, 8.0], [-4.0, 5.0]]);
    let level = || loss_settings("level");
    let all = SettingValue::Bool(true);
    let tables = [
        ("2d, points first", settings("2d").with("points_first", first())),
        ("nd, points first", settings("nd").with("points_first", first())),
        ("average1d, points first", settings("average1d").with("points_first", list(&[0.5, -1.0, 0.5, 0.1]))),
        (
            "2d, whole",
            of("2d").with("bounds", small()).with("integer", all.clone()).with("points_first", whole()),
        ),
        ("2d, half whole", of("2d").with("bounds", small()).with("integer", axes(&[true, false]))),
        (
            "nd, whole",
            of("nd").with("bounds", small()).with("integer", all.clone()).with("points_first", whole()),
        ),
        (
            "nd, whole, level",
            of("nd").with("bounds", small()).with("integer", all.clone()).with("loss", level()),
        ),
        ("nd, half whole", of("nd").with("bounds", small()).with("integer", axes(&[false, true]))),
        ("nd, a whole hull", of("nd").with("hull", hull()).with("integer", all.clone())),
        (
            "nd, a cube, partly whole",
            of("nd")
                .with("bounds", lists(&[[-1.0, 1.0], [0.0, 1e-6], [-10.0, 300.0]]))
                .with("integer", axes(&[true, false, true])),
        ),
    ];
    tables.map(|(name, table)| (name.to_owned(), learner::from_settings(&table).unwrap())).into()
}

/// Of any number of coordinates; another one for each learner, and with a little noise where there are replicas.
fn function(sample: &Sample) -> Value {
    // All coordinates count, each with a weight of its own.
    let x = sample.point.iter().enumerate().map(|(axis, x)| x * 0.6f64.powi(axis as i32)).sum::<f64>();
    let noise = 0.2 * (sample.replica as f64 * 0.618_033_988_75).fract();
    Value::scalar((3.0 * x + f64::from(sample.learner)).sin() + 0.3 * x + 1.0 / (0.01 + x * x) + noise)
}

type Key = (u32, u64, Vec<u64>);

fn key(sample: &Sample) -> Key {
    (sample.learner, sample.replica, sample.point.iter().map(|x| x.to_bits()).collect())
}

/// Equal as text: NaN equals itself there.
fn same(a: &[Suggestion], b: &[Suggestion]) -> bool {
    format!("{a:?}") == format!("{b:?}")
}

fn samples(suggestions: &[Suggestion]) -> Vec<Sample> {
    suggestions.iter().map(|suggestion| suggestion.sample.clone()).collect()
}
