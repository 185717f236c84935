//! A triangulation with values, gradients and losses.

use super::domain::{Domain, area};
use super::gradients::{Gradients, TOLERANCE};
use super::rings::Rings;
use crate::geometry::{GeometryError, InsertError, SimplexId, Triangulation, VertexId};
use crate::learner::heap::{IndexedHeap, ordered_bits};
use crate::loss::triangle::{Triangle, TriangleLoss};
use smallvec::SmallVec;
use std::sync::Arc;

/// Losses are computed anew when the range of values has grown by more than this factor since the last time.
/// Until then, old ones stand for a range that was smaller by at most this.
const RECOMPUTE_FACTOR: f64 = 1.1;

/// What a triangle with an unknown value counts, as a part of its area: as much as one where the function is flat
/// under the default loss.
const UNKNOWN_WEIGHT: f64 = 0.3;

/// Largest loss first; among equals the smaller triangle id.
type Key = (u64, std::cmp::Reverse<SimplexId>);

/// Points with values, triangulated; one loss per triangle, the largest at hand in O(1). Starts from the four corners
/// of the domain. A new point or value is O(log n), apart from the triangulation's walk to it.
#[derive(Clone)]
pub(super) struct Field {
    mesh: Triangulation<2>,
    loss: Arc<dyn TriangleLoss>,
    dim: usize,
    /// The points as they were told.
    points: Vec<[f64; 2]>,
    /// Values, row after row.
    values: Vec<f64>,
    gradients: Option<Gradients>,
    rings: Rings,
    /// By triangle.
    losses: Vec<f64>,
    ranking: IndexedHeap<Key>,
    /// One over the range of values when all losses were computed last.
    scale: f64,
    /// The range then; 0 if there was none.
    range: f64,
    whole_area: f64,
    least_length: f64,
    /// Triangles whose loss is to be computed again.
    dirty: Vec<SimplexId>,
    is_dirty: Vec<bool>,
    /// Scratch space.
    holding: Vec<SimplexId>,
}

impl Field {
    /// The corners of a domain with their values (row after row). `range` is the range of values known by now.
    pub(super) fn new(
        domain: &Domain,
        loss: &Arc<dyn TriangleLoss>,
        corner_values: &[f64],
        range: f64,
    ) -> Result<Self, GeometryError> {
        let corners = domain.corners();
        let mesh = Triangulation::new(&corners.map(|corner| domain.scaled(corner)))?;
        let dim = corner_values.len() / corners.len();
        let mut field = Self {
            mesh,
            loss: loss.clone(),
            dim,
            points: corners.to_vec(),
            values: corner_values.to_vec(),
            gradients: loss.needs_gradients().then(|| Gradients::new(dim, TOLERANCE)),
            rings: Rings::default(),
            losses: Vec::new(),
            ranking: IndexedHeap::default(),
            scale: 1.0,
            range: 0.0,
            whole_area: domain.area(),
            least_length: domain.least_length(),
            dirty: Vec::new(),
            is_dirty: Vec::new(),
            holding: Vec::new(),
        };
        field.set_range_quietly(range);
        corners.iter().for_each(|_| field.rings.push());
        let triangles: Vec<SimplexId> = field.mesh.simplices().collect();
        for id in triangles {
            for vertex in field.mesh.vertices(id) {
                field.rings.changed(*vertex, id);
            }
            field.touch(id);
        }
        if let Some(gradients) = &mut field.gradients {
            for vertex in 0..corners.len() {
                gradients.push();
                gradients.queue(vertex as VertexId);
            }
        }
        field.settle();
        Ok(field)
    }

    /// Adds a point; [`Field::settle`] brings gradients and losses up to date.
    pub(super) fn insert(
        &mut self,
        domain: &Domain,
        point: [f64; 2],
        row: &[f64],
        hint: Option<SimplexId>,
    ) -> Result<VertexId, InsertError> {
        let at = domain.scaled(point);
        let home = self.home(&at, hint);
        let vertex = self.mesh.insert(at, home)?;
        self.points.push(point);
        self.values.extend_from_slice(row);
        self.rings.push();
        for (id, _) in self.mesh.removed() {
            self.ranking.remove(id);
        }
        if let Some(gradients) = &mut self.gradients {
            gradients.push();
            gradients.queue(vertex);
        }
        for at in 0..self.mesh.added().len() {
            let id = self.mesh.added()[at];
            for corner in self.mesh.vertices(id) {
                self.rings.changed(*corner, id);
                if let Some(gradients) = &mut self.gradients {
                    gradients.queue(*corner);
                }
            }
            self.touch(id);
        }
        Ok(vertex)
    }

    /// The triangle that holds a point; of several, the one with the smallest number. It does not depend on where the
    /// search began, so that the same points in the same order always give the same triangles with the same
    /// numbers, whether or not there were hints.
    fn home(&mut self, at: &[f64; 2], hint: Option<SimplexId>) -> Option<SimplexId> {
        let found = self.mesh.locate(at, hint.filter(|id| self.mesh.is_alive(*id)))?;
        let mut holding = std::mem::take(&mut self.holding);
        holding.clear();
        self.mesh.containing(at, found, &mut holding);
        let home = holding.iter().copied().min().unwrap_or(found);
        self.holding = holding;
        Some(home)
    }

    /// Replaces the value of a vertex; [`Field::settle`] brings gradients and losses up to date.
    pub(super) fn set_value(&mut self, vertex: VertexId, row: &[f64]) {
        let start = vertex as usize * self.dim;
        self.values[start..start + self.dim].copy_from_slice(row);
        let ring = self.rings.get(&self.mesh, vertex);
        if let Some(gradients) = &mut self.gradients {
            gradients.queue(vertex);
            ring.spokes.iter().for_each(|spoke| gradients.queue(spoke.to));
        }
        let (dirty, is_dirty) = (&mut self.dirty, &mut self.is_dirty);
        ring.triangles.iter().for_each(|id| touch(dirty, is_dirty, *id));
    }

    /// Tells the range of values: all losses are computed anew if it has grown by much. O(n) then.
    pub(super) fn set_range(&mut self, range: f64) {
        if self.set_range_quietly(range) {
            self.dirty.clear();
            self.is_dirty.fill(false);
            let triangles: Vec<SimplexId> = self.mesh.simplices().collect();
            triangles.into_iter().for_each(|id| self.touch(id));
        }
    }

    fn set_range_quietly(&mut self, range: f64) -> bool {
        let grown = range > RECOMPUTE_FACTOR * self.range;
        if grown {
            self.range = range;
            self.scale = 1.0 / range;
        }
        grown
    }

    /// Makes gradients and losses right after changes.
    pub(super) fn settle(&mut self) {
        if let Some(gradients) = &mut self.gradients {
            let (dirty, is_dirty) = (&mut self.dirty, &mut self.is_dirty);
            gradients.relax(&self.mesh, &mut self.rings, &self.values, self.scale, |triangles| {
                triangles.iter().for_each(|id| touch(dirty, is_dirty, *id));
            });
        }
        if self.loss.needs_neighbours() {
            for at in 0..self.dirty.len() {
                for neighbour in self.mesh.neighbours(self.dirty[at]) {
                    if *neighbour != u32::MAX {
                        touch(&mut self.dirty, &mut self.is_dirty, *neighbour);
                    }
                }
            }
        }
        let mut dirty = std::mem::take(&mut self.dirty);
        for id in dirty.drain(..) {
            self.is_dirty[id as usize] = false;
            if self.mesh.is_alive(id) {
                self.rank(id);
            }
        }
        self.dirty = dirty;
    }

    fn touch(&mut self, id: SimplexId) {
        touch(&mut self.dirty, &mut self.is_dirty, id);
    }

    /// Computes the loss of a triangle and gives it its rank.
    fn rank(&mut self, id: SimplexId) {
        let corners = self.mesh.vertices(id);
        let vertices = [corners[0], corners[1], corners[2]];
        let points = vertices.map(|vertex| *self.mesh.point(vertex));
        let loss = match self.evaluate(id, vertices, points) {
            nan if nan.is_nan() => UNKNOWN_WEIGHT * area(points),
            loss => loss,
        };
        // What is infinite ranks above all finite losses, the largest triangle first.
        let part = || (area(points) / self.whole_area).min(1.0);
        let rank = if loss == f64::INFINITY { f64::MAX * part() } else { loss };
        if self.losses.len() <= id as usize {
            self.losses.resize(id as usize + 1, f64::NAN);
        }
        self.losses[id as usize] = loss;
        if longest(points) < self.least_length {
            self.ranking.remove(id);
        } else {
            self.ranking.set(id, (ordered_bits(rank), std::cmp::Reverse(id)));
        }
    }

    #[inline]
    fn evaluate(&self, id: SimplexId, vertices: [VertexId; 3], points: [[f64; 2]; 3]) -> f64 {
        let mut triangle = Triangle::new(points, vertices.map(|vertex| self.row(vertex)), self.scale);
        if let Some(gradients) = &self.gradients {
            triangle = triangle.with_gradients(vertices.map(|vertex| gradients.row(vertex)));
        }
        if self.loss.needs_neighbours() {
            let opposite = (0..3).filter_map(|k| self.mesh.opposing_vertex(id, k));
            let neighbours: SmallVec<[_; 3]> =
                opposite.map(|vertex| (*self.mesh.point(vertex), self.row(vertex))).collect();
            triangle = triangle.with_neighbours(&neighbours);
        }
        self.loss.evaluate(&triangle)
    }

    /// The largest loss; 0 if no triangle can be split any more.
    pub(super) fn largest(&self) -> f64 {
        self.ranking.top().map_or(0.0, |(_, id)| self.losses[id as usize])
    }

    /// Triangles with their losses, the next to split first: O(log n) for each one taken. Those too small to be
    /// split are left out.
    pub(super) fn ranked(&self) -> impl Iterator<Item = (SimplexId, f64)> {
        self.ranking.descending().map(|(_, id)| (id, self.losses[id as usize]))
    }

    /// No point can be put into this triangle: it is not split any more.
    pub(super) fn give_up(&mut self, id: SimplexId) {
        self.ranking.remove(id);
    }

    /// All triangles with their losses, in no order.
    pub(super) fn triangles(&self) -> impl Iterator<Item = ([VertexId; 3], f64)> {
        let corners = |id| [0, 1, 2].map(|k: usize| self.mesh.vertices(id)[k]);
        self.mesh.simplices().map(move |id| (corners(id), self.losses[id as usize]))
    }

    /// The corners of a triangle in the function's own coordinates.
    pub(super) fn corners(&self, id: SimplexId) -> [[f64; 2]; 3] {
        let corners = self.mesh.vertices(id);
        [0, 1, 2].map(|k: usize| self.points[corners[k] as usize])
    }

    /// The gradients at the corners of a triangle, one corner after the other, if the loss needs them; and what
    /// brings values to a range of 1.
    pub(super) fn slopes(&self, id: SimplexId) -> (SmallVec<[[f64; 2]; 3]>, f64) {
        let mut slopes = SmallVec::new();
        if let Some(gradients) = &self.gradients {
            self.mesh.vertices(id).iter().for_each(|vertex| slopes.extend_from_slice(gradients.row(*vertex)));
        }
        (slopes, self.scale)
    }

    pub(super) fn points(&self) -> &[[f64; 2]] {
        &self.points
    }

    #[cfg(test)]
    pub(super) fn set_tolerance(&mut self, tolerance: f64) {
        if let Some(gradients) = &mut self.gradients {
            *gradients = gradients.clone().with_tolerance(tolerance);
            (0..self.points.len()).for_each(|vertex| gradients.queue(vertex as VertexId));
        }
        self.settle();
    }

    #[cfg(test)]
    pub(super) fn gradient(&self, vertex: VertexId) -> [f64; 2] {
        self.gradients.as_ref().map_or([0.0; 2], |gradients| gradients.row(vertex)[0])
    }

    /// Computes all losses anew for a range, whatever it was before.
    #[cfg(test)]
    pub(super) fn recompute(&mut self, range: f64) {
        self.range = 0.0;
        self.set_range(range);
        self.settle();
    }

    pub(super) fn values(&self) -> &[f64] {
        &self.values
    }

    pub(super) fn mesh(&self) -> &Triangulation<2> {
        &self.mesh
    }

    #[inline]
    pub(super) fn row(&self, vertex: VertexId) -> &[f64] {
        let start = vertex as usize * self.dim;
        &self.values[start..start + self.dim]
    }

    /// Appends the linear interpolant at a scaled point in a triangle.
    pub(super) fn interpolate(&self, id: SimplexId, at: [f64; 2], out: &mut impl Extend<f64>) {
        let corners = self.mesh.vertices(id);
        let weights = self.mesh.barycentric(id, &at);
        out.extend((0..self.dim).map(|component| {
            // An unknown value at a corner that has no share in it does no harm.
            let share = |k: usize| match weights[k] {
                0.0 => 0.0,
                weight => weight * self.values[corners[k] as usize * self.dim + component],
            };
            share(0) + share(1) + share(2)
        }));
    }
}

#[inline]
fn touch(dirty: &mut Vec<SimplexId>, is_dirty: &mut Vec<bool>, id: SimplexId) {
    if is_dirty.len() <= id as usize {
        is_dirty.resize(id as usize + 1, false);
    }
    if !std::mem::replace(&mut is_dirty[id as usize], true) {
        dirty.push(id);
    }
}

fn longest([a, b, c]: [[f64; 2]; 3]) -> f64 {
    let length = |p: [f64; 2], q: [f64; 2]| (p[0] - q[0]).abs().max((p[1] - q[1]).abs());
    length(a, b).max(length(b, c)).max(length(c, a))
}
