//! Tasks for several ranks, on threads and in simulated time.
#![expect(clippy::unwrap_used, reason = "a step that fails is a test that fails")]

use adaptive_mpi::pool::{
    Fault, GroupError, GroupTask, Pool, PoolOptions, Program, Sim, TaskErrorKind, TaskOptions,
};
use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

fn run<T>(mut program: Program, workers: usize, main: impl FnOnce(&Pool) -> T) -> T {
    let mut options = PoolOptions::default();
    options.workers = Some(workers);
    program.options(options);
    program.run(main).unwrap().unwrap()
}

#[test]
fn all_members_are_called_and_the_first_ones_result_counts() {
    let calls = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&calls);
    let mut program = Program::new();
    let who = program.group_task("who", move |worker, group, name: String| {
        counted.fetch_add(1, Ordering::SeqCst);
        assert_eq!(group.members()[group.rank() as usize], worker.rank());
        Ok((group.rank(), group.size(), name))
    });
    run(program, 5, |pool| {
        for ranks in [1, 2, 5, 3] {
            assert_eq!(pool.submit(who.on(ranks), "n".into()).wait(), Ok((0, ranks, "n".to_owned())));
        }
    });
    assert_eq!(calls.load(Ordering::SeqCst), 11);
}

#[test]
fn members_talk_in_every_pattern_and_every_size() {
    let mut program = Program::new();
    let talk = program.group_task("talk", |_, group, (): ()| {
        let (own, size) = (group.rank(), group.size());
        for root in 0..size {
            assert_eq!(group.broadcast(root, own)?, root);
        }
        // The order of the places, whatever the shape of the tree.
        let joined = group.reduce(own.to_string(), |a, b| format!("{a},{b}"))?;
        assert_eq!(joined, (0..size).map(|n| n.to_string()).collect::<Vec<_>>().join(","));
        let mut sums = [f64::from(own), 1.0];
        group.sum(&mut sums)?;
        assert_eq!(sums, [f64::from(size * (size - 1) / 2), f64::from(size)]);
        assert_eq!(group.gather(own)?.unwrap_or((0..size).collect()), (0..size).collect::<Vec<_>>());
        // A group of one is a ring, too.
        group.send((own + 1) % size, &vec![own; 3])?;
        let from = (own + size - 1) % size;
        assert_eq!(group.receive::<Vec<u32>>(from)?, [from; 3]);
        assert!(matches!(group.receive::<()>(own), Err(GroupError::Unexpected(_))));
        let no_one = group.send(size, &());
        assert_eq!(no_one, Err(GroupError::NoMember { place: size, size }));
        group.barrier()?;
        Ok(size)
    });
    run(program, 7, |pool| {
        for ranks in 1..=7 {
            assert_eq!(pool.submit(talk.on(ranks), ()).wait(), Ok(ranks));
        }
        assert_eq!(pool.map(talk.on(3), vec![(); 20]).unwrap(), [3; 20]);
    });
}

/// Fails on one member while the others wait for it.
fn failing(program: &mut Program) -> GroupTask<(u32, bool), u32> {
    program.group_task("failing", |_, group, (who, panics): (u32, bool)| {
        if group.rank() == who {
            assert!(!panics, "member {who} panics");
            return Err(format!("member {who} fails"));
        }
        group.barrier()?;
        Ok(group.rank())
    })
}

#[test]
fn a_failing_member_fails_the_task_and_the_ranks_are_soon_at_work_again() {
    let mut program = Program::new();
    let fails = failing(&mut program);
    let sum = program.group_task("sum", |_, group, x: f64| {
        let mut sum = [x];
        group.sum(&mut sum)?;
        Ok(sum[0])
    });
    run(program, 4, |pool| {
        for (who, panics) in [(0, false), (3, false), (1, true), (0, true)] {
            let error = pool.submit(fails.on(4), (who, panics)).wait().unwrap_err();
            let (kind, what) =
                if panics { (TaskErrorKind::Panic, "panics") } else { (TaskErrorKind::Error, "fails") };
            assert_eq!((error.kind, error.message), (kind, format!("member {who} {what}")));
            assert_eq!(error.rank, who + 1);
            assert_eq!(pool.submit(sum.on(4), 2.5).wait(), Ok(10.0), "nothing of the failed task is heard");
        }
        let error = pool.submit(sum.on(5), 1.0).wait().unwrap_err();
        assert_eq!(error.kind, TaskErrorKind::TooLarge);
    });
}

#[test]
fn a_failed_attempt_is_made_again() {
    let mut program = Program::new();
    let tries = AtomicU32::new(0);
    let third = program.group_task("third", move |_, group, (): ()| {
        if group.rank() == 1 && tries.fetch_add(1, Ordering::SeqCst) < 2 {
            return Err("not yet".into());
        }
        group.barrier()?;
        Ok("done".to_owned())
    });
    run(program, 3, |pool| {
        let done = pool.submit_with(third.on(2), (), &TaskOptions::new().retries(5)).wait();
        assert_eq!(done, Ok("done".to_owned()));
    });
}

#[test]
fn a_group_whose_time_is_over_need_not_go_on() {
    let mut program = Program::new();
    let endless = program.group_task("endless", |_, group, (): ()| {
        // Nobody ever sends this.
        group.receive::<u32>((group.rank() + 1) % group.size()).map_err(|error| error.to_string())
    });
    let square = program.task("square", |_, x: u32| Ok(x * x));
    run(program, 2, |pool| {
        let limit = TaskOptions::new().timeout(Duration::from_millis(20));
        let error = pool.submit_with(endless.on(2), (), &limit).wait().unwrap_err();
        assert_eq!(error.kind, TaskErrorKind::TimedOut);
        assert_eq!(pool.map(square, 0..10).unwrap().len(), 10, "both are free again");
    });
}

#[test]
fn without_mpi_there_is_no_communicator() {
    let mut program = Program::new();
    let has = program.group_task("has", |_, group, (): ()| Ok(group.fortran_communicator().is_some()));
    assert_eq!(run(program, 2, |pool| pool.submit(has.on(2), ()).wait()), Ok(false));
}

/// A world of 16 workers with a steady stream of small tasks, and some large ones; when each large one had its result.
fn stream(ranks: u32, larges: usize, small_seconds: u64) -> (Vec<f64>, f64) {
    let mut program = Program::new();
    let small = program.task("small", |_, x: u64| Ok(x));
    let large = program.group_task("large", |_, _, x: u64| Ok(x));
    let mut sim = Sim::new(16, Duration::from_secs(small_seconds));
    // Different durations, so that workers never all end at the same time.
    sim.duration = Box::new(move |_, n| Duration::from_millis(small_seconds * (600 + (n * 377) % 800)));
    let ends = Rc::new(RefCell::new(Vec::new()));
    program
        .simulate(sim, |pool| {
            let mut smalls = pool.queue(small);
            (0..64).for_each(|key| smalls.submit(key, &key));
            smalls.flush();
            for n in 0..larges {
                let ends = Rc::clone(&ends);
                let future = pool.submit(large.on(ranks), n as u64);
                future.add_done_callback(move |_| ends.borrow_mut().push(()));
                future.detach();
            }
            let mut times = Vec::new();
            for key in 64..4000 {
                smalls.next(Duration::from_secs(1_000_000)).unwrap();
                smalls.submit(key, &key);
                while times.len() < ends.borrow().len() {
                    times.push(pool.stats().elapsed.as_secs_f64());
                }
            }
            (times, pool.stats().efficiency())
        })
        .unwrap()
}

#[test]
fn large_tasks_do_not_starve_in_a_stream_of_small_ones_nor_the_other_way_round() {
    for ranks in [2, 8, 16] {
        let (ends, efficiency) = stream(ranks, 3, 1);
        assert_eq!(ends.len(), 3, "all large tasks have ended while small ones kept coming");
        // 64 small tasks came first: 4 s. Then each large one waits for its workers at most as long as a small task takes.
        assert!(ends[2] < 5.0 + 3.0 * 3.0, "{ranks} ranks: {ends:?}");
        assert!(efficiency > 0.95, "{ranks} ranks: {efficiency}");
    }
}

#[test]
fn a_lost_member_costs_the_attempt_and_the_task_is_done_by_others() {
    let mut program = Program::new();
    let large = program.group_task("large", |_, _, x: u64| Ok(x + 1));
    let mut options = PoolOptions::default();
    options.lost_after = Some(Duration::from_secs(5));
    program.options(options);
    let mut sim = Sim::new(6, Duration::from_secs(2));
    sim.faults = vec![(Duration::from_secs(1), Fault::Die(3))];
    let results = program
        .simulate(sim, |pool| {
            let futures: Vec<_> = (0..6).map(|x| pool.submit(large.on(3), x)).collect();
            let results: Vec<_> = futures.into_iter().map(|future| future.wait()).collect();
            (results, pool.workers())
        })
        .unwrap();
    assert_eq!(results, ((1..=6).map(Ok).collect(), 5));
}

#[test]
fn groups_at_work_end_in_good_order_when_main_returns_early() {
    for finishes in [false, true] {
        let mut program = Program::new();
        // The first member leaves the others alone after a while, who wait for it.
        let alone = program.group_task("alone", move |_, group, (): ()| {
            if group.rank() == 0 {
                std::thread::sleep(Duration::from_millis(100));
                if finishes {
                    group.finish();
                    return Ok(());
                }
                return Err("gives up".to_owned());
            }
            while finishes && !group.has_given_up() {
                std::thread::sleep(Duration::from_millis(1));
            }
            if finishes { Ok(()) } else { group.barrier().map_err(|error| error.to_string()) }
        });
        let (done, ended) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            run(program, 4, |pool| {
                let mut futures = [2, 2, 4].map(|ranks| pool.submit(alone.on(ranks), ()));
                // They are sent, and then nobody wants them.
                assert!(futures[0].wait_within(Duration::from_millis(20)).is_none());
            });
            done.send(()).unwrap();
        });
        assert!(ended.recv_timeout(Duration::from_secs(20)).is_ok(), "hangs (finishes: {finishes})");
    }
}
