//! `AverageLearner`: the mean of a noisy quantity.

use super::moments::Moments;
use super::seeds::Seeds;
use super::{Learner, LearnerKind, Loss, Suggestion, TellError};
use crate::model::settings::{self, Table};
use crate::model::{Point, Sample, Signature, Value, shown};

/// Averages f(seed) -> R until the standard deviation of the mean is within a tolerance (upstream: `AverageLearner`).
///
/// A sample has no coordinates; its replica is the seed. The loss is the standard deviation of the mean in units of the
/// tolerance: max(e / `atol`, e / (`rtol` |mean|)) with e = std / sqrt(n). So the learner is done when it is 1 or less.
///
/// Seeds are asked in ascending order, without exception (upstream: in the order of a hash set after gaps). Mean
/// and deviation are updated by Welford's recurrence, so that a large mean costs no digits. All operations are
/// O(log gaps) per seed, where a gap is a run of seeds that are not told below one that is.
///
/// Values that are NaN or infinite count as points, but not in mean and deviation, which a single one would make
/// undefined for ever (as upstream). Where nearly all seeds have such values or fail for good, the learner asks no
/// more, and is [hopeless](Learner::hopeless).
///
/// ```
/// use adaptive_mpi::learner::{AverageLearner, Learner};
///
/// let mut learner = AverageLearner::new(Some(0.01), None, 2)?;
/// while learner.done() == Some(false) {
///     for suggestion in learner.ask(10) {
///         let seed = suggestion.sample.replica as f64;
///         learner.tell(&suggestion.sample, &(seed * 0.618_033_988_75).fract().into())?;
///     }
/// }
/// assert!((learner.mean() - 0.5).abs() < 0.03);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct AverageLearner {
    atol: f64,
    rtol: f64,
    min_npoints: u64,
    seeds: Seeds,
    /// Of the finite values.
    moments: Moments,
    /// What a point promises depends on those that are on their way.
    parallel: bool,
    /// Scratch space.
    next: Vec<u64>,
}

/// From so many seeds without a finite value on (`min_npoints`, if that is more), and if they are more than nine in
/// ten, it is in vain to ask for more.
const IN_VAIN: u64 = 20;

/// Tolerances that no mean can meet, or none at all.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ToleranceError {
    /// Neither tolerance is given.
    #[error("at least one of `atol` and `rtol` is needed")]
    Missing,
    /// A tolerance is not a positive number.
    #[error("`{name}` should be larger than 0, but is {}", shown(*.value))]
    NotPositive {
        /// `atol` or `rtol`.
        name: &'static str,
        /// As given.
        value: f64,
    },
}

pub(super) const KIND: LearnerKind = LearnerKind {
    name: "average",
    about: "the mean of a noisy quantity: atol, rtol, min_npoints",
    from_settings: |table| Ok(Box::new(AverageLearner::from_settings(table)?)),
};

impl AverageLearner {
    /// An empty learner. `atol` is the absolute, `rtol` the relative tolerance of the mean; at least one is needed, and
    /// with both the stricter counts. Fewer than `min_npoints` values (at least 2) say nothing about the spread.
    pub fn new(atol: Option<f64>, rtol: Option<f64>, min_npoints: u64) -> Result<Self, ToleranceError> {
        if atol.is_none() && rtol.is_none() {
            return Err(ToleranceError::Missing);
        }
        let tolerance = |name, value: Option<f64>| match value.unwrap_or(f64::INFINITY) {
            value if value > 0.0 => Ok(value),
            value => Err(ToleranceError::NotPositive { name, value }),
        };
        Ok(Self {
            atol: tolerance("atol", atol)?,
            rtol: tolerance("rtol", rtol)?,
            min_npoints: min_npoints.max(2),
            seeds: Seeds::default(),
            moments: Moments::default(),
            parallel: false,
            next: Vec::new(),
        })
    }

    /// Reads `atol`, `rtol` and `min_npoints`.
    pub fn from_settings(table: &Table) -> settings::Result<Self> {
        let (atol, rtol) = (table.float("atol")?, table.float("rtol")?);
        let min_npoints = table.count("min_npoints")?.unwrap_or(2);
        Self::new(atol, rtol, min_npoints).map_err(|error| match error {
            ToleranceError::Missing => {
                let path = |key| table.path_of(key);
                settings::SettingError::new(
                    &table.span,
                    format!("`{}` or `{}` is missing", path("atol"), path("rtol")),
                )
                .help("say how precise the mean has to be: atol = 0.01, or rtol = 0.001 of the mean itself")
            }
            ToleranceError::NotPositive { name, .. } => {
                let message = format!("`{}` should be larger than 0", table.path_of(name));
                table.error(name, message).help(format!("as in {name} = 0.01"))
            }
        })
    }

    /// The mean of the finite values told; NaN before the first.
    pub fn mean(&self) -> f64 {
        if self.moments.n == 0 { f64::NAN } else { self.moments.mean }
    }

    /// The standard deviation of the finite values told; infinite below `min_npoints`.
    pub fn std(&self) -> f64 {
        if self.moments.n < self.min_npoints { f64::INFINITY } else { self.moments.std() }
    }

    /// The loss if there were `n` values with the mean and deviation of now.
    fn loss_with(&self, n: u64) -> f64 {
        if n < self.min_npoints {
            return f64::INFINITY;
        }
        let error = self.std() / (n as f64).sqrt();
        let (absolute, mut relative) = (error / self.atol, error / self.rtol);
        if self.moments.mean != 0.0 {
            relative /= self.moments.mean.abs();
        }
        let loss = absolute.max(relative);
        // What is undefined can't be estimated.
        if loss.is_nan() { f64::INFINITY } else { loss }
    }

    /// Number of values told that are NaN or infinite.
    fn nan_points(&self) -> u64 {
        self.seeds.ntold() - self.moments.n
    }

    /// How many finite values there will be when those on their way have come, if these are finite.
    fn nexpected(&self) -> u64 {
        self.seeds.nexpected() - self.nan_points()
    }

    /// Whether next to none of the seeds has a finite value: those that were given up have none either.
    fn is_in_vain(&self) -> bool {
        let without = self.nan_points() + self.seeds.nfailed();
        without >= IN_VAIN.max(self.min_npoints) && without > 9 * self.moments.n
    }

    /// By how much each of `n` more values is expected to improve the loss.
    fn improvement(&self, n: u64) -> f64 {
        let known = if self.parallel { self.nexpected() } else { self.moments.n };
        let loss = self.loss_with(known);
        if loss.is_finite() {
            (loss - self.loss_with(known + n)) / n as f64
        } else if self.parallel && (known >= self.min_npoints || self.is_in_vain()) {
            // Nothing is known before the first values come, and enough of them are on their way; or none ever comes.
            0.0
        } else {
            f64::INFINITY
        }
    }

    fn next_seeds(&self, n: usize, out: &mut Vec<u64>) {
        if !self.is_in_vain() {
            self.seeds.next(n as u64, out);
        }
    }
}

fn check(sample: &Sample) -> Result<(), TellError> {
    if sample.point.is_empty() {
        return Ok(());
    }
    Err(TellError::Foreign(format!("it has {} coordinates instead of none", sample.point.len())))
}

#[inline]
fn suggestion(seed: u64, loss_improvement: f64) -> Suggestion {
    Suggestion { sample: Sample { learner: 0, replica: seed, point: Point::default() }, loss_improvement }
}

impl Learner for AverageLearner {
    fn kind(&self) -> &'static str {
        KIND.name
    }

    fn signature(&self) -> Signature {
        Signature { names: Vec::new(), scalar: false, seeded: true }
    }

    fn ask_into(&mut self, n: usize, out: &mut Vec<Suggestion>) {
        let improvement = self.improvement(n as u64);
        let mut next = std::mem::take(&mut self.next);
        next.clear();
        self.next_seeds(n, &mut next);
        for &seed in &next {
            self.seeds.tell_pending(seed);
            out.push(suggestion(seed, improvement));
        }
        self.next = next;
    }

    fn suggest(&mut self, n: usize) -> Vec<Suggestion> {
        let improvement = self.improvement(n as u64);
        let mut next = Vec::new();
        self.next_seeds(n, &mut next);
        next.into_iter().map(|seed| suggestion(seed, improvement)).collect()
    }

    fn tell(&mut self, sample: &Sample, value: &Value) -> Result<(), TellError> {
        check(sample)?;
        if self.seeds.is_told(sample.replica) {
            return Ok(());
        }
        let &[y] = value.components.as_slice() else {
            return Err(TellError::WrongShape { expected: 1, got: value.components.len() });
        };
        self.seeds.tell(sample.replica);
        if y.is_finite() {
            self.moments.push(y);
        }
        Ok(())
    }

    fn tell_pending(&mut self, sample: &Sample) {
        if check(sample).is_ok() {
            self.seeds.tell_pending(sample.replica);
        }
    }

    fn give_up(&mut self, sample: &Sample) {
        if check(sample).is_ok() {
            self.seeds.give_up(sample.replica);
        }
    }

    fn remove_unfinished(&mut self) {
        self.seeds.remove_unfinished();
    }

    /// The standard deviation of the mean in units of the tolerance; [`Loss::Expected`] counts pending values as told.
    fn loss(&self, which: Loss) -> f64 {
        self.loss_with(match which {
            Loss::Real => self.moments.n,
            Loss::Expected => self.nexpected(),
        })
    }

    fn npoints(&self) -> usize {
        self.seeds.ntold() as usize
    }

    fn npending(&self) -> usize {
        self.seeds.npending() as usize
    }

    /// Whether the mean is within its tolerance.
    fn done(&self) -> Option<bool> {
        Some(self.loss(Loss::Real) <= 1.0)
    }

    fn hopeless(&self) -> Option<String> {
        let (nan, failed, told) = (self.nan_points(), self.seeds.nfailed(), self.seeds.ntold());
        // Failing is faster than working: those on their way may have values.
        (self.is_in_vain() && self.seeds.nawaited() == 0).then(|| match (nan, failed) {
            (nan, 0) => format!("{nan} of {told} values are not finite numbers: there is no mean"),
            (0, failed) => format!("{failed} of {} evaluations failed: there is no mean", told + failed),
            (nan, failed) => format!(
                "{failed} of {} evaluations failed and {nan} gave no finite number: there is no mean",
                told + failed
            ),
        })
    }

    fn work_in_parallel(&mut self) {
        self.parallel = true;
    }

    fn new_empty(&self) -> Box<dyn Learner> {
        let Self { atol, rtol, min_npoints, parallel, .. } = *self;
        let (seeds, moments) = (Seeds::default(), Moments::default());
        Box::new(Self { atol, rtol, min_npoints, seeds, moments, parallel, next: Vec::new() })
    }

    fn boxed_clone(&self) -> Box<dyn Learner> {
        Box::new(self.clone())
    }

    fn figures(&self) -> Vec<(&'static str, f64)> {
        let mut figures = vec![("mean", self.mean()), ("std", self.std())];
        if self.nan_points() > 0 {
            figures.push(("nan_points", self.nan_points() as f64));
        }
        figures
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(seed: u64) -> Sample {
        suggestion(seed, 0.0).sample
    }

    #[test]
    fn the_loss_is_the_error_of_the_mean_in_units_of_the_stricter_tolerance() {
        let mut learner = AverageLearner::new(Some(0.5), Some(0.1), 3).unwrap();
        for (seed, y) in [1.0, 3.0, 2.0].into_iter().enumerate() {
            assert_eq!(learner.loss(Loss::Real), f64::INFINITY);
            learner.tell(&sample(seed as u64), &y.into()).unwrap();
        }
        assert_eq!((learner.mean(), learner.std()), (2.0, 1.0));
        approx::assert_relative_eq!(learner.loss(Loss::Real), 1.0 / 3f64.sqrt() / 0.2);
        learner.tell_pending(&sample(3));
        approx::assert_relative_eq!(learner.loss(Loss::Expected), 0.5 / 0.2);
        assert_eq!(learner.done(), Some(false));
    }

    #[test]
    fn a_large_mean_costs_no_digits_of_the_deviation() {
        let mut learner = AverageLearner::new(Some(1.0), None, 2).unwrap();
        for seed in 0..1000 {
            learner.tell(&sample(seed), &(1e9 + (seed % 2) as f64).into()).unwrap();
        }
        approx::assert_relative_eq!(learner.std(), 0.5, max_relative = 1e-3);
    }

    fn tell(learner: &mut AverageLearner, values: impl IntoIterator<Item = f64>) {
        for (seed, y) in (learner.seeds.nused()..).zip(values) {
            learner.tell(&sample(seed), &y.into()).unwrap();
        }
    }

    #[test]
    fn values_that_are_not_finite_count_as_points_but_not_in_the_mean() {
        let mut learner = AverageLearner::new(None, Some(0.1), 2).unwrap();
        tell(&mut learner, [1.0, f64::NAN]);
        assert_eq!((learner.loss(Loss::Real), learner.done()), (f64::INFINITY, Some(false)));
        tell(&mut learner, [f64::INFINITY, 1.0, f64::NEG_INFINITY]);
        assert_eq!((learner.npoints(), learner.done(), learner.hopeless()), (5, Some(true), None));
        assert_eq!(learner.figures(), [("mean", 1.0), ("std", 0.0), ("nan_points", 3.0)]);
        assert_eq!(learner.ask(1)[0].sample, sample(5));
    }

    #[test]
    fn without_finite_values_there_is_no_hope_and_nothing_to_ask() {
        let mut learner = AverageLearner::new(Some(0.1), None, 2).unwrap();
        tell(&mut learner, [1.0]);
        tell(&mut learner, [f64::NAN; 19]);
        assert!(learner.hopeless().is_none() && !learner.suggest(1).is_empty());
        tell(&mut learner, [f64::NAN]);
        assert_eq!(learner.hopeless().unwrap(), "20 of 21 values are not finite numbers: there is no mean");
        assert!(learner.ask(1).is_empty() && learner.suggest(1).is_empty());
        // Values that were on their way.
        tell(&mut learner, [1.0, 1.0]);
        assert!(learner.hopeless().is_none() && !learner.ask(1).is_empty());
    }

    #[test]
    fn where_all_but_a_few_fail_there_is_no_hope_either() {
        let mut learner = AverageLearner::new(Some(0.1), None, 2).unwrap();
        tell(&mut learner, [1.0]);
        learner.ask(21);
        (1..20).for_each(|seed| learner.give_up(&sample(seed)));
        assert!(!learner.suggest(1).is_empty());
        learner.give_up(&sample(20));
        assert!(learner.suggest(1).is_empty() && learner.hopeless().is_none(), "one is on its way");
        learner.give_up(&sample(21));
        assert_eq!(learner.hopeless().unwrap(), "21 of 22 evaluations failed: there is no mean");
        tell(&mut learner, [f64::NAN]);
        let both = "21 of 23 evaluations failed and 1 gave no finite number: there is no mean";
        assert_eq!(learner.hopeless().unwrap(), both);
        // Some succeed when they are tried again.
        (1..4).for_each(|seed| learner.tell(&sample(seed), &1.0.into()).unwrap());
        assert!(learner.hopeless().is_none() && !learner.ask(1).is_empty());
    }

    #[test]
    fn seeds_that_were_given_up_are_not_expected() {
        let mut learner = AverageLearner::new(Some(0.1), None, 2).unwrap();
        tell(&mut learner, [0.0, 1.0]);
        let loss = learner.loss(Loss::Real);
        learner.ask(2);
        learner.give_up(&sample(2));
        approx::assert_relative_eq!(learner.loss(Loss::Expected), loss * (2.0 / 3f64).sqrt());
        learner.give_up(&sample(3));
        assert_eq!((learner.loss(Loss::Expected), learner.npending()), (loss, 2));
        assert_eq!(learner.ask(1)[0].sample, sample(4));
    }

    #[test]
    fn in_parallel_a_point_promises_less_the_more_are_on_their_way() {
        let promise = |learner: &mut AverageLearner| learner.suggest(1)[0].loss_improvement;
        let mut learner = AverageLearner::new(Some(0.1), None, 2).unwrap();
        tell(&mut learner, [0.0, 1.0]);
        let alone = promise(&mut learner);
        learner.ask(98);
        assert_eq!(promise(&mut learner), alone);
        learner.work_in_parallel();
        assert!(promise(&mut learner) < 0.01 * alone);

        let mut new = learner.new_empty();
        let asked: Vec<f64> =
            new.ask(1).into_iter().chain(new.ask(1)).chain(new.ask(1)).map(|s| s.loss_improvement).collect();
        assert_eq!(asked, [f64::INFINITY, f64::INFINITY, 0.0]);
        (0..19).for_each(|seed| new.give_up(&sample(seed)));
        assert_eq!(new.suggest(1)[0].loss_improvement, f64::INFINITY);
    }

    #[test]
    fn points_and_lists_are_refused() {
        let mut learner = AverageLearner::new(Some(0.1), None, 2).unwrap();
        let plane = Sample::at(Point::scalar(1.0));
        assert!(matches!(learner.tell(&plane, &1.0.into()), Err(TellError::Foreign(_))));
        let wrong = TellError::WrongShape { expected: 1, got: 2 };
        assert_eq!(learner.tell(&sample(0), &Value::vector(&[1.0, 2.0])), Err(wrong));
        learner.tell_pending(&plane);
        assert_eq!((learner.npoints(), learner.npending()), (0, 0));
    }

    #[test]
    fn tolerances_are_checked() {
        assert_eq!(AverageLearner::new(None, None, 2).err(), Some(ToleranceError::Missing));
        let error = AverageLearner::new(Some(0.1), Some(-1.0), 2).err().unwrap();
        assert_eq!(error.to_string(), "`rtol` should be larger than 0, but is -1");
        assert!(AverageLearner::new(Some(f64::NAN), None, 2).is_err());
    }
}
