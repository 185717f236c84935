//! Tickets: what futures hold. Who waits for an answer, and what starts when it is there.
//!
//! A ticket lives as long as anyone is interested: a future, a detached task, or a reader (a dependent task, a
//! callback). When the last one goes, its task is not started any more. User code never runs in here: what is due is
//! kept as a [`Due`] until the caller has let go of the dispatcher.

use super::{Answer, Dispatcher, Owner, Shared};
use crate::pool::error::{TaskError, TaskErrorKind};
use crate::pool::queue::Completed;
use serde::de::DeserializeOwned;
use std::time::Duration;

/// Something that has to run with nobody holding the dispatcher.
pub(in crate::pool) type Due = Box<dyn FnOnce(&Shared)>;

/// A ticket's number with its use: a number may be given out again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::pool) struct TicketId {
    pub(in crate::pool) number: u32,
    serial: u32,
}

#[derive(Debug)]
enum State {
    Free,
    /// The slot of its task.
    Open(u32),
    /// Will be made on rank 0 from the answers of others.
    Promised,
    Done(Answer),
}

/// Who acts when the answer is there.
enum Follower {
    /// A ticket that waits for it among others.
    Dependent(TicketId),
    /// A callback. It counts as a reader until it runs.
    Call(Due),
}

/// What a ticket waits for.
struct Waits {
    inputs: Vec<u32>,
    missing: usize,
    /// Starts what needs the inputs; runs once all are there.
    ready: Due,
}

pub(super) struct Ticket {
    state: State,
    serial: u32,
    held: bool,
    detached: bool,
    readers: u32,
    /// Watchers, each with the index under which it knows this ticket.
    pub(super) watchers: Vec<(u32, u32)>,
    followers: Vec<Follower>,
    waits: Option<Box<Waits>>,
}

impl Ticket {
    pub(super) fn is_done(&self) -> bool {
        matches!(self.state, State::Done(_))
    }
}

impl Dispatcher {
    /// A ticket held by a future. Its state is set by whoever asked for it.
    fn new_ticket(&mut self) -> u32 {
        let number = self.free_tickets.pop().unwrap_or_else(|| {
            self.tickets.push(Ticket {
                state: State::Free,
                serial: 0,
                held: false,
                detached: false,
                readers: 0,
                watchers: Vec::new(),
                followers: Vec::new(),
                waits: None,
            });
            (self.tickets.len() - 1) as u32
        });
        let ticket = &mut self.tickets[number as usize];
        (ticket.held, ticket.detached) = (true, false);
        number
    }

    /// A ticket for a task that is handed in next.
    pub(in crate::pool) fn ticket_for_task(&mut self) -> u32 {
        let number = self.new_ticket();
        self.tickets[number as usize].state = State::Promised;
        number
    }

    /// The task of a ticket has this slot.
    pub(super) fn open_ticket(&mut self, number: u32, slot: u32) {
        self.tickets[number as usize].state = State::Open(slot);
    }

    /// The number with its present use.
    pub(in crate::pool) fn ticket_id(&self, number: u32) -> TicketId {
        TicketId { number, serial: self.tickets[number as usize].serial }
    }

    /// The slot of the task of a ticket that still waits for its answer.
    pub(super) fn slot_of(&self, id: TicketId) -> Option<u32> {
        match self.tickets[id.number as usize] {
            Ticket { state: State::Open(slot), serial, .. } if serial == id.serial => Some(slot),
            _ => None,
        }
    }

    /// Whether a ticket still waits for its answer.
    pub(in crate::pool) fn is_open(&self, id: TicketId) -> bool {
        let ticket = &self.tickets[id.number as usize];
        ticket.serial == id.serial && matches!(ticket.state, State::Open(_) | State::Promised)
    }

    /// Makes a ticket wait for others. `ready` runs when all are done; it has to call [`Self::release_inputs`].
    /// If one of them has failed, or fails, the ticket fails too and `ready` is dropped.
    pub(in crate::pool) fn wait_for(&mut self, number: u32, inputs: Vec<u32>, ready: Due) {
        let id = self.ticket_id(number);
        let mut missing = 0;
        let mut failed = None;
        for (place, &input) in inputs.iter().enumerate() {
            let source = &mut self.tickets[input as usize];
            source.readers += 1;
            match &source.state {
                State::Done(_) => failed = failed.or_else(|| self.failure_of(input).map(|e| (place, e))),
                _ => {
                    source.followers.push(Follower::Dependent(id));
                    missing += 1;
                }
            }
        }
        self.tickets[number as usize].waits = Some(Box::new(Waits { inputs, missing, ready }));
        match failed {
            Some((place, error)) => self.fail_for_input(number, place, error),
            None if missing == 0 => self.inputs_are_there(number),
            None => {}
        }
    }

    fn inputs_are_there(&mut self, number: u32) {
        if let Some(waits) = self.tickets[number as usize].waits.take() {
            self.due.push_back(waits.ready);
        }
    }

    /// The inputs of a ticket have been read.
    pub(in crate::pool) fn release_inputs(&mut self, inputs: &[u32]) {
        for &input in inputs {
            self.tickets[input as usize].readers -= 1;
            self.release(input);
        }
    }

    /// The error of an answer that is one.
    fn failure_of(&self, number: u32) -> Option<TaskError> {
        match &self.tickets[number as usize].state {
            State::Done(answer) => self.failure(answer),
            _ => None,
        }
    }

    /// Ends a ticket whose input has failed.
    pub(in crate::pool) fn fail_for_input(&mut self, number: u32, place: usize, error: TaskError) {
        let (kind, name) = (error.kind, self.name_of_ticket(number));
        let what = if kind == TaskErrorKind::Cancelled { "was cancelled" } else { "failed" };
        let kind = if kind == TaskErrorKind::Cancelled { kind } else { TaskErrorKind::Input };
        let reason = format!("{name} was not started: its input {place} {what}");
        let error = TaskError { kind, ..TaskError::local(reason) }.because(error);
        self.end_ticket(number, Answer::of_error(u64::from(number), error));
    }

    /// The name under which a task was registered.
    pub(in crate::pool) fn name_of_task(&self, task: u32) -> String {
        self.names.get(task as usize).cloned().unwrap_or_default()
    }

    /// Whether another task was registered under the same name.
    pub(in crate::pool) fn shares_its_name(&self, task: u32) -> bool {
        let name = self.names.get(task as usize);
        self.names.iter().filter(|other| Some(*other) == name).count() > 1
    }

    fn name_of_ticket(&self, number: u32) -> String {
        match self.tickets[number as usize].state {
            State::Open(slot) => format!("`{}`", self.names[self.slots[slot as usize].task as usize]),
            _ => "a part of a result".to_owned(),
        }
    }

    /// Ends an open ticket with an answer made here; its task is not started any more.
    pub(in crate::pool) fn end_ticket(&mut self, number: u32, answer: Answer) {
        match self.tickets[number as usize].state {
            State::Open(slot) => {
                self.disown(slot);
            }
            State::Promised => {}
            State::Free | State::Done(_) => return self.discard(answer),
        }
        self.answer_ticket(number, answer);
    }

    /// The answer of a ticket is there.
    pub(super) fn answer_ticket(&mut self, number: u32, answer: Answer) {
        let ticket = &mut self.tickets[number as usize];
        ticket.state = State::Done(answer);
        let is_plain = ticket.held
            && ticket.waits.is_none()
            && ticket.watchers.is_empty()
            && ticket.followers.is_empty();
        if is_plain {
            return;
        }
        // A list instead of recursion: a chain of dependents may be long.
        self.settling.push_back(number);
        if self.settling.len() > 1 {
            return;
        }
        while let Some(&number) = self.settling.front() {
            self.settle(number);
            self.settling.pop_front();
        }
    }

    fn settle(&mut self, number: u32) {
        let ticket = &mut self.tickets[number as usize];
        let (watchers, followers) =
            (std::mem::take(&mut ticket.watchers), std::mem::take(&mut ticket.followers));
        let (waits, forgotten) = (ticket.waits.take(), !ticket.held && ticket.detached);
        for (watcher, index) in watchers {
            if let Some(Some(seen)) = self.watchers.get_mut(watcher as usize) {
                seen.push_back(index);
            }
        }
        let failure = if followers.is_empty() && !forgotten { None } else { self.failure_of(number) };
        for follower in followers {
            match follower {
                Follower::Call(due) => self.due.push_back(due),
                Follower::Dependent(id) => self.input_is_there(id, number, failure.as_ref()),
            }
        }
        if let Some(waits) = waits {
            self.forget(waits.ready);
            self.release_inputs(&waits.inputs);
        }
        if let (true, Some(error)) = (forgotten, failure) {
            tracing::warn!(%error, "a detached task has failed");
        }
        if std::mem::take(&mut self.tickets[number as usize].detached) {
            self.detached -= 1;
        }
        self.release(number);
    }

    /// Drops what will not run, but not now: it may own futures, which need the dispatcher when they go.
    fn forget(&mut self, due: Due) {
        self.due.push_back(Box::new(move |_| drop(due)));
    }

    fn input_is_there(&mut self, id: TicketId, input: u32, failure: Option<&TaskError>) {
        let ticket = &mut self.tickets[id.number as usize];
        let Some(waits) = ticket.waits.as_mut().filter(|_| ticket.serial == id.serial) else { return };
        match failure {
            Some(error) => {
                let place = waits.inputs.iter().position(|i| *i == input).unwrap_or_default();
                self.fail_for_input(id.number, place, error.clone());
            }
            None => {
                waits.missing -= 1;
                if waits.missing == 0 {
                    self.inputs_are_there(id.number);
                }
            }
        }
    }

    /// Lets a ticket go if nobody is interested any more, and with it the tickets that only it waited for.
    pub(super) fn release(&mut self, number: u32) {
        let mut list = vec![number];
        while let Some(number) = list.pop() {
            let ticket = &mut self.tickets[number as usize];
            if ticket.held || ticket.detached || ticket.readers > 0 {
                continue;
            }
            let state = std::mem::replace(&mut ticket.state, State::Free);
            if matches!(state, State::Free) {
                continue;
            }
            ticket.serial = ticket.serial.wrapping_add(1);
            ticket.watchers.clear();
            ticket.followers.clear();
            if let Some(waits) = ticket.waits.take() {
                let Waits { inputs, ready, .. } = *waits;
                self.forget(ready);
                for input in inputs {
                    self.tickets[input as usize].readers -= 1;
                    list.push(input);
                }
            }
            match state {
                State::Done(answer) => self.discard(answer),
                State::Open(slot) => {
                    self.disown(slot);
                }
                State::Promised | State::Free => {}
            }
            self.free_tickets.push(number);
        }
    }

    /// The result of a ticket, if it is there; its future is void then.
    pub(in crate::pool) fn take_result<R: DeserializeOwned + 'static>(
        &mut self,
        number: u32,
    ) -> Option<Result<R, TaskError>> {
        let ticket = &self.tickets[number as usize];
        let State::Done(answer) = &ticket.state else { return None };
        let moved =
            if ticket.readers == 0 { super::answers::take_bulk(&mut self.frames, answer) } else { None };
        let result = moved.map_or_else(|| self.peek(answer), Ok);
        self.drop_ticket(number);
        Some(result)
    }

    /// The result of a ticket, if it is there.
    pub(in crate::pool) fn peek_result<R: DeserializeOwned + 'static>(
        &self,
        number: u32,
    ) -> Option<Result<R, TaskError>> {
        match &self.tickets[number as usize].state {
            State::Done(answer) => Some(self.peek(answer)),
            _ => None,
        }
    }

    /// The same with who ran the task, and when.
    pub(in crate::pool) fn peek_completed<R: DeserializeOwned + 'static>(
        &self,
        number: u32,
    ) -> Option<Completed<R>> {
        match &self.tickets[number as usize].state {
            State::Done(answer) => {
                let Answer { key, worker, started, nanos, .. } = *answer;
                let (result, duration) = (self.peek(answer), Duration::from_nanos(nanos));
                Some(Completed { key, result, worker, started, duration })
            }
            _ => None,
        }
    }

    pub(in crate::pool) fn is_done(&self, number: u32) -> bool {
        self.tickets[number as usize].is_done()
    }

    /// Whether it has ended as cancelled.
    pub(in crate::pool) fn is_cancelled(&self, number: u32) -> bool {
        self.failure_of(number).is_some_and(|error| error.kind == TaskErrorKind::Cancelled)
    }

    /// Whether it has ended with an error, a cancellation aside.
    pub(in crate::pool) fn has_failed(&self, number: u32) -> bool {
        self.failure_of(number).is_some_and(|error| error.kind != TaskErrorKind::Cancelled)
    }

    /// Whether a worker has its task.
    pub(in crate::pool) fn is_running(&self, number: u32) -> bool {
        matches!(self.tickets[number as usize].state, State::Open(slot) if self.scheduler.is_out(slot))
    }

    /// The future is gone.
    pub(in crate::pool) fn drop_ticket(&mut self, number: u32) {
        self.tickets[number as usize].held = false;
        self.release(number);
    }

    /// The future is gone, but its task is to be done all the same.
    pub(in crate::pool) fn detach_ticket(&mut self, number: u32) {
        let ticket = &mut self.tickets[number as usize];
        ticket.held = false;
        if !matches!(ticket.state, State::Done(_)) {
            ticket.detached = true;
            self.detached += 1;
        }
        self.release(number);
    }

    /// Ends a ticket as cancelled, unless a worker has its task or it is done. Whether it is cancelled now.
    pub(in crate::pool) fn cancel_ticket(&mut self, number: u32) -> bool {
        if self.is_done(number) {
            return self.is_cancelled(number);
        }
        if self.is_running(number) {
            return false;
        }
        let answer = Answer::failed(u64::from(number), TaskErrorKind::Cancelled, "cancelled".into());
        self.end_ticket(number, answer);
        true
    }

    /// Has something done when the answer is there, in the order of these calls. It has to call
    /// [`Self::release_inputs`] with this ticket.
    pub(in crate::pool) fn call_when_done(&mut self, number: u32, due: Due) {
        let ticket = &mut self.tickets[number as usize];
        ticket.readers += 1;
        if matches!(ticket.state, State::Done(_)) {
            self.due.push_back(due);
        } else {
            ticket.followers.push(Follower::Call(due));
        }
    }

    /// What has to run now.
    pub(in crate::pool) fn pop_due(&mut self) -> Option<Due> {
        self.due.pop_front()
    }

    /// Whether something has to run now.
    pub(in crate::pool) fn has_due(&self) -> bool {
        !self.due.is_empty()
    }

    /// All open tasks that no worker has end as cancelled.
    pub(in crate::pool) fn cancel_waiting(&mut self, reason: &str) {
        for i in 0..self.slots.len() {
            let owner = self.slots[i].owner;
            if matches!(owner, Owner::Queue(_)) && self.scheduler.cancel(i as u32) {
                self.slots[i].owner = Owner::Nobody;
                let reason = reason.to_owned();
                self.deliver(owner, Answer::failed(self.slots[i].key, TaskErrorKind::Cancelled, reason));
            }
        }
        for number in 0..self.tickets.len() as u32 {
            let is_open = matches!(self.tickets[number as usize].state, State::Open(_) | State::Promised);
            if is_open && !self.is_running(number) {
                let reason = reason.to_owned();
                let answer = Answer::failed(u64::from(number), TaskErrorKind::Cancelled, reason);
                self.end_ticket(number, answer);
            }
        }
    }

    /// Whether a task is open that has to be done though nobody looks.
    pub(in crate::pool) fn has_detached(&self) -> bool {
        self.detached > 0
    }
}
