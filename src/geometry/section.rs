//! Sections: where a hyperplane of constant coordinate meets simplices, cut into simplices of one dimension less.
//!
//! The section of a simplex is a product of two simplices, that of its vertices below the plane and that of those above: its
//! corners are the edges between both. It is cut along staircases (monotone paths from the first edge to the last),
//! with vertices in ascending order, so that neighbours agree on their common face.

use super::VertexId;
use rustc_hash::FxHashMap;
use smallvec::SmallVec;

/// A section of simplices.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Section {
    /// Its points: each lies on an edge from a vertex below the plane to one above it, this share of the way.
    pub points: Vec<(VertexId, VertexId, f64)>,
    /// D places in `points` for each simplex. Some have no volume, where vertices lie in the plane itself.
    pub simplices: Vec<u32>,
}

/// The section of simplices in `dim` dimensions (rows of `dim + 1` vertices; points are rows of `dim` numbers) where the
/// coordinate `axis` is `at`. A vertex in the plane counts as above it, unless nothing lies below; so a section along
/// either border is the border itself. O(n) for a given dimension.
#[must_use]
pub fn section(dim: usize, points: &[f64], simplices: &[VertexId], axis: usize, at: f64) -> Section {
    let height = |vertex: &VertexId| points[*vertex as usize * dim + axis];
    let lowest = simplices.iter().map(height).fold(f64::INFINITY, f64::min);
    let is_above = |vertex: &VertexId| height(vertex) > at || height(vertex) == at && at > lowest;
    let mut section = Section::default();
    let mut known: FxHashMap<(VertexId, VertexId), u32> = FxHashMap::default();
    let mut sorted: SmallVec<[VertexId; 9]> = SmallVec::new();
    for simplex in simplices.chunks_exact(dim + 1) {
        sorted.clear();
        sorted.extend_from_slice(simplex);
        sorted.sort_unstable();
        let (above, below): (SmallVec<[VertexId; 9]>, SmallVec<[VertexId; 9]>) =
            sorted.iter().copied().partition(is_above);
        if above.is_empty() || below.is_empty() {
            continue;
        }
        let Section { points: found, simplices } = &mut section;
        let mut node = |low: VertexId, high: VertexId| {
            *known.entry((low, high)).or_insert_with(|| {
                let (from, to) = (height(&low), height(&high));
                found.push((low, high, (at - from) / (to - from)));
                found.len() as u32 - 1
            })
        };
        // A staircase is a choice of steps: bit k says whether step k goes up in `above` or in `below`.
        let steps = dim - 1;
        for choice in (0..1_u32 << steps).filter(|choice| choice.count_ones() as usize == above.len() - 1) {
            let (mut i, mut j) = (0, 0);
            simplices.push(node(below[i], above[j]));
            for step in 0..steps {
                if choice >> step & 1 == 1 {
                    j += 1;
                } else {
                    i += 1;
                }
                simplices.push(node(below[i], above[j]));
            }
        }
    }
    section
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::{Triangulation, simplex};
    use proptest::prelude::*;

    /// The unit box with points on a coarse grid and elsewhere, cut: the volume of the section, and its points.
    fn cut<const D: usize>(numbers: &[f64], axis: usize, at: f64) -> (f64, Vec<Vec<f64>>) {
        let corner = |i: usize| std::array::from_fn(|k| (i >> k & 1) as f64);
        let mut mesh = Triangulation::<D>::new(&(0..1 << D).map(corner).collect::<Vec<_>>()).unwrap();
        for (place, point) in numbers.as_chunks::<D>().0.iter().enumerate() {
            let rough = |x: f64| if place % 2 == 0 { (2.0 * x).round() / 2.0 } else { x };
            // One that is there already changes nothing.
            let _ = mesh.insert(point.map(rough), None);
        }
        let points: Vec<f64> = (0..mesh.npoints() as u32).flat_map(|vertex| *mesh.point(vertex)).collect();
        let simplices: Vec<u32> = mesh.simplices().flat_map(|id| mesh.vertices(id)).copied().collect();
        let section = section(D, &points, &simplices, axis, at);
        let coordinates = |(low, high, share): &(u32, u32, f64)| -> Vec<f64> {
            let free = (0..D).filter(|k| *k != axis);
            let x = |vertex: &u32, k: usize| points[*vertex as usize * D + k];
            free.map(|k| x(low, k) + share * (x(high, k) - x(low, k))).collect()
        };
        let points: Vec<Vec<f64>> = section.points.iter().map(coordinates).collect();
        let parts = section.simplices.chunks_exact(D);
        let corners =
            |part: &[u32]| part.iter().flat_map(|place| points[*place as usize].clone()).collect::<Vec<_>>();
        (parts.map(|part| simplex::volume(&corners(part), D - 1)).sum(), points)
    }

    proptest! {
        #[test]
        fn a_section_of_a_box_is_a_box(
            numbers in prop::collection::vec(0.0..1.0f64, 60),
            axis in 0..2usize,
            height in prop_oneof![Just(0.0), Just(0.5), Just(1.0), 0.0..1.0f64],
        ) {
            for (volume, points) in [
                cut::<2>(&numbers, axis, height),
                cut::<3>(&numbers, 2 - axis, height),
                cut::<4>(&numbers, 3 * axis, height),
                cut::<5>(&numbers[..30], axis, height),
            ] {
                prop_assert!((volume - 1.0).abs() < 1e-9, "{}", volume);
                prop_assert!(points.iter().flatten().all(|x| (-1e-12..=1.0 + 1e-12).contains(x)));
            }
        }
    }

    #[test]
    fn beyond_the_simplices_there_is_nothing() {
        let triangle = [0.0, 0.0, 1.0, 0.0, 0.0, 1.0];
        assert_eq!(section(2, &triangle, &[0, 1, 2], 1, -0.1), Section::default());
        assert_eq!(section(2, &triangle, &[0, 1, 2], 1, 1.1), Section::default());
        let middle = section(2, &triangle, &[0, 1, 2], 1, 0.25);
        assert_eq!(middle.points, [(0, 2, 0.25), (1, 2, 0.25)]);
        assert_eq!(middle.simplices, [0, 1]);
    }
}
