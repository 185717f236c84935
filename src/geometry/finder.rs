//! Finds the triangle that holds a point, in any triangulation.

use super::VertexId;
use smallvec::{SmallVec, smallvec};

/// How far beyond a side a point may lie, in barycentric coordinates: rounding leaves gaps between triangles. As in
/// [`Triangulation::locate`](super::Triangulation::locate).
const NEAR: f64 = 1e-8;

/// Triangles below which a box is not divided.
const FEW: usize = 4;

/// Some triangles, made ready for searches: a tree of boxes, each of which holds one half of the triangles of the box
/// above. Unlike a walk from triangle to triangle, a search needs no Delaunay triangulation, and no neighbours.
#[derive(Clone, Debug)]
pub struct Finder<'a> {
    points: &'a [[f64; 2]],
    triangles: &'a [[VertexId; 3]],
    /// Places of the triangles; those of each box are next to each other.
    order: Vec<u32>,
    /// The lowest and the highest coordinates of the box `k`, whose halves are the boxes `2 k + 1` and `2 k + 2`.
    boxes: Vec<[[f64; 2]; 2]>,
}

impl<'a> Finder<'a> {
    /// Of triangles whose corners are places among the points. O(n log n).
    #[must_use]
    pub fn new(points: &'a [[f64; 2]], triangles: &'a [[VertexId; 3]]) -> Self {
        let order = (0..triangles.len() as u32).collect();
        let mut finder = Self { points, triangles, order, boxes: Vec::new() };
        finder.divide(0, 0, triangles.len());
        finder
    }

    fn corners(&self, triangle: u32) -> [[f64; 2]; 3] {
        self.triangles[triangle as usize].map(|vertex| self.points[vertex as usize])
    }

    /// Makes the box of these places in `order`, and those within it.
    fn divide(&mut self, at: usize, start: usize, end: usize) {
        let (mut low, mut high) = ([f64::INFINITY; 2], [f64::NEG_INFINITY; 2]);
        for corner in self.order[start..end].iter().flat_map(|triangle| self.corners(*triangle)) {
            for k in 0..2 {
                low[k] = low[k].min(corner[k]);
                high[k] = high[k].max(corner[k]);
            }
        }
        if self.boxes.len() <= at {
            self.boxes.resize(at + 1, [[f64::INFINITY; 2], [f64::NEG_INFINITY; 2]]);
        }
        self.boxes[at] = [low, high];
        if end - start <= FEW {
            return;
        }
        let axis = usize::from(high[1] - low[1] > high[0] - low[0]);
        let middle = usize::midpoint(start, end);
        let (points, triangles) = (self.points, self.triangles);
        let sum = |triangle: &u32| -> f64 {
            triangles[*triangle as usize].iter().map(|vertex| points[*vertex as usize][axis]).sum()
        };
        let by_sum = |a: &u32, b: &u32| sum(a).total_cmp(&sum(b)).then(a.cmp(b));
        self.order[start..end].select_nth_unstable_by(middle - start, by_sum);
        self.divide(2 * at + 1, start, middle);
        self.divide(2 * at + 2, middle, end);
    }

    /// The triangle that holds the point, and the weights of its corners there; `None` if it lies outside of all.
    /// `near` remembers where the last search ended, which comes first. O(log n), O(1) if it is the same triangle; more
    /// where many long triangles lie aslant, side by side, whose boxes overlap.
    #[must_use]
    pub fn find(&self, point: [f64; 2], near: &mut Option<u32>) -> Option<(u32, [f64; 3])> {
        if let Some((last, weights)) = near.and_then(|last| Some((last, self.weights(last, point)?)))
            && weights.iter().all(|weight| *weight >= 0.0)
        {
            return Some((last, weights));
        }
        // In doubt the triangle that the point lies least beyond.
        let mut best: Option<(f64, u32, [f64; 3])> = None;
        let mut left: SmallVec<[(usize, usize, usize); 32]> = smallvec![(0, 0, self.order.len())];
        while let Some((at, start, end)) = left.pop() {
            let [low, high] = self.boxes[at];
            let beyond = |k: usize| {
                let slack = NEAR * (high[k] - low[k]);
                !(low[k] - slack..=high[k] + slack).contains(&point[k])
            };
            if beyond(0) || beyond(1) {
                continue;
            }
            if end - start > FEW {
                let middle = usize::midpoint(start, end);
                left.extend([(2 * at + 2, middle, end), (2 * at + 1, start, middle)]);
                continue;
            }
            for &triangle in &self.order[start..end] {
                let Some(weights) = self.weights(triangle, point) else { continue };
                let least = weights.into_iter().fold(f64::INFINITY, f64::min);
                if best.is_none_or(|best| least > best.0) {
                    best = Some((least, triangle, weights));
                }
                if least >= 0.0 {
                    left.clear();
                    break;
                }
            }
        }
        let (_, triangle, weights) = best.filter(|best| best.0 >= -NEAR)?;
        *near = Some(triangle);
        Some((triangle, weights))
    }

    /// The barycentric coordinates of a point; `None` for a triangle without area.
    fn weights(&self, triangle: u32, point: [f64; 2]) -> Option<[f64; 3]> {
        let [a, b, c] = self.corners(triangle);
        let along = |to: [f64; 2]| [to[0] - a[0], to[1] - a[1]];
        let (b, c, p) = (along(b), along(c), along(point));
        let cross = |u: [f64; 2], v: [f64; 2]| u[0] * v[1] - u[1] * v[0];
        let area = cross(b, c);
        let (second, third) = (cross(p, c) / area, cross(b, p) / area);
        let weights = [1.0 - second - third, second, third];
        weights.iter().all(|weight| weight.is_finite()).then_some(weights)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::Triangulation;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn all_that_a_walk_finds_is_found(
            numbers in prop::collection::vec(0.0..1.0f64, 2..200),
            at in prop::collection::vec(-0.1..1.1f64, 40),
        ) {
            let corners = [[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [1.0, 1.0]];
            let mut mesh = Triangulation::<2>::new(&corners).unwrap();
            for point in numbers.as_chunks::<2>().0 {
                let _ = mesh.insert(*point, None);
            }
            let points: Vec<[f64; 2]> = (0..mesh.npoints() as u32).map(|vertex| *mesh.point(vertex)).collect();
            let triangles: Vec<[u32; 3]> =
                mesh.simplices().filter_map(|id| mesh.vertices(id).try_into().ok()).collect();
            let finder = Finder::new(&points, &triangles);
            let mut near = None;
            for point in at.as_chunks::<2>().0.iter().chain(&points) {
                let found = finder.find(*point, &mut near);
                prop_assert_eq!(found.is_some(), mesh.locate(point, None).is_some(), "{:?}", point);
                let Some((triangle, weights)) = found else { continue };
                prop_assert!(weights.iter().all(|weight| *weight >= -NEAR));
                let corners = triangles[triangle as usize].map(|vertex| points[vertex as usize]);
                for k in 0..2 {
                    let sum: f64 = weights.iter().zip(corners).map(|(weight, corner)| weight * corner[k]).sum();
                    prop_assert!((sum - point[k]).abs() < 1e-12);
                }
            }
        }
    }

    #[test]
    fn triangles_without_area_and_no_triangles_hold_nothing() {
        let points = [[0.0, 0.0], [1.0, 0.0], [2.0, 0.0], [0.0, 1.0]];
        let find = |triangles: &[[u32; 3]], at| Finder::new(&points, triangles).find(at, &mut None);
        assert_eq!(find(&[], [0.5, 0.0]), None);
        assert_eq!(find(&[[0, 1, 2]], [0.5, 0.0]), None);
        assert_eq!(find(&[[0, 1, 2], [3, 1, 0]], [0.5, 0.0]), Some((1, [0.0, 0.5, 0.5])));
        assert_eq!(find(&[[3, 1, 0]], [f64::NAN, 0.0]), None);
        assert_eq!(find(&[[3, 1, 0]], [0.6, 0.6]), None);
    }
}
