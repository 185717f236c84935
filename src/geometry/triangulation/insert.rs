//! Inserts one point: finds its place, digs its cavity, fills it.

use super::cavity::{Care, Cavity, ROUNDING};
use super::locate::Place;
use super::{InsertError, NEAR, NONE, SimplexId, Sphere, Triangulation, VertexId};

impl<const D: usize> Triangulation<D> {
    /// Inserts a point inside or outside of the hull; [`removed`](Self::removed) and [`added`](Self::added) then tell
    /// what changed. With a hint close by (for instance the simplex that holds the point) the cost does not depend on n;
    /// without one see [`locate`](Self::locate). A hint that is no more counts as none.
    ///
    /// # Errors
    /// If the point is a vertex already, is not finite or can't be joined; the triangulation is then as it was.
    pub fn insert(&mut self, point: [f64; D], hint: Option<SimplexId>) -> Result<VertexId, InsertError> {
        self.removed.clear();
        self.removed_vertices.clear();
        self.added.clear();
        if !point.iter().all(|x| x.is_finite()) {
            return Err(InsertError::NotFinite);
        }
        let place = match self.walk(&point, self.start(&point, hint)) {
            Place::Outside(simplex, k) if self.is_in_hull_face(simplex, k, &point) => Place::Inside(simplex),
            place => place,
        };
        self.refuse_duplicates(&point, place)?;
        let mut cavity = std::mem::take(&mut self.scratch);
        let mut sound = self.dig(&mut cavity, &point, place, Care::Usual);
        let mut same = Ok(());
        if !sound {
            let place = self.exact_walk(&point, simplex_of(place));
            same = self.refuse_duplicates(&point, place);
            sound = same.is_ok()
                && [Care::Exact, Care::Bare]
                    .into_iter()
                    .any(|care| self.dig(&mut cavity, &point, place, care));
        }
        if sound {
            self.fill(point, &cavity);
        }
        self.scratch = cavity;
        same?;
        let outwards = matches!(place, Place::Outside(..)) && self.dented;
        match (sound, outwards) {
            (true, true) if self.turned_inwards() => {
                // If that fails, all is as sound as before.
                let _ = self.mend(None);
            }
            (true, _) => {}
            (false, true) => self.mend(Some(point))?,
            (false, false) => return Err(InsertError::Flat),
        }
        Ok(self.points.len() as VertexId - 1)
    }

    /// Whether a point beyond a hull face lies in it but for rounding, which is more than 1e-8 of a simplex where coordinates
    /// are large and the simplex is small.
    fn is_in_hull_face(&self, simplex: SimplexId, k: usize, point: &[f64; D]) -> bool {
        let (first, others) = self.weights(simplex, point);
        let weights = std::iter::once(first).chain(others).enumerate();
        weights.filter(|(i, _)| *i != k).all(|(_, weight)| weight >= -NEAR)
            && self.joint(simplex, k, point, false).in_plane
    }

    /// A vertex that is the point, exactly or by its weights in the simplex, or but for rounding where the point lies before
    /// a dent of the hull: there the vertex may be one of other simplices, and a second one in its place would fold what lies
    /// around it. O(1), and O(n) before a dent.
    fn refuse_duplicates(&self, point: &[f64; D], place: Place) -> Result<(), InsertError> {
        let simplex = simplex_of(place);
        let (first, others) = self.weights(simplex, point);
        let far =
            others.iter().filter(|weight| weight.abs() >= NEAR).count() + usize::from(first.abs() >= NEAR);
        for (k, &vertex) in self.vertices(simplex).iter().enumerate() {
            let weight = if k == 0 { first } else { others[k - 1] };
            // While all are inserted anew, what was a point of its own is so still.
            if self.point(vertex) == point || far == 1 && weight.abs() >= NEAR && !self.convex {
                return Err(InsertError::Duplicate(vertex));
            }
        }
        if self.dented && !self.convex && matches!(place, Place::Outside(..)) {
            let near = ROUNDING * point.iter().fold(self.magnitude, |scale, x| scale.max(x.abs()));
            let is_near = |known: &[f64; D]| known.iter().zip(point).all(|(a, b)| (a - b).abs() <= near);
            if let Some(vertex) = self.points.iter().position(is_near) {
                return Err(InsertError::Duplicate(vertex as VertexId));
            }
        }
        Ok(())
    }

    /// Removes the cavity and joins its boundary with the point.
    fn fill(&mut self, point: [f64; D], cavity: &Cavity) {
        let new = self.points.len() as VertexId;
        self.points.push(point);
        for &simplex in &cavity.inside {
            let start = simplex as usize * (D + 1);
            self.removed.push(simplex);
            self.removed_vertices.extend_from_slice(&self.vertices[start..=start + D]);
            self.spheres[simplex as usize].orientation = 0;
        }
        self.free.extend(cavity.inside.iter().rev());
        for _ in &cavity.faces {
            let id = self.free.pop().unwrap_or_else(|| self.allocate());
            self.added.push(id);
        }
        for (i, face) in cavity.faces.iter().enumerate() {
            let id = self.added[i];
            let start = id as usize * (D + 1);
            for j in 0..D {
                let vertex = cavity.sheets[i * D + j];
                self.vertices[start + j] = vertex;
                self.incident[vertex as usize] = id;
                let link = cavity.links[i * D + j];
                self.neighbours[start + j] = if link == NONE { NONE } else { self.added[link as usize] };
            }
            self.vertices[start + D] = new;
            self.neighbours[start + D] = face.beyond;
            if face.beyond != NONE {
                self.neighbours[face.beyond as usize * (D + 1) + usize::from(face.slot)] = id;
            }
            self.spheres[id as usize] = self.sphere(&self.vertices[start..=start + D], face.orientation);
        }
        self.dented |= cavity.dents;
        self.last = self.added[0];
        self.incident.push(self.last);
        self.len = self.len + self.added.len() - self.removed.len();
    }

    fn allocate(&mut self) -> SimplexId {
        let id = self.spheres.len() as SimplexId;
        self.vertices.extend((0..=D).map(|_| NONE));
        self.neighbours.extend((0..=D).map(|_| NONE));
        self.spheres.push(Sphere { origin: [0.0; D], centre: [0.0; D], slack: 0.0, orientation: 0 });
        id
    }
}

fn simplex_of(place: Place) -> SimplexId {
    match place {
        Place::Inside(simplex) | Place::Outside(simplex, _) => simplex,
    }
}
