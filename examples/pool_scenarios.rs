//! What `tests/mpi_pool.rs` runs under `mpiexec`: one scenario per name. Rank 0 prints what it saw.
#![expect(clippy::print_stdout, reason = "an example talks to people")]

use adaptive_mpi::pool::{Future, Pool, PoolOptions, Program, TaskErrorKind, TaskOptions};
use std::time::{Duration, Instant};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

fn checksum(bytes: &[u8]) -> u64 {
    bytes.iter().fold(17, |sum, byte| sum.wrapping_mul(31).wrapping_add(u64::from(*byte)))
}

fn payload(length: u64) -> Vec<u8> {
    (0..length).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect()
}

struct DropPanics(bool);

impl Drop for DropPanics {
    fn drop(&mut self) {
        assert!(!self.0, "the state can't be dropped");
    }
}

fn kill_self() -> ! {
    let own = nix::unistd::Pid::this();
    let _ = nix::sys::signal::kill(own, nix::sys::signal::Signal::SIGKILL);
    std::process::abort()
}

/// What becomes of a pool in this process.
fn nested() -> String {
    Program::new().run(|_| ()).map_or_else(|error| error.to_string(), |_| "it ran".into())
}

fn main() -> Result<()> {
    let mut args = std::env::args().skip(1);
    let scenario = args.next().ok_or("which scenario?")?;
    let amount: u64 = args.next().map_or(Ok(1000), |text| text.parse())?;

    let mut options = PoolOptions::default();
    if matches!(scenario.as_str(), "manager-killed" | "manager-stopped") {
        options.manager_silence = Duration::from_secs(2);
    }
    if scenario == "worker-stopped" {
        options.lost_after = Some(Duration::from_secs(2));
    }
    let mut program = Program::new();
    program.options(options);
    let square = program.task("square", |_, x: u64| Ok(x * x));
    let fussy = program.task("fussy", |_, x: u64| match x % 5 {
        0 => Err(format!("{x} is not welcome")),
        1 => panic!("{x} is too much"),
        _ => Ok(x),
    });
    let echo = program.task("echo", |_, bytes: Vec<u8>| Ok((checksum(&bytes), bytes)));
    let make = program.task("make", |_, length: u64| Ok(payload(length)));
    let sleep = program.task("sleep", |worker, millis: u64| {
        std::thread::sleep(Duration::from_millis(millis));
        Ok(worker.rank())
    });
    let die = program.task("die", |worker, (rank, at): (u32, u64)| {
        std::thread::sleep(Duration::from_millis(5));
        if worker.rank() == rank && at == 40 { kill_self() } else { Ok(at) }
    });
    let stop = program.task("stop", |worker, (rank, at): (u32, u64)| {
        std::thread::sleep(Duration::from_millis(5));
        if worker.rank() == rank && at == 40 {
            nix::sys::signal::raise(nix::sys::signal::Signal::SIGSTOP).map_err(|e| e.to_string())?;
        }
        Ok(at)
    });
    let guarded = scenario == "worker-panics";
    let state = program.task_with_state(
        "state",
        move |info| {
            if std::env::var("POOL_STATE_FAILS").is_ok_and(|rank| rank == info.rank.to_string()) {
                return Err("no licence".into());
            }
            Ok((DropPanics(guarded), u64::from(info.rank) << 32))
        },
        |state: &mut (DropPanics, u64), _, (): ()| {
            state.1 += 1;
            Ok(state.1)
        },
    );
    let twice = program.task("twice", |_, numbers: Vec<f64>| Ok(numbers.iter().map(|x| 2.0 * x).collect()));
    let moody = program.task_with_state(
        "moody",
        |_| Ok(false),
        |willing: &mut bool, _, numbers: Vec<i32>| {
            *willing = !*willing;
            if *willing { Err("not at the first go".into()) } else { Ok(numbers) }
        },
    );
    let nest = program.task("nest", |_, (): ()| Ok(nested()));
    let memory = program.task("memory", |_, (): ()| Ok(resident()));
    let cpu = program.task("cpu", |_, (): ()| Ok(cpu_seconds()));

    let ran = program.run(|pool: &Pool| -> Result<()> {
        match scenario.as_str() {
            "world" => println!("{}", pool.world().summary()),
            "twice" => {}
            "nested" => println!("{}\n{}", pool.submit(nest, ()).wait()?, nested()),
            "map" => {
                let results = pool.map(square, 0..amount)?;
                assert!(results.iter().enumerate().all(|(i, y)| *y == (i * i) as u64));
                let used = pool.stats().workers.iter().filter(|w| w.tasks > 0).count();
                println!("{} results from {used} workers of {}", results.len(), pool.workers());
            }
            "futures" => {
                let futures: Vec<_> = (0..amount).map(|i| pool.submit(square, i)).collect();
                for (i, future) in futures.into_iter().enumerate().rev() {
                    assert_eq!(future.wait()?, (i * i) as u64);
                }
                println!("{amount} futures");
            }
            "failures" => {
                let mut queue = pool.queue(fussy);
                (0..amount).for_each(|i| queue.submit(i, &i));
                let mut kinds = [0; 3];
                while let Some(completed) = queue.next(Duration::from_secs(30)) {
                    let kind = match completed.result.map_err(|e| (e.kind, e.message, e.location)) {
                        Ok(x) => usize::from(x != completed.key) * 9,
                        Err((TaskErrorKind::Error, ..)) => 1,
                        Err((TaskErrorKind::Panic, message, place)) => {
                            assert_eq!(message, format!("{} is too much", completed.key));
                            assert!(place.contains("pool_scenarios.rs:"), "{place}");
                            2
                        }
                        Err(other) => return Err(format!("{other:?}").into()),
                    };
                    kinds[kind] += 1;
                }
                println!("{kinds:?}");
            }
            "payloads" => {
                let mut length = 0;
                while length <= amount {
                    let bytes = payload(length);
                    let futures: Vec<_> =
                        (0..2 * pool.workers().min(2)).map(|_| pool.submit(echo, bytes.clone())).collect();
                    for future in futures {
                        let (sum, back) = future.wait()?;
                        assert!(sum == checksum(&bytes) && back == bytes, "{length} bytes came back changed");
                    }
                    length = if length == 0 { 8 } else { length * 5 };
                }
                println!("intact up to {amount} bytes");
            }
            "vectors" => {
                let numbers = |i: u64| (0..i * i * 37 % 20_000).map(|x| (x + i) as f64).collect::<Vec<_>>();
                let doubled = |i: u64| numbers(i).iter().map(|x| 2.0 * x).collect::<Vec<_>>();
                let results: Vec<Vec<f64>> = pool.map(twice, (0..amount).map(numbers))?;
                assert!(results.iter().zip(0..).all(|(result, i)| *result == doubled(i)));
                // A large argument is there again for further attempts; each worker fails its first.
                let (wanted, retries) = (vec![7; 100_000], TaskOptions::new().retries(4));
                assert_eq!(pool.submit_with(moody, wanted.clone(), &retries).wait()?, wanted);
                // One result may have several readers.
                let first: Future<Vec<f64>> = pool.submit(twice, numbers(100));
                let seconds = [0, 1].map(|_| pool.submit_after(twice, &first, |numbers| numbers));
                for second in seconds {
                    assert_eq!(second.wait()?.iter().sum::<f64>(), 4.0 * numbers(100).iter().sum::<f64>());
                }
                assert_eq!(first.wait()?, doubled(100));
                println!("{amount} vectors");
            }
            "huge" => {
                let bytes = pool.submit(make, amount).wait()?;
                assert_eq!(bytes.len() as u64, amount);
                assert_eq!(bytes, payload(amount));
                println!("{amount} bytes");
            }
            "slow-receiver" => {
                // All workers sleep, so nobody receives; handing in must not wait for them.
                let began = Instant::now();
                let workers = pool.workers() as u64;
                let sleepers: Vec<_> = (0..workers).map(|_| pool.submit(sleep, 1500)).collect();
                let mut queue = pool.queue(echo);
                for i in 0..4 * workers {
                    queue.submit(i, &payload(amount));
                    queue.flush();
                }
                assert!(queue.next(Duration::ZERO).is_none());
                assert!(
                    began.elapsed() < Duration::from_millis(1400),
                    "handing in took {:?}",
                    began.elapsed()
                );
                let mut done = 0;
                while let Some(completed) = queue.next(Duration::from_secs(30)) {
                    completed.result?;
                    done += 1;
                }
                for sleeper in sleepers {
                    sleeper.wait()?;
                }
                println!("{done} payloads");
            }
            "early-return" => {
                for i in 0..amount {
                    drop(pool.submit(sleep, i % 20));
                }
                let _kept = pool.submit(make, 10_000_000);
                println!("rank 0 returns");
            }
            "main-panics" => {
                drop(pool.submit(sleep, 50));
                panic!("rank 0 gives up");
            }
            "worker-panics" => {
                assert!(pool.map(state, [(), ()])?.iter().all(|n| *n > 0));
                println!("rank 0 returns");
            }
            "main-fails" => return Err("the goal is out of reach".into()),
            "state" => {
                let failed = pool.world().workers.iter().filter(|w| w.init_error.is_some()).count();
                let mut queue = pool.queue(state);
                (0..amount).for_each(|i| queue.submit(i, &()));
                let all: Vec<_> = std::iter::from_fn(|| queue.next(Duration::from_secs(30))).collect();
                let good: std::collections::BTreeSet<_> = all.iter().flat_map(|c| c.result.clone()).collect();
                let bad = all.iter().filter(|c| c.result.is_err()).count();
                assert_eq!(good.len() + bad, amount as usize);
                println!("{failed} workers without a state, some tasks failed: {}", bad > 0);
            }
            "idle-cpu" => {
                let workers = pool.workers();
                let total = || -> Result<f64> {
                    let futures: Vec<_> = (0..workers).map(|_| pool.submit(cpu, ())).collect();
                    futures.into_iter().map(|f| Ok(f.wait()?)).sum()
                };
                pool.map(sleep, vec![5; 2 * workers])?;
                let (before, own) = (total()?, cpu_seconds());
                let mut queue = pool.queue(sleep);
                // One worker sleeps inside of a task, the others and rank 0 wait.
                queue.submit(0, &amount);
                queue.next(Duration::from_secs(60)).ok_or("no answer")?.result?;
                let seconds = amount as f64 / 1000.0;
                let share = (total()? - before) / seconds / workers as f64;
                println!("worker {share:.4} manager {:.4}", (cpu_seconds() - own) / seconds);
            }
            "worker-killed" | "worker-stopped" => {
                let task = if scenario == "worker-killed" { die } else { stop };
                let mut queue = pool.queue(task);
                let mut seen = std::collections::BTreeSet::new();
                // Rank 2 fails at its first task of this kind; every other rank can do them all.
                (0..amount).for_each(|i| queue.submit(i, &(2, if i % 10 == 5 { 40 } else { i % 40 })));
                while let Some(completed) = queue.next(Duration::from_secs(30)) {
                    completed.result?;
                    assert!(seen.insert(completed.key), "{} came twice", completed.key);
                }
                println!("{} tasks, {} workers left", seen.len(), pool.workers());
            }
            "manager-killed" | "manager-stopped" => {
                println!("workers {:?}", pool.world().workers.iter().map(|w| w.pid).collect::<Vec<_>>());
                println!("manager {}", std::process::id());
                pool.submit(sleep, 10).wait()?;
                if scenario == "manager-killed" {
                    kill_self()
                }
                // Wakes rank 0 up again, after its workers have given it up.
                let wake = format!("sleep 5; kill -CONT {}", std::process::id());
                let mut waker = std::process::Command::new("sh").args(["-c", &wake]).spawn()?;
                nix::sys::signal::raise(nix::sys::signal::Signal::SIGSTOP)?;
                waker.wait()?;
                println!("rank 0 is back");
            }
            "rate" => {
                let began = Instant::now();
                let results = pool.map(square, 0..amount)?;
                println!("{:.0} tasks/s", results.len() as f64 / began.elapsed().as_secs_f64());
            }
            "soak" => {
                // Memory after a tenth of the tasks and after all of them, of rank 0 and of the largest worker.
                let held = |pool: &Pool| -> Result<(u64, u64)> {
                    let futures: Vec<_> = (0..pool.workers()).map(|_| pool.submit(memory, ())).collect();
                    let workers: Vec<u64> =
                        futures.into_iter().map(|f| f.wait()).collect::<std::result::Result<_, _>>()?;
                    Ok((resident(), workers.into_iter().max().unwrap_or_default()))
                };
                let (mut sent, mut done, mut sum) = (0, 0, 0_u64);
                let mut early = (0, 0);
                let mut queue = pool.queue(square);
                while done < amount {
                    for _ in 0..queue.wanted().min((amount - sent) as usize) {
                        queue.submit(sent, &(sent % 1000));
                        sent += 1;
                    }
                    queue.flush();
                    let mut next = queue.next(Duration::from_secs(30));
                    if next.is_none() {
                        return Err("no answer".into());
                    }
                    while let Some(completed) = next {
                        assert_eq!(completed.result?, (completed.key % 1000).pow(2));
                        sum = sum.wrapping_add(completed.key);
                        done += 1;
                        if done == amount / 10 {
                            early = held(pool)?;
                        }
                        next = queue.next(Duration::ZERO);
                    }
                }
                assert_eq!(
                    sum,
                    (0..amount).fold(0, |sum: u64, key| sum.wrapping_add(key)),
                    "a task is missing"
                );
                let late = held(pool)?;
                let more = (late.0.saturating_sub(early.0), late.1.saturating_sub(early.1));
                println!(
                    "{done} tasks; since a tenth of them rank 0 has grown by {} KiB, workers by {} KiB",
                    more.0, more.1
                );
            }
            other => return Err(format!("unknown scenario {other}").into()),
        }
        Ok(())
    });
    if scenario == "twice" {
        println!("{}", nested());
    }
    match ran {
        Ok(None) => Ok(()),
        Ok(Some(result)) => result,
        Err(error) => Err(error.into()),
    }
}

/// Memory that this process holds, in KiB.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|text| text.trim().trim_end_matches("kB").trim().parse().ok()).unwrap_or_default()
}

/// User and system time of this process.
fn cpu_seconds() -> f64 {
    let usage = nix::sys::resource::getrusage(nix::sys::resource::UsageWho::RUSAGE_SELF);
    usage.map_or(0.0, |usage| {
        let seconds = |time: nix::sys::time::TimeVal| time.tv_sec() as f64 + time.tv_usec() as f64 * 1e-6;
        seconds(usage.user_time()) + seconds(usage.system_time())
    })
}
