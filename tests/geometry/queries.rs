use crate::check::{self, Random};
use adaptive_mpi::geometry::{Triangulation, hull};
use proptest::prelude::*;

fn cloud<const D: usize>(n: usize) -> Triangulation<D> {
    let mut random = Random(5);
    let mut points = check::corners::<D>();
    points.extend((0..n).map(|_| random.point()));
    Triangulation::new(&points).unwrap()
}

fn located<const D: usize>(n: usize) {
    let t = cloud::<D>(n);
    let mut random = Random(6);
    let far = t.simplices().last();
    for _ in 0..200 {
        let point = random.point();
        for hint in [None, far, Some(u32::MAX - 1)] {
            let id = t.locate(&point, hint).unwrap();
            let weights = t.barycentric(id, &point);
            assert!(weights.iter().all(|w| *w >= -1e-8), "{weights:?}");
            for (i, expected) in point.iter().enumerate() {
                let x: f64 = t.vertices(id).iter().zip(&weights).map(|(v, w)| w * t.point(*v)[i]).sum();
                approx::assert_abs_diff_eq!(x, *expected, epsilon = 1e-9);
            }
        }
        let outside = std::array::from_fn(|i| if i == 0 { -0.01 - point[0] } else { point[i] });
        assert_eq!(t.locate(&outside, None), None);
    }
    assert_eq!(t.locate(&[f64::NAN; D], None), None);
}

#[test]
fn points_are_located_with_and_without_a_hint() {
    located::<2>(2000);
    located::<3>(1000);
    located::<4>(200);
    located::<5>(40);
}

/// By brute force, those with all weights above -1e-8.
fn holders<const D: usize>(t: &Triangulation<D>, point: &[f64; D]) -> Vec<u32> {
    t.simplices().filter(|id| t.barycentric(*id, point).iter().all(|w| *w >= -1e-8)).collect()
}

fn shared<const D: usize>(n: usize) {
    let t = cloud::<D>(n);
    let mut random = Random(8);
    for id in t.simplices().step_by(7) {
        // On a vertex, in the middle of an edge, …, of the whole simplex.
        for k in 1..=D + 1 {
            let mut vertices = t.vertices(id).to_vec();
            while vertices.len() > k {
                vertices.remove(random.below(vertices.len()));
            }
            let point =
                std::array::from_fn(|i| vertices.iter().map(|v| t.point(*v)[i]).sum::<f64>() / k as f64);
            let mut found = Vec::new();
            t.containing(&point, id, &mut found);
            found.sort_unstable();
            assert_eq!(found, holders(&t, &point));
            assert!(k <= D || found == [id]);
        }
    }
}

#[test]
fn a_point_on_a_face_is_in_all_simplices_that_share_it() {
    shared::<2>(100);
    shared::<3>(40);
    shared::<4>(10);
}

#[test]
fn a_simplex_does_not_hold_what_lies_elsewhere() {
    let t = cloud::<2>(20);
    let mut found = Vec::new();
    t.containing(&[7.0, 7.0], 3, &mut found);
    assert!(found.is_empty());
}

proptest! {
    #[test]
    fn corners_of_the_hull_are_those_that_others_do_not_enclose(seed: u64) {
        let mut random = Random(seed);
        let points: Vec<[f64; 3]> = (0..12).map(|_| random.point()).collect();
        let extreme = hull::extreme_points(&points).unwrap();
        for i in 0..points.len() {
            let mut others = points.clone();
            others.remove(i);
            let enclosed = Triangulation::new(&others).unwrap().locate(&points[i], None).is_some();
            prop_assert_eq!(extreme.contains(&(i as u32)), !enclosed);
        }
    }
}

#[test]
fn a_hull_with_points_on_its_faces_has_only_its_corners() {
    let mut t = Triangulation::new(&check::corners::<4>()).unwrap();
    let mut random = Random(2);
    for i in 0..60 {
        let mut point: [f64; 4] = random.point();
        point[i % 4] = (i / 4 % 2) as f64;
        point[(i / 2) % 4] = (i % 2) as f64;
        t.insert(point, None).unwrap();
    }
    assert_eq!(hull::extreme_vertices(&t), (0..16).collect::<Vec<u32>>());
}
