//! Results of tasks that are computed once. The tasks here count their calls.

#![expect(clippy::unwrap_used, reason = "a test may fail loudly")]

use adaptive_mpi::cache::TaskCache;
use adaptive_mpi::checkpoint;
use adaptive_mpi::pool::{Pool, PoolOptions, Program, Task, TaskErrorKind, TaskOptions, Until};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

struct Calls(Arc<AtomicUsize>);

impl Calls {
    fn count(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

fn program(workers: usize) -> Program {
    let mut options = PoolOptions::default();
    options.workers = Some(workers);
    let mut program = Program::new();
    program.options(options);
    program
}

/// A run with a counted task, on threads.
fn run<A, R, T>(
    f: impl Fn(A) -> Result<R, String> + Send + Sync + 'static,
    main: impl FnOnce(&Pool, Task<A, R>, &Calls) -> T,
) -> T
where
    A: Serialize + for<'de> Deserialize<'de> + 'static,
    R: Serialize + for<'de> Deserialize<'de> + 'static,
{
    let calls = Calls(Arc::default());
    let counter = Arc::clone(&calls.0);
    let mut program = program(2);
    let task = program.task("f", move |_, args: A| {
        counter.fetch_add(1, Ordering::SeqCst);
        f(args)
    });
    program.run(|pool| main(pool, task, &calls)).unwrap().unwrap()
}

#[test]
fn tasks_of_the_same_name_do_not_share_results() {
    let folder = tempfile::tempdir().unwrap();
    let mut program = program(1);
    let twins = [1, 1000].map(|more| program.task("twin", move |_, x: u64| Ok(x + more)));
    let ran = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        program.run(|pool| {
            let cache = TaskCache::open(folder.path().join("results.h5")).unwrap();
            twins.map(|twin| cache.task(pool, twin, "1").submit(5).wait())
        })
    }));
    let message = ran.unwrap_err().downcast::<String>().unwrap();
    assert!(message.contains("two tasks of the program are called `twin`"), "{message}");
}

fn square(x: f64) -> Result<f64, String> {
    Ok(x * x)
}

fn slow(x: u64) -> Result<u64, String> {
    std::thread::sleep(Duration::from_millis(100));
    Ok(x + 1)
}

#[test]
fn nothing_is_computed_twice_within_a_run_and_across_runs() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("results.h5");
    run(square, |pool, task, calls| {
        let cache = TaskCache::open(&path).unwrap();
        let task = cache.task(pool, task, "1");
        for _ in 0..3 {
            assert_eq!(task.submit(3.0).wait(), Ok(9.0));
        }
        assert_eq!(task.map([1.0, 2.0, 3.0]), Ok(vec![1.0, 4.0, 9.0]));
        assert_eq!((calls.count(), cache.computed(), cache.found(), cache.len()), (3, 3, 3, 3));
        cache.close().unwrap();
        // Without its file it is a task like any other.
        assert_eq!((task.submit(3.0).wait(), calls.count()), (Ok(9.0), 4));
    });
    run(square, |pool, task, calls| {
        let cache = TaskCache::open(&path).unwrap();
        let known = cache.task(pool, task, "1");
        assert_eq!(known.map([1.0, 2.0, 3.0, 4.0]), Ok(vec![1.0, 4.0, 9.0, 16.0]));
        assert_eq!((calls.count(), cache.len()), (1, 4));
        // Another version is another function.
        assert_eq!(cache.task(pool, task, "2").submit(3.0).wait(), Ok(9.0));
        assert_eq!((calls.count(), cache.len()), (2, 5));
    });
    assert_eq!(TaskCache::open(&path).unwrap().len(), 5);
}

#[test]
fn what_is_being_computed_is_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    run(slow, |pool, task, calls| {
        let cache = TaskCache::open(folder.path().join("results.h5")).unwrap();
        let task = cache.task(pool, task, "");
        let futures: Vec<_> = (0..10).map(|i| task.submit(i % 2)).collect();
        let waited = pool.wait(&futures, Until::All, Some(Duration::from_secs(30)));
        assert_eq!(waited.done.len(), 10);
        let sum: u64 = futures.into_iter().map(|future| future.wait().unwrap()).sum();
        assert_eq!((sum, calls.count(), cache.found()), (15, 2, 8));
    });
}

#[test]
fn cached_futures_are_inputs_of_other_tasks() {
    let folder = tempfile::tempdir().unwrap();
    run(square, |pool, task, _| {
        let cache = TaskCache::open(folder.path().join("results.h5")).unwrap();
        let cached = cache.task(pool, task, "1");
        for _ in 0..2 {
            let (three, four) = (cached.submit(3.0), cached.submit(4.0));
            let sum = pool.submit_after(task, (&three, &four), |(a, b)| a + b);
            assert_eq!(sum.wait(), Ok(625.0));
        }
    });
}

#[test]
fn a_chain_of_cached_tasks_is_computed_once() {
    let folder = tempfile::tempdir().unwrap();
    for computed in [3, 0] {
        run(square, |pool, task, calls| {
            let cache = TaskCache::open(folder.path().join("results.h5")).unwrap();
            let task = cache.task(pool, task, "1");
            let first = task.submit(2.0);
            let second = task.submit_after(&first, |x| x);
            // The same as the first one.
            let same = task.submit_after((&first, &second), |(four, sixteen)| sixteen / four - 2.0);
            let last = task.submit_after(&second, |x| x);
            assert_eq!((last.wait(), same.wait()), (Ok(256.0), Ok(4.0)));
            assert_eq!((calls.count(), cache.len()), (computed, 3));
        });
    }
    run(
        |_: f64| Err::<f64, _>("no".to_owned()),
        |pool, task, _| {
            let cache = TaskCache::open(folder.path().join("results.h5")).unwrap();
            let task = cache.task(pool, task, "1");
            let after = task.submit_after(&task.submit(0.0), |x| x);
            let error = after.wait().unwrap_err();
            assert_eq!((error.kind, error.root().message.as_str()), (TaskErrorKind::Input, "no"));
            let panicked = task.submit_after(&task.submit(2.0), |_| panic!("no arguments"));
            assert_eq!(panicked.wait().unwrap_err().message, "no arguments");
        },
    );
}

#[test]
fn a_failure_is_not_kept_and_whoever_waits_for_it_is_tried_itself() {
    let folder = tempfile::tempdir().unwrap();
    let tries = AtomicUsize::new(0);
    let fails = move |x: u64| match (x, tries.fetch_add(1, Ordering::SeqCst)) {
        (0, ..2) => slow(x).and(Err("not yet".to_owned())),
        _ => Ok(x),
    };
    run(fails, |pool, task, calls| {
        let cache = TaskCache::open(folder.path().join("results.h5")).unwrap();
        let task = cache.task(pool, task, "1");
        let futures: Vec<_> = (0..4).map(|_| task.submit(0)).collect();
        let results: Vec<_> = futures.into_iter().map(|future| future.wait()).collect();
        let good: Vec<bool> = results.iter().map(Result::is_ok).collect();
        assert_eq!((good, calls.count()), (vec![false, false, true, true], 3));
        assert_eq!(results[0].as_ref().unwrap_err().kind, TaskErrorKind::Error);
    });
}

#[test]
fn a_map_ends_with_all_that_failed() {
    let folder = tempfile::tempdir().unwrap();
    let fails = |x: u64| if x % 40 == 7 { Err(format!("{x} is bad")) } else { Ok(x) };
    run(fails, |pool, task, calls| {
        let cache = TaskCache::open(folder.path().join("results.h5")).unwrap();
        let task = cache.task(pool, task, "1");
        let error = task.map(0..100_000).unwrap_err();
        assert_eq!((error.failures[0].0, error.first().message.as_str()), (7, "7 is bad"));
        assert!(error.failures.iter().all(|(place, _)| place % 40 == 7), "{error}");
        assert!(calls.count() < 100_000);
        assert_eq!(cache.len() as u64, cache.computed());
    });
}

#[test]
fn a_lazy_map_returns_in_order_and_takes_arguments_as_it_is_asked() {
    let folder = tempfile::tempdir().unwrap();
    let fails = |x: u64| if x % 40 == 7 { Err(format!("{x} is bad")) } else { Ok(x) };
    run(fails, |pool, task, calls| {
        let cache = TaskCache::open(folder.path().join("results.h5")).unwrap();
        let task = cache.task(pool, task, "1");
        let taken = std::cell::Cell::new(0);
        let mut each = task.imap((0..).inspect(|_| taken.set(taken.get() + 1)));
        for x in 0..100 {
            match each.next().unwrap() {
                Ok(result) => assert_eq!((result, x % 40 == 7), (x, false)),
                Err(error) => assert_eq!(error.message, format!("{x} is bad")),
            }
        }
        // A few times what the workers hold, which is much of tasks that take no time.
        assert!((100..100_000).contains(&taken.get()), "{}", taken.get());
        drop(each);
        let called = calls.count();
        assert!(called <= taken.get());
        // What is known comes without a call, what had failed is tried again.
        assert_eq!(task.imap(0..50).filter(Result::is_err).count(), 2);
        assert!(calls.count() <= taken.get() + 2, "{called} {} {}", calls.count(), taken.get());
        assert_eq!(cache.len() as u64, cache.computed());
    });
}

#[test]
fn a_lazy_map_that_is_dropped_begins_nothing_any_more() {
    let folder = tempfile::tempdir().unwrap();
    run(slow, |pool, task, calls| {
        let cache = TaskCache::open(folder.path().join("results.h5")).unwrap();
        let task = cache.task(pool, task, "1");
        // Each argument comes twice.
        let mut each = task.imap((0..40).map(|i| i % 20));
        assert!(matches!(each.next(), Some(Ok(1))));
        drop(each);
        // Behind all that may have been handed in.
        assert_eq!(task.submit(100).wait(), Ok(101));
        assert!(calls.count() < 8, "{}", calls.count());
    });
}

#[test]
fn a_future_that_is_cancelled_or_dropped_takes_nothing_from_the_others() {
    let folder = tempfile::tempdir().unwrap();
    run(slow, |pool, task, calls| {
        let cache = TaskCache::open(folder.path().join("results.h5")).unwrap();
        let task = cache.task(pool, task, "1");
        // Both workers are busy, so that what follows waits.
        let busy: Vec<_> = (10..30).map(|x| task.submit_with(x, &TaskOptions::new().priority(1))).collect();
        let (first, second, third) = (task.submit(1), task.submit(1), task.submit(1));
        assert!(first.cancel() && second.cancel());
        assert_eq!(third.wait(), Ok(2));
        let dropped = task.submit(2);
        drop(dropped);
        assert_eq!(task.submit(2).wait(), Ok(3));
        for future in busy {
            future.wait().unwrap();
        }
        assert_eq!((calls.count(), cache.len()), (22, 22));
    });
}

#[test]
fn a_pool_that_ends_leaves_nobody_waiting() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("results.h5");
    let futures = run(slow, |pool, task, _| {
        let cache = TaskCache::open(&path).unwrap();
        let task = cache.task(pool, task, "1");
        (0..20_000).map(|i| task.submit(i / 10_000)).collect::<Vec<_>>()
    });
    for future in futures {
        let _ = future.wait();
    }
    // Nobody holds the file any more.
    assert_eq!(TaskCache::open(&path).unwrap().notices(), Vec::<String>::new());
}

#[test]
fn a_panic_of_rank_0_ends_the_run_whoever_waits() {
    let folder = tempfile::tempdir().unwrap();
    let panicked = std::panic::catch_unwind(|| {
        run(slow, |pool, task, _| {
            let cache = TaskCache::open(folder.path().join("results.h5")).unwrap();
            let task = cache.task(pool, task, "1");
            let first = task.submit(1);
            let _waiting = (task.submit(1), task.submit_after(&first, |x| x));
            panic!("rank 0 gives up");
        })
    });
    assert!(panicked.is_err());
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum Shape {
    Empty,
    Mesh { nodes: Vec<(f64, f64)>, names: BTreeMap<(u8, u8), String> },
}

#[test]
fn arguments_and_results_are_of_any_type() {
    let folder = tempfile::tempdir().unwrap();
    let mesh = |x| Shape::Mesh {
        nodes: vec![(x, f64::INFINITY), (0.1 + 0.2, -0.0)],
        names: BTreeMap::from([((1, 2), "an \"edge\"".to_owned())]),
    };
    let all = [Shape::Empty, mesh(1.0), mesh(0.0), mesh(-0.0), mesh(f64::INFINITY)];
    for round in 0..2 {
        run(Ok::<Shape, String>, |pool, task, calls| {
            let cache = TaskCache::open(folder.path().join("results.h5")).unwrap();
            let task = cache.task(pool, task, "1");
            assert_eq!(task.map(all.clone()), Ok(all.to_vec()));
            assert_eq!(calls.count(), if round == 0 { all.len() } else { 0 });
        });
    }
    // A result that is none of the task's type any more is computed anew, and replaced.
    for calls_in_round in [1, 0] {
        run(
            |_: Shape| Ok(7_u64),
            |pool, task, calls| {
                let cache = TaskCache::open(folder.path().join("results.h5")).unwrap();
                let task = cache.task(pool, task, "1");
                assert_eq!((task.submit(Shape::Empty).wait(), calls.count()), (Ok(7), calls_in_round));
            },
        );
    }
}

#[test]
fn a_second_run_reads_what_another_one_holds() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("results.h5");
    run(square, |pool, task, calls| {
        let first = TaskCache::open(&path).unwrap();
        first.task(pool, task, "1").submit(2.0).wait().unwrap();
        let second = TaskCache::open(&path).unwrap();
        assert!(second.notices()[0].contains("nothing is added"), "{:?}", second.notices());
        assert_eq!(second.task(pool, task, "1").map([2.0, 3.0]), Ok(vec![4.0, 9.0]));
        assert_eq!((calls.count(), first.len(), second.len()), (2, 1, 1));
    });
}

#[test]
fn a_hundred_thousand_results_are_one_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("results.h5");
    for computed in [100_000, 0] {
        run(
            |(i, x): (u32, f64)| Ok(f64::from(i) * x),
            |pool, task, calls| {
                let cache = TaskCache::open(&path).unwrap();
                let results = cache.task(pool, task, "1").map((0..100_000).map(|i| (i, 0.5))).unwrap();
                assert!(results.iter().zip(0_u32..).all(|(y, i)| *y == f64::from(i) * 0.5));
                assert_eq!((calls.count(), cache.len()), (computed, 100_000));
                cache.close().unwrap();
            },
        );
    }
    let files = std::fs::read_dir(folder.path()).unwrap().count();
    assert!(files <= 4, "{files} files");
}

#[test]
#[cfg(feature = "hdf5")]
fn h5py_reads_arguments_and_results() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("results.h5");
    run(
        |x: (f64, f64)| Ok(x.0 + x.1),
        |pool, task, _| {
            let cache = TaskCache::open(&path).unwrap();
            cache.task(pool, task, "1").map([(1.0, 2.0), (3.0, 0.5)]).unwrap();
            cache.close().unwrap();
        },
    );
    let script = "import h5py, json, sys\nwith h5py.File(sys.argv[1]) as f:\n    \
                  calls = [json.loads(text) for text in f['learners/call'].asstr()[:]]\n    \
                  assert calls == [{'task': 'f', 'version': '1'}], calls\n    \
                  rows = sorted(zip(f['points/x'][:].tolist(), f['points/y'][:, 0], f['points/extra'].asstr()[:]))\n    \
                  assert [(x, y) for x, y, _ in rows] == [([1, 2], 3), ([3, 0.5], 3.5)], rows\n    \
                  assert json.loads(rows[1][2]) == {'arguments': [3.0, 0.5], 'result': 3.5}, rows\n    \
                  assert (f['points/worker'][:] > 0).all() and (f['points/duration'][:] >= 0).all()\n";
    let python = std::env::var("PYTHON").unwrap_or_else(|_| "/usr/bin/python3".into());
    let has_h5py = Command::new(&python).args(["-c", "import h5py"]).output();
    if !has_h5py.is_ok_and(|ended| ended.status.success()) {
        println!("skipped: no Python with h5py (set PYTHON)");
        return;
    }
    let ended = Command::new(python).args(["-c", script]).arg(&path).output().unwrap();
    assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
}

const FOLDER: &str = "ADAPTIVE_MPI_TEST_TASK_CACHE";

/// Computes for ever, and says each result; the results of an earlier run have to be known.
fn compute(folder: &Path, known: u64) {
    run(
        |x: u64| Ok(x * x),
        |pool, task, calls| {
            let cache = TaskCache::open(folder.join("results.h5")).unwrap();
            let task = cache.task(pool, task, "1");
            for x in 0.. {
                let result = task.submit(x).wait().unwrap();
                assert_eq!((result, calls.count() == 0), (x * x, x < known), "{x} of {known}");
                // Not by `println`, which the harness may keep to itself.
                writeln!(std::io::stdout().lock(), "@{}", x + 1).unwrap();
            }
        },
    );
}

#[test]
fn what_was_returned_is_known_after_kill_9_at_any_moment() {
    if let Some(folder) = std::env::var_os(FOLDER) {
        let known = std::fs::read_to_string(Path::new(&folder).join("known")).unwrap();
        return compute(Path::new(&folder), known.parse().unwrap());
    }
    let folder = tempfile::tempdir().unwrap();
    let mut known = 0_usize;
    for round in 0..8 {
        std::fs::write(folder.path().join("known"), known.to_string()).unwrap();
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["what_was_returned_is_known_after_kill_9_at_any_moment", "--exact", "--nocapture"]);
        command.env(FOLDER, folder.path()).stdin(Stdio::null()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let number = |line: &str| line.rsplit_once('@').and_then(|(_, number)| number.trim().parse().ok());
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let last = known + 1 + 137 * (round + 1);
        let reached = lines.by_ref().filter_map(|line| number(&line)).find(|n: &usize| *n >= last);
        assert!(reached.is_some(), "round {round}: it ended on its own");
        child.kill().unwrap();
        child.wait().unwrap();
        let said = lines.filter_map(|line| number(&line)).fold(last, usize::max);
        let loaded = checkpoint::read(folder.path(), "results").unwrap();
        assert!(loaded.columns.len() >= said, "round {round}: {} of {said}", loaded.columns.len());
        known = loaded.columns.len();
    }
}
