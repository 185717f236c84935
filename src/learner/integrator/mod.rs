//! `IntegratorLearner`: the integral of a function of one number, by doubly adaptive Clenshaw-Curtis quadrature.
//!
//! The algorithm is CQUAD (P. Gonnet, "Increasing the Reliability of Adaptive Quadrature Using Explicit Interpolants",
//! ACM TOMS 37, 2010), as in Python adaptive's learner of this name: the interval with the largest error gets the next
//! finer of four nested rules, or is halved where finer rules do not help. The error of an interval is the distance of
//! two interpolants, which is a pessimistic estimate: the true error is nearly always far below.
//!
//! | file | owns |
//! |---|---|
//! | `rule` | nodes, and from values to coefficients |
//! | `points` | what is known of each point; the stack of points to ask |
//! | `interval` | one interval |
//! | `tree` | all intervals: what they want, which is refined next |
//! | `ranking` | their order by error |
//! | `estimate` | what a complete rule says: integral, error, divergence |
//! | `totals` | sums over the intervals |

mod estimate;
mod interval;
mod points;
mod ranking;
mod rule;
mod totals;
mod tree;

use super::interpolant::Polyline;
use super::learner1d::coordinate;
use super::{BoundsError, Interpolant, Learner, LearnerKind, Loss, Suggestion, TellError};
use crate::model::settings::{self, Table};
use crate::model::{Point, Sample, Signature, Value, shown};
use interval::Interval;
use std::cell::OnceCell;
use tree::Tree;

/// Integrates f: R -> R over an interval, to a relative tolerance (upstream: `IntegratorLearner`).
///
/// Asks for the same points in the same order as Python adaptive 1.5.2. With N points known, `ask` and `tell` of a
/// point are O(log N) amortised. Values that are not finite are left out of the interpolation.
///
/// What differs from upstream:
/// - any number of points may be in flight: an interval that is queued twice for splitting is split once, values that
///   come after an interval was divided do not end the refinement of its halves, and after
///   [`Learner::work_in_parallel`] an interval that waits for values is left alone while there are others;
/// - no point lies outside of the bounds, and each end is one point: upstream's nodes at the ends of intervals are rounded,
///   so that it can ask for one beyond an end, and for the end once more. From there on the order of points is another;
/// - values of points that no interval has are kept, and used as soon as an interval wants the point, so that the
///   values alone, in the order of arrival, rebuild the learner;
/// - [`Learner::remove_unfinished`] goes back to what the values alone lead to, in O(N log N);
/// - where the integral diverges, `tell` succeeds, `ask` gives no more points, and [`Learner::hopeless`] says why;
/// - the same where all values of an interval are NaN or infinite, which upstream takes for 0, or for what the values beyond
///   would have there; an interval with more than two of them, or one in eight, is divided, and not taken for known;
/// - an interval is known but for rounding if its error is so small beside the integral of what has its size; upstream compares
///   with its integral, which may be 0 by symmetry.
///
/// ```
/// use adaptive_mpi::learner::{IntegratorLearner, Learner};
///
/// let mut learner = IntegratorLearner::new((0.0, 1.0), 1e-10)?;
/// while learner.done() == Some(false) {
///     for suggestion in learner.ask(1) {
///         learner.tell(&suggestion.sample, &suggestion.sample.point.x().exp().into())?;
///     }
/// }
/// assert!((learner.igral() - 1f64.exp_m1()).abs() < 1e-12);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct IntegratorLearner {
    bounds: (f64, f64),
    tol: f64,
    tree: Tree,
    /// Told points from left to right, while nothing new is told.
    line: OnceCell<Vec<(f64, f64)>>,
}

/// One of the intervals that make up the integral.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ApproximatingInterval {
    /// Left end.
    pub a: f64,
    /// Right end.
    pub b: f64,
    /// The finest rule asked for: 5, 9, 17 or 33 nodes for 0 to 3.
    pub depth: u8,
    /// Generation: 1 for the whole domain, one more after each split.
    pub rdepth: u32,
    /// Estimate of the absolute error.
    pub err: f64,
    /// The integral over this interval.
    pub igral: f64,
}

/// Settings that no integral can be computed with.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum IntegratorError {
    /// Bounds that are no interval.
    #[error(transparent)]
    Bounds(#[from] BoundsError),
    /// So few floating point numbers lie between the bounds that there is nothing to adapt.
    #[error(
        "the bounds [{}, {}] are too close together for floating point numbers between them",
        shown(*.lo), shown(*.hi)
    )]
    TooNarrow {
        /// The lower bound.
        lo: f64,
        /// The upper bound.
        hi: f64,
    },
    /// A tolerance that is none.
    #[error("tol should be a number from 0 to 1, but is {tol}")]
    Tolerance {
        /// The tolerance as given.
        tol: f64,
    },
}

pub(super) const KIND: LearnerKind = LearnerKind {
    name: "integrator",
    about: "the integral of a function of one number: bounds, tol",
    from_settings: |table| Ok(Box::new(IntegratorLearner::from_settings(table)?)),
};

impl IntegratorLearner {
    /// An empty learner for the integral over `lo..=hi` to the relative tolerance `tol`; with a tolerance of 0, as
    /// well as floating point numbers allow.
    pub fn new(bounds: (f64, f64), tol: f64) -> Result<Self, IntegratorError> {
        // Adding 0.0 turns -0.0 into 0.0: they are the same point.
        let (lo, hi) = (bounds.0 + 0.0, bounds.1 + 0.0);
        if !(lo < hi && (hi - lo).is_finite()) {
            return Err(BoundsError { lo, hi }.into());
        }
        if Interval::first(lo, hi).is_too_narrow() {
            return Err(IntegratorError::TooNarrow { lo, hi });
        }
        if !(0.0..=1.0).contains(&tol) {
            return Err(IntegratorError::Tolerance { tol });
        }
        Ok(Self::empty((lo, hi), tol))
    }

    fn empty(bounds: (f64, f64), tol: f64) -> Self {
        Self { bounds, tol, tree: Tree::new(bounds.0, bounds.1), line: OnceCell::new() }
    }

    /// Reads `bounds` and `tol`.
    pub fn from_settings(table: &Table) -> settings::Result<Self> {
        let (of_bounds, of_tol) = ("write it as bounds = [-1, 1]", "a relative tolerance, as in tol = 1e-8");
        let bounds = table.floats("bounds")?.ok_or_else(|| table.missing("bounds").help(of_bounds))?;
        let &[lo, hi] = bounds.as_slice() else {
            return Err(table
                .error("bounds", format!("`{}` should be two numbers", table.path_of("bounds")))
                .help(of_bounds));
        };
        let tol = table.float("tol")?.ok_or_else(|| table.missing("tol").help(of_tol))?;
        Self::new((lo, hi), tol).map_err(|error| match error {
            IntegratorError::Tolerance { .. } => {
                table.error("tol", format!("`{}`: {error}", table.path_of("tol"))).help(of_tol)
            }
            _ => table.error("bounds", error.to_string()).help(of_bounds),
        })
    }

    /// The domain.
    pub fn bounds(&self) -> (f64, f64) {
        self.bounds
    }

    /// The relative tolerance.
    pub fn tol(&self) -> f64 {
        self.tol
    }

    /// The integral; 0 until there is an estimate.
    pub fn igral(&self) -> f64 {
        self.tree.igral()
    }

    /// An estimate of its absolute error, nearly always too large; infinite until there is one.
    pub fn err(&self) -> f64 {
        self.tree.err()
    }

    /// Whether the integral was found to grow without end.
    pub fn is_divergent(&self) -> bool {
        self.tree.divergent
    }

    /// The intervals that make up the integral, from left to right. O(n log n).
    pub fn approximating_intervals(&self) -> Vec<ApproximatingInterval> {
        let of = |id: &u32| {
            let &Interval { a, b, depth, rdepth, err, igral, .. } = self.tree.at(*id);
            ApproximatingInterval { a, b, depth, rdepth, err, igral }
        };
        let mut intervals: Vec<_> = self.tree.cover.iter().map(of).collect();
        intervals.sort_by(|left, right| left.a.total_cmp(&right.a));
        intervals
    }

    fn suggestion(&self, point: u32) -> Suggestion {
        Suggestion {
            sample: Sample::at(Point::scalar(self.tree.points.node(point).x)),
            loss_improvement: self.tree.improvement(point),
        }
    }

    fn told_from_left_to_right(&self) -> &[(f64, f64)] {
        self.line.get_or_init(|| {
            let inside = |x: f64| self.bounds.0 <= x && x <= self.bounds.1;
            let told = self.tree.points.told().filter(|node| inside(node.x));
            let mut line: Vec<(f64, f64)> = told.map(|node| (node.x, node.y)).collect();
            line.sort_by(|left, right| left.0.total_cmp(&right.0));
            line
        })
    }

    fn polyline(&self) -> Polyline {
        let line = self.told_from_left_to_right();
        Polyline::new(line.iter().map(|(x, y)| (*x, std::slice::from_ref(y))))
    }
}

impl Learner for IntegratorLearner {
    fn kind(&self) -> &'static str {
        KIND.name
    }

    fn signature(&self) -> Signature {
        Signature::line()
    }

    fn ask_into(&mut self, n: usize, out: &mut Vec<Suggestion>) {
        for _ in 0..n {
            let Some(point) = self.tree.ask() else { break };
            out.push(self.suggestion(point));
        }
    }

    fn suggest(&mut self, n: usize) -> Vec<Suggestion> {
        if self.tree.has_open(n) {
            self.tree.points.open().take(n).map(|point| self.suggestion(point)).collect()
        } else if let (1, Some((x, loss_improvement))) = (n, self.tree.first_of_next_step()) {
            vec![Suggestion { sample: Sample::at(Point::scalar(x)), loss_improvement }]
        } else {
            self.clone().ask(n)
        }
    }

    fn tell(&mut self, sample: &Sample, value: &Value) -> Result<(), TellError> {
        let x = coordinate(sample)?;
        let &[y] = value.components.as_slice() else {
            return Err(TellError::WrongShape { expected: 1, got: value.components.len() });
        };
        if self.tree.tell(x, y) {
            self.line.take();
        }
        Ok(())
    }

    fn tell_pending(&mut self, sample: &Sample) {
        if let Ok(x) = coordinate(sample) {
            self.tree.points.set_pending(x);
        }
    }

    fn remove_unfinished(&mut self) {
        // Intervals that were made for points without a value are forgotten too: what is left is what a restart sees.
        let mut tree = Tree { patient: self.tree.patient, ..Tree::new(self.bounds.0, self.bounds.1) };
        for node in self.tree.points.told() {
            tree.tell(node.x, node.y);
        }
        self.tree = tree;
    }

    /// [`Loss::Real`] is upstream's: the distance of the error from what is wanted, on either side of it; so it does
    /// not fall steadily and is no goal. [`Loss::Expected`] is for choosing among learners: how far the error is
    /// above what is wanted, shared among the points told and pending; 0 when done.
    fn loss(&self, which: Loss) -> f64 {
        let (err, wanted) = (self.err(), self.igral().abs() * self.tol);
        match which {
            Loss::Real => (wanted - err).abs(),
            Loss::Expected if self.tree.is_done(self.tol) => 0.0,
            Loss::Expected => {
                let told = self.npoints() as f64;
                let part = if self.npending() == 0 { 1.0 } else { told / (told + self.npending() as f64) };
                if err.is_finite() { (err - wanted).max(0.0) * part } else { err }
            }
        }
    }

    fn npoints(&self) -> usize {
        self.tree.points.told().len()
    }

    fn npending(&self) -> usize {
        self.tree.points.n_pending()
    }

    /// Whether the error is below the tolerance, as far as it can be. Never where the integral diverges.
    fn done(&self) -> Option<bool> {
        Some(self.tree.is_done(self.tol))
    }

    fn new_empty(&self) -> Box<dyn Learner> {
        let mut empty = Self::empty(self.bounds, self.tol);
        empty.tree.patient = self.tree.patient;
        Box::new(empty)
    }

    fn boxed_clone(&self) -> Box<dyn Learner> {
        Box::new(self.clone())
    }

    fn figures(&self) -> Vec<(&'static str, f64)> {
        vec![
            ("igral", self.igral()),
            ("err", self.err()),
            ("n_intervals", self.tree.cover.len() as f64),
            ("divergent", f64::from(u8::from(self.is_divergent()))),
        ]
    }

    /// An interval with a point that has no value never has an estimate.
    fn needs(&self, _: &Sample) -> bool {
        true
    }

    fn work_in_parallel(&mut self) {
        self.tree.patient = true;
    }

    /// What one interval asks at most: its values decide whether others are worth refining.
    fn most_in_flight(&self) -> Option<usize> {
        Some(33)
    }

    fn hopeless(&self) -> Option<String> {
        let (a, b) = self.bounds;
        if self.is_divergent() {
            return Some(format!("the integral over [{}, {}] seems to be infinite", shown(a), shown(b)));
        }
        let (from, to) = self.tree.blank?;
        Some(format!(
            "no value in [{}, {}] is a number, so there is no integral over [{}, {}]",
            shown(from),
            shown(to),
            shown(a),
            shown(b)
        ))
    }

    fn bounding_box(&self) -> Option<Vec<(f64, f64)>> {
        Some(vec![self.bounds])
    }

    /// O(N): many points are better given to [`Learner::interpolate_all`].
    fn interpolate(&self, at: &[f64], out: &mut Vec<f64>) -> bool {
        at.len() == 1 && self.interpolate_all(at, out)
    }

    fn interpolate_all(&self, at: &[f64], out: &mut Vec<f64>) -> bool {
        self.polyline().interpolate(at, out)
    }

    fn interpolant(&self) -> Option<Interpolant> {
        self.polyline().into_interpolant()
    }
}

#[cfg(test)]
mod tests;
