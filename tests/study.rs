//! Studies as users write them, from text to what a run needs.

use adaptive_mpi::model::settings::SettingValue;
use adaptive_mpi::runner::goal::{Condition, Goal};
use adaptive_mpi::study::template::{FUNCTION_PARTS, LEARNER_PARTS, template};
use adaptive_mpi::study::{Log, Severity, Study, StudyError, compare};
use proptest::prelude::*;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

const FULL: &str = r#"
name = "resonance"

[function]
python = "model.py:h"
timeout = "10min"
threads = 1

[parameters]
offset = { start = 0.0, stop = 0.99, num = 100 }
a = [0.01]
mode = ["fast", "exact"]

[learner]
type = "1d"
bounds = [-1, 1]
loss = { name = "curvature", area_factor = 1.0 }

[goal]
loss = 0.01
npoints = 10_000
duration = "2h"

[balancing]
strategy = "npoints"

[run]
retries = 3
log = true
walltime = "1d 12h"

[checkpoint]
folder = "data"
interval = "5min"

[scheduler]
system = "slurm"
ntasks = 16
"#;

fn parsed(text: &str) -> Study {
    Study::parse(text, "adaptive.toml").unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn a_full_study_is_read_in_every_part() {
    let study = parsed(FULL);
    assert_eq!(study.name, "resonance");
    assert_eq!(study.function.text("python"), Ok(Some("model.py:h")));
    assert_eq!(study.learner.table("loss").unwrap().unwrap().path, "learner.loss");
    assert_eq!(
        study.goal.conditions(),
        [Condition::Loss(0.01), Condition::Npoints(10_000), Condition::Duration(Duration::from_secs(7200))]
    );
    assert_eq!(study.strategy, "npoints");
    assert_eq!((study.run.retries, study.run.log), (3, Log::Default));
    assert_eq!(study.run.walltime, Some(Duration::from_secs(36 * 3600)));
    assert_eq!(study.checkpoint.folder, PathBuf::from("data"));
    assert_eq!(study.scheduler.unwrap().count("ntasks"), Ok(Some(16)));
    assert_eq!(study.combos.len(), 200);
    assert_eq!(study.combos.get(3).unwrap().to_string(), "offset=0.01, a=0.01, mode=exact");
    assert_eq!(study.combos.get(199).unwrap().to_string(), "offset=0.99, a=0.01, mode=exact");
}

#[test]
fn an_error_is_shown_as_a_compiler_shows_it() {
    let text = FULL.replace("bounds = [-1, 1]", "bounds = [-1, 1]\nbounds = [0, 1]");
    let error = Study::parse(&text, "dir/adaptive.toml").unwrap_err();
    assert_eq!(
        error.to_string(),
        "error: duplicate key\n  --> dir/adaptive.toml:17:1\n   |\n17 | bounds = [0, 1]\n   | ^^^^^^\n\
         help: each key and each [section] may be written once: remove one of them"
    );
    let error = Study::parse(&FULL.replace("retries", "retires"), "adaptive.toml").unwrap_err();
    assert_eq!(
        error.to_string(),
        "error: unknown key `retires` in [run]\n  --> adaptive.toml:28:1\n   |\n28 | retires = 3\n   | ^^^^^^^\n\
         help: did you mean `retries`?"
    );
}

#[test]
fn problems_of_different_sections_are_found_at_once() {
    let text = FULL
        .replace("[-1, 1]", "[-1, 1]\n")
        .replace("loss = 0.01", "loss = -1")
        .replace("num = 100", "num = 0")
        .replace("retries = 3", "retries = -3")
        .replace("interval", "intervall");
    let error = Study::parse(&text, "adaptive.toml").unwrap_err();
    let lines: Vec<usize> = error.problems().iter().map(|problem| problem.line).collect();
    assert_eq!(lines, [10, 21, 29, 35]);
}

#[test]
fn windows_line_ends_and_a_byte_order_mark_do_no_harm() {
    let windows = format!("\u{feff}{}", FULL.replace('\n', "\r\n"));
    assert_eq!(parsed(&windows).combos, parsed(FULL).combos);
    let error = Study::parse(&windows.replace("retries", "retires"), "a.toml").unwrap_err();
    assert_eq!((error.problems()[0].line, error.problems()[0].column), (28, 1));
    assert!(!error.to_string().contains('\r'));
}

#[test]
fn a_study_is_loaded_from_a_file_and_named_after_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("fabry-perot.toml");
    fs::write(&path, template("python", "1d").unwrap()).unwrap();
    let study = Study::load(&path).unwrap();
    assert_eq!((study.name.as_str(), study.folder()), ("fabry-perot", folder.path().to_owned()));
    assert!(matches!(Study::load(folder.path()), Err(StudyError::Read { .. })));
}

#[test]
fn a_template_can_go_on_with_results_of_itself_under_another_goal() {
    for (function, learner) in FUNCTION_PARTS.iter().flat_map(|f| LEARNER_PARTS.iter().map(move |l| (f, l))) {
        let text = template(function.name, learner.name).unwrap();
        let other = text.replace("# duration = \"2h\"", "duration = \"3h\"").replace("# timeout", "timeout");
        assert_ne!(text, other);
        assert_eq!(compare(&text, &other, Path::new("a")).unwrap(), []);
        let other = text.replace("\n[learner]", "b = 1\n[learner]");
        let found = compare(&text, &other, Path::new("a")).unwrap();
        assert_eq!(found.iter().map(|d| d.severity).max(), Some(Severity::Refuse));
    }
}

#[test]
fn ten_million_combos_need_no_memory() {
    let range = |n: u32| format!("{{ start = 1, stop = {n}, step = 1 }}");
    let text =
        FULL.replace("{ start = 0.0, stop = 0.99, num = 100 }", &range(5000)).replace("[0.01]", &range(1000));
    let combos = parsed(&text).combos;
    assert_eq!(combos.len(), 10_000_000);
    assert_eq!(combos.get(9_999_999).unwrap().to_string(), "offset=5000, a=1000, mode=exact");
    assert_eq!(combos.get(10_000_000), None);
}

#[test]
fn an_end_time_may_stand_as_date_or_as_text() {
    let goal = |line: &str| parsed(&FULL.replace("duration = \"2h\"", line)).goal;
    let as_date = goal("end_time = 2030-01-01T08:00:00+02:00");
    assert_eq!(as_date, goal("end_time = \"2030-01-01T06:00:00Z\""));
    assert!(as_date.to_string().ends_with("end time 2030-01-01T06:00:00Z"));
    assert!(matches!(goal("end_time = 2030-01-01"), Goal::When { .. }));
}

#[test]
fn deep_nesting_is_an_error_or_read_but_never_a_crash() {
    for text in [
        format!("a = {}", "[".repeat(100_000)),
        format!("a = {}1{}", "[".repeat(100_000), "]".repeat(100_000)),
        format!("a = {}", "{ a = ".repeat(100_000)),
        format!("{}a = 1", "a.".repeat(100_000)),
        format!("[{}a]\nb = 1", "a.".repeat(100_000)),
        format!("[[{}a]]\nb = 1", "a.".repeat(100_000)),
    ] {
        assert!(Study::parse(&text, "a.toml").is_err());
    }
}

#[test]
fn a_key_of_any_kind_of_value_is_kept_for_the_part_that_reads_it() {
    let text =
        FULL.replace("threads = 1", "threads = 1\nenv = { A = 'x' }\nwhen = 2026-01-01\nlist = [1, [2.5]]");
    let function = parsed(&text).function;
    let kinds: Vec<_> =
        function.entries().iter().map(|(key, _, setting)| (key.as_str(), setting.kind())).collect();
    assert_eq!(
        kinds[2..],
        [("threads", "a whole number"), ("env", "a table"), ("when", "a date and time"), ("list", "a list")]
    );
    let SettingValue::Datetime(when) = &function.get("when").unwrap().value else { panic!() };
    assert_eq!(when, "2026-01-01");
}

/// Reads a text in every way there is. Errors are fine; they must be complete.
fn read_in_every_way(text: &str) -> Result<(), TestCaseError> {
    if let Err(error) = Study::parse(text, "adaptive.toml") {
        prop_assert!(!error.problems().is_empty());
        let lines = text.matches('\n').count() + 1;
        for problem in error.problems() {
            prop_assert!((1..=lines).contains(&problem.line) && problem.column > 0);
            prop_assert!(!problem.message.is_empty() && !problem.help.is_empty(), "{}", error);
        }
        let shown = error.to_string();
        prop_assert!(shown.contains("-->") && shown.contains('^'));
    } else {
        let study = parsed(text);
        prop_assert_eq!(study.combos.iter().take(100).count(), study.combos.len().min(100));
        prop_assert!(compare(text, text, Path::new("a")).is_ok_and(|differences| differences.is_empty()));
    }
    let _ = compare(FULL, text, Path::new("a"));
    let _ = compare(text, FULL, Path::new("a"));
    Ok(())
}

/// Pieces of TOML that get in each other's way.
const PIECES: [&str; 24] = [
    "\n",
    " ",
    "=",
    "\"",
    "'",
    "[",
    "]",
    "[[",
    "]]",
    "{",
    "}",
    ",",
    ".",
    "#",
    "\\",
    "1",
    "-",
    "e9",
    "nan",
    "inf",
    "true",
    "é",
    "\"\"\"",
    "2026-01-01",
];

proptest! {
    #[test]
    fn a_damaged_study_is_an_error_and_never_a_panic(
        damage in prop::collection::vec((any::<prop::sample::Index>(), 0_u8..3, any::<u8>()), 1..8)
    ) {
        let mut bytes = FULL.as_bytes().to_vec();
        for (place, what, byte) in damage {
            let at = place.index(bytes.len());
            match what {
                0 => { bytes.remove(at); }
                1 => bytes.insert(at, byte),
                _ => bytes[at] = byte,
            }
        }
        read_in_every_way(&String::from_utf8_lossy(&bytes))?;
    }

    #[test]
    fn pieces_of_syntax_in_any_place_never_lead_to_a_panic(
        edits in prop::collection::vec((any::<prop::sample::Index>(), prop::sample::select(&PIECES[..]), any::<bool>()), 1..5)
    ) {
        let mut text = FULL.to_owned();
        for (place, piece, replace) in edits {
            let at = place.index(text.len());
            let at = (0..=at).rev().find(|&at| text.is_char_boundary(at)).unwrap();
            let end = if replace { text[at..].char_indices().nth(1).map_or(text.len(), |(i, _)| at + i) } else { at };
            text.replace_range(at..end, piece);
        }
        read_in_every_way(&text)?;
    }

    #[test]
    fn lines_in_any_order_never_lead_to_a_panic(order in Just(FULL.lines().collect::<Vec<_>>()).prop_shuffle()) {
        read_in_every_way(&order.join("\n"))?;
    }
}
