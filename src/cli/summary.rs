//! What a run says at its end, and with which exit code.

use super::args::RunArgs;
use super::exit::Exit;
use super::{figures, output};
use crate::function::{FunctionSpec, crashes, may_take_its_worker_along};
use crate::learner::Learner;
use crate::report::{count, duration, percent};
use crate::runner::{Ended, Finished, Outlook, Phase, StopReason};
use crate::study::Study;
use serde_json::json;

pub(super) fn outlook(finished: &Finished, workers: usize) -> Outlook<'_> {
    Outlook {
        engine: &finished.engine,
        accounting: &finished.accounting,
        goals: &finished.goals,
        workers,
        told: finished.told,
        from_cache: finished.from_cache,
        health: Box::new(|| finished.health.clone()),
    }
}

pub(super) fn exit(finished: &Finished) -> Exit {
    match &finished.ended {
        Ended::Stopped(StopReason::NotSaved(_)) => Exit::NotSaved,
        Ended::Stopped(StopReason::LockLost(_)) => Exit::Locked,
        Ended::Stopped(StopReason::CannotStart(_) | StopReason::Changed(_)) => Exit::Usage,
        Ended::Stopped(StopReason::Signal(_) | StopReason::Walltime | StopReason::WorkerLost(_)) => {
            Exit::Resumable
        }
        Ended::Exhausted
        | Ended::Hopeless(_)
        | Ended::Stopped(
            StopReason::RetriesExceeded | StopReason::NothingWorks(_) | StopReason::BrokeDown(_),
        ) => Exit::Evaluations,
        // A time has passed, and nothing came of it.
        Ended::Goal(_) if finished.engine.given_up() > 0 && finished.engine.learner().npoints() == 0 => {
            Exit::Evaluations
        }
        // Whoever reads the file next would miss what it lacks.
        Ended::Goal(_) if finished.snapshot_error.is_some() => Exit::NotSaved,
        Ended::Goal(_) => Exit::Done,
    }
}

/// The most memory that this process ever held, in bytes, where the system says so.
fn peak_memory() -> Option<u64> {
    let usage = nix::sys::resource::getrusage(nix::sys::resource::UsageWho::RUSAGE_SELF).ok()?;
    // Linux counts in KiB.
    u64::try_from(usage.max_rss()).ok().map(|kib| kib * 1024)
}

/// What to do about a function that has been changed while a run goes on.
pub(super) const CHANGED: &str = "no value of it was kept: change it back and start the same command again, give the study another \
     `name`, or go on with the old results by --accept-changes; with a `version` in [function], that alone says when \
     values change";

/// More learners than this fill the screen.
const FIGURES_SHOWN: usize = 12;

/// One line per learner that has figures: for an integral they are the result.
fn show_figures(study: &Study, learner: &dyn Learner) {
    for (learner, combo) in figures::each(learner).zip(study.combos.iter()).take(FIGURES_SHOWN) {
        let text = figures::text(learner);
        if !text.is_empty() {
            output::note(if combo.0.is_empty() { text } else { format!("{combo}: {text}") });
        }
    }
}

pub(super) fn summary(
    args: &RunArgs,
    study: &Study,
    function: &dyn FunctionSpec,
    finished: &Finished,
    workers: usize,
) {
    let Finished {
        ended, accounting, told, unsaved, from_cache, engine, left_behind, snapshot_error, ..
    } = finished;
    let outlook = outlook(finished, workers);
    let phases: Vec<(&str, f64)> =
        Phase::ALL.iter().map(|(phase, name)| (*name, accounting.share(*phase))).collect();
    if args.json {
        let phases: serde_json::Map<_, _> =
            phases.iter().map(|(name, share)| ((*name).to_owned(), json!(share))).collect();
        output::print(json!({
            "study": study.name,
            "ended": ended.to_string(),
            "exit": exit(finished) as u8,
            "npoints": engine.learner().npoints(),
            "told": told,
            "unsaved": unsaved,
            "from_cache": from_cache,
            "loss": crate::model::json::from_number(outlook.loss()),
            "elapsed_s": accounting.elapsed().as_secs_f64(),
            "rate_per_s": outlook.rate(),
            "workers": workers,
            "efficiency": accounting.efficiency(workers),
            "function_s": accounting.function.as_secs_f64(),
            "evaluations": accounting.evaluations,
            "manager": phases,
            "failed_attempts": engine.failed_attempts(),
            "given_up": engine.given_up(),
            "left_behind": left_behind,
            "peak_memory_bytes": peak_memory(),
            "figures": figures::each(engine.learner()).map(figures::json).collect::<Vec<_>>(),
        }));
    } else if !args.quiet {
        let shares: Vec<String> =
            phases.iter().map(|(name, share)| format!("{name} {}", percent(*share))).collect();
        output::note(format!(
            "{ended}\n{} points in {}, {} of them now ({}); loss {}\n\
             workers computed {} of the time ({} on {workers}); rank 0: {}",
            count(engine.learner().npoints() as u64),
            duration(accounting.elapsed()),
            count(*told),
            crate::report::rate(outlook.rate()),
            crate::report::loss(outlook.loss()),
            percent(accounting.efficiency(workers)),
            duration(accounting.function),
            shares.join(", "),
        ));
        if *from_cache > 0 {
            output::note(format!("{} values came from the cache", count(*from_cache)));
        }
        show_figures(study, engine.learner());
    }
    if args.quiet && exit(finished) != Exit::Done {
        output::note(ended);
    }
    match ended {
        Ended::Stopped(StopReason::Changed(_)) => output::note(format!("help: {CHANGED}")),
        Ended::Stopped(StopReason::BrokeDown(_)) => {
            output::note("help: mend it, and start the same command again");
        }
        Ended::Stopped(StopReason::CannotStart(_)) => {
            let python = match study.function.get("python") {
                Some(_) => "; PYTHON, or `python_executable` in [function], names the Python to use",
                None => "",
            };
            output::note(format!("help: `adaptive-mpi check` says what is missing{python}"));
        }
        _ => {}
    }
    if matches!(ended, Ended::Stopped(StopReason::WorkerLost(_))) && may_take_its_worker_along(function) {
        output::note(format!("help: {}", crashes::ADVICE));
    }
    if engine.given_up() > 0 {
        let first = engine
            .first_given_up()
            .map_or_else(String::new, |failed| format!(", for example: {}", failed.failure));
        output::note(format!(
            "{} points were given up{first}\nhelp: `adaptive-mpi status --failures` lists them, `run --retry-failed` tries them again",
            count(engine.given_up()),
        ));
    }
    if *unsaved > 0 {
        output::note(format!(
            "{} results of these could not be saved; the next run computes them again",
            count(*unsaved)
        ));
    }
    if let Some(error) = snapshot_error {
        output::note(format!(
            "warning: {error}; all results are in the journal, the next run takes them from there, and so does `export`: the \
             file lacks some"
        ));
    }
    if let Some(error) = &finished.cache_error {
        output::note(format!("warning: the cache: {error}; the results of this run are safe"));
    }
    if *left_behind > 0 {
        output::note(format!("{left_behind} evaluations did not end in time; the next run starts with them"));
    }
    if exit(finished) == Exit::Resumable {
        output::note("start the same command again to go on");
    }
}
