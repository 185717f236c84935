//! Learners that go on where all is fine: no place is better than another, and points are spread evenly.

use crate::{lists, of};
use adaptive_mpi::learner::{self, Learner, Loss};
use adaptive_mpi::model::Value;
use adaptive_mpi::model::settings::{SettingValue, Table};

fn loss(name: &str, parameters: &[(&str, f64)]) -> SettingValue {
    let table = Table::new("learner.loss").with("name", SettingValue::Text(name.into()));
    let with = |table: Table, (key, number): &(&str, f64)| table.with(key, SettingValue::Float(*number));
    SettingValue::Table(parameters.iter().fold(table, with))
}

/// Tells `n` points, some in flight; how many there are in each of 16 equal parts of the square, and the last loss.
fn spread(
    learner: &mut dyn Learner,
    n: usize,
    in_flight: usize,
    y: impl Fn(&[f64]) -> f64,
) -> ([usize; 16], f64) {
    let mut parts = [0; 16];
    let mut open = std::collections::VecDeque::new();
    for _ in 0..n {
        open.extend(learner.ask(1 + in_flight - open.len()));
        let sample = open.pop_front().unwrap().sample;
        let part = |axis: usize| ((4.0 * sample.point[axis]) as usize).min(3);
        parts[4 * part(0) + part(1)] += 1;
        learner.tell(&sample, &Value::scalar(y(&sample.point))).unwrap();
    }
    (parts, learner.loss(Loss::Real))
}

#[test]
fn without_any_loss_the_largest_simplex_is_split() {
    let thresholded = || loss("thresholded", &[("upper_threshold", -1.0), ("priority_factor", 0.0)]);
    let no_exploration = || loss("interpolation_error", &[("exploration", 0.0)]);
    for kind in ["2d", "nd"] {
        for loss in [thresholded(), no_exploration()] {
            for in_flight in [0, 8] {
                let table = of(kind).with("bounds", lists(&[[0.0, 1.0]; 2])).with("loss", loss.clone());
                let mut learner = learner::from_settings(&table).unwrap();
                let (parts, last) = spread(learner.as_mut(), 400, in_flight, |_| 0.5);
                assert_eq!(last, 0.0);
                assert!(
                    parts.iter().all(|n| (12..50).contains(n)),
                    "{kind}, {loss:?}, {in_flight}: {parts:?}"
                );
            }
        }
    }
}

#[test]
fn below_a_smallest_size_there_is_no_loss() {
    for kind in ["2d", "nd"] {
        let table = of(kind)
            .with("bounds", lists(&[[0.0, 1.0]; 2]))
            .with("loss", loss("resolution", &[("min_distance", 0.1)]));
        let mut learner = learner::from_settings(&table).unwrap();
        let wave = |point: &[f64]| (5.0 * point[0]).sin() * point[1];
        let mut points = 0;
        while learner.loss(Loss::Real) > 0.0 && points < 1000 {
            spread(learner.as_mut(), 1, 0, wave);
            points += 1;
        }
        // As many halves of triangles of the smallest size as fill the square have about 100 corners.
        assert!((60..200).contains(&points), "{kind}: {points}");
        let (parts, last) = spread(learner.as_mut(), 400, 4, wave);
        assert_eq!(last, 0.0, "{kind}");
        assert!(parts.iter().all(|n| (12..50).contains(n)), "{kind}: {parts:?}");
    }
}
