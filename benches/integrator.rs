//! Points per second of the integrator: `cargo bench --no-default-features --bench integrator`.
//!
//! Each measurement is a whole run from an empty learner, one point at a time, with a cheap function. The jumps of
//! `floor(exp(x))` are what Python adaptive's figure of 22 000 points a second at 10 000 points was measured with.

use adaptive_mpi::learner::{BalancingLearner, IntegratorLearner, Learner, Strategy};
use adaptive_mpi::model::Value;
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};

fn integrator(bounds: (f64, f64)) -> Box<dyn Learner> {
    match IntegratorLearner::new(bounds, 1e-14) {
        Ok(learner) => Box::new(learner),
        Err(error) => unreachable!("{error}"),
    }
}

fn one_by_one(learner: &mut dyn Learner, n: usize, f: fn(f64) -> f64) {
    let mut asked = Vec::with_capacity(1);
    for _ in 0..n {
        asked.clear();
        learner.ask_into(1, &mut asked);
        for suggestion in &asked {
            let _ = learner.tell(&suggestion.sample, &Value::scalar(f(suggestion.sample.point.x())));
        }
    }
}

fn growth(c: &mut Criterion) {
    // With jumps, nothing is left to improve after some 20 000 points.
    type Row = (&'static str, fn(f64) -> f64, &'static [usize]);
    let functions: [Row; 2] = [
        ("jumps", |x| x.exp().floor(), &[1_000, 10_000]),
        ("oscillating", |x| (3e4 * x * x).sin(), &[1_000, 10_000, 100_000]),
    ];
    for (name, f, sizes) in functions {
        let mut group = c.benchmark_group(format!("integrator_{name}"));
        group.sample_size(10);
        for &n in sizes {
            group.throughput(Throughput::Elements(n as u64));
            group.bench_function(n.to_string(), |b| {
                b.iter_batched(
                    || integrator((0.0, 3.0)),
                    |mut learner| {
                        one_by_one(learner.as_mut(), n, f);
                        learner
                    },
                    BatchSize::PerIteration,
                );
            });
        }
    }
}

fn balancing(c: &mut Criterion) {
    let mut group = c.benchmark_group("integrator_balancing_100");
    group.sample_size(10).throughput(Throughput::Elements(10_000));
    for &(strategy, name, _) in Strategy::ALL {
        group.bench_function(name, |b| {
            b.iter_batched(
                || BalancingLearner::new((0..100).map(|_| integrator((0.0, 3.0))).collect(), strategy),
                |mut learner| {
                    one_by_one(&mut learner, 10_000, |x| x.exp().floor());
                    learner
                },
                BatchSize::PerIteration,
            );
        });
    }
}

criterion_group!(benches, growth, balancing);
criterion_main!(benches);
