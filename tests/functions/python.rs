use super::{Study, list, settings, table, text};
use adaptive_mpi::function;
use adaptive_mpi::model::settings::{SettingValue, Table};
use adaptive_mpi::model::{FailureKind, Parameter};
use std::process::Command;

const MODEL: &str = r#"
import os, sys, time, collections, decimal
print("loading")

def h(x, offset=0.0):
    print("evaluating", x)
    os.write(1, b"raw bytes\n")
    return x + offset

def echo(point, **parameters):
    return {"extra": [repr(point), repr(parameters)], "n": 1}

Named = collections.namedtuple("Named", "t r")

def odd(x, offset):
    kinds = {
        1: lambda: 1 / 0,
        2: lambda: sys.exit("leaving"),
        3: lambda: (_ for _ in ()).throw(KeyboardInterrupt()),
        4: lambda: os._exit(7),
        5: lambda: os.abort(),
        6: lambda: None,
        7: lambda: 1j,
        8: lambda: "fast",
        9: lambda: float("nan"),
        10: lambda: (1, [2.5, True]),
        11: lambda: Named(3, [4, 5]),
        12: lambda: decimal.Decimal("0.125"),
        13: lambda: {"a": 1, "extra": {1, 2}},
        14: lambda: 10 ** 400,
        15: lambda: [],
        16: lambda: time.sleep(1000),
        17: lambda: sys.stdin.read() + "!" or 1,
        18: lambda: recurse(0),
        19: lambda: {"y": 0.5, "fit": {"a": [1, None]}, "note": "good", "t": 2, "extra": {"n": 3}, "parts": [1, "two"]},
        20: lambda: {"y": 1, "z": 1j},
        21: lambda: {"note": "none"},
        22: lambda: {1: 0.5, "1": 0.25},
        23: lambda: (_ for _ in ()).throw(Silent()),
        24: lambda: [os.kill(os.getpid(), number) for number in (2, 10)] and 24,
        25: lambda: open(os.fsdecode(b"missing-\xe9")),
        26: lambda: {"y": 1, "label": "nan", "path": os.fsdecode(b"a\xe9\xc3\xa9"), "notes": ["inf"]},
        27: lambda: {"y": 1, "extra": {"n": 10 ** 400}},
        28: lambda: os.getpid(),
        29: lambda: [1, (2, None)],
    }
    return kinds[int(x)]()

class Silent(Exception):
    def __str__(self):
        raise ValueError("no text")

def recurse(n):
    return recurse(n + 1)

class Model:
    def energy(self, x, offset):
        return x * 2

model = Model()
not_callable = 3
"#;

fn study() -> Study {
    Study::new().file("model.py", MODEL)
}

fn python(target: &str) -> Table {
    settings(&[("python", text(target)), ("python_executable", text(interpreter()))])
}

/// Debian's interpreter may have numpy where another one in PATH has not.
pub(super) fn interpreter() -> &'static str {
    if std::path::Path::new("/usr/bin/python3").exists() { "/usr/bin/python3" } else { "python3" }
}

fn odd(x: f64) -> adaptive_mpi::model::Failure {
    let study = study();
    study.start(python("model.py:odd")).at(&[x]).unwrap_err()
}

#[test]
fn a_function_is_called_and_printing_is_harmless() {
    let study = study();
    let mut started = study.start(python("model.py:h"));
    for i in 0..50 {
        let x = f64::from(i) / 7.0;
        assert_eq!(started.y(x), x + 0.5);
    }
}

#[test]
fn the_point_and_parameters_arrive_as_each_learner_passes_them() {
    let mut study = study();
    study.parameters.0.push(("mode".into(), Parameter::Text("te".into())));
    study.parameters.0.push(("n".into(), Parameter::Integer(3)));
    study.parameters.0.push(("on".into(), Parameter::Bool(true)));
    study.parameters.0.push(("top".into(), Parameter::Float(f64::INFINITY)));
    study.parameters.0.push(("label".into(), Parameter::Text("nan".into())));
    let parameters = "{'offset': 0.5, 'mode': 'te', 'n': 3, 'on': True, 'top': inf, 'label': 'nan'}";
    for (names, scalar, seeded, point, expected) in [
        (&["x"][..], true, false, &[0.25][..], "0.25"),
        (&["x", "y"], false, false, &[0.25, 1.0], "(0.25, 1.0)"),
        (&[], false, true, &[], "7"),
        (&["x"], true, true, &[0.25], "(7, 0.25)"),
        (&["x"], false, false, &[0.25], "(0.25,)"),
    ] {
        study = study.with_signature(names, scalar, seeded);
        let value = study.start(python("model.py:echo")).at_seed(point, 7).unwrap();
        let extra: Vec<String> = serde_json::from_str(&value.detail.unwrap().extra.unwrap()).unwrap();
        assert_eq!(extra, [expected, parameters]);
    }
}

#[test]
fn an_exception_comes_back_with_its_traceback_and_without_ours() {
    let failure = odd(1.0);
    assert_eq!(failure.kind, FailureKind::Error);
    assert_eq!(failure.message, "ZeroDivisionError: division by zero");
    assert!(failure.detail.contains("model.py\", line 17, in <lambda>"), "{}", failure.detail);
    assert!(!failure.detail.contains("<string>"), "{}", failure.detail);
}

#[test]
fn texts_are_kept_though_they_spell_numbers_or_have_halves_of_characters() {
    let study = study();
    let value = study.start(python("model.py:odd")).at(&[26.0]).unwrap();
    assert_eq!(value.components[..], [1.0]);
    let detail = value.detail.unwrap();
    assert_eq!(detail.names, ["y"]);
    assert_eq!(
        detail.extra.as_deref(),
        Some("{\"label\":\"nan\",\"path\":\"a?\u{e9}\",\"notes\":[\"inf\"]}")
    );
}

#[test]
fn a_value_that_can_not_be_read_keeps_the_interpreter() {
    let study = study();
    let mut started = study.start(python("model.py:odd"));
    let process = started.y(28.0);
    let failure = started.at(&[27.0]).unwrap_err();
    assert_eq!(failure.kind, FailureKind::BadOutput);
    assert!(failure.message.contains("number out of range"), "{}", failure.message);
    assert_eq!(started.y(28.0), process);
}

#[test]
fn what_the_interpreter_prints_before_our_code_is_harmless() {
    let study =
        study().file("sitecustomize.py", "print('hello', flush=True)\nprint('wor', end='', flush=True)\n");
    let path = table(&[("PYTHONPATH", text(&study.path("").display().to_string()))]);
    assert_eq!(study.start(python("model.py:h").with("env", path)).y(0.5), 1.0);
}

#[test]
fn leaving_the_interpreter_is_a_failure_of_one_point_and_no_more() {
    let study = study();
    let mut started = study.start(python("model.py:odd"));
    for (x, kind, message) in [
        (2.0, FailureKind::Error, "SystemExit: leaving"),
        (3.0, FailureKind::Error, "KeyboardInterrupt"),
        (18.0, FailureKind::Error, "RecursionError: maximum recursion depth exceeded"),
        (23.0, FailureKind::Error, "Silent: its text can't be made"),
        (25.0, FailureKind::Error, "FileNotFoundError: [Errno 2] No such file or directory: 'missing-"),
        (4.0, FailureKind::Crash, "the Python process ended with exit status 7 during the evaluation"),
        (5.0, FailureKind::Crash, "the Python process ended with signal 6 (SIGABRT) during the evaluation"),
    ] {
        let failure = started.at(&[x]).unwrap_err();
        assert_eq!(failure.kind, kind);
        assert!(failure.message.starts_with(message), "{}", failure.message);
        assert_eq!(started.at(&[10.0]).unwrap().components[..], [1.0, 2.5, 1.0]);
    }
}

#[test]
fn what_is_no_number_is_bad_output_with_advice() {
    for (x, advice) in [
        (6.0, "is a `return` missing?"),
        (7.0, "(z.real, z.imag)"),
        (8.0, "returned str 'fast'"),
        (13.0, "set is not JSON serializable"),
        (14.0, "too large"),
        (15.0, "empty"),
        (20.0, "(z.real, z.imag)"),
        (21.0, "{'note': 'none'}, which has no number"),
        (22.0, "two outputs of the name '1'"),
        (29.0, "returned [1, (2, None)], where a number is missing"),
    ] {
        let failure = odd(x);
        assert_eq!(failure.kind, FailureKind::BadOutput);
        assert!(failure.message.contains(advice), "{}", failure.message);
    }
}

#[test]
fn numbers_of_many_kinds_come_back() {
    let study = study();
    let mut started = study.start(python("model.py:odd"));
    assert!(started.y(9.0).is_nan());
    assert_eq!(started.y(12.0), 0.125);
    let named = started.at(&[11.0]).unwrap();
    assert_eq!(named.components[..], [3.0, 4.0, 5.0]);
    assert_eq!(named.detail.unwrap().names, ["t", "r[0]", "r[1]"]);
}

#[test]
fn signals_that_stop_a_job_leave_the_point_that_has_begun() {
    let study = study();
    assert_eq!(study.start(python("model.py:odd")).y(24.0), 24.0);
}

#[test]
fn records_that_are_no_numbers_are_kept() {
    let study = study();
    let value = study.start(python("model.py:odd")).at(&[19.0]).unwrap();
    let detail = value.detail.unwrap();
    assert_eq!((&value.components[..], &detail.names[..]), (&[0.5, 2.0][..], &["y".into(), "t".into()][..]));
    let extra = r#"{"fit":{"a":[1,null]},"note":"good","parts":[1.0,"two"],"n":3}"#;
    assert_eq!(detail.extra.as_deref(), Some(extra));
}

#[test]
fn numpy_values_are_flattened() {
    let found = Command::new(interpreter()).args(["-c", "import numpy"]).output().unwrap();
    if !found.status.success() {
        println!("skipped: {} has no numpy", interpreter());
        return;
    }
    let study = Study::new().file(
        "arrays.py",
        "import numpy as np\n\
         def h(x, offset):\n    \
             return {'a': np.float32(0.5), 'm': np.arange(4).reshape(2, 2), 'i': np.int64(3), 'b': np.bool_(True),\n            \
             'z': np.array(2.5), 'l': [np.float64(1), np.ones(1)]}\n\
         def c(x, offset):\n    return np.array([1j])\n\
         def masked(x, offset):\n    return np.ma.masked_greater(np.arange(3.0), 1.5)\n\
         def s(x, offset):\n    return np.sin(x)\n\
         def long(x, offset):\n    \
             return {'a': np.longdouble(0.5), 'l': np.ones(2, np.longdouble), 'extra': {'n': np.longdouble(3)}}\n\
         def complex_long(x, offset):\n    return [np.clongdouble(1j), np.array([1j], np.clongdouble)][int(x)]\n",
    );
    let value = study.start(python("arrays.py:h")).at(&[0.0]).unwrap();
    assert_eq!(value.components[..], [0.5, 0.0, 1.0, 2.0, 3.0, 3.0, 1.0, 2.5, 1.0, 1.0]);
    let names = value.detail.unwrap().names;
    assert_eq!(names, ["a", "m[0]", "m[1]", "m[2]", "m[3]", "i", "b", "z", "l[0]", "l[1]"]);
    for (function, what) in [("arrays.py:c", "complex"), ("arrays.py:masked", "missing or masked")] {
        let failure = study.start(python(function)).at(&[0.0]).unwrap_err();
        assert!(failure.message.contains(what), "{failure}");
    }
    assert_eq!(study.start(python("arrays.py:s")).y(1.0), 1.0f64.sin());
    let value = study.start(python("arrays.py:long")).at(&[0.0]).unwrap();
    assert_eq!(value.components[..], [0.5, 1.0, 1.0]);
    assert_eq!(value.detail.unwrap().extra.as_deref(), Some(r#"{"n":3.0}"#));
    for x in [0.0, 1.0] {
        let failure = study.start(python("arrays.py:complex_long")).at(&[x]).unwrap_err();
        assert!(failure.message.contains("complex number"), "{failure}");
    }
}

#[test]
fn at_the_time_limit_the_interpreter_is_replaced() {
    let study = study();
    let mut started = study.start(python("model.py:odd").with("timeout", text("1s")));
    assert_eq!(started.at(&[16.0]).unwrap_err().kind, FailureKind::Timeout);
    assert_eq!(started.y(12.0), 0.125);
}

#[test]
fn reading_standard_input_does_not_eat_the_requests() {
    let failure = odd(17.0);
    assert!(failure.message.contains("returned str '!'"), "{}", failure.message);
}

#[test]
fn what_can_not_be_loaded_is_said_with_its_traceback() {
    let study = study()
        .file("syntax.py", "def h(x)\n    return x\n")
        .file("imports.py", "import no_such_module\n")
        .file("leaves.py", "import sys\nsys.exit(4)\n");
    for (target, message, detail) in [
        ("model.py:hh", "AttributeError", "did you mean 'h'?"),
        ("model.py:not_callable", "TypeError: 'not_callable' in", "is not a function"),
        ("syntax.py:h", "SyntaxError: expected ':'", "def h(x)"),
        ("imports.py:h", "ModuleNotFoundError: No module named 'no_such_module'", "imports.py\", line 1"),
        ("leaves.py:h", "SystemExit: 4", "leaves.py\", line 2"),
        ("no.such.module:h", "ModuleNotFoundError: No module named 'no'", "import_module"),
    ] {
        let settings = python(target);
        let mut started = study.start(settings.clone());
        let failure = started.at(&[0.0]).unwrap_err();
        assert_eq!(failure.kind, FailureKind::Setup, "{target}");
        assert!(failure.message.starts_with(message), "{target}: {}", failure.message);
        assert!(failure.detail.contains(detail), "{target}: {}", failure.detail);
        let problems = study.spec(settings).check();
        assert!(problems.len() == 1 && problems[0].starts_with(message), "{problems:?}");
    }
    let missing = study.spec(python("nowhere.py:h")).check();
    assert!(missing[0].ends_with("nowhere.py is missing"), "{missing:?}");
    assert_eq!(study.spec(python("model.py:h")).check(), Vec::<String>::new());
}

#[test]
fn loading_has_a_time_limit_of_its_own() {
    let study = Study::new().file("slow.py", "import time\ntime.sleep(1000)\n");
    let settings = python("slow.py:h").with("start_timeout", SettingValue::Float(0.5));
    let failure = study.start(settings).at(&[0.0]).unwrap_err();
    assert_eq!(failure.kind, FailureKind::Setup);
    assert_eq!(failure.message, "the Python process did not load within 500ms (function.start_timeout)");
}

#[test]
fn modules_packages_methods_and_neighbours_are_found() {
    let study = study().file("offsets.py", "extra = 1\n");
    std::fs::create_dir_all(study.path("package/deep")).unwrap();
    let study = study
        .file("package/__init__.py", "")
        .file("package/functions.py", "import offsets\ndef h(x, offset): return x + offsets.extra\n")
        .file("package/deep/neighbour.py", "two = 2\n")
        .file(
            "package/deep/file.py",
            "import neighbour, offsets\ndef h(x, offset): return x + neighbour.two\n",
        );
    for (target, expected) in [
        ("package.functions:h", 4.0),
        ("package/deep/file.py:h", 5.0),
        ("model.py:model.energy", 6.0),
        ("math:fabs", f64::NAN),
    ] {
        let mut started = study.start(python(target));
        match started.at(&[3.0]) {
            Ok(value) => assert_eq!(value.y(), expected, "{target}"),
            // A function without the study's parameters: Python says so itself.
            Err(failure) => {
                assert!(failure.message.starts_with("TypeError") && expected.is_nan(), "{failure}")
            }
        }
    }
}

#[test]
fn threads_and_env_reach_the_interpreter_before_imports() {
    let study = Study::new()
        .file("env.py", "import os\nn = int(os.environ['OMP_NUM_THREADS'])\ndef h(x, offset): return n\n");
    let settings =
        python("env.py:h").with("threads", SettingValue::Integer(5)).with("env", table(&[("A", text("b"))]));
    assert_eq!(study.start(settings).y(0.0), 5.0);
}

#[test]
fn a_target_without_a_function_and_an_interpreter_that_is_not_there_are_said() {
    let study = study();
    for target in ["model.py", "model.py:", ":h"] {
        let error = function::from_settings(&python(target), &study.context()).unwrap_err();
        assert!(error.help.contains("model.py:h"), "{target}");
    }
    let settings = settings(&[("python", text("model.py:h")), ("python_executable", text("python9"))]);
    let spec = study.spec(settings);
    assert_eq!(spec.check(), ["the program python9 is not in PATH"]);
    assert_eq!(spec.start().err().unwrap().kind, FailureKind::Setup);
}

#[test]
fn the_documented_program_in_python_keeps_the_protocol() {
    let server = "import json, sys\n\
        for line in sys.stdin:\n    \
            request = json.loads(line)\n    \
            x = request['point']\n    \
            reply = {'id': request['id'], 'value': x ** 2 + request['parameters'].get('offset', 0)}\n    \
            print(json.dumps(reply), flush=True)\n";
    let study = Study::new().file("server.py", server);
    let mut started = study.start(settings(&[("program", list(&[interpreter(), "server.py"]))]));
    assert_eq!((started.y(2.0), started.y(3.0)), (4.5, 9.5));
}

#[test]
fn an_initialiser_runs_once_per_process_and_makes_arguments() {
    let model = "import os\ncalls = []\ndef prepare():\n    calls.append(1)\n    return {'table': [10, 20], 'unknown': 1}\n\
                 def h(x, offset, table):\n    return table[int(x)] + offset + 100 * len(calls)\n\
                 def nothing():\n    pass\ndef number():\n    return 3\ndef broken():\n    raise OSError('no table')\n\
                 def everything(x, offset, **rest):\n    return len(rest)\n\
                 def names():\n    return {'line': 1, 'function': 2, 'request': 3}\ndef keys():\n    return {1: 2}\n";
    let study = Study::new().file("model.py", model);
    let with = |function: &str, init: &str| {
        settings(&[("python", text(&format!("model.py:{function}"))), ("init", text(init))])
    };
    let mut started = study.start(with("h", "prepare"));
    assert_eq!((started.y(0.0), started.y(1.0)), (110.5, 120.5));
    assert_eq!(study.start(with("everything", "prepare")).y(0.0), 2.0);
    assert_eq!(study.start(with("everything", "nothing")).y(0.0), 0.0);
    assert_eq!(study.start(with("everything", "names")).y(0.0), 3.0);
    for (init, why) in [
        ("number", "TypeError: function.init returned int: a dict of arguments is wanted"),
        ("broken", "OSError: no table"),
        ("keys", "TypeError: function.init returned a dict with keys that are no text"),
        ("prepaer", "has no 'prepaer', did you mean 'prepare'? (function.init)"),
    ] {
        let failure = study.start(with("h", init)).at(&[0.0]).unwrap_err();
        assert_eq!(failure.kind, FailureKind::Setup);
        assert!(failure.message.contains(why), "{failure}");
        assert!(study.spec(with("h", init)).check()[0].contains(why));
    }
}
