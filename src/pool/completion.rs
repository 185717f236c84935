//! Several futures at once: waiting for some of them, and taking results as they complete.

use super::dispatcher::Shared;
use super::error::TaskError;
use super::future::Future;
use super::handle::Pool;
use super::turn::{LONG, Patience, turn};
use serde::de::DeserializeOwned;
use std::rc::Rc;
use std::time::Duration;

/// When [`Pool::wait`] returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Until {
    /// As soon as one has ended, in whatever way.
    FirstCompleted,
    /// As soon as one has failed; otherwise when all have ended. A cancelled one has not failed.
    FirstFailed,
    /// When all have ended.
    All,
}

/// What [`Pool::wait`] has seen: places in the list of futures, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Waited {
    /// Those that have ended.
    pub done: Vec<usize>,
    /// The others. They go on.
    pub open: Vec<usize>,
}

/// A list of tickets that are done. Closes itself.
struct Watch<'f> {
    shared: &'f Shared,
    id: u32,
    tickets: Vec<u32>,
}

impl<'f> Watch<'f> {
    fn open(shared: &'f Shared, tickets: Vec<u32>) -> Self {
        let mut dispatcher = shared.borrow_mut();
        let id = dispatcher.open_watcher();
        for (index, &ticket) in tickets.iter().enumerate() {
            dispatcher.watch(id, ticket, index as u32);
        }
        Self { shared, id, tickets }
    }
}

impl Drop for Watch<'_> {
    fn drop(&mut self) {
        if let Ok(mut dispatcher) = self.shared.try_borrow_mut() {
            for &ticket in &self.tickets {
                dispatcher.unwatch(self.id, ticket);
            }
            dispatcher.close_watcher(self.id);
        }
    }
}

impl Pool {
    /// Waits for some of the futures to end, but not longer than `timeout`. They keep their results. O(n).
    ///
    /// ```
    /// use adaptive_mpi::pool::Until;
    /// # let mut program = adaptive_mpi::pool::Program::new();
    /// # let square = program.task("square", |_, x: u32| Ok(x * x));
    /// # program.run(|pool| {
    /// let futures = [pool.submit(square, 3), pool.submit(square, 4)];
    /// let waited = pool.wait(&futures, Until::All, None);
    /// assert_eq!((waited.done, waited.open), (vec![0, 1], vec![]));
    /// # });
    /// ```
    ///
    /// # Panics
    /// If a future is another pool's.
    #[track_caller]
    pub fn wait<R>(&self, futures: &[Future<R>], until: Until, timeout: Option<Duration>) -> Waited {
        futures.iter().for_each(|future| self.check_own(future));
        let mut patience = Patience::new(timeout.unwrap_or(Duration::MAX));
        let (mut open, mut failed) = (0, false);
        let tickets: Vec<u32> = futures.iter().filter_map(|future| future.ticket).collect();
        let taken = tickets.len() < futures.len();
        let watch = Watch::open(&self.shared, tickets);
        open += watch.tickets.len();
        loop {
            while let Some(index) = { self.shared.borrow_mut().seen(watch.id) } {
                open -= 1;
                failed |= self.shared.borrow().has_failed(watch.tickets[index as usize]);
            }
            let enough = match until {
                Until::FirstCompleted => taken || open < watch.tickets.len(),
                Until::FirstFailed => failed,
                Until::All => false,
            };
            let left = patience.left(&self.shared);
            if enough || open == 0 || (left.is_zero() && !turn(&self.shared, left)) {
                break;
            }
            if !left.is_zero() {
                turn(&self.shared, left.min(LONG));
            }
        }
        drop(watch);
        let dispatcher = self.shared.borrow();
        let is_done = |i: &usize| futures[*i].ticket.is_none_or(|ticket| dispatcher.is_done(ticket));
        let (done, open) = (0..futures.len()).partition(is_done);
        Waited { done, open }
    }

    /// Takes the results of some futures in the order in which they complete.
    ///
    /// # Panics
    /// If a future is another pool's.
    #[track_caller]
    pub fn as_completed<R: DeserializeOwned + 'static>(
        &self,
        futures: impl IntoIterator<Item = Future<R>>,
    ) -> AsCompleted<R> {
        let mut all =
            AsCompleted { shared: Shared::clone(&self.shared), watcher: 0, futures: Vec::new(), open: 0 };
        all.watcher = all.shared.borrow_mut().open_watcher();
        for future in futures {
            self.check_own(&future);
            if let Some(ticket) = future.ticket {
                let index = all.futures.len() as u32;
                all.shared.borrow_mut().watch(all.watcher, ticket, index);
                all.open += 1;
            }
            all.futures.push(Some(future));
        }
        all
    }

    /// Another pool would count the future as one of its own.
    #[track_caller]
    fn check_own<R>(&self, future: &Future<R>) {
        assert!(Rc::ptr_eq(&self.shared, &future.shared), "a future was given to a pool that is not its own");
    }
}

/// Results in the order in which they complete, each with the place of its future in the list. An iterator that waits.
///
/// Dropping it drops the futures that are left.
pub struct AsCompleted<R> {
    shared: Shared,
    watcher: u32,
    futures: Vec<Option<Future<R>>>,
    open: usize,
}

impl<R: DeserializeOwned + 'static> AsCompleted<R> {
    /// The next one, if it comes within `limit`.
    pub fn next_within(&mut self, limit: Duration) -> Option<(usize, Result<R, TaskError>)> {
        let mut patience = Patience::new(limit);
        while self.open > 0 {
            let seen = self.shared.borrow_mut().seen(self.watcher);
            if let Some(index) = seen {
                self.open -= 1;
                let mut future = self.futures[index as usize].take()?;
                let result = future.try_result()?;
                return Some((index as usize, result));
            }
            let left = patience.left(&self.shared);
            if !turn(&self.shared, left.min(LONG)) && left.is_zero() {
                return None;
            }
        }
        None
    }

    /// Futures that have not been returned yet.
    pub fn len(&self) -> usize {
        self.open
    }

    /// Whether all have been returned.
    pub fn is_empty(&self) -> bool {
        self.open == 0
    }

    /// The results in lists of `n` (at least 1), still in the order in which they complete. The last list may be shorter.
    pub fn batched(self, n: usize) -> Batched<R> {
        Batched { all: self, n: n.max(1) }
    }
}

impl<R: DeserializeOwned + 'static> Iterator for AsCompleted<R> {
    type Item = (usize, Result<R, TaskError>);

    fn next(&mut self) -> Option<Self::Item> {
        self.next_within(Duration::MAX)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.open, Some(self.open))
    }
}

impl<R> Drop for AsCompleted<R> {
    fn drop(&mut self) {
        if let Ok(mut dispatcher) = self.shared.try_borrow_mut() {
            for ticket in self.futures.iter().flatten().filter_map(|future| future.ticket) {
                dispatcher.unwatch(self.watcher, ticket);
            }
            dispatcher.close_watcher(self.watcher);
        }
    }
}

/// Lists of results in the order in which they complete; see [`AsCompleted::batched`].
pub struct Batched<R> {
    all: AsCompleted<R>,
    n: usize,
}

impl<R: DeserializeOwned + 'static> Iterator for Batched<R> {
    type Item = Vec<(usize, Result<R, TaskError>)>;

    fn next(&mut self) -> Option<Self::Item> {
        let batch: Vec<_> = self.all.by_ref().take(self.n).collect();
        (!batch.is_empty()).then_some(batch)
    }
}
