//! `LearnerNd`: a function of two or more real numbers.
//!
//! The told points are the vertices of a Delaunay triangulation. Each simplex has a loss; the one with the largest is
//! split next. Points that are being evaluated divide their simplex into parts, which share its loss by volume.
//!
//! Geometry is done in scaled coordinates, in which the domain is one unit wide along each axis; with upstream's losses,
//! parts of simplices are triangulated in the user's proportions, as upstream does.

mod choose;
mod domain;
mod given_up;
mod inside;
mod known;
mod learner;
mod mesh;
mod range;
mod rank;
mod settings;
mod span;
mod start;
mod stretch;
mod told;
mod twister;

use super::interpolant;
use super::{Learner, Suggestion, TellError, components};
use crate::geometry::{GeometryError, Triangulation};
use crate::loss::simplex::{SimplexLoss, default_simplex_loss};
use crate::model::{Point, Sample, Signature, shown};
use domain::Domain;
use inside::Pending;
use known::{Known, State};
use mesh::Mesh;
use range::Range;
use rustc_hash::FxHashSet;
use span::Span;
use start::Start;
use std::sync::Arc;
use told::Told;

pub use domain::DomainError;
pub(super) use settings::KIND;

/// Numbers of dimensions that a learner can have.
pub const DIMENSIONS: std::ops::RangeInclusive<usize> = 2..=8;

/// How a [`LearnerNd`] refines.
#[derive(Clone)]
pub struct Options {
    /// How simplices are judged.
    pub loss: Arc<dyn SimplexLoss>,
    /// Choose points in coordinates that are stretched along the gradient of the function: simplices become narrow
    /// across steep slopes, with about the same rise along all edges (upstream: `anisotropic`).
    pub anisotropic: bool,
    /// By axis, whether only whole numbers are asked along it; empty: along none. A simplex without other such points
    /// than its corners has no loss, and each point is rounded to the nearest one in its simplex that is free.
    pub integer: Vec<bool>,
    /// The first triangulation, by numbers of told points in the order of telling. It is used if it fits when the
    /// first triangulation is due; of points on a common sphere (the corners of a box) there are several, and this is
    /// how a run can follow another one that had its choice.
    pub first_simplices: Vec<Vec<u32>>,
    /// Do as upstream in things where it could do better, to follow its runs point by point. Losses are computed
    /// anew when the range of values has grown by a tenth, but not for ranges below 1, so that the units of the values
    /// matter. Points that are pending before there is a triangulation around them never divide a simplex; parts of simplices
    /// are triangulated in the user's proportions; and a new point refreshes the losses of simplices by their common
    /// vertices, not by their common faces. (After [`Learner::remove_unfinished`] a simplex waits with the greatest loss that
    /// it has had, as after a restart from the values; upstream has used that entry up.)
    pub as_upstream: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            loss: default_simplex_loss(),
            anisotropic: false,
            integer: Vec::new(),
            first_simplices: Vec::new(),
            as_upstream: false,
        }
    }
}

/// Samples f: R^D -> R^M on a box or a convex hull, D from 2 to 8: splits the simplex with the largest loss
/// (upstream: `LearnerND`).
///
/// Asks for the same points in the same order as Python adaptive 1.5.2, except where that has defects: geometry is done
/// in scaled coordinates, so that ranges of any size can stand beside each other; pending points that were
/// forgotten can be asked again; [`Loss::Expected`](super::Loss::Expected) is known; an anisotropic learner works on any box and with
/// vectors.
///
/// With N points told, an `ask` of n points costs O(n k log N), and a `tell` O(k log N), where k simplices hold the
/// point or change. `loss` is O(1). Values that are infinite or NaN break nothing: their simplices are split by
/// volume.
///
/// ```
/// use adaptive_mpi::learner::{Loss, learner_nd};
///
/// let mut learner = learner_nd::cuboid(&[(-1.0, 1.0), (0.0, 1e-6)], Default::default())?;
/// while learner.loss(Loss::Real) > 0.02 {
///     for suggestion in learner.ask(4) {
///         let (x, y) = (suggestion.sample.point[0], suggestion.sample.point[1]);
///         learner.tell(&suggestion.sample, &(x + (-y * y * 1e13).exp()).into())?;
///     }
/// }
/// assert!(learner.npoints() < 300);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct LearnerNd<const D: usize> {
    domain: Arc<Domain<D>>,
    options: Arc<Options>,
    known: Known<D>,
    /// So many corners are told that no other one comes before.
    leading_corners_told: usize,
    told: Told<D>,
    /// The told points in `told` have these scaled coordinates, until there is a triangulation.
    waiting: Vec<[f64; D]>,
    span: Span<D>,
    mesh: Option<Mesh<D>>,
    start: Start<D>,
    /// Told points that are no vertices: outside of the domain, or too close to another one.
    aside: Vec<([f64; D], Box<[f64]>)>,
    /// Vertices that stand for points given up, with NaN.
    given_up: FxHashSet<u32>,
    /// Points given up before there is a triangulation: pending. Twice changes nothing.
    given_up_early: Vec<[f64; D]>,
}

/// Calls a constructor of [`LearnerNd`] with the dimension known at compile time.
macro_rules! in_dimension {
    ($dim:expr, $constructor:ident, $domain:expr, $options:expr) => {
        match $dim {
            2 => boxed(LearnerNd::<2>::$constructor($domain, $options)?),
            3 => boxed(LearnerNd::<3>::$constructor($domain, $options)?),
            4 => boxed(LearnerNd::<4>::$constructor($domain, $options)?),
            5 => boxed(LearnerNd::<5>::$constructor($domain, $options)?),
            6 => boxed(LearnerNd::<6>::$constructor($domain, $options)?),
            7 => boxed(LearnerNd::<7>::$constructor($domain, $options)?),
            8 => boxed(LearnerNd::<8>::$constructor($domain, $options)?),
            got => Err(DomainError::Dimension { got }),
        }
    };
}

fn boxed(learner: impl Learner + 'static) -> Result<Box<dyn Learner>, DomainError> {
    Ok(Box::new(learner))
}

/// An empty learner over a box with these lower and upper bounds.
pub fn cuboid(bounds: &[(f64, f64)], options: Options) -> Result<Box<dyn Learner>, DomainError> {
    in_dimension!(bounds.len(), cuboid, bounds, options)
}

/// An empty learner over the convex hull of some points.
pub fn hull(points: &[Vec<f64>], options: Options) -> Result<Box<dyn Learner>, DomainError> {
    in_dimension!(points.first().map_or(0, Vec::len), hull, points, options)
}

impl<const D: usize> LearnerNd<D> {
    /// An empty learner over a box with these lower and upper bounds.
    pub fn cuboid(bounds: &[(f64, f64)], options: Options) -> Result<Self, DomainError> {
        let domain = Domain::cuboid(bounds)?.over_whole_numbers(&options.integer)?;
        Ok(Self::empty(Arc::new(domain), Arc::new(options)))
    }

    /// An empty learner over the convex hull of some points. Its vertices become the first points to ask.
    pub fn hull(points: &[Vec<f64>], options: Options) -> Result<Self, DomainError> {
        let domain = Domain::hull(points)?.over_whole_numbers(&options.integer)?;
        Ok(Self::empty(Arc::new(domain), Arc::new(options)))
    }

    fn empty(domain: Arc<Domain<D>>, options: Arc<Options>) -> Self {
        Self {
            told: Told::new(match options.as_upstream {
                true => Range::new(true, 1.0),
                false => Range::new(false, 0.0),
            }),
            domain,
            options,
            known: Known::default(),
            leading_corners_told: 0,
            waiting: Vec::new(),
            span: Span::new(),
            mesh: None,
            start: Start::new(),
            aside: Vec::new(),
            given_up: FxHashSet::default(),
            given_up_early: Vec::new(),
        }
    }

    /// The vertices of the domain, in the order in which they are asked.
    pub fn corners(&self) -> &[[f64; D]] {
        &self.domain.corners
    }

    /// The told points in the domain and their values; among them, with NaN, those that were given up. The vertices of
    /// [`LearnerNd::simplices`] are numbers in this sequence.
    pub fn told(&self) -> impl Iterator<Item = (&[f64; D], &[f64])> {
        (0u32..).zip(&self.told.points).map(|(vertex, point)| (point, self.told.value(vertex)))
    }

    /// Told points that are no vertices of simplices, and their values: those outside of the domain, and those which
    /// are too close to another one.
    pub fn aside(&self) -> impl Iterator<Item = (&[f64; D], &[f64])> {
        self.aside.iter().map(|(point, value)| (point, &**value))
    }

    /// All simplices of told points: their D + 1 vertices, ascending, and their loss. None before the told points fill
    /// the space.
    pub fn simplices(&self) -> impl Iterator<Item = (&[u32], f64)> {
        self.mesh.iter().flat_map(|mesh| {
            mesh.triangulation().simplices().map(|id| (mesh.triangulation().vertices(id), mesh.loss_of(id)))
        })
    }

    /// The coordinates of a sample; finite numbers, and never -0.0.
    #[inline]
    fn coordinates(sample: &Sample) -> Result<[f64; D], TellError> {
        let Ok(point) = <[f64; D]>::try_from(&*sample.point) else {
            let message = format!("it has {} coordinates instead of {D}", sample.point.len());
            return Err(TellError::Foreign(message));
        };
        match point.iter().find(|x| !x.is_finite()) {
            Some(x) => {
                Err(TellError::Foreign(format!("the coordinate {} is not a finite number", shown(*x))))
            }
            None => Ok(point.map(|x| x + 0.0)),
        }
    }

    /// The same for a point that can belong to this learner: of whole numbers, where only such are asked.
    fn point_of(&self, sample: &Sample) -> Result<[f64; D], TellError> {
        let point = Self::coordinates(sample)?;
        match self.domain.lattice.as_ref().and_then(|lattice| lattice.misfit(&point)) {
            Some(axis) => {
                let (names, x) = (Signature::usual_names(D), point[axis]);
                Err(TellError::Foreign(format!("{} = {} is not a whole number", names[axis], shown(x))))
            }
            None if self.domain.lattice.is_some() => Ok(point),
            None => Ok(self.domain.onto(point)),
        }
    }

    fn check_shape(&mut self, got: usize) -> Result<(), TellError> {
        self.told.dim = components(self.told.dim, got, || self.options.loss.component())?;
        Ok(())
    }

    /// Takes note of the corners that are told by now.
    fn note_corners(&mut self) {
        let corners = &self.domain.corners[self.leading_corners_told..];
        self.leading_corners_told += corners.iter().take_while(|corner| self.known.is_told(corner)).count();
    }

    fn corners_told(&self) -> bool {
        self.leading_corners_told == self.domain.corners.len()
    }

    /// A told point of the domain becomes a vertex.
    fn place(&mut self, point: [f64; D], value: &[f64], state: Option<State>) {
        let grown = self.told.range.extend(value);
        let scaled = self.domain.scaled(&point);
        let Some(mesh) = &mut self.mesh else {
            self.told.push(point, value);
            self.waiting.push(scaled);
            if self.span.add(&scaled) {
                self.triangulate();
            }
            return;
        };
        if grown {
            mesh.recompute_all(&self.told);
        }
        let hint = state.and_then(State::cell);
        let known = &self.known;
        let told = &mut self.told;
        if mesh.insert(scaled, hint, told, (point, value), |point| known.is_pending(point)).is_err() {
            self.aside.push((point, value.into()));
        }
    }

    /// Makes the first triangulation, if the told points allow it.
    fn triangulate(&mut self) {
        let mut first = self.recorded_triangulation();
        while first.is_none() {
            match Triangulation::new_rounded(&self.waiting, self.domain.magnitude()) {
                Ok(triangulation) => first = Some(triangulation),
                // Two points that scaling has made one.
                Err(GeometryError::Duplicate { vertex }) => {
                    self.waiting.remove(vertex as usize);
                    self.aside.push(self.told.remove(vertex as usize));
                }
                // More points will help.
                Err(_) => return,
            }
        }
        let Some(triangulation) = first else { return };
        let mut mesh = Mesh::new(triangulation, self.options.clone(), &self.domain, &self.told);
        self.waiting = Vec::new();
        let pending = if self.options.as_upstream { Vec::new() } else { self.known.pending_inside() };
        for (point, order) in pending {
            let pending = Pending { user: point, scaled: self.domain.scaled(&point), order };
            let cell = mesh.add_pending(&pending, None, &self.told);
            self.known.set_cell(&point, cell);
        }
        self.mesh = Some(mesh);
        for point in std::mem::take(&mut self.given_up_early) {
            if let Some(state @ State::Pending { .. }) = self.known.get(&point) {
                self.give_up_inside(point, state);
            }
        }
    }

    /// The first triangulation as prescribed, if it fits.
    fn recorded_triangulation(&self) -> Option<Triangulation<D>> {
        let simplices: Vec<&[u32]> = self.options.first_simplices.iter().map(Vec::as_slice).collect();
        let count = simplices.iter().flat_map(|vertices| vertices.iter()).max()? + 1;
        if self.waiting.len() != count as usize {
            return None;
        }
        let made = Triangulation::from_simplices(&self.waiting, &simplices).ok()?;
        Some(made.rounded(self.domain.magnitude()))
    }

    /// Chooses the next point and makes it pending.
    fn ask_one(&mut self) -> Option<Suggestion> {
        let known = &self.known;
        let is_known = |point: &[f64; D]| known.contains(point);
        let (point, improvement, cell) = if let Some(corner) = self.start.corner(&self.domain, is_known) {
            (corner, f64::INFINITY, None)
        } else if let Some(mesh) = &mut self.mesh {
            match mesh.next(&self.told, is_known) {
                Some(split) => (split.point, split.improvement, Some(split.cell)),
                None => (self.domain.free_point(is_known)?, 0.0, None),
            }
        } else {
            (self.start.random(&self.domain, is_known)?, f64::INFINITY, None)
        };
        self.make_pending(point, cell);
        Some(suggestion(&point, improvement))
    }

    /// Makes a point of the domain pending, which is not known yet.
    fn make_pending(&mut self, point: [f64; D], cell: Option<u32>) {
        let order = self.known.add_pending(point);
        let Some(mesh) = &mut self.mesh else { return };
        let pending = Pending { user: point, scaled: self.domain.scaled(&point), order };
        let cell = mesh.add_pending(&pending, cell, &self.told);
        self.known.set_cell(&point, cell);
    }

    /// Does something with the linear interpolant of the told points. O(1), or O(N log N) where points were given up.
    fn with_linear<T>(&self, act: impl FnOnce(&interpolant::Field<'_, D>) -> T) -> Option<T> {
        let mesh = self.mesh.as_ref()?.triangulation();
        let (points, values) = (&self.told.points[..], self.told.values());
        let all = interpolant::Field { mesh, points, values, width: self.told.dim };
        if self.given_up.is_empty() {
            return Some(act(&all));
        }
        let told = all.without(|vertex| self.given_up.contains(&vertex))?;
        Some(act(&told.field()))
    }
}

#[inline]
fn suggestion<const D: usize>(point: &[f64; D], loss_improvement: f64) -> Suggestion {
    Suggestion { sample: Sample::at(Point::new(point)), loss_improvement }
}

#[cfg(test)]
mod tests;
