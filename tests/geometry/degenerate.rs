use crate::check::{self, Random};
use adaptive_mpi::geometry::{GeometryError, InsertError, NONE, Triangulation};

fn grid<const D: usize>(n: usize) -> Vec<[f64; D]> {
    (0..n.pow(D as u32))
        .map(|i| std::array::from_fn(|k| (i / n.pow(k as u32) % n) as f64 / (n - 1) as f64))
        .collect()
}

fn check_grid<const D: usize>(n: usize) {
    let mut points = grid::<D>(n);
    // Row by row all at once, and shuffled one by one.
    check::all(&Triangulation::new(&points).unwrap());
    let mut random = Random(n as u64);
    for i in (1..points.len()).rev() {
        points.swap(i, random.below(i + 1));
    }
    let mut t = Triangulation::new(&check::corners::<D>()).unwrap();
    for point in &points {
        if let Err(error) = t.insert(*point, None) {
            assert!(matches!(error, InsertError::Duplicate(_)), "{error}");
        }
    }
    assert_eq!(t.npoints(), points.len());
    check::all(&t);
    let volume: f64 = t.simplices().map(|id| t.volume(id)).sum();
    approx::assert_relative_eq!(volume, 1.0, max_relative = 1e-12);
}

#[test]
fn grids_fill_their_box() {
    check_grid::<2>(12);
    check_grid::<3>(5);
    check_grid::<4>(3);
    check_grid::<5>(2);
    check_grid::<6>(2);
}

#[test]
fn points_on_a_sphere_are_triangulated() {
    let mut random = Random(3);
    let mut points: Vec<[f64; 3]> = (0..80)
        .map(|_| {
            let p: [f64; 3] = random.point::<3>().map(|x| x - 0.5);
            let length = p.iter().map(|x| x * x).sum::<f64>().sqrt();
            p.map(|x| x / length)
        })
        .collect();
    check::structure(&Triangulation::new(&points).unwrap());
    points.push([0.0; 3]);
    let t = Triangulation::new(&points).unwrap();
    check::all(&t);

    let circle: Vec<[f64; 2]> =
        (0..64).map(|i| f64::from(i) * std::f64::consts::TAU / 64.0).map(|a| [a.cos(), a.sin()]).collect();
    let t = Triangulation::new(&circle).unwrap();
    check::all(&t);
    assert_eq!(t.len(), 62);
}

#[test]
fn runs_on_edges_faces_and_the_hull_make_no_flat_simplices() {
    let mut t = Triangulation::new(&check::corners::<3>()).unwrap();
    let mut random = Random(9);
    for i in 1..40 {
        let x = f64::from(i) / 40.0;
        // On an edge of the box, on a face, on a diagonal of a face, on a diagonal of the box.
        for point in [[x, 0.0, 0.0], [x, random.next(), 1.0], [x, x, 0.0], [x, x, x]] {
            if let Err(error) = t.insert(point, None) {
                assert!(matches!(error, InsertError::Duplicate(_)), "{error}");
            }
        }
    }
    check::all(&t);
    assert!(t.simplices().all(|id| t.volume(id) > 1e-9));
    assert!(t.hull_faces().all(|(id, k)| {
        let outside = t.vertices(id).iter().enumerate().filter(|(i, _)| *i != k);
        (0..3).any(|i| {
            let mut x = outside.clone().map(|(_, v)| t.point(*v)[i]);
            let first = x.next().unwrap();
            (first == 0.0 || first == 1.0) && x.all(|x| x == first)
        })
    }));
}

#[test]
fn middles_of_rounded_hull_edges_split_them_without_slivers() {
    // The coordinates of the middles are rounded: they lie 1e-17 inside or outside.
    let start = [[0.1, 0.3], [0.7, 1.1], [0.9, -0.2]];
    let mut t = Triangulation::new(&start).unwrap();
    for _ in 0..200 {
        let (id, k) = t
            .hull_faces()
            .max_by(|(a, i), (b, j)| edge(&t, *a, *i).1.total_cmp(&edge(&t, *b, *j).1))
            .unwrap();
        let (middle, _) = edge(&t, id, k);
        t.insert(middle, Some(id)).unwrap();
    }
    check::all(&t);
    assert_eq!(t.hull_faces().count(), 203);
    let area: f64 = t.simplices().map(|id| t.volume(id)).sum();
    approx::assert_relative_eq!(area, 0.47, max_relative = 1e-12);
    assert!(t.simplices().all(|id| t.volume(id) > 1e-7), "a sliver");
}

fn edge(t: &Triangulation<2>, id: u32, k: usize) -> ([f64; 2], f64) {
    let ends: Vec<&[f64; 2]> =
        t.vertices(id).iter().enumerate().filter(|(i, _)| *i != k).map(|(_, v)| t.point(*v)).collect();
    let middle = [0, 1].map(|i| (ends[0][i] + ends[1][i]) / 2.0);
    (middle, (ends[0][0] - ends[1][0]).hypot(ends[0][1] - ends[1][1]))
}

#[test]
fn points_closer_than_rounding_are_the_same_and_others_are_not() {
    let mut t = Triangulation::new(&check::corners::<2>()).unwrap();
    let vertex = t.insert([0.5, 0.5], None).unwrap();
    assert_eq!(t.insert([0.5, 0.5 + 1e-15], None), Err(InsertError::Duplicate(vertex)));
    assert_eq!(t.insert([0.5 - 1e-9, 0.5], None), Err(InsertError::Duplicate(vertex)));
    // A cluster that grows closer step by step is resolved down to the last few digits.
    let mut step = 0.1;
    while step > 1e-13 {
        t.insert([0.5 + step, 0.5 + step / 2.0], None).unwrap();
        t.insert([0.5 - step / 3.0, 0.5 + step / 2.0], None).unwrap();
        step /= 4.0;
    }
    check::structure(&t);
    check::hull(&t, 1e-9);
}

#[test]
fn bad_points_are_named() {
    let new = |points: &[[f64; 2]]| Triangulation::new(points).unwrap_err();
    assert_eq!(new(&[[0.0, 0.0], [1.0, 0.0]]), GeometryError::TooFew { points: 2, dimensions: 2 });
    assert_eq!(new(&[[0.0, 0.0], [1.0, 0.0], [0.1, 0.0], [0.7, 0.0]]), GeometryError::Flat);
    assert_eq!(new(&[[0.1, 0.1], [0.3, 0.3], [0.7, 0.7]]), GeometryError::Flat);
    assert_eq!(new(&[[0.5, 0.5]; 4]), GeometryError::Flat);
    let square = [[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [1.0, 1.0], [1.0, 0.0]];
    assert_eq!(new(&square), GeometryError::Duplicate { vertex: 4 });
    assert_eq!(new(&[[0.0, 0.0], [1.0, 0.0], [f64::NAN, 1.0]]), GeometryError::NotFinite { vertex: 2 });
}

#[test]
fn given_simplices_are_taken_as_they_are() {
    let points = check::corners::<2>();
    let t = Triangulation::from_simplices(&points, &[&[3, 1, 0], &[0, 2, 3]]).unwrap();
    check::all(&t);
    assert_eq!(t.vertices(0), [0, 1, 3]);
    assert_eq!(t.neighbours(0), [NONE, 1, NONE]);
    assert_eq!(t.neighbours(1), [NONE, 0, NONE]);
    assert_eq!(t.opposing_vertex(0, 1), Some(2));

    let misfit = |simplices: &[&[u32]]| Triangulation::from_simplices(&points, simplices).unwrap_err();
    assert_eq!(misfit(&[&[0, 1, 4]]), GeometryError::Misfit { simplex: 0 });
    assert_eq!(misfit(&[&[0, 1, 2], &[1, 2]]), GeometryError::Misfit { simplex: 1 });
    assert_eq!(misfit(&[&[0, 1, 2], &[1, 2, 3], &[2, 1, 0]]), GeometryError::Misfit { simplex: 2 });
    let line = [[0.0, 0.0], [1.0, 1.0], [2.0, 2.0]];
    assert_eq!(Triangulation::from_simplices(&line, &[&[0, 1, 2]]).unwrap_err(), GeometryError::Flat);
}

#[test]
fn one_simplex_is_refined_by_points_on_its_faces() {
    fn refine<const D: usize>() {
        let mut points = vec![[0.2; D]];
        points.extend((0..D).map(|i| std::array::from_fn(|k| if i == k { 1.3 } else { 0.1 })));
        let row: Vec<u32> = (0..=D as u32).collect();
        let mut t = Triangulation::from_simplices(&points, &[&row]).unwrap();
        let whole = t.volume(0);
        // The middle of the longest edge again and again.
        for _ in 0..30 {
            let id = t.simplices().max_by(|a, b| t.volume(*a).total_cmp(&t.volume(*b))).unwrap();
            let corners = check::flat(&t, id);
            let (a, b) = adaptive_mpi::geometry::simplex::longest_edge(&corners, D);
            let middle = std::array::from_fn(|i| (corners[a * D + i] + corners[b * D + i]) / 2.0);
            t.insert(middle, Some(id)).unwrap();
        }
        check::structure(&t);
        check::delaunay(&t, 1e-6);
        let sum: f64 = t.simplices().map(|id| t.volume(id)).sum();
        approx::assert_relative_eq!(sum, whole, max_relative = 1e-9);
        assert!(t.simplices().all(|id| t.volume(id) > 1e-9 * whole), "a sliver");
    }
    refine::<2>();
    refine::<3>();
    refine::<4>();
    refine::<5>();
}
