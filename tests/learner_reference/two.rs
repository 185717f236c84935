//! `Learner2D`: not comparable point by point, because the recorded program triangulates from scratch and leaves ties
//! to a library. What is compared: the points that nothing but the rules determines, and the measures of runs of our
//! own within the recorded envelope, which spans what the breaking of ties alone does.

use crate::case::{Case, assert_close, number, numbers};
use adaptive_mpi::learner::{Learner, Loss};
use adaptive_mpi::model::{Sample, Value};
use serde_json::Value as Json;

/// How much wider than recorded an envelope is taken.
const WIDER: f64 = 0.2;

/// A linear congruential generator, for the order of results.
struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 32) as usize % n
    }
}

/// Runs a case in its own mode with values computed here, and hands over the learner and the told points at each
/// recorded number of them.
fn run(case: &Case, mut check: impl FnMut(&Json, &dyn Learner, &[Sample])) {
    let function = case.function(0);
    let mode = &case.json["mode"];
    let mut learner = case.learner();
    let (mut pending, mut told): (Vec<Sample>, Vec<Sample>) = (Vec::new(), Vec::new());
    for (point, value) in
        case.optional("given").into_iter().flatten().zip(case.optional("given_values").into_iter().flatten())
    {
        let sample = case.sample(point);
        learner.tell(&sample, &Value::vector(&numbers(value))).unwrap();
        told.push(sample);
    }
    let batch = mode["n"].as_u64().unwrap_or(1) as usize;
    let workers = mode["workers"].as_u64().unwrap_or(0) as usize;
    let mut random = Random(mode["seed"].as_u64().unwrap_or(0));
    let measures = case.list("measures");
    for measure in measures {
        while told.len() < measure["n"].as_u64().unwrap() as usize {
            let room = if workers > 0 {
                workers - pending.len()
            } else if pending.is_empty() {
                batch
            } else {
                0
            };
            pending.extend(learner.ask(room).into_iter().map(|suggestion| suggestion.sample));
            let next = if workers > 0 { random.below(pending.len()) } else { 0 };
            let sample = pending.remove(next);
            learner.tell(&sample, &Value::vector(&function.of(&sample))).unwrap();
            told.push(sample);
        }
        check(measure, learner.as_ref(), &told);
    }
}

/// Largest and root mean square error of the interpolant on 100 x 100 cell centres, over all components.
fn errors(case: &Case, learner: &dyn Learner) -> (f64, f64) {
    let function = case.function(0);
    let bounds = learner.bounding_box().unwrap();
    let (mut max, mut squares, mut count) = (0.0f64, 0.0, 0.0);
    let mut row = Vec::new();
    for cell in 0..10_000 {
        let centre =
            |k: usize, i: i32| bounds[k].0 + (bounds[k].1 - bounds[k].0) * (f64::from(i) + 0.5) / 100.0;
        let point = [centre(0, cell / 100), centre(1, cell % 100)];
        row.clear();
        assert!(learner.interpolate(&point, &mut row));
        let exact = function.of(&Sample::at(point.into_iter().collect()));
        for (got, exact) in row.iter().zip(exact) {
            max = max.max((got - exact).abs());
            squares += (got - exact).powi(2);
            count += 1.0;
        }
    }
    (max, (squares / count).sqrt())
}

/// Told points per region, 8 x 8.
fn histogram(learner: &dyn Learner, told: &[Sample]) -> Vec<f64> {
    let bounds = learner.bounding_box().unwrap();
    let mut counts = vec![0.0; 64];
    for sample in told {
        let place = |k: usize| {
            let share = (sample.point[k] - bounds[k].0) / (bounds[k].1 - bounds[k].0);
            ((share * 8.0) as usize).min(7)
        };
        counts[8 * place(0) + place(1)] += 1.0;
    }
    counts
}

#[test]
fn our_own_runs_stay_within_the_recorded_envelopes() {
    let cases = Case::all("l2d_");
    assert_eq!(cases.len(), 11);
    let mut outside = Vec::new();
    for case in &cases {
        let mut envelopes = case.json["envelope"]["checkpoints"].as_array().unwrap().iter();
        run(case, |measure, learner, told| {
            let envelope = envelopes.next().unwrap();
            assert_eq!(envelope["n"], measure["n"]);
            let (max, rms) = errors(case, learner);
            for (name, got) in [("loss", learner.loss(Loss::Real)), ("max_error", max), ("rms_error", rms)] {
                let range = numbers(&envelope[name]);
                if !(range[0] * (1.0 - WIDER)..=range[1] * (1.0 + WIDER)).contains(&got) {
                    outside.push(format!(
                        "{} at {}: {name} {got:.4e} of {range:.4?}",
                        case.name(),
                        told.len()
                    ));
                }
            }
            // A region with few points may have a few more or less.
            let slack = 2.0;
            let least = numbers(&envelope["histogram_min"]);
            let most = numbers(&envelope["histogram_max"]);
            for (region, got) in histogram(learner, told).into_iter().enumerate() {
                let (least, most) =
                    (least[region] * (1.0 - WIDER) - slack, most[region] * (1.0 + WIDER) + slack);
                if !(least..=most).contains(&got) {
                    outside.push(format!(
                        "{} at {}: region {region} has {got} points instead of {least:.1} to {most:.1}",
                        case.name(),
                        told.len()
                    ));
                }
            }
        });
    }
    assert!(outside.is_empty(), "{} of the measures:\n{}", outside.len(), outside.join("\n"));
}

#[test]
fn points_that_nothing_but_the_rules_determines_are_the_recorded_ones() {
    for case in Case::all("l2d_") {
        let mut learner = case.learner();
        let asked = case.list("asked");
        let given = case.optional("given").map_or(0, Vec::len);
        if given > 0 {
            continue;
        }
        // The corners, then the centres of two equal triangles: which diagonal cuts the square is a tie.
        for (i, suggestion) in learner.ask(4).into_iter().enumerate() {
            assert_eq!(suggestion.sample, case.sample(&asked[i]), "{}", case.name());
            assert_eq!(suggestion.loss_improvement, number(&case.list("improvements")[i]));
        }
    }
}

#[test]
fn the_first_stack_over_given_points_is_the_recorded_one() {
    let case = Case::all("l2d_ring_preload_seq").pop().unwrap();
    let mut learner = case.learner();
    for (point, value) in case.list("given").iter().zip(case.list("given_values")) {
        learner.tell(&case.sample(point), &Value::vector(&numbers(value))).unwrap();
    }
    for (i, suggestion) in learner.ask(10).into_iter().enumerate() {
        let recorded = case.list("asked").iter().take(10).position(|point| {
            numbers(point).iter().zip(&*suggestion.sample.point).all(|(a, b)| (a - b).abs() < 1e-9)
        });
        let place = recorded.unwrap_or_else(|| panic!("{:?} is not recorded", suggestion.sample.point));
        assert!(place.abs_diff(i) <= 1, "point {i} is the recorded point {place}");
        let improvement = number(&case.list("improvements")[place]);
        assert_close(suggestion.loss_improvement, improvement, 0.03, 0.0, "improvement");
    }
}
