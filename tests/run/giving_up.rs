//! Points that fail for good, and learners for which there is no hope: what becomes of the run, and of the others.

use crate::study_run::Folder;

#[test]
fn a_point_that_fails_too_often_ends_the_run_if_the_study_says_so() {
    let study = "[function]\nbuiltin = 'fail'\n[parameters]\nrate = [0.3]\n[learner]\ntype = '1d'\nbounds = [0, 1]\n\
                 [goal]\nnpoints = 1000\n[run]\nretries = 2\nworkers = 2\nraise_if_retries_exceeded = true\n";
    let folder = Folder::new(study);
    folder.run(4, &[]).says("failed more often than `run.retries` allows").says("status --failures");
    let loaded = folder.read();
    assert!(loaded.failures.iter().any(|failed| failed.given_up && failed.meta.attempt == 2));
    assert_eq!(folder.status()["state"], "failed");
    folder.run(4, &[]).says("failed more often than `run.retries` allows").says("run --retry-failed");
    assert_eq!(folder.read().failures, loaded.failures, "the same command does not go on without the point");
    let told = folder.read().columns.len();
    // Told not to mind, the same study goes on with what it has.
    folder.write("adaptive.toml", study.replace("= true", "= false").replace("1000", "100"));
    folder.run(0, &["--quiet"]);
    assert!(folder.read().columns.len() >= told.max(100));
}

#[test]
fn a_goal_that_failures_put_out_of_reach_is_exit_4() {
    let points: Vec<String> = (0..20).map(|i| i.to_string()).collect();
    let folder = Folder::new(&format!(
        "[function]\nbuiltin = 'fail'\n[learner]\ntype = 'sequence'\nsequence = [{}]\n[run]\nretries = 0\n",
        points.join(", ")
    ));
    folder.run(4, &[]).says("nothing is left to ask").says("fails by design");
    let loaded = folder.read();
    assert_eq!(loaded.columns.len() + loaded.failures.len(), 20);
    assert_eq!(folder.status()["state"], "failed");
}

#[test]
fn a_function_that_never_works_ends_the_run_instead_of_running_for_ever() {
    // One that can't be started is the study's fault, and costs no point an attempt; one that always fails is not.
    for (function, why, code, attempts) in [
        ("python = 'missing.py:h'", "the function can't be started: FileNotFoundError", 2, false),
        ("python = 'broken.py:h'", "no module to import", 2, false),
        ("builtin = 'fail'", "fails by design", 4, true),
    ] {
        let folder = Folder::new(&format!(
            "goal = 'forever'\n[function]\n{function}\n[parameters]\nrate = [1.0]\n[learner]\ntype = '1d'\n\
             bounds = [0, 1]\n[run]\nretries = 1\nworkers = 2\n"
        ));
        folder.write("broken.py", "raise ImportError('no module to import')\n");
        let help = if attempts { "status --failures" } else { "names the Python to use" };
        folder.run(code, &[]).says(why).says(help);
        assert_eq!(folder.status()["state"], "failed");
        assert_eq!(folder.read().failures.len() > 20, attempts);
    }
    // Also where an earlier version of the function did work.
    let study = "[function]\npython = 'model.py:h'\n[learner]\ntype = '1d'\nbounds = [0, 1]\n[run]\nretries = 0\n\
                 workers = 2\n[goal]\nnpoints = ";
    let folder = Folder::new(&format!("{study}20\n"));
    folder.write("model.py", "def h(x): return x\n");
    folder.run(0, &["--quiet"]);
    folder.write("model.py", "def h(x, y): return x\n");
    folder.write("adaptive.toml", format!("{study}1000000\n"));
    folder
        .run(4, &["--accept-changes"])
        .says("points of this run failed")
        .says("missing 1 required positional argument");
    assert!(folder.read().failures.len() < 100);
    folder.write("model.py", "def h(x): return x\n");
    folder.write("adaptive.toml", format!("{study}100\n"));
    folder.run(0, &["--retry-failed"]).says("to be finished first");

    let folder = Folder::new(
        "[function]\ncommand = ['./none']\n[learner]\ntype = '1d'\nbounds = [0, 1]\n[goal]\nloss = 1\n",
    );
    folder.run(2, &[]).says("none is missing").says("adaptive-mpi check");
    assert!(!folder.file("data").exists());
}

#[test]
fn points_that_fail_at_once_do_not_end_a_run_whose_first_values_take_long() {
    let points: Vec<String> = (0..60).map(|i| i.to_string()).collect();
    let folder = Folder::new(&format!(
        "goal = {{ npoints = 5 }}\n[function]\npython = 'model.py:h'\n[learner]\ntype = 'sequence'\n\
         sequence = [{}]\n[run]\nretries = 0\nworkers = 2\n",
        points.join(", ")
    ));
    // The first point takes until twenty others have failed, and rank 0 has seen it.
    folder.write("failed", "");
    folder.write(
        "model.py",
        "import os, time\ndef h(i):\n    if i == 0:\n        while os.path.getsize('failed') < 20: time.sleep(0.01)\n\
         \x20       time.sleep(0.5)\n    elif i < 40:\n        open('failed', 'a').write('x')\n\
         \x20       raise ValueError('outside')\n    return i\n",
    );
    folder.run(0, &[]);
    let loaded = folder.read();
    assert_eq!(folder.rows()[0].point[0], 0.0);
    assert!(loaded.failures.len() >= 20, "{}", loaded.failures.len());
}

/// Three combos, of which the one in the middle always fails.
fn one_of_three_fails(goal: &str, rest: &str) -> String {
    format!(
        "[function]\npython = 'model.py:h'\n[parameters]\na = [1, 2, 3]\n[learner]\ntype = '1d'\n\
         bounds = [-1, 1]\n[goal]\n{goal}\n[run]\nretries = 1\nworkers = 2\n{rest}\n"
    )
}

const NEVER_AT_2: &str = "def h(x, a):\n    assert a != 2, 'never'\n    return x\n";

#[test]
fn one_combo_whose_points_all_fail_keeps_no_other_from_its_goal() {
    let strategies = ["loss_improvements", "loss", "npoints", "cycle"];
    for (strategy, deterministic) in strategies.iter().flat_map(|s| [(s, false), (s, true)]) {
        let rest = format!("deterministic = {deterministic}\n[balancing]\nstrategy = '{strategy}'");
        let folder = Folder::new(&one_of_three_fails("npoints = 30", &rest));
        folder.write("model.py", NEVER_AT_2);
        folder.run(4, &[]).says("learner 1: all of its first ").says("never");
        let loaded = folder.read();
        let of = |learner| loaded.columns.iter().filter(|row| row.learner == learner).count();
        assert!(of(0) >= 30 && of(1) == 0 && of(2) >= 30, "{strategy}: {} {}", of(0), of(2));
        assert!(loaded.failures.len() < 200, "{strategy}: {}", loaded.failures.len());
    }
    // Where the others go on for the sake of a second condition, there is no hope for both.
    let folder = Folder::new(&one_of_three_fails("loss = 0.1\nduration = '1h'\nall = true", ""));
    folder.write("model.py", NEVER_AT_2);
    folder.run(4, &[]).says("learner 1: all of its first ");
}

#[test]
fn a_sweep_that_was_stopped_goes_on_past_a_combo_whose_points_all_fail() {
    let folder = Folder::new(&one_of_three_fails("total_npoints = 20", ""));
    folder.write("model.py", NEVER_AT_2);
    folder.run(0, &[]);
    folder.write("adaptive.toml", one_of_three_fails("npoints = 30", ""));
    folder.run(4, &[]).says("learner 1: all of its first ");
    let loaded = folder.read();
    let of = |learner| loaded.columns.iter().filter(|row| row.learner == learner).count();
    assert!(of(0) >= 30 && of(1) == 0 && of(2) >= 30, "{} {}", of(0), of(2));
    // What has changed meanwhile is for the user to say.
    folder.write("model.py", "def h(x, a):\n    return x\n");
    folder.run(0, &["--accept-changes", "--retry-failed"]);
}

#[test]
fn a_broken_off_deterministic_run_lets_a_combo_without_hope_rest_at_the_same_moment() {
    let study = |goal: &str| one_of_three_fails(goal, "deterministic = true");
    let rows = |folder: &Folder| -> Vec<(u32, Vec<f64>)> {
        folder.rows().iter().map(|row| (row.learner, row.point.to_vec())).collect()
    };
    let [whole, broken] = [0, 1].map(|_| Folder::new(&study("npoints = 60")));
    whole.write("model.py", NEVER_AT_2);
    whole.run(4, &[]);
    broken.write("model.py", NEVER_AT_2);
    for total in [20, 50, 70] {
        broken.write("adaptive.toml", study(&format!("total_npoints = {total}")));
        broken.run(0, &[]);
        assert_eq!(broken.rows().len(), total);
    }
    broken.write("adaptive.toml", study("npoints = 60"));
    broken.run(4, &[]);
    assert_eq!(rows(&broken), rows(&whole));
}

#[test]
fn points_that_fail_again_say_nothing_about_the_others() {
    let points: Vec<String> = (0..200).map(|i| i.to_string()).collect();
    let study = |goal: u32| {
        format!(
            "goal = {{ npoints = {goal} }}\n[function]\npython = 'model.py:h'\n[learner]\ntype = 'sequence'\n\
             sequence = [{}]\n[run]\nretries = 0\nworkers = 2\n",
            points.join(", ")
        )
    };
    let folder = Folder::new(&study(40));
    folder.write("model.py", "def h(i):\n    assert i % 2, 'even'\n    return i\n");
    folder.run(0, &[]).says("points were given up");
    let given_up = folder.read().failures.len();
    assert!(given_up > 30, "{given_up}");
    folder.write("adaptive.toml", study(60));
    folder.run(0, &["--retry-failed"]).says("goal reached");
    assert!(folder.rows().len() >= 60 && folder.read().failures.len() >= 2 * given_up);
}

#[test]
fn a_function_that_breaks_down_for_a_while_costs_time_and_no_points() {
    let study = |learner: &str, goal: u32, rest: &str| {
        format!(
            "goal = {{ npoints = {goal} }}\n[function]\npython = 'model.py:h'\n[learner]\n{learner}\n[run]\nretries = 10\n\
             workers = 2\n{rest}\n"
        )
    };
    let line = "type = '1d'\nbounds = [-1, 1]";
    for rest in ["", "deterministic = true"] {
        let folder = Folder::new(&study(line, 200, rest));
        // It breaks down once both workers know a point with a value, for so many calls that each can find out.
        folder.write(
            "model.py",
            "import glob, os, time\nopen(f'started-{os.getpid()}', 'w').close()\ndef h(x):\n    \
             while len(glob.glob('started-*')) < 2: time.sleep(0.001)\n    \
             open('calls', 'a').write('.')\n    \
             if os.path.getsize('calls') > 30 and len(glob.glob('worked-*')) > 1:\n        \
                 open('failed', 'a').write('.')\n        \
                 if os.path.getsize('failed') < 85: raise OSError('disk quota exceeded')\n    \
             open(f'worked-{os.getpid()}', 'w').close()\n    return x**3\n",
        );
        let ended = folder
            .run(0, &[])
            .says("the function does not work on rank ")
            .says("where it had a value before");
        assert!(ended.err.contains("disk quota exceeded"), "{}", ended.err);
        let given_up = folder.status()["given_up"].as_u64().unwrap();
        assert!(given_up <= 4 && folder.rows().len() >= 200, "{given_up}");
    }
    // A process that is spoiled is replaced, at once; also where it is spoiled by each call.
    for calls in [30, 2] {
        let folder = Folder::new(&study(line, 100, ""));
        folder.write(
            "model.py",
            format!(
                "n = 0\ndef h(x):\n    global n\n    n += 1\n    \
                 assert n < {calls}, 'no handle is left'\n    return x**3\n"
            ),
        );
        let ended = folder.run(0, &[]);
        assert!(!ended.err.contains("does not work"), "{}", ended.err);
        let given_up = folder.status()["given_up"].as_u64().unwrap();
        assert!(given_up <= 8, "{calls}: {given_up}");
    }
    // Where points fail and the function works, all goes on.
    let points: Vec<String> = (0..300).map(|i| i.to_string()).collect();
    let folder =
        Folder::new(&study(&format!("type = 'sequence'\nsequence = [{}]", points.join(", ")), 100, ""));
    folder.write("model.py", "def h(i):\n    assert not 10 < i < 200, 'outside'\n    return i\n");
    let ended = folder.run(0, &[]);
    assert!(!ended.err.contains("does not work"), "{}", ended.err);
    assert_eq!(folder.status()["given_up"], 189);
}

#[test]
fn workers_on_which_all_points_fail_cost_no_points() {
    // Two of four, which fail at once, so that they always have time.
    let folder = Folder::new(
        "[function]\npython = 'model.py:h'\n[learner]\ntype = 'sequence'\nsequence = { start = 0, stop = 1, num = 40 }\n\
         [run]\nretries = 2\nworkers = 4\n",
    );
    folder.write(
        "model.py",
        "import os, time\ndef number():\n    for i in range(99):\n        try:\n            os.mkdir(f'process-{i}')\n            \
         return i\n        except FileExistsError: pass\nme = number()\ndef h(x):\n    \
         while not os.path.exists('process-3'): time.sleep(0.001)\n    \
         if me < 2: raise RuntimeError('no device')\n    time.sleep(0.02)\n    return x\n",
    );
    folder
        .run(0, &[])
        .says("goal reached: done")
        .says("the function does not work on rank ")
        .says("no device");
    assert_eq!((folder.rows().len(), &folder.status()["given_up"]), (40, &0.into()));
    // No point has failed twice on the same one.
    let failures = folder.read().failures;
    assert!(failures.len() >= 10 && failures.iter().all(|failed| failed.meta.attempt < 2), "{failures:?}");
}

#[test]
fn the_first_failure_is_said_before_all_attempts_are_over() {
    let study = "[function]\npython = 'model.py:h'\n[learner]\ntype = 'sequence'\nsequence = [1]\n[run]\nworkers = 1\n";
    let folder = Folder::new(study);
    folder
        .write("model.py", "import time\ndef h(x):\n    time.sleep(0.4)\n    raise OSError('no licence')\n");
    let ended = folder.run(4, &[]);
    let at = |text: &str| ended.err.find(text).unwrap_or_else(|| panic!("{text}: {}", ended.err));
    assert!(at("nothing has a value yet") < at("were given up"), "{}", ended.err);
    assert!(ended.err.contains("attempts have failed, the first with: OSError: no licence"), "{}", ended.err);
}

#[test]
fn a_loss_goal_that_holds_by_what_was_given_up_ends_the_run() {
    let folder = Folder::new(
        "[function]\nbuiltin = 'nan_band'\n[parameters]\nwidth = 1\n[learner]\ntype = '1d'\nbounds = [-1, 1]\n\
         [goal]\nloss = 0.01\n[run]\nnan = 'fail'\nretries = 0\nworkers = 2\n",
    );
    folder.run(0, &[]).says("goal reached: loss");
    assert!(folder.read().failures.len() < 10_000);
}

#[test]
fn attempts_are_counted_over_all_runs_of_a_study() {
    // The function ends its run at its third attempt, in good order or not.
    for (signal, attempts) in [("SIGTERM", 7), ("SIGKILL", 7)] {
        let folder = Folder::new(
            "[function]\npython = 'model.py:h'\n[learner]\ntype = 'sequence'\nsequence = [1, 2, 3]\n\
             [run]\nretries = 5\nworkers = 1\nin_flight = 1\n",
        );
        folder.write(
            "model.py",
            format!(
                "import os, signal\ndef h(x):\n    if x != 2: return x\n    open('attempts', 'a').write('.')\n    \
                 if os.path.getsize('attempts') == 3:\n        os.kill(os.getppid(), signal.{signal})\n    \
                 raise ValueError('never')\n"
            ),
        );
        let first = folder.command(&["run", "--quiet"]).end();
        assert_eq!(first.code, (signal == "SIGTERM").then_some(75), "{}", first.err);
        folder.run(4, &[]).says("nothing is left to ask");
        // What killed the run was not counted: nobody was left to count it.
        assert_eq!(folder.text("attempts").len(), attempts, "{signal}");
        let numbers: Vec<u32> = folder.read().failures.iter().map(|failed| failed.meta.attempt).collect();
        assert_eq!(numbers, [0, 1, 2, 3, 4, 5], "{signal}");
        // Given up means given up, until it is asked for.
        folder.run(4, &["--quiet"]);
        assert_eq!(folder.text("attempts").len(), attempts, "{signal}");
        folder.run(4, &["--quiet", "--retry-failed"]);
        assert_eq!(folder.text("attempts").len(), attempts + 6, "{signal}");
    }
}

/// What was in flight stands in the snapshot alone.
#[cfg(feature = "hdf5")]
#[test]
fn a_retry_that_a_stop_interrupts_is_finished_by_the_next_run() {
    // During the first attempt of the retry, and after it has failed.
    for failing in [0, 1] {
        let folder = Folder::new(
            "goal = { npoints = 1 }\n[function]\npython = 'model.py:h'\n[learner]\ntype = 'sequence'\n\
             sequence = [1, 2]\n[run]\nretries = 1\nworkers = 1\nin_flight = 1\ngrace = 0.1\n",
        );
        folder.write("model.py", "def h(x):\n    assert x != 1, 'broken'\n    return x\n");
        folder.run(0, &["--quiet"]);
        let model = "import os, time\ndef h(x):\n    open('begun', 'a').write('x')\n\
                     \x20   assert os.path.getsize('begun') > FAILING\n    time.sleep(60)\n";
        folder.write("model.py", model.replace("FAILING", &failing.to_string()));
        let mut run = folder.command(&["run", "--quiet", "--retry-failed"]).start();
        assert!(run.until(|_| folder.text("begun").len() > failing), "{}", run.said());
        run.signal(nix::sys::signal::Signal::SIGTERM);
        run.end().expect(75);
        folder.write("model.py", "def h(x):\n    return 10 * x\n");
        folder.run(0, &["--accept-changes"]).says("1 to be finished first");
        assert!(folder.rows().iter().any(|row| row.point[0] == 1.0 && row.values[0] == 10.0), "{failing}");
    }
}

#[test]
fn points_given_up_are_retried_also_where_the_goal_holds() {
    for goal in ["npoints = 9", "loss = 10.0", "total_npoints = 9", "npoints = 9\nloss = 1e-9\nall = false"] {
        let folder = Folder::new(&format!(
            "[function]\npython = 'model.py:h'\n[learner]\ntype = '1d'\nbounds = [0, 1]\n[goal]\n{goal}\n\
             [run]\nretries = 0\nworkers = 2\n"
        ));
        folder.write("model.py", "def h(x):\n    assert x != 1, 'broken'\n    return x\n");
        folder.run(0, &["--quiet"]).says("1 points were given up");
        let told = folder.rows().len();
        let still = folder.run(0, &["--retry-failed"]).says("goal reached").says("1 points were given up");
        assert!(!still.err.contains("panicked") && folder.read().failures.len() == 2, "{}", still.err);
        assert_eq!(folder.rows().len(), told, "nothing but that point is evaluated");
        folder.write("model.py", "def h(x): return x\n");
        let mended = folder.run(0, &["--retry-failed"]).says("goal reached");
        assert!(!mended.err.contains("given up\nhelp"), "{}", mended.err);
        assert!(folder.rows().iter().any(|row| row.point == [1.0]) && folder.rows().len() == told + 1);
    }
}

#[test]
fn a_goal_that_needs_a_point_that_fails_ends_the_run_and_one_that_does_not_goes_on() {
    let model = "def line(x):\n    return 1 / x if x else 1 / 0\n\
                 def plane(p):\n    if sum(p) == 0: raise ValueError('no value')\n    return p[0] * p[1]\n";
    for learner in [
        "type = 'integrator'\nbounds = [0, 1]\ntol = 1e-6",
        "type = '2d'\nbounds = [[0, 1], [0, 1]]",
        "type = 'nd'\nbounds = [[0, 1], [0, 1], [0, 1]]",
    ] {
        let function = if learner.contains("[[") { "plane" } else { "line" };
        let goal = if learner.contains("integrator") { "done = true" } else { "loss = 0.01" };
        let study = |goal: &str| {
            format!(
                "[function]\npython = 'model.py:{function}'\n[learner]\n{learner}\n[goal]\n{goal}\n\
                 [run]\nretries = 0\nworkers = 2\n"
            )
        };
        let folder = Folder::new(&study(goal));
        folder.write("model.py", model);
        for _ in 0..2 {
            let ended =
                folder.command(&["run"]).end().expect(4).says("the goal can't be reached: the point [0.0");
            assert!(ended.err.contains("let it return NaN"), "{}", ended.err);
        }
        folder.write("adaptive.toml", study("npoints = 40"));
        folder.run(0, &[]).says("goal reached: npoints");
    }
}

#[test]
fn no_loss_goal_is_met_before_all_corners_are_known() {
    let folder = Folder::new(
        "[function]\nexpression = 'exp(-10*((x0-0.1)^2+(x1-0.2)^2+(x2-0.3)^2+(x3-0.4)^2))'\n\
         [learner]\ntype = 'nd'\nbounds = [[-1, 1], [-1, 1], [-1, 1], [-1, 1]]\nloss = 'default'\n\
         [goal]\nloss = 0.01\n[run]\nworkers = 1\nin_flight = 1\n",
    );
    folder.run(0, &[]);
    assert!(folder.rows().len() >= 16, "{} points", folder.rows().len());
}
