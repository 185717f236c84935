//! Losses of a triangle, for functions of two numbers.
//!
//! [`Learner2D`](crate::learner::Learner2D) keeps one loss per triangle of the told points and puts the next point
//! into the triangle with the largest. It shows a [`TriangleLoss`] that triangle as a [`Triangle`]: corners in the
//! scaled domain, values divided by their range, and, where the loss wants them, the gradients at the corners.
//!
//! A study names a loss as `loss = "uniform"`, or with parameters as
//! `loss = { name = "resolution", min_distance = 0.01 }`. A new loss is one file here and one line in
//! [`TRIANGLE_LOSSES`].

mod deviation;
mod interpolation_error;
mod resolution;
mod surface;
mod thresholded;
mod view;

pub use deviation::{Deviation, Uniform};
pub use resolution::Resolution;
pub use surface::{Bend, Surface};
pub use thresholded::Thresholded;
pub use view::{Place, Triangle};

use super::simplex::InterpolationError;
use super::{LossKind, loss_from_settings};
use crate::model::settings::{self, Table};
use std::sync::Arc;

/// How much a triangle still asks for refinement.
pub trait TriangleLoss: Send + Sync {
    /// Whether the loss looks at the gradients at the corners. They cost the learner most of its time.
    fn needs_gradients(&self) -> bool {
        false
    }

    /// Whether the gradients are means over the triangles around each vertex, which know nothing of what is farther away;
    /// otherwise they are upstream's, which swing beside a jump.
    fn gradients_are_local(&self) -> bool {
        false
    }

    /// Whether the loss looks at the vertices of neighbouring triangles (upstream: `nth_neighbors = 1`).
    fn needs_neighbours(&self) -> bool {
        false
    }

    /// Whether a triangle is split half-way between its centre and the place where the interpolant is most wrong (by its
    /// gradients if the loss needs them; else the centre of its circumcircle), or in the middle of its worst side if that
    /// place lies outside; otherwise as upstream.
    fn splits_towards_circumcentre(&self) -> bool {
        false
    }

    /// Whether, unless a study says otherwise, each point is chosen with all values at hand (a stack of 1). Otherwise ten
    /// are chosen from one state, as upstream.
    fn uses_every_value(&self) -> bool {
        false
    }

    /// The component of a value, from 0, that the loss looks at by its number, if there is one: learners refuse values
    /// that lack it.
    fn component(&self) -> Option<usize> {
        None
    }

    /// The loss: zero or more. A triangle with infinite loss comes before all others, the largest first; one whose
    /// loss is NaN counts 0.3 of its area, as where the function is flat under the default loss.
    fn evaluate(&self, triangle: &Triangle<'_>) -> f64;
}

struct FromFn<F> {
    needs_gradients: bool,
    function: F,
}

impl<F: Fn(&Triangle<'_>) -> f64 + Send + Sync> TriangleLoss for FromFn<F> {
    fn needs_gradients(&self) -> bool {
        self.needs_gradients
    }

    fn evaluate(&self, triangle: &Triangle<'_>) -> f64 {
        (self.function)(triangle)
    }
}

/// A loss of your own, with or without gradients.
///
/// ```
/// use adaptive_mpi::loss::triangle;
/// let squeezed = triangle::from_fn(true, |triangle| triangle.area() * triangle.deviation(0));
/// assert!(squeezed.needs_gradients());
/// ```
pub fn from_fn(
    needs_gradients: bool,
    function: impl Fn(&Triangle<'_>) -> f64 + Send + Sync + 'static,
) -> Arc<dyn TriangleLoss> {
    Arc::new(FromFn { needs_gradients, function })
}

/// One kind of loss of a triangle.
pub type TriangleLossKind = LossKind<dyn TriangleLoss>;

/// All losses that a study file can name for a learner of type `2d`.
pub const TRIANGLE_LOSSES: &[TriangleLossKind] = &[
    deviation::DEFAULT,
    deviation::UNIFORM,
    resolution::KIND,
    surface::SURFACE,
    thresholded::KIND,
    surface::BEND,
    interpolation_error::KIND,
    interpolation_error::LEVEL,
];

/// The loss that is used where a study names none: [`InterpolationError`]. Upstream's is [`Deviation`], which a study
/// names `default`.
pub fn default_triangle_loss() -> Arc<dyn TriangleLoss> {
    Arc::new(InterpolationError::default())
}

/// Reads `loss` of a learner's table: a name, or a table with a `name` and parameters; the default if absent.
pub fn triangle_loss_from_settings(learner: &Table) -> settings::Result<Arc<dyn TriangleLoss>> {
    loss_from_settings(learner, TRIANGLE_LOSSES, default_triangle_loss)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::settings::SettingValue;

    fn named(loss: SettingValue) -> settings::Result<Arc<dyn TriangleLoss>> {
        triangle_loss_from_settings(&Table::new("learner").with("loss", loss))
    }

    #[test]
    fn every_registered_loss_can_be_made_by_its_name_and_takes_vectors() {
        for kind in TRIANGLE_LOSSES {
            let Ok(loss) = named(SettingValue::Text(kind.name.into())) else {
                assert_eq!(kind.name, "level", "{} needs no parameters", kind.name);
                continue;
            };
            let values = [[0.1, 5.0], [0.4, 2.0], [0.2, 1.0]];
            let gradients = [[[1.0, 0.2], [0.3, 0.4]], [[0.5, 0.6], [0.7, 0.8]], [[0.0, 0.1], [0.9, 1.0]]];
            let points = [[0.0, 0.0], [0.3, 0.0], [0.1, 0.2]];
            let triangle = Triangle::new(points, values.each_ref().map(|y| &y[..]), 0.25)
                .with_gradients(gradients.each_ref().map(|g| &g[..]))
                .with_neighbours(&[([0.3, 0.3], &[0.9, 0.1])]);
            let value = loss.evaluate(&triangle);
            assert!(value > 0.0 && value.is_finite(), "{}: {value}", kind.name);
        }
    }

    #[test]
    fn names_and_parameters_are_checked() {
        assert!(named(SettingValue::Text("default_loss".into())).is_ok());
        let error = named(SettingValue::Text("unifrom".into())).err().unwrap();
        assert_eq!(
            (error.message.as_str(), error.help.as_str()),
            ("unknown loss `unifrom`", "did you mean `uniform`?")
        );
        let table = Table::new("learner.loss")
            .with("name", SettingValue::Text("resolution".into()))
            .with("min_length", SettingValue::Float(0.1));
        let error = named(SettingValue::Table(table)).err().unwrap();
        assert_eq!(error.message, "unknown key `min_length` in [learner.loss]");
        assert!(named(SettingValue::Integer(1)).err().unwrap().help.contains("name = "));
        assert!(named(SettingValue::Table(Table::new("learner.loss"))).is_err());
    }
}
