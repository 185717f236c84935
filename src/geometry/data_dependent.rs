//! Triangulations of points in a plane that suit the values at them.
//!
//! Delaunay's triangles are as round as they can be. Where a function bends in one direction more than in another,
//! along a ridge or a kink, its linear interpolant on long triangles along it is better (Dyn, Levin, Rippa: Data
//! Dependent Triangulations for Piecewise Linear Interpolation, IMA J. Numer. Anal. 10, 1990). So here edges are swapped,
//! as by Lawson: two triangles that are a convex quadrilateral together get its other diagonal if the estimated error is
//! smaller with it.
//!
//! The estimate: between the ends of an edge e with gradients g and h, a quadratic has the height (h - g)·e / 8 above
//! the chord in the middle. Three such heights make a quadratic on a triangle; its mean square times the area counts.
//! The mean of g and h misses the difference of the values u and v by m = (g + h)·e / 2 - (v - u), which is nothing for a
//! quadratic. A share of |m| is added to the height; where m is large, along a jump or where nothing is resolved,
//! gradients say nothing, and the triangle stays. What was tried: `benches/QUALITY.md`.

use super::{NONE, VertexId, hull};
use std::collections::VecDeque;

/// New triangles have at least this height, as a part of their longest side: far above rounding.
const THIN: f64 = 1e-3;

/// An edge is swapped if it lowers the error of its two triangles below this part of it: so that swaps come to an end.
const GAIN: f64 = 0.999;

/// Where gradients miss the difference of two values by more than this part of the range, they are of no use.
const JUMP: f64 = 0.3;

/// Share of that miss in the error along an edge.
const MISS: f64 = 0.1;

/// How often gradients are taken, from the triangles that were found with those before.
const ROUNDS: usize = 3;

/// Triangles with the same corners and the same union as these, on which the linear interpolant of the values is
/// better.
///
/// Points are in the unit square or so; values are rows of equal width, and each component counts by its range.
/// Triangles are places among the points, and those returned turn left. Those without area stay, and so do those with a
/// value that is not finite. The same input gives the same output. O(n log n), apart from the number of swaps, of which
/// there are a few for each point.
#[must_use]
pub fn triangles(points: &[[f64; 2]], values: &[f64], triangles: &[[VertexId; 3]]) -> Vec<[VertexId; 3]> {
    let mut mesh = Mesh::new(points, values, triangles);
    for _ in 0..ROUNDS {
        mesh.take_gradients();
        if mesh.swap_all() == 0 {
            break;
        }
    }
    mesh.triangles
}

struct Mesh<'a> {
    points: &'a [[f64; 2]],
    /// Row after row, divided by the ranges.
    values: Vec<f64>,
    width: usize,
    /// By vertex: whether all its values are finite.
    known: Vec<bool>,
    /// By vertex and component. NaN where there are none.
    gradients: Vec<[f64; 2]>,
    triangles: Vec<[VertexId; 3]>,
    /// The triangles behind the sides that lie opposite to the corners; [`NONE`] for a side that stays.
    neighbours: Vec<[u32; 3]>,
    /// Estimated errors. NaN for a triangle that stays.
    errors: Vec<f64>,
}

/// A possible swap.
struct Swap {
    /// The two triangles, and the places of their corners opposite to their common side.
    sides: [(usize, usize); 2],
    /// What they become.
    triangles: [[VertexId; 3]; 2],
    errors: [f64; 2],
}

fn minus(a: [f64; 2], b: [f64; 2]) -> [f64; 2] {
    [a[0] - b[0], a[1] - b[1]]
}

fn dot(a: [f64; 2], b: [f64; 2]) -> f64 {
    a[0] * b[0] + a[1] * b[1]
}

/// Twice the area; positive if the corners turn left.
fn double_area([a, b, c]: [[f64; 2]; 3]) -> f64 {
    let (b, c) = (minus(b, a), minus(c, a));
    b[0] * c[1] - b[1] * c[0]
}

/// Whether the corners turn left, and make no sliver.
fn is_sound(corners: [[f64; 2]; 3]) -> bool {
    let squared = |i: usize| {
        let side = minus(corners[(i + 1) % 3], corners[i]);
        dot(side, side)
    };
    double_area(corners) >= THIN * squared(0).max(squared(1)).max(squared(2))
}

/// Values divided by the ranges of the components, and which rows are finite.
fn scaled(values: &[f64], width: usize) -> (Vec<f64>, Vec<bool>) {
    let rows = || values.chunks_exact(width);
    let known: Vec<bool> = rows().map(|row| row.iter().all(|y| y.is_finite())).collect();
    let ranges: Vec<f64> = (0..width)
        .map(|k| {
            let finite: Vec<[f64; 1]> =
                rows().zip(&known).filter(|(_, known)| **known).map(|(row, _)| [row[k]]).collect();
            let ([low], [high]) = hull::bounding_box(&finite);
            // In halves, as a whole range may be infinite.
            if high > low { high / 2.0 - low / 2.0 } else { 0.5 }
        })
        .collect();
    (rows().flat_map(|row| row.iter().zip(&ranges).map(|(y, range)| y / 2.0 / range)).collect(), known)
}

impl<'a> Mesh<'a> {
    fn new(points: &'a [[f64; 2]], values: &[f64], triangles: &[[VertexId; 3]]) -> Self {
        let width = (values.len() / points.len().max(1)).max(1);
        let (values, known) = scaled(values, width);
        let turned_left = |&[a, b, c]: &[VertexId; 3]| {
            let corners = [a, b, c].map(|vertex| points[vertex as usize]);
            if double_area(corners) < 0.0 { [a, c, b] } else { [a, b, c] }
        };
        let mut mesh = Self {
            points,
            values,
            width,
            known,
            gradients: Vec::new(),
            triangles: triangles.iter().map(turned_left).collect(),
            neighbours: vec![[NONE; 3]; triangles.len()],
            errors: Vec::new(),
        };
        mesh.link();
        mesh
    }

    fn corners(&self, triangle: [VertexId; 3]) -> [[f64; 2]; 3] {
        triangle.map(|vertex| self.points[vertex as usize])
    }

    /// Whether a triangle has an area, and only known values.
    fn is_free(&self, triangle: [VertexId; 3]) -> bool {
        triangle.iter().all(|vertex| self.known.get(*vertex as usize) == Some(&true))
            && double_area(self.corners(triangle)) > 0.0
    }

    /// Finds the neighbours of triangles that need not stay.
    fn link(&mut self) {
        let mut sides = Vec::new();
        for (t, triangle) in
            self.triangles.iter().enumerate().filter(|(_, triangle)| self.is_free(**triangle))
        {
            for k in 0..3 {
                let (from, to) = (triangle[(k + 1) % 3], triangle[(k + 2) % 3]);
                sides.push((from.min(to), from.max(to), from < to, t, k));
            }
        }
        sides.sort_unstable();
        // Neighbours pass their common side in opposite directions. Anything else is no triangulation.
        for pair in sides.chunk_by(|a, b| (a.0, a.1) == (b.0, b.1)) {
            if let [(.., false, s, k), (.., true, t, l)] = *pair {
                self.neighbours[s][k] = t as u32;
                self.neighbours[t][l] = s as u32;
            }
        }
    }

    /// The gradients at the vertices: means over the triangles around, by their areas. (Long triangles count more than
    /// with Max's weights, and rightly: they lie along what is to be found.) And all errors, which depend on them.
    fn take_gradients(&mut self) {
        let width = self.width;
        let mut gradients = vec![[0.0; 2]; self.values.len()];
        let mut areas = vec![0.0; self.points.len()];
        for &triangle in self.triangles.iter().filter(|triangle| self.is_free(**triangle)) {
            let corners = self.corners(triangle);
            let area = double_area(corners);
            let [u, v] = [1, 2].map(|i| minus(corners[i], corners[0]));
            for k in 0..width {
                let y = triangle.map(|vertex| self.values[vertex as usize * width + k]);
                let (p, q) = (y[1] - y[0], y[2] - y[0]);
                // The gradient of the plane, times the area.
                let gradient = [p * v[1] - q * u[1], q * u[0] - p * v[0]];
                for vertex in triangle {
                    let sum = &mut gradients[vertex as usize * width + k];
                    *sum = [sum[0] + gradient[0], sum[1] + gradient[1]];
                }
            }
            triangle.iter().for_each(|vertex| areas[*vertex as usize] += area);
        }
        for (gradients, area) in gradients.chunks_exact_mut(width).zip(areas) {
            gradients.iter_mut().for_each(|gradient| *gradient = gradient.map(|sum| sum / area));
        }
        self.gradients = gradients;
        self.errors = self.triangles.iter().map(|triangle| self.error(*triangle)).collect();
    }

    /// The estimated square of the error times the area, up to a constant factor; NaN where gradients say nothing.
    fn error(&self, triangle: [VertexId; 3]) -> f64 {
        let corners = self.corners(triangle);
        let mut mean = 0.0;
        for k in 0..self.width {
            let at = triangle.map(|vertex| vertex as usize * self.width + k);
            let heights = [(0, 1), (1, 2), (2, 0)].map(|(from, to)| {
                let edge = minus(corners[to], corners[from]);
                let slopes = [from, to].map(|end| dot(self.gradients[at[end]], edge));
                let miss = (slopes[0] + slopes[1]) / 2.0 - (self.values[at[to]] - self.values[at[from]]);
                let height = (slopes[1] - slopes[0]) / 8.0;
                if miss.abs() > JUMP { f64::NAN } else { height + (MISS * miss.abs()).copysign(height) }
            });
            let [a, b, c] = heights;
            mean += a * a + b * b + c * c + a * b + b * c + c * a;
        }
        double_area(corners) * mean
    }

    /// Swaps edges as long as that lowers errors; how many. Every swap lowers their sum, so this ends.
    fn swap_all(&mut self) -> usize {
        let inner =
            |(t, k): &(usize, usize)| self.neighbours[*t][*k] != NONE && self.neighbours[*t][*k] > *t as u32;
        let all = (0..self.triangles.len()).flat_map(|t| (0..3).map(move |k| (t, k)));
        let mut queue: VecDeque<(usize, usize)> = all.filter(inner).collect();
        let mut waiting = vec![[false; 3]; self.triangles.len()];
        queue.iter().for_each(|(t, k)| waiting[*t][*k] = true);
        let mut swaps = 0;
        while let Some((t, k)) = queue.pop_front() {
            waiting[t][k] = false;
            let Some(swap) = self.better(t, k) else { continue };
            self.swap(&swap);
            swaps += 1;
            // The outer sides: what is behind them has a new neighbour.
            for side in swap.sides.iter().flat_map(|(t, _)| [(*t, 0), (*t, 2)]) {
                let is_inner = self.neighbours[side.0][side.1] != NONE;
                if is_inner && !std::mem::replace(&mut waiting[side.0][side.1], true) {
                    queue.push_back(side);
                }
            }
        }
        swaps
    }

    /// The swap of the side opposite to the corner `k` of a triangle, if it lowers the error.
    fn better(&self, s: usize, k: usize) -> Option<Swap> {
        let t = Some(self.neighbours[s][k]).filter(|other| *other != NONE)? as usize;
        let [c, a, b] = std::array::from_fn(|i| self.triangles[s][(k + i) % 3]);
        // By its corners: two triangles may have more than one side in common.
        let l =
            (0..3).find(|l| self.triangles[t][(l + 1) % 3] == b && self.triangles[t][(l + 2) % 3] == a)?;
        let d = self.triangles[t][l];
        let triangles = [[c, a, d], [d, b, c]];
        if !triangles.iter().all(|triangle| is_sound(self.corners(*triangle))) {
            return None;
        }
        let errors = triangles.map(|triangle| self.error(triangle));
        let is_better = errors[0] + errors[1] < GAIN * (self.errors[s] + self.errors[t]);
        is_better.then_some(Swap { sides: [(s, k), (t, l)], triangles, errors })
    }

    fn swap(&mut self, swap: &Swap) {
        let [(s, k), (t, l)] = swap.sides;
        let [bc, ca] = [1, 2].map(|i| self.neighbours[s][(k + i) % 3]);
        let [ad, db] = [1, 2].map(|i| self.neighbours[t][(l + i) % 3]);
        self.neighbours[s] = [ad, t as u32, ca];
        self.neighbours[t] = [bc, s as u32, db];
        for (place, (triangle, error)) in [s, t].into_iter().zip(swap.triangles.into_iter().zip(swap.errors))
        {
            self.triangles[place] = triangle;
            self.errors[place] = error;
        }
        // Two sides have passed from one triangle to the other.
        for (behind, from, to) in [(ad, t, s), (bc, s, t)] {
            if let Some(neighbours) = self.neighbours.get_mut(behind as usize) {
                let back = neighbours.iter_mut().filter(|neighbour| **neighbour == from as u32);
                back.for_each(|neighbour| *neighbour = to as u32);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::Triangulation;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    /// The corners of the unit square and more points, in pairs of numbers: some on a coarse grid.
    fn square(numbers: &[f64]) -> (Vec<[f64; 2]>, Vec<[VertexId; 3]>) {
        let mut mesh = Triangulation::new(&[[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [1.0, 1.0]]).unwrap();
        for (place, point) in numbers.as_chunks::<2>().0.iter().enumerate() {
            let rough = |x: f64| if place % 3 == 0 { (4.0 * x).round() / 4.0 } else { x };
            // One that is there already changes nothing.
            let _ = mesh.insert(point.map(rough), None);
        }
        let points = (0..mesh.npoints() as u32).map(|vertex| *mesh.point(vertex)).collect();
        let triangles = mesh.simplices().filter_map(|id| mesh.vertices(id).try_into().ok()).collect();
        (points, triangles)
    }

    fn areas(points: &[[f64; 2]], triangles: &[[VertexId; 3]]) -> Vec<f64> {
        let area =
            |triangle: &[VertexId; 3]| double_area(triangle.map(|vertex| points[vertex as usize])) / 2.0;
        triangles.iter().map(area).collect()
    }

    fn sets(triangles: &[[VertexId; 3]]) -> BTreeSet<BTreeSet<VertexId>> {
        triangles.iter().map(|triangle| triangle.iter().copied().collect()).collect()
    }

    /// A ridge that runs across, a smooth function, and a jump.
    fn value(kind: usize, [x, y]: [f64; 2]) -> f64 {
        match kind {
            0 => (10.0 * (x + 0.4 * y - 0.6)).tanh(),
            1 => (5.0 * x).sin() * (3.0 * y).cos(),
            _ => f64::from(u8::from(x + 0.3 * y > 0.6)) + 0.2 * x * y,
        }
    }

    proptest! {
        #[test]
        fn the_square_stays_covered_and_errors_fall(
            numbers in prop::collection::vec(0.0..1.0f64, 2..300),
            kind in 0..3usize,
        ) {
            let (points, old) = square(&numbers);
            let values: Vec<f64> = points.iter().flat_map(|point| [value(kind, *point), 1e9 * point[0]]).collect();
            let new = triangles(&points, &values, &old);
            prop_assert_eq!(new.len(), old.len());
            let areas = areas(&points, &new);
            prop_assert!(areas.iter().all(|area| *area > 0.0), "{:?}", areas);
            prop_assert!((areas.iter().sum::<f64>() - 1.0).abs() < 1e-12);
            let vertices = |triangles: &[[VertexId; 3]]| triangles.iter().flatten().copied().collect::<BTreeSet<_>>();
            prop_assert_eq!(vertices(&new), vertices(&old));
            prop_assert_eq!(&new, &triangles(&points, &values, &old));

            let mut mesh = Mesh::new(&points, &values, &old);
            mesh.take_gradients();
            let sum = |mesh: &Mesh<'_>| mesh.errors.iter().filter(|error| !error.is_nan()).sum::<f64>();
            let before = sum(&mesh);
            let swaps = mesh.swap_all();
            prop_assert!(sum(&mesh) < before || swaps == 0);
            // What is kept is what would be found anew.
            for (kept, triangle) in mesh.errors.iter().zip(&mesh.triangles) {
                prop_assert_eq!(kept.to_bits(), mesh.error(*triangle).to_bits());
            }
            let neighbours = std::mem::take(&mut mesh.neighbours);
            mesh.neighbours = vec![[NONE; 3]; mesh.triangles.len()];
            mesh.link();
            prop_assert_eq!(&mesh.neighbours, &neighbours);
        }

        #[test]
        fn triangles_at_unknown_values_stay(
            numbers in prop::collection::vec(0.0..1.0f64, 20..100),
            unknown in prop::collection::vec(any::<prop::sample::Index>(), 0..5),
            missing in prop_oneof![Just(f64::NAN), Just(f64::INFINITY), Just(f64::NEG_INFINITY)],
        ) {
            let (points, old) = square(&numbers);
            let mut values: Vec<f64> = points.iter().map(|point| value(0, *point)).collect();
            let unknown: Vec<usize> = unknown.iter().map(|index| index.index(points.len())).collect();
            unknown.iter().for_each(|vertex| values[*vertex] = missing);
            let at_unknown = |triangles: &[[VertexId; 3]]| {
                let is = |triangle: &&[VertexId; 3]| triangle.iter().any(|v| unknown.contains(&(*v as usize)));
                sets(&triangles.iter().filter(is).copied().collect::<Vec<_>>())
            };
            let new = triangles(&points, &values, &old);
            prop_assert_eq!(at_unknown(&new), at_unknown(&old));
            prop_assert!((areas(&points, &new).iter().sum::<f64>() - 1.0).abs() < 1e-12);
        }
    }

    #[test]
    fn the_diagonal_along_a_ridge_is_taken() {
        let n = 9;
        let points: Vec<[f64; 2]> =
            (0..n * n).map(|i| [(i % n) as f64, (i / n) as f64].map(|x| x / (n - 1) as f64)).collect();
        let cell = |i: usize| (i % (n - 1) + i / (n - 1) * n) as u32;
        // All diagonals lie across.
        let across =
            |low: u32| [[low, low + 1, low + n as u32], [low + 1, low + n as u32 + 1, low + n as u32]];
        let old: Vec<[u32; 3]> = (0..(n - 1) * (n - 1)).flat_map(|i| across(cell(i))).collect();
        let values: Vec<f64> = points.iter().map(|[x, y]| (3.0 * (x - y)).sin()).collect();
        let new = triangles(&points, &values, &old);
        let turned = new.iter().filter(|triangle| {
            let places = triangle.map(|vertex| points[vertex as usize]);
            (0..3).any(|i| {
                minus(places[i], places[(i + 1) % 3]).map(f64::abs) == [0.125; 2]
                    && values[triangle[i] as usize] == values[triangle[(i + 1) % 3] as usize]
            })
        });
        assert!(turned.count() > old.len() / 2, "{new:?}");
    }

    #[test]
    fn linear_functions_huge_ranges_and_nothing_at_all_do_no_harm() {
        let (points, old) = square(&(0..80).map(|i| f64::from(i) * 0.618 % 1.0).collect::<Vec<_>>());
        for values in [
            points.iter().map(|[x, y]| 3.0 * x - y).collect::<Vec<_>>(),
            points.iter().map(|[x, _]| if *x < 0.5 { f64::MAX } else { f64::MIN }).collect(),
            points.iter().map(|[x, _]| 1e-320 * x).collect(),
            vec![7.0; points.len()],
            vec![f64::NAN; points.len()],
        ] {
            let new = triangles(&points, &values, &old);
            assert!(areas(&points, &new).iter().all(|area| *area > 0.0));
        }
        assert_eq!(triangles(&[], &[], &[]), [[0; 3]; 0]);
        // Flat ones, and one that is there twice.
        let line = [[0.0, 0.0], [0.5, 0.0], [1.0, 0.0], [0.0, 1.0]];
        let odd = [[0, 1, 2], [0, 1, 3], [0, 1, 3], [1, 2, 3]];
        assert_eq!(triangles(&line, &[0.0, 1.0, 0.0, 2.0], &odd), odd);
    }
}
