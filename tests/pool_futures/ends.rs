//! What becomes of tasks when the pool ends.

use crate::{LONG, gated, run, simulate};
use adaptive_mpi::pool::{Program, TaskErrorKind};
use std::sync::atomic::Ordering;

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
