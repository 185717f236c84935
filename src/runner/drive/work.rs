//! From the engine to the workers: how much, and what need not be evaluated.

use super::{Drive, Loop};
use crate::pool::TaskOptions;
use crate::runner::{LookUp, Phase, Work};
use std::time::Instant;

/// Told points for each one in flight, where tasks are so short that many are in flight. With 8, a narrow ring in two variables,
/// which is found by going along it, was not found as a whole by 10 000 points; with 20 it was in most runs, with 50 in all.
const KNOWN_PER_IN_FLIGHT: usize = 50;
/// This many in flight per worker are always allowed: one that runs, one that waits.
const FEWEST_PER_WORKER: usize = 2;

impl Loop {
    /// As many new evaluations as the pool can use, and no more than the goal can. Whether some of them need none,
    /// because their values are known.
    pub(super) fn hand_out(&mut self, drive: &mut Drive<'_>) -> bool {
        let room = match drive.in_flight {
            Some(fixed) => fixed.saturating_sub(drive.engine.in_flight()),
            None => drive.queue.wanted(),
        };
        let useful = drive.goals.points_left().map_or(usize::MAX, |left| left as usize);
        let useful = match drive.engine.owed() {
            0 => useful,
            // Nothing else is of use any more.
            owed if drive.goals.reached(self.moment).is_some() => owed,
            owed => useful.max(owed),
        };
        let most = if drive.in_flight.is_some() { useful } else { useful.min(self.most_in_flight(drive)) };
        let room = room.min(most.saturating_sub(drive.engine.in_flight()));
        if room > 0 {
            if self.is_in_doubt(drive) {
                drive.engine.again(room, &mut self.work);
            } else {
                drive.engine.next(room, &mut self.work);
            }
            self.accounting.book(Phase::Ask, Instant::now());
            let mut work = std::mem::take(&mut self.work);
            let known = self.submit(drive, work.drain(..));
            self.work = work;
            self.accounting.book(Phase::Wire, Instant::now());
            return known;
        }
        false
    }

    /// Sends attempts to the workers, but for those whose values are known or on their way. Whether any are known.
    fn submit(&mut self, drive: &mut Drive<'_>, work: impl IntoIterator<Item = Work>) -> bool {
        let mut known = false;
        for work in work {
            let work = match drive.cached.as_mut().map(|cached| cached.look_up(work.clone())) {
                None | Some(LookUp::Evaluate(_)) => work,
                Some(LookUp::Waits) => continue,
                Some(LookUp::Known(key, told)) => {
                    self.arrive(drive, key, Ok(told.value), told.meta);
                    known = true;
                    continue;
                }
            };
            let priority = drive.priorities.get(work.sample.learner as usize).copied().unwrap_or_default();
            let options = TaskOptions::new().priority(priority);
            // A rank that fails at once is always the one that has time: another one tries it again.
            drive.queue.submit_again(work.key, &work.sample, &options, &work.failed_on);
        }
        drive.queue.flush();
        known
    }

    /// Attempts that waited for the value of another one.
    pub(super) fn submit_again(&mut self, drive: &mut Drive<'_>, waited: Vec<Work>) {
        if self.draining {
            // Nothing new is begun any more; but what is known now is taken along.
            for work in waited {
                match drive.cached.as_mut().and_then(|cached| cached.only_if_known(&work)) {
                    Some(told) => self.arrive(drive, work.key, Ok(told.value), told.meta),
                    None => drive.engine.withdrawn(work.key),
                }
            }
        } else if !waited.is_empty() {
            self.submit(drive, waited);
        }
    }

    /// Points in flight are chosen without knowing each other. The pool would take thousands of short tasks at
    /// once; beyond a part of what is known already they would cost more points than they save time.
    fn most_in_flight(&self, drive: &Drive<'_>) -> usize {
        let learner = drive.engine.learner();
        let most = learner.most_in_flight().unwrap_or_else(|| learner.npoints() / KNOWN_PER_IN_FLIGHT);
        most.max(FEWEST_PER_WORKER * drive.workers)
    }
}
