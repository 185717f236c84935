//! How a program starts, on whatever it finds: MPI, threads, or a simulated world.

use super::data::DataStore;
#[cfg(feature = "mpi")]
use super::data::SpreadError;
use super::dispatcher::Dispatcher;
use super::error::LaunchError;
use super::handle::Pool;
use super::launch::{Launch, Variables, variables_of_process};
use super::panics;
use super::presence;
use super::program::Program;
#[cfg(feature = "mpi")]
use super::pulse::{self, Pulses};
use super::runners::Runners;
use super::service::serve;
use super::transport::Transport;
use super::transport::sim::{Sim, SimTransport};
use super::transport::threads;
use super::watch::Eyes;
use super::world::{WorkerInfo, World};
use std::sync::Arc;

/// So many ranks at a time are treated as if they were on hosts of their own: for tests.
#[cfg(feature = "mpi")]
fn node_size() -> Option<u32> {
    std::env::var("ADAPTIVE_MPI_NODE_SIZE").ok().and_then(|n| n.trim().parse().ok())
}

impl Program {
    /// Runs `main` on rank 0, while the other ranks serve it. Returns what it returned there, and `None` on the
    /// other ranks, after all have left together.
    ///
    /// Under a launcher with several processes, messages go over MPI, which is initialised and finalised inside;
    /// so this works once per process. With one process, workers are threads and MPI is not touched: one
    /// thread if there is a launcher, else one per core, or as many as [`PoolOptions::workers`](super::PoolOptions::workers) says.
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
        let spawns = self.options.spawn.is_some_and(|workers| workers > 0);
        if launch.size > 1 || (spawns && cfg!(feature = "mpi")) {
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
        let world = match (launch.spawned, self.options.spawn.filter(|_| launch.size == 1)) {
            (true, _) => MpiWorld::join()?,
            (false, None) => MpiWorld::init()?,
            (false, Some(workers)) => {
                MpiWorld::spawn(workers).map_err(|error| LaunchError::Spawn { workers, error })?
            }
        };
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
        let alone = matches!(result, Err(LaunchError::ManagerLost { .. }));
        if with_losses && world.rank() > 0 && !alone && !launch.survival.possible {
            // The launcher may end the job as soon as the first rank has left, before rank 0 has said why.
            std::thread::sleep(super::transport::mpi::LAST_WORDS);
        }
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
        super::bulk::keep_freed_memory();
        let ladder = Ladder::new(self.options.spin, self.options.longest_sleep);
        let mut transport = MpiTransport::new(std::rc::Rc::clone(world), ladder, matched);
        let (rank, workers) = (world.rank(), world.size() - 1);
        if rank > 0 {
            let mut info = self.info(launch, rank);
            info.workers = workers;
            let mut runners = early.unwrap_or_else(|| self.runners(&info));
            match self.spread(world) {
                Ok(data) => runners.data = data,
                // Rank 0 says why; it finalises as little as this rank does.
                Err(SpreadError::Absent) => return Ok((None, true)),
                Err(SpreadError::Unreadable(name, e) | SpreadError::Malformed(name, e)) => {
                    runners.fatal = Some(format!("data `{name}`: {e}"));
                }
                Err(SpreadError::Transport(error)) => return Err(error.into()),
            }
            let released = serve(&mut transport, runners, info, &self.options)?;
            return Ok((None, released.with_losses));
        }
        let data = self.spread(world).map_err(|error| match error {
            SpreadError::Transport(error) => error.into(),
            SpreadError::Unreadable(name, message) | SpreadError::Malformed(name, message) => {
                LaunchError::Data { name, message }
            }
            SpreadError::Absent => LaunchError::Start("rank 0 has no data".into()),
        })?;
        let summary = World {
            transport: "mpi",
            library: library(),
            launcher: launch.launcher.unwrap_or("none"),
            thread_level: world.thread_level(),
            hosts: Vec::new(),
            survival: match launch.launcher {
                Some(_) => launch.survival_with(&library(), world.can_tell_deaths()),
                None => {
                    super::launch::Survival { possible: false, reason: "spawned without a launcher".into() }
                }
            },
            workers: Vec::new(),
        };
        let with_pulse = pulse::wanted(std::env::var("ADAPTIVE_MPI_PULSE").ok().as_deref());
        let eyes = Eyes {
            node_size: node_size().unwrap_or(u32::MAX),
            pulses: if with_pulse { Pulses::open(workers) } else { None },
        };
        let (value, with_losses) = self.manage(Box::new(transport), summary, eyes, workers, data, main)?;
        Ok((Some(value), with_losses))
    }

    /// Reads all data in this process.
    fn load(&self) -> Result<Arc<DataStore>, LaunchError> {
        DataStore::load(&self.sources)
            .map(Arc::new)
            .map_err(|(name, message)| LaunchError::Data { name, message })
    }

    /// Reads all data on rank 0 and spreads it.
    #[cfg(feature = "mpi")]
    fn spread(&self, world: &super::transport::mpi::MpiWorld) -> Result<Arc<DataStore>, SpreadError> {
        let how = super::data::How { limit: self.options.start_limit, node_size: node_size() };
        DataStore::spread(&self.sources, world, &how).map(Arc::new)
    }

    fn manage<T>(
        &self,
        transport: Box<dyn Transport>,
        world: World,
        eyes: Eyes,
        workers: u32,
        data: Arc<DataStore>,
        main: impl FnOnce(&Pool) -> T,
    ) -> Result<(T, bool), LaunchError> {
        let names: Vec<String> = self.tasks.iter().map(|task| task.name.clone()).collect();
        let all = self.names();
        let tasks = (names.as_slice(), all.as_str(), self.alike.as_slice());
        let pool = Pool::new(Dispatcher::start(transport, world, workers, tasks, &self.options, eyes)?, data);
        let value = main(&pool);
        Ok((value, pool.finish()))
    }

    fn run_threads<T>(
        self,
        launch: &Launch,
        workers: u32,
        main: impl FnOnce(&Pool) -> T,
    ) -> Result<T, LaunchError> {
        let data = self.load()?;
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
                let data = Arc::clone(&data);
                let serve = move || {
                    let runners = Runners { data, ..program.runners(&info) };
                    // An error means that rank 0 is gone, and so is anyone to tell.
                    let _ = serve(&mut end, runners, info, &program.options);
                };
                std::thread::Builder::new()
                    .name(format!("worker-{}", i + 1))
                    .spawn_scoped(scope, serve)
                    // Those that have started leave when this end of theirs closes.
                    .map_err(|error| LaunchError::Threads {
                        started: i as u32,
                        workers,
                        error: error.to_string(),
                    })?;
            }
            self.manage(Box::new(transport), world, Eyes::closed(), workers, data, main)
                .map(|(value, _)| value)
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
        let data = self.load()?;
        let runners = Runners { data: Arc::clone(&data), ..self.runners(&info) };
        let transport = SimTransport::new(sim, runners);
        self.manage(Box::new(transport), world, Eyes::closed(), workers, data, main).map(|(value, _)| value)
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
}
