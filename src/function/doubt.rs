//! Functions that break down while they are in use: a quota is reached, a licence server or a device is gone, a process is
//! spoiled. Then all points fail, as they do where the function has no value; so one that has a value is tried again.

use crate::model::{Failure, FailureKind, Outcome, Sample};

/// After so many failures in a row.
const SUSPICIOUS: u32 = 20;
/// Where the function still works, the next doubt takes so many times as long. Where a start has mended it, the next one comes so
/// much sooner: a function that works only for a while after each start is started anew at its first failure in the end.
const PATIENCE: u32 = 4;
/// After so many more starts that helped than doubts that were unfounded, it comes at the first failure.
const AT_ONCE: i32 = -3;

/// Whether a worker's function still works.
#[derive(Debug, Default)]
pub struct Doubt {
    /// The first point that had a value.
    known: Option<Sample>,
    failed: u32,
    /// How many more doubts were unfounded than settled by a start.
    trust: i32,
}

impl Doubt {
    /// Takes in what became of a point. Another one at which the function had a value, if it should be tried there now.
    pub fn note(&mut self, sample: &Sample, outcome: &Outcome) -> Option<Sample> {
        match outcome {
            Ok(_) => {
                self.failed = 0;
                if self.known.is_none() {
                    self.known = Some(sample.clone());
                }
                None
            }
            // It says so itself.
            Err(failure) if matches!(failure.kind, FailureKind::Setup | FailureKind::Changed) => None,
            Err(_) => {
                self.failed = self.failed.saturating_add(1);
                let times = PATIENCE.saturating_pow(self.trust.unsigned_abs());
                let many = if self.trust < 0 { SUSPICIOUS / times } else { SUSPICIOUS.saturating_mul(times) };
                self.known.clone().filter(|_| self.failed >= many.max(1))
            }
        }
    }

    /// The function has a value there, still: it has none where it failed.
    pub fn is_unfounded(&mut self) {
        self.failed = 0;
        self.trust += 1;
    }

    /// Started anew, the function has a value there; `helped`: also where it failed.
    pub fn is_settled(&mut self, helped: bool) {
        self.failed = 0;
        self.trust = (self.trust - i32::from(helped)).max(AT_ONCE);
    }

    /// What is to be said of a point where a function failed that fails at `known`, too. It is not the point's fault.
    pub fn confirmed(known: &Sample, failure: Failure) -> Failure {
        if failure.kind == FailureKind::Changed {
            return failure;
        }
        let point = known.point.to_vec();
        let message = format!("it fails at {point:?}, too, where it had a value before: {}", failure.message);
        Failure::new(FailureKind::Setup, message).with_detail(failure.detail)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Point;

    fn at(x: f64) -> Sample {
        Sample::at(Point::scalar(x))
    }

    /// Failures until the doubt.
    fn failures(doubt: &mut Doubt) -> usize {
        let failed = || Err(Failure::new(FailureKind::Error, "no licence"));
        (1..10_000).find(|_| doubt.note(&at(0.1), &failed()).is_some()).unwrap_or_default()
    }

    #[test]
    fn a_function_is_doubted_after_many_failures_in_a_row_and_later_each_time() {
        let mut doubt = Doubt::default();
        assert_eq!(failures(&mut doubt), 0, "nothing is known");
        assert_eq!(doubt.note(&at(0.5), &Ok(1.0.into())), None);
        let failed = Err(Failure::new(FailureKind::Error, "outside"));
        for _ in 0..5 {
            assert!((1..20).all(|_| doubt.note(&at(0.1), &failed).is_none()));
            doubt.note(&at(0.7), &Ok(1.0.into()));
        }
        let late = Err(Failure::new(FailureKind::Setup, "no interpreter"));
        assert!((0..100).all(|_| doubt.note(&at(0.1), &late).is_none()));
        assert_eq!(failures(&mut doubt), 20);
        assert_eq!(doubt.note(&at(0.1), &failed), Some(at(0.5)), "as long as it is not settled");
        doubt.is_unfounded();
        assert_eq!(failures(&mut doubt), 80);
        doubt.is_unfounded();
        assert_eq!(failures(&mut doubt), 320);
        doubt.is_settled(false);
        assert_eq!(failures(&mut doubt), 320);
    }

    #[test]
    fn a_function_that_each_start_mends_is_doubted_sooner_each_time() {
        let mut doubt = Doubt::default();
        assert_eq!(doubt.note(&at(0.5), &Ok(1.0.into())), None);
        for failed in [20, 5, 1, 1] {
            assert_eq!(failures(&mut doubt), failed);
            doubt.is_settled(true);
        }
        for failed in [1, 1, 5, 20, 80] {
            assert_eq!(failures(&mut doubt), failed);
            doubt.is_unfounded();
        }
    }
}
