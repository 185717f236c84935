//! What does not belong to a learner: wrong shapes, foreign points, wrong settings.

use crate::{curved, list, loss_settings, same, settings};
use adaptive_mpi::learner::{self, Learner, Loss, TellError};
use adaptive_mpi::model::settings::{SettingValue, Table};
use adaptive_mpi::model::{Point, Sample, Value};

#[test]
fn wrong_shapes_and_foreign_points_are_refused_without_effect() {
    let mut learner = curved((-1.0, 1.0));
    let at = |x: f64| Sample::at(Point::scalar(x));
    assert_eq!(
        learner.tell(&at(0.0), &Value::vector(&[])),
        Err(TellError::WrongShape { expected: 1, got: 0 })
    );
    learner.tell(&at(0.0), &Value::vector(&[1.0, 2.0])).unwrap();
    let before = learner.suggest(4);
    let wrong = TellError::WrongShape { expected: 2, got: 1 };
    assert_eq!(learner.tell(&at(0.5), &Value::scalar(1.0)), Err(wrong.clone()));
    assert_eq!(learner.tell(&at(5.0), &Value::scalar(1.0)), Err(wrong.clone()));
    let many = [0.1, 0.2, 0.3].map(|x| (at(x), Value::scalar(1.0)));
    assert_eq!(learner.tell_many(&many), Err(wrong));
    for x in [f64::NAN, f64::INFINITY] {
        assert!(matches!(learner.tell(&at(x), &Value::vector(&[1.0, 2.0])), Err(TellError::Foreign(_))));
        learner.tell_pending(&at(x));
    }
    let plane = Sample::at(Point::new(&[0.0, 0.1]));
    assert!(matches!(learner.tell(&plane, &Value::vector(&[1.0, 2.0])), Err(TellError::Foreign(_))));
    assert_eq!((learner.npoints(), learner.npending()), (1, 0));
    assert!(same(&before, &learner.suggest(4)));
}

#[test]
fn a_value_without_the_component_of_the_loss_is_refused() {
    let at = |kind: &str| match kind {
        "2d" | "nd" => Sample::at(Point::new(&[0.25, 0.125])),
        _ => Sample::at(Point::scalar(0.25)),
    };
    let kinds =
        [("1d", "level"), ("1d", "thresholded"), ("2d", "level"), ("nd", "level"), ("nd", "thresholded")];
    for (kind, loss) in kinds.into_iter().chain([("average1d", "level")]) {
        let SettingValue::Table(loss) = loss_settings(loss) else { unreachable!() };
        let loss = SettingValue::Table(loss.with("component", SettingValue::Integer(1)));
        let mut learner = learner::from_settings(&settings(kind).with("loss", loss)).unwrap();
        let refused = learner.tell(&at(kind), &0.5.into()).unwrap_err();
        let many = [0.1, 0.2, 0.3].map(|y| (at(kind), Value::scalar(y)));
        assert_eq!(learner.tell_many(&many), Err(refused.clone()), "{kind}");
        assert!(
            matches!(&refused, TellError::Unusable(why) if why.contains("component 1, counted from 0, but it has"))
        );
        assert_eq!(learner.npoints(), 0, "{kind}");
        if kind != "average1d" {
            learner.tell(&at(kind), &Value::vector(&[0.5, 0.5])).unwrap();
            assert_eq!(learner.npoints(), 1, "{kind}");
        }
    }
}

#[test]
fn minus_zero_is_zero() {
    let mut learner = curved((-0.0, 1.0));
    learner.tell(&Sample::at(Point::scalar(-0.0)), &1.0.into()).unwrap();
    learner.tell(&Sample::at(Point::scalar(0.0)), &2.0.into()).unwrap();
    assert_eq!(learner.npoints(), 1);
    assert_eq!(learner.ask(1)[0].sample.point.x(), 1.0);
    assert!(!learner.loss(Loss::Real).is_nan());
}

#[test]
fn points_outside_of_the_bounds_are_counted_and_otherwise_without_effect() {
    let told: Vec<_> = [-1.0, 0.3, 1.0].map(|x| (Sample::at(Point::scalar(x)), Value::scalar(x))).into();
    let outside: Vec<_> = [-7.0, 9.0].map(|x| (Sample::at(Point::scalar(x)), Value::scalar(1e6 * x))).into();
    let mut plain = curved((-1.0, 1.0));
    plain.tell_many(&told).unwrap();
    let mut bulk = curved((-1.0, 1.0));
    bulk.tell_pending(&outside[0].0);
    assert_eq!(bulk.npending(), 1);
    bulk.tell_many(&[outside.clone(), told.clone()].concat()).unwrap();
    let mut single = curved((-1.0, 1.0));
    for (sample, value) in told.iter().chain(&outside).chain(&outside) {
        single.tell(sample, value).unwrap();
    }
    for learner in [&mut bulk, &mut single] {
        assert_eq!((learner.npoints(), learner.npending()), (5, 0));
        assert_eq!(learner.intervals(Loss::Real), plain.intervals(Loss::Real));
        assert!(same(&learner.suggest(5), &plain.suggest(5)));
    }
}

#[test]
fn a_study_is_told_what_is_wrong_with_its_learner() {
    let bad = |table: Table| learner::from_settings(&table).err().unwrap();
    let text = |text: &str| SettingValue::Text(text.into());
    assert!(bad(Table::new("learner")).help.starts_with("known: 1d, "));
    assert_eq!(bad(Table::new("learner").with("type", text("sequense"))).help, "did you mean `sequence`?");
    assert_eq!(bad(settings("1d").with("los", text("default"))).help, "did you mean `loss`?");
    let bounds =
        |numbers: &[f64]| Table::new("learner").with("type", text("1d")).with("bounds", list(numbers));
    assert_eq!(
        bad(bounds(&[1.0, -1.0])).message,
        "bounds should be two finite numbers, the smaller one first, but are [1, -1]"
    );
    assert_eq!(bad(bounds(&[1.0])).message, "`learner.bounds` should be two numbers");
    assert!(bad(bounds(&[0.0, f64::INFINITY])).message.contains("finite"));
    assert_eq!(bad(Table::new("learner").with("type", text("1d"))).message, "`learner.bounds` is missing");
}
