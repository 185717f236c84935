//! Triangulations of given points, or from given simplices.

use super::{FLAT, GeometryError, InsertError, NONE, SimplexId, Triangulation, VertexId, is_flat};
use crate::geometry::matrix::{Matrix, determinant, dot, sub};
use crate::geometry::predicates;
use rustc_hash::FxHashMap;
use smallvec::SmallVec;

/// From this many points on they are inserted in an order that keeps neighbours together.
const MANY: usize = 1000;

pub(super) type Corners = SmallVec<[usize; 9]>;

impl<const D: usize> Triangulation<D> {
    /// Triangulates points (in working coordinates: divided by their widths by the caller). Vertex i is point i.
    ///
    /// The first simplex is a large one; the other points follow in their order, or, if there are 1000 or more, in
    /// growing random rounds, each along a space-filling curve, which takes O(n) steps of walking in all.
    ///
    /// # Errors
    /// If there are too few points, all (almost) in one hyperplane, one twice, or one not finite.
    pub fn new(points: &[[f64; D]]) -> Result<Self, GeometryError> {
        Self::new_rounded(points, 0.0)
    }

    /// The same for points that were rounded before they were moved to where they are: they are as exact as coordinates of
    /// size `magnitude` are. (Those of an interval `[1e6, 1e6 + 1]` that became the unit interval: 1e6.) What lies in a
    /// common plane of the hull but for rounding is found by this.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn new_rounded(points: &[[f64; D]], magnitude: f64) -> Result<Self, GeometryError> {
        check(points)?;
        let corners = first_simplex(points).ok_or(GeometryError::Flat)?;
        let mut order: Vec<usize> = corners.to_vec();
        let mut first = vec![false; points.len()];
        corners.iter().for_each(|corner| first[*corner] = true);
        order.extend((0..points.len()).filter(|i| !first[*i]));
        if points.len() >= MANY {
            spread(points, &mut order[D + 1..]);
        }
        let start: SmallVec<[[f64; D]; 9]> = order[..=D].iter().map(|i| points[*i]).collect();
        let row: SmallVec<[u32; 9]> = (0..=D as u32).collect();
        let mut built = Self::from_simplices(&start, &[&row])?.rounded(magnitude);
        built.points.reserve(points.len() - D - 1);
        for &i in &order[D + 1..] {
            built.insert(points[i], Some(built.last)).map_err(|error| match error {
                InsertError::Duplicate(vertex) => {
                    GeometryError::Duplicate { vertex: order[vertex as usize].max(i) as VertexId }
                }
                InsertError::NotFinite => GeometryError::NotFinite { vertex: i as VertexId },
                InsertError::Flat => GeometryError::Flat,
            })?;
        }
        built.renumber(&order);
        built.removed.clear();
        built.removed_vertices.clear();
        built.added.clear();
        Ok(built)
    }

    /// Starts from a given triangulation; it need not be Delaunay. O(n).
    ///
    /// # Errors
    /// If a point is not finite, or a simplex is flat (exactly), or they don't fit together.
    pub fn from_simplices(points: &[[f64; D]], simplices: &[&[u32]]) -> Result<Self, GeometryError> {
        check(points)?;
        if simplices.is_empty() {
            return Err(GeometryError::Flat);
        }
        let mut built = Self {
            points: points.to_vec(),
            incident: vec![NONE; points.len()],
            vertices: Vec::with_capacity(simplices.len() * (D + 1)),
            neighbours: vec![NONE; simplices.len() * (D + 1)],
            spheres: Vec::with_capacity(simplices.len()),
            free: Vec::new(),
            len: simplices.len(),
            dented: simplices.len() > 1,
            convex: false,
            magnitude: 0.0,
            last: 0,
            removed: Vec::new(),
            removed_vertices: Vec::new(),
            added: Vec::new(),
            scratch: super::cavity::Cavity::default(),
        };
        let mut open: FxHashMap<SmallVec<[VertexId; 8]>, (usize, bool)> = FxHashMap::default();
        for (place, simplex) in simplices.iter().enumerate() {
            let misfit = GeometryError::Misfit { simplex: place };
            let mut row: SmallVec<[VertexId; 9]> = SmallVec::from_slice(simplex);
            row.sort_unstable();
            row.dedup();
            if row.len() != D + 1 || simplex.len() != D + 1 || row[D] as usize >= points.len() {
                return Err(misfit);
            }
            let corners: SmallVec<[&[f64; D]; 9]> = row.iter().map(|v| &points[*v as usize]).collect();
            let orientation = predicates::orient(&corners);
            if orientation == 0 {
                return Err(GeometryError::Flat);
            }
            row.iter().for_each(|vertex| built.incident[*vertex as usize] = place as SimplexId);
            built.spheres.push(built.sphere(&row, orientation));
            for k in 0..=D {
                let face = row.iter().enumerate().filter(|(i, _)| *i != k).map(|(_, v)| *v).collect();
                let here = place * (D + 1) + k;
                let (there, closed) = open.entry(face).or_insert((here, false));
                if *closed {
                    return Err(misfit);
                }
                if *there != here {
                    built.neighbours[here] = (*there / (D + 1)) as SimplexId;
                    built.neighbours[*there] = place as SimplexId;
                    *closed = true;
                }
            }
            built.vertices.extend_from_slice(&row);
        }
        Ok(built)
    }

    /// With points that are as exact as coordinates of this size are, as in [`Self::new_rounded`].
    #[must_use]
    pub fn rounded(mut self, magnitude: f64) -> Self {
        self.magnitude = magnitude;
        self
    }

    /// How exact the points are, as in [`Self::new_rounded`].
    #[must_use]
    pub fn magnitude(&self) -> f64 {
        self.magnitude
    }

    /// Gives vertex i the number `order[i]`, and puts the rows in order again.
    pub(super) fn renumber(&mut self, order: &[usize]) {
        if order.iter().enumerate().all(|(i, number)| i == *number) {
            return;
        }
        let (points, incident) = (self.points.clone(), self.incident.clone());
        for (i, &number) in order.iter().enumerate() {
            self.points[number] = points[i];
            self.incident[number] = incident[i];
        }
        for simplex in 0..self.spheres.len() {
            if self.spheres[simplex].orientation == 0 {
                continue;
            }
            let start = simplex * (D + 1);
            let mut orientation = self.spheres[simplex].orientation;
            for k in start..=start + D {
                self.vertices[k] = order[self.vertices[k] as usize] as VertexId;
            }
            // Sorting by insertion counts the exchanges: each turns the orientation.
            for end in start + 1..=start + D {
                let mut k = end;
                while k > start && self.vertices[k - 1] > self.vertices[k] {
                    self.vertices.swap(k - 1, k);
                    self.neighbours.swap(k - 1, k);
                    orientation = -orientation;
                    k -= 1;
                }
            }
            self.spheres[simplex] = self.sphere(&self.vertices[start..=start + D], orientation);
        }
    }
}

fn check<const D: usize>(points: &[[f64; D]]) -> Result<(), GeometryError> {
    const { assert!(D >= 1 && D <= 8, "1 to 8 dimensions") };
    if points.len() <= D {
        return Err(GeometryError::TooFew { points: points.len(), dimensions: D });
    }
    match points.iter().position(|point| !point.iter().all(|x| x.is_finite())) {
        Some(vertex) => Err(GeometryError::NotFinite { vertex: vertex as VertexId }),
        None => Ok(()),
    }
}

/// Corners of a large simplex: each point is the farthest from the plane through those before. `None` if it is flat.
pub(super) fn first_simplex<const D: usize>(points: &[[f64; D]]) -> Option<Corners> {
    let mut corners: Corners = SmallVec::new();
    corners.push(0);
    let mut rest: Vec<[f64; D]> = points.iter().map(|point| sub(point, &points[0])).collect();
    for _ in 0..D {
        let mut best = (0, 0.0);
        for (i, edge) in rest.iter().enumerate() {
            let square = dot(edge, edge);
            if square > best.1 {
                best = (i, square);
            }
        }
        if best.1 == 0.0 {
            return None;
        }
        corners.push(best.0);
        let direction = rest[best.0];
        for edge in &mut rest {
            let part = dot(edge, &direction) / best.1;
            for i in 0..D {
                edge[i] -= part * direction[i];
            }
        }
        rest[best.0] = [0.0; D];
    }
    corners.sort_unstable();
    let edges: Matrix<D> = std::array::from_fn(|i| sub(&points[corners[i + 1]], &points[corners[0]]));
    (!is_flat(&edges, determinant(&edges), FLAT)).then_some(corners)
}

/// Random rounds of doubling size, each along a Z-order curve (a biased randomised insertion order: Amenta, Choi and
/// Rote, 2003).
fn spread<const D: usize>(points: &[[f64; D]], order: &mut [usize]) {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    for i in (1..order.len()).rev() {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        order.swap(i, (state % (i as u64 + 1)) as usize);
    }
    let (low, high) = crate::geometry::hull::bounding_box(points);
    let bits = 60 / D;
    let curve = |point: &[f64; D]| -> u64 {
        let mut code = 0;
        for bit in (0..bits).rev() {
            for i in 0..D {
                let share = (point[i] - low[i]) / (high[i] - low[i]);
                let cell = (share * (1_u64 << bits) as f64) as u64;
                code = code << 1 | (cell >> bit & 1);
            }
        }
        code
    };
    let mut end = order.len();
    while end > 0 {
        let start = if end > 2 * MANY { end / 2 } else { 0 };
        order[start..end].sort_by_cached_key(|i| curve(&points[*i]));
        end = start;
    }
}
