//! Learners over whole numbers: they ask nothing else, and all of them in the end.

use crate::{function, key, loss_settings, samples};
use adaptive_mpi::learner::{Learner, Learner1D, Learner2D, Loss, Suggestion, learner_nd};
use adaptive_mpi::loss;
use adaptive_mpi::loss::simplex::SIMPLEX_LOSSES;
use adaptive_mpi::loss::triangle::TRIANGLE_LOSSES;
use adaptive_mpi::model::settings::SettingValue;
use adaptive_mpi::model::{Point, Sample};
use proptest::prelude::*;
use std::collections::BTreeSet;

#[test]
fn whole_numbers_are_all_that_is_asked_until_they_run_out() {
    for n in [1, 2, 5, 100] {
        let mut learner = Learner1D::over_whole_numbers((-7.0, 30.0), loss::default_interval_loss()).unwrap();
        let mut seen = BTreeSet::new();
        loop {
            let asked = learner.ask(n);
            for suggestion in &asked {
                let x = suggestion.sample.point.x();
                assert!(x.fract() == 0.0 && (-7.0..=30.0).contains(&x) && seen.insert(x as i64), "{x}");
                learner.tell(&suggestion.sample, &(0.1 * x).sin().into()).unwrap();
            }
            if asked.len() < n {
                break;
            }
        }
        assert_eq!((seen.len(), learner.loss(Loss::Real)), (38, 0.0), "ask({n})");
    }
    let mut learner = Learner1D::over_whole_numbers((0.0, 9.0), loss::default_interval_loss()).unwrap();
    let half = Sample::at(Point::scalar(0.5));
    let error = learner.tell(&half, &1.0.into()).unwrap_err();
    assert_eq!(error.to_string(), "the point does not belong to this learner: x = 0.5 is not a whole number");
    assert!(Learner1D::over_whole_numbers((0.0, 9.5), loss::default_interval_loss()).is_err());
}

/// Learners over the whole numbers of a box, of all kinds and losses.
fn whole_learners(dim: usize, side: f64) -> Vec<(String, Box<dyn Learner>)> {
    let mut all: Vec<(String, Box<dyn Learner>)> = Vec::new();
    let bounds = vec![(-1.0, side - 1.0); dim];
    for kind in SIMPLEX_LOSSES {
        let SettingValue::Table(table) = loss_settings(kind.name) else { unreachable!() };
        for as_upstream in [false, true] {
            let loss = (kind.from_settings)(&table).unwrap();
            let options =
                learner_nd::Options { loss, as_upstream, integer: vec![true; dim], ..Default::default() };
            all.push((format!("nd, {}", kind.name), learner_nd::cuboid(&bounds, options).unwrap()));
        }
    }
    if dim == 2 {
        for kind in TRIANGLE_LOSSES {
            let SettingValue::Table(table) = loss_settings(kind.name) else { unreachable!() };
            let learner = Learner2D::new([bounds[0], bounds[1]], (kind.from_settings)(&table).unwrap());
            for stack_size in [1, 10] {
                let learner = learner.clone().unwrap().with_stack_size(stack_size);
                let learner = learner.over_whole_numbers([true; 2]).unwrap();
                all.push((format!("2d, {}, {stack_size}", kind.name), Box::new(learner)));
            }
        }
    }
    all
}

/// Asks in any order, with some in flight, until nothing is left.
fn exhaust(name: &str, mut learner: Box<dyn Learner>, steps: &[(usize, u32)], n: usize) {
    let mut seen = BTreeSet::new();
    let mut in_flight: Vec<Sample> = Vec::new();
    for at in 0.. {
        let (wanted, place) = steps[at % steps.len()];
        let asked = learner.ask(wanted.max(usize::from(in_flight.is_empty())));
        for sample in samples(&asked) {
            assert!(sample.point.iter().all(|x| x.fract() == 0.0), "{name}: {sample:?}");
            assert!(seen.insert(key(&sample)), "{name}: {sample:?} was asked before");
            in_flight.push(sample);
        }
        assert_eq!(learner.npending(), in_flight.len(), "{name}");
        if in_flight.is_empty() {
            assert!(asked.is_empty());
            break;
        }
        assert_eq!(learner.done(), Some(false), "{name}");
        let sample = in_flight.remove(place as usize % in_flight.len());
        learner.tell(&sample, &function(&sample)).unwrap();
    }
    assert_eq!((seen.len(), learner.npoints()), (n, n), "{name}");
    assert_eq!((learner.done(), learner.loss(Loss::Real)), (Some(true), 0.0), "{name}");
    learner.remove_unfinished();
    assert!(learner.ask(3).is_empty() && learner.suggest(1).is_empty(), "{name}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4))]

    #[test]
    fn small_boxes_of_whole_numbers_are_exhausted(
        steps in prop::collection::vec((0usize..7, any::<u32>()), 1..30),
        last in 1usize..9,
    ) {
        let steps: Vec<_> = steps.into_iter().chain([(last, 0)]).collect();
        for (dim, side) in [(2, 1), (2, 3), (2, 5), (3, 1), (3, 2), (4, 1)] {
            let n = (side + 1usize).pow(dim as u32);
            for (name, learner) in whole_learners(dim, side as f64) {
                exhaust(&name, learner, &steps, n);
            }
        }
        let hull = [[0.0, 0.0], [5.0, 1.0], [3.0, 5.0], [-1.0, 4.0]].map(|corner| corner.to_vec());
        let options = learner_nd::Options { integer: vec![true; 2], ..Default::default() };
        // Pick's theorem: the area is 19.5, and 5 points are on the border.
        exhaust("a hull", learner_nd::hull(&hull, options).unwrap(), &steps, 23);
    }
}

#[test]
fn all_is_told_even_if_no_value_is_a_number() {
    for (name, mut learner) in whole_learners(2, 3.0) {
        while let Some(next) = learner.ask(1).pop() {
            learner.tell(&next.sample, &f64::NAN.into()).unwrap();
        }
        assert_eq!((learner.npoints(), learner.done()), (16, Some(true)), "{name}");
        assert!(learner.lacks_needed(), "{name}");
    }
}

#[test]
fn axes_of_whole_numbers_stand_beside_others() {
    for integer in [vec![true, false], vec![false, true]] {
        let axis = usize::from(integer[1]);
        let options = learner_nd::Options { integer: integer.clone(), ..Default::default() };
        let bounds = [(0.0, 3.0); 2];
        let plane = Learner2D::new(bounds, loss::triangle::default_triangle_loss()).unwrap();
        let learners: [Box<dyn Learner>; 2] = [
            learner_nd::cuboid(&bounds, options).unwrap(),
            Box::new(plane.over_whole_numbers([integer[0], integer[1]]).unwrap()),
        ];
        for mut learner in learners {
            let mut rows = [0; 4];
            while learner.npoints() < 200 {
                for Suggestion { sample, .. } in learner.ask(3) {
                    assert_eq!(sample.point[axis].fract(), 0.0);
                    rows[sample.point[axis] as usize] += 1;
                    learner.tell(&sample, &function(&sample)).unwrap();
                }
            }
            assert_eq!(learner.done(), None);
            assert!(rows.iter().all(|n| *n > 3), "{rows:?}");
            let half = Sample::at(Point::new(&[0.5, 0.5]));
            let error = learner.tell(&half, &1.0.into()).unwrap_err().to_string();
            assert!(error.contains("= 0.5 is not a whole number"), "{error}");
        }
    }
}

#[test]
fn large_domains_of_whole_numbers_need_no_scan() {
    let far = 1e12;
    let options = || learner_nd::Options { integer: vec![true; 3], ..Default::default() };
    let cube = learner_nd::cuboid(&[(0.0, far); 3], options()).unwrap();
    let slab = learner_nd::cuboid(&[(0.0, far), (0.0, 1.0), (0.0, 4.0)], options()).unwrap();
    let plane = Learner2D::new([(0.0, far), (0.0, 2.0)], loss::triangle::default_triangle_loss()).unwrap();
    let plane: Box<dyn Learner> = Box::new(plane.over_whole_numbers([true; 2]).unwrap());
    for mut learner in [cube, slab, plane] {
        let mut seen = BTreeSet::new();
        while learner.npoints() < 300 {
            for sample in samples(&learner.ask(4)) {
                assert!(sample.point.iter().all(|x| x.fract() == 0.0) && seen.insert(key(&sample)));
                let value = (3e-12 * sample.point[0]).sin() + sample.point[1] / (1.0 + sample.point[1]);
                learner.tell(&sample, &value.into()).unwrap();
            }
        }
        assert_eq!(learner.done(), Some(false));
    }
}
