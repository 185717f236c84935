//! Many learners as one.

use crate::{curved, function, settings};
use adaptive_mpi::learner::{
    self, BalancingLearner, Learner, Loss, SequenceLearner, Strategy, Suggestion, TellError,
};
use adaptive_mpi::model::settings::{SettingValue, Table};
use adaptive_mpi::model::{Point, Sample, Signature, Value};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

#[test]
fn an_exhausted_child_neither_starves_nor_blocks_the_others() {
    for (strategy, name, _) in Strategy::ALL {
        let children: Vec<Box<dyn Learner>> = vec![
            Box::new(SequenceLearner::of_numbers(vec![1.0, 2.0]).unwrap()),
            Box::new(curved((-1.0, 1.0))),
            Box::new(SequenceLearner::of_numbers(vec![]).unwrap()),
            Box::new(curved((-1.0, 2.0))),
        ];
        let mut learner = BalancingLearner::new(children, *strategy);
        for _ in 0..30 {
            let asked = learner.ask(4);
            assert_eq!(asked.len(), 4, "{name}");
            asked.iter().for_each(|s| learner.tell(&s.sample, &function(&s.sample)).unwrap());
        }
        let npoints: Vec<_> = learner.children().unwrap().iter().map(|child| child.npoints()).collect();
        assert_eq!((npoints[0], npoints[2]), (2, 0), "{name}");
        assert!(npoints[1] > 20 && npoints[3] > 20, "{name}: {npoints:?}");

        let finite = |n| Box::new(SequenceLearner::of_numbers(vec![0.5; n]).unwrap()) as Box<dyn Learner>;
        let mut learner = BalancingLearner::new(vec![finite(2), finite(3)], *strategy);
        assert_eq!(learner.ask(9).len(), 5, "{name}");
        assert!(learner.ask(1).is_empty() && learner.suggest(1).is_empty(), "{name}");
        assert_eq!(learner.done(), Some(false));
        learner.remove_unfinished();
        assert_eq!(learner.ask(9).len(), 5, "{name}");
    }
}

#[test]
fn a_batch_by_loss_is_spread_over_the_children() {
    let mut learner =
        BalancingLearner::new((0..3).map(|_| Box::new(curved((-1.0, 1.0))) as _).collect(), Strategy::Loss);
    for child in 0..3 {
        for x in [-1.0, 1.0] {
            let sample = Sample::at(Point::scalar(x)).of_learner(child);
            learner.tell(&sample, &function(&sample)).unwrap();
        }
    }
    let asked = learner.ask(21);
    for child in 0..3 {
        assert_eq!(asked.iter().filter(|s| s.sample.learner == child).count(), 7);
    }
}

#[test]
fn a_child_that_does_not_exist_is_foreign() {
    let mut learner = BalancingLearner::new(vec![Box::new(curved((-1.0, 1.0)))], Strategy::Cycle);
    let sample = Sample::at(Point::scalar(0.0)).of_learner(1);
    let error = learner.tell(&sample, &1.0.into()).unwrap_err();
    assert_eq!(error.to_string(), "the point does not belong to this learner: learner 1 of 1");
    assert_eq!(learner.tell_many(&[(sample.clone(), 1.0.into())]), Err(error));
    learner.tell_pending(&sample);
    assert_eq!((learner.npoints(), learner.npending()), (0, 0));
}

#[test]
fn strategies_are_known_by_name() {
    for (strategy, name, _) in Strategy::ALL {
        assert_eq!((name.parse(), strategy.name()), (Ok(*strategy), *name));
    }
    let table = |name: &str| Table::new("balancing").with("strategy", SettingValue::Text(name.into()));
    assert_eq!(Strategy::from_settings(&Table::new("balancing")), Ok(Strategy::LossImprovements));
    assert_eq!(Strategy::from_settings(&table("npoints")), Ok(Strategy::Npoints));
    assert_eq!(Strategy::from_settings(&table("cycles")).unwrap_err().help, "did you mean `cycle`?");
    assert!("los".parse::<Strategy>().unwrap_err().to_string().contains("loss_improvements"));
}

#[test]
fn a_child_that_rests_is_not_asked_until_it_is_woken() {
    for (strategy, name, _) in Strategy::ALL {
        let children = (0..3).map(|_| learner::from_settings(&settings("1d")).unwrap()).collect();
        let mut learner = BalancingLearner::new(children, *strategy);
        let of = |asked: Vec<Suggestion>, child: u32| {
            asked.iter().filter(|suggestion| suggestion.sample.learner == child).count()
        };
        learner.rest(1, true);
        assert_eq!(of(learner.suggest(12), 1), 0, "{name}");
        assert_eq!(of(learner.ask(12), 1), 0, "{name}");
        learner.rest(1, false);
        assert!(of(learner.ask(12), 1) > 0, "{name}");
        (0..3).for_each(|child| learner.rest(child, true));
        assert!(learner.ask(1).is_empty(), "{name}");
    }
}

#[test]
fn a_mean_that_does_not_exist_keeps_nobody_busy() {
    for (strategy, name, _) in Strategy::ALL {
        let child = || learner::from_settings(&settings("average")).unwrap();
        let mut learner = BalancingLearner::new(vec![child(), child(), child()], *strategy);
        for _ in 0..150 {
            let sample = learner.ask(1).remove(0).sample;
            let value = if sample.learner == 1 { f64::NAN.into() } else { function(&sample) };
            learner.tell(&sample, &value).unwrap();
        }
        let children = learner.children().unwrap();
        let npoints: Vec<_> = children.iter().map(|child| child.npoints()).collect();
        assert!(npoints[1] <= 20 && npoints[0].min(npoints[2]) > 40, "{name}: {npoints:?}");
        assert!(children[0].hopeless().is_none() && children[1].hopeless().is_some(), "{name}");
    }
}

/// A list of points that counts how often it is asked.
struct Counting {
    list: Box<dyn Learner>,
    asked: Arc<AtomicUsize>,
}

impl Learner for Counting {
    fn kind(&self) -> &'static str {
        self.list.kind()
    }

    fn signature(&self) -> Signature {
        self.list.signature()
    }

    fn ask_into(&mut self, n: usize, out: &mut Vec<Suggestion>) {
        self.asked.fetch_add(1, Ordering::Relaxed);
        self.list.ask_into(n, out);
    }

    fn tell(&mut self, sample: &Sample, value: &Value) -> Result<(), TellError> {
        self.list.tell(sample, value)
    }

    fn tell_pending(&mut self, sample: &Sample) {
        self.list.tell_pending(sample);
    }

    fn remove_unfinished(&mut self) {
        self.list.remove_unfinished();
    }

    fn loss(&self, which: Loss) -> f64 {
        self.list.loss(which)
    }

    fn npoints(&self) -> usize {
        self.list.npoints()
    }

    fn npending(&self) -> usize {
        self.list.npending()
    }

    fn new_empty(&self) -> Box<dyn Learner> {
        self.boxed_clone()
    }

    fn boxed_clone(&self) -> Box<dyn Learner> {
        Box::new(Self { list: self.list.boxed_clone(), asked: self.asked.clone() })
    }
}

#[test]
fn in_turn_a_child_that_had_nothing_is_asked_again_only_after_a_change() {
    let asked = Arc::new(AtomicUsize::new(0));
    let list = Box::new(SequenceLearner::of_numbers(vec![1.0, 2.0]).unwrap());
    let children: Vec<Box<dyn Learner>> =
        vec![Box::new(curved((-1.0, 1.0))), Box::new(Counting { list, asked: asked.clone() })];
    let mut learner = BalancingLearner::new(children, Strategy::Cycle);
    learner.ask(50);
    assert_eq!(asked.load(Ordering::Relaxed), 3);
    learner.remove_unfinished();
    let of_list = learner.ask(50).into_iter().filter(|suggestion| suggestion.sample.learner == 1);
    let of_list: Vec<Sample> = of_list.map(|suggestion| suggestion.sample).collect();
    assert_eq!((of_list.len(), asked.load(Ordering::Relaxed)), (2, 6));
    learner.tell(&of_list[0], &0.5.into()).unwrap();
    learner.give_up(&of_list[1]);
    learner.ask(50);
    assert_eq!(asked.load(Ordering::Relaxed), 7);
}

#[test]
fn after_all_is_forgotten_children_plan_as_rebuilt_ones_do() {
    let child = || {
        let table = settings("2d").with("loss", SettingValue::Text("default".into()));
        learner::from_settings(&table.with("stack_size", SettingValue::Integer(10))).unwrap()
    };
    for (strategy, name, _) in Strategy::ALL {
        let new = || BalancingLearner::new(vec![child(), child()], *strategy);
        let (mut learner, mut told, mut given_up) = (new(), Vec::new(), Vec::new());
        // Of the points that one child has planned some are told, and none is pending; of the other's, one has failed.
        while told.len() < 40 || given_up.is_empty() {
            let sample = learner.ask(1).remove(0).sample;
            if told.len() >= 40 && sample.learner == 1 {
                learner.give_up(&sample);
                given_up.push(sample);
            } else {
                learner.tell(&sample, &function(&sample)).unwrap();
                told.push(sample);
            }
        }
        learner.suggest(1);
        learner.remove_unfinished();
        let mut rebuilt = new();
        told.iter().for_each(|sample| rebuilt.tell(sample, &function(sample)).unwrap());
        given_up.iter().for_each(|sample| rebuilt.give_up(sample));
        rebuilt.remove_unfinished();
        assert_eq!(learner.suggest(12), rebuilt.suggest(12), "{name}");
        for _ in 0..12 {
            assert_eq!(learner.ask(1), rebuilt.ask(1), "{name}");
        }
    }
}
