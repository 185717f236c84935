//! Level lines and surfaces against what is known of them.

use crate::check::Random;
use adaptive_mpi::geometry::level::{LevelLine, lines, surface};
use adaptive_mpi::geometry::{Triangulation, VertexId};
use proptest::prelude::*;
use std::f64::consts::PI;

/// A jittered grid of n^D points over [-1, 1]^D, with its simplices as rows.
fn mesh<const D: usize, const N: usize>(
    n: usize,
    jitter: f64,
    seed: u64,
) -> (Vec<[f64; D]>, Vec<[VertexId; N]>) {
    let mut random = Random(seed);
    let points: Vec<[f64; D]> = (0..n.pow(D as u32))
        .map(|i| {
            let place = |axis: usize| i / n.pow(axis as u32) % n;
            let at = |axis: usize| {
                let border = place(axis) == 0 || place(axis) == n - 1;
                let shift = if border { 0.0 } else { jitter * (random.next() - 0.5) };
                2.0 * (place(axis) as f64 + shift) / (n - 1) as f64 - 1.0
            };
            std::array::from_fn(at)
        })
        .collect();
    let t = Triangulation::new(&points).unwrap();
    let simplices = t.simplices().map(|id| t.vertices(id).try_into().unwrap()).collect();
    (points, simplices)
}

fn radii<const D: usize>(points: &[[f64; D]]) -> Vec<f64> {
    points.iter().map(|point| point.iter().map(|x| x * x).sum::<f64>().sqrt()).collect()
}

/// Twice the area within, positive if the line turns left.
fn shoelace(line: &LevelLine) -> f64 {
    let next = line.points.iter().cycle().skip(1);
    line.points.iter().zip(next).map(|(a, b)| a[0] * b[1] - a[1] * b[0]).sum()
}

#[test]
fn circles_are_closed_lines_of_the_right_length_with_the_higher_side_to_their_left() {
    let (points, triangles) = mesh::<2, 3>(41, 0.7, 3);
    let r = radii(&points);
    for level in [0.3, 0.5, 0.9] {
        let found = lines(&points, &r, &triangles, level);
        assert_eq!(found.len(), 1);
        let circle = &found[0];
        assert!(circle.closed);
        assert!((circle.length() / (2.0 * PI * level) - 1.0).abs() < 0.01, "{}", circle.length());
        assert!(
            (shoelace(circle) / (-2.0 * PI * level * level) - 1.0).abs() < 0.01,
            "lower inside: turns right"
        );
    }
    let hill: Vec<f64> = r.iter().map(|r| -r).collect();
    assert!(shoelace(&lines(&points, &hill, &triangles, -0.5)[0]) > 0.0);
    // Beyond 1 the circle leaves the square in four corners.
    let corners = lines(&points, &r, &triangles, 1.2);
    assert_eq!(corners.len(), 4);
    for arc in &corners {
        assert!(!arc.closed);
        for end in [arc.points[0], arc.points[arc.points.len() - 1]] {
            assert!(end[0].abs().max(end[1].abs()) == 1.0, "{end:?}");
        }
    }
    assert!(lines(&points, &r, &triangles, 5.0).is_empty());
}

#[test]
fn spheres_are_closed_surfaces_of_the_right_area() {
    let (points, tetrahedra) = mesh::<3, 4>(17, 0.5, 5);
    let r = radii(&points);
    for level in [0.5, 0.8] {
        let sphere = surface(&points, &r, &tetrahedra, level);
        assert!(sphere.is_closed());
        assert!((sphere.area() / (4.0 * PI * level * level) - 1.0).abs() < 0.03, "{}", sphere.area());
        // Euler: V - E + F = 2, and E = 3 F / 2.
        assert_eq!(sphere.points.len() * 2, sphere.triangles.len() + 4);
        // Seen from the lower side, within, triangles turn left: they count as negative volumes.
        let corners = sphere.triangles.iter().map(|t| t.map(|corner| sphere.points[corner as usize]));
        let volume = |[a, b, c]: [[f64; 3]; 3]| {
            a[0] * (b[1] * c[2] - b[2] * c[1])
                + a[1] * (b[2] * c[0] - b[0] * c[2])
                + a[2] * (b[0] * c[1] - b[1] * c[0])
        };
        let volume = corners.map(volume).sum::<f64>() / 6.0;
        assert!((volume / (-4.0 / 3.0 * PI * level.powi(3)) - 1.0).abs() < 0.05, "{volume}");
    }
    assert!(!surface(&points, &r, &tetrahedra, 1.3).is_closed());
}

#[test]
fn levels_that_vertices_have_exactly_give_clean_lines() {
    // On an even grid, x = 0 and x + y = 0 pass through vertices.
    let (points, triangles) = mesh::<2, 3>(9, 0.0, 0);
    for f in [|p: &[f64; 2]| p[0], |p: &[f64; 2]| p[0] + p[1]] {
        let values: Vec<f64> = points.iter().map(f).collect();
        let found = lines(&points, &values, &triangles, 0.0);
        assert_eq!(found.len(), 1);
        assert!(!found[0].closed && found[0].points.windows(2).all(|pair| pair[0] != pair[1]));
        assert!(found[0].points.iter().all(|p| f(p).abs() < 1e-15));
    }
    // A single vertex at the level is no line, and a flat function has none.
    let peak: Vec<f64> = radii(&points).iter().map(|r| -r).collect();
    assert!(lines(&points, &peak, &triangles, 0.0).is_empty());
    assert!(lines(&points, &vec![1.0; points.len()], &triangles, 1.0).is_empty());
    let (points, tetrahedra) = mesh::<3, 4>(5, 0.0, 0);
    let values: Vec<f64> = points.iter().map(|p| p[2]).collect();
    let plane = surface(&points, &values, &tetrahedra, 0.0);
    assert!((plane.area() - 4.0).abs() < 1e-12 && plane.points.iter().all(|p| p[2] == 0.0));
}

#[test]
fn unknown_values_leave_a_gap() {
    let (points, triangles) = mesh::<2, 3>(21, 0.3, 1);
    let mut values: Vec<f64> = points.iter().map(|p| p[0] - 0.03).collect();
    let centre = points.iter().position(|p| p[0].abs() < 0.05 && p[1].abs() < 0.05).unwrap();
    for unknown in [f64::NAN, f64::INFINITY] {
        values[centre] = unknown;
        let found = lines(&points, &values, &triangles, 0.0);
        assert_eq!(found.len(), 2);
        assert!(found.iter().all(|line| !line.closed && line.length() < 1.0));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn lines_end_at_the_border_only(seed in any::<u64>(), level in -1.0..1.0f64, coarse in any::<bool>()) {
        let (points, triangles) = mesh::<2, 3>(9, 0.8, seed);
        let mut random = Random(seed ^ 77);
        let rough = |y: f64| if coarse { (4.0 * y).round() / 4.0 } else { y };
        let values: Vec<f64> = points.iter().map(|_| rough(2.0 * random.next() - 1.0)).collect();
        let level = rough(level);
        let found = lines(&points, &values, &triangles, level);
        for line in &found {
            prop_assert!(line.points.len() >= 2);
            prop_assert!(line.points.windows(2).all(|pair| pair[0] != pair[1]));
            if !line.closed {
                for end in [line.points[0], line.points[line.points.len() - 1]] {
                    prop_assert!(coarse || end[0].abs() == 1.0 || end[1].abs() == 1.0, "{:?}", end);
                }
            }
        }
        if !coarse {
            // Every crossed edge is one point of one line.
            let mut edges = std::collections::HashSet::new();
            for t in &triangles {
                for (a, b) in [(t[0], t[1]), (t[0], t[2]), (t[1], t[2])] {
                    if (values[a as usize] >= level) != (values[b as usize] >= level) {
                        edges.insert((a.min(b), a.max(b)));
                    }
                }
            }
            prop_assert_eq!(found.iter().map(|line| line.points.len()).sum::<usize>(), edges.len());
        }
    }

    #[test]
    fn surfaces_within_are_closed(seed in any::<u64>(), coarse in any::<bool>()) {
        let (points, tetrahedra) = mesh::<3, 4>(5, 0.6, seed);
        let mut random = Random(seed ^ 99);
        let rough = |y: f64| if coarse { (2.0 * y).round() / 2.0 } else { y };
        let inside = |p: &[f64; 3]| p.iter().all(|x| x.abs() < 1.0);
        let value = |p: &[f64; 3]| if inside(p) { rough(2.0 * random.next() - 1.0) } else { -1.0 };
        let values: Vec<f64> = points.iter().map(value).collect();
        let found = surface(&points, &values, &tetrahedra, rough(0.2));
        prop_assert!(found.is_closed());
        prop_assert!(found.triangles.iter().all(|t| t[0] != t[1] && t[1] != t[2] && t[0] != t[2]));
    }
}
