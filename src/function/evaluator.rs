use super::{Call, Function, Team};
use crate::model::{Failure, FailureKind, Outcome, Parameters, Sample, Signature};
use std::any::Any;
use std::cell::{Cell, RefCell};
use std::panic::{self, AssertUnwindSafe};
use std::sync::{Arc, Once};
use std::time::Duration;

/// A started function with everything that samples refer to: evaluates samples, and lets no panic out.
pub struct Evaluator {
    function: Box<dyn Function>,
    combos: Arc<[Parameters]>,
    signature: Signature,
}

impl Evaluator {
    /// Puts a function together with the parameters of each learner, by index.
    ///
    /// The first one of a process adds a panic hook before the one that is there: panics of a function under
    /// evaluation become failures and are not printed; all others reach the earlier hook.
    pub fn new(
        function: Box<dyn Function>,
        combos: impl Into<Arc<[Parameters]>>,
        signature: Signature,
    ) -> Self {
        Self { function, combos: combos.into(), signature }
    }

    /// Waits until the function can be called, as [`Function::prepare`].
    pub fn prepare(&mut self) -> Result<Duration, Failure> {
        self.function.prepare()
    }

    /// Evaluates a sample once. Everything that goes wrong is a value of type [`Failure`].
    pub fn evaluate(&mut self, sample: &Sample) -> Outcome {
        self.call(sample, |function, call| function.evaluate(call))
    }

    /// Evaluates a sample on several ranks, all of which call this. The first one's value counts, and any failure.
    pub fn evaluate_together(&mut self, sample: &Sample, team: &dyn Team) -> Outcome {
        self.call(sample, |function, call| function.evaluate_together(call, team))
    }

    fn call(
        &mut self,
        sample: &Sample,
        evaluate: impl FnOnce(&mut dyn Function, &Call<'_>) -> Outcome,
    ) -> Outcome {
        let Some(parameters) = self.combos.get(sample.learner as usize) else {
            let (asked, known) = (sample.learner, self.combos.len());
            let message = format!("the sample belongs to learner {asked}, but there are {known} combos");
            return Err(Failure::new(FailureKind::Setup, message));
        };
        let call =
            Call { point: &sample.point, replica: sample.replica, parameters, signature: &self.signature };
        let function = self.function.as_mut();
        guarded_by(|| evaluate(function, &call))
    }
}

thread_local! {
    static EVALUATING: Cell<bool> = const { Cell::new(false) };
    static PANICKED_AT: RefCell<String> = const { RefCell::new(String::new()) };
}

/// Whether this thread is in a function of the user. May be asked at any moment, even in a handler of a signal.
pub(super) fn is_evaluating() -> bool {
    EVALUATING.get()
}

static HOOK: Once = Once::new();

/// Calls a function and turns a panic into a failure that says where.
pub(super) fn guarded(function: &mut dyn Function, call: &Call<'_>) -> Outcome {
    guarded_by(|| function.evaluate(call))
}

fn guarded_by(evaluate: impl FnOnce() -> Outcome) -> Outcome {
    HOOK.call_once(add_hook);
    EVALUATING.set(true);
    // A function that panicked half-way may be left in a strange state; that is its own affair, as it would be
    // after any other failure.
    let outcome = panic::catch_unwind(AssertUnwindSafe(evaluate));
    EVALUATING.set(false);
    outcome.unwrap_or_else(|payload| {
        let place = PANICKED_AT.take();
        let text = text_of(payload.as_ref());
        Err(Failure::new(
            FailureKind::Panic,
            if place.is_empty() { text } else { format!("{text} ({place})") },
        ))
    })
}

fn add_hook() {
    let earlier = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        if EVALUATING.get() {
            let place = info.location().map_or_else(String::new, ToString::to_string);
            PANICKED_AT.set(place);
        } else {
            earlier(info);
        }
    }));
}

fn text_of(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<&str>().copied();
    let text = text.or_else(|| payload.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("a panic without a message").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Parameter, Point, Value};

    struct Odd;

    impl Function for Odd {
        fn evaluate(&mut self, call: &Call<'_>) -> Result<Value, Failure> {
            assert!(call.point.x() < 1.0, "x is {}", call.point.x());
            Ok(Value::scalar(call.point.x() + call.parameters.number("a").unwrap_or(0.0)))
        }
    }

    fn evaluator() -> Evaluator {
        let combo = |a| Parameters(vec![("a".into(), Parameter::Float(a))]);
        Evaluator::new(Box::new(Odd), vec![combo(10.0), combo(20.0)], Signature::line())
    }

    #[test]
    fn a_sample_is_evaluated_with_the_parameters_of_its_learner() {
        let sample = Sample::at(Point::scalar(0.5));
        assert_eq!(evaluator().evaluate(&sample), Ok(Value::scalar(10.5)));
        assert_eq!(evaluator().evaluate(&sample.of_learner(1)), Ok(Value::scalar(20.5)));
    }

    #[test]
    fn a_panic_is_a_failure_that_says_where_and_the_next_sample_works() {
        let mut evaluator = evaluator();
        let failure = evaluator.evaluate(&Sample::at(Point::scalar(2.0))).unwrap_err();
        assert_eq!(failure.kind, FailureKind::Panic);
        assert!(failure.message.starts_with("x is 2 (src/function/evaluator.rs:"), "{}", failure.message);
        assert!(evaluator.evaluate(&Sample::at(Point::scalar(0.0))).is_ok());
    }

    #[test]
    fn a_sample_of_a_learner_that_is_not_there_is_a_failure() {
        let failure = evaluator().evaluate(&Sample::default().of_learner(2)).unwrap_err();
        assert_eq!(failure.kind, FailureKind::Setup);
    }
}
