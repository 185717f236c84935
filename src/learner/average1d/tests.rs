use super::*;
use crate::loss::default_interval_loss;
use crate::model::Point;

fn learner(sampling: Sampling) -> AverageLearner1D {
    AverageLearner1D::new((0.0, 1.0), default_interval_loss(), sampling).unwrap()
}

fn few(min_samples: u64) -> Sampling {
    Sampling { min_samples, ..Sampling::default() }
}

fn at(x: f64, seed: u64) -> Sample {
    Sample { learner: 0, replica: seed, point: Point::scalar(x) }
}

/// Noise that does not depend on x.
fn noise(seed: u64) -> f64 {
    ((seed + 1) as f64 * 0.618_033_988_75).fract() - 0.5
}

fn noisy(sample: &Sample) -> f64 {
    (5.0 * sample.point.x()).sin() + noise(sample.replica)
}

fn asked(learner: &mut dyn Learner, n: usize) -> Vec<Sample> {
    learner.ask(n).into_iter().map(|suggestion| suggestion.sample).collect()
}

/// Tells everything that is asked, one by one.
fn run(learner: &mut AverageLearner1D, n: usize, y: impl Fn(&Sample) -> f64) {
    for _ in 0..n {
        let sample = asked(learner, 1).remove(0);
        learner.tell(&sample, &y(&sample).into()).unwrap();
    }
}

/// How many samples of each place are among these, by the order of the places.
fn by_place(samples: &[Sample]) -> Vec<usize> {
    samples.chunk_by(|a, b| a.point == b.point).map(<[_]>::len).collect()
}

#[test]
fn another_seed_is_asked_instead_of_one_that_was_given_up() {
    let mut learner = learner(few(3));
    learner.tell(&at(1.0, 0), &0.5.into()).unwrap();
    learner.give_up(&at(1.0, 1));
    assert_eq!(asked(&mut learner, 2), [at(1.0, 2), at(1.0, 3)]);
    learner.give_up(&at(1.0, 3));
    learner.tell(&at(1.0, 2), &0.25.into()).unwrap();
    assert_eq!(asked(&mut learner, 1), [at(1.0, 4)]);
    learner.tell(&at(1.0, 4), &0.75.into()).unwrap();
    // The place has its three values.
    assert_eq!(asked(&mut learner, 1), [at(0.0, 0)]);
    assert_eq!((learner.npoints(), learner.npending()), (3, 3));
    // Values that come after all count as well.
    learner.tell(&at(1.0, 1), &0.5.into()).unwrap();
    assert_eq!(learner.points().next().unwrap().samples, 4);
    assert_eq!((learner.npoints(), learner.npending()), (4, 2));
}

#[test]
fn what_was_given_up_makes_no_mean_more_certain() {
    let mut learner = learner(few(2));
    for (x, seed) in [(0.0, 0), (0.0, 1), (1.0, 0), (1.0, 1)] {
        learner.tell(&at(x, seed), &noise(seed).into()).unwrap();
    }
    let id = learner.find(0.0).unwrap();
    let before = learner.uncertainty(id);
    (2..9).for_each(|seed| learner.tell_pending(&at(0.0, seed)));
    assert!(learner.uncertainty(id) < before);
    learner.remove_unfinished();
    learner.give_up(&at(0.0, 2));
    assert_eq!(learner.uncertainty(id), before);
}

#[test]
fn a_place_where_all_first_samples_fail_is_one_without_a_value() {
    let mut learner = learner(few(3));
    for x in [0.0, 1.0] {
        (0..3).for_each(|seed| learner.tell(&at(x, seed), &noise(seed).into()).unwrap());
    }
    (0..3).for_each(|seed| learner.tell_pending(&at(0.5, seed)));
    learner.give_up(&at(0.5, 0));
    learner.give_up(&at(0.5, 1));
    // The last one may bring a value.
    assert!(asked(&mut learner, 9).iter().all(|sample| sample.point.x() != 0.5));
    learner.remove_unfinished();
    (0..3).for_each(|seed| learner.give_up(&at(0.5, seed)));
    assert_eq!((learner.points().count(), learner.npoints(), learner.npending()), (2, 6, 3));
    assert!(learner.points().all(|place| place.mean.is_finite()));
    assert_eq!(learner.means().told().count(), 2);
    let mut copy = learner.clone();
    assert!((0..50).all(|_| asked(&mut copy, 1)[0].point.x() != 0.5));
    // A value after all: it is sampled as any other place.
    learner.tell(&at(0.5, 1), &0.25.into()).unwrap();
    assert_eq!((learner.points().count(), learner.npoints(), learner.npending()), (3, 7, 2));
    assert_eq!(asked(&mut learner, 1), [at(0.5, 3)]);
}

#[test]
fn regions_where_all_samples_fail_are_left_alone() {
    let mut learner = learner(few(3));
    let mut failed = 0;
    for _ in 0..1500 {
        let sample = asked(&mut learner, 1).remove(0);
        if (0.2..0.53).contains(&sample.point.x()) {
            failed += 1;
            learner.give_up(&sample);
        } else {
            learner.tell(&sample, &noisy(&sample).into()).unwrap();
        }
    }
    assert!(failed < 300, "{failed}");
}

#[test]
fn a_place_where_most_samples_fail_does_not_go_on_for_ever() {
    let mut learner = learner(few(5));
    let mut asked_of_it = 0;
    for _ in 0..200 {
        let sample = asked(&mut learner, 1).remove(0);
        if sample.point.x() == 0.0 && sample.replica > 0 {
            asked_of_it += 1;
            learner.give_up(&sample);
        } else {
            learner.tell(&sample, &noisy(&sample).into()).unwrap();
        }
    }
    assert_eq!(asked_of_it, 5);
}

#[test]
fn scaled_distances_do_not_depend_on_units() {
    let sampling = Sampling { scaled_distances: true, ..few(4) };
    let (width, height) = (1024.0, 4096.0);
    let mut here = learner(sampling);
    let mut there = AverageLearner1D::new((0.0, width), default_interval_loss(), sampling).unwrap();
    for _ in 0..600 {
        let (sample, scaled) = (asked(&mut here, 1).remove(0), asked(&mut there, 1).remove(0));
        assert_eq!((sample.point.x() * width, sample.replica), (scaled.point.x(), scaled.replica));
        let y = (5.0 * sample.point.x()).sin() + 0.1 * noise(sample.replica);
        here.tell(&sample, &y.into()).unwrap();
        there.tell(&scaled, &(height * y).into()).unwrap();
    }
    // Neither rule alone decided.
    let places = here.points().count();
    assert!(places > 8 && 4 * places < 500, "{places}");
}

#[test]
fn ranks_are_of_the_scale_of_now() {
    let mut learner = learner(Sampling { scaled_distances: true, ..few(4) });
    let mut rescaled_many = 0;
    // The range grows all the time.
    for round in 0..300 {
        let (before, ranked) = (learner.scale(), learner.uncertain.descending().count());
        let y = |sample: &Sample| (5.0 * sample.point.x()).sin() + 0.1 * noise(sample.replica);
        run(&mut learner, 1, |sample| (1.0 + 0.01 * f64::from(round)) * y(sample));
        // More than a place and its neighbours.
        rescaled_many += usize::from(learner.scale() != before && ranked > 3);
        for id in learner.told() {
            let rank = learner.uncertain.descending().find(|(_, other)| *other == id).map(|(key, _)| key.0);
            assert_eq!(rank, learner.uncertainty(id).map(crate::learner::heap::ordered_bits));
        }
    }
    assert!(rescaled_many > 3, "{rescaled_many}");
}

#[test]
fn in_parallel_a_new_place_gets_its_share_and_no_more() {
    let (mut alone, mut parallel) = (learner(few(50)), learner(few(50)));
    parallel.work_in_parallel();
    assert_eq!(by_place(&asked(&mut alone, 512)), [512]);
    assert_eq!(parallel.suggest(512), parallel.clone().ask(512));
    let samples = asked(&mut parallel, 512);
    assert_eq!(by_place(&samples), [[50; 10].to_vec(), vec![12]].concat());
    // A place that has a value gets what it lacks, in parts.
    parallel.remove_unfinished();
    samples[..30].iter().for_each(|sample| parallel.tell(sample, &noisy(sample).into()).unwrap());
    assert_eq!(by_place(&asked(&mut parallel, 100)), [20, 50, 30]);
    let new = parallel.new_empty().ask(100).into_iter().map(|suggestion| suggestion.sample);
    assert_eq!(by_place(&new.collect::<Vec<_>>()), [50, 50]);
}

#[test]
fn in_parallel_an_uncertain_place_gets_what_makes_it_certain() {
    let mut learner = learner(few(4));
    run(&mut learner, 200, |sample| 0.1 * noisy(sample));
    let (mut alone, mut parallel) = (learner.clone(), learner);
    parallel.work_in_parallel();
    assert_eq!(by_place(&asked(&mut alone, 2000)).len(), 1);
    let before = parallel.points().map(|place| place.x).collect::<Vec<_>>();
    let samples = asked(&mut parallel, 2000);
    let known = samples.iter().filter(|sample| before.contains(&sample.point.x())).count();
    assert!(by_place(&samples).len() > 10 && known > 0, "{:?}", by_place(&samples));
    let uncertain = |id: u32| parallel.uncertainty(id).is_some_and(|ratio| ratio > 0.2);
    assert!(!parallel.told().into_iter().any(uncertain));
}

#[test]
fn in_parallel_one_sample_does_not_call_for_all_the_others() {
    let mut learner = learner(few(1));
    learner.work_in_parallel();
    for x in [0.0, 1.0] {
        learner.tell(&at(x, 0), &x.into()).unwrap();
    }
    let share = by_place(&asked(&mut learner, 12));
    assert!(share.len() == 12, "{share:?}");
}
