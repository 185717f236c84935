//! Rank 0's side: the shell around the scheduler. It owns the transport, the encoded tasks and the answers
//! that nobody has fetched yet, and makes progress only when it is called; there is no thread of its own.

mod answers;
mod finish;
mod groups;
mod losses;
mod start;
mod submit;
mod tickets;
mod watchers;

use super::appetite::Appetite;
use super::bulk::Bulk;
use super::error::TaskErrorKind;
use super::health::LostWorker;
use super::scheduler::{Expired, Order, Scheduler, Standing};
use super::stats::{ManagerStats, Stats, WorkerStats};
use super::transport::{Received, Transport};
use super::watch::{Sign, Watch};
use super::wire::{self, HEADER, Header, Kind, TASK_HEAD, TaskHead};
use super::world::World;
use answers::{Frame, KEEP};
use groups::GroupBook;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Duration;
use tickets::Ticket;

pub(in crate::pool) use answers::Answer;
pub(in crate::pool) use tickets::{Due, TicketId};

/// The dispatcher as all handles on rank 0 share it.
pub(in crate::pool) type Shared = Rc<RefCell<Dispatcher>>;

/// How often workers are looked after: overdue ones, dead processes, heartbeats.
const ROUND: Duration = Duration::from_millis(200);
/// Rank 0 looks for all that is there at least so often while it waits for one message after the other.
const LOOK_UP: Duration = Duration::from_millis(1);
/// Where the arguments of a task lie in its buffer.
const ARGUMENTS: usize = HEADER + TASK_HEAD;

/// Who gets an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::pool) enum Owner {
    /// Nobody: it was given up.
    Nobody,
    /// A future, which asks by slot.
    Future,
    /// A queue, by its number.
    Queue(u32),
}

struct Slot {
    owner: Owner,
    key: u64,
    task: u32,
    /// Further attempts after one that fails.
    retries: u32,
    /// A message with this one task: header, head, arguments.
    message: Vec<u8>,
    /// The arguments, where they travel beside the message.
    bulk: Option<Box<Bulk>>,
}

pub(in crate::pool) struct Dispatcher {
    transport: Box<dyn Transport>,
    scheduler: Scheduler,
    manager_silence: Duration,
    /// So many workers take tasks; the others only wait for the end.
    used: u32,
    world: World,
    watch: Watch,
    /// What the last look at the workers' processes has shown.
    signs: Vec<Sign>,
    lost: Vec<LostWorker>,
    unresponsive_after: Duration,
    /// Workers whose process lives are judged by their answers, too.
    deadline_for_all: bool,
    duplicate_stragglers: bool,
    slots: Vec<Slot>,
    /// The names of the tasks of the program.
    names: Vec<String>,
    tickets: Vec<Ticket>,
    free_tickets: Vec<u32>,
    /// Tickets whose followers have not been told yet.
    settling: VecDeque<u32>,
    watchers: Vec<Option<VecDeque<u32>>>,
    due: VecDeque<Due>,
    /// Open tickets that are detached.
    detached: usize,
    /// Why no new task is taken in.
    refusing: Option<&'static str>,
    queues: Vec<Option<VecDeque<Answer>>>,
    frames: Vec<Frame>,
    free_frames: Vec<u32>,
    batch: Vec<u32>,
    groups: GroupBook,
    keep_tasks: bool,
    round: Duration,
    /// Absence since then that is not held against the workers already.
    excused: Duration,
    beat: Duration,
    visited: Option<Duration>,
    /// When the last turn began and ended; see [`Self::last_turn`].
    turn: (Duration, Duration),
    /// When nothing was left to read for the last time: what workers have said since may not be known yet.
    dry: Duration,
    appetite: Appetite,
    /// Something arrived at the last visit: a caller who only wants what is there should deal with that first.
    fresh: bool,
    closed: Option<String>,
    /// How this process ends if it has to end the job by force.
    exit_code: Option<u8>,
    stats: Vec<WorkerStats>,
    manager: ManagerStats,
}

impl Dispatcher {
    /// The time, as the transport counts it.
    pub(in crate::pool) fn now(&self) -> Duration {
        self.transport.now()
    }

    pub(in crate::pool) fn world(&self) -> &World {
        &self.world
    }

    /// Workers that take tasks.
    pub(in crate::pool) fn alive(&self) -> usize {
        self.scheduler.alive()
    }

    pub(in crate::pool) fn wanted(&self, task: u32, order: Order) -> usize {
        if self.closed.is_some() { 0 } else { self.scheduler.wanted(task, order) }
    }

    /// How many tasks of a kind all workers together should hold.
    pub(in crate::pool) fn capacity(&self, task: u32, order: Order) -> usize {
        self.scheduler.capacity(task, order)
    }

    /// As many tasks of a kind as the workers should hold, or as they do hold where that is more.
    pub(in crate::pool) fn held(&self, task: u32, order: Order) -> usize {
        self.capacity(task, order).max(self.scheduler.out())
    }

    /// Tasks whose answers somebody waits for.
    pub(in crate::pool) fn open_tasks(&self) -> usize {
        if self.closed.is_some() { 0 } else { self.scheduler.open() }
    }

    /// From now on no new task is taken in.
    pub(in crate::pool) fn refuse(&mut self, reason: &'static str) {
        self.refusing = Some(reason);
    }

    pub(in crate::pool) fn stats(&self) -> Stats {
        Stats { workers: self.stats.clone(), manager: self.manager.clone(), elapsed: self.transport.now() }
    }

    /// Opens a queue of answers.
    pub(in crate::pool) fn open_queue(&mut self) -> u32 {
        let free = self.queues.iter().position(Option::is_none).unwrap_or_else(|| {
            self.queues.push(None);
            self.queues.len() - 1
        });
        self.queues[free] = Some(VecDeque::new());
        free as u32
    }

    /// Closes a queue: what it has sent is not wanted any more. `open`: so many of its tasks have not been fetched.
    pub(in crate::pool) fn close_queue(&mut self, queue: u32, open: usize) {
        let answers = self.queues[queue as usize].take().unwrap_or_default();
        let running = open.saturating_sub(answers.len());
        answers.into_iter().for_each(|answer| self.discard(answer));
        self.slots_of(queue, running).into_iter().for_each(|slot| self.disown(slot));
    }

    /// Drops the tasks of a queue that no worker has yet; of its tasks, `open` have not been fetched.
    pub(in crate::pool) fn cancel_queue(&mut self, queue: u32, open: usize, mut dropped: impl FnMut(u64)) {
        let answers = self.queues[queue as usize].as_ref().map_or(0, VecDeque::len);
        for slot in self.slots_of(queue, open.saturating_sub(answers)) {
            if self.scheduler.cancel(slot) {
                self.slots[slot as usize].owner = Owner::Nobody;
                dropped(self.slots[slot as usize].key);
            }
        }
    }

    /// The slots of a queue that has so many tasks running or waiting. O(slots), and O(1) if there are none.
    fn slots_of(&self, queue: u32, running: usize) -> Vec<u32> {
        let is_own = |slot: &u32| self.slots[*slot as usize].owner == Owner::Queue(queue);
        let all = 0..if running > 0 { self.slots.len() as u32 } else { 0 };
        all.filter(is_own).take(running).collect()
    }

    /// The next answer of a queue that has arrived.
    pub(in crate::pool) fn pop(&mut self, queue: u32) -> Option<Answer> {
        self.queues[queue as usize].as_mut()?.pop_front()
    }

    /// Sends what the workers can take now.
    pub(in crate::pool) fn flush(&mut self) {
        if self.closed.is_none() && self.scheduler.has_ready() {
            // Of the last visit: what has passed since then is not held against the workers.
            let now = self.visited.filter(|_| !self.scheduler.has_groups());
            self.flush_at(now.unwrap_or_else(|| self.transport.now()));
        }
    }

    fn flush_at(&mut self, now: Duration) {
        if self.closed.is_some() {
            return;
        }
        let mut batch = std::mem::take(&mut self.batch);
        while self.scheduler.has_ready() || self.scheduler.has_groups() {
            if self.scheduler.has_groups() {
                self.start_groups(now);
            }
            let Some(worker) = self.scheduler.next_batch(now, &mut batch) else { break };
            let has_bulk = |index: &u32| self.slots[*index as usize].bulk.is_some();
            if batch.iter().any(has_bulk) {
                batch.iter().for_each(|index| self.send_batch(worker, &[*index]));
            } else {
                self.send_batch(worker, &batch);
            }
        }
        self.batch = batch;
    }

    pub(super) fn send_batch(&mut self, worker: u32, batch: &[u32]) {
        let message = self.message(batch);
        let bulk = match batch {
            [index] => self.bulk_of(*index),
            _ => None,
        };
        self.send_tasks(worker, message, bulk);
    }

    /// Sends a message with tasks to a worker, which is lost if that fails.
    fn send_tasks(&mut self, worker: u32, message: Vec<u8>, bulk: Option<Box<Bulk>>) {
        self.manager.messages_sent += 1;
        let sent = match bulk {
            None => self.transport.send(worker + 1, message),
            Some(bulk) => self.transport.send_with(worker + 1, message, bulk),
        };
        if let Err(error) = sent {
            self.lose(worker, &error.to_string());
        }
    }

    /// The arguments of a task that travel beside its message: a copy, if the task may have to be sent again.
    fn bulk_of(&mut self, index: u32) -> Option<Box<Bulk>> {
        let slot = &mut self.slots[index as usize];
        if self.keep_tasks || slot.retries > 0 {
            return slot.bulk.clone();
        }
        let bulk = slot.bulk.take();
        if bulk.is_some() {
            // Without its arguments it can't be sent again.
            slot.message.clear();
        }
        bulk
    }

    /// Makes the message for a batch. A single task that need not be kept gives its buffer away.
    fn message(&mut self, batch: &[u32]) -> Vec<u8> {
        let mut out = self.transport.buffer();
        wire::begin(Kind::Tasks, &mut out);
        for &index in batch {
            let slot = &mut self.slots[index as usize];
            let head = TaskHead { slot: index, attempt: self.scheduler.attempt(index), task: slot.task };
            let length = slot.message.len() - ARGUMENTS;
            head.write(&mut slot.message[HEADER..], length);
            if batch.len() == 1 && length > KEEP && !self.keep_tasks && slot.retries == 0 {
                slot.message[..HEADER].copy_from_slice(&out);
                self.transport.recycle(out);
                out = std::mem::take(&mut slot.message);
            } else {
                out.extend_from_slice(&slot.message[HEADER..]);
            }
        }
        wire::set_count(&mut out, batch.len() as u32);
        out
    }

    /// When rank 0 last came by to wait, and when it went: for those who wait several times, without a look at the clock.
    pub(in crate::pool) fn last_turn(&self) -> (Duration, Duration) {
        self.turn
    }

    /// Takes in that rank 0 comes by and does not wait.
    pub(in crate::pool) fn pass(&mut self) {
        let now = self.transport.now();
        self.turn = (now, now);
    }

    /// Takes in that what was due has run, in a turn that began at `came`.
    pub(in crate::pool) fn end_turn(&mut self, came: Duration) {
        self.turn = (came, self.transport.now());
    }

    /// Takes in what has arrived and sends what that makes room for. Waits up to `limit` if nothing is there.
    /// Returns whether anything arrived.
    pub(in crate::pool) fn progress(&mut self, limit: Duration) -> bool {
        if std::mem::take(&mut self.fresh) && limit.is_zero() {
            return false;
        }
        if self.closed.is_some() {
            self.pass();
            return false;
        }
        let began = self.transport.now();
        if let Some(visited) = self.visited {
            self.note_absence(began.saturating_sub(visited));
        }
        let (mut arrived, mut dry) = (false, false);
        let mut taken = 0;
        // Where messages come one by one, the wait below finds them as well as a look before it, and does not look twice.
        let is_trickle = self.appetite.messages() == 1 && began.saturating_sub(self.dry) < LOOK_UP;
        let first_look = limit.is_zero() || !is_trickle;
        for _ in 0..if first_look { self.appetite.messages() } else { 0 } {
            match self.transport.try_receive() {
                Ok(Some(received)) => {
                    self.take(received, began);
                    taken += 1;
                }
                Ok(None) => {
                    dry = true;
                    break;
                }
                Err(error) => {
                    self.fail(&error);
                    arrived = true;
                    break;
                }
            }
            arrived = true;
        }
        if first_look {
            self.appetite.note(taken, dry);
        }
        if dry {
            self.dry = began;
        }
        let mut limit = limit.min(ROUND);
        if let Some(deadline) = self.scheduler.next_deadline() {
            arrived |= self.expire(began);
            limit = limit.min(deadline.saturating_sub(began));
        }
        let sent = self.manager.messages_sent;
        self.flush_at(began);
        let mut now = began;
        if first_look || self.manager.messages_sent > sent {
            now = self.transport.now();
            self.manager.wire += now.saturating_sub(began);
        }
        if !arrived && !limit.is_zero() {
            match self.transport.receive(limit) {
                Ok(received) => {
                    let later = self.transport.now();
                    self.manager.idle += later.saturating_sub(now);
                    now = later;
                    if received.is_none() {
                        self.dry = now;
                    }
                    if let Some(received) = received {
                        if !first_look {
                            self.appetite.note(1, false);
                        }
                        self.take(received, now);
                        self.flush_at(now);
                        arrived = true;
                    }
                }
                Err(error) => {
                    self.fail(&error);
                    arrived = true;
                }
            }
        }
        if now.saturating_sub(self.round) >= ROUND {
            self.look_after_workers(now);
        }
        self.visited = Some(now);
        self.turn = (began, now);
        self.fresh = arrived;
        arrived
    }

    fn take(&mut self, Received { from, message, bulk }: Received, now: Duration) {
        self.manager.messages_received += 1;
        let Some(worker) = from.checked_sub(1).filter(|worker| (*worker as usize) < self.stats.len()) else {
            tracing::warn!(from, "a message from nobody; ignored");
            return self.transport.recycle(message);
        };
        match Header::read(&message) {
            Ok(header) if header.kind == Kind::Results && worker < self.used => {
                self.take_results(worker, header, (message, bulk), now)
            }
            Ok(header) if header.kind == Kind::Goodbye => {
                self.watch.is_gone(worker);
                self.lose(worker, "it left");
                self.transport.recycle(message);
            }
            Ok(header) => {
                tracing::warn!(from, kind = ?header.kind, "a message that rank 0 does not expect; ignored");
                self.transport.recycle(message);
            }
            Err(error) => {
                tracing::warn!(from, %error, "a malformed message; ignored");
                self.transport.recycle(message);
            }
        }
    }

    /// Fails the tasks whose time is over; whether there were any.
    fn expire(&mut self, now: Duration) -> bool {
        let mut any = false;
        while let Some(Expired { slot, worker }) = self.scheduler.expire(now) {
            any = true;
            self.expire_group(slot);
            let place = &mut self.slots[slot as usize];
            let owner = std::mem::replace(&mut place.owner, Owner::Nobody);
            let reason = match worker {
                None => "its time was over before a worker could start it",
                Some(_) => "its time was over while it ran; its worker is free again when it returns",
            };
            let mut answer = Answer::failed(place.key, TaskErrorKind::TimedOut, reason.to_owned());
            answer.worker = worker.map_or(0, |worker| worker + 1);
            self.deliver(owner, answer);
        }
        any
    }

    /// Sets how this process ends if it has to end the job by force.
    pub(in crate::pool) fn exit_with(&mut self, code: u8) {
        self.exit_code = Some(code);
    }

    /// Workers that are given tasks.
    pub(in crate::pool) fn available(&self) -> usize {
        self.scheduler.available()
    }

    /// Whether a worker is not lost.
    pub(in crate::pool) fn is_alive(&self, worker: u32) -> bool {
        self.scheduler.is_alive(worker)
    }

    /// How far a worker is to be trusted with tasks.
    pub(in crate::pool) fn set_standing(&mut self, worker: u32, standing: Standing) {
        self.scheduler.set_standing(worker, standing);
    }

    /// Tasks that workers hold for nobody.
    pub(in crate::pool) fn held_for_nobody(&self) -> usize {
        self.scheduler.unwanted()
    }

    /// Ends the job without waiting for anyone.
    pub(in crate::pool) fn abandon(&mut self, code: u8) -> ! {
        self.transport.abandon(code)
    }
}
