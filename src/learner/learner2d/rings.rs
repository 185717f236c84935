//! What lies around each vertex of a triangulation, remembered until it changes.

use crate::geometry::{NONE, SimplexId, Triangulation, VertexId};
use smallvec::SmallVec;

/// An edge from a vertex.
#[derive(Clone, Copy, Debug)]
pub(super) struct Spoke {
    pub(super) to: VertexId,
    /// From here to there, in the scaled domain.
    pub(super) edge: [f64; 2],
    /// One over the third power of its length.
    pub(super) weight: f64,
}

/// The triangles and edges around a vertex, each once.
#[derive(Clone, Debug)]
pub(super) struct Ring {
    pub(super) triangles: SmallVec<[SimplexId; 8]>,
    pub(super) spokes: SmallVec<[Spoke; 8]>,
    /// Inverse of the sum over the spokes of 4 weight edge edgeᵀ: its entries xx, xy, yy.
    pub(super) inverse: [f64; 3],
    is_stale: bool,
}

/// The rings of all vertices.
#[derive(Clone, Debug, Default)]
pub(super) struct Rings {
    rings: Vec<Ring>,
    /// One triangle at each vertex.
    incident: Vec<SimplexId>,
}

impl Rings {
    /// Makes room for the next vertex, whose triangles are told by [`Rings::changed`].
    pub(super) fn push(&mut self) {
        self.rings.push(Ring {
            triangles: SmallVec::new(),
            spokes: SmallVec::new(),
            inverse: [0.0; 3],
            is_stale: true,
        });
        self.incident.push(NONE);
    }

    /// The triangles at this vertex have changed; this is one of them now.
    #[inline]
    pub(super) fn changed(&mut self, vertex: VertexId, triangle: SimplexId) {
        self.incident[vertex as usize] = triangle;
        self.rings[vertex as usize].is_stale = true;
    }

    /// The ring of a vertex: O(1) unless it has changed, else O(its size).
    #[inline]
    pub(super) fn get(&mut self, mesh: &Triangulation<2>, vertex: VertexId) -> &Ring {
        let ring = &mut self.rings[vertex as usize];
        if ring.is_stale {
            ring.gather(mesh, self.incident[vertex as usize], vertex);
        }
        ring
    }
}

impl Ring {
    /// Goes around the vertex: in one direction until the circle closes; if the border of the domain ends it, the rest
    /// in the other direction.
    fn gather(&mut self, mesh: &Triangulation<2>, first: SimplexId, vertex: VertexId) {
        self.triangles.clear();
        self.spokes.clear();
        let corners = mesh.vertices(first);
        let at = place(corners, vertex);
        let (left, right) = (corners[(at + 1) % 3], corners[(at + 2) % 3]);
        self.triangles.push(first);
        self.add(mesh, vertex, left);
        self.add(mesh, vertex, right);
        if !self.turn(mesh, first, vertex, (left, right)) {
            self.turn(mesh, first, vertex, (right, left));
        }
        let (mut xx, mut xy, mut yy) = (0.0, 0.0, 0.0);
        for Spoke { edge: [x, y], weight, .. } in &self.spokes {
            let (wx, wy) = (4.0 * weight * x, 4.0 * weight * y);
            (xx, xy, yy) = (xx + wx * x, xy + wx * y, yy + wy * y);
        }
        self.inverse = inverse(xx, xy, yy);
        self.is_stale = false;
    }

    fn add(&mut self, mesh: &Triangulation<2>, from: VertexId, to: VertexId) {
        let (a, b) = (mesh.point(from), mesh.point(to));
        let edge = [b[0] - a[0], b[1] - a[1]];
        let length2 = edge[0] * edge[0] + edge[1] * edge[1];
        self.spokes.push(Spoke { to, edge, weight: 1.0 / (length2 * length2.sqrt()) });
    }

    /// Goes on over the edge to `across`, away from `behind`. Whether the circle closed.
    fn turn(
        &mut self,
        mesh: &Triangulation<2>,
        first: SimplexId,
        vertex: VertexId,
        (mut behind, mut across): (VertexId, VertexId),
    ) -> bool {
        let mut triangle = first;
        loop {
            let next = mesh.neighbours(triangle)[place(mesh.vertices(triangle), behind)];
            if next == first {
                // The last neighbour found is the one that the walk began behind.
                self.spokes.pop();
                return true;
            }
            if next == NONE {
                return false;
            }
            let corners = mesh.vertices(next);
            // The third corner, whatever its place.
            let beyond = corners[0] ^ corners[1] ^ corners[2] ^ vertex ^ across;
            self.triangles.push(next);
            self.add(mesh, vertex, beyond);
            (triangle, behind, across) = (next, across, beyond);
        }
    }
}

/// The inverse of a symmetric matrix without negative eigenvalues; if it is singular up to rounding, that of its larger
/// part, which gives the shortest of the solutions.
#[inline]
pub(super) fn inverse(xx: f64, xy: f64, yy: f64) -> [f64; 3] {
    let determinant = xx * yy - xy * xy;
    if determinant > 1e-13 * xx * yy {
        return [yy / determinant, -xy / determinant, xx / determinant];
    }
    // One direction only: the matrix is its trace times the projection on that.
    let trace = xx + yy;
    if trace > 0.0 { [xx, xy, yy].map(|entry| entry / trace / trace) } else { [0.0; 3] }
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
