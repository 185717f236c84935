//! Functions that misbehave. Each costs its attempts and nothing else: not the run, not its other points.

use crate::study_run::{Folder, check_rows};
use std::process::Command;

/// One learner per way to misbehave. At x = 0.5, and only there, the function does so; anywhere else its value is x.
struct Misbehaviour {
    how: &'static str,
    kind: &'static str,
    message: &'static str,
}

const fn case(how: &'static str, kind: &'static str, message: &'static str) -> Misbehaviour {
    Misbehaviour { how, kind, message }
}

#[test]
fn a_region_where_the_process_dies_does_not_end_the_run() {
    let folder = Folder::new(
        "[function]\npython = 'model.py:h'\n[learner]\ntype = '1d'\nbounds = [-1, 1]\n[goal]\nnpoints = 6\n\
         [run]\nretries = 0\nworkers = 1\n",
    );
    folder.write("model.py", "import os\ndef h(x):\n    if x > 0.3: os._exit(3)\n    return x\n");
    folder.run(0, &[]).says("points were given up").says("ended with exit status 3 during the evaluation");
    let rows = folder.rows();
    assert!(rows.len() >= 6 && rows.iter().all(|row| row.point[0] <= 0.3));
}

#[test]
fn a_region_where_points_fail_keeps_no_goal_out_of_reach() {
    let study = |value: &str| {
        let folder = Folder::new(
            "[function]\npython = 'model.py:h'\n[learner]\ntype = '1d'\nbounds = [-1, 1]\n\
             [goal]\nloss = 0.01\n[run]\nretries = 0\nworkers = 2\nin_flight = 4\ndeterministic = true\n",
        );
        folder.write("model.py", format!("def h(x):\n    if abs(x) < 0.3: {value}\n    return x * x\n"));
        folder.run(0, &["--quiet"]);
        folder
    };
    let (failing, nan) = (study("raise ValueError('no root')"), study("return float('nan')"));
    let inside = nan.rows().iter().filter(|row| row.values[0].is_nan()).count();
    assert_eq!(failing.read().failures.len(), inside);
    assert_eq!(failing.rows().len() + inside, nan.rows().len());
    assert!(inside < 100, "{inside}");
    // With a finer goal, both go on alike.
    for folder in [&failing, &nan] {
        let finer = folder.text("adaptive.toml").replace("loss = 0.01", "loss = 0.005");
        folder.write("adaptive.toml", finer);
        folder.run(0, &["--quiet"]);
    }
    let finite = |folder: &Folder| {
        let rows = folder.rows().into_iter().filter(|row| row.values[0].is_finite());
        rows.map(|row| row.point[0]).collect::<Vec<_>>()
    };
    assert_eq!(finite(&failing), finite(&nan));
}

#[test]
fn many_points_that_fail_are_told_with_what_to_do_about_it() {
    let folder = Folder::new(
        "[function]\npython = 'model.py:h'\n[learner]\ntype = '1d'\nbounds = [-1, 1]\nloss = 'uniform'\n\
         [goal]\nnpoints = 100_000\n[run]\nretries = 0\nworkers = 2\n",
    );
    folder
        .write("model.py", "def h(x):\n    if abs(x) < 0.8: raise ValueError('no root')\n    return x * x\n");
    let mut run = folder.command(&["run"]).start();
    assert!(run.until(|run| run.said().contains("let it return NaN")), "{}", run.said());
    assert!(run.said().contains("were given up") && run.said().contains("no root"), "{}", run.said());
    run.signal(nix::sys::signal::Signal::SIGTERM);
    run.end().expect(75);
}

/// Runs a study of this function on all cases; each point that fails is tried twice.
fn run(folder: &Folder, function: &str, cases: &[Misbehaviour], arguments: &[&str]) {
    let how: Vec<String> = cases.iter().map(|case| format!("{:?}", case.how)).collect();
    folder.write("adaptive.toml", study(function, &how.join(", ")));
    let summary = folder.command(arguments).end().expect(4).says("points were given up").json();
    assert_eq!(summary["given_up"], cases.len(), "{summary}");
    assert_eq!(summary["failed_attempts"], 2 * cases.len());
    judge(folder, cases);
}

/// Results come in the order of asks: so the first point decides about the shape of values.
fn study(function: &str, how: &str) -> String {
    format!(
        "[function]\n{function}\n[parameters]\nhow = [{how}]\n[learner]\ntype = 'sequence'\nsequence = [0, 0.5, 1]\n\
         [run]\nretries = 1\nworkers = 3\nnan = 'fail'\ndeterministic = true\n"
    )
}

/// That the checkpoint says of each case what went wrong.
fn judge(folder: &Folder, cases: &[Misbehaviour]) {
    let status = folder.status();
    assert_eq!((&status["state"], &status["given_up"]), (&"failed".into(), &cases.len().into()));
    let failures = status["failures"].as_array().unwrap();
    assert_eq!(failures.len(), 2 * cases.len());
    for (learner, case) in cases.iter().enumerate() {
        let own: Vec<_> = failures.iter().filter(|failure| failure["learner"] == learner).collect();
        assert_eq!(own.len(), 2, "{}", case.how);
        for (attempt, failure) in own.iter().enumerate() {
            assert_eq!(failure["point"], serde_json::json!([0.5]), "{}", case.how);
            assert_eq!(
                (&failure["attempt"], &failure["given_up"]),
                (&attempt.into(), &(attempt == 1).into())
            );
            let text = format!("{} {}", failure["message"], failure["detail"]);
            // A process that dies again and again before any answer is called a fault of its start.
            let expected = failure["kind"] == case.kind || text.contains("time in a row");
            assert!(expected && text.contains(case.message), "{}: {failure}", case.how);
        }
    }
    check_rows(&[], &folder.rows(), |row| row.point[0]);
    assert_eq!(folder.rows().len(), 2 * cases.len(), "all other points have their values");
    let text = folder.command(&["status", "--failures"]).end().expect(0).out;
    assert!(text.contains("(given up)") && text.contains(cases[0].how), "{text}");
}

const RUN: [&str; 2] = ["run", "--json"];

const MODEL: &str = r#"
import os, sys, time

def h(x, how):
    if x != 0.5:
        return x
    print("a line that is no reply")
    if how == "raise":
        raise ArithmeticError("no convergence")
    if how == "exit":
        sys.exit(3)
    if how == "leave":
        os._exit(7)
    if how == "die":
        os.kill(os.getpid(), 9)
    if how == "hang":
        time.sleep(1000)
    values = {"none": None, "text": "many", "no number": float("nan"), "two": [x, x], "complex": 1j, "empty": []}
    return values[how]
"#;

const PYTHON_CASES: [Misbehaviour; 11] = [
    case("raise", "error", "ArithmeticError: no convergence"),
    case("exit", "error", "SystemExit"),
    case("leave", "crash", "7"),
    case("die", "crash", "SIGKILL"),
    case("hang", "timeout", "1.5"),
    case("none", "bad output", "None"),
    case("text", "bad output", "str"),
    case("no number", "not finite", "NaN"),
    case("two", "wrong shape", "2"),
    case("complex", "bad output", "complex"),
    case("empty", "bad output", "returned an empty list"),
];

#[test]
fn a_python_function_may_fail_in_every_way() {
    let folder = Folder::new("");
    folder.write("model.py", MODEL);
    run(&folder, "python = 'model.py:h'\ntimeout = '1500ms'", &PYTHON_CASES, &RUN);
}

#[test]
fn values_without_numbers_are_named_and_cost_no_process() {
    let folder = Folder::new(
        "[function]\npython = 'model.py:h'\n[learner]\ntype = 'sequence'\nsequence = [0, 1, 2, 3, 4]\n\
         [run]\nretries = 1\nworkers = 1\n",
    );
    let model =
        "open('starts', 'a').write('.')\ndef h(x): return [[], {}, {'a': 'text'}, [[]], 1.0][int(x)]\n";
    folder.write("model.py", model);
    folder.run(4, &["--quiet"]);
    let messages: Vec<String> =
        folder.read().failures.iter().map(|failed| failed.failure.message.clone()).collect();
    for said in
        ["an empty list", "an empty dict", "{'a': 'text'}, which has no number", "[[]], which has no number"]
    {
        assert_eq!(messages.iter().filter(|message| message.contains(said)).count(), 2, "{messages:?}");
    }
    assert_eq!(folder.text("starts"), ".");
}

const SCRIPT: &str = r#"#!/bin/sh
[ "$2" = 0.5 ] || { echo "$2"; exit 0; }
echo "on the way" >&2
case $1 in
  exit) exit 3 ;;
  die) kill -9 $$ ;;
  hang) sleep 1000 ;;
  garbage) echo "done, I think" ;;
  nothing) ;;
  nan) echo nan ;;
  two) echo 1 2 ;;
esac
"#;

const COMMAND_CASES: [Misbehaviour; 7] = [
    case("exit", "error", "on the way"),
    case("die", "crash", "SIGKILL"),
    case("hang", "timeout", "1.5"),
    case("garbage", "bad output", "done, I think"),
    case("nothing", "bad output", ""),
    case("nan", "not finite", "NaN"),
    case("two", "wrong shape", "2"),
];

fn executable(folder: &Folder, name: &str, text: &str) {
    use std::os::unix::fs::PermissionsExt;
    folder.write(name, text);
    std::fs::set_permissions(folder.file(name), std::fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn a_command_may_fail_in_every_way() {
    let folder = Folder::new("");
    executable(&folder, "simulate", SCRIPT);
    let function = "command = ['./simulate', '{how}', '{x}']\ntimeout = '1500ms'";
    run(&folder, function, &COMMAND_CASES, &RUN);
}

const SERVER: &str = r#"
import json, os, sys, time
for line in sys.stdin:
    request = json.loads(line)
    x, how = request["point"], request["parameters"]["how"]
    if x != 0.5:
        print(json.dumps({"id": request["id"], "value": x}), flush=True)
    elif how == "error":
        print(json.dumps({"id": request["id"], "error": "no convergence"}), flush=True)
    elif how == "leave":
        sys.exit(0)
    elif how == "hang":
        time.sleep(1000)
    elif how == "garbage":
        print("done, I think", flush=True)
    elif how == "other":
        print(json.dumps({"id": request["id"] + 1, "value": x}), flush=True)
    elif how == "flood":
        os.write(1, b"x" * 300_000_000)
"#;

#[test]
fn a_program_may_fail_in_every_way() {
    let folder = Folder::new("");
    folder.write("server.py", SERVER);
    let python =
        if std::path::Path::new("/usr/bin/python3").exists() { "/usr/bin/python3" } else { "python3" };
    let function = format!("program = [{python:?}, 'server.py']\ntimeout = '5s'");
    let cases = [
        case("error", "error", "no convergence"),
        case("leave", "crash", ""),
        case("hang", "timeout", "5"),
        case("garbage", "bad output", "done, I think"),
        case("other", "bad output", "an answer to request"),
        case("flood", "bad output", ""),
    ];
    run(&folder, &function, &cases, &RUN);
}

const LIBRARY: &str = r#"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

int model(const double *x, size_t nx, const double *p, size_t np, uint64_t seed, double *y, size_t ny) {
  y[0] = x[0];
  if (x[0] != 0.5) return 0;
  printf("a line that is no reply\n");
  fflush(stdout);
  switch ((int)p[0]) {
    case 1: return 5;
    case 2: abort();
    case 3: exit(3);
    case 4: *(volatile int *)0 = 1;
    case 5: for (;;) sleep(1);
    case 6: y[0] = NAN;
  }
  return 0;
}
const char *model_error(void) { return "no convergence"; }
"#;

/// Compiles it as the library of the folder.
fn compile(folder: &Folder, text: &str) {
    folder.write("model.c", text);
    let mut compiler = Command::new("cc");
    compiler.args(["-shared", "-fPIC", "-o", "libmodel.so", "model.c"]).current_dir(folder.path());
    assert!(compiler.status().unwrap().success());
}

#[test]
fn an_isolated_library_may_fail_in_every_way() {
    // Numbers, as a library takes no text.
    let function = "library = 'libmodel.so:model'\nisolate = true\ntimeout = '1500ms'";
    let folder = Folder::new(&study(function, "1, 2, 3, 4, 5, 6"));
    compile(&folder, LIBRARY);
    folder.run(4, &["--quiet"]);
    let cases = [
        case("1", "error", "no convergence"),
        case("2", "crash", "SIGABRT"),
        case("3", "crash", "3"),
        case("4", "crash", "SIGSEGV"),
        case("5", "timeout", "1.5"),
        case("6", "not finite", "NaN"),
    ];
    judge(&folder, &cases);
}

#[test]
fn a_library_that_ends_its_worker_is_named_and_the_user_learns_what_to_do() {
    for (how, said, code) in [
        ("*(volatile int *)0 = 1", "error: the function crashed (SIGSEGV)", None),
        ("abort()", "error: the function crashed (SIGABRT)", None),
        ("exit(0)", "error: the function has ended its process (a call of exit)", Some(4)),
    ] {
        let folder = Folder::new(&study("library = 'libmodel.so:model'", "1"));
        compile(&folder, &LIBRARY.replace("return 5", how));
        let ended = folder.command(&["run", "--quiet"]).end().says(said).says("help: with `isolate = true`");
        assert_eq!(ended.code, code, "{how}");
        // What it has written itself is not lost.
        assert!(ended.out.contains("a line that is no reply"), "{how}: {}", ended.out);
        let check = folder
            .command(&["check", "--evaluate", "2"])
            .end()
            .says(said)
            .says("help: with `isolate = true`");
        assert_eq!(check.code, code, "{how}");
        assert!(check.out.starts_with("study      adaptive\n"), "{how}: {}", check.out);
    }
    // What it forks off is another process.
    let folder = Folder::new(&study("library = 'libmodel.so:model'", "1"));
    compile(&folder, &LIBRARY.replace("return 5", "if (fork() == 0) abort(); return 0"));
    assert_eq!(folder.run(0, &["--quiet"]).err, "");
}

#[test]
fn a_library_whose_initialiser_fails_is_told_with_advice_that_helps() {
    let function = "library = 'libmodel.so:model'\ninit = 'prepare'";
    let folder = Folder::new(&study(function, "1"));
    compile(&folder, &format!("int prepare(void) {{ return 7; }}\n{LIBRARY}"));
    let said = "prepare returned 7 (function.init)";
    folder.run(2, &[]).says(said).says("help: correct the function").says("`adaptive-mpi check --evaluate`");
    folder.command(&["check"]).end().expect(0);
    folder.command(&["check", "--evaluate"]).end().expect(2).says(said);
}

const ARGUMENTS: &str = "ADAPTIVE_MPI_TEST_ARGUMENTS";

#[test]
fn a_rust_function_may_panic() {
    use adaptive_mpi::cli::App;
    // Started by itself: this process is a user's own binary.
    if let Ok(arguments) = std::env::var(ARGUMENTS) {
        let app = App::new().function("wave", |call| {
            let x = call.point.x();
            assert!(x != 0.5, "no value at {x}");
            Ok(x.into())
        });
        let words = std::iter::once("wave").chain(arguments.split(' ')).map(Into::into);
        std::process::exit(i32::from(app.run(words) as u8));
    }
    let folder = Folder::new("");
    let study = "[function]\nrust = 'wave'\n[learner]\ntype = 'sequence'\nsequence = [0, 0.5, 1]\n\
                 [run]\nretries = 1\nworkers = 2\n";
    folder.write("adaptive.toml", study);
    let own = |arguments: &str| {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["failures::a_rust_function_may_panic", "--exact", "--nocapture"]);
        command.env(ARGUMENTS, arguments).current_dir(folder.path());
        let output = command.output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.status.code(), text(&output.stdout) + &text(&output.stderr))
    };
    let (code, said) = own("run");
    assert_eq!(code, Some(4), "{said}");
    assert!(said.contains("1 points were given up, for example: panic: no value at 0.5"), "{said}");
    let (code, said) = own("status --failures");
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("no value at 0.5") && said.contains("(given up)"), "{said}");
    assert!(folder.rows().iter().all(|row| row.values == row.point));
    assert_eq!(folder.read().failures.len(), 2);
}

#[test]
fn nan_is_a_value_unless_the_study_says_otherwise() {
    let study = "[function]\nbuiltin = 'nan_band'\n[learner]\ntype = '1d'\nbounds = [-1, 1]\n[goal]\nnpoints = 40\n\
                 [run]\nretries = 2\nworkers = 2\n";
    let folder = Folder::new(study);
    folder.run(0, &["--quiet"]);
    let in_band = |x: f64| x.abs() < 0.1;
    let rows = folder.rows();
    assert!(rows.iter().any(|row| in_band(row.point[0])));
    assert!(rows.iter().all(|row| row.values[0].is_nan() == in_band(row.point[0])));
    assert!(folder.export().iter().any(|row| row["value"] == "NaN"));
    // They are told again on a restart.
    folder.write("adaptive.toml", study.replace("40", "60"));
    folder.run(0, &["--quiet"]);
    assert_eq!(&folder.rows()[..rows.len()].len(), &rows.len());

    let strict = Folder::new(&study.replace("workers", "nan = 'fail'\nworkers"));
    strict.run(0, &["--quiet"]).says("given up, for example: not finite: the function returned [NaN]");
    assert!(strict.rows().iter().all(|row| !in_band(row.point[0])));
    let failures = strict.read().failures;
    assert!(!failures.is_empty() && failures.iter().all(|failed| in_band(failed.sample.point.x())));
    assert_eq!(failures.len() % 3, 0, "three attempts each");
}
