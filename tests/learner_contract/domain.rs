//! The domain: what is asked of it, before anything is known, and when it has no points left; and what is known between its points.

use crate::{all_learners, curved, function, line, lists, of, samples};
use adaptive_mpi::learner::{self, Learner, Loss, Suggestion};
use adaptive_mpi::loss::{self, Curvature, IntervalLoss};
use adaptive_mpi::model::{Point, Sample, Value};
use std::collections::BTreeSet;
use std::sync::Arc;

#[test]
fn those_with_a_domain_interpolate_through_what_they_were_told_and_others_say_no() {
    for (name, mut learner) in all_learners() {
        for _ in 0..80 {
            for Suggestion { sample, .. } in learner.ask(1) {
                let y = sample.point.iter().map(|x| (3.0 * x).sin()).sum::<f64>();
                learner.tell(&sample, &y.into()).unwrap();
            }
        }
        let mut out = Vec::new();
        let Some(bounds) = learner.bounding_box() else {
            let middle = vec![0.5; learner.signature().names.len()];
            assert!(!learner.interpolate(&middle, &mut out) && out.is_empty(), "{name}");
            assert!(!learner.interpolate_all(&middle, &mut out) && learner.interpolant().is_none(), "{name}");
            continue;
        };
        assert!(bounds.len() == learner.signature().names.len(), "{name}");
        let interpolant = learner.interpolant().unwrap_or_else(|| panic!("{name} interpolates"));
        assert_eq!((interpolant.dim, interpolant.width), (bounds.len(), 1), "{name}");
        assert!(interpolant.npoints() > 1 && interpolant.values.len() == interpolant.npoints(), "{name}");
        assert!(interpolant.simplices.iter().all(|v| (*v as usize) < interpolant.npoints()), "{name}");
        assert!(learner.interpolate_all(&interpolant.points, &mut out), "{name}");
        assert_eq!(out, interpolant.values, "{name}");
        let corners = &interpolant.simplices[..=interpolant.dim];
        let coordinate = |v: &u32, axis: usize| interpolant.points[*v as usize * interpolant.dim + axis];
        let mean = |axis| corners.iter().map(|v| coordinate(v, axis)).sum::<f64>() / corners.len() as f64;
        let middle: Vec<f64> = (0..interpolant.dim).map(mean).collect();
        let outside: Vec<f64> = bounds.iter().map(|(_, hi)| hi + 1.0).collect();
        out.clear();
        assert!(learner.interpolate(&middle, &mut out) && learner.interpolate(&outside, &mut out), "{name}");
        assert!(out.len() == 2 && out[0].is_finite() && out[1].is_nan(), "{name}: {out:?}");
        assert!(!learner.new_empty().interpolate(&middle, &mut out), "{name}: nothing is known yet");
    }
}

#[test]
fn improvements_add_up_to_less_than_the_losses() {
    for (loss, n) in [(loss::default_interval_loss(), 70), (Arc::new(Curvature::default()) as _, 99)] {
        let mut learner = line((-1.0, 1.5), loss);
        for suggestion in learner.ask(40) {
            learner.tell(&suggestion.sample, &function(&suggestion.sample)).unwrap();
        }
        let total: f64 = learner.intervals(Loss::Real).iter().map(|(_, _, loss)| loss).sum();
        let gained: f64 = learner.ask(n).iter().map(|suggestion| suggestion.loss_improvement).sum();
        assert!(gained < total, "{gained} of {total}");
    }
}

#[test]
fn without_any_value_the_points_are_even() {
    for n in 2..200 {
        let mut xs: Vec<f64> = samples(&curved((-1.0, 1.5)).ask(n)).iter().map(|s| s.point.x()).collect();
        xs.sort_by(f64::total_cmp);
        let gaps: Vec<f64> = xs.windows(2).map(|pair| pair[1] - pair[0]).collect();
        let max = gaps.iter().copied().fold(0.0, f64::max);
        let min = gaps.iter().copied().fold(f64::INFINITY, f64::min);
        assert!(max / min < 1.0 + 1e-9);
    }
}

#[test]
fn scaled_axes_give_scaled_points() {
    let run = |x_factor: f64, y_factor: f64, loss: Arc<dyn IntervalLoss>| {
        let mut learner = line((-x_factor, 1.5 * x_factor), loss);
        let mut xs = Vec::new();
        while xs.len() < 200 {
            for suggestion in learner.ask(3) {
                let x = suggestion.sample.point.x() / x_factor;
                let y = y_factor * function(&Sample::at(Point::scalar(x))).y();
                learner.tell(&suggestion.sample, &Value::scalar(y)).unwrap();
                xs.push(x);
            }
        }
        (xs, learner.loss(Loss::Real))
    };
    for loss in [loss::default_interval_loss(), Arc::new(Curvature::default()) as _] {
        let (xs, total) = run(1.0, 1.0, loss.clone());
        // Powers of two change no digit.
        assert_eq!((xs.clone(), total), run(2f64.powi(40), 2f64.powi(-30), loss.clone()));
        for (x_factor, y_factor) in [(1e-9, 1e5), (3e7, 7e-12), (0.1, 1e300)] {
            let (scaled, scaled_total) = run(x_factor, y_factor, loss.clone());
            assert!((scaled_total - total).abs() < 1e-9 * total);
            for (a, b) in xs.iter().zip(scaled) {
                assert!((a - b).abs() < 1e-9, "{a} {b}");
            }
        }
    }
}

#[test]
fn a_domain_of_few_floating_point_numbers_runs_out() {
    let above = |ulps: u64| f64::from_bits(1f64.to_bits() + ulps);
    for n in [1, 2, 3, 7, 100] {
        for told in [false, true] {
            let mut learner = line((1.0, above(20)), loss::default_interval_loss());
            let mut seen = BTreeSet::new();
            loop {
                let asked = learner.ask(n);
                for suggestion in &asked {
                    assert!(seen.insert(suggestion.sample.point.x().to_bits()));
                    if told {
                        learner.tell(&suggestion.sample, &0.5.into()).unwrap();
                    }
                }
                if asked.len() < n {
                    break;
                }
            }
            assert_eq!(seen.len(), 21, "ask({n})");
            assert!(learner.ask(n).is_empty());
        }
    }
}

#[test]
fn bounds_near_the_largest_numbers_are_bounds_like_others() {
    for kind in ["2d", "nd"] {
        for lowest in [0.0, 1.2e308] {
            let table = of(kind).with("bounds", lists(&[[lowest, 1.7e308], [0.0, 1.0]]));
            let mut learner = learner::from_settings(&table).unwrap();
            for _ in 0..100 {
                for Suggestion { sample, .. } in learner.ask(2) {
                    let [x, y] = sample.point[..] else { panic!("{kind} has two coordinates") };
                    assert!((lowest..=1.7e308).contains(&x) && (0.0..=1.0).contains(&y), "{kind}: {x} {y}");
                    learner.tell(&sample, &((x / 3e307).sin() * y).into()).unwrap();
                }
            }
        }
    }
}
