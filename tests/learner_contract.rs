//! What every learner promises, whatever its kind: properties over the registry and over balancing learners.

#![expect(clippy::unwrap_used, reason = "a test may panic, in its own functions too")]

use adaptive_mpi::learner::{
    self, BalancingLearner, LEARNERS, Learner, Learner1D, Learner2D, Loss, PointsFirst, SequenceLearner,
    Strategy, Suggestion, TellError, learner_nd,
};
use adaptive_mpi::loss::simplex::SIMPLEX_LOSSES;
use adaptive_mpi::loss::triangle::TRIANGLE_LOSSES;
use adaptive_mpi::loss::{self, Curvature, INTERVAL_LOSSES, IntervalLoss};
use adaptive_mpi::model::settings::{Setting, SettingValue, Table};
use adaptive_mpi::model::{Point, Sample, Value};
use proptest::prelude::*;
use proptest::strategy::Strategy as _;
use std::collections::BTreeSet;
use std::sync::Arc;

fn list(numbers: &[f64]) -> SettingValue {
    let item = |x: &f64| Setting { value: SettingValue::Float(*x), span: 0..0 };
    SettingValue::List(numbers.iter().map(item).collect())
}

fn lists<const N: usize>(rows: &[[f64; N]]) -> SettingValue {
    let row = |row: &[f64; N]| Setting { value: list(row), span: 0..0 };
    SettingValue::List(rows.iter().map(row).collect())
}

/// Settings of a learner of each registered kind; for a new kind, add its own here.
fn settings(kind: &str) -> Table {
    let table = Table::new("learner").with("type", SettingValue::Text(kind.into()));
    match kind {
        "1d" => table.with("bounds", list(&[-1.0, 1.5])),
        "integrator" => table.with("bounds", list(&[-1.0, 1.5])).with("tol", SettingValue::Float(1e-9)),
        "2d" => {
            let pair = |lo, hi| Setting { value: list(&[lo, hi]), span: 0..0 };
            table.with("bounds", SettingValue::List(vec![pair(-1.0, 1.5), pair(0.0, 0.5)]))
        }
        "nd" => table.with("bounds", lists(&[[-1.0, 1.5], [0.0, 2.0]])),
        "sequence" => {
            table.with("sequence", list(&(0..60).map(|i| f64::from(i * i) - 30.0).collect::<Vec<_>>()))
        }
        "average" => table.with("atol", SettingValue::Float(0.1)),
        "average1d" => table
            .with("bounds", list(&[-1.0, 1.5]))
            .with("min_samples", SettingValue::Integer(3))
            .with("neighbor_sampling", SettingValue::Float(0.6)),
        "data_saver" => {
            let inner = settings("1d");
            table.with("arg_picker", SettingValue::Integer(0)).with("learner", SettingValue::Table(inner))
        }
        other => panic!("no example settings for the learner `{other}`"),
    }
}

/// The `loss` of a learner: a name, and the parameters that it can't do without.
fn loss_settings(name: &str) -> SettingValue {
    let table = Table::new("learner.loss").with("name", SettingValue::Text(name.into()));
    SettingValue::Table(match name {
        "level" => table.with("levels", list(&[0.5, 2.0])),
        "thresholded" => table.with("upper_threshold", SettingValue::Float(10.0)),
        _ => table,
    })
}

/// The same of a learner of type `2d`, where `thresholded` needs nothing.
fn triangle_loss_settings(name: &str) -> SettingValue {
    if name == "level" { loss_settings(name) } else { SettingValue::Text(name.into()) }
}

fn line(bounds: (f64, f64), loss: Arc<dyn IntervalLoss>) -> Learner1D {
    Learner1D::new(bounds, loss).unwrap()
}

fn curved(bounds: (f64, f64)) -> Learner1D {
    line(bounds, Arc::new(Curvature::default()))
}

/// One learner of every registered kind, one per loss, and a mixed balancing learner per strategy.
fn all_learners() -> Vec<(String, Box<dyn Learner>)> {
    let mut all: Vec<(String, Box<dyn Learner>)> = Vec::new();
    for kind in LEARNERS {
        let learner = learner::from_settings(&settings(kind.name)).unwrap();
        assert_eq!(learner.kind(), kind.name);
        all.push((kind.name.into(), learner));
    }
    for kind in INTERVAL_LOSSES {
        let table = settings("1d").with("loss", loss_settings(kind.name));
        all.push((format!("1d, {}", kind.name), learner::from_settings(&table).unwrap()));
    }
    let first = settings("1d").with("points_first", list(&[0.5, 0.1, -1.0, 0.5]));
    all.push(("1d, points first".into(), learner::from_settings(&first).unwrap()));
    let whole = Table::new("learner")
        .with("type", SettingValue::Text("1d".into()))
        .with("bounds", list(&[-20.0, 45.0]))
        .with("integer", SettingValue::Bool(true))
        .with("points_first", list(&[3.0]));
    all.push(("1d, whole numbers".into(), learner::from_settings(&whole).unwrap()));
    for kind in TRIANGLE_LOSSES {
        let table = settings("2d")
            .with("loss", triangle_loss_settings(kind.name))
            .with("stack_size", SettingValue::Integer(3));
        all.push((format!("2d, {}", kind.name), learner::from_settings(&table).unwrap()));
    }
    for kind in SIMPLEX_LOSSES {
        let table = settings("nd").with("loss", loss_settings(kind.name));
        all.push((format!("nd, {}", kind.name), learner::from_settings(&table).unwrap()));
    }
    let nd = || Table::new("learner").with("type", SettingValue::Text("nd".into()));
    let cube = nd().with("bounds", lists(&[[-1.0, 1.0], [0.0, 1e-6], [-1e4, 3e4]]));
    let pentagon = nd()
        .with("hull", lists(&[[0.0, -1.0], [0.95, -0.3], [0.6, 0.8], [-0.6, 0.8], [-0.95, -0.3]]))
        .with("anisotropic", SettingValue::Bool(true));
    for (name, table) in [("nd, a cube", cube), ("nd, a pentagon", pentagon)] {
        all.push((name.into(), learner::from_settings(&table).unwrap()));
    }
    all.extend(learners_with_wishes());
    for (strategy, name, _) in Strategy::ALL {
        let children: Vec<Box<dyn Learner>> = vec![
            learner::from_settings(&settings("1d")).unwrap(),
            learner::from_settings(&settings("2d")).unwrap(),
            Box::new(SequenceLearner::of_numbers(vec![1.0, 4.0, 9.0]).unwrap()),
            Box::new(curved((0.0, 3.0))),
            learner::from_settings(&settings("average")).unwrap(),
            learner::from_settings(&settings("average1d")).unwrap(),
            learner::from_settings(&settings("data_saver")).unwrap(),
            learner::from_settings(&settings("nd")).unwrap(),
        ];
        all.push((format!("balancing, {name}"), Box::new(BalancingLearner::new(children, *strategy))));
    }
    all
}

/// Learners with given points and of whole numbers.
fn learners_with_wishes() -> Vec<(String, Box<dyn Learner>)> {
    let of = |kind: &str| Table::new("learner").with("type", SettingValue::Text(kind.into()));
    let truth = |value| Setting { value: SettingValue::Bool(value), span: 0..0 };
    let axes = |axes: &[bool]| SettingValue::List(axes.iter().map(|axis| truth(*axis)).collect());
    let first = || lists(&[[0.5, 0.25], [-1.0, 0.0], [0.5, 0.25], [1.0, 0.5]]);
    let whole = || lists(&[[3.0, 2.0], [0.0, 5.0]]);
    let small = || lists(&[[0.0, 6.0], [-1.0, 5.0]]);
    let hull = || lists(&[[0.0, 0.0], [9.0, 2.0], [3.0, 8.0], [-4.0, 5.0]]);
    let level = || loss_settings("level");
    let all = SettingValue::Bool(true);
    let tables = [
        ("2d, points first", settings("2d").with("points_first", first())),
        ("nd, points first", settings("nd").with("points_first", first())),
        ("average1d, points first", settings("average1d").with("points_first", list(&[0.5, -1.0, 0.5, 0.1]))),
        (
            "2d, whole",
            of("2d").with("bounds", small()).with("integer", all.clone()).with("points_first", whole()),
        ),
        ("2d, half whole", of("2d").with("bounds", small()).with("integer", axes(&[true, false]))),
        (
            "nd, whole",
            of("nd").with("bounds", small()).with("integer", all.clone()).with("points_first", whole()),
        ),
        (
            "nd, whole, level",
            of("nd").with("bounds", small()).with("integer", all.clone()).with("loss", level()),
        ),
        ("nd, half whole", of("nd").with("bounds", small()).with("integer", axes(&[false, true]))),
        ("nd, a whole hull", of("nd").with("hull", hull()).with("integer", all.clone())),
        (
            "nd, a cube, partly whole",
            of("nd")
                .with("bounds", lists(&[[-1.0, 1.0], [0.0, 1e-6], [-10.0, 300.0]]))
                .with("integer", axes(&[true, false, true])),
        ),
    ];
    tables.map(|(name, table)| (name.to_owned(), learner::from_settings(&table).unwrap())).into()
}

/// Of any number of coordinates; another one for each learner, and with a little noise where there are replicas.
fn function(sample: &Sample) -> Value {
    // All coordinates count, each with a weight of its own.
    let x = sample.point.iter().enumerate().map(|(axis, x)| x * 0.6f64.powi(axis as i32)).sum::<f64>();
    let noise = 0.2 * (sample.replica as f64 * 0.618_033_988_75).fract();
    Value::scalar((3.0 * x + f64::from(sample.learner)).sin() + 0.3 * x + 1.0 / (0.01 + x * x) + noise)
}

type Key = (u32, u64, Vec<u64>);

fn key(sample: &Sample) -> Key {
    (sample.learner, sample.replica, sample.point.iter().map(|x| x.to_bits()).collect())
}

/// Equal as text: NaN equals itself there.
fn same(a: &[Suggestion], b: &[Suggestion]) -> bool {
    format!("{a:?}") == format!("{b:?}")
}

fn samples(suggestions: &[Suggestion]) -> Vec<Sample> {
    suggestions.iter().map(|suggestion| suggestion.sample.clone()).collect()
}

#[derive(Clone, Debug)]
enum Step {
    Ask(usize),
    TellPending(prop::sample::Index),
    TellUnasked(usize),
    TellAgain(prop::sample::Index),
    MarkPending(usize),
    TellMany(usize),
    Forget,
}

fn steps(bulk: bool) -> impl proptest::strategy::Strategy<Value = Vec<Step>> {
    let many = if bulk { 2 } else { 0 };
    let step = prop_oneof![
        8 => (1usize..12).prop_map(Step::Ask),
        12 => any::<prop::sample::Index>().prop_map(Step::TellPending),
        2 => (0usize..6).prop_map(Step::TellUnasked),
        1 => any::<prop::sample::Index>().prop_map(Step::TellAgain),
        1 => (0usize..6).prop_map(Step::MarkPending),
        many => (1usize..20).prop_map(Step::TellMany),
        1 => Just(Step::Forget),
    ];
    prop::collection::vec(step, 1..60)
}

/// Drives a learner and keeps books beside it.
struct Driven {
    learner: Box<dyn Learner>,
    told: Vec<Sample>,
    pending: Vec<Sample>,
    known: BTreeSet<Key>,
}

impl Driven {
    fn new(learner: Box<dyn Learner>) -> Self {
        Self { learner, told: Vec::new(), pending: Vec::new(), known: BTreeSet::new() }
    }

    fn tell(&mut self, sample: Sample) {
        self.learner.tell(&sample, &function(&sample)).unwrap();
        self.known.insert(key(&sample));
        self.told.push(sample);
    }

    /// A point that the learner would ask as the i-th from now on.
    fn future(&mut self, i: usize) -> Option<Sample> {
        self.learner.suggest(i + 1).pop().map(|suggestion| suggestion.sample)
    }

    fn step(&mut self, step: &Step) -> Result<(), TestCaseError> {
        match step {
            Step::Ask(n) => {
                let losses = [Loss::Real, Loss::Expected].map(|which| self.learner.loss(which).to_bits());
                let suggested = self.learner.suggest(*n);
                prop_assert_eq!(losses, [Loss::Real, Loss::Expected].map(|w| self.learner.loss(w).to_bits()));
                prop_assert!(same(&suggested, &self.learner.suggest(*n)), "suggest changed something");
                let asked = self.learner.ask(*n);
                prop_assert!(same(&suggested, &asked), "suggest {suggested:?}, ask {asked:?}");
                prop_assert!(asked.len() == *n || self.learner.suggest(1).is_empty());
                let bounds = self.learner.bounding_box().unwrap_or_default();
                for suggestion in asked {
                    let mut within = bounds.iter().zip(suggestion.sample.point.iter());
                    prop_assert!(within.all(|((lo, hi), x)| lo <= x && x <= hi), "{suggestion:?} is outside");
                    prop_assert!(self.known.insert(key(&suggestion.sample)), "{suggestion:?} was known");
                    prop_assert!(suggestion.loss_improvement >= 0.0);
                    self.pending.push(suggestion.sample);
                }
            }
            Step::TellPending(index) if !self.pending.is_empty() => {
                let at = index.index(self.pending.len());
                let sample = self.pending.remove(at);
                self.tell(sample);
            }
            Step::TellUnasked(i) => {
                if let Some(sample) = self.future(*i) {
                    self.tell(sample);
                }
            }
            Step::TellAgain(index) if !self.told.is_empty() => {
                let next = self.learner.suggest(3);
                let sample = self.told[index.index(self.told.len())].clone();
                self.learner.tell(&sample, &Value::scalar(1e9)).unwrap();
                self.learner.tell_pending(&sample);
                prop_assert!(same(&next, &self.learner.suggest(3)));
            }
            Step::MarkPending(i) => {
                if let Some(sample) = self.future(*i) {
                    self.learner.tell_pending(&sample);
                    self.known.insert(key(&sample));
                    self.pending.push(sample);
                }
            }
            Step::TellMany(n) => {
                let n = (*n).min(self.pending.len());
                let many: Vec<_> = self.pending.drain(..n).map(|s| (s.clone(), function(&s))).collect();
                self.learner.tell_many(&many).unwrap();
                self.told.extend(many.into_iter().map(|(sample, _)| sample));
            }
            Step::Forget => {
                self.learner.remove_unfinished();
                self.pending.drain(..).for_each(|sample| {
                    self.known.remove(&key(&sample));
                });
            }
            Step::TellPending(_) | Step::TellAgain(_) => {}
        }
        prop_assert_eq!(self.learner.npoints(), self.told.len());
        prop_assert_eq!(self.learner.npending(), self.pending.len());
        Ok(())
    }
}

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

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn no_order_of_calls_makes_a_learner_ask_a_known_point(steps in steps(true)) {
        for (name, learner) in all_learners() {
            let mut driven = Driven::new(learner);
            for step in &steps {
                driven.step(step).map_err(|e| TestCaseError::fail(format!("{name}: {e}")))?;
            }
        }
    }

    #[test]
    fn a_learner_rebuilt_from_its_values_goes_on_as_if_never_stopped(steps in steps(false)) {
        for (name, learner) in all_learners() {
            let mut driven = Driven::new(learner);
            for step in &steps {
                driven.step(step)?;
            }
            let mut rebuilt = driven.learner.new_empty();
            prop_assert_eq!((rebuilt.npoints(), rebuilt.npending()), (0, 0));
            for sample in &driven.told {
                rebuilt.tell(sample, &function(sample)).unwrap();
            }
            driven.learner.remove_unfinished();
            for which in [Loss::Real, Loss::Expected] {
                prop_assert_eq!(rebuilt.loss(which).to_bits(), driven.learner.loss(which).to_bits(), "{}", name);
            }
            for n in [1, 7] {
                let (live, rebuilt) = (driven.learner.ask(n), rebuilt.ask(n));
                prop_assert!(same(&live, &rebuilt), "{}: {:?} {:?}", name, live, rebuilt);
            }
        }
    }

    #[test]
    fn a_copy_goes_its_own_way(steps in steps(true)) {
        for (_, learner) in all_learners() {
            let mut driven = Driven::new(learner);
            for step in &steps {
                driven.step(step)?;
            }
            let mut copy = driven.learner.boxed_clone();
            let asked = copy.ask(5);
            prop_assert_eq!(driven.learner.npending(), driven.pending.len());
            prop_assert!(same(&asked, &driven.learner.ask(5)));
        }
    }

    #[test]
    fn the_order_of_tells_between_two_asks_is_irrelevant(
        n in 3usize..40,
        order in prop::collection::vec(any::<u32>(), 40),
        told_many in any::<bool>(),
    ) {
        // The range of values is known from the start: losses of different age share one scale.
        let value = |sample: &Sample| Value::scalar((9.0 * sample.point.x()).sin().clamp(-1.0, 1.0));
        let range = [(-1.0, -1.0), (1.0, 1.0)].map(|(x, y)| (Sample::at(Point::scalar(x)), Value::scalar(y)));
        let mut next = Vec::new();
        for shuffled in [false, true] {
            for loss in [loss::default_interval_loss(), Arc::new(Curvature::default()) as Arc<dyn IntervalLoss>] {
                let mut learner = line((-1.0, 1.0), loss);
                for (sample, value) in &range {
                    learner.tell(sample, value).unwrap();
                }
                let mut asked: Vec<(u32, Sample)> = order.iter().copied().zip(samples(&learner.ask(n))).collect();
                if shuffled {
                    asked.sort_by_key(|(rank, _)| *rank);
                }
                if told_many {
                    let told: Vec<_> = asked.iter().map(|(_, s)| (s.clone(), value(s))).collect();
                    learner.tell_many(&told).unwrap();
                } else {
                    asked.iter().for_each(|(_, s)| learner.tell(s, &value(s)).unwrap());
                }
                next.push(learner.ask(10));
            }
        }
        prop_assert!(same(&next[0], &next[2]));
        prop_assert!(same(&next[1], &next[3]));
    }

    #[test]
    fn values_that_were_never_asked_count_like_asked_ones(xs in prop::collection::vec(-1.0f64..1.5, 1..40)) {
        let mut asked = curved((-1.0, 1.5));
        let mut given = curved((-1.0, 1.5));
        let told: Vec<_> = xs.iter().map(|x| Sample::at(Point::scalar(*x))).collect();
        told.iter().for_each(|sample| asked.tell_pending(sample));
        for sample in &told {
            asked.tell(sample, &function(sample)).unwrap();
            given.tell(sample, &function(sample)).unwrap();
        }
        prop_assert!(same(&asked.ask(9), &given.ask(9)));
    }

    #[test]
    fn expected_losses_share_out_the_real_ones(
        rounds in prop::collection::vec(prop::collection::vec((-1.2f64..1.7, any::<bool>()), 0..30), 1..4),
    ) {
        let mut learner = curved((-1.0, 1.5));
        let (mut told, mut pending) = (Vec::new(), Vec::new());
        for (i, round) in rounds.iter().enumerate() {
            if i > 0 {
                learner.remove_unfinished();
                pending.clear();
            }
            for (x, is_told) in round {
                let sample = Sample::at(Point::scalar(*x));
                if *is_told {
                    learner.tell(&sample, &function(&sample)).unwrap();
                    told.push(*x);
                } else {
                    learner.tell_pending(&sample);
                    pending.push(*x);
                }
            }
        }

        let inside = |xs: &[f64]| {
            let mut inside: Vec<f64> = xs.iter().copied().filter(|x| (-1.0..=1.5).contains(x)).collect();
            inside.sort_by(f64::total_cmp);
            inside
        };
        prop_assert_eq!(learner.told().map(|(x, _)| x).collect::<Vec<_>>(), inside(&told));
        prop_assert_eq!(learner.pending().collect::<Vec<_>>(), inside(&pending));
        prop_assert_eq!((learner.npoints(), learner.npending()), (told.len(), pending.len()));
        let (told, pending) = (inside(&told).len(), inside(&pending).len());
        let real = learner.intervals(Loss::Real);
        let expected = learner.intervals(Loss::Expected);
        prop_assert_eq!(real.len(), told.saturating_sub(1));
        prop_assert_eq!(expected.len(), (told + pending).saturating_sub(1));
        for (p, q, share) in expected {
            match real.iter().find(|(a, b, _)| *a <= p && q <= *b) {
                Some((a, b, loss)) => prop_assert!((share - loss * (q - p) / (b - a)).abs() <= 1e-14 * loss),
                None => prop_assert_eq!(share, f64::INFINITY),
            }
        }
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
fn whole_numbers_are_all_that_is_asked_until_they_run_out() {
    for n in [1, 2, 5, 100] {
        let mut learner = Learner1D::over_whole_numbers((-7.0, 30.0), loss::default_interval_loss()).unwrap();
        let mut seen = BTreeSet::new();
        loop {
            let asked = learner.ask(n);
            for suggestion in &asked {
                let x = suggestion.sample.point.x();
                assert!(x.fract() == 0.0 && (-7.0..=30.0).contains(&x) && seen.insert(x as i64), "{x}");
                learner.tell(&suggestion.sample, &(0.1 * x).sin().into()).unwrap();
            }
            if asked.len() < n {
                break;
            }
        }
        assert_eq!((seen.len(), learner.loss(Loss::Real)), (38, 0.0), "ask({n})");
    }
    let mut learner = Learner1D::over_whole_numbers((0.0, 9.0), loss::default_interval_loss()).unwrap();
    let half = Sample::at(Point::scalar(0.5));
    let error = learner.tell(&half, &1.0.into()).unwrap_err();
    assert_eq!(error.to_string(), "the point does not belong to this learner: x = 0.5 is not a whole number");
    assert!(Learner1D::over_whole_numbers((0.0, 9.5), loss::default_interval_loss()).is_err());
}

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

/// Learners over the whole numbers of a box, of all kinds and losses.
fn whole_learners(dim: usize, side: f64) -> Vec<(String, Box<dyn Learner>)> {
    let mut all: Vec<(String, Box<dyn Learner>)> = Vec::new();
    let bounds = vec![(-1.0, side - 1.0); dim];
    for kind in SIMPLEX_LOSSES {
        let SettingValue::Table(table) = loss_settings(kind.name) else { unreachable!() };
        for as_upstream in [false, true] {
            let loss = (kind.from_settings)(&table).unwrap();
            let options =
                learner_nd::Options { loss, as_upstream, integer: vec![true; dim], ..Default::default() };
            all.push((format!("nd, {}", kind.name), learner_nd::cuboid(&bounds, options).unwrap()));
        }
    }
    if dim == 2 {
        for kind in TRIANGLE_LOSSES {
            let SettingValue::Table(table) = loss_settings(kind.name) else { unreachable!() };
            let learner = Learner2D::new([bounds[0], bounds[1]], (kind.from_settings)(&table).unwrap());
            for stack_size in [1, 10] {
                let learner = learner.clone().unwrap().with_stack_size(stack_size);
                let learner = learner.over_whole_numbers([true; 2]).unwrap();
                all.push((format!("2d, {}, {stack_size}", kind.name), Box::new(learner)));
            }
        }
    }
    all
}

/// Asks in any order, with some in flight, until nothing is left.
fn exhaust(name: &str, mut learner: Box<dyn Learner>, steps: &[(usize, u32)], n: usize) {
    let mut seen = BTreeSet::new();
    let mut in_flight: Vec<Sample> = Vec::new();
    for at in 0.. {
        let (wanted, place) = steps[at % steps.len()];
        let asked = learner.ask(wanted.max(usize::from(in_flight.is_empty())));
        for sample in samples(&asked) {
            assert!(sample.point.iter().all(|x| x.fract() == 0.0), "{name}: {sample:?}");
            assert!(seen.insert(key(&sample)), "{name}: {sample:?} was asked before");
            in_flight.push(sample);
        }
        assert_eq!(learner.npending(), in_flight.len(), "{name}");
        if in_flight.is_empty() {
            assert!(asked.is_empty());
            break;
        }
        assert_eq!(learner.done(), Some(false), "{name}");
        let sample = in_flight.remove(place as usize % in_flight.len());
        learner.tell(&sample, &function(&sample)).unwrap();
    }
    assert_eq!((seen.len(), learner.npoints()), (n, n), "{name}");
    assert_eq!((learner.done(), learner.loss(Loss::Real)), (Some(true), 0.0), "{name}");
    learner.remove_unfinished();
    assert!(learner.ask(3).is_empty() && learner.suggest(1).is_empty(), "{name}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4))]

    #[test]
    fn small_boxes_of_whole_numbers_are_exhausted(
        steps in prop::collection::vec((0usize..7, any::<u32>()), 1..30),
        last in 1usize..9,
    ) {
        let steps: Vec<_> = steps.into_iter().chain([(last, 0)]).collect();
        for (dim, side) in [(2, 1), (2, 3), (2, 5), (3, 1), (3, 2), (4, 1)] {
            let n = (side + 1usize).pow(dim as u32);
            for (name, learner) in whole_learners(dim, side as f64) {
                exhaust(&name, learner, &steps, n);
            }
        }
        let hull = [[0.0, 0.0], [5.0, 1.0], [3.0, 5.0], [-1.0, 4.0]].map(|corner| corner.to_vec());
        let options = learner_nd::Options { integer: vec![true; 2], ..Default::default() };
        // Pick's theorem: the area is 19.5, and 5 points are on the border.
        exhaust("a hull", learner_nd::hull(&hull, options).unwrap(), &steps, 23);
    }
}

#[test]
fn axes_of_whole_numbers_stand_beside_others() {
    for integer in [vec![true, false], vec![false, true]] {
        let axis = usize::from(integer[1]);
        let options = learner_nd::Options { integer: integer.clone(), ..Default::default() };
        let bounds = [(0.0, 3.0); 2];
        let plane = Learner2D::new(bounds, loss::triangle::default_triangle_loss()).unwrap();
        let learners: [Box<dyn Learner>; 2] = [
            learner_nd::cuboid(&bounds, options).unwrap(),
            Box::new(plane.over_whole_numbers([integer[0], integer[1]]).unwrap()),
        ];
        for mut learner in learners {
            let mut rows = [0; 4];
            while learner.npoints() < 200 {
                for Suggestion { sample, .. } in learner.ask(3) {
                    assert_eq!(sample.point[axis].fract(), 0.0);
                    rows[sample.point[axis] as usize] += 1;
                    learner.tell(&sample, &function(&sample)).unwrap();
                }
            }
            assert_eq!(learner.done(), None);
            assert!(rows.iter().all(|n| *n > 3), "{rows:?}");
            let half = Sample::at(Point::new(&[0.5, 0.5]));
            let error = learner.tell(&half, &1.0.into()).unwrap_err().to_string();
            assert!(error.contains("= 0.5 is not a whole number"), "{error}");
        }
    }
}

#[test]
fn large_domains_of_whole_numbers_need_no_scan() {
    let far = 1e12;
    let options = || learner_nd::Options { integer: vec![true; 3], ..Default::default() };
    let cube = learner_nd::cuboid(&[(0.0, far); 3], options()).unwrap();
    let slab = learner_nd::cuboid(&[(0.0, far), (0.0, 1.0), (0.0, 4.0)], options()).unwrap();
    let plane = Learner2D::new([(0.0, far), (0.0, 2.0)], loss::triangle::default_triangle_loss()).unwrap();
    let plane: Box<dyn Learner> = Box::new(plane.over_whole_numbers([true; 2]).unwrap());
    for mut learner in [cube, slab, plane] {
        let mut seen = BTreeSet::new();
        while learner.npoints() < 300 {
            for sample in samples(&learner.ask(4)) {
                assert!(sample.point.iter().all(|x| x.fract() == 0.0) && seen.insert(key(&sample)));
                let value = (3e-12 * sample.point[0]).sin() + sample.point[1] / (1.0 + sample.point[1]);
                learner.tell(&sample, &value.into()).unwrap();
            }
        }
        assert_eq!(learner.done(), Some(false));
    }
}

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
fn an_exhausted_child_neither_starves_nor_blocks_the_others() {
    for (strategy, name, _) in Strategy::ALL {
        let children: Vec<Box<dyn Learner>> = vec![
            Box::new(SequenceLearner::of_numbers(vec![1.0, 2.0]).unwrap()),
            Box::new(curved((-1.0, 1.0))),
            Box::new(SequenceLearner::of_numbers(vec![]).unwrap()),
            Box::new(curved((-1.0, 2.0))),
        ];
        let mut learner = BalancingLearner::new(children, *strategy);
        for _ in 0..30 {
            let asked = learner.ask(4);
            assert_eq!(asked.len(), 4, "{name}");
            asked.iter().for_each(|s| learner.tell(&s.sample, &function(&s.sample)).unwrap());
        }
        let npoints: Vec<_> = learner.children().unwrap().iter().map(|child| child.npoints()).collect();
        assert_eq!((npoints[0], npoints[2]), (2, 0), "{name}");
        assert!(npoints[1] > 20 && npoints[3] > 20, "{name}: {npoints:?}");

        let finite = |n| Box::new(SequenceLearner::of_numbers(vec![0.5; n]).unwrap()) as Box<dyn Learner>;
        let mut learner = BalancingLearner::new(vec![finite(2), finite(3)], *strategy);
        assert_eq!(learner.ask(9).len(), 5, "{name}");
        assert!(learner.ask(1).is_empty() && learner.suggest(1).is_empty(), "{name}");
        assert_eq!(learner.done(), Some(false));
        learner.remove_unfinished();
        assert_eq!(learner.ask(9).len(), 5, "{name}");
    }
}

#[test]
fn a_batch_by_loss_is_spread_over_the_children() {
    let mut learner =
        BalancingLearner::new((0..3).map(|_| Box::new(curved((-1.0, 1.0))) as _).collect(), Strategy::Loss);
    for child in 0..3 {
        for x in [-1.0, 1.0] {
            let sample = Sample::at(Point::scalar(x)).of_learner(child);
            learner.tell(&sample, &function(&sample)).unwrap();
        }
    }
    let asked = learner.ask(21);
    for child in 0..3 {
        assert_eq!(asked.iter().filter(|s| s.sample.learner == child).count(), 7);
    }
}

#[test]
fn a_child_that_does_not_exist_is_foreign() {
    let mut learner = BalancingLearner::new(vec![Box::new(curved((-1.0, 1.0)))], Strategy::Cycle);
    let sample = Sample::at(Point::scalar(0.0)).of_learner(1);
    let error = learner.tell(&sample, &1.0.into()).unwrap_err();
    assert_eq!(error.to_string(), "the point does not belong to this learner: learner 1 of 1");
    assert_eq!(learner.tell_many(&[(sample.clone(), 1.0.into())]), Err(error));
    learner.tell_pending(&sample);
    assert_eq!((learner.npoints(), learner.npending()), (0, 0));
}

#[test]
fn strategies_are_known_by_name() {
    for (strategy, name, _) in Strategy::ALL {
        assert_eq!((name.parse(), strategy.name()), (Ok(*strategy), *name));
    }
    let table = |name: &str| Table::new("balancing").with("strategy", SettingValue::Text(name.into()));
    assert_eq!(Strategy::from_settings(&Table::new("balancing")), Ok(Strategy::LossImprovements));
    assert_eq!(Strategy::from_settings(&table("npoints")), Ok(Strategy::Npoints));
    assert_eq!(Strategy::from_settings(&table("cycles")).unwrap_err().help, "did you mean `cycle`?");
    assert!("los".parse::<Strategy>().unwrap_err().to_string().contains("loss_improvements"));
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

#[test]
fn a_child_that_rests_is_not_asked_until_it_is_woken() {
    for (strategy, name, _) in Strategy::ALL {
        let children = (0..3).map(|_| learner::from_settings(&settings("1d")).unwrap()).collect();
        let mut learner = BalancingLearner::new(children, *strategy);
        let of = |asked: Vec<Suggestion>, child: u32| {
            asked.iter().filter(|suggestion| suggestion.sample.learner == child).count()
        };
        learner.rest(1, true);
        assert_eq!(of(learner.suggest(12), 1), 0, "{name}");
        assert_eq!(of(learner.ask(12), 1), 0, "{name}");
        learner.rest(1, false);
        assert!(of(learner.ask(12), 1) > 0, "{name}");
        (0..3).for_each(|child| learner.rest(child, true));
        assert!(learner.ask(1).is_empty(), "{name}");
    }
}
