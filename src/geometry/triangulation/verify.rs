//! Checks a cavity at a hull that is dented, where visibility alone does not make the result sound.

use super::cavity::Cavity;
use super::{NONE, SimplexId, Triangulation, VertexId};
use crate::geometry::predicates;
use rustc_hash::FxHashSet;
use smallvec::SmallVec;

impl<const D: usize> Triangulation<D> {
    /// Whether new neighbours lie on different sides of what they share, and the simplices at every vertex stay
    /// connected. Costs more than the insert; needed only at a hull with dents.
    pub(super) fn verify(&self, cavity: &Cavity, point: &[f64; D]) -> bool {
        let row = |i: usize| &cavity.sheets[i * D..(i + 1) * D];
        for (i, face) in cavity.faces.iter().enumerate() {
            let mut corners: SmallVec<[&[f64; D]; 9]> = row(i).iter().map(|v| self.point(*v)).collect();
            corners.push(point);
            for j in 0..D {
                let link = cavity.links[i * D + j];
                let Some(other) = (link != NONE)
                    .then(|| row(link as usize).iter().find(|vertex| !row(i).contains(vertex)))
                    .flatten()
                else {
                    continue;
                };
                let own = std::mem::replace(&mut corners[j], self.point(*other));
                if predicates::orient(&corners) != -face.orientation {
                    return false;
                }
                corners[j] = own;
            }
        }
        let mut vertices = cavity.sheets.clone();
        vertices.sort_unstable();
        vertices.dedup();
        vertices.iter().all(|vertex| self.stays_connected(cavity, *vertex))
    }

    /// Whether the simplices at a vertex can all be reached from one another, once the cavity is filled.
    fn stays_connected(&self, cavity: &Cavity, vertex: VertexId) -> bool {
        // Old simplices by their ids, new ones by their rows.
        let mut old: Vec<SimplexId> = Vec::new();
        self.around(vertex, &mut old);
        old.retain(|simplex| !cavity.inside.contains(simplex));
        let row = |i: usize| &cavity.sheets[i * D..(i + 1) * D];
        let new: Vec<usize> = (0..cavity.faces.len()).filter(|i| row(*i).contains(&vertex)).collect();
        let Some(&first) = new.first() else { return false };
        let whole = old.len() + new.len();
        let old: FxHashSet<SimplexId> = old.into_iter().collect();
        let (mut seen_old, mut seen_new) = (FxHashSet::default(), FxHashSet::from_iter([first]));
        let (mut next_old, mut next_new) = (Vec::new(), vec![first]);
        loop {
            if let Some(i) = next_new.pop() {
                for j in (0..D).filter(|j| row(i)[*j] != vertex) {
                    let link = cavity.links[i * D + j];
                    if link != NONE && seen_new.insert(link as usize) {
                        next_new.push(link as usize);
                    }
                }
                let beyond = cavity.faces[i].beyond;
                if old.contains(&beyond) && seen_old.insert(beyond) {
                    next_old.push(beyond);
                }
            } else if let Some(simplex) = next_old.pop() {
                for (&other, &at) in self.neighbours(simplex).iter().zip(self.vertices(simplex)) {
                    if at != vertex && old.contains(&other) && seen_old.insert(other) {
                        next_old.push(other);
                    }
                }
                // A new simplex may lie behind a face to the cavity, or on the hull.
                for &i in &new {
                    if cavity.faces[i].beyond == simplex && seen_new.insert(i) {
                        next_new.push(i);
                    }
                }
            } else {
                return seen_old.len() + seen_new.len() == whole;
            }
        }
    }
}
