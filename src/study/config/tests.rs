use super::*;
use crate::runner::goal::Condition;

const SMALL: &str =
    "[function]\nbuiltin = 'peak'\n[learner]\ntype = '1d'\nbounds = [-1, 1]\n[goal]\nloss = 0.01\n";

fn problems(text: &str) -> Vec<(usize, String, String)> {
    let error = Study::parse(text, "dir/adaptive.toml").unwrap_err();
    error.problems().iter().map(|p| (p.line, p.message.clone(), p.help.clone())).collect()
}

#[test]
fn a_small_study_has_defaults_for_the_rest() {
    let study = Study::parse(SMALL, "dir/resonance.toml").unwrap();
    assert_eq!(study.name, "resonance");
    assert_eq!(study.folder(), Path::new("dir"));
    assert_eq!(study.goal, Goal::new(Condition::Loss(0.01)));
    assert_eq!(study.strategy, "loss_improvements");
    assert_eq!(study.combos.len(), 1);
    // Beside the study file, wherever the program was started.
    let checkpoint = CheckpointOptions { folder: "dir/data".into(), ..CheckpointOptions::default() };
    assert_eq!((study.run, study.checkpoint), (RunOptions::default(), checkpoint));
    assert_eq!(study.learner.floats("bounds"), Ok(Some(vec![-1.0, 1.0])));
}

#[test]
fn an_empty_file_is_told_all_that_is_missing_with_examples() {
    let found = problems("# nothing\n");
    let messages: Vec<_> = found.iter().map(|(_, message, _)| message.as_str()).collect();
    assert_eq!(messages, ["`function` is missing", "`learner` is missing", "`goal` is missing"]);
    assert!(found.iter().all(|(line, _, help)| *line == 1 && help.starts_with("write\n[")));
}

#[test]
fn a_misspelt_section_is_one_problem() {
    let found = problems(&SMALL.replace("[goal]", "[goals]"));
    assert_eq!(found, [(6, "unknown section `goals`".into(), "did you mean `goal`?".into())]);
}

#[test]
fn a_key_above_all_sections_is_sent_home() {
    let found = problems(&format!("npoints = 3\n{SMALL}"));
    assert_eq!(found[0].2, "write it below [goal], not above the first section");
}

#[test]
fn a_key_below_another_section_is_sent_home() {
    for (text, help) in [
        ("[run]\ncache = true", "`cache` is a key of [function]: write it there"),
        ("[run]\ntimeout = '1s'", "`timeout` is a key of [function]: write it there"),
        ("[checkpoint]\nretries = 3", "`retries` is a key of [run]: write it there"),
        ("[run]\nworker = 3", "did you mean `workers`?"),
    ] {
        assert_eq!(problems(&format!("{SMALL}\n{text}\n"))[0].2, help, "{text}");
    }
    let study = SMALL.replace("[learner]", "retries = 3\n[learner]");
    let error = Study::parse(&study, "a.toml").unwrap().build(&super::super::AllKinds::default()).map(drop);
    assert_eq!(error.unwrap_err().problems()[0].help, "`retries` is a key of [run]: write it there");
}

#[test]
fn whoever_needs_only_the_learners_reads_a_study_without_function_and_goal() {
    let text = "[learner]\ntype = '1d'\nbounds = [-1, 1]\n";
    let study = Study::parse_for(Reader::Learners, text, "a.toml").unwrap();
    assert_eq!((study.goal, study.function.entries().len()), (Goal::Forever, 0));
    assert_eq!(Study::parse(text, "a.toml").unwrap_err().problems().len(), 2);
    // What is there has to be right all the same.
    for wrong in ["[goal]\n", "[goals]\nloss = 1\n", "goal = 'forever'\n", "[functon]\nbuiltin = 'peak'\n"] {
        let error = Study::parse_for(Reader::Learners, &format!("{text}{wrong}"), "a.toml");
        assert!(error.is_err(), "{wrong}");
    }
    assert!(Study::parse_for(Reader::Learners, "function = 3\n", "a.toml").is_err());
}

#[test]
fn a_learner_with_an_end_needs_no_goal() {
    let text = "[function]\nbuiltin = 'peak'\n[learner]\ntype = 'sequence'\nsequence = [1, 2]\n";
    assert_eq!(Study::parse(text, "a.toml").unwrap().goal, Goal::new(Condition::Done));
}

#[test]
fn a_mean_within_its_tolerance_is_a_goal_also_in_a_data_saver() {
    let study = |learner: &str, goal: &str| {
        Study::parse(&format!("[function]\nbuiltin = 'noise'\n[learner]\n{learner}\n{goal}"), "a.toml")
    };
    let average = "type = 'average'\natol = 0.1";
    let saver = |inner: &str| format!("type = 'data_saver'\narg_picker = 0\nlearner = {inner}");
    for learner in [average.to_owned(), saver("{ type = 'average', atol = 0.1 }")] {
        for goal in ["", "[goal]\ndone = true"] {
            assert_eq!(study(&learner, goal).unwrap().goal, Goal::new(Condition::Done));
        }
    }
    for learner in ["type = 'average1d'".to_owned(), saver("{ type = '1d' }"), saver("3")] {
        let error = study(&learner, "[goal]\ndone = true").unwrap_err();
        assert!(error.problems()[0].message.contains("never holds"), "{error}");
        assert!(error.problems()[0].help.contains("`average`"), "{error}");
    }
}

#[test]
fn a_name_must_be_fit_for_a_file() {
    for name in ["a/b", "..", "", ".hidden", "-x", "a b", "x\\u0000"] {
        assert!(Study::parse(&format!("name = \"{name}\"\n{SMALL}"), "a.toml").is_err(), "{name}");
    }
    assert_eq!(Study::parse(&format!("name = 'run-3.1'\n{SMALL}"), "a.toml").unwrap().name, "run-3.1");
    assert!(Study::parse(SMALL, "my study.toml").is_err());
}

#[test]
fn a_file_that_is_no_text_names_the_first_bad_line() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.toml");
    std::fs::write(&path, b"name = 'x'\n\xff\n").unwrap();
    let error = Study::load(&path).unwrap_err();
    assert_eq!(error.problems()[0].line, 2);
    let missing = Study::load(folder.path().join("b.toml")).unwrap_err().to_string();
    assert!(missing.contains("b.toml") && missing.contains("adaptive-mpi new"), "{missing}");
}
