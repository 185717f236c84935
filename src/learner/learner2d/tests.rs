use super::*;
use crate::geometry::VertexId;
use crate::learner::{Learner, Loss, Suggestion};
use crate::loss::triangle::{
    Bend, Deviation, Surface, TRIANGLE_LOSSES, Triangle, Uniform, default_triangle_loss,
};
use crate::model::{Point, Value};
use nalgebra::{DMatrix, DVector};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

const SQUARE: [(f64, f64); 2] = [(-1.0, 1.0), (-1.0, 1.0)];

fn upstream() -> Arc<dyn crate::loss::triangle::TriangleLoss> {
    Arc::new(Deviation)
}

fn at(x: f64, y: f64) -> Sample {
    Sample::at(Point::new(&[x, y]))
}

fn wave(point: &[f64]) -> f64 {
    (3.0 * point[0]).sin() * point[1]
        + (-8.0 * (point[0] * point[0] + point[1] * point[1] - 0.4).powi(2)).exp()
}

fn learner(loss: Arc<dyn TriangleLoss>) -> Learner2D {
    Learner2D::new(SQUARE, loss).unwrap()
}

fn run(learner: &mut Learner2D, n: usize, batch: usize) {
    while learner.npoints() < n {
        for asked in learner.ask(batch) {
            learner.tell(&asked.sample, &wave(&asked.sample.point).into()).unwrap();
        }
    }
}

/// What lies beyond the sides, and nothing else.
struct Beyond;

impl TriangleLoss for Beyond {
    fn needs_neighbours(&self) -> bool {
        true
    }

    fn evaluate(&self, triangle: &Triangle<'_>) -> f64 {
        triangle.neighbours().map(|place| place.iter().map(|x| x.abs()).sum::<f64>()).sum()
    }
}

/// Edges of a field, each once.
fn edges(field: &Field) -> BTreeSet<(VertexId, VertexId)> {
    let sides = |[a, b, c]: [VertexId; 3]| [(a, b), (b, c), (c, a)].map(|(p, q)| (p.min(q), p.max(q)));
    field.triangles().flat_map(|(corners, _)| sides(corners)).collect()
}

/// The gradients that minimise the energy of all edges, by one dense system of equations.
fn dense_gradients(field: &Field) -> Vec<[f64; 2]> {
    let n = field.points().len();
    let (mut matrix, mut right) = (DMatrix::<f64>::zeros(2 * n, 2 * n), DVector::<f64>::zeros(2 * n));
    for (p, q) in edges(field) {
        for (i, j) in [(p as usize, q as usize), (q as usize, p as usize)] {
            let [a, b] = [i, j].map(|v| *field.mesh().point(v as u32));
            let e = [b[0] - a[0], b[1] - a[1]];
            let cubed = e[0].hypot(e[1]).powi(3);
            for r in 0..2 {
                for c in 0..2 {
                    matrix[(2 * i + r, 2 * i + c)] += 4.0 * e[r] * e[c] / cubed;
                    matrix[(2 * i + r, 2 * j + c)] += 2.0 * e[r] * e[c] / cubed;
                }
                right[2 * i + r] += 6.0 * (field.row(j as u32)[0] - field.row(i as u32)[0]) * e[r] / cubed;
            }
        }
    }
    let solution = matrix.lu().solve(&right).unwrap();
    (0..n).map(|i| [solution[2 * i], solution[2 * i + 1]]).collect()
}

/// A field of random points, told one by one.
fn field_of(points: &[(f64, f64)], tolerance: f64) -> Field {
    let domain = Domain::new(SQUARE, 1.0);
    let loss: Arc<dyn TriangleLoss> = Arc::new(Deviation);
    let corners: Vec<f64> = domain.corners().iter().map(|corner| wave(corner)).collect();
    let mut field = Field::new(&domain, &loss, &corners, 1.0).unwrap();
    field.set_tolerance(tolerance);
    let mut range = Range::default();
    corners.iter().for_each(|value| range.put(&[*value]));
    for (x, y) in points {
        let value = wave(&[*x, *y]);
        range.put(&[value]);
        let _ = field.insert(&domain, [*x, *y], &[value], None);
        field.set_range(range.widest());
        field.settle();
    }
    field
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn local_gradients_are_those_of_one_dense_system(
        points in prop::collection::vec((-1.0f64..1.0, -1.0f64..1.0), 0..60),
    ) {
        let field = field_of(&points, 1e-9);
        for (vertex, exact) in dense_gradients(&field).into_iter().enumerate() {
            let [x, y] = field.gradient(vertex as u32);
            let size = 1.0 + exact[0].hypot(exact[1]);
            prop_assert!((x - exact[0]).hypot(y - exact[1]) < 1e-5 * size, "{x} {y} {exact:?}");
        }
    }

    #[test]
    fn losses_are_right_to_what_the_tolerance_promises(
        points in prop::collection::vec((-1.0f64..1.0, -1.0f64..1.0), 20..100),
    ) {
        let (fast, exact) = (field_of(&points, gradients::TOLERANCE), field_of(&points, 1e-9));
        let exact: BTreeMap<[u32; 3], f64> = exact.triangles().collect();
        // Of the losses that decide: small ones may miss by more, as what was not passed on adds up.
        let largest = exact.values().fold(0.0, |largest: f64, loss| largest.max(*loss));
        for (corners, loss) in fast.triangles() {
            let exact = exact[&corners];
            prop_assert!((loss - exact).abs() < 0.25 * exact + 0.01 * largest, "{loss} {exact} {largest}");
        }
    }

    #[test]
    fn no_loss_is_forgotten_when_points_and_values_change(
        points in prop::collection::vec((-1.0f64..1.0, -1.0f64..1.0), 1..50),
        changes in prop::collection::vec((any::<prop::sample::Index>(), -3.0f64..3.0), 0..20),
    ) {
        let losses: [Arc<dyn TriangleLoss>; 5] =
            [Arc::new(Uniform), Arc::new(Surface), Arc::new(Bend), Arc::new(Beyond), default_triangle_loss()];
        for loss in losses {
            let domain = Domain::new(SQUARE, 2.0);
            let mut live = Field::new(&domain, &loss, &[0.1, 0.2, 0.3, 0.4], 4.0).unwrap();
            for (x, y) in &points {
                let _ = live.insert(&domain, [*x, *y], &[wave(&[*x, *y])], None);
                live.settle();
            }
            for (index, value) in &changes {
                live.set_value(index.index(live.points().len()) as u32, &[*value]);
                live.settle();
            }
            let kept: BTreeMap<_, _> = live.triangles().collect();
            live.recompute(4.0);
            for (corners, loss) in live.triangles() {
                prop_assert!((kept[&corners] - loss).abs() <= 1e-12 * loss.abs().max(1e-12));
            }
        }
    }

    #[test]
    fn means_of_gradients_are_those_of_the_triangles_around(
        points in prop::collection::vec((-1.0f64..1.0, -1.0f64..1.0), 1..50),
        changes in prop::collection::vec((any::<prop::sample::Index>(), -3.0f64..3.0), 0..20),
    ) {
        let domain = Domain::new(SQUARE, 2.0);
        let mut live = Field::new(&domain, &default_triangle_loss(), &[0.1, 0.2, 0.3, 0.4], 4.0).unwrap();
        for (x, y) in &points {
            let value = if *x > 0.9 { f64::NAN } else { wave(&[*x, *y]) };
            let _ = live.insert(&domain, [*x, *y], &[value], None);
        }
        for (index, value) in &changes {
            live.set_value(index.index(live.points().len()) as u32, &[*value]);
        }
        let mut fresh = crate::learner::slopes::Slopes::default();
        let mesh = live.mesh();
        for id in mesh.simplices() {
            fresh.count(1.0, mesh.vertices(id), mesh, (live.values(), 1));
        }
        for vertex in 0..live.points().len() as u32 {
            let ([x, y], exact) = (live.gradient(vertex), fresh.rows(vertex, 1).next().unwrap());
            let size = 1.0 + exact[0].hypot(exact[1]);
            prop_assert!((x - exact[0]).hypot(y - exact[1]) < 1e-6 * size, "{x} {y} {exact:?}");
        }
    }

    #[test]
    fn pending_values_follow_the_told_ones(
        steps in prop::collection::vec((-1.0f64..1.0, -1.0f64..1.0, any::<bool>()), 1..60),
    ) {
        let mut learner = learner(upstream());
        for corner in learner.ask(4) {
            learner.tell(&corner.sample, &wave(&corner.sample.point).into()).unwrap();
        }
        learner.tell_pending(&at(0.345, -0.678));
        let mut pending = vec![learner.ask(1).remove(0).sample];
        for (x, y, is_told) in steps {
            if is_told {
                let told = pending.pop().unwrap_or_else(|| at(x, y));
                learner.tell(&told, &wave(&told.point).into()).unwrap();
            } else {
                learner.tell_pending(&at(x, y));
                pending.push(at(x, y));
            }
            learner.loss(Loss::Expected);
        }
        learner.tell_pending(&at(0.123, 0.456));
        learner.loss(Loss::Expected);
        let watched = learner.watched.borrow();
        for expected in [&learner.expected, &*watched] {
            let field = &expected.as_ref().unwrap().field;
            prop_assert_eq!(field.points().len(), learner.npoints() + learner.npending());
            for (vertex, point) in field.points().iter().enumerate() {
                let mut expected = Vec::new();
                learner.interpolate(point, &mut expected);
                prop_assert!((field.row(vertex as u32)[0] - expected[0]).abs() < 1e-9);
            }
        }
    }
}

#[test]
fn the_corners_come_first_and_then_both_triangles() {
    let mut learner = learner(upstream());
    let asked = learner.ask(6);
    let points: Vec<_> = asked.iter().map(|s| (s.sample.point[0], s.sample.point[1])).collect();
    assert_eq!(points[..4], [(-1.0, -1.0), (-1.0, 1.0), (1.0, -1.0), (1.0, 1.0)]);
    assert!(asked[..4].iter().all(|s| s.loss_improvement == f64::INFINITY));
    // The centres of the two triangles, whichever diagonal was taken: opposite to each other.
    assert!((points[4].0 + points[5].0).abs() + (points[4].1 + points[5].1).abs() < 1e-15);
    assert!((points[4].0.abs() - 1.0 / 3.0).abs() < 1e-15);
    assert_eq!((learner.loss(Loss::Real), learner.loss(Loss::Expected)), (f64::INFINITY, f64::INFINITY));
}

#[test]
fn ten_points_are_chosen_from_one_state() {
    let mut stacked = learner(upstream());
    run(&mut stacked, 44, 1);
    let rest = stacked.stack.len();
    run(&mut stacked, 44 + rest, 1);
    let planned = stacked.suggest(10);
    let mut one_by_one = Vec::new();
    for _ in 0..10 {
        for asked in stacked.ask(1) {
            stacked.tell(&asked.sample, &5.0.into()).unwrap();
            one_by_one.push(asked);
        }
    }
    assert_eq!(planned, one_by_one);
    let mut single = learner(upstream()).with_stack_size(1);
    run(&mut single, 44, 1);
    let first = single.suggest(2);
    let asked = single.ask(1);
    assert_eq!(asked[0], first[0]);
    // The range becomes five times as wide: a surprise that the next point has to look into.
    single.tell(&asked[0].sample, &5.0.into()).unwrap();
    assert_ne!(single.suggest(1)[0].sample, first[1].sample);
}

#[test]
fn a_question_for_the_loss_changes_no_point() {
    let mut asked = Vec::new();
    for curious in [false, true] {
        let mut learner = learner(upstream());
        let mut points = Vec::new();
        for round in 0..60 {
            let batch = learner.ask(1 + round % 5);
            if curious {
                learner.loss(Loss::Expected);
                learner.suggest(13);
            }
            for suggestion in batch.iter().skip(round % 2) {
                learner.tell(&suggestion.sample, &wave(&suggestion.sample.point).into()).unwrap();
            }
            points.extend(batch);
        }
        asked.push(points);
    }
    assert_eq!(asked[0], asked[1]);
}

#[test]
fn with_a_stack_of_one_a_restart_goes_on_with_the_same_points() {
    let mut live = learner(upstream()).with_stack_size(1);
    let mut told = Vec::new();
    for _ in 0..150 {
        for asked in live.ask(1) {
            let value = Value::scalar(wave(&asked.sample.point));
            live.tell(&asked.sample, &value).unwrap();
            told.push((asked.sample, value));
        }
    }
    let mut again = live.new_empty();
    told.iter().for_each(|(sample, value)| again.tell(sample, value).unwrap());
    for _ in 0..50 {
        let (asked, repeated) = (live.ask(1), again.ask(1));
        assert_eq!(asked, repeated);
        let value = Value::scalar(wave(&asked[0].sample.point));
        live.tell(&asked[0].sample, &value).unwrap();
        again.tell(&asked[0].sample, &value).unwrap();
    }
}

#[test]
fn the_same_samples_after_powers_of_two_in_every_unit() {
    let run = |width: f64, height: f64, factor: f64| {
        let mut learner = Learner2D::new([(-width, width), (0.0, height)], upstream()).unwrap();
        let mut points = Vec::new();
        while points.len() < 120 {
            for asked in learner.ask(1) {
                let [x, y] = [asked.sample.point[0] / width, asked.sample.point[1] / height];
                learner.tell(&asked.sample, &(factor * wave(&[x, y])).into()).unwrap();
                points.push((x, y));
            }
        }
        (points, learner.loss(Loss::Real))
    };
    assert_eq!(run(1.0, 1.0, 1.0), run(2f64.powi(-30), 2f64.powi(13), 2f64.powi(40)));
}

#[test]
fn an_unknown_region_is_sampled_coarsely_and_the_rest_finely() {
    for unknown in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        let mut learner = learner(upstream());
        let mut inside = 0;
        for _ in 0..600 {
            for asked in learner.ask(1) {
                let point = &asked.sample.point;
                let is_unknown = point[0] > 0.3;
                inside += usize::from(is_unknown);
                let value = if is_unknown { unknown } else { wave(point) };
                learner.tell(&asked.sample, &value.into()).unwrap();
            }
        }
        // It is 35 % of the domain.
        assert!((20..160).contains(&inside), "{inside} of 600 for {unknown}");
        assert!(learner.loss(Loss::Real).is_finite());
        assert!(learner.triangles().all(|(_, loss)| loss.is_finite()));
    }
}

#[test]
fn a_narrow_domain_runs_out_of_points_instead_of_asking_twice() {
    let next = |x: f64, ulps: u64| f64::from_bits(x.to_bits() + ulps);
    let mut learner = Learner2D::new([(1.0, next(1.0, 40)), (1.0, next(1.0, 40))], upstream()).unwrap();
    let mut seen = BTreeSet::new();
    loop {
        let asked = learner.ask(3);
        for suggestion in &asked {
            let point = &suggestion.sample.point;
            assert!(seen.insert((point[0].to_bits(), point[1].to_bits())));
            learner.tell(&suggestion.sample, &0.5.into()).unwrap();
        }
        if asked.len() < 3 {
            break;
        }
    }
    assert!((4..41 * 41).contains(&seen.len()));
    assert!(learner.suggest(1).is_empty());
}

#[test]
fn a_point_singularity_ends_at_the_resolution_of_numbers() {
    let mut learner = learner(upstream());
    for _ in 0..2000 {
        for asked in learner.ask(1) {
            let [x, y] = [asked.sample.point[0] - 0.1, asked.sample.point[1] - 0.2];
            let value = if x.hypot(y) < 1e-300 { 1e9 } else { x.hypot(y).ln() };
            learner.tell(&asked.sample, &value.into()).unwrap();
        }
    }
    assert_eq!(learner.npoints(), 2000);
}

#[test]
fn untold_corners_are_asked_again_after_the_rest_is_forgotten() {
    let mut learner = learner(upstream());
    let asked = learner.ask(9);
    learner.tell(&asked[2].sample, &1.0.into()).unwrap();
    learner.remove_unfinished();
    assert_eq!((learner.npoints(), learner.npending()), (1, 0));
    let again: Vec<_> = learner.ask(3).into_iter().map(|s| s.sample).collect();
    assert_eq!(again, [0, 1, 3].map(|i: usize| asked[i].sample.clone()));
}

#[test]
fn foreign_points_outside_points_and_wrong_shapes() {
    let mut learner = learner(upstream());
    for refused in [Sample::at(Point::scalar(0.0)), at(f64::NAN, 0.0), at(0.0, f64::INFINITY)] {
        assert!(matches!(learner.tell(&refused, &1.0.into()), Err(TellError::Foreign(_))));
        learner.tell_pending(&refused);
    }
    assert_eq!((learner.npoints(), learner.npending()), (0, 0));
    let none = Value::vector(&[]);
    assert_eq!(learner.tell(&at(0.0, 0.0), &none), Err(TellError::WrongShape { expected: 1, got: 0 }));
    run(&mut learner, 24, 1);
    let wrong = Err(TellError::WrongShape { expected: 1, got: 2 });
    assert_eq!(learner.tell(&at(0.0, 0.3), &Value::vector(&[1.0, 2.0])), wrong);
    let before = (learner.loss(Loss::Real), learner.suggest(12));
    learner.tell_pending(&at(7.0, 0.0));
    assert_eq!(learner.npending(), 1);
    learner.tell(&at(7.0, 0.0), &1e9.into()).unwrap();
    learner.tell(&at(0.0, -1.1), &1e9.into()).unwrap();
    learner.tell(&at(-1.0, -1.0), &1e9.into()).unwrap();
    assert_eq!((learner.npoints(), learner.npending()), (26, 0));
    assert_eq!(before, (learner.loss(Loss::Real), learner.suggest(12)));
}

#[test]
fn a_point_that_is_told_while_on_the_stack_is_not_asked() {
    let mut learner = learner(upstream());
    run(&mut learner, 15, 1);
    let next = learner.suggest(3);
    learner.tell(&next[0].sample, &0.1.into()).unwrap();
    learner.tell_pending(&next[1].sample);
    assert_eq!(learner.ask(1)[0].sample, next[2].sample);
}

#[test]
fn values_told_before_the_corners_count_as_upstream_with_its_losses() {
    // By adaptive 1.5.2.
    let told = [([0.5, 0.9], 1.0), ([0.3, 0.2], 1.0), ([0.8, 0.3], 0.0)];
    let expected = [([0.1, 0.4], 1.9472), ([13.0 / 30.0, 1.0 / 15.0], 2.5217)];
    for first in [0, 3] {
        let mut learner = Learner2D::new([(0.0, 1.0); 2], upstream()).unwrap().with_stack_size(1);
        let tell = |learner: &mut Learner2D, told: &[([f64; 2], f64)]| {
            told.iter().for_each(|(point, y)| learner.tell(&at(point[0], point[1]), &(*y).into()).unwrap());
        };
        tell(&mut learner, &told[..first]);
        learner.ask(4);
        // Also where what is expected is there already.
        learner.fill_stack(1);
        learner.stack.clear();
        tell(&mut learner, &told[first..]);
        for (point, improvement) in expected {
            let asked = &learner.ask(1)[0];
            let off = (asked.sample.point[0] - point[0]).hypot(asked.sample.point[1] - point[1]);
            // Gradients are accurate to some percent, as upstream's.
            assert!(off < 1e-9 && (asked.loss_improvement / improvement - 1.0).abs() < 0.02, "{asked:?}");
        }
    }
}

#[test]
fn values_told_before_the_corners_count_once_these_are_told() {
    let mut early = learner(upstream());
    let mut late = learner(upstream());
    let points = [[0.1, 0.2], [-0.7, 0.3], [0.5, -0.5], [0.9, 0.8]];
    points.iter().for_each(|p| early.tell(&at(p[0], p[1]), &wave(p).into()).unwrap());
    assert_eq!(early.told().map(|(point, _)| point).collect::<Vec<_>>(), points);
    for learner in [&mut early, &mut late] {
        assert!(!learner.interpolate(&[0.0, 0.0], &mut Vec::new()));
        for corner in learner.ask(4) {
            learner.tell(&corner.sample, &wave(&corner.sample.point).into()).unwrap();
        }
    }
    points.iter().for_each(|p| late.tell(&at(p[0], p[1]), &wave(p).into()).unwrap());
    let triangles =
        |learner: &Learner2D| -> BTreeSet<[usize; 3]> { learner.triangles().map(|t| t.0).collect() };
    assert_eq!(triangles(&early), triangles(&late));
    assert!((early.loss(Loss::Real) / late.loss(Loss::Real) - 1.0).abs() < 0.1);
}

#[test]
fn the_interpolant_goes_through_the_values_and_is_linear_between() {
    let mut learner = learner(Arc::new(Uniform));
    while learner.npoints() < 60 {
        for asked in learner.ask(5) {
            let [x, y] = [asked.sample.point[0], asked.sample.point[1]];
            learner.tell(&asked.sample, &Value::vector(&[2.0 * x - y + 1.0, wave(&[x, y])])).unwrap();
        }
    }
    let mut row = Vec::new();
    for (point, value) in learner.told() {
        row.clear();
        assert!(learner.interpolate(&point, &mut row));
        assert!((row[0] - value[0]).abs() < 1e-12 && (row[1] - value[1]).abs() < 1e-12);
    }
    row.clear();
    assert!(learner.interpolate(&[0.317, -0.211], &mut row));
    assert!((row[0] - (2.0 * 0.317 + 0.211 + 1.0)).abs() < 1e-12);
    row.clear();
    assert!(learner.interpolate(&[1.5, 0.0], &mut row) && row[0].is_nan() && row.len() == 2);
    assert_eq!(learner.bounding_box(), Some(SQUARE.to_vec()));
    let area: f64 = learner.triangles().map(|(_, loss)| loss * loss).sum();
    assert!((area - 1.0).abs() < 1e-12, "the triangles cover {area} of the unit square");
}

#[test]
fn every_loss_takes_scalars_and_vectors_with_points_in_flight() {
    for kind in TRIANGLE_LOSSES {
        for dim in [1, 3] {
            let table = crate::model::settings::Table::new("learner.loss");
            // A level loss needs its levels; `tests/learner_contract` gives them.
            let Ok(loss) = (kind.from_settings)(&table) else { continue };
            let mut learner = learner(loss);
            let mut in_flight = std::collections::VecDeque::new();
            while learner.npoints() < 150 {
                in_flight.extend(learner.ask(3));
                let told: Suggestion = in_flight.pop_front().unwrap();
                let y = wave(&told.sample.point);
                let value = Value::vector(&[y, 0.5 * y, -y][..dim]);
                learner.tell(&told.sample, &value).unwrap();
            }
            let loss = learner.loss(Loss::Real);
            assert!(loss > 0.0 && loss < 1.0, "{} of {dim}: {loss}", kind.name);
            assert!(learner.loss(Loss::Expected) < loss, "{}", kind.name);
        }
    }
}
