use super::{Study, eventually, is_alive, list, pid_in, settings, sh, table, text};
use adaptive_mpi::function;
use adaptive_mpi::model::settings::SettingValue;
use adaptive_mpi::model::{FailureKind, Parameter};
use std::time::Duration;

#[test]
fn arguments_are_filled_in_and_the_last_line_is_the_value() {
    let study = Study::new();
    let script = "echo starting; echo \"$1 $2\"; echo";
    let command = list(&["sh", "-c", script, "sh", "{x}", "{offset}"]);
    let value = study.start(settings(&[("command", command)])).at(&[1e-9]).unwrap();
    assert_eq!(value.components[..], [1e-9, 0.5]);
}

#[test]
fn one_text_is_split_like_a_shell_does_and_no_shell_runs() {
    let study = Study::new();
    let mut started = study.start(settings(&[("command", text("printf '%s\\n' '$HOME' {point}"))]));
    assert_eq!(started.y(0.25), 0.25);
}

#[test]
fn a_point_of_several_coordinates_and_a_seed_are_passed() {
    let study = Study::new().with_signature(&["x", "y"], false, true);
    let mut started = study.start(settings(&[("command", list(&["echo", "{point} {y} {seed}"]))]));
    assert_eq!(started.at_seed(&[1.0, 2.0], 7).unwrap().components[..], [1.0, 2.0, 2.0, 7.0]);
}

#[test]
fn the_call_is_passed_as_json_and_read_back_as_json() {
    let study = Study::new().with_signature(&["x"], true, true);
    let settings = settings(&[("command", list(&["cat"])), ("stdin", text("json"))]);
    // Numbers are outputs; what is none is kept beside them.
    let value = study.start(settings).at_seed(&[0.25], 3).unwrap();
    assert_eq!(value.components[..], [0.25, 3.0, 0.25]);
    let detail = value.detail.unwrap();
    assert_eq!(detail.names, ["point", "seed", "x"]);
    assert_eq!(detail.extra.as_deref(), Some(r#"{"parameters":{"offset":0.5}}"#));
    let script = r#"read line; printf '{{"value": {{"r": 1, "t": 2}}, "extra": %s}}' "$line""#;
    let settings = sh("command", script).with("stdin", text("json"));
    let value = study.start(settings).at_seed(&[0.25], 3).unwrap();
    let detail = value.detail.unwrap();
    assert_eq!(detail.names, ["r", "t"]);
    let expected = r#"{"point":0.25,"seed":3,"parameters":{"offset":0.5},"x":0.25}"#;
    assert_eq!(detail.extra.as_deref(), Some(expected));
}

#[test]
fn any_text_can_be_the_input() {
    let study = Study::new();
    let settings = settings(&[("command", list(&["cat"])), ("stdin", text("# {note\n{x} {offset}\n"))]);
    assert_eq!(study.start(settings).at(&[3.0]).unwrap().components[..], [3.0, 0.5]);
}

#[test]
fn input_larger_than_a_pipe_does_not_lock_up() {
    let study = Study::new();
    let big = format!("{}\n{{x}}\n", "7 ".repeat(500_000));
    let settings = settings(&[("command", list(&["cat"])), ("stdin", text(&big))]);
    assert_eq!(study.start(settings).y(3.0), 3.0);
}

#[test]
fn a_command_that_ignores_its_input_is_fine() {
    let study = Study::new();
    let big = "7 ".repeat(500_000);
    let settings = sh("command", "exec <&-; echo 4").with("stdin", text(&big));
    assert_eq!(study.start(settings).y(3.0), 4.0);
}

#[test]
fn template_files_are_made_and_output_files_read_in_a_scratch_folder_that_goes_away() {
    let study = Study::new().file("in.txt.in", "{\"gain\": {x}, \"keep\": {{x}}}\n");
    let settings =
        sh("command", "pwd > \"$0/where\"; cp in.txt log; echo 'gain = 3.5 dB' >> log; echo 1 2 >> log")
            .with("template", table(&[("in.txt", text("in.txt.in"))]))
            .with("output", table(&[("file", text("log")), ("pattern", text("gain ="))]));
    let command = settings.entries()[0].2.value.clone();
    let SettingValue::List(mut words) = command else { panic!() };
    words.push(adaptive_mpi::model::settings::Setting { value: text("{study}"), span: 0..0 });
    let mut with_study = super::Table::new("function").with("command", SettingValue::List(words));
    for (key, span, setting) in &settings.entries()[1..] {
        with_study.push(key.clone(), span.clone(), setting.clone());
    }
    assert_eq!(study.start(with_study).y(0.25), 3.5);
    let scratch = std::fs::read_to_string(study.path("where")).unwrap();
    assert!(scratch.contains("adaptive-mpi-"), "{scratch}");
    assert!(!std::path::Path::new(scratch.trim()).exists());
}

#[test]
fn an_output_file_of_another_point_is_never_read() {
    let study = Study::new();
    let settings = |file: &str| {
        let file = table(&[("file", text(file))]);
        let script = "test \"$0\" = 1.0 || echo \"$0\" > \"$1\"";
        let command = list(&["sh", "-c", script, "{x}", &study.path("out").display().to_string()]);
        super::settings(&[("command", command), ("output", file)])
    };
    let absolute = study.path("out").display().to_string();
    for file in [absolute.as_str(), "{study}/out"] {
        let mut started = study.start(settings(file));
        assert_eq!(started.y(3.0), 3.0);
        let failure = started.at(&[1.0]).unwrap_err();
        assert_eq!(failure.kind, FailureKind::BadOutput);
        assert!(failure.message.contains("has not written its output file"), "{}", failure.message);
        assert_eq!(started.y(2.0), 2.0);
    }
    // A file for this point alone is the command's business.
    let study = study.file("out-1.0-0.5", "7");
    let file = table(&[("file", text("{study}/out-{x}-{offset}"))]);
    let settings = super::settings(&[("command", list(&["true"])), ("output", file)]);
    assert_eq!(study.start(settings).y(1.0), 7.0);
    // So is one that is made of a template.
    let study = study.file("in", "{x}");
    let settings = super::settings(&[("command", list(&["true"]))])
        .with("template", table(&[("data", text("in"))]))
        .with("output", table(&[("file", text("data"))]));
    assert_eq!(study.start(settings).y(6.0), 6.0);
}

#[test]
fn the_scratch_folder_of_a_failure_can_be_kept() {
    let study = Study::new().file("a.in", "x={x}");
    let settings = sh("command", "exit 3")
        .with("template", table(&[("a", text("a.in"))]))
        .with("scratch", text("."))
        .with("keep_scratch", text("failed"));
    let failure = study.start(settings).at(&[0.25]).unwrap_err();
    let kept = failure.detail.strip_prefix("kept: ").unwrap();
    assert_eq!(std::fs::read_to_string(format!("{kept}/a")).unwrap(), "x=0.25");
}

#[test]
fn the_working_folder_and_relative_programs_are_the_studys() {
    let study = Study::new().file("run.sh", "#!/bin/sh\ntest -f marker && echo 1\n").file("marker", "");
    compile_mode(&study, "run.sh");
    assert_eq!(study.start(settings(&[("command", list(&["./run.sh"]))])).y(0.0), 1.0);
    let elsewhere = settings(&[("command", list(&["./run.sh"])), ("cwd", text("scratch"))]);
    assert_eq!(study.start(elsewhere).at(&[0.0]).unwrap_err().kind, FailureKind::Error);
}

fn compile_mode(study: &Study, name: &str) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(study.path(name), std::fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn an_exit_status_is_an_error_with_the_last_lines_of_stderr() {
    let study = Study::new();
    let script = "for i in $(seq 100); do echo line $i >&2; done; echo 5; exit 3";
    let failure = study.start(sh("command", script)).at(&[0.0]).unwrap_err();
    assert_eq!(failure.kind, FailureKind::Error);
    assert_eq!(failure.message, "the command ended with exit status 3: line 100");
    assert!(failure.detail.starts_with("line 81\n") && failure.detail.ends_with("line 100"));
}

#[test]
fn a_signal_is_a_crash_by_name() {
    let study = Study::new();
    let failure = study.start(sh("command", "kill -SEGV $$")).at(&[0.0]).unwrap_err();
    assert_eq!(failure.kind, FailureKind::Crash);
    assert!(failure.message.contains("signal 11 (SIGSEGV)"), "{}", failure.message);
}

#[test]
fn what_can_not_be_started_at_one_point_is_the_fault_of_that_point() {
    let mut study = Study::new().file("run-1.0.sh", "#!/bin/sh\necho 7\n");
    compile_mode(&study, "run-1.0.sh");
    let mut started = study.start(settings(&[("command", list(&["./run-{x}.sh"]))]));
    let failure = started.at(&[2.0]).unwrap_err();
    assert_eq!(failure.kind, FailureKind::Error);
    assert!(failure.message.ends_with("run-2.0.sh is missing"), "{}", failure.message);
    assert_eq!(started.y(1.0), 7.0);
    study.parameters.0.push(("long".into(), Parameter::Text("7".repeat(200_000))));
    let failure = study.start(settings(&[("command", list(&["echo", "{long}"]))])).at(&[0.0]).unwrap_err();
    assert_eq!(failure.kind, FailureKind::Error);
    assert!(failure.message.starts_with("can't start echo: "), "{}", failure.message);
}

#[test]
fn output_without_numbers_is_bad_output() {
    let study = Study::new();
    for (script, reason) in [("", "empty"), ("echo done", "`done`"), ("echo '{{\"value\":'", "not JSON")] {
        let failure = study.start(sh("command", script)).at(&[0.0]).unwrap_err();
        assert_eq!(failure.kind, FailureKind::BadOutput);
        assert!(failure.message.contains(reason), "{}", failure.message);
    }
    let nan = study.start(sh("command", "echo NaN")).at(&[0.0]).unwrap();
    assert!(nan.y().is_nan());
}

#[test]
fn endless_output_is_cut_off_with_bounded_memory() {
    let study = Study::new();
    let failure = study.start(sh("command", "exec yes 1234567890")).at(&[0.0]).unwrap_err();
    assert_eq!(failure.kind, FailureKind::BadOutput);
    assert_eq!(failure.message, "the command printed more than 64 MiB");
    // As much on the error stream neither fills the memory nor stops the command.
    let script = "yes 1234567890 | head -c 100000000 >&2; echo 2";
    assert_eq!(study.start(sh("command", script)).y(0.0), 2.0);
}

#[test]
fn a_program_whose_name_the_kernel_cuts_within_a_character_ends_at_the_time_limit() {
    let script = "#!/bin/sh\ntrap '' TERM\nmkfifo pipe\necho $$ > pid\nread line < pipe\n";
    let study = Study::new().file("strooooooooooo\u{f6}", script);
    compile_mode(&study, "strooooooooooo\u{f6}");
    let settings = settings(&[("command", list(&["./strooooooooooo\u{f6}"])), ("timeout", text("500ms"))]);
    assert_eq!(study.start(settings).at(&[0.0]).unwrap_err().kind, FailureKind::Timeout);
    assert!(!is_alive(pid_in(&study.path("pid"))));
}

#[test]
fn at_the_time_limit_the_whole_group_is_ended_also_what_ignores_sigterm() {
    let study = Study::new();
    let script = "sh -c 'trap \"\" TERM; echo $$ > grandchild; while :; do sleep 1; done' & \
                  echo $$ > child; wait";
    let settings = sh("command", script).with("timeout", text("500ms"));
    let failure = study.start(settings).at(&[0.0]).unwrap_err();
    assert_eq!(failure.kind, FailureKind::Timeout);
    assert_eq!(failure.message, "the command took longer than 500ms");
    for name in ["child", "grandchild"] {
        let pid = pid_in(&study.path(name));
        eventually("the process is gone", || !is_alive(pid));
    }
}

#[test]
fn at_the_time_limit_what_has_left_the_group_is_ended_too() {
    let study = Study::new();
    let script = "setsid sh -c 'echo $$ > daemon; trap \"\" TERM; while :; do sleep 1; done' & \
                  setsid sh -c 'trap \"echo asked > asked; exit\" TERM; echo $$ > polite; \
                                while :; do sleep 0.1; done' & \
                  wait";
    let settings = sh("command", script).with("timeout", text("4s"));
    assert_eq!(study.start(settings).at(&[0.0]).unwrap_err().kind, FailureKind::Timeout);
    for name in ["daemon", "polite"] {
        let pid = pid_in(&study.path(name));
        eventually("the process is gone", || !is_alive(pid));
    }
    assert!(study.path("asked").exists());
}

#[test]
fn a_command_that_has_ended_is_noticed_while_its_background_process_keeps_printing() {
    let study = Study::new();
    let script = "(while :; do echo noise >&2; done) & echo 8";
    let settings = sh("command", script).with("timeout", text("10s"));
    assert_eq!(study.start(settings).y(0.0), 8.0);
}

#[test]
fn a_background_process_that_holds_the_pipes_neither_delays_the_value_nor_stays() {
    let study = Study::new();
    let script = "sleep 1000 & echo $! > background; echo 6";
    assert_eq!(study.start(sh("command", script)).y(0.0), 6.0);
    let pid = pid_in(&study.path("background"));
    eventually("the background process is gone", || !is_alive(pid));
}

#[test]
fn a_command_that_closes_its_output_early_is_waited_for() {
    let study = Study::new();
    let script = "echo 7; exec 1>&- 2>&-; sleep 0.2; exit 4";
    let failure = study.start(sh("command", script)).at(&[0.0]).unwrap_err();
    assert!(failure.message.contains("exit status 4"), "{}", failure.message);
}

#[test]
fn threads_and_env_reach_the_command() {
    let study = Study::new();
    let settings = sh("command", "echo $OMP_NUM_THREADS $MKL_NUM_THREADS $MINE")
        .with("threads", SettingValue::Integer(3))
        .with("env", table(&[("MINE", text("8"))]));
    assert_eq!(study.start(settings).at(&[0.0]).unwrap().components[..], [3.0, 3.0, 8.0]);
}

#[test]
fn a_missing_program_is_found_by_check_and_is_a_setup_failure() {
    let study = Study::new().file("here", "");
    compile_mode(&study, "here");
    for (program, problem) in [
        ("no-such-program", "the program no-such-program is not in PATH"),
        ("here", "the program here is not in PATH: write ./here for the one in the study's folder"),
    ] {
        let command = settings(&[("command", list(&[program]))]);
        assert_eq!(study.spec(command.clone()).check(), [problem]);
        let failure = study.spec(command).start().err().unwrap();
        assert_eq!((failure.kind, failure.message.as_str()), (FailureKind::Setup, problem));
    }
    assert_eq!(study.spec(sh("command", "echo 1")).check(), Vec::<String>::new());
}

#[test]
fn a_program_is_looked_for_in_the_path_that_it_gets() {
    let study = Study::new();
    std::fs::create_dir(study.path("bin")).unwrap();
    let study = study.file("bin/my-simulator", "#!/bin/sh\necho 5\n");
    compile_mode(&study, "bin/my-simulator");
    for path in [study.path("bin").display().to_string(), "bin".into()] {
        let path = table(&[("PATH", text(&format!("{path}:/usr/bin:/bin")))]);
        let command = list(&["my-simulator"]);
        let settings = settings(&[("command", command.clone()), ("init", command), ("env", path)]);
        assert_eq!(study.spec(settings.clone()).check(), Vec::<String>::new());
        assert_eq!(study.start(settings).y(0.0), 5.0);
    }
}

#[test]
fn mistakes_in_the_settings_are_found_at_load() {
    let study = Study::new().file("a.in", "{ofset}");
    let refused = |table| function::from_settings(&table, &study.context()).unwrap_err();
    let error = refused(settings(&[("command", list(&["sim", "{ofset}"]))]));
    assert_eq!(error.message, "unknown placeholder `{ofset}`");
    assert!(error.help.starts_with("did you mean `{offset}`? known: x, offset, point"), "{}", error.help);
    let seed = refused(settings(&[("command", list(&["sim", "{seed}"]))]));
    assert_eq!(seed.message, "unknown placeholder `{seed}`");
    let sim = |key: &str, value| settings(&[("command", list(&["sim"])), (key, value)]);
    assert!(refused(sim("template", table(&[("a", text("a.in"))]))).message.contains("unknown placeholder"));
    assert!(
        refused(sim("template", table(&[("a", text("b.in"))]))).message.contains("can't read the template")
    );
    assert!(refused(sim("template", table(&[("../a", text("a.in"))]))).message.contains("outside"));
    assert_eq!(refused(sim("cwd", text("scrath"))).help, "did you mean `scratch`?");
    assert!(refused(settings(&[("command", list(&[]))])).message.contains("names no program"));
    assert!(refused(settings(&[("command", text("a 'b"))])).message.contains("quote"));
}

#[test]
fn an_initialiser_runs_once_before_the_first_point() {
    let study = Study::new();
    let command = |init: &[&str]| {
        let script = "echo point >>log; grep -c . log";
        settings(&[("command", list(&["sh", "-c", script])), ("init", list(init))])
    };
    let mut started = study.start(command(&["sh", "-c", "echo prepared >>log"]));
    assert_eq!((started.y(0.0), started.y(1.0)), (2.0, 3.0));
    assert_eq!(std::fs::read_to_string(study.path("log")).unwrap(), "prepared\npoint\npoint\n");

    // Its time is not that of the point.
    let mut started = study.start(command(&["sleep", "0.2"]));
    assert!(started.function.prepare().unwrap() >= Duration::from_millis(200));
    assert_eq!(started.function.prepare().unwrap(), Duration::ZERO);

    let mut started = study.start(command(&["sh", "-c", "echo no licence >&2; exit 3"]));
    for _ in 0..2 {
        let failure = started.at(&[0.0]).unwrap_err();
        assert_eq!(failure.kind, FailureKind::Setup);
        assert_eq!(failure.message, "function.init ended with exit status 3");
        assert_eq!(failure.detail, "no licence");
    }
    let slow = command(&["sleep", "100"]).with("start_timeout", text("200ms"));
    assert!(study.start(slow).at(&[0.0]).unwrap_err().message.contains("function.start_timeout"));
    let missing = study.spec(command(&["./prepare"])).check();
    assert!(missing[0].ends_with("prepare is missing (function.init)"), "{missing:?}");
}
