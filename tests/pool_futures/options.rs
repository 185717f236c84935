//! Priorities, time limits and retries.

use crate::{gated, run, simulate};
use adaptive_mpi::pool::{MapOptions, Program, TaskErrorKind, TaskOptions, Until};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

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
