//! Functions that break down in the middle of a run: a quota is reached, a licence server is gone. Then all points fail, as
//! they do where the function has no value; so a point that has one is evaluated once more.

use super::{Drive, Loop};
use crate::model::{FailureKind, Outcome, Sample};
use crate::runner::StopReason;

/// After so many points in a row that were given up (or four for each worker, if that is more), a known one is tried.
const SUSPICIOUS: u64 = 40;
const SUSPICIOUS_PER_WORKER: u64 = 4;
/// Where that one has a value still, the next suspicion takes so many times as long.
const PATIENCE: u64 = 4;

/// The key of the known point among those that the engine has given.
pub(super) const KNOWN: u64 = u64::MAX;

/// Whether the function still works.
#[derive(Debug, Default)]
pub(super) struct Breakdown {
    /// A point that got a value in this run.
    known: Option<Sample>,
    /// Points given up since the last value.
    in_a_row: u64,
    /// So often a suspicion was wrong.
    trials_passed: u32,
    /// The known point is with a worker.
    on_trial: bool,
    /// Attempts at it that failed.
    failed: u32,
    why: Option<String>,
}

impl Breakdown {
    pub(super) fn told(&mut self, sample: &Sample) {
        self.in_a_row = 0;
        if self.known.is_none() {
            self.known = Some(sample.clone());
        }
    }

    pub(super) fn gave_up(&mut self) {
        self.in_a_row += 1;
    }

    /// Whether so many points have failed that nothing more is asked before it is known why.
    fn is_suspected(&self, workers: usize) -> bool {
        let many = SUSPICIOUS.max(SUSPICIOUS_PER_WORKER * workers as u64);
        self.known.is_some() && self.in_a_row >= many * PATIENCE.pow(self.trials_passed.min(10))
    }
}

impl Loop {
    /// Has a known point evaluated if the function may have broken down. Whether that is to be waited for.
    pub(super) fn look_for_breakdown(&mut self, drive: &mut Drive<'_>) -> bool {
        if !self.breakdown.is_suspected(drive.workers) {
            return false;
        }
        if let Some(known) = self.breakdown.known.as_ref().filter(|_| !self.breakdown.on_trial) {
            self.breakdown.on_trial = true;
            drive.queue.submit(KNOWN, known);
        }
        true
    }

    /// What became of the known point.
    pub(super) fn take_known(&mut self, drive: &Drive<'_>, outcome: Option<Outcome>) {
        let breakdown = &mut self.breakdown;
        breakdown.on_trial = false;
        match outcome.map(|outcome| drive.engine.checked(outcome)) {
            Some(Ok(_)) => {
                breakdown.trials_passed += 1;
                (breakdown.in_a_row, breakdown.failed) = (0, 0);
            }
            // A worker that could not begin it says nothing about the function, and one that is lost neither.
            Some(Err(failure)) if !matches!(failure.kind, FailureKind::Setup | FailureKind::WorkerLost) => {
                breakdown.failed += 1;
                if breakdown.failed > drive.engine.retries() {
                    breakdown.why = Some(failure.message);
                }
            }
            _ => {}
        }
    }

    /// Why the run has to end, if the function does not work any more.
    pub(super) fn broke_down(&self) -> Option<StopReason> {
        let Breakdown { known: Some(known), why: Some(why), in_a_row, .. } = &self.breakdown else {
            return None;
        };
        let point: Vec<f64> = known.point.to_vec();
        Some(StopReason::BrokeDown(format!(
            "{in_a_row} points in a row were given up, and now the function fails at {point:?}, too, where it had a \
             value before: {why}"
        )))
    }
}
