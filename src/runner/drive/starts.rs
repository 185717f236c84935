//! Workers on which the function can't be started: a bad node costs its own share of a run, not the whole run.

use super::{Drive, Loop};
use crate::model::{Failure, FailureKind, Outcome};
use crate::runner::{Observer, StopReason};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Attempts in a row that a worker could not begin: it can't be expected to start the function.
const TIMES_NOT_STARTED: usize = 3;
/// Then it gets no points for so long. A node may recover: its disk is emptied, its file system comes back.
const SET_ASIDE_FOR: Duration = Duration::from_secs(600);
/// So long the others are waited for before one worker's failure is shown: it may be the same with all.
const SAY_AFTER: Duration = Duration::from_secs(5);

/// Which workers can't start the function.
#[derive(Debug, Default)]
pub(super) struct Starts {
    /// By worker: attempts in a row that could not begin.
    in_a_row: BTreeMap<u32, usize>,
    /// The same over all workers.
    times: usize,
    /// Workers that get no points, until then.
    aside: BTreeMap<u32, Instant>,
    last: Option<Failure>,
    /// Whether the function has been started anywhere.
    works: bool,
    unsaid: Vec<(Instant, String)>,
}

impl Starts {
    /// Takes in an outcome of a worker. True if it was the attempt with which the worker is to be set aside.
    fn note(&mut self, worker: u32, outcome: &Outcome) -> bool {
        match outcome {
            Err(failure) if failure.kind == FailureKind::Setup => {
                self.times += 1;
                self.last = Some(failure.clone());
                let times = self.in_a_row.entry(worker).or_default();
                *times += 1;
                *times >= TIMES_NOT_STARTED
            }
            _ => {
                self.works = true;
                self.times = 0;
                // Almost always empty: this is done for every result.
                if !self.in_a_row.is_empty() {
                    self.in_a_row.remove(&worker);
                }
                false
            }
        }
    }

    fn why(&self) -> Option<StopReason> {
        let failure = self.last.as_ref()?;
        Some(StopReason::CannotStart(
            format!("{}\n{}", failure.message, failure.detail).trim_end().to_owned(),
        ))
    }
}

impl Loop {
    /// Takes in whether a worker could begin what it was given.
    pub(super) fn note_start(&mut self, drive: &mut Drive<'_>, worker: u32, outcome: &Outcome) {
        if !self.starts.note(worker, outcome) || !drive.queue.can_set_aside(worker) {
            return;
        }
        drive.queue.set_aside(worker, true);
        let now = Instant::now();
        if self.starts.aside.insert(worker, now + SET_ASIDE_FOR).is_some() {
            return;
        }
        let why = self.starts.last.as_ref().map_or("", |failure| &failure.message);
        let host = drive.queue.host_of(worker);
        self.starts.unsaid.push((
            now,
            format!(
                "warning: the function can't be started on rank {worker} ({host}), which gets no points for {} \
                 minutes: {why}",
                SET_ASIDE_FOR.as_secs() / 60
            ),
        ));
    }

    /// Why the run has to end, if no worker can start the function.
    pub(super) fn cannot_start(&self, drive: &Drive<'_>) -> Option<StopReason> {
        let Starts { in_a_row, aside, times, .. } = &self.starts;
        let all_aside = !aside.is_empty() && drive.queue.available() == 0;
        // What is not the failure of a single worker counts over all of them.
        let of_no_worker = in_a_row.keys().any(|worker| !drive.queue.can_set_aside(*worker));
        let none_can = all_aside || of_no_worker && *times >= TIMES_NOT_STARTED * drive.workers;
        if none_can { self.starts.why() } else { None }
    }

    /// Says what is worth saying about workers that were set aside, and tries them again when it is time.
    pub(super) fn look_after_starts(
        &mut self,
        drive: &mut Drive<'_>,
        now: Instant,
        observer: &mut dyn Observer,
    ) {
        let Starts { in_a_row, aside, works, unsaid, .. } = &mut self.starts;
        if *works || unsaid.first().is_some_and(|(since, _)| *since + SAY_AFTER <= now) {
            unsaid.drain(..).for_each(|(_, note)| observer.note(&note));
        }
        aside.retain(|&worker, until| {
            let stays = *until > now;
            if !stays {
                drive.queue.set_aside(worker, false);
                // One more failure is enough.
                in_a_row.insert(worker, TIMES_NOT_STARTED - 1);
            }
            stays
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_worker_is_set_aside_after_three_attempts_in_a_row_that_it_could_not_begin() {
        let mut starts = Starts::default();
        let bad = || Err(Failure::new(FailureKind::Setup, "no module named numpy"));
        for _ in 0..2 {
            assert!(!starts.note(1, &bad()) && !starts.note(1, &bad()));
            assert!(!starts.note(2, &Ok(1.0.into())));
            assert!(!starts.note(1, &Err(Failure::new(FailureKind::Error, "a failure of the point"))));
        }
        assert!(!starts.note(1, &bad()) && !starts.note(1, &bad()) && starts.note(1, &bad()));
        assert_eq!((starts.times, starts.works), (3, true));
    }
}
