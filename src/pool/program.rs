//! What all ranks have in common: the tasks by name. And how a program starts, on whatever it finds.

use super::dispatcher::Dispatcher;
use super::error::LaunchError;
use super::handle::Pool;
use super::launch::{Launch, Variables, variables_of_process};
use super::options::PoolOptions;
use super::panics;
use super::presence;
use super::transport::Transport;
use super::transport::sim::{Sim, SimTransport};
use super::transport::threads;
use super::wire::{self, Fault, Status};
use super::worker::{Run, Runner, Runners, Worker, serve};
use super::world::{WorkerInfo, World};
use serde::{Serialize, de::DeserializeOwned};
use std::marker::PhantomData;
use std::sync::Arc;

/// The tasks of a program, registered in the same order on every rank.
///
/// ```
/// let mut program = adaptive_mpi::pool::Program::new();
/// let add = program.task("add", |_worker, (a, b): (f64, f64)| Ok(a + b));
/// let sum = program.run(|pool| pool.submit(add, (1.0, 2.0)).wait());
/// assert_eq!(sum, Ok(Some(Ok(3.0))));
/// ```
#[derive(Default)]
pub struct Program {
    tasks: Vec<Entry>,
    options: PoolOptions,
}

struct Entry {
    name: String,
    /// Makes the task on a worker, with its state.
    make: Box<dyn Fn(&WorkerInfo) -> Made + Send + Sync>,
}

/// A task on a worker, and why its state could not be made.
type Made = (Runner, Option<String>);

/// A registered task: a small index with the types of its arguments and its result.
pub struct Task<A, R> {
    index: u32,
    types: PhantomData<fn(A) -> R>,
}

impl<A, R> Task<A, R> {
    /// Its place in the program.
    pub fn index(self) -> u32 {
        self.index
    }
}

impl<A, R> Clone for Task<A, R> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<A, R> Copy for Task<A, R> {}

fn run_task<A: DeserializeOwned, R: Serialize>(
    arguments: &[u8],
    out: &mut Vec<u8>,
    call: impl FnOnce(A) -> Result<R, String>,
) -> Run {
    let fault = |status: Status, message: String| -> (Status, Fault) { (status, (message, String::new())) };
    let arguments =
        wire::decode::<A>(arguments).map_err(|e| fault(Status::Malformed, format!("arguments: {e}")))?;
    let result = call(arguments).map_err(|message| fault(Status::Error, message))?;
    wire::encode(&result, out).map_err(|e| fault(Status::Malformed, format!("result: {e}")))
}

impl Program {
    /// No tasks yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a task without state. Arguments and results travel as bincode.
    pub fn task<A, R>(
        &mut self,
        name: &str,
        f: impl Fn(&mut Worker, A) -> Result<R, String> + Send + Sync + 'static,
    ) -> Task<A, R>
    where
        A: Serialize + DeserializeOwned + 'static,
        R: Serialize + DeserializeOwned + 'static,
    {
        self.task_with_state(name, |_| Ok(()), move |(): &mut (), worker, args| f(worker, args))
    }

    /// Adds a task with a state of its own on every worker.
    ///
    /// States are made once per worker: before MPI is initialised on ranks that the launcher's environment shows
    /// to be workers, so that `init` may start child processes; else when the worker starts. They are dropped
    /// when the worker leaves. An error or panic of `init` is the error of every task on that worker, and is
    /// listed in [`World::workers`].
    pub fn task_with_state<S, A, R>(
        &mut self,
        name: &str,
        init: impl Fn(&WorkerInfo) -> Result<S, String> + Send + Sync + 'static,
        f: impl Fn(&mut S, &mut Worker, A) -> Result<R, String> + Send + Sync + 'static,
    ) -> Task<A, R>
    where
        S: 'static,
        A: Serialize + DeserializeOwned + 'static,
        R: Serialize + DeserializeOwned + 'static,
    {
        let index = self.tasks.len() as u32;
        let f = Arc::new(f);
        let make = move |info: &WorkerInfo| -> Made {
            let made = panics::catch(|| init(info))
                .unwrap_or_else(|caught| Err(format!("panic: {} ({})", caught.message, caught.location)));
            match made {
                Ok(mut state) => {
                    let f = Arc::clone(&f);
                    let run = move |worker: &mut Worker, arguments: &[u8], out: &mut Vec<u8>| {
                        run_task(arguments, out, |args| f(&mut state, worker, args))
                    };
                    (Box::new(run), None)
                }
                Err(error) => {
                    let fault = error.clone();
                    let run = move |_: &mut Worker, _: &[u8], _: &mut Vec<u8>| {
                        Err((Status::Error, (fault.clone(), String::new())))
                    };
                    (Box::new(run), Some(error))
                }
            }
        };
        self.tasks.push(Entry { name: name.to_owned(), make: Box::new(make) });
        Task { index, types: PhantomData }
    }

    /// Sets how the pool works.
    pub fn options(&mut self, options: PoolOptions) {
        self.options = options;
    }

    /// Runs `main` on rank 0, while the other ranks serve it. Returns what it returned there, and `None` on the
    /// other ranks, after all have left together.
    ///
    /// Under a launcher with several processes, messages go over MPI, which is initialised and finalised inside;
    /// so this works once per process. With one process, workers are threads and MPI is not touched: one
    /// thread if there is a launcher, else one per core, or as many as [`PoolOptions::workers`] says.
    ///
    /// When `main` returns, tasks that run are waited for, others dropped. If ranks were lost, MPI is not
    /// finalised, as that could hang: then the process should end soon.
    ///
    /// A panic outside of a task ends the whole job at once under MPI, even one that would be caught.
    ///
    /// # Errors
    /// If the processes don't form one MPI world, if a worker says nothing or has other tasks. On a worker:
    /// if rank 0 has ended or fallen silent.
    pub fn run<T>(self, main: impl FnOnce(&Pool) -> T) -> Result<Option<T>, LaunchError> {
        panics::install();
        let variables = variables_of_process();
        let launch = Launch::from_env(&variables);
        if launch.size > 1 {
            return self.run_mpi(&launch, &variables, main);
        }
        let cores = || std::thread::available_parallelism().map_or(1, usize::from);
        let workers = match (self.options.workers, launch.launcher) {
            (Some(n), _) => n.max(1),
            (None, Some(_)) => 1,
            (None, None) => cores(),
        };
        self.run_threads(&launch, workers as u32, main).map(Some)
    }

    #[cfg(not(feature = "mpi"))]
    fn run_mpi<T>(
        self,
        launch: &Launch,
        _: &Variables,
        _: impl FnOnce(&Pool) -> T,
    ) -> Result<Option<T>, LaunchError> {
        Err(LaunchError::WithoutMpi { launcher: launch.launcher.unwrap_or("?"), expected: launch.size })
    }

    #[cfg(feature = "mpi")]
    fn run_mpi<T>(
        self,
        launch: &Launch,
        variables: &Variables,
        main: impl FnOnce(&Pool) -> T,
    ) -> Result<Option<T>, LaunchError> {
        use super::transport::mpi::{self, MpiWorld};
        mpi::close_on_exec();
        // Before MPI is there, so that states may start child processes.
        let early = launch.rank.filter(|rank| *rank > 0).map(|rank| self.runners(&self.info(launch, rank)));
        let world = MpiWorld::init()?;
        mpi::close_on_exec();
        panics::make_fatal(Some(|| mpi::abort(1)));
        if world.size() == 1 {
            let library = mpi::library();
            panics::make_fatal(None);
            world.finalize()?;
            return Err(LaunchError::Mismatch {
                launcher: launch.launcher.unwrap_or("the launcher"),
                expected: launch.size,
                advice: launch.advice(&library),
                library,
            });
        }
        let matched = variables.get("ADAPTIVE_MPI_MATCHED_PROBE").map(String::as_str);
        let world = std::rc::Rc::new(world);
        let result = self.run_ranks(&world, mpi::matched_probe_wanted(matched), launch, early, main);
        let with_losses = !matches!(result, Ok((_, false)));
        panics::make_fatal(None);
        match std::rc::Rc::try_unwrap(world) {
            Ok(world) if !with_losses => world.finalize()?,
            _ => {}
        }
        result.map(|(value, _)| value)
    }

    /// The part of a run between initialising and finalising MPI. The flag: ranks were lost.
    #[cfg(feature = "mpi")]
    pub(super) fn run_ranks<T>(
        &self,
        world: &std::rc::Rc<super::transport::mpi::MpiWorld>,
        matched: bool,
        launch: &Launch,
        early: Option<Runners>,
        main: impl FnOnce(&Pool) -> T,
    ) -> Result<(Option<T>, bool), LaunchError> {
        use super::transport::mpi::{Ladder, MpiTransport, library};
        let ladder = Ladder::new(self.options.spin, self.options.longest_sleep);
        let mut transport = MpiTransport::new(std::rc::Rc::clone(world), ladder, matched);
        let (rank, workers) = (world.rank(), world.size() - 1);
        if rank > 0 {
            let mut info = self.info(launch, rank);
            info.workers = workers;
            let runners = early.unwrap_or_else(|| self.runners(&info));
            let released = serve(&mut transport, runners, info, &self.options)?;
            return Ok((None, released.with_losses));
        }
        let summary = World {
            transport: "mpi",
            library: library(),
            launcher: launch.launcher.unwrap_or("none"),
            thread_level: world.thread_level(),
            hosts: Vec::new(),
            survival: launch.survival.clone(),
            workers: Vec::new(),
        };
        let (value, with_losses) = self.manage(Box::new(transport), summary, workers, main)?;
        Ok((Some(value), with_losses))
    }

    fn manage<T>(
        &self,
        transport: Box<dyn Transport>,
        world: World,
        workers: u32,
        main: impl FnOnce(&Pool) -> T,
    ) -> Result<(T, bool), LaunchError> {
        let names: Vec<String> = self.tasks.iter().map(|task| task.name.clone()).collect();
        let all = self.names();
        let tasks = (names.as_slice(), all.as_str());
        let pool = Pool::new(Dispatcher::start(transport, world, workers, tasks, &self.options)?);
        let value = main(&pool);
        Ok((value, pool.finish()))
    }

    fn run_threads<T>(
        self,
        launch: &Launch,
        workers: u32,
        main: impl FnOnce(&Pool) -> T,
    ) -> Result<T, LaunchError> {
        let (transport, ends) = threads::connect(workers);
        let world = World {
            transport: "threads",
            library: String::new(),
            launcher: launch.launcher.unwrap_or("none"),
            thread_level: "",
            hosts: Vec::new(),
            survival: super::launch::Survival { possible: false, reason: "threads of one process".into() },
            workers: Vec::new(),
        };
        std::thread::scope(|scope| {
            for (i, mut end) in ends.into_iter().enumerate() {
                let program = &self;
                let info = WorkerInfo {
                    rank: i as u32 + 1,
                    workers,
                    local_rank: Some(i as u32),
                    host: presence::host(),
                    pid: std::process::id(),
                };
                let serve = move || {
                    let runners = program.runners(&info);
                    // An error means that rank 0 is gone, and so is anyone to tell.
                    let _ = serve(&mut end, runners, info, &program.options);
                };
                std::thread::Builder::new()
                    .name(format!("worker-{}", i + 1))
                    .spawn_scoped(scope, serve)
                    .map_err(|error| {
                        LaunchError::Start(format!("could not start a worker thread: {error}"))
                    })?;
            }
            self.manage(Box::new(transport), world, workers, main).map(|(value, _)| value)
        })
    }

    /// Runs `main` on a simulated world: virtual workers in virtual time, see [`Sim`]. Tasks are really called,
    /// in this thread, and cost no virtual time but what the simulation says. All virtual workers share one
    /// state per task.
    ///
    /// # Errors
    /// If so many workers can't be told apart (none, or over a million).
    pub fn simulate<T>(self, sim: Sim, main: impl FnOnce(&Pool) -> T) -> Result<T, LaunchError> {
        panics::install();
        let workers = sim.workers;
        if !(1..=1_000_000).contains(&workers) {
            return Err(LaunchError::Start(format!("can't simulate {workers} workers")));
        }
        let info = WorkerInfo {
            rank: 1,
            workers,
            local_rank: None,
            host: "simulated".into(),
            pid: std::process::id(),
        };
        let world = World {
            transport: "simulation",
            library: String::new(),
            launcher: "none",
            thread_level: "",
            hosts: Vec::new(),
            survival: super::launch::Survival { possible: true, reason: "simulated".into() },
            workers: Vec::new(),
        };
        let transport = SimTransport::new(sim, self.runners(&info));
        self.manage(Box::new(transport), world, workers, main).map(|(value, _)| value)
    }

    #[cfg(feature = "mpi")]
    fn info(&self, launch: &Launch, rank: u32) -> WorkerInfo {
        WorkerInfo {
            rank,
            workers: launch.size.saturating_sub(1),
            local_rank: launch.local_rank,
            host: presence::host(),
            pid: std::process::id(),
        }
    }

    fn names(&self) -> String {
        self.tasks.iter().map(|task| task.name.as_str()).collect::<Vec<_>>().join(", ")
    }

    fn runners(&self, info: &WorkerInfo) -> Runners {
        let mut all = Runners { runners: Vec::new(), init_error: None, names: self.names() };
        for task in &self.tasks {
            let (runner, error) = (task.make)(info);
            all.runners.push(runner);
            all.init_error = all.init_error.or_else(|| error.map(|error| format!("{}: {error}", task.name)));
        }
        all
    }
}
