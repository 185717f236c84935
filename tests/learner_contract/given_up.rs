//! Points that failed for good.

use crate::{all_learners, function, list, lists, of};
use adaptive_mpi::learner::{self, Learner, Loss};
use adaptive_mpi::model::settings::Table;
use adaptive_mpi::model::{Sample, Value};

/// Learners over domains, with their own losses, and where the function has no value.
fn learners() -> Vec<(&'static str, Table)> {
    vec![
        ("1d", of("1d").with("bounds", list(&[0.0, 1.0]))),
        ("2d", of("2d").with("bounds", lists(&[[0.0, 1.0], [0.0, 1.0]]))),
        ("nd", of("nd").with("bounds", lists(&[[0.0, 1.0], [0.0, 1.0]]))),
        ("nd", of("nd").with("bounds", lists(&[[0.0, 1.0], [0.0, 1.0], [0.0, 1.0]]))),
    ]
}

fn has_no_value(sample: &Sample) -> bool {
    // No corner is in there: those are needed.
    sample.point.iter().all(|x| *x > 0.2 && *x < 0.2 + 0.33f64.powf(1.0 / sample.point.len() as f64))
}

/// How many of `n` points fall where the function has no value.
fn in_vain(learner: &mut dyn Learner, n: usize, without: impl Fn(&mut dyn Learner, &Sample)) -> usize {
    let mut vain = 0;
    for _ in 0..n {
        let sample = learner.ask(1)[0].sample.clone();
        if has_no_value(&sample) {
            vain += 1;
            without(learner, &sample);
        } else {
            learner.tell(&sample, &function(&sample)).unwrap();
        }
    }
    vain
}

#[test]
fn regions_where_points_fail_are_left_alone_like_those_of_nan() {
    for (name, table) in learners() {
        let make = || learner::from_settings(&table).unwrap();
        let mut of_nan = make();
        let nan = in_vain(of_nan.as_mut(), 600, |learner, sample| {
            learner.tell(sample, &f64::NAN.into()).unwrap();
        });
        let mut failing = make();
        let failed = in_vain(failing.as_mut(), 600, |learner, sample| learner.give_up(sample));
        assert_eq!(failed, nan, "{name}");
        let loss = |learner: &dyn Learner| learner.loss(Loss::Real);
        assert_eq!(loss(failing.as_ref()), loss(of_nan.as_ref()), "{name}");
        // In two and more dimensions most of these go to its border.
        assert!(failed * 2 < 600, "{name}: {failed} in a third of the domain");
    }
}

#[test]
fn what_was_given_up_is_no_data() {
    for (name, mut learner) in all_learners() {
        let (mut told, mut given_up) = (0, Vec::new());
        for i in 0..120 {
            let Some(next) = learner.ask(1).pop() else { break };
            if i % 7 == 3 && !learner.needs(&next.sample) {
                learner.give_up(&next.sample);
                given_up.push(next.sample);
            } else {
                learner.tell(&next.sample, &function(&next.sample)).unwrap();
                told += 1;
            }
        }
        assert_eq!((learner.npoints(), learner.npending()), (told, given_up.len()), "{name}");
        let Some(interpolant) = learner.interpolant() else { continue };
        assert!(interpolant.npoints() <= told, "{name}");
        assert!(interpolant.values.iter().all(|y| y.is_finite()), "{name}");
        let mut between = Vec::new();
        for sample in &given_up {
            assert!(learner.interpolate(&sample.point, &mut between), "{name}");
        }
        let known = between.iter().filter(|y| y.is_finite()).count();
        assert!(2 * known >= given_up.len(), "{name}: {known} of {} are bridged", given_up.len());
        // Values that come after all are like those of any other point.
        for sample in &given_up {
            learner.tell(sample, &function(sample)).unwrap();
            learner.tell(sample, &Value::scalar(1e9)).unwrap();
        }
        assert_eq!((learner.npoints(), learner.npending()), (told + given_up.len(), 0), "{name}");
        for sample in &given_up {
            between.clear();
            assert!(learner.interpolate(&sample.point, &mut between), "{name}");
            let is_mean = learner.signature().seeded;
            assert!(is_mean || between[0] == function(sample).y(), "{name}");
        }
    }
}

#[test]
fn an_edge_where_points_fail_leaves_the_rest_of_the_domain_to_be_sampled() {
    let square = || lists(&[[0.0, 1.0], [0.0, 1.0]]);
    let triangle = lists(&[[0.0, 0.0], [1.0, 0.5], [0.0, 1.0]]);
    let cube = lists(&[[0.0, 1.0], [0.0, 1.0], [0.0, 1.0]]);
    let tables = [
        of("2d").with("bounds", square()),
        of("nd").with("bounds", square()),
        of("nd").with("bounds", cube),
        of("nd").with("hull", triangle),
    ];
    for table in tables {
        let mut learner = learner::from_settings(&table).unwrap();
        let mut right = 0;
        for _ in 0..300 {
            let sample = learner.ask(1)[0].sample.clone();
            if sample.point[0] == 1.0 {
                learner.give_up(&sample);
            } else {
                learner.tell(&sample, &function(&sample)).unwrap();
                right += usize::from(sample.point[0] > 0.5);
            }
        }
        assert!(right > 15, "{table:?}: {right} of 300 points in the right half");
        assert!(learner.lacks_needed(), "{table:?}");
        let mut out = Vec::new();
        assert!(learner.interpolate(&[0.5, 0.5, 0.5][..sample_dim(learner.as_ref())], &mut out));
        assert!(out[0].is_finite(), "{table:?}");
    }
}

fn sample_dim(learner: &dyn Learner) -> usize {
    learner.signature().names.len()
}
