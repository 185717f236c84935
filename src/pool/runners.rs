//! The tasks of a program on one worker: what runs them, and the answers that follow.

use super::bulk::Bulk;
use super::data::DataStore;
use super::group::Group;
use super::panics;
use super::wire::{self, Fault, RESULT_HEAD, ResultHead, Status, TaskHead};
use super::worker::Worker;
use std::any::Any;
use std::sync::Arc;

/// How one attempt ended: with a result that travels beside the message, with one that is in it, or with neither.
pub(crate) type Run = Result<Option<Bulk>, (Status, Fault)>;

/// One task of the program on this worker, with its state: reads arguments, appends the result. The group is there if
/// several ranks work together.
pub(crate) type Runner = Box<dyn FnMut(&mut Worker, Option<&Group<'_>>, Arguments<'_>, &mut Vec<u8>) -> Run>;

/// The arguments of a task: encoded, or beside its message.
pub(crate) struct Arguments<'a> {
    pub(crate) bytes: &'a [u8],
    pub(crate) bulk: Option<Box<Bulk>>,
}

/// What to run: the head of a task, its arguments, and those who run it together.
pub(crate) type Assignment<'a> = (TaskHead, Arguments<'a>, Option<&'a Group<'a>>);

/// All tasks of a program on one worker, and what they share there.
#[derive(Default)]
pub(crate) struct Runners {
    pub(crate) runners: Vec<Runner>,
    /// The first state that could not be made.
    pub(crate) init_error: Option<String>,
    /// Why this worker can't take part at all.
    pub(crate) fatal: Option<String>,
    /// The names of all tasks.
    pub(crate) names: String,
    /// What all ranks should have alike.
    pub(crate) alike: Vec<(String, String)>,
    pub(crate) states: Vec<Box<dyn Any>>,
    pub(crate) data: Arc<DataStore>,
}

impl Runners {
    /// Runs a task and appends its answer to a message. What is returned belongs beside the message.
    pub(crate) fn answer(
        &mut self,
        worker: &mut Worker,
        (head, arguments, group): Assignment<'_>,
        out: &mut Vec<u8>,
        stopwatch: &mut dyn FnMut() -> (f64, u64),
    ) -> Option<Bulk> {
        let at = out.len();
        out.resize(at + RESULT_HEAD, 0);
        let mut bulk = None;
        let run = match self.runners.get_mut(head.task as usize) {
            None => Err((Status::Malformed, (format!("there is no task {}", head.task), String::new()))),
            Some(runner) => panics::catch(|| runner(worker, group, arguments, out))
                .unwrap_or_else(|caught| Err((Status::Panic, (caught.message, caught.location)))),
        };
        let status = match run {
            Ok(result) => {
                bulk = result;
                if group.is_some_and(Group::is_finished) { Status::Final } else { Status::Done }
            }
            Err((status, fault)) => {
                out.truncate(at + RESULT_HEAD);
                // Two strings always encode; an empty payload reads as an unknown fault.
                let _ = wire::encode(&fault, out);
                status
            }
        };
        if status == Status::Done && group.is_some_and(|group| group.rank() > 0) {
            // The first member's result counts.
            out.truncate(at + RESULT_HEAD);
            bulk = None;
        }
        let (left_out, void) = worker.take_left_out();
        let mut stopwatch = || {
            let (started, nanos) = stopwatch();
            (started + left_out.as_secs_f64(), nanos.saturating_sub(left_out.as_nanos() as u64))
        };
        Self::finish(head, (status, void), at, out, &mut stopwatch);
        bulk
    }

    fn finish(
        head: TaskHead,
        (status, void): (Status, bool),
        at: usize,
        out: &mut [u8],
        stopwatch: &mut dyn FnMut() -> (f64, u64),
    ) {
        let (started, nanos) = stopwatch();
        let length = out.len() - at - RESULT_HEAD;
        let head = ResultHead { slot: head.slot, attempt: head.attempt, status, started, nanos, void };
        head.write(&mut out[at..], length);
    }

    /// Appends the answer of a member that has done its part without a call.
    pub(crate) fn answer_for_nothing(
        head: TaskHead,
        out: &mut Vec<u8>,
        stopwatch: &mut dyn FnMut() -> (f64, u64),
    ) {
        let at = out.len();
        out.resize(at + RESULT_HEAD, 0);
        Self::finish(head, (Status::Done, false), at, out, stopwatch);
    }

    /// Appends the answer to a task that could not be called.
    pub(crate) fn refuse(
        head: TaskHead,
        reason: String,
        out: &mut Vec<u8>,
        stopwatch: &mut dyn FnMut() -> (f64, u64),
    ) {
        let at = out.len();
        out.resize(at + RESULT_HEAD, 0);
        let _ = wire::encode(&(reason, String::new()), out);
        Self::finish(head, (Status::Error, true), at, out, stopwatch);
    }
}
