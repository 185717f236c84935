//! What must hold of every triangulation, by brute force.

use adaptive_mpi::geometry::{NONE, SimplexId, Triangulation, predicates, simplex};

/// Reproducible numbers in [0, 1).
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut x = self.0;
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((x ^ (x >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }

    pub(crate) fn point<const D: usize>(&mut self) -> [f64; D] {
        std::array::from_fn(|_| self.next())
    }

    pub(crate) fn below(&mut self, n: usize) -> usize {
        (self.next() * n as f64) as usize
    }
}

pub(crate) fn flat<const D: usize>(t: &Triangulation<D>, id: SimplexId) -> Vec<f64> {
    t.vertices(id).iter().flat_map(|v| *t.point(*v)).collect()
}

/// The corners of the unit box.
pub(crate) fn corners<const D: usize>() -> Vec<[f64; D]> {
    (0..1 << D).map(|i: usize| std::array::from_fn(|k| (i >> k & 1) as f64)).collect()
}

/// Rows, links, incidence; no geometry but the orientation.
pub(crate) fn structure<const D: usize>(t: &Triangulation<D>) {
    let mut used = vec![Vec::new(); t.npoints()];
    assert_eq!(t.simplices().count(), t.len());
    for id in t.simplices() {
        let vertices = t.vertices(id);
        assert!(vertices.is_sorted_by(|a, b| a < b), "{vertices:?} are not ascending");
        let points: Vec<&[f64; D]> = vertices.iter().map(|v| t.point(*v)).collect();
        assert_ne!(predicates::orient(&points), 0, "{vertices:?} is flat");
        vertices.iter().for_each(|v| used[*v as usize].push(id));
        for (k, &other) in t.neighbours(id).iter().enumerate() {
            let opposing = t.opposing_vertex(id, k);
            assert_eq!(opposing.is_none(), other == NONE);
            if other == NONE {
                continue;
            }
            assert!(t.is_alive(other), "{id} has the dead neighbour {other}");
            let back = t.neighbours(other).iter().position(|n| *n == id).expect("links go both ways");
            let face = |simplex: SimplexId, without: usize| -> Vec<u32> {
                let mut face = t.vertices(simplex).to_vec();
                face.remove(without);
                face
            };
            assert_eq!(face(id, k), face(other, back), "neighbours share a face");
            assert_eq!(opposing, Some(t.vertices(other)[back]));
            // They lie on different sides of it.
            let mut flipped = points.clone();
            flipped[k] = t.point(t.vertices(other)[back]);
            assert_eq!(
                predicates::orient(&flipped),
                -predicates::orient(&points),
                "{id} and {other} overlap"
            );
        }
    }
    for (vertex, simplices) in used.iter_mut().enumerate() {
        assert!(!simplices.is_empty(), "vertex {vertex} is in no simplex");
        let mut around = Vec::new();
        t.around(vertex as u32, &mut around);
        around.sort_unstable();
        simplices.sort_unstable();
        assert_eq!(&around, simplices, "simplices around {vertex}");
    }
}

/// No point lies inside of a circumsphere by more than `slack` of its squared radius.
pub(crate) fn delaunay<const D: usize>(t: &Triangulation<D>, slack: f64) {
    for id in t.simplices() {
        let mut centre = [0.0; D];
        let Some(square) = simplex::circumsphere(&flat(t, id), D, &mut centre) else { continue };
        for vertex in 0..t.npoints() as u32 {
            if t.vertices(id).contains(&vertex) {
                continue;
            }
            let point = t.point(vertex);
            let distance: f64 = (0..D).map(|i| (point[i] - centre[i]) * (point[i] - centre[i])).sum();
            assert!(
                distance >= square * (1.0 - slack),
                "vertex {vertex} is in the sphere of {:?}: {distance:e} < {square:e}",
                t.vertices(id)
            );
        }
    }
}

/// The greatest distance of a point from any of a few.
fn width(points: &[f64], from: &[f64]) -> f64 {
    let distance = |point: &[f64]| -> f64 { point.iter().zip(from).map(|(a, b)| (a - b) * (a - b)).sum() };
    points.chunks(from.len()).map(distance).fold(0.0, f64::max).sqrt()
}

/// The volumes sum up to that within the hull, and the hull has no dents deeper than `slack`.
pub(crate) fn hull<const D: usize>(t: &Triangulation<D>, slack: f64) {
    let inner: [f64; D] = std::array::from_fn(|i| {
        (0..t.npoints() as u32).map(|v| t.point(v)[i]).sum::<f64>() / t.npoints() as f64
    });
    let mut pyramids = 0.0;
    for (id, k) in t.hull_faces() {
        let mut corners = flat(t, id);
        corners[k * D..(k + 1) * D].copy_from_slice(&inner);
        pyramids += simplex::volume(&corners, D);
        let mut face = flat(t, id);
        face.drain(k * D..(k + 1) * D);
        let area = simplex::embedded_volume(&face, D);
        let points: Vec<&[f64; D]> = t.vertices(id).iter().map(|v| t.point(*v)).collect();
        for vertex in 0..t.npoints() as u32 {
            let mut other = points.clone();
            other[k] = t.point(vertex);
            if predicates::orient(&other) == -predicates::orient(&points) {
                corners[k * D..(k + 1) * D].copy_from_slice(t.point(vertex));
                let height = simplex::volume(&corners, D) / area * D as f64;
                // A small face between rounded points may be turned; what counts is how deep its dent is.
                let (size, distance) = (width(&face, &face[..D]), width(&face, t.point(vertex)));
                let depth = height * (size / distance).min(1.0);
                assert!(depth <= slack, "vertex {vertex} shows a dent of {depth:e} at a hull face of {id}");
            }
        }
    }
    let sum: f64 = t.simplices().map(|id| t.volume(id)).sum();
    assert!((sum - pyramids).abs() <= 1e-7 * sum, "volume {sum}, within the hull {pyramids}");
}

pub(crate) fn all<const D: usize>(t: &Triangulation<D>) {
    structure(t);
    delaunay(t, 1e-6);
    hull(t, 1e-7);
}
