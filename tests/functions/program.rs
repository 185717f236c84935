use super::{Study, eventually, is_alive, list, pid_in, settings, sh, text};
use adaptive_mpi::model::FailureKind;

/// Answers with x squared, counts its starts, and fails in many ways.
const SIMULATOR: &str = r#"
echo start >> starts
echo $$ > pid
while read line; do
    id=${line#*:}; id=${id%%,*}
    x=${line#*point\":}; x=${x%%,*}
    case $x in
        1.0) echo "broken at $x" >&2; exit 9;;
        2.0) kill -SEGV $$;;
        3.0) sleep 1000 & echo $! > grandchild; wait;;
        4.0) echo "iteration 1";;
        5.0) printf '{"id":%s,"error":"no convergence","traceback":"here\\nand there"}\n' $id;;
        6.0) echo "{\"id\":1000,\"value\":1}";;
        7.0) echo "{\"value\":[1, {\"a\":1}]}";;
        7.1) echo "{\"id\":$id,\"value\":null}";;
        7.2) echo "{\"id\":$id,\"value\":1,\"extra\":{\"n\":1e999, \"text\":\"\\udc80\"}}";;
        7.3) echo "{\"id\":$id}";;
        8.0) echo "{\"value\":[NaN, -inf, \"inf\"], \"extra\": {\"n\": 3}}";;
        9.0) yes 0123456789 | tr -d '\n';;
        *) echo "{\"id\":$id,\"value\":$x}";;
    esac
done
echo end >> starts
"#;

fn simulator() -> (Study, super::Table) {
    (Study::new(), sh("program", SIMULATOR))
}

fn starts(study: &Study) -> usize {
    std::fs::read_to_string(study.path("starts")).unwrap_or_default().matches("start").count()
}

#[test]
fn one_process_answers_many_points_and_leaves_when_its_input_ends() {
    let (study, settings) = simulator();
    let mut started = study.start(settings);
    for i in 0..100 {
        let x = 10.0 + f64::from(i) / 3.0;
        assert_eq!(started.y(x), x);
    }
    drop(started);
    let log = std::fs::read_to_string(study.path("starts")).unwrap();
    assert_eq!(log, "start\nend\n");
}

#[test]
fn a_process_that_dies_costs_one_point_and_is_started_again() {
    let (study, settings) = simulator();
    let mut started = study.start(settings);
    assert_eq!(started.y(0.5), 0.5);
    let failure = started.at(&[1.0]).unwrap_err();
    assert_eq!(failure.kind, FailureKind::Crash);
    assert_eq!(failure.message, "the program ended with exit status 9 during the evaluation");
    assert_eq!(failure.detail, "broken at 1.0");
    let failure = started.at(&[2.0]).unwrap_err();
    assert!(failure.message.contains("signal 11 (SIGSEGV)"), "{}", failure.message);
    assert_eq!(started.y(0.5), 0.5);
    assert_eq!(starts(&study), 3);
}

#[test]
fn at_the_time_limit_the_group_is_ended_and_a_new_process_answers() {
    let (study, settings) = simulator();
    let mut started = study.start(settings.with("timeout", text("500ms")));
    let failure = started.at(&[3.0]).unwrap_err();
    assert_eq!(failure.kind, FailureKind::Timeout);
    let grandchild = pid_in(&study.path("grandchild"));
    eventually("the grandchild is gone", || !is_alive(grandchild));
    assert_eq!(started.y(0.5), 0.5);
    assert_eq!(starts(&study), 2);
}

#[test]
fn nonsense_is_bad_output_and_never_answers_the_next_point() {
    let (study, settings) = simulator();
    let mut started = study.start(settings);
    for (x, reason) in [
        (4.0, "iteration 1"),
        (6.0, "an answer to request 1000 instead of"),
        (7.0, "not a number"),
        (9.0, "a line without an end"),
    ] {
        let failure = started.at(&[x]).unwrap_err();
        assert_eq!(failure.kind, FailureKind::BadOutput, "{}", failure.message);
        assert!(failure.message.contains(reason), "{}", failure.message);
        assert_eq!(started.y(0.5), 0.5);
    }
}

#[test]
fn an_error_of_the_function_keeps_the_process() {
    let (study, settings) = simulator();
    let mut started = study.start(settings);
    let failure = started.at(&[5.0]).unwrap_err();
    assert_eq!((failure.kind, failure.message.as_str()), (FailureKind::Error, "no convergence"));
    assert_eq!(failure.detail, "here\nand there");
    assert_eq!(started.y(0.5), 0.5);
    assert_eq!(starts(&study), 1);
}

#[test]
fn a_reply_that_can_not_be_read_keeps_the_process_if_it_is_clear_what_it_answers() {
    let (study, settings) = simulator();
    let mut started = study.start(settings);
    for (x, reason) in [
        (7.1, "bad reply of the program: not a number: null"),
        (7.2, "bad reply of the program: not JSON (number out of range"),
        (7.3, "bad reply of the program: the reply has neither \"value\" nor \"error\""),
    ] {
        let failure = started.at(&[x]).unwrap_err();
        assert_eq!(failure.kind, FailureKind::BadOutput);
        assert!(failure.message.starts_with(reason), "{}", failure.message);
    }
    assert_eq!(started.y(0.5), 0.5);
    assert_eq!(starts(&study), 1);
}

#[test]
fn numbers_that_json_lacks_and_extra_data_come_back() {
    let (study, settings) = simulator();
    let value = study.start(settings).at(&[8.0]).unwrap();
    assert!(value.components[0].is_nan());
    assert_eq!(value.components[1..], [f64::NEG_INFINITY, f64::INFINITY]);
    assert_eq!(value.detail.unwrap().extra.as_deref(), Some(r#"{"n":3}"#));
}

#[test]
fn dropping_a_worker_ends_a_process_that_does_not_want_to() {
    let study = Study::new();
    let script = "trap '' TERM; echo $$ > pid; while :; do sleep 0.05; done";
    let started = study.start(sh("program", script));
    let pid = pid_in(&study.path("pid"));
    assert!(is_alive(pid));
    drop(started);
    assert!(!is_alive(pid));
}

#[test]
fn a_program_that_dies_at_each_start_is_named_as_the_reason() {
    let study = Study::new();
    let mut started = study.start(sh("program", "echo no license >&2; exit 1"));
    let kinds: Vec<_> = (0..4).map(|_| started.at(&[0.0]).unwrap_err().kind).collect();
    use FailureKind::{Crash, Setup};
    assert_eq!(kinds, [Crash, Crash, Setup, Setup]);
    let failure = started.at(&[0.0]).unwrap_err();
    assert!(failure.message.ends_with("for the 5th time in a row without an answer"), "{}", failure.message);
    assert_eq!(failure.detail, "no license");
}

#[test]
fn a_program_that_dies_at_its_first_points_is_asked_for_others() {
    let study = Study::new();
    let script = r#"while read line; do
        case "$line" in *'"point":-'*|*'"point":[-'*) exit 3;; esac
        echo '{"value":1}'
    done"#;
    let mut started = study.start(sh("program", script));
    for _ in 0..5 {
        let failure = started.at(&[-1.0]).unwrap_err();
        assert_eq!(failure.kind, FailureKind::Crash, "{failure}");
    }
    assert_eq!(started.y(1.0), 1.0);
}

#[test]
fn a_program_may_say_that_it_is_ready_and_leave_out_ids() {
    let study = Study::new();
    let script = "echo '{\"ready\":true}'; while read line; do echo; echo '{\"value\":true}'; done";
    let mut started = study.start(sh("program", script));
    assert_eq!((started.y(0.0), started.y(1.0)), (1.0, 1.0));
}

#[test]
fn a_long_request_is_written_to_its_end_though_a_line_comes_before() {
    let mut study = Study::new();
    let long = "a".repeat(300_000);
    study.parameters.0.push(("text".into(), adaptive_mpi::model::Parameter::Text(long)));
    let script = "sleep 0.2; echo '{\"ready\":true}'; sleep 0.2
        while read -r line; do echo \"{\\\"value\\\":${#line}}\"; done";
    let mut started = study.start(sh("program", script));
    for _ in 0..2 {
        assert!(started.y(0.0) > 300_000.0);
    }
}

#[test]
fn a_line_too_many_answers_no_other_point() {
    let study = Study::new();
    let script = "while read line; do echo '{\"value\":1}'; echo '{\"value\":2}'; done";
    let mut started = study.start(sh("program", script));
    for _ in 0..2 {
        assert_eq!(started.y(0.0), 1.0);
        // Both lines have come by now.
        std::thread::sleep(std::time::Duration::from_millis(200));
        let failure = started.at(&[0.0]).unwrap_err();
        assert_eq!(failure.kind, FailureKind::BadOutput);
        assert!(failure.message.ends_with("nobody has asked for: {\"value\":2}"), "{}", failure.message);
    }
}

#[test]
fn a_reply_that_says_ready_too_is_the_reply() {
    let study = Study::new();
    let script = "while read line; do echo '{\"ready\":true,\"value\":4}'; done";
    let mut started = study.start(sh("program", script).with("timeout", text("10s")));
    assert_eq!((started.y(0.0), started.y(0.0)), (4.0, 4.0));
}

#[test]
fn loading_is_no_part_of_the_first_point_of_a_program_that_says_when_it_has_loaded() {
    let study = Study::new();
    let load = |seconds: &str, ready: &str| {
        let script = format!("sleep {seconds}\n{ready}\nwhile read line; do echo '{{\"value\": 3}}'; done");
        sh("program", &script).with("timeout", text("2s")).with("start_timeout", text("6s"))
    };
    let mut started = study.start(load("3", "echo '{\"ready\":true}'"));
    assert_eq!(started.y(0.5), 3.0);
    for settings in [load("60", "echo '{\"ready\":true}'"), load("0", "")] {
        let mut started = study.start(settings);
        let failure = started.at(&[0.5]).unwrap_err();
        assert_eq!(failure.kind, FailureKind::Setup);
        assert!(failure.message.contains("by the line {\"ready\":true}"), "{}", failure.message);
    }
}

#[test]
fn a_death_before_any_request_is_no_fault_of_a_point() {
    let study = Study::new();
    let settings = sh("program", "exit 4").with("start_timeout", text("6s"));
    let failure = study.start(settings).at(&[0.5]).unwrap_err();
    assert_eq!(failure.kind, FailureKind::Setup);
    assert_eq!(failure.message, "the program ended with exit status 4 while it was loading");
}

#[test]
fn what_is_printed_while_loading_is_passed_over_where_the_program_says_when_it_has_loaded() {
    let study = Study::new();
    let script = "echo licence found; echo; echo '[1]'; echo '{\"ready\":true}'
        while read line; do echo '{\"value\": 3}'; done";
    let settings = sh("program", script).with("start_timeout", text("6s"));
    assert_eq!(study.start(settings).y(0.5), 3.0);
    // But not for ever.
    let settings = sh("program", "while :; do echo no licence; done").with("start_timeout", text("300ms"));
    assert!(study.start(settings).at(&[0.5]).unwrap_err().message.contains("did not load within 300ms"));
}

#[test]
fn a_missing_program_is_found_by_check_and_at_the_start() {
    let study = Study::new();
    let spec = study.spec(settings(&[("program", list(&["./simulator", "--serve"]))]));
    assert!(spec.check()[0].ends_with("simulator is missing"));
    let failure = spec.start().err().unwrap();
    assert_eq!(failure.kind, FailureKind::Setup);
}

/// The option keeps mawk from waiting for a full buffer of requests; gawk ignores it.
#[test]
fn awk_in_six_lines_is_a_program() {
    let study = Study::new().with_signature(&["x", "y"], false, false);
    let script = r#"{
        match($0, /"id":[0-9]+/); id = substr($0, RSTART + 5, RLENGTH - 5)
        match($0, /"point":\[[^\]]*/); split(substr($0, RSTART + 9, RLENGTH - 9), p, ",")
        printf "{\"id\":%d,\"value\":%.17g}\n", id, p[1] * p[2]
        fflush()
    }"#;
    let mut started = study.start(settings(&[("program", list(&["awk", "-W", "interactive", script]))]));
    assert_eq!(started.at(&[3.0, 0.5]).unwrap().y(), 1.5);
    assert_eq!(started.at(&[4.0, 0.5]).unwrap().y(), 2.0);
}

#[test]
fn a_seed_is_passed_where_the_learner_has_one() {
    let echo = r#"while read line; do seed=${line#*seed\":}; echo "{\"value\":${seed%%,*}}"; done"#;
    for (names, point) in [(&["x"][..], &[0.25][..]), (&[], &[])] {
        let study = Study::new().with_signature(names, true, true);
        let mut started = study.start(sh("program", echo));
        assert_eq!(started.at_seed(point, 7).unwrap().y(), 7.0);
    }
}
