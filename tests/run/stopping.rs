//! Signals and time limits: the run stops asking, keeps what still comes back in time, saves, and goes on later.

use crate::study_run::{Folder, Running, check_rows, is_mpich};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::time::Duration;

/// A function whose points end when the test says so.
const GATED: &str = "import os, time\n\
    def h(x):\n    \
        open(f'started-{x}', 'w').close()\n    \
        while not os.path.exists('go'): time.sleep(0.005)\n    \
        return x\n";

fn gated(grace: &str) -> Folder {
    let folder = Folder::new(&format!(
        "[function]\npython = 'model.py:h'\n[learner]\ntype = '1d'\nbounds = [0, 1]\n[goal]\nnpoints = 12\n\
         [run]\nworkers = 2\nin_flight = 2\ngrace = '{grace}'\n"
    ));
    folder.write("model.py", GATED);
    folder
}

/// Waits until both workers are at a point.
fn two_started(folder: &Folder, run: &mut Running) {
    let both = || ["started-0.0", "started-1.0"].iter().all(|name| folder.file(name).exists());
    assert!(run.until(|_| both()), "{}", run.said());
}

#[test]
fn every_stop_signal_ends_the_run_in_good_order() {
    for (signal, name) in
        [(Signal::SIGTERM, "SIGTERM"), (Signal::SIGINT, "SIGINT"), (Signal::SIGUSR1, "SIGUSR1")]
    {
        let study = "[function]\nbuiltin = 'sleep'\n[parameters]\nseconds = [0.001, 0.002]\n\
                     [learner]\ntype = '1d'\nbounds = [0, 1]\n[run]\nworkers = 2\n[goal]\nnpoints = ";
        let folder = Folder::new(&format!("{study}1000000\n"));
        let mut run = folder.command(&["run"]).start();
        assert!(run.until(|_| folder.file("data/adaptive.journal").exists() && folder.read().len() > 30));
        run.signal(signal);
        let ended = run.end().expect(75).says("start the same command again");
        assert!(ended.err.contains(&format!("stopped: {name} received")), "{}", ended.err);
        let known = folder.rows();
        let status = folder.status();
        assert_eq!((&status["state"], &status["to_be_finished"]), (&"stopped".into(), &0.into()));
        let loaded = folder.read();
        assert!(loaded.in_flight.is_empty() && loaded.holder.is_none(), "all was drained");
        folder.write("adaptive.toml", format!("{study}{}\n", known.len()));
        folder.run(0, &[]).says("going on from");
        check_rows(&known, &folder.rows(), |row| row.point[0]);
    }
}

#[test]
fn the_end_of_the_terminal_stops_a_run_that_does_not_outlive_it() {
    let folder = Folder::new(
        "[function]\nbuiltin = 'sleep'\n[parameters]\nseconds = [0.001]\n[learner]\ntype = '1d'\nbounds = [0, 1]\n\
         [run]\nworkers = 2\n[goal]\nnpoints = 1000000\n",
    );
    let program = crate::study_run::program();
    let start = |how: &str| {
        let arguments = [how, program.to_str().unwrap(), "run"];
        folder.program(std::path::Path::new("env"), &arguments).start()
    };
    let mut run = start("--default-signal=HUP");
    assert!(run.until(|_| folder.rows().len() > 10));
    run.signal(Signal::SIGHUP);
    if is_mpich() {
        // UCX, which comes with it, takes this signal before the program begins: nothing ends then.
        run.signal(Signal::SIGTERM);
        run.end().expect(75);
    } else {
        run.end().expect(75).says("stopped: SIGHUP received");
    }
    // As `nohup` starts it.
    let known = folder.rows().len();
    let mut run = start("--ignore-signal=HUP");
    assert!(run.until(|_| folder.rows().len() > known));
    run.signal(Signal::SIGHUP);
    let later = folder.rows().len();
    assert!(run.until(|_| folder.rows().len() > later + 100), "{}", run.said());
    run.signal(Signal::SIGTERM);
    run.end().expect(75).says("stopped: SIGTERM received");
}

#[test]
fn a_stop_signal_that_reaches_the_processes_of_the_function_too_costs_no_attempt() {
    // As a batch system does, in any order.
    for (signal, function_first) in
        [(Signal::SIGTERM, false), (Signal::SIGTERM, true), (Signal::SIGUSR1, true)]
    {
        let folder = Folder::new(
            "[function]\ncommand = ['sh', '-c', 'echo $$ > {study}/pid; exec sleep 60']\n[learner]\ntype = '1d'\n\
             bounds = [0, 1]\n[goal]\nnpoints = 2\n[run]\nretries = 0\nworkers = 1\nin_flight = 1\n",
        );
        let mut run = folder.command(&["run"]).start();
        assert!(run.until(|_| folder.text("pid").ends_with('\n')), "{}", run.said());
        let function = Pid::from_raw(folder.text("pid").trim().parse().unwrap());
        if function_first {
            kill(function, signal).unwrap();
            std::thread::sleep(Duration::from_millis(50));
            run.signal(signal);
        } else {
            run.signal(signal);
            kill(function, signal).unwrap();
        }
        run.end().expect(75);
        assert!(folder.read().failures.is_empty());
        // What was in flight stands in the snapshot alone.
        assert_eq!(folder.status()["to_be_finished"], u32::from(cfg!(feature = "hdf5")));
    }
}

#[test]
fn a_stop_signal_that_reaches_a_python_function_too_does_not_end_what_it_is_at() {
    let folder = gated("60s");
    folder.write("model.py", GATED.replace("'w').close()", "'w').write(f'{os.getpid()}\\n')"));
    let mut run = folder.command(&["run"]).start();
    let started = ["started-0.0", "started-1.0"];
    assert!(run.until(|_| started.iter().all(|name| folder.text(name).ends_with('\n'))), "{}", run.said());
    for name in started {
        kill(Pid::from_raw(folder.text(name).trim().parse().unwrap()), Signal::SIGTERM).unwrap();
    }
    run.signal(Signal::SIGTERM);
    assert!(run.until(|run| run.said().contains("for 2 evaluations in flight")), "{}", run.said());
    folder.write("go", "");
    run.end().expect(75);
    assert_eq!(folder.rows().len(), 2);
    assert!(folder.read().failures.is_empty());
}

#[test]
fn results_that_arrive_while_the_run_stops_are_kept() {
    let folder = gated("60s");
    let mut run = folder.command(&["run"]).start();
    two_started(&folder, &mut run);
    run.signal(Signal::SIGTERM);
    assert!(run.until(|run| run.said().contains("for 2 evaluations in flight")), "{}", run.said());
    folder.write("go", "");
    run.end().expect(75);
    let mut points: Vec<f64> = folder.rows().iter().map(|row| row.point[0]).collect();
    points.sort_by(f64::total_cmp);
    assert_eq!(points, [0.0, 1.0], "just what was in flight, and nothing new was asked");
    assert_eq!(folder.status()["to_be_finished"], 0);
    folder.run(0, &["--quiet"]);
    assert_eq!(folder.rows().len(), 12);
}

#[test]
fn points_that_outlast_the_grace_time_do_not_hold_up_the_end_and_come_first_next_time() {
    for grace in ["0s", "100ms"] {
        let folder = gated(grace);
        let mut run = folder.command(&["run"]).start();
        two_started(&folder, &mut run);
        run.signal(Signal::SIGTERM);
        // The gate stays shut: `end` would panic at its limit, and if a process of the function stayed behind.
        let ended = run.end().expect(75).says("2 evaluations did not end in time");
        assert!(ended.took < Duration::from_secs(45), "{:?}", ended.took);
        let status = folder.status();
        // Only a snapshot lists what is in flight; without one, the learner asks for the same points anew.
        let kept = if cfg!(feature = "hdf5") { 2 } else { 0 };
        assert_eq!((&status["state"], &status["to_be_finished"]), (&"stopped".into(), &kept.into()));
        folder.write("go", "");
        let again = folder.run(0, &[]);
        assert!(kept == 0 || again.err.contains("2 to be finished first"), "{}", again.err);
        let rows = folder.rows();
        check_rows(&[], &rows, |row| row.point[0]);
        assert!([0.0, 1.0].iter().all(|x| rows.iter().any(|row| row.point == [*x])));
    }
}

#[test]
fn a_second_signal_ends_the_waiting_at_once() {
    let folder = gated("1000s");
    let mut run = folder.command(&["run"]).start();
    two_started(&folder, &mut run);
    run.signal(Signal::SIGINT);
    // Launchers hand on what a terminal has sent to all.
    run.signal(Signal::SIGINT);
    assert!(run.until(|run| run.said().contains("(SIGINT again: stops at once")), "{}", run.said());
    // More than the second within which signals are the same one.
    std::thread::sleep(Duration::from_millis(1500));
    assert!(!run.said().contains("stopped: "), "{}", run.said());
    run.signal(Signal::SIGINT);
    let ended =
        run.end().expect(75).says("stopped: SIGINT received").says("2 evaluations did not end in time");
    assert!(ended.took < Duration::from_secs(45), "{:?}", ended.took);
    let kept = if cfg!(feature = "hdf5") { 2 } else { 0 };
    assert_eq!(folder.status()["to_be_finished"], kept);
    folder.write("go", "");
    folder.run(0, &["--quiet"]);
    assert_eq!(folder.rows().len(), 12);
}

#[test]
fn a_reached_goal_does_not_wait_for_endless_points() {
    let folder = gated("100ms");
    folder.write("model.py", "import time\ndef h(x):\n    if x == 0.5: time.sleep(1000)\n    return x\n");
    let study = folder.text("adaptive.toml").replace("npoints = 12", "duration = '1s'");
    folder.write("adaptive.toml", study);
    let ended = folder.run(0, &[]).says("goal reached").says("1 evaluations did not end");
    assert!(ended.took < Duration::from_secs(45), "{:?}", ended.took);
    assert_eq!(folder.status()["state"], "goal reached");
}

#[test]
fn the_end_of_the_walltime_stops_the_run_before_it() {
    let study = "goal = 'forever'\n[function]\nbuiltin = 'sleep'\n[learner]\ntype = '1d'\nbounds = [0, 1]\n\
                 [run]\nworkers = 2\nwalltime_margin = '100s'\n";
    let folder = Folder::new(study);
    let by_option = folder.command(&["run", "--walltime", "101s"]).end();
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let end = (now + 103).to_string();
    let by_slurm = folder.command(&["run"]).env("SLURM_JOB_END_TIME", &end).end();
    for ended in [by_option, by_slurm] {
        ended.expect(75).says("stopped: the time limit is near").says("start the same command again");
        assert_eq!(folder.status()["state"], "stopped");
    }
    check_rows(&[], &folder.rows(), |row| row.point[0]);
    assert!(!folder.rows().is_empty());
}

#[test]
fn the_time_limit_of_a_job_is_asked_for_and_a_run_does_not_wait_for_the_answer() {
    use std::os::unix::fs::PermissionsExt;
    let folder = Folder::new(
        "goal = 'forever'\n[function]\nbuiltin = 'sleep'\n[learner]\ntype = '1d'\nbounds = [0, 1]\n\
         [run]\nworkers = 2\nwalltime_margin = '1s'\n",
    );
    let path = format!("{}:{}", folder.path().display(), std::env::var("PATH").unwrap());
    let run = |script: &str, more: &[&str]| {
        folder.write("squeue", format!("#!/bin/sh\n{script}\n"));
        std::fs::set_permissions(folder.file("squeue"), PermissionsExt::from_mode(0o755)).unwrap();
        let run = folder.command(&[&["run"], more].concat());
        run.env("PATH", &path).env("SLURM_JOB_ID", "7").end().expect(75).says("the time limit is near")
    };
    run("echo 0:03", &[]);
    let ended =
        run("exec sleep 60", &["--walltime", "3s"]).says("says nothing of it (it does not answer within 5s)");
    assert!(ended.took < std::time::Duration::from_secs(40), "{:?}", ended.took);
    run("exit 1", &["--walltime", "2s"])
        .says("the time limit of the job 7 is not known")
        .says("exit status: 1");
    let unlimited = run("echo UNLIMITED", &["--walltime", "2s"]);
    assert!(!unlimited.err.contains("not known"), "{}", unlimited.err);
}

#[test]
fn the_end_of_an_earlier_job_is_not_that_of_this_one() {
    let folder = Folder::new(
        "[function]\nbuiltin = 'sleep'\n[learner]\ntype = '1d'\nbounds = [0, 1]\n[goal]\nnpoints = 5\n[run]\nworkers = 2\n",
    );
    for (end, why) in [("1700000000", "has passed"), ("soon", "is no time in seconds since 1970")] {
        folder.command(&["run"]).env("SLURM_JOB_END_TIME", end).end().expect(0).says(why);
    }
}

#[test]
fn a_time_limit_shorter_than_its_margin_is_used_all_the_same() {
    let folder = Folder::new(
        "goal = 'forever'\n[function]\nbuiltin = 'sleep'\n[learner]\ntype = '1d'\nbounds = [0, 1]\n[run]\nworkers = 2\n",
    );
    // SLURM's own end comes later, and so does not count.
    let ended = folder.command(&["run", "--walltime", "2s"]).env("SLURM_JOB_END_TIME", "99999999999").end();
    ended
        .expect(75)
        .says("the time limit is not longer than `walltime_margin`")
        .says("the time limit is near");
    assert!(folder.rows().len() > 10, "{}", folder.rows().len());
}

#[test]
fn what_is_in_flight_is_saved_as_soon_as_a_run_waits_for_it() {
    let folder = gated("1000s");
    folder.write("model.py", GATED.replace("while ", "while 0 < x < 1 and "));
    let mut run = folder.command(&["run"]).start();
    let started = || {
        folder
            .path()
            .read_dir()
            .unwrap()
            .flatten()
            .filter(|e| e.file_name().to_string_lossy().starts_with("started-"))
    };
    assert!(run.until(|_| started().count() == 4 && folder.read().len() == 2), "{}", run.said());
    run.signal(Signal::SIGTERM);
    // The launcher may be less patient than the study.
    let kept = if cfg!(feature = "hdf5") { 2 } else { 0 };
    assert!(
        run.until(|run| run.said().contains("for 2 evaluations") && folder.read().in_flight.len() == kept)
    );
    run.signal(Signal::SIGKILL);
    run.end();
    folder.write("go", "");
    folder.run(0, &["--quiet"]);
    assert_eq!(folder.rows().len(), 12);
}

#[test]
fn a_duration_as_goal_is_a_goal() {
    let folder = Folder::new(
        "[function]\nbuiltin = 'sleep'\n[learner]\ntype = '1d'\nbounds = [0, 1]\n[goal]\nduration = '300ms'\n",
    );
    folder.run(0, &[]).says("goal reached: duration");
    assert!(!folder.rows().is_empty());
}

#[test]
fn learners_that_meet_their_goal_rest_until_the_others_do() {
    let study = "[function]\nexpression = 'tanh(k * x)'\n[parameters]\nk = [0.1, 1000.0, 0.2]\n[learner]\ntype = '1d'\n\
                 bounds = [-1, 1.5]\nloss = 'default'\n[goal]\nloss = 0.05\n[balancing]\nstrategy = 'STRATEGY'\n\
                 [run]\nworkers = 1\nin_flight = 1\nlog = true\n";
    for strategy in ["loss_improvements", "loss", "npoints", "cycle"] {
        let folder = Folder::new(&study.replace("STRATEGY", strategy));
        folder.run(0, &["--quiet"]);
        let count = || [0, 1, 2].map(|k| folder.rows().iter().filter(|row| row.learner == k).count());
        let counts = count();
        assert!(counts[1] >= 60, "{strategy}: {counts:?}");
        assert!(counts[0] < 50 && counts[2] < 50, "{strategy}: {counts:?}");
        folder.command(&["check", "--replay", "data/adaptive.log"]).end().expect(0);
        // A stricter goal wakes them all.
        let stricter = study.replace("STRATEGY", strategy).replace("loss = 0.05", "loss = 0.02");
        folder.write("adaptive.toml", stricter);
        folder.run(0, &["--quiet"]);
        assert!(count().iter().zip(counts).all(|(after, before)| *after > before), "{strategy}");
    }
}
