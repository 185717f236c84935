use crate::check::{self, Random};
use crate::random::mixed;
use adaptive_mpi::geometry::{InsertError, SimplexId, Triangulation};
use std::collections::BTreeMap;

type Book = BTreeMap<SimplexId, Vec<u32>>;

fn book<const D: usize>(t: &Triangulation<D>) -> Book {
    t.simplices().map(|id| (id, t.vertices(id).to_vec())).collect()
}

fn kept<const D: usize>(points: &[[f64; D]]) {
    let mut t = Triangulation::new(&check::corners::<D>()).unwrap();
    let mut known = book(&t);
    for point in points {
        let result = t.insert(*point, None);
        if result.is_err() {
            assert_eq!((t.removed().count(), t.added().len()), (0, 0));
        }
        for (id, vertices) in t.removed() {
            assert_eq!(known.remove(&id).as_deref(), Some(vertices), "what is removed was there");
        }
        for id in t.added() {
            assert!(t.vertices(*id).contains(&result.unwrap()), "what is added has the new vertex");
            assert!(known.insert(*id, t.vertices(*id).to_vec()).is_none(), "{id} was there already");
        }
        assert_eq!(known, book(&t));
    }
}

#[test]
fn removed_and_added_simplices_are_the_whole_change() {
    kept::<2>(&mixed(150, 3, 4.0));
    kept::<3>(&mixed(70, 4, 3.0));
    kept::<4>(&mixed(25, 5, 2.0));
}

#[test]
fn a_failed_insert_leaves_all_as_it_was() {
    let mut random = Random(1);
    let points: Vec<[f64; 3]> = (0..40).map(|_| random.point()).collect();
    let mut t = Triangulation::new(&points).unwrap();
    let before = book(&t);
    assert_eq!(t.insert(points[17], None), Err(InsertError::Duplicate(17)));
    assert_eq!(t.insert([0.5, f64::NAN, 0.5], None), Err(InsertError::NotFinite));
    assert_eq!(t.insert([0.5, f64::INFINITY, 0.5], None), Err(InsertError::NotFinite));
    assert_eq!((t.npoints(), book(&t)), (40, before));
    assert_eq!((t.removed().count(), t.added().len()), (0, 0));
    check::all(&t);
}
