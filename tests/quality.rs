//! Holds what `benches/QUALITY.md` claims, on a part of its table that is cheap to measure.

#![expect(clippy::unwrap_used, reason = "a test may panic, in its own functions too")]

#[path = "../benches/quality/functions.rs"]
mod functions;
#[path = "../benches/quality/measure.rs"]
mod measure;

use adaptive_mpi::learner::{Learner, Learner1D};
use adaptive_mpi::loss::{self, Curvature, Distance, IntervalLoss, Level, Thresholded, Uniform};
use adaptive_mpi::model::{Sample, Value};
use functions::{Case, LINES};
use measure::Errors;
use std::sync::Arc;

const POINTS: [usize; 3] = [50, 100, 300];

fn learner(case: &Case, loss: Arc<dyn IntervalLoss>) -> Learner1D {
    Learner1D::new(case.bounds[0], loss).unwrap()
}

fn measured(case: &Case, loss: Arc<dyn IntervalLoss>, n: usize, in_flight: usize) -> Errors {
    let mut learner = learner(case, loss);
    let told = measure::sampled(&mut learner, case, n, in_flight);
    measure::learner_errors(&learner, case, &told)
}

fn ours(case: &Case, n: usize) -> Errors {
    measured(case, loss::default_interval_loss(), n, 1)
}

fn grid(case: &Case, n: usize) -> Errors {
    measure::line_errors(case, &measure::uniform(case, n))
}

/// The smallest errors of adaptive's losses.
fn best(case: &Case, n: usize) -> Errors {
    let all: [Arc<dyn IntervalLoss>; 3] =
        [Arc::new(Uniform), Arc::new(Distance), Arc::new(Curvature::default())];
    let all = all.map(|loss| measured(case, loss, n, 1));
    let least = |part: fn(&Errors) -> f64| all.iter().map(part).fold(f64::INFINITY, f64::min);
    Errors { linf: least(|errors| errors.linf), l2: least(|errors| errors.l2) }
}

/// Rounding errors count as none.
fn not_above(error: f64, limit: f64) -> bool {
    error <= limit.max(1e-12)
}

#[test]
fn the_rod_measures_what_was_recorded_with_adaptive() {
    // From `adaptive-quality.md`: uniform grid, and adaptive's uniform, default and curvature losses, at 100 points.
    let recorded = [
        (0, [(4.83e-1, 3.34e-2), (2.88e-1, 2.92e-2), (3.67e-2, 1.76e-3), (2.35e-3, 1.82e-4)]),
        (1, [(8.02e-2, 2.34e-2), (1.73e-1, 3.55e-2), (8.31e-1, 2.04e-1), (4.95e-2, 1.72e-2)]),
        (2, [(2.31e-2, 3.35e-3), (1.44e-2, 2.02e-3), (9.49e-3, 1.03e-3), (9.11e-4, 1.14e-4)]),
        (3, [(3.45e-2, 3.52e-3), (5.36e-2, 7.63e-3), (5.85e-3, 6.17e-4), (1.51e-3, 2.15e-4)]),
        (4, [(1.27e-2, 7.39e-4), (2.90e-3, 1.49e-4), (2.33e-2, 1.68e-3), (1.66e-4, 2.33e-6)]),
        (5, [(5.58e-2, 2.19e-3), (1.12e-1, 4.37e-3), (1.12e-1, 4.33e-3), (2.43e-2, 3.87e-4)]),
        (7, [(1.09e-2, 2.88e-3), (2.58e-2, 6.80e-3), (6.53e-3, 2.06e-3), (6.36e-3, 1.95e-3)]),
    ];
    for (index, figures) in recorded {
        let case = &LINES[index];
        let got = [
            grid(case, 100),
            measured(case, Arc::new(Uniform), 100, 1),
            measured(case, Arc::new(Distance), 100, 1),
            measured(case, Arc::new(Curvature::default()), 100, 1),
        ];
        for (errors, (linf, l2)) in got.iter().zip(figures) {
            let close = |got: f64, recorded: f64| (got / recorded - 1.0).abs() < 0.006;
            assert!(
                close(errors.linf, linf) && close(errors.l2, l2),
                "{}: {errors:?} {linf} {l2}",
                case.name
            );
        }
    }
}

#[test]
fn on_the_recorded_functions_the_default_loss_is_never_worse_than_the_grid() {
    for case in LINES.iter().filter(|case| case.recorded) {
        for n in POINTS {
            let (ours, grid) = (ours(case, n), grid(case, n));
            assert!(not_above(ours.linf, 1.1 * grid.linf), "{} {n}: {ours:?} {grid:?}", case.name);
            assert!(not_above(ours.l2, 1.1 * grid.l2), "{} {n}: {ours:?} {grid:?}", case.name);
        }
    }
}

#[test]
fn in_most_rows_the_default_loss_is_at_least_as_good_as_the_best_of_adaptive() {
    let (mut rows, mut linf, mut l2, mut gain) = (0.0, 0.0, 0.0, 0.0);
    for case in LINES {
        for n in POINTS {
            let (ours, best) = (ours(case, n), best(case, n));
            rows += 1.0;
            linf += f64::from(u8::from(not_above(ours.linf, 1.0001 * best.linf)));
            l2 += f64::from(u8::from(not_above(ours.l2, 1.0001 * best.l2)));
            gain += (best.l2.max(1e-12) / ours.l2.max(1e-12)).ln();
        }
    }
    assert!(linf / rows > 0.86 && l2 / rows > 0.87, "Linf {linf}, L2 {l2} of {rows}");
    assert!(f64::exp(gain / rows) > 1.3, "{}", f64::exp(gain / rows));
}

#[test]
fn sixty_four_points_in_flight_cost_little() {
    for case in LINES.iter().filter(|case| case.recorded) {
        let one = ours(case, 1000);
        let many = measured(case, loss::default_interval_loss(), 1000, 64);
        assert!(not_above(many.l2, 1.3 * one.l2), "{}: {many:?} {one:?}", case.name);
    }
}

/// Points asked one by one; how many of the first `n` lie in the open interval.
fn points_within(learner: &mut Learner1D, f: impl Fn(f64) -> f64, n: usize, (lo, hi): (f64, f64)) -> usize {
    let mut count = 0;
    for _ in 0..n {
        for suggestion in learner.ask(1) {
            let x = suggestion.sample.point.x();
            count += usize::from(lo < x && x < hi);
            learner.tell(&suggestion.sample, &f(x).into()).unwrap();
        }
    }
    count
}

fn default_learner() -> Learner1D {
    Learner1D::new((0.0, 1.0), loss::default_interval_loss()).unwrap()
}

#[test]
fn a_region_without_values_costs_few_points_and_its_border_is_found() {
    let inside = |x: f64| 0.3 < x && x < 0.72;
    for missing in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        let mut learner = default_learner();
        let f = |x: f64| if inside(x) { missing } else { (9.0 * x).sin() };
        let wasted = points_within(&mut learner, f, 500, (0.3, 0.72));
        assert!(wasted < 60, "{wasted} of 500");
        let known: Vec<f64> = learner.told().filter(|(_, y)| y[0].is_finite()).map(|(x, _)| x).collect();
        let left = known.iter().copied().filter(|x| *x < 0.5).fold(0.0, f64::max);
        let right = known.iter().copied().filter(|x| *x > 0.5).fold(1.0, f64::min);
        assert!(0.3 - left < 2e-4 && right - 0.72 < 2e-4, "{left} {right}");
    }
}

#[test]
fn a_function_without_any_value_is_sampled_evenly() {
    let mut learner = default_learner();
    points_within(&mut learner, |_| f64::NAN, 300, (0.0, 1.0));
    let xs: Vec<f64> = learner.told().map(|(x, _)| x).collect();
    let longest = xs.windows(2).map(|pair| pair[1] - pair[0]).fold(0.0, f64::max);
    assert!(longest <= 1.0 / 128.0, "{longest}");
}

#[test]
fn constants_and_huge_ranges_are_sampled_evenly() {
    for f in [|_: f64| 7.0, |x: f64| if x < 0.5 { f64::MAX } else { f64::MIN }, |x: f64| 1e-320 * x] {
        let mut learner = default_learner();
        points_within(&mut learner, f, 200, (0.0, 1.0));
        let xs: Vec<f64> = learner.told().map(|(x, _)| x).collect();
        assert_eq!(xs.len(), 200);
        let longest = xs.windows(2).map(|pair| pair[1] - pair[0]).fold(0.0, f64::max);
        assert!(longest <= 1.0 / 64.0, "{longest}");
    }
}

#[test]
fn a_feature_beside_a_dominant_peak_is_found() {
    // At 25 places; the peak alone would take every point.
    let found = (0..25).filter(|i| {
        let z = 0.02 + 0.0397 * f64::from(*i);
        let f = |x: f64| 1e-4 / (1e-4 + (x - 0.337).powi(2)) + 0.5 * (-((x - z) / 0.02).powi(2)).exp();
        points_within(&mut default_learner(), f, 150, (z - 0.01, z + 0.01)) > 2
    });
    assert_eq!(found.count(), 25);
}

#[test]
fn levels_are_found_to_the_resolution() {
    let levels = vec![0.0, 0.75];
    let loss = Level { levels: levels.clone(), component: 1, resolution: 1e-6 };
    let mut learner = Learner1D::new((0.0, 10.0), Arc::new(loss)).unwrap();
    for _ in 0..400 {
        for suggestion in learner.ask(1) {
            let x = suggestion.sample.point.x();
            learner.tell(&suggestion.sample, &Value::vector(&[5.0, x.sin()])).unwrap();
        }
    }
    let told: Vec<(f64, f64)> = learner.told().map(|(x, y)| (x, y[1])).collect();
    let arc = 0.75f64.asin();
    let pi = std::f64::consts::PI;
    for root in [pi, 2.0 * pi, 3.0 * pi, arc, pi - arc, arc + 2.0 * pi, 3.0 * pi - arc] {
        let above = told.iter().position(|(x, _)| *x > root).unwrap();
        assert!(told[above].0 - told[above - 1].0 < 3e-5, "{root}: {} {}", told[above - 1].0, told[above].0);
    }
}

#[test]
fn values_beyond_a_threshold_get_fewer_points() {
    let f = |x: f64| (20.0 * x).sin();
    let loss = Thresholded {
        lower_threshold: 0.0,
        upper_threshold: f64::INFINITY,
        priority_factor: 0.1,
        component: 0,
        base: loss::InterpolationError::default(),
    };
    let mut learner = Learner1D::new((0.0, 1.0), Arc::new(loss)).unwrap();
    points_within(&mut learner, f, 300, (0.0, 1.0));
    let below = learner.told().filter(|(_, y)| y[0] < 0.0).count();
    assert!((10..60).contains(&below), "{below}");
    let outside = Sample::at(adaptive_mpi::model::Point::scalar(0.5));
    assert!(learner.tell(&outside, &f(0.5).into()).is_ok());
}

/// A learner for several variables, made as from a study file; without a loss, it gets the default.
fn several_of(kind: &str, case: &Case, loss: Option<&str>) -> Box<dyn Learner> {
    use adaptive_mpi::model::settings::{Setting, SettingValue, Table};
    let item = |x: f64| Setting { value: SettingValue::Float(x), span: 0..0 };
    let pair =
        |(lo, hi): &(f64, f64)| Setting { value: SettingValue::List(vec![item(*lo), item(*hi)]), span: 0..0 };
    let mut table = Table::new("learner")
        .with("type", SettingValue::Text(kind.into()))
        .with("bounds", SettingValue::List(case.bounds.iter().map(pair).collect()));
    if let Some(loss) = loss {
        table = table.with("loss", SettingValue::Text(loss.into()));
    }
    adaptive_mpi::learner::from_settings(&table).unwrap()
}

fn several(kind: &str, case: &Case, loss: Option<&str>, n: usize) -> Errors {
    let mut learner = several_of(kind, case, loss);
    let told = measure::sampled(learner.as_mut(), case, n, 1);
    measure::learner_errors(learner.as_ref(), case, &told)
}

/// Of our losses, in how many cases the L2 error is at least as good as the best of adaptive's and how many are close.
fn counted(kind: &str, cases: &[Case], n: usize, adaptive: &[(&str, &str)]) -> (usize, usize) {
    let (mut good, mut close) = (0, 0);
    for case in cases {
        let ours = several(kind, case, None, n).l2;
        let grid = measure::grid_errors(case, n).l2;
        assert!(not_above(ours, 1.1 * grid), "{kind}, {}: {ours} {grid}", case.name);
        let best = adaptive.iter().map(|(kind, loss)| several(kind, case, Some(loss), n).l2);
        let best = best.fold(f64::INFINITY, f64::min);
        good += usize::from(not_above(ours, 1.0001 * best));
        close += usize::from(not_above(ours, 1.1 * best));
    }
    (good, close)
}

#[test]
fn in_two_variables_the_default_is_never_worse_than_the_grid_and_rarely_than_adaptive() {
    let adaptive = [("2d", "default"), ("nd", "default"), ("nd", "curvature")];
    let cases = functions::PLANES.len();
    for (kind, all_good, all_close) in
        [("nd", cases * 9 / 10 + 1, cases), ("2d", cases * 22 / 25, cases * 24 / 25)]
    {
        let (good, close) = counted(kind, functions::PLANES, 300, &adaptive);
        assert!(good >= all_good && close >= all_close, "{kind}: {good} and {close} of {cases}");
    }
}

#[test]
fn data_dependent_triangles_are_better_where_something_runs_across_and_rarely_worse() {
    for kind in ["nd", "2d"] {
        let (mut gains, mut rows) = (0.0, 0.0);
        for case in functions::PLANES {
            let mut learner = several_of(kind, case, None);
            let told = measure::sampled(learner.as_mut(), case, 300, 1);
            let own = measure::learner_errors(learner.as_ref(), case, &told);
            let ours = measure::data_dependent_errors(learner.as_ref(), case);
            assert!(not_above(ours.l2, 1.05 * own.l2), "{kind}, {}: {ours:?} {own:?}", case.name);
            assert!(not_above(ours.linf, 1.15 * own.linf), "{kind}, {}: {ours:?} {own:?}", case.name);
            gains += (own.l2.max(1e-12) / ours.l2.max(1e-12)).ln();
            rows += 1.0;
            if case.name.starts_with("tanh(10") {
                assert!(ours.l2 < own.l2 / 2.0, "{kind}: {ours:?} {own:?}");
            }
        }
        let gain = f64::exp(gains / rows);
        assert!(gain > 1.3, "{kind}: {gain}");
    }
}

#[test]
fn in_three_variables_the_default_is_never_worse_than_the_grid_and_rarely_than_adaptive() {
    let adaptive = [("nd", "default"), ("nd", "curvature"), ("nd", "uniform")];
    let cases = functions::SPACES.len();
    let (good, _) = counted("nd", functions::SPACES, 125, &adaptive);
    assert!(good * 10 >= cases * 9, "{good} of {cases}");
}
