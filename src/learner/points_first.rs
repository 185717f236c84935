//! `PointsFirst`: a learner that asks given points before all others.

use super::inner::left_to_inner;
use super::{Learner, Suggestion, TellError};
use crate::model::settings::{self, Setting, SettingError, Table};
use crate::model::{Point, Sample, Value, shown};
use std::sync::Arc;

/// A learner that asks given points before all others, in their order; then it is the learner that it was made of.
///
/// Points that are told or pending by then are left out. After [`Learner::remove_unfinished`] the list starts anew, so a
/// run that goes on from its results asks for what is missing of it.
///
/// ```
/// use adaptive_mpi::learner::{Learner, Learner2D, PointsFirst};
/// use adaptive_mpi::loss::triangle::default_triangle_loss;
/// use adaptive_mpi::model::Point;
///
/// let plane = Learner2D::new([(-1.0, 1.0), (0.0, 2.0)], default_triangle_loss())?;
/// let mut learner = PointsFirst::new(Box::new(plane), vec![Point::new(&[0.1, 0.7])])?;
/// let asked = learner.ask(2);
/// assert_eq!(*asked[0].sample.point, [0.1, 0.7]);
/// assert_eq!(*asked[1].sample.point, [-1.0, 0.0]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct PointsFirst {
    inner: Box<dyn Learner>,
    points: Arc<[Point]>,
    /// How many of them were asked, or known already.
    asked: usize,
}

/// A point that the learner can't ask.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct GivenPointError {
    /// Its place in the list, from 0.
    pub index: usize,
    /// What is wrong with it.
    pub reason: String,
}

impl PointsFirst {
    /// The points, then those of `inner`. Each of them must be in its domain, and of whole numbers where only such are
    /// asked.
    pub fn new(inner: Box<dyn Learner>, points: Vec<Point>) -> Result<Self, GivenPointError> {
        for (index, point) in points.iter().enumerate() {
            if let Some(reason) = inner.refuses(point) {
                return Err(GivenPointError { index, reason });
            }
        }
        // Adding 0.0 turns -0.0 into 0.0: they are the same point.
        let points = points.iter().map(|point| point.iter().map(|x| x + 0.0).collect()).collect();
        Ok(Self { inner, points, asked: 0 })
    }

    /// Asks up to `n` of the points.
    fn ask_given(&mut self, n: usize, out: &mut Vec<Suggestion>) {
        let full = out.len() + n;
        while out.len() < full
            && let Some(point) = self.points.get(self.asked)
        {
            self.asked += 1;
            let sample = Sample::at(point.clone());
            let before = self.inner.npending();
            // What is known already does not become pending.
            self.inner.tell_pending(&sample);
            if self.inner.npending() > before {
                out.push(Suggestion { sample, loss_improvement: f64::INFINITY });
            }
        }
    }
}

/// Reads `points_first`: the same learner, with these points first if there are any.
pub(super) fn from_settings(table: &Table, learner: Box<dyn Learner>) -> settings::Result<Box<dyn Learner>> {
    let signature = learner.signature();
    let help = if signature.scalar {
        "give points within the bounds, as in points_first = [0, 0.5]"
    } else {
        "give points within the domain, as in points_first = [[0, 0.5], [1, 0.25]]"
    };
    let list = table.list("points_first").map_err(|error| error.help(help))?.unwrap_or_default();
    if list.is_empty() {
        return Ok(learner);
    }
    let path = |index: usize| format!("{}[{index}]", table.path_of("points_first"));
    let read = |(index, item): (usize, &Setting)| {
        let path = path(index);
        if signature.scalar { item.float(&path).map(Point::scalar) } else { point(item, &path) }
    };
    let points = list.iter().enumerate().map(read).collect::<settings::Result<Vec<_>>>();
    let points = points.map_err(|error| error.help(help))?;
    let given = PointsFirst::new(learner, points).map_err(|error| {
        let message = format!("`{}`: {error}", path(error.index));
        SettingError::new(&list[error.index].span, message).help(help)
    })?;
    Ok(Box::new(given))
}

fn point(item: &Setting, path: &str) -> settings::Result<Point> {
    Ok(item.floats(path)?.into_iter().collect())
}

impl Learner for PointsFirst {
    fn kind(&self) -> &'static str {
        self.inner.kind()
    }

    fn ask_into(&mut self, n: usize, out: &mut Vec<Suggestion>) {
        let before = out.len();
        if self.asked < self.points.len() {
            self.ask_given(n, out);
        }
        let left = n - (out.len() - before);
        if left > 0 {
            self.inner.ask_into(left, out);
        }
    }

    fn suggest(&mut self, n: usize) -> Vec<Suggestion> {
        if self.asked < self.points.len() { self.boxed_clone().ask(n) } else { self.inner.suggest(n) }
    }

    fn tell(&mut self, sample: &Sample, value: &Value) -> Result<(), TellError> {
        self.inner.tell(sample, value)
    }

    fn tell_many(&mut self, told: &[(Sample, Value)]) -> Result<(), TellError> {
        self.inner.tell_many(told)
    }

    fn remove_unfinished(&mut self) {
        self.asked = 0;
        self.inner.remove_unfinished();
    }

    fn work_in_parallel(&mut self) {
        self.inner.work_in_parallel();
    }

    fn new_empty(&self) -> Box<dyn Learner> {
        Box::new(Self { inner: self.inner.new_empty(), points: self.points.clone(), asked: 0 })
    }

    fn boxed_clone(&self) -> Box<dyn Learner> {
        Box::new(Self { inner: self.inner.boxed_clone(), points: self.points.clone(), asked: self.asked })
    }

    left_to_inner!();

    fn learned(&self, outputs: Vec<String>) -> Vec<String> {
        self.inner.learned(outputs)
    }

    fn tell_pending(&mut self, sample: &Sample) {
        self.inner.tell_pending(sample);
    }

    fn give_up(&mut self, sample: &Sample) {
        self.inner.give_up(sample);
    }
}

/// What is wrong with a point for a box of these bounds, where only whole numbers are asked along some axes.
pub(super) fn refused_by_box(
    names: &[String],
    bounds: &[(f64, f64)],
    whole: impl Fn(usize) -> bool,
    point: &[f64],
) -> Option<String> {
    if point.len() != bounds.len() {
        return Some(format!("it has {} coordinates instead of {}", point.len(), bounds.len()));
    }
    let wrong = |axis: &usize| {
        let (x, (lo, hi)) = (point[*axis], bounds[*axis]);
        !(x >= lo && x <= hi) || whole(*axis) && x.fract() != 0.0
    };
    (0..bounds.len()).find(wrong).map(|axis| {
        let (x, (lo, hi)) = (point[axis], bounds[axis]);
        let what = if whole(axis) { "a whole number" } else { "a number" };
        format!("{} = {} is not {what} from {} to {}", names[axis], shown(x), shown(lo), shown(hi))
    })
}
