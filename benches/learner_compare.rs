//! The side of `scripts/bench-learners` that is ours: prints one JSON object with points per second by case.

use adaptive_mpi::learner::{BalancingLearner, Learner, Learner1D, Strategy};
use adaptive_mpi::loss::{self, Curvature, Distance, IntervalLoss};
use adaptive_mpi::model::Value;
use std::sync::Arc;
use std::time::Instant;

const CHILDREN: usize = 1000;
/// A slow moment of the machine should not count: the best of this many runs does.
const RUNS: usize = 5;

fn peak(x: f64) -> f64 {
    let a = 0.01;
    x + a * a / (a * a + (x - 0.2) * (x - 0.2))
}

fn learner1d(loss: &Arc<dyn IntervalLoss>) -> Box<dyn Learner> {
    match Learner1D::new((-1.0, 1.0), loss.clone()) {
        Ok(learner) => Box::new(learner),
        Err(error) => unreachable!("{error}"),
    }
}

/// Points per second of n times ask(1) and tell, from an empty learner.
fn rate(make: impl Fn() -> Box<dyn Learner>, n: usize) -> f64 {
    let run = || {
        let mut learner = make();
        let mut asked = Vec::with_capacity(1);
        let start = Instant::now();
        for _ in 0..n {
            asked.clear();
            learner.ask_into(1, &mut asked);
            for suggestion in &asked {
                let value = Value::scalar(peak(suggestion.sample.point.x()));
                let _ = learner.tell(&suggestion.sample, &value);
            }
        }
        assert_eq!(learner.npoints(), n);
        n as f64 / start.elapsed().as_secs_f64()
    };
    (0..RUNS).map(|_| run()).fold(0.0, f64::max)
}

#[expect(clippy::print_stdout, reason = "the script reads it")]
fn main() {
    let default: Arc<dyn IntervalLoss> = Arc::new(Distance);
    let curvature: Arc<dyn IntervalLoss> = Arc::new(Curvature::default());
    let mut rates = serde_json::Map::new();
    let mut measure = |case: &str, make: &dyn Fn() -> Box<dyn Learner>, n: usize| {
        rates.insert(format!("{case}, N={n}"), rate(make, n).into());
    };
    measure("Learner1D default", &|| learner1d(&default), 10_000);
    measure("Learner1D default", &|| learner1d(&default), 100_000);
    measure("Learner1D curvature", &|| learner1d(&curvature), 10_000);
    let ours = loss::default_interval_loss();
    measure("Learner1D interpolation_error", &|| learner1d(&ours), 10_000);
    for &(strategy, name, _) in Strategy::ALL {
        let children = || (0..CHILDREN).map(|_| learner1d(&default)).collect();
        let make = || Box::new(BalancingLearner::new(children(), strategy)) as Box<dyn Learner>;
        measure(&format!("Balancing {CHILDREN} {name}"), &make, 10_000);
    }
    if std::env::args().any(|argument| argument == "--large") {
        measure("Learner1D default", &|| learner1d(&default), 1_000_000);
    }
    println!("{}", serde_json::Value::Object(rates));
}
