use super::{Condition, Goal};
use jiff::Timestamp;
use std::fmt;
use std::time::Duration;

/// Holds a [`Goal`] against the learners of a run.
///
/// [`GoalTracker::update`] and [`GoalTracker::reached`] cost O(1) with any number of learners.
#[derive(Clone, Debug)]
pub struct GoalTracker {
    goal: Goal,
    /// Per learner: bit `i` is set while condition `i` of the goal holds for it.
    held: Vec<u32>,
    /// Per condition: for how many learners it holds.
    holding: Vec<usize>,
    /// The bits of the conditions that are asked of each learner.
    per_learner: u32,
    npoints: Vec<u64>,
    total_npoints: u64,
    finished: usize,
    /// How much of its part of the goal each learner has, summed; see [`GoalTracker::share`].
    shares: u128,
}

/// What a goal may ask of one learner. Called only for what the goal needs: a loss can be costly.
pub trait Progress {
    /// Number of values told.
    fn npoints(&mut self) -> u64;
    /// The real loss.
    fn loss(&mut self) -> f64;
    /// Done by its own criterion.
    fn done(&mut self) -> bool;
}

/// The time of a question, as the caller's clocks say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// Time since the start of the run.
    pub elapsed: Duration,
    /// Wall-clock time.
    pub now: Timestamp,
}

/// That the goal is reached, and by what.
#[derive(Clone, Debug, PartialEq)]
pub struct Reached {
    /// The conditions that hold; those of learners hold for at least one learner each.
    pub conditions: Vec<Condition>,
}

impl GoalTracker {
    /// For this many learners, none of which has any values; every learner with a criterion should be told by
    /// [`GoalTracker::update`] once at the start.
    pub fn new(goal: Goal, learners: usize) -> Self {
        let bits = goal.conditions().iter().enumerate();
        let per_learner = bits.filter(|(_, c)| c.is_per_learner()).fold(0, |bits, (i, _)| bits | 1 << i);
        let holding = vec![0; goal.conditions().len()];
        let (held, npoints) = (vec![0; learners], vec![0; learners]);
        Self { goal, held, holding, per_learner, npoints, total_npoints: 0, finished: 0, shares: 0 }
    }

    /// The goal.
    pub fn goal(&self) -> &Goal {
        &self.goal
    }

    /// Number of learners.
    pub fn learners(&self) -> usize {
        self.held.len()
    }

    /// Number of learners that meet their part of the goal.
    pub fn finished(&self) -> usize {
        self.finished
    }

    /// Whether this learner meets its part of the goal; never if the goal asks nothing of single learners.
    pub fn is_finished(&self, learner: usize) -> bool {
        self.held.get(learner).is_some_and(|&held| self.suffices(held))
    }

    /// Whether a learner that meets its part of the goal may rest until the others do: not if the run goes on after
    /// that (`all`, with a condition on the run as a whole).
    pub fn lets_rest(&self) -> bool {
        match &self.goal {
            Goal::Forever => false,
            Goal::When { conditions, all } => !all || conditions.iter().all(Condition::is_per_learner),
        }
    }

    /// Number of values told to all learners.
    pub fn total_npoints(&self) -> u64 {
        self.total_npoints
    }

    /// Takes note that a learner changed. Its loss may have risen, so a finished learner can become unfinished.
    /// Indices beyond the number of learners are ignored.
    pub fn update(&mut self, learner: usize, progress: &mut dyn Progress) {
        let Some(before) = self.held.get(learner).copied() else { return };
        let npoints = progress.npoints();
        self.shares -= u128::from(self.share(before, self.npoints[learner]));
        self.total_npoints = self.total_npoints - self.npoints[learner] + npoints;
        self.npoints[learner] = npoints;

        let mut after = 0;
        for (i, condition) in self.goal.conditions().iter().enumerate() {
            let holds = match condition {
                Condition::Loss(goal) => progress.loss() <= *goal,
                Condition::Npoints(goal) => npoints >= *goal,
                Condition::Done => progress.done(),
                Condition::TotalNpoints(_) | Condition::Duration(_) | Condition::EndTime(_) => false,
            };
            let held = before & 1 << i != 0;
            self.holding[i] = self.holding[i] + usize::from(holds) - usize::from(held);
            after |= u32::from(holds) << i;
        }
        self.held[learner] = after;
        self.shares += u128::from(self.share(after, npoints));
        self.finished =
            self.finished + usize::from(self.suffices(after)) - usize::from(self.suffices(before));
    }

    /// Whether a learner for which these conditions hold is finished.
    fn suffices(&self, held: u32) -> bool {
        match self.goal {
            Goal::Forever => false,
            Goal::When { all: true, .. } => held == self.per_learner && held != 0,
            Goal::When { all: false, .. } => held != 0,
        }
    }

    /// The share of a learner that is finished: what `npoints` asks for, else 1.
    fn full_share(&self) -> u64 {
        let asked = self.goal.conditions().iter().find_map(|condition| match condition {
            Condition::Npoints(goal) => Some(*goal),
            _ => None,
        });
        asked.unwrap_or(1)
    }

    /// A learner's share: whole numbers, so that sums of changes stay exact.
    fn share(&self, held: u32, npoints: u64) -> u64 {
        let full = self.full_share();
        if self.suffices(held) { full } else { npoints.min(full.saturating_sub(1)) }
    }

    /// Which part of the way to the goal lies behind, from 0 to 1, for a progress display; `None` if that can't
    /// be said, as for the loss of a single learner. An estimate: a loss may be reached at any time.
    pub fn part(&self, moment: Moment) -> Option<f64> {
        let Goal::When { conditions, all } = &self.goal else { return None };
        let ratio = |part: f64, whole: f64| (part / whole).clamp(0.0, 1.0);
        let over_run = conditions.iter().filter_map(|condition| match condition {
            Condition::TotalNpoints(goal) => Some(ratio(self.total_npoints as f64, *goal as f64)),
            Condition::Duration(goal) => Some(ratio(moment.elapsed.as_secs_f64(), goal.as_secs_f64())),
            Condition::EndTime(goal) => {
                let left = goal.duration_since(moment.now).as_secs_f64().max(0.0);
                let elapsed = moment.elapsed.as_secs_f64();
                Some(if left == 0.0 { 1.0 } else { ratio(elapsed, elapsed + left) })
            }
            _ => None,
        });
        let full = self.full_share() as f64 * self.held.len() as f64;
        let says_something = self.per_learner != 0 && full > 1.0;
        let learners = says_something.then(|| ratio(self.shares as f64, full));
        over_run.chain(learners).reduce(if *all { f64::min } else { f64::max })
    }

    /// Whether the goal is reached at this moment, and by which conditions.
    pub fn reached(&self, moment: Moment) -> Option<Reached> {
        let Goal::When { conditions, all } = &self.goal else { return None };
        let over_run = |condition: &Condition| match condition {
            Condition::TotalNpoints(goal) => Some(self.total_npoints >= *goal),
            Condition::Duration(goal) => Some(moment.elapsed >= *goal),
            Condition::EndTime(goal) => Some(moment.now >= *goal),
            Condition::Loss(_) | Condition::Npoints(_) | Condition::Done => None,
        };
        let learners = (self.per_learner != 0).then_some(self.finished == self.held.len());
        let mut parts = conditions.iter().filter_map(over_run).chain(learners);
        let reached = if *all { parts.all(|holds| holds) } else { parts.any(|holds| holds) };
        reached.then(|| {
            let holds = |(i, condition): &(usize, &Condition)| {
                over_run(condition).unwrap_or(learners == Some(true) && self.holding[*i] > 0)
            };
            let conditions = conditions.iter().enumerate().filter(holds).map(|(_, c)| *c).collect();
            Reached { conditions }
        })
    }

    /// The most values that can still be of use to the goal, where that is certain: asking for more would only
    /// waste evaluations. `None`: no such limit.
    pub fn points_left(&self) -> Option<u64> {
        let Goal::When { conditions, all: false } = &self.goal else { return None };
        let left = |condition: &Condition| match (condition, self.npoints.as_slice()) {
            (Condition::TotalNpoints(goal), _) => Some(goal.saturating_sub(self.total_npoints)),
            (Condition::Npoints(goal), [told]) => Some(goal.saturating_sub(*told)),
            _ => None,
        };
        conditions.iter().filter_map(left).min()
    }

    /// How long from now until time alone may reach the goal; `None` if it can't.
    ///
    /// A runner that waits for results must look again after this time at the latest.
    pub fn until_deadline(&self, moment: Moment) -> Option<Duration> {
        self.goal
            .conditions()
            .iter()
            .filter_map(|condition| match condition {
                Condition::Duration(goal) => Some(goal.saturating_sub(moment.elapsed)),
                Condition::EndTime(goal) => {
                    Some(Duration::try_from(goal.duration_since(moment.now)).unwrap_or(Duration::ZERO))
                }
                _ => None,
            })
            .filter(|left| !left.is_zero())
            .min()
    }
}

impl fmt::Display for Reached {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let texts: Vec<_> = self.conditions.iter().map(ToString::to_string).collect();
        f.write_str(&texts.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[derive(Clone, Copy, Debug)]
    struct State(u64, f64, bool);

    impl Progress for State {
        fn npoints(&mut self) -> u64 {
            self.0
        }
        fn loss(&mut self) -> f64 {
            self.1
        }
        fn done(&mut self) -> bool {
            self.2
        }
    }

    fn at(seconds: u64) -> Moment {
        let now = Timestamp::from_second(1_000_000 + seconds as i64).unwrap();
        Moment { elapsed: Duration::from_secs(seconds), now }
    }

    fn tracker(conditions: &[Condition], all: bool, learners: usize) -> GoalTracker {
        GoalTracker::new(Goal::When { conditions: conditions.to_vec(), all }, learners)
    }

    #[test]
    fn every_learner_must_meet_the_loss() {
        let mut tracker = tracker(&[Condition::Loss(0.1)], false, 2);
        tracker.update(0, &mut State(5, 0.1, false));
        assert_eq!((tracker.reached(at(0)), tracker.finished()), (None, 1));
        tracker.update(1, &mut State(5, f64::NAN, false));
        assert_eq!(tracker.reached(at(0)), None);
        tracker.update(1, &mut State(6, 0.0, false));
        assert_eq!(tracker.reached(at(0)).unwrap().to_string(), "loss <= 0.1");
        tracker.update(0, &mut State(6, 0.2, false));
        assert_eq!(tracker.reached(at(0)), None, "the loss has risen again");
    }

    #[test]
    fn an_easy_learner_ends_by_loss_and_a_hard_one_by_npoints() {
        let mut tracker = tracker(&[Condition::Loss(0.1), Condition::Npoints(100)], false, 2);
        tracker.update(0, &mut State(20, 0.05, false));
        tracker.update(1, &mut State(99, 3.0, false));
        assert_eq!(tracker.reached(at(0)), None);
        assert!(tracker.is_finished(0) && !tracker.is_finished(1));
        tracker.update(1, &mut State(100, 3.0, false));
        assert_eq!(tracker.reached(at(0)).unwrap().to_string(), "loss <= 0.1, npoints >= 100");
    }

    #[test]
    fn time_is_for_the_whole_run() {
        let end = at(50).now;
        let tracker =
            tracker(&[Condition::Duration(Duration::from_secs(60)), Condition::EndTime(end)], false, 3);
        assert_eq!(tracker.reached(at(49)), None);
        assert_eq!(tracker.until_deadline(at(48)), Some(Duration::from_secs(2)));
        assert_eq!(tracker.reached(at(50)).unwrap().conditions, [Condition::EndTime(end)]);
    }

    #[test]
    fn with_all_a_learner_and_the_run_need_every_condition() {
        let conditions =
            [Condition::Loss(0.1), Condition::Npoints(10), Condition::Duration(Duration::from_secs(5))];
        let mut tracker = tracker(&conditions, true, 1);
        tracker.update(0, &mut State(9, 0.0, false));
        assert_eq!(tracker.reached(at(9)), None);
        tracker.update(0, &mut State(10, 0.0, false));
        assert_eq!(tracker.reached(at(4)), None);
        assert_eq!(tracker.reached(at(5)).unwrap().conditions, conditions);
    }

    #[test]
    fn forever_is_never_reached_and_points_are_still_counted() {
        let mut tracker = GoalTracker::new(Goal::Forever, 1);
        tracker.update(0, &mut State(7, 0.0, true));
        assert_eq!((tracker.reached(at(u32::MAX.into())), tracker.total_npoints()), (None, 7));
        assert_eq!(tracker.until_deadline(at(0)), None);
    }

    #[test]
    fn the_part_of_the_way_counts_finished_learners_as_whole() {
        let mut tracker = tracker(&[Condition::Loss(0.1), Condition::Npoints(100)], false, 2);
        assert_eq!(tracker.part(at(0)), Some(0.0));
        tracker.update(0, &mut State(20, 0.05, false));
        tracker.update(1, &mut State(50, 3.0, false));
        assert_eq!(tracker.part(at(0)), Some(0.75));
        tracker.update(1, &mut State(130, 3.0, false));
        assert_eq!(tracker.part(at(0)), Some(1.0));
    }

    #[test]
    fn the_part_of_the_way_is_not_known_for_a_single_loss() {
        assert_eq!(tracker(&[Condition::Loss(0.1)], false, 1).part(at(9)), None);
        let with_time = [Condition::Loss(0.1), Condition::Duration(Duration::from_secs(20))];
        assert_eq!(tracker(&with_time, false, 1).part(at(5)), Some(0.25));
        assert_eq!(tracker(&[Condition::EndTime(at(20).now)], false, 1).part(at(5)), Some(0.25));
        assert_eq!(GoalTracker::new(Goal::Forever, 3).part(at(5)), None);
    }

    #[test]
    fn a_loss_is_not_computed_if_the_goal_needs_none() {
        struct NoLoss;
        impl Progress for NoLoss {
            fn npoints(&mut self) -> u64 {
                1
            }
            fn loss(&mut self) -> f64 {
                unreachable!("the goal does not need the loss")
            }
            fn done(&mut self) -> bool {
                unreachable!("the goal does not need this")
            }
        }
        let mut tracker = tracker(&[Condition::Npoints(1)], false, 1);
        tracker.update(0, &mut NoLoss);
        assert!(tracker.reached(at(0)).is_some());
    }

    /// The goal looked at anew from all learners: the meaning, without any bookkeeping.
    fn plainly(conditions: &[Condition], all: bool, states: &[State], moment: Moment) -> bool {
        let join = |mut parts: Vec<bool>| {
            if parts.is_empty() {
                parts.push(all);
            }
            if all { parts.iter().all(|p| *p) } else { parts.iter().any(|p| *p) }
        };
        let of_learner = |State(npoints, loss, done): &State| {
            join(
                conditions
                    .iter()
                    .filter_map(|condition| match condition {
                        Condition::Loss(goal) => Some(loss <= goal),
                        Condition::Npoints(goal) => Some(npoints >= goal),
                        Condition::Done => Some(*done),
                        _ => None,
                    })
                    .collect(),
            )
        };
        let mut parts: Vec<_> = conditions
            .iter()
            .filter_map(|condition| match condition {
                Condition::TotalNpoints(goal) => Some(states.iter().map(|s| s.0).sum::<u64>() >= *goal),
                Condition::Duration(goal) => Some(moment.elapsed >= *goal),
                Condition::EndTime(goal) => Some(moment.now >= *goal),
                _ => None,
            })
            .collect();
        if conditions.iter().any(Condition::is_per_learner) {
            parts.push(states.iter().all(of_learner));
        }
        join(parts)
    }

    proptest! {
        #[test]
        fn the_tracker_agrees_with_the_plain_meaning(
            which in 1_u8..64, all: bool, learners in 1_usize..5,
            steps in prop::collection::vec((0_usize..5, 0_u64..6, 0_u8..4, any::<bool>(), 0_u64..8), 0..40),
        ) {
            let every = [
                Condition::Loss(1.0), Condition::Npoints(3), Condition::Done, Condition::TotalNpoints(9),
                Condition::Duration(Duration::from_secs(6)), Condition::EndTime(at(5).now),
            ];
            let conditions: Vec<_> = (0..6).filter(|i| which & 1 << i != 0).map(|i| every[i]).collect();
            let mut tracker = tracker(&conditions, all, learners);
            let mut states = vec![State(0, f64::INFINITY, false); learners];
            for (learner, npoints, loss, done, seconds) in steps {
                let learner = learner % learners;
                states[learner] = State(npoints, f64::from(loss), done);
                tracker.update(learner, &mut states[learner].clone());
                let part = tracker.part(at(seconds)).unwrap_or(0.0);
                prop_assert!((0.0..=1.0).contains(&part));
                prop_assert_eq!(tracker.reached(at(seconds)).is_some(), plainly(&conditions, all, &states, at(seconds)));
            }
        }
    }
}
