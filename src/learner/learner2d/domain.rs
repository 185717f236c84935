//! The rectangle, how it is scaled, and where a new point goes within a triangle.

use crate::learner::cut::{Cut, cut};
use crate::learner::lattice::{Lattice, NotWhole};

/// Triangles of more than this badness are cut through their longest side (upstream's `max_badness`).
const MOST_BADNESS: f64 = 5.0;

/// A rectangle and how its points are scaled for the triangulation.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Domain {
    pub(super) bounds: [(f64, f64); 2],
    pub(super) aspect_ratio: f64,
    centre: [f64; 2],
    /// Scaled = (point - centre) / span.
    span: [f64; 2],
    /// Where only whole numbers are asked.
    pub(super) lattice: Option<Lattice<2>>,
}

impl Domain {
    /// Of finite bounds, each with the smaller number first.
    pub(super) fn new(bounds: [(f64, f64); 2], aspect_ratio: f64) -> Self {
        let centre = bounds.map(|(lo, hi)| lo + (hi - lo) / 2.0);
        let [width, height] = bounds.map(|(lo, hi)| hi - lo);
        Self { bounds, aspect_ratio, centre, span: [width, height / aspect_ratio], lattice: None }
    }

    /// The same rectangle in other proportions.
    pub(super) fn with_aspect_ratio(&self, aspect_ratio: f64) -> Self {
        Self { lattice: self.lattice.clone(), ..Self::new(self.bounds, aspect_ratio) }
    }

    /// The same rectangle with whole numbers only along these axes.
    pub(super) fn over_whole_numbers(mut self, whole: [bool; 2]) -> Result<Self, NotWhole> {
        self.lattice = Lattice::new(&whole, &self.bounds, &self.corners())?;
        Ok(self)
    }

    /// Whether only whole numbers are asked along both axes.
    pub(super) fn is_finite(&self) -> bool {
        self.lattice.as_ref().is_some_and(Lattice::is_finite)
    }

    /// The corners in the order in which they are asked: x slowest.
    pub(super) fn corners(&self) -> [[f64; 2]; 4] {
        let [(left, right), (low, high)] = self.bounds;
        [[left, low], [left, high], [right, low], [right, high]]
    }

    pub(super) fn holds(&self, point: [f64; 2]) -> bool {
        let within = |k: usize| point[k] >= self.bounds[k].0 && point[k] <= self.bounds[k].1;
        within(0) && within(1)
    }

    #[inline]
    pub(super) fn scaled(&self, point: [f64; 2]) -> [f64; 2] {
        [(point[0] - self.centre[0]) / self.span[0], (point[1] - self.centre[1]) / self.span[1]]
    }

    /// Area of the scaled domain.
    pub(super) fn area(&self) -> f64 {
        self.aspect_ratio
    }

    /// A scaled length below which points can hardly be told apart: a triangle this small is not split.
    pub(super) fn least_length(&self) -> f64 {
        let ulp = |k: usize| {
            let (lo, hi) = self.bounds[k];
            lo.abs().max(hi.abs()) * f64::EPSILON / self.span[k]
        };
        16.0 * ulp(0).max(ulp(1)).max(f64::EPSILON)
    }

    /// The point to evaluate next in a triangle: the middle of its longest side if it is thin, else its centre
    /// (upstream: `choose_point_in_triangle`). Lies within the bounds.
    ///
    /// With gradients at the corners (none for unknown) and what brings values to a range of 1, it is put where the
    /// interpolant is most wrong instead; see [`cut`].
    pub(super) fn choose(&self, corners: [[f64; 2]; 3], wrong: Option<(&[[f64; 2]], f64)>) -> [f64; 2] {
        let [a, b, c] = corners.map(|corner| self.scaled(corner));
        let length2 = |p: [f64; 2], q: [f64; 2]| (p[0] - q[0]).powi(2) + (p[1] - q[1]).powi(2);
        let sides = [length2(a, b), length2(b, c), length2(c, a)];
        let longest = (1..3).fold(0, |best, side| if sides[side] > sides[best] { side } else { best });
        // 1 for an equilateral triangle; the area is taken positive, whatever the orientation.
        let badness = sides[longest] / area([a, b, c]) * (3f64.sqrt() / 4.0);
        let middle = |k: usize| {
            let (p, q) = (corners[longest][k], corners[(longest + 1) % 3][k]);
            p + (q - p) / 2.0
        };
        let centre = |k: usize| {
            let [p, q, r] = corners.map(|corner| corner[k]);
            p + ((q - p) + (r - p)) / 3.0
        };
        let point = if let Some((gradients, scale)) = wrong {
            match cut(&[a, b, c], gradients, scale) {
                Cut::Between(weights) => [0, 1].map(|k: usize| {
                    let offset = |i: usize| weights[i] * (corners[i][k] - corners[0][k]);
                    corners[0][k] + offset(1) + offset(2)
                }),
                Cut::Edge(i, j) => {
                    [0, 1].map(|k: usize| corners[i][k] + (corners[j][k] - corners[i][k]) / 2.0)
                }
            }
        } else if badness <= MOST_BADNESS {
            [centre(0), centre(1)]
        } else {
            [middle(0), middle(1)]
        };
        let clipped = |k: usize| point[k].clamp(self.bounds[k].0, self.bounds[k].1) + 0.0;
        [clipped(0), clipped(1)]
    }
}

/// Area of a triangle.
#[inline]
pub(super) fn area([a, b, c]: [[f64; 2]; 3]) -> f64 {
    0.5 * ((b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])).abs()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_domain_becomes_a_unit_square_times_the_aspect_ratio() {
        let domain = Domain::new([(-2.0, 3.0), (0.0, 0.5)], 3.0);
        assert_eq!(domain.corners().map(|c| domain.scaled(c))[0], [-0.5, -1.5]);
        assert_eq!(domain.corners().map(|c| domain.scaled(c))[3], [0.5, 1.5]);
        assert_eq!(domain.area(), 3.0);
        assert!(domain.holds([3.0, 0.0]) && !domain.holds([3.1, 0.0]) && !domain.holds([0.0, f64::NAN]));
    }

    #[test]
    fn thin_triangles_are_cut_through_their_longest_side_in_any_orientation() {
        let domain = Domain::new([(0.0, 2.0), (0.0, 2.0)], 1.0);
        for turn in 0..3 {
            for flip in [false, true] {
                let mut thin = [[0.0, 0.0], [2.0, 0.0], [0.5, 0.1]];
                let mut round = [[0.0, 0.0], [2.0, 0.0], [1.0, 1.5]];
                for triangle in [&mut thin, &mut round] {
                    triangle.rotate_left(turn);
                    if flip {
                        triangle.swap(0, 1);
                    }
                }
                assert_eq!(domain.choose(thin, None), [1.0, 0.0]);
                assert_eq!(domain.choose(thin, Some((&[], 1.0))), [1.0, 0.0]);
                assert_eq!(domain.choose(round, None), [1.0, 0.5]);
            }
        }
    }

    #[test]
    fn towards_the_circumcentre_a_right_angle_is_split_near_its_longest_side() {
        let domain = Domain::new([(0.0, 2.0), (0.0, 2.0)], 1.0);
        let [x, y] = domain.choose([[0.0, 0.0], [1.2, 0.0], [0.0, 1.2]], Some((&[], 1.0)));
        assert!((x - 0.5).abs() < 1e-12 && (y - 0.5).abs() < 1e-12, "{x} {y}");
        // Obtuse, but not thin.
        let [x, y] = domain.choose([[0.0, 0.0], [1.0, 0.0], [0.5, 0.4]], Some((&[], 1.0)));
        assert_eq!([x, y], [0.5, 0.0]);
    }

    #[test]
    fn the_shape_is_judged_in_the_scaled_domain() {
        let domain = Domain::new([(0.0, 1e9), (0.0, 1e-9)], 1.0);
        assert_eq!(domain.choose([[0.0, 0.0], [9e8, 0.0], [0.0, 9e-10]], None), [3e8, 3e-10]);
    }
}
