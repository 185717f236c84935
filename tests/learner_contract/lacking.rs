//! Learners that know next to nothing: a goal of loss must not hold there.

use crate::{all_learners, function};
use adaptive_mpi::model::Value;

#[test]
fn a_loss_says_nothing_before_a_value_is_finite() {
    for unknown in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        for (name, mut learner) in all_learners() {
            if !["1d", "2d", "nd", "average1d"].contains(&learner.kind()) {
                continue;
            }
            for suggestion in (0..20).flat_map(|_| learner.ask(2)).collect::<Vec<_>>() {
                learner.tell(&suggestion.sample, &Value::scalar(unknown)).unwrap();
            }
            assert!(learner.lacks_needed(), "{name} with {unknown} everywhere");
            for suggestion in learner.ask(1) {
                learner.tell(&suggestion.sample, &function(&suggestion.sample)).unwrap();
                assert!(!learner.lacks_needed(), "{name} with one value that is not {unknown}");
            }
        }
    }
}

/// With many in flight the ends of an interval may come last.
#[test]
fn a_loss_says_nothing_before_the_ends_are_told() {
    for (name, mut learner) in all_learners() {
        if learner.kind() != "1d" {
            continue;
        }
        let ends = learner.bounding_box().unwrap()[0];
        let mut asked = learner.ask(64);
        asked.sort_by_key(|suggestion| {
            let x = suggestion.sample.point.x();
            x == ends.0 || x == ends.1
        });
        for suggestion in asked {
            assert!(learner.lacks_needed(), "{name} before {:?}", suggestion.sample);
            learner.tell(&suggestion.sample, &function(&suggestion.sample)).unwrap();
        }
        assert!(!learner.lacks_needed(), "{name}");
    }
}
