use super::args::RunArgs;
use super::exit::{CommandError, Exit};
use super::output;
use super::prepare::{Evaluators, Isolation, Prepared, prepare};
use super::watch::Watch;
use crate::checkpoint::{self, Checkpoint, CheckpointError, Header, Loaded};
use crate::function::{Evaluator, Natives};
use crate::learner::Learner;
use crate::model::{Outcome, Sample};
use crate::pool::{LaunchError, Pool, PoolOptions, Program, Task};
use crate::report::{count, duration, percent};
use crate::runner::goal::GoalTracker;
use crate::runner::{
    Drive, Ended, Finished, Log, Order, Outlook, Phase, Policy, Restored, StopReason, StopSignals, Walltime,
    drive, look_at_all, restore,
};
use crate::study::{self, Severity, Study};
use serde_json::json;
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

fn outlook(finished: &Finished, workers: usize) -> Outlook<'_> {
    Outlook {
        engine: &finished.engine,
        accounting: &finished.accounting,
        goals: &finished.goals,
        workers,
        told: finished.told,
    }
}

fn exit(finished: &Finished) -> Exit {
    match &finished.ended {
        Ended::Stopped(StopReason::NotSaved(_)) => Exit::NotSaved,
        Ended::Stopped(StopReason::LockLost(_)) => Exit::Locked,
        Ended::Stopped(StopReason::CannotStart(_)) => Exit::Usage,
        Ended::Stopped(StopReason::Signal(_) | StopReason::Walltime) => Exit::Resumable,
        Ended::Exhausted | Ended::Stopped(StopReason::RetriesExceeded | StopReason::NothingWorks(_)) => {
            Exit::Evaluations
        }
        Ended::Goal(_) => Exit::Done,
    }
}

/// The most memory that this process ever held, in bytes, where the system says so.
fn peak_memory() -> Option<u64> {
    let usage = nix::sys::resource::getrusage(nix::sys::resource::UsageWho::RUSAGE_SELF).ok()?;
    // Linux counts in KiB.
    u64::try_from(usage.max_rss()).ok().map(|kib| kib * 1024)
}

fn summary(args: &RunArgs, study: &Study, finished: &Finished, workers: usize) {
    let Finished { ended, accounting, told, engine, left_behind, snapshot_error, .. } = finished;
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
    if let Some(error) = snapshot_error {
        output::note(format!(
            "warning: {error}; all results are in the journal, the next run takes them from there"
        ));
    }
    if *left_behind > 0 {
        output::note(format!(
            "{left_behind} evaluations did not end within the grace time; the next run starts with them"
        ));
    }
    if exit(finished) == Exit::Resumable {
        output::note("start the same command again to go on");
    }
}
