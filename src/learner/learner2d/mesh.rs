//! Walking around a vertex of a triangulation.

use crate::geometry::{SimplexId, Triangulation, VertexId};

/// No triangle: beyond the border.
pub(super) const NONE: u32 = u32::MAX;

/// The triangles and vertices around a vertex, each once; reused from one vertex to the next.
#[derive(Clone, Debug, Default)]
pub(super) struct Star {
    pub(super) vertex: VertexId,
    pub(super) triangles: Vec<SimplexId>,
    pub(super) neighbours: Vec<VertexId>,
}

impl Star {
    /// Gathers the star of a vertex, from one triangle at each vertex: in one direction until the circle closes; if
    /// the border of the domain ends it, the rest in the other direction. O(number of triangles in the star).
    pub(super) fn gather(&mut self, mesh: &Triangulation<2>, incident: &[SimplexId], vertex: VertexId) {
        self.vertex = vertex;
        self.triangles.clear();
        self.neighbours.clear();
        let first = incident[vertex as usize];
        let corners = mesh.vertices(first);
        let at = place(corners, vertex);
        let (left, right) = (corners[(at + 1) % 3], corners[(at + 2) % 3]);
        self.triangles.push(first);
        self.neighbours.push(left);
        self.neighbours.push(right);
        if !self.turn(mesh, first, left, right) {
            self.turn(mesh, first, right, left);
        }
    }

    /// Goes on over the edge to `across`, away from `behind`. Whether the circle closed.
    fn turn(
        &mut self,
        mesh: &Triangulation<2>,
        first: SimplexId,
        behind: VertexId,
        across: VertexId,
    ) -> bool {
        let (mut triangle, mut behind, mut across) = (first, behind, across);
        loop {
            let next = mesh.neighbours(triangle)[place(mesh.vertices(triangle), behind)];
            if next == first {
                // The last neighbour found is the one that the walk began behind.
                self.neighbours.pop();
                return true;
            }
            if next == NONE {
                return false;
            }
            let Some(beyond) =
                mesh.vertices(next).iter().copied().find(|v| *v != self.vertex && *v != across)
            else {
                return false;
            };
            self.triangles.push(next);
            self.neighbours.push(beyond);
            (triangle, behind, across) = (next, across, beyond);
        }
    }
}

#[inline]
fn place(corners: &[VertexId], vertex: VertexId) -> usize {
    if corners[0] == vertex {
        0
    } else if corners[1] == vertex {
        1
    } else {
        2
    }
}
