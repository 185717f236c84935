//! Answers: from a received message, which several of them may share, to their owners.

use super::{Dispatcher, Owner, Ticket};
use crate::pool::error::{TaskError, TaskErrorKind};
use crate::pool::scheduler::Verdict;
use crate::pool::wire::{self, Fault, HEADER, Header, Span, Status};
use crate::pool::world::World;
use serde::de::DeserializeOwned;
use std::time::Duration;

/// A task's buffer is kept with its slot for the next task, unless it has grown beyond this.
pub(super) const KEEP: usize = 1 << 16;

/// An answer that has arrived.
#[derive(Debug)]
pub(in crate::pool) struct Answer {
    pub(in crate::pool) key: u64,
    pub(in crate::pool) worker: u32,
    pub(in crate::pool) started: f64,
    pub(in crate::pool) nanos: u64,
    body: Body,
}

#[derive(Debug)]
enum Body {
    /// In a received message that several answers may share.
    Bytes { frame: u32, span: Span, status: Status },
    /// Made here.
    Failed(TaskErrorKind, String),
}

/// A received message and how many of its answers are still unread.
pub(super) struct Frame {
    message: Vec<u8>,
    unread: u32,
}

impl Answer {
    /// One made here, for a task that no worker will answer.
    pub(super) fn failed(key: u64, kind: TaskErrorKind, reason: String) -> Self {
        Self { key, worker: 0, started: 0.0, nanos: 0, body: Body::Failed(kind, reason) }
    }
}

impl Dispatcher {
    pub(super) fn take_results(&mut self, worker: u32, header: Header, message: Vec<u8>, now: Duration) {
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

    /// Reads the result out of an answer.
    pub(in crate::pool) fn read<R: DeserializeOwned>(&mut self, answer: Answer) -> Result<R, TaskError> {
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

    pub(super) fn discard(&mut self, answer: Answer) {
        if let Body::Bytes { frame, .. } = answer.body {
            self.release_frame(frame);
        }
    }

    pub(super) fn deliver(&mut self, owner: Owner, answer: Answer) {
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
}
