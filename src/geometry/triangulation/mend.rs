//! Makes a hull convex again that grew outwards from a dent.
//!
//! A dent that rounding has left is harmless as long as points come inside. A point beyond it may see the hull in pieces: then
//! it can't be joined, or only with a part of what it sees, and the dent grows. Both are noticed, and all points are
//! triangulated anew, once and for all without dents: where rounding has put points off a common plane of the hull,
//! flat simplices fill what lies between.

use super::{InsertError, NONE, Triangulation, build};
use rustc_hash::FxHashSet;
use smallvec::SmallVec;

impl<const D: usize> Triangulation<D> {
    /// Whether the hull turns inwards by more than rounding at one of the simplices added last.
    pub(super) fn turned_inwards(&self) -> bool {
        let faces = |simplex: u32| (0..=D).filter(move |k| self.neighbours(simplex)[*k] == NONE);
        self.added.iter().any(|&simplex| faces(simplex).any(|k| self.is_dent(simplex, k)))
    }

    /// Whether a hull face around this one, of the hull, lies beyond its plane.
    fn is_dent(&self, simplex: u32, k: usize) -> bool {
        (0..=D).filter(|j| *j != k).any(|j| {
            let (other, face) = self.along_the_hull(simplex, k, j);
            let own = self.vertices(simplex);
            let corners = self.vertices(other).iter().enumerate().filter(|(i, _)| *i != face);
            let fresh = corners.map(|(_, vertex)| *vertex).find(|v| !own.contains(v) || *v == own[k]);
            fresh.is_some_and(|vertex| {
                let joint = self.joint(simplex, k, self.point(vertex), false);
                joint.side < 0 && !joint.rounded
            })
        })
    }

    /// Triangulates all points anew, with one more if there is one, and without dents. The simplices that were there before
    /// the present insert are then those removed, and all that are there now those added. O(n), more or less; an error
    /// leaves all as it is.
    pub(super) fn mend(&mut self, more: Option<[f64; D]>) -> Result<(), InsertError> {
        let mut points = self.points.clone();
        points.extend(more);
        let corners = build::first_simplex(&points).ok_or(InsertError::Flat)?;
        let mut order: Vec<usize> = corners.to_vec();
        order.extend((0..points.len()).filter(|i| !corners.contains(i)));
        let start: SmallVec<[[f64; D]; 9]> = order[..=D].iter().map(|i| points[*i]).collect();
        let row: SmallVec<[u32; 9]> = (0..=D as u32).collect();
        let mut convex = Self::from_simplices(&start, &[&row]).map_err(|_| InsertError::Flat)?;
        (convex.convex, convex.magnitude) = (true, self.magnitude);
        for &i in &order[D + 1..] {
            convex.insert(points[i], Some(convex.last))?;
        }
        convex.renumber(&order);
        let fresh: FxHashSet<u32> = self.added.iter().copied().collect();
        (convex.removed, convex.removed_vertices) =
            (std::mem::take(&mut self.removed), std::mem::take(&mut self.removed_vertices));
        for simplex in self.simplices().filter(|id| !fresh.contains(id)) {
            convex.removed.push(simplex);
            convex.removed_vertices.extend_from_slice(self.vertices(simplex));
        }
        convex.added = convex.simplices().collect();
        *self = convex;
        Ok(())
    }
}
