//! Tasks that several workers run together: sent to all members, answered by all.

use super::{ARGUMENTS, Answer, Dispatcher, HEADER, Owner};
use crate::pool::error::TaskErrorKind;
use crate::pool::scheduler::{Abandoned, GroupTurn, MemberVerdict};
use crate::pool::wire::{self, Kind, ResultHead, Span, Status, TaskHead};
use rustc_hash::FxHashMap;
use std::time::Duration;

/// What rank 0 knows of groups beside their tasks.
#[derive(Default)]
pub(super) struct GroupBook {
    /// How many of them may have a communicator.
    kept: usize,
    /// Those that have a communicator: by members, whether the next task can use it, and when it was used last.
    known: FxHashMap<Vec<u32>, Known>,
    uses: u64,
    /// The results of first members whose fellows have not answered yet, by slot.
    held: FxHashMap<u32, Answer>,
    members: Vec<u32>,
}

struct Known {
    /// Nothing of a failed task is left in it.
    clean: bool,
    used: u64,
}

impl GroupBook {
    /// Nothing yet; communicators of so many groups are kept.
    pub(super) fn new(kept: usize) -> Self {
        Self { kept: kept.max(1), ..Self::default() }
    }
}

impl Dispatcher {
    /// Sends the tasks for several workers whose turn it is.
    pub(super) fn start_groups(&mut self, now: Duration) {
        let mut members = std::mem::take(&mut self.groups.members);
        loop {
            match self.scheduler.next_group(now, &mut members) {
                GroupTurn::Wait => break,
                GroupTurn::Start(slot) => self.start_group(slot, &members),
                GroupTurn::Impossible(slot) => {
                    let place = &mut self.slots[slot as usize];
                    let owner = std::mem::replace(&mut place.owner, Owner::Nobody);
                    let workers = self.scheduler.alive();
                    let lost: String = self.lost.iter().map(|lost| format!("; {lost}")).collect();
                    let reason = format!(
                        "it asks for more ranks than there are workers ({workers}{lost}): start more ranks, \
                         or ask for fewer"
                    );
                    let answer = Answer::failed(place.key, TaskErrorKind::TooLarge, reason);
                    self.deliver(owner, answer);
                }
            }
        }
        self.groups.members = members;
    }

    fn start_group(&mut self, slot: u32, workers: &[u32]) {
        let members: Vec<u32> = workers.iter().map(|worker| worker + 1).collect();
        self.groups.uses += 1;
        let used = self.groups.uses;
        let known = self.groups.known.insert(members.clone(), Known { clean: true, used });
        let anew = known.is_none_or(|known| !known.clean);
        if anew {
            self.forget_a_group();
        }
        let place = &mut self.slots[slot as usize];
        let head = TaskHead { slot, attempt: self.scheduler.attempt(slot), task: place.task };
        let length = place.message.len() - ARGUMENTS;
        head.write(&mut place.message[HEADER..], length);
        for &worker in workers {
            let mut message = self.transport.buffer();
            wire::begin_group(Kind::Group, head.id(), anew, &members, &mut message);
            let place = &self.slots[slot as usize];
            message.extend_from_slice(&place.message[HEADER..]);
            let bulk = place.bulk.clone();
            self.send_tasks(worker, message, bulk);
        }
    }

    /// Frees a communicator where there are too many: of the group that was used longest ago, among those that are idle,
    /// so that all members are told before any of them gets something else.
    fn forget_a_group(&mut self) {
        if self.groups.known.len() <= self.groups.kept {
            return;
        }
        let scheduler = &self.scheduler;
        let idle = |members: &[u32]| members.iter().all(|rank| scheduler.is_idle(rank - 1));
        let candidates = self.groups.known.iter().filter(|(members, _)| idle(members));
        let Some((members, _)) = candidates.min_by_key(|(_, known)| known.used) else { return };
        let members = members.clone();
        self.groups.known.remove(&members);
        for &rank in &members {
            let mut message = self.transport.buffer();
            wire::begin_group(Kind::Forget, 0, false, &members, &mut message);
            if let Err(error) = self.transport.send(rank, message) {
                self.lose(rank - 1, &error.to_string());
            }
        }
    }

    /// Takes in the answer of a member of a group.
    pub(super) fn take_member(&mut self, worker: u32, head: &ResultHead, place: (u32, Span)) {
        // A final result ends the task as an error would.
        let failed = head.status != Status::Done;
        let again = failed && head.status != Status::Final && self.takes_retry(head.slot);
        let duration = Some(Duration::from_nanos(head.nanos)).filter(|_| !head.void);
        let which = (head.slot, head.attempt);
        match self.scheduler.member_answered(worker, which, duration, (failed, again)) {
            MemberVerdict::Late => self.manager.late += 1,
            MemberVerdict::Freed | MemberVerdict::Open { first: false } => {}
            MemberVerdict::Open { first: true } => {
                let answer = self.answer(worker, head, place);
                self.groups.held.insert(head.slot, answer);
            }
            MemberVerdict::Done { first } => {
                let held = if first { None } else { self.groups.held.remove(&head.slot) };
                let answer = held.unwrap_or_else(|| self.answer(worker, head, place));
                self.finish_slot(head.slot, answer);
            }
            MemberVerdict::Failed(abandoned) => {
                self.abandon_group(Some(abandoned));
                let answer = self.answer(worker, head, place);
                self.finish_slot(head.slot, answer);
            }
            MemberVerdict::Again(abandoned) => {
                self.abandon_group(Some(abandoned));
                self.slots[head.slot as usize].retries -= 1;
            }
        }
    }

    /// An attempt has failed: its result is void, its members are told, and what they have said to each other must not be
    /// heard by the next task.
    pub(super) fn abandon_group(&mut self, abandoned: Option<Abandoned>) {
        let Some(Abandoned { slot, attempt, rest, members }) = abandoned else { return };
        if let Some(held) = self.groups.held.remove(&slot) {
            self.discard(held);
        }
        let members: Vec<u32> = members.iter().map(|worker| worker + 1).collect();
        if let Some(known) = self.groups.known.get_mut(&members) {
            known.clean = false;
        }
        let id = TaskHead { slot, attempt, task: 0 }.id();
        for worker in rest {
            let message = wire::signal(Kind::GiveUp, id, self.transport.buffer());
            if let Err(error) = self.transport.send(worker + 1, message) {
                self.lose(worker, &error.to_string());
            }
        }
    }

    /// Whether workers run tasks in groups, as far as anything is still heard of them.
    pub(in crate::pool) fn has_groups_at_work(&self) -> bool {
        self.closed.is_none() && self.scheduler.has_groups_at_work()
    }

    /// Gives up the members of failed groups that have not come back for too long: they wait in a call of MPI for one that
    /// will never answer. Returns who that is.
    pub(super) fn lose_stuck(&mut self, now: Duration) -> Vec<u32> {
        let stuck = self.scheduler.stuck(now);
        for &worker in &stuck {
            self.lose(worker, "it waits in vain for a member of its group that has failed");
        }
        stuck
    }

    /// Nobody wants the answer of a task any more: it is not started, and a group that runs it is told to give up.
    pub(super) fn disown(&mut self, slot: u32) {
        self.slots[slot as usize].owner = Owner::Nobody;
        self.scheduler.disown(slot);
        self.expire_group(slot);
    }

    /// The time of a task is over: if a group runs it, its members need not go on waiting for each other.
    pub(super) fn expire_group(&mut self, slot: u32) {
        let abandoned = self.scheduler.group_of(slot);
        self.abandon_group(abandoned);
    }
}
