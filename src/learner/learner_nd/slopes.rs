//! The gradients of the function at the vertices, as far as the values around them tell.

use super::told::Told;
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
    /// Sums of the weights of the simplices around each vertex.
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
        told: &Told<D>,
    ) {
        let dim = told.dim;
        let most = vertices.iter().max().map_or(0, |vertex| *vertex as usize + 1);
        if self.weights.len() < most {
            self.weights.resize(most, 0.0);
            self.sums.resize(most * dim, [0.0; D]);
        }
        let origin = triangulation.point(vertices[0]);
        let edges: [[f64; D]; D] = std::array::from_fn(|i| {
            let to = triangulation.point(vertices[i + 1]);
            std::array::from_fn(|axis| to[axis] - origin[axis])
        });
        let Some((inverse, determinant)) = inverse(edges) else { return };
        if vertices.iter().any(|vertex| told.value(*vertex).iter().any(|y| !y.is_finite())) {
            return;
        }
        let at = |corner: usize| triangulation.point(vertices[corner]);
        let weights: [Option<f64>; MOST_CORNERS] = std::array::from_fn(|i| {
            let others = (0..=D).filter(|j| *j != i && i <= D);
            let squares = others.map(|j| (0..D).map(|k| (at(j)[k] - at(i)[k]).powi(2)).sum::<f64>());
            let weight = determinant.abs() / squares.product::<f64>();
            (i <= D && weight.is_finite()).then_some(sign * weight)
        });
        let weighted =
            || vertices.iter().zip(weights).filter_map(|(vertex, weight)| Some((*vertex as usize, weight?)));
        for (vertex, weight) in weighted() {
            self.weights[vertex] += weight;
        }
        for component in 0..dim {
            let first = told.value(vertices[0])[component];
            let mut gradient = [0.0; D];
            for (i, vertex) in vertices[1..].iter().enumerate() {
                let rise = told.value(*vertex)[component] - first;
                for (axis, slope) in gradient.iter_mut().enumerate() {
                    *slope += inverse[axis][i] * rise;
                }
            }
            for (vertex, weight) in weighted() {
                let sum = &mut self.sums[vertex * dim + component];
                sum.iter_mut().zip(gradient).for_each(|(sum, slope)| *sum += slope * weight);
            }
        }
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
