//! Decides which worker gets which task, and when. Pure: no clock, no messages; time is an argument and
//! decisions are return values, so the same code serves MPI, threads and a simulation.
//!
//! It knows tasks by slot (a small number that is used again), never their contents. Every decision is O(1)
//! per task; only the loss of a worker and the search for overdue ones look at everything.

mod answers;
mod deadlines;
mod elsewhere;
mod endings;
mod groups;
mod reserves;
mod stragglers;
mod waiting;

use std::time::Duration;

use crate::pool::load::LoadIndex;
use crate::pool::options::PoolOptions;
use crate::pool::pace::{Gap, Pace};
use deadlines::Deadlines;
use elsewhere::Elsewhere;
pub(in crate::pool) use endings::Expired;
use groups::Groups;
pub(in crate::pool) use groups::{Abandoned, GroupTurn, MemberVerdict};
pub(in crate::pool) use reserves::TakenBack;
pub(in crate::pool) use stragglers::Late;
use waiting::Waiting;

/// How a task wants to be treated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::pool) struct Order {
    /// Higher ones leave the queue first.
    pub(in crate::pool) priority: i32,
    /// When its answer is not worth waiting for any more. Such a task goes only to a worker that holds nothing and
    /// alone, so that it has started as soon as it is sent: before that it can still be withdrawn.
    pub(in crate::pool) deadline: Option<Duration>,
    /// Tasks that should share its message; 0: as measured.
    pub(in crate::pool) bundle: u32,
    /// Workers that run it together; 0 and 1: one.
    pub(in crate::pool) ranks: u32,
}

impl Order {
    /// The usual one, for so many ranks.
    pub(in crate::pool) fn of(ranks: u32) -> Self {
        Self { ranks, ..Self::default() }
    }
}

/// How far a worker is to be trusted with tasks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    Good,
    /// It gets tasks again, but no copies of those that others are at: the first answer to these counts.
    OnTrial,
    /// It gets no tasks; it is here all the same, and answers what it has.
    Aside,
}

/// What is to be made of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::pool) enum Verdict {
    /// It is the answer to the attempt that counts; the slot is free now.
    Accepted,
    /// The task was given to another worker, answered or dropped meanwhile.
    Late,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Free,
    /// Waits for something else than a worker.
    Blocked,
    Ready,
    /// Cancelled while in the queue, which still holds the slot.
    Cancelled,
    With(u32),
    /// With a group of workers: the number of its run.
    Group(u32),
}

#[derive(Clone, Copy, Debug)]
struct Task {
    place: Place,
    kind: u32,
    /// Grows with every use of the slot, so an old answer never fits a new task.
    attempt: u32,
    /// Workers that this task has been given to.
    given: u32,
    order: Order,
    /// Grows when the slot is taken for another task.
    serial: u32,
    /// When it was put into the queue, as a number that grows.
    stamp: u64,
    /// The message that it was sent with first, as a number that grows.
    message: u64,
    /// The earlier of two workers that have it, with its attempt; see [`stragglers`].
    twin: Option<(u32, u32)>,
    /// Nobody wants the answer any more; the worker that has it is not asked to stop.
    unwanted: bool,
}

/// What a worker with tasks holds.
#[derive(Clone, Copy, Debug, Default)]
struct Held {
    /// Of the kinds of its tasks, the one of which it should hold least.
    kind: u32,
    /// A single task that gets no company.
    alone: bool,
}

/// Of so many workers at most, the least loaded ones, is one looked for that can take a task.
const LOOKED_AT: usize = 64;

/// The dispatcher's mind. Workers are numbered from 0.
pub(in crate::pool) struct Scheduler {
    paces: Vec<Pace>,
    gap: Gap,
    fixed_depth: Option<usize>,
    fixed_bundle: Option<usize>,
    max_attempts: u32,
    lost_after: Option<Duration>,
    tasks: Vec<Task>,
    free: Vec<u32>,
    ready: Waiting,
    /// Those that have failed.
    elsewhere: Elsewhere,
    deadlines: Deadlines,
    /// Slots in `ready` and `elsewhere` that are still wanted.
    waiting: usize,
    blocked: usize,
    /// Tasks that workers hold.
    out: usize,
    /// Those among them that nobody wants.
    unwanted: usize,
    loads: LoadIndex,
    /// Tasks for several workers, and who works on them.
    groups: Groups,
    stamp: u64,
    /// Messages with tasks so far.
    messages: u64,
    /// When each worker last spoke, or was given a task while it had none.
    heard: Vec<Duration>,
    /// By worker, while it has tasks.
    held: Vec<Held>,
    /// Workers that are not in good [`Standing`].
    on_trial: Vec<bool>,
}

impl Scheduler {
    /// For so many kinds of tasks and workers.
    pub(in crate::pool) fn new(kinds: usize, workers: usize, options: &PoolOptions) -> Self {
        Self {
            paces: vec![Pace::default(); kinds],
            gap: Gap::default(),
            fixed_depth: options.depth.map(|n| n.max(1)),
            fixed_bundle: options.bundle.map(|n| n.max(1)),
            max_attempts: options.max_attempts.max(1),
            lost_after: options.lost_after,
            tasks: Vec::new(),
            free: Vec::new(),
            ready: Waiting::default(),
            elsewhere: Elsewhere::default(),
            deadlines: Deadlines::default(),
            waiting: 0,
            blocked: 0,
            out: 0,
            unwanted: 0,
            loads: LoadIndex::new(workers),
            groups: Groups::new(workers, options.group_grace),
            stamp: 0,
            messages: 0,
            heard: vec![Duration::ZERO; workers],
            held: vec![Held::default(); workers],
            on_trial: vec![false; workers],
        }
    }

    fn depth(&self, kind: u32) -> usize {
        self.fixed_depth.unwrap_or_else(|| self.paces[kind as usize].depth(self.gap.seconds(), self.alive()))
    }

    fn bundle(&self, kind: u32) -> usize {
        self.fixed_bundle.unwrap_or_else(|| self.paces[kind as usize].bundle(self.depth(kind)))
    }

    /// Workers that are not lost.
    pub(in crate::pool) fn alive(&self) -> usize {
        self.loads.len()
    }

    /// Whether a worker is not lost.
    pub(in crate::pool) fn is_alive(&self, worker: u32) -> bool {
        self.loads.contains(worker)
    }

    /// Workers that are given tasks: neither lost nor parked.
    pub(in crate::pool) fn available(&self) -> usize {
        self.loads.listed()
    }

    /// How far a worker is to be trusted with tasks. Groups park workers in the same way: this is for pools without.
    pub(in crate::pool) fn set_standing(&mut self, worker: u32, standing: Standing) {
        if let Some(on_trial) = self.on_trial.get_mut(worker as usize) {
            *on_trial = standing != Standing::Good;
            self.loads.park(worker, standing == Standing::Aside);
        }
    }

    /// Tasks that workers hold.
    pub(in crate::pool) fn out(&self) -> usize {
        self.out
    }

    /// Whether tasks wait for a worker.
    pub(in crate::pool) fn has_ready(&self) -> bool {
        self.waiting + self.groups.waiting() > 0
    }

    /// Tasks that have not ended, but for those that nobody wants.
    pub(in crate::pool) fn open(&self) -> usize {
        self.waiting + self.groups.waiting() + self.blocked + self.out - self.unwanted
    }

    /// How many tasks of this kind one worker may hold, and how many may share a message.
    fn room(&self, kind: u32, order: Order) -> (usize, usize) {
        match (order.deadline, order.bundle as usize) {
            _ if order.ranks > 1 => (1, 1),
            (Some(_), _) => (1, 1),
            (None, 0) => (self.depth(kind), self.bundle(kind)),
            (None, bundle) => (self.depth(kind).max(bundle), bundle),
        }
    }

    /// How many tasks of this kind all workers together should hold so that none of them waits.
    pub(in crate::pool) fn capacity(&self, kind: u32, order: Order) -> usize {
        let workers = if self.parks_groups() { self.alive() } else { self.loads.listed() };
        self.room(kind, order).0 * (workers / order.ranks.max(1) as usize)
    }

    /// How many more tasks of this kind the workers can take so that none of them waits.
    pub(in crate::pool) fn wanted(&self, kind: u32, order: Order) -> usize {
        // What workers hold that are left out for now takes no room of the others.
        let aside = if self.parks_groups() { 0 } else { self.loads.aside() };
        let out = self.out.saturating_sub(aside);
        // What waits for others keeps those that are left from nothing.
        let waiting = self.waiting.saturating_sub(self.elsewhere.waiting()) + self.groups.waiting();
        let wanted = self.capacity(kind, order).saturating_sub(out + waiting);
        if wanted > 0 || waiting > 0 || order.ranks > 1 {
            return wanted;
        }
        // Some may hold more than they should by now, as when tasks take longer than they did. Others don't wait for that.
        let has_room = self.loads.least().is_some_and(|(_, load)| (load as usize) < self.room(kind, order).0);
        if has_room { self.loads.least_loaded() } else { 0 }
    }

    /// Whether workers are parked because they are at work in groups.
    fn parks_groups(&self) -> bool {
        self.loads.listed() < self.alive() && (self.has_groups() || self.has_groups_at_work())
    }

    /// Takes in that rank 0 comes by after `gap`, with work out.
    pub(in crate::pool) fn note_gap(&mut self, gap: Duration) {
        self.gap.note(gap);
    }

    /// Takes in a new task that has failed nowhere yet.
    #[cfg(test)]
    pub(in crate::pool) fn add(&mut self, kind: u32, order: Order) -> u32 {
        self.add_failed(kind, order, &[])
    }

    /// Takes in a new task, behind those of its priority; returns its slot. If it has failed on some workers already, others
    /// are preferred: see [`elsewhere`].
    pub(in crate::pool) fn add_failed(&mut self, kind: u32, order: Order, failed_on: &[u32]) -> u32 {
        let slot = self.take_slot(kind, order, Place::Ready);
        if !failed_on.is_empty() {
            self.elsewhere.note(slot, failed_on.iter().copied());
        }
        self.push_back(slot);
        slot
    }

    /// Puts a ready task behind those of its priority.
    fn push_back(&mut self, slot: u32) {
        self.stamp += 1;
        let task = &mut self.tasks[slot as usize];
        (task.place, task.stamp) = (Place::Ready, self.stamp);
        let (priority, ranks) = (task.order.priority, task.order.ranks);
        // Those that need an idle worker are first in the line, or they would never get one.
        let needs_idle = task.order.deadline.is_some() || task.given > 0;
        self.note_waiting(slot, true);
        if ranks > 1 {
            self.groups.push_back(priority, slot);
        } else if !needs_idle && self.elsewhere.knows(slot) {
            self.elsewhere.push_back(slot);
        } else {
            self.ready.push_back(priority, slot);
        }
    }

    /// Puts a task back ahead of those of its priority.
    fn push_front(&mut self, slot: u32) {
        let task = &mut self.tasks[slot as usize];
        task.place = Place::Ready;
        let (priority, ranks) = (task.order.priority, task.order.ranks);
        self.note_waiting(slot, true);
        if ranks > 1 { self.groups.push_front(priority, slot) } else { self.ready.push_front(priority, slot) }
    }

    /// Counts a task that waits for workers from now on, or does no more.
    fn note_waiting(&mut self, slot: u32, waits: bool) {
        let is_group = self.tasks[slot as usize].order.ranks > 1;
        let count = if is_group { self.groups.waiting_mut() } else { &mut self.waiting };
        if waits { *count += 1 } else { *count -= 1 }
    }

    /// Takes in a new task that has to wait for [`Self::unblock`]; returns its slot.
    pub(in crate::pool) fn add_blocked(&mut self, kind: u32, order: Order) -> u32 {
        self.blocked += 1;
        self.take_slot(kind, order, Place::Blocked)
    }

    /// What a blocked task has waited for is there. Others are left as they are.
    pub(in crate::pool) fn unblock(&mut self, slot: u32) {
        if self.tasks[slot as usize].place == Place::Blocked {
            self.blocked -= 1;
            self.push_back(slot);
        }
    }

    fn take_slot(&mut self, kind: u32, order: Order, place: Place) -> u32 {
        let slot = self.free.pop().unwrap_or_else(|| {
            let unused = Task {
                place: Place::Free,
                kind,
                attempt: 0,
                given: 0,
                order,
                serial: 0,
                stamp: 0,
                message: 0,
                twin: None,
                unwanted: false,
            };
            self.tasks.push(unused);
            (self.tasks.len() - 1) as u32
        });
        let task = &mut self.tasks[slot as usize];
        (task.place, task.kind, task.given, task.order, task.unwanted) = (place, kind, 0, order, false);
        task.serial = task.serial.wrapping_add(1);
        if let Some(at) = order.deadline {
            let (serial, tasks) = (task.serial, &self.tasks);
            let is_open = |(slot, serial): (u32, u32)| {
                let task = &tasks[slot as usize];
                task.serial == serial && task.order.deadline.is_some() && task.place != Place::Free
            };
            self.deadlines.add(at, (slot, serial), is_open);
        }
        slot
    }

    /// Whether a worker has the task.
    pub(in crate::pool) fn is_out(&self, slot: u32) -> bool {
        matches!(self.tasks[slot as usize].place, Place::With(_) | Place::Group(_))
    }

    /// The next message to send: the worker, and the slots of its tasks in `batch`. `None`: nothing to do now.
    ///
    /// The least loaded worker is served first. It gets a bundle, but not more than its share of all tasks at
    /// hand; and while it holds half of what it may, less than a bundle is not worth a message.
    ///
    /// A task that was with a worker that is lost may have been its end: it gets a worker that has nothing else to do, and no
    /// company, so that no other task counts a loss for it again. And no task waits behind one of another kind of which a
    /// worker would hold fewer: it may take long.
    pub(in crate::pool) fn next_batch(&mut self, now: Duration, batch: &mut Vec<u32>) -> Option<u32> {
        batch.clear();
        if self.elsewhere.waiting() > 0
            && let Some(worker) = self.next_elsewhere(now, batch)
        {
            return Some(worker);
        }
        let first = self.front()?;
        let Task { kind, order, given, .. } = self.tasks[first as usize];
        let is_suspect = given > 0;
        let (worker, most) = self.find_worker(kind, order, is_suspect)?;
        for _ in 0..most {
            let Some(slot) = self.pop_ready(kind, order, is_suspect) else { break };
            batch.push(slot);
        }
        self.give(worker, is_suspect, now, batch);
        Some(worker)
    }

    /// The worker has these tasks now, all of one kind.
    #[inline]
    fn give(&mut self, worker: u32, is_suspect: bool, now: Duration, batch: &[u32]) {
        let Some(first) = batch.first() else { return };
        let kind = self.tasks[*first as usize].kind;
        self.messages += 1;
        for slot in batch {
            let task = &mut self.tasks[*slot as usize];
            task.place = Place::With(worker);
            task.attempt = task.attempt.wrapping_add(1);
            task.given += 1;
            task.message = self.messages;
        }
        self.waiting -= batch.len();
        self.out += batch.len();
        let load = self.loads.load(worker);
        if load == 0 {
            self.heard[worker as usize] = now;
            self.held[worker as usize] = Held { kind, alone: is_suspect };
        } else if self.held[worker as usize].kind != kind {
            let before = self.held[worker as usize].kind;
            if self.depth(kind) < self.depth(before) {
                self.held[worker as usize].kind = kind;
            }
        }
        self.loads.insert(worker, load + batch.len() as u32);
    }

    /// The worker that takes the next tasks, and how many it takes at most.
    #[inline]
    fn find_worker(&self, kind: u32, order: Order, is_suspect: bool) -> Option<(u32, usize)> {
        let room = self.room(kind, order);
        let (worker, load) = self.loads.least()?;
        let most = self.takes(worker, load, kind, room, is_suspect);
        if most > 0 {
            return Some((worker, most));
        }
        let is_special = |(worker, load): &(u32, u32)| {
            let held = self.held[*worker as usize];
            let is_slow = held.kind != kind && self.depth(held.kind) < room.0;
            *load > 0 && !is_suspect && (held.alone || is_slow)
        };
        if !is_special(&(worker, load)) {
            return None;
        }
        // Others may take what this one does not, though they hold more.
        let mut next = self.loads.by_load().take(LOOKED_AT).skip_while(is_special);
        let (worker, load) = next.next()?;
        let most = self.takes(worker, load, kind, room, is_suspect);
        (most > 0).then_some((worker, most))
    }

    /// How many of the next tasks a worker takes.
    #[inline]
    fn takes(
        &self,
        worker: u32,
        load: u32,
        kind: u32,
        (mut depth, bundle): (usize, usize),
        is_suspect: bool,
    ) -> usize {
        let load = load as usize;
        if load > 0 {
            let held = self.held[worker as usize];
            if is_suspect || held.alone {
                return 0;
            }
            if held.kind != kind {
                depth = depth.min(self.depth(held.kind));
            }
        }
        let share = match self.waiting {
            // Whatever its share is: without a division, which takes as long as all the rest.
            1 => 1,
            waiting => (self.out + waiting).div_ceil(self.loads.listed()).saturating_sub(load).max(1),
        };
        let most = depth.saturating_sub(load).min(if is_suspect { 1 } else { bundle }).min(share);
        let is_worth_it = load == 0 || most.min(self.waiting) >= bundle || load < depth / 2;
        if is_worth_it { most } else { 0 }
    }

    /// The next task for a single worker.
    fn front(&mut self) -> Option<u32> {
        loop {
            let slot = self.ready.front()?;
            if self.tasks[slot as usize].place == Place::Ready {
                return Some(slot);
            }
            self.ready.pop();
            self.free_slot(slot);
        }
    }

    /// The next task, if it can share a message with one of this kind and order.
    fn pop_ready(&mut self, kind: u32, order: Order, is_suspect: bool) -> Option<u32> {
        loop {
            let slot = self.ready.front()?;
            let task = self.tasks[slot as usize];
            let alike = task.kind == kind
                && task.order.deadline.is_some() == order.deadline.is_some()
                && (task.given > 0) == is_suspect;
            if task.place == Place::Ready && !alike {
                return None;
            }
            self.ready.pop();
            if task.place == Place::Ready {
                return Some(slot);
            }
            self.free_slot(slot);
        }
    }

    fn free_slot(&mut self, slot: u32) {
        let task = &mut self.tasks[slot as usize];
        task.place = Place::Free;
        if task.order.deadline.take().is_some() {
            self.deadlines.drop_one();
        }
        if std::mem::take(&mut task.unwanted) {
            self.unwanted -= 1;
        }
        self.elsewhere.forget(slot);
        self.free.push(slot);
    }

    /// The attempt that is under way for a slot.
    pub(in crate::pool) fn attempt(&self, slot: u32) -> u32 {
        self.tasks[slot as usize].attempt
    }

    /// Takes in that a worker said something, be it late or foreign. One that had been given up is back.
    pub(in crate::pool) fn heard(&mut self, worker: u32, now: Duration) {
        self.heard[worker as usize] = now;
        if !self.loads.contains(worker) {
            self.loads.insert(worker, 0);
        }
    }
}

#[cfg(test)]
mod group_tests;
#[cfg(test)]
mod tests;
