//! What layers above the pool make futures of: results that they promise, tasks that they hand in from callbacks.

use super::bulk::{Bulk, Packed};
use super::dispatcher::{Answer, Dispatcher, Shared, TicketId};
use super::error::{TaskError, TaskErrorKind};
use super::future::Future;
use super::handle::Pool;
use super::inputs::Inputs;
use super::options::TaskOptions;
use super::program::Task;
use super::scheduler::Order;
use super::turn::settled;
use super::{panics, wire};
use serde::{Serialize, de::DeserializeOwned};
use std::cell::RefCell;
use std::marker::PhantomData;
use std::rc::{Rc, Weak};

/// Hands in one kind of task, without borrowing the pool.
pub(crate) struct Submitter<A, R> {
    shared: Shared,
    task: Task<A, R>,
}

/// What callbacks may own of a [`Submitter`]: with the whole of it, the pool would own itself, and not end where rank 0
/// panics.
pub(crate) struct WeakSubmitter<A, R> {
    shared: Weak<RefCell<Dispatcher>>,
    task: Task<A, R>,
}

impl<A, R> Clone for Submitter<A, R> {
    fn clone(&self) -> Self {
        Self { shared: Rc::clone(&self.shared), task: self.task }
    }
}

/// The result of a future, which is made on rank 0. Dropped without a result, it leaves the future cancelled.
pub(crate) struct Promise<R> {
    shared: Weak<RefCell<Dispatcher>>,
    id: TicketId,
    result: PhantomData<fn(R)>,
}

impl Pool {
    pub(crate) fn submitter<A, R>(&self, task: Task<A, R>) -> Submitter<A, R> {
        Submitter { shared: Rc::clone(&self.shared), task }
    }
}

impl<A, R> WeakSubmitter<A, R> {
    /// `None`: the pool is gone.
    pub(crate) fn upgrade(&self) -> Option<Submitter<A, R>> {
        Some(Submitter { shared: self.shared.upgrade()?, task: self.task })
    }
}

impl<A, R> Submitter<A, R> {
    pub(crate) fn downgrade(&self) -> WeakSubmitter<A, R> {
        WeakSubmitter { shared: Rc::downgrade(&self.shared), task: self.task }
    }

    /// Whether another task of the program was registered under the same name.
    pub(crate) fn shares_its_name(&self) -> bool {
        self.shared.borrow().shares_its_name(self.task.index())
    }

    /// The name under which the task was registered.
    pub(crate) fn name(&self) -> String {
        self.shared.borrow().name_of_task(self.task.index())
    }

    /// As many tasks as all workers together should hold so that none of them waits, or as they do hold.
    pub(crate) fn held(&self) -> usize {
        self.shared.borrow().held(self.task.index(), Order::of(self.task.ranks()))
    }

    /// A future without a task, and who has to give it its result.
    pub(crate) fn promise(&self) -> (Promise<R>, Future<R>) {
        let (number, id) = {
            let mut dispatcher = self.shared.borrow_mut();
            let number = dispatcher.ticket_for_task();
            (number, dispatcher.ticket_id(number))
        };
        let promise = Promise { shared: Rc::downgrade(&self.shared), id, result: PhantomData };
        (promise, Future::new(&self.shared, number))
    }
}

impl<A: 'static, R: Serialize + 'static> Submitter<A, R> {
    /// A future that is promised once its inputs are there and `args` has made arguments of them. It ends as that of a
    /// task does if an input fails or is cancelled.
    pub(crate) fn after<I: Inputs>(
        &self,
        inputs: I,
        args: impl FnOnce(I::Values) -> A + 'static,
        then: impl FnOnce(Promise<R>, A) + 'static,
    ) -> Future<R> {
        let (promise, future) = self.promise();
        let number = promise.id.number;
        inputs.reader().start(&self.shared, number, move |shared, _, values| {
            if !promise.is_wanted() {
                return;
            }
            match values.map(|values| panics::catch(|| args(values))) {
                Ok(Ok(args)) => then(promise, args),
                Ok(Err(caught)) => promise.set(Err(caught.into())),
                Err((place, error)) => shared.borrow_mut().fail_for_input(number, place, error),
            }
        });
        future
    }
}

impl<A: Serialize + 'static, R: DeserializeOwned + 'static> Submitter<A, R> {
    /// As [`Pool::submit_with`].
    pub(crate) fn submit_with(&self, args: &A, options: &TaskOptions) -> Future<R> {
        self.submit_packed(Bulk::of(args), options)
    }

    pub(super) fn submit_packed(&self, args: Packed<impl Serialize>, options: &TaskOptions) -> Future<R> {
        let mut dispatcher = self.shared.borrow_mut();
        let how = (dispatcher.order(options, self.task.ranks()), options.retries);
        let ticket = dispatcher.submit_future(self.task.index(), args, how);
        dispatcher.flush();
        Future::new(&self.shared, ticket)
    }
}

impl<R> Promise<R> {
    /// Whether anybody still waits for the result.
    pub(crate) fn is_wanted(&self) -> bool {
        self.shared.upgrade().is_some_and(|shared| shared.borrow().is_open(self.id))
    }
}

impl<R: Serialize> Promise<R> {
    /// Gives the result. If nobody wants it any more, nothing happens.
    pub(crate) fn set(self, result: Result<R, TaskError>) {
        let Some(shared) = self.shared.upgrade() else { return };
        let key = u64::from(self.id.number);
        let mut bytes = Vec::new();
        let answer = match result.map(|value| wire::encode(&value, &mut bytes)) {
            Ok(Ok(())) => Answer::made(key, bytes),
            Ok(Err(error)) => Answer::failed(key, TaskErrorKind::Malformed, format!("result: {error}")),
            Err(error) => Answer::of_error(key, error),
        };
        settled(&shared, |dispatcher| {
            if dispatcher.is_open(self.id) {
                dispatcher.end_ticket(self.id.number, answer);
            }
        });
    }
}

impl<R> Drop for Promise<R> {
    fn drop(&mut self) {
        if let Some(shared) = self.shared.upgrade()
            && let Ok(mut dispatcher) = shared.try_borrow_mut()
            && dispatcher.is_open(self.id)
        {
            let (key, reason) = (u64::from(self.id.number), "nobody makes its result".to_owned());
            dispatcher.end_ticket(self.id.number, Answer::failed(key, TaskErrorKind::Cancelled, reason));
        }
    }
}
