//! What a user holds on rank 0: the pool, and through it futures, queues and maps. All are views of one dispatcher.

use super::bulk::Bulk;
use super::data::{DataStore, Preloaded};
use super::dispatcher::{Answer, Dispatcher, Shared};
use super::future::Future;
use super::health::Health;
use super::inputs::Inputs;
use super::options::TaskOptions;
use super::panics;
use super::program::Task;
use super::queue::Queue;
use super::scheduler::Order;
use super::stats::Stats;
use super::turn::{LONG, settled, turn};
use super::world::World;
use serde::{Serialize, de::DeserializeOwned};
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

/// Rank 0's view of all workers. Messages move while one of its methods, or one of its futures' or queues',
/// is called; so a program that computes for long itself should call [`Queue::flush`] now and then.
pub struct Pool {
    pub(super) shared: Shared,
    world: World,
    data: Arc<DataStore>,
    /// After [`Self::shutdown`] without waiting: what was handed in before is still to be done.
    finishes: Cell<bool>,
}

impl Pool {
    pub(super) fn new(dispatcher: Dispatcher, data: Arc<DataStore>) -> Self {
        let world = dispatcher.world().clone();
        Self { shared: Rc::new(RefCell::new(dispatcher)), world, data, finishes: Cell::new(false) }
    }

    /// Workers that are not lost.
    pub fn workers(&self) -> usize {
        self.shared.borrow().alive()
    }

    /// Everyone who takes part, as they introduced themselves at the start.
    pub fn world(&self) -> &World {
        &self.world
    }

    /// How the workers are: who is lost, who is slow. O(workers).
    pub fn health(&self) -> Health {
        self.shared.borrow().health()
    }

    /// What has been done so far.
    pub fn stats(&self) -> Stats {
        self.shared.borrow().stats()
    }

    /// Data that was read for all before this pool began; workers have it as [`Worker::data`](super::Worker::data).
    ///
    /// # Panics
    /// If the handle is another program's.
    #[track_caller]
    pub fn data<H: Preloaded>(&self, handle: H) -> &H::Target {
        self.data.get(&handle)
    }

    /// Hands in a task. Keep the future: a task whose future is dropped before a worker has it is not started
    /// ([`Future::detach`] it to have it done without looking at it).
    pub fn submit<A: Serialize + 'static, R: DeserializeOwned + 'static>(
        &self,
        task: Task<A, R>,
        args: A,
    ) -> Future<R> {
        let mut dispatcher = self.shared.borrow_mut();
        let how = (Order::of(task.ranks()), 0);
        let ticket = dispatcher.submit_future(task.index(), Bulk::take(args), how);
        dispatcher.flush();
        Future::new(&self.shared, ticket)
    }

    /// Hands in a task with a priority, a time limit or retries.
    pub fn submit_with<A: Serialize + 'static, R: DeserializeOwned + 'static>(
        &self,
        task: Task<A, R>,
        args: A,
        options: &TaskOptions,
    ) -> Future<R> {
        self.submitter(task).submit_packed(Bulk::take(args), options)
    }

    /// Hands in a task that needs the results of others: a DAG. When all inputs are there, `args` makes its arguments
    /// of their values, on rank 0 (results travel to rank 0 and from there to the dependent's worker).
    ///
    /// If an input fails, the task fails too, without being started: with [`TaskErrorKind::Input`], and the input's
    /// error as its cause. If one is cancelled, so is the task. Inputs may be dropped once this has returned; they
    /// stay wanted for as long as this future is.
    ///
    /// ```
    /// # let mut program = adaptive_mpi::pool::Program::new();
    /// let square = program.task("square", |_, x: f64| Ok(x * x));
    /// let add = program.task("add", |_, (a, b): (f64, f64)| Ok(a + b));
    /// let length = program.run(|pool| {
    ///     let (a, b) = (pool.submit(square, 3.0), pool.submit(square, 4.0));
    ///     pool.submit_after(add, (&a, &b), |(a, b)| (a, b)).wait()
    /// });
    /// assert_eq!(length, Ok(Some(Ok(25.0))));
    /// ```
    ///
    /// [`TaskErrorKind::Input`]: super::TaskErrorKind::Input
    pub fn submit_after<I, A, R>(
        &self,
        task: Task<A, R>,
        inputs: I,
        args: impl FnOnce(I::Values) -> A + 'static,
    ) -> Future<R>
    where
        I: Inputs,
        A: Serialize + 'static,
        R: DeserializeOwned + 'static,
    {
        self.submit_after_with(task, inputs, args, &TaskOptions::default())
    }

    /// [`Self::submit_after`] with a priority, a time limit (which includes the waiting for inputs) or retries.
    pub fn submit_after_with<I, A, R>(
        &self,
        task: Task<A, R>,
        inputs: I,
        args: impl FnOnce(I::Values) -> A + 'static,
        options: &TaskOptions,
    ) -> Future<R>
    where
        I: Inputs,
        A: Serialize + 'static,
        R: DeserializeOwned + 'static,
    {
        let number = {
            let mut dispatcher = self.shared.borrow_mut();
            let how = (dispatcher.order(options, task.ranks()), options.retries);
            dispatcher.submit_blocked(task.index(), how)
        };
        let future = Future::new(&self.shared, number);
        inputs.reader().start(&self.shared, number, move |shared, id, values| {
            if !shared.borrow().is_open(id) {
                return;
            }
            let made = values.map(|values| panics::catch(|| args(values)));
            let mut dispatcher = shared.borrow_mut();
            match made {
                _ if !dispatcher.is_open(id) => {}
                Ok(Ok(args)) => dispatcher.start_blocked(id, Bulk::take(args)),
                Ok(Err(caught)) => {
                    dispatcher.end_ticket(number, Answer::of_error(u64::from(number), caught.into()));
                }
                Err((place, error)) => dispatcher.fail_for_input(number, place, error),
            }
        });
        future
    }

    /// A stream of tasks and results: results come as they complete, with the keys that the caller chose.
    pub fn queue<A: Serialize + 'static, R: DeserializeOwned + 'static>(
        &self,
        task: Task<A, R>,
    ) -> Queue<A, R> {
        Queue::new(&self.shared, task, 0)
    }

    /// Takes in no task any more: what is handed in later fails with [`TaskErrorKind::Closed`].
    ///
    /// - `cancel`: tasks that no worker has are cancelled; otherwise they are still done.
    /// - `wait`: returns when all tasks have ended; otherwise at once, and what is left is done before
    ///   [`Program::run`](super::Program::run) ends, or while futures are waited for.
    ///
    /// Results can be fetched from their futures afterwards. Without this call, a pool whose `main` returns waits for
    /// tasks that run and for detached ones, and drops the others.
    ///
    /// [`TaskErrorKind::Closed`]: super::TaskErrorKind::Closed
    pub fn shutdown(&self, wait: bool, cancel: bool) {
        settled(&self.shared, |dispatcher| {
            dispatcher.refuse("the pool takes no more tasks: it was shut down");
            if cancel {
                dispatcher.cancel_waiting("cancelled by the shutdown of the pool");
            }
        });
        self.finishes.set(true);
        if wait {
            self.drain(|dispatcher| dispatcher.open_tasks() > 0);
        }
    }

    fn drain(&self, goes_on: impl Fn(&Dispatcher) -> bool) {
        loop {
            {
                let dispatcher = self.shared.borrow();
                if !dispatcher.has_due() && !goes_on(&dispatcher) {
                    return;
                }
            }
            turn(&self.shared, LONG);
        }
    }

    /// With which code this process ends if ranks neither leave at the end nor can be ended from here (stopped on another
    /// host): then the whole job is ended as by [`Self::abandon`]. Without this, it is left to the launcher to wait for
    /// them.
    pub fn exit_with(&self, code: u8) {
        self.shared.borrow_mut().exit_with(code);
    }

    /// Waits up to `limit` for workers that hold tasks for nobody (the slower one of two copies, a task whose time was
    /// over). True if there is none left.
    pub fn settle(&self, limit: Duration) -> bool {
        let until = self.shared.borrow().now().saturating_add(limit);
        loop {
            let (now, held) = {
                let dispatcher = self.shared.borrow();
                (dispatcher.now(), dispatcher.held_for_nobody())
            };
            if held == 0 || now >= until {
                return held == 0;
            }
            turn(&self.shared, until - now);
        }
    }

    /// Ends this process at once with this exit code, and under MPI the whole job with it, whatever still runs: the
    /// way out where a task may take for ever. Nothing is dropped, so save first.
    pub fn abandon(&self, code: u8) -> ! {
        self.shared.borrow_mut().abandon(code)
    }

    /// Does what still has to be done, and releases the workers. Whether ranks were lost.
    pub(super) fn finish(&self) -> bool {
        let finishes = self.finishes.get();
        self.drain(|dispatcher| dispatcher.open_tasks() > 0 && (finishes || dispatcher.has_detached()));
        // What members of a group wait for may come by way of rank 0, which hears only goodbyes in the shutdown.
        if self.shared.borrow().has_groups_at_work() {
            settled(&self.shared, Dispatcher::begin_end);
            self.drain(Dispatcher::has_groups_at_work);
        }
        let with_losses = self.shared.borrow_mut().shut_down();
        // Callbacks of what was dropped.
        settled(&self.shared, |_| ());
        with_losses
    }
}
