//! Losses: how much an interval still asks for refinement. Pure functions.
//!
//! A learner over the real line keeps one loss per interval and splits the interval with the largest. It shows
//! an [`IntervalLoss`] the points around that interval as a [`Window`], scaled so that the domain and the range
//! of the values seen so far are both one unit wide: a loss never depends on the units of a user.
//!
//! A study names a loss as `loss = "curvature"`, or with parameters as
//! `loss = { name = "curvature", area_factor = 2.0 }`. If it names none, it gets [`InterpolationError`], the best that we
//! have (`benches/QUALITY.md`); upstream's default is called `default`. A new loss is one file here and one line in
//! [`INTERVAL_LOSSES`].

mod curvature;
mod distance;
mod interpolation_error;
mod level;
mod resolution;
pub mod simplex;
mod thresholded;
pub mod triangle;
mod window;

pub use curvature::{Curvature, Triangle};
pub use distance::{AbsMinLog, Distance, Uniform};
pub use interpolation_error::InterpolationError;
pub use level::Level;
pub use resolution::Resolution;
pub use thresholded::Thresholded;
pub use window::Window;

use crate::model::settings::{self, Setting, SettingValue, Table};
use std::sync::Arc;

/// How much an interval of the real line still asks for refinement.
pub trait IntervalLoss: Send + Sync {
    /// How many intervals to each side the loss looks at besides its own (upstream: `uses_nth_neighbors`).
    /// A learner computes a loss again when a point arrives within this reach.
    fn nth_neighbors(&self) -> usize {
        0
    }

    /// Whether infinite values have no part in the range that values are scaled by. Upstream's losses let them: from
    /// the first infinite value on, all finite ones look alike to them.
    fn ignores_infinite(&self) -> bool {
        false
    }

    /// The component of a value, from 0, that the loss looks at by its number, if there is one: learners refuse values
    /// that lack it.
    fn component(&self) -> Option<usize> {
        None
    }

    /// The loss of the window's interval: zero or more; what is infinite or NaN is ranked by its length.
    fn evaluate(&self, window: &Window<'_>) -> f64;
}

struct FromFn<F> {
    nth_neighbors: usize,
    function: F,
}

impl<F: Fn(&Window<'_>) -> f64 + Send + Sync> IntervalLoss for FromFn<F> {
    fn nth_neighbors(&self) -> usize {
        self.nth_neighbors
    }

    fn evaluate(&self, window: &Window<'_>) -> f64 {
        (self.function)(window)
    }
}

/// A loss of your own that looks at `nth_neighbors` intervals to each side.
///
/// ```
/// use adaptive_mpi::loss;
/// let steep = loss::from_fn(0, |window| {
///     let (left, right) = window.ends();
///     window.width() * (right[0] - left[0]).abs()
/// });
/// assert_eq!(steep.nth_neighbors(), 0);
/// ```
pub fn from_fn(
    nth_neighbors: usize,
    function: impl Fn(&Window<'_>) -> f64 + Send + Sync + 'static,
) -> Arc<dyn IntervalLoss> {
    Arc::new(FromFn { nth_neighbors, function })
}

/// One kind of loss: how a study file makes it. `L` is the trait of the losses of a learner, as `dyn IntervalLoss`.
pub struct LossKind<L: ?Sized> {
    /// The name in the study file.
    pub name: &'static str,
    /// One line for `--help` and error messages.
    pub about: &'static str,
    /// Reads the parameters (all keys but `name`). The caller finishes the table.
    pub from_settings: fn(&Table) -> settings::Result<Arc<L>>,
}

/// One kind of loss of an interval.
pub type IntervalLossKind = LossKind<dyn IntervalLoss>;

/// All losses that a study file can name for a learner of type `1d`.
pub const INTERVAL_LOSSES: &[IntervalLossKind] = &[
    distance::DEFAULT,
    distance::UNIFORM,
    distance::ABS_MIN_LOG,
    curvature::TRIANGLE,
    resolution::KIND,
    curvature::CURVATURE,
    interpolation_error::KIND,
    level::LEVEL,
    thresholded::KIND,
];

/// The loss that is used where a study names none: [`InterpolationError`]. Upstream's is [`Distance`], which a study
/// names `default`.
pub fn default_interval_loss() -> Arc<dyn IntervalLoss> {
    Arc::new(InterpolationError::default())
}

/// Reads `loss` of a learner's table: a name, or a table with a `name` and parameters; the default if absent.
pub fn interval_loss_from_settings(learner: &Table) -> settings::Result<Arc<dyn IntervalLoss>> {
    loss_from_settings(learner, INTERVAL_LOSSES, default_interval_loss)
}

/// The same for the losses of any learner.
fn loss_from_settings<L: ?Sized>(
    learner: &Table,
    kinds: &[LossKind<L>],
    default: fn() -> Arc<L>,
) -> settings::Result<Arc<L>> {
    let Some(setting) = learner.get("loss") else {
        return Ok(default());
    };
    let example = "{ name = \"curvature\", … }";
    match &setting.value {
        SettingValue::Text(name) => {
            let mut bare = Table::new(learner.path_of("loss"));
            bare.span = setting.span.clone();
            (kind(kinds, name, setting)?.from_settings)(&bare)
        }
        SettingValue::Table(table) => {
            let Some(name) = table.text("name")? else {
                return Err(table.missing("name").help(format!("write it as {example}")));
            };
            let at = table.get("name").unwrap_or(setting);
            let loss = (kind(kinds, name, at)?.from_settings)(table)?;
            table.finish()?;
            Ok(loss)
        }
        _ => {
            let path = learner.path_of("loss");
            let message = format!("`{path}` should be a name or a table, but is {}", setting.kind());
            Err(learner
                .error("loss", message)
                .help(format!("write it as \"curvature\", or with settings as {example}")))
        }
    }
}

fn kind<'a, L: ?Sized>(
    kinds: &'a [LossKind<L>],
    name: &str,
    at: &Setting,
) -> settings::Result<&'a LossKind<L>> {
    // Upstream's default is `default_loss`, whatever our own default is; `default` is its short name.
    let name = if name == "default_loss" { "default" } else { name };
    kinds.iter().find(|kind| kind.name == name).ok_or_else(|| {
        let names = kinds.iter().map(|kind| kind.name);
        settings::unknown(&at.span, &format!("unknown loss `{name}`"), name, names)
    })
}

/// A parameter that must be a finite number, zero or more.
fn weight(table: &Table, key: &str, default: f64) -> settings::Result<f64> {
    let value = table.float(key)?.unwrap_or(default);
    if value.is_finite() && value >= 0.0 {
        Ok(value)
    } else {
        let message = format!("`{}` should be a finite number, 0 or more", table.path_of(key));
        Err(table.error(key, message).help(format!("the default is {key} = {default}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(loss: SettingValue) -> settings::Result<Arc<dyn IntervalLoss>> {
        interval_loss_from_settings(&Table::new("learner").with("loss", loss))
    }

    #[test]
    fn every_loss_without_parameters_can_be_made_by_its_bare_name() {
        for kind in INTERVAL_LOSSES {
            let Ok(loss) = named(SettingValue::Text(kind.name.into())) else {
                assert!(["level", "thresholded"].contains(&kind.name), "{} needs no parameters", kind.name);
                continue;
            };
            let xs = [0.0, 0.25, 0.5, 1.0];
            let ys = [0.1, 0.9, 0.4, 0.3];
            let reach = loss.nth_neighbors();
            let seen = 1 - reach..3 + reach;
            let value = loss.evaluate(&Window::new(&xs[seen.clone()], &ys[seen], 1, reach));
            assert!(value > 0.0 && value.is_finite(), "{}: {value}", kind.name);
        }
    }

    #[test]
    fn an_unknown_loss_names_the_nearest() {
        let error = named(SettingValue::Text("curvture".into())).err().unwrap();
        assert_eq!(error.message, "unknown loss `curvture`");
        assert_eq!(error.help, "did you mean `curvature`?");
    }

    #[test]
    fn parameters_are_read_and_checked() {
        let table = |key: &str, x: f64| {
            SettingValue::Table(
                Table::new("learner.loss")
                    .with("name", SettingValue::Text("curvature".into()))
                    .with(key, SettingValue::Float(x)),
            )
        };
        let window = Window::new(&[0.0, 0.5], &[0.0, 0.0], 1, 0);
        let twice = named(table("euclid_factor", 0.04)).unwrap().evaluate(&window);
        let once = named(SettingValue::Text("curvature".into())).unwrap().evaluate(&window);
        assert!((twice - once - 0.01).abs() < 1e-15);
        assert_eq!(
            named(table("area_factor", -1.0)).err().unwrap().message,
            "`learner.loss.area_factor` should be a finite number, 0 or more"
        );
        assert_eq!(named(table("area_facto", 1.0)).err().unwrap().help, "did you mean `area_factor`?");
        assert!(named(SettingValue::Integer(1)).is_err());
    }
}
