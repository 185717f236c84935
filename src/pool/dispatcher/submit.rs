//! How tasks come in: with their arguments, or with inputs that have to be there first.

use super::{ARGUMENTS, Answer, Dispatcher, Owner, Slot, TicketId};
use crate::pool::bulk::Packed;
use crate::pool::error::TaskErrorKind;
use crate::pool::options::TaskOptions;
use crate::pool::scheduler::Order;
use crate::pool::wire;
use serde::Serialize;

impl Dispatcher {
    /// What the options of a task mean now.
    pub(in crate::pool) fn order(&self, options: &TaskOptions, ranks: u32) -> Order {
        let deadline = options.timeout.map(|timeout| self.transport.now().saturating_add(timeout));
        Order { priority: options.priority, deadline, bundle: 0, ranks }
    }

    /// Takes in a task; whatever becomes of it, its owner gets an answer. `failed_on`: workers that others are preferred to.
    pub(in crate::pool) fn submit<A: Serialize>(
        &mut self,
        owner: Owner,
        key: u64,
        task: u32,
        arguments: Packed<A>,
        (order, retries, failed_on): (Order, u32, &[u32]),
    ) {
        if let Some((kind, reason)) = self.cannot_run() {
            return self.deliver(owner, Answer::failed(key, kind, reason));
        }
        let slot = self.scheduler.add_failed(task, order, failed_on);
        self.occupy(slot, owner, key, task, retries);
        self.encode_arguments(slot, arguments);
    }

    /// Gives a slot to a task, without arguments yet.
    fn occupy(&mut self, slot: u32, owner: Owner, key: u64, task: u32, retries: u32) {
        if owner == Owner::Future {
            self.open_ticket(key as u32, slot);
        }
        if self.slots.len() <= slot as usize {
            self.slots.push(Slot { owner, key, task, retries, message: Vec::new(), bulk: None });
        }
        let place = &mut self.slots[slot as usize];
        (place.owner, place.key, place.task, place.retries) = (owner, key, task, retries);
    }

    fn encode_arguments<A: Serialize>(&mut self, slot: u32, arguments: Packed<A>) {
        let place = &mut self.slots[slot as usize];
        // What is in front of the arguments is written when it is sent.
        if place.message.len() > ARGUMENTS {
            place.message.truncate(ARGUMENTS);
        } else {
            place.message.resize(ARGUMENTS, 0);
        }
        let encoded = match arguments {
            Ok(bulk) => {
                place.bulk = Some(Box::new(bulk));
                return;
            }
            Err(arguments) => {
                place.bulk = None;
                wire::encode(&arguments, &mut place.message)
            }
        };
        if let Err(error) = encoded {
            let owner = std::mem::replace(&mut place.owner, Owner::Nobody);
            let (key, reason) = (place.key, format!("arguments: {error}"));
            self.scheduler.cancel(slot);
            self.deliver(owner, Answer::failed(key, TaskErrorKind::Malformed, reason));
        }
    }

    /// Takes in a task for a future; returns its ticket.
    pub(in crate::pool) fn submit_future<A: Serialize>(
        &mut self,
        task: u32,
        arguments: Packed<A>,
        (order, retries): (Order, u32),
    ) -> u32 {
        let ticket = self.ticket_for_task();
        self.submit(Owner::Future, u64::from(ticket), task, arguments, (order, retries, &[]));
        ticket
    }

    /// Takes in a task for a future whose arguments are not known yet; [`Self::start_blocked`] has to follow.
    pub(in crate::pool) fn submit_blocked(&mut self, task: u32, (order, retries): (Order, u32)) -> u32 {
        let ticket = self.ticket_for_task();
        if let Some((kind, reason)) = self.cannot_run() {
            self.answer_ticket(ticket, Answer::failed(u64::from(ticket), kind, reason));
        } else {
            let slot = self.scheduler.add_blocked(task, order);
            self.occupy(slot, Owner::Future, u64::from(ticket), task, retries);
        }
        ticket
    }

    /// The arguments of a blocked task are known. Nothing happens if it has ended meanwhile.
    pub(in crate::pool) fn start_blocked<A: Serialize>(&mut self, id: TicketId, arguments: Packed<A>) {
        let Some(slot) = self.slot_of(id) else { return };
        if let Some(reason) = self.cannot_go_on() {
            let answer = Answer::failed(u64::from(id.number), TaskErrorKind::WorkerLost, reason);
            return self.end_ticket(id.number, answer);
        }
        self.encode_arguments(slot, arguments);
        self.scheduler.unblock(slot);
    }

    #[inline]
    fn cannot_run(&self) -> Option<(TaskErrorKind, String)> {
        if self.closed.is_none() && self.refusing.is_none() && self.scheduler.alive() > 0 {
            return None;
        }
        self.why_not()
    }

    #[cold]
    fn why_not(&self) -> Option<(TaskErrorKind, String)> {
        if let (None, Some(reason)) = (&self.closed, self.refusing) {
            return Some((TaskErrorKind::Closed, reason.to_owned()));
        }
        self.cannot_go_on().map(|reason| (TaskErrorKind::WorkerLost, reason))
    }

    fn cannot_go_on(&self) -> Option<String> {
        match &self.closed {
            Some(reason) => Some(reason.clone()),
            None if self.scheduler.alive() == 0 => Some("no worker is left".into()),
            None => None,
        }
    }
}
