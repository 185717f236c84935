//! What a user holds on rank 0: the pool, futures and queues. All are views of one dispatcher.

use super::dispatcher::{Dispatcher, Owner};
use super::error::TaskError;
use super::program::Task;
use super::stats::Stats;
use super::world::World;
use serde::{Serialize, de::DeserializeOwned};
use std::cell::RefCell;
use std::marker::PhantomData;
use std::rc::Rc;
use std::time::Duration;

type Shared = Rc<RefCell<Dispatcher>>;

/// Longest single wait; waits longer than that are made of several.
const LONG: Duration = Duration::from_secs(3600);

/// Rank 0's view of all workers. Messages move while one of its methods, or one of its futures' or queues',
/// is called; so a program that computes for long itself should call [`Queue::flush`] now and then.
pub struct Pool {
    shared: Shared,
    world: World,
}

impl Pool {
    pub(super) fn new(dispatcher: Dispatcher) -> Self {
        let world = dispatcher.world().clone();
        Self { shared: Rc::new(RefCell::new(dispatcher)), world }
    }

    /// Workers that are not lost.
    pub fn workers(&self) -> usize {
        self.shared.borrow().alive()
    }

    /// Everyone who takes part, as they introduced themselves at the start.
    pub fn world(&self) -> &World {
        &self.world
    }

    /// What has been done so far.
    pub fn stats(&self) -> Stats {
        self.shared.borrow().stats()
    }

    /// Hands in a task. It runs when its turn comes, whether or not the future is kept.
    pub fn submit<A: Serialize, R: DeserializeOwned>(&self, task: Task<A, R>, args: A) -> Future<R> {
        let mut dispatcher = self.shared.borrow_mut();
        let ticket = dispatcher.submit_future(task.index(), &args);
        dispatcher.flush();
        Future { shared: Rc::clone(&self.shared), ticket: Some(ticket), result: PhantomData }
    }

    /// The results for all arguments, in their order. Takes arguments only as fast as workers take tasks, so
    /// an endless iterator of large ones is no trouble until the results fill the memory.
    ///
    /// The first error to arrive ends it; tasks that no worker has yet are dropped.
    pub fn map<A: Serialize, R: DeserializeOwned>(
        &self,
        task: Task<A, R>,
        args: impl IntoIterator<Item = A>,
    ) -> Result<Vec<R>, TaskError> {
        let mut queue = self.queue(task);
        let mut args = args.into_iter();
        let mut results: Vec<Option<R>> = Vec::with_capacity(args.size_hint().0.min(1 << 20));
        let mut exhausted = false;
        loop {
            // Where no duration is known yet nothing is held back but what fits; one at least, to get errors.
            let room = if exhausted { 0 } else { queue.wanted().max(usize::from(queue.in_flight() == 0)) };
            for _ in 0..room {
                let Some(arg) = args.next() else {
                    exhausted = true;
                    break;
                };
                queue.submit(results.len() as u64, &arg);
                results.push(None);
            }
            queue.flush();
            if exhausted && queue.in_flight() == 0 {
                break;
            }
            let mut next = queue.next(LONG);
            while let Some(completed) = next {
                results[completed.key as usize] = Some(completed.result?);
                next = queue.next(Duration::ZERO);
            }
        }
        Ok(results.into_iter().flatten().collect())
    }

    /// A stream of tasks and results: results come as they complete, with the keys that the caller chose.
    pub fn queue<A: Serialize, R: DeserializeOwned>(&self, task: Task<A, R>) -> Queue<A, R> {
        let id = self.shared.borrow_mut().open_queue();
        Queue { shared: Rc::clone(&self.shared), id, task, open: 0 }
    }

    /// Ends this process at once with this exit code, and under MPI the whole job with it, whatever still runs: the
    /// way out where a task may take for ever. Nothing is dropped, so save first.
    pub fn abandon(&self, code: u8) -> ! {
        self.shared.borrow_mut().abandon(code)
    }

    /// Releases the workers.
    pub(super) fn shut_down(&self) -> bool {
        self.shared.borrow_mut().shut_down()
    }
}

/// The result of one task, now or later.
///
/// A dropped future does not stop its task. After the pool has ended, an open future is cancelled.
#[must_use = "the result is lost otherwise"]
pub struct Future<R> {
    shared: Shared,
    ticket: Option<u32>,
    result: PhantomData<fn() -> R>,
}

impl<R: DeserializeOwned> Future<R> {
    /// Waits for the result.
    pub fn wait(mut self) -> Result<R, TaskError> {
        loop {
            if let Some(result) = self.fetch(LONG) {
                return result;
            }
        }
    }

    /// The result if it is there, once; afterwards always `None`.
    pub fn try_result(&mut self) -> Option<Result<R, TaskError>> {
        self.fetch(Duration::ZERO)
    }

    fn fetch(&mut self, limit: Duration) -> Option<Result<R, TaskError>> {
        let ticket = self.ticket?;
        let mut dispatcher = self.shared.borrow_mut();
        let answer = dispatcher.take_future(ticket).or_else(|| {
            dispatcher.progress(limit);
            dispatcher.take_future(ticket)
        })?;
        self.ticket = None;
        Some(dispatcher.read(answer))
    }
}

impl<R> Future<R> {
    /// Whether the result is there (or was taken).
    pub fn is_done(&self) -> bool {
        let Some(ticket) = self.ticket else { return true };
        let mut dispatcher = self.shared.borrow_mut();
        dispatcher.future_is_done(ticket) || {
            dispatcher.progress(Duration::ZERO);
            dispatcher.future_is_done(ticket)
        }
    }

    /// Drops the task if no worker has it yet; then true, and the result is an error of kind
    /// [`Cancelled`](super::TaskErrorKind::Cancelled).
    pub fn cancel(&self) -> bool {
        self.ticket.is_some_and(|ticket| self.shared.borrow_mut().cancel_future(ticket))
    }
}

impl<R> Drop for Future<R> {
    fn drop(&mut self) {
        if let (Some(ticket), Ok(mut dispatcher)) = (self.ticket, self.shared.try_borrow_mut()) {
            dispatcher.drop_future(ticket);
        }
    }
}

/// A stream of tasks of one kind and their results as they complete, keyed by the caller.
///
/// Needs no allocation per task once it is running. Results that were not fetched when it is dropped are lost.
pub struct Queue<A, R> {
    shared: Shared,
    id: u32,
    task: Task<A, R>,
    open: usize,
}

/// A task that has ended.
#[derive(Clone, Debug)]
pub struct Completed<R> {
    /// The caller's key.
    pub key: u64,
    /// What came out.
    pub result: Result<R, TaskError>,
    /// The rank that ran it; 0 if none did.
    pub worker: u32,
    /// When it started, in unix seconds by that worker's clock.
    pub started: f64,
    /// How long it ran, measured there.
    pub duration: Duration,
}

impl<A: Serialize, R: DeserializeOwned> Queue<A, R> {
    /// How many more tasks the workers can take now so that none of them waits: what they should hold, by
    /// measured durations, less what they hold and what is queued.
    pub fn wanted(&self) -> usize {
        self.shared.borrow().wanted(self.task.index())
    }

    /// Hands in a task. It is sent with the next [`Self::flush`] or [`Self::next`].
    pub fn submit(&mut self, key: u64, args: &A) {
        self.open += 1;
        self.shared.borrow_mut().submit(Owner::Queue(self.id), key, self.task.index(), args);
    }

    /// Sends what the workers can take now; the rest follows as they answer.
    pub fn flush(&mut self) {
        self.shared.borrow_mut().flush();
    }

    /// A task that has ended; `None` after `wait` without one, or if none is in flight.
    /// `Duration::ZERO`: only what is there.
    pub fn next(&mut self, wait: Duration) -> Option<Completed<R>> {
        let mut dispatcher = self.shared.borrow_mut();
        let mut began = None;
        loop {
            if let Some(answer) = dispatcher.pop(self.id) {
                self.open -= 1;
                let (key, worker, started) = (answer.key, answer.worker, answer.started);
                let duration = Duration::from_nanos(answer.nanos);
                return Some(Completed { key, result: dispatcher.read(answer), worker, started, duration });
            }
            if self.open == 0 {
                return None;
            }
            let left = if wait.is_zero() {
                wait
            } else {
                let now = dispatcher.now();
                wait.saturating_sub(now.saturating_sub(*began.get_or_insert(now)))
            };
            if !dispatcher.progress(left) && left.is_zero() {
                return None;
            }
        }
    }

    /// Tasks handed in and not yet returned.
    pub fn in_flight(&self) -> usize {
        self.open
    }

    /// Drops the tasks that no worker has yet; returns their keys.
    pub fn cancel_unsent(&mut self) -> Vec<u64> {
        let mut keys = Vec::new();
        self.shared.borrow_mut().cancel_queue(self.id, |key| keys.push(key));
        self.open -= keys.len();
        keys
    }
}

impl<A, R> Drop for Queue<A, R> {
    fn drop(&mut self) {
        if let Ok(mut dispatcher) = self.shared.try_borrow_mut() {
            dispatcher.close_queue(self.id);
        }
    }
}
