use super::args::RunArgs;
use super::exit::{CommandError, Exit};
use super::output;
use super::prepare::{Evaluators, Isolation, Prepared, prepare};
use super::summary::{exit, outlook, summary};
use super::watch::Watch;
use crate::checkpoint::{self, Checkpoint, CheckpointError, Header, Loaded};
use crate::function::{Evaluator, Natives};
use crate::learner::Learner;
use crate::model::{Outcome, Sample};
use crate::pool::{LaunchError, Pool, PoolOptions, Program, Task};
use crate::report::count;
use crate::runner::goal::GoalTracker;
use crate::runner::{
    Drive, Log, Order, Policy, Restored, StopSignals, Walltime, drive, look_at_all, restore,
};
use crate::study::{self, Severity, Study};
use std::time::Duration;

/// Points between ask and tell in a deterministic run, where the study does not say.
const DETERMINISTIC_WINDOW: usize = 64;

/// `adaptive-mpi run`: on every rank. Rank 0 runs the study, the others evaluate.
pub(super) fn run(args: &RunArgs, natives: &Natives) -> Exit {
    // Every rank reads the study by itself, because the processes of its function have to be started before MPI is.
    let prepared = prepare(&args.study.study, natives, Isolation::AsAsked);
    let mut program = Program::new();
    let task =
        evaluate_task(&mut program, prepared.as_ref().ok().map(|prepared| prepared.evaluators.clone()));
    let workers = args.workers.or(prepared.as_ref().ok().and_then(|prepared| prepared.study.run.workers));
    program.options(PoolOptions { workers, ..PoolOptions::default() });
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
    let (mut checkpoint, loaded, places) = open(args, &study, &evaluators)?;
    for notice in &loaded.notices {
        output::note(notice);
    }
    let learner = logged(&study, learner)?;
    let policy = policy(&study);
    let learner_now = |stored: u32| places.now.get(stored as usize).copied().flatten();
    let (engine, restored) =
        restore(learner, policy, &loaded, &learner_now, args.retry_failed).map_err(|error| {
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
    if finished.left_behind > 0 {
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

/// Where the learners of this run stand in the checkpoint, and the other way round.
struct Places {
    /// By index in the checkpoint: the index now, or none for a combo that left the study file.
    now: Vec<Option<u32>>,
    /// By index now: the index in the checkpoint, where the two differ.
    stored: Option<Vec<u32>>,
}

/// Opens the checkpoint, after making sure that it belongs to this study.
fn open(
    args: &RunArgs,
    study: &Study,
    evaluators: &Evaluators,
) -> Result<(Checkpoint, Loaded, Places), CommandError> {
    let before = checkpoint::read(&study.checkpoint.folder, &study.name).map_err(checkpoint_error)?;
    let mut stored_combos = before.header.as_ref().map(|header| header.learners.clone()).unwrap_or_default();
    if let Some(header) = &before.header
        && !header.study_text.is_empty()
    {
        refuse_changes(args, study, header)?;
    }
    drop(before);
    let places = places(&mut stored_combos, evaluators);
    let header = Header {
        study_text: study.text.clone(),
        dimensions: evaluators.signature.names.clone(),
        learners: stored_combos,
        ..Header::new(study.name.clone())
    };
    let options = checkpoint::Options {
        interval: study.checkpoint.interval,
        compress: study.checkpoint.compress,
        accept_losses: args.accept_losses,
        break_lock: args.break_lock,
        sync: checkpoint::SyncPolicy::Every(study.checkpoint.sync_interval),
        ..checkpoint::Options::new(&study.checkpoint.folder, study.name.clone(), header)
    };
    let (checkpoint, loaded) = Checkpoint::open(&options).map_err(checkpoint_error)?;
    Ok((checkpoint, loaded, places))
}

/// Stored combos keep their index; new ones come behind them.
fn places(stored: &mut Vec<crate::model::Parameters>, evaluators: &Evaluators) -> Places {
    let known: std::collections::HashMap<String, u32> =
        stored.iter().enumerate().map(|(index, combo)| (study::identity(combo), index as u32)).collect();
    let mut stored_index = Vec::with_capacity(evaluators.combos.len());
    for combo in evaluators.combos.iter() {
        stored_index.push(known.get(&study::identity(combo)).copied().unwrap_or_else(|| {
            stored.push(combo.clone());
            stored.len() as u32 - 1
        }));
    }
    let mut now = vec![None; stored.len()];
    for (index, &place) in stored_index.iter().enumerate() {
        now[place as usize] = Some(index as u32);
    }
    let same = stored_index.iter().enumerate().all(|(index, &place)| index as u32 == place);
    Places { now, stored: (!same).then_some(stored_index) }
}

fn refuse_changes(args: &RunArgs, study: &Study, header: &Header) -> Result<(), CommandError> {
    // A stored text that this version can't read any more says nothing about changes.
    let Ok(differences) = study::compare(&header.study_text, &study.text, &study.path) else { return Ok(()) };
    let mut refused = String::new();
    for difference in differences {
        if difference.severity == Severity::Refuse && !args.accept_changes {
            refused.push_str(&format!("\n  {difference}"));
        } else {
            output::note(format!("changed since the last run: {difference}"));
        }
    }
    if refused.is_empty() {
        return Ok(());
    }
    let file = study.checkpoint.folder.join(&study.name);
    Err(CommandError::new(
        Exit::Usage,
        format!("the study is not the one that {}.h5 holds results of:{refused}", file.display()),
    )
    .help("change it back, give the study another `name`, or go on with the old results by --accept-changes"))
}

pub(super) fn checkpoint_error(error: CheckpointError) -> CommandError {
    let exit = match &error {
        CheckpointError::Locked { .. } | CheckpointError::LockLost { .. } => Exit::Locked,
        CheckpointError::Unreadable { .. } | CheckpointError::Newer { .. } => Exit::Unreadable,
        _ => Exit::NotSaved,
    };
    CommandError::new(exit, error)
}

fn logged(study: &Study, learner: Box<dyn Learner>) -> Result<Box<dyn Learner>, CommandError> {
    let path = match &study.run.log {
        study::Log::Off => return Ok(learner),
        study::Log::Default => study.checkpoint.folder.join(format!("{}.log", study.name)),
        study::Log::File(path) => path.clone(),
    };
    // Each run starts from the stored facts and logs them too, so its log is whole by itself.
    let file = std::fs::File::create(&path).map_err(|error| {
        CommandError::new(Exit::NotSaved, format!("the log {} : {error}", path.display()))
    })?;
    Ok(Box::new(Log::new(learner, Box::new(std::io::BufWriter::new(file)))))
}

fn walltime(args: &RunArgs, study: &Study) -> Option<Walltime> {
    let limit: Option<Duration> = args.walltime.or(study.run.walltime);
    limit.map(Walltime::from_now).or_else(Walltime::from_batch_system)
}
