//! How many workers one manager keeps busy: the real run (learners, goals, journal, dispatcher) against simulated workers
//! in virtual time, in which the processor time that rank 0 really takes is counted.
//!
//! `cargo bench --bench scale` prints the table of `benches/README.md`; `-- quick` a part of it. Half as many workers are what
//! each of two managers would have.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a benchmark talks, and may fail loudly"
)]
#![allow(missing_docs, reason = "a benchmark has no users")]

mod memory;

use adaptive_mpi::checkpoint::{self, Checkpoint};
use adaptive_mpi::learner::{BalancingLearner, Learner, Strategy};
use adaptive_mpi::model::settings::{SettingValue, Table};
use adaptive_mpi::model::{Outcome, Sample, Value};
use adaptive_mpi::pool::{Program, Sim};
use adaptive_mpi::runner::goal::{Condition, Goal, GoalTracker};
use adaptive_mpi::runner::{
    Drive, Engine, NanPolicy, Observer, Order, Outlook, Phase, Policy, Resting, StopSignals, drive,
};
use std::time::Duration;

#[global_allocator]
static ALLOCATOR: memory::Counting = memory::Counting;

const LEARNERS: usize = 1000;
/// Tasks of each worker: the first are the start, the last the end, the middle is the steady state.
const ROUNDS: usize = 12;

struct Silent;

impl Observer for Silent {
    fn progress(&mut self, _: &Outlook<'_>) {}
    fn note(&mut self, text: &str) {
        eprintln!("{text}");
    }
}

/// How long tasks take, with a mean of one; from two independent numbers between 0 and 1.
#[derive(Clone, Copy)]
struct Spread {
    name: &'static str,
    times: fn(f64, f64) -> f64,
}

const SPREADS: [Spread; 4] = [
    Spread { name: "equal", times: |_, _| 1.0 },
    Spread { name: "exponential", times: |u, _| -u.ln() },
    Spread {
        name: "log-normal, sigma 1",
        times: |u, v| ((-2.0 * u.ln()).sqrt() * (std::f64::consts::TAU * v).cos() - 0.5).exp(),
    },
    // No task takes more than a thousand times the mean.
    Spread { name: "Pareto, alpha 1.5", times: |u, _| (u.powf(-1.0 / 1.5) / 3.0).min(1000.0) },
];

/// Numbers between 0 and 1, the same every time (SplitMix64; Steele, Lea, Flood 2014).
fn uniform(n: u64) -> f64 {
    let mut z = n.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (((z ^ (z >> 31)) >> 11) as f64 + 0.5) / (1_u64 << 53) as f64
}

fn learner() -> Box<dyn Learner> {
    let bounds = [-1.0, 1.0]
        .map(|x| adaptive_mpi::model::settings::Setting { value: SettingValue::Float(x), span: 0..0 });
    let table = Table::new("learner")
        .with("type", SettingValue::Text("1d".into()))
        .with("bounds", SettingValue::List(bounds.to_vec()));
    let first = adaptive_mpi::learner::from_settings(&table).unwrap();
    let children = (0..LEARNERS).map(|_| first.new_empty()).collect();
    Box::new(BalancingLearner::new(children, Strategy::default()))
}

struct Figures {
    /// Of the time of all workers in the steady state, the part that they computed.
    busy: f64,
    /// Tasks a second, then.
    rate: f64,
    /// What the learners take of rank 0 for each task, in seconds.
    learners: f64,
    /// The most bytes that rank 0 holds.
    memory: usize,
}

fn simulate(workers: u32, seconds: f64, spread: Spread) -> Figures {
    let folder = tempfile::tempdir().unwrap();
    let header = checkpoint::Header::new("scale");
    let (checkpoint, _) =
        Checkpoint::open(&checkpoint::Options::new(folder.path(), "scale", header)).unwrap();
    let mut program = Program::new();
    let task = program.task("evaluate", |_, sample: Sample| -> Result<Outcome, String> {
        let (x, offset) = (sample.point.x(), f64::from(sample.learner) / 1000.0 - 0.5);
        Ok(Ok(Value::scalar(x + 1e-4 / (1e-4 + (x - offset) * (x - offset)))))
    });
    let mut sim = Sim::new(workers, Duration::ZERO);
    sim.latency = Duration::from_micros(5);
    sim.charged = true;
    sim.switch = memory::switch;
    memory::take_peak();
    sim.duration = Box::new(move |_, n| {
        Duration::from_secs_f64(seconds * (spread.times)(uniform(2 * n), uniform(2 * n + 1)))
    });
    let tasks = ROUNDS * workers as usize;
    let policy = Policy { retries: 0, nan: NanPolicy::Accept, order: Order::Arrival };
    let signals = StopSignals::catch().unwrap();
    let finished = program
        .simulate(sim, |pool| {
            let goal = Goal::new(Condition::TotalNpoints(tasks as u64));
            let goals = GoalTracker::new(goal, LEARNERS);
            drive(
                Drive {
                    priorities: Vec::new(),
                    engine: Engine::new(learner(), policy),
                    queue: pool.queue(task),
                    workers: pool.workers(),
                    cannot_start: Vec::new(),
                    checkpoint,
                    goals,
                    resting: Resting::default(),
                    signals: &signals,
                    walltime: None,
                    walltime_margin: Duration::ZERO,
                    grace: Duration::from_secs(3600),
                    impatient_launcher: None,
                    in_flight: None,
                    raise_if_retries_exceeded: false,
                    stored_learner: None,
                    cached: None,
                },
                &mut Silent,
            )
        })
        .unwrap();
    memory::switch(false);
    let memory = memory::take_peak();
    let told = checkpoint::read(folder.path(), "scale").unwrap();
    let starts = || told.columns.iter().map(|row| row.meta.started);
    // From when each worker has had two tasks until three quarters have begun: those in reserve behind long ones begin late.
    let mut sorted: Vec<f64> = starts().collect();
    sorted.sort_by(f64::total_cmp);
    let (from, to) = (sorted[2 * workers as usize], sorted[sorted.len() / 4 * 3]);
    let inside = |start: f64, end: f64| (end.min(to) - start.max(from)).max(0.0);
    let busy: f64 =
        told.columns.iter().map(|row| inside(row.meta.started, row.meta.started + row.meta.duration)).sum();
    let accounting = &finished.accounting;
    let own = [Phase::Ask, Phase::Tell].map(|phase| accounting.spent(phase).as_secs_f64());
    Figures {
        busy: busy / ((to - from) * f64::from(workers)),
        rate: (sorted.len() / 4 * 3 - 2 * workers as usize) as f64 / (to - from),
        learners: own.iter().sum::<f64>() / finished.told as f64,
        memory,
    }
}

fn main() {
    let quick = std::env::args().any(|argument| argument == "quick");
    println!("workers  task    durations               busy   tasks/s  learners  memory of rank 0");
    for workers in [10_000, 50_000, 100_000] {
        for seconds in [0.1, 0.3, 1.0, 10.0] {
            for spread in SPREADS {
                if quick && (workers > 10_000 || seconds > 0.2) {
                    continue;
                }
                let Figures { busy, rate, learners, memory } = simulate(workers, seconds, spread);
                println!(
                    "{workers:>7}  {seconds:>4} s  {:<19}  {:>6.2} %  {:>8.0}  {:>5.2} us  {:>4} MB",
                    spread.name,
                    100.0 * busy,
                    rate,
                    1e6 * learners,
                    memory / 1_000_000
                );
            }
        }
    }
}
