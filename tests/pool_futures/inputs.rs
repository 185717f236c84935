//! Tasks that need the results of others.

use crate::{LONG, gated, run, simulate};
use adaptive_mpi::pool::{Program, TaskErrorKind, Until};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

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
        assert!(root.location.contains("tests/pool_futures/inputs.rs:"), "{root:?}");
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
