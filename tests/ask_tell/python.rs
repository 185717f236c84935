//! `scripts/adaptive_mpi.py`: studies on Python's executors.

use crate::study_run::{Ended, Folder, Launch, program, send};
use nix::sys::signal::Signal;
use serde_json::json;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

const OSCILLATOR: &str = r#"
[parameters]
damping = [0.1, 0.4]

[learner]
type = "1d"
bounds = [0.2, 2.0]

[goal]
npoints = 25
"#;

/// The system's own: that is where the packages of the tests are.
const PYTHON: &str = "/usr/bin/python3";

fn here(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn ready(launch: Launch) -> Launch {
    launch
        .env("PYTHONPATH", here("scripts").to_str().unwrap())
        .env("ADAPTIVE_MPI_PROGRAM", program().to_str().unwrap())
}

fn python(folder: &Folder, arguments: &[&str]) -> Launch {
    let script = here("tests/ask_tell/executors.py");
    let words = [&[script.to_str().unwrap()], arguments].concat();
    ready(folder.program(Path::new(PYTHON), &words))
}

fn check_oscillator(folder: &Folder, ended: &Ended) {
    let said = ended.json();
    assert_eq!(said["done"], true, "{said}");
    let rows = folder.rows();
    for learner in 0..2 {
        assert!(rows.iter().filter(|row| row.learner == learner).count() >= 25);
    }
    for row in &rows {
        // The swing of a weakly damped oscillator is largest near its own frequency, 1.
        assert!(row.values[0] > 0.1 && row.values[0] < 12.0, "{row:?}");
    }
    let mut points: Vec<String> = rows.iter().map(|row| format!("{} {:?}", row.learner, row.point)).collect();
    points.sort();
    points.dedup();
    assert_eq!(points.len(), rows.len(), "a point was told twice");
    let status = folder.status();
    assert_eq!((&status["state"], &status["failed_attempts"]), (&json!("goal reached"), &json!(0)));
}

#[test]
fn threads_processes_and_loky_run_a_study_to_its_goal() {
    for kind in ["threads", "processes", "loky"] {
        let folder = Folder::new(OSCILLATOR);
        let ended = python(&folder, &[kind, "oscillator"]).end().expect(0);
        check_oscillator(&folder, &ended);
        assert_eq!(ended.json()["workers"], if kind == "threads" { 3 } else { 2 }, "{kind}");
    }
}

#[cfg(feature = "mpi")]
#[test]
fn mpi4py_runs_a_study_on_its_ranks() {
    let folder = Folder::new(OSCILLATOR);
    let script = here("tests/ask_tell/executors.py");
    // Debian's mpi4py is made for Open MPI.
    let words = ["-n", "3", PYTHON, "-m", "mpi4py.futures", script.to_str().unwrap(), "mpi", "oscillator"];
    let mut launch = ready(folder.program(Path::new("mpiexec.openmpi"), &words));
    for name in
        ["OMPI_ALLOW_RUN_AS_ROOT", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "OMPI_MCA_rmaps_base_oversubscribe"]
    {
        launch = launch.env(name, "1");
    }
    let ended = launch.end().expect(0);
    check_oscillator(&folder, &ended);
    assert_eq!(ended.json()["workers"], 2);
}

#[test]
fn one_worker_gives_the_points_of_a_run_of_ours() {
    let study =
        "[learner]\ntype = \"1d\"\nbounds = [0.2, 2.0]\n[parameters]\ndamping = 0.1\n[goal]\nnpoints = 30\n";
    let (theirs, ours) =
        (Folder::new(study), Folder::new(&format!("{study}[function]\npython = \"model.py:oscillator\"\n")));
    python(&theirs, &["threads", "oscillator", "1"]).end().expect(0);
    ours.write("model.py", std::fs::read(here("tests/ask_tell/executors.py")).unwrap());
    let run = ours.command(&["run", "--quiet", "--workers", "1"]);
    ready(run.after("sed -i 's/^\\[goal\\]/[run]\\nin_flight = 1\\n[goal]/' adaptive.toml")).end().expect(0);
    assert_eq!(theirs.rows(), ours.rows());
}

#[test]
fn failures_are_tried_again_and_kept_as_a_run_keeps_them() {
    let study = OSCILLATOR.replace("npoints = 25", "npoints = 12");
    let folder = Folder::new(&format!("{study}[run]\nretries = 2\n"));
    let ended = python(&folder, &["threads", "flaky"]).end().expect(0);
    let given_up = ended.json()["given_up"].as_u64().unwrap();
    let rows = folder.rows();
    assert!(rows.iter().all(|row| row.values == row.point && row.point[0] <= 1.5));
    let loaded = folder.read();
    let last = loaded.failures.iter().filter(|failed| failed.given_up);
    assert!(last.clone().count() as u64 == given_up && given_up >= 2);
    for failed in last {
        assert_eq!(failed.meta.attempt, 2);
        assert!(failed.failure.message.starts_with("ValueError: no value at"), "{}", failed.failure);
        assert!(failed.failure.detail.contains("in flaky"), "{}", failed.failure.detail);
    }
    let none =
        loaded.failures.iter().filter(|failed| failed.failure.message.contains("returned None")).count();
    assert!(none >= rows.len(), "each point failed once");
}

#[test]
fn records_and_points_of_several_coordinates_reach_their_function() {
    let study =
        "[parameters]\ndamping = 2\n[learner]\ntype = \"sequence\"\nsequence = [[0, 1], [2, 3], [4, 5]]\n";
    let folder = Folder::new(study);
    let status = python(&folder, &["processes", "element"]).end().expect(0).json();
    assert_eq!((&status["npoints"], &status["done"]), (&json!(3), &json!(true)));
    let mut rows = folder.rows();
    rows.sort_by(|a, b| a.point[0].total_cmp(&b.point[0]));
    assert_eq!(rows[2].values, [9.0, 40.0]);
}

#[test]
fn a_client_that_is_killed_loses_nothing_and_its_restart_goes_on() {
    let folder = Folder::new(&OSCILLATOR.replace("npoints = 25", "npoints = 60"));
    let mut known = 0;
    for enough in [20, 50, 80] {
        let mut run = python(&folder, &["threads", "slow"]).start();
        let there =
            |folder: &Folder| folder.file("data/adaptive.journal").exists() && folder.rows().len() >= enough;
        assert!(run.until(|_| there(&folder)), "{}", run.said());
        send(run.pid(), Signal::SIGKILL);
        // Its ask-tell notices, saves and leaves by itself: `end` waits for that.
        assert_eq!(run.end().code, None);
        let loaded = folder.read();
        assert!(loaded.losses.is_empty() && loaded.ended.is_some() && loaded.holder.is_none());
        assert!(loaded.len() >= enough && loaded.len() > known);
        known = loaded.len();
    }
    let before = folder.rows();
    let ended = python(&folder, &["threads", "slow"]).end().expect(0);
    check_oscillator(&folder, &ended);
    assert_eq!(folder.rows()[..before.len()], before);
}

#[test]
fn a_study_ends_with_its_client_even_if_the_workers_of_a_pool_live_on() {
    let folder = Folder::new(&OSCILLATOR.replace("npoints = 25", "npoints = 10_000"));
    let mut run = python(&folder, &["processes", "slow"]).start();
    let there = |folder: &Folder| folder.file("data/adaptive.journal").exists() && folder.rows().len() >= 20;
    assert!(run.until(|_| there(&folder)), "{}", run.said());
    send(run.pid(), Signal::SIGKILL);
    // Forked workers have copies of all that their parent had open, but for the input of its study.
    let deadline = Instant::now() + Duration::from_secs(30);
    while folder.file("data/adaptive.lock").exists() {
        assert!(Instant::now() < deadline, "the study does not end");
        std::thread::sleep(Duration::from_millis(5));
    }
    run.kill_all();
    assert!(folder.read().ended.is_some());
}

/// What a scene of `client.py` says.
fn scene(folder: &Folder, name: &str) -> String {
    let script = here("tests/ask_tell/client.py");
    let python = folder.program(Path::new(PYTHON), &[script.to_str().unwrap(), name]);
    ready(python).end().expect(0).out
}

const LINE: &str = "[learner]\ntype = \"1d\"\nbounds = [0, 1]\n[goal]\nnpoints = 6\n";

#[test]
fn an_interrupted_request_closes_the_study_so_that_no_answer_is_taken_for_another() {
    let said = scene(&Folder::new(LINE), "interrupted");
    assert!(said.starts_with("the study is closed, because a request was interrupted"), "{said}");
    assert!(said.trim_end().ends_with(" 0"), "{said}");
}

#[test]
fn a_study_ends_at_once_although_nobody_reads_its_answer() {
    assert_eq!(scene(&Folder::new(LINE), "blocked"), "0 True\n");
}

#[test]
fn texts_that_look_like_numbers_reach_the_function_as_texts() {
    let folder = Folder::new(&format!("{LINE}[parameters]\nkind = ['nan', '-inf', 'plain', '1']\n"));
    let expected = "[{'kind': 'nan'}, {'kind': '-inf'}, {'kind': 'plain'}, {'kind': '1'}]\n";
    assert_eq!(scene(&folder, "parameters"), expected);
}

#[test]
fn failures_that_can_not_be_unpickled_are_those_of_their_points() {
    let folder = Folder::new(&format!("{LINE}[run]\nretries = 1\n"));
    let given_up: u32 = scene(&folder, "pool").trim().parse().unwrap();
    assert!(given_up > 0);
    for failed in folder.read().failures {
        let exits = failed.sample.point.x() <= 0.5;
        assert_eq!(failed.failure.message, if exits { "SystemExit: 3" } else { "NeedsTwo: one and two" });
        assert!(failed.failure.detail.contains("in refuses"), "{}", failed.failure.detail);
    }
    let said = scene(&Folder::new(LINE), "failed");
    assert!(said.contains("failed 1 times: NeedsTwo: one and two | \nTraceback"), "{said}");
}

#[test]
fn a_function_that_never_works_ends_the_run_with_what_is_wrong() {
    let folder = Folder::new(LINE);
    let said = scene(&folder, "broken");
    assert!(said.starts_with("all of the first 2") && said.contains("TypeError: typo() takes 0"), "{said}");
    assert!(folder.read().failures.iter().filter(|failed| failed.given_up).count() < 40);
    // Seeds that have all failed are no reason for a mean to ask for others.
    let folder =
        Folder::new("[learner]\ntype = 'average'\natol = 0.1\n[run]\nretries = 0\n[goal]\nloss = 1\n");
    let said = [(); 2].map(|()| scene(&folder, "broken"));
    assert!(said[0].contains("TypeError: typo() takes 0"), "{said:?}");
    assert!(said[1].contains("points failed earlier") && said[1].contains("--retry-failed"), "{said:?}");
}

#[test]
fn workers_that_can_not_import_the_client_do_not_have_to() {
    assert_eq!(scene(&Folder::new(LINE), "foreign"), "6\n");
}

#[test]
fn a_goal_that_what_is_on_its_way_undoes_is_not_the_end() {
    let folder = Folder::new("[learner]\ntype = 'average'\natol = 0.5\n");
    assert_eq!(scene(&folder, "late_results").trim(), "True True");
}

#[test]
fn a_failure_whose_text_has_halves_of_characters_is_kept() {
    let folder = Folder::new(LINE);
    let given_up: u32 = scene(&folder, "halves").trim().parse().unwrap();
    assert!(given_up > 0);
    assert_eq!(folder.read().failures[0].failure.message, "ValueError: no file ?");
}

#[test]
fn numbers_of_numpy_are_told_and_complex_ones_are_not() {
    let said = scene(&Folder::new(LINE), "numbers");
    assert!(said.starts_with("1\n2\nclongdouble ") || said.starts_with("1\n2\ncomplex256 "), "{said}");
}

#[test]
fn a_script_that_srun_has_started_several_times_is_told_why_it_can_not_go_on() {
    let said = scene(&Folder::new(LINE), "many");
    assert!(said.contains("error: ") && said.contains("exit code 7; it said why above"), "{said}");
    assert!(said.contains("process 2 of srun: start the script in one"), "{said}");
}

#[test]
fn the_example_runs() {
    let folder = Folder::new(&std::fs::read_to_string(here("examples/executor/adaptive.toml")).unwrap());
    folder.write("run.py", std::fs::read(here("examples/executor/run.py")).unwrap());
    let script = folder.file("run.py");
    let ended =
        ready(folder.program(Path::new(PYTHON), &[script.to_str().unwrap(), "threads"])).end().expect(0);
    assert!(ended.out.contains("points"), "{}", ended.out);
    assert_eq!(folder.status()["state"], "goal reached");
}
