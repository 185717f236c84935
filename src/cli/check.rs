use super::args::CheckArgs;
use super::exit::{CommandError, Exit};
use super::open::{cache_error, refused_changes};
use super::output;
use super::own::refuse_log;
use super::prepare::{Evaluators, Isolation, Prepared, past_end, prepare};
use crate::cache::Cache;
use crate::checkpoint;
use crate::function::{Natives, crashes, may_take_its_worker_along};
use crate::learner::{Learner, point_form};
use crate::model::json::from_number;
use crate::model::settings::SettingError;
use crate::model::{Sample, Value};
use crate::report::count;
use crate::runner::replay;
use crate::study::{Study, StudyError};
use serde_json::{Value as Json, json};
use std::fs::File;
use std::io::BufReader;
use std::path::Path;

const DATA_FILE: &str = "the data file";
const NO_FILE: &str = "is a folder";

/// How many of the first points are shown.
const FIRST_POINTS: usize = 4;

/// `adaptive-mpi check`: everything that can be found wrong with a study before it costs anything.
pub(super) fn check(args: &CheckArgs, natives: &Natives) -> Result<Exit, CommandError> {
    let Prepared { study, mut learner, evaluators, .. } =
        prepare(&args.study.study, natives, Isolation::AsAsked)?;
    if let Some(log) = &args.replay {
        return check_log(learner.as_mut(), log);
    }
    refuse_log(&study)?;
    study.cache.as_deref().map_or(Ok(()), Cache::check).map_err(cache_error)?;
    let needs = evaluators.function.needs();
    let mut problems: Vec<String> = needs.data.iter().filter_map(|file| problem_of_data(file)).collect();
    // Before the function is loaded: in an interpreter of ours it changes the folder, where relative paths start.
    let stored = checkpoint::read(&study.checkpoint.folder, &study.name).ok();
    let changes =
        stored.map(|stored| refused_changes(&study, &study.function_files(), &stored)).unwrap_or_default();
    problems.extend(evaluators.function.check());
    let first: Vec<Sample> = learner.suggest(FIRST_POINTS).into_iter().map(|next| next.sample).collect();
    let form = point_form(learner.as_ref());
    // To people the parameters say more than the index of their learner.
    let own = form.of_one_child();
    let show = |sample: &Sample| match evaluators.combos.get(sample.learner as usize) {
        Some(combo) if !combo.0.is_empty() => format!("{} with {combo}", own.to_json(sample)),
        _ => own.to_json(sample).to_string(),
    };
    let mut warnings: Vec<String> = past_end(&study.goal).into_iter().collect();
    warnings.extend(changes);
    warnings.iter().for_each(output::note);
    // Before the function is called, which may end this process.
    if !args.report.json {
        let first: Vec<String> = first.iter().map(show).collect();
        output::print(described(&study, learner.as_ref(), &evaluators, &first));
    }
    let mut evaluated = Vec::new();
    if let (true, Some(n)) = (problems.is_empty(), args.evaluate) {
        if needs.ranks > 1 {
            let message = "the function is evaluated by several ranks together, which only `run` can do";
            return Err(CommandError::new(Exit::Usage, message).help("check it without --evaluate"));
        }
        if may_take_its_worker_along(evaluators.function.as_ref()) {
            crashes::tell("", Exit::Evaluations as u8);
        }
        let mut evaluator = evaluators
            .start(0, None)
            .map_err(|failure| CommandError::new(Exit::Usage, format!("the function: {failure}")))?;
        for next in learner.ask(n) {
            let outcome = evaluator.evaluate(&next.sample);
            if !args.report.json {
                output::print(match &outcome {
                    Ok(value) => format!("f({}) = {:?}", show(&next.sample), &value.components[..]),
                    Err(failure) => {
                        format!("f({}) failed: {failure}\n{}", show(&next.sample), failure.detail)
                    }
                });
            }
            evaluated.push((outcome, next.sample));
        }
    }
    let failed = evaluated.iter().any(|(outcome, _)| outcome.is_err());
    if args.report.json {
        output::print(json!({
            "study": study.name,
            "function": evaluators.function.describe(),
            "learners": evaluators.combos.len(),
            "learner": learner.kind(),
            "point": form.to_string(),
            "strategy": study.strategy,
            "goal": study.goal.to_string(),
            "first_points": first.iter().map(|sample| form.to_json(sample)).collect::<Vec<_>>(),
            "problems": problems,
            "warnings": warnings,
            "evaluated": evaluated.iter().map(|(outcome, sample)| match outcome {
                Ok(value) => json!({"point": form.to_json(sample), "value": numbers(value)}),
                Err(failure) => json!({"point": form.to_json(sample), "error": failure.to_string()}),
            }).collect::<Vec<_>>(),
        }));
    }
    if problems.is_empty() && !failed {
        return Ok(Exit::Done);
    }
    if failed {
        let help = "the failures stand above; correct the function, or the study";
        return Err(
            CommandError::new(Exit::Evaluations, "the function failed at its first points").help(help)
        );
    }
    let kind = evaluators.function.kind();
    let found = problems.into_iter().map(|problem| placed(&study, kind, problem));
    Err(StudyError::invalid(&study.path, &study.text, found).into())
}

/// The study in a few lines for people.
fn described(study: &Study, learner: &dyn Learner, evaluators: &Evaluators, first: &[String]) -> String {
    let learners = match evaluators.combos.len() {
        1 => format!("learner    {}", learner.kind()),
        n => {
            let kind = learner.children().and_then(<[_]>::first).map_or("", |child| child.kind());
            format!("learners   {} of type {kind}, balanced by {}", count(n as u64), study.strategy)
        }
    };
    format!(
        "study      {}\nfunction   {}\n{learners}\ngoal       {}\nfiles      {}\nstarts at  {}",
        study.name,
        evaluators.function.describe(),
        study.goal,
        study.checkpoint.folder.join(&study.name).display(),
        first.join("\n           "),
    )
}

fn problem_of_data(file: &Path) -> Option<String> {
    let what = match file.metadata() {
        Ok(found) if found.is_file() => return None,
        Ok(found) if found.is_dir() => NO_FILE,
        _ => "is missing",
    };
    Some(format!("{DATA_FILE} {} {what}", file.display()))
}

/// A problem of the function with its place in the study, and advice.
fn placed(study: &Study, kind: &str, problem: String) -> SettingError {
    let table = &study.function;
    let first = problem.lines().next().unwrap_or_default();
    let said = first.trim_end_matches(" (function.init)");
    let key = match said {
        _ if said.len() < first.len() => "init",
        _ if said.starts_with(DATA_FILE) => "data",
        _ => kind,
    };
    let help = match kind {
        "python" if said.starts_with("the program") => {
            "install it; PYTHON, or `python_executable` in [function], names the Python to use"
        }
        _ if said.ends_with("is missing") => {
            "make it, or correct its path, which starts at the folder of the study file"
        }
        _ if said.ends_with(NO_FILE) => {
            "name the files in it, as in data = [\"tables/a.dat\", \"tables/b.dat\"]"
        }
        _ if said.starts_with("the script") => "correct the script, or name another one",
        "python" | "library" if key == "init" => "add it, or correct its name",
        "python" => "correct it; PYTHON, or `python_executable` in [function], names the Python to use",
        "library" => "build it, or correct its path, which starts at the folder of the study file",
        _ => {
            "install it, or correct its path; one with a slash, as ./simulate, starts at the folder of the study file"
        }
    };
    SettingError::new(&table.error(key, "").span, problem).help(help)
}

/// Values as JSON has them: NaN and infinity are texts.
fn numbers(value: &Value) -> Vec<Json> {
    value.components.iter().copied().map(from_number).collect()
}

fn check_log(learner: &mut dyn Learner, log: &Path) -> Result<Exit, CommandError> {
    let unreadable =
        |error: &dyn std::fmt::Display| CommandError::new(Exit::Usage, format!("{}: {error}", log.display()));
    let file = File::open(log).map_err(|error| unreadable(&error))?;
    let calls = replay(learner, BufReader::new(file)).map_err(|error| unreadable(&error))?;
    output::print(format!(
        "{} calls replayed: the learner asks the same points; {} told, {} pending",
        count(calls as u64),
        count(learner.npoints() as u64),
        learner.npending()
    ));
    Ok(Exit::Done)
}
