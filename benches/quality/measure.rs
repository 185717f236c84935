//! Runs a learner on a function and measures the error of the linear interpolant of what it was told.

use super::functions::Case;
use adaptive_mpi::learner::{Learner, learner_nd};
use adaptive_mpi::model::{Point, Sample, Value};

/// Maximum and root mean square of a difference, over all cells and components.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Errors {
    /// The maximum.
    pub(crate) linf: f64,
    /// The root mean square.
    pub(crate) l2: f64,
}

/// Told points and their values, in the order told.
pub(crate) type Told = Vec<(Point, Vec<f64>)>;

/// Cells of the test grid along each coordinate, by dimension.
fn cells(dim: usize) -> usize {
    match dim {
        1 => 20_000,
        2 => 200,
        _ => 40,
    }
}

/// Calls `visit` with the centre of each cell of a regular grid over the domain.
fn for_each_centre(bounds: &[(f64, f64)], mut visit: impl FnMut(&[f64])) {
    let (dim, n) = (bounds.len(), cells(bounds.len()));
    let mut at = vec![0.0; dim];
    for cell in 0..n.pow(dim as u32) {
        let mut rest = cell;
        for (x, (lo, hi)) in at.iter_mut().zip(bounds) {
            *x = lo + (hi - lo) * ((rest % n) as f64 + 0.5) / n as f64;
            rest /= n;
        }
        visit(&at);
    }
}

/// A sequence that looks random, the same at every run.
pub(crate) struct Random(u64);

impl Random {
    /// From a seed.
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// A number below `n`.
    pub(crate) fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        ((self.0 >> 33) as usize) % n
    }
}

/// Tells a learner `n` values; `in_flight` points are being evaluated at any time, and end in random order.
/// What is still in flight at the end does not count.
pub(crate) fn sampled(learner: &mut dyn Learner, case: &Case, n: usize, in_flight: usize) -> Told {
    let mut random = Random::new(in_flight as u64);
    let mut told = Told::with_capacity(n);
    let mut flying: Vec<Sample> = Vec::new();
    while told.len() < n {
        let missing = in_flight - flying.len();
        flying.extend(learner.ask(missing).into_iter().map(|suggestion| suggestion.sample));
        if flying.is_empty() {
            break;
        }
        let sample = flying.swap_remove(random.below(flying.len()));
        let mut y = Vec::new();
        (case.function)(&sample.point, &mut y);
        if let Err(error) = learner.tell(&sample, &Value::vector(&y)) {
            unreachable!("{}: {error}", case.name);
        }
        told.push((sample.point, y));
    }
    told
}

/// The regular grid of about `n` points, with both ends.
pub(crate) fn uniform(case: &Case, n: usize) -> Told {
    let dim = case.bounds.len();
    let side = (n as f64).powf(1.0 / dim as f64).round() as usize;
    (0..side.pow(dim as u32))
        .map(|index| {
            let mut rest = index;
            let along = |(lo, hi): &(f64, f64)| {
                let x = lo + (hi - lo) * (rest % side) as f64 / (side - 1) as f64;
                rest /= side;
                x
            };
            let point: Point = case.bounds.iter().map(along).collect();
            let mut y = Vec::new();
            (case.function)(&point, &mut y);
            (point, y)
        })
        .collect()
}

/// What a value counts that the interpolant does not know, though the function does: about the range of the functions.
const UNKNOWN: f64 = 1.0;

/// Errors of an interpolant, which appends its components at a point. Cells whose value is NaN don't count.
pub(crate) fn errors(case: &Case, mut interpolant: impl FnMut(&[f64], &mut Vec<f64>)) -> Errors {
    let (mut exact, mut got) = (Vec::new(), Vec::new());
    let (mut linf, mut squares, mut count) = (0.0f64, 0.0, 0usize);
    for_each_centre(case.bounds, |at| {
        exact.clear();
        got.clear();
        (case.function)(at, &mut exact);
        interpolant(at, &mut got);
        for (a, b) in exact.iter().zip(&got).filter(|(exact, _)| !exact.is_nan()) {
            let error = if b.is_nan() { UNKNOWN } else { (a - b).abs() };
            linf = linf.max(error);
            squares += error * error;
            count += 1;
        }
    });
    Errors { linf, l2: (squares / count as f64).sqrt() }
}

/// Errors of the linear interpolant of values on a line.
pub(crate) fn line_errors(case: &Case, told: &Told) -> Errors {
    let mut rows: Vec<(f64, &[f64])> = told.iter().map(|(point, y)| (point.x(), y.as_slice())).collect();
    rows.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut right = 1;
    errors(case, |at, out| {
        while right + 1 < rows.len() && rows[right].0 < at[0] {
            right += 1;
        }
        let ((a, left), (b, right)) = (rows[right - 1], rows[right]);
        let t = (at[0] - a) / (b - a);
        out.extend(left.iter().zip(right).map(|(l, r)| l + (r - l) * t));
    })
}

/// Errors of a learner's interpolant: its own where it has one, else that of the told values on a line.
pub(crate) fn learner_errors(learner: &dyn Learner, case: &Case, told: &Told) -> Errors {
    if case.bounds.len() == 1 {
        return line_errors(case, told);
    }
    errors(case, |at, out| {
        learner.interpolate(at, out);
    })
}

/// Errors of the same values of two variables on a data-dependent triangulation.
pub(crate) fn data_dependent_errors(learner: &dyn Learner, case: &Case) -> Errors {
    let interpolant = learner.interpolant().unwrap_or_default().data_dependent();
    let mut lookup = interpolant.lookup();
    errors(case, |at, out| match &mut lookup {
        Some(lookup) => lookup.interpolate_all(at, out),
        None => unreachable!("{}: no interpolant of two variables", case.name),
    })
}

/// Errors of the linear interpolant over the Delaunay triangulation of some points, in the unit cube.
pub(crate) fn scattered_errors(case: &Case, told: &Told) -> Errors {
    let mut learner = match learner_nd::cuboid(case.bounds, learner_nd::Options::default()) {
        Ok(learner) => learner,
        Err(error) => unreachable!("{error}"),
    };
    for (point, y) in told {
        if let Err(error) = learner.tell(&Sample::at(point.clone()), &Value::vector(y)) {
            unreachable!("{}: {error}", case.name);
        }
    }
    learner_errors(learner.as_ref(), case, told)
}

/// Errors of `n` points that don't look at the function: a regular grid.
pub(crate) fn grid_errors(case: &Case, n: usize) -> Errors {
    let told = uniform(case, n);
    if case.bounds.len() == 1 { line_errors(case, &told) } else { scattered_errors(case, &told) }
}
