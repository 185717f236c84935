//! Futures, dependencies, priorities, time limits and worker states, on threads and in simulated time. The cases are those
//! that users of `concurrent.futures`, `mpi4py.futures` and executorlib rely on.
#![expect(clippy::unwrap_used, reason = "a step that fails is a test that fails")]

use adaptive_mpi::pool::{
    LaunchError, MapOptions, Pool, PoolOptions, Program, Sim, Task, TaskErrorKind, TaskOptions, Until,
};
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;
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

#[test]
fn a_future_tells_where_its_task_is() {
    let mut program = Program::new();
    let (gated, open, _) = gated(&mut program);
    run(program, 1, |pool| {
        let mut first = pool.submit(gated, 1);
        let second = pool.submit(gated, 2);
        assert_eq!((first.is_done(), first.running(), first.is_cancelled()), (false, true, false));
        assert_eq!((second.is_done(), second.running()), (false, false));
        assert_eq!(first.try_result(), None);
        assert_eq!(first.wait_within(Duration::from_millis(5)), None);
        assert!(!first.cancel(), "a running task can't be cancelled");
        assert!(second.cancel() && second.cancel());
        assert_eq!((second.is_done(), second.running(), second.is_cancelled()), (true, false, true));
        open.send(()).unwrap();
        assert_eq!(first.wait_within(LONG), Some(Ok(1)));
        assert!(first.is_done() && !first.cancel());
        assert_eq!(first.try_result(), None);
        assert_eq!(second.wait().unwrap_err().kind, TaskErrorKind::Cancelled);
    });
}

#[test]
fn a_task_whose_future_is_dropped_is_not_started_unless_it_is_detached() {
    let mut program = Program::new();
    let (gated, open, started) = gated(&mut program);
    run(program, 1, |pool| {
        let first = pool.submit(gated, 1);
        drop(pool.submit(gated, 2));
        pool.submit(gated, 3).detach();
        let last = pool.submit(gated, 4);
        (0..3).for_each(|_| open.send(()).unwrap());
        assert_eq!((first.wait(), last.wait()), (Ok(1), Ok(4)));
        assert_eq!(started.load(Ordering::SeqCst), 3);
    });
}

#[test]
fn detached_tasks_are_done_before_the_pool_ends() {
    let mut program = Program::new();
    let (gated, open, started) = gated(&mut program);
    run(program, 2, |pool| {
        (0..20).for_each(|i| pool.submit(gated, i).detach());
        (0..20).for_each(|_| open.send(()).unwrap());
    });
    assert_eq!(started.load(Ordering::SeqCst), 20);
}

#[test]
fn wait_returns_at_the_first_result_the_first_failure_or_the_last_result() {
    // The n-th task takes n + 1 seconds, each on a worker of its own; the third one fails.
    simulate(
        4,
        |n| 1000 * (n + 1),
        |pool, square| {
            let futures: Vec<_> = [1, 2, 13, 4].map(|x| pool.submit(square, x)).into();
            let waited = pool.wait(&futures, Until::All, Some(Duration::from_millis(500)));
            assert_eq!((waited.done, waited.open), (vec![], vec![0, 1, 2, 3]));
            let waited = pool.wait(&futures, Until::FirstCompleted, None);
            assert_eq!((waited.done, waited.open), (vec![0], vec![1, 2, 3]));
            let waited = pool.wait(&futures, Until::FirstCompleted, Some(LONG));
            assert_eq!(waited.done, [0], "what was done before counts");
            let waited = pool.wait(&futures, Until::FirstFailed, None);
            assert_eq!((waited.done, waited.open), (vec![0, 1, 2], vec![3]));
            let waited = pool.wait(&futures, Until::All, None);
            assert_eq!((waited.done, waited.open), (vec![0, 1, 2, 3], vec![]));
            let results: Vec<_> = futures.into_iter().map(|f| f.wait().map_err(|e| e.message)).collect();
            assert_eq!(results, [Ok(1), Ok(4), Err("13 is not welcome".into()), Ok(16)]);
            assert!(pool.wait::<u64>(&[], Until::FirstCompleted, None).done.is_empty());
        },
    );
}

#[test]
fn a_cancelled_future_does_not_end_a_wait_for_the_first_failure() {
    simulate(
        1,
        |_| 1000,
        |pool, square| {
            let futures: Vec<_> = (0..3).map(|x| pool.submit(square, x)).collect();
            assert!(futures[2].cancel());
            let waited = pool.wait(&futures, Until::FirstFailed, None);
            assert_eq!(waited.done, [0, 1, 2]);
        },
    );
}

#[test]
fn as_completed_returns_every_result_once_in_the_order_of_completion() {
    simulate(
        3,
        |n| [3000, 1000, 2000, 10][n as usize],
        |pool, square| {
            let futures = [5, 6, 13, 8].map(|x| pool.submit(square, x));
            let mut all = pool.as_completed(futures);
            assert_eq!((all.len(), all.is_empty()), (4, false));
            assert!(all.next_within(Duration::from_millis(999)).is_none());
            let order: Vec<_> = all.by_ref().map(|(i, result)| (i, result.ok())).collect();
            assert_eq!(order, [(1, Some(36)), (3, Some(64)), (2, None), (0, Some(25))]);
            assert!(all.is_empty() && all.next().is_none());
        },
    );
}

#[test]
fn batches_come_in_the_order_of_completion_and_the_last_one_may_be_short() {
    simulate(
        5,
        |n| 1000 * (5 - n),
        |pool, square| {
            let futures: Vec<_> = (0..5).map(|x| pool.submit(square, x)).collect();
            let batches: Vec<Vec<usize>> = pool
                .as_completed(futures)
                .batched(2)
                .map(|batch| batch.iter().map(|(i, _)| *i).collect())
                .collect();
            assert_eq!(batches, [vec![4, 3], vec![2, 1], vec![0]]);
        },
    );
}

#[test]
fn callbacks_are_called_once_and_in_order_even_if_one_panics() {
    let seen = Rc::new(RefCell::new(Vec::new()));
    simulate(
        2,
        |_| 1000,
        |pool, square| {
            let future = pool.submit(square, 3);
            for name in ["first", "second"] {
                let seen = Rc::clone(&seen);
                future.add_done_callback(move |result| seen.borrow_mut().push((name, result.clone())));
            }
            future.add_done_callback(|_| panic!("a callback of no use"));
            assert!(seen.borrow().is_empty());
            let other = pool.submit(square, 13);
            let cloned = Rc::clone(&seen);
            other.add_done_callback(move |result| cloned.borrow_mut().push(("failed", result.clone())));
            assert_eq!(future.wait(), Ok(9));
            assert!(other.wait().is_err());
            let late = pool.submit(square, 4);
            assert_eq!(pool.wait(std::slice::from_ref(&late), Until::All, None).done, [0]);
            let cloned = Rc::clone(&seen);
            late.add_done_callback(move |result| cloned.borrow_mut().push(("late", result.clone())));
            let names: Vec<_> = seen.borrow().iter().map(|(name, _)| *name).collect();
            assert_eq!(names, ["first", "second", "failed", "late"]);
            assert_eq!(seen.borrow()[1].1, Ok(9));
            let kept = [1, 2, 3].map(|x| pool.submit(square, x));
            let cloned = Rc::clone(&seen);
            kept[2].add_done_callback(move |result| cloned.borrow_mut().push(("cancelled", result.clone())));
            assert!(kept[2].cancel());
            assert_eq!(seen.borrow()[4].1.as_ref().unwrap_err().kind, TaskErrorKind::Cancelled);
            let cloned = Rc::clone(&seen);
            let dropped = pool.submit(square, 5);
            dropped.add_done_callback(move |result| cloned.borrow_mut().push(("dropped", result.clone())));
            drop(dropped);
            pool.shutdown(true, false);
            assert_eq!(seen.borrow()[5], ("dropped", Ok(25)));
        },
    );
}

#[test]
fn a_task_starts_when_its_inputs_are_there() {
    let mut program = Program::new();
    let number = program.task("number", |_, x: f64| Ok(x));
    let word = program.task("word", |_, text: String| Ok(text));
    let line = program
        .task("line", |_, (word, x, all): (String, f64, Vec<f64>)| Ok(format!("{word}: {x} of {all:?}")));
    run(program, 3, |pool| {
        let numbers: Vec<_> = (0..4).map(|i| pool.submit(number, f64::from(i))).collect();
        let name = pool.submit(word, "sum".into());
        let sum = pool.submit_after(number, &numbers, |all| all.iter().sum());
        let line = pool.submit_after(line, (&name, &sum, &numbers[1..]), |(a, b, c)| (a, b, c));
        drop((name, sum, numbers));
        assert_eq!(line.wait(), Ok("sum: 6 of [1.0, 2.0, 3.0]".to_owned()));
    });
}

#[test]
fn inputs_that_are_done_already_or_none_at_all_start_a_task_at_once() {
    simulate(
        2,
        |_| 10,
        |pool, square| {
            let first = pool.submit(square, 2);
            assert_eq!(pool.wait(std::slice::from_ref(&first), Until::All, None).done, [0]);
            let second = pool.submit_after(square, &first, |x| x);
            assert_eq!((second.wait(), first.wait()), (Ok(16), Ok(4)));
            let none: [adaptive_mpi::pool::Future<u64>; 0] = [];
            assert_eq!(pool.submit_after(square, &none[..], |x| x.len() as u64 + 3).wait(), Ok(9));
        },
    );
}

#[test]
fn a_diamond_of_tasks_runs_each_of_them_once() {
    let (count, inner) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
    let mut program = Program::new();
    let counter = Arc::clone(&count);
    let add = program.task("add", move |_, (a, b): (u64, u64)| {
        counter.fetch_add(1, Ordering::SeqCst);
        Ok(a + b)
    });
    let sum = run(program, 4, |pool| {
        // 2^30 paths, 61 tasks.
        let mut top = pool.submit(add, (1, 0));
        for _ in 0..30 {
            let left = pool.submit_after(add, &top, |x| (x, 0));
            let right = pool.submit_after(add, &top, |x| (0, x));
            let calls = Arc::clone(&inner);
            top = pool.submit_after(add, (&left, &right), move |pair| {
                calls.fetch_add(1, Ordering::SeqCst);
                pair
            });
        }
        top.wait()
    });
    assert_eq!(sum, Ok(1 << 30));
    assert_eq!((count.load(Ordering::SeqCst), inner.load(Ordering::SeqCst)), (91, 30));
}

#[test]
fn a_failed_input_fails_all_that_depend_on_it_and_the_chain_is_shown() {
    let mut program = Program::new();
    let load = program.task("load", |_, x: u64| if x == 2 { panic!("file {x} is torn") } else { Ok(x) });
    let join = program.task("join", |_, all: Vec<u64>| Ok(all.into_iter().sum::<u64>()));
    let report = program.task("report", |_, x: u64| Ok(x));
    run(program, 2, |pool| {
        let parts: Vec<_> = (0..4).map(|i| pool.submit(load, i)).collect();
        let joined = pool.submit_after(join, &parts, |all| all);
        let report = pool.submit_after(report, &joined, |x| x);
        let error = report.wait().unwrap_err();
        assert_eq!(error.kind, TaskErrorKind::Input);
        let root = error.root();
        assert_eq!(
            (root.kind, root.message.as_str(), root.rank > 0),
            (TaskErrorKind::Panic, "file 2 is torn", true)
        );
        assert!(root.location.contains("tests/pool_futures.rs:"), "{root:?}");
        let text = error.to_string();
        let parts: Vec<_> = text.split(" <- ").collect();
        assert_eq!(parts[0], "input failed: `report` was not started: its input 0 failed");
        assert_eq!(parts[1], "input failed: `join` was not started: its input 2 failed");
        assert!(
            parts[2].starts_with("task panicked on rank ") && parts[2].contains("file 2 is torn"),
            "{text}"
        );
        assert_eq!(joined.wait().unwrap_err().cause.unwrap().kind, TaskErrorKind::Panic);
    });
}

#[test]
fn a_failure_goes_through_a_chain_of_any_length() {
    simulate(
        1,
        |_| 1000,
        |pool, square| {
            let mut last = pool.submit(square, 13);
            for _ in 0..20_000 {
                last = pool.submit_after(square, &last, |x| x);
            }
            let error = last.wait().unwrap_err();
            assert_eq!(error.root().message, "13 is not welcome");
            assert!(error.to_string().len() < 10_000, "not all of a long chain is shown");
            assert_eq!(pool.submit(square, 2).wait(), Ok(4));
        },
    );
}

#[test]
fn cancelling_an_input_cancels_what_depends_on_it() {
    let mut program = Program::new();
    let (gated, open, started) = gated(&mut program);
    run(program, 1, |pool| {
        let running = pool.submit(gated, 1);
        let input = pool.submit(gated, 2);
        let child = pool.submit_after(gated, (&running, &input), |(a, b)| a + b);
        let grandchild = pool.submit_after(gated, &child, |x| x);
        assert!(input.cancel());
        assert!(child.is_cancelled() && grandchild.is_cancelled());
        assert_eq!(grandchild.wait().unwrap_err().root().message, "cancelled");
        open.send(()).unwrap();
        assert_eq!(running.wait(), Ok(1));
        let (first, second) = (pool.submit(gated, 5), pool.submit(gated, 6));
        let child = pool.submit_after(gated, (&first, &second), |(a, b)| a + b);
        assert!(child.cancel());
        (0..2).for_each(|_| open.send(()).unwrap());
        assert_eq!((first.wait(), second.wait()), (Ok(5), Ok(6)), "its inputs are not touched");
        assert_eq!(started.load(Ordering::SeqCst), 3);
    });
}

#[test]
fn inputs_that_only_a_dropped_future_needed_are_not_started() {
    let mut program = Program::new();
    let (gated, open, started) = gated(&mut program);
    run(program, 1, |pool| {
        let running = pool.submit(gated, 0);
        let inputs: Vec<_> = (1..5).map(|i| pool.submit(gated, i)).collect();
        let child = pool.submit_after(gated, &inputs, |all| all.iter().sum());
        drop(inputs);
        drop(child);
        open.send(()).unwrap();
        assert_eq!(running.wait(), Ok(0));
        assert_eq!(started.load(Ordering::SeqCst), 1);
    });
}

#[test]
fn parts_of_a_result_are_futures_and_can_be_inputs() {
    let mut program = Program::new();
    let range = program.task("range", |_, n: u64| {
        if n == 9 { Err("no nine".to_owned()) } else { Ok((0..n).collect::<Vec<_>>()) }
    });
    let pair = program.task("pair", |_, (): ()| Ok(("left".to_owned(), 7_u64)));
    let add = program.task("add", |_, (a, b): (u64, u64)| Ok(a + b));
    run(program, 2, |pool| {
        let whole = pool.submit(range, 3);
        let parts = whole.split(3);
        let sum = pool.submit_after(add, (&parts[1], &parts[2]), |pair| pair);
        assert_eq!(sum.wait(), Ok(3));
        assert_eq!(whole.wait(), Ok(vec![0, 1, 2]));
        let values: Vec<_> = parts.into_iter().map(|part| part.wait()).collect();
        assert_eq!(values, [Ok(0), Ok(1), Ok(2)]);
        let wrong = pool.submit(range, 3).split(2);
        let error = wrong.into_iter().map(|part| part.wait().unwrap_err()).next().unwrap();
        assert!(error.root().message.contains("3 parts, not 2"), "{error}");
        let failed = pool.submit(range, 9).split(2).pop().unwrap().wait().unwrap_err();
        assert_eq!((failed.kind, failed.root().message.as_str()), (TaskErrorKind::Input, "no nine"));
        let (left, right) = pool.submit(pair, ()).unzip();
        assert_eq!((left.wait().unwrap(), right.map(|x| x + 1).wait()), ("left".to_owned(), Ok(8)));
        let panics = pool.submit(add, (1, 1)).map(|x| if x == 2 { panic!("two") } else { x });
        assert_eq!(panics.wait().unwrap_err().kind, TaskErrorKind::Panic);
    });
}

#[test]
fn a_future_whose_result_was_taken_is_no_input_any_more() {
    simulate(
        1,
        |_| 1,
        |pool, square| {
            let mut future = pool.submit(square, 3);
            assert_eq!(future.wait_within(LONG), Some(Ok(9)));
            let error = pool.submit_after(square, &future, |x| x).wait().unwrap_err();
            assert_eq!(error.kind, TaskErrorKind::Input);
            assert!(error.to_string().contains("taken before"), "{error}");
        },
    );
}

#[test]
fn a_panic_that_makes_arguments_fails_its_task_only() {
    simulate(
        1,
        |_| 1,
        |pool, square| {
            let first = pool.submit(square, 3);
            let broken =
                pool.submit_after(square, &first, |x| if x == 9 { panic!("no arguments") } else { x });
            let error = broken.wait().unwrap_err();
            assert_eq!((error.kind, error.message.as_str()), (TaskErrorKind::Panic, "no arguments"));
            assert_eq!(first.wait(), Ok(9));
        },
    );
}

#[test]
fn waiting_tasks_of_higher_priority_go_first() {
    let mut program = Program::new();
    let order = Arc::new(std::sync::Mutex::new(Vec::new()));
    let (gated, open, _) = gated(&mut program);
    let seen = Arc::clone(&order);
    let note = program.task("note", move |_, x: i32| {
        seen.lock().unwrap().push(x);
        Ok(())
    });
    run(program, 1, |pool| {
        let first = pool.submit(gated, 0);
        let notes: Vec<_> = [0, -2, 7, 3, 7, 0]
            .into_iter()
            .enumerate()
            .map(|(i, p)| pool.submit_with(note, 10 * p + i as i32, &TaskOptions::new().priority(p)))
            .collect();
        let urgent = pool.submit_after_with(note, &first, |_| 99, &TaskOptions::new().priority(9));
        open.send(()).unwrap();
        pool.wait(&notes, Until::All, None);
        assert_eq!(urgent.wait(), Ok(()));
        // The dependent came when its input was done, which freed the worker for the first of the others.
        let mut seen = order.lock().unwrap().clone();
        seen.retain(|x| *x != 99);
        assert_eq!(seen, [72, 74, 33, 0, 5, -19]);
    });
}

#[test]
fn a_task_that_is_late_to_start_never_starts() {
    simulate(
        1,
        |_| 1000,
        |pool, square| {
            let first = pool.submit(square, 1);
            let second = pool.submit_with(square, 2, &TaskOptions::new().timeout(Duration::from_millis(400)));
            let error = second.wait().unwrap_err();
            assert_eq!((error.kind, error.rank), (TaskErrorKind::TimedOut, 0));
            assert!((399..=401).contains(&pool.stats().elapsed.as_millis()), "{:?}", pool.stats().elapsed);
            assert_eq!(first.wait(), Ok(1));
            assert_eq!(pool.submit(square, 3).wait(), Ok(9));
            assert_eq!(pool.stats().workers[0].tasks, 2);
        },
    );
}

#[test]
fn a_running_task_fails_at_its_deadline_and_its_late_answer_is_dropped() {
    simulate(
        2,
        |n| if n == 0 { 5000 } else { 1000 },
        |pool, square| {
            let slow =
                pool.submit_with(square, 1, &TaskOptions::new().timeout(Duration::from_secs(2)).retries(3));
            let child = pool.submit_after(square, &slow, |x| x);
            let error = slow.wait().unwrap_err();
            assert_eq!((error.kind, error.rank), (TaskErrorKind::TimedOut, 1));
            assert_eq!(pool.stats().elapsed.as_secs(), 2);
            assert_eq!(child.wait().unwrap_err().root().kind, TaskErrorKind::TimedOut);
            // Its worker is busy until its function returns; the other one does all the work meanwhile.
            let others: Vec<_> = (0..3).map(|x| pool.submit(square, x)).collect();
            pool.wait(&others, Until::All, None);
            assert_eq!(pool.stats().workers.iter().map(|w| w.tasks).collect::<Vec<_>>(), [1, 3]);
            assert_eq!(others.into_iter().map(|f| f.wait().unwrap()).sum::<u64>(), 5);
            let fresh: Vec<_> = (0..2).map(|x| pool.submit(square, x)).collect();
            assert_eq!(pool.wait(&fresh, Until::All, None).done, [0, 1]);
            assert_eq!(pool.stats().workers.iter().map(|w| w.tasks).collect::<Vec<_>>(), [2, 4]);
        },
    );
}

#[test]
fn the_time_of_a_task_includes_the_waiting_for_its_inputs() {
    simulate(
        1,
        |_| 1000,
        |pool, square| {
            let first = pool.submit(square, 3);
            let options = TaskOptions::new().timeout(Duration::from_millis(500));
            let second = pool.submit_after_with(square, &first, |x| x, &options);
            assert_eq!(second.wait().unwrap_err().kind, TaskErrorKind::TimedOut);
            assert_eq!(first.wait(), Ok(9));
        },
    );
}

#[test]
fn a_task_in_time_is_not_touched_by_its_deadline() {
    simulate(
        3,
        |_| 100,
        |pool, square| {
            let options = MapOptions::new().task(TaskOptions::new().timeout(Duration::from_secs(1)));
            let results = pool.map_with(square, 20..200, &options).unwrap();
            assert_eq!(results.len(), 180);
            assert_eq!(pool.submit(square, 2).wait(), Ok(4));
        },
    );
}

#[test]
fn a_task_is_tried_again_as_often_as_it_asks_for() {
    let mut program = Program::new();
    let attempts = Arc::new(AtomicU32::new(0));
    let count = Arc::clone(&attempts);
    let moody = program.task("moody", move |_, good_at: u32| {
        let attempt = count.fetch_add(1, Ordering::SeqCst) + 1;
        if attempt < good_at { panic!("attempt {attempt} fails") } else { Ok(attempt) }
    });
    run(program, 2, |pool| {
        let attempt = |good_at, retries| {
            attempts.store(0, Ordering::SeqCst);
            pool.submit_with(moody, good_at, &TaskOptions::new().retries(retries))
                .wait()
                .map_err(|e| e.message)
        };
        assert_eq!(attempt(4, 3), Ok(4));
        assert_eq!(attempt(1, 3), Ok(1));
        assert_eq!(attempt(5, 3), Err("attempt 4 fails".into()));
        assert_eq!(attempt(2, 0), Err("attempt 1 fails".into()));
    });
}

#[test]
fn a_map_tells_all_failures_and_the_first_one_is_the_first() {
    // Three workers; the task that starts first ends last.
    simulate(
        3,
        |n| 1000 * (10 - n.min(9)),
        |pool, square| {
            let args = [13, 1, 13, 4, 5, 13, 7, 8, 9, 10];
            let error = pool.map(square, args).unwrap_err();
            let places: Vec<usize> = error.failures.iter().map(|(place, _)| *place).collect();
            assert_eq!(places, [2, 0]);
            assert_eq!(error.first().message, "13 is not welcome");
            let text = error.to_string();
            assert!(text.starts_with("argument 2: ") && text.contains("and 1 more:\nargument 0: "), "{text}");
            assert!(
                pool.stats().workers.iter().map(|w| w.tasks).sum::<u64>() <= 4,
                "no task starts after a failure"
            );
        },
    );
}

#[test]
fn a_lazy_map_holds_only_a_window_of_an_endless_iterator() {
    simulate(
        4,
        |n| 1 + n % 7,
        |pool, square| {
            let taken = std::cell::Cell::new(0_u64);
            let args = (100_u64..).inspect(|_| taken.set(taken.get() + 1));
            let mut results = pool.imap(square, args, &MapOptions::new().window(10));
            for i in 0..1000_u64 {
                assert_eq!(results.next(), Some(Ok((100 + i) * (100 + i))));
                assert!(taken.get() <= i + 10, "{} taken, {i} returned", taken.get());
            }
            drop(results);
            let mut seen = BTreeSet::new();
            for (place, result) in pool.map_unordered(square, 0..500, &MapOptions::new()) {
                assert!(seen.insert(place));
                assert_eq!(result.is_err(), place == 13);
            }
            assert_eq!(seen.len(), 500);
        },
    );
}

#[test]
fn a_lazy_map_goes_on_after_an_error_and_a_time_limit() {
    simulate(
        1,
        |_| 1000,
        |pool, square| {
            let mut results = pool.imap(square, 12..15, &MapOptions::new());
            assert_eq!(results.next_within(Duration::from_millis(10)), None);
            assert!(!results.is_finished());
            assert_eq!(results.next(), Some(Ok(144)));
            assert_eq!(results.next().unwrap().unwrap_err().message, "13 is not welcome");
            assert_eq!((results.next(), results.next()), (Some(Ok(196)), None));
            assert!(results.is_finished());
        },
    );
}

#[test]
fn a_chunk_chosen_by_hand_shares_messages() {
    simulate(
        2,
        |_| 1000,
        |pool, square| {
            let results = pool.map_with(square, 20..120, &MapOptions::new().chunk(25)).unwrap();
            assert_eq!(results, (20..120).map(|x| x * x).collect::<Vec<u64>>());
            assert!(pool.stats().manager.messages_sent <= 5, "{:?}", pool.stats().manager);
        },
    );
}

#[test]
fn a_pool_that_is_shut_down_finishes_what_it_has_and_takes_nothing_new() {
    simulate(
        2,
        |_| 1000,
        |pool, square| {
            let futures: Vec<_> = (0..6).map(|x| pool.submit(square, x)).collect();
            let child = pool.submit_after(square, &futures[2], |x| x);
            pool.shutdown(true, false);
            assert!(futures.iter().all(|future| future.is_done()));
            let error = pool.submit(square, 1).wait().unwrap_err();
            assert_eq!(error.kind, TaskErrorKind::Closed);
            assert_eq!(
                pool.submit_after(square, &child, |x| x).wait().unwrap_err().kind,
                TaskErrorKind::Closed
            );
            assert_eq!(pool.map(square, 0..5).unwrap_err().first().kind, TaskErrorKind::Closed);
            assert_eq!(child.wait(), Ok(16));
            assert_eq!(futures.into_iter().map(|f| f.wait().unwrap()).sum::<u64>(), 55);
            pool.shutdown(true, true);
        },
    );
}

#[test]
fn a_shutdown_that_cancels_ends_what_no_worker_has() {
    simulate(
        2,
        |_| 1000,
        |pool, square| {
            let futures: Vec<_> = (0..6).map(|x| pool.submit(square, x)).collect();
            let child = pool.submit_after(square, &futures[0], |x| x);
            let mut queue = pool.queue(square);
            queue.submit(5, &5);
            pool.shutdown(true, true);
            let ended: Vec<_> = futures.iter().map(|future| future.is_cancelled()).collect();
            assert_eq!(ended, [false, false, true, true, true, true]);
            assert!(child.is_cancelled());
            assert_eq!(queue.next(LONG).unwrap().result.unwrap_err().kind, TaskErrorKind::Cancelled);
            assert_eq!(futures.into_iter().take(2).map(|f| f.wait().unwrap()).sum::<u64>(), 1);
        },
    );
}

#[test]
fn a_shutdown_that_does_not_wait_still_has_everything_done() {
    let mut program = Program::new();
    let (gated, open, started) = gated(&mut program);
    let futures = run(program, 1, |pool| {
        let futures: Vec<_> = (0..5).map(|x| pool.submit(gated, x)).collect();
        pool.shutdown(false, false);
        assert!(!futures[0].is_done());
        (0..5).for_each(|_| open.send(()).unwrap());
        futures
    });
    assert_eq!(started.load(Ordering::SeqCst), 5);
    let results: Vec<_> = futures.into_iter().map(|future| future.wait()).collect();
    assert_eq!(results, [Ok(0), Ok(1), Ok(2), Ok(3), Ok(4)]);
}

#[test]
fn dependents_that_outlive_the_pool_end_as_cancelled() {
    let mut program = Program::new();
    let (gated, open, _) = gated(&mut program);
    let (child, part) = run(program, 1, |pool| {
        let running = pool.submit(gated, 1);
        let waiting = pool.submit(gated, 2);
        let child = pool.submit_after(gated, (&running, &waiting), |(a, b)| a + b);
        open.send(()).unwrap();
        (child, waiting.map(|x| x + 1))
    });
    assert_eq!(child.wait().unwrap_err().kind, TaskErrorKind::Cancelled);
    assert_eq!(part.wait().unwrap_err().kind, TaskErrorKind::Cancelled);
}

struct Counter {
    rank: u32,
    tasks: u32,
}

#[test]
fn an_initialiser_runs_once_per_worker_and_its_state_is_there_for_every_task() {
    let mut program = Program::new();
    let inits = Arc::new(AtomicU32::new(0));
    let count = Arc::clone(&inits);
    program.init(move |info| {
        count.fetch_add(1, Ordering::SeqCst);
        Ok(Counter { rank: info.rank, tasks: 0 })
    });
    program.init(|_| Ok("another state".to_owned()));
    let one = program.task("one", |worker, (): ()| {
        assert_eq!(worker.state::<String>(), "another state");
        let rank = worker.rank();
        let counter = worker.state::<Counter>();
        counter.tasks += 1;
        Ok((counter.rank == rank, rank, counter.tasks))
    });
    let two = program.task("two", |worker, (): ()| {
        let counter = worker.state::<Counter>();
        counter.tasks += 1;
        Ok((true, counter.rank, counter.tasks))
    });
    let missing = program.task("missing", |worker, (): ()| Ok(*worker.state::<u8>()));
    run(program, 3, |pool| {
        let mut seen = pool.map(one, vec![(); 50]).unwrap();
        seen.extend(pool.map(two, vec![(); 50]).unwrap());
        assert!(seen.iter().all(|(same, ..)| *same));
        let distinct: BTreeSet<_> = seen.iter().map(|(_, rank, tasks)| (*rank, *tasks)).collect();
        assert_eq!(distinct.len(), 100, "each worker counts on in one state");
        let error = pool.submit(missing, ()).wait().unwrap_err();
        assert!(error.message.contains("no initialiser makes a state of type u8"), "{error}");
    });
    assert_eq!(inits.load(Ordering::SeqCst), 3);
}

#[test]
fn an_initialiser_that_fails_is_an_error_of_the_run() {
    let mut program = Program::new();
    program.init(|info| if info.rank == 2 { panic!("no licence") } else { Ok(()) });
    let mut options = PoolOptions::default();
    options.workers = Some(3);
    program.options(options);
    let error = program.run(|_| panic!("main must not run")).map(|_: Option<()>| ()).unwrap_err();
    assert!(
        matches!(&error, LaunchError::Initialiser { failures, workers: 3 } if failures[0].0 == 2),
        "{error:?}"
    );
    let text = error.to_string();
    assert!(text.contains("on 1 of 3 workers") && text.contains("no licence"), "{text}");
}

#[test]
fn data_is_read_once_and_every_worker_has_it() {
    let mut program = Program::new();
    let reads = Arc::new(AtomicU32::new(0));
    let counts = [Arc::clone(&reads), Arc::clone(&reads)];
    let [first, second] = counts;
    let words = program.data("words", move || {
        first.fetch_add(1, Ordering::SeqCst);
        Ok(vec!["zero".to_owned(), "one".to_owned()])
    });
    let grid = program.node_data("grid", move || {
        second.fetch_add(1, Ordering::SeqCst);
        Ok((0..1000).map(f64::from).collect())
    });
    program.init(|_| Ok(0_usize));
    let pick = program.task("pick", move |worker, i: usize| {
        let (calls, grid) = worker.state_and_data::<usize, _>(grid);
        *calls += 1;
        let (x, at) = (grid[i], grid.as_ptr() as usize);
        Ok((worker.data(words)[i % 2].clone(), x, at))
    });
    run(program, 3, |pool| {
        let picked = pool.map(pick, 0..100).unwrap();
        assert!(picked.iter().enumerate().all(|(i, (word, x, _))| *x == i as f64 && word.len() == 4 - i % 2));
        let own = pool.data(grid).as_ptr() as usize;
        assert!(picked.iter().all(|(_, _, at)| *at == own), "threads share one copy");
        assert_eq!(pool.data(words).len(), 2);
    });
    assert_eq!(reads.load(Ordering::SeqCst), 2);
}

#[test]
fn data_that_cannot_be_read_is_an_error_of_the_run() {
    let mut program = Program::new();
    program.data("table", || Err::<u8, _>("table.csv is missing".into()));
    let error = program.run(|_| panic!("main must not run")).map(|_: Option<()>| ()).unwrap_err();
    assert_eq!(error.to_string(), "the data `table` could not be read: table.csv is missing");
}
