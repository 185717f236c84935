//! What `tests/mpi_pool.rs` runs of futures, dependencies, worker states and data under `mpiexec`: one scenario per name,
//! all named `futures-…`. Rank 0 prints what it saw.
#![expect(clippy::print_stdout, reason = "an example talks to people")]

use adaptive_mpi::cache::TaskCache;
use adaptive_mpi::pool::{
    MapOptions, Pool, PoolOptions, Program, TaskError, TaskErrorKind, TaskOptions, Until,
};
use std::collections::BTreeSet;
use std::io::Write;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

static INITS: AtomicU32 = AtomicU32::new(0);
static READS: AtomicU32 = AtomicU32::new(0);

struct Session {
    rank: u32,
    tasks: u64,
}

/// Device, inode and path of the mapping that an address lies in.
fn mapping_of(address: usize) -> String {
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap_or_default();
    let holds = |line: &&str| {
        let range = line.split(' ').next().and_then(|range| range.split_once('-'));
        let number = |text: &str| usize::from_str_radix(text, 16).unwrap_or(0);
        range.is_some_and(|(start, end)| (number(start)..number(end)).contains(&address))
    };
    let line = maps.lines().find(holds).unwrap_or_default();
    let fields: Vec<&str> = line.split_ascii_whitespace().collect();
    fields.get(3..5).map(|fields| fields.join(" ")).unwrap_or_default()
}

/// Data that one rank can't read.
#[derive(serde::Serialize)]
struct Picky;

impl<'de> serde::Deserialize<'de> for Picky {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> std::result::Result<Self, D::Error> {
        <()>::deserialize(from)?;
        let rank = ["OMPI_COMM_WORLD_RANK", "PMI_RANK"].iter().find_map(|name| std::env::var(name).ok());
        let wanted = std::env::args().nth(1).is_some_and(|scenario| scenario == "futures-data-odd");
        if wanted && rank.as_deref() == Some("2") {
            return Err(serde::de::Error::custom("this rank is picky"));
        }
        Ok(Self)
    }
}

fn number(i: u64) -> u64 {
    i.wrapping_mul(2_654_435_761) >> 7
}

fn main() -> Result<()> {
    let mut args = std::env::args().skip(1);
    let scenario = args.next().ok_or("which scenario?")?;
    let amount: u64 = args.next().map_or(Ok(1000), |text| text.parse())?;

    let mut program = Program::new();
    program.options(PoolOptions::default());
    let failing = scenario.clone();
    program.init(move |info| {
        INITS.fetch_add(1, Ordering::SeqCst);
        if failing == "futures-init-fails" && info.rank == 2 {
            return Err("no licence for rank 2".into());
        }
        Ok(Session { rank: info.rank, tasks: 0 })
    });
    let reading = scenario.clone();
    let length = if scenario.starts_with("futures-data") { amount } else { 3 };
    program.data("picky", || Ok(Picky));
    let table = program.data("table", move || {
        READS.fetch_add(1, Ordering::SeqCst);
        if reading == "futures-data-fails" {
            Err("table.csv is missing".into())
        } else {
            Ok((0..length).map(number).collect::<Vec<u64>>())
        }
    });
    let grid = program.node_data("grid", move || {
        READS.fetch_add(1, Ordering::SeqCst);
        Ok((0..length).map(number).collect::<Vec<u64>>())
    });
    let add = program.task("add", |_, (a, b): (u64, u64)| Ok(a + b));
    let fail = program.task("fail", |_, x: u64| if x == 7 { panic!("{x} is too much") } else { Ok(x) });
    let nap = program.task("nap", |worker, millis: u64| {
        std::thread::sleep(Duration::from_millis(millis));
        Ok(worker.rank())
    });
    let session = program.task("session", |worker, (): ()| {
        let session = worker.state::<Session>();
        session.tasks += 1;
        Ok((session.rank, session.tasks, INITS.load(Ordering::SeqCst)))
    });
    let look = program.task("look", move |worker, (): ()| {
        let (table, grid) = (worker.data(table), worker.data(grid));
        let good = table == grid && (0..length).zip(grid).all(|(i, x)| *x == number(i));
        let mapping = mapping_of(grid.as_ptr() as usize);
        Ok((good && table.len() as u64 == length, READS.load(Ordering::SeqCst), mapping))
    });

    let written = program.task("written", |_, x: u64| {
        let folder = std::env::var("FUTURES_FOLDER").map_err(|error| error.to_string())?;
        let calls = std::fs::OpenOptions::new().create(true).append(true).open(format!("{folder}/calls"));
        calls.and_then(|mut calls| calls.write_all(b"a call\n")).map_err(|error| error.to_string())?;
        Ok(3 * x)
    });

    let mut outliving = Vec::new();
    let ran = program.run(|pool: &Pool| -> Result<()> {
        match scenario.as_str() {
            "futures-dag" => {
                // A tree: each level adds pairs of the one below.
                let mut level: Vec<_> = (0..amount).map(|i| pool.submit(add, (i, 0))).collect();
                while level.len() > 1 {
                    let pairs = level
                        .chunks(2)
                        .map(|pair| pool.submit_after(add, pair, |all| (all[0], *all.get(1).unwrap_or(&0))));
                    level = pairs.collect();
                }
                let sum = level.pop().ok_or("no tree")?.wait()?;
                assert_eq!(sum, amount * (amount - 1) / 2);
                let seven = pool.submit(fail, 7);
                let child = pool.submit_after(add, &seven, |x| (x, 1));
                let error = child.wait().err().ok_or("no error")?;
                assert_eq!((error.kind, error.root().kind), (TaskErrorKind::Input, TaskErrorKind::Panic));
                assert!(
                    error.to_string().contains("7 is too much (examples/pool_future_scenarios.rs:"),
                    "{error}"
                );
                assert!(error.root().rank > 0 && !error.root().host.is_empty());
                println!("sum {sum}");
            }
            "futures-all" => {
                let futures: Vec<_> = (0..amount).map(|i| pool.submit(add, (i, i))).collect();
                let waited = pool.wait(&futures, Until::All, Some(Duration::from_secs(30)));
                assert_eq!(waited.done.len() as u64, amount);
                let mut seen = BTreeSet::new();
                for (i, result) in pool.as_completed(futures) {
                    assert_eq!(result?, 2 * i as u64);
                    assert!(seen.insert(i));
                }
                let mut next = 0;
                for result in pool.imap(add, (0..amount).map(|i| (i, 1)), &MapOptions::new().window(50)) {
                    next += 1;
                    assert_eq!(result?, next);
                }
                println!("{} and {next}", seen.len());
            }
            "futures-errors" => {
                let error = pool.map(fail, (0..amount).map(|i| i % 10)).err().ok_or("no error")?;
                assert!(
                    error.failures.iter().all(|(place, e)| place % 10 == 7 && e.kind == TaskErrorKind::Panic)
                );
                println!("{}", error.first());
            }
            "futures-deadline" => {
                let slow =
                    pool.submit_with(nap, amount, &TaskOptions::new().timeout(Duration::from_millis(100)));
                let error = slow.wait().err().ok_or("no error")?;
                let late = pool.submit(add, (1, 1)).wait()?;
                println!("{:?} on rank {}, then {late}", error.kind, error.rank);
            }
            "futures-dropped" => {
                let naps: Vec<_> = (0..amount).map(|_| pool.submit(nap, 20)).collect();
                let child = pool.submit_after(add, &naps, |all| (all.len() as u64, 0));
                child.add_done_callback(|result| println!("callback: {}", result.is_err()));
                pool.submit(add, (1, 2)).detach();
                println!("rank 0 returns");
            }
            "futures-outlive" => {
                outliving.extend((0..amount).map(|_| pool.submit(nap, 20)));
            }
            "futures-main-panics" => {
                let input = pool.submit(nap, 50);
                let _child = pool.submit_after(add, &input, |_| (0, 0));
                panic!("rank 0 gives up");
            }
            "futures-shutdown" => {
                let futures: Vec<_> = (0..amount).map(|i| pool.submit(add, (i, 0))).collect();
                pool.shutdown(true, false);
                assert!(futures.iter().all(|future| future.is_done()));
                assert_eq!(pool.submit(add, (0, 0)).wait().map_err(|e| e.kind), Err(TaskErrorKind::Closed));
                println!("{amount} done");
            }
            "futures-init" => {
                let seen = pool.map(session, vec![(); amount as usize])?;
                let distinct: BTreeSet<_> = seen.iter().map(|(rank, tasks, _)| (*rank, *tasks)).collect();
                assert_eq!(distinct.len() as u64, amount, "a worker has lost its state");
                println!("most initialisations of a process: {:?}", seen.iter().map(|s| s.2).max());
            }
            "futures-data" | "futures-data-nodes" => {
                let workers = pool.workers();
                let seen = pool.map(look, vec![(); 20 * workers])?;
                assert!(seen.iter().all(|(good, ..)| *good), "data has changed on its way");
                assert!(
                    pool.data(table).len() as u64 == amount && pool.data(grid) == pool.data(table).as_slice()
                );
                let reads: BTreeSet<_> = seen.iter().map(|(_, reads, _)| *reads).collect();
                let mut places: BTreeSet<_> = seen.iter().map(|(.., place)| place.clone()).collect();
                places.insert(mapping_of(pool.data(grid).as_ptr() as usize));
                let own = READS.load(Ordering::SeqCst);
                println!(
                    "read {own} times on rank 0, {reads:?} elsewhere; the grid is there {} times",
                    places.len()
                );
            }
            "futures-cached" => {
                let folder = std::env::var("FUTURES_FOLDER")?;
                let cache = TaskCache::open(format!("{folder}/results.h5"))?;
                let written = cache.task(pool, written, "1");
                let futures: Vec<_> = (0..2 * amount).map(|i| written.submit(i % amount)).collect();
                for (future, i) in futures.into_iter().zip(0..) {
                    assert_eq!(future.wait()?, 3 * (i % amount));
                }
                println!("{} computed, {} found", cache.computed(), cache.found());
                cache.close()?;
            }
            _ => println!("main runs"),
        }
        Ok(())
    });
    if !outliving.is_empty() {
        let cancelled = |error: &TaskError| error.kind == TaskErrorKind::Cancelled;
        let all = outliving.into_iter().all(|future| future.wait().as_ref().err().is_none_or(cancelled));
        println!("all have ended: {all}");
    }
    match ran {
        Ok(None) => Ok(()),
        Ok(Some(result)) => result,
        Err(error) => Err(error.to_string().into()),
    }
}
