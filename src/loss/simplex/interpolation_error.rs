//! Where linear interpolation is wrong by how much: the loss that is used when a study names none.

use super::{Demands, SimplexLoss, SimplexLossKind, View};
use crate::geometry::simplex::{Weights, barycentric};
use crate::loss::weight;
use crate::model::settings::{self, Table};
use smallvec::SmallVec;
use std::sync::Arc;

/// Estimates by how much the plane through the corners of a simplex misses the function inside.
///
/// Two estimates are made, and their mean is the error e (the range of values is 1 wide; of a vector, the root of the
/// sum of squares):
/// - by how much the plane misses the vertices behind the faces, brought to the size of the simplex. It sees every kink,
///   but not the bending of a bowl whose vertices lie on a common sphere, as those of a grid do;
/// - by how much the tangent planes at the corners miss the other corners. It sees bowls, and blurs jumps.
///
/// For a simplex of volume V in D dimensions (the domain is 1 wide along each axis) the loss is
///
/// ```text
/// (e³ V)^(D / (6 + D))  +  exploration · V^(3/2)
/// ```
///
/// which for D = 1 is the loss of the same name for [intervals](crate::loss::InterpolationError). The first term is
/// equal everywhere when points are spread so that the mean cube of the error is smallest: a compromise between the
/// root mean square and the maximum. It is proportional to V for a smooth function, so that the loss of a simplex in
/// which points are pending is shared out rightly. The second term sends points where nothing seems to happen.
///
/// A value that is NaN or infinite is unknown. The border of an unknown region is looked for down to simplices of
/// the size `nan_resolution` (the D-th root of the volume); its inside gets hardly more points than a grid of 1/10 has.
///
/// Points go where the interpolant seems most wrong inside of a simplex, by the gradients at its corners and its shape.
/// Measured beside adaptive's learners, grids and Sobol points in `benches/QUALITY.md`.
#[derive(Clone, Copy, Debug)]
pub struct InterpolationError {
    /// Weight of the second term; 0.2 unless said otherwise. More finds hidden features earlier.
    pub exploration: f64,
    /// To which fraction of the domain the border of a region of NaN or infinite values is found; 0.02 unless
    /// said otherwise.
    pub nan_resolution: f64,
}

pub(super) const KIND: SimplexLossKind = SimplexLossKind {
    name: "interpolation_error",
    about: "estimated error of linear interpolation, the best for most: exploration, nan_resolution",
    from_settings: |table| Ok(Arc::new(InterpolationError::from_settings(table)?)),
};

/// Error at the border of an unknown region, where it can't be estimated: a quarter of the range.
const BORDER_ERROR: f64 = 0.25;
/// Size of the simplices inside of an unknown region.
const UNKNOWN_GRID: f64 = 0.1;
/// How much larger than the simplex behind a face another one may be before that says little about it.
const FAR: f64 = 4.0;

impl Default for InterpolationError {
    fn default() -> Self {
        Self { exploration: 0.2, nan_resolution: 0.02 }
    }
}

impl InterpolationError {
    /// Reads `exploration` and `nan_resolution`.
    pub(in crate::loss) fn from_settings(table: &Table) -> settings::Result<Self> {
        let default = Self::default();
        let nan_resolution = weight(table, "nan_resolution", default.nan_resolution)?;
        if nan_resolution == 0.0 {
            let path = table.path_of("nan_resolution");
            return Err(table
                .error("nan_resolution", format!("`{path}` should be a fraction of the domain above 0"))
                .help("as in nan_resolution = 0.01"));
        }
        Ok(Self { exploration: weight(table, "exploration", default.exploration)?, nan_resolution })
    }

    #[inline]
    fn explore(&self, volume: f64) -> f64 {
        self.exploration * volume * volume.sqrt()
    }

    /// Estimated error of a simplex whose corners are all known; `None` where nothing is known around it.
    pub(in crate::loss) fn error(simplex: &View<'_>) -> Option<f64> {
        match (surprise(simplex), bend(simplex)) {
            (Some(surprise), Some(bend)) => Some(0.5 * (surprise + bend)),
            (surprise, bend) => surprise.or(bend),
        }
    }
}

/// Whether a value can be interpolated.
#[inline]
pub(super) fn known(y: &[f64]) -> bool {
    y.iter().all(|y| y.is_finite())
}

/// By how much the plane misses the vertices behind the faces, brought to the size of the simplex.
///
/// Beside a plane through its corners, a function whose second derivatives are constant has the height
/// -½ Σ wᵢ wⱼ qᵢⱼ, with barycentric coordinates w and the second difference qᵢⱼ along each edge: heights outside and in
/// the centre compare like Σ |wᵢ wⱼ|.
fn surprise(simplex: &View<'_>) -> Option<f64> {
    let dim = simplex.dim();
    let centre = 0.5 * dim as f64 / (dim + 1) as f64;
    let mut misses = Misses::default();
    for k in dim + 1..dim + 1 + simplex.neighbors() {
        if !known(simplex.value(k)) {
            continue;
        }
        let Some(w) = weights(simplex, simplex.point(k)) else { continue };
        let mut squared = 0.0;
        for (c, value) in simplex.value(k).iter().enumerate() {
            // Beside the first corner, so that where all values are equal there is no error, not even by rounding.
            let first = simplex.value(0)[c];
            let rise: f64 = (1..=dim).map(|i| w[i] * (simplex.value(i)[c] - first)).sum();
            let miss = value - first - rise;
            squared += miss * miss;
        }
        let mut products = 0.0;
        for i in 1..=dim {
            for j in 0..i {
                products += (w[i] * w[j]).abs();
            }
        }
        let ratio = centre / products;
        misses.add(squared.sqrt() * ratio / (1.0 + (4.0 * ratio / FAR).powi(4)));
    }
    misses.mean()
}

/// By how much the tangent planes at the corners miss the other corners, as an error in the centre; `None` without
/// gradients.
fn bend(simplex: &View<'_>) -> Option<f64> {
    let dim = simplex.dim();
    let mut misses = Misses::default();
    for i in 0..=dim {
        for j in (0..=dim).filter(|j| *j != i) {
            let mut squared = 0.0;
            for c in 0..simplex.value_dim() {
                let along = simplex.gradient(i, c)?.iter().zip(simplex.point(j)).zip(simplex.point(i));
                let rise: f64 = along.map(|((slope, to), from)| slope * (to - from)).sum();
                let miss = simplex.value(i)[c] + rise - simplex.value(j)[c];
                squared += miss * miss;
            }
            misses.add(squared.sqrt());
        }
    }
    // A miss is half the second difference of an edge, which counts D / (2 (D + 1)) there.
    misses.mean().map(|miss| miss * 0.5 * dim as f64 / (dim + 1) as f64)
}

/// The square of the mean root of several misses. Beside a jump or a kink one of them is large and the others are none: there,
/// the plane through the corners is right, and the error is on the other side of a face. A mean would say a third.
#[derive(Default)]
struct Misses {
    roots: f64,
    count: f64,
}

impl Misses {
    #[inline]
    fn add(&mut self, miss: f64) {
        self.roots += miss.sqrt();
        self.count += 1.0;
    }

    #[inline]
    fn mean(&self) -> Option<f64> {
        (self.count > 0.0).then(|| (self.roots / self.count).powi(2))
    }
}

/// Barycentric coordinates of a point; `None` for a flat simplex.
#[inline]
fn weights(simplex: &View<'_>, at: &[f64]) -> Option<Weights> {
    let dim = simplex.dim();
    if let (2, &[x, y]) = (dim, at) {
        let edge =
            |k: usize| [simplex.point(k)[0] - simplex.point(0)[0], simplex.point(k)[1] - simplex.point(0)[1]];
        let (u, v) = (edge(1), edge(2));
        let to = [x - simplex.point(0)[0], y - simplex.point(0)[1]];
        let area = u[0] * v[1] - u[1] * v[0];
        let (b, c) = ((to[0] * v[1] - to[1] * v[0]) / area, (u[0] * to[1] - u[1] * to[0]) / area);
        return (area != 0.0).then(|| Weights::from_slice(&[1.0 - b - c, b, c]));
    }
    let corners: SmallVec<[f64; 96]> = (0..=dim).flat_map(|i| simplex.point(i)).copied().collect();
    barycentric(&corners, dim, at)
}

/// `(e^3 V)^(D / (6 + D))`.
#[inline]
fn equal_share(error: f64, volume: f64, dim: f64) -> f64 {
    let share = error * error * error * volume;
    if dim == 2.0 { share.sqrt().sqrt() } else { share.powf(dim / (6.0 + dim)) }
}

impl SimplexLoss for InterpolationError {
    fn demands(&self) -> Demands {
        Demands { sees_neighbors: true, sees_gradients: true, is_current: true, splits_towards_error: true }
    }

    fn evaluate(&self, simplex: &View<'_>) -> f64 {
        let (volume, dim) = (simplex.volume(), simplex.dim() as f64);
        // Never 0: of simplices with no loss, the first would be split for ever.
        let fade = |size: f64| (volume.powf(1.0 / dim) / size).min(1.0).powi(2);
        match (0..=simplex.dim()).filter(|i| known(simplex.value(*i))).count() {
            0 => self.explore(volume) * fade(UNKNOWN_GRID),
            some if some <= simplex.dim() => {
                let found = equal_share(BORDER_ERROR, volume, dim);
                (found + self.explore(volume)) * fade(self.nan_resolution)
            }
            _ => match Self::error(simplex) {
                Some(error) => equal_share(error, volume, dim) + self.explore(volume),
                None => volume,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::loss::simplex::tests::{POINTS, VALUES, triangle};

    fn loss(view: &View<'_>) -> f64 {
        InterpolationError { exploration: 0.0, ..Default::default() }.evaluate(view)
    }

    #[test]
    fn what_is_linear_has_no_error_and_is_only_explored() {
        let values = [0.0, 1.0, 2.0, 3.0];
        let gradients = [1.0, 2.0].repeat(3);
        let view = View::new(2, &POINTS, 1, &values, 0.5).with_gradients(&gradients);
        assert!(loss(&view) < 1e-10);
        let explored = InterpolationError { exploration: 2.0, ..Default::default() }.evaluate(&view);
        assert!((explored - 2.0 * 0.5f64.powf(1.5)).abs() < 1e-10, "{explored}");
    }

    #[test]
    fn a_vertex_behind_a_face_that_the_plane_misses_is_an_error() {
        // The plane is 3 at (1, 1), where the value is 5; there Σ |w w| is 3, and 1/3 in the centre.
        let ratio = 1.0 / 9.0;
        let error = surprise(&triangle(true)).unwrap();
        assert!((error - 2.0 * ratio / (1.0 + ratio * ratio * ratio * ratio)).abs() < 1e-12);
        let alone = triangle(false);
        assert_eq!(surprise(&alone), None);
        assert_eq!(loss(&alone), 0.5, "with nothing around it, its volume");
    }

    #[test]
    fn a_bowl_over_a_square_is_seen_by_its_gradients() {
        let bowl = |x: f64, y: f64| x * x + y * y;
        let values: Vec<f64> = POINTS.chunks(2).map(|p| bowl(p[0], p[1])).collect();
        let gradients: Vec<f64> = POINTS[..6].iter().map(|x| 2.0 * x).collect();
        let view = View::new(2, &POINTS, 1, &values, 0.5).with_gradients(&gradients);
        assert_eq!(surprise(&view), Some(0.0));
        // Edges of lengths 1, 1, √2 with the second derivative 2: they miss by 1, 1 and 2. A third is the error.
        let error = bend(&view).unwrap();
        let mean = ((2.0 + 2f64.sqrt()) / 3.0).powi(2);
        assert!((error - mean / 3.0).abs() < 1e-12, "{error}");
    }

    #[test]
    fn a_loss_of_a_smooth_function_falls_like_the_volume() {
        let of = |size: f64| {
            let points: Vec<f64> = POINTS.iter().map(|x| x * size).collect();
            let values: Vec<f64> = points.chunks(2).map(|p| p[0] * p[0] + 3.0 * p[0] * p[1]).collect();
            let gradients: Vec<f64> =
                points[..6].chunks(2).flat_map(|p| [2.0 * p[0] + 3.0 * p[1], 3.0 * p[0]]).collect();
            loss(&View::new(2, &points, 1, &values, 0.5 * size * size).with_gradients(&gradients))
        };
        assert!((of(0.02) / of(0.01) - 4.0).abs() < 1e-9);
    }

    #[test]
    fn an_unknown_region_is_resolved_at_its_border_and_left_alone_inside() {
        let of = |values: [f64; 4], size: f64| {
            let points: Vec<f64> = POINTS.iter().map(|x| x * size).collect();
            InterpolationError::default().evaluate(&View::new(2, &points, 1, &values, 0.5 * size * size))
        };
        let (nan, inf) = (f64::NAN, f64::INFINITY);
        let border = [0.0, nan, inf, 1.0];
        let inside = [nan, nan, inf, 1.0];
        assert!(of(border, 0.1) > 20.0 * of([inf, nan, nan, 1.0], 0.1));
        assert!(of(border, 0.001) < 0.01 * of(border, 0.1));
        assert!(of(inside, 0.5) > 0.0 && of([0.1, 0.2, 0.3, nan], 0.1) > 0.0);
    }

    #[test]
    fn a_resolution_of_zero_is_refused() {
        let table = Table::new("learner.loss").with("nan_resolution", settings::SettingValue::Float(0.0));
        assert!(InterpolationError::from_settings(&table).is_err());
        assert!(loss(&View::new(2, &POINTS, 1, &VALUES, 0.5)) > 0.0);
    }
}
