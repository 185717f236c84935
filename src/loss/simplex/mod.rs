//! Losses of a simplex: how much a triangle, a tetrahedron, … of told points still asks for refinement.
//!
//! A [`SimplexLoss`] sees a [`View`] of the simplex: its corners and their values, and those of the simplices behind
//! its faces if it asks for them. Coordinates are divided by the widths of the domain, values by the range of all
//! values seen so far, so a loss never depends on the units of a user.
//!
//! A new loss is one file here and one line in [`SIMPLEX_LOSSES`].

mod curvature;
mod default;
mod interpolation_error;
mod level;
mod measure;
mod resolution;
mod std;
mod thresholded;
mod triangle;
mod uniform;
mod view;

pub use curvature::Curvature;
pub use default::GraphVolume;
pub use interpolation_error::InterpolationError;
pub use resolution::Resolution;
pub use std::Std;
pub use triangle::Triangle;
pub use uniform::Uniform;
pub use view::View;

use super::{LossKind, loss_from_settings};
use crate::model::settings::{self, Table};
use ::std::sync::Arc;

/// What a loss asks of the learner that refines by it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Demands {
    /// The loss looks at the vertices behind the faces of the simplex too (upstream: `nth_neighbors = 1`). A learner then
    /// computes it again when one of these changes.
    pub sees_neighbors: bool,
    /// It looks at the gradients at the corners, as the simplices around them give them.
    pub sees_gradients: bool,
    /// A simplex waits with the loss that it has now, and comes before all others where that is infinite. Otherwise it
    /// waits with the greatest that it has had since it was made, as upstream.
    pub is_current: bool,
    /// A simplex is split half-way between its centroid and the place where the interpolant is most wrong (by its
    /// gradients if the loss sees them; else the centre of its circumsphere), or in the middle of its worst edge if that
    /// place lies outside; not in its centroid as upstream.
    pub splits_towards_error: bool,
}

/// How much a simplex of told points still asks for refinement.
pub trait SimplexLoss: Send + Sync {
    /// What the loss asks of the learner; nothing unless said otherwise, as most of upstream's.
    fn demands(&self) -> Demands {
        Demands::default()
    }

    /// The component of a value, from 0, that the loss looks at by its number, if there is one: learners refuse values
    /// that lack it.
    fn component(&self) -> Option<usize> {
        None
    }

    /// The loss of a simplex: zero or more; what is infinite or NaN is ranked by its volume. (Where infinite losses
    /// [come first](Demands::is_current), this holds as soon as a point is pending inside.)
    fn evaluate(&self, simplex: &View<'_>) -> f64;
}

/// One kind of loss of a simplex.
pub type SimplexLossKind = LossKind<dyn SimplexLoss>;

/// All losses that a study file can name for a learner of type `nd`.
pub const SIMPLEX_LOSSES: &[SimplexLossKind] = &[
    default::KIND,
    uniform::KIND,
    std::KIND,
    triangle::KIND,
    curvature::KIND,
    interpolation_error::KIND,
    level::KIND,
    resolution::KIND,
    thresholded::KIND,
];

/// The loss that is used where a study names none: [`InterpolationError`]. Upstream's is [`GraphVolume`], which a study
/// names `default`.
pub fn default_simplex_loss() -> Arc<dyn SimplexLoss> {
    Arc::new(InterpolationError::default())
}

/// Reads `loss` of a learner's table: a name, or a table with a `name` and parameters; the default if absent.
pub fn simplex_loss_from_settings(learner: &Table) -> settings::Result<Arc<dyn SimplexLoss>> {
    loss_from_settings(learner, SIMPLEX_LOSSES, default_simplex_loss)
}

struct FromFn<F> {
    sees_neighbors: bool,
    function: F,
}

impl<F: Fn(&View<'_>) -> f64 + Send + Sync> SimplexLoss for FromFn<F> {
    fn demands(&self) -> Demands {
        Demands { sees_neighbors: self.sees_neighbors, ..Demands::default() }
    }

    fn evaluate(&self, simplex: &View<'_>) -> f64 {
        (self.function)(simplex)
    }
}

/// A loss of your own.
///
/// ```
/// use adaptive_mpi::loss::simplex;
/// let steep = simplex::from_fn(false, |view| {
///     let corners = || (0..=view.dim()).map(|i| view.value(i)[0]);
///     let range = corners().fold(f64::MIN, f64::max) - corners().fold(f64::MAX, f64::min);
///     view.volume() * range
/// });
/// assert!(!steep.demands().sees_neighbors);
/// ```
pub fn from_fn(
    sees_neighbors: bool,
    function: impl Fn(&View<'_>) -> f64 + Send + Sync + 'static,
) -> Arc<dyn SimplexLoss> {
    Arc::new(FromFn { sees_neighbors, function })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::settings::SettingValue;

    /// The triangle (0, 0), (1, 0), (0, 1) with values 0, 1, 2, and a vertex (1, 1) behind its longest side.
    pub(super) const POINTS: [f64; 8] = [0.0, 0.0, 1.0, 0.0, 0.0, 1.0, 1.0, 1.0];
    pub(super) const VALUES: [f64; 4] = [0.0, 1.0, 2.0, 5.0];

    pub(super) fn triangle(neighbor: bool) -> View<'static> {
        let n = if neighbor { 4 } else { 3 };
        View::new(2, &POINTS[..2 * n], 1, &VALUES[..n], 0.5)
    }

    #[test]
    fn every_loss_without_parameters_can_be_made_by_its_bare_name() {
        for kind in SIMPLEX_LOSSES {
            let table = Table::new("learner").with("loss", SettingValue::Text(kind.name.into()));
            let Ok(loss) = simplex_loss_from_settings(&table) else {
                assert!(["level", "thresholded"].contains(&kind.name), "{} needs no parameters", kind.name);
                continue;
            };
            let value = loss.evaluate(&triangle(loss.demands().sees_neighbors));
            assert!(value > 0.0 && value.is_finite(), "{}: {value}", kind.name);
        }
    }

    #[test]
    fn an_unknown_loss_names_the_nearest() {
        let table = Table::new("learner").with("loss", SettingValue::Text("curvture".into()));
        let error = simplex_loss_from_settings(&table).err().unwrap();
        assert_eq!(
            (error.message.as_str(), error.help.as_str()),
            ("unknown loss `curvture`", "did you mean `curvature`?")
        );
    }

    #[test]
    fn a_nan_value_makes_every_loss_of_upstream_nan() {
        let values = [0.0, f64::NAN, 2.0, 5.0];
        let ours = ["uniform", "interpolation_error", "level", "resolution", "thresholded"];
        for kind in SIMPLEX_LOSSES.iter().filter(|kind| !ours.contains(&kind.name)) {
            let loss = (kind.from_settings)(&Table::new("learner.loss")).unwrap();
            assert!(loss.evaluate(&View::new(2, &POINTS, 1, &values, 0.5)).is_nan(), "{}", kind.name);
        }
    }
}
