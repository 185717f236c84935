//! Futures as arguments: what a dependent task waits for, and how its values are read.

use super::dispatcher::{Dispatcher, Shared, TicketId};
use super::error::TaskError;
use super::future::Future;
use serde::de::DeserializeOwned;
use std::rc::Rc;

/// What a task can wait for: a future, several of one type (a slice or a vector), or a tuple of such. Always by
/// reference, since one result may feed many tasks.
pub trait Inputs: sealed::Sealed {
    /// What comes out: the results, in the same shape.
    type Values: 'static;

    #[doc(hidden)]
    fn reader(&self) -> Reader<Self::Values>;
}

/// The results, or the first error with the place of its input.
type Values<V> = Result<V, (usize, TaskError)>;
type Read<V> = Box<dyn FnOnce(&Dispatcher) -> Values<V>>;

/// How the results of some futures are read once they are there.
pub struct Reader<V> {
    /// `None`: a future whose result was taken before, or whose pool is another one.
    tickets: Vec<Option<u32>>,
    pool: Option<Shared>,
    read: Read<V>,
}

impl<V: 'static> Reader<V> {
    fn empty(read: impl FnOnce(&Dispatcher) -> Values<V> + 'static) -> Self {
        Self { tickets: Vec::new(), pool: None, read: Box::new(read) }
    }

    /// Puts another reader behind this one; its inputs are counted on.
    fn and<W: 'static>(mut self, other: Reader<W>) -> Reader<(V, W)> {
        let (first, before, second) = (self.read, self.tickets.len(), other.read);
        let (same, pool) = match (self.pool, other.pool) {
            (Some(one), Some(two)) => (Rc::ptr_eq(&one, &two), Some(one)),
            (one, two) => (true, one.or(two)),
        };
        self.tickets.extend(other.tickets.into_iter().map(|ticket| ticket.filter(|_| same)));
        let read = move |dispatcher: &Dispatcher| {
            let value = first(dispatcher)?;
            Ok((value, second(dispatcher).map_err(|(place, error)| (before + place, error))?))
        };
        Reader { tickets: self.tickets, pool, read: Box::new(read) }
    }

    fn map<W: 'static>(self, f: impl FnOnce(V) -> W + 'static) -> Reader<W> {
        let read = self.read;
        Reader { tickets: self.tickets, pool: self.pool, read: Box::new(move |d| read(d).map(f)) }
    }

    /// Has a ticket wait for the inputs, and then calls `ready` with their values.
    pub(super) fn start(
        self,
        shared: &Shared,
        number: u32,
        ready: impl FnOnce(&Shared, TicketId, Values<V>) + 'static,
    ) {
        let here = self.pool.as_ref().is_none_or(|pool| Rc::ptr_eq(pool, shared));
        let lost = self.tickets.iter().position(|ticket| ticket.is_none() || !here);
        let inputs: Vec<u32> = self.tickets.iter().flatten().copied().collect();
        let read = self.read;
        super::turn::settled(shared, |dispatcher| {
            if let Some(place) = lost {
                let reason = "its result was taken before, or it belongs to another pool";
                return dispatcher.fail_for_input(number, place, TaskError::local(reason.into()));
            }
            let (id, used) = (dispatcher.ticket_id(number), inputs.clone());
            let due = move |shared: &Shared| {
                let values = {
                    let mut dispatcher = shared.borrow_mut();
                    let values = read(&dispatcher);
                    dispatcher.release_inputs(&used);
                    values
                };
                ready(shared, id, values);
            };
            dispatcher.wait_for(number, inputs, Box::new(due));
        });
    }
}

impl<R: DeserializeOwned + 'static> Inputs for Future<R> {
    type Values = R;

    fn reader(&self) -> Reader<R> {
        let ticket = self.ticket;
        let read = move |dispatcher: &Dispatcher| {
            let gone = || TaskError::local("its result is gone".into());
            ticket
                .and_then(|ticket| dispatcher.peek_result(ticket))
                .unwrap_or_else(|| Err(gone()))
                .map_err(|e| (0, e))
        };
        Reader { tickets: vec![ticket], pool: Some(Rc::clone(&self.shared)), read: Box::new(read) }
    }
}

impl<I: Inputs> Inputs for [I] {
    type Values = Vec<I::Values>;

    fn reader(&self) -> Reader<Self::Values> {
        let mut all = Reader::empty(|_| Ok(()));
        let mut reads = Vec::with_capacity(self.len());
        for reader in self.iter().map(I::reader) {
            let Reader { tickets, pool, read } = reader;
            reads.push((all.tickets.len(), read));
            // One `and` per input would nest as deep as there are inputs.
            let joined = all.and(Reader { tickets, pool, read: Box::new(|_| Ok(())) });
            all = Reader { tickets: joined.tickets, pool: joined.pool, read: Box::new(|_| Ok(())) };
        }
        let read = move |dispatcher: &Dispatcher| {
            let read_one = |(before, read): (usize, Read<I::Values>)| {
                read(dispatcher).map_err(|(place, error)| (before + place, error))
            };
            reads.into_iter().map(read_one).collect()
        };
        Reader { tickets: all.tickets, pool: all.pool, read: Box::new(read) }
    }
}

impl<I: Inputs> Inputs for Vec<I> {
    type Values = Vec<I::Values>;

    fn reader(&self) -> Reader<Self::Values> {
        self.as_slice().reader()
    }
}

impl<I: Inputs + ?Sized> Inputs for &I {
    type Values = I::Values;

    fn reader(&self) -> Reader<Self::Values> {
        (**self).reader()
    }
}

impl<A: Inputs, B: Inputs> Inputs for (A, B) {
    type Values = (A::Values, B::Values);

    fn reader(&self) -> Reader<Self::Values> {
        self.0.reader().and(self.1.reader())
    }
}

impl<A: Inputs, B: Inputs, C: Inputs> Inputs for (A, B, C) {
    type Values = (A::Values, B::Values, C::Values);

    fn reader(&self) -> Reader<Self::Values> {
        self.0.reader().and(self.1.reader()).and(self.2.reader()).map(|((a, b), c)| (a, b, c))
    }
}

impl<A: Inputs, B: Inputs, C: Inputs, D: Inputs> Inputs for (A, B, C, D) {
    type Values = (A::Values, B::Values, C::Values, D::Values);

    fn reader(&self) -> Reader<Self::Values> {
        let front = self.0.reader().and(self.1.reader());
        front.and(self.2.reader().and(self.3.reader())).map(|((a, b), (c, d))| (a, b, c, d))
    }
}

mod sealed {
    use super::Inputs;

    pub trait Sealed {}
    impl<R> Sealed for super::Future<R> {}
    impl<I: Inputs> Sealed for [I] {}
    impl<I: Inputs> Sealed for Vec<I> {}
    impl<I: Sealed + ?Sized> Sealed for &I {}
    impl<A, B> Sealed for (A, B) {}
    impl<A, B, C> Sealed for (A, B, C) {}
    impl<A, B, C, D> Sealed for (A, B, C, D) {}
}
