use super::*;

#[test]
fn every_builtin_has_a_value_in_its_domain() {
    for builtin in BUILTINS {
        let n = if let Dimension::Exactly(n) = builtin.dimension { n } else { 3 };
        let (low, high) = builtin.domain;
        let point: Vec<f64> = (0..n).map(|i| low + (high - low) * (0.6 + 0.1 * i as f64)).collect();
        match builtin.at(&point) {
            Ok(value) => assert!(value.is_finite(), "{}", builtin.name),
            Err(failure) => assert_eq!(builtin.name, "fail", "{failure}"),
        }
    }
}

#[test]
fn builtins_are_what_their_formulas_say() {
    let y = |name: &str, x: &[f64]| Builtin::find(name).unwrap().at(x).unwrap().y();
    assert_eq!(y("peak", &[0.0]), 1.0);
    assert_eq!(y("runge", &[0.2]), 0.5);
    assert_eq!(y("step", &[0.0]), 1.0);
    assert_eq!(y("ring_2d", &[0.75, 0.0]), 1.75);
    assert_eq!(y("sphere_3d", &[0.0, 0.0, 0.75]), 1.5625);
    assert_eq!(y("rosenbrock", &[1.0, 1.0, 1.0]), 0.0);
    assert_eq!(y("genz_gaussian", &[0.5; 4]), 1.0);
    assert_eq!(y("genz_discontinuous", &[0.6, 0.0]), 0.0);
    assert!(y("nan_band", &[0.05]).is_nan());
}

#[test]
fn noise_is_normal_and_only_point_and_seed_decide_it() {
    let builtin = Builtin::find("noise").unwrap();
    let draw = |seed| builtin.compute(&Arguments { x: &[], p: &[0.0, 1.0], seed }).unwrap().y();
    assert_eq!(draw(5), draw(5));
    let n = 20_000;
    let draws: Vec<f64> = (0..n).map(draw).collect();
    let mean = draws.iter().sum::<f64>() / n as f64;
    let variance = draws.iter().map(|y| (y - mean).powi(2)).sum::<f64>() / n as f64;
    assert!(mean.abs() < 0.03 && (variance - 1.0).abs() < 0.05, "mean {mean}, variance {variance}");
}

#[test]
fn a_time_that_nobody_can_sleep_is_the_fault_of_its_parameters() {
    let sleep = Builtin::find("sleep").unwrap();
    let failure = sleep.compute(&Arguments { x: &[0.0], p: &[-1.0, 0.0], seed: 0 }).unwrap_err();
    assert_eq!(failure.kind, FailureKind::Error);
}

#[test]
fn a_point_of_the_wrong_dimension_is_a_failure() {
    assert_eq!(Builtin::find("ring_2d").unwrap().at(&[1.0]).unwrap_err().kind, FailureKind::Setup);
}
