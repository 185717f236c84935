//! One future, and several at once.

use crate::{LONG, gated, run, simulate, square};
use adaptive_mpi::pool::{Future, Pool, Program, TaskErrorKind, Until};
use std::cell::RefCell;
use std::rc::Rc;
use std::sync::atomic::Ordering;
use std::time::Duration;

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
fn a_wait_is_over_in_time_though_a_callback_waits_itself() {
    let second = Duration::from_secs(1);
    simulate(
        3,
        |nth| if nth == 0 { 10 } else { 100_000 },
        |pool, square| {
            let [quick, mut slow, mut other] = [1, 2, 3].map(|x| pool.submit(square, x));
            quick.add_done_callback(move |_| assert_eq!(other.wait_within(5 * second), None));
            let began = pool.stats().elapsed;
            assert_eq!(slow.wait_within(second), None);
            let took = pool.stats().elapsed - began;
            assert!((5 * second..6 * second).contains(&took), "{took:?}");
        },
    );
}

#[test]
fn futures_of_another_pool_are_refused_loudly() {
    let of_both = |give: fn(&Pool, Future<u64>)| {
        let (mut one, mut other) = (Program::new(), Program::new());
        let task = square(&mut one);
        square(&mut other);
        let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            run(one, 1, |one| run(other, 1, |other| give(other, one.submit(task, 3))));
        }));
        caught.unwrap_err().downcast_ref::<&str>().copied().unwrap_or_default().to_owned()
    };
    for give in [
        |pool: &Pool, future: Future<u64>| drop(pool.wait(&[future], Until::All, None)),
        |pool: &Pool, future: Future<u64>| drop(pool.as_completed([future])),
    ] {
        assert!(of_both(give).contains("a pool that is not its own"));
    }
}
