//! What `tests/mpi_pool.rs` runs of tasks for several ranks under `mpiexec`: one scenario per name, all named `groups-…`.
//! Rank 0 prints what it saw.
#![expect(clippy::print_stdout, reason = "an example talks to people")]

use adaptive_mpi::pool::{Group, Pool, PoolOptions, Program, RawCommunicator, TaskErrorKind, TaskOptions};
use std::collections::BTreeSet;
use std::time::Duration;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// The sum over a communicator, by MPI itself.
#[cfg(feature = "mpi")]
fn sum_by_mpi(comm: RawCommunicator, own: u64) -> u64 {
    let mut sum = 0_u64;
    #[expect(unsafe_code, reason = "a call of a C library")]
    // SAFETY: pointers to live numbers of the type that is told; all members make the call.
    let code = unsafe {
        let (from, to) = ((&raw const own).cast(), (&raw mut sum).cast());
        mpi::ffi::MPI_Allreduce(from, to, 1, mpi::ffi::RSMPI_UINT64_T, mpi::ffi::RSMPI_SUM, comm)
    };
    assert_eq!(code, 0);
    sum
}

#[cfg(not(feature = "mpi"))]
fn sum_by_mpi(comm: RawCommunicator, _: u64) -> u64 {
    match comm {}
}

/// What every member of a group should find.
fn examine(group: &Group<'_>, rank: u32) -> std::result::Result<Vec<u32>, String> {
    let own = u64::from(group.members()[group.rank() as usize]);
    assert_eq!(own, u64::from(rank));
    let expected: u64 = group.members().iter().map(|rank| u64::from(*rank)).sum();
    assert_eq!(group.reduce(own, |a, b| a + b)?, expected);
    if let Some(comm) = group.communicator() {
        assert_eq!(sum_by_mpi(comm, own), expected);
    }
    let last = group.size() - 1;
    assert_eq!(group.broadcast(last, own)?, u64::from(group.members()[last as usize]));
    if let Some(gathered) = group.gather(rank)? {
        assert_eq!(gathered, group.members());
    }
    group.barrier()?;
    Ok(group.members().to_vec())
}

fn kill_self() -> ! {
    let own = nix::unistd::Pid::this();
    let _ = nix::sys::signal::kill(own, nix::sys::signal::Signal::SIGKILL);
    std::process::abort()
}

fn main() -> Result<()> {
    let scenario = std::env::args().nth(1).ok_or("which scenario?")?;
    let mut options = PoolOptions::default();
    if scenario == "groups-many" {
        options.kept_groups = 2;
    }
    let mut program = Program::new();
    program.options(options);
    let examined = program.group_task("examine", |worker, group, (): ()| examine(group, worker.rank()));
    // One member fails, while the others wait for it.
    let fails = program.group_task("fails", |_, group, (who, how): (u32, u32)| {
        if group.rank() == who {
            match how {
                0 => return Err(format!("member {who} gives up")),
                1 => panic!("member {who} panics"),
                _ => kill_self(),
            }
        }
        group.barrier().map(|()| group.rank()).map_err(|error| error.to_string())
    });
    let share = program.group_task("share", |_, group, bytes: u32| {
        let own: Vec<u8> = (0..bytes).map(|i| (i * 7 + group.rank()) as u8).collect();
        let firsts = group.broadcast(0, if group.rank() == 0 { own.clone() } else { Vec::new() })?;
        let mut to_right = Vec::new();
        if group.size() > 1 {
            group.send((group.rank() + 1) % group.size(), &own)?;
            to_right = group.receive::<Vec<u8>>((group.rank() + group.size() - 1) % group.size())?;
        }
        Ok((firsts.len(), to_right.first().copied()))
    });
    let first = program.group_task("first", |_, group, who: u32| {
        if group.rank() == who {
            group.finish();
            return Ok(who);
        }
        // Not reached by the others otherwise.
        while !group.has_given_up() {
            std::thread::sleep(Duration::from_millis(1));
        }
        Ok(1000)
    });
    let gathered = program.group_task("gathered", |_, group, numbers: Vec<f64>| {
        let own = numbers.iter().map(|x| x * f64::from(group.rank() + 1)).sum::<f64>();
        let sums = group.gather(own)?.unwrap_or_default();
        Ok(sums.into_iter().flat_map(|sum| numbers.iter().map(move |x| x + sum)).collect::<Vec<_>>())
    });
    let square = program.task("square", |_, x: u64| Ok(x * x));
    let occupy = program.task("occupy", |_, milliseconds: u64| {
        std::thread::sleep(Duration::from_millis(milliseconds));
        Ok(())
    });

    let ran = program.run(|pool: &Pool| -> Result<()> {
        let workers = pool.workers() as u32;
        let all = || pool.submit(examined.on(workers), ()).wait();
        match scenario.as_str() {
            "groups-sizes" => {
                let sizes: Vec<u32> = (0..60).map(|i| 1 + i * 7 % workers.min(4)).collect();
                let futures: Vec<_> = sizes.iter().map(|size| pool.submit(examined.on(*size), ())).collect();
                let squares = pool.map(square, 0..2000)?;
                assert!(squares.iter().enumerate().all(|(i, y)| *y == (i * i) as u64));
                let mut groups = BTreeSet::new();
                for (size, future) in sizes.into_iter().zip(futures) {
                    let members = future.wait()?;
                    assert_eq!(members.len(), size as usize);
                    groups.insert(members);
                }
                // Large vectors go to all members, and one comes back.
                let numbers: Vec<f64> = (0..50_000).map(f64::from).collect();
                let (sum, size) = (numbers.iter().sum::<f64>(), workers.min(3));
                let all_sums = pool.submit(gathered.on(size), numbers.clone()).wait()?;
                assert_eq!(all_sums.len(), size as usize * numbers.len());
                assert_eq!(all_sums[7], 7.0 + sum);
                assert_eq!(all_sums.last(), Some(&(49_999.0 + f64::from(size) * sum)));
                println!("60 groups, {} squares, {} of all", squares.len(), all()?.len());
            }
            "groups-large" => {
                // Each time another set of ranks, whose communicator is made while a member still waits for its large
                // arguments.
                let numbers: Vec<f64> = (0..50_000).map(f64::from).collect();
                for round in 0..4 * workers {
                    let (busy, size) = (round % (workers - 1), 2 + round % 3);
                    let occupied: Vec<_> = (0..busy).map(|_| pool.submit(occupy, 5)).collect();
                    let sums = pool.submit(gathered.on(size.min(workers)), numbers.clone()).wait()?;
                    assert_eq!(sums.len(), size.min(workers) as usize * numbers.len());
                    for one in occupied {
                        one.wait()?;
                    }
                }
                println!("{} in the end", all()?.len());
            }
            "groups-fail" => {
                let mut kinds = Vec::new();
                for how in [0, 1, 0, 1] {
                    let ranks = workers.min(3);
                    let error = pool
                        .submit(fails.on(ranks), (ranks - 1, how))
                        .wait()
                        .map_err(|e| (e.kind, e.message));
                    match error {
                        Err((TaskErrorKind::Error, message)) if message.ends_with("gives up") => {
                            kinds.push('e')
                        }
                        Err((TaskErrorKind::Panic, message)) if message.ends_with("panics") => {
                            kinds.push('p')
                        }
                        other => return Err(format!("{other:?}").into()),
                    }
                    // The same ranks again, with nothing left of what was said before.
                    pool.submit(examined.on(ranks), ()).wait()?;
                }
                let too_large = pool.submit(examined.on(workers + 1), ()).wait().map_err(|error| error.kind);
                assert_eq!(too_large, Err(TaskErrorKind::TooLarge));
                let late = TaskOptions::new().timeout(Duration::from_millis(50));
                let late =
                    pool.submit_with(first.on(workers), workers, &late).wait().map_err(|error| error.kind);
                assert_eq!(late, Err(TaskErrorKind::TimedOut));
                println!("{} {}", kinds.into_iter().collect::<String>(), all()?.len());
            }
            "groups-first" => {
                for who in 0..workers {
                    assert_eq!(pool.submit(first.on(workers), who).wait()?, who);
                }
                println!("{} in the end", all()?.len());
            }
            "groups-dropped" => {
                let nobodys = pool.submit(first.on(workers), u32::MAX);
                let begun = pool.submit(square, 3);
                while !nobodys.running() {
                    std::thread::sleep(Duration::from_millis(1));
                }
                drop(nobodys);
                println!("dropped, {}", begun.wait()?);
            }
            "groups-share" => {
                for bytes in [0, 10, 100_000, 5_000_000] {
                    let (length, _) = pool.submit(share.on(workers), bytes).wait()?;
                    assert_eq!(length, bytes as usize);
                }
                println!("{} in the end", all()?.len());
            }
            "groups-many" => {
                // More groups than communicators are kept of.
                for round in 0..2 {
                    for _ in 0..200 {
                        for size in 2..=workers.min(4) {
                            let (a, b) = (pool.submit(square, round), pool.submit(examined.on(size), ()));
                            b.wait()?;
                            a.wait()?;
                        }
                    }
                }
                println!("{} in the end", all()?.len());
            }
            "groups-die" => {
                // The last of three dies; the task is given to others and fails there by an error.
                let before = pool.workers();
                let died = pool.submit(fails.on(2), (1, 2)).wait().map_err(|error| error.kind);
                println!("{died:?}: {before} workers, then {}", pool.workers());
            }
            other => return Err(format!("no scenario {other}").into()),
        }
        Ok(())
    })?;
    ran.unwrap_or(Ok(()))
}
