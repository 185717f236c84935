//! Malformed study files: each is one edit of a good one, and must give one error with the right line, the right
//! message and advice; never a panic.
//!
//! Adding a case is adding a line to one of the tables. Cases of a new part of the study are a new table, named in
//! [`TABLES`]; what has to be built to find them is built in [`check`].

mod checkpoint;
mod function;
mod goal;
mod learner;
mod parameters;
mod run;
mod sections;
mod syntax;

use adaptive_mpi::study::{AllKinds, Study, StudyError};

/// One malformed study.
struct Case {
    /// What is replaced in [`GOOD`]; it stands there exactly once.
    from: &'static str,
    /// What stands there instead.
    to: &'static str,
    /// The line of the error, from 1.
    line: usize,
    /// A part of the error's message.
    message: &'static str,
}

/// A [`Case`] as a line of a table.
const fn case(from: &'static str, to: &'static str, line: usize, message: &'static str) -> Case {
    Case { from, to, line, message }
}

/// The study that all cases edit.
const GOOD: &str = r#"name = "resonance"

[function]
builtin = "peak"

[parameters]
offset = { start = 0.0, stop = 0.9, num = 10 }
a = [0.01, 0.1]

[learner]
type = "1d"
bounds = [-1, 1]

[goal]
loss = 0.01
npoints = 10_000
duration = "2h"

[balancing]
strategy = "loss"

[run]
retries = 5

[checkpoint]
folder = "data"

[scheduler]
system = "slurm"
"#;

const TABLES: &[(&str, &[Case])] = &[
    ("syntax", syntax::CASES),
    ("sections", sections::CASES),
    ("parameters", parameters::CASES),
    ("goal", goal::CASES),
    ("run", run::CASES),
    ("checkpoint", checkpoint::CASES),
    ("learner", learner::CASES),
    ("function", function::CASES),
];

/// All that `adaptive-mpi check` looks at before anything runs.
fn check(text: &str) -> Result<(), StudyError> {
    Study::parse(text, "adaptive.toml")?.build(&AllKinds::default()).map(|_| ())
}

/// What is wrong with how a case turned out, if anything.
fn judge(case: &Case) -> Result<(), String> {
    if GOOD.matches(case.from).count() != 1 {
        return Err(format!("{:?} does not stand in the good study exactly once", case.from));
    }
    judge_text(&GOOD.replacen(case.from, case.to, 1), case.line, case.message)
}

fn judge_text(text: &str, line: usize, message: &str) -> Result<(), String> {
    let error = match check(text) {
        Ok(()) => return Err("it is accepted".to_owned()),
        Err(error) => error,
    };
    let text = error.to_string();
    let [problem] = error.problems() else {
        return Err(format!("{} problems instead of one:\n{text}", error.problems().len()));
    };
    let shown = format!("adaptive.toml:{}:{}", problem.line, problem.column);
    for (wrong, what) in [
        (!problem.message.contains(message), "another message"),
        (problem.line != line, "another line"),
        (problem.help.trim().is_empty(), "no advice"),
        (!text.contains(&shown) || !text.contains("help: ") || !text.contains('^'), "not all is shown"),
        (problem.message.ends_with('.'), "a full stop"),
        (text.contains("``"), "an empty name"),
    ] {
        if wrong {
            return Err(format!("{what}; expected line {line}, {message:?}:\n{text}"));
        }
    }
    Ok(())
}

#[test]
fn the_study_without_edits_is_good() {
    check(GOOD).unwrap_or_else(|error| panic!("{error}"));
}

#[test]
fn every_malformed_study_gives_one_error_with_line_and_advice() {
    let mut bad = Vec::new();
    for (table, cases) in TABLES {
        for case in *cases {
            if let Err(problem) = judge(case) {
                bad.push(format!("{table}: {:?} -> {:?}: {problem}", case.from, case.to));
            }
        }
    }
    assert!(bad.is_empty(), "{} bad cases\n\n{}", bad.len(), bad.join("\n\n"));
}

#[test]
fn the_program_refuses_every_malformed_study_with_exit_2_and_touches_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("adaptive.toml");
    for (table, cases) in TABLES {
        for case in *cases {
            std::fs::write(&file, GOOD.replacen(case.from, case.to, 1)).unwrap();
            let mut program = std::process::Command::new(env!("CARGO_BIN_EXE_adaptive-mpi"));
            let output = program.arg("run").current_dir(folder.path()).output().unwrap();
            let said = String::from_utf8_lossy(&output.stderr);
            let place = format!("adaptive.toml:{}:", case.line);
            assert_eq!(output.status.code(), Some(2), "{table}: {:?}: {said}", case.to);
            assert!(said.contains(case.message) && said.contains(&place), "{table}: {:?}: {said}", case.to);
            assert!(
                output.stdout.is_empty() && said.contains("help: ") && !said.contains("panicked"),
                "{said}"
            );
            assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "{table}: {:?}", case.to);
        }
    }
}

/// The good study without `[goal]`.
fn without_goal() -> String {
    let part = |from: &str, to: &str| GOOD.split(from).nth(1).and_then(|rest| rest.split(to).next());
    let goal = part("[goal]", "[balancing]").map(|keys| format!("[goal]{keys}"));
    GOOD.replace(&goal.unwrap_or_default(), "")
}

#[test]
fn every_malformed_goal_above_all_sections_is_an_error() {
    for (goal, message) in goal::SHORT_GOALS {
        let text = format!("{goal}\n{}", without_goal());
        judge_text(&text, 1, message).unwrap_or_else(|problem| panic!("{goal}: {problem}"));
    }
}

#[test]
fn a_goal_below_the_header_of_another_section_is_told_where_to_go() {
    for (after, message) in goal::STRAY_GOALS {
        let text = without_goal().replace(after, &format!("{after}goal = \"forever\"\n"));
        let line = text.split("goal =").next().unwrap().matches('\n').count() + 1;
        judge_text(&text, line, message).unwrap_or_else(|problem| panic!("{after}: {problem}"));
    }
}

#[test]
fn there_are_hundreds_of_cases_and_no_two_are_the_same() {
    let cases = || TABLES.iter().flat_map(|(_, cases)| cases.iter());
    assert!(cases().count() >= 200, "{}", cases().count());
    let mut edits: Vec<_> = cases().map(|case| GOOD.replacen(case.from, case.to, 1)).collect();
    edits.sort();
    let before = edits.len();
    edits.dedup();
    assert_eq!(edits.len(), before);
}
