//! Points per second of `LearnerNd`: `cargo bench --no-default-features --bench learner_nd`.
//!
//! Every measurement is a whole run from an empty learner with a cheap function, one point at a time, so that the cost of
//! growth is in it.

use adaptive_mpi::learner::{Learner, learner_nd};
use adaptive_mpi::model::Value;
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};

/// A ring, a sphere, …: the functions of adaptive's tutorial.
fn ring(x: &[f64]) -> f64 {
    let q = x.iter().map(|x| x * x).sum::<f64>() - 0.75 * 0.75;
    x[0] + (-q * q / 0.2f64.powi(4)).exp()
}

fn learner(dim: usize, loss: &str, anisotropic: bool) -> Box<dyn Learner> {
    let kind = adaptive_mpi::loss::simplex::SIMPLEX_LOSSES.iter().find(|kind| kind.name == loss);
    let table = adaptive_mpi::model::settings::Table::new("learner.loss");
    let made = kind.map(|kind| (kind.from_settings)(&table));
    let Some(Ok(loss)) = made else { unreachable!("no loss {loss}") };
    let options = learner_nd::Options { loss, anisotropic, ..Default::default() };
    match learner_nd::cuboid(&vec![(-1.0, 1.0); dim], options) {
        Ok(learner) => learner,
        Err(error) => unreachable!("{error}"),
    }
}

fn one_by_one(learner: &mut dyn Learner, n: usize) {
    let mut asked = Vec::with_capacity(1);
    for _ in 0..n {
        asked.clear();
        learner.ask_into(1, &mut asked);
        for suggestion in &asked {
            let _ = learner.tell(&suggestion.sample, &Value::scalar(ring(&suggestion.sample.point)));
        }
    }
}

fn runs(c: &mut Criterion) {
    for (name, dim, loss, anisotropic, sizes) in [
        ("2d_default", 2, "default", false, &[1_000, 5_000, 100_000][..]),
        ("3d_default", 3, "default", false, &[1_000, 5_000, 30_000]),
        ("4d_default", 4, "default", false, &[500, 5_000]),
        ("2d_curvature", 2, "curvature", false, &[1_000]),
        ("2d_anisotropic", 2, "default", true, &[1_000]),
    ] {
        let mut group = c.benchmark_group(name);
        group.sample_size(10);
        for n in sizes {
            group.throughput(Throughput::Elements(*n as u64));
            group.bench_function(n.to_string(), |b| {
                b.iter_batched(
                    || learner(dim, loss, anisotropic),
                    |mut learner| {
                        one_by_one(learner.as_mut(), *n);
                        learner
                    },
                    BatchSize::PerIteration,
                );
            });
        }
    }
}

/// A batch of points asked at once, and one point looked at without asking.
fn asking(c: &mut Criterion) {
    let mut group = c.benchmark_group("2d_with_2000_points");
    let mut grown = learner(2, "default", false);
    one_by_one(grown.as_mut(), 2_000);
    group.bench_function("suggest_1", |b| b.iter(|| grown.suggest(1)));
    group.bench_function("suggest_100", |b| b.iter(|| grown.suggest(100)));
    group.finish();
}

criterion_group!(benches, runs, asking);
criterion_main!(benches);
