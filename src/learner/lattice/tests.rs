use super::*;
use proptest::prelude::*;
use std::collections::BTreeSet;

fn all_whole<const D: usize>(hi: f64) -> Lattice<D> {
    let bounds = [(0.0, hi); D];
    Lattice::new(&[true; D], &bounds, &[[0.0; D], [hi; D]]).unwrap().unwrap()
}

fn bits<const D: usize>(point: &[f64; D]) -> [u64; D] {
    point.map(f64::to_bits)
}

/// All whole points in or on a simplex, by brute force.
fn inside<const D: usize>(corners: &[[f64; D]], hi: i32) -> Vec<[f64; D]> {
    let side = hi + 1;
    let all =
        (0..side.pow(D as u32)).map(|i| std::array::from_fn(|k| f64::from(i / side.pow(k as u32) % side)));
    all.filter(|point: &[f64; D]| {
        barycentric(corners.as_flattened(), D, point).is_some_and(|w| w.iter().all(|b| *b >= INSIDE))
    })
    .collect()
}

fn check<const D: usize>(numbers: &[i32], near: &[f64], hi: i32) -> Result<(), TestCaseError> {
    let corners: Vec<[f64; D]> =
        numbers.chunks_exact(D).take(D + 1).map(|c| std::array::from_fn(|i| f64::from(c[i]))).collect();
    // Of a simplex between whole points it is a whole number of parts of D!.
    if crate::geometry::simplex::volume(corners.as_flattened(), D) < 1e-3 {
        return Ok(());
    }
    let lattice = all_whole::<D>(f64::from(hi));
    let near: [f64; D] = std::array::from_fn(|i| near[i]);
    let all = inside(&corners, hi);
    prop_assert_eq!(lattice.is_full(&corners), all.len() == D + 1);
    let square = |point: &[f64; D]| (0..D).map(|i| lattice.square(i, point[i] - near[i])).sum::<f64>();
    // One after another they come, the nearest first.
    let mut taken = BTreeSet::new();
    let mut last = 0.0;
    while let Some(point) = lattice.free_point(&corners, &near, |point| taken.contains(&bits(point))) {
        prop_assert!(all.contains(&point), "{:?} is not in {:?}", point, corners);
        prop_assert!(square(&point) >= last - 1e-12);
        last = square(&point);
        prop_assert!(taken.insert(bits(&point)));
    }
    prop_assert_eq!(taken.len(), all.len());
    Ok(())
}

proptest! {
    #[test]
    fn all_points_of_a_simplex_come_nearest_first(
        numbers in prop::collection::vec(0..7i32, 20),
        near in prop::collection::vec(-0.5..7.5f64, 4),
    ) {
        check::<2>(&numbers, &near, 6)?;
        check::<3>(&numbers, &near, 6)?;
        check::<4>(&numbers.iter().map(|n| n % 4).collect::<Vec<_>>(), &near, 3)?;
    }

    #[test]
    fn beside_whole_numbers_other_axes_are_split_in_the_simplex(
        numbers in prop::collection::vec(0..5i32, 12),
        parts in prop::collection::vec(0.0..5.0f64, 4),
        near in prop::collection::vec(0.0..5.0f64, 3),
        two in any::<bool>(),
    ) {
        let whole = [true, two, false];
        let corners: Vec<[f64; 3]> = (0..4)
            .map(|i| {
                let [x, y] = [numbers[3 * i], numbers[3 * i + 1]].map(f64::from);
                [x, if two { y } else { parts[(i + 1) % 4] }, parts[i]]
            })
            .collect();
        prop_assume!(crate::geometry::simplex::volume(corners.as_flattened(), 3) > 1e-3);
        let lattice = Lattice::new(&whole, &[(0.0, 5.0); 3], &[[0.0; 3]]).unwrap().unwrap();
        let near = [near[0], near[1], near[2]];
        let mut taken: Vec<[f64; 3]> = corners.clone();
        for found in 0..3 {
            let Some(point) = lattice.free_point(&corners, &near, |point| taken.contains(point)) else {
                // With one axis of whole numbers, two of four corners share one or a plane lies between them.
                prop_assert!(two || found > 0);
                break;
            };
            prop_assert_eq!(lattice.misfit(&point), None);
            let weights = barycentric(corners.as_flattened(), 3, &point).unwrap();
            prop_assert!(weights.iter().all(|b| *b >= -1e-8), "{:?} in {:?}: {:?}", point, corners, weights);
            taken.push(point);
        }
    }
}

#[test]
fn a_long_thin_simplex_is_searched_in_no_time() {
    let far = 1e12;
    let lattice = all_whole::<2>(far);
    let needle = [[0.0, 0.0], [far, 1.0], [far - 1.0, 1.0]];
    assert!(lattice.is_full(&needle));
    // So long a diagonal is not searched to its end.
    let diagonal = [[0.0, 0.0], [far, far - 1.0], [far - 1.0, far - 2.0]];
    assert!(lattice.is_full(&diagonal));
    let wide = [[0.0, 0.0], [far, 0.0], [0.0, far]];
    assert_eq!(lattice.free_point(&wide, &[0.4 * far + 0.3, 7.5], |_| false), Some([0.4 * far, 7.0]));
}

#[test]
fn the_first_free_point_of_a_box_counts_the_last_axis_fastest() {
    let lattice = all_whole::<2>(2.0);
    let mut taken = Vec::new();
    while let Some(point) = lattice.first_free(|point| taken.contains(point)) {
        taken.push(point);
    }
    assert_eq!(taken.len(), 9);
    assert_eq!((taken[1], taken[3]), ([0.0, 1.0], [1.0, 0.0]));
}

#[test]
fn a_corner_between_whole_numbers_is_refused() {
    let bounds = [(0.0, 2.0), (0.5, 3.0)];
    let corners = [[0.0, 0.5], [2.0, 3.0]];
    assert_eq!(Lattice::new(&[true, true], &bounds, &corners), Err(NotWhole { axis: 1, x: 0.5 }));
    assert!(matches!(Lattice::new(&[true, false], &bounds, &corners), Ok(Some(_))));
    assert_eq!(Lattice::new(&[false, false], &bounds, &corners), Ok(None));
}
