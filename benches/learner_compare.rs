//! The side of `scripts/bench-learners` that is ours. Each line of standard input is a case and a number of points, as
//! `nd3 5000`; the answer is a line with the points per second of ask(1) + tell, from an empty learner on.
//!
//! Rates are by processor time, on both sides: other work on the machine then hardly counts.

use adaptive_mpi::learner::{BalancingLearner, Learner, Strategy, from_settings};
use adaptive_mpi::model::settings::{Setting, SettingValue, Table};
use adaptive_mpi::model::{Sample, Value};
use nix::sys::resource::{UsageWho, getrusage};
use std::io::BufRead;

const CHILDREN: usize = 1000;
/// A slow moment should not count: the best run does, of so many that they take this long.
const ENOUGH: f64 = 0.4;

type Function = fn(&Sample) -> f64;

fn peak(sample: &Sample) -> f64 {
    let (x, a) = (sample.point.x(), 0.01);
    x + a * a / (a * a + (x - 0.2) * (x - 0.2))
}

/// A ring, a sphere, …: the functions of adaptive's tutorial.
fn ring(sample: &Sample) -> f64 {
    let q = sample.point.iter().map(|x| x * x).sum::<f64>() - 0.75 * 0.75;
    sample.point[0] + (-q * q / 0.2f64.powi(4)).exp()
}

fn noise(sample: &Sample) -> f64 {
    let seed = sample.replica as f64;
    (seed * seed).sin()
}

fn noisy(sample: &Sample) -> f64 {
    let (x, seed) = (sample.point.x(), sample.replica as f64);
    x * x * x - x + 3.0 * 0.01 / (0.01 + x * x) + 0.5 * (seed * seed + 100.0 * x).sin()
}

fn jumps(sample: &Sample) -> f64 {
    sample.point.x().exp().floor()
}

fn floats(numbers: &[f64]) -> SettingValue {
    let one = |x: &f64| Setting { value: SettingValue::Float(*x), span: Default::default() };
    SettingValue::List(numbers.iter().map(one).collect())
}

/// A learner on [-1, 1] in each of `dim` dimensions.
fn learner(kind: &str, dim: usize, more: &[(&str, SettingValue)]) -> Box<dyn Learner> {
    let interval = floats(&[-1.0, 1.0]);
    let rows = |n| {
        let row = |_| Setting { value: interval.clone(), span: Default::default() };
        SettingValue::List((0..n).map(row).collect())
    };
    let mut table = Table::new("learner").with("type", SettingValue::Text(kind.to_owned()));
    match (kind, dim) {
        (_, 0) => {}
        (_, 1) => table = table.with("bounds", interval.clone()),
        (_, n) => table = table.with("bounds", rows(n)),
    }
    for (key, value) in more {
        table = table.with(key, value.clone());
    }
    match from_settings(&table) {
        Ok(learner) => learner,
        Err(error) => unreachable!("{}", error.message),
    }
}

/// The same within a simplex whose faces are slanted, so that points on them are off them by rounding.
fn in_a_hull(dim: usize) -> Box<dyn Learner> {
    let one = |value| Setting { value, span: Default::default() };
    let corner = |i: usize| {
        let row: Vec<f64> = (0..dim)
            .map(|j| {
                if i == 0 {
                    -1.0
                } else if i == j + 1 {
                    0.9
                } else {
                    -0.7 + 0.1 * j as f64
                }
            })
            .collect();
        one(floats(&row))
    };
    let hull = ("hull", SettingValue::List((0..=dim).map(corner).collect()));
    learner("nd", 0, &[hull, ("loss", SettingValue::Text("default".to_owned()))])
}

fn loss(name: &str) -> [(&'static str, SettingValue); 1] {
    [("loss", SettingValue::Text(name.to_owned()))]
}

/// The learner and the function of a case.
fn case(name: &str) -> Option<(Box<dyn Learner>, Function)> {
    let strategy = |name| Strategy::ALL.iter().find(|strategy| strategy.1 == name);
    if let Some((strategy, ..)) = name.strip_prefix("balancing_").and_then(strategy) {
        let children = (0..CHILDREN).map(|_| learner("1d", 1, &loss("default"))).collect();
        return Some((Box::new(BalancingLearner::new(children, *strategy)), peak));
    }
    Some(match name {
        "1d_default" => (learner("1d", 1, &loss("default")), peak as Function),
        "1d_curvature" => (learner("1d", 1, &loss("curvature")), peak),
        "1d_interpolation_error" => (learner("1d", 1, &loss("interpolation_error")), peak),
        "2d" => (learner("2d", 2, &loss("default")), ring),
        "nd2" => (learner("nd", 2, &loss("default")), ring),
        "nd2_curvature" => (learner("nd", 2, &loss("curvature")), ring),
        "nd2_hull" => (in_a_hull(2), ring),
        "nd3_hull" => (in_a_hull(3), ring),
        "nd3" => (learner("nd", 3, &loss("default")), ring),
        "nd4" => (learner("nd", 4, &loss("default")), ring),
        "average" => (learner("average", 0, &[("atol", SettingValue::Float(1e-9))]), noise),
        "average1d" => (learner("average1d", 1, &loss("default")), noisy),
        "integrator" => {
            let more = [("bounds", floats(&[0.0, 3.0])), ("tol", SettingValue::Float(1e-14))];
            (learner("integrator", 0, &more), jumps)
        }
        _ => return None,
    })
}

/// Processor time of this process in seconds.
fn cpu() -> f64 {
    let Ok(usage) = getrusage(UsageWho::RUSAGE_SELF) else { return f64::NAN };
    let seconds = |time: nix::sys::time::TimeVal| time.tv_sec() as f64 + time.tv_usec() as f64 * 1e-6;
    seconds(usage.user_time()) + seconds(usage.system_time())
}

/// Seconds for `n` times ask(1) and tell.
fn run(learner: &mut dyn Learner, function: Function, n: usize) -> f64 {
    let mut asked = Vec::with_capacity(1);
    let start = cpu();
    for _ in 0..n {
        asked.clear();
        learner.ask_into(1, &mut asked);
        for suggestion in &asked {
            let _ = learner.tell(&suggestion.sample, &Value::scalar(function(&suggestion.sample)));
        }
    }
    let took = cpu() - start;
    assert_eq!(learner.npoints(), n);
    took
}

#[expect(clippy::print_stdout, reason = "the script reads it")]
fn main() {
    for line in std::io::stdin().lock().lines().map_while(Result::ok) {
        let words = line.split_once(' ').and_then(|(name, n)| Some((case(name)?, n.parse().ok()?)));
        let Some(((empty, function), n)) = words else {
            println!("unknown case: {line}");
            continue;
        };
        let (mut best, mut total) = (f64::INFINITY, 0.0);
        while total < ENOUGH {
            let took = run(empty.new_empty().as_mut(), function, n);
            (best, total) = (best.min(took), total + took);
        }
        println!("{}", n as f64 / best);
    }
}
