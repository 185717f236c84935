use super::args::RunArgs;
use super::exit::{CommandError, Exit};
use super::open::{checkpoint_error, logged, open};
use super::output;
use super::prepare::{Evaluators, Isolation, Prepared, prepare};
use super::summary::{exit, outlook, summary};
use super::watch::Watch;
use crate::function::{Evaluator, Natives};
use crate::model::{Outcome, Sample};
use crate::pool::{LaunchError, Pool, PoolOptions, Program, Task};
use crate::report::count;
use crate::runner::goal::GoalTracker;
use crate::runner::{Drive, Order, Policy, Restored, StopSignals, Walltime, drive, look_at_all, restore};
use crate::study::Study;
use std::time::Duration;

/// Points between ask and tell in a deterministic run, where the study does not say.
const DETERMINISTIC_WINDOW: usize = 64;

/// For the slower one of two copies of a point to end, when all is done.
const LAST_COPIES: Duration = Duration::from_millis(200);

/// `adaptive-mpi run`: on every rank. Rank 0 runs the study, the others evaluate.
pub(super) fn run(args: &RunArgs, natives: &Natives) -> Exit {
    // Every rank reads the study by itself, because the processes of its function have to be started before MPI is.
    let prepared = prepare(&args.study.study, natives, Isolation::AsAsked);
    let mut program = Program::new();
    let task =
        evaluate_task(&mut program, prepared.as_ref().ok().map(|prepared| prepared.evaluators.clone()));
    let workers = args.workers.or(prepared.as_ref().ok().and_then(|prepared| prepared.study.run.workers));
    let workers = args.max_workers.map(|most| most as usize).or(workers);
    let mut options = PoolOptions { workers, spawn: args.max_workers, ..PoolOptions::default() };
    if let Ok(prepared) = &prepared {
        options.unresponsive_after = prepared.study.run.unresponsive_after;
        options.duplicate_stragglers = prepared.study.run.duplicate_stragglers;
    }
    program.options(options);
    let signals = match StopSignals::catch() {
        Ok(signals) => signals,
        Err(error) => {
            output::error(&CommandError::new(Exit::Fault, format!("signals can't be caught: {error}")));
            return Exit::Fault;
        }
    };
    // A study that can't be used ends the run from inside: so all ranks leave together, with one message.
    let outcome = program.run(|pool| {
        let prepared = prepared.map_err(CommandError::from)?;
        manage(args, prepared, pool, task, &signals)
    });
    match outcome {
        Ok(None) => Exit::Done,
        Ok(Some(Ok(exit))) => exit,
        Ok(Some(Err(error))) => {
            output::error(&error);
            error.exit
        }
        Err(error) => {
            output::error(&launch_error(&error));
            Exit::Launch
        }
    }
}

pub(super) fn launch_error(error: &LaunchError) -> CommandError {
    CommandError::new(Exit::Launch, error)
}

type Evaluate = Task<Sample, Outcome>;

fn evaluate_task(program: &mut Program, evaluators: Option<Evaluators>) -> Evaluate {
    program.task_with_state(
        "evaluate",
        move |_| match &evaluators {
            Some(evaluators) => evaluators.start().map_err(|failure| failure.to_string()),
            None => Err("the study could not be read on this rank".to_owned()),
        },
        |evaluator: &mut Evaluator, _, sample: Sample| Ok(evaluator.evaluate(&sample)),
    )
}

/// Rank 0's part.
fn manage(
    args: &RunArgs,
    prepared: Prepared,
    pool: &Pool,
    task: Evaluate,
    signals: &StopSignals,
) -> Result<Exit, CommandError> {
    let Prepared { study, learner, evaluators } = prepared;
    let world = pool.world().summary();
    if !args.quiet {
        output::note(&world);
        output::note(format!(
            "{}: {}, {}",
            study.name,
            evaluators.function.describe(),
            learners(&evaluators)
        ));
    }
    for worker in &pool.world().workers {
        if let Some(error) = &worker.init_error {
            let place = format!("rank {} on {}", worker.rank, worker.host);
            return Err(CommandError::new(
                Exit::Usage,
                format!("the function can't be started on {place}: {error}"),
            )
            .help("`adaptive-mpi check` says more"));
        }
    }
    let (mut checkpoint, loaded, places) =
        open(&args.checkpoint, &study, &evaluators.signature, &evaluators.combos)?;
    for notice in &loaded.notices {
        output::note(notice);
    }
    let learner = logged(&study, learner)?;
    let policy = policy(&study);
    let (engine, restored) =
        restore(learner, policy, &loaded, &|stored| places.now(stored), args.checkpoint.retry_failed)
            .map_err(|error| {
                CommandError::new(Exit::Unreadable, format!("a stored value does not fit: {error}"))
            })?;
    if !args.quiet && restored != Restored::default() {
        output::note(format!(
            "going on from {}: {} points, {} to be finished first, {} given up earlier",
            study.checkpoint.folder.join(format!("{}.h5", study.name)).display(),
            count(restored.told),
            count(restored.resumed),
            count(restored.given_up),
        ));
    }
    drop(loaded);
    let mut goals = GoalTracker::new(study.goal.clone(), evaluators.combos.len());
    look_at_all(&mut goals, engine.learner());
    // From here on the disk is written even before the first result: a folder that can't be is found now.
    checkpoint.commit().map_err(checkpoint_error)?;
    let status_path = study.checkpoint.folder.join(format!("{}.status.json", study.name));
    let every = if args.quiet { None } else { study.run.progress };
    let mut watch = Watch::new(&study.name, status_path, world, every);
    let finished = drive(
        Drive {
            engine,
            queue: pool.queue(task),
            workers: pool.workers(),
            checkpoint,
            goals,
            signals,
            walltime: walltime(args, &study),
            walltime_margin: study.run.walltime_margin,
            grace: study.run.grace,
            in_flight: if study.run.deterministic { None } else { study.run.in_flight },
            raise_if_retries_exceeded: study.run.raise_if_retries_exceeded,
            stored_learner: places.stored,
        },
        &mut watch,
    );
    watch.finish(&outlook(&finished, pool.workers()));
    summary(args, &study, &finished, pool.workers());
    pool.exit_with(exit(&finished) as u8);
    if finished.left_behind > 0 || !pool.settle(LAST_COPIES) {
        // All is saved. Workers that are still at a point could not leave with the others before it ends.
        pool.abandon(exit(&finished) as u8);
    }
    Ok(exit(&finished))
}

fn learners(evaluators: &Evaluators) -> String {
    match evaluators.combos.len() {
        1 => "one learner".to_owned(),
        n => format!("{} learners", count(n as u64)),
    }
}

fn policy(study: &Study) -> Policy {
    let order = if study.run.deterministic {
        Order::Asked { window: study.run.in_flight.unwrap_or(DETERMINISTIC_WINDOW) }
    } else {
        Order::Arrival
    };
    Policy { retries: study.run.retries, nan: study.run.nan, order }
}

fn walltime(args: &RunArgs, study: &Study) -> Option<Walltime> {
    let limit: Option<Duration> = args.walltime.or(study.run.walltime);
    limit.map(Walltime::from_now).or_else(Walltime::from_batch_system)
}
