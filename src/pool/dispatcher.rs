//! Rank 0's side: the shell around the scheduler. It owns the transport, the encoded tasks and the answers
//! that nobody has fetched yet, and makes progress only when it is called; there is no thread of its own.

use super::error::{LaunchError, TaskError, TaskErrorKind, TransportError};
use super::options::PoolOptions;
use super::presence::Presence;
use super::scheduler::{Scheduler, Verdict};
use super::stats::{ManagerStats, Stats, WorkerStats};
use super::transport::{Received, Transport};
use super::wire::{self, Fault, HEADER, Header, Kind, Span, Status, TASK_HEAD, TaskHead};
use super::world::{Hello, Welcome, WorkerSummary, World};
use serde::{Serialize, de::DeserializeOwned};
use std::collections::VecDeque;
use std::time::Duration;

/// Messages taken in before anything else gets a turn.
const MESSAGES_PER_VISIT: usize = 64;
/// How often workers are looked after: overdue ones, dead processes, heartbeats.
const ROUND: Duration = Duration::from_millis(200);
/// How long workers that were given up have to leave at the end.
const GRACE: Duration = Duration::from_secs(2);
/// A task's buffer is kept with its slot for the next task, unless it has grown beyond this.
const KEEP: usize = 1 << 16;
/// Where the arguments of a task lie in its buffer.
const ARGUMENTS: usize = HEADER + TASK_HEAD;

/// Who gets an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Owner {
    /// Nobody: it was given up.
    Nobody,
    /// A future, which asks by slot.
    Future,
    /// A queue, by its number.
    Queue(u32),
}

/// An answer that has arrived.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) key: u64,
    pub(super) worker: u32,
    pub(super) started: f64,
    pub(super) nanos: u64,
    body: Body,
}

#[derive(Debug)]
enum Body {
    /// In a received message that several answers may share.
    Bytes { frame: u32, span: Span, status: Status },
    /// Made here.
    Failed(TaskErrorKind, String),
}

struct Slot {
    owner: Owner,
    key: u64,
    task: u32,
    /// A message with this one task: header, head, arguments.
    message: Vec<u8>,
}

/// A received message and how many of its answers are still unread.
struct Frame {
    message: Vec<u8>,
    unread: u32,
}

/// A future, by its ticket.
enum Ticket {
    Free,
    /// The slot of its task.
    Open(u32),
    Done(Answer),
}

pub(super) struct Dispatcher {
    transport: Box<dyn Transport>,
    scheduler: Scheduler,
    manager_silence: Duration,
    /// So many workers take tasks; the others only wait for the end.
    used: u32,
    world: World,
    presences: Vec<Option<Presence>>,
    slots: Vec<Slot>,
    futures: Vec<Ticket>,
    free_futures: Vec<u32>,
    queues: Vec<Option<VecDeque<Answer>>>,
    frames: Vec<Frame>,
    free_frames: Vec<u32>,
    batch: Vec<u32>,
    keep_tasks: bool,
    round: Duration,
    beat: Duration,
    visited: Option<Duration>,
    /// Messages to take in at the next visit. A look that finds nothing may give the core away (Open MPI does,
    /// with more ranks than cores), so after each one answers are sent sooner, before another look.
    appetite: usize,
    /// Something arrived at the last visit: a caller who only wants what is there should deal with that first.
    fresh: bool,
    lost_any: bool,
    closed: Option<String>,
    stats: Vec<WorkerStats>,
    manager: ManagerStats,
}

impl Dispatcher {
    /// Waits for the first word of all workers and answers it.
    pub(super) fn start(
        mut transport: Box<dyn Transport>,
        mut world: World,
        workers: u32,
        tasks: (usize, &str),
        options: &PoolOptions,
    ) -> Result<Self, LaunchError> {
        let began = transport.now();
        let mut hellos: Vec<Option<Hello>> = (0..workers).map(|_| None).collect();
        let mut missing = workers as usize;
        while missing > 0 {
            let left = options.start_limit.saturating_sub(transport.now() - began);
            if left.is_zero() {
                let ranks = (1..=workers).filter(|rank| hellos[*rank as usize - 1].is_none()).collect();
                release(transport.as_mut(), workers);
                return Err(LaunchError::Missing { ranks, limit: options.start_limit });
            }
            let Some(Received { from, message }) = transport.receive(left.min(ROUND))? else { continue };
            let hello = Header::read(&message)
                .ok()
                .filter(|header| header.kind == Kind::Hello)
                .and_then(|_| wire::decode::<Hello>(message.get(HEADER..)?).ok());
            let Some(place) = (from as usize).checked_sub(1).and_then(|i| hellos.get_mut(i)) else {
                continue;
            };
            if let (Some(hello), None) = (hello, &place) {
                *place = Some(hello);
                missing -= 1;
            }
        }
        let hellos: Vec<Hello> = hellos.into_iter().flatten().collect();
        if let Some(odd) = hellos.iter().find(|hello| hello.tasks != tasks.1) {
            let (rank, theirs) = (odd.info.rank, odd.tasks.clone());
            release(transport.as_mut(), workers);
            return Err(LaunchError::DifferentPrograms { rank, theirs, ours: tasks.1.to_owned() });
        }
        let own = Presence::own();
        let mut by_host = rustc_hash::FxHashMap::default();
        world.hosts = vec![(own.host.clone(), vec![0])];
        by_host.insert(own.host.clone(), 0);
        for hello in &hellos {
            let next = world.hosts.len();
            let at = *by_host.entry(hello.info.host.clone()).or_insert(next);
            if at == next {
                world.hosts.push((hello.info.host.clone(), Vec::new()));
            }
            world.hosts[at].1.push(hello.info.rank);
        }
        let separate = |presence: &Presence| presence.pid != own.pid || presence.host != own.host;
        let presences = hellos
            .iter()
            .map(|hello| Some(hello.presence.clone()).filter(|p| separate(p) && p.is_visible()))
            .collect();
        world.workers = hellos
            .into_iter()
            .map(|hello| WorkerSummary {
                rank: hello.info.rank,
                host: hello.info.host,
                pid: hello.info.pid,
                init_error: hello.init_error,
            })
            .collect();
        let welcome = Welcome { presence: own, manager_silence: options.manager_silence };
        let welcome = wire::single(Kind::Welcome, &welcome).map_err(|e| LaunchError::Start(e.to_string()))?;
        for rank in 1..=workers {
            transport.send(rank, welcome.clone())?;
        }
        let used = options.workers.map_or(workers, |n| (n as u32).clamp(1, workers));
        let now = transport.now();
        let keep_tasks = world.survival.possible;
        Ok(Self {
            scheduler: Scheduler::new(tasks.0, used as usize, options),
            manager_silence: options.manager_silence,
            used,
            presences,
            slots: Vec::new(),
            futures: Vec::new(),
            free_futures: Vec::new(),
            queues: Vec::new(),
            frames: Vec::new(),
            free_frames: Vec::new(),
            batch: Vec::new(),
            keep_tasks,
            round: now,
            beat: now,
            visited: None,
            appetite: 1,
            fresh: false,
            lost_any: false,
            closed: None,
            stats: (1..=workers).map(|rank| WorkerStats { rank, ..WorkerStats::default() }).collect(),
            manager: ManagerStats::default(),
            transport,
            world,
        })
    }

    /// The time, as the transport counts it.
    pub(super) fn now(&self) -> Duration {
        self.transport.now()
    }

    pub(super) fn world(&self) -> &World {
        &self.world
    }

    /// Workers that take tasks.
    pub(super) fn alive(&self) -> usize {
        self.scheduler.alive()
    }

    pub(super) fn wanted(&self, task: u32) -> usize {
        if self.closed.is_some() { 0 } else { self.scheduler.wanted(task) }
    }

    pub(super) fn stats(&self) -> Stats {
        Stats { workers: self.stats.clone(), manager: self.manager.clone(), elapsed: self.transport.now() }
    }

    /// Opens a queue of answers.
    pub(super) fn open_queue(&mut self) -> u32 {
        let free = self.queues.iter().position(Option::is_none).unwrap_or_else(|| {
            self.queues.push(None);
            self.queues.len() - 1
        });
        self.queues[free] = Some(VecDeque::new());
        free as u32
    }

    /// Closes a queue: what it has sent is not wanted any more.
    pub(super) fn close_queue(&mut self, queue: u32) {
        for answer in self.queues[queue as usize].take().into_iter().flatten() {
            self.discard(answer);
        }
        self.cancel_queue(queue, |_| {});
        for slot in self.slots.iter_mut().filter(|slot| slot.owner == Owner::Queue(queue)) {
            slot.owner = Owner::Nobody;
        }
    }

    /// Drops the tasks of a queue that no worker has yet.
    pub(super) fn cancel_queue(&mut self, queue: u32, mut dropped: impl FnMut(u64)) {
        for i in 0..self.slots.len() {
            if self.slots[i].owner == Owner::Queue(queue) && self.scheduler.cancel(i as u32) {
                self.slots[i].owner = Owner::Nobody;
                dropped(self.slots[i].key);
            }
        }
    }

    /// Takes in a task; whatever becomes of it, its owner gets an answer.
    pub(super) fn submit<A: Serialize>(&mut self, owner: Owner, key: u64, task: u32, arguments: &A) {
        if let Some(reason) = self.cannot_run() {
            return self.deliver(owner, failed(key, TaskErrorKind::WorkerLost, reason));
        }
        let slot = self.scheduler.add(task);
        if owner == Owner::Future {
            self.futures[key as usize] = Ticket::Open(slot);
        }
        if self.slots.len() <= slot as usize {
            self.slots.push(Slot { owner, key, task, message: Vec::new() });
        }
        let place = &mut self.slots[slot as usize];
        (place.owner, place.key, place.task) = (owner, key, task);
        place.message.clear();
        place.message.resize(ARGUMENTS, 0);
        if let Err(error) = wire::encode(arguments, &mut place.message) {
            place.owner = Owner::Nobody;
            self.scheduler.cancel(slot);
            self.deliver(owner, failed(key, TaskErrorKind::Malformed, format!("arguments: {error}")));
        }
    }

    /// Takes in a task for a future; returns its ticket.
    pub(super) fn submit_future<A: Serialize>(&mut self, task: u32, arguments: &A) -> u32 {
        let ticket = self.free_futures.pop().unwrap_or_else(|| {
            self.futures.push(Ticket::Free);
            (self.futures.len() - 1) as u32
        });
        self.submit(Owner::Future, u64::from(ticket), task, arguments);
        ticket
    }

    /// The answer for a future, once; its ticket is void then.
    pub(super) fn take_future(&mut self, ticket: u32) -> Option<Answer> {
        match std::mem::replace(&mut self.futures[ticket as usize], Ticket::Free) {
            Ticket::Done(answer) => {
                self.free_futures.push(ticket);
                Some(answer)
            }
            other => {
                self.futures[ticket as usize] = other;
                None
            }
        }
    }

    pub(super) fn future_is_done(&self, ticket: u32) -> bool {
        matches!(self.futures[ticket as usize], Ticket::Done(_))
    }

    /// The future is gone: its answer is not wanted any more.
    pub(super) fn drop_future(&mut self, ticket: u32) {
        match std::mem::replace(&mut self.futures[ticket as usize], Ticket::Free) {
            Ticket::Done(answer) => self.discard(answer),
            Ticket::Open(slot) => self.slots[slot as usize].owner = Owner::Nobody,
            Ticket::Free => {}
        }
        self.free_futures.push(ticket);
    }

    /// Drops the task of a future if no worker has it yet. The future is done then, as cancelled.
    pub(super) fn cancel_future(&mut self, ticket: u32) -> bool {
        let Ticket::Open(slot) = self.futures[ticket as usize] else { return false };
        if !self.scheduler.cancel(slot) {
            return false;
        }
        self.slots[slot as usize].owner = Owner::Nobody;
        self.deliver(Owner::Future, failed(u64::from(ticket), TaskErrorKind::Cancelled, "cancelled".into()));
        true
    }

    /// The next answer of a queue that has arrived.
    pub(super) fn pop(&mut self, queue: u32) -> Option<Answer> {
        self.queues[queue as usize].as_mut()?.pop_front()
    }

    /// Reads the result out of an answer.
    pub(super) fn read<R: DeserializeOwned>(&mut self, answer: Answer) -> Result<R, TaskError> {
        let error = |world: &World, kind, message, location| {
            Err(TaskError {
                kind,
                message,
                location,
                rank: answer.worker,
                host: world.host_of(answer.worker).to_owned(),
            })
        };
        let (frame, span, status) = match answer.body {
            Body::Failed(kind, message) => return error(&self.world, kind, message, String::new()),
            Body::Bytes { frame, span, status } => (frame, span, status),
        };
        let bytes = &self.frames[frame as usize].message[span];
        let kind = match status {
            Status::Done => None,
            Status::Error => Some(TaskErrorKind::Error),
            Status::Panic => Some(TaskErrorKind::Panic),
            Status::Malformed => Some(TaskErrorKind::Malformed),
        };
        let result = match kind {
            None => wire::decode::<R>(bytes).or_else(|e| {
                error(&self.world, TaskErrorKind::Malformed, format!("result: {e}"), String::new())
            }),
            Some(kind) => {
                let (message, location) = wire::decode::<Fault>(bytes)
                    .unwrap_or_else(|e| (format!("reason lost: {e}"), String::new()));
                error(&self.world, kind, message, location)
            }
        };
        self.release_frame(frame);
        result
    }

    fn release_frame(&mut self, index: u32) {
        let frame = &mut self.frames[index as usize];
        frame.unread -= 1;
        if frame.unread == 0 {
            self.transport.recycle(std::mem::take(&mut frame.message));
            self.free_frames.push(index);
        }
    }

    fn discard(&mut self, answer: Answer) {
        if let Body::Bytes { frame, .. } = answer.body {
            self.release_frame(frame);
        }
    }

    fn deliver(&mut self, owner: Owner, answer: Answer) {
        match owner {
            Owner::Nobody => self.discard(answer),
            Owner::Future => {
                let ticket = answer.key as usize;
                self.futures[ticket] = Ticket::Done(answer);
            }
            Owner::Queue(queue) => match self.queues[queue as usize].as_mut() {
                Some(queue) => queue.push_back(answer),
                None => self.discard(answer),
            },
        }
    }

    fn cannot_run(&self) -> Option<String> {
        match &self.closed {
            Some(reason) => Some(reason.clone()),
            None if self.scheduler.alive() == 0 => Some("no worker is left".into()),
            None => None,
        }
    }

    /// Sends what the workers can take now.
    pub(super) fn flush(&mut self) {
        if self.closed.is_none() && self.scheduler.has_ready() {
            self.flush_at(self.transport.now());
        }
    }

    fn flush_at(&mut self, now: Duration) {
        if self.closed.is_some() {
            return;
        }
        let mut batch = std::mem::take(&mut self.batch);
        while let Some(worker) = self.scheduler.next_batch(now, &mut batch) {
            let message = self.message(&batch);
            self.manager.messages_sent += 1;
            if let Err(error) = self.transport.send(worker + 1, message) {
                self.lose(worker, &error.to_string());
            }
        }
        self.batch = batch;
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
            if batch.len() == 1 && length > KEEP && !self.keep_tasks {
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

    /// Takes in what has arrived and sends what that makes room for. Waits up to `limit` if nothing is there.
    /// Returns whether anything arrived.
    pub(super) fn progress(&mut self, limit: Duration) -> bool {
        if self.closed.is_some() || (std::mem::take(&mut self.fresh) && limit.is_zero()) {
            return false;
        }
        let began = self.transport.now();
        if let Some(visited) = self.visited
            && self.scheduler.out() > 0
        {
            self.scheduler.note_gap(began.saturating_sub(visited));
        }
        let (mut arrived, mut dry) = (false, false);
        for _ in 0..self.appetite {
            match self.transport.try_receive() {
                Ok(Some(received)) => self.take(received, began),
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
        self.appetite = if dry { 1 } else { (2 * self.appetite).min(MESSAGES_PER_VISIT) };
        self.flush_at(began);
        let mut now = self.transport.now();
        self.manager.wire += now.saturating_sub(began);
        if !arrived && !limit.is_zero() {
            match self.transport.receive(limit.min(ROUND)) {
                Ok(received) => {
                    let later = self.transport.now();
                    self.manager.idle += later.saturating_sub(now);
                    now = later;
                    if let Some(received) = received {
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
        self.fresh = arrived;
        arrived
    }

    fn take(&mut self, Received { from, message }: Received, now: Duration) {
        self.manager.messages_received += 1;
        let Some(worker) = from.checked_sub(1).filter(|worker| (*worker as usize) < self.stats.len()) else {
            tracing::warn!(from, "a message from nobody; ignored");
            return self.transport.recycle(message);
        };
        match Header::read(&message) {
            Ok(header) if header.kind == Kind::Results && worker < self.used => {
                self.take_results(worker, header, message, now)
            }
            Ok(header) if header.kind == Kind::Goodbye => {
                self.lose(worker, "it left");
                self.presences[worker as usize] = None;
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

    fn take_results(&mut self, worker: u32, header: Header, message: Vec<u8>, now: Duration) {
        self.scheduler.heard(worker, now);
        let index = self.free_frames.pop().unwrap_or_else(|| {
            self.frames.push(Frame { message: Vec::new(), unread: 0 });
            (self.frames.len() - 1) as u32
        });
        let (mut at, mut accepted) = (HEADER, 0);
        let stats = &mut self.stats[worker as usize];
        stats.messages += 1;
        stats.waited += Duration::from_nanos(header.extra);
        // One for the loop itself: the frame must not be released while it is being read.
        self.frames[index as usize] = Frame { message, unread: 1 };
        for _ in 0..header.count {
            let Some((head, span)) = wire::result_at(&self.frames[index as usize].message, at) else {
                tracing::warn!(rank = worker + 1, "a torn message; its last answers are lost");
                break;
            };
            at = span.end;
            let duration = Duration::from_nanos(head.nanos);
            let stats = &mut self.stats[worker as usize];
            stats.busy += duration;
            stats.tasks += 1;
            if self.scheduler.answered(worker, head.slot, head.attempt, duration) == Verdict::Late {
                self.manager.late += 1;
                continue;
            }
            accepted += 1;
            self.frames[index as usize].unread += 1;
            let slot = &mut self.slots[head.slot as usize];
            if slot.message.capacity() > KEEP {
                slot.message = Vec::new();
            }
            let owner = std::mem::replace(&mut slot.owner, Owner::Nobody);
            let answer = Answer {
                key: slot.key,
                worker: worker + 1,
                started: head.started,
                nanos: head.nanos,
                body: Body::Bytes { frame: index, span, status: head.status },
            };
            self.deliver(owner, answer);
        }
        self.scheduler.relieve(worker, accepted);
        self.release_frame(index);
    }

    fn look_after_workers(&mut self, now: Duration) {
        self.round = now;
        for worker in self.scheduler.overdue(now) {
            self.lose(worker, "it has been silent for too long");
        }
        for worker in 0..self.presences.len() as u32 {
            if self.presences[worker as usize].as_ref().is_some_and(|p| !p.is_running()) {
                // Its last answers may still be on their way to us; they are welcome until then.
                self.presences[worker as usize] = None;
                self.lose(worker, "its process has ended");
            }
        }
        let interval = (self.manager_silence / 4).min(Duration::from_secs(60));
        if now.saturating_sub(self.beat) >= interval {
            self.beat = now;
            for worker in 0..self.stats.len() as u32 {
                let beat = wire::signal(Kind::Beat, 0, self.transport.buffer());
                if self.is_here(worker)
                    && let Err(error) = self.transport.send(worker + 1, beat)
                {
                    self.lose(worker, &error.to_string());
                }
            }
        }
    }

    /// Whether a worker is not lost.
    fn is_here(&self, worker: u32) -> bool {
        worker >= self.used || self.scheduler.is_alive(worker)
    }

    fn lose(&mut self, worker: u32, reason: &str) {
        if worker >= self.used || !self.scheduler.is_alive(worker) {
            return;
        }
        self.lost_any = true;
        self.stats[worker as usize].losses += 1;
        let loss = self.scheduler.lose(worker);
        tracing::warn!(
            rank = worker + 1,
            reissued = loss.reissued,
            given_up = loss.given_up.len(),
            "worker lost: {reason}"
        );
        for slot in loss.given_up {
            let slot = &mut self.slots[slot as usize];
            let owner = std::mem::replace(&mut slot.owner, Owner::Nobody);
            let mut answer = failed(
                slot.key,
                TaskErrorKind::WorkerLost,
                format!("rank {} was lost: {reason}", worker + 1),
            );
            answer.worker = worker + 1;
            self.deliver(owner, answer);
        }
    }

    /// Takes in an error of the transport: of one worker, or of all.
    fn fail(&mut self, error: &TransportError) {
        match error.peer.and_then(|rank| rank.checked_sub(1)) {
            Some(worker) => self.lose(worker, &error.to_string()),
            None => {
                for worker in 0..self.stats.len() as u32 {
                    self.lose(worker, &error.to_string());
                }
                self.close(TaskErrorKind::WorkerLost, &error.to_string());
            }
        }
    }

    /// From now on nothing is sent; every open task is answered as failed.
    fn close(&mut self, kind: TaskErrorKind, reason: &str) {
        self.closed = Some(reason.to_owned());
        for i in 0..self.slots.len() {
            let owner = std::mem::replace(&mut self.slots[i].owner, Owner::Nobody);
            if owner != Owner::Nobody {
                let answer = failed(self.slots[i].key, kind, reason.to_owned());
                self.deliver(owner, answer);
            }
        }
    }

    /// Ends the job without waiting for anyone.
    pub(super) fn abandon(&mut self, code: u8) -> ! {
        self.transport.abandon(code)
    }

    /// Releases all workers and waits until they have left. Open tasks end as cancelled; those that run are
    /// waited for. Returns whether ranks were lost, so that finalising could hang.
    pub(super) fn shut_down(&mut self) -> bool {
        if self.closed.is_none() {
            self.close(TaskErrorKind::Cancelled, "the pool has ended");
        }
        let workers = self.stats.len() as u32;
        let mut here: Vec<bool> = (0..workers).map(|worker| self.is_here(worker)).collect();
        for worker in 0..workers {
            let shutdown = wire::signal(Kind::Shutdown, u64::from(self.lost_any), self.transport.buffer());
            // Also to those given up: one that is only slow leaves by it. Nobody waits for its delivery.
            if self.transport.send(worker + 1, shutdown).is_err() {
                here[worker as usize] = false;
            }
        }
        let mut round = self.transport.now();
        while here.contains(&true) || (!self.lost_any && self.transport.unsent().unwrap_or(0) > 0) {
            if !self.hear_goodbye(&mut here) {
                return true;
            }
            let now = self.transport.now();
            if now.saturating_sub(round) >= ROUND {
                round = now;
                for (place, presence) in here.iter_mut().zip(&self.presences) {
                    if *place && presence.as_ref().is_some_and(|p| !p.is_running()) {
                        *place = false;
                        self.lost_any = true;
                    }
                }
            }
        }
        self.end_the_silent();
        self.lost_any
    }

    /// Waits a little for the last word of a worker. False if the transport has failed.
    fn hear_goodbye(&mut self, here: &mut [bool]) -> bool {
        match self.transport.receive(ROUND) {
            Ok(Some(Received { from, message })) => {
                let goodbye = Header::read(&message).is_ok_and(|header| header.kind == Kind::Goodbye);
                if let (true, Some(i)) = (goodbye, (from as usize).checked_sub(1).filter(|i| *i < here.len()))
                {
                    here[i] = false;
                    self.presences[i] = None;
                }
                self.transport.recycle(message);
            }
            Ok(None) => {}
            Err(TransportError { peer: Some(rank), .. }) if rank > 0 => {
                self.lost_any = true;
                here[rank as usize - 1] = false;
            }
            Err(_) => return false,
        }
        true
    }

    /// Workers that were given up but still run on this host (stopped, or in an endless task) get a moment to
    /// leave. Then they are killed, since the job would not end before them.
    fn end_the_silent(&mut self) {
        let began = self.transport.now();
        let mut given_up: Vec<bool> = (0..self.stats.len())
            .map(|i| self.stats[i].losses > 0 && self.presences[i].as_ref().is_some_and(Presence::is_running))
            .collect();
        while given_up.contains(&true) && self.transport.now().saturating_sub(began) < GRACE {
            if !self.hear_goodbye(&mut given_up) {
                break;
            }
        }
        for (i, presence) in self.presences.iter().enumerate() {
            if let (true, Some(presence)) = (given_up[i], presence) {
                tracing::warn!(
                    rank = i + 1,
                    pid = presence.pid,
                    "a worker that was given up still runs; killed"
                );
                presence.kill();
            }
        }
    }
}

fn failed(key: u64, kind: TaskErrorKind, reason: String) -> Answer {
    Answer { key, worker: 0, started: 0.0, nanos: 0, body: Body::Failed(kind, reason) }
}

/// Tells all workers to leave, when the pool could not start.
fn release(transport: &mut dyn Transport, workers: u32) {
    for rank in 1..=workers {
        let shutdown = wire::signal(Kind::Shutdown, 1, Vec::new());
        // Whoever can't be told is gone already.
        let _ = transport.send(rank, shutdown);
    }
}
