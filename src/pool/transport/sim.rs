//! Simulated workers in virtual time: the manager's code against 100 000 workers, or against faults, on one
//! thread, the same every time.

use super::{Alone, Buffers, Link, Received, Transport, TransportError};
use crate::pool::bulk::Bulk;
use crate::pool::group::{Group, Place};
use crate::pool::presence::Presence;
use crate::pool::runners::{Arguments, Assignment, Runners};
use crate::pool::wire::{self, HEADER, Header, Kind, RESULT_HEAD};
use crate::pool::worker::Worker;
use crate::pool::world::{Hello, WorkerInfo};
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

/// How long a task takes: from the worker's rank and how many tasks were started before, anywhere.
pub type DurationModel = Box<dyn FnMut(u32, u64) -> Duration>;

/// A world to simulate.
pub struct Sim {
    /// Number of workers.
    pub workers: u32,
    /// What a message takes from end to end.
    pub latency: Duration,
    /// What a message costs rank 0, sent or received.
    pub message_cost: Duration,
    /// How long tasks take.
    pub duration: DurationModel,
    /// Virtual time goes on while rank 0 computes, by the processor time that it really takes. Then a simulation shows
    /// how far one manager reaches on this machine, and is no longer the same every time.
    pub charged: bool,
    /// What goes wrong, and when.
    pub faults: Vec<(Duration, Fault)>,
    /// Called with `false` when rank 0's work pauses and that of the simulation begins, and with `true` when rank 0 goes on:
    /// so a benchmark can tell what is whose.
    pub switch: fn(bool),
}

impl Sim {
    /// Workers whose tasks all take the same time; messages take 2 us and cost rank 0 nothing.
    pub fn new(workers: u32, duration: Duration) -> Self {
        Self {
            workers,
            latency: Duration::from_micros(2),
            message_cost: Duration::ZERO,
            duration: Box::new(move |_, _| duration),
            charged: false,
            faults: Vec::new(),
            switch: |_| (),
        }
    }
}

/// Something that goes wrong in a simulation. Workers are named by rank.
#[derive(Clone, Debug, PartialEq)]
pub enum Fault {
    /// The worker dies: nothing more comes from it.
    Die(u32),
    /// Whatever the worker would say from then on comes later by this much.
    Delay(u32, Duration),
    /// The next message with answers arrives twice.
    Duplicate(u32),
    /// The payloads of the next message with answers are garbage.
    Garble(u32),
    /// The next message with answers is cut in the middle.
    Tear(u32),
}

impl Fault {
    fn rank(&self) -> u32 {
        match self {
            Self::Die(rank)
            | Self::Delay(rank, _)
            | Self::Duplicate(rank)
            | Self::Garble(rank)
            | Self::Tear(rank) => *rank,
        }
    }
}

struct Event {
    at: Duration,
    /// Equal times: first come, first served.
    number: u64,
    from: u32,
    message: Vec<u8>,
}

impl PartialEq for Event {
    fn eq(&self, other: &Self) -> bool {
        self.number == other.number
    }
}

impl Eq for Event {}

impl PartialOrd for Event {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Event {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at, self.number).cmp(&(other.at, other.number))
    }
}

#[derive(Clone, Default)]
struct Virtual {
    busy_until: Duration,
    faulty: bool,
}

/// Rank 0's end of a simulated world, with the whole world behind it.
pub(crate) struct SimTransport {
    sim: Sim,
    runners: Runners,
    worker: Worker,
    workers: Vec<Virtual>,
    events: BinaryHeap<Reverse<Event>>,
    now: Duration,
    /// The processor time at which rank 0 went on with its own work.
    left: Duration,
    sent: u64,
    started: u64,
    /// The group that was sent a task last, and when it will have done it.
    group: (u64, Duration),
    buffers: Buffers,
}

impl SimTransport {
    pub(crate) fn new(sim: Sim, mut runners: Runners) -> Self {
        (sim.switch)(false);
        let info = WorkerInfo {
            rank: 1,
            workers: sim.workers,
            local_rank: None,
            host: "simulated".into(),
            pid: std::process::id(),
        };
        let mut workers = vec![Virtual::default(); sim.workers as usize];
        for (_, fault) in &sim.faults {
            if let Some(worker) = (fault.rank() as usize).checked_sub(1).and_then(|i| workers.get_mut(i)) {
                worker.faulty = true;
            }
        }
        let worker = Worker::new(info.clone(), &mut runners);
        let mut transport = Self {
            sim,
            runners,
            worker,
            workers,
            events: BinaryHeap::new(),
            now: Duration::ZERO,
            left: Duration::ZERO,
            sent: 0,
            started: 0,
            group: (u64::MAX, Duration::ZERO),
            buffers: Buffers::default(),
        };
        let mut hello = Hello {
            info,
            presence: Presence::own(),
            init_error: transport.runners.init_error.clone(),
            fatal: transport.runners.fatal.clone(),
            tasks: transport.runners.names.clone(),
            alike: transport.runners.alike.clone(),
        };
        for rank in 1..=transport.sim.workers {
            hello.info.rank = rank;
            if let Ok(message) = wire::single(Kind::Hello, &hello) {
                transport.post(rank, Duration::ZERO, message);
            }
        }
        transport.leave();
        transport
    }

    /// What rank 0 has computed since it left takes virtual time.
    fn enter(&mut self) {
        (self.sim.switch)(false);
        if self.sim.charged {
            self.now += processor_time().saturating_sub(self.left);
        }
    }

    /// Simulating takes none.
    fn leave(&mut self) {
        if self.sim.charged {
            self.left = processor_time();
        }
        (self.sim.switch)(true);
    }

    fn deliver(&mut self, to: u32, message: Vec<u8>, bulk: Option<Box<Bulk>>) {
        self.enter();
        self.now += self.sim.message_cost;
        if to >= 1 && to as usize <= self.workers.len() {
            self.run(to, &message, bulk);
        }
        self.buffers.put(message);
        self.leave();
    }

    fn next_event(&mut self) -> Option<Received> {
        match self.events.peek() {
            Some(Reverse(event)) if event.at <= self.now => {
                self.now += self.sim.message_cost;
                let event = self.events.pop();
                event.map(|Reverse(Event { from, message, .. })| Received { from, message, bulk: None })
            }
            _ => None,
        }
    }

    fn post(&mut self, from: u32, at: Duration, message: Vec<u8>) {
        let number = self.sent;
        self.sent += 1;
        self.events.push(Reverse(Event { at, number, from, message }));
    }

    /// Applies the faults of a worker to a message that it sends at `at`. `None`: it is dead by then.
    fn spoil(&mut self, from: u32, mut at: Duration, message: &mut Vec<u8>) -> Option<Duration> {
        let mut twice = false;
        let mut spent = Vec::new();
        for (i, (when, fault)) in self.sim.faults.iter().enumerate() {
            if fault.rank() != from || *when > at {
                continue;
            }
            match fault {
                Fault::Die(_) => return None,
                Fault::Delay(_, by) => at += *by,
                Fault::Duplicate(_) => twice = true,
                Fault::Garble(_) => garble(message),
                Fault::Tear(_) => message.truncate(message.len() / 2),
            }
            if !matches!(fault, Fault::Delay(..)) {
                spent.push(i);
            }
        }
        for i in spent.into_iter().rev() {
            self.sim.faults.remove(i);
        }
        if twice {
            self.post(from, at + self.sim.latency, message.clone());
        }
        Some(at)
    }

    fn run(&mut self, rank: u32, message: &[u8], mut bulk: Option<Box<Bulk>>) {
        let Ok(Header { kind, count, .. }) = Header::read(message) else { return };
        let index = rank as usize - 1;
        let arrival = self.now + self.sim.latency;
        match kind {
            Kind::Tasks => {}
            Kind::Group => return self.run_group(rank, message, bulk, arrival),
            Kind::Shutdown => {
                let mut goodbye = wire::signal(Kind::Goodbye, 0, Vec::new());
                let at = self.workers[index].busy_until.max(arrival);
                let at =
                    if self.workers[index].faulty { self.spoil(rank, at, &mut goodbye) } else { Some(at) };
                if let Some(at) = at {
                    self.post(rank, at + self.sim.latency, goodbye);
                }
                return;
            }
            _ => return,
        }
        let mut time = self.workers[index].busy_until.max(arrival);
        let waited = arrival.saturating_sub(self.workers[index].busy_until);
        let mut out = self.buffers.take();
        wire::begin(Kind::Results, &mut out);
        let mut at = HEADER;
        for _ in 0..count {
            let Some((head, arguments)) = wire::task_at(message, at) else { break };
            at = arguments.end;
            let duration = (self.sim.duration)(rank, self.started);
            self.started += 1;
            let mut stopwatch = || (time.as_secs_f64(), duration.as_nanos() as u64);
            let arguments = Arguments { bytes: &message[arguments], bulk: bulk.take() };
            self.answer((head, arguments, None), &mut out, &mut stopwatch);
            time += duration;
        }
        wire::set_count(&mut out, count);
        wire::set_extra(&mut out, waited.as_nanos() as u64);
        self.reply(rank, time, out);
    }

    /// Simulated answers travel within their message.
    fn answer(&mut self, task: Assignment<'_>, out: &mut Vec<u8>, stopwatch: &mut dyn FnMut() -> (f64, u64)) {
        let at = out.len();
        let Some(bulk) = self.runners.answer(&mut self.worker, task, out, stopwatch) else { return };
        if let (Ok(()), Some((head, _))) = (bulk.encode(out), wire::result_at(out, at)) {
            let length = out.len() - at - RESULT_HEAD;
            head.write(&mut out[at..], length);
        }
    }

    fn reply(&mut self, rank: u32, at: Duration, mut out: Vec<u8>) {
        let worker = &mut self.workers[rank as usize - 1];
        worker.busy_until = at;
        let end = if worker.faulty { self.spoil(rank, at, &mut out) } else { Some(at) };
        if let Some(end) = end {
            self.post(rank, end + self.sim.latency, out);
        }
    }

    /// A group's task is called once, by its first member, alone; all members are busy for as long as that one.
    fn run_group(&mut self, rank: u32, message: &[u8], bulk: Option<Box<Bulk>>, arrival: Duration) {
        let Some((members, _, at)) = wire::group_at(message) else { return };
        let Some((head, arguments)) = wire::task_at(message, at) else { return };
        let start = self.workers[rank as usize - 1].busy_until.max(arrival);
        if self.group.0 != head.id() {
            let duration = (self.sim.duration)(rank, self.started);
            self.started += 1;
            self.group = (head.id(), start + duration);
        }
        let end = self.group.1.max(start);
        let mut out = self.buffers.take();
        wire::begin(Kind::Results, &mut out);
        let mut stopwatch = || (start.as_secs_f64(), (end - start).as_nanos() as u64);
        if members.first() == Some(&rank) {
            let place = Place { rank, members: &members[..1], id: head.id() };
            let mut ears = || false;
            let group = Group::new(place, Box::new(Alone), &mut ears);
            let arguments = Arguments { bytes: &message[arguments], bulk };
            self.answer((head, arguments, Some(&group)), &mut out, &mut stopwatch);
        } else {
            Runners::answer_for_nothing(head, &mut out, &mut stopwatch);
        }
        wire::set_count(&mut out, 1);
        self.reply(rank, end, out);
    }
}

/// What this thread has computed so far.
fn processor_time() -> Duration {
    nix::time::clock_gettime(nix::time::ClockId::CLOCK_THREAD_CPUTIME_ID)
        .map_or(Duration::ZERO, Duration::from)
}

fn garble(message: &mut [u8]) {
    let mut at = HEADER;
    while let Some((_, span)) = wire::result_at(message, at) {
        at = span.end;
        if message.len() > HEADER + RESULT_HEAD {
            message[span].fill(0xff);
        }
    }
}

impl Transport for SimTransport {
    fn now(&self) -> Duration {
        self.now
    }

    fn send(&mut self, to: u32, message: Vec<u8>) -> Result<(), TransportError> {
        self.deliver(to, message, None);
        Ok(())
    }

    fn send_with(&mut self, to: u32, message: Vec<u8>, bulk: Box<Bulk>) -> Result<(), TransportError> {
        self.deliver(to, message, Some(bulk));
        Ok(())
    }

    fn try_receive(&mut self) -> Result<Option<Received>, TransportError> {
        self.enter();
        let received = self.next_event();
        self.leave();
        Ok(received)
    }

    fn receive(&mut self, limit: Duration) -> Result<Option<Received>, TransportError> {
        self.enter();
        let until = self.now.saturating_add(limit);
        self.now = match self.events.peek() {
            Some(Reverse(event)) if event.at <= until => event.at.max(self.now),
            _ => until,
        };
        let received = self.next_event();
        self.leave();
        Ok(received)
    }

    fn join(&mut self, _: &[u32], _: bool) -> Result<Box<dyn Link>, TransportError> {
        Ok(Box::new(Alone))
    }

    fn forget(&mut self, _: &[u32]) {}

    fn unsent(&mut self) -> Result<usize, TransportError> {
        Ok(0)
    }

    fn buffer(&mut self) -> Vec<u8> {
        self.buffers.take()
    }

    fn recycle(&mut self, buffer: Vec<u8>) {
        self.buffers.put(buffer);
    }
}
