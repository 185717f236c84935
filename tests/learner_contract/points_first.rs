//! Points that are given, to be asked before all others.

use crate::curved;
use adaptive_mpi::learner::{Learner, Learner2D, PointsFirst, Suggestion, learner_nd};
use adaptive_mpi::loss;
use adaptive_mpi::model::{Point, Sample};

#[test]
fn given_points_come_first_and_again_after_they_were_forgotten() {
    let points = |xs: &[f64]| xs.iter().map(|x| Point::scalar(*x)).collect::<Vec<_>>();
    let first = |xs: &[f64]| PointsFirst::new(Box::new(curved((-1.0, 1.0))), points(xs));
    let mut learner = first(&[0.3, -1.0, 0.3, 0.7]).unwrap();
    learner.tell(&Sample::at(Point::scalar(0.7)), &1.0.into()).unwrap();
    let xs = |asked: &[Suggestion]| asked.iter().map(|s| s.sample.point.x()).collect::<Vec<_>>();
    assert_eq!(xs(&learner.ask(1)), [0.3]);
    assert_eq!(xs(&learner.ask(3))[..2], [-1.0, 1.0]);
    learner.remove_unfinished();
    assert_eq!(xs(&learner.ask(2)), [0.3, -1.0]);
    assert_eq!(xs(&learner.new_empty().ask(3)), [0.3, -1.0, 0.7]);
    let error = first(&[0.0, 2.0]).err().unwrap();
    assert_eq!((error.index, error.to_string()), (1, "x = 2 is not a number from -1 to 1".to_owned()));
}

#[test]
fn points_that_no_learner_of_several_coordinates_could_ask_are_not_given() {
    let hull = [vec![0.0, 0.0], vec![3.0, 0.0], vec![0.0, 3.0]];
    let plane = Learner2D::new([(0.0, 3.0), (0.0, 3.0)], loss::triangle::default_triangle_loss()).unwrap();
    let whole = learner_nd::Options { integer: vec![false, true], ..Default::default() };
    let learners: [(Box<dyn Learner>, &[f64], &str); 5] = [
        (plane.boxed_clone(), &[1.0, 3.5], "y = 3.5 is not a number from 0 to 3"),
        (plane.boxed_clone(), &[1.0], "it has 1 coordinates instead of 2"),
        (plane.boxed_clone(), &[1.0, f64::NAN], "y = NaN is not a number from 0 to 3"),
        (
            learner_nd::hull(&hull, Default::default()).unwrap(),
            &[2.0, 2.5],
            "[2.0, 2.5] lies outside of the hull",
        ),
        (
            learner_nd::cuboid(&[(0.0, 3.0); 2], whole).unwrap(),
            &[1.5, 1.5],
            "y = 1.5 is not a whole number from 0 to 3",
        ),
    ];
    for (learner, point, message) in learners {
        let error = PointsFirst::new(learner, vec![Point::new(point)]).err().unwrap();
        assert_eq!(error.to_string(), message);
    }
}
