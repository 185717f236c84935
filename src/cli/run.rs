use super::args::RunArgs;
use super::exit::{CommandError, Exit};
use super::limits::too_many_workers;
use super::open::{cache_error, checkpoint_error, logged, open, status_path, unfit};
use super::output;
use super::prepare::{Evaluators, Isolation, Prepared, digest, past_end, prepare};
use super::summary::{CHANGED, exit, outlook, summary};
use super::together;
use super::watch::Watch;
use crate::cache::Cache;
use crate::function::{Doubt, Evaluator, Natives, crashes, may_take_its_worker_along};
use crate::model::{Failure, FailureKind, Outcome, Sample};
use crate::pool::{
    Group, Launch, LaunchError, NodeFiles, Pool, PoolOptions, Program, Task, Worker, WorkerInfo,
    WorkerSummary,
};
use crate::report::count;
use crate::runner::goal::GoalTracker;
use crate::runner::{
    Cached, Drive, Order, Policy, Restored, StopSignals, Walltime, drive, look_at_all, restore,
};
use crate::study::Study;
use std::time::{Duration, Instant};

/// Points between ask and tell in a deterministic run, where the study does not say.
const DETERMINISTIC_WINDOW: usize = 64;

/// For the slower one of two copies of a point to end, when all is done.
const LAST_COPIES: Duration = Duration::from_millis(200);

/// `adaptive-mpi run`: on every rank. Rank 0 runs the study, the others evaluate.
pub(super) fn run(args: &RunArgs, natives: &Natives) -> Exit {
    // Every rank reads the study by itself, because the processes of its function have to be started before MPI is.
    let prepared = prepare(&args.study.study, natives, Isolation::AsAsked);
    let needs = prepared.as_ref().map(|prepared| prepared.evaluators.function.needs()).unwrap_or_default();
    if let Ok(prepared) = &prepared
        && let Err(error) = together::enter(prepared.evaluators.function.as_ref())
    {
        let message = format!("the variables of the study can't be set: {error}");
        output::error(&CommandError::new(Exit::Fault, message));
        return Exit::Fault;
    }
    if let Ok(prepared) = &prepared
        && may_take_its_worker_along(prepared.evaluators.function.as_ref())
    {
        let who = Launch::of_process().rank.map_or_else(String::new, |rank| format!("rank {rank}: "));
        crashes::tell(&who, Exit::Evaluations as u8);
    }
    let mut program = Program::new();
    if let Ok(prepared) = &prepared {
        program.alike("study", digest(&prepared.study));
        for (file, contents) in prepared.code.contents() {
            program.alike(file, contents);
        }
    }
    let evaluators = prepared.as_ref().ok().map(|prepared| prepared.evaluators.clone());
    let data = (!needs.data.is_empty()).then(|| program.node_files("data", needs.data.clone()));
    let task = evaluate_task(&mut program, evaluators, needs.ranks, data);
    let workers = args.workers.or(prepared.as_ref().ok().and_then(|prepared| prepared.study.run.workers));
    // Without a launcher, at least one group has to fit.
    let alone = || Launch::of_process().launcher.is_none() && needs.ranks > 1;
    let workers = workers.or_else(|| alone().then(|| together::cores().max(needs.ranks as usize)));
    let workers = args.max_workers.map(|most| most as usize).or(workers);
    if let Some(error) = workers.filter(|_| args.max_workers.is_none()).and_then(too_many_workers) {
        output::error(&error);
        return error.exit;
    }
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
            let error = launch_error(&error);
            output::error(&error);
            error.exit
        }
    }
}

pub(super) fn launch_error(error: &LaunchError) -> CommandError {
    // A file that is missing is the study's affair.
    let exit = if matches!(error, LaunchError::Data { .. }) { Exit::Usage } else { Exit::Launch };
    CommandError::new(exit, error)
}

type Evaluate = Task<Sample, Outcome>;

/// A worker's function. It is started with the worker, before MPI is there; but with the first point where it reads files
/// that this node gets by MPI.
struct Station {
    evaluators: Evaluators,
    evaluator: Option<Evaluator>,
    doubt: Doubt,
}

impl Station {
    fn new(evaluators: Evaluators, info: &WorkerInfo, waits: bool) -> Result<Self, Failure> {
        let evaluator = if waits { None } else { Some(evaluators.start(info.local_worker(), None)?) };
        Ok(Self { evaluators, evaluator, doubt: Doubt::default() })
    }

    fn evaluator(&mut self, worker: &Worker, data: Option<NodeFiles>) -> Result<&mut Evaluator, Failure> {
        Ok(match &mut self.evaluator {
            Some(evaluator) => evaluator,
            none => {
                let folder = data.map(|data| worker.data(data));
                none.insert(self.evaluators.start(worker.info().local_worker(), folder)?)
            }
        })
    }

    /// Evaluates a sample. A function that fails again and again is tried where it had a value, and started anew if it has
    /// none there any more.
    fn evaluate(&mut self, worker: &mut Worker, data: Option<NodeFiles>, sample: &Sample) -> Outcome {
        let outcome = self.try_at(worker, data, sample);
        let Some(known) = self.doubt.note(sample, &outcome) else { return outcome };
        let began = Instant::now();
        if self.still_works_at(worker, data, &known).is_ok() {
            self.doubt.is_unfounded();
            worker.leave_out(began.elapsed());
            return outcome;
        }
        self.evaluator = None;
        worker.leave_out(began.elapsed());
        let outcome = self.try_at(worker, data, sample);
        if outcome.is_ok() {
            self.doubt.is_settled(true);
            return outcome;
        }
        // Anew once more: it may work only once after each start.
        self.evaluator = None;
        let began = Instant::now();
        let known_again =
            self.still_works_at(worker, data, &known).or_else(|_| self.still_works_at(worker, data, &known));
        worker.leave_out(began.elapsed());
        match known_again {
            Ok(_) => {
                self.doubt.is_settled(false);
                outcome
            }
            Err(failure) => Err(Doubt::confirmed(&known, failure)),
        }
    }

    /// Evaluates a sample that nobody has asked for; its time is not told to the worker.
    fn still_works_at(&mut self, worker: &Worker, data: Option<NodeFiles>, sample: &Sample) -> Outcome {
        let evaluator = self.evaluator(worker, data)?;
        evaluator.prepare()?;
        evaluator.evaluate(sample)
    }

    fn try_at(&mut self, worker: &mut Worker, data: Option<NodeFiles>, sample: &Sample) -> Outcome {
        let evaluator = self.evaluator(worker, data)?;
        worker.leave_out(evaluator.prepare()?);
        evaluator.evaluate(sample)
    }
}

fn evaluate_task(
    program: &mut Program,
    evaluators: Option<Evaluators>,
    ranks: u32,
    data: Option<NodeFiles>,
) -> Evaluate {
    let start = move |info: &WorkerInfo| match &evaluators {
        Some(evaluators) => {
            Station::new(evaluators.clone(), info, data.is_some()).map_err(|failure| failure.to_string())
        }
        None => Err("the study could not be read on this rank".to_owned()),
    };
    if ranks > 1 {
        let evaluate =
            move |station: &mut Station, worker: &mut Worker, group: &Group<'_>, sample: Sample| {
                let evaluator = match station.evaluator(worker, data) {
                    Ok(evaluator) => evaluator,
                    Err(failure) => {
                        group.finish();
                        return Ok(Err(failure));
                    }
                };
                Ok(together::evaluate(evaluator, worker.info(), group, &sample))
            };
        return program.group_task_with_state("evaluate", start, evaluate).on(ranks);
    }
    let evaluate = move |station: &mut Station, worker: &mut Worker, sample: Sample| {
        let outcome = station.evaluate(worker, data, &sample);
        if matches!(&outcome, Err(failure) if failure.kind == FailureKind::Setup) {
            worker.leave_out_of_pace();
        }
        Ok(outcome)
    };
    program.task_with_state("evaluate", start, evaluate)
}

/// How many evaluations can run at the same time, after making sure that one can.
fn groups(pool: &Pool, ranks: u32) -> Result<usize, CommandError> {
    let (workers, ranks) = (pool.workers(), ranks.max(1) as usize);
    if ranks > workers {
        let message =
            format!("the study asks for {ranks} ranks per evaluation, but there are {workers} workers");
        let help = format!("start {} ranks or more: the first one manages the others", ranks + 1);
        return Err(CommandError::new(Exit::Usage, message).help(help));
    }
    Ok(workers / ranks)
}

/// A function that can't be started on any worker is not worth a run. Where some can't, the others do their share: the ranks
/// of those.
fn refuse_what_cannot_start(pool: &Pool, ranks: u32) -> Result<Vec<u32>, CommandError> {
    let used = pool.world().workers.iter().filter(|worker| worker.rank as usize <= pool.workers());
    let failed: Vec<_> = used.filter_map(|worker| Some((worker, worker.init_error.as_ref()?))).collect();
    let said = |(worker, error): &(&WorkerSummary, &String)| {
        format!("the function can't be started on rank {} on {}: {error}", worker.rank, worker.host)
    };
    if let Some(first) = failed.first().filter(|_| ranks > 1 || failed.len() == pool.workers()) {
        // A check loads the function, but starts it only to evaluate.
        let again = if ranks > 1 { "" } else { "; `adaptive-mpi check --evaluate` tries it without a run" };
        let help = format!("correct the function, or [function] in the study{again}");
        return Err(CommandError::new(Exit::Usage, said(first)).help(help));
    }
    for failed in &failed {
        output::note(format!("warning: {}; it gets no points in this run", said(failed)));
    }
    Ok(failed.iter().map(|(worker, _)| worker.rank).collect())
}

/// Rank 0's part.
fn manage(
    args: &RunArgs,
    prepared: Prepared,
    pool: &Pool,
    task: Evaluate,
    signals: &StopSignals,
) -> Result<Exit, CommandError> {
    let Prepared { study, learner, evaluators, priorities, mut code } = prepared;
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
    let cannot_start = refuse_what_cannot_start(pool, evaluators.function.needs().ranks)?;
    if let Some(warning) = past_end(&study.goal) {
        output::note(warning);
    }
    let needs = evaluators.function.needs();
    let workers = groups(pool, needs.ranks)?;
    if let Some(left) = (pool.workers() as u32).checked_rem(needs.ranks).filter(|left| *left > 0) {
        let (workers, ranks) = (pool.workers(), needs.ranks);
        output::note(format!(
            "warning: groups of {ranks} ranks leave {left} of {workers} workers without work"
        ));
    }
    let here = pool.world().hosts.first().map_or(0, |(_, ranks)| ranks.len().saturating_sub(1));
    if let Some(warning) = together::too_many_threads(here, needs.threads, together::cores()) {
        output::note(format!("warning: {warning}"));
    }
    let (mut checkpoint, loaded, places) =
        open(&args.checkpoint, &study, &evaluators.signature, &evaluators.combos)?;
    for notice in &loaded.notices {
        output::note(notice);
    }
    let cached = cached(&study, &evaluators, args.quiet)?;
    // The checkpoint and the cache have looked at the files by themselves.
    code.check().map_err(|failure| CommandError::new(Exit::Usage, failure.message).help(CHANGED))?;
    let learner = logged(&study, learner)?;
    let policy = policy(&study);
    let now = |stored| places.now(stored);
    let mut goals = GoalTracker::new(study.goal.clone(), evaluators.combos.len());
    let (engine, resting, restored) =
        restore(learner, policy, &loaded, &now, &mut goals, args.checkpoint.retry_failed)
            .map_err(|error| unfit(&study, error))?;
    // A deterministic run that begins has asked for its first points here, too.
    let is_new = loaded.columns.is_empty()
        && loaded.failures.is_empty()
        && loaded.in_flight.is_empty()
        && loaded.early.is_empty();
    if !args.quiet && !is_new && restored != Restored::default() {
        let ending = if loaded.generation == 0 { "journal" } else { "h5" };
        output::note(format!(
            "going on from {}: {} points, {} to be finished first, {} given up earlier",
            study.checkpoint.folder.join(format!("{}.{ending}", study.name)).display(),
            count(restored.told),
            count(restored.resumed),
            count(restored.given_up),
        ));
    }
    drop(loaded);
    look_at_all(&mut goals, engine.learner());
    // From here on the disk is written even before the first result: a folder that can't be is found now.
    checkpoint.commit().map_err(checkpoint_error)?;
    let every = if args.quiet { None } else { study.run.progress };
    let walltime = walltime(args, &study);
    let mut watch = Watch::new(&study.name, status_path(&study), world, every);
    let finished = drive(
        Drive {
            engine,
            queue: pool.queue(task),
            workers,
            cannot_start,
            checkpoint,
            goals,
            resting,
            signals,
            walltime,
            walltime_margin: margin(walltime, study.run.walltime_margin),
            grace: study.run.grace,
            impatient_launcher: impatient_launcher(),
            in_flight: if study.run.deterministic { None } else { study.run.in_flight },
            raise_if_retries_exceeded: study.run.raise_if_retries_exceeded,
            stored_learner: places.stored,
            priorities,
            cached,
        },
        &mut watch,
    );
    // What could not be saved in the checkpoint may find room here.
    let unsaved = exit(&finished) == Exit::NotSaved;
    watch.finish(&outlook(&finished, workers), unsaved.then(|| finished.ended.to_string()).as_deref());
    summary(args, &study, evaluators.function.as_ref(), &finished, workers);
    pool.exit_with(exit(&finished) as u8);
    if finished.left_behind > 0 || !pool.settle(LAST_COPIES) {
        // All is saved. Workers that are still at a point could not leave with the others before it ends.
        pool.abandon(exit(&finished) as u8);
    }
    Ok(exit(&finished))
}

/// What need not be computed, where the study wants a cache.
fn cached(study: &Study, evaluators: &Evaluators, quiet: bool) -> Result<Option<Cached>, CommandError> {
    let Some(path) = &study.cache else { return Ok(None) };
    let calls = study.calls(&evaluators.signature, &evaluators.combos)?;
    let (cache, notices) = Cache::open(path).map_err(cache_error)?;
    for notice in notices {
        output::note(notice);
    }
    if !quiet {
        // Only some of its values may be of this function; which files count is seldom guessed.
        let files = match calls.files.as_slice() {
            [] => String::new(),
            files => format!(", used as long as {} and `version` stay as they are", files.join(", ")),
        };
        output::note(format!("cache {}: {} values{files}", path.display(), count(cache.len() as u64)));
    }
    Ok(Some(Cached::new(cache, &calls.texts, evaluators.signature.seeded)))
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
    let limit = args.walltime.or(study.run.walltime).map(Walltime::from_now);
    // The batch system ends the job at its own time, whatever else was said.
    [limit, Walltime::from_batch_system()].into_iter().flatten().min_by_key(Walltime::left)
}

/// How long before the end the run stops: a job shorter than the margin would never get anywhere otherwise, however often
/// it is started.
fn margin(walltime: Option<Walltime>, wanted: Duration) -> Duration {
    let Some(left) = walltime.map(|walltime| walltime.left()).filter(|left| *left <= wanted) else {
        return wanted;
    };
    output::note(format!(
        "warning: the time limit is not longer than `walltime_margin` ({wanted:.0?}): the run uses half of it, {:.1?}",
        left / 2
    ));
    left / 2
}

/// Open MPI's launcher, sent SIGINT or SIGTERM, hands on SIGTERM after a second and SIGKILL after one more (a longer
/// `odls_base_sigkill_timeout` is waited for both times). SIGUSR1 it hands on at once, and lets its ranks end; so does a signal to
/// rank 0, or of the batch system.
fn impatient_launcher() -> Option<&'static str> {
    let set = |name: &str| std::env::var_os(name).is_some();
    (set("OMPI_COMM_WORLD_SIZE") && !set("OMPI_MCA_odls_base_sigkill_timeout")).then_some(
        "(if mpiexec was sent the signal, Open MPI ends the ranks in a second; `kill -USR1` of mpiexec leaves \
         them their time)",
    )
}
