//! The measuring rod: by how much the interpolant of a learner's points is wrong, beside a uniform grid and adaptive.
//!
//! `scripts/quality` runs it and writes `benches/QUALITY.md` and `benches/quality.svg`. Adaptive's losses are measured by
//! our learner, which asks for the same points in the same order (`tests/learner_reference`, and the first table
//! repeats figures that were recorded with adaptive itself).

mod functions;
mod measure;
mod picture;
mod points;
mod several;
mod table;

use adaptive_mpi::learner::{self, Learner};
use adaptive_mpi::model::settings::{Setting, SettingValue, Table};
use functions::Case;
use measure::Errors;

/// Numbers of points in the tables.
const POINTS: [usize; 5] = [50, 100, 300, 1000, 3000];
/// Points in flight in the second table.
const IN_FLIGHT: [usize; 4] = [1, 8, 64, 256];
/// Ours first, then adaptive's.
const LOSSES: [&str; 4] = ["interpolation_error", "uniform", "default", "curvature"];

/// One row: a function at a number of points.
struct Row {
    case: &'static Case,
    n: usize,
    grid: Errors,
    /// By loss, in the order of [`LOSSES`].
    learners: Vec<Errors>,
}

/// A learner for a function, made as from a study file.
fn learner_for(case: &Case, loss: &str) -> Box<dyn Learner> {
    learner_of(if case.bounds.len() == 1 { "1d" } else { "nd" }, case, loss)
}

/// A learner of some kind.
fn learner_of(kind: &str, case: &Case, loss: &str) -> Box<dyn Learner> {
    let item = |x: f64| Setting { value: SettingValue::Float(x), span: 0..0 };
    let pair = |&(lo, hi): &(f64, f64)| vec![item(lo), item(hi)];
    let bounds = match case.bounds {
        [only] => pair(only),
        many => {
            let list = |bounds| Setting { value: SettingValue::List(pair(bounds)), span: 0..0 };
            many.iter().map(list).collect()
        }
    };
    let table = Table::new("learner")
        .with("type", SettingValue::Text(kind.into()))
        .with("bounds", SettingValue::List(bounds))
        .with("loss", SettingValue::Text(loss.into()));
    match learner::from_settings(&table) {
        Ok(learner) => learner,
        Err(error) => unreachable!("{error}"),
    }
}

fn measured(case: &Case, loss: &str, n: usize, in_flight: usize) -> Errors {
    let mut learner = learner_for(case, loss);
    let told = measure::sampled(learner.as_mut(), case, n, in_flight);
    measure::learner_errors(learner.as_ref(), case, &told)
}

fn rows() -> Vec<Row> {
    let row = |case: &'static Case, n| Row {
        case,
        n,
        grid: measure::grid_errors(case, n),
        learners: LOSSES.iter().map(|loss| measured(case, loss, n, 1)).collect(),
    };
    functions::LINES.iter().flat_map(|case| POINTS.map(|n| row(case, n))).collect()
}

#[expect(clippy::print_stdout, reason = "the script writes it to a file")]
fn main() {
    match std::env::args().nth(1).as_deref() {
        Some("picture") => print!("{}", picture::svg(&picture::lines(&rows()))),
        Some("picture-2d") => print!("{}", picture::svg(&picture::plane(&several::PLANE))),
        Some("several") => {
            for plan in [several::PLANE, several::SPACE] {
                println!("{}", plan.tables(&plan.rows()));
            }
            println!("{}", several::in_flight());
        }
        _ => {
            let rows = rows();
            println!("{}", table::summary(&rows));
            println!("{}", table::by_function(&rows));
            println!("{}", table::in_flight());
            println!("{}", table::full(&rows));
        }
    }
}
