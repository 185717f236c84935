//! Learners decide which points to evaluate. They are pure and deterministic: no I/O, no clock, no threads.
//!
//! The verbs are those of Python adaptive's `BaseLearner`. Where its learners differ among each other
//! (a second value for a known point, a point outside of the bounds), [`Learner`] settles it once for all.

mod average;
mod average1d;
mod balancing;
mod cut;
mod data_saver;
mod heap;
pub(crate) mod inner;
mod integrator;
mod interpolant;
mod intervals;
mod lattice;
mod learner1d;
mod learner2d;
pub mod learner_nd;
mod line;
mod moments;
mod points_first;
mod ranking;
mod seeds;
mod sequence;
mod slopes;
mod split;
mod values;

pub use average::{AverageLearner, ToleranceError};
pub use average1d::{AverageError, AverageLearner1D, Estimate, Sampling, SamplingError};
pub use balancing::{BalancingLearner, Strategy, UnknownStrategy};
pub use data_saver::{ArgPicker, DataSaver};
pub use integrator::{ApproximatingInterval, IntegratorError, IntegratorLearner};
pub use interpolant::{Interpolant, Lookup};
pub use lattice::is_integer;
pub use learner_nd::LearnerNd;
pub use learner1d::{BoundsError, Learner1D};
pub use learner2d::{DEFAULT_STACK_SIZE, Learner2D, PlaneError};
pub use points_first::{GivenPointError, PointsFirst};
pub use sequence::{SequenceError, SequenceLearner};

use crate::model::settings::{self, Table};
use crate::model::{PointForm, Sample, Signature, Value};

/// Which loss is meant (upstream: `loss(real=True)` and `loss(real=False)`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// From the values told so far.
    Real,
    /// What it is expected to be when the pending points are told.
    Expected,
}

/// A point to evaluate next.
#[derive(Clone, Debug, PartialEq)]
pub struct Suggestion {
    /// What to evaluate.
    pub sample: Sample,
    /// By how much the loss is expected to fall; infinite where nothing is known.
    pub loss_improvement: f64,
}

/// Why a learner refuses a value.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum TellError {
    /// The value has another number of components than the ones before.
    #[error("the function returned {got} numbers instead of {expected}")]
    WrongShape {
        /// Components of the values told before.
        expected: usize,
        /// Components of this value.
        got: usize,
    },
    /// The sample can't belong to this learner (no such child, wrong number of coordinates).
    #[error("the point does not belong to this learner: {0}")]
    Foreign(String),
    /// The value is none that this learner can use: it lacks a named output, for example.
    #[error("the value is of no use to the learner: {0}")]
    Unusable(String),
}

/// How many components values have, by those `before` (0: there are none) and one with `got` of them. `looked_at` says
/// which one a loss can't do without, if any.
#[inline]
fn components(
    before: usize,
    got: usize,
    looked_at: impl FnOnce() -> Option<usize>,
) -> Result<usize, TellError> {
    if got == 0 || before != 0 && before != got {
        return Err(TellError::WrongShape { expected: before.max(1), got });
    }
    // The first value speaks for all.
    let looked_at = if before == 0 { looked_at() } else { None };
    match looked_at.filter(|component| *component >= got) {
        Some(component) => Err(TellError::Unusable(format!(
            "the loss looks at its component {component}, counted from 0, but it has only {got}"
        ))),
        None => Ok(got),
    }
}

/// Decides which points of a function to evaluate.
///
/// Settled for all learners:
/// - a second value for a known sample is ignored;
/// - a value outside of the bounds is kept ([`Learner::npoints`] counts it) and otherwise without effect;
/// - a value for a point that was never asked is welcome;
/// - `ask` never returns a point that is told or pending;
/// - the order of tells and asks is the only state: the same calls give the same points.
pub trait Learner: Send {
    /// The name in the registry, as in the study file: `1d`, `sequence`, ….
    fn kind(&self) -> &'static str;

    /// How samples look to a function.
    fn signature(&self) -> Signature;

    /// Whether the replica of a sample is the index of its point in a given list: such points are written as
    /// `[index, element]`.
    fn is_indexed(&self) -> bool {
        false
    }

    /// Appends the next `n` points to `out`, best first, and marks them pending. Fewer only where there are
    /// no more.
    fn ask_into(&mut self, n: usize, out: &mut Vec<Suggestion>);

    /// The next `n` points; they become pending (upstream: `ask(n)`).
    fn ask(&mut self, n: usize) -> Vec<Suggestion> {
        let mut out = Vec::with_capacity(n);
        self.ask_into(n, &mut out);
        out
    }

    /// The next `n` points without any change of state (upstream: `ask(n, tell_pending=False)`).
    fn suggest(&mut self, n: usize) -> Vec<Suggestion> {
        self.boxed_clone().ask(n)
    }

    /// Takes the value of a sample.
    fn tell(&mut self, sample: &Sample, value: &Value) -> Result<(), TellError>;

    /// Takes many values; may be faster than telling them one by one, with the same final data.
    ///
    /// The points asked afterwards may differ from those after single tells, because all losses may be computed
    /// anew: a run that has to go on exactly where it stopped tells one by one, in the order of the first time.
    fn tell_many(&mut self, told: &[(Sample, Value)]) -> Result<(), TellError> {
        told.iter().try_for_each(|(sample, value)| self.tell(sample, value))
    }

    /// Marks a sample as being evaluated elsewhere: it is not suggested again.
    fn tell_pending(&mut self, sample: &Sample);

    /// No value will come for a sample: it has failed for good. It is not asked, and counts as pending. Learners over a
    /// domain refine around it as around a told NaN, and so leave alone the regions where points fail; they show it to
    /// nobody. A value that comes after all takes its place.
    ///
    /// [`Learner::remove_unfinished`] may forget it: whoever knows that it failed says so again.
    fn give_up(&mut self, sample: &Sample) {
        self.tell_pending(sample);
    }

    /// Forgets all pending points: they may be asked again.
    fn remove_unfinished(&mut self);

    /// The current loss: infinite until it can be estimated.
    fn loss(&self, which: Loss) -> f64;

    /// Number of values told.
    fn npoints(&self) -> usize;

    /// Number of pending samples.
    fn npending(&self) -> usize;

    /// Whether the learner has all that it wants by its own criterion; `None` if it has no such criterion.
    fn done(&self) -> Option<bool> {
        None
    }

    /// Why this learner will never be done, whatever it is told, where it knows that. Such a learner asks for nothing.
    fn hopeless(&self) -> Option<String> {
        None
    }

    /// An empty learner with the same parameters (upstream: `new`).
    fn new_empty(&self) -> Box<dyn Learner>;

    /// A copy of the learner in its present state.
    fn boxed_clone(&self) -> Box<dyn Learner>;

    /// What the learner has to show beside its loss, by its upstream name: an integral and its error (`igral`, `err`),
    /// a `mean` and its `std`. Shown by `status` and `ask-tell`. Empty for most.
    fn figures(&self) -> Vec<(&'static str, f64)> {
        Vec::new()
    }

    /// Why a point is none that this learner could ask: it lies outside of the domain, say. `None` if it could.
    fn refuses(&self, point: &[f64]) -> Option<String> {
        let _ = point;
        Some("this learner takes no points".to_owned())
    }

    /// The smallest box around the domain, a pair of bounds per coordinate; `None` where there is no such domain.
    fn bounding_box(&self) -> Option<Vec<(f64, f64)>> {
        None
    }

    /// Appends to `out` the components of the piecewise linear interpolant of the told values at a point (NaN outside
    /// of what is known), and says whether this learner can interpolate by now.
    fn interpolate(&self, at: &[f64], out: &mut Vec<f64>) -> bool {
        let _ = (at, out);
        false
    }

    /// [`Learner::interpolate`] at many points, whose coordinates follow one another in `at`. Much faster where points
    /// are near those before them.
    fn interpolate_all(&self, at: &[f64], out: &mut Vec<f64>) -> bool {
        let dim = self.signature().names.len();
        dim > 0 && at.chunks_exact(dim).all(|point| self.interpolate(point, out))
    }

    /// The piecewise linear interpolant of the told values as plain data, where the learner can interpolate by now. O(N).
    fn interpolant(&self) -> Option<Interpolant> {
        None
    }

    /// What the components that this learner learns are called, where those of the function have these names: a learner
    /// of a part of them leaves some out. Interpolants have as many components.
    fn learned(&self, outputs: Vec<String>) -> Vec<String> {
        outputs
    }

    /// Lets a child rest: it is not asked until it is woken (`resting` false). For learners made of learners.
    fn rest(&mut self, child: u32, resting: bool) {
        let _ = (child, resting);
    }

    /// Whether the learner has no loss, or never ends, as long as this point has no value (NaN is one): if it fails for good,
    /// a goal that asks for either can't be reached.
    fn needs(&self, sample: &Sample) -> bool {
        let _ = sample;
        false
    }

    /// Whether a loss says nothing yet: points that the learner needs have no value, or no value was
    /// finite in any component.
    fn lacks_needed(&self) -> bool {
        false
    }

    /// Many points will be in flight: from now on the learner chooses what pays then, where upstream's order would waste
    /// points. By default there is no difference.
    fn work_in_parallel(&mut self) {}

    /// How many points may be in flight before the later ones are likely to be wasted; `None`: a part of what is known,
    /// as the runner thinks right. A wish: workers are kept busy all the same.
    fn most_in_flight(&self) -> Option<usize> {
        None
    }

    /// The children of a learner made of learners, by index; `None` for any other learner.
    fn children(&self) -> Option<&[Box<dyn Learner>]> {
        None
    }
}

/// How the points of a learner are written as JSON, with the index of the child first if it is made of learners.
pub fn point_form(learner: &dyn Learner) -> PointForm {
    let form = |one: &dyn Learner| PointForm::new(&one.signature(), one.is_indexed());
    match learner.children() {
        Some(children) => {
            form(children.first().map_or(learner, |child| child.as_ref())).of_children(children.len())
        }
        None => form(learner),
    }
}

/// One kind of learner: how a study file makes it.
pub struct LearnerKind {
    /// The `type` in the study file.
    pub name: &'static str,
    /// One line for `--help` and error messages.
    pub about: &'static str,
    /// Reads the keys of `[learner]` (all but `type`) and makes an empty learner. Does not call
    /// [`settings::Table::finish`]: the caller does.
    pub from_settings: fn(&settings::Table) -> settings::Result<Box<dyn Learner>>,
}

/// All kinds of learner that a study file can name as its `type`. A balancing learner is not among them: the
/// study makes it from the combos of parameters.
pub const LEARNERS: &[LearnerKind] = &[
    learner1d::KIND,
    learner2d::KIND,
    learner_nd::KIND,
    average::KIND,
    average1d::KIND,
    integrator::KIND,
    sequence::KIND,
    data_saver::KIND,
];

/// Makes an empty learner from the `[learner]` table of a study: reads `type`, hands the other keys to that kind,
/// and refuses keys that nobody read.
pub fn from_settings(table: &Table) -> settings::Result<Box<dyn Learner>> {
    let names = LEARNERS.iter().map(|kind| kind.name);
    let Some(name) = table.text("type")? else {
        let known = names.collect::<Vec<_>>().join(", ");
        return Err(table.missing("type").help(format!("known: {known}")));
    };
    let Some(kind) = LEARNERS.iter().find(|kind| kind.name == name) else {
        let span = table.get("type").map_or(&table.span, |setting| &setting.span);
        return Err(settings::unknown(span, &format!("unknown learner type `{name}`"), name, names));
    };
    let learner = (kind.from_settings)(table)?;
    table.finish()?;
    Ok(learner)
}
