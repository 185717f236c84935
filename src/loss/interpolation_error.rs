//! Where linear interpolation is wrong by how much: the loss that is used when a study names none.

use super::{IntervalLoss, IntervalLossKind, Window, weight};
use std::sync::Arc;

/// Estimates by how much the line between the two ends misses the function in between.
///
/// The bending at each end is measured there: by how much the end's value misses the line between its two
/// neighbours. If that bending goes on inside, the interval of length h (the domain is 1 wide) is wrong by some e
/// (the range of values is 1 wide; of a vector, the cube root of the sum of cubes), and the loss is
///
/// ```text
/// (e³ h)^(1/7)  +  exploration · h^(3/2)
/// ```
///
/// The first term is equal everywhere when points are spread so that the mean cube of the error (of all components) is
/// smallest, with a density like |f''|^(3/7): a compromise between the root mean square (exponent 2/5) and the maximum
/// (1/2), as the error of an interval falls like h². It is proportional to h for a smooth function, so that the loss of
/// an interval in which points are pending is shared out rightly. The second term sends points where nothing seems
/// to happen: a share of all points that falls slowly, like N^(-1/3).
///
/// A value that is NaN or infinite is unknown. The border of an unknown region is looked for down to
/// `nan_resolution`; its inside gets as many points as a grid of 1/64 has, and hardly any more. Infinite values have no
/// part in the range of values.
///
/// Measured beside adaptive's losses and the uniform grid in `benches/QUALITY.md`. A jump or a kink is refined as
/// long as this pays for the mean error: until its interval is very short.
#[derive(Clone, Copy, Debug)]
pub struct InterpolationError {
    /// Weight of the second term; 0.5 unless said otherwise. More finds hidden features earlier.
    pub exploration: f64,
    /// To which fraction of the domain the border of a region of NaN or infinite values is found; 1e-4 unless
    /// said otherwise.
    pub nan_resolution: f64,
}

pub(super) const KIND: IntervalLossKind = IntervalLossKind {
    name: "interpolation_error",
    about: "estimated error of linear interpolation, the best for most: exploration, nan_resolution",
    from_settings: |table| Ok(Arc::new(InterpolationError::from_settings(table)?)),
};

/// Error at the border of an unknown region, where it can't be estimated: a quarter of the range.
const BORDER_ERROR: f64 = 0.25;
/// Length of the intervals inside of an unknown region.
const UNKNOWN_GRID: f64 = 1.0 / 64.0;
/// How much longer than its neighbour an interval may be before the neighbour says little about it: at a jump or a
/// kink there is nothing to find beside the short interval that has it.
const FAR: f64 = 8.0;

impl Default for InterpolationError {
    fn default() -> Self {
        Self { exploration: 0.5, nan_resolution: 1e-4 }
    }
}

impl InterpolationError {
    /// Reads `exploration` and `nan_resolution`.
    pub(super) fn from_settings(
        table: &crate::model::settings::Table,
    ) -> crate::model::settings::Result<Self> {
        let default = Self::default();
        let nan_resolution = weight(table, "nan_resolution", default.nan_resolution)?;
        if nan_resolution == 0.0 {
            let path = table.path_of("nan_resolution");
            return Err(table
                .error("nan_resolution", format!("`{path}` should be a fraction of the domain above 0"))
                .help("as in nan_resolution = 1e-4"));
        }
        Ok(Self { exploration: weight(table, "exploration", default.exploration)?, nan_resolution })
    }

    /// Square of the estimated error of an interval whose ends are both known; `None` with no known neighbour.
    #[inline]
    pub(super) fn squared_error(window: &Window<'_>) -> Option<f64> {
        let (left, xs, h) = (window.left(), window.xs(), window.width());
        let mut sum = 0.0;
        let mut seen = 0.0;
        if left > 0 && known(window.y(left - 1)) {
            sum += squared_bend(window, left - 1) * squared_reach(h / (xs[left] - xs[left - 1]));
            seen += 1.0;
        }
        if left + 2 < xs.len() && known(window.y(left + 2)) {
            sum += squared_bend(window, left) * squared_reach(h / (xs[left + 2] - xs[left + 1]));
            seen += 1.0;
        }
        (seen > 0.0).then(|| sum / seen)
    }

    #[inline]
    fn explore(&self, h: f64) -> f64 {
        self.exploration * h * h.sqrt()
    }
}

/// Whether a value can be interpolated.
#[inline]
pub(super) fn known(y: &[f64]) -> bool {
    y.iter().all(|y| y.is_finite())
}

/// Square of the distance, along y, of the point i + 1 from the line between the points i and i + 2; of a vector, of the
/// cube root of the sum of cubes, which makes most of the worst component.
#[inline]
fn squared_bend(window: &Window<'_>, i: usize) -> f64 {
    let xs = window.xs();
    let share = (xs[i + 1] - xs[i]) / (xs[i + 2] - xs[i]);
    let miss = |((a, b), c): ((&f64, &f64), &f64)| (b - a) - (c - a) * share;
    match (window.y(i), window.y(i + 1), window.y(i + 2)) {
        ([a], [b], [c]) => miss(((a, b), c)).powi(2),
        (a, b, c) => {
            let cubes = a.iter().zip(b).zip(c).map(|values| miss(values).powi(3).abs());
            cubes.sum::<f64>().cbrt().powi(2)
        }
    }
}

/// Square of the error of an interval over the bend at its end, where it is `ratio` times as long as its neighbour
/// there. With a constant second derivative that is (ratio / 4)².
#[inline]
fn squared_reach(ratio: f64) -> f64 {
    (ratio / 4.0 / (1.0 + (ratio / FAR).powi(4))).powi(2)
}

/// `(e^3 h)^(1/7)` from the square of e.
#[inline]
fn equal_share(squared: f64, h: f64) -> f64 {
    (squared * squared.sqrt() * h).powf(1.0 / 7.0)
}

impl IntervalLoss for InterpolationError {
    fn nth_neighbors(&self) -> usize {
        1
    }

    fn ignores_infinite(&self) -> bool {
        true
    }

    #[inline]
    fn evaluate(&self, window: &Window<'_>) -> f64 {
        let h = window.width();
        let (a, b) = window.ends();
        // Never 0: of intervals with no loss, the leftmost would be split for ever.
        let fade = |length: f64| if h < length { (h / length).powi(2) } else { 1.0 };
        match (known(a), known(b)) {
            (true, true) => match Self::squared_error(window) {
                Some(squared) => equal_share(squared, h) + self.explore(h),
                None => h,
            },
            (false, false) => self.explore(h) * fade(UNKNOWN_GRID),
            _ => {
                let found = equal_share(BORDER_ERROR * BORDER_ERROR, h);
                (found + self.explore(h)) * fade(self.nan_resolution)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn loss(xs: &[f64], ys: &[f64], left: usize) -> f64 {
        InterpolationError::default().evaluate(&Window::new(xs, ys, 1, left))
    }

    #[test]
    fn the_error_of_a_parabola_is_known() {
        let xs = [0.0, 0.1, 0.2, 0.3];
        let ys = xs.map(|x| x * x);
        let squared = InterpolationError::squared_error(&Window::new(&xs, &ys, 1, 1)).unwrap();
        // h² |f''| / 8
        assert!((squared.sqrt() / (0.01 * 2.0 / 8.0) - 1.0).abs() < 1e-3);
        let uneven = [0.0, 0.1, 0.3, 0.5];
        let ys = uneven.map(|x| x * x);
        let squared = InterpolationError::squared_error(&Window::new(&uneven, &ys, 1, 1)).unwrap();
        assert!((squared.sqrt() / (0.04 * 2.0 / 8.0) - 1.0).abs() < 1e-2);
    }

    #[test]
    fn a_straight_line_is_only_explored() {
        let xs = [0.0, 0.25, 0.5, 0.75];
        assert_eq!(loss(&xs, &xs, 1), 0.5 * 0.125);
        assert_eq!(loss(&xs[..2], &xs[..2], 0), 0.25);
    }

    #[test]
    fn halving_an_interval_halves_the_estimated_part_of_a_smooth_loss() {
        let part = |h: f64| {
            let xs = [-h, 0.0, h, 2.0 * h];
            let ys = xs.map(|x| 3.0 * x * x);
            let window = Window::new(&xs, &ys, 1, 1);
            InterpolationError { exploration: 0.0, ..Default::default() }.evaluate(&window)
        };
        assert!((part(0.02) / part(0.01) - 2.0).abs() < 1e-9);
    }

    #[test]
    fn beside_a_narrow_jump_there_is_little_to_find() {
        let h = 1e-4;
        let xs = [0.0, 0.1, 0.1 + h, 0.2, 0.3];
        let ys = [0.0, 0.0, 1.0, 1.0, 1.0];
        let estimate = |from: usize| {
            let window = Window::new(&xs[from..from + 4], &ys[from..from + 4], 1, 1);
            InterpolationError { exploration: 0.0, ..Default::default() }.evaluate(&window)
        };
        let (jump, beside) = (estimate(0), estimate(1));
        assert!(2.0 * beside < jump, "{beside} {jump}");
    }

    #[test]
    fn a_vector_counts_all_its_components() {
        let xs = [0.0, 0.1, 0.2, 0.3];
        let ys: Vec<f64> = xs.iter().flat_map(|x| [3.0 * x * x, 4.0 * x * x]).collect();
        let squared = InterpolationError::squared_error(&Window::new(&xs, &ys, 2, 1)).unwrap();
        let both = (27f64 + 64.0).cbrt();
        assert!((squared.sqrt() / (both * 0.01 * 2.0 / 8.0) - 1.0).abs() < 1e-3);
    }

    #[test]
    fn unknown_regions_lose_interest_once_their_border_is_found() {
        let nan = f64::NAN;
        let border = |h: f64| loss(&[0.0, h], &[0.0, nan], 0);
        let inside = |h: f64| loss(&[0.0, h], &[nan, f64::INFINITY], 0);
        assert!(border(0.01) > 0.2 && border(1e-4) > 0.1);
        assert!(border(1e-6) < 1e-4 && border(1e-6) > 0.0);
        assert!(inside(0.1) > 0.01 && inside(1e-3) < 1e-7 && inside(1e-3) > 0.0);
        let beside = loss(&[0.0, 0.1, 0.2, 0.3], &[nan, 0.1, 0.2, 0.3], 1);
        assert!((beside - 0.5 * 0.1f64.powf(1.5)).abs() < 1e-4);
    }
}
