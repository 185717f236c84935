//! Runs that tell in the order of asks go on after a restart as if they had never stopped.

use crate::{Key, all_learners, function, key, settings, triangle_loss_settings};
use adaptive_mpi::checkpoint::{Columns, Fact, Loaded, Meta};
use adaptive_mpi::learner::{self, Learner};
use adaptive_mpi::loss::triangle::TRIANGLE_LOSSES;
use adaptive_mpi::model::settings::SettingValue;
use adaptive_mpi::model::{Failure, FailureKind, Outcome, Sample};
use adaptive_mpi::runner::goal::{Goal, GoalTracker};
use adaptive_mpi::runner::{Engine, NanPolicy, Order, Policy, Work, restore};

fn policy(window: usize) -> Policy {
    Policy { retries: 1, nan: NanPolicy::Accept, order: Order::Asked { window } }
}

/// Some points fail once, some always.
fn outcome(sample: &Sample, tried: usize) -> Outcome {
    let chance = sample.point.iter().map(|x| 1e3 * x).sum::<f64>().rem_euclid(1.0);
    // The corners are spared: without them some learners have no loss.
    let fails = chance != 0.0 && (chance < 0.1 || chance < 0.2 && tried == 0);
    if fails { Err(Failure::new(FailureKind::Error, "no luck")) } else { Ok(function(sample)) }
}

/// A run of which all facts are remembered, as in a checkpoint.
struct Run {
    engine: Engine,
    facts: Vec<Fact>,
    working: Vec<Work>,
}

impl Run {
    fn new(engine: Engine) -> Self {
        Self { engine, facts: Vec::new(), working: Vec::new() }
    }

    /// Evaluates, always the youngest in flight first, until so many samples are settled.
    fn until(&mut self, settled: usize) {
        while self.settled().len() < settled {
            self.engine.next(100, &mut self.working);
            let Some(work) = self.working.pop() else { return };
            let of = |fact: &&Fact| *fact.sample() == work.sample;
            let tried = self.facts.iter().filter(of).count();
            self.engine.completed(work.key, outcome(&work.sample, tried), Meta::default());
            while self.settled().len() < settled
                && let Some(fact) = self.engine.settle()
            {
                self.facts.push(fact);
            }
        }
    }

    /// Stops while the oldest point is with a worker that does not come back.
    fn stop_without_the_oldest(&mut self) {
        self.engine.stop_asking();
        for work in self.working.drain(..).skip(1) {
            self.engine.completed(work.key, outcome(&work.sample, 1), Meta::default());
        }
        while let Some(fact) = self.engine.settle().or_else(|| self.engine.settle_early()) {
            self.facts.push(fact);
        }
    }

    /// Goes on from the facts alone, and with what the last snapshot says to have been in flight.
    fn restart(&self, learner: &dyn Learner, window: usize, in_flight: Vec<Sample>) -> Self {
        let mut loaded = Loaded { columns: Columns::default(), in_flight, ..Loaded::default() };
        for (number, fact) in (0..).zip(&self.facts) {
            match fact {
                Fact::Told(told) => loaded.columns.push(told),
                Fact::Failed(failed) => {
                    loaded.failures.push(failed.clone());
                    loaded.failure_numbers.push(number);
                }
            }
        }
        let mut goals = GoalTracker::new(Goal::Forever, learner.children().map_or(1, <[_]>::len));
        let restored =
            restore(learner.new_empty(), policy(window), &loaded, &Some, &mut goals, false).unwrap();
        Self { facts: self.facts.clone(), ..Self::new(restored.0) }
    }

    /// Samples that were told or given up, in their order: that of other attempts depends on what comes back first.
    fn settled(&self) -> Vec<Key> {
        let last = |fact: &&Fact| !matches!(fact, Fact::Failed(failed) if !failed.given_up);
        self.facts.iter().filter(last).map(|fact| key(fact.sample())).collect()
    }

    fn same_as(&self, other: &Self) -> Result<(), String> {
        let (own, others) = (self.settled(), other.settled());
        match own.iter().zip(&others).position(|(own, other)| own != other) {
            Some(at) => Err(format!("number {at} is {:?} instead of {:?}", own[at], others[at])),
            None if own.len() == others.len() => Ok(()),
            None => Err(format!("{} instead of {}", own.len(), others.len())),
        }
    }
}

/// All learners, and those with a stack of other sizes.
fn learners() -> Vec<(String, Box<dyn Learner>)> {
    let mut all = all_learners();
    for (kind, stack) in TRIANGLE_LOSSES.iter().flat_map(|kind| [(kind, 1), (kind, 10)]) {
        let table = settings("2d")
            .with("loss", triangle_loss_settings(kind.name))
            .with("stack_size", SettingValue::Integer(stack));
        all.push((format!("2d, {}, stack {stack}", kind.name), learner::from_settings(&table).unwrap()));
    }
    all
}

#[test]
fn a_restart_asks_what_a_run_without_a_break_asks() {
    for (name, learner) in learners() {
        for window in [1, 6] {
            let mut whole = Run::new(Engine::new(learner.new_empty(), policy(window)));
            whole.until(90);
            for stop in [1, 3, 20, 57] {
                let mut run = Run::new(Engine::new(learner.new_empty(), policy(window)));
                run.until(stop);
                for in_flight in [run.engine.unfinished(), Vec::new()] {
                    let mut again = run.restart(learner.as_ref(), window, in_flight);
                    again.until(90);
                    again.same_as(&whole).unwrap_or_else(|why| {
                        panic!("{name}, {window} in flight, from {stop}: {why}");
                    });
                    assert_eq!(again.engine.unfinished(), whole.engine.unfinished(), "{name}");
                }
            }
        }
    }
}

#[test]
fn a_break_with_results_that_came_before_their_turn_is_gone_over_too() {
    for (name, learner) in learners() {
        let window = 6;
        let mut first = Run::new(Engine::new(learner.new_empty(), policy(window)));
        first.until(30);
        first.stop_without_the_oldest();
        let open = first.engine.unfinished();
        let mut second = first.restart(learner.as_ref(), window, open.clone());
        assert!(open.iter().all(|sample| second.engine.unfinished().contains(sample)), "{name}");
        second.until(60);
        let mut third = second.restart(learner.as_ref(), window, second.engine.unfinished());
        second.until(90);
        third.until(90);
        third.same_as(&second).unwrap_or_else(|why| panic!("{name}: {why}"));
    }
}

#[test]
fn other_settings_than_before_lose_no_value() {
    for (name, learner) in learners() {
        let mut run = Run::new(Engine::new(learner.new_empty(), policy(6)));
        run.until(40);
        let told = run.engine.learner().npoints();
        for window in [1, 2, 50] {
            let mut again = run.restart(learner.as_ref(), window, run.engine.unfinished());
            assert_eq!(again.engine.learner().npoints(), told, "{name}");
            again.until(60);
            let mut samples = again.settled();
            let before = samples.len();
            samples.sort();
            samples.dedup();
            assert_eq!(samples.len(), before, "{name}: a point was asked twice");
        }
    }
}
