//! Queues: streams of tasks of one kind, with results as they complete.

use super::bulk::{Bulk, Packed};
use super::dispatcher::{Owner, Shared};
use super::error::TaskError;
use super::health::Health;
use super::options::TaskOptions;
use super::program::Task;
use super::scheduler::{Order, Standing};
use super::turn::{Patience, turn};
use serde::{Serialize, de::DeserializeOwned};
use smallvec::SmallVec;
use std::time::Duration;

/// A stream of tasks of one kind and their results as they complete, keyed by the caller.
///
/// Needs no allocation per task once it is running. Results that were not fetched when it is dropped are lost.
pub struct Queue<A, R> {
    shared: Shared,
    id: u32,
    task: Task<A, R>,
    open: usize,
    /// Tasks that share a message, where that was chosen by hand.
    bundle: u32,
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

impl<A: Serialize + 'static, R: DeserializeOwned + 'static> Queue<A, R> {
    pub(super) fn new(shared: &Shared, task: Task<A, R>, bundle: u32) -> Self {
        let id = shared.borrow_mut().open_queue();
        Self { shared: Shared::clone(shared), id, task, open: 0, bundle }
    }

    fn usual(&self) -> Order {
        Order { bundle: self.bundle, ..Order::of(self.task.ranks()) }
    }

    /// How many tasks all workers together should hold so that none of them waits.
    pub fn capacity(&self) -> usize {
        self.shared.borrow().capacity(self.task.index(), self.usual())
    }

    /// As many tasks as all workers together should hold, or as they do hold where that is more.
    pub(super) fn held(&self) -> usize {
        self.shared.borrow().held(self.task.index(), self.usual())
    }

    /// How many more tasks the workers can take now so that none of them waits: what they should hold, by
    /// measured durations, less what they hold and what is queued; or one for each of the least loaded workers, where
    /// others hold more than they should by now.
    pub fn wanted(&self) -> usize {
        self.shared.borrow().wanted(self.task.index(), self.usual())
    }

    /// Hands in a task. It is sent with the next [`Self::flush`] or [`Self::next`].
    pub fn submit(&mut self, key: u64, args: &A) {
        self.hand_in(key, Bulk::of(args), None, &[]);
    }

    /// Hands in a task with options of its own.
    pub fn submit_with(&mut self, key: u64, args: &A, options: &TaskOptions) {
        self.hand_in(key, Bulk::of(args), Some(options), &[]);
    }

    /// Hands in a task again that has failed on these ranks: others get it, if there are any.
    pub fn submit_again(&mut self, key: u64, args: &A, options: &TaskOptions, failed_on: &[u32]) {
        let workers: SmallVec<[u32; 4]> = failed_on.iter().filter_map(|rank| rank.checked_sub(1)).collect();
        self.hand_in(key, Bulk::of(args), Some(options), &workers);
    }

    pub(super) fn hand_in(
        &mut self,
        key: u64,
        args: Packed<impl Serialize>,
        options: Option<&TaskOptions>,
        failed_on: &[u32],
    ) {
        self.open += 1;
        let mut dispatcher = self.shared.borrow_mut();
        let how = options.map_or((self.usual(), 0), |options| {
            let order = dispatcher.order(options, self.task.ranks());
            (Order { bundle: self.bundle, ..order }, options.retries)
        });
        let how = (how.0, how.1, failed_on);
        dispatcher.submit(Owner::Queue(self.id), key, self.task.index(), args, how);
    }

    /// Sends what the workers can take now; the rest follows as they answer.
    pub fn flush(&mut self) {
        self.shared.borrow_mut().flush();
    }

    /// A task that has ended; `None` after `wait` without one, or if none is in flight.
    /// `Duration::ZERO`: only what is there.
    pub fn next(&mut self, wait: Duration) -> Option<Completed<R>> {
        let mut patience = Patience::new(wait);
        loop {
            {
                let mut dispatcher = self.shared.borrow_mut();
                if let Some(answer) = dispatcher.pop(self.id) {
                    self.open -= 1;
                    let (key, worker, started) = (answer.key, answer.worker, answer.started);
                    let duration = Duration::from_nanos(answer.nanos);
                    return Some(Completed {
                        key,
                        result: dispatcher.read(answer),
                        worker,
                        started,
                        duration,
                    });
                }
            }
            if self.open == 0 {
                return None;
            }
            let left = patience.left(&self.shared);
            if !turn(&self.shared, left) && left.is_zero() {
                return None;
            }
        }
    }

    /// Waits for so long, while nothing is in flight: the workers are looked after meanwhile.
    pub(crate) fn wait(&self, time: Duration) {
        turn(&self.shared, time);
    }

    /// Whether a worker is not lost.
    pub(crate) fn is_here(&self, rank: u32) -> bool {
        rank > 0 && self.shared.borrow().is_alive(rank - 1)
    }

    /// How the workers of the pool are, as [`Pool::health`](super::Pool::health).
    pub fn health(&self) -> Health {
        self.shared.borrow().health()
    }

    /// Workers of the pool that are not lost.
    pub fn workers(&self) -> usize {
        self.shared.borrow().alive()
    }

    /// Whether this rank is a worker whose tasks are its own; where they take several, none is.
    pub(crate) fn is_single(&self, rank: u32) -> bool {
        rank > 0 && self.task.ranks() <= 1
    }

    /// How far a worker is to be trusted with tasks. For pools without tasks for several workers.
    pub(crate) fn set_standing(&mut self, rank: u32, standing: Standing) {
        if self.is_single(rank) {
            self.shared.borrow_mut().set_standing(rank - 1, standing);
        }
    }

    /// Workers that are given tasks.
    pub(crate) fn available(&self) -> usize {
        self.shared.borrow().available()
    }

    /// The host of a rank.
    pub(crate) fn host_of(&self, rank: u32) -> String {
        self.shared.borrow().world().host_of(rank).to_owned()
    }

    /// Why nothing more can be expected of the pool, if so: too few workers are left for a task, or one has died and the
    /// launcher ends the job with it. Names the rank. Workers are looked at a few times a second while tasks are waited for; `now`: look at
    /// their processes now.
    pub fn fatal_loss(&self, now: bool) -> Option<String> {
        let mut dispatcher = self.shared.borrow_mut();
        if now {
            dispatcher.look_closely();
        }
        dispatcher.fatal_loss(self.task.ranks())
    }

    /// Tasks handed in and not yet returned.
    pub fn in_flight(&self) -> usize {
        self.open
    }

    /// Drops the tasks that no worker has yet; returns their keys.
    pub fn cancel_unsent(&mut self) -> Vec<u64> {
        let mut keys = Vec::new();
        self.shared.borrow_mut().cancel_queue(self.id, self.open, |key| keys.push(key));
        self.open -= keys.len();
        keys
    }
}

impl<A, R> Drop for Queue<A, R> {
    fn drop(&mut self) {
        if let Ok(mut dispatcher) = self.shared.try_borrow_mut() {
            dispatcher.close_queue(self.id, self.open);
        }
    }
}
