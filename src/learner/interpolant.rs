//! The piecewise linear interpolant of a learner: as plain data, and at points.

use crate::geometry::section::section;
use crate::geometry::{SimplexId, Triangulation, VertexId};

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
        let vertices = self.mesh.vertices(home);
        // At a told point its own value, whatever the others are and however weights are rounded.
        let told = |vertex: &&VertexId| self.points[**vertex as usize] == *point;
        if weights.iter().any(|weight| *weight > 0.999)
            && let Some(vertex) = vertices.iter().find(told)
        {
            return out.extend_from_slice(self.row(*vertex));
        }
        out.extend((0..self.width).map(|component| {
            let share = |(weight, vertex): (&f64, &VertexId)| {
                let value = self.row(*vertex)[component];
                // A corner that has no share but by rounding does no harm if its value is unknown.
                if value.is_finite() || weight.abs() > 1e-9 { weight * value } else { 0.0 }
            };
            weights.iter().zip(vertices).map(share).sum::<f64>()
        }));
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
    fn one_point_makes_no_line() {
        let line = Polyline::new([(1.0, &[2.0][..])].into_iter());
        assert!(!line.interpolate(&[1.0], &mut Vec::new()));
        assert_eq!(line.into_interpolant(), None);
    }
}
