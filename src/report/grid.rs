//! Interpolants on grids: where to look, and how closely.

use crate::geometry::simplex;
use crate::learner::{Interpolant, Learner};

/// Points that a grid may have where nobody says how many.
pub const MOST_POINTS: usize = 1_000_000;

/// Rows that are interpolated at once.
const ROWS: usize = 4096;

/// Points at which an interpolant is wanted.
#[derive(Clone, Debug, PartialEq)]
pub enum Points {
    /// All combinations of these coordinates, one list for each axis; the last axis varies fastest.
    Grid(Vec<Vec<f64>>),
    /// Any points.
    Given {
        /// Coordinates of a point.
        dim: usize,
        /// Point after point.
        rows: Vec<f64>,
    },
}

impl Points {
    /// An even grid over a box, with so many points along each axis, both ends included; of one point, the middle.
    #[must_use]
    pub fn even(bounds: &[(f64, f64)], counts: &[usize]) -> Self {
        let axis = |(&(lo, hi), &n): (&(f64, f64), &usize)| match n {
            0 | 1 => vec![lo + (hi - lo) / 2.0; n],
            // Weights of both ends, so that both are exact.
            _ => (0..n)
                .map(|i| i as f64 / (n - 1) as f64)
                .map(|share| lo * (1.0 - share) + hi * share)
                .collect(),
        };
        Self::Grid(bounds.iter().zip(counts).map(axis).collect())
    }

    /// Coordinates of a point.
    #[must_use]
    pub fn dim(&self) -> usize {
        match self {
            Self::Grid(axes) => axes.len(),
            Self::Given { dim, .. } => *dim,
        }
    }

    /// How many there are; `usize::MAX` if there are even more.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::Grid(axes) => axes.iter().fold(1, |product, axis| product.saturating_mul(axis.len())),
            Self::Given { dim, rows } => rows.len() / (*dim).max(1),
        }
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Appends the coordinates of one of them.
    pub fn push(&self, index: usize, out: &mut Vec<f64>) {
        match self {
            Self::Grid(axes) => {
                let start = out.len();
                let mut left = index;
                for axis in axes.iter().rev() {
                    out.push(axis[left % axis.len()]);
                    left /= axis.len();
                }
                out[start..].reverse();
            }
            Self::Given { dim, rows } => out.extend_from_slice(&rows[index * dim..(index + 1) * dim]),
        }
    }
}

/// The interpolant of a learner at all these points, row after row; NaN outside of what is known. Nothing if the learner
/// can't interpolate: it knows too little by now, or never can.
///
/// ```
/// use adaptive_mpi::learner::{Learner, Learner2D};
/// use adaptive_mpi::loss::triangle::default_triangle_loss;
/// use adaptive_mpi::report::grid::{self, Points};
///
/// let mut learner = Learner2D::new([(0.0, 1.0), (0.0, 2.0)], default_triangle_loss())?;
/// for suggestion in learner.ask(4) {
///     let value = suggestion.sample.point[0] + suggestion.sample.point[1];
///     learner.tell(&suggestion.sample, &value.into())?;
/// }
/// let points = Points::even(&[(0.0, 1.0), (0.0, 2.0)], &[2, 3]);
/// assert_eq!(grid::interpolate(&learner, &points), Some(vec![0.0, 1.0, 2.0, 1.0, 2.0, 3.0]));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use]
pub fn interpolate(learner: &dyn Learner, points: &Points) -> Option<Vec<f64>> {
    in_parts(points, |at, values| learner.interpolate_all(at, values))
}

/// The same of an interpolant of two coordinates; nothing if it has another number of them.
#[must_use]
pub fn interpolate_surface(interpolant: &Interpolant, points: &Points) -> Option<Vec<f64>> {
    let mut lookup = interpolant.lookup()?;
    in_parts(points, |at, values| {
        lookup.interpolate_all(at, values);
        true
    })
}

/// Some points at a time, so that few are in memory.
fn in_parts(points: &Points, mut interpolate: impl FnMut(&[f64], &mut Vec<f64>) -> bool) -> Option<Vec<f64>> {
    let mut values = Vec::new();
    let mut at = Vec::with_capacity(ROWS.min(points.len()) * points.dim());
    let mut next = 0;
    while next < points.len() {
        let end = points.len().min(next + ROWS);
        at.clear();
        (next..end).for_each(|index| points.push(index, &mut at));
        if !interpolate(&at, &mut values) {
            return None;
        }
        next = end;
    }
    (!values.is_empty()).then_some(values)
}

/// How many points along each axis show the smallest simplex, but 10 at least, and not more than [`MOST_POINTS`]
/// altogether (upstream's `interpolated_on_grid` chooses so, without the limit). `scales` are the widths by which
/// coordinates are divided. O(N).
#[must_use]
pub fn fine_enough(interpolant: &Interpolant, scales: &[f64]) -> usize {
    let dim = interpolant.dim.max(1);
    let mut corners = Vec::new();
    let volumes = interpolant.simplices.chunks_exact(dim + 1).map(|cell| {
        corners.clear();
        for vertex in cell {
            let point = &interpolant.points[*vertex as usize * dim..][..dim];
            corners.extend(point.iter().zip(scales).map(|(x, scale)| x / scale));
        }
        simplex::volume(&corners, dim)
    });
    let smallest = volumes.filter(|volume| *volume > 0.0).fold(1.0, f64::min);
    // Along a line, every interval gets a point; in a plane upstream's number.
    let wanted = if dim == 1 { 1.0 / smallest + 1.0 } else { 0.658 / smallest.powf(1.0 / dim as f64) };
    let most = if dim == 1 { 10_000.0 } else { (MOST_POINTS as f64).powf(1.0 / dim as f64) };
    wanted.clamp(10.0_f64.min(most), most + 1e-6) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grid_has_both_ends_and_its_last_axis_varies_fastest() {
        let grid = Points::even(&[(-1.0, 1.0), (0.1, 0.7)], &[3, 2]);
        let mut all = Vec::new();
        (0..grid.len()).for_each(|i| grid.push(i, &mut all));
        assert_eq!(all, [-1.0, 0.1, -1.0, 0.7, 0.0, 0.1, 0.0, 0.7, 1.0, 0.1, 1.0, 0.7]);
        assert_eq!(Points::even(&[(0.0, 4.0)], &[1]), Points::Grid(vec![vec![2.0]]));
    }

    #[test]
    fn the_smallest_simplex_decides_how_fine_a_grid_is() {
        let line = |points: &[f64]| Interpolant {
            dim: 1,
            width: 1,
            points: points.to_vec(),
            values: points.to_vec(),
            simplices: (0..points.len() as u32 - 1).flat_map(|i| [i, i + 1]).collect(),
        };
        assert_eq!(fine_enough(&line(&[0.0, 1.0]), &[1.0]), 10);
        assert_eq!(fine_enough(&line(&[0.0, 1.0, 1.015625]), &[1.0]), 65);
        assert_eq!(fine_enough(&line(&[0.0, 1.0, 1.0 + 1e-9]), &[1.0]), 10_000);
        let triangle = Interpolant {
            dim: 2,
            width: 1,
            points: vec![0.0, 0.0, 1e-6, 0.0, 0.0, 10.0],
            values: vec![0.0; 3],
            simplices: vec![0, 1, 2],
        };
        assert_eq!(fine_enough(&triangle, &[1.0, 1.0]), 294);
        assert_eq!(fine_enough(&triangle, &[1e-6, 10.0]), 10);
        assert_eq!(fine_enough(&triangle, &[1e3, 1e3]), 1000);
    }
}
