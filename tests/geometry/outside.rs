use crate::check::{self, Random};
use crate::random::{mixed, small};
use adaptive_mpi::geometry::{InsertError, Triangulation, hull};
use std::collections::BTreeMap;

fn outwards<const D: usize>(n: usize) {
    let mut random = Random(11);
    let mut points = vec![[0.0; D]];
    points.extend((0..D).map(|i| std::array::from_fn(|k| if i == k { 0.01 } else { 0.0 })));
    let mut t = Triangulation::new(&points).unwrap();
    for i in 0..n {
        let scale = 0.02 + i as f64 / n as f64;
        let point = random.point::<D>().map(|x| scale * (2.0 * x - 1.0));
        t.insert(point, None).unwrap();
    }
    check::all(&t);
}

#[test]
fn the_hull_grows_with_points_outside_of_it() {
    outwards::<1>(40);
    outwards::<2>(300);
    outwards::<3>(150);
    outwards::<4>(60);
    outwards::<5>(30);
    outwards::<6>(15);
}

#[test]
fn boxes_grow_from_corner_to_corner() {
    fn grow<const D: usize>() {
        let corners = check::corners::<D>();
        let mut simplex = vec![corners[0]];
        simplex.extend((0..D).map(|i| corners[1 << i]));
        let mut t = Triangulation::new(&simplex).unwrap();
        for corner in corners.iter().filter(|corner| corner.iter().sum::<f64>() > 1.0) {
            t.insert(*corner, None).unwrap();
        }
        check::all(&t);
        let volume: f64 = t.simplices().map(|id| t.volume(id)).sum();
        approx::assert_relative_eq!(volume, 1.0, max_relative = 1e-12);
        assert_eq!(hull::extreme_vertices(&t).len(), 1 << D);
    }
    grow::<2>();
    grow::<3>();
    grow::<4>();
    grow::<5>();
    grow::<6>();
}

#[test]
fn points_beyond_a_corner_in_line_with_an_edge_extend_the_hull() {
    let mut t = Triangulation::new(&check::corners::<2>()).unwrap();
    for x in [2.0, 3.0, 1.5, -1.0] {
        t.insert([x, 0.0], None).unwrap();
        check::all(&t);
    }
    t.insert([0.5, -1e-17], None).unwrap();
    t.insert([2.5, -1e-15], None).unwrap();
    check::structure(&t);
    check::hull(&t, 1e-14);
}

/// In line, in one plane, close together, all but for rounding: what has left dents that grew, and refused points.
#[test]
fn a_hull_that_grows_from_a_dent_is_made_convex_again_and_says_what_changed() {
    for seed in [182, 33, 40, 11] {
        let mut t = small::<3>();
        let book = |t: &Triangulation<3>| -> BTreeMap<u32, Vec<u32>> {
            t.simplices().map(|id| (id, t.vertices(id).to_vec())).collect()
        };
        let mut known = book(&t);
        for point in mixed::<3>(60, seed, 3.0) {
            let before = t.npoints();
            match t.insert(point, None) {
                Ok(vertex) => assert_eq!((vertex as usize, *t.point(vertex)), (before, point)),
                Err(error) => assert!(matches!(error, InsertError::Duplicate(_)), "{seed}: {error}"),
            }
            for (id, vertices) in t.removed() {
                assert_eq!(known.remove(&id).as_deref(), Some(vertices), "what is removed was there");
            }
            for id in t.added() {
                assert!(known.insert(*id, t.vertices(*id).to_vec()).is_none(), "{id} was there already");
            }
            assert_eq!(known, book(&t));
        }
        check::structure(&t);
        check::hull(&t, 1e-12);
    }
}
