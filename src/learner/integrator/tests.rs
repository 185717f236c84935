/// With any number of points in flight, the first ones answered first, what is done is right.
#[test]
fn done_is_right_with_any_number_of_points_in_flight() {
    type Case = (fn(f64) -> f64, (f64, f64), f64);
    let functions: [Case; 4] = [
        (|x| (100.0 * x * x).cos(), (0.0, 3.0), 0.064_328_649_444_9),
        (|x| 1.0 / (1.0 + 25.0 * x * x), (0.0, 1.0), 5_f64.atan() / 5.0),
        (|x| (7.0 * x).sin().abs(), (0.0, 3.0), (13.0 - 21_f64.cos()) / 7.0),
        (f64::sin, (-std::f64::consts::PI, std::f64::consts::PI), 0.0),
    ];
    for (i, (f, bounds, exact)) in functions.into_iter().enumerate() {
        for (in_flight, parallel) in
            [(1, false), (2, false), (8, false), (1, true), (2, true), (8, true), (33, true), (200, true)]
        {
            let mut learner = IntegratorLearner::new(bounds, 1e-8).unwrap();
            if parallel {
                learner.work_in_parallel();
            }
            let mut open = std::collections::VecDeque::new();
            let mut asked = 0;
            while learner.done() == Some(false) && asked < 200_000 {
                let asks = learner.ask(in_flight - open.len());
                asked += asks.len();
                open.extend(asks);
                let Some(next) = open.pop_front() else { break };
                learner.tell(&next.sample, &f(next.sample.point.x()).into()).unwrap();
            }
            let (igral, err) = (learner.igral(), learner.err());
            let what = format!("{i} with {in_flight}: {asked} points, {igral} ± {err}");
            assert_eq!(learner.done(), Some(true), "{what}");
            assert!(err <= 1e-8 * igral.abs() || learner.tree.totals.excess() >= 0.99 * err, "{what}");
            assert!((igral - exact).abs() <= err.max(1e-8 * exact.abs()).min(1e-8), "{what}");
        }
    }
}

use super::*;
use crate::learner::{BalancingLearner, Strategy};
use proptest::prelude::*;

fn made(bounds: (f64, f64), tol: f64) -> IntegratorLearner {
    IntegratorLearner::new(bounds, tol).unwrap()
}

fn tell(learner: &mut IntegratorLearner, x: f64, y: f64) {
    learner.tell(&Sample::at(Point::scalar(x)), &y.into()).unwrap();
}

fn run(learner: &mut IntegratorLearner, f: impl Fn(f64) -> f64) {
    for _ in 0..100_000 {
        if learner.done() == Some(true) || learner.is_divergent() {
            return;
        }
        for suggestion in learner.ask(1) {
            let x = suggestion.sample.point.x();
            tell(learner, x, f(x));
        }
    }
    panic!("not done");
}

fn floor_exp(x: f64) -> f64 {
    x.exp().floor()
}

/// The integral of `floor(exp(x))` over [0, 3].
fn integral_of_floor_exp() -> f64 {
    20.0 * 3.0 - (2..=20).map(|k| f64::from(k).ln()).sum::<f64>()
}

fn xs(suggestions: &[Suggestion]) -> Vec<f64> {
    suggestions.iter().map(|suggestion| suggestion.sample.point.x()).collect()
}

#[test]
fn a_smooth_function_is_done_with_the_first_two_rules() {
    let mut learner = made((0.0, 1.0), 1e-10);
    assert_eq!(
        (learner.igral(), learner.err(), learner.loss(Loss::Real)),
        (0.0, f64::INFINITY, f64::INFINITY)
    );
    run(&mut learner, f64::exp);
    assert_eq!(learner.npoints(), 33);
    assert!((learner.igral() - 1f64.exp_m1()).abs() < 1e-15);
}

#[test]
fn what_the_integral_is_where_no_value_is_a_number_is_not_made_up() {
    type Case = (&'static str, fn(f64) -> f64, f64);
    let cases: [Case; 4] = [
        ("everywhere", |_| f64::NAN, 1.0),
        ("everywhere, but infinite", |_| f64::INFINITY, 1.0),
        ("below 0.05", |x| if x < 0.05 { f64::NAN } else { x.exp() }, 0.05),
        ("in the left half", |x| if x < 0.5 { f64::INFINITY } else { 1.0 }, 0.5),
    ];
    for (where_, f, end) in cases {
        let mut learner = made((0.0, 1.0), 1e-8);
        while learner.hopeless().is_none() && learner.npoints() < 1000 {
            assert_eq!(learner.done(), Some(false), "{where_}");
            for suggestion in learner.ask(1) {
                learner.tell(&suggestion.sample, &f(suggestion.sample.point.x()).into()).unwrap();
            }
        }
        assert_eq!(learner.done(), Some(false), "{where_}");
        let why = learner.hopeless().unwrap();
        assert!(why.contains("is a number") && learner.npoints() < 200, "{where_}: {why}");
        assert!(learner.ask(1).is_empty());
        let (from, to) = learner.tree.blank.unwrap();
        assert!(from >= 0.0 && to <= end, "{where_}: {why}");
    }
    // A single one is no region.
    let mut learner = made((0.0, 1.0), 1e-8);
    run(&mut learner, |x| if x == 0.5 { f64::NAN } else { x.exp() });
    assert!((learner.igral() - 1f64.exp_m1()).abs() < 1e-8);
}

/// The table of Python adaptive's evaluations until done: ours are not more, and the claimed error holds.
#[test]
fn evaluations_are_those_of_upstream_and_the_claimed_error_holds() {
    type Row = (&'static str, fn(f64) -> f64, (f64, f64), f64, usize, f64);
    let peak_width = 4f64.powi(-5);
    let rows: [Row; 7] = [
        ("exp(x)", f64::exp, (0.0, 1.0), 1e-10, 33, 1f64.exp_m1()),
        ("exp(-x^2) cos(5x)", |x| (-x * x).exp() * (5.0 * x).cos(), (-4.0, 6.0), 1e-8, 555, {
            0.003_421_642_269_752_292
        }),
        (
            "sqrt(x) ln(1/x)",
            |x| if x == 0.0 { 0.0 } else { -x.sqrt() * x.ln() },
            (0.0, 1.0),
            1e-8,
            777,
            4.0 / 9.0,
        ),
        ("1/sqrt(x)", |x| 1.0 / x.sqrt(), (0.0, 1.0), 1e-6, 693, 2.0),
        ("|x - 0.45|^0.987654321", |x| (x - 0.45).abs().powf(0.987_654_321), (0.0, 1.0), 1e-8, 517, {
            (0.45f64.powf(1.987_654_321) + 0.55f64.powf(1.987_654_321)) / 1.987_654_321
        }),
        ("1/(1 + 25(x - 0.2)^2)", |x| 1.0 / (1.0 + 25.0 * (x - 0.2) * (x - 0.2)), (-5.0, 5.0), 1e-10, 533, {
            (24f64.atan() + 26f64.atan()) / 5.0
        }),
        (
            "a peak at pi/4",
            |x| {
                let distance = x - std::f64::consts::FRAC_PI_4;
                4f64.powi(-5) / (distance * distance + 16f64.powi(-5))
            },
            (0.0, 1.0),
            1e-8,
            683,
            {
                let at = std::f64::consts::FRAC_PI_4;
                ((1.0 - at) / peak_width).atan() + (at / peak_width).atan()
            },
        ),
    ];
    for (name, f, bounds, tol, evaluations, exact) in rows {
        let mut learner = made(bounds, tol);
        run(&mut learner, f);
        assert!(learner.npoints() <= evaluations, "{name}: {} evaluations", learner.npoints());
        assert!(learner.err() <= tol * learner.igral().abs(), "{name}: error {}", learner.err());
        let true_error = (learner.igral() - exact).abs();
        assert!(
            true_error <= learner.err() + 4.0 * f64::EPSILON * exact,
            "{name}: {true_error} but claimed {}",
            learner.err()
        );
    }
}

#[test]
fn jumps_are_integrated_with_any_number_of_points_in_flight() {
    for in_flight in [1, 2, 7, 33, 200] {
        let mut learner = made((0.0, 3.0), 1e-4);
        let mut pending: Vec<Suggestion> = learner.ask(in_flight);
        let mut choice = 12_345_u64;
        while learner.done() != Some(true) {
            // Any order; here that of a small generator.
            choice = choice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let at = (choice >> 33) as usize % pending.len();
            let x = pending.swap_remove(at).sample.point.x();
            tell(&mut learner, x, floor_exp(x));
            pending.extend(learner.ask(1));
            assert!(learner.npoints() < 20_000 + 10 * in_flight, "{in_flight} in flight: not done");
        }
        let exact = integral_of_floor_exp();
        assert!((learner.igral() - exact).abs() <= learner.err(), "{in_flight} in flight");
        assert!(learner.err() < 1e-4 * exact);
    }
}

#[test]
fn a_singularity_at_a_negative_number_comes_to_an_end_too() {
    let mut learner = made((-3.0, -1.0), 1e-9);
    run(&mut learner, |x| 1.0 / (x + 1.0).abs().sqrt());
    let exact = 2.0 * 2f64.sqrt();
    assert!((learner.igral() - exact).abs() < 1e-6 * exact, "{}", learner.igral());
    // The same from the right.
    let mut learner = made((1.0, 3.0), 1e-9);
    run(&mut learner, |x| 1.0 / (x - 1.0).abs().sqrt());
    assert!((learner.igral() - exact).abs() < 1e-6 * exact, "{}", learner.igral());
}

#[test]
fn without_a_tolerance_it_ends_where_rounding_ends_it() {
    let mut learner = made((0.0, 1.0), 0.0);
    run(&mut learner, |x| (20.0 * x).sin());
    assert!(learner.ask(1).is_empty());
    assert!((learner.igral() - (1.0 - 20f64.cos()) / 20.0).abs() < 1e-15);
}

#[test]
fn a_divergent_integral_is_found_out_with_many_points_in_flight_too() {
    for in_flight in [1, 16] {
        let mut learner = made((0.0, 1.0), 1e-6);
        while !learner.is_divergent() {
            let asked = learner.ask(in_flight);
            assert!(!asked.is_empty() && learner.npoints() < 10_000);
            for suggestion in asked.iter().rev() {
                let x = suggestion.sample.point.x();
                tell(&mut learner, x, 1.0 / x);
            }
        }
        assert!(learner.ask(1).is_empty() && learner.suggest(5).is_empty());
        assert_eq!(learner.done(), Some(false));
        assert!(learner.hopeless().unwrap().contains("[0, 1]"));
        // What was in flight is still taken, and a restart comes to the same end.
        tell(&mut learner, 0.123, 4.0);
        let npoints = learner.npoints();
        learner.remove_unfinished();
        assert_eq!((learner.npoints(), learner.npending()), (npoints, 0));
    }
}

#[test]
fn values_beyond_all_measure_end_in_no_panic() {
    let mut learner = made((-1.0, 1.0), 1e-6);
    for _ in 0..300 {
        for suggestion in learner.ask(3) {
            let x = suggestion.sample.point.x();
            tell(&mut learner, x, 1e308 * (1e3 * x).sin());
        }
    }
    assert!(learner.npoints() > 0);
}

#[test]
fn bounds_and_tolerances_that_make_no_sense_are_refused() {
    let error = |lo, hi, tol| IntegratorLearner::new((lo, hi), tol).err().unwrap();
    assert!(matches!(error(1.0, 0.0, 0.1), IntegratorError::Bounds(_)));
    assert!(matches!(error(0.0, f64::INFINITY, 0.1), IntegratorError::Bounds(_)));
    assert!(matches!(error(1.0, 1.0 + 1e-15, 0.1), IntegratorError::TooNarrow { .. }));
    assert!(matches!(error(0.0, 1.0, -0.1), IntegratorError::Tolerance { .. }));
    assert!(matches!(error(0.0, 1.0, f64::NAN), IntegratorError::Tolerance { .. }));
    assert!(IntegratorLearner::new((0.0, f64::MIN_POSITIVE), 0.1).is_ok());
}

#[test]
fn foreign_points_are_kept_without_effect() {
    let mut plain = made((0.0, 3.0), 1e-6);
    let mut fed = made((0.0, 3.0), 1e-6);
    for x in [-1.0, 7.0, 0.1234, 2.3456] {
        tell(&mut fed, x, 1e9);
        tell(&mut fed, x, 2e9);
    }
    assert!(matches!(
        fed.tell(&Sample::at(Point::new(&[1.0, 2.0])), &0.0.into()),
        Err(TellError::Foreign(_))
    ));
    let wrong = TellError::WrongShape { expected: 1, got: 2 };
    assert_eq!(fed.tell(&Sample::at(Point::scalar(1.5)), &Value::vector(&[1.0, 2.0])), Err(wrong));
    for _ in 0..500 {
        let (asked, fed_asked) = (plain.ask(1), fed.ask(1));
        assert_eq!(xs(&asked), xs(&fed_asked));
        let x = xs(&asked)[0];
        tell(&mut plain, x, floor_exp(x));
        tell(&mut fed, x, floor_exp(x));
    }
    assert_eq!((plain.igral(), plain.err()), (fed.igral(), fed.err()));
    assert_eq!(fed.npoints(), plain.npoints() + 4);
}

#[test]
fn the_values_alone_rebuild_a_run_one_by_one_at_every_moment() {
    let mut live = made((0.0, 3.0), 1e-6);
    let mut rebuilt = made((0.0, 3.0), 1e-6);
    for step in 0..3000 {
        assert_eq!(live.approximating_intervals(), rebuilt.approximating_intervals(), "step {step}");
        assert_eq!((live.igral(), live.err(), live.done()), (rebuilt.igral(), rebuilt.err(), rebuilt.done()));
        if step % 100 == 0 {
            assert_eq!(xs(&live.suggest(30)), xs(&rebuilt.suggest(30)), "step {step}");
        }
        let x = xs(&live.ask(1))[0];
        tell(&mut live, x, floor_exp(x));
        tell(&mut rebuilt, x, floor_exp(x));
    }
}

#[test]
fn the_values_of_a_run_with_many_points_in_flight_are_all_used_again() {
    for in_flight in [4, 16, 100] {
        let mut live = made((0.0, 3.0), 1e-4);
        let mut rebuilt = made((0.0, 3.0), 1e-4);
        let mut pending = live.ask(in_flight);
        while live.done() == Some(false) {
            let x = pending.remove(live.npoints() * 7 % in_flight).sample.point.x();
            tell(&mut live, x, floor_exp(x));
            tell(&mut rebuilt, x, floor_exp(x));
            pending.extend(live.ask(1));
        }
        let npoints = live.npoints();
        assert!(rebuilt.err() <= 1.5 * live.err(), "{in_flight}: {} {}", rebuilt.err(), live.err());
        run(&mut rebuilt, floor_exp);
        assert!(rebuilt.npoints() <= npoints + npoints / 20, "{in_flight}: {} {npoints}", rebuilt.npoints());
        live.remove_unfinished();
        assert_eq!(live.npoints(), npoints);
    }
}

#[test]
fn a_point_marked_as_pending_is_not_asked_until_it_is_forgotten() {
    let mut learner = made((0.0, 1.0), 1e-6);
    let next = xs(&learner.suggest(40));
    // One of the first interval, one of a later one, and a foreign one.
    for x in [next[1], next[39], 0.1234] {
        learner.tell_pending(&Sample::at(Point::scalar(x)));
    }
    assert_eq!(learner.npending(), 3);
    let asked = xs(&learner.ask(60));
    assert!(!asked.contains(&next[1]) && !asked.contains(&next[39]));
    learner.remove_unfinished();
    assert_eq!(learner.npending(), 0);
    assert_eq!(xs(&learner.ask(40)), next);
}

#[test]
fn tiny_and_huge_values_take_the_points_of_those_between() {
    let points = |scale: f64| {
        let mut learner = made((0.0, 1.0), 1e-10);
        run(&mut learner, |x| scale * (5.0 * x).exp() * (x - 0.3).abs());
        assert!(learner.err() <= 1e-10 * learner.igral(), "{scale}");
        learner.npoints()
    };
    let usual = points(1.0);
    for scale in [1e-290, 1e-170, 1e-160, 1e155, 1e200, 1e290] {
        assert_eq!(points(scale), usual, "{scale}");
    }
}

#[test]
fn four_integrals_are_balanced_until_all_are_done() {
    let functions: [fn(f64) -> f64; 4] =
        [f64::exp, floor_exp, |x| 1e6 / x.sqrt(), |x| 1e-6 / (1e-4 + (x - 1.0) * (x - 1.0))];
    for (strategy, name, _) in Strategy::ALL {
        for in_flight in [1, 8] {
            let child = || Box::new(made((0.0, 3.0), 1e-3)) as Box<dyn Learner>;
            let mut learner = BalancingLearner::new((0..4).map(|_| child()).collect(), *strategy);
            while learner.done() != Some(true) {
                for suggestion in learner.ask(in_flight) {
                    let Sample { learner: index, point, .. } = &suggestion.sample;
                    let y = functions[*index as usize](point.x());
                    learner.tell(&suggestion.sample, &y.into()).unwrap();
                }
                assert!(learner.npoints() < 200_000, "{name}, {in_flight} in flight: not done");
            }
        }
    }
}

#[test]
fn between_told_points_lines_are_drawn() {
    let mut learner = made((0.0, 1.0), 1e-6);
    let mut out = Vec::new();
    assert!(!learner.interpolate(&[0.5], &mut out));
    for (x, y) in [(0.0, 1.0), (1.0, 3.0), (0.5, 5.0), (9.0, 9.0)] {
        tell(&mut learner, x, y);
    }
    for x in [0.0, 0.25, 0.5, 0.75, 1.0, -0.1, 1.1] {
        assert!(learner.interpolate(&[x], &mut out));
    }
    assert_eq!(out[..5], [1.0, 3.0, 5.0, 4.0, 3.0]);
    assert!(out[5..].iter().all(|y| y.is_nan()));
    tell(&mut learner, 0.25, 0.0);
    learner.interpolate(&[0.25], &mut out);
    assert_eq!(out[7], 0.0);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// However values arrive, what is known of the whole is the sum over intervals that cover the domain once.
    #[test]
    fn no_point_is_outside_of_the_bounds(lo in -1e3f64..1e3, width in prop_oneof![1e-9f64..1e-3, 1e-3..1e3]) {
        let bounds = (lo, lo + width);
        let mut learner = made(bounds, 1e-12);
        for _ in 0..40 {
            for suggestion in learner.ask(33) {
                let x = suggestion.sample.point.x();
                prop_assert!((bounds.0..=bounds.1).contains(&x), "{x} of {bounds:?}");
                tell(&mut learner, x, ((x - bounds.0) / width).sqrt().floor() + (20.0 * x).sin());
            }
        }
    }

    #[test]
    fn the_intervals_always_cover_the_domain_once(
        batch in 1usize..60,
        order in prop::collection::vec(any::<prop::sample::Index>(), 400),
        frequency in 1.0f64..300.0,
    ) {
        let mut learner = made((-1.0, 2.0), 1e-9);
        let mut pending = learner.ask(batch);
        for index in order {
            let next = learner.suggest(1);
            prop_assert_eq!(&next, &learner.clone().ask(1), "without a copy, the same");
            if pending.is_empty() {
                break;
            }
            let x = pending.swap_remove(index.index(pending.len())).sample.point.x();
            tell(&mut learner, x, (frequency * x).sin() + if x > 0.7 { 1.0 } else { 0.0 });
            pending.extend(learner.ask(1));
            let intervals = learner.approximating_intervals();
            if let (Some(first), Some(last)) = (intervals.first(), intervals.last()) {
                prop_assert_eq!((first.a, last.b), (-1.0, 2.0));
                prop_assert!(intervals.windows(2).all(|pair| pair[0].b == pair[1].a));
                let sums = intervals.iter().fold((0.0, 0.0), |sums, i| (sums.0 + i.igral, sums.1 + i.err));
                prop_assert!((learner.igral() - sums.0).abs() <= 1e-12);
                prop_assert!((learner.err() - sums.1).abs() <= 1e-12 * sums.1);
            }
        }
    }
}
