//! `LearnerNd`.

use crate::case::{Case, numbers};
use crate::replay::{replay_on, value};
use adaptive_mpi::learner::learner_nd::{self, Options};
use adaptive_mpi::learner::{Learner, Loss};
use adaptive_mpi::loss::simplex::simplex_loss_from_settings;
use adaptive_mpi::model::{Sample, Value};
use serde_json::Value as Json;

/// The case that records defect D11: upstream never asks in simplices again whose pending points were dropped. Ours
/// does, so the points differ by intent from the first restart on.
const LOST_SIMPLICES: &str = "lnd2_ring_restart";

fn rows(json: &Json) -> Vec<Vec<f64>> {
    json.as_array().unwrap().iter().map(numbers).collect()
}

/// How upstream refines, with the first triangulation that it took: of the corners of a box there are several.
fn options(case: &Case) -> Options {
    let simplices = rows(&case.json["first_triangulation"]["simplices"]);
    Options {
        loss: simplex_loss_from_settings(&case.settings()).unwrap(),
        anisotropic: case.json["params"].get("anisotropic").is_some_and(|flag| flag == true),
        first_simplices: simplices.iter().map(|s| s.iter().map(|v| *v as u32).collect()).collect(),
        as_upstream: true,
        ..Options::default()
    }
}

fn learner(case: &Case, options: Options) -> Box<dyn Learner> {
    let params = &case.json["params"];
    match params.get("bounds") {
        Some(bounds) => {
            let pairs: Vec<_> = rows(bounds).iter().map(|pair| (pair[0], pair[1])).collect();
            learner_nd::cuboid(&pairs, options).unwrap()
        }
        None => learner_nd::hull(&rows(&params["hull"]), options).unwrap(),
    }
}

#[test]
fn learner_nd_follows_every_recorded_run() {
    let cases = Case::all("lnd");
    assert_eq!(cases.len(), 21);
    for case in cases.iter().filter(|case| case.name() != LOST_SIMPLICES) {
        // Where the function is flat, the curvature loss is a fourth root of rounding errors (defect D20).
        let tolerance = if case.name().starts_with("lnd2_ring_curvature") { 1e-6 } else { 1e-9 };
        let points = replay_on(case, learner(case, options(case)), tolerance);
        let all = case.list("asked").len();
        assert!(points == all || points + 8 > case.stable_points(), "{}: {points}", case.name());
    }
}

/// Follows a run up to the first restart, where pending points are dropped.
#[test]
fn learner_nd_follows_a_recorded_run_up_to_its_restart() {
    let mut case = Case::all(LOST_SIMPLICES).remove(0);
    let events = case.list("events");
    let restart = events.iter().position(|event| event[0] == "remove_unfinished").unwrap();
    let told = events[..restart].iter().filter(|event| event[0] == "tell").count();
    case.json["events"] = events[..=restart].to_vec().into();
    case.json["n_told"] = told.into();
    assert_eq!(told, 40);
    assert!(replay_on(&case, learner(&case, options(&case)), 1e-9) > 40);
}

/// Errors of the interpolant on a grid of cell centres over the box, and told points per region.
fn measure(case: &Case, learner: &dyn Learner, told: &[Sample]) -> (f64, f64, Vec<u64>) {
    let bounds = learner.bounding_box().unwrap();
    let dim = bounds.len();
    let (per_axis, bins) = match dim {
        2 => (100usize, 8usize),
        3 => (20, 4),
        _ => (9, 2),
    };
    let function = case.function(0);
    let (mut largest, mut squares, mut count) = (0.0f64, 0.0, 0);
    let mut y = Vec::new();
    for cell in 0..per_axis.pow(dim as u32) {
        let mut rest = cell;
        let mut at = vec![0.0; dim];
        for axis in (0..dim).rev() {
            let (lo, hi) = bounds[axis];
            at[axis] = lo + (hi - lo) * ((rest % per_axis) as f64 + 0.5) / per_axis as f64;
            rest /= per_axis;
        }
        y.clear();
        assert!(learner.interpolate(&at, &mut y));
        if y.iter().all(|y| y.is_nan()) {
            continue;
        }
        for (got, exact) in y.iter().zip(function.of(&Sample::at(at.into_iter().collect()))) {
            largest = largest.max((got - exact).abs());
            squares += (got - exact) * (got - exact);
            count += 1;
        }
    }
    let mut histogram = vec![0; bins.pow(dim as u32)];
    for sample in told {
        let bin = sample.point.iter().zip(&bounds).fold(0, |bin, (x, (lo, hi))| {
            bin * bins + (((x - lo) / (hi - lo) * bins as f64) as usize).min(bins - 1)
        });
        histogram[bin] += 1;
    }
    (largest, (squares / f64::from(count)).sqrt(), histogram)
}

/// Runs of our own, with our own first triangulation and functions computed here, in the mode of the case. They are
/// to stay within what mirrored runs of upstream cover, widened by a fifth; a smaller error is welcome.
#[test]
fn our_own_runs_stay_in_the_recorded_envelopes() {
    let mut compared = 0;
    for case in Case::all("lnd") {
        let mode = &case.json["mode"];
        let batch = mode["n"].as_u64().or(mode["workers"].as_u64()).unwrap_or(1) as usize;
        // Where results come in random order, ours is another one.
        let same_order = mode["kind"] == "batch";
        let widened = if same_order { 1.2 } else { 1.5 };
        let mut learner =
            learner(&case, Options { first_simplices: Vec::new(), as_upstream: false, ..options(&case) });
        let mut told: Vec<Sample> = Vec::new();
        if let Some(given) = case.optional("given") {
            for (point, y) in given.iter().zip(case.list("given_values")) {
                told.push(case.sample(point));
                learner.tell(&told[told.len() - 1], &value(y)).unwrap();
            }
        }
        let mut asked = std::collections::VecDeque::new();
        let function = case.function(0);
        // In four dimensions there are no mirrored runs, and a single one says little on where points have to be.
        let envelope = case.json["envelope"]["checkpoints"].as_array();
        for checkpoint in envelope.unwrap_or(case.list("measures")) {
            while told.len() < checkpoint["n"].as_u64().unwrap() as usize {
                // As many workers as there were; the oldest point is told first.
                if asked.is_empty() || !same_order {
                    asked.extend(learner.ask(batch - asked.len()));
                }
                let sample = asked.pop_front().unwrap().sample;
                learner.tell(&sample, &Value::vector(&function.of(&sample))).unwrap();
                told.push(sample);
            }
            let (largest, rms, histogram) = measure(&case, learner.as_ref(), &told);
            let context = format!("{} with {} points", case.name(), told.len());
            for (name, got) in
                [("loss", learner.loss(Loss::Real)), ("max_error", largest), ("rms_error", rms)]
            {
                let worst = *numbers(&checkpoint[name]).last().unwrap();
                assert!(got <= widened * worst, "{context}: {name} {got} instead of {worst}");
            }
            if envelope.is_some() {
                let (min, max) =
                    (numbers(&checkpoint["histogram_min"]), numbers(&checkpoint["histogram_max"]));
                let strange: f64 = histogram
                    .iter()
                    .zip(min.iter().zip(&max))
                    .map(|(n, (min, max))| {
                        (*n as f64 - widened * max).max(min / widened - *n as f64).max(0.0)
                    })
                    .sum();
                assert!(strange <= 0.08 * told.len() as f64, "{context}: {strange} points in other regions");
            }
            compared += 1;
        }
    }
    assert_eq!(compared, 63);
}
