//! A loss for users who care about where a value crosses a level.

use super::{InterpolationError, IntervalLoss, IntervalLossKind, Window, weight};
use crate::model::settings::{self, Table};
use std::sync::Arc;

/// Looks for the places where a value crosses one of some levels: roots, thresholds, contours.
///
/// For functions of several variables h is the D-th root of the volume of a simplex, and `resolution` 1e-3 unless said
/// otherwise; the loss is the D-th power of what is said here, up to the exponent.
///
/// An interval of length h whose line between the ends crosses a level, or may cross it within twice the
/// estimated error of interpolation, has the loss √h down to `resolution` (fractions of the domain), and hardly any below. All others have a
/// tenth of the second term of [`InterpolationError`], so that crossings which nobody has seen yet are found with time.
#[derive(Clone, Debug)]
pub struct Level {
    /// The levels, in the units of the function; at least one.
    pub levels: Vec<f64>,
    /// Which component of the value counts, from 0.
    pub component: usize,
    /// To which fraction of the domain crossings are found; 1e-6 unless said otherwise.
    pub resolution: f64,
}

pub(super) const LEVEL: IntervalLossKind = IntervalLossKind {
    name: "level",
    about: "where a value crosses one of the levels: levels, component, resolution",
    from_settings: |table| Ok(Arc::new(Level::from_settings(table, 1e-6)?)),
};

impl Level {
    /// Reads `levels`, `component` and `resolution`.
    pub(in crate::loss) fn from_settings(table: &Table, resolution: f64) -> settings::Result<Self> {
        let help = "as in { name = \"level\", levels = [0.0] }";
        let levels = table.floats("levels")?.ok_or_else(|| table.missing("levels").help(help))?;
        if levels.is_empty() || levels.iter().any(|level| !level.is_finite()) {
            let path = table.path_of("levels");
            return Err(table
                .error("levels", format!("`{path}` should be one or more finite numbers"))
                .help(help));
        }
        let resolution = weight(table, "resolution", resolution)?;
        if resolution == 0.0 {
            let path = table.path_of("resolution");
            return Err(table
                .error("resolution", format!("`{path}` should be a fraction of the domain above 0"))
                .help("as in resolution = 1e-6"));
        }
        Ok(Self { levels, component: component(table)?, resolution })
    }
}

/// Reads `component`; 0 unless said otherwise.
pub(super) fn component(table: &Table) -> settings::Result<usize> {
    Ok(table.count("component")?.unwrap_or(0) as usize)
}

/// The values of one component at the two ends, in the units of the function; NaN for a value that lacks it.
#[inline]
pub(super) fn ends(window: &Window<'_>, component: usize) -> (f64, f64) {
    let (a, b) = window.ends();
    let of = |row: &[f64]| row.get(component).map_or(f64::NAN, |y| y * window.y_scale());
    (of(a), of(b))
}

impl IntervalLoss for Level {
    fn nth_neighbors(&self) -> usize {
        1
    }

    fn ignores_infinite(&self) -> bool {
        true
    }

    fn component(&self) -> Option<usize> {
        Some(self.component)
    }

    fn evaluate(&self, window: &Window<'_>) -> f64 {
        let h = window.width();
        let (a, b) = ends(window, self.component);
        let elsewhere = || 0.05 * h * h.sqrt();
        if !(a.is_finite() && b.is_finite()) {
            return elsewhere();
        }
        // Twice the estimate, which is only an estimate.
        let error = 2.0 * InterpolationError::squared_error(window).map_or(0.0, f64::sqrt) * window.y_scale();
        let (low, high) = (a.min(b) - error, a.max(b) + error);
        // Where the function stays at the level, nothing crosses it.
        let crossed = low < high && self.levels.iter().any(|level| (low..=high).contains(level));
        if !crossed {
            return elsewhere();
        }
        if h > self.resolution { h.sqrt() } else { elsewhere() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::settings::{Setting, SettingValue};

    fn level(levels: &[f64]) -> Level {
        Level { levels: levels.to_vec(), component: 0, resolution: 1e-6 }
    }

    #[test]
    fn a_plateau_at_the_level_is_not_crossed_but_where_it_ends() {
        let of =
            |ys: &[f64], left| level(&[0.0]).evaluate(&Window::new(&[0.0, 0.01, 0.02, 0.03], ys, 1, left));
        assert!(of(&[0.0; 4], 1) < 1e-3);
        let end = [0.0, 0.0, 0.0, 0.1];
        assert!(of(&end, 0) < 1e-3 && of(&end, 1) > 0.05 && of(&end, 2) > 0.05);
    }

    #[test]
    fn an_interval_that_crosses_a_level_comes_first() {
        let of = |ys: &[f64]| level(&[10.0]).evaluate(&Window::new(&[0.0, 0.01], ys, 1, 0).divided_by(100.0));
        assert_eq!(of(&[0.05, 0.2]), 0.1);
        assert_eq!(of(&[0.2, 0.1]), 0.1);
        assert!(of(&[0.2, 0.3]) < 1e-3);
        assert!(of(&[f64::NAN, 0.3]) < 1e-3);
    }

    #[test]
    fn a_level_that_a_curve_may_touch_between_two_points_counts_as_crossed() {
        let ys = [0.4, 0.1, 0.1, 0.4];
        let of = |at: f64| level(&[at]).evaluate(&Window::new(&[0.0, 0.1, 0.2, 0.3], &ys, 1, 1));
        assert!(of(0.05) > 0.3 && of(0.0) < 0.1);
    }

    #[test]
    fn a_crossing_that_is_found_is_left_alone() {
        let of = |h: f64| level(&[0.0]).evaluate(&Window::new(&[0.0, h], &[-0.5, 0.5], 1, 0));
        assert!(of(1e-5) > 1e-3 && of(1e-7) < 1e-9);
    }

    #[test]
    fn wrong_parameters_are_refused() {
        let list = |numbers: &[f64]| {
            let item = |x: &f64| Setting { value: SettingValue::Float(*x), span: 0..0 };
            SettingValue::List(numbers.iter().map(item).collect())
        };
        let table = || Table::new("learner.loss");
        let level = |table: Table| (LEVEL.from_settings)(&table).err().map(|error| error.message);
        assert_eq!(level(table()).unwrap(), "`learner.loss.levels` is missing");
        assert!(level(table().with("levels", list(&[]))).unwrap().contains("one or more"));
        assert!(level(table().with("levels", list(&[f64::NAN]))).unwrap().contains("finite"));
        assert_eq!(level(table().with("levels", list(&[0.5]))), None);
    }
}
