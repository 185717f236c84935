//! How fast the pool is here, beside a bare loop of MPI sends and receives in the same job.
//!
//! Rates of single runs vary severalfold on a shared machine, so bare loop and pool take turns within each
//! round, and what counts is the median of the ratios. The bare loop is what a short C program would do: blocking
//! `MPI_Send` and `MPI_Recv` of 8 bytes, waiting ranks spin.
//!
//! All ranks call [`run`]; rank 0 gets the rows. Their number of workers is that of the job: start it with
//! `-n 2`, `-n 3`, `-n 5` for 1, 2, 4 workers.

use super::error::LaunchError;
use super::handle::Pool;
use super::launch::{Launch, Variables};
use super::options::PoolOptions;
use super::panics;
use super::program::{Program, Task};
use super::transport::mpi::{self, MpiWorld};
use std::rc::Rc;
use std::time::{Duration, Instant};

/// What to measure.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct BenchOptions {
    /// How often bare loop and pool take turns.
    pub rounds: usize,
    /// Tasks per turn where they are empty.
    pub tasks: u64,
    /// Tasks in flight per worker where both sides hold the same number.
    pub in_flight: usize,
    /// Time that each turn with sleeping tasks should take.
    pub sleeping: Duration,
    /// How long idle ranks are watched.
    pub idle: Duration,
}

impl Default for BenchOptions {
    fn default() -> Self {
        Self {
            rounds: 9,
            tasks: 50_000,
            in_flight: 8,
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
    /// The unit of the samples: `tasks/s`, `us`, `efficiency` or `cores`.
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

/// Told to a worker in place of a task.
const STOP: u64 = u64::MAX;

/// One turn: what each task does, how many there are, how many a worker holds.
#[derive(Clone, Copy)]
struct Load {
    /// Tasks sleep so many microseconds.
    sleep: u64,
    tasks: u64,
    in_flight: usize,
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
        let auto = PoolOptions::default();
        let cases = [
            (format!("empty tasks, {k} in flight each"), empty, &fixed),
            ("empty tasks, automatic".to_owned(), empty, &auto),
            ("tasks of 1 ms, automatic".to_owned(), sleeping(1000), &auto),
            ("tasks of 10 ms, automatic".to_owned(), sleeping(10_000), &auto),
        ];
        let row = |what: &str, unit| Row {
            what: what.to_owned(),
            unit,
            workers,
            bare: Vec::new(),
            pool: Vec::new(),
        };
        let mut rows = Vec::new();
        for (what, load, pool_options) in cases {
            let mut case = row(&what, if load.sleep > 0 { "efficiency" } else { "tasks/s" });
            let of_sleep = load.sleep as f64 * 1e-6 / f64::from(workers);
            let scale = |rate: f64| if load.sleep > 0 { rate * of_sleep } else { rate };
            for _ in 0..options.rounds {
                case.bare.push(scale(self.bare(load)?));
                case.pool.push(scale(self.pooled(pool_options, |pool, task| throughput(pool, task, load))?));
            }
            rows.push(case);
        }
        if workers == 1 {
            let single = Load { sleep: 0, tasks: 2_000, in_flight: 1 };
            let mut case = row("round trip of one task", "us");
            for _ in 0..options.rounds {
                case.bare.push(1e6 / self.bare(single)?);
                case.pool.push(self.pooled(&auto, |pool, task| round_trip(pool, task, single.tasks))?);
            }
            rows.push(case);
        }
        for ranks in [2, 4, 8].into_iter().filter(|ranks| *ranks <= workers) {
            let (first, again) = self.groups(ranks, options.rounds)?;
            rows.push(Row { pool: first, ..row(&format!("first task of a group of {ranks}"), "us") });
            rows.push(Row { pool: again, ..row(&format!("next task of a group of {ranks}"), "us") });
        }
        let (worker, manager) = self.idle(options.idle)?;
        rows.push(Row { pool: vec![worker], ..row("idle worker", "cores") });
        rows.push(Row { pool: vec![manager], ..row("idle manager", "cores") });
        Ok(rows)
    }

    /// The bare loop; tasks per second on rank 0.
    fn bare(&self, load: Load) -> Result<f64, LaunchError> {
        let world = &self.world;
        if world.rank() > 0 {
            loop {
                let (_, micros) = world.bare_receive()?;
                if micros == STOP {
                    return Ok(f64::NAN);
                }
                if micros > 0 {
                    std::thread::sleep(Duration::from_micros(micros));
                }
                world.bare_send(0, micros)?;
            }
        }
        let began = Instant::now();
        let (mut sent, mut received) = (0, 0);
        for _ in 0..load.in_flight {
            for rank in 1..world.size() {
                if sent < load.tasks {
                    world.bare_send(rank, load.sleep)?;
                    sent += 1;
                }
            }
        }
        while received < load.tasks {
            let (from, _) = world.bare_receive()?;
            received += 1;
            if sent < load.tasks {
                world.bare_send(from, load.sleep)?;
                sent += 1;
            }
        }
        let seconds = began.elapsed().as_secs_f64();
        for rank in 1..world.size() {
            world.bare_send(rank, STOP)?;
        }
        Ok(load.tasks as f64 / seconds)
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

    /// Microseconds of an empty task for so many ranks, from handing it in to having its result: the first one of their
    /// group, whose communicator has to be made, and later ones. One pool a round.
    fn groups(&self, ranks: u32, rounds: usize) -> Result<(Vec<f64>, Vec<f64>), LaunchError> {
        let (mut first, mut again) = (Vec::new(), Vec::new());
        for _ in 0..rounds {
            let mut program = Program::new();
            let empty = program.group_task("empty", |_, _, (): ()| Ok(()));
            let main = |pool: &Pool| {
                let time = |tasks: u32| {
                    let began = Instant::now();
                    let done = (0..tasks).all(|_| pool.submit(empty.on(ranks), ()).wait().is_ok());
                    if done { began.elapsed().as_secs_f64() * 1e6 / f64::from(tasks) } else { f64::NAN }
                };
                (time(1), time(200))
            };
            let (times, _) = program.run_ranks(&self.world, self.matched, &self.launch, None, main)?;
            self.world.barrier()?;
            let (one, more) = times.unwrap_or((f64::NAN, f64::NAN));
            first.push(one);
            again.push(more);
        }
        Ok((first, again))
    }

    /// Share of a core that idle workers and an idle rank 0 take.
    fn idle(&self, time: Duration) -> Result<(f64, f64), LaunchError> {
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
                futures.into_iter().flat_map(super::future::Future::wait).sum()
            };
            let (before, own) = (total(), cpu_seconds());
            // Any task will do to make rank 0 wait; its worker sleeps, which is as idle as waiting.
            let _ = pool.submit(nap, time.as_secs_f64()).wait();
            let seconds = time.as_secs_f64();
            let manager = (cpu_seconds() - own) / seconds;
            ((total() - before) / seconds / workers.saturating_sub(1).max(1) as f64, manager)
        };
        let (shares, _) = program.run_ranks(&self.world, self.matched, &self.launch, None, main)?;
        self.world.barrier()?;
        Ok(shares.unwrap_or((f64::NAN, f64::NAN)))
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
