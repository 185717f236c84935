use super::engine::{Engine, NanPolicy, Order, Policy, Work};
use crate::checkpoint::{Fact, Meta};
use crate::learner::{Learner, Loss, Suggestion, TellError};
use crate::model::{Detail, Failure, FailureKind, Point, Sample, Signature, Value};
use proptest::prelude::*;
use std::sync::{Arc, Mutex};

/// Asks 0, 1, 2, … up to a limit and records all calls.
struct Counting {
    asked: u64,
    limit: u64,
    calls: Arc<Mutex<Vec<String>>>,
    told: usize,
}

fn counting(limit: u64) -> (Box<dyn Learner>, Arc<Mutex<Vec<String>>>) {
    let calls = Arc::new(Mutex::new(Vec::new()));
    (Box::new(Counting { asked: 0, limit, calls: Arc::clone(&calls), told: 0 }), calls)
}

impl Learner for Counting {
    fn kind(&self) -> &'static str {
        "counting"
    }
    fn signature(&self) -> Signature {
        Signature::line()
    }
    fn ask_into(&mut self, n: usize, out: &mut Vec<Suggestion>) {
        for _ in 0..n.min((self.limit - self.asked) as usize) {
            self.calls.lock().unwrap().push(format!("ask {}", self.asked));
            let sample = Sample::at(Point::scalar(self.asked as f64));
            out.push(Suggestion { sample, loss_improvement: 1.0 });
            self.asked += 1;
        }
    }
    fn suggest(&mut self, _: usize) -> Vec<Suggestion> {
        Vec::new()
    }
    fn tell(&mut self, sample: &Sample, value: &Value) -> Result<(), TellError> {
        if value.components.len() != 1 {
            return Err(TellError::WrongShape { expected: 1, got: value.components.len() });
        }
        self.calls.lock().unwrap().push(format!("tell {}", sample.point.x()));
        self.told += 1;
        Ok(())
    }
    fn tell_pending(&mut self, sample: &Sample) {
        self.calls.lock().unwrap().push(format!("pending {}", sample.point.x()));
    }
    fn remove_unfinished(&mut self) {}
    fn loss(&self, _: Loss) -> f64 {
        1.0 / self.told as f64
    }
    fn npoints(&self) -> usize {
        self.told
    }
    fn npending(&self) -> usize {
        self.asked as usize - self.told
    }
    fn new_empty(&self) -> Box<dyn Learner> {
        counting(self.limit).0
    }
    fn boxed_clone(&self) -> Box<dyn Learner> {
        Box::new(Counting { calls: Arc::default(), ..*self })
    }
}

const POLICY: Policy = Policy { retries: 2, nan: NanPolicy::Accept, order: Order::Arrival };

fn next(engine: &mut Engine, room: usize) -> Vec<Work> {
    let mut work = Vec::new();
    engine.next(room, &mut work);
    work
}

fn xs(work: &[Work]) -> Vec<f64> {
    work.iter().map(|work| work.sample.point.x()).collect()
}

fn failure() -> Failure {
    Failure::new(FailureKind::Error, "no luck")
}

fn settle_all(engine: &mut Engine) -> Vec<Fact> {
    std::iter::from_fn(|| engine.settle()).collect()
}

#[test]
fn a_result_is_told_once_and_becomes_a_fact() {
    let (learner, calls) = counting(10);
    let mut engine = Engine::new(learner, POLICY);
    let work = next(&mut engine, 2);
    assert_eq!(xs(&work), [0.0, 1.0]);
    engine.completed(work[1].key, Ok(5.0.into()), Meta::default());
    // A late answer to the same attempt.
    engine.completed(work[1].key, Ok(6.0.into()), Meta::default());
    let facts = settle_all(&mut engine);
    assert!(
        matches!(&facts[..], [Fact::Told(told)] if told.value.y() == 5.0 && told.sample.point.x() == 1.0)
    );
    assert_eq!(*calls.lock().unwrap(), ["ask 0", "ask 1", "tell 1"]);
    assert_eq!(engine.unfinished().len(), 1);
}

#[test]
fn a_failed_sample_is_tried_again_before_new_ones_and_then_given_up() {
    let (learner, calls) = counting(10);
    let mut engine = Engine::new(learner, POLICY);
    for attempt in 0..3 {
        let work = next(&mut engine, 1);
        assert_eq!(xs(&work), [0.0], "attempt {attempt}");
        engine.completed(work[0].key, Err(failure()), Meta::default());
        let facts = settle_all(&mut engine);
        let [Fact::Failed(failed)] = &facts[..] else { panic!("{facts:?}") };
        assert_eq!((failed.meta.attempt, failed.given_up), (attempt, attempt == 2));
    }
    assert_eq!(engine.given_up(), 1);
    assert_eq!(
        (engine.failed_attempts(), engine.retried()),
        (3, 2),
        "the last failure is followed by no attempt"
    );
    assert!(engine.first_given_up().is_some());
    assert_eq!(xs(&next(&mut engine, 1)), [1.0], "a sample given up is not asked again");
    assert!(!calls.lock().unwrap().iter().any(|call| call.starts_with("tell")));
}

#[test]
fn retries_count_over_restarts_and_samples_given_up_stay_out() {
    let (learner, calls) = counting(10);
    let mut engine = Engine::new(learner, POLICY);
    engine.leave_out(&Sample::at(Point::scalar(7.0)));
    engine.resume(Sample::at(Point::scalar(8.0)), 2);
    let work = next(&mut engine, 2);
    assert_eq!(xs(&work), [8.0, 0.0]);
    engine.completed(work[0].key, Err(failure()), Meta::default());
    let facts = settle_all(&mut engine);
    assert!(matches!(&facts[..], [Fact::Failed(failed)] if failed.given_up && failed.meta.attempt == 2));
    assert_eq!(calls.lock().unwrap()[..2], ["pending 7", "pending 8"]);
    assert_eq!(engine.given_up(), 2);
}

#[test]
fn a_sample_that_is_retried_is_owed_until_it_has_a_value_or_is_given_up_again() {
    let mut engine = Engine::new(counting(10).0, Policy { retries: 1, ..POLICY });
    engine.retry(Sample::at(Point::scalar(7.0)), 0);
    engine.retry(Sample::at(Point::scalar(8.0)), 0);
    let work = next(&mut engine, 2);
    assert_eq!((xs(&work), engine.owed()), (vec![7.0, 8.0], 2));
    engine.completed(work[0].key, Ok(1.0.into()), Meta::default());
    engine.completed(work[1].key, Err(failure()), Meta::default());
    settle_all(&mut engine);
    assert_eq!(engine.owed(), 1);
    let again = next(&mut engine, 1);
    engine.completed(again[0].key, Err(failure()), Meta::default());
    settle_all(&mut engine);
    assert_eq!((xs(&again), engine.owed(), engine.given_up()), (vec![8.0], 0, 1));
}

#[test]
fn a_function_that_can_not_start_costs_no_attempt_and_is_no_fact() {
    let mut engine = Engine::new(counting(10).0, POLICY);
    for _ in 1..20 {
        let work = next(&mut engine, 1);
        assert_eq!(xs(&work), [0.0]);
        let failure = Failure::new(FailureKind::Setup, "no module named numpy");
        engine.completed(work[0].key, Err(failure), Meta::default());
        assert!(settle_all(&mut engine).is_empty());
    }
    let work = next(&mut engine, 1);
    engine.completed(work[0].key, Ok(1.0.into()), Meta::default());
    assert!(matches!(&settle_all(&mut engine)[..], [Fact::Told(told)] if told.meta.attempt == 0));
}

#[test]
fn the_outputs_of_a_value_that_the_learner_refuses_bind_no_other() {
    let named = |outputs: &[(&str, f64)]| {
        let mut value = Value::vector(&outputs.iter().map(|(_, y)| *y).collect::<Vec<_>>());
        let names = outputs.iter().map(|(name, _)| (*name).to_owned()).collect();
        value.detail = Some(Box::new(Detail { names, extra: None }));
        value
    };
    let mut engine = Engine::new(counting(3).0, Policy { retries: 0, ..POLICY });
    let work = next(&mut engine, 3);
    engine.completed(work[0].key, Ok(named(&[("error", 1.0), ("code", 3.0)])), Meta::default());
    engine.completed(work[1].key, Ok(named(&[("y", 1.0)])), Meta::default());
    engine.completed(work[2].key, Ok(named(&[("z", 1.0)])), Meta::default());
    let facts = settle_all(&mut engine);
    assert!(matches!(&facts[..], [Fact::Failed(_), Fact::Told(_), Fact::Failed(_)]), "{facts:?}");
}

#[test]
fn nan_is_a_failure_where_the_policy_says_so() {
    for (nan, told) in [(NanPolicy::Accept, true), (NanPolicy::Fail, false)] {
        let mut engine = Engine::new(counting(1).0, Policy { nan, ..POLICY });
        let work = next(&mut engine, 1);
        engine.completed(work[0].key, Ok(f64::NAN.into()), Meta::default());
        assert_eq!(matches!(settle_all(&mut engine)[..], [Fact::Told(_)]), told);
    }
}

#[test]
fn a_value_that_the_learner_refuses_is_a_failure() {
    let mut engine = Engine::new(counting(1).0, POLICY);
    let work = next(&mut engine, 1);
    engine.completed(work[0].key, Ok(Value::vector(&[1.0, 2.0])), Meta::default());
    let facts = settle_all(&mut engine);
    assert!(matches!(&facts[..], [Fact::Failed(failed)] if failed.failure.kind == FailureKind::WrongShape));
}

#[test]
fn a_stopping_engine_gives_no_work_and_keeps_results() {
    let mut engine = Engine::new(counting(10).0, POLICY);
    let work = next(&mut engine, 3);
    engine.stop_asking();
    engine.withdrawn(work[2].key);
    engine.completed(work[0].key, Ok(1.0.into()), Meta::default());
    assert!(next(&mut engine, 5).is_empty());
    assert_eq!(settle_all(&mut engine).len(), 1);
    let unfinished: Vec<f64> = engine.unfinished().iter().map(|sample| sample.point.x()).collect();
    assert_eq!(unfinished, [1.0, 2.0]);
}

#[test]
fn an_exhausted_learner_ends_only_after_its_last_result() {
    let mut engine = Engine::new(counting(2).0, POLICY);
    let work = next(&mut engine, 5);
    assert_eq!(work.len(), 2);
    assert!(!engine.is_exhausted());
    for work in work {
        engine.completed(work.key, Ok(1.0.into()), Meta::default());
    }
    assert!(!engine.is_exhausted(), "results are not settled yet");
    settle_all(&mut engine);
    next(&mut engine, 1);
    assert!(engine.is_exhausted());
}

proptest! {
    /// However results arrive, on however many workers, with whatever failures and refused values on the way, a learner that is
    /// told in the order of asks sees exactly the same calls.
    #[test]
    fn told_in_the_order_of_asks_the_learner_sees_the_same_calls(
        workers in 1_usize..9,
        window in 1_usize..12,
        choices in prop::collection::vec((0_usize..100, 0_u8..20), 600),
    ) {
        let run = |workers: usize, choices: &[(usize, u8)]| {
            let (learner, calls) = counting(40);
            let policy = Policy { order: Order::Asked { window }, retries: 1000, ..POLICY };
            let mut engine = Engine::new(learner, policy);
            let mut running = Vec::new();
            for (choice, how) in choices {
                let room = workers - running.len();
                engine.next(room, &mut running);
                if running.is_empty() {
                    break;
                }
                let work = running.swap_remove(choice % running.len());
                let outcome = match how {
                    0 | 1 => Err(failure()),
                    2 | 3 => Ok(Value::vector(&[1.0, 2.0])),
                    _ => Ok(1.0.into()),
                };
                engine.completed(work.key, outcome, Meta::default());
                settle_all(&mut engine);
            }
            let calls = calls.lock().unwrap().clone();
            (calls, engine.learner().npoints())
        };
        let (calls, told) = run(workers, &choices);
        let (expected, all) = run(1, &vec![(0, 19); 600]);
        prop_assert_eq!(all, 40);
        prop_assert_eq!(told, 40);
        prop_assert_eq!(calls, expected);
    }
}
