//! How many tasks a worker should hold, and how many should share a message: from measured durations.
//!
//! A worker that holds one task waits for the next one while its answer travels, while rank 0 wakes up and
//! while the learner thinks. With a task in reserve it never waits, but that point was chosen with less
//! knowledge. So: no reserve where waiting costs less than a hundredth of a task, one spare for shorter tasks,
//! and for tasks shorter than that delay as many as cover it, in bundles, because a message costs about a
//! microsecond.
//!
//! The first answers are those of the shortest tasks. So until each worker has done a few, none holds more in reserve than
//! each has done on average.

use super::spread::Spread;
use std::time::Duration;

/// What passes between the end of a task and the next one at a worker without a reserve, when both sides sleep.
const SLEEPY_DELAY: f64 = 1e-3;
/// The same when there is traffic, so that both sides poll.
const BUSY_DELAY: f64 = 250e-6;
/// Below this share of a task, waiting is not worth a reserve.
const WORTH: f64 = 0.01;
/// What a bundle should take to compute: far more than a message costs.
const BUNDLE_TIME: f64 = 10e-6;
/// No task is taken to be shorter, in seconds.
const SHORTEST: f64 = 1e-9;
/// No bundle is larger, so that one message never holds much of the work.
const MAX_BUNDLE: usize = 256;
/// Bundles on their way to one worker: one is computed while another travels.
const BUNDLES: usize = 2;

/// The measured duration of one kind of task.
///
/// A running geometric mean: a worker that loses its core in the middle of a task reports a duration thousands
/// of times too long, and an arithmetic mean would take empty tasks for long ones for a while. Taken of the bits of the
/// numbers, which grow with their logarithm as well as makes no odds here, and cost no logarithm.
#[derive(Clone, Debug, Default)]
pub(super) struct Pace {
    /// The bits of the mean in seconds.
    bits: Option<i64>,
    longest: f64,
    spread: Spread,
}

/// With fewer tasks done, nobody can say what is usual.
const FEW: u64 = 8;
/// The mean is that of the first so many tasks, and then runs with them.
const MEMORY: u64 = 16;
/// The share of tasks that are usual.
const USUAL: f64 = 0.99;

impl Pace {
    /// Takes in the duration of one task.
    pub(super) fn note(&mut self, duration: Duration) {
        let nanos = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        // A product: the exact way divides.
        let seconds = nanos as f64 * 1e-9;
        let bits = seconds.max(SHORTEST).to_bits().cast_signed();
        self.longest = self.longest.max(seconds);
        self.spread.note(nanos);
        let weight = self.spread.len().min(MEMORY) as i64;
        // A constant where it is no longer a few: this is done for every task.
        let share = |step: i64| if weight == MEMORY as i64 { step / MEMORY as i64 } else { step / weight };
        self.bits = Some(self.bits.map_or(bits, |mean| mean + share(bits - mean)));
    }

    /// What 99 of 100 tasks have taken at most, as soon as some are done.
    pub(super) fn usual(&self) -> Option<Duration> {
        (self.spread.len() >= FEW).then(|| self.spread.quantile(USUAL))
    }

    /// The running geometric mean of their durations.
    pub(super) fn mean(&self) -> Option<Duration> {
        self.seconds().map(Duration::from_secs_f64)
    }

    fn seconds(&self) -> Option<f64> {
        self.bits.map(|bits| f64::from_bits(bits.cast_unsigned()))
    }

    /// The longest task so far.
    pub(super) fn longest(&self) -> Duration {
        Duration::from_secs_f64(self.longest)
    }

    /// Tasks that each of so many workers should hold if rank 0 comes by every `gap` seconds. One until each has done
    /// about one.
    pub(super) fn depth(&self, gap: f64, workers: usize) -> usize {
        let (depth, done, workers) = (self.suggested_depth(gap), self.spread.len(), workers.max(1) as u64);
        if done >= FEW * workers { depth } else { depth.min(1 + (done / workers) as usize) }
    }

    fn suggested_depth(&self, gap: f64) -> usize {
        match self.seconds() {
            None => 1,
            Some(mean) if (SLEEPY_DELAY + gap) <= WORTH * mean => 1,
            Some(mean) => {
                let covering = ((BUSY_DELAY + gap) / mean).round() as usize;
                1 + covering.clamp(1, BUNDLES * MAX_BUNDLE - 1)
            }
        }
    }

    /// Tasks that should share a message to a worker that holds up to `depth` of them.
    pub(super) fn bundle(&self, depth: usize) -> usize {
        let most = (depth / BUNDLES).min(MAX_BUNDLE);
        // Asked for each task: no division where it decides nothing.
        if most <= 1 {
            return 1;
        }
        let by_time = self.seconds().map_or(1, |mean| (BUNDLE_TIME / mean).round() as usize);
        by_time.clamp(1, most)
    }
}

/// How often rank 0 comes by: a mean of the times between its visits while work is out.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Gap(f64);

impl Gap {
    /// Takes in the time since the last visit.
    pub(super) fn note(&mut self, gap: Duration) {
        self.0 += (gap.as_secs_f64() - self.0) / 16.0;
    }

    /// The mean, in seconds.
    pub(super) fn seconds(self) -> f64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn both(pace: &Pace) -> (usize, usize) {
        let depth = pace.suggested_depth(0.0);
        (depth, pace.bundle(depth))
    }

    fn of(duration: Duration) -> Pace {
        let mut pace = Pace::default();
        pace.note(duration);
        pace
    }

    #[test]
    fn nothing_is_held_in_reserve_until_a_duration_is_known() {
        assert_eq!(both(&Pace::default()), (1, 1));
    }

    #[test]
    fn long_tasks_go_out_one_by_one() {
        assert_eq!(of(Duration::from_secs(2)).suggested_depth(0.0), 1);
        assert_eq!(of(Duration::from_millis(110)).suggested_depth(0.0), 1);
    }

    #[test]
    fn one_spare_covers_the_delay_of_milliseconds() {
        for millis in [1, 10, 50] {
            let pace = of(Duration::from_millis(millis));
            assert_eq!(both(&pace), (2, 1));
        }
    }

    #[test]
    fn short_tasks_are_many_and_share_messages() {
        let pace = of(Duration::from_micros(1));
        assert_eq!(both(&pace), (251, 10));
        let pace = of(Duration::from_nanos(40));
        assert_eq!(both(&pace), (512, 250));
    }

    #[test]
    fn one_odd_duration_does_not_make_short_tasks_long() {
        let mut pace = of(Duration::from_nanos(100));
        (1..MEMORY).for_each(|_| pace.note(Duration::from_nanos(100)));
        pace.note(Duration::from_millis(4));
        assert!(pace.suggested_depth(0.0) == 512 && pace.bundle(512) > 40);
    }

    #[test]
    fn what_the_first_durations_suggest_is_believed_by_and_by() {
        let mut pace = of(Duration::from_micros(1));
        assert_eq!((pace.depth(0.0, 1), pace.depth(0.0, 2)), (2, 1));
        (1..FEW).for_each(|_| pace.note(Duration::from_micros(1)));
        assert_eq!((pace.depth(0.0, 1), pace.depth(0.0, 2), pace.depth(0.0, 100)), (251, 5, 1));
        (FEW..FEW * 100).for_each(|_| pace.note(Duration::from_micros(1)));
        assert_eq!(pace.depth(0.0, 100), 251);
    }

    #[test]
    fn one_short_task_does_not_make_long_ones_short() {
        let mut pace = of(Duration::from_micros(1));
        (0..2).for_each(|_| pace.note(Duration::from_secs(3600)));
        assert_eq!(pace.depth(0.0, 1), 1);
    }

    #[test]
    fn a_slow_learner_calls_for_more_reserve() {
        let pace = of(Duration::from_millis(1));
        assert_eq!(pace.suggested_depth(5e-3), 6);
        assert_eq!(of(Duration::from_millis(200)).suggested_depth(0.1), 2);
    }
}
