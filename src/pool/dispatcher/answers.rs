//! Answers: from a received message, which several of them may share, to their owners.

use super::{Dispatcher, Owner};
use crate::pool::bulk::Bulk;
use crate::pool::error::{TaskError, TaskErrorKind};
use crate::pool::scheduler::Verdict;
use crate::pool::wire::{self, Fault, HEADER, Header, ResultHead, Span, Status};
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
    /// A result made here.
    Made(Vec<u8>),
    /// A failure made here.
    Failed(Box<TaskError>),
}

/// A received message and how many of its answers are still unread.
pub(super) struct Frame {
    message: Vec<u8>,
    /// The result of the only answer in the message, if that travels beside it.
    bulk: Option<Box<Bulk>>,
    unread: u32,
}

impl Answer {
    /// One made here, for a task that no worker will answer.
    pub(in crate::pool) fn failed(key: u64, kind: TaskErrorKind, message: String) -> Self {
        Self::of_error(key, TaskError { kind, ..TaskError::local(message) })
    }

    /// One made here, of an error.
    pub(in crate::pool) fn of_error(key: u64, error: TaskError) -> Self {
        Self { key, worker: 0, started: 0.0, nanos: 0, body: Body::Failed(Box::new(error)) }
    }

    /// One made here, from the answers of others.
    pub(in crate::pool) fn made(key: u64, result: Vec<u8>) -> Self {
        Self { key, worker: 0, started: 0.0, nanos: 0, body: Body::Made(result) }
    }
}

/// The result of an answer that nobody will read again, if it has come beside its message.
pub(super) fn take_bulk<R: 'static>(frames: &mut [Frame], answer: &Answer) -> Option<R> {
    match answer.body {
        Body::Bytes { frame, status: Status::Done | Status::Final, .. } => {
            frames[frame as usize].bulk.take()?.give()
        }
        _ => None,
    }
}

impl Dispatcher {
    pub(super) fn take_results(
        &mut self,
        worker: u32,
        header: Header,
        (message, bulk): (Vec<u8>, Option<Box<Bulk>>),
        now: Duration,
    ) {
        self.hear(worker, now);
        let index = self.free_frames.pop().unwrap_or_else(|| {
            self.frames.push(Frame { message: Vec::new(), bulk: None, unread: 0 });
            (self.frames.len() - 1) as u32
        });
        let (mut at, mut accepted) = (HEADER, 0);
        let stats = &mut self.stats[worker as usize];
        stats.messages += 1;
        stats.waited += Duration::from_nanos(header.extra);
        // One for the loop itself: the frame must not be released while it is being read.
        self.frames[index as usize] = Frame { message, bulk, unread: 1 };
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
            if self.scheduler.is_member(worker) {
                self.take_member(worker, &head, (index, span));
                continue;
            }
            let duration = Some(duration).filter(|_| !head.void);
            let again = head.status != Status::Done && self.takes_retry(head.slot);
            let verdict = if again {
                self.scheduler.failed(worker, head.slot, head.attempt, duration)
            } else {
                self.scheduler.answered(worker, head.slot, head.attempt, duration)
            };
            if verdict == Verdict::Late {
                self.manager.late += 1;
                continue;
            }
            accepted += 1;
            if again && self.slots[head.slot as usize].owner != Owner::Nobody {
                self.slots[head.slot as usize].retries -= 1;
                continue;
            }
            let answer = self.answer(worker, &head, (index, span));
            self.finish_slot(head.slot, answer);
        }
        self.scheduler.relieve(worker, accepted);
        self.release_frame(index);
    }

    /// An answer in a received message, which is kept until it is read.
    pub(super) fn answer(&mut self, worker: u32, head: &ResultHead, (frame, span): (u32, Span)) -> Answer {
        self.frames[frame as usize].unread += 1;
        Answer {
            key: self.slots[head.slot as usize].key,
            worker: worker + 1,
            started: head.started,
            nanos: head.nanos,
            body: Body::Bytes { frame, span, status: head.status },
        }
    }

    /// Gives the owner of a task its answer.
    pub(super) fn finish_slot(&mut self, slot: u32, answer: Answer) {
        let slot = &mut self.slots[slot as usize];
        if slot.message.capacity() > KEEP {
            slot.message = Vec::new();
        }
        slot.bulk = None;
        let owner = std::mem::replace(&mut slot.owner, Owner::Nobody);
        self.deliver(owner, answer);
    }

    pub(super) fn takes_retry(&self, slot: u32) -> bool {
        self.slots.get(slot as usize).is_some_and(|slot| slot.retries > 0 && slot.owner != Owner::Nobody)
    }

    /// Reads the result out of an answer, which is used up by it.
    pub(in crate::pool) fn read<R: DeserializeOwned + 'static>(
        &mut self,
        answer: Answer,
    ) -> Result<R, TaskError> {
        // The usual one: it is in the message.
        if let Body::Bytes { frame, span, status: Status::Done } = &answer.body
            && let Frame { message, bulk: None, .. } = &self.frames[*frame as usize]
            && let Ok(result) = wire::decode(&message[span.clone()])
        {
            self.release_frame(*frame);
            return Ok(result);
        }
        let result = take_bulk(&mut self.frames, &answer).map_or_else(|| self.peek(&answer), Ok);
        self.discard(answer);
        result
    }

    /// Reads the result out of an answer.
    pub(in crate::pool) fn peek<R: DeserializeOwned + 'static>(
        &self,
        answer: &Answer,
    ) -> Result<R, TaskError> {
        let bytes = match &answer.body {
            Body::Made(bytes) => bytes.as_slice(),
            Body::Bytes { frame, span, status: Status::Done | Status::Final } => {
                let frame = &self.frames[*frame as usize];
                if let Some(vector) = frame.bulk.clone().and_then(|bulk| bulk.give()) {
                    return Ok(vector);
                }
                &frame.message[span.clone()]
            }
            _ => return Err(self.failure(answer).unwrap_or_else(|| TaskError::local("no result".into()))),
        };
        wire::decode::<R>(bytes)
            .map_err(|error| self.placed(answer, TaskError::local(format!("result: {error}"))))
    }

    /// The error of an answer that is one.
    pub(in crate::pool) fn failure(&self, answer: &Answer) -> Option<TaskError> {
        let error = match &answer.body {
            Body::Made(_) | Body::Bytes { status: Status::Done | Status::Final, .. } => return None,
            Body::Failed(error) => (**error).clone(),
            Body::Bytes { frame, span, status } => {
                let kind = match status {
                    Status::Error => TaskErrorKind::Error,
                    Status::Panic => TaskErrorKind::Panic,
                    Status::Done | Status::Final | Status::Malformed => TaskErrorKind::Malformed,
                };
                let (message, location) =
                    wire::decode::<Fault>(&self.frames[*frame as usize].message[span.clone()])
                        .unwrap_or_else(|e| (format!("reason lost: {e}"), String::new()));
                TaskError { kind, location, ..TaskError::local(message) }
            }
        };
        Some(self.placed(answer, error))
    }

    /// An error with the rank that the answer came from.
    fn placed(&self, answer: &Answer, error: TaskError) -> TaskError {
        TaskError { rank: answer.worker, host: self.world.host_of(answer.worker).to_owned(), ..error }
    }

    fn release_frame(&mut self, index: u32) {
        let frame = &mut self.frames[index as usize];
        frame.unread -= 1;
        if frame.unread == 0 {
            frame.bulk = None;
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
            Owner::Future => self.answer_ticket(answer.key as u32, answer),
            Owner::Queue(queue) => match self.queues[queue as usize].as_mut() {
                Some(queue) => queue.push_back(answer),
                None => self.discard(answer),
            },
        }
    }
}
