//! Workers on which the function can't be started, has broken down, or fails at all points, while it works on others: a bad
//! node costs its own share of a run, not the whole run.

use super::{Drive, Loop};
use crate::model::{Failure, FailureKind, Outcome};
use crate::pool::Standing;
use crate::runner::engine::Ranks;
use crate::runner::{Observer, StopReason};
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

/// Attempts in a row that a worker could not begin: then it gets no points for a while.
const TIMES_NOT_STARTED: usize = 3;
/// A worker that fails at all points gets none for a while, either, if it is so unlikely that a good one would, with as
/// large a share of failures as all others have. Without that, one that fails at once would take most of the points, and
/// all their attempts. One that ever had a value doubts its function itself.
const UNLIKELY: f64 = 1e-9;
/// Nor does one without any value if others have had values for so many points at which it had failed that they would hardly
/// all have failed on a good one: with as large a share of failures as those have that had values.
const HARDLY: f64 = 0.005;
/// As large a share they are taken to have at least: a few points that always fail may all have come to this one.
const LEAST_SHARE: f64 = 0.3;
/// For so long at first, and twice as long each further time: a file system may be away for a moment, or a disk full for
/// hours.
const FIRST_PAUSE: Duration = Duration::from_secs(5);
const LONGEST_PAUSE: Duration = Duration::from_secs(600);
/// Where the function did work in this run, all workers have to fail so often (after five minutes) until it is over.
const PAUSES: u32 = 7;
/// So long the others are waited for before one worker's failure is shown: it may be the same with all.
const SAY_AFTER: Duration = Duration::from_secs(5);

/// A worker that could not begin its last attempt.
#[derive(Debug, Default)]
struct Bad {
    in_a_row: usize,
    pauses: u32,
    /// It gets no points until then.
    until: Option<Instant>,
}

/// Which workers can't start the function.
#[derive(Debug, Default)]
pub(super) struct Starts {
    bad: BTreeMap<u32, Bad>,
    /// By rank: attempts that failed, as long as no other came; `None`: this worker has had values.
    failed: Vec<Option<u64>>,
    /// By rank, of those without values: points at which it failed and others did not.
    refuted: BTreeMap<u32, u32>,
    /// Values and failures of all workers.
    values: u64,
    failures: u64,
    /// Failures of those that had values before.
    good_failures: u64,
    /// Attempts in a row that could not begin, over all workers.
    times: usize,
    last: Option<Failure>,
    /// Whether the function has been started anywhere.
    works: bool,
    unsaid: Vec<(Instant, String)>,
    said: BTreeSet<u32>,
}

/// What an outcome means for its worker.
#[derive(Debug, PartialEq, Eq)]
enum Change {
    None,
    Pause,
    /// It has failed, and had no value yet.
    OnTrial,
    /// It can start the function after all, or has a value.
    Good,
}

impl Starts {
    fn note(&mut self, worker: u32, outcome: &Outcome) -> Change {
        match outcome {
            Err(failure) if failure.kind == FailureKind::Setup => {
                self.times += 1;
                self.last = Some(failure.clone());
                let bad = self.bad.entry(worker).or_default();
                bad.in_a_row += 1;
                if bad.in_a_row >= TIMES_NOT_STARTED { Change::Pause } else { Change::None }
            }
            // Nobody knows whether it had begun.
            Err(failure) if matches!(failure.kind, FailureKind::Crash | FailureKind::WorkerLost) => {
                Change::None
            }
            _ => {
                self.works = true;
                self.times = 0;
                let had_failed = self.failed.get(worker as usize).is_some_and(|n| n.is_some_and(|n| n > 0));
                let fails_alone = self.fails_alone(worker, outcome.is_ok());
                if let (Some(_), Err(failure)) = (self.failed[worker as usize], outcome) {
                    self.last = Some(failure.clone());
                    if fails_alone {
                        return Change::Pause;
                    }
                    // What it still had does not end its pause.
                    if self.bad.get(&worker).is_some_and(|bad| bad.until.is_some()) {
                        return Change::None;
                    }
                }
                // Almost always empty: this is done for every result.
                let recovers =
                    !self.bad.is_empty() && self.bad.remove(&worker).is_some_and(|bad| bad.pauses > 0);
                match (self.failed[worker as usize], had_failed) {
                    (Some(1), _) => Change::OnTrial,
                    (Some(_), _) if recovers => Change::OnTrial,
                    (None, true) => Change::Good,
                    (None, _) if recovers => Change::Good,
                    _ => Change::None,
                }
            }
        }
    }

    /// Counts an attempt that had begun. Whether it has shown that its worker fails at points that others have values for.
    fn fails_alone(&mut self, worker: u32, has_value: bool) -> bool {
        let at = worker as usize;
        if self.failed.len() <= at {
            self.failed.resize(at + 1, Some(0));
        }
        self.values += u64::from(has_value);
        self.failures += u64::from(!has_value);
        if has_value {
            self.failed[at] = None;
            self.refuted.remove(&worker);
        }
        let Some(failed) = &mut self.failed[at] else {
            self.good_failures += u64::from(!has_value);
            return false;
        };
        *failed += 1;
        let others = (self.failures - *failed) as f64;
        let share = share(others, self.values);
        self.values > 0 && *failed as f64 * share.ln() < UNLIKELY.ln()
    }

    /// A point has a value at which a worker had failed. Whether this was once too often.
    fn refute(&mut self, worker: u32) -> bool {
        if !self.failed.get(worker as usize).is_some_and(Option::is_some) {
            return false;
        }
        let times = self.refuted.entry(worker).or_default();
        *times += 1;
        let is_refuted = f64::from(*times) * share(self.good_failures as f64, self.values).ln() < HARDLY.ln();
        if is_refuted {
            self.refuted.remove(&worker);
        }
        is_refuted
    }

    /// Begins a pause of a worker, unless it is in one. True if it is its first one.
    fn pause(&mut self, worker: u32, now: Instant) -> bool {
        let bad = self.bad.entry(worker).or_default();
        if bad.until.is_none() {
            let pause = FIRST_PAUSE.saturating_mul(1 << bad.pauses.min(16)).min(LONGEST_PAUSE);
            bad.until = Some(now + pause);
            bad.pauses += 1;
        }
        self.said.insert(worker)
    }

    /// Workers whose pause is over: one more failure begins the next one.
    fn over(&mut self, now: Instant) -> impl Iterator<Item = u32> {
        self.bad.iter_mut().filter_map(move |(worker, bad)| {
            bad.until.take_if(|until| *until <= now)?;
            bad.in_a_row = TIMES_NOT_STARTED - 1;
            Some(*worker)
        })
    }

    /// Whether those that pause, all that are left, have failed for good.
    fn is_hopeless(&self) -> bool {
        let mut pausing = self.bad.values().filter(|bad| bad.until.is_some()).peekable();
        pausing.peek().is_some() && (!self.works || pausing.all(|bad| bad.pauses >= PAUSES))
    }

    /// Whether one of the workers that are left, which pause, ever had a value.
    fn worked_here(&self) -> bool {
        self.bad.keys().any(|worker| self.failed.get(*worker as usize) == Some(&None))
    }

    /// Why a run ends, if no worker is of any use.
    fn reason(&self, why: String) -> StopReason {
        if self.works { StopReason::BrokeDown(why) } else { StopReason::CannotStart(why) }
    }

    fn why(&self) -> Option<String> {
        let failure = self.last.as_ref()?;
        Some(format!("{}\n{}", failure.message, failure.detail).trim_end().to_owned())
    }
}

/// The share of failures, as if there were one more of them and one more value: little may have been done so far.
fn share(failures: f64, values: u64) -> f64 {
    ((failures + 1.0) / (failures + values as f64 + 2.0)).max(LEAST_SHARE)
}

impl Loop {
    /// Takes in whether a worker could begin what it was given.
    pub(super) fn note_start(&mut self, drive: &mut Drive<'_>, worker: u32, outcome: &Outcome) {
        let change = self.starts.note(worker, outcome);
        if change == Change::None || !drive.queue.is_single(worker) {
            return;
        }
        match change {
            Change::Good => drive.queue.set_standing(worker, Standing::Good),
            Change::OnTrial => drive.queue.set_standing(worker, Standing::OnTrial),
            _ => self.set_aside(drive, worker),
        }
    }

    /// Takes in that there is a value for an attempt. Where its sample failed before, that was no fault of the sample.
    pub(super) fn note_value(&mut self, drive: &mut Drive<'_>, key: u64) {
        let failed_on = Ranks::from(drive.engine.failed_on(key));
        for worker in failed_on {
            if self.starts.refute(worker) && drive.queue.is_single(worker) {
                self.set_aside(drive, worker);
            }
        }
    }

    fn set_aside(&mut self, drive: &mut Drive<'_>, worker: u32) {
        drive.queue.set_standing(worker, Standing::Aside);
        let now = Instant::now();
        if self.starts.pause(worker, now) {
            let why = self.starts.last.as_ref().map_or("", |failure| &failure.message);
            let note = format!(
                "warning: the function does not work on rank {worker} ({}), which is tried again from time to time: \
                 {why}",
                drive.queue.host_of(worker)
            );
            self.starts.unsaid.push((now, note));
        }
    }

    /// Why the run has to end, if no worker can start the function.
    pub(super) fn cannot_start(&self, drive: &Drive<'_>) -> Option<StopReason> {
        let starts = &self.starts;
        // What is not the failure of a single worker counts over all of them.
        let of_no_worker = starts.bad.keys().any(|worker| !drive.queue.is_single(*worker));
        if of_no_worker && starts.times >= TIMES_NOT_STARTED * drive.workers {
            return starts.why().map(|why| starts.reason(why));
        }
        if drive.queue.available() > 0 {
            return None;
        }
        // Those that could not start it at the beginning are here, and no help: nobody is left to wait for.
        if !drive.cannot_start.is_empty() && starts.bad.values().all(|bad| bad.until.is_none()) {
            let lost = drive.queue.health().lost.pop()?;
            let why = format!("no worker is left that can start the function: {lost}");
            return Some(StopReason::WorkerLost(why));
        }
        if !starts.is_hopeless() {
            return None;
        }
        let why = starts.why()?;
        Some(match drive.queue.health().lost.last() {
            Some(lost) if starts.works && !starts.worked_here() => StopReason::WorkerLost(format!(
                "no worker is left that can start the function ({why}): {lost}"
            )),
            _ => starts.reason(why),
        })
    }

    /// Says what is worth saying about workers that can't start the function, and tries them again when it is time.
    pub(super) fn look_after_starts(
        &mut self,
        drive: &mut Drive<'_>,
        now: Instant,
        observer: &mut dyn Observer,
    ) {
        if self.starts.works || self.starts.unsaid.first().is_some_and(|(since, _)| *since + SAY_AFTER <= now)
        {
            self.say_starts(observer);
        }
        if !self.starts.bad.is_empty() {
            // Nobody waits for a dead one to come back.
            self.starts.bad.retain(|rank, _| !drive.queue.is_single(*rank) || drive.queue.is_here(*rank));
        }
        for worker in self.starts.over(now) {
            drive.queue.set_standing(worker, Standing::OnTrial);
        }
    }

    pub(super) fn say_starts(&mut self, observer: &mut dyn Observer) {
        self.starts.unsaid.drain(..).for_each(|(_, note)| observer.note(&note));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bad() -> Outcome {
        Err(Failure::new(FailureKind::Setup, "no module named numpy"))
    }

    #[test]
    fn a_worker_pauses_after_three_attempts_in_a_row_that_it_could_not_begin() {
        let mut starts = Starts::default();
        for turn in 0..2 {
            assert_eq!((starts.note(1, &bad()), starts.note(1, &bad())), (Change::None, Change::None));
            assert_eq!(starts.note(2, &Ok(1.0.into())), Change::None);
            let outside = Err(Failure::new(FailureKind::Error, "outside"));
            let expected = if turn == 0 { Change::OnTrial } else { Change::None };
            assert_eq!(starts.note(1, &outside), expected);
        }
        assert_eq!([(); 3].map(|()| starts.note(1, &bad())), [Change::None, Change::None, Change::Pause]);
        assert_eq!((starts.times, starts.works), (3, true));
        let now = Instant::now();
        assert!(starts.pause(1, now) && !starts.pause(1, now), "said once");
        assert_eq!(starts.note(1, &Ok(1.0.into())), Change::Good);
        assert!(starts.bad.is_empty());
    }

    #[test]
    fn a_worker_that_fails_at_all_points_pauses_where_others_have_values() {
        let failed = || Err(Failure::new(FailureKind::Error, "no device"));
        let mut starts = Starts::default();
        // Four of five attempts fail, on all workers alike.
        for n in 0..10_000_u32 {
            let outcome = if n * 7 % 5 == 0 { Ok(1.0.into()) } else { failed() };
            assert_ne!(starts.note(n * n % 11 % 8, &outcome), Change::Pause, "{n}");
        }
        let pauses =
            |starts: &mut Starts| (1..).find(|_| starts.note(9, &failed()) == Change::Pause).unwrap();
        assert!((80..120).contains(&pauses(&mut starts)));

        let mut starts = Starts::default();
        assert!((0..100).all(|_| starts.note(9, &failed()) != Change::Pause), "nobody has a value");
        starts.note(2, &Ok(1.0.into()));
        assert_eq!(starts.note(9, &failed()), Change::Pause);
        let mut starts = Starts::default();
        starts.note(2, &Ok(1.0.into()));
        assert_eq!(pauses(&mut starts), 19);
        let mut starts = Starts::default();
        (0..98).for_each(|_| assert_eq!(starts.note(2, &Ok(1.0.into())), Change::None));
        assert_eq!(pauses(&mut starts), 18);
        let now = Instant::now();
        starts.pause(9, now);
        assert_eq!(starts.over(now + FIRST_PAUSE).collect::<Vec<_>>(), [9]);
        assert_eq!(starts.note(9, &failed()), Change::Pause, "once more is enough");
        starts.pause(9, now);
        assert_eq!(starts.note(9, &Ok(1.0.into())), Change::Good);
        assert_eq!([(); 50].map(|()| starts.note(9, &failed())), [(); 50].map(|()| Change::None));
    }

    #[test]
    fn a_worker_without_values_pauses_when_others_have_them_where_it_failed() {
        let failed = || Err(Failure::new(FailureKind::Error, "no device"));
        let mut starts = Starts::default();
        assert_eq!(
            [(); 3].map(|()| starts.note(1, &failed())),
            [Change::OnTrial, Change::None, Change::None]
        );
        assert!(!starts.refute(2), "one that has not failed");
        starts.note(2, &Ok(1.0.into()));
        let refuted = |starts: &mut Starts| (1..).find(|_| starts.refute(1)).unwrap();
        assert_eq!((refuted(&mut starts), refuted(&mut starts)), (5, 5), "counted anew after a pause");
        (0..9).for_each(|_| assert_eq!(starts.note(2, &failed()), Change::None));
        assert!((20..40).contains(&refuted(&mut starts)), "good ones fail as well");
        let now = Instant::now();
        assert!(starts.pause(1, now));
        assert_eq!(starts.note(1, &failed()), Change::None, "what it still had does not end the pause");
        assert!(starts.bad[&1].until.is_some());
        assert_eq!(starts.note(1, &Ok(1.0.into())), Change::Good);
        assert!([(); 9].into_iter().all(|()| !starts.refute(1)), "one that has values");
    }

    #[test]
    fn pauses_grow_and_one_failure_begins_the_next_one() {
        let mut starts = Starts::default();
        let mut now = Instant::now();
        let mut pauses = Vec::new();
        for turn in 0..10 {
            while starts.note(1, &bad()) != Change::Pause {
                assert_eq!(turn, 0);
            }
            starts.pause(1, now);
            let until = starts.bad[&1].until.unwrap();
            pauses.push((until - now).as_secs());
            now = until;
            assert_eq!(starts.over(now - Duration::from_millis(1)).count(), 0);
            assert_eq!(starts.over(now).collect::<Vec<_>>(), [1]);
        }
        assert_eq!(pauses, [5, 10, 20, 40, 80, 160, 320, 600, 600, 600]);
    }

    #[test]
    fn a_run_whose_function_did_work_waits_longer_for_it() {
        let mut starts = Starts::default();
        let now = Instant::now();
        assert!(!starts.is_hopeless());
        starts.note(1, &bad());
        starts.pause(1, now);
        assert!(starts.is_hopeless());
        starts.note(2, &Ok(1.0.into()));
        assert!(!starts.worked_here(), "worker 2 does not pause");
        for _ in 1..PAUSES {
            assert!(!starts.is_hopeless());
            assert_eq!(starts.over(now + LONGEST_PAUSE).count(), 1);
            starts.pause(1, now);
        }
        assert!(starts.is_hopeless());
    }
}
