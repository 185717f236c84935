//! `spade`, a 2-D triangulation that is well kept, must agree.

use crate::check::Random;
use adaptive_mpi::geometry::Triangulation;
use spade::{DelaunayTriangulation, Point2, Triangulation as _};

#[test]
fn triangles_are_those_of_spade() {
    for (seed, n) in [(1, 10), (2, 100), (3, 1000), (4, 5000)] {
        let mut random = Random(seed);
        let points: Vec<[f64; 2]> = (0..n).map(|_| random.point()).collect();
        let mut ours = Triangulation::new(&points[..3]).unwrap();
        let mut theirs = DelaunayTriangulation::<Point2<f64>>::new();
        for (i, point) in points.iter().enumerate() {
            if i > 2 {
                ours.insert(*point, None).unwrap();
            }
            let handle = theirs.insert(Point2::new(point[0], point[1])).unwrap();
            assert_eq!(handle.index(), i);
        }
        let mut a: Vec<Vec<u32>> = ours.simplices().map(|id| ours.vertices(id).to_vec()).collect();
        let mut b: Vec<Vec<u32>> = theirs
            .inner_faces()
            .map(|face| {
                let mut row: Vec<u32> = face.vertices().iter().map(|v| v.index() as u32).collect();
                row.sort_unstable();
                row
            })
            .collect();
        a.sort();
        b.sort();
        assert_eq!(a.len(), b.len());
        assert_eq!(a, b);
    }
}
