//! What all ranks have in common: the tasks by name, the states of workers, the data that they need.

use super::bulk::Bulk;
use super::data::Source;
use super::group::Group;
use super::options::PoolOptions;
use super::panics;
use super::runners::{Arguments, Run, Runner, Runners};
use super::wire::{self, Fault, Status};
use super::worker::Worker;
use super::world::WorkerInfo;
use serde::{Serialize, de::DeserializeOwned};
use std::any::Any;
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
    pub(super) tasks: Vec<Entry>,
    pub(super) options: PoolOptions,
    pub(super) sources: Vec<Box<dyn Source>>,
    initialisers: Vec<Initialiser>,
    /// What all ranks should have alike: its name, and what this one has.
    pub(super) alike: Vec<(String, String)>,
}

type Initialiser = Box<dyn Fn(&WorkerInfo) -> Result<Box<dyn Any>, String> + Send + Sync>;

pub(super) struct Entry {
    pub(super) name: String,
    /// Makes the task on a worker, with its state.
    make: Box<dyn Fn(&WorkerInfo) -> Made + Send + Sync>,
}

/// A task on a worker, and why its state could not be made.
type Made = (Runner, Option<String>);

/// A registered task: a small index with the types of its arguments and its result.
pub struct Task<A, R> {
    index: u32,
    ranks: u32,
    types: PhantomData<fn(A) -> R>,
}

impl<A, R> Task<A, R> {
    /// Its place in the program.
    pub fn index(self) -> u32 {
        self.index
    }

    /// How many ranks run it together; 1 unless it is a [`GroupTask`]'s.
    pub fn ranks(self) -> u32 {
        self.ranks
    }
}

/// A registered task that several ranks can run together.
pub struct GroupTask<A, R>(Task<A, R>);

impl<A, R> GroupTask<A, R> {
    /// The task on so many ranks (at least one). Sizes may be mixed.
    ///
    /// Handed in, it waits until that many workers are idle at the same time, of one host if any has enough of them. It
    /// fails with [`TaskErrorKind::TooLarge`](super::TaskErrorKind::TooLarge) where there are fewer workers.
    pub fn on(self, ranks: u32) -> Task<A, R> {
        Task { ranks: ranks.max(1), ..self.0 }
    }
}

impl<A, R> Clone for GroupTask<A, R> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<A, R> Copy for GroupTask<A, R> {}

impl<A, R> Clone for Task<A, R> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<A, R> Copy for Task<A, R> {}

/// What a maker of a state gives; a panic is an error.
fn made<S>(make: impl FnOnce() -> Result<S, String>) -> Result<S, String> {
    let panicked = |caught: panics::Caught| Err(format!("panic: {} ({})", caught.message, caught.location));
    panics::catch(make).unwrap_or_else(panicked)
}

fn run_task<A: DeserializeOwned + 'static, R: Serialize + 'static>(
    arguments: Arguments<'_>,
    out: &mut Vec<u8>,
    call: impl FnOnce(A) -> Result<R, String>,
) -> Run {
    let fault = |status: Status, message: String| -> (Status, Fault) { (status, (message, String::new())) };
    let malformed = |what: &str, error: wire::WireError| fault(Status::Malformed, format!("{what}: {error}"));
    let arguments = match arguments.bulk.and_then(|bulk| bulk.give()) {
        Some(arguments) => arguments,
        None => wire::decode::<A>(arguments.bytes).map_err(|error| malformed("arguments", error))?,
    };
    let result = call(arguments).map_err(|message| fault(Status::Error, message))?;
    match Bulk::take(result) {
        Ok(bulk) => Ok(Some(bulk)),
        Err(result) => wire::encode(&result, out).map(|()| None).map_err(|error| malformed("result", error)),
    }
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
    /// listed in [`World::workers`](super::World::workers).
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
        self.add(name, init, move |state, worker, _, args| f(state, worker, args))
    }

    /// Adds a task that several ranks run together: all of them call `f` with the same arguments, and the result of the
    /// first is the task's. An error or a panic of any of them fails the task, and frees the others.
    ///
    /// ```
    /// let mut program = adaptive_mpi::pool::Program::new();
    /// let sum = program.group_task("sum", |_worker, group, n: u32| {
    ///     let own = (0..n).skip(group.rank() as usize).step_by(group.size() as usize);
    ///     Ok(group.reduce(own.sum::<u32>(), |a, b| a + b)?)
    /// });
    /// let mut options = adaptive_mpi::pool::PoolOptions::default();
    /// options.workers = Some(3);
    /// program.options(options);
    /// let sums = program.run(|pool| {
    ///     let (two, three) = (pool.submit(sum.on(2), 100), pool.submit(sum.on(3), 1000));
    ///     (two.wait(), three.wait())
    /// });
    /// assert_eq!(sums, Ok(Some((Ok(4950), Ok(499_500)))));
    /// ```
    pub fn group_task<A, R>(
        &mut self,
        name: &str,
        f: impl Fn(&mut Worker, &Group<'_>, A) -> Result<R, String> + Send + Sync + 'static,
    ) -> GroupTask<A, R>
    where
        A: Serialize + DeserializeOwned + 'static,
        R: Serialize + DeserializeOwned + 'static,
    {
        self.group_task_with_state(
            name,
            |_| Ok(()),
            move |(): &mut (), worker, group, args| f(worker, group, args),
        )
    }

    /// Adds such a task with a state of its own on every worker, as [`Self::task_with_state`] does.
    pub fn group_task_with_state<S, A, R>(
        &mut self,
        name: &str,
        init: impl Fn(&WorkerInfo) -> Result<S, String> + Send + Sync + 'static,
        f: impl Fn(&mut S, &mut Worker, &Group<'_>, A) -> Result<R, String> + Send + Sync + 'static,
    ) -> GroupTask<A, R>
    where
        S: 'static,
        A: Serialize + DeserializeOwned + 'static,
        R: Serialize + DeserializeOwned + 'static,
    {
        GroupTask(self.add(name, init, move |state, worker, group, args| match group {
            Some(group) => f(state, worker, group, args),
            None => Group::alone(worker.rank(), |group| f(state, worker, group, args)),
        }))
    }

    fn add<S, A, R>(
        &mut self,
        name: &str,
        init: impl Fn(&WorkerInfo) -> Result<S, String> + Send + Sync + 'static,
        f: impl Fn(&mut S, &mut Worker, Option<&Group<'_>>, A) -> Result<R, String> + Send + Sync + 'static,
    ) -> Task<A, R>
    where
        S: 'static,
        A: Serialize + DeserializeOwned + 'static,
        R: Serialize + DeserializeOwned + 'static,
    {
        let index = self.tasks.len() as u32;
        let f = Arc::new(f);
        let make = move |info: &WorkerInfo| -> Made {
            match made(|| init(info)) {
                Ok(mut state) => {
                    let f = Arc::clone(&f);
                    let run: Runner = Box::new(move |worker, group, arguments, out| {
                        run_task(arguments, out, |args| f(&mut state, worker, group, args))
                    });
                    (run, None)
                }
                Err(error) => {
                    let fault = error.clone();
                    let run: Runner =
                        Box::new(move |_, _, _, _| Err((Status::Error, (fault.clone(), String::new()))));
                    (run, Some(error))
                }
            }
        };
        self.tasks.push(Entry { name: name.to_owned(), make: Box::new(make) });
        Task { index, ranks: 1, types: PhantomData }
    }

    /// Adds a state that all tasks on a worker share, found by its type with
    /// [`Worker::state`](super::Worker::state). `init` runs once per worker, before any task, as the states of
    /// [`Self::task_with_state`] do: `initializer` in Python's executors, `init_function` in executorlib.
    ///
    /// An error or panic in it, on any worker, ends [`Self::run`] with
    /// [`LaunchError::Initialiser`](super::LaunchError::Initialiser), which names all workers where it failed.
    ///
    /// ```
    /// struct Counter(u32);
    ///
    /// let mut program = adaptive_mpi::pool::Program::new();
    /// program.init(|_worker| Ok(Counter(0)));
    /// let count = program.task("count", |worker, (): ()| {
    ///     let counter = worker.state::<Counter>();
    ///     counter.0 += 1;
    ///     Ok(counter.0)
    /// });
    /// let counted = program.run(|pool| pool.submit(count, ()).wait());
    /// assert_eq!(counted, Ok(Some(Ok(1))));
    /// ```
    pub fn init<S: 'static>(
        &mut self,
        init: impl Fn(&WorkerInfo) -> Result<S, String> + Send + Sync + 'static,
    ) {
        let init = move |info: &WorkerInfo| init(info).map(|state| Box::new(state) as Box<dyn Any>);
        self.initialisers.push(Box::new(init));
    }

    /// Says what this rank has of something that all ranks read by themselves, as the digest of a file. Where
    /// a rank has another than rank 0, [`Self::run`] ends with
    /// [`LaunchError::Unlike`](super::LaunchError::Unlike). A rank that says nothing of this name is left alone.
    pub fn alike(&mut self, name: &str, digest: impl Into<String>) {
        self.alike.push((name.to_owned(), digest.into()));
    }

    pub(super) fn add_source(&mut self, source: Box<dyn Source>) -> u32 {
        self.sources.push(source);
        (self.sources.len() - 1) as u32
    }

    /// Sets how the pool works.
    pub fn options(&mut self, options: PoolOptions) {
        self.options = options;
    }

    pub(super) fn names(&self) -> String {
        self.tasks.iter().map(|task| task.name.as_str()).collect::<Vec<_>>().join(", ")
    }

    pub(super) fn runners(&self, info: &WorkerInfo) -> Runners {
        let mut all = Runners { names: self.names(), alike: self.alike.clone(), ..Runners::default() };
        for init in &self.initialisers {
            match made(|| init(info)) {
                Ok(state) => all.states.push(state),
                Err(error) => all.fatal = all.fatal.or(Some(error)),
            }
        }
        for task in &self.tasks {
            let (runner, error) = (task.make)(info);
            all.runners.push(runner);
            all.init_error = all.init_error.or_else(|| error.map(|error| format!("{}: {error}", task.name)));
        }
        all
    }
}
