use super::*;
use crate::learner::Loss;
use crate::loss::simplex::{Curvature, GraphVolume, Triangle, Uniform};
use crate::model::Value;

fn at(x: &[f64]) -> Sample {
    Sample::at(Point::new(x))
}

fn plane(bounds: &[(f64, f64)]) -> LearnerNd<2> {
    LearnerNd::cuboid(bounds, Options { loss: upstream(), ..Options::default() }).unwrap()
}

fn upstream() -> Arc<dyn SimplexLoss> {
    Arc::new(GraphVolume)
}

const SQUARE: [(f64, f64); 2] = [(-1.0, 1.0), (-1.0, 1.0)];

fn ring(x: &[f64]) -> f64 {
    let q = x.iter().map(|x| x * x).sum::<f64>() - 0.5;
    x[0] + (-q * q / 0.01).exp()
}

fn run<const D: usize>(learner: &mut LearnerNd<D>, n: usize, batch: usize, f: impl Fn(&[f64]) -> f64) {
    while learner.npoints() < n {
        let asked = learner.ask(batch);
        assert_eq!(asked.len(), batch);
        for suggestion in asked {
            learner.tell(&suggestion.sample, &f(&suggestion.sample.point).into()).unwrap();
        }
    }
}

/// Volumes of all simplices together, in scaled coordinates.
fn covered<const D: usize>(learner: &LearnerNd<D>) -> f64 {
    let triangulation = learner.mesh.as_ref().unwrap().triangulation();
    triangulation.simplices().map(|id| triangulation.volume(id)).sum()
}

#[test]
fn ranges_of_any_size_stand_beside_each_other() {
    // Upstream fails on all of these (its defect D6).
    fn scaled_points<const D: usize>(widths: [f64; D]) -> Vec<Vec<f64>> {
        let bounds: Vec<(f64, f64)> = widths.iter().map(|width| (0.0, *width)).collect();
        let mut learner = LearnerNd::<D>::cuboid(&bounds, Options::default()).unwrap();
        let unit = |x: &[f64]| x.iter().zip(widths).map(|(x, width)| x / width).collect::<Vec<f64>>();
        run(&mut learner, 100, 1, |x| ring(&unit(x)));
        assert!((covered(&learner) - 1.0).abs() < 1e-9);
        learner.told().map(|(point, _)| unit(point)).collect()
    }
    // Powers of two change no digit.
    assert_eq!(scaled_points([1.0, 1.0]), scaled_points([2f64.powi(30), 2f64.powi(-40)]));
    assert_eq!(scaled_points([1.0; 3]), scaled_points([2f64.powi(-20), 2f64.powi(13), 2f64.powi(-300)]));
    for (width, thin) in [(1.0, 1e-9), (1e-12, 1e-12), (1e300, 1e-300)] {
        scaled_points([width, thin]);
    }
    scaled_points([1e4, 1.0, 1e-4]);
    scaled_points([1e-6; 5]);
}

#[test]
fn values_of_any_size_give_the_same_points() {
    for loss in [upstream(), Arc::new(Curvature::default()) as Arc<dyn SimplexLoss>] {
        let points = |factor: f64| {
            let options = Options { loss: loss.clone(), ..Options::default() };
            let mut learner = LearnerNd::<2>::cuboid(&SQUARE, options).unwrap();
            run(&mut learner, 150, 1, |x| factor * ring(x));
            learner.told().map(|(point, _)| *point).collect::<Vec<_>>()
        };
        // Powers of two change no digit.
        assert_eq!(points(1.0), points(2f64.powi(-40)));
        assert_eq!(points(1.0), points(2f64.powi(60)));
    }
}

#[test]
fn a_constant_function_is_sampled_evenly() {
    let mut learner = plane(&SQUARE);
    run(&mut learner, 200, 1, |_| 3.0);
    let losses: Vec<f64> = learner.simplices().map(|(_, loss)| loss).collect();
    let largest = losses.iter().copied().fold(0.0, f64::max);
    assert_eq!(learner.loss(Loss::Real), largest);
    assert!(largest < 4.0 / 300.0, "{largest}");
}

#[test]
fn regions_without_values_are_split_by_volume_and_break_nothing() {
    for hole in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        // The curvature loss falls slower than the volume, so it leaves the hole alone for longer.
        for (loss, fewest) in [(upstream(), 20), (Arc::new(Curvature::default()) as _, 4)] {
            let mut learner =
                LearnerNd::<2>::cuboid(&SQUARE, Options { loss, ..Options::default() }).unwrap();
            run(&mut learner, 300, 3, |x| if x[0] > 0.2 { hole } else { ring(x) });
            let inside = learner.told().filter(|(point, _)| point[0] > 0.3).count();
            assert!((fewest..200).contains(&inside), "{hole}: {inside} of 300");
            assert!((covered(&learner) - 1.0).abs() < 1e-12);
        }
    }
    let mut learner = plane(&SQUARE);
    run(&mut learner, 100, 1, |_| f64::NAN);
    assert!(learner.loss(Loss::Real).is_nan() && learner.loss(Loss::Expected).is_nan());
}

#[test]
fn vectors_of_many_components_are_learned() {
    let options = Options { anisotropic: true, ..Options::default() };
    let mut learner = LearnerNd::<3>::cuboid(&[(-1.0, 1.0), (0.0, 5.0), (-3.0, 0.0)], options).unwrap();
    while learner.npoints() < 150 {
        for suggestion in learner.ask(2) {
            let x = &suggestion.sample.point;
            let y: Vec<f64> = (0..40).map(|i| (f64::from(i) * x[0]).sin() + x[1] * x[2]).collect();
            learner.tell(&suggestion.sample, &Value::vector(&y)).unwrap();
        }
    }
    assert!((covered(&learner) - 1.0).abs() < 1e-9);
    assert_eq!(learner.told().next().map(|(_, value)| value.len()), Some(40));
}

#[test]
fn points_outside_are_kept_without_effect() {
    let (mut plain, mut learner) = (plane(&SQUARE), plane(&SQUARE));
    learner.tell_pending(&at(&[5.0, 0.0]));
    assert_eq!((learner.npoints(), learner.npending()), (0, 1));
    learner.tell(&at(&[5.0, 0.0]), &1e9.into()).unwrap();
    run(&mut plain, 30, 1, ring);
    run(&mut learner, 31, 1, ring);
    assert_eq!(learner.aside().collect::<Vec<_>>(), [(&[5.0, 0.0], &[1e9][..])]);
    assert_eq!(learner.suggest(3), plain.suggest(3));
    learner.tell(&at(&[-7.0, 0.0]), &1e9.into()).unwrap();
    assert_eq!((learner.npoints(), learner.npending()), (32, 0));
    assert_eq!(learner.suggest(3), plain.suggest(3));
}

#[test]
fn wrong_shapes_and_foreign_points_are_refused_without_effect() {
    let mut learner = plane(&SQUARE);
    assert_eq!(
        learner.tell(&at(&[0.0, 0.0]), &Value::vector(&[])),
        Err(TellError::WrongShape { expected: 1, got: 0 })
    );
    learner.tell(&at(&[0.0, 0.0]), &Value::vector(&[1.0, 2.0])).unwrap();
    let wrong = Err(TellError::WrongShape { expected: 2, got: 1 });
    assert_eq!(learner.tell(&at(&[0.5, 0.0]), &1.0.into()), wrong);
    assert_eq!(learner.tell(&at(&[5.0, 0.0]), &1.0.into()), wrong);
    for foreign in [&[0.5][..], &[0.0, 0.1, 0.2], &[f64::NAN, 0.0], &[0.0, f64::INFINITY]] {
        let value = Value::vector(&[1.0, 2.0]);
        assert!(matches!(learner.tell(&at(foreign), &value), Err(TellError::Foreign(_))), "{foreign:?}");
        learner.tell_pending(&at(foreign));
    }
    assert_eq!((learner.npoints(), learner.npending()), (1, 0));
}

#[test]
fn points_that_scaling_makes_one_are_told_and_used_once() {
    // In units of the width these two are the same number.
    let mut learner = plane(&[(0.0, 1.0), (-1e16, 1e16)]);
    let twins = [[0.5, 0.0], [0.5, 0.3]];
    for twin in twins {
        learner.tell(&at(&twin), &1.0.into()).unwrap();
    }
    run(&mut learner, 60, 1, |x| x[0]);
    assert_eq!(learner.aside().count(), 1);
    learner.tell(&at(&[0.5, 0.4]), &1.0.into()).unwrap();
    assert_eq!((learner.aside().count(), learner.npoints()), (2, 61));
    assert!((covered(&learner) - 1.0).abs() < 1e-12);
}

#[test]
fn told_points_on_a_line_wait_for_one_beside_it() {
    let mut learner = plane(&SQUARE);
    for i in 0..20 {
        let x = f64::from(i) / 20.0;
        learner.tell(&at(&[x, 0.5 * x]), &x.into()).unwrap();
    }
    assert_eq!((learner.loss(Loss::Real), learner.simplices().count()), (f64::INFINITY, 0));
    let mut out = Vec::new();
    assert!(!learner.interpolate(&[0.1, 0.1], &mut out));
    learner.tell(&at(&[1.0, -1.0]), &0.0.into()).unwrap();
    assert!(learner.loss(Loss::Real).is_finite());
    run(&mut learner, 40, 1, ring);
    assert!((covered(&learner) - 1.0).abs() < 1e-9);
}

#[test]
fn many_points_can_be_asked_before_any_value_is_there() {
    let mut learner = plane(&SQUARE);
    let asked = learner.ask(50);
    assert!(asked.iter().all(|suggestion| suggestion.loss_improvement == f64::INFINITY));
    let corners: Vec<&[f64]> = asked[..4].iter().map(|suggestion| &*suggestion.sample.point).collect();
    assert_eq!(corners, [[-1.0, -1.0], [-1.0, 1.0], [1.0, -1.0], [1.0, 1.0]]);
    // After pending points were forgotten, the same ones come again.
    learner.remove_unfinished();
    assert_eq!(learner.ask(50), asked);
    for suggestion in asked.iter().rev() {
        learner.tell(&suggestion.sample, &ring(&suggestion.sample.point).into()).unwrap();
    }
    assert!((covered(&learner) - 1.0).abs() < 1e-12);
    assert_eq!(learner.npending(), 0);
}

#[test]
fn pending_points_lower_the_expected_loss_only() {
    let mut learner = plane(&SQUARE);
    run(&mut learner, 50, 1, ring);
    let before = learner.loss(Loss::Real);
    assert_eq!(learner.loss(Loss::Expected), before);
    let asked = learner.ask(200);
    assert_eq!(learner.loss(Loss::Real), before);
    assert!(learner.loss(Loss::Expected) < 0.5 * before);
    // Improvements fall, but for losses that are equal up to rounding.
    assert!(asked.windows(2).all(|pair| pair[1].loss_improvement < pair[0].loss_improvement + 1e-8));
    assert_eq!(asked[0].loss_improvement, before);
    learner.remove_unfinished();
    assert_eq!(learner.loss(Loss::Expected), before);
    assert_eq!(learner.ask(200), asked);
}

#[test]
fn slanted_faces_of_a_hull_far_from_the_origin_have_no_slivers() {
    // Where coordinates are large, the middle of a slanted edge is off it by their rounding.
    fn check<const D: usize>(corners: &[[f64; D]], loss: &Arc<dyn SimplexLoss>, offsets: &[f64]) {
        let sampled = |offset: f64| {
            let moved: Vec<Vec<f64>> =
                corners.iter().map(|corner| corner.iter().map(|x| x + offset).collect()).collect();
            let options = Options { loss: loss.clone(), ..Options::default() };
            let mut learner = LearnerNd::<D>::hull(&moved, options).unwrap();
            run(&mut learner, 300, 1, |x| (3.0 * (x[0] - offset)).sin() * (4.0 * (x[1] - offset)).cos());
            let triangulation = learner.mesh.as_ref().unwrap().triangulation();
            let volumes = triangulation.simplices().map(|id| triangulation.volume(id));
            let least = volumes.fold(f64::INFINITY, f64::min);
            assert!(least > 1e-3 * covered(&learner) / triangulation.len() as f64, "{offset}: {least}");
            learner.loss(Loss::Real)
        };
        let at_the_origin = sampled(0.0);
        for &offset in offsets {
            let loss = sampled(offset);
            assert!((loss / at_the_origin - 1.0).abs() < 0.3, "{offset}: {loss} and {at_the_origin}");
        }
    }
    let losses = [upstream(), Arc::new(Triangle) as Arc<dyn SimplexLoss>, Options::default().loss];
    for loss in &losses {
        check(&[[0.0, 0.0], [1.0, 0.3], [0.2, 0.9]], loss, &[10.0, -100.0, 1e4, 1e5]);
        let corners = [[0.0, 0.0, 0.1], [1.0, 0.3, 0.0], [0.2, 0.9, 0.2], [0.4, 0.3, 1.0]];
        check(&corners, loss, &[10.0, -100.0, 1e4]);
    }
}

#[test]
fn a_hull_is_filled_and_never_left() {
    let corners = [[0.0, -1.0], [0.95, -0.3], [0.6, 0.8], [-0.6, 0.8], [-0.95, -0.3], [0.1, 0.1]];
    let corners: Vec<Vec<f64>> = corners.iter().map(|point| point.to_vec()).collect();
    let options = Options { loss: Arc::new(Uniform), ..Options::default() };
    let mut learner = LearnerNd::<2>::hull(&corners, options).unwrap();
    assert_eq!(learner.corners().len(), 5);
    run(&mut learner, 500, 4, ring);
    assert_eq!(learner.aside().count(), 0);
    // The area of the pentagon over that of its box.
    let area = 0.5
        * (0..5)
            .map(|i| (&corners[i], &corners[(i + 1) % 5]))
            .map(|(a, b)| a[0] * b[1] - a[1] * b[0])
            .sum::<f64>();
    assert!((covered(&learner) - area / (1.9 * 1.8)).abs() < 1e-9);
}

#[test]
fn the_interpolant_meets_the_told_values_and_is_linear_between() {
    let mut learner =
        LearnerNd::<3>::cuboid(&[(-1.0, 1.0), (0.0, 1e-6), (5.0, 9.0)], Options::default()).unwrap();
    let f = |x: &[f64]| 2.0 * x[0] - 3e6 * x[1] + 0.5 * x[2];
    run(&mut learner, 80, 2, f);
    let mut out = Vec::new();
    let points: Vec<[f64; 3]> = learner.told().map(|(point, _)| *point).collect();
    for point in points.iter().chain(&[[0.1, 0.3e-6, 6.0], [-0.9, 0.99e-6, 8.7]]) {
        out.clear();
        assert!(learner.interpolate(point, &mut out));
        assert!((out[0] - f(point)).abs() < 1e-9, "{point:?}");
    }
    out.clear();
    assert!(learner.interpolate(&[2.0, 0.0, 6.0], &mut out));
    assert!(out[0].is_nan());
}

#[test]
fn a_domain_of_few_floating_point_numbers_runs_out() {
    let above = |ulps: u64| f64::from_bits(1f64.to_bits() + ulps);
    let mut learner = plane(&[(1.0, above(4)), (1.0, above(4))]);
    let mut seen = std::collections::BTreeSet::new();
    loop {
        let asked = learner.ask(3);
        for suggestion in &asked {
            let point = &suggestion.sample.point;
            assert!(seen.insert((point[0].to_bits(), point[1].to_bits())), "{point:?} was asked before");
            learner.tell(&suggestion.sample, &0.5.into()).unwrap();
        }
        if asked.len() < 3 {
            break;
        }
    }
    assert!(seen.len() > 10 && seen.len() <= 25, "{}", seen.len());
    assert!(learner.ask(1).is_empty() && learner.suggest(1).is_empty());
}

#[test]
fn minus_zero_is_zero() {
    let mut learner = plane(&[(-0.0, 1.0), (0.0, 1.0)]);
    learner.tell(&at(&[-0.0, 0.0]), &1.0.into()).unwrap();
    learner.tell(&at(&[0.0, -0.0]), &2.0.into()).unwrap();
    assert_eq!(learner.npoints(), 1);
    assert_eq!(&*learner.ask(1)[0].sample.point, [0.0, 1.0]);
}

#[test]
fn eight_dimensions_work() {
    let mut learner = LearnerNd::<8>::cuboid(&[(0.0, 1.0); 8], Options::default()).unwrap();
    let asked = learner.ask(300);
    assert_eq!(asked.iter().filter(|s| s.sample.point.iter().all(|x| *x == 0.0 || *x == 1.0)).count(), 256);
    for suggestion in &asked[..12] {
        learner.tell(&suggestion.sample, &ring(&suggestion.sample.point).into()).unwrap();
    }
    assert_eq!(learner.npending(), 288);
    assert!(matches!(cuboid(&[(0.0, 1.0)], Options::default()), Err(DomainError::Dimension { got: 1 })));
    assert!(matches!(hull(&[vec![0.0; 9]], Options::default()), Err(DomainError::Dimension { got: 9 })));
}

#[test]
fn simplices_above_a_largest_size_come_first_and_are_not_split_by_pending_points_again_and_again() {
    use crate::loss::simplex::Resolution;
    let loss = Resolution { min_distance: 0.0, max_distance: 0.15, base: Default::default() };
    let mut learner =
        LearnerNd::<2>::cuboid(&SQUARE, Options { loss: Arc::new(loss), ..Options::default() }).unwrap();
    let peak = |x: &[f64]| 1.0 / (1e-4 + x[0] * x[0] + x[1] * x[1]);
    while learner.loss(Loss::Real) == f64::INFINITY {
        let more = learner.npoints() + 16;
        run(&mut learner, more, 16, peak);
    }
    // 45 triangles would do, if all were as large as they may be.
    assert!(learner.npoints() < 130, "{}", learner.npoints());
    run(&mut learner, 300, 1, peak);
    let near = learner.told().filter(|(x, _)| x[0].abs() < 0.1 && x[1].abs() < 0.1).count();
    assert!(near > 100, "after that, points go where they are needed: {near}");
}

#[test]
fn values_beyond_a_threshold_get_fewer_points() {
    use crate::loss::Thresholded;
    let loss = Thresholded {
        lower_threshold: 0.0,
        upper_threshold: f64::INFINITY,
        priority_factor: 0.1,
        component: 0,
        base: crate::loss::simplex::InterpolationError::default(),
    };
    let mut learner =
        LearnerNd::<2>::cuboid(&SQUARE, Options { loss: Arc::new(loss), ..Options::default() }).unwrap();
    run(&mut learner, 400, 1, |x| (4.0 * x[0]).sin() * (3.0 * x[1]).cos());
    let below = learner.told().filter(|(_, y)| y[0] < 0.0).count();
    assert!((40..160).contains(&below), "{below} of 400");
}
