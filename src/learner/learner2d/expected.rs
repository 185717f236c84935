//! Told and pending points together: what the losses are expected to become.

use super::PointKey;
use super::domain::Domain;
use super::field::Field;
use super::plan::Hint;
use crate::geometry::{GeometryError, SimplexId, VertexId};
use crate::loss::triangle::TriangleLoss;
use rustc_hash::FxHashMap;
use smallvec::SmallVec;
use std::sync::Arc;

/// The field of told and pending points. A pending point has the value that the told ones give by linear
/// interpolation, kept right as these change around it.
#[derive(Clone)]
pub(super) struct Expected {
    pub(super) field: Field,
    /// Vertices of the pending points.
    vertices: FxHashMap<PointKey, VertexId>,
    /// By vertex: whether it is pending.
    is_pending: Vec<bool>,
    /// Pending vertices by the triangle of told points that they lie in.
    homes: FxHashMap<SimplexId, SmallVec<[VertexId; 4]>>,
    row: SmallVec<[f64; 4]>,
}

impl Expected {
    /// The told points alone.
    pub(super) fn of(told: &Field) -> Self {
        let is_pending = vec![false; told.points().len()];
        Self::over(told.clone(), is_pending)
    }

    /// While corners are missing: nothing can be interpolated, so what is not told is 0.
    pub(super) fn of_corners(
        domain: &Domain,
        loss: &Arc<dyn TriangleLoss>,
        dim: usize,
    ) -> Result<Self, GeometryError> {
        let field = Field::new(domain, loss, &vec![0.0; 4 * dim.max(1)], 0.0)?;
        Ok(Self::over(field, vec![false; 4]))
    }

    fn over(field: Field, is_pending: Vec<bool>) -> Self {
        Self {
            field,
            vertices: FxHashMap::default(),
            is_pending,
            homes: FxHashMap::default(),
            row: SmallVec::new(),
        }
    }

    /// Adds a pending point. `told` is the field of the told points, if there is one yet. A point too close to
    /// another one is left out. Returns the triangle of told points that holds it.
    pub(super) fn insert_pending(
        &mut self,
        domain: &Domain,
        told: Option<&Field>,
        point: [f64; 2],
        hint: Hint,
    ) -> Option<SimplexId> {
        let at = domain.scaled(point);
        self.row.clear();
        let home = told.and_then(|told| told.mesh().locate(&at, hint.told).map(|home| (told, home)));
        match home {
            Some((told, home)) => told.interpolate(home, at, &mut self.row),
            None => self.row.resize(self.field.row(0).len(), 0.0),
        }
        let home = home.map(|(_, home)| home);
        let Ok(vertex) = self.field.insert(domain, point, &self.row, hint.expected) else { return home };
        self.vertices.insert(super::key(point), vertex);
        self.is_pending.push(true);
        if let Some(home) = home {
            self.homes.entry(home).or_default().push(vertex);
        }
        home
    }

    /// Takes a value that was told while corners are missing; without one, its point counts as pending. `range` is that of the
    /// values, those that are 0 among them.
    pub(super) fn tell_early(&mut self, domain: &Domain, point: [f64; 2], row: Option<&[f64]>, range: f64) {
        let corner = domain.corners().iter().position(|corner| *corner == point);
        let mut vertex = corner.map(|corner| corner as VertexId);
        if vertex.is_none() {
            if !self.vertices.contains_key(&super::key(point)) {
                self.insert_pending(domain, None, point, Hint::default());
            }
            vertex = self.vertices.get(&super::key(point)).copied();
        }
        if let (Some(vertex), Some(row)) = (vertex, row) {
            self.is_pending[vertex as usize] = false;
            self.field.set_value(vertex, row);
            self.field.set_range(range);
        }
    }

    /// Takes a value that was just added to the field of told points, whose mesh still remembers the change.
    /// `placed` says whether the point found its place there.
    pub(super) fn tell(&mut self, domain: &Domain, told: &Field, point: [f64; 2], row: &[f64], placed: bool) {
        if let Some(vertex) = self.vertices.remove(&super::key(point)) {
            self.is_pending[vertex as usize] = false;
            self.field.set_value(vertex, row);
        } else if self.field.insert(domain, point, row, None).is_ok() {
            self.is_pending.push(false);
        }
        if placed {
            self.follow(domain, told);
        }
    }

    /// Interpolates again where the triangles of told points have changed.
    fn follow(&mut self, domain: &Domain, told: &Field) {
        let mut moved: SmallVec<[VertexId; 16]> = SmallVec::new();
        for (id, _) in told.mesh().removed() {
            if let Some(vertices) = self.homes.remove(&id) {
                moved.extend(vertices);
            }
        }
        let near = told.mesh().added().first().copied();
        for vertex in moved {
            if !self.is_pending[vertex as usize] {
                continue;
            }
            let at = domain.scaled(self.field.points()[vertex as usize]);
            let Some(home) = told.mesh().locate(&at, near) else { continue };
            self.row.clear();
            told.interpolate(home, at, &mut self.row);
            self.field.set_value(vertex, &self.row);
            self.homes.entry(home).or_default().push(vertex);
        }
    }
}
