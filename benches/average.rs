//! Samples per second of the averaging learners: `cargo bench --no-default-features --bench average`.
//!
//! Every measurement is a whole run from an empty learner, ask(1)+tell or in batches, so that the cost of growth is in it.

use adaptive_mpi::learner::{AverageLearner, AverageLearner1D, Learner, Sampling};
use adaptive_mpi::loss;
use adaptive_mpi::model::{Sample, Value};
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};

fn noise(sample: &Sample) -> f64 {
    let x: f64 = sample.point.iter().sum();
    let hash = sample.replica.wrapping_add(x.to_bits()).wrapping_mul(6_364_136_223_846_793_005);
    x * x * x - x + 0.03 / (0.01 + x * x) + (hash >> 11) as f64 / (1u64 << 53) as f64
}

fn run(learner: &mut dyn Learner, n: usize, batch: usize, many: bool) {
    let mut asked = Vec::with_capacity(batch);
    for _ in 0..n / batch {
        asked.clear();
        learner.ask_into(batch, &mut asked);
        if many {
            let told: Vec<_> =
                asked.iter().map(|s| (s.sample.clone(), Value::scalar(noise(&s.sample)))).collect();
            let _ = learner.tell_many(&told);
        } else {
            for suggestion in &asked {
                let _ = learner.tell(&suggestion.sample, &Value::scalar(noise(&suggestion.sample)));
            }
        }
    }
}

fn average() -> Box<dyn Learner> {
    match AverageLearner::new(Some(1e-9), None, 2) {
        Ok(learner) => Box::new(learner),
        Err(error) => unreachable!("{error}"),
    }
}

fn average1d() -> Box<dyn Learner> {
    match AverageLearner1D::new((-1.0, 1.0), loss::default_interval_loss(), Sampling::default()) {
        Ok(learner) => Box::new(learner),
        Err(error) => unreachable!("{error}"),
    }
}

fn measure(c: &mut Criterion, name: &str, new: fn() -> Box<dyn Learner>, sizes: &[usize]) {
    let mut group = c.benchmark_group(name);
    group.sample_size(10);
    for &n in sizes {
        group.throughput(Throughput::Elements(n as u64));
        for (how, batch, many) in [("1", 1, false), ("100", 100, false), ("100_tell_many", 100, true)] {
            group.bench_function(format!("{n}_by_{how}"), |b| {
                b.iter_batched(
                    new,
                    |mut learner| {
                        run(learner.as_mut(), n, batch, many);
                        learner
                    },
                    BatchSize::PerIteration,
                );
            });
        }
    }
}

fn benches(c: &mut Criterion) {
    measure(c, "average", average, &[100_000, 1_000_000]);
    measure(c, "average1d", average1d, &[10_000, 100_000, 1_000_000]);
}

criterion_group!(all, benches);
criterion_main!(all);
