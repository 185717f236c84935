//! Level sets of piecewise linear functions: points in intervals, lines on triangles, surfaces in tetrahedra.
//!
//! Each simplex is cut by itself (marching triangles and tetrahedra): within it the level set is flat, so nothing is
//! guessed, and the pieces of neighbours meet. A vertex exactly at the level counts as above it; simplices with a value
//! that is not finite are left out. What is not closed ends at the border of the triangulation or of what is known.

use super::VertexId;
use rustc_hash::{FxHashMap, FxHashSet};
use smallvec::SmallVec;

/// The corners of a tetrahedron on one side of the level.
type Side = SmallVec<[VertexId; 4]>;

/// One connected level line.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LevelLine {
    /// Its points in order, two or more, no two in a row equal. The first of a closed line is not repeated at its end.
    pub points: Vec<[f64; 2]>,
    /// Whether the last point is joined to the first.
    pub closed: bool,
}

impl LevelLine {
    /// Its length. O(n).
    #[must_use]
    pub fn length(&self) -> f64 {
        let distance = |a: &[f64; 2], b: &[f64; 2]| (a[0] - b[0]).hypot(a[1] - b[1]);
        let open: f64 = self.points.windows(2).map(|pair| distance(&pair[0], &pair[1])).sum();
        match (self.points.first(), self.points.last()) {
            (Some(first), Some(last)) if self.closed => open + distance(last, first),
            _ => open,
        }
    }
}

/// A level surface.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LevelSurface {
    /// The corners of its triangles, each of them once.
    pub points: Vec<[f64; 3]>,
    /// Triangles as places in `points`, turning left for who looks at them from where the function is lower.
    pub triangles: Vec<[u32; 3]>,
}

impl LevelSurface {
    /// Its area. O(n).
    #[must_use]
    pub fn area(&self) -> f64 {
        let double = |corners: &[u32; 3]| norm(normal(corners.map(|corner| self.points[corner as usize])));
        self.triangles.iter().map(double).sum::<f64>() / 2.0
    }

    /// Whether it has no border: every side belongs to an even number of triangles. O(n).
    #[must_use]
    pub fn is_closed(&self) -> bool {
        let mut odd: FxHashSet<(u32, u32)> = FxHashSet::default();
        for [a, b, c] in &self.triangles {
            for side in [(a, b), (b, c), (c, a)] {
                let side = (*side.0.min(side.1), *side.0.max(side.1));
                if !odd.insert(side) {
                    odd.remove(&side);
                }
            }
        }
        odd.is_empty()
    }
}

/// Where the level lies between two vertices, seen from the lower numbered one, so that all simplices at an edge agree.
fn crossing<const D: usize>(
    points: &[[f64; D]],
    values: &[f64],
    (a, b): (VertexId, VertexId),
    level: f64,
) -> [f64; D] {
    let (a, b) = (a as usize, b as usize);
    let share = (level - values[a]) / (values[b] - values[a]);
    // Exact at both ends: a vertex at the level is met by all edges that end there.
    if share >= 1.0 {
        points[b]
    } else {
        std::array::from_fn(|i| points[a][i] + (points[b][i] - points[a][i]) * share)
    }
}

fn ordered(a: VertexId, b: VertexId) -> (VertexId, VertexId) {
    (a.min(b), a.max(b))
}

/// The points, ascending, at which a function that is linear on each interval has the value `level`. O(n log n).
///
/// `values` holds one number for each of the points; intervals are places among both.
#[must_use]
pub fn crossings(points: &[[f64; 1]], values: &[f64], intervals: &[[VertexId; 2]], level: f64) -> Vec<f64> {
    let mut found: Vec<f64> = intervals
        .iter()
        .filter(|ends| ends.iter().all(|end| values[*end as usize].is_finite()))
        .filter(|[a, b]| (values[*a as usize] >= level) != (values[*b as usize] >= level))
        .map(|[a, b]| crossing(points, values, ordered(*a, *b), level)[0])
        .collect();
    found.sort_by(f64::total_cmp);
    found.dedup();
    found
}

/// The lines along which a function that is linear on each triangle has the value `level`, in the order of the
/// triangles where they are first met; where the function is higher is to their left. O(n).
///
/// `values` holds one number for each of the points; triangles are places among both.
#[must_use]
pub fn lines(points: &[[f64; 2]], values: &[f64], triangles: &[[VertexId; 3]], level: f64) -> Vec<LevelLine> {
    let mut chains = Chains::default();
    for triangle in triangles {
        let y = triangle.map(|vertex| values[vertex as usize]);
        let above = y.map(|y| y >= level);
        // The vertex that is alone on its side of the level.
        let Some(alone) = (0..3).find(|&k| above[k] != above[(k + 1) % 3] && above[k] != above[(k + 2) % 3])
        else {
            continue;
        };
        if !y.iter().all(|y| y.is_finite()) {
            continue;
        }
        let [a, b, c] = [0, 1, 2].map(|i| triangle[(alone + i) % 3]);
        let mut node =
            |edge: (VertexId, VertexId)| chains.node(edge, || crossing(points, values, edge, level));
        let (from, to) = (node(ordered(a, b)), node(ordered(a, c)));
        // The way from ab to ac has a on its left if the triangle turns left.
        let [pa, pb, pc] = [a, b, c].map(|vertex| points[vertex as usize]);
        let turn = (pb[0] - pa[0]) * (pc[1] - pa[1]) - (pb[1] - pa[1]) * (pc[0] - pa[0]);
        let forward = (turn > 0.0) == above[alone];
        chains.link(from, to, forward);
    }
    chains.join()
}

/// Crossings of edges, and the pieces of lines between them.
#[derive(Default)]
struct Chains {
    nodes: FxHashMap<(VertexId, VertexId), u32>,
    points: Vec<[f64; 2]>,
    /// The pieces at each crossing, two at most: the other end, and whether the piece goes towards it.
    links: Vec<[Option<(u32, bool)>; 2]>,
}

impl Chains {
    fn node(&mut self, edge: (VertexId, VertexId), at: impl FnOnce() -> [f64; 2]) -> u32 {
        *self.nodes.entry(edge).or_insert_with(|| {
            self.points.push(at());
            self.links.push([None; 2]);
            self.points.len() as u32 - 1
        })
    }

    fn link(&mut self, from: u32, to: u32, forward: bool) {
        for (node, link) in [(from, (to, forward)), (to, (from, !forward))] {
            // An edge has two triangles at most; more are no triangulation, and their pieces are left out.
            if let Some(free) = self.links[node as usize].iter_mut().find(|link| link.is_none()) {
                *free = Some(link);
            }
        }
    }

    /// Follows the links: first from the ends of open lines, then around the closed ones.
    fn join(self) -> Vec<LevelLine> {
        let mut seen = vec![false; self.points.len()];
        let mut lines: Vec<(u32, LevelLine)> = Vec::new();
        let ends = |node: &u32| self.links[*node as usize].iter().flatten().count() < 2;
        let all = || 0..self.points.len() as u32;
        for (start, closed) in all().filter(ends).map(|n| (n, false)).chain(all().map(|n| (n, true))) {
            if seen[start as usize] {
                continue;
            }
            let (mut node, mut first, mut balance) = (start, start, 0.0);
            let mut points = Vec::new();
            loop {
                seen[node as usize] = true;
                first = first.min(node);
                let here = self.points[node as usize];
                if points.last() != Some(&here) {
                    points.push(here);
                }
                let onward =
                    self.links[node as usize].iter().flatten().find(|(next, _)| !seen[*next as usize]);
                let Some(&(next, forward)) = onward else { break };
                let there = self.points[next as usize];
                let length = (there[0] - here[0]).hypot(there[1] - here[1]);
                balance += if forward { length } else { -length };
                node = next;
            }
            if closed && points.len() > 1 && points.first() == points.last() {
                points.pop();
            }
            if points.len() < 2 {
                continue;
            }
            // Almost flat triangles may see their own piece the wrong way round; the long ones decide.
            if balance < 0.0 {
                points.reverse();
            }
            // Two points are passed there and back along a ridge that just touches the level.
            let closed = closed && points.len() > 2;
            lines.push((first, LevelLine { points, closed }));
        }
        lines.sort_by_key(|(first, _)| *first);
        lines.into_iter().map(|(_, line)| line).collect()
    }
}

/// The surface on which a function that is linear on each tetrahedron has the value `level`. O(n).
///
/// `values` holds one number for each of the points; tetrahedra are places among both.
#[must_use]
pub fn surface(
    points: &[[f64; 3]],
    values: &[f64],
    tetrahedra: &[[VertexId; 4]],
    level: f64,
) -> LevelSurface {
    let mut nodes: FxHashMap<(VertexId, VertexId), u32> = FxHashMap::default();
    let mut surface = LevelSurface::default();
    for tetrahedron in tetrahedra {
        let y = tetrahedron.map(|vertex| values[vertex as usize]);
        let (above, below): (Side, Side) =
            tetrahedron.iter().copied().partition(|vertex| values[*vertex as usize] >= level);
        if above.is_empty() || below.is_empty() || !y.iter().all(|y| y.is_finite()) {
            continue;
        }
        let mut node = |high: VertexId, low: VertexId| {
            // Crossings at a vertex are one point, whichever edges they lie on.
            let edge = if values[high as usize] == level { (high, high) } else { ordered(high, low) };
            *nodes.entry(edge).or_insert_with(|| {
                surface.points.push(match edge {
                    (vertex, other) if vertex == other => points[vertex as usize],
                    edge => crossing(points, values, edge, level),
                });
                surface.points.len() as u32 - 1
            })
        };
        let pieces: [[u32; 3]; 2] = match (&above[..], &below[..]) {
            ([a], [b, c, d]) => [[node(*a, *b), node(*a, *c), node(*a, *d)], [0; 3]],
            ([b, c, d], [a]) => [[node(*b, *a), node(*c, *a), node(*d, *a)], [0; 3]],
            ([a, b], [c, d]) => {
                let [ac, ad, bc, bd] = [node(*a, *c), node(*a, *d), node(*b, *c), node(*b, *d)];
                [[ac, ad, bd], [ac, bd, bc]]
            }
            _ => continue,
        };
        // From the lower corners to the higher ones.
        let mean = |corners: &[VertexId], i: usize| {
            corners.iter().map(|corner| points[*corner as usize][i]).sum::<f64>() / corners.len() as f64
        };
        let upward: [f64; 3] = std::array::from_fn(|i| mean(&above, i) - mean(&below, i));
        for [a, b, c] in pieces {
            if a == b || b == c || a == c {
                continue;
            }
            let normal = normal([a, b, c].map(|corner| surface.points[corner as usize]));
            let up: f64 = normal.iter().zip(upward).map(|(n, u)| n * u).sum();
            surface.triangles.push(if up > 0.0 { [a, c, b] } else { [a, b, c] });
        }
    }
    surface
}

/// Perpendicular to a triangle, as long as its area is large, twice; towards who sees it turn left.
fn normal([a, b, c]: [[f64; 3]; 3]) -> [f64; 3] {
    let [u, v] = [b, c].map(|end| [0, 1, 2].map(|i| end[i] - a[i]));
    [u[1] * v[2] - u[2] * v[1], u[2] * v[0] - u[0] * v[2], u[0] * v[1] - u[1] * v[0]]
}

fn norm(v: [f64; 3]) -> f64 {
    v.iter().map(|x| x * x).sum::<f64>().sqrt()
}
