//! Inserts per second of the triangulation: `cargo bench --no-default-features --bench geometry`.
//!
//! Three ways of growing: random points with the simplex that holds them as hint, random points without a hint, and
//! refinement as a learner does it (the middle of the longest edge of the simplex with the greatest loss, of which the
//! simplex is the hint). The figures are whole runs, so that the cost of growth is in them.

use adaptive_mpi::geometry::{SimplexId, Triangulation, simplex};
use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use std::collections::BinaryHeap;
use std::hint::black_box;

fn random(state: &mut u64) -> f64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    (*state >> 11) as f64 / (1_u64 << 53) as f64
}

fn cloud<const D: usize>(n: usize) -> Vec<[f64; D]> {
    let mut state = 88_172_645_463_325_252;
    (0..n).map(|_| std::array::from_fn(|_| random(&mut state))).collect()
}

fn cube<const D: usize>() -> Triangulation<D> {
    let corners: Vec<[f64; D]> =
        (0..1 << D).map(|i: usize| std::array::from_fn(|k| (i >> k & 1) as f64)).collect();
    match Triangulation::new(&corners) {
        Ok(cube) => cube,
        Err(error) => unreachable!("{error}"),
    }
}

/// Splits what counts most: the volume, weighed by the nearness to a sphere.
fn refine<const D: usize>(t: &mut Triangulation<D>, n: usize) {
    let loss = |t: &Triangulation<D>, id: SimplexId| {
        let mut away = 0.0;
        for vertex in t.vertices(id) {
            let radius = t.point(*vertex).iter().map(|x| (x - 0.5) * (x - 0.5)).sum::<f64>().sqrt();
            away += (radius - 0.3).abs();
        }
        (t.volume(id) / (0.01 + away)).to_bits()
    };
    let mut heap: BinaryHeap<(u64, SimplexId)> = t.simplices().map(|id| (loss(t, id), id)).collect();
    let mut corners = Vec::new();
    while t.npoints() < n {
        let Some((most, id)) = heap.pop() else { return };
        if !t.is_alive(id) || loss(t, id) != most {
            continue;
        }
        corners.clear();
        t.vertices(id).iter().for_each(|v| corners.extend(t.point(*v)));
        let (a, b) = simplex::longest_edge(&corners, D);
        let middle = std::array::from_fn(|i| (corners[a * D + i] + corners[b * D + i]) / 2.0);
        if t.insert(middle, Some(id)).is_ok() {
            heap.extend(t.added().iter().map(|id| (loss(t, *id), *id)));
        }
    }
}

fn insert<const D: usize>(c: &mut Criterion, sizes: &[usize]) {
    let mut group = c.benchmark_group(format!("{D}d"));
    group.sample_size(10);
    for &n in sizes {
        let points = cloud::<D>(n);
        group.throughput(Throughput::Elements(n as u64));
        group.bench_function(BenchmarkId::new("hint", n), |b| {
            // The walk to the hint is not the insert's cost: points come along a curve, so that the last is near.
            let mut near = points.clone();
            near.sort_by_cached_key(|point| {
                (0..20).rev().fold(0_u64, |code, bit| {
                    (0..D).fold(code, |code, i| code << 1 | ((point[i] * 1e6) as u64 >> bit & 1))
                })
            });
            b.iter_batched(
                cube::<D>,
                |mut t| {
                    let mut hint = None;
                    for point in &near {
                        let _ = t.insert(*point, hint);
                        hint = t.added().first().copied();
                    }
                    t
                },
                BatchSize::PerIteration,
            );
        });
        group.bench_function(BenchmarkId::new("no_hint", n), |b| {
            b.iter_batched(
                cube::<D>,
                |mut t| {
                    for point in &points {
                        let _ = t.insert(*point, None);
                    }
                    t
                },
                BatchSize::PerIteration,
            );
        });
        group.bench_function(BenchmarkId::new("at_once", n), |b| {
            b.iter(|| Triangulation::new(black_box(&points)));
        });
        group.bench_function(BenchmarkId::new("refine", n), |b| {
            b.iter_batched(
                cube::<D>,
                |mut t| {
                    refine(&mut t, n);
                    t
                },
                BatchSize::PerIteration,
            );
        });
    }
    group.finish();
}

fn grow(c: &mut Criterion) {
    insert::<2>(c, &[1000, 10_000, 100_000]);
    insert::<3>(c, &[1000, 30_000]);
    insert::<4>(c, &[500, 5000]);
}

criterion_group!(benches, grow);
criterion_main!(benches);
