//! Futures: the result of one task, now or later.

use super::dispatcher::{Answer, Dispatcher, Shared};
use super::error::TaskError;
use super::inputs::Inputs;
use super::panics;
use super::queue::Completed;
use super::turn::{LONG, Patience, settled, turn};
use super::wire;
use serde::{Serialize, de::DeserializeOwned};
use std::cell::RefCell;
use std::marker::PhantomData;
use std::rc::Rc;
use std::time::Duration;

/// The result of one task, now or later.
///
/// Dropping it tells the pool that nobody wants the result: if no worker has the task yet, it is not started. To have
/// it done all the same, [`detach`](Self::detach) the future. Tasks that need the result
/// ([`Pool::submit_after`](super::Pool::submit_after)) and callbacks keep it wanted too.
///
/// After the pool has ended, an open future is cancelled.
#[must_use = "a task whose future is dropped is not started; `detach` it to have it done"]
pub struct Future<R> {
    pub(super) shared: Shared,
    /// `None`: the result was taken.
    pub(super) ticket: Option<u32>,
    result: PhantomData<fn() -> R>,
}

impl<R> Future<R> {
    pub(super) fn new(shared: &Shared, ticket: u32) -> Self {
        Self { shared: Rc::clone(shared), ticket: Some(ticket), result: PhantomData }
    }

    fn ask(&self, question: impl Fn(&Dispatcher, u32) -> bool) -> Option<bool> {
        self.ticket.map(|ticket| question(&self.shared.borrow(), ticket))
    }

    /// Whether it has ended, in whatever way (or its result was taken).
    pub fn is_done(&self) -> bool {
        let done = || self.ask(Dispatcher::is_done).unwrap_or(true);
        done() || {
            turn(&self.shared, Duration::ZERO);
            done()
        }
    }

    /// Whether a worker has the task now.
    pub fn running(&self) -> bool {
        !self.is_done() && self.ask(Dispatcher::is_running).unwrap_or(false)
    }

    /// Whether it has ended as cancelled: by [`cancel`](Self::cancel), or because an input was.
    pub fn is_cancelled(&self) -> bool {
        self.ask(Dispatcher::is_cancelled).unwrap_or(false)
    }

    /// Drops the task unless a worker has it or it is done. Returns whether it is cancelled now; then the result is
    /// an error of kind [`Cancelled`](super::TaskErrorKind::Cancelled), also for all tasks that need it.
    pub fn cancel(&self) -> bool {
        self.ticket.is_some_and(|ticket| settled(&self.shared, |dispatcher| dispatcher.cancel_ticket(ticket)))
    }

    /// Lets go of the result but has the task done, at the latest before the pool ends. A failure is logged.
    pub fn detach(mut self) {
        if let Some(ticket) = self.ticket.take() {
            self.shared.borrow_mut().detach_ticket(ticket);
        }
    }
}

impl<R: DeserializeOwned + 'static> Future<R> {
    /// Waits for the result.
    ///
    /// # Errors
    /// What became of the task if it gave none.
    pub fn wait(mut self) -> Result<R, TaskError> {
        loop {
            if let Some(result) = self.wait_within(LONG) {
                return result;
            }
        }
    }

    /// The result if it is there, once; afterwards always `None`.
    pub fn try_result(&mut self) -> Option<Result<R, TaskError>> {
        self.wait_within(Duration::ZERO)
    }

    /// The result if it comes within `limit`, once; afterwards always `None`. The task goes on if it does not.
    pub fn wait_within(&mut self, limit: Duration) -> Option<Result<R, TaskError>> {
        let ticket = self.ticket?;
        let mut patience = Patience::new(limit);
        loop {
            if let Some(result) = self.shared.borrow_mut().take_result(ticket) {
                self.ticket = None;
                return Some(result);
            }
            let left = patience.left(&self.shared);
            if !turn(&self.shared, left) && left.is_zero() {
                let result = self.shared.borrow_mut().take_result(ticket)?;
                self.ticket = None;
                return Some(result);
            }
        }
    }

    /// Calls `f` with the result as soon as it is there, on rank 0, while some method of the pool is called; at once
    /// if it is there already. Several are called in the order in which they were added. A panic in one is logged
    /// and touches nothing else. For a task that follows on this one, see
    /// [`Pool::submit_after`](super::Pool::submit_after).
    ///
    /// A task with a callback counts as wanted, even if the future is dropped.
    pub fn add_done_callback(&self, f: impl FnOnce(&Result<R, TaskError>) + 'static)
    where
        R: 'static,
    {
        self.on_completed(|completed| f(&completed.result));
    }

    /// [`Self::add_done_callback`] with who ran the task, when, and how long; the key says nothing.
    pub(crate) fn on_completed(&self, f: impl FnOnce(Completed<R>) + 'static)
    where
        R: 'static,
    {
        let Some(ticket) = self.ticket else { return };
        let call = move |shared: &Shared| {
            let completed = {
                let mut dispatcher = shared.borrow_mut();
                let completed = dispatcher.peek_completed::<R>(ticket);
                dispatcher.release_inputs(&[ticket]);
                completed
            };
            let Some(completed) = completed else { return };
            if let Err(caught) = panics::catch(|| f(completed)) {
                tracing::error!(place = caught.location, "a callback has panicked: {}", caught.message);
            }
        };
        settled(&self.shared, |dispatcher| dispatcher.call_when_done(ticket, Box::new(call)));
    }

    /// A future for something made of the result, on rank 0: no task is run for it. It fails if this one does, with
    /// this one's error as the cause.
    pub fn map<U>(&self, f: impl FnOnce(R) -> U + 'static) -> Future<U>
    where
        R: 'static,
        U: Serialize + DeserializeOwned + 'static,
    {
        self.derive(move |result| Ok(f(result)))
    }

    fn derive<U>(&self, f: impl FnOnce(R) -> Result<U, TaskError> + 'static) -> Future<U>
    where
        R: 'static,
        U: Serialize + DeserializeOwned + 'static,
    {
        let number = self.shared.borrow_mut().ticket_for_task();
        let made = Future::new(&self.shared, number);
        self.reader().start(&self.shared, number, move |shared, id, values| {
            if !shared.borrow().is_open(id) {
                return;
            }
            let outcome = panics::catch(|| values.map(f));
            let mut dispatcher = shared.borrow_mut();
            if !dispatcher.is_open(id) {
                return;
            }
            let key = u64::from(number);
            let answer = match outcome {
                Ok(Err((place, error))) => return dispatcher.fail_for_input(number, place, error),
                Ok(Ok(Err(error))) => Answer::of_error(key, error),
                Err(caught) => Answer::of_error(key, caught.into()),
                Ok(Ok(Ok(value))) => {
                    let mut bytes = Vec::new();
                    match wire::encode(&value, &mut bytes) {
                        Ok(()) => Answer::made(key, bytes),
                        Err(error) => Answer::of_error(key, TaskError::local(format!("result: {error}"))),
                    }
                }
            };
            dispatcher.end_ticket(number, answer);
        });
        made
    }
}

impl<T> Future<Vec<T>>
where
    T: Serialize + DeserializeOwned + 'static,
{
    /// The parts of the result as futures: `n` of them, for a result with `n` elements.
    /// If it has another length, they all fail.
    pub fn split(&self, n: usize) -> Vec<Future<T>> {
        // The whole is read once; each part then takes its element.
        let parts: Rc<RefCell<Vec<Option<T>>>> = Rc::default();
        let read = self.take_apart(n, &parts);
        (0..n)
            .map(|i| {
                let parts = Rc::clone(&parts);
                read.derive(move |()| {
                    parts
                        .borrow_mut()
                        .get_mut(i)
                        .and_then(Option::take)
                        .ok_or_else(|| TaskError::local(format!("part {i} is gone")))
                })
            })
            .collect()
    }

    fn take_apart(&self, n: usize, parts: &Rc<RefCell<Vec<Option<T>>>>) -> Future<()> {
        let parts = Rc::clone(parts);
        self.derive(move |all: Vec<T>| {
            if all.len() != n {
                let have = all.len();
                return Err(TaskError::local(format!("the result has {have} parts, not {n}")));
            }
            *parts.borrow_mut() = all.into_iter().map(Some).collect();
            Ok(())
        })
    }
}

impl<A, B> Future<(A, B)>
where
    A: Serialize + DeserializeOwned + 'static,
    B: Serialize + DeserializeOwned + 'static,
{
    /// The two parts of a pair as futures.
    pub fn unzip(&self) -> (Future<A>, Future<B>) {
        (self.map(|(a, _)| a), self.map(|(_, b)| b))
    }
}

impl<R> Drop for Future<R> {
    fn drop(&mut self) {
        if let (Some(ticket), Ok(mut dispatcher)) = (self.ticket, self.shared.try_borrow_mut()) {
            dispatcher.drop_ticket(ticket);
        }
    }
}
