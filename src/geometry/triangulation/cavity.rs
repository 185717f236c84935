//! Which simplices a new point removes, and which faces it is joined with. Nothing is changed here.

use super::locate::Place;
use super::ridges::Ridges;
use super::{FLAT, Matrix, NONE, SimplexId, Triangulation, VertexId, is_flat};
use crate::geometry::matrix::{determinant, sub};
use crate::geometry::predicates;
use rustc_hash::FxHashSet;

/// How far rounding may have moved a point off a plane, as a share of its greatest coordinate (or of the magnitude).
pub(super) const ROUNDING: f64 = 4e-15;

/// Relative volume below which a circumsphere may be so large that its slack reaches far away.
const ROUGH: f64 = 1e-5;

/// A face that gets joined with the new point.
#[derive(Clone, Copy, Debug)]
pub(super) struct Face {
    /// The simplex that stays behind it, or [`NONE`] if it is a hull face still.
    pub(super) beyond: SimplexId,
    /// The place of the face among those of `beyond`.
    pub(super) slot: u8,
    /// Orientation of the vertices of the face, ascending, with the point last.
    pub(super) orientation: i8,
}

/// The work space of an insert; kept from one to the next so that nothing is allocated.
#[derive(Clone, Debug, Default)]
pub(super) struct Cavity {
    /// Simplices to be removed; those that hold the point first.
    pub(super) inside: Vec<SimplexId>,
    /// The boundary.
    pub(super) faces: Vec<Face>,
    /// Rows of D vertices: those of `faces`, then hull faces that will be none any more.
    pub(super) sheets: Vec<VertexId>,
    /// Rows of D: which other boundary face shares the ridge without vertex j; [`NONE`] at the hull.
    pub(super) links: Vec<u32>,
    /// Filling it dents the hull: flat simplices there are left out.
    pub(super) dents: bool,
    /// How many of `inside` have to stay.
    fixed: usize,
    /// Hull faces that the point lies strictly beyond.
    visible: Vec<(SimplexId, u8)>,
    seen: FxHashSet<(SimplexId, u8)>,
    /// Hull faces that are opened.
    opened: Vec<(SimplexId, u8)>,
    stamp: u32,
    /// By simplex: 2 stamp if tested, 2 stamp + 1 if inside.
    marks: Vec<u32>,
    vertex_stamp: u32,
    vertex_marks: Vec<u32>,
    ridges: Ridges,
}

impl Cavity {
    fn start(&mut self, simplices: usize, points: usize) {
        self.inside.clear();
        self.visible.clear();
        self.seen.clear();
        self.fixed = 0;
        if self.stamp >= u32::MAX / 2 - 1 {
            self.marks.fill(0);
            self.stamp = 0;
        }
        self.stamp += 1;
        self.marks.resize(simplices.max(self.marks.len()), 0);
        self.vertex_marks.resize(points.max(self.vertex_marks.len()), 0);
    }

    fn enter(&mut self, simplex: SimplexId) {
        self.marks[simplex as usize] = 2 * self.stamp + 1;
        self.inside.push(simplex);
    }

    fn leave(&mut self, simplex: SimplexId) {
        self.marks[simplex as usize] = 2 * self.stamp;
    }

    #[inline]
    fn is_inside(&self, simplex: SimplexId) -> bool {
        self.marks[simplex as usize] == 2 * self.stamp + 1
    }

    /// Whether this is the first time that the simplex is asked for.
    #[inline]
    fn test(&mut self, simplex: SimplexId) -> bool {
        let mark = &mut self.marks[simplex as usize];
        let first = *mark >> 1 != self.stamp;
        if first {
            *mark = 2 * self.stamp;
        }
        first
    }

    /// Whether hull faces are among its boundary, or visible. Otherwise it is a ball around the point, whatever the hull is like.
    fn is_at_hull(&self) -> bool {
        !self.visible.is_empty()
            || !self.opened.is_empty()
            || self.faces.iter().any(|face| face.beyond == NONE)
    }

    fn see(&mut self, simplex: SimplexId, k: usize) {
        if self.seen.insert((simplex, k as u8)) {
            self.visible.push((simplex, k as u8));
        }
    }
}

/// How much is done for soundness.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Care {
    /// The cavity grows from one simplex by the circumsphere test with its slack; no flat simplices are made.
    Usual,
    /// It starts from all simplices that hold the point by exact signs; flat ones are made where there is no other way.
    Exact,
    /// It is just those (or none, outside of the hull). Their boundary is strictly visible for certain; the circumspheres
    /// are not looked at.
    Bare,
}

/// What joining a face with the point would give.
#[derive(Clone, Copy)]
pub(super) struct Joint {
    flat: bool,
    /// Flat but for the rounding of coordinates.
    pub(super) rounded: bool,
    /// The same, at a simplex that is not flat itself.
    pub(super) in_plane: bool,
    /// 0 if refused as flat, unless it was asked for exactly.
    orientation: i8,
    /// Of the point seen from the face: 1 where the simplex is, -1 beyond; 0 as for `orientation`.
    pub(super) side: i8,
}

impl<const D: usize> Triangulation<D> {
    /// Digs the cavity of a point that lies in `place`. False if there is none that is sound.
    ///
    /// See [`Care`].
    pub(super) fn dig(&self, cavity: &mut Cavity, point: &[f64; D], place: Place, care: Care) -> bool {
        let exact = care != Care::Usual;
        cavity.start(self.spheres.len(), self.points.len());
        match place {
            Place::Inside(simplex) => {
                cavity.enter(simplex);
                if exact {
                    self.enter_star(cavity, point);
                }
                cavity.fixed = cavity.inside.len();
                if care != Care::Bare {
                    self.grow(cavity, point, exact);
                }
            }
            Place::Outside(simplex, k) => {
                if self.side(simplex, k, point) >= 0 {
                    return false;
                }
                cavity.see(simplex, k);
                self.grow(cavity, point, exact);
                if care == Care::Bare {
                    cavity.inside.drain(..).for_each(|simplex| cavity.marks[simplex as usize] = 0);
                }
            }
        }
        loop {
            match self.boundary(cavity, point, exact) {
                Boundary::Sound => break,
                Boundary::Smaller => {
                    let (marks, inside) = (&cavity.marks, 2 * cavity.stamp + 1);
                    cavity.inside.retain(|simplex| marks[*simplex as usize] == inside);
                }
                Boundary::Broken => return false,
            }
        }
        let joined = cavity.faces.len();
        joined > 0
            && cavity.ridges.pair(&cavity.sheets, D, joined, NONE, &mut cavity.links)
            && !(self.convex && cavity.dents)
            && (!(cavity.dents || self.dented && cavity.is_at_hull()) || self.verify(cavity, point))
    }

    /// All simplices that share the smallest face on which the point lies exactly.
    fn enter_star(&self, cavity: &mut Cavity, point: &[f64; D]) {
        let mut next = 0;
        while next < cavity.inside.len() {
            let simplex = cavity.inside[next];
            next += 1;
            for (k, &other) in self.neighbours(simplex).iter().enumerate() {
                if other != NONE && !cavity.is_inside(other) && self.side(simplex, k, point) == 0 {
                    cavity.enter(other);
                }
            }
        }
    }

    /// Adds simplices whose circumspheres hold the point, and finds hull faces that it lies beyond. Beyond one in whose plane
    /// it lies but for rounding, it would see others in that plane, and what they look like from afar is rounding, too:
    /// that is for `exact` only.
    fn grow(&self, cavity: &mut Cavity, point: &[f64; D], exact: bool) {
        let (mut next, mut next_visible) = (0, 0);
        loop {
            if let Some(&simplex) = cavity.inside.get(next) {
                next += 1;
                for k in 0..=D {
                    let other = self.neighbours(simplex)[k];
                    if other == NONE {
                        let joint = self.joint(simplex, k, point, false);
                        let side = if joint.rounded { self.side(simplex, k, point) } else { joint.side };
                        if side < 0 && (exact || !joint.in_plane) {
                            cavity.see(simplex, k);
                        }
                    } else if cavity.test(other) && self.in_sphere(other, point) {
                        cavity.enter(other);
                    }
                }
            } else if let Some(&(simplex, k)) = cavity.visible.get(next_visible) {
                next_visible += 1;
                if cavity.test(simplex) && self.in_sphere(simplex, point) {
                    cavity.enter(simplex);
                }
                for j in (0..=D).filter(|j| *j != usize::from(k)) {
                    let (other, face) = self.along_the_hull(simplex, k.into(), j);
                    if !cavity.seen.contains(&(other, face as u8)) && self.side(other, face, point) < 0 {
                        cavity.see(other, face);
                    }
                }
            } else {
                return;
            }
        }
    }

    /// Collects the boundary, or makes the cavity smaller.
    fn boundary(&self, cavity: &mut Cavity, point: &[f64; D], exact: bool) -> Boundary {
        cavity.faces.clear();
        cavity.sheets.clear();
        cavity.opened.clear();
        cavity.dents = false;
        let mut smaller = false;
        for at in 0..cavity.inside.len() {
            let simplex = cavity.inside[at];
            for k in 0..=D {
                let beyond = self.neighbours(simplex)[k];
                if beyond != NONE && cavity.is_inside(beyond) {
                    continue;
                }
                let joint = self.joint(simplex, k, point, exact);
                // At the hull a flat simplex is left out (which dents the hull) only if rounding alone makes it.
                let refused = if beyond == NONE { joint.rounded } else { joint.flat };
                let sound = joint.side > 0 && (exact && (at < cavity.fixed || beyond == NONE) || !refused);
                if sound {
                    let slot = if beyond == NONE { 0 } else { self.slot(beyond, simplex) as u8 };
                    cavity.faces.push(Face { beyond, slot, orientation: joint.orientation });
                    self.push_face(&mut cavity.sheets, simplex, k);
                } else if beyond == NONE && self.may_open(simplex, k, point, joint, at < cavity.fixed) {
                    cavity.opened.push((simplex, k as u8));
                    // A point exactly in the plane of the face leaves no dent: as on the faces of a box.
                    let dents = |side| if joint.in_plane { side != 0 } else { side > 0 };
                    cavity.dents |= !exact && joint.rounded && dents(self.side(simplex, k, point));
                } else if at < cavity.fixed {
                    return Boundary::Broken;
                } else {
                    cavity.leave(simplex);
                    smaller = true;
                    break;
                }
            }
        }
        if smaller {
            return Boundary::Smaller;
        }
        for at in 0..cavity.visible.len() {
            let (simplex, k) = cavity.visible[at];
            if cavity.is_inside(simplex) {
                continue;
            }
            let joint = self.joint(simplex, k.into(), point, exact);
            if exact || !joint.rounded {
                cavity.faces.push(Face { beyond: simplex, slot: k, orientation: joint.orientation });
                self.push_face(&mut cavity.sheets, simplex, k.into());
                cavity.opened.push((simplex, k));
            } else if self.holds(simplex, point) {
                return Boundary::Broken;
            } else {
                cavity.dents = true;
            }
        }
        if self.loses_a_vertex(cavity) {
            return if cavity.inside.iter().all(|simplex| cavity.is_inside(*simplex)) {
                Boundary::Broken
            } else {
                Boundary::Smaller
            };
        }
        for at in 0..cavity.opened.len() {
            let (simplex, k) = cavity.opened[at];
            self.push_face(&mut cavity.sheets, simplex, k.into());
        }
        Boundary::Sound
    }

    /// Whether a hull face of the cavity that can't be joined may be opened: if the point does not lie strictly before
    /// it, or lies on it within 1e-8, or in its plane but for rounding.
    fn may_open(&self, simplex: SimplexId, k: usize, point: &[f64; D], joint: Joint, fixed: bool) -> bool {
        fixed
            || joint.in_plane
            || joint.side < 0
            || self.side(simplex, k, point) <= 0
            || self.holds(simplex, point)
    }

    /// Whether a vertex of the cavity is on no boundary face; then simplices at it leave the cavity.
    fn loses_a_vertex(&self, cavity: &mut Cavity) -> bool {
        if cavity.vertex_stamp == u32::MAX {
            cavity.vertex_marks.fill(0);
            cavity.vertex_stamp = 0;
        }
        cavity.vertex_stamp += 1;
        let stamp = cavity.vertex_stamp;
        for vertex in &cavity.sheets {
            cavity.vertex_marks[*vertex as usize] = stamp;
        }
        let mut lost = false;
        for at in 0..cavity.inside.len() {
            let simplex = cavity.inside[at];
            if self.vertices(simplex).iter().any(|vertex| cavity.vertex_marks[*vertex as usize] != stamp) {
                lost = true;
                if at >= cavity.fixed {
                    cavity.leave(simplex);
                }
            }
        }
        lost
    }

    fn push_face(&self, sheets: &mut Vec<VertexId>, simplex: SimplexId, k: usize) {
        let vertices = self.vertices(simplex);
        sheets.extend_from_slice(&vertices[..k]);
        sheets.extend_from_slice(&vertices[k + 1..]);
    }

    /// Joins face k of a simplex with the point.
    ///
    /// If the result is not flat, the float determinant is far above its error (see `FLAT`; the sum of the absolute
    /// products in a determinant is at most D^D times the mean entry to the power D), so its sign is exact.
    /// What is flat only because the simplex is so too (a needle between two points that almost meet) is
    /// not refused: it has to be covered by something.
    #[inline]
    pub(super) fn joint(&self, simplex: SimplexId, k: usize, point: &[f64; D], exact: bool) -> Joint {
        let vertices = self.vertices(simplex);
        let vertex = |i: usize| self.point(vertices[i + usize::from(i >= k)]);
        let first = vertex(0);
        let edges: Matrix<D> =
            std::array::from_fn(|i| if i + 1 < D { sub(vertex(i + 1), first) } else { sub(point, first) });
        let det = determinant(&edges);
        let swaps = if (D - k).is_multiple_of(2) { 1 } else { -1 };
        let forward = swaps * self.spheres[simplex as usize].orientation;
        // Elimination in many dimensions is less certain: what is not clearly thick is decided by the predicate.
        let clear = if D < 4 { FLAT } else { 1e4 * FLAT };
        if !is_flat(&edges, det, clear) {
            let orientation = predicates::sign(det);
            return Joint {
                flat: false,
                rounded: false,
                in_plane: false,
                orientation,
                side: orientation * forward,
            };
        }
        let own = self.edges(simplex);
        let own_det = determinant(&own);
        let flat = is_flat(&edges, det, FLAT) && det.abs() <= FLAT * own_det.abs();
        let scale =
            (0..D).fold(self.magnitude, |scale: f64, i| scale.max(point[i].abs()).max(first[i].abs()));
        let sum: f64 = edges.as_flattened().iter().map(|x| x.abs()).sum();
        let rounding = (ROUNDING * scale * (D * D) as f64 / sum).min(FLAT);
        let rounded = flat && is_flat(&edges, det, rounding);
        let in_plane = rounded && !is_flat(&own, own_det, ROUGH);
        let at_hull = self.neighbours(simplex)[k] == NONE;
        if (if at_hull { rounded } else { flat }) && !exact {
            return Joint { flat, rounded, in_plane, orientation: 0, side: 0 };
        }
        let side = self.side(simplex, k, point);
        Joint { flat, rounded, in_plane, orientation: side * forward, side }
    }

    /// From hull face k of a simplex over the ridge without vertex j to the next hull face.
    pub(super) fn along_the_hull(&self, simplex: SimplexId, k: usize, j: usize) -> (SimplexId, usize) {
        // Turn around the ridge: the vertex that came last is kept, the one before it is left.
        let (mut at, mut leave, mut kept) = (simplex, j, self.vertices(simplex)[k]);
        loop {
            let other = self.neighbours(at)[leave];
            if other == NONE {
                return (at, leave);
            }
            let vertices = self.vertices(other);
            let fresh = self.slot(other, at);
            leave = vertices.iter().position(|vertex| *vertex == kept).unwrap_or(fresh);
            kept = vertices[fresh];
            at = other;
        }
    }
}

/// What came of collecting the boundary.
enum Boundary {
    Sound,
    /// Simplices left the cavity: look again.
    Smaller,
    /// One that has to stay would have to leave.
    Broken,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A hull with dents costs a look at each cavity there, so it should have none where rounding makes none.
    #[test]
    fn points_on_the_faces_of_a_box_leave_no_dents() {
        for magnitude in [0.0, 1.0, 100.0] {
            let corners: Vec<[f64; 3]> = (0..8).map(|i| [i & 1, i >> 1 & 1, i >> 2].map(f64::from)).collect();
            let mut boxed = Triangulation::new_rounded(&corners, magnitude).unwrap();
            for n in 1..200_u32 {
                let mut point =
                    [0.754_877, 0.569_840, 0.368_160].map(|step: f64| (step * f64::from(n)).fract());
                if n % 3 > 0 {
                    point[n as usize / 3 % 3] = f64::from(n % 3 - 1);
                }
                boxed.insert(point, None).unwrap();
            }
            assert!(!boxed.dented, "{magnitude}");
        }
    }
}
