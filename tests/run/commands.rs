//! Every command and its exit codes, on studies that are well and on such that are not.

use crate::study_run::{Folder, check_rows};
use crate::{PEAK, peak};
use adaptive_mpi::checkpoint::Fact;
use adaptive_mpi::study::template::{FUNCTION_PARTS, LEARNER_PARTS};
use nix::sys::signal::Signal;
use std::time::Duration;

#[test]
fn a_run_reaches_its_goal_and_a_second_one_has_nothing_to_do() {
    let folder = Folder::new(PEAK);
    let summary = folder.run(0, &["--json"]).json();
    assert_eq!((&summary["ended"], &summary["exit"]), (&"goal reached: npoints >= 30".into(), &0.into()));
    let rows = folder.rows();
    check_rows(&[], &rows, peak);
    assert!(rows.len() >= 90 && summary["npoints"] == rows.len() && summary["told"] == rows.len());
    let again = folder.run(0, &["--json"]).json();
    assert_eq!((&again["told"], &again["npoints"]), (&0.into(), &rows.len().into()));
    assert_eq!(folder.rows(), rows);
}

#[test]
fn what_a_run_says_goes_to_standard_error_and_quiet_is_silent() {
    let folder = Folder::new(PEAK);
    let ended = folder.run(0, &[]).says("adaptive: builtin peak").says("goal reached: npoints >= 30");
    assert_eq!(ended.out, "");
    let quiet = Folder::new(PEAK).run(0, &["--quiet"]);
    assert_eq!((quiet.out, quiet.err), (String::new(), String::new()));
}

#[test]
fn a_run_goes_on_where_nobody_reads_what_it_says() {
    let function = "command = ['sh', '-c', 'echo noise >&2; echo 1']";
    let folder = Folder::new(&format!(
        "[function]\n{function}\n[learner]\ntype = '1d'\nbounds = [0, 1]\n[goal]\nnpoints = 5\n"
    ));
    let run = folder.command(&["run"]).after("exec 2> >(true); sleep 0.2");
    run.env("RUST_LOG", "debug").end().expect(0);
    assert!(folder.rows().len() >= 5);
}

#[test]
fn status_tells_each_stage_of_a_study() {
    let study = PEAK.replace("builtin = \"peak\"", "expression = \"offset\"");
    let folder = Folder::new(&format!("goal = \"forever\"\n{}", study.replace("[goal]\nnpoints = 30\n", "")));
    let status = |key: &str| folder.status()[key].clone();
    assert_eq!((status("state"), status("npoints")), ("not started".into(), 0.into()));
    assert!(!folder.file("data").exists(), "asking for the status makes no files");

    let mut running = folder.command(&["run", "--quiet"]).start();
    let live = || folder.file("data/adaptive.status.json").exists() && !folder.read().is_empty();
    assert!(running.until(|_| live()), "{}", running.said());
    let now = folder.status();
    assert_eq!(now["state"], "running");
    let holder = now["holder"].as_str().unwrap();
    assert!(holder.contains(&format!("process {}", running.pid())), "{holder}");
    assert_eq!(now["live"]["pid"], running.pid());
    let text = folder.command(&["status"]).end().expect(0).out;
    assert!(text.contains("adaptive: running") && text.contains("workers busy"), "{text}");

    // One that is stopped says nothing any more, and what it has said last is of the past.
    running.signal(Signal::SIGSTOP);
    let mut said: serde_json::Value =
        serde_json::from_str(&folder.text("data/adaptive.status.json")).unwrap();
    said["updated"] = "2026-01-01T00:00:00Z".into();
    folder.write("data/adaptive.status.json", said.to_string());
    let silent = folder.status();
    assert!(silent["silent_s"].as_f64().unwrap() > 60.0 && now["silent_s"].is_null(), "{silent}");
    assert!(silent["live"]["rate_per_s"].is_null() && now["live"]["rate_per_s"].is_number(), "{silent}");
    let text = folder.command(&["status"]).end().expect(0).out;
    assert!(text.contains("adaptive: running, but no sign of life for ") && !text.contains("busy"), "{text}");

    running.kill_all();
    assert_eq!(running.end().code, None);
    let npoints = status("npoints").as_u64().unwrap();
    assert!(npoints >= now["npoints"].as_u64().unwrap());
    assert_eq!(status("state"), "killed");
    assert!(folder.command(&["status"]).end().out.contains("the same command goes on"));

    folder.write("adaptive.toml", study.replace("30", "3"));
    folder.run(0, &["--quiet"]);
    assert_eq!((status("state"), status("holder")), ("goal reached".into(), serde_json::Value::Null));
    let all = folder.status();
    assert_eq!(all["finished_learners"], 3);
    let by_learner = all["by_learner"].as_array().unwrap();
    assert_eq!(by_learner.len(), 3);
    assert_eq!(by_learner[0]["parameters"], "offset=-0.5");
    let sum: u64 = by_learner.iter().map(|learner| learner["npoints"].as_u64().unwrap()).sum();
    assert_eq!(all["npoints"], sum);
    let text = folder.command(&["status", "--learners"]).end().expect(0).out;
    assert!(text.contains("goal reached") && text.contains("offset=0.5"), "{text}");
    assert!(all["ended_at"].as_f64().unwrap() > 1e9, "{all}");
}

#[test]
fn status_holds_a_goal_that_was_reached_against_the_study_as_it_is_now() {
    let status = |folder: &Folder| folder.status()["state"].as_str().unwrap().to_owned();
    let folder = Folder::new(PEAK);
    folder.run(0, &["--quiet"]);
    assert_eq!(status(&folder), "goal reached");
    let text = folder.text("adaptive.toml");
    for (from, to, state) in [
        ("npoints = 30", "npoints = 3 # fewer", "goal reached"),
        ("npoints = 30", "npoints = 3000", "stopped"),
        ("npoints = 30", "duration = '1s'", "stopped"),
    ] {
        folder.write("adaptive.toml", text.replace(from, to));
        assert_eq!(status(&folder), state, "{to}");
    }
    let said = folder.command(&["status"]).end().expect(0).out;
    assert!(said.contains("goal reached: npoints >= 30, before the study was changed"), "{said}");

    // A time that has passed says nothing of another one.
    let timed = text.replace("npoints = 30", "duration = '300ms'");
    let folder = Folder::new(&timed);
    folder.run(0, &["--quiet"]);
    for (study, state) in [
        (timed.clone(), "goal reached"),
        (format!("# a comment\n{timed}"), "goal reached"),
        (timed.replace("300", "400"), "stopped"),
    ] {
        folder.write("adaptive.toml", &study);
        assert_eq!(status(&folder), state, "{study}");
    }
}

#[test]
fn results_are_exported_as_tables() {
    let folder = Folder::new(PEAK);
    let none = folder.command(&["export"]).end().expect(2).says("no results").says("help: run the study");
    assert_eq!(none.out, "");
    folder.run(0, &["--quiet"]);
    let rows = folder.rows();
    let json = folder.export();
    assert_eq!(json.len(), rows.len());
    for (cells, row) in json.iter().zip(&rows) {
        assert_eq!(cells["x"].as_f64(), Some(row.point[0]));
        assert_eq!(cells["value"].as_f64(), Some(row.values[0]));
        assert_eq!(cells["offset"].as_f64(), Some([-0.5, 0.0, 0.5][row.learner as usize]));
    }
    let csv = folder.command(&["export"]).end().expect(0).out;
    assert_eq!(csv.lines().count(), rows.len() + 1);
    assert!(csv.starts_with("learner,offset,x,value,"), "{csv}");
    folder.command(&["export", "-o", "table.csv"]).end().expect(0);
    assert_eq!(folder.text("table.csv"), csv);
    folder.command(&["export", "-o", "table.json"]).end().expect(0);
    assert!(folder.text("table.json").contains("\"columns\""));
    folder.command(&["export", "--format", "xls"]).end().expect(2).says("csv");
    folder.command(&["export", "-o", "missing/table.csv"]).end().expect(6).says("missing/table.csv");
    // Only some learners, as with a grid.
    let of_last = |line: &&str| line.starts_with("2,0.5,") || line.starts_with("learner,");
    let last: Vec<&str> = csv.lines().filter(of_last).collect();
    for chosen in [["--learner", "2"], ["--where", "offset=0.5"], ["--where", "offset=0.5,offset=0.5"]] {
        let out = folder.command(&[&["export"][..], &chosen].concat()).end().expect(0).out;
        assert_eq!(out.lines().collect::<Vec<_>>(), last);
    }
    for (chosen, message) in [
        (["--learner", "3"], "there is no learner 3"),
        (["--where", "ofset=0.5"], "did you mean `offset`?"),
        (["--where", "offset=0.7"], "no learner has"),
    ] {
        let ended = folder.command(&[&["export"][..], &chosen].concat()).end().expect(2).says(message);
        assert!(ended.out.is_empty() && ended.err.contains("help: "), "{}", ended.err);
    }
}

#[test]
fn tables_replace_files_and_nothing_else() {
    use std::os::unix::fs::{FileTypeExt, symlink};
    let folder = Folder::new(PEAK);
    folder.run(0, &["--quiet"]);
    let csv = folder.command(&["export"]).end().expect(0).out;
    let export = |to: &str| folder.command(&["export", "-o", to]).end();
    for (link, target) in [("full", "/dev/full"), ("stdout", "/dev/stdout"), ("later", "later.csv")] {
        symlink(target, folder.file(link)).unwrap();
    }
    export("full").expect(6).says("full").says("No space left");
    assert_eq!(export("stdout").expect(0).out, csv);
    for _ in 0..2 {
        export("later").expect(0);
        assert_eq!(folder.text("later.csv"), csv);
    }
    for link in ["full", "stdout", "later"] {
        assert!(folder.file(link).is_symlink(), "{link}");
    }
    // What a shell appends to stays.
    let appended =
        folder.command(&["export", "-o", "/proc/self/fd/1"]).after("echo before > all.csv; exec >> all.csv");
    appended.end().expect(0);
    assert_eq!(folder.text("all.csv"), format!("before\n{csv}"));
    folder.program("mkfifo".as_ref(), &["pipe"]).end().expect(0);
    let reader = folder.program("cat".as_ref(), &["pipe"]).start();
    export("pipe").expect(0);
    assert!(folder.file("pipe").metadata().unwrap().file_type().is_fifo());
    assert_eq!(reader.end().out, csv);
}

#[test]
fn a_new_study_can_be_checked_and_run_as_it_is() {
    let folder = Folder::new("");
    for part in FUNCTION_PARTS {
        let file = format!("{}.toml", part.name);
        folder
            .command(&["new", "--function", part.name, &file])
            .end()
            .expect(0)
            .says(&format!("wrote {file}"));
        let text = folder.text(&file);
        folder.command(&["new", &file]).end().expect(2).says("--force");
        assert_eq!(folder.text(&file), text, "an existing file is not touched");
        let check = folder.command(&["check", &file]).end();
        match part.name {
            "expression" | "builtin" => {
                check.expect(0);
                folder.command(&["run", "--quiet", &file]).end().expect(0);
            }
            // What these describe is the user's to bring.
            "rust" => drop(check.expect(2).says("this program has no Rust function")),
            _ => drop(check.expect(2).says(&format!("{file}:")).says("help: ").says(match part.name {
                "python" => "model.py is missing",
                "command" => "simulate is missing",
                "program" => "simulator is missing",
                _ => "libmodel.so",
            })),
        }
    }
    folder.command(&["new", "--force", "rust.toml", "--function", "builtin"]).end().expect(0);
    folder.command(&["check", "rust.toml"]).end().expect(0);
    folder.command(&["new", "--learner", "sequence", "s.toml"]).end().expect(0);
    folder.command(&["check", "s.toml"]).end().expect(0);
    for function in ["expression", "builtin"] {
        for learner in LEARNER_PARTS {
            let new = ["new", "--force", "n.toml", "--function", function, "--learner", learner.name];
            folder.command(&new).end().expect(0);
            folder.command(&["check", "--evaluate", "3", "n.toml"]).end().expect(0);
        }
    }
    folder.command(&["new", "--function", "pyton", "p.toml"]).end().expect(2).says("did you mean `python`?");
    assert!(!folder.file("p.toml").exists());
}

#[test]
fn what_is_wrong_with_an_initialiser_is_shown_at_its_line() {
    for (function, said) in [
        ("python = 'model.py:h'\ninit = 'prepaer'", "has no 'prepaer', did you mean 'prepare'?"),
        ("command = 'echo {x}'\ninit = './prepare'", "prepare is missing (function.init)"),
    ] {
        let learner = "[learner]\ntype = '1d'\nbounds = [0, 1]\n[goal]\nnpoints = 5\n";
        let folder = Folder::new(&format!("[function]\n{function}\n{learner}"));
        folder.write("model.py", "def prepare(): pass\ndef h(x): return x\n");
        folder.command(&["check"]).end().expect(2).says(said).says("adaptive.toml:3:8").says("help: ");
    }
}

#[test]
fn the_variable_for_workers_gives_way_to_options_and_is_named_where_it_is_wrong() {
    let folder = Folder::new(PEAK);
    let with = |value: &str, options: &[&str]| {
        let run = folder.command(&[&["run"], options].concat());
        run.env("ADAPTIVE_MPI_MAX_WORKERS", value).end()
    };
    with("many", &["--workers", "1"]).expect(0).says("1 worker");
    with("", &[]).expect(0).says("2 workers");
    for wrong in ["many", "0", "-1"] {
        with(wrong, &[]).expect(2).says("ADAPTIVE_MPI_MAX_WORKERS can't be").says("help: set it to");
    }
    let both = folder.command(&["run", "--workers", "1", "--max-workers", "1"]);
    both.end().expect(2).says("cannot be used with");
}

#[test]
fn a_folder_is_no_data_file() {
    let function = "python = 'model.py:h'\ndata = 'tables'";
    let study = PEAK.replace("builtin = \"peak\"", function);
    let folder = Folder::new(&study);
    folder.write("model.py", "def h(x, offset): return x\n");
    std::fs::create_dir(folder.file("tables")).unwrap();
    let said = folder.command(&["check"]).end().expect(2);
    said.says("tables is a folder").says("adaptive.toml:4:8").says("help: name the files in it");
}

#[test]
fn check_shows_what_will_happen_and_evaluates_on_request() {
    let folder = Folder::new(PEAK);
    let check = folder.command(&["check", "--json", "--evaluate", "2"]).end().expect(0).json();
    assert_eq!((&check["learners"], &check["learner"]), (&3.into(), &"balancing".into()));
    assert_eq!(check["evaluated"].as_array().unwrap().len(), 2);
    assert!(check["evaluated"][0]["value"].is_array(), "{check}");
    let text = folder.command(&["check", "--evaluate"]).end().expect(0).out;
    assert!(text.contains("f(-1.0 with offset=-0.5) = ["), "{text}");
    assert!(!folder.file("data").exists(), "a check makes no files");

    folder.write(
        "adaptive.toml",
        PEAK.replace("\"peak\"", "\"fail\"\n").replace("offset", "rate").replace("-0.5", "1.0"),
    );
    folder.command(&["check", "--evaluate", "1"]).end().expect(4).says("failed at its first points");
}

#[test]
fn a_study_that_is_missing_or_malformed_is_exit_2_and_touches_nothing() {
    let folder = Folder::new(PEAK);
    for command in ["run", "check", "status", "export"] {
        folder.command(&[command, "none.toml"]).end().expect(2).says("none.toml").says("help: ");
    }
    for (from, to, message) in [
        ("builtin = \"peak\"", "builtin = \"peek\"", "did you mean `peak`?"),
        ("builtin = \"peak\"", "buildin = \"peak\"", "adaptive.toml:3"),
        ("builtin = \"peak\"", "expression = \"x + \"", "adaptive.toml:3"),
        ("builtin = \"peak\"", "expression = \"x + y\"", "y"),
        ("builtin = \"peak\"", "python = \"model.py\"", "model.py:h"),
        ("builtin = \"peak\"", "command = []", "adaptive.toml:3"),
        ("builtin = \"peak\"", "builtin = \"peak\"\nexpression = \"x\"", "expression"),
        ("builtin = \"peak\"", "builtin = \"peak\"\ntimeout = \"soon\"", "adaptive.toml:4"),
        ("builtin = \"peak\"", "builtin = \"ring_2d\"", "2"),
        ("\"1d\"", "\"1f\"", "did you mean `1d`?"),
        ("bounds = [-1, 1]", "bounds = [1, -1]", "adaptive.toml:10"),
        ("bounds = [-1, 1]", "bounds = [-1]", "adaptive.toml:10"),
        ("bounds = [-1, 1]", "bounds = [-1, 1]\nloss = \"curvture\"", "did you mean `curvature`?"),
        ("bounds = [-1, 1]", "", "bounds"),
        ("npoints = 30", "npoint = 30", "did you mean `npoints`?"),
        ("[learner]", "[lerner]", "did you mean `learner`?"),
        ("[parameters]", "[parameters", "adaptive.toml:5"),
        ("workers = 2", "workers = 0", "run.workers"),
    ] {
        assert!(PEAK.contains(from), "{from}");
        let study = PEAK.replace(from, to);
        folder.write("adaptive.toml", &study);
        let run = folder.command(&["run"]).end().expect(2).says(message).says("help: ");
        assert!(!run.err.contains("panicked"), "{}", run.err);
        folder.command(&["check"]).end().expect(2);
        assert!(!folder.file("data").exists(), "{to}");
    }
}

#[test]
fn wrong_usage_is_exit_2_with_help() {
    let folder = Folder::new(PEAK);
    folder.command(&["rum"]).end().expect(2).says("run");
    folder.command(&["run", "--wrokers", "3"]).end().expect(2).says("--workers");
    folder.command(&["run", "--walltime", "tomorrow"]).end().expect(2).says("90s, 10min");
    for zero in ["0", "0s"] {
        folder.command(&["run", "--walltime", zero]).end().expect(2).says("leave the option out");
    }
    // As in the study file.
    for time in ["1d", "2h 30min", "1 day 2 hours", "5000", "90.5e3"] {
        folder.command(&["run", "--quiet", "--walltime", time]).end().expect(0);
    }
    folder.command(&["run", "--workers", "0"]).end().expect(2).says("from 1 to");
    folder
        .command(&["run", "--workers", "900000"])
        .end()
        .expect(3)
        .says("can't be started")
        .says("help: lower");
    folder.command(&[]).end().expect(2).says("Usage:");
    assert!(folder.command(&["--help"]).end().expect(0).out.contains("Exit codes: 0 goal reached"));
    assert!(folder.command(&["--version"]).end().expect(0).out.starts_with("adaptive-mpi "));
}

#[test]
fn worker_threads_that_can_not_be_started_end_the_run_with_advice_and_none_stays() {
    let folder = Folder::new(PEAK);
    // Room for the stacks of two, and for everything else.
    let run = folder.command(&["run", "--workers", "4"]).env("RUST_MIN_STACK", &(1_u64 << 30).to_string());
    let ended = run.after("ulimit -v 2700000").end().expect(3);
    ended.says("error: only 2 of 4 worker threads could be started").says("help: start fewer (`--workers`)");
    assert!(!folder.file("data").exists(), "nothing was begun");
}

#[test]
fn the_time_that_a_function_takes_to_load_is_not_counted_as_its_own() {
    let loading = Duration::from_secs(2);
    let folder = Folder::new(
        "[function]\npython = 'model.py:h'\n[learner]\ntype = '1d'\nbounds = [0, 1]\n[goal]\nnpoints = 4\n\
         [run]\nworkers = 2\n",
    );
    folder.write("model.py", format!("import time\ntime.sleep({})\ndef h(x): return x\n", loading.as_secs()));
    let ended = folder.run(0, &["--json"]);
    assert!(ended.took >= loading);
    let said: serde_json::Value = serde_json::from_str(&ended.out).unwrap();
    let computed = said["function_s"].as_f64().unwrap();
    assert!(computed > 0.0 && computed < loading.as_secs_f64() / 2.0, "{said}");
    let brief = |fact| matches!(fact, Fact::Told(told) if told.meta.duration < loading.as_secs_f64() / 2.0);
    assert!(folder.read().facts().all(brief));
}

#[test]
fn output_that_can_not_be_written_is_no_success() {
    let folder = Folder::new(PEAK);
    for command in [&["check", "--json"][..], &["run", "--json"], &["status"], &["functions"]] {
        folder.command(command).after("exec > /dev/full").end().expect(6).says("the output can't be written");
    }
    folder.command(&["status"]).after("exec > >(true); sleep 0.2").end().expect(0);
}

#[test]
fn a_goal_whose_time_has_passed_is_warned_of() {
    let goal = |more: &str| PEAK.replace("npoints = 30", &format!("end_time = 2020-01-01T08:00:00Z{more}"));
    let folder = Folder::new(&goal(""));
    for command in ["check", "run"] {
        folder.command(&[command]).end().expect(0).says("warning: ").says("has passed");
    }
    // Where more than that is wanted, it is no end.
    folder.write("adaptive.toml", goal("\nnpoints = 30\nall = true"));
    assert!(!folder.command(&["check"]).end().expect(0).err.contains("warning"));
}

#[test]
fn completions_are_written_for_every_shell() {
    let folder = Folder::new("");
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = folder.command(&["completions", shell]).end().expect(0).out;
        assert!(script.contains("adaptive-mpi") && script.contains("export"), "{shell}");
    }
    folder.command(&["completions", "cmd"]).end().expect(2).says("bash");
}

#[test]
fn a_launcher_that_does_not_fit_is_exit_3_before_any_file_is_touched() {
    // Alone, while the environment speaks of four: the launcher of another MPI.
    for (size, rank) in [
        ("OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_RANK"),
        ("PMI_SIZE", "SOME_RANK"),
        ("SLURM_STEP_NUM_TASKS", "SLURM_PROCID"),
    ] {
        let folder = Folder::new(PEAK);
        let before = folder.contents();
        let launch = folder.command(&["run"]).env(size, "4").env(rank, "0");
        let launch = launch.env("OMPI_ALLOW_RUN_AS_ROOT", "1").env("OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1");
        let ended = launch.end().expect(3).says("4").says("MPI");
        assert!(!ended.err.contains("panicked"), "{size}: {}", ended.err);
        assert_eq!(folder.contents(), before, "{size}");
    }
}
