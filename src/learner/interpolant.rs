//! The piecewise linear interpolant of a learner: as plain data, and at points.

use crate::geometry::finder::Finder;
use crate::geometry::section::section;
use crate::geometry::{SimplexId, Triangulation, VertexId, data_dependent, hull};

/// The piecewise linear interpolant of the told values as plain data, in the function's own coordinates: what level
/// lines, surfaces and plots are made of.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Interpolant {
    /// Coordinates of a point: D.
    pub dim: usize,
    /// Components of a value.
    pub width: usize,
    /// `dim` numbers for each told point.
    pub points: Vec<f64>,
    /// `width` numbers for each told point.
    pub values: Vec<f64>,
    /// `dim + 1` places of told points for each simplex: intervals, triangles, tetrahedra, ….
    pub simplices: Vec<u32>,
}

impl Interpolant {
    /// How many points there are.
    #[must_use]
    pub fn npoints(&self) -> usize {
        self.points.len() / self.dim.max(1)
    }

    /// One component of all values, in the order of the points.
    pub fn component(&self, index: usize) -> impl Iterator<Item = f64> + '_ {
        self.values.iter().skip(index).step_by(self.width.max(1)).copied()
    }

    /// The interpolant where one coordinate is fixed, as a function of the others; nothing outside of what is known. Exact:
    /// it is linear on parts of the same simplices. O(N) for a given dimension.
    #[must_use]
    pub fn slice(&self, axis: usize, at: f64) -> Self {
        let section = section(self.dim, &self.points, &self.simplices, axis, at);
        let mut slice = Self { dim: self.dim - 1, width: self.width, ..Self::default() };
        for (low, high, share) in section.points {
            let row = |of: &[f64], width: usize, vertex: u32| of[vertex as usize * width..][..width].to_vec();
            let blend = |of: &[f64], width: usize| -> Vec<f64> {
                let ends = row(of, width, low).into_iter().zip(row(of, width, high));
                // Exact at both ends, where the other value may be unknown.
                let between = |(a, b): (f64, f64)| match share {
                    0.0 => a,
                    1.0 => b,
                    _ => a + share * (b - a),
                };
                ends.map(between).collect()
            };
            let point = blend(&self.points, self.dim);
            slice.points.extend((0..self.dim).filter(|k| *k != axis).map(|k| point[k]));
            slice.values.extend(blend(&self.values, self.width));
        }
        slice.simplices = section.simplices;
        slice
    }

    /// The same points and values, with triangles that suit the values: of two coordinates, where the function bends in
    /// one direction more than in another, long triangles along it. This needs no more evaluations, and the error is
    /// often half as large or less: `benches/QUALITY.md` has figures. With any other number of coordinates, where there
    /// is nothing to choose or no such rule, it stays as it is.
    ///
    /// It is a guess from the slopes of the function. Along a jump, in noise, and where an oscillation is not resolved,
    /// slopes say little: nothing is gained there, and the error may rise here and there. Triangles with an unknown
    /// value stay, and so does the border, on which the interpolant is the same as before. How it is done:
    /// [`data_dependent`]. About O(N log N).
    ///
    /// ```
    /// use adaptive_mpi::learner::Interpolant;
    ///
    /// // (x - y)² on a grid of 6 x 6 points, with diagonals across the valley.
    /// let places = || (0..36).map(|i| (i % 6, i / 6));
    /// let cells = (0..36_u32).filter(|i| i % 6 < 5 && i / 6 < 5);
    /// let across = Interpolant {
    ///     dim: 2,
    ///     width: 1,
    ///     points: places().flat_map(|(x, y)| [f64::from(x), f64::from(y)]).collect(),
    ///     values: places().map(|(x, y)| f64::from(x - y).powi(2)).collect(),
    ///     simplices: cells.flat_map(|i| [i, i + 1, i + 6, i + 1, i + 7, i + 6]).collect(),
    /// };
    /// let mut values = Vec::new();
    /// for interpolant in [&across, &across.data_dependent()] {
    ///     let mut lookup = interpolant.lookup().ok_or("two coordinates")?;
    ///     lookup.interpolate_all(&[2.5, 2.5], &mut values);
    /// }
    /// assert_eq!(values, [1.0, 0.0]);
    /// # Ok::<(), &str>(())
    /// ```
    #[must_use]
    pub fn data_dependent(&self) -> Self {
        let (Some(points), Some(triangles)) = (self.rows::<2>(), self.cells::<3>()) else {
            return self.clone();
        };
        // Learners triangulate their domain as a square, too.
        let (low, high) = hull::bounding_box(points);
        let scaled: Vec<[f64; 2]> = points
            .iter()
            .map(|point| std::array::from_fn(|k| (point[k] - low[k]) / (high[k] - low[k])))
            .collect();
        let triangles = data_dependent::triangles(&scaled, &self.values, triangles);
        Self { simplices: triangles.into_flattened(), ..self.clone() }
    }

    /// Made ready to be looked at in many places; nothing unless it has two coordinates. O(N log N).
    #[must_use]
    pub fn lookup(&self) -> Option<Lookup<'_>> {
        let (points, triangles) = (self.rows()?, self.cells()?);
        Some(Lookup { interpolant: self, triangles, finder: Finder::new(points, triangles), near: None })
    }

    /// The points as arrays; nothing unless they have D coordinates.
    #[must_use]
    pub fn rows<const D: usize>(&self) -> Option<&[[f64; D]]> {
        (self.dim == D).then(|| self.points.as_chunks().0)
    }

    /// The simplices as arrays of N = D + 1 places; nothing unless they have as many.
    #[must_use]
    pub fn cells<const N: usize>(&self) -> Option<&[[u32; N]]> {
        (self.dim + 1 == N).then(|| self.simplices.as_chunks().0)
    }
}

/// An [`Interpolant`] of two coordinates at any points.
#[derive(Clone, Debug)]
pub struct Lookup<'a> {
    interpolant: &'a Interpolant,
    triangles: &'a [[VertexId; 3]],
    finder: Finder<'a>,
    /// Where the last point was found.
    near: Option<u32>,
}

impl Lookup<'_> {
    /// Appends the values at all these points, of two numbers each; NaN outside of the triangles. O(log N) each, O(1)
    /// where one is in the same triangle as that before.
    pub fn interpolate_all(&mut self, at: &[f64], out: &mut Vec<f64>) {
        let Interpolant { width, points, values, .. } = self.interpolant;
        for point in at.as_chunks::<2>().0 {
            let Some((home, weights)) = self.finder.find(*point, &mut self.near) else {
                out.extend(std::iter::repeat_n(f64::NAN, *width));
                continue;
            };
            let told = |vertex: VertexId| points[vertex as usize * 2..][..2] == *point;
            blend(&weights, &self.triangles[home as usize], (values.as_slice(), *width), told, out);
        }
    }
}

/// Appends the values between some vertices, whose rows have `width` numbers. `told` says whether it is the point of a
/// vertex that is wanted.
fn blend(
    weights: &[f64],
    vertices: &[VertexId],
    (values, width): (&[f64], usize),
    told: impl Fn(VertexId) -> bool,
    out: &mut Vec<f64>,
) {
    let row = |vertex: VertexId| &values[vertex as usize * width..][..width];
    // At a told point its own value, whatever the others are and however weights are rounded.
    if weights.iter().any(|weight| *weight > 0.999)
        && let Some(vertex) = vertices.iter().find(|vertex| told(**vertex))
    {
        return out.extend_from_slice(row(*vertex));
    }
    out.extend((0..width).map(|component| {
        let share = |(weight, vertex): (&f64, &VertexId)| {
            let value = row(*vertex)[component];
            // A corner that has no share but by rounding does no harm if its value is unknown.
            if value.is_finite() || weight.abs() > 1e-9 { weight * value } else { 0.0 }
        };
        weights.iter().zip(vertices).map(share).sum::<f64>()
    }));
}

/// Told points of one coordinate from left to right, and their values.
#[derive(Clone, Debug, Default)]
pub(super) struct Polyline {
    xs: Vec<f64>,
    /// Row after row.
    rows: Vec<f64>,
    width: usize,
}

impl Polyline {
    /// Of points in ascending order. O(n).
    pub(super) fn new<'a>(points: impl Iterator<Item = (f64, &'a [f64])>) -> Self {
        let mut line = Self::default();
        for (x, row) in points {
            line.xs.push(x);
            line.rows.extend_from_slice(row);
            line.width = row.len();
        }
        line
    }

    fn row(&self, place: usize) -> &[f64] {
        &self.rows[place * self.width..(place + 1) * self.width]
    }

    /// Appends the values at all these; false if there is no interval. O(log n) each, O(1) where one follows the other
    /// closely.
    pub(super) fn interpolate(&self, at: &[f64], out: &mut Vec<f64>) -> bool {
        if self.xs.len() < 2 {
            return false;
        }
        // The first point to the right, which is mostly the same as for the point before.
        let mut right = 0;
        for &x in at {
            let fits = |right: usize| {
                self.xs.get(right).is_none_or(|xr| x < *xr) && (right == 0 || self.xs[right - 1] <= x)
            };
            if !fits(right) {
                right += 1;
                if right > self.xs.len() || !fits(right) {
                    right = self.xs.partition_point(|left| *left <= x);
                }
            }
            match right.checked_sub(1) {
                Some(left) if self.xs[left] == x => out.extend_from_slice(self.row(left)),
                Some(left) if right < self.xs.len() => {
                    let share = (x - self.xs[left]) / (self.xs[right] - self.xs[left]);
                    let ends = self.row(left).iter().zip(self.row(right));
                    out.extend(ends.map(|(a, b)| a + (b - a) * share));
                }
                _ => out.extend(std::iter::repeat_n(f64::NAN, self.width)),
            }
        }
        true
    }

    /// As plain data.
    pub(super) fn into_interpolant(self) -> Option<Interpolant> {
        let intervals = self.xs.len().checked_sub(1).filter(|n| *n > 0)? as u32;
        Some(Interpolant {
            dim: 1,
            width: self.width,
            simplices: (0..intervals).flat_map(|left| [left, left + 1]).collect(),
            points: self.xs,
            values: self.rows,
        })
    }
}

/// A triangulation whose vertices have points in the function's own coordinates, and values.
pub(super) struct Field<'a, const D: usize> {
    pub(super) mesh: &'a Triangulation<D>,
    /// By vertex, in the function's own coordinates.
    pub(super) points: &'a [[f64; D]],
    /// Row after row, by vertex.
    pub(super) values: &'a [f64],
    pub(super) width: usize,
}

/// What is left of a [`Field`] without some of its vertices.
pub(super) struct Part<const D: usize> {
    mesh: Triangulation<D>,
    points: Vec<[f64; D]>,
    values: Vec<f64>,
    width: usize,
}

impl<const D: usize> Part<D> {
    pub(super) fn field(&self) -> Field<'_, D> {
        Field { mesh: &self.mesh, points: &self.points, values: &self.values, width: self.width }
    }
}

impl<const D: usize> Field<'_, D> {
    /// Appends the values at all these points (D numbers each). `scaled` gives the coordinates of the triangulation,
    /// where the point is in the domain. A walk starts where the last one ended.
    pub(super) fn interpolate(
        &self,
        at: &[f64],
        scaled: impl Fn(&[f64; D]) -> Option<[f64; D]>,
        out: &mut Vec<f64>,
    ) {
        let mut near = None;
        for point in at.as_chunks::<D>().0 {
            let scaled = scaled(point);
            match scaled.and_then(|scaled| Some((self.mesh.locate_near(&scaled, &mut near)?, scaled))) {
                Some((home, scaled)) => self.blend(home, point, &scaled, out),
                None => out.extend(std::iter::repeat_n(f64::NAN, self.width)),
            }
        }
    }

    fn row(&self, vertex: VertexId) -> &[f64] {
        let start = vertex as usize * self.width;
        &self.values[start..start + self.width]
    }

    fn blend(&self, home: SimplexId, point: &[f64; D], scaled: &[f64; D], out: &mut Vec<f64>) {
        let weights = self.mesh.barycentric(home, scaled);
        let told = |vertex: VertexId| self.points[vertex as usize] == *point;
        blend(&weights, self.mesh.vertices(home), (self.values, self.width), told, out);
    }

    /// The same without some of its vertices: the others are triangulated anew. `None` if they don't fill the space.
    pub(super) fn without(&self, left_out: impl Fn(VertexId) -> bool) -> Option<Part<D>> {
        let kept: Vec<VertexId> = (0..self.points.len() as VertexId).filter(|v| !left_out(*v)).collect();
        let scaled: Vec<[f64; D]> = kept.iter().map(|v| *self.mesh.point(*v)).collect();
        Some(Part {
            mesh: Triangulation::new_rounded(&scaled, self.mesh.magnitude()).ok()?,
            points: kept.iter().map(|v| self.points[*v as usize]).collect(),
            values: kept.iter().flat_map(|v| self.row(*v)).copied().collect(),
            width: self.width,
        })
    }

    /// As plain data. O(n).
    pub(super) fn to_interpolant(&self) -> Interpolant {
        Interpolant {
            dim: D,
            width: self.width,
            points: self.points.as_flattened().to_vec(),
            values: self.values.to_vec(),
            simplices: self.mesh.simplices().flat_map(|id| self.mesh.vertices(id)).copied().collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::learner::learner_nd;

    fn at(line: &Polyline, at: &[f64]) -> Vec<f64> {
        let mut out = Vec::new();
        assert!(line.interpolate(at, &mut out));
        out
    }

    #[test]
    fn a_polyline_is_exact_at_its_points_and_linear_between() {
        let rows = [[0.0, 5.0], [1.0, f64::NAN], [3.0, 7.0]];
        let line = Polyline::new([0.0, 1.0, 4.0].into_iter().zip(rows.iter().map(|row| &row[..])));
        assert_eq!(at(&line, &[4.0, 0.0]), [3.0, 7.0, 0.0, 5.0]);
        let inner = at(&line, &[0.25, 2.5, 0.5, 1.0]);
        assert_eq!([inner[0], inner[2], inner[4], inner[6]], [0.25, 2.0, 0.5, 1.0]);
        assert!(inner[1].is_nan());
        assert!(at(&line, &[-0.1, 4.1, f64::NAN]).iter().all(|y| y.is_nan()));
    }

    #[test]
    fn any_order_of_points_gives_the_same() {
        let xs: Vec<f64> = (0..50).map(|i| f64::from(i) / 7.0).collect();
        let line = Polyline::new(xs.iter().map(|x| (*x, std::slice::from_ref(x))));
        let ascending: Vec<f64> = (0..500).map(|i| f64::from(i) / 75.0).collect();
        let stride: Vec<f64> = (0..500).map(|i| ascending[i * 137 % 500]).collect();
        let (a, b) = (at(&line, &ascending), at(&line, &stride));
        (0..500).for_each(|i| assert_eq!(a[i * 137 % 500], b[i]));
        ascending.iter().zip(a).for_each(|(x, y)| assert!((x - y).abs() < 1e-14));
    }

    #[test]
    fn triangles_along_a_ridge_halve_the_error() {
        let f = |at: &[f64]| (10.0 * (at[0] + 0.4 * at[1])).tanh();
        let mut learner = learner_nd::cuboid(&[(-1.0, 1.0); 2], learner_nd::Options::default()).unwrap();
        for _ in 0..300 {
            for suggestion in learner.ask(1) {
                learner.tell(&suggestion.sample, &f(&suggestion.sample.point).into()).unwrap();
            }
        }
        let own = learner.interpolant().unwrap();
        let long = own.data_dependent();
        assert_eq!((&long.points, &long.values), (&own.points, &own.values));
        let at: Vec<f64> =
            (0..10_000).flat_map(|i| [i % 100, i / 100].map(|k| (f64::from(k) + 0.5) / 50.0 - 1.0)).collect();
        let values = |interpolant: &Interpolant| {
            let mut out = Vec::new();
            interpolant.lookup().unwrap().interpolate_all(&at, &mut out);
            out
        };
        // The learner's own triangles, found another way.
        let mut walked = Vec::new();
        assert!(learner.interpolate_all(&at, &mut walked));
        assert!(values(&own).iter().zip(&walked).all(|(a, b)| (a - b).abs() < 1e-12));
        let error = |values: &[f64]| -> f64 {
            at.chunks_exact(2).zip(values).map(|(at, y)| (y - f(at)).powi(2)).sum::<f64>().sqrt()
        };
        assert!(error(&values(&long)) < error(&walked) / 2.0, "{} {}", error(&values(&long)), error(&walked));
    }

    #[test]
    fn a_lookup_is_exact_at_its_points_and_knows_nothing_outside() {
        let interpolant = Interpolant {
            dim: 2,
            width: 2,
            points: vec![0.0, 0.0, 4.0, 0.0, 0.0, 4.0, 4.0, 4.0],
            values: vec![1.0, 0.0, 2.0, 0.0, 3.0, f64::NAN, 5.0, 0.0],
            simplices: vec![0, 1, 2, 3, 2, 1],
        };
        let mut out = Vec::new();
        let at = [4.0, 0.0, 1.0, 1.0, 2.0, 0.0, 4.1, 4.0, f64::NAN, 0.0];
        interpolant.lookup().unwrap().interpolate_all(&at, &mut out);
        assert_eq!([out[0], out[1], out[2], out[4], out[5]], [2.0, 0.0, 1.75, 1.5, 0.0]);
        assert!(out[3].is_nan() && out[6..].iter().all(|y| y.is_nan()) && out.len() == 10);
        assert_eq!(interpolant.data_dependent().component(0).sum::<f64>(), 11.0);
    }

    #[test]
    fn other_numbers_of_coordinates_have_no_choice() {
        let line = Interpolant {
            dim: 1,
            width: 1,
            points: vec![0.0, 1.0],
            values: vec![0.0, 2.0],
            simplices: vec![0, 1],
        };
        assert_eq!(line.data_dependent(), line);
        assert!(line.lookup().is_none());
        assert!(Interpolant { dim: 2, ..Interpolant::default() }.data_dependent().points.is_empty());
    }

    #[test]
    fn one_point_makes_no_line() {
        let line = Polyline::new([(1.0, &[2.0][..])].into_iter());
        assert!(!line.interpolate(&[1.0], &mut Vec::new()));
        assert_eq!(line.into_interpolant(), None);
    }
}
