//! How fast the pool is here, beside a bare loop of MPI sends and receives in the same job.
//!
//! Rates of single runs vary severalfold on a shared machine, so bare loop and pool take turns within each
//! round, and what counts is the median of the ratios. The bare loop is what a short C program would do: blocking
//! `MPI_Send` and `MPI_Recv` of 8 bytes, waiting ranks spin.
//!
//! All ranks call [`run`]; rank 0 gets the rows. Their number of workers is that of the job: start it with
//! `-n 2`, `-n 3`, `-n 5` for 1, 2, 4 workers.

mod bare;

use crate::pool::error::LaunchError;
use crate::pool::handle::Pool;
use crate::pool::launch::{Launch, Variables};
use crate::pool::map::MapOptions;
use crate::pool::options::PoolOptions;
use crate::pool::panics;
use crate::pool::program::{Program, Task};
use crate::pool::transport::mpi::{self, MpiWorld};
use std::rc::Rc;
use std::time::{Duration, Instant};

/// What to measure.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct BenchOptions {
    /// Only what has this in its name; `None`: everything.
    pub only: Option<String>,
    /// How often bare loop and pool take turns.
    pub rounds: usize,
    /// Tasks per turn where they are empty.
    pub tasks: u64,
    /// Tasks in flight per worker where both sides hold the same number.
    pub in_flight: usize,
    /// Bytes of results per turn where these are large.
    pub bytes: u64,
    /// Time that each turn with sleeping tasks should take.
    pub sleeping: Duration,
    /// How long idle ranks are watched.
    pub idle: Duration,
}

impl Default for BenchOptions {
    fn default() -> Self {
        Self {
            only: None,
            rounds: 9,
            tasks: 50_000,
            in_flight: 8,
            bytes: 500_000_000,
            sleeping: Duration::from_millis(500),
            idle: Duration::from_secs(3),
        }
    }
}

/// One thing measured, over all rounds.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Row {
    /// What was measured.
    pub what: String,
    /// The unit of the samples: `tasks/s`, `MB/s`, `us`, `efficiency` or `cores`.
    pub unit: &'static str,
    /// Number of workers.
    pub workers: u32,
    /// Of the bare loop, one per round; empty where there is nothing to compare with.
    pub bare: Vec<f64>,
    /// Of the pool, one per round.
    pub pool: Vec<f64>,
}

impl Row {
    /// The median of the rounds' ratios, pool to bare loop; NaN without a bare loop.
    pub fn ratio(&self) -> f64 {
        median(self.pool.iter().zip(&self.bare).map(|(pool, bare)| pool / bare))
    }

    /// The median of the bare loop.
    pub fn bare_median(&self) -> f64 {
        median(self.bare.iter().copied())
    }

    /// The median of the pool.
    pub fn pool_median(&self) -> f64 {
        median(self.pool.iter().copied())
    }
}

fn median(samples: impl Iterator<Item = f64>) -> f64 {
    let mut samples: Vec<f64> = samples.collect();
    samples.sort_by(f64::total_cmp);
    samples.get(samples.len() / 2).copied().unwrap_or(f64::NAN)
}

/// One turn: what each task does, how many there are, how many a worker holds.
#[derive(Clone, Copy)]
struct Load {
    /// Tasks sleep so many microseconds.
    sleep: u64,
    tasks: u64,
    in_flight: usize,
}

/// Tasks in flight per worker where their results are large.
const IN_FLIGHT: usize = 2;

/// Until all ranks sleep.
const QUIET: Duration = Duration::from_millis(50);

/// What has been measured so far.
struct Rows<'a> {
    options: &'a BenchOptions,
    workers: u32,
    rows: Vec<Row>,
}

impl Rows<'_> {
    fn is_wanted(&self, what: &str) -> bool {
        self.options.only.as_ref().is_none_or(|part| what.contains(part.as_str()))
    }

    fn row(&self, what: &str, unit: &'static str) -> Row {
        Row { what: what.to_owned(), unit, workers: self.workers, bare: Vec::new(), pool: Vec::new() }
    }

    /// One row of what the bare loop and the pool reach, in this order, in each round.
    fn compare(
        &mut self,
        what: &str,
        unit: &'static str,
        mut turn: impl FnMut() -> Result<(f64, f64), LaunchError>,
    ) -> Result<(), LaunchError> {
        if self.is_wanted(what) {
            let mut row = self.row(what, unit);
            for _ in 0..self.options.rounds {
                let (bare, pool) = turn()?;
                row.bare.push(bare);
                row.pool.push(pool);
            }
            self.rows.push(row);
        }
        Ok(())
    }

    /// Rows without a bare loop: what each round gives.
    fn watch(
        &mut self,
        whats: &[(&str, &'static str)],
        mut turn: impl FnMut() -> Result<Vec<f64>, LaunchError>,
    ) -> Result<(), LaunchError> {
        if whats.iter().any(|(what, _)| self.is_wanted(what)) {
            let mut rows: Vec<Row> = whats.iter().map(|(what, unit)| self.row(what, unit)).collect();
            for _ in 0..self.options.rounds {
                let samples = turn()?;
                rows.iter_mut().zip(samples).for_each(|(row, sample)| row.pool.push(sample));
            }
            self.rows.append(&mut rows);
        }
        Ok(())
    }
}

struct Bench {
    world: Rc<MpiWorld>,
    launch: Launch,
    matched: bool,
}

/// Measures everything. On rank 0 the rows, elsewhere `None`.
///
/// # Errors
/// As [`Program::run`]; also without a launcher or with a single rank, where there is nothing to measure.
pub fn run(options: &BenchOptions) -> Result<Option<Vec<Row>>, LaunchError> {
    panics::install();
    let variables: Variables = std::env::vars().collect();
    let launch = Launch::from_env(&variables);
    let world = MpiWorld::init()?;
    panics::make_fatal(Some(|| mpi::abort(1)));
    if world.size() < 2 {
        return Err(LaunchError::Start("start it under mpiexec with at least two ranks".into()));
    }
    let matched = mpi::matched_probe_wanted(variables.get("ADAPTIVE_MPI_MATCHED_PROBE").map(String::as_str));
    let bench = Bench { world: Rc::new(world), launch, matched };
    let rows = bench.measure(options)?;
    let is_manager = bench.world.rank() == 0;
    panics::make_fatal(None);
    if let Ok(world) = Rc::try_unwrap(bench.world) {
        world.finalize()?;
    }
    Ok(is_manager.then_some(rows))
}

impl Bench {
    fn measure(&self, options: &BenchOptions) -> Result<Vec<Row>, LaunchError> {
        let k = options.in_flight.max(1);
        let empty = Load { sleep: 0, tasks: options.tasks, in_flight: k };
        let workers = self.world.size() - 1;
        let sleeping = |micros: u64| {
            let tasks = options.sleeping.as_micros() as u64 / micros * u64::from(workers);
            Load { sleep: micros, tasks: tasks.max(1), in_flight: 2 }
        };
        let fixed = PoolOptions { depth: Some(k), ..PoolOptions::default() };
        let single = Load { in_flight: 1, ..empty };
        let one = PoolOptions { depth: Some(1), ..PoolOptions::default() };
        let auto = PoolOptions::default();
        let mut rows = Rows { options, workers, rows: Vec::new() };
        let cases = [
            ("empty tasks, 1 in flight each".to_owned(), single, &one),
            (format!("empty tasks, {k} in flight each"), empty, &fixed),
            ("empty tasks, automatic".to_owned(), empty, &auto),
            ("tasks of 1 ms, automatic".to_owned(), sleeping(1000), &auto),
            ("tasks of 10 ms, automatic".to_owned(), sleeping(10_000), &auto),
        ];
        for (what, load, pool_options) in cases {
            let of_sleep = load.sleep as f64 * 1e-6 / f64::from(workers);
            let scale = |rate: f64| if load.sleep > 0 { rate * of_sleep } else { rate };
            rows.compare(&what, if load.sleep > 0 { "efficiency" } else { "tasks/s" }, || {
                let bare = scale(self.bare(load)?);
                Ok((bare, scale(self.pooled(pool_options, |pool, task| throughput(pool, task, load))?)))
            })?;
        }
        if workers == 1 {
            let single = Load { sleep: 0, tasks: 2_000, in_flight: 1 };
            rows.compare("round trip of one task", "us", || {
                let bare = 1e6 / self.bare(single)?;
                Ok((bare, self.pooled(&auto, |pool, task| round_trip(pool, task, single.tasks))?))
            })?;
        }
        for megabytes in [1, 100] {
            let numbers = megabytes * 1_000_000 / size_of::<f64>();
            let tasks = u64::from(workers).max(options.bytes / (megabytes as u64 * 1_000_000));
            rows.compare(&format!("results of {megabytes} MB"), "MB/s", || {
                let bare = self.bare_results(numbers, tasks)? * 1e-6;
                Ok((bare, self.results(numbers, tasks)? * 1e-6))
            })?;
        }
        let whats = ["round trip", "round trip of 64 kB"].map(|what| format!("{what} after 50 ms of quiet"));
        rows.watch(&[(&whats[0], "us"), (&whats[1], "us")], || self.after_quiet())?;
        for ranks in [2, 4, 8].into_iter().filter(|ranks| *ranks <= workers) {
            let names = ["first", "next"].map(|which| format!("{which} task of a group of {ranks}"));
            rows.watch(&[(&names[0], "us"), (&names[1], "us")], || self.group(ranks))?;
        }
        let mut idle = None;
        rows.watch(&[("idle worker", "cores"), ("idle manager", "cores")], || {
            // Once: it takes seconds.
            let known = idle.take().map_or_else(|| self.idle(options.idle), Ok)?;
            idle = Some(known.clone());
            Ok(known)
        })?;
        Ok(rows.rows)
    }

    /// A pool for one turn; what `main` returns on rank 0.
    fn pooled(
        &self,
        options: &PoolOptions,
        main: impl FnOnce(&Pool, Task<u64, u64>) -> f64,
    ) -> Result<f64, LaunchError> {
        let mut program = Program::new();
        program.options(options.clone());
        let task = program.task("sleep", |_, micros: u64| {
            if micros > 0 {
                std::thread::sleep(Duration::from_micros(micros));
            }
            Ok(micros)
        });
        let main = |pool: &Pool| main(pool, task);
        let (value, _) = program.run_ranks(&self.world, self.matched, &self.launch, None, main)?;
        self.world.barrier()?;
        Ok(value.unwrap_or(f64::NAN))
    }

    /// A pool whose tasks have results of so many numbers; bytes per second on rank 0.
    fn results(&self, numbers: usize, tasks: u64) -> Result<f64, LaunchError> {
        let mut program = Program::new();
        program.options(PoolOptions { depth: Some(IN_FLIGHT), ..PoolOptions::default() });
        let make = program.task("make", |_, numbers: usize| Ok(vec![1.5; numbers]));
        let main = |pool: &Pool| {
            let began = Instant::now();
            let all = pool.map_unordered(make, (0..tasks).map(|_| numbers), &MapOptions::default());
            let whole = all
                .filter(|(_, result)| result.as_ref().is_ok_and(|made: &Vec<f64>| made.len() == numbers))
                .count();
            let bytes = whole * numbers * size_of::<f64>();
            bytes as f64 / began.elapsed().as_secs_f64()
        };
        let (rate, _) = program.run_ranks(&self.world, self.matched, &self.launch, None, main)?;
        self.world.barrier()?;
        Ok(rate.unwrap_or(f64::NAN))
    }

    /// Microseconds of a round trip for which all have waited so long that they sleep: without arguments, and with some that
    /// don't fit into a small message.
    fn after_quiet(&self) -> Result<Vec<f64>, LaunchError> {
        let mut program = Program::new();
        let length = program.task("length", |_, text: String| Ok(text.len()));
        let main = |pool: &Pool| {
            let time = |bytes: usize| {
                let text = "x".repeat(bytes);
                std::thread::sleep(QUIET);
                let began = Instant::now();
                let told = pool.submit(length, text).wait();
                if told == Ok(bytes) { began.elapsed().as_secs_f64() * 1e6 } else { f64::NAN }
            };
            vec![time(0), time(64_000)]
        };
        let (times, _) = program.run_ranks(&self.world, self.matched, &self.launch, None, main)?;
        self.world.barrier()?;
        Ok(times.unwrap_or_else(|| vec![f64::NAN; 2]))
    }

    /// Microseconds of an empty task for so many ranks, from handing it in to having its result: the first one of their
    /// group, whose communicator has to be made, and later ones.
    fn group(&self, ranks: u32) -> Result<Vec<f64>, LaunchError> {
        let mut program = Program::new();
        let empty = program.group_task("empty", |_, _, (): ()| Ok(()));
        let main = |pool: &Pool| {
            let time = |tasks: u32| {
                let began = Instant::now();
                let done = (0..tasks).all(|_| pool.submit(empty.on(ranks), ()).wait().is_ok());
                if done { began.elapsed().as_secs_f64() * 1e6 / f64::from(tasks) } else { f64::NAN }
            };
            vec![time(1), time(200)]
        };
        let (times, _) = program.run_ranks(&self.world, self.matched, &self.launch, None, main)?;
        self.world.barrier()?;
        Ok(times.unwrap_or_else(|| vec![f64::NAN; 2]))
    }

    /// Share of a core that idle workers and an idle rank 0 take.
    fn idle(&self, time: Duration) -> Result<Vec<f64>, LaunchError> {
        let mut program = Program::new();
        let cpu = program.task("cpu", |_, (): ()| Ok(cpu_seconds()));
        let nap = program.task("nap", |_, seconds: f64| {
            std::thread::sleep(Duration::from_secs_f64(seconds));
            Ok(())
        });
        let main = |pool: &Pool| {
            let workers = pool.workers();
            let total = || -> f64 {
                let futures: Vec<_> = (0..workers).map(|_| pool.submit(cpu, ())).collect();
                futures.into_iter().flat_map(crate::pool::future::Future::wait).sum()
            };
            let (before, own) = (total(), cpu_seconds());
            // Any task will do to make rank 0 wait; its worker sleeps, which is as idle as waiting.
            let _ = pool.submit(nap, time.as_secs_f64()).wait();
            let seconds = time.as_secs_f64();
            let manager = (cpu_seconds() - own) / seconds;
            vec![(total() - before) / seconds / workers.saturating_sub(1).max(1) as f64, manager]
        };
        let (shares, _) = program.run_ranks(&self.world, self.matched, &self.launch, None, main)?;
        self.world.barrier()?;
        Ok(shares.unwrap_or_else(|| vec![f64::NAN; 2]))
    }
}

fn throughput(pool: &Pool, task: Task<u64, u64>, load: Load) -> f64 {
    let began = Instant::now();
    let mut queue = pool.queue(task);
    let (mut submitted, mut done) = (0, 0);
    while done < load.tasks {
        let room = (queue.wanted() as u64).min(load.tasks - submitted);
        for _ in 0..room {
            queue.submit(submitted, &load.sleep);
            submitted += 1;
        }
        queue.flush();
        let mut next = queue.next(Duration::from_secs(10));
        if next.is_none() {
            return f64::NAN;
        }
        while next.is_some() {
            done += 1;
            next = queue.next(Duration::ZERO);
        }
    }
    load.tasks as f64 / began.elapsed().as_secs_f64()
}

/// Microseconds from handing in a task to having its result.
fn round_trip(pool: &Pool, task: Task<u64, u64>, tasks: u64) -> f64 {
    let began = Instant::now();
    for _ in 0..tasks {
        if pool.submit(task, 0).wait().is_err() {
            return f64::NAN;
        }
    }
    began.elapsed().as_secs_f64() * 1e6 / tasks as f64
}

/// User and system time of this process.
fn cpu_seconds() -> f64 {
    let usage = nix::sys::resource::getrusage(nix::sys::resource::UsageWho::RUSAGE_SELF);
    usage.map_or(f64::NAN, |usage| {
        let seconds = |time: nix::sys::time::TimeVal| time.tv_sec() as f64 + time.tv_usec() as f64 * 1e-6;
        seconds(usage.user_time()) + seconds(usage.system_time())
    })
}
