//! Any order of calls: a learner never asks what is known, and what it knows does not depend on the order.

use crate::{Key, all_learners, curved, function, key, line, same, samples};
use adaptive_mpi::learner::{Learner, Loss};
use adaptive_mpi::loss::{self, Curvature, IntervalLoss};
use adaptive_mpi::model::{Point, Sample, Value};
use proptest::prelude::*;
use std::collections::BTreeSet;
use std::sync::Arc;

#[derive(Clone, Debug)]
enum Step {
    Ask(usize),
    TellPending(prop::sample::Index),
    TellUnasked(usize),
    TellAgain(prop::sample::Index),
    MarkPending(usize),
    GiveUp(prop::sample::Index),
    TellGivenUp(prop::sample::Index),
    TellMany(usize),
    Forget,
}

fn steps(bulk: bool) -> impl proptest::strategy::Strategy<Value = Vec<Step>> {
    let many = if bulk { 2 } else { 0 };
    let step = prop_oneof![
        8 => (1usize..12).prop_map(Step::Ask),
        12 => any::<prop::sample::Index>().prop_map(Step::TellPending),
        2 => (0usize..6).prop_map(Step::TellUnasked),
        1 => any::<prop::sample::Index>().prop_map(Step::TellAgain),
        1 => (0usize..6).prop_map(Step::MarkPending),
        2 => any::<prop::sample::Index>().prop_map(Step::GiveUp),
        1 => any::<prop::sample::Index>().prop_map(Step::TellGivenUp),
        many => (1usize..20).prop_map(Step::TellMany),
        1 => Just(Step::Forget),
    ];
    prop::collection::vec(step, 1..60)
}

/// Drives a learner and keeps books beside it.
struct Driven {
    learner: Box<dyn Learner>,
    told: Vec<Sample>,
    pending: Vec<Sample>,
    given_up: Vec<Sample>,
    /// What was told, and what was given up, in its order.
    facts: Vec<(Sample, bool)>,
    known: BTreeSet<Key>,
}

impl Driven {
    /// Every other sequence of steps is that of many workers.
    fn of(mut learner: Box<dyn Learner>, steps: &[Step]) -> Self {
        if steps.len() % 2 == 1 {
            learner.work_in_parallel();
        }
        Self::new(learner)
    }

    fn new(learner: Box<dyn Learner>) -> Self {
        Self {
            learner,
            told: Vec::new(),
            pending: Vec::new(),
            given_up: Vec::new(),
            facts: Vec::new(),
            known: BTreeSet::new(),
        }
    }

    fn tell(&mut self, sample: Sample) {
        self.learner.tell(&sample, &function(&sample)).unwrap();
        self.known.insert(key(&sample));
        self.facts.push((sample.clone(), true));
        self.told.push(sample);
    }

    /// Forgets what is pending, but not what was given up.
    fn forget(&mut self) {
        self.learner.remove_unfinished();
        self.given_up.iter().for_each(|sample| self.learner.give_up(sample));
    }

    /// A point that the learner would ask as the i-th from now on.
    fn future(&mut self, i: usize) -> Option<Sample> {
        self.learner.suggest(i + 1).pop().map(|suggestion| suggestion.sample)
    }

    fn step(&mut self, step: &Step) -> Result<(), TestCaseError> {
        match step {
            Step::Ask(n) => {
                let losses = [Loss::Real, Loss::Expected].map(|which| self.learner.loss(which).to_bits());
                let suggested = self.learner.suggest(*n);
                prop_assert_eq!(losses, [Loss::Real, Loss::Expected].map(|w| self.learner.loss(w).to_bits()));
                prop_assert!(same(&suggested, &self.learner.suggest(*n)), "suggest changed something");
                let asked = self.learner.ask(*n);
                prop_assert!(same(&suggested, &asked), "suggest {suggested:?}, ask {asked:?}");
                prop_assert!(asked.len() == *n || self.learner.suggest(1).is_empty());
                let bounds = self.learner.bounding_box().unwrap_or_default();
                for suggestion in asked {
                    let mut within = bounds.iter().zip(suggestion.sample.point.iter());
                    prop_assert!(within.all(|((lo, hi), x)| lo <= x && x <= hi), "{suggestion:?} is outside");
                    prop_assert!(self.known.insert(key(&suggestion.sample)), "{suggestion:?} was known");
                    // Upstream's losses are NaN beside a NaN.
                    let improvement = suggestion.loss_improvement;
                    prop_assert!(improvement >= 0.0 || improvement.is_nan() && !self.facts.is_empty());
                    self.pending.push(suggestion.sample);
                }
            }
            Step::TellPending(index) if !self.pending.is_empty() => {
                let at = index.index(self.pending.len());
                let sample = self.pending.remove(at);
                self.tell(sample);
            }
            Step::TellUnasked(i) => {
                if let Some(sample) = self.future(*i) {
                    self.tell(sample);
                }
            }
            Step::TellAgain(index) if !self.told.is_empty() => {
                let next = self.learner.suggest(3);
                let sample = self.told[index.index(self.told.len())].clone();
                self.learner.tell(&sample, &Value::scalar(1e9)).unwrap();
                self.learner.tell_pending(&sample);
                prop_assert!(same(&next, &self.learner.suggest(3)));
            }
            Step::MarkPending(i) => {
                if let Some(sample) = self.future(*i) {
                    self.learner.tell_pending(&sample);
                    self.known.insert(key(&sample));
                    self.pending.push(sample);
                }
            }
            Step::TellMany(n) => {
                let n = (*n).min(self.pending.len());
                let many: Vec<_> = self.pending.drain(..n).map(|s| (s.clone(), function(&s))).collect();
                self.learner.tell_many(&many).unwrap();
                self.told.extend(many.into_iter().map(|(sample, _)| sample));
            }
            Step::GiveUp(index) if !self.pending.is_empty() => {
                let sample = self.pending.remove(index.index(self.pending.len()));
                self.learner.give_up(&sample);
                self.facts.push((sample.clone(), false));
                self.given_up.push(sample);
            }
            Step::TellGivenUp(index) if !self.given_up.is_empty() => {
                let sample = self.given_up.remove(index.index(self.given_up.len()));
                self.tell(sample);
            }
            Step::Forget => {
                self.forget();
                self.pending.drain(..).for_each(|sample| {
                    self.known.remove(&key(&sample));
                });
            }
            Step::TellPending(_) | Step::TellAgain(_) | Step::GiveUp(_) | Step::TellGivenUp(_) => {}
        }
        prop_assert_eq!(self.learner.npoints(), self.told.len());
        prop_assert_eq!(self.learner.npending(), self.pending.len() + self.given_up.len());
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn no_order_of_calls_makes_a_learner_ask_a_known_point(steps in steps(true)) {
        for (name, learner) in all_learners() {
            let mut driven = Driven::of(learner, &steps);
            for step in &steps {
                driven.step(step).map_err(|e| TestCaseError::fail(format!("{name}: {e}")))?;
            }
        }
    }

    #[test]
    fn a_learner_rebuilt_from_its_values_goes_on_as_if_never_stopped(steps in steps(false)) {
        for (name, learner) in all_learners() {
            let mut driven = Driven::of(learner, &steps);
            for step in &steps {
                driven.step(step)?;
            }
            let mut rebuilt = driven.learner.new_empty();
            prop_assert_eq!((rebuilt.npoints(), rebuilt.npending()), (0, 0));
            for (sample, is_told) in &driven.facts {
                match is_told {
                    true => rebuilt.tell(sample, &function(sample)).unwrap(),
                    false => rebuilt.give_up(sample),
                }
            }
            driven.forget();
            // As when a run stops. Where a point that was given up is nothing but pending, it matters since when; and shares of a
            // loss may differ from it in the last digit.
            rebuilt.remove_unfinished();
            driven.given_up.iter().for_each(|sample| rebuilt.give_up(sample));
            for which in [Loss::Real, Loss::Expected] {
                prop_assert_eq!(rebuilt.loss(which).to_bits(), driven.learner.loss(which).to_bits(), "{}", name);
            }
            for n in [1, 7] {
                let (live, rebuilt) = (driven.learner.ask(n), rebuilt.ask(n));
                prop_assert!(same(&live, &rebuilt), "{}: {:?} {:?}", name, live, rebuilt);
            }
        }
    }

    #[test]
    fn a_copy_goes_its_own_way(steps in steps(true)) {
        for (_, learner) in all_learners() {
            let mut driven = Driven::new(learner);
            for step in &steps {
                driven.step(step)?;
            }
            let mut copy = driven.learner.boxed_clone();
            let asked = copy.ask(5);
            prop_assert_eq!(driven.learner.npending(), driven.pending.len() + driven.given_up.len());
            prop_assert!(same(&asked, &driven.learner.ask(5)));
        }
    }

    #[test]
    fn the_order_of_tells_between_two_asks_is_irrelevant(
        n in 3usize..40,
        order in prop::collection::vec(any::<u32>(), 40),
        told_many in any::<bool>(),
    ) {
        // The range of values is known from the start: losses of different age share one scale.
        let value = |sample: &Sample| Value::scalar((9.0 * sample.point.x()).sin().clamp(-1.0, 1.0));
        let range = [(-1.0, -1.0), (1.0, 1.0)].map(|(x, y)| (Sample::at(Point::scalar(x)), Value::scalar(y)));
        let mut next = Vec::new();
        for shuffled in [false, true] {
            for loss in [loss::default_interval_loss(), Arc::new(Curvature::default()) as Arc<dyn IntervalLoss>] {
                let mut learner = line((-1.0, 1.0), loss);
                for (sample, value) in &range {
                    learner.tell(sample, value).unwrap();
                }
                let mut asked: Vec<(u32, Sample)> = order.iter().copied().zip(samples(&learner.ask(n))).collect();
                if shuffled {
                    asked.sort_by_key(|(rank, _)| *rank);
                }
                if told_many {
                    let told: Vec<_> = asked.iter().map(|(_, s)| (s.clone(), value(s))).collect();
                    learner.tell_many(&told).unwrap();
                } else {
                    asked.iter().for_each(|(_, s)| learner.tell(s, &value(s)).unwrap());
                }
                next.push(learner.ask(10));
            }
        }
        prop_assert!(same(&next[0], &next[2]));
        prop_assert!(same(&next[1], &next[3]));
    }

    #[test]
    fn values_that_were_never_asked_count_like_asked_ones(xs in prop::collection::vec(-1.0f64..1.5, 1..40)) {
        let mut asked = curved((-1.0, 1.5));
        let mut given = curved((-1.0, 1.5));
        let told: Vec<_> = xs.iter().map(|x| Sample::at(Point::scalar(*x))).collect();
        told.iter().for_each(|sample| asked.tell_pending(sample));
        for sample in &told {
            asked.tell(sample, &function(sample)).unwrap();
            given.tell(sample, &function(sample)).unwrap();
        }
        prop_assert!(same(&asked.ask(9), &given.ask(9)));
    }

    #[test]
    fn expected_losses_share_out_the_real_ones(
        rounds in prop::collection::vec(prop::collection::vec((-1.2f64..1.7, any::<bool>()), 0..30), 1..4),
    ) {
        let mut learner = curved((-1.0, 1.5));
        let (mut told, mut pending) = (Vec::new(), Vec::new());
        for (i, round) in rounds.iter().enumerate() {
            if i > 0 {
                learner.remove_unfinished();
                pending.clear();
            }
            for (x, is_told) in round {
                let sample = Sample::at(Point::scalar(*x));
                if *is_told {
                    learner.tell(&sample, &function(&sample)).unwrap();
                    told.push(*x);
                } else {
                    learner.tell_pending(&sample);
                    pending.push(*x);
                }
            }
        }

        let inside = |xs: &[f64]| {
            let mut inside: Vec<f64> = xs.iter().copied().filter(|x| (-1.0..=1.5).contains(x)).collect();
            inside.sort_by(f64::total_cmp);
            inside
        };
        prop_assert_eq!(learner.told().map(|(x, _)| x).collect::<Vec<_>>(), inside(&told));
        prop_assert_eq!(learner.pending().collect::<Vec<_>>(), inside(&pending));
        prop_assert_eq!((learner.npoints(), learner.npending()), (told.len(), pending.len()));
        let (told, pending) = (inside(&told).len(), inside(&pending).len());
        let real = learner.intervals(Loss::Real);
        let expected = learner.intervals(Loss::Expected);
        prop_assert_eq!(real.len(), told.saturating_sub(1));
        prop_assert_eq!(expected.len(), (told + pending).saturating_sub(1));
        for (p, q, share) in expected {
            match real.iter().find(|(a, b, _)| *a <= p && q <= *b) {
                Some((a, b, loss)) => prop_assert!((share - loss * (q - p) / (b - a)).abs() <= 1e-14 * loss),
                None => prop_assert_eq!(share, f64::INFINITY),
            }
        }
    }
}
