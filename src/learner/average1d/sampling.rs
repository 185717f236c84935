//! How many samples the points of an `AverageLearner1D` get.

use crate::model::settings::{self, Table};
use crate::model::shown;

/// When a point has enough samples (upstream: the parameters of `AverageLearner1D`, by the same names).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sampling {
    /// A point is sampled again while the error of its mean is more than this part of the distance to its nearest
    /// neighbour; in (0, 1].
    pub delta: f64,
    /// The error of a mean is half the width of its interval of confidence 1 - 2 `alpha`; in (0, 1].
    pub alpha: f64,
    /// A new point gets more than this part of the mean number of samples of its neighbours; in (0, 1].
    pub neighbor_sampling: f64,
    /// A new point gets at least this many samples.
    pub min_samples: u64,
    /// No point gets more samples than this.
    pub max_samples: u64,
    /// A point is not sampled again once the error of its mean is this or less; in the units of the values.
    pub min_error: f64,
    /// Distances between points are measured with x in units of the width of the domain and values in units of their
    /// range, so that `delta` does not depend on the units (upstream: never).
    pub scaled_distances: bool,
}

impl Default for Sampling {
    /// Upstream's defaults.
    fn default() -> Self {
        Self {
            delta: 0.2,
            alpha: 0.005,
            neighbor_sampling: 0.3,
            min_samples: 50,
            max_samples: u64::MAX,
            min_error: 0.0,
            scaled_distances: false,
        }
    }
}

/// A parameter outside of its range.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("`{name}` should be {range}, but is {}", shown(*.value))]
pub struct SamplingError {
    /// Which parameter.
    pub name: &'static str,
    /// What it may be.
    pub range: &'static str,
    /// What it is.
    pub value: f64,
}

impl Sampling {
    /// Whether all parameters are within their ranges.
    pub fn check(&self) -> Result<(), SamplingError> {
        let part = |name, value: f64| {
            let good = value > 0.0 && value <= 1.0;
            if good { Ok(()) } else { Err(SamplingError { name, range: "more than 0 and at most 1", value }) }
        };
        part("delta", self.delta)?;
        part("alpha", self.alpha)?;
        part("neighbor_sampling", self.neighbor_sampling)?;
        let Self { min_samples, max_samples, min_error, .. } = *self;
        if max_samples < min_samples.max(1) {
            let range = "1 or more, and not less than `min_samples`";
            return Err(SamplingError { name: "max_samples", range, value: max_samples as f64 });
        }
        if min_error.is_nan() || min_error < 0.0 {
            return Err(SamplingError { name: "min_error", range: "0 or more", value: min_error });
        }
        Ok(())
    }

    /// Reads the keys of these names.
    pub(super) fn from_settings(table: &Table) -> settings::Result<Self> {
        let usual = Self::default();
        let sampling = Self {
            delta: table.float("delta")?.unwrap_or(usual.delta),
            alpha: table.float("alpha")?.unwrap_or(usual.alpha),
            neighbor_sampling: table.float("neighbor_sampling")?.unwrap_or(usual.neighbor_sampling),
            min_samples: table.count("min_samples")?.unwrap_or(usual.min_samples),
            max_samples: table.count("max_samples")?.unwrap_or(usual.max_samples),
            min_error: table.float("min_error")?.unwrap_or(usual.min_error),
            scaled_distances: table.bool("scaled_distances")?.unwrap_or(usual.scaled_distances),
        };
        sampling.check().map_err(|error| {
            let SamplingError { name, range, value } = error;
            let message = format!("`{}` should be {range}, but is {}", table.path_of(name), shown(value));
            table.error(name, message).help(match name {
                "max_samples" => format!("`min_samples` is {}", sampling.min_samples),
                "min_error" => "as in min_error = 0.01".to_owned(),
                _ => format!("as in {name} = 0.2"),
            })
        })?;
        Ok(sampling)
    }
}
