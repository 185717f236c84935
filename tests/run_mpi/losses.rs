//! Workers that die or stop, in every way and at any moment: the run ends, and no point is lost or told twice.

use crate::study_run::{Folder, Random, check_rows, is_mpich, program, send, with_recovery};
use crate::{machine, results};
use nix::sys::signal::Signal;
use std::time::Duration;

/// How a worker ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// By a signal from outside.
    Signal(Signal),
    /// By `_exit` inside of the function.
    Exit,
    /// By an access to memory that is not there. (The first such signal from outside does not end a Rust program.)
    Crash,
}

const WAYS: [Way; 4] = [Way::Signal(Signal::SIGKILL), Way::Crash, Way::Exit, Way::Signal(Signal::SIGSTOP)];
const RANKS: u32 = 4;
/// Runs for each way to end.
const ROUNDS: u64 = 4;

/// A function whose process ends where a file says so, for the worker that takes the file away first.
const MODEL: &str = r#"
#include <stdint.h>
#include <stddef.h>
#include <unistd.h>

int model(const double *x, size_t nx, const double *p, size_t np, uint64_t seed, double *y, size_t ny) {
    usleep(2000);
    if (unlink("exit") == 0) _exit(7);
    if (unlink("crash") == 0) *(volatile int *)0 = 1;
    y[0] = x[0];
    return 0;
}
"#;

fn folder(points: u64) -> Folder {
    let folder = Folder::new(&format!(
        "[function]\nlibrary = 'libmodel.so:model'\n[learner]\ntype = '1d'\nbounds = [0, 1]\n[goal]\nnpoints = {points}\n\
         [run]\nunresponsive_after = '1s'\n[checkpoint]\ninterval = '50ms'\n"
    ));
    folder.write("model.c", MODEL);
    let mut compiler = std::process::Command::new("gcc");
    let flags = ["-O1", "-shared", "-fPIC", "-o", "libmodel.so", "model.c"];
    assert!(compiler.args(flags).current_dir(folder.path()).status().unwrap().success());
    folder
}

#[test]
fn a_run_outlives_workers_that_die_or_stop_in_any_way() {
    if is_mpich() {
        // Its launcher ends the job with its first rank, whatever it is told.
        return;
    }
    let _machine = machine();
    for (number, way) in (0..ROUNDS).flat_map(|round| WAYS.map(|way| (round, way))) {
        // The last two live on different hosts, as far as they know: seen by their pulses only.
        let far = number % 2 == 1;
        let mut random = Random(9_111 + 7919 * number);
        println!("{way:?}, round {number}");
        let folder = folder(300);
        let launch = folder.flagged_ranks(with_recovery(), RANKS, &["run"]);
        let mut run = if far { launch.env("ADAPTIVE_MPI_NODE_SIZE", "1") } else { launch }.start();
        let points = 1 + random.below(150) as usize;
        assert!(run.until(|_| results(&folder) >= points), "{}", run.said());
        match way {
            Way::Exit => folder.write("exit", ""),
            Way::Crash => folder.write("crash", ""),
            Way::Signal(signal) => {
                send(run.rank(1 + random.below(u64::from(RANKS) - 1) as u32).unwrap(), signal);
            }
        }
        // What the launcher makes of the dead rank is its own; the study is done, and nothing is left behind.
        let ended = run.end().says("goal reached: npoints >= 300");
        assert!(ended.took < Duration::from_secs(60));
        assert!(!folder.file("exit").exists() && !folder.file("crash").exists(), "nobody has read it");
        check_rows(&[], &folder.rows(), |row| row.point[0]);
        let status = folder.status();
        assert_eq!(status["state"], "goal reached");
        assert!(folder.read().failures.is_empty(), "a lost worker is no fault of its points");
    }
}

#[test]
fn a_worker_that_was_stopped_is_welcome_again() {
    if is_mpich() {
        return;
    }
    let _machine = machine();
    for env in [("ADAPTIVE_MPI_NODE_SIZE", "99"), ("ADAPTIVE_MPI_NODE_SIZE", "1")] {
        let folder = folder(1500);
        let flags = with_recovery();
        let mut run =
            folder.flagged_ranks(flags, 3, &["run"]).env(env.0, env.1).env("RUST_LOG", "info").start();
        assert!(run.until(|_| results(&folder) >= 20), "{}", run.said());
        let stopped = run.rank(1).unwrap();
        send(stopped, Signal::SIGSTOP);
        assert!(run.until(|run| run.said().contains("worker lost")), "{}", run.said());
        send(stopped, Signal::SIGCONT);
        assert!(run.until(|run| run.said().contains("is back")), "{}", run.said());
        run.end().expect(0).says("goal reached");
        check_rows(&[], &folder.rows(), |row| row.point[0]);
    }
}

#[test]
fn a_run_whose_worker_is_stopped_ends_in_good_order_under_any_launcher() {
    let _machine = machine();
    let folder = folder(300);
    let mut run = folder.ranks(RANKS, &["run"]).start();
    assert!(run.until(|_| results(&folder) >= 20), "{}", run.said());
    send(run.rank(2).unwrap(), Signal::SIGSTOP);
    run.end().expect(0).says("goal reached");
    check_rows(&[], &folder.rows(), |row| row.point[0]);
}

#[test]
fn a_run_that_cannot_outlive_a_worker_ends_at_once_and_names_it() {
    let _machine = machine();
    for far in ["99", "1"] {
        let folder = folder(100_000);
        let mut run = folder.ranks(RANKS, &["run"]).env("ADAPTIVE_MPI_NODE_SIZE", far).start();
        assert!(run.until(|_| results(&folder) >= 20), "{}", run.said());
        let known = folder.rows();
        let pid = run.rank(2).unwrap();
        send(pid, Signal::SIGKILL);
        let ended = run.end();
        assert_ne!(ended.code, Some(0));
        // MPICH's launcher kills the others before they can say anything; it says something itself.
        assert!(is_mpich() || ended.err.contains("stopped: rank 2 ("), "{}", ended.err);
        assert!(is_mpich() || ended.err.contains(&format!("pid {pid}) was lost")), "{}", ended.err);
        check_rows(&known, &folder.rows(), |row| row.point[0]);
        let status = folder.status();
        assert!(is_mpich() || status["state"] == "stopped", "{status}");
        // The same command goes on.
        folder.write("adaptive.toml", folder.text("adaptive.toml").replace("100000", "40"));
        folder.ranks(2, &["run", "--quiet"]).end().expect(0);
    }
}

#[test]
fn a_worker_that_cannot_start_the_function_is_left_out_and_named() {
    let _machine = machine();
    let folder = Folder::new(
        "[function]\npython = 'model.py:h'\n[learner]\ntype = '1d'\nbounds = [0, 1]\n[goal]\nnpoints = 200\n",
    );
    // The first worker that gets so far is the bad one, whenever it tries.
    let bad = "import os, time\ntry: os.symlink(str(os.getppid()), 'bad')\nexcept OSError: pass\n\
               if os.readlink('bad') == str(os.getppid()):\n    open('tried', 'a').write('x')\n    raise OSError('no scratch disk')\n";
    // The others are patient until it has failed for the third time.
    let patient = "def h(x):\n    end = time.time() + 20\n    while time.time() < end and \
                   (not os.path.exists('tried') or os.path.getsize('tried') < 3): time.sleep(0.01)\n    time.sleep(0.02)\n    return x\n";
    folder.write("model.py", format!("{bad}{patient}"));
    folder
        .ranks(RANKS, &["run"])
        .end()
        .expect(0)
        .says("the function does not work on rank ")
        .says("no scratch disk");
    let loaded = folder.read();
    assert!(loaded.failures.is_empty() && loaded.columns.len() >= 200);
    // On none it can.
    folder.write("model.py", "raise OSError('no scratch disk')\n");
    folder.write("adaptive.toml", folder.text("adaptive.toml").replace("200", "400"));
    let ended = folder.ranks(RANKS, &["run", "--accept-changes"]).end();
    ended.expect(2).says("the function can't be started: ").says("no scratch disk");
}

#[test]
fn a_rank_without_the_interpreter_leaves_the_points_to_the_others() {
    let _machine = machine();
    let folder = Folder::new(
        "[function]\npython = 'model.py:h'\n[learner]\ntype = '1d'\nbounds = [0, 1]\n[goal]\nnpoints = 100\n",
    );
    folder.write("model.py", "import time\ndef h(x):\n    time.sleep(0.01)\n    return x\n");
    let program = program().to_str().unwrap();
    let odd = ["run", ":", "-n", "1", "env", "PYTHON=/nowhere/python3", program, "run"];
    let ended = folder.ranks(RANKS - 1, &odd).end();
    ended.expect(0).says("warning: the function can't be started on rank 3 on ").says("/nowhere/python3");
    let loaded = folder.read();
    assert!(loaded.failures.is_empty() && loaded.columns.len() >= 100);
    // The others may die: then it is no help, and nobody is waited for.
    if !is_mpich() {
        folder.write("adaptive.toml", folder.text("adaptive.toml").replace("100", "100000"));
        let mut run = folder.flagged_ranks(with_recovery(), 2, &odd).start();
        assert!(run.until(|_| results(&folder) >= 120), "{}", run.said());
        send(run.rank(1).unwrap(), Signal::SIGKILL);
        run.end().says("no worker is left that can start the function: rank 1 ");
    }
    // A single worker is not left.
    let odd = ["run", ":", "-n", "1", "env", "PYTHON=/nowhere/python3", program, "run"];
    folder.ranks(1, &odd).end().expect(2).says("the function can't be started on rank 1 on ");
}

#[test]
fn a_function_that_ends_its_rank_is_told_with_advice() {
    let _machine = machine();
    for way in ["crash", "exit"] {
        let folder = folder(100_000);
        let mut run = folder.ranks(RANKS, &["run"]).start();
        assert!(run.until(|_| results(&folder) >= 20), "{}", run.said());
        folder.write(way, "");
        let ended = run.end();
        assert_ne!(ended.code, Some(0));
        if way == "crash" {
            // The rank says so itself, whether or not the launcher gives rank 0 the time.
            assert!(ended.err.contains(": the function crashed (SIGSEGV)"), "{}", ended.err);
        }
        // `_exit` leaves no time for last words.
        let said = ended.err.contains("`isolate = true` in [function]");
        assert!(said || (way == "exit" && is_mpich()), "{way}: {}", ended.err);
    }
}

#[test]
fn a_run_without_any_worker_left_stops_and_gives_no_point_up() {
    if is_mpich() {
        return;
    }
    let _machine = machine();
    let folder = folder(100_000);
    let mut run = folder.flagged_ranks(with_recovery(), 3, &["run"]).start();
    assert!(run.until(|_| results(&folder) >= 20), "{}", run.said());
    for rank in [1, 2] {
        send(run.rank(rank).unwrap(), Signal::SIGKILL);
    }
    run.end().says("stopped: no worker is left: rank ");
    let status = folder.status();
    assert_eq!((&status["state"], &status["given_up"]), (&"stopped".into(), &0.into()));
    assert!(folder.read().failures.is_empty(), "a lost worker is no fault of its points");
}

#[test]
fn a_worker_in_the_middle_of_a_point_leaves_when_rank_0_is_dead() {
    let _machine = machine();
    let folder = Folder::new(
        "goal = 'forever'\n[function]\nbuiltin = 'sleep'\n[parameters]\nseconds = [1000]\n\
         [learner]\ntype = '1d'\nbounds = [0, 1]\n",
    );
    let mut run = folder.flagged_ranks(with_recovery(), 3, &["run", "--quiet"]).start();
    assert!(run.until(|_| folder.file("data/adaptive.status.json").exists()), "{}", run.said());
    // Until its workers have their pulse: a moment after their first task.
    std::thread::sleep(Duration::from_millis(300));
    send(run.rank(0).unwrap(), Signal::SIGKILL);
    let began = std::time::Instant::now();
    run.end();
    println!("all gone after {:?}", began.elapsed());
}
