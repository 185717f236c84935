//! Many learners as one.

use crate::{curved, function, settings};
use adaptive_mpi::learner::{self, BalancingLearner, Learner, SequenceLearner, Strategy, Suggestion};
use adaptive_mpi::model::settings::{SettingValue, Table};
use adaptive_mpi::model::{Point, Sample};

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
