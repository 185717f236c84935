//! Signals as launchers hand them on, and points that outlast the grace time.

use crate::study_run::{Folder, check_rows, is_mpich, send};
use crate::{SLEEP, forever, machine, results};
use nix::sys::signal::Signal;

#[test]
fn a_signal_to_the_launcher_or_to_rank_0_ends_the_run_in_good_order() {
    let _machine = machine();
    for (signal, to_launcher) in [
        (Signal::SIGTERM, false),
        (Signal::SIGINT, false),
        (Signal::SIGUSR1, false),
        (Signal::SIGTERM, true),
        (Signal::SIGINT, true),
        (Signal::SIGUSR1, true),
    ] {
        let folder = Folder::new(&forever());
        let mut run = folder.ranks(4, &["run"]).start();
        assert!(run.until(|_| results(&folder) > 20), "{}", run.said());
        send(if to_launcher { run.pid() } else { run.rank(0).unwrap() }, signal);
        let ended = run.end();
        if !to_launcher {
            let ended = ended.expect(75).says("start the same command again");
            assert!(ended.err.contains(&format!("stopped: {signal} received")), "{}", ended.err);
        } else if is_mpich() {
            // MPICH's launcher loses the exit codes of its ranks at times once it has handed on a signal: a plain
            // C program that returns 75 ends with 0, too. The checkpoint tells.
        } else if signal == Signal::SIGUSR1 {
            ended.expect(75);
        } else {
            // Open MPI's launcher has a code of its own for a job that it was told to end.
            assert_ne!(ended.code, Some(0));
        }
        let status = folder.status();
        assert_eq!(status["state"], "stopped", "{signal}, to the launcher: {to_launcher}\n{}", status);
        assert_eq!(status["to_be_finished"], 0, "all was drained");
        let known = folder.rows();
        folder.write("adaptive.toml", SLEEP.replace("60", &(known.len() / 2 + 10).to_string()));
        folder.ranks(3, &["run", "--quiet"]).end().expect(0);
        check_rows(&known, &folder.rows(), |row| row.point[0]);
    }
}

#[test]
fn results_that_arrive_while_the_run_stops_are_kept() {
    let _machine = machine();
    let folder = Folder::new(
        "[function]\npython = 'model.py:h'\n[learner]\ntype = '1d'\nbounds = [0, 1]\n[goal]\nnpoints = 12\n\
         [run]\nin_flight = 2\ngrace = '60s'\n",
    );
    folder.write(
        "model.py",
        "import os, time\ndef h(x):\n    open(f'started-{x}', 'w').close()\n    \
         while not os.path.exists('go'): time.sleep(0.005)\n    return x\n",
    );
    let mut run = folder.ranks(3, &["run"]).start();
    let both = || ["started-0.0", "started-1.0"].iter().all(|name| folder.file(name).exists());
    assert!(run.until(|_| both()), "{}", run.said());
    send(run.rank(0).unwrap(), Signal::SIGTERM);
    assert!(run.until(|run| run.said().contains("for 2 evaluations in flight")), "{}", run.said());
    folder.write("go", "");
    run.end().expect(75);
    let mut points: Vec<f64> = folder.rows().iter().map(|row| row.point[0]).collect();
    points.sort_by(f64::total_cmp);
    assert_eq!(points, [0.0, 1.0]);
    folder.ranks(2, &["run", "--quiet"]).end().expect(0);
    assert_eq!(folder.rows().len(), 12);
}

#[test]
fn points_that_outlast_the_grace_time_do_not_hold_up_the_end() {
    let _machine = machine();
    // In a process of their own, or in the rank itself.
    for function in ["command = ['sh', '-c', 'echo >> started; sleep 1000; echo 1']", "builtin = 'sleep'"] {
        let folder = Folder::new(&format!(
            "[function]\n{function}\n[parameters]\nseconds = [1000]\n[learner]\ntype = '1d'\nbounds = [0, 1]\n\
             [goal]\nnpoints = 3\n[run]\nin_flight = 2\ngrace = '50ms'\n"
        ));
        let mut run = folder.ranks(3, &["run"]).start();
        assert!(run.until(|_| folder.file("data/adaptive.journal").exists()), "{}", run.said());
        // This is first written when the first points are out.
        assert!(run.until(|_| folder.file("data/adaptive.status.json").exists()), "{}", run.said());
        if function.starts_with("command") {
            assert!(run.until(|_| folder.text("started").lines().count() == 2), "{}", run.said());
        }
        send(run.rank(0).unwrap(), Signal::SIGTERM);
        let ended = run.end().expect(75);
        let said = ended.err.contains("did not end in time");
        // MPICH's launcher may lose last words.
        assert!(said || is_mpich(), "{}", ended.err);
        let status = folder.status();
        assert_eq!((&status["state"], &status["npoints"]), (&"stopped".into(), &0.into()));
        assert_eq!(status["to_be_finished"], 2, "they come first in the next run");
    }
}
