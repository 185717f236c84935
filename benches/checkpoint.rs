//! What keeping a checkpoint costs rank 0: rate of append and commit, longest stall while a snapshot of 1e6
//! points is written in the background, memory per point, time to read.
//!
//! Run with `cargo bench --bench checkpoint`. The figures are printed once; criterion then times the parts.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a measurement: it prints, and may fail loudly"
)]

use adaptive_mpi::checkpoint::*;
use adaptive_mpi::model::{Point, Sample, Value};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;
use std::time::{Duration, Instant};

const N: usize = 1_000_000;
const BATCH: usize = 8;

fn fact(i: usize) -> Fact {
    let sample = Sample::at(Point::scalar(i as f64));
    let meta = Meta { worker: 1 + i as u32 % 15, attempt: 0, started: 1.7e9, duration: 1e-3 };
    Fact::Told(Told { sample, value: Value::scalar(1.0 / (1.0 + i as f64)), meta })
}

fn options(folder: &std::path::Path) -> Options {
    Options { interval: Duration::from_millis(200), ..Options::new(folder, "bench", Header::new("bench")) }
}

/// A real run's calls, as fast as they go.
fn figures(_: &mut Criterion) {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let (mut checkpoint, _) = Checkpoint::open(&options(folder.path())).unwrap();
    let facts: Vec<Fact> = (0..N).map(fact).collect();
    let (mut append, mut commits, mut ticks) = (Duration::ZERO, Vec::new(), Vec::new());
    let start = Instant::now();
    for batch in facts.chunks(BATCH) {
        let t0 = Instant::now();
        batch.iter().for_each(|fact| checkpoint.append(fact));
        let t1 = Instant::now();
        checkpoint.commit().unwrap();
        let t2 = Instant::now();
        checkpoint.tick(t2, &Vec::new).unwrap();
        append = append.max(t1 - t0);
        commits.push(t2 - t1);
        ticks.push(t2.elapsed());
    }
    let whole = start.elapsed();
    println!("{N} facts in batches of {BATCH}: {:.2} M facts/s", N as f64 / whole.as_secs_f64() / 1e6);
    println!("  longest append of a batch {append:?}");
    println!("  longest commit {:?}, longest tick {:?}", commits.iter().max(), ticks.iter().max());
    println!("  {:?}, {:.1} bytes per point", checkpoint.stats(), checkpoint.bytes_per_point());
    // At 1e6 points, with snapshots one after another.
    let (mut commits, mut ticks) = (Vec::new(), Vec::new());
    let start = Instant::now();
    for i in 0.. {
        if start.elapsed() > Duration::from_secs(3) {
            break;
        }
        checkpoint.append(&facts[i % N]);
        let t1 = Instant::now();
        checkpoint.commit().unwrap();
        let t2 = Instant::now();
        checkpoint.tick(t2, &Vec::new).unwrap();
        commits.push(t2 - t1);
        ticks.push(t2.elapsed());
        std::thread::sleep(Duration::from_micros(20));
    }
    println!("while 1e6 points are written, {} commits and ticks:", commits.len());
    println!("  longest commit {:?}, longest tick {:?}", commits.iter().max(), ticks.iter().max());
    println!("  {:?}", checkpoint.stats());
    checkpoint.close(vec![], Ending::new(EndingKind::Goal, "done")).unwrap();
    let start = Instant::now();
    let loaded = read(folder.path(), "bench").unwrap();
    println!("{} facts read in {:?}", loaded.len(), start.elapsed());
}

fn append_and_commit(c: &mut Criterion) {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let facts: Vec<Fact> = (0..BATCH).map(fact).collect();
    let (mut checkpoint, _) = Checkpoint::open(&options(folder.path())).unwrap();
    let mut group = c.benchmark_group("checkpoint");
    group.measurement_time(Duration::from_secs(2)).warm_up_time(Duration::from_millis(500));
    group.throughput(Throughput::Elements(BATCH as u64));
    group.bench_function("append and commit 8", |b| {
        b.iter(|| {
            facts.iter().for_each(|fact| checkpoint.append(fact));
            checkpoint.commit().unwrap();
        });
    });
    group.bench_function("append 8 to columns", |b| {
        let told = facts.iter().filter_map(|fact| match fact {
            Fact::Told(told) => Some(told),
            Fact::Failed(_) => None,
        });
        let mut columns = Columns::default();
        b.iter(|| told.clone().for_each(|told| columns.push(black_box(told))));
    });
    group.finish();
}

criterion_group!(benches, figures, append_and_commit);
criterion_main!(benches);
