//! The gradients of the function at the vertices, as far as the values around them tell.

use crate::geometry::Triangulation;

/// Corners of a simplex in the most dimensions that a learner can have.
const MOST_CORNERS: usize = 9;

/// Per vertex and component, the mean gradient of the linear interpolants of the simplices around it. The weight of a
/// simplex is its volume, divided by the squares of its edges at the vertex: with these weights the gradient of a
/// paraboloid is exact (Max, "Weights for computing vertex normals from facet normals", 1999, in the plane).
///
/// Kept by sums: a simplex that comes or goes costs O(D^3 + D^2 M).
#[derive(Clone, Default)]
pub(super) struct Slopes<const D: usize> {
    /// How many simplices are counted at each vertex.
    counts: Vec<u32>,
    /// Sums of their weights.
    weights: Vec<f64>,
    /// Sums of weight times gradient: per vertex, component by component.
    sums: Vec<[f64; D]>,
}

impl<const D: usize> Slopes<D> {
    /// Adds (`sign` 1) or takes away (-1) the simplex with these vertices. One with an unknown value has no gradient.
    pub(super) fn count(
        &mut self,
        sign: f64,
        vertices: &[u32],
        triangulation: &Triangulation<D>,
        (values, dim): (&[f64], usize),
    ) {
        let row = |vertex: u32| &values[vertex as usize * dim..(vertex as usize + 1) * dim];
        let most = vertices.iter().max().map_or(0, |vertex| *vertex as usize + 1);
        if self.weights.len() < most {
            self.counts.resize(most, 0);
            self.weights.resize(most, 0.0);
            self.sums.resize(most * dim, [0.0; D]);
        }
        let origin = triangulation.point(vertices[0]);
        let edges: [[f64; D]; D] = std::array::from_fn(|i| {
            let to = triangulation.point(vertices[i + 1]);
            std::array::from_fn(|axis| to[axis] - origin[axis])
        });
        let Some((inverse, determinant)) = inverse(edges) else { return };
        if vertices.iter().any(|vertex| row(*vertex).iter().any(|y| !y.is_finite())) {
            return;
        }
        let at = |corner: usize| triangulation.point(vertices[corner]);
        let mut squares = [1.0; MOST_CORNERS];
        for i in 1..=D {
            for j in 0..i {
                let square: f64 = (0..D).map(|k| (at(j)[k] - at(i)[k]).powi(2)).sum();
                squares[i] *= square;
                squares[j] *= square;
            }
        }
        let weights = squares.map(|squares| {
            let weight = determinant.abs() / squares;
            weight.is_finite().then_some(sign * weight)
        });
        let weighted =
            || vertices.iter().zip(weights).filter_map(|(vertex, weight)| Some((*vertex as usize, weight?)));
        for (vertex, weight) in weighted() {
            self.weights[vertex] += weight;
            self.counts[vertex] = self.counts[vertex].saturating_add_signed(if sign > 0.0 { 1 } else { -1 });
        }
        for component in 0..dim {
            let first = row(vertices[0])[component];
            let mut gradient = [0.0; D];
            for (i, vertex) in vertices[1..].iter().enumerate() {
                let rise = row(*vertex)[component] - first;
                for (axis, slope) in gradient.iter_mut().enumerate() {
                    *slope += inverse[axis][i] * rise;
                }
            }
            for (vertex, weight) in weighted() {
                let sum = &mut self.sums[vertex * dim + component];
                sum.iter_mut().zip(gradient).for_each(|(sum, slope)| *sum += finite(slope * weight));
            }
        }
        // Where nothing is left, rounding errors are not taken for a gradient.
        for (vertex, _) in weighted().filter(|(vertex, _)| self.counts[*vertex] == 0) {
            self.weights[vertex] = 0.0;
            self.sums[vertex * dim..(vertex + 1) * dim].fill([0.0; D]);
        }
    }

    /// The gradients of all components at a vertex that has a simplex.
    pub(super) fn rows(&self, vertex: u32, dim: usize) -> impl Iterator<Item = [f64; D]> {
        let at = vertex as usize;
        let weight = self.weights[at];
        let scale = if weight > 0.0 { 1.0 / weight } else { 0.0 };
        self.sums[at * dim..(at + 1) * dim].iter().map(move |sum| sum.map(|slope| slope * scale))
    }

    /// Appends the gradients of all components at a vertex, times a factor.
    pub(super) fn append(&self, vertex: u32, dim: usize, factor: f64, out: &mut Vec<f64>) {
        let at = vertex as usize;
        let weight = self.weights.get(at).copied().unwrap_or(0.0);
        let scale = if weight > 0.0 { factor / weight } else { 0.0 };
        match self.sums.get(at * dim..(at + 1) * dim) {
            Some(rows) => out.extend(rows.as_flattened().iter().map(|slope| slope * scale)),
            None => out.extend(std::iter::repeat_n(0.0, D * dim)),
        }
    }
}

/// What is too large to be a number counts as flat: a sum would never forget it.
#[inline]
fn finite(x: f64) -> f64 {
    if x.is_finite() { x } else { 0.0 }
}

/// The inverse of a matrix, and its determinant; `None` if it has none.
fn inverse<const D: usize>(mut rows: [[f64; D]; D]) -> Option<([[f64; D]; D], f64)> {
    let mut out: [[f64; D]; D] =
        std::array::from_fn(|i| std::array::from_fn(|j| f64::from(u8::from(i == j))));
    let mut determinant = 1.0;
    for column in 0..D {
        let larger = |best: usize, row: usize| {
            if rows[row][column].abs() > rows[best][column].abs() { row } else { best }
        };
        let pivot = (column + 1..D).fold(column, larger);
        rows.swap(column, pivot);
        out.swap(column, pivot);
        let top = rows[column][column];
        determinant *= top;
        if top == 0.0 || !top.is_finite() {
            return None;
        }
        for k in 0..D {
            rows[column][k] /= top;
            out[column][k] /= top;
        }
        for row in (0..D).filter(|row| *row != column) {
            let factor = rows[row][column];
            for k in 0..D {
                rows[row][k] -= factor * rows[column][k];
                out[row][k] -= factor * out[column][k];
            }
        }
    }
    Some((out, determinant))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The gradients at the vertices of a triangulation.
    fn slopes(points: &[[f64; 2]], f: impl Fn(&[f64; 2]) -> f64) -> Vec<[f64; 2]> {
        let mesh = Triangulation::new(points).unwrap();
        let values: Vec<f64> = points.iter().map(f).collect();
        let mut slopes = Slopes::default();
        mesh.simplices().for_each(|id| slopes.count(1.0, mesh.vertices(id), &mesh, (&values, 1)));
        (0..points.len() as u32).flat_map(|vertex| slopes.rows(vertex, 1).collect::<Vec<_>>()).collect()
    }

    const POINTS: [[f64; 2]; 6] =
        [[0.0, 0.0], [1.0, 0.1], [0.4, 0.9], [-0.7, 0.7], [-0.8, -0.6], [0.5, -0.9]];

    #[test]
    fn a_plane_has_its_gradient_everywhere() {
        for [x, y] in slopes(&POINTS, |[x, y]| 3.0 * x - 2.0 * y + 1.0) {
            assert!((x - 3.0).abs() < 1e-12 && (y + 2.0).abs() < 1e-12, "{x} {y}");
        }
    }

    #[test]
    fn that_of_a_paraboloid_is_exact_where_triangles_go_all_around() {
        let around = |k: f64| [(0.3 + 1.1 * k).cos(), (0.3 + 1.1 * k).sin()];
        let mut points = vec![[0.0, 0.0]];
        points.extend((0..6).map(|k| around(f64::from(k))));
        let [x, y] = slopes(&points, |[x, y]| x * x + y * y + 0.5 * x)[0];
        assert!((x - 0.5).abs() < 1e-12 && y.abs() < 1e-12, "{x} {y}");
    }

    #[test]
    fn what_is_too_large_or_unknown_is_forgotten_with_its_simplex() {
        let mesh = Triangulation::new(&POINTS).unwrap();
        for odd in [1e308, f64::NAN, f64::INFINITY] {
            let (mut slopes, values) = (Slopes::default(), [0.0, 1.0, -odd, odd, 2.0, 3.0]);
            for sign in [1.0, -1.0] {
                mesh.simplices().for_each(|id| {
                    slopes.count(sign, mesh.vertices(id), &mesh, (&values, 1));
                });
            }
            let flat = [0.0, 1.0, 2.0, 3.0, 4.0, 5.0];
            mesh.simplices().for_each(|id| slopes.count(1.0, mesh.vertices(id), &mesh, (&flat, 1)));
            let finite = (0..6).all(|vertex| slopes.rows(vertex, 1).all(|row| row[0].is_finite()));
            assert!(finite, "{odd}");
        }
    }
}
