//! An incremental Delaunay triangulation in D dimensions.
//!
//! Simplices are rows of flat arrays with links to their neighbours. There are no ghost simplices and no list of hull
//! faces: at the hull a link is [`NONE`], and the hull is walked by turning around its ridges.
//!
//! **Insertion** (Bowyer-Watson; see `insert`). The simplices whose circumsphere holds the new point (with a slack of
//! 1e-8 of the radius, so that cospherical points count as inside, as in Python adaptive) form a cavity, which is filled
//! again with simplices from its boundary faces to the point. The cavity is made smaller until every boundary face is
//! strictly visible from the point and no vertex is lost, so that rounding and the slack can never break the
//! structure. Only a sign that floats leave in doubt costs exact arithmetic.
//!
//! **Flat simplices** (volume below 1e-8 of the mean coordinate difference to the power D) are not made where that is
//! safe. At the hull they are left out only if rounding alone put the point off a hull face, which leaves the hull
//! dented by as much; what is then done is verified first (see `verify`), and a point that can't be joined soundly is
//! refused. So a box, whose corners come first, is always filled. A hull that grows outwards from such a dent and would turn
//! inwards by more than rounding is made convex again (see `mend`). Where points are close together and in line but for
//! rounding, a dent may stay unnoticed: in hundreds of such clouds none in three dimensions, single ones in two and four.
//!
//! **Location** walks towards the point, from a hint if there is one; else from the better of the simplex that was made
//! last and a sample of n^(1/(D+1)) vertices. With a good hint an insert costs O(1).

mod build;
mod cavity;
mod insert;
mod locate;
mod mend;
mod ridges;
mod verify;

use super::matrix::{Matrix, determinant, dot, factorial, solve, sub};
use super::predicates;
use super::simplex::Weights;
use smallvec::SmallVec;

/// Number of a point; points are counted in the order of their insertion.
pub type VertexId = u32;

/// Number of a simplex; those of removed simplices are given again.
pub type SimplexId = u32;

/// No simplex: what lies beyond the hull.
pub const NONE: SimplexId = SimplexId::MAX;

/// How far (in barycentric coordinates) a point may lie outside of a simplex or a face and still belong to it.
const NEAR: f64 = 1e-8;

/// Share of the radius by which a point may lie outside of a circumsphere and still count as inside.
const SLACK: f64 = 1e-8;

/// Relative volume below which a simplex is flat.
const FLAT: f64 = 1e-8;

/// Below this relative volume the float circumcentre is not used, but the exact predicate.
const DOUBTFUL: f64 = 1e-9;

/// Why there is no triangulation.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum GeometryError {
    /// Fewer than D+1 points.
    #[error("a triangulation in {dimensions} dimensions needs {} points or more, but there are {points}", dimensions + 1)]
    TooFew {
        /// How many there are.
        points: usize,
        /// D.
        dimensions: usize,
    },
    /// All points lie in one hyperplane, or almost (relative volume below 1e-8); or a given simplex does.
    #[error("the points all lie in one plane (or line): there is no triangulation until one lies beside it")]
    Flat,
    /// Two points are equal, or so close that no simplex fits between them.
    #[error("point {vertex} is the same as one before it")]
    Duplicate {
        /// The later one.
        vertex: VertexId,
    },
    /// A coordinate is NaN or infinite.
    #[error("point {vertex} has a coordinate that is not finite")]
    NotFinite {
        /// Which point.
        vertex: VertexId,
    },
    /// Given simplices name a wrong number of points, a point that does not exist, or one face more than twice.
    #[error(
        "simplex {simplex} does not fit: it has to name D+1 points, and share each face with one other at most"
    )]
    Misfit {
        /// Its place in the given list.
        simplex: usize,
    },
}

/// Why a point was not inserted; the triangulation is as it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InsertError {
    /// The point is this vertex, or within 1e-8 of it (in barycentric coordinates of the simplex that holds it).
    #[error("the point is vertex {0} already")]
    Duplicate(VertexId),
    /// A coordinate is NaN or infinite.
    #[error("the point has a coordinate that is not finite")]
    NotFinite,
    /// Every simplex that would hold the point is flat.
    #[error("the point can only be joined by flat simplices")]
    Flat,
}

/// What is kept of a simplex beside its links.
#[derive(Clone, Copy, Debug)]
struct Sphere<const D: usize> {
    /// The lowest vertex.
    origin: [f64; D],
    /// Centre of the circumsphere, from the origin: so that far from 0 small simplices lose nothing.
    centre: [f64; D],
    /// What |p - centre|^2 may exceed the squared radius by; NaN if the float centre is not to be trusted.
    slack: f64,
    /// Orientation of the vertices in ascending order; 0 if the simplex is no more.
    orientation: i8,
}

/// An incremental Delaunay triangulation of points in D dimensions (1 to 8).
///
/// ```
/// use adaptive_mpi::geometry::Triangulation;
/// let mut triangles = Triangulation::new(&[[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]])?;
/// let vertex = triangles.insert([0.25, 0.25], None)?;
/// assert_eq!((vertex, triangles.len()), (3, 3));
/// assert_eq!(triangles.removed().map(|(_, vertices)| vertices.to_vec()).collect::<Vec<_>>(), [[0, 1, 2]]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Triangulation<const D: usize> {
    points: Vec<[f64; D]>,
    /// One simplex of each vertex.
    incident: Vec<SimplexId>,
    /// Rows of D+1, ascending.
    vertices: Vec<VertexId>,
    /// Rows of D+1: the simplex opposite to the vertex in the same place.
    neighbours: Vec<SimplexId>,
    spheres: Vec<Sphere<D>>,
    free: Vec<SimplexId>,
    len: usize,
    /// The hull may have dents: a point was joined there without flat simplices, or the simplices were given.
    dented: bool,
    /// No dents are made any more (see `mend`).
    convex: bool,
    /// The points are as exact as coordinates of this size are.
    magnitude: f64,
    /// Where a walk without a hint starts.
    last: SimplexId,
    removed: Vec<SimplexId>,
    removed_vertices: Vec<VertexId>,
    added: Vec<SimplexId>,
    scratch: cavity::Cavity,
}

impl<const D: usize> Triangulation<D> {
    /// How many simplices there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Never: there is always one simplex at least.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// How many points there are.
    #[must_use]
    pub fn npoints(&self) -> usize {
        self.points.len()
    }

    /// A number above all simplex ids in use, for arrays beside this one.
    #[must_use]
    pub fn simplex_bound(&self) -> usize {
        self.spheres.len()
    }

    /// The coordinates of a vertex.
    #[must_use]
    #[inline]
    pub fn point(&self, vertex: VertexId) -> &[f64; D] {
        &self.points[vertex as usize]
    }

    /// The D+1 vertices of a simplex, ascending.
    #[must_use]
    #[inline]
    pub fn vertices(&self, simplex: SimplexId) -> &[VertexId] {
        let start = simplex as usize * (D + 1);
        &self.vertices[start..=start + D]
    }

    /// The D+1 neighbours of a simplex: number k lies beyond the face opposite to vertex k; [`NONE`] at the hull.
    #[must_use]
    #[inline]
    pub fn neighbours(&self, simplex: SimplexId) -> &[SimplexId] {
        let start = simplex as usize * (D + 1);
        &self.neighbours[start..=start + D]
    }

    /// The vertex of neighbour k that is not shared with the simplex.
    #[must_use]
    #[inline]
    pub fn opposing_vertex(&self, simplex: SimplexId, k: usize) -> Option<VertexId> {
        let neighbour = self.neighbours(simplex)[k];
        (neighbour != NONE).then(|| self.vertices(neighbour)[self.slot(neighbour, simplex)])
    }

    /// Whether a simplex with this number exists now.
    #[must_use]
    #[inline]
    pub fn is_alive(&self, simplex: SimplexId) -> bool {
        self.spheres.get(simplex as usize).is_some_and(|sphere| sphere.orientation != 0)
    }

    /// All simplices, by their numbers. O(n).
    pub fn simplices(&self) -> impl Iterator<Item = SimplexId> + '_ {
        (0..self.spheres.len() as SimplexId).filter(|simplex| self.is_alive(*simplex))
    }

    /// The simplices that the last insert removed, with their vertices (ascending). An id may be among
    /// [`added`](Self::added) again. Nothing after a failed insert.
    pub fn removed(&self) -> impl Iterator<Item = (SimplexId, &[VertexId])> + '_ {
        self.removed.iter().copied().zip(self.removed_vertices.chunks_exact(D + 1))
    }

    /// The simplices that the last insert added: those of the new vertex, or all, if the hull was made convex again.
    /// Nothing after a failed insert.
    #[must_use]
    pub fn added(&self) -> &[SimplexId] {
        &self.added
    }

    /// The volume of a simplex.
    #[must_use]
    pub fn volume(&self, simplex: SimplexId) -> f64 {
        determinant(&self.edges(simplex)).abs() / factorial(D)
    }

    /// The weights of the vertices of a simplex that give the point; negative beyond a face.
    #[must_use]
    pub fn barycentric(&self, simplex: SimplexId, point: &[f64; D]) -> Weights {
        let (first, others) = self.weights(simplex, point);
        let mut weights: Weights = SmallVec::new();
        weights.push(first);
        weights.extend(others);
        weights
    }

    /// The simplices at a vertex, in no particular order, appended to `out`; O(their number) (squared for up to 64).
    pub fn around(&self, vertex: VertexId, out: &mut Vec<SimplexId>) {
        let start = out.len();
        let first = self.incident[vertex as usize];
        if first == NONE {
            return;
        }
        out.push(first);
        let mut seen = rustc_hash::FxHashSet::default();
        let mut next = start;
        while next < out.len() {
            let simplex = out[next];
            next += 1;
            for (&other, &at) in self.neighbours(simplex).iter().zip(self.vertices(simplex)) {
                if at == vertex || other == NONE {
                    continue;
                }
                // Few are compared, many are hashed.
                let known =
                    if seen.is_empty() { out[start..].contains(&other) } else { seen.contains(&other) };
                if !known {
                    out.push(other);
                    if !seen.is_empty() {
                        seen.insert(other);
                    } else if out.len() - start > 64 {
                        seen.extend(&out[start..]);
                    }
                }
            }
        }
    }

    /// The faces of the hull: a simplex and the place of the vertex opposite to the face. O(n).
    pub fn hull_faces(&self) -> impl Iterator<Item = (SimplexId, usize)> + '_ {
        self.simplices().flat_map(move |simplex| {
            (0..=D).filter(move |k| self.neighbours(simplex)[*k] == NONE).map(move |k| (simplex, k))
        })
    }

    /// The place of a neighbour among the neighbours of a simplex.
    #[inline]
    fn slot(&self, simplex: SimplexId, neighbour: SimplexId) -> usize {
        self.neighbours(simplex).iter().position(|other| *other == neighbour).unwrap_or(D)
    }

    /// From the first vertex to the others.
    #[inline]
    fn edges(&self, simplex: SimplexId) -> Matrix<D> {
        let vertices = self.vertices(simplex);
        let first = self.point(vertices[0]);
        std::array::from_fn(|i| sub(self.point(vertices[i + 1]), first))
    }

    /// The weight of the first vertex, and those of the others.
    #[inline]
    fn weights(&self, simplex: SimplexId, point: &[f64; D]) -> (f64, [f64; D]) {
        let edges = self.edges(simplex);
        let columns: Matrix<D> = std::array::from_fn(|i| std::array::from_fn(|j| edges[j][i]));
        let mut weights = sub(point, &self.spheres[simplex as usize].origin);
        solve(&columns, &mut weights);
        (1.0 - weights.iter().sum::<f64>(), weights)
    }

    /// The circumsphere of vertices in ascending order.
    #[inline]
    fn sphere(&self, vertices: &[VertexId], orientation: i8) -> Sphere<D> {
        let origin = *self.point(vertices[0]);
        let edges: Matrix<D> = std::array::from_fn(|i| sub(self.point(vertices[i + 1]), &origin));
        let mut centre: [f64; D] = std::array::from_fn(|i| dot(&edges[i], &edges[i]) / 2.0);
        let det = solve(&edges, &mut centre);
        let doubtful = is_flat(&edges, det, DOUBTFUL);
        let slack = if doubtful { f64::NAN } else { dot(&centre, &centre) * SLACK * (2.0 + SLACK) };
        Sphere { origin, centre, slack, orientation }
    }

    /// Whether the point lies in the circumsphere, with the slack.
    #[inline]
    fn in_sphere(&self, simplex: SimplexId, point: &[f64; D]) -> bool {
        let sphere = &self.spheres[simplex as usize];
        if sphere.slack.is_nan() {
            let corners = self.corners(simplex);
            return predicates::in_sphere(&corners, point) >= 0;
        }
        // |q - c|^2 - |c|^2 = q (q - 2c), without the cancellation.
        let q = sub(point, &sphere.origin);
        let beyond: f64 = (0..D).map(|i| q[i] * (q[i] - 2.0 * sphere.centre[i])).sum();
        beyond < sphere.slack
    }

    fn corners(&self, simplex: SimplexId) -> SmallVec<[&[f64; D]; 9]> {
        self.vertices(simplex).iter().map(|vertex| self.point(*vertex)).collect()
    }

    /// On which side of face k of a simplex a point lies, exactly: 1 where the simplex is, 0 in the plane of the
    /// face, -1 beyond.
    fn side(&self, simplex: SimplexId, k: usize, point: &[f64; D]) -> i8 {
        let mut corners = self.corners(simplex);
        corners[k] = point;
        predicates::orient(&corners) * self.spheres[simplex as usize].orientation
    }
}

/// Whether a simplex with these edges from one vertex, and this determinant, is flat: upstream's relative volume.
#[inline]
fn is_flat<const D: usize>(edges: &Matrix<D>, det: f64, limit: f64) -> bool {
    let sum: f64 = edges.iter().map(|edge| edge.iter().map(|x| x.abs()).sum::<f64>()).sum();
    let mean = sum / (D * D) as f64;
    // Also true for NaN.
    let thick = det.abs() / factorial(D) >= limit * mean.powi(D as i32);
    !thick || det == 0.0
}
