use super::*;

fn run(learner: &mut IntegratorLearner, f: impl Fn(f64) -> f64) {
    for _ in 0..100_000 {
        if learner.done() == Some(true) || learner.is_divergent() {
            return;
        }
        for suggestion in learner.ask(1) {
            let y = f(suggestion.sample.point.x());
            learner.tell(&suggestion.sample, &y.into()).unwrap();
        }
    }
    panic!("not done");
}

#[test]
fn a_smooth_function_is_done_with_the_first_two_rules() {
    let mut learner = IntegratorLearner::new((0.0, 1.0), 1e-10).unwrap();
    run(&mut learner, f64::exp);
    assert_eq!(learner.npoints(), 33);
    assert!((learner.igral() - 1f64.exp_m1()).abs() < 1e-15);
}
