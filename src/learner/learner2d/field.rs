//! A triangulation with values, gradients and losses.

use super::domain::{Domain, area};
use super::ranking::Ranking;
use super::rings::Rings;
use super::tangents::{Rows, Tangents};
use crate::geometry::{GeometryError, InsertError, NONE, SimplexId, Triangulation, VertexId};
use crate::learner::lattice::Lattice;
use crate::loss::triangle::{Triangle, TriangleLoss};
use smallvec::SmallVec;
use std::cell::{Ref, RefCell};
use std::sync::Arc;

/// Losses are computed anew when the range of values has grown by more than this factor since the last time.
/// Until then, old ones stand for a range that was smaller by at most this.
const RECOMPUTE_FACTOR: f64 = 1.1;

/// What a triangle with an unknown value counts, as a part of its area: as much as one where the function is flat
/// under the default loss.
const UNKNOWN_WEIGHT: f64 = 0.3;

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
    tangents: Tangents,
    rings: Rings,
    /// A cache: what it says when looked at follows from the rest.
    ranking: RefCell<Ranking>,
    /// One over the range of values when all losses were computed last.
    scale: f64,
    /// The range then; 0 if there was none.
    range: f64,
    whole_area: f64,
    least_length: f64,
    /// Where only whole numbers are asked.
    lattice: Option<Lattice<2>>,
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
            tangents: Tangents::of(loss.as_ref(), dim),
            rings: Rings::default(),
            ranking: RefCell::default(),
            scale: 1.0,
            range: 0.0,
            whole_area: domain.area(),
            least_length: domain.least_length(),
            lattice: domain.lattice.clone(),
            holding: Vec::new(),
        };
        field.set_range_quietly(range);
        corners.iter().for_each(|_| field.rings.push());
        let triangles: Vec<SimplexId> = field.mesh.simplices().collect();
        for id in triangles {
            for vertex in field.mesh.vertices(id) {
                field.rings.changed(*vertex, id);
            }
            field.ranking.get_mut().touch(id);
            field.tangents.count(1.0, field.mesh.vertices(id), &field.mesh, (&field.values, dim));
        }
        for vertex in 0..corners.len() {
            field.tangents.push();
            field.tangents.queue(vertex as VertexId);
        }
        field.settle();
        Ok(field)
    }

    /// Adds a point; [`Field::settle`] brings gradients up to date.
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
        let ranking = self.ranking.get_mut();
        let rows = (&self.values[..], self.dim);
        for (id, vertices) in self.mesh.removed() {
            ranking.remove(id);
            self.tangents.count(-1.0, vertices, &self.mesh, rows);
        }
        self.tangents.push();
        self.tangents.queue(vertex);
        for &id in self.mesh.added() {
            let vertices = self.mesh.vertices(id);
            for corner in vertices {
                self.rings.changed(*corner, id);
                self.tangents.queue(*corner);
            }
            self.tangents.count(1.0, vertices, &self.mesh, rows);
            ranking.touch(id);
            if self.loss.needs_neighbours() {
                touch_neighbours(ranking, &self.mesh, id);
            }
        }
        self.touch_far(vertex);
        Ok(vertex)
    }

    /// Where gradients are local, a change at a vertex moves those of all vertices beside it, and with them the losses of
    /// the triangles around these.
    fn touch_far(&mut self, vertex: VertexId) {
        if self.tangents.is_local() {
            let spokes = &self.rings.get(&self.mesh, vertex).spokes;
            let beside: SmallVec<[VertexId; 12]> = spokes.iter().map(|spoke| spoke.to).collect();
            let ranking = self.ranking.get_mut();
            for vertex in beside {
                let ring = self.rings.get(&self.mesh, vertex);
                ring.triangles.iter().for_each(|id| ranking.touch(*id));
            }
        }
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

    /// Replaces the value of a vertex; [`Field::settle`] brings gradients up to date.
    pub(super) fn set_value(&mut self, vertex: VertexId, row: &[f64]) {
        let start = vertex as usize * self.dim;
        let ring = self.rings.get(&self.mesh, vertex);
        for id in &ring.triangles {
            self.tangents.count(-1.0, self.mesh.vertices(*id), &self.mesh, (&self.values, self.dim));
        }
        self.values[start..start + self.dim].copy_from_slice(row);
        self.tangents.queue(vertex);
        ring.spokes.iter().for_each(|spoke| self.tangents.queue(spoke.to));
        let ranking = self.ranking.get_mut();
        for id in &ring.triangles {
            self.tangents.count(1.0, self.mesh.vertices(*id), &self.mesh, (&self.values, self.dim));
            ranking.touch(*id);
            if self.loss.needs_neighbours() {
                touch_neighbours(ranking, &self.mesh, *id);
            }
        }
        self.touch_far(vertex);
    }

    /// Tells the range of values: all losses are computed anew if it has grown by much. O(n) then.
    pub(super) fn set_range(&mut self, range: f64) {
        if self.set_range_quietly(range) {
            let ranking = self.ranking.get_mut();
            self.mesh.simplices().for_each(|id| ranking.touch(id));
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

    /// Makes gradients right after changes. Losses follow from these when looked at, so that it does not matter when.
    pub(super) fn settle(&mut self) {
        let ranking = self.ranking.get_mut();
        self.tangents.relax(&self.mesh, &mut self.rings, &self.values, self.scale, |triangles| {
            triangles.iter().for_each(|id| ranking.touch(*id));
        });
    }

    /// The losses, all of them right.
    fn ranking(&self) -> Ref<'_, Ranking> {
        self.ranking.borrow_mut().refresh(|id| self.mesh.is_alive(id).then(|| self.loss_and_rank(id)));
        self.ranking.borrow()
    }

    /// The loss of a triangle and its rank, if it can be split.
    fn loss_and_rank(&self, id: SimplexId) -> (f64, Option<f64>) {
        let corners = self.mesh.vertices(id);
        let (a, b, c) = (corners[0], corners[1], corners[2]);
        // Written out: closures over arrays are not always inlined, and this is called most of all.
        let points = [*self.mesh.point(a), *self.mesh.point(b), *self.mesh.point(c)];
        let is_full = self.lattice.as_ref().is_some_and(|lattice| lattice.is_full(&self.corners(id)));
        let loss = match self.evaluate(id, [a, b, c], points) {
            _ if is_full => 0.0,
            nan if nan.is_nan() => UNKNOWN_WEIGHT * area(points),
            loss => loss,
        };
        // What is infinite ranks above all finite losses, the largest triangle first; what has no loss ranks below all
        // in the same way, so that a learner that goes on when all is fine fills the domain evenly. (Rounded: equal
        // areas up to rounding errors are alike.)
        let part = || (area(points) / self.whole_area).min(1.0);
        let rank = match loss {
            f64::INFINITY => f64::MAX * part(),
            0.0 => f64::from(-1.0 / part() as f32),
            loss => loss,
        };
        (loss, (!is_full && longest(points) >= self.least_length).then_some(rank))
    }

    #[inline]
    fn evaluate(&self, id: SimplexId, [a, b, c]: [VertexId; 3], points: [[f64; 2]; 3]) -> f64 {
        let rows;
        let mut triangle = Triangle::new(points, [self.row(a), self.row(b), self.row(c)], self.scale);
        match &self.tangents {
            Tangents::None => {}
            Tangents::Smooth(gradients) => {
                triangle = triangle.with_gradients([gradients.row(a), gradients.row(b), gradients.row(c)]);
            }
            tangents => {
                rows = tangents.rows([a, b, c], self.dim);
                let row = |corner: usize| &rows[corner * self.dim..(corner + 1) * self.dim];
                triangle = triangle.with_gradients([row(0), row(1), row(2)]);
            }
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
        self.ranking().largest()
    }

    /// Whether no triangle can be split any more. O(1).
    pub(super) fn is_full(&self) -> bool {
        self.ranking().is_empty()
    }

    /// Calls `see` with triangles and their losses, the next to split first, until it says that it has seen enough:
    /// O(log n) for each one. Those too small to be split, and those without a point to ask, are left out.
    pub(super) fn descending(&self, see: impl FnMut((SimplexId, f64)) -> bool) {
        let _ = self.ranking().descending().all(see);
    }

    /// No point can be put into this triangle: it is not split any more.
    pub(super) fn give_up(&mut self, id: SimplexId) {
        self.ranking.get_mut().remove(id);
    }

    /// All triangles with their losses, in no order.
    pub(super) fn triangles(&self) -> impl Iterator<Item = ([VertexId; 3], f64)> {
        let ranking = self.ranking();
        let corners = |id| [0, 1, 2].map(|k: usize| self.mesh.vertices(id)[k]);
        self.mesh.simplices().map(move |id| (corners(id), ranking.loss(id)))
    }

    /// The corners of a triangle in the function's own coordinates.
    pub(super) fn corners(&self, id: SimplexId) -> [[f64; 2]; 3] {
        let corners = self.mesh.vertices(id);
        [0, 1, 2].map(|k: usize| self.points[corners[k] as usize])
    }

    /// The gradients at the corners of a triangle, one corner after the other, if the loss needs them; and what
    /// brings values to a range of 1.
    pub(super) fn slopes(&self, id: SimplexId) -> (Rows, f64) {
        let corners = self.mesh.vertices(id);
        (self.tangents.rows([corners[0], corners[1], corners[2]], self.dim), self.scale)
    }

    pub(super) fn points(&self) -> &[[f64; 2]] {
        &self.points
    }

    #[cfg(test)]
    pub(super) fn set_tolerance(&mut self, tolerance: f64) {
        if let Tangents::Smooth(gradients) = &mut self.tangents {
            *gradients = gradients.clone().with_tolerance(tolerance);
            (0..self.points.len()).for_each(|vertex| gradients.queue(vertex as VertexId));
        }
        self.settle();
    }

    #[cfg(test)]
    pub(super) fn gradient(&self, vertex: VertexId) -> [f64; 2] {
        self.tangents.rows([vertex; 3], self.dim).first().copied().unwrap_or_default()
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

/// A loss that looks at neighbours sees their values: not their gradients, so that a gradient does not come here.
#[inline]
fn touch_neighbours(ranking: &mut Ranking, mesh: &Triangulation<2>, id: SimplexId) {
    for neighbour in mesh.neighbours(id).iter().filter(|neighbour| **neighbour != NONE) {
        ranking.touch(*neighbour);
    }
}

fn longest([a, b, c]: [[f64; 2]; 3]) -> f64 {
    let length = |p: [f64; 2], q: [f64; 2]| (p[0] - q[0]).abs().max((p[1] - q[1]).abs());
    length(a, b).max(length(b, c)).max(length(c, a))
}
