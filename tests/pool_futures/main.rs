//! Futures, dependencies, priorities, time limits and worker states, on threads and in simulated time. The cases are those
//! that users of `concurrent.futures`, `mpi4py.futures` and executorlib rely on.
#![expect(clippy::unwrap_used, reason = "a step that fails is a test that fails")]

mod ends;
mod futures;
mod inputs;
mod maps;
mod options;
mod workers;

use adaptive_mpi::pool::{Pool, PoolOptions, Program, Sim, Task};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

const LONG: Duration = Duration::from_secs(20);

fn run<T>(mut program: Program, workers: usize, main: impl FnOnce(&Pool) -> T) -> T {
    let mut options = PoolOptions::default();
    (options.workers, options.depth) = (Some(workers), Some(1));
    program.options(options);
    program.run(main).unwrap().unwrap()
}

/// A task that each time waits for a word before it returns its argument, and counts how often it was started.
fn gated(program: &mut Program) -> (Task<u32, u32>, Sender<()>, Arc<AtomicU32>) {
    let (open, gate) = channel::<()>();
    let (gate, started) = (std::sync::Mutex::new(gate), Arc::new(AtomicU32::new(0)));
    let count = Arc::clone(&started);
    let task = program.task("gated", move |_, x: u32| {
        count.fetch_add(1, Ordering::SeqCst);
        gate.lock().unwrap().recv().map_err(|_| "the gate is gone".to_owned())?;
        Ok(x)
    });
    (task, open, started)
}

fn square(program: &mut Program) -> Task<u64, u64> {
    program.task("square", |_, x: u64| if x == 13 { Err("13 is not welcome".into()) } else { Ok(x * x) })
}

/// Runs on virtual workers whose n-th task, counted over all of them, takes so many milliseconds.
fn simulate<T>(
    workers: u32,
    millis: impl Fn(u64) -> u64 + 'static,
    main: impl FnOnce(&Pool, Task<u64, u64>) -> T,
) -> T {
    let mut program = Program::new();
    let square = square(&mut program);
    let mut sim = Sim::new(workers, Duration::ZERO);
    sim.duration = Box::new(move |_, n| Duration::from_millis(millis(n)));
    program.simulate(sim, |pool| main(pool, square)).unwrap()
}
