//! A `Learner2D` from a study file.

use super::Learner2D;
use crate::learner::lattice::whole_axes;
use crate::learner::learner1d::wanted;
use crate::learner::{LearnerKind, points_first};
use crate::loss::triangle::triangle_loss_from_settings;
use crate::model::settings::{self, Table};
use crate::model::shown;

pub(in crate::learner) const KIND: LearnerKind = LearnerKind {
    name: "2d",
    about: "a function of two numbers: bounds, loss, stack_size, aspect_ratio, integer, points_first",
    from_settings: |table| points_first::from_settings(table, Box::new(Learner2D::from_settings(table)?)),
};

/// What is no rectangle.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum PlaneError {
    /// Bounds that are no interval.
    #[error(
        "the bounds of {axis} should be {}, but are [{}, {}]",
        wanted(*.lo, *.hi), shown(*.lo), shown(*.hi)
    )]
    Bounds {
        /// `x` or `y`.
        axis: char,
        /// The lower bound as given.
        lo: f64,
        /// The upper bound as given.
        hi: f64,
    },
    /// A bound between whole numbers, where only such are asked.
    #[error("only whole numbers are asked along {axis}, but a bound of {axis} is {}", shown(*.x))]
    NotWhole {
        /// `x` or `y`.
        axis: char,
        /// The bound as given.
        x: f64,
    },
    /// An aspect ratio that is not positive.
    #[error("the aspect ratio should be a number above 0, but is {aspect_ratio}")]
    AspectRatio {
        /// As given.
        aspect_ratio: f64,
    },
}

/// The same bounds, if they are intervals.
pub(super) fn checked(bounds: [(f64, f64); 2]) -> Result<[(f64, f64); 2], PlaneError> {
    for (axis, (lo, hi)) in ['x', 'y'].into_iter().zip(bounds) {
        if !(lo < hi && (hi - lo).is_finite()) {
            return Err(PlaneError::Bounds { axis, lo, hi });
        }
    }
    // Adding 0.0 turns -0.0 into 0.0: they are the same point.
    Ok(bounds.map(|(lo, hi)| (lo + 0.0, hi + 0.0)))
}

impl Learner2D {
    /// Reads `bounds` (two pairs), `loss`, `integer`, `stack_size` (default 1, and 10 for upstream's losses) and `aspect_ratio`
    /// (default 1).
    pub fn from_settings(table: &Table) -> settings::Result<Self> {
        let help = "write it as bounds = [[-1, 1], [0, 2]]: first and last x, first and last y";
        let path = table.path_of("bounds");
        let bounds = table.list("bounds").map_err(|error| error.help(help))?;
        let bounds = bounds.ok_or_else(|| table.missing("bounds").help(help))?;
        let [x, y] = bounds else {
            return Err(table.error("bounds", format!("`{path}` should be two pairs of numbers")).help(help));
        };
        let pair = |axis: &settings::Setting, at: usize| match axis.floats(&format!("{path}[{at}]"))?[..] {
            [lo, hi] => Ok((lo, hi)),
            _ => {
                Err(settings::SettingError::new(&axis.span, format!("`{path}[{at}]` should be two numbers")))
            }
        };
        let pairs = || Ok([pair(x, 0)?, pair(y, 1)?]);
        let bounds = pairs().map_err(|error: settings::SettingError| error.help(help))?;
        let loss = triangle_loss_from_settings(table)?;
        let learner =
            Self::new(bounds, loss).map_err(|error| table.error("bounds", error.to_string()).help(help))?;
        let whole = whole_axes(table, 2)?;
        let learner = learner.over_whole_numbers([whole[0], whole[1]]).map_err(|error| {
            table.error("bounds", error.to_string()).help("as in bounds = [[0, 9], [1, 20]]")
        })?;
        let learner = match table.count("stack_size")? {
            Some(0) => {
                let message = format!("`{}` should be 1 or more", table.path_of("stack_size"));
                return Err(table
                    .error("stack_size", message)
                    .help("1 uses every value at once; adaptive takes 10"));
            }
            Some(size) => learner.with_stack_size(size as usize),
            None => learner,
        };
        match table.float("aspect_ratio")? {
            Some(ratio) => learner.with_aspect_ratio(ratio).map_err(|error| {
                table.error("aspect_ratio", error.to_string()).help("as in aspect_ratio = 1.0")
            }),
            None => Ok(learner),
        }
    }
}
