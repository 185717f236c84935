//! The pool on threads and in simulated time.
#![expect(clippy::unwrap_used, reason = "a step that fails is a test that fails")]

use adaptive_mpi::pool::{Fault, Pool, PoolOptions, Program, Sim, TaskErrorKind};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

const LONG: Duration = Duration::from_secs(20);

fn threads(workers: usize) -> PoolOptions {
    let mut options = PoolOptions::default();
    options.workers = Some(workers);
    options
}

fn run<T>(mut program: Program, workers: usize, main: impl FnOnce(&Pool) -> T) -> T {
    program.options(threads(workers));
    program.run(main).unwrap().unwrap()
}

#[test]
fn a_map_returns_results_in_the_order_of_its_arguments() {
    let mut program = Program::new();
    let square = program.task("square", |_, x: u64| Ok(x * x));
    let results = run(program, 3, |pool| pool.map(square, 0..10_000)).unwrap();
    assert!(results.into_iter().enumerate().all(|(i, y)| y == (i * i) as u64));
}

#[test]
fn a_map_takes_arguments_only_as_fast_as_workers_need_them() {
    let mut program = Program::new();
    let echo = program.task("echo", |_, x: u32| Ok(x));
    let mut options = threads(2);
    (options.depth, options.bundle) = (Some(3), Some(1));
    program.options(options);
    let mut most = 0;
    let done = Arc::new(AtomicU32::new(0));
    program
        .run(|pool| {
            let mut taken = 0;
            let stats = || pool.stats().workers.iter().map(|w| w.tasks).sum::<u64>() as u32;
            let args = (0..500).inspect(|_| {
                taken += 1;
                most = most.max(taken - stats());
            });
            pool.map(echo, args).unwrap();
            done.store(taken, Ordering::Relaxed);
        })
        .unwrap();
    assert_eq!(done.load(Ordering::Relaxed), 500);
    assert!(most <= 7, "{most} arguments were out at once");
}

#[test]
fn futures_can_be_awaited_in_any_order() {
    let mut program = Program::new();
    let double = program.task("double", |_, x: i32| Ok(2 * x));
    let texts = program.task("text", |_, x: i32| Ok(format!("<{x}>")));
    run(program, 2, |pool| {
        let mut futures: Vec<_> = (0..20).map(|i| pool.submit(double, i)).collect();
        let text = pool.submit(texts, 5);
        let last = futures.pop().unwrap();
        assert_eq!(last.wait(), Ok(38));
        assert_eq!(text.wait(), Ok("<5>".to_owned()));
        for (i, mut future) in futures.into_iter().enumerate() {
            while !future.is_done() {
                std::thread::yield_now();
            }
            assert_eq!(future.try_result(), Some(Ok(2 * i as i32)));
            assert_eq!(future.try_result(), None);
        }
    });
}

#[test]
fn a_failing_task_touches_no_other_of_its_message() {
    let mut program = Program::new();
    let odd = program.task("odd", |_, x: u64| match x % 10 {
        3 => Err(format!("{x} is not welcome")),
        7 => panic!("{x} is too much"),
        _ => Ok(x),
    });
    let mut options = threads(1);
    (options.depth, options.bundle) = (Some(40), Some(10));
    program.options(options);
    program
        .run(|pool| {
            let mut queue = pool.queue(odd);
            (0..100).for_each(|i| queue.submit(i, &i));
            let mut kinds = [0; 3];
            while let Some(completed) = queue.next(LONG) {
                match completed.result {
                    Ok(x) => {
                        assert_eq!(x, completed.key);
                        kinds[0] += 1;
                    }
                    Err(error) if error.kind == TaskErrorKind::Error => {
                        assert_eq!(error.message, format!("{} is not welcome", completed.key));
                        kinds[1] += 1;
                    }
                    Err(error) => {
                        assert_eq!(error.kind, TaskErrorKind::Panic);
                        assert_eq!(error.message, format!("{} is too much", completed.key));
                        assert!(error.location.contains("tests/pool.rs"), "{}", error.location);
                        assert_eq!((error.rank, error.host.is_empty()), (1, false));
                        kinds[2] += 1;
                    }
                }
            }
            assert_eq!(kinds, [80, 10, 10]);
            let stats = pool.stats();
            assert!(stats.workers[0].messages < 100, "{stats:?}");
        })
        .unwrap();
}

/// Encodes as nothing, so that the other side has too little to read.
#[derive(Debug, PartialEq)]
struct Short;

impl serde::Serialize for Short {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_unit()
    }
}

impl<'de> serde::Deserialize<'de> for Short {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        u64::deserialize(deserializer).map(|_| Self)
    }
}

#[test]
fn a_malformed_argument_or_result_fails_its_task_only() {
    let mut program = Program::new();
    let takes = program.task("takes", |_, _: Short| Ok(1_u8));
    let gives = program.task("gives", |_, x: u8| if x == 0 { Ok(Some(Short)) } else { Ok(None) });
    run(program, 1, |pool| {
        let error = pool.submit(takes, Short).wait().unwrap_err();
        assert_eq!(error.kind, TaskErrorKind::Malformed);
        assert!(error.message.starts_with("arguments: could not decode"), "{error}");
        let error = pool.submit(gives, 0).wait().unwrap_err();
        assert_eq!(error.kind, TaskErrorKind::Malformed);
        assert!(error.message.starts_with("result: could not decode"), "{error}");
        assert_eq!(pool.submit(gives, 1).wait(), Ok(None));
    });
}

struct Counted(Arc<AtomicU32>, u32);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

#[test]
fn every_worker_has_a_state_of_its_own_until_the_pool_ends() {
    let dropped = Arc::new(AtomicU32::new(0));
    let mut program = Program::new();
    let counter = Arc::clone(&dropped);
    let count = program.task_with_state(
        "count",
        move |info| Ok(Counted(Arc::clone(&counter), info.rank * 1000)),
        |state: &mut Counted, worker, (): ()| {
            state.1 += 1;
            assert_eq!(state.1 / 1000, worker.rank());
            Ok(state.1)
        },
    );
    let counts = run(program, 3, |pool| pool.map(count, std::iter::repeat_n((), 300))).unwrap();
    assert_eq!(counts.into_iter().collect::<BTreeSet<_>>().len(), 300, "two workers shared a state");
    assert_eq!(dropped.load(Ordering::SeqCst), 3);
}

#[test]
fn a_state_that_cannot_be_made_fails_its_tasks_and_is_told_at_the_start() {
    let mut program = Program::new();
    let broken = program.task_with_state(
        "broken",
        |_| Err::<u8, _>("no licence".to_owned()),
        |_: &mut u8, _, (): ()| Ok(()),
    );
    let fine = program.task("fine", |_, x: u8| Ok(x));
    run(program, 2, |pool| {
        assert!(pool.world().workers.iter().all(|w| w.init_error.as_deref() == Some("broken: no licence")));
        let error = pool.submit(broken, ()).wait().unwrap_err();
        assert_eq!((error.kind, error.message.as_str()), (TaskErrorKind::Error, "no licence"));
        assert_eq!(pool.submit(fine, 9).wait(), Ok(9));
    });
}

#[test]
fn a_task_that_no_worker_has_can_be_cancelled() {
    let mut program = Program::new();
    let (release, gate) = std::sync::mpsc::channel::<()>();
    let gate = std::sync::Mutex::new(gate);
    let wait = program.task("wait", move |_, x: u32| {
        if x == 0 {
            gate.lock().unwrap().recv().unwrap();
        }
        Ok(x)
    });
    run(program, 1, |pool| {
        let first = pool.submit(wait, 0);
        let second = pool.submit(wait, 1);
        let mut queue = pool.queue(wait);
        queue.submit(70, &2);
        queue.submit(71, &3);
        assert!(!first.cancel());
        assert!(second.cancel());
        assert_eq!(second.wait().unwrap_err().kind, TaskErrorKind::Cancelled);
        assert_eq!(queue.cancel_unsent(), [70, 71]);
        assert_eq!((queue.in_flight(), queue.next(LONG).is_none()), (0, true));
        release.send(()).unwrap();
        assert_eq!(first.wait(), Ok(0));
    });
}

#[test]
fn dropped_futures_and_queues_leave_the_pool_in_order() {
    let mut program = Program::new();
    let echo = program.task("echo", |_, x: u32| Ok(x));
    run(program, 2, |pool| {
        for round in 0..50 {
            drop(pool.submit(echo, round));
            let mut queue = pool.queue(echo);
            (0..10).for_each(|i| queue.submit(i, &round));
            queue.flush();
            drop(queue);
            assert_eq!(pool.submit(echo, round).wait(), Ok(round));
        }
    });
}

#[test]
fn a_future_that_outlives_the_pool_is_cancelled() {
    let mut program = Program::new();
    let echo = program.task("echo", |_, x: u32| Ok(x));
    let mut options = threads(1);
    options.depth = Some(1);
    program.options(options);
    let futures = program.run(|pool| (0..50).map(|i| pool.submit(echo, i)).collect::<Vec<_>>());
    let mut cancelled = 0;
    for future in futures.unwrap().unwrap() {
        match future.wait() {
            Ok(_) => {}
            Err(error) => {
                assert_eq!(error.kind, TaskErrorKind::Cancelled);
                cancelled += 1;
            }
        }
    }
    assert!(cancelled > 0);
}

#[test]
fn a_panic_of_main_ends_the_workers_and_comes_out() {
    let mut program = Program::new();
    let echo = program.task("echo", |_, x: u32| Ok(x));
    program.options(threads(2));
    let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        program.run(|pool| {
            assert_eq!(pool.submit(echo, 1).wait(), Ok(1));
            panic!("rank 0 gives up")
        })
    }));
    assert_eq!(
        result.map(|_: Result<Option<()>, _>| ()).unwrap_err().downcast_ref(),
        Some(&"rank 0 gives up")
    );
}

fn simulate<T>(sim: Sim, options: PoolOptions, main: impl FnOnce(&Pool, Echo) -> T) -> T {
    let mut program = Program::new();
    let echo = program.task("echo", |_, x: u64| Ok(x));
    program.options(options);
    program.simulate(sim, |pool| main(pool, echo)).unwrap()
}

type Echo = adaptive_mpi::pool::Task<u64, u64>;

/// Keeps all workers supplied until `total` tasks are done; returns the virtual seconds that passed.
fn supply(pool: &Pool, echo: Echo, total: u64) -> f64 {
    let began = pool.stats().elapsed;
    let mut queue = pool.queue(echo);
    let (mut submitted, mut done) = (0, 0);
    while done < total {
        for _ in 0..(queue.wanted() as u64).min(total - submitted) {
            queue.submit(submitted, &submitted);
            submitted += 1;
        }
        queue.flush();
        let mut next = queue.next(LONG);
        assert!(next.is_some(), "nothing comes any more: {done} of {total}");
        while let Some(completed) = next {
            assert_eq!(completed.result, Ok(completed.key));
            done += 1;
            next = queue.next(Duration::ZERO);
        }
    }
    (pool.stats().elapsed - began).as_secs_f64()
}

#[test]
fn a_hundred_thousand_simulated_workers_are_kept_busy() {
    let mut sim = Sim::new(100_000, Duration::from_secs(1));
    sim.message_cost = Duration::from_nanos(500);
    sim.duration =
        Box::new(|rank, n| Duration::from_millis(500 + (u64::from(rank) * 7919 + n * 104_729) % 1000));
    let efficiency = simulate(sim, PoolOptions::default(), |pool, echo| {
        supply(pool, echo, 1_000_000);
        let stats = pool.stats();
        assert!(stats.workers.iter().all(|w| w.tasks > 0));
        stats.efficiency()
    });
    // Ten tasks each: the ragged end, where some are done already, costs most of what is missing.
    assert!(efficiency > 0.85, "{efficiency}");
}

#[test]
fn no_worker_waits_because_the_first_answers_are_those_of_the_shortest_tasks() {
    const WORKERS: u32 = 300;
    let mut sim = Sim::new(WORKERS, Duration::ZERO);
    // Exponential durations, 10 s in the mean: of 300, the first to end takes some 30 ms.
    sim.duration = Box::new(|rank, n| {
        let u = ((u64::from(rank) * 7919 + n * 104_729) % 99_991) as f64 / 99_991.0;
        Duration::from_secs_f64(-10.0 * ((u + 1e-5) / 1.00001).ln())
    });
    let mut tasks: BTreeMap<u32, Vec<(f64, f64)>> = BTreeMap::new();
    simulate(sim, PoolOptions::default(), |pool, echo| {
        let mut queue = pool.queue(echo);
        let mut left = 12 * u64::from(WORKERS);
        loop {
            for _ in 0..(queue.wanted() as u64).min(left) {
                queue.submit(left, &left);
                left -= 1;
            }
            queue.flush();
            let Some(done) = queue.next(LONG) else { break };
            tasks.entry(done.worker).or_default().push((done.started, done.duration.as_secs_f64()));
        }
    });
    let (mut busy, mut idle) = (0.0, 0.0);
    for tasks in tasks.values_mut() {
        tasks.sort_by(|one, other| one.0.total_cmp(&other.0));
        busy += tasks.iter().map(|(_, duration)| duration).sum::<f64>();
        idle += tasks.windows(2).map(|next| next[1].0 - next[0].0 - next[0].1).sum::<f64>();
    }
    assert_eq!(tasks.values().map(Vec::len).sum::<usize>(), 12 * WORKERS as usize);
    assert!(idle < 0.001 * busy, "{idle} {busy}");
}

#[test]
fn simulated_short_tasks_are_bundled_and_long_ones_are_not() {
    let messages = |duration| {
        let sim = Sim::new(16, duration);
        simulate(sim, PoolOptions::default(), |pool, echo| {
            supply(pool, echo, 20_000);
            let stats = pool.stats();
            (stats.manager.messages_sent, stats.efficiency())
        })
    };
    let (sent, _) = messages(Duration::from_micros(1));
    assert!(sent < 5_000, "{sent}");
    let (sent, efficiency) = messages(Duration::from_millis(1));
    assert_eq!(sent, 20_000);
    assert!(efficiency > 0.98, "{efficiency}");
}

#[test]
fn a_simulation_gives_the_same_every_time() {
    let trace = || {
        let mut sim = Sim::new(7, Duration::ZERO);
        sim.duration = Box::new(|rank, n| Duration::from_micros(1 + (n * 37 + u64::from(rank)) % 500));
        sim.faults = vec![(Duration::from_millis(2), Fault::Duplicate(3))];
        simulate(sim, PoolOptions::default(), |pool, echo| {
            let mut queue = pool.queue(echo);
            (0..2000).for_each(|i| queue.submit(i, &i));
            std::iter::from_fn(|| queue.next(LONG)).map(|c| (c.key, c.worker, c.started)).collect::<Vec<_>>()
        })
    };
    assert_eq!(trace(), trace());
}

#[test]
fn lost_late_and_doubled_workers_cost_no_task_and_double_none() {
    for seed in 0..30_u64 {
        let mut sim = Sim::new(8, Duration::from_millis(3));
        let pick = |n: u64| 1 + ((seed * 31 + n * 17) % 8) as u32;
        let at = |n: u64| Duration::from_millis(5 + (seed * 7 + n * 11) % 40);
        sim.faults = vec![
            (at(1), Fault::Die(pick(1))),
            (at(2), Fault::Duplicate(pick(2))),
            (at(3), Fault::Delay(pick(3), Duration::from_secs(8))),
            (at(4), Fault::Tear(pick(4))),
            (at(5), Fault::Duplicate(pick(5))),
        ];
        let mut options = PoolOptions::default();
        options.lost_after = Some(Duration::from_secs(2));
        simulate(sim, options, |pool, echo| {
            let mut queue = pool.queue(echo);
            (0..400).for_each(|i| queue.submit(i, &i));
            let mut seen = BTreeSet::new();
            while let Some(completed) = queue.next(Duration::from_secs(100)) {
                assert_eq!(completed.result, Ok(completed.key), "seed {seed}");
                assert!(seen.insert(completed.key), "seed {seed}: {} came twice", completed.key);
            }
            assert_eq!(seen.len(), 400, "seed {seed}");
            assert!(pool.workers() <= 8);
        });
    }
}

/// Vectors below and above the size from which they are not encoded, both ways.
fn turn_vectors_round(pool: &Pool, reversed: adaptive_mpi::pool::Task<Vec<u16>, Vec<u16>>) {
    let numbers = |i: usize| (0..i * 997 % 30_000).map(|x| (x + i) as u16).collect::<Vec<_>>();
    let results = pool.map(reversed, (0..200).map(numbers)).unwrap();
    for (i, result) in results.into_iter().enumerate() {
        assert!(result.iter().rev().eq(&numbers(i)), "vector {i}");
    }
}

#[test]
fn large_vectors_come_back_whole() {
    let program = || {
        let mut program = Program::new();
        let reversed = program.task("reversed", |_, mut numbers: Vec<u16>| {
            numbers.reverse();
            Ok(numbers)
        });
        (program, reversed)
    };
    let (by_threads, reversed) = program();
    run(by_threads, 3, |pool| turn_vectors_round(pool, reversed));
    let (simulated, reversed) = program();
    let sim = Sim::new(3, Duration::from_micros(1));
    simulated.simulate(sim, |pool| turn_vectors_round(pool, reversed)).unwrap();
}

#[test]
fn a_large_argument_outlives_the_worker_that_had_it() {
    let mut program = Program::new();
    let length = program.task("length", |_, numbers: Vec<f32>| Ok(numbers.len()));
    let mut sim = Sim::new(2, Duration::from_secs(1));
    sim.faults = vec![(Duration::from_millis(500), Fault::Die(1))];
    let mut options = PoolOptions::default();
    options.lost_after = Some(Duration::from_secs(5));
    program.options(options);
    let lengths =
        program.simulate(sim, |pool| pool.map(length, (0..6).map(|i| vec![0.0; 9000 + i]))).unwrap();
    assert_eq!(lengths.unwrap(), (9000..9006).collect::<Vec<_>>());
}

#[test]
fn a_garbled_payload_fails_the_tasks_of_that_message_only() {
    let mut program = Program::new();
    let text = program.task("text", |_, x: u64| Ok(format!("task {x}")));
    let mut sim = Sim::new(2, Duration::from_millis(3));
    sim.faults = vec![(Duration::from_millis(10), Fault::Garble(2))];
    program
        .simulate(sim, |pool| {
            let mut queue = pool.queue(text);
            (0..40).for_each(|i| queue.submit(i, &i));
            let all: Vec<_> = std::iter::from_fn(|| queue.next(LONG)).collect();
            let failed: Vec<_> = all.iter().filter_map(|c| c.result.as_ref().err()).collect();
            assert_eq!((all.len(), failed.len()), (40, 1));
            assert_eq!((failed[0].kind, failed[0].rank), (TaskErrorKind::Malformed, 2));
        })
        .unwrap();
}

#[test]
fn without_any_worker_left_every_task_fails_and_nothing_hangs() {
    let mut sim = Sim::new(3, Duration::from_millis(10));
    sim.faults = (1..=3).map(|rank| (Duration::from_millis(50), Fault::Die(rank))).collect();
    let mut options = PoolOptions::default();
    options.lost_after = Some(Duration::from_secs(1));
    simulate(sim, options, |pool, echo| {
        let error = pool.map(echo, 0..1000).unwrap_err();
        assert_eq!(error.first().kind, TaskErrorKind::WorkerLost);
        assert_eq!(pool.workers(), 0);
        assert_eq!(pool.submit(echo, 1).wait().unwrap_err().kind, TaskErrorKind::WorkerLost);
    });
}
