//! What workers have beside tasks: states and data.

use crate::run;
use adaptive_mpi::pool::{LaunchError, PoolOptions, Program};
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

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

#[test]
fn what_is_held_in_reserve_behind_an_endless_task_is_done_by_others_and_once() {
    const LONG: u64 = 50;
    const TASKS: u64 = 120;
    let mut program = Program::new();
    let (open, gate) = mpsc::channel::<()>();
    let gate = Mutex::new(gate);
    let begun: Arc<Vec<AtomicU32>> = Arc::new((0..TASKS).map(|_| AtomicU32::new(0)).collect());
    let count = Arc::clone(&begun);
    let task = program.task("task", move |_, key: u64| {
        count[key as usize].fetch_add(1, Ordering::SeqCst);
        if key == LONG {
            let _ = gate.lock().unwrap().recv();
        } else {
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    });
    let mut options = PoolOptions::default();
    options.workers = Some(3);
    program.options(options);
    let done = program.run(|pool| {
        let mut queue = pool.queue(task);
        (0..TASKS).for_each(|key| queue.submit(key, &key));
        let mut done = Vec::new();
        while done.len() < TASKS as usize - 1 {
            let Some(next) = queue.next(Duration::from_secs(60)) else { break };
            done.push(next.key);
        }
        // Only now may it end.
        open.send(()).unwrap();
        done.extend(std::iter::from_fn(|| queue.next(Duration::from_secs(60))).map(|last| last.key));
        done
    });
    let done = done.unwrap().unwrap();
    assert_eq!((done.len() as u64, done.last()), (TASKS, Some(&LONG)));
    assert!(begun.iter().all(|count| count.load(Ordering::SeqCst) == 1), "{begun:?}");
}
