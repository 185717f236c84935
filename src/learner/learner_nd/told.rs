//! The vertices of the triangulation: told points and their values.

use super::range::Range;

/// Told points in the order of their vertex numbers, with their values.
#[derive(Clone)]
pub(super) struct Told<const D: usize> {
    /// In user coordinates.
    pub(super) points: Vec<[f64; D]>,
    /// Components of a value; 0 before the first.
    pub(super) dim: usize,
    /// Row after row.
    values: Vec<f64>,
    pub(super) range: Range,
}

impl<const D: usize> Told<D> {
    /// No points, and a range that knows none.
    pub(super) fn new(range: Range) -> Self {
        Self { points: Vec::new(), dim: 0, values: Vec::new(), range }
    }

    #[inline]
    pub(super) fn push(&mut self, point: [f64; D], value: &[f64]) {
        self.points.push(point);
        self.values.extend_from_slice(value);
    }

    /// Takes a point out; those after it move up.
    pub(super) fn remove(&mut self, vertex: usize) -> ([f64; D], Box<[f64]>) {
        let value = self.values.drain(vertex * self.dim..(vertex + 1) * self.dim).collect();
        (self.points.remove(vertex), value)
    }

    /// Replaces the value of a vertex.
    pub(super) fn set_value(&mut self, vertex: u32, value: &[f64]) {
        let start = vertex as usize * self.dim;
        self.values[start..start + self.dim].copy_from_slice(value);
    }

    #[inline]
    pub(super) fn point(&self, vertex: u32) -> [f64; D] {
        self.points[vertex as usize]
    }

    /// All values, row after row.
    pub(super) fn values(&self) -> &[f64] {
        &self.values
    }

    /// All values, row after row, and how many make a row.
    pub(super) fn rows(&self) -> (&[f64], usize) {
        (&self.values, self.dim)
    }

    #[inline]
    pub(super) fn value(&self, vertex: u32) -> &[f64] {
        let start = vertex as usize * self.dim;
        &self.values[start..start + self.dim]
    }
}
