//! The pool over real MPI: every test runs one of `examples/pool_*_scenarios.rs` under a launcher.
//!
//! `MPIEXEC` chooses the launcher (default `mpiexec.openmpi`); it has to fit the library that was built with.
#![cfg(feature = "mpi")]
#![expect(clippy::unwrap_used, reason = "a step that fails is a test that fails")]

mod launcher;

use launcher::{is_mpich, launcher, with_recovery};
use std::io::Read;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// One job at a time: several would only slow each other down beyond their limits.
static MACHINE: Mutex<()> = Mutex::new(());
static NUMBER: AtomicU32 = AtomicU32::new(0);
const LIMIT: Duration = Duration::from_secs(60);

struct Ended {
    code: Option<i32>,
    out: String,
    err: String,
    took: Duration,
}

struct Job<'a> {
    ranks: u32,
    args: &'a [&'a str],
    flags: &'a [&'a str],
    env: &'a [(&'a str, &'a str)],
}

/// The example that knows a scenario.
fn program(scenario: &str) -> PathBuf {
    let own = std::env::current_exe().unwrap();
    let name = match scenario {
        _ if scenario.starts_with("futures-") => "pool_future_scenarios",
        _ if scenario.starts_with("groups-") => "pool_group_scenarios",
        _ => "pool_scenarios",
    };
    let path = own.parent().unwrap().with_file_name("examples").join(name);
    assert!(path.exists(), "{} is missing: run `cargo build --examples`", path.display());
    path
}

/// Processes, zombies aside, that carry this mark in their environment.
fn marked(mark: &str) -> Vec<u32> {
    let mark = format!("POOL_TEST={mark}");
    let running = |pid: u32| {
        let environ = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        environ.split(|byte| *byte == 0).any(|entry| entry == mark.as_bytes())
    };
    let pids = std::fs::read_dir("/proc").unwrap().flatten();
    pids.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).filter(|pid| running(*pid)).collect()
}

fn kill(child: &Child, mark: &str) {
    use nix::sys::signal::{Signal, kill, killpg};
    use nix::unistd::Pid;
    let _ = killpg(Pid::from_raw(child.id() as i32), Signal::SIGKILL);
    // Launchers put their ranks into groups of their own.
    for pid in marked(mark) {
        let _ = kill(Pid::from_raw(pid as i32), Signal::SIGKILL);
    }
}

fn read_all(mut from: impl Read + Send + 'static) -> std::thread::JoinHandle<String> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        let _ = from.read_to_end(&mut bytes);
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

impl Job<'_> {
    fn run(&self) -> Ended {
        let _machine: MutexGuard<'_, ()> = MACHINE.lock().unwrap_or_else(PoisonError::into_inner);
        let mark = format!("{}-{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        let began = Instant::now();
        let mut child = Command::new(launcher())
            .args(self.flags)
            .args(["-n", &self.ranks.to_string()])
            .arg(program(self.args[0]))
            .args(self.args)
            .env("POOL_TEST", &mark)
            .env("OMPI_ALLOW_RUN_AS_ROOT", "1")
            .env("OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1")
            .env("OMPI_MCA_rmaps_base_oversubscribe", "1")
            .env("OMPI_MCA_hwloc_base_binding_policy", "none")
            .envs(self.env.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .spawn()
            .unwrap_or_else(|error| panic!("{}: {error}; set MPIEXEC", launcher()));
        let (out, err) = (read_all(child.stdout.take().unwrap()), read_all(child.stderr.take().unwrap()));
        let status = loop {
            if let Some(status) = child.try_wait().unwrap() {
                break status;
            }
            if began.elapsed() > LIMIT {
                kill(&child, &mark);
                child.wait().unwrap();
                panic!("{:?} hung; it said\n{}\n{}", self.args, out.join().unwrap(), err.join().unwrap());
            }
            std::thread::sleep(Duration::from_millis(10));
        };
        let took = began.elapsed();
        // A launcher may end a moment before its last rank has.
        while !marked(&mark).is_empty() {
            if began.elapsed() > took + Duration::from_secs(5) {
                let left = marked(&mark);
                kill(&child, &mark);
                panic!("{:?} left processes behind: {left:?}", self.args);
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ended { code: status.code(), out: out.join().unwrap(), err: err.join().unwrap(), took }
    }
}

fn run(ranks: u32, args: &[&str]) -> Ended {
    Job { ranks, args, flags: &[], env: &[] }.run()
}

/// Runs a scenario that should go well; returns what rank 0 printed.
fn succeed(ranks: u32, args: &[&str]) -> String {
    succeeded(&run(ranks, args))
}

fn succeeded(ended: &Ended) -> String {
    assert_eq!(ended.code, Some(0), "{}\n{}", ended.out, ended.err);
    ended.out.trim().to_owned()
}

#[test]
fn a_map_uses_all_workers_of_any_world() {
    assert_eq!(succeed(1, &["map", "5000"]), "5000 results from 1 workers of 1");
    for ranks in [2, 4, 8] {
        let out = succeed(ranks, &["map", "5000"]);
        assert_eq!(out, format!("5000 results from {0} workers of {0}", ranks - 1));
    }
}

#[test]
fn the_world_is_told_at_the_start() {
    let out = succeed(3, &["world"]);
    assert!(out.starts_with("1 manager, 2 workers on 1 host over "), "{out}");
    assert!(out.contains(if is_mpich() { "MPICH" } else { "Open MPI" }), "{out}");
    assert!(out.contains("worker loss: fatal"), "{out}");
    assert!(succeed(1, &["world"]).starts_with("1 manager, 1 worker on 1 host over threads"));
}

#[test]
fn futures_come_back_in_any_order() {
    assert_eq!(succeed(4, &["futures", "500"]), "500 futures");
}

#[test]
fn errors_and_panics_of_tasks_come_back_and_nothing_else_suffers() {
    let ended = run(3, &["failures", "100"]);
    assert_eq!(succeeded(&ended), "[60, 20, 20]");
    assert!(!ended.err.contains("panicked"), "{}", ended.err);
}

#[test]
fn payloads_of_any_size_come_back_intact() {
    for ranks in [2, 3] {
        assert_eq!(succeed(ranks, &["payloads", "4000000"]), "intact up to 4000000 bytes");
    }
}

#[test]
fn vectors_of_numbers_travel_both_ways_beside_their_messages() {
    for ranks in [2, 4] {
        assert_eq!(succeed(ranks, &["vectors", "500"]), "500 vectors");
    }
}

#[test]
fn a_hundred_megabytes_come_back_intact() {
    assert_eq!(succeed(2, &["huge", "100000000"]), "100000000 bytes");
}

#[test]
fn memory_does_not_grow_with_the_number_of_tasks() {
    // `benches/README.md` has the figures of a hundred million. Anything that a task left behind would be 32 bytes at least,
    // or 57 MB in all. What the MPI library once needed for messages that wait it keeps: some MB, where a worker lost its
    // core in the middle, however many tasks there are.
    let limit = 16 << 10;
    let said = succeed(3, &["soak", "2000000"]);
    let numbers: Vec<u64> = said.split(' ').filter_map(|word| word.parse().ok()).collect();
    assert!(
        matches!(numbers[..], [2_000_000, 0, manager, workers] if manager < 2048 && workers < limit),
        "{said}"
    );
}

#[test]
fn everything_works_without_matched_probes() {
    let env = [("ADAPTIVE_MPI_MATCHED_PROBE", "0")];
    let job = |args| Job { ranks: 3, args, flags: &[], env: &env }.run();
    assert_eq!(succeeded(&job(&["payloads", "400000"])), "intact up to 400000 bytes");
    assert_eq!(succeeded(&job(&["futures", "300"])), "300 futures");
    assert_eq!(succeeded(&job(&["vectors", "200"])), "200 vectors");
}

#[test]
fn rank_0_never_waits_for_a_slow_receiver() {
    assert_eq!(succeed(3, &["slow-receiver", "2000000"]), "8 payloads");
}

#[test]
fn all_leave_when_rank_0_returns_early_or_fails() {
    assert_eq!(succeed(4, &["early-return", "300"]), "rank 0 returns");
    let ended = run(3, &["main-fails"]);
    assert_ne!(ended.code, Some(0));
    assert!(ended.err.contains("the goal is out of reach"), "{}", ended.err);
}

#[test]
fn a_panic_on_rank_0_ends_the_job() {
    let ended = run(3, &["main-panics"]);
    assert_eq!(ended.code, Some(1), "{}\n{}", ended.out, ended.err);
    assert!(ended.err.contains("rank 0 gives up"), "{}", ended.err);
    assert!(ended.took < Duration::from_secs(20));
}

#[test]
fn a_panic_on_a_worker_outside_of_a_task_ends_the_job() {
    let ended = run(3, &["worker-panics"]);
    assert_eq!(ended.code, Some(1), "{}\n{}", ended.out, ended.err);
    assert!(ended.err.contains("the state can't be dropped"), "{}", ended.err);
    assert!(ended.took < Duration::from_secs(20));
}

#[test]
fn a_worker_without_its_state_fails_its_tasks_only() {
    let env = [("POOL_STATE_FAILS", "2")];
    let ended = Job { ranks: 3, args: &["state", "50"], flags: &[], env: &env }.run();
    assert_eq!(succeeded(&ended), "1 workers without a state, some tasks failed: true");
}

#[test]
fn a_launcher_that_does_not_fit_is_told_at_once() {
    // What a rank sees under the wrong launcher: it is alone, but the variables speak of four.
    let (size, rank) =
        if is_mpich() { ("OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_RANK") } else { ("PMI_SIZE", "PMI_RANK") };
    let mut command = Command::new(program(""));
    command.arg("map").env(size, "4").env(rank, "0").env("OMPI_ALLOW_RUN_AS_ROOT", "1");
    let output = command.env("OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1").output().unwrap();
    let err = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{err}");
    assert!(err.contains("Mismatch") && err.contains("expected: 4") && err.contains("mpiexec"), "{err}");
    assert!(output.stdout.is_empty());
}

#[test]
fn waiting_ranks_take_less_than_a_twentieth_of_a_core() {
    let out = succeed(4, &["idle-cpu", "4000"]);
    let shares: Vec<f64> = out.split_whitespace().filter_map(|word| word.parse().ok()).collect();
    assert_eq!(shares.len(), 2, "{out}");
    assert!(shares.iter().all(|share| *share < 0.05), "{out}");
}

#[test]
fn a_dead_or_stopped_worker_costs_no_task() {
    if is_mpich() {
        // MPICH's mpiexec ends the job; that it ends, and soon, is what can be promised.
        let ended = run(4, &["worker-killed", "100"]);
        assert_ne!(ended.code, Some(0));
        assert!(ended.took < Duration::from_secs(20));
        return;
    }
    for scenario in ["worker-killed", "worker-stopped"] {
        let ended = Job { ranks: 4, args: &[scenario, "100"], flags: with_recovery(), env: &[] }.run();
        assert!(ended.out.contains("100 tasks, 2 workers left"), "{}\n{}", ended.out, ended.err);
    }
}

#[test]
fn workers_leave_when_rank_0_is_dead() {
    let ended = Job { ranks: 3, args: &["manager-killed"], flags: with_recovery(), env: &[] }.run();
    assert!(ended.out.contains("manager "), "{}\n{}", ended.out, ended.err);
    assert!(is_mpich() || ended.err.contains("rank 0 has ended"), "{}", ended.err);
}

#[test]
fn workers_leave_when_rank_0_is_silent_and_rank_0_ends_without_them() {
    if is_mpich() {
        // Its launcher ends the job as soon as the first worker leaves.
        assert_ne!(run(3, &["manager-stopped"]).code, Some(0));
        return;
    }
    let ended = Job { ranks: 3, args: &["manager-stopped"], flags: with_recovery(), env: &[] }.run();
    assert!(ended.err.contains("rank 0 has been silent"), "{}", ended.err);
    // Open MPI 5 passes nothing on any more after ranks have exited with an error.
    let is_heard = !with_recovery().contains(&"ulfm");
    assert!(!is_heard || ended.out.contains("rank 0 is back"), "{}", ended.out);
}

/// Worlds that every promise holds in.
const WORLDS: [u32; 4] = [1, 2, 4, 8];

#[test]
fn tasks_that_need_each_others_results_run_in_any_world() {
    for ranks in WORLDS {
        assert_eq!(succeed(ranks, &["futures-dag", "200"]), "sum 19900");
        assert_eq!(succeed(ranks, &["futures-all", "300"]), "300 and 300");
    }
}

#[test]
fn cached_tasks_are_computed_once_in_any_world_and_across_worlds() {
    let folder = tempfile::tempdir().unwrap();
    let env = [("FUTURES_FOLDER", folder.path().to_str().unwrap())];
    let job = |ranks, amount| {
        let args = ["futures-cached", amount];
        let said = succeeded(&Job { ranks, args: &args, flags: &[], env: &env }.run());
        let calls = std::fs::read_to_string(folder.path().join("calls")).unwrap();
        (said, calls.lines().count())
    };
    assert_eq!(job(4, "200"), ("200 computed, 200 found".into(), 200));
    assert_eq!(job(2, "300"), ("100 computed, 500 found".into(), 300));
    assert_eq!(job(1, "300"), ("0 computed, 600 found".into(), 300));
    assert_eq!(job(8, "301"), ("1 computed, 601 found".into(), 301));
}

#[test]
fn a_failure_names_its_place_rank_and_host_in_any_world() {
    for ranks in WORLDS {
        let out = succeed(ranks, &["futures-errors", "100"]);
        assert!(out.starts_with("task panicked on rank "), "{out}");
        assert!(out.contains("7 is too much (examples/pool_future_scenarios.rs:"), "{out}");
    }
}

#[test]
fn a_task_beyond_its_time_fails_and_its_worker_goes_on_later() {
    for ranks in [2, 4] {
        let out = succeed(ranks, &["futures-deadline", "600"]);
        assert_eq!(out, "TimedOut on rank 1, then 2");
    }
}

#[test]
fn all_ranks_leave_when_rank_0_drops_its_futures_shuts_down_or_panics() {
    for ranks in WORLDS {
        assert_eq!(succeed(ranks, &["futures-dropped", "50"]), "rank 0 returns\ncallback: true");
        assert_eq!(succeed(ranks, &["futures-shutdown", "500"]), "500 done");
        assert_eq!(succeed(ranks, &["futures-outlive", "50"]), "all have ended: true");
        let ended = run(ranks, &["futures-main-panics"]);
        assert_ne!(ended.code, Some(0));
        assert!(ended.err.contains("rank 0 gives up"), "{}", ended.err);
        assert!(ended.took < Duration::from_secs(20), "{:?}", ended.took);
    }
}

#[test]
fn an_initialiser_runs_once_per_worker() {
    for ranks in WORLDS {
        let out = succeed(ranks, &["futures-init", "300"]);
        assert_eq!(out, "most initialisations of a process: Some(1)");
    }
}

#[test]
fn an_initialiser_that_fails_is_told_by_rank_0_and_all_leave() {
    for ranks in [4, 8] {
        let ended = run(ranks, &["futures-init-fails"]);
        // When ranks leave without MPI_Finalize, the launcher of MPICH now and then says 0.
        assert!(is_mpich() || ended.code != Some(0));
        assert!(ended.err.contains("no licence for rank 2"), "{}", ended.err);
        assert!(ended.took < Duration::from_secs(20) && !ended.out.contains("main runs"));
    }
}

#[test]
fn data_is_read_by_rank_0_alone_and_is_there_once_per_node() {
    assert!(succeed(1, &["futures-data", "1000"]).starts_with("read 2 times on rank 0"));
    for ranks in [2, 4, 8] {
        let out = succeed(ranks, &["futures-data", "100000"]);
        assert_eq!(out, "read 2 times on rank 0, {0} elsewhere; the grid is there 1 times");
    }
    // As on several nodes, with more than one chunk and an odd length.
    let env: &[(&str, &str)] = &[("ADAPTIVE_MPI_NODE_SIZE", "2")];
    for (ranks, nodes) in [(2, 1), (4, 2), (5, 3)] {
        let job = Job { ranks, args: &["futures-data-nodes", "9000001"], flags: &[], env };
        let out = succeeded(&job.run());
        assert_eq!(out, format!("read 2 times on rank 0, {{0}} elsewhere; the grid is there {nodes} times"));
    }
    let empty = succeed(3, &["futures-data", "0"]);
    assert!(empty.starts_with("read 2 times on rank 0, {0} elsewhere"), "{empty}");
}

#[test]
fn data_that_cannot_be_read_is_told_by_rank_0_and_all_leave() {
    for ranks in WORLDS {
        let ended = run(ranks, &["futures-data-fails"]);
        // When ranks leave without MPI_Finalize, the launcher of MPICH now and then says 0.
        assert!(is_mpich() || ended.code != Some(0));
        assert!(ended.err.contains("`table` could not be read: table.csv is missing"), "{}", ended.err);
        assert!(ended.took < Duration::from_secs(20) && !ended.out.contains("main runs"));
    }
}

#[test]
fn data_that_one_rank_cannot_read_keeps_no_other_waiting_for_what_comes_behind_it() {
    let ended = run(4, &["futures-data-odd"]);
    assert!(is_mpich() || ended.code != Some(0));
    assert!(ended.err.contains("data `picky`: ") && ended.err.contains("is picky"), "{}", ended.err);
    assert!(ended.took < Duration::from_secs(20) && !ended.out.contains("main runs"));
}

#[test]
fn groups_of_all_sizes_get_communicators_of_their_own_beside_tasks_of_one_rank() {
    for ranks in [2, 4, 8] {
        let out = succeed(ranks, &["groups-sizes"]);
        assert_eq!(out, format!("60 groups, 2000 squares, {} of all", ranks - 1));
    }
}

#[test]
fn groups_are_made_while_large_arguments_are_on_their_way() {
    for ranks in [3, 8, 8] {
        assert_eq!(succeed(ranks, &["groups-large"]), format!("{} in the end", ranks - 1));
    }
}

#[test]
fn the_failure_of_a_member_fails_its_task_and_frees_all_others() {
    for ranks in [3, 4, 8] {
        assert_eq!(succeed(ranks, &["groups-fail"]), format!("epep {}", ranks - 1));
    }
}

#[test]
fn the_first_member_with_a_final_result_ends_the_task() {
    for ranks in [2, 4] {
        assert_eq!(succeed(ranks, &["groups-first"]), format!("{} in the end", ranks - 1));
    }
}

#[test]
fn a_group_is_told_that_nobody_waits_for_it_any_more() {
    for ranks in [3, 4] {
        assert_eq!(succeed(ranks, &["groups-dropped"]), "dropped, 9");
    }
}

#[test]
fn a_pool_within_a_pool_or_after_one_is_an_error_and_no_hang() {
    let said = succeed(3, &["nested"]);
    assert_eq!(
        said.lines().filter(|line| line.contains("a pool is at work in this process")).count(),
        2,
        "{said}"
    );
    let said = succeed(3, &["twice"]);
    assert_eq!(said.lines().filter(|line| line.contains("can't be initialised again")).count(), 3, "{said}");
}

#[test]
fn members_share_values_of_any_size() {
    for ranks in [2, 4] {
        assert_eq!(succeed(ranks, &["groups-share"]), format!("{} in the end", ranks - 1));
    }
}

#[test]
fn groups_come_and_go_in_any_number() {
    assert_eq!(succeed(6, &["groups-many"]), "5 in the end");
}

#[test]
fn the_death_of_a_member_costs_the_attempt_and_not_the_others() {
    if is_mpich() {
        // Its launcher ends the whole job.
        return;
    }
    let job = Job { ranks: 5, args: &["groups-die"], flags: with_recovery(), env: &[] };
    let out = succeeded(&job.run());
    // Each attempt loses one worker; there are three attempts, or no second worker is left.
    assert!(out.starts_with("Err(WorkerLost): 4 workers, then 1"), "{out}");
}
