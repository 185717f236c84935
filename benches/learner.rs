//! Points per second of the learners: `cargo bench --no-default-features --bench learner`.
//!
//! Every measurement is a whole run from an empty learner with a cheap function, so that the cost of growth is in it.
//! `scripts/bench-learners` compares the same runs with Python adaptive.

use adaptive_mpi::learner::{
    ArgPicker, BalancingLearner, DataSaver, Learner, Learner1D, SequenceLearner, Strategy,
};
use adaptive_mpi::loss::{self, Curvature, Distance, IntervalLoss};
use adaptive_mpi::model::{Detail, Sample, Value};
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use std::sync::Arc;

fn peak(x: f64) -> f64 {
    let a = 0.01;
    x + a * a / (a * a + (x - 0.2) * (x - 0.2))
}

fn one_by_one(learner: &mut dyn Learner, n: usize) {
    one_by_one_of(learner, n, |sample| Value::scalar(peak(sample.point.x())));
}

fn one_by_one_of(learner: &mut dyn Learner, n: usize, value: impl Fn(&Sample) -> Value) {
    let mut asked = Vec::with_capacity(1);
    for _ in 0..n {
        asked.clear();
        learner.ask_into(1, &mut asked);
        for suggestion in &asked {
            let _ = learner.tell(&suggestion.sample, &value(&suggestion.sample));
        }
    }
}

fn learner1d(loss: &Arc<dyn IntervalLoss>) -> Box<dyn Learner> {
    match Learner1D::new((-1.0, 1.0), loss.clone()) {
        Ok(learner) => Box::new(learner),
        Err(error) => unreachable!("{error}"),
    }
}

fn growth(c: &mut Criterion) {
    let losses: [(&str, Arc<dyn IntervalLoss>); 3] = [
        ("default", Arc::new(Distance)),
        ("curvature", Arc::new(Curvature::default())),
        ("interpolation_error", loss::default_interval_loss()),
    ];
    for (name, loss) in losses {
        let mut group = c.benchmark_group(format!("1d_{name}"));
        group.sample_size(10);
        for n in [10_000, 100_000, 1_000_000] {
            group.throughput(Throughput::Elements(n as u64));
            group.bench_function(n.to_string(), |b| {
                b.iter_batched(
                    || learner1d(&loss),
                    |mut learner| {
                        one_by_one(learner.as_mut(), n);
                        learner
                    },
                    BatchSize::PerIteration,
                );
            });
        }
    }
}

/// A sequence from its first element to its last, and a learner of one of two named outputs.
fn others(c: &mut Criterion) {
    for n in [10_000, 1_000_000] {
        let elements: Vec<f64> = (0..n).map(f64::from).collect();
        let Ok(sequence) = SequenceLearner::of_numbers(elements) else { unreachable!("it is not empty") };
        let mut group = c.benchmark_group("sequence");
        group.sample_size(10).throughput(Throughput::Elements(n as u64));
        group.bench_function(n.to_string(), |b| {
            b.iter_batched(
                || sequence.new_empty(),
                |mut learner| {
                    one_by_one_of(learner.as_mut(), n as usize, |_| Value::scalar(0.5));
                    learner
                },
                BatchSize::PerIteration,
            );
        });
    }
    let loss = loss::default_interval_loss();
    let names = ["t", "y"].map(str::to_owned);
    let saver = |picker: ArgPicker| DataSaver::new(learner1d(&loss), picker);
    let mut group = c.benchmark_group("data_saver");
    group.sample_size(10).throughput(Throughput::Elements(100_000));
    for (name, picker) in [("name", ArgPicker::Names(vec!["y".into()])), ("place", ArgPicker::Index(1))] {
        group.bench_function(name, |b| {
            b.iter_batched(
                || saver(picker.clone()),
                |mut learner| {
                    one_by_one_of(&mut learner, 100_000, |sample| {
                        let mut value = Value::vector(&[0.5, peak(sample.point.x())]);
                        value.detail = Some(Box::new(Detail { names: names.to_vec(), extra: None }));
                        value
                    });
                    learner
                },
                BatchSize::PerIteration,
            );
        });
    }
}

fn balancing(c: &mut Criterion) {
    let mut group = c.benchmark_group("balancing_1000");
    group.sample_size(10).throughput(Throughput::Elements(10_000));
    let loss: Arc<dyn IntervalLoss> = Arc::new(Distance);
    for &(strategy, name, _) in Strategy::ALL {
        group.bench_function(name, |b| {
            b.iter_batched(
                || BalancingLearner::new((0..1000).map(|_| learner1d(&loss)).collect(), strategy),
                |mut learner| {
                    one_by_one(&mut learner, 10_000);
                    learner
                },
                BatchSize::PerIteration,
            );
        });
    }
}

fn batches(c: &mut Criterion) {
    let mut group = c.benchmark_group("batches");
    group.sample_size(10).throughput(Throughput::Elements(100_000));
    let loss: Arc<dyn IntervalLoss> = Arc::new(Distance);
    let grid: Vec<(Sample, Value)> = learner1d(&loss)
        .suggest(100_000)
        .into_iter()
        .map(|suggestion| {
            let y = peak(suggestion.sample.point.x());
            (suggestion.sample, Value::scalar(y))
        })
        .collect();
    group.bench_function("tell_many", |b| {
        b.iter_batched(
            || learner1d(&loss),
            |mut learner| {
                let _ = learner.tell_many(&grid);
                learner
            },
            BatchSize::PerIteration,
        );
    });
    group.bench_function("tell_foreign", |b| {
        b.iter_batched(
            || learner1d(&loss),
            |mut learner| {
                for (sample, value) in &grid {
                    let _ = learner.tell(sample, value);
                }
                learner
            },
            BatchSize::PerIteration,
        );
    });
    group.bench_function("ask_100_tell_100", |b| {
        b.iter_batched(
            || learner1d(&loss),
            |mut learner| {
                let mut asked = Vec::new();
                for _ in 0..1000 {
                    asked.clear();
                    learner.ask_into(100, &mut asked);
                    for suggestion in &asked {
                        let value = Value::scalar(peak(suggestion.sample.point.x()));
                        let _ = learner.tell(&suggestion.sample, &value);
                    }
                }
                learner
            },
            BatchSize::PerIteration,
        );
    });
}

criterion_group!(benches, growth, others, balancing, batches);
criterion_main!(benches);
