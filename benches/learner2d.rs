//! Points per second of `Learner2D`: `cargo bench --no-default-features --bench learner2d`.
//!
//! Every measurement is a whole run from an empty learner with a cheap function, asked one by one, in batches, or with
//! 64 points in flight, so that the cost of growth is in it.

use adaptive_mpi::learner::{Learner, Learner2D};
use adaptive_mpi::loss::triangle::{self, TRIANGLE_LOSSES, TriangleLoss};
use adaptive_mpi::model::{Sample, Value, settings::Table};
use adaptive_mpi::report::grid::{self, Points};
use criterion::{BatchSize, BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main};
use std::collections::VecDeque;
use std::hint::black_box;
use std::sync::Arc;

fn ring(point: &[f64]) -> f64 {
    let (a, d) = (0.2, 0.75);
    let q = point[0] * point[0] + point[1] * point[1] - d * d;
    point[0] + (-q * q / (a * a * a * a)).exp()
}

fn empty(loss: &Arc<dyn TriangleLoss>) -> Learner2D {
    match Learner2D::new([(-1.0, 1.0), (-1.0, 1.0)], loss.clone()) {
        Ok(learner) => learner,
        Err(error) => unreachable!("{error}"),
    }
}

/// Keeps `in_flight` points pending; the oldest is told first.
fn run(mut learner: Learner2D, n: usize, in_flight: usize) -> Learner2D {
    let mut asked = Vec::new();
    let mut pending: VecDeque<Sample> = VecDeque::new();
    while learner.npoints() < n {
        asked.clear();
        learner.ask_into(in_flight - pending.len(), &mut asked);
        pending.extend(asked.drain(..).map(|suggestion| suggestion.sample));
        let Some(sample) = pending.pop_front() else { break };
        let _ = learner.tell(&sample, &Value::scalar(ring(&sample.point)));
    }
    learner
}

type Group<'a> = BenchmarkGroup<'a, criterion::measurement::WallTime>;

fn measure(group: &mut Group<'_>, name: &str, start: &Learner2D, n: usize, in_flight: usize) {
    group.throughput(Throughput::Elements(n as u64));
    group.bench_function(name, |b| {
        b.iter_batched(
            || start.clone(),
            |learner| black_box(run(learner, n, in_flight)),
            BatchSize::PerIteration,
        );
    });
}

/// The default loss of Python adaptive, to compare with it.
fn upstream() -> Arc<dyn TriangleLoss> {
    Arc::new(triangle::Deviation)
}

fn growth(c: &mut Criterion) {
    let mut group = c.benchmark_group("2d_default");
    group.sample_size(10);
    let start = empty(&upstream());
    for n in [1_000, 10_000, 100_000] {
        measure(&mut group, &n.to_string(), &start, n, 1);
    }
}

fn in_flight(c: &mut Criterion) {
    let mut group = c.benchmark_group("2d_in_flight_10000");
    group.sample_size(10);
    let start = empty(&upstream());
    for in_flight in [2, 64] {
        measure(&mut group, &in_flight.to_string(), &start, 10_000, in_flight);
    }
}

fn losses(c: &mut Criterion) {
    let mut group = c.benchmark_group("2d_losses_10000");
    group.sample_size(10);
    for kind in TRIANGLE_LOSSES {
        let Ok(loss) = (kind.from_settings)(&Table::new("learner.loss")) else { continue };
        measure(&mut group, kind.name, &empty(&loss), 10_000, 1);
    }
    let single = empty(&upstream()).with_stack_size(1);
    measure(&mut group, "default, stack of 1", &single, 10_000, 1);
}

/// A million points of a grid, from ten thousand told ones.
fn grid(c: &mut Criterion) {
    let learner = run(empty(&upstream()), 10_000, 1);
    let points = Points::even(&learner.bounds(), &[1000, 1000]);
    let mut group = c.benchmark_group("2d_grid_of_10000");
    group.sample_size(10).throughput(Throughput::Elements(points.len() as u64));
    group.bench_function("1000x1000", |b| b.iter(|| black_box(grid::interpolate(&learner, &points))));
}

criterion_group!(benches, growth, in_flight, losses, grid);
criterion_main!(benches);
