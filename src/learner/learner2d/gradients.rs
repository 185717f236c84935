//! The gradients at the vertices of a triangulation, kept up to date locally.
//!
//! Upstream's losses use the gradients that a Clough-Tocher interpolant would have: those that minimise the bending
//! energy of the curves along all edges. An edge from p to q of length L with values v, w and gradients g, h
//! contributes 4/L³ (a² + a b + b²), a = g·(q - p) - (w - v), b = h·(q - p) - (w - v) (up to a constant factor). For
//! one vertex, all others held, the minimiser is a 2x2 system; sweeping over all vertices until nothing moves is
//! upstream's way (scipy's, at most 400 sweeps, to 1e-6).
//!
//! A new value moves gradients only nearby: its effect falls by more than half from one ring of vertices to the
//! next. So here a list of vertices to solve again starts with those whose edges or values changed, and a vertex
//! puts its neighbours on the list once its gradient has moved by more than matters. What it has not passed on is
//! remembered, so that many small moves add up to one that is. The work per point does not depend on the number of
//! points.
//!
//! A vertex is solved some ten times for each change of its edges, so these are kept as [`Spoke`]s: a solution then is a
//! few multiplications per edge, without a walk through the triangulation or a root.

use super::mesh::{NONE, Star};
use crate::geometry::{SimplexId, Triangulation, VertexId};
use smallvec::SmallVec;
use std::collections::VecDeque;

/// A move of a gradient is passed on when it can change a loss by more than this part of it.
pub(super) const TOLERANCE: f64 = 0.02;

/// The slope (values of unit range, domain of unit width) whose change by [`TOLERANCE`] of itself matters even where
/// the function is linear: there the default loss is 0.3 times the area, which a deviation of about this slope times
/// the length of an edge equals.
const LEAST_SLOPE: f64 = 0.2;

/// One relaxation stops after this many solved vertices; what is left on the list is done with the next value.
const MOST_STEPS: usize = 100_000;

/// An edge as its first vertex sees it, and one of the triangles there.
#[derive(Clone, Copy, Debug)]
struct Spoke {
    /// From the first vertex to the other.
    x: f64,
    y: f64,
    /// One over the cube of the length.
    weight: f64,
    to: VertexId,
    /// Every triangle of the star belongs to one edge; at the border of the domain one edge has none.
    triangle: SimplexId,
}

/// Gradients per vertex and component of the value, in units of the value per unit of the scaled domain.
#[derive(Clone, Debug)]
pub(super) struct Gradients {
    dim: usize,
    rows: Vec<[f64; 2]>,
    /// As the neighbours know them.
    passed_on: Vec<[f64; 2]>,
    /// The edges at each vertex; none where they have changed since they were looked at.
    spokes: Vec<SmallVec<[Spoke; 7]>>,
    queue: VecDeque<VertexId>,
    queued: Vec<bool>,
    tolerance: f64,
}

impl Gradients {
    pub(super) fn new(dim: usize, tolerance: f64) -> Self {
        Self {
            dim,
            rows: Vec::new(),
            passed_on: Vec::new(),
            spokes: Vec::new(),
            queue: VecDeque::new(),
            queued: Vec::new(),
            tolerance,
        }
    }

    #[cfg(test)]
    pub(super) fn with_tolerance(self, tolerance: f64) -> Self {
        Self { tolerance, ..self }
    }

    /// The gradients of the components at a vertex.
    #[inline]
    pub(super) fn row(&self, vertex: VertexId) -> &[[f64; 2]] {
        let start = vertex as usize * self.dim;
        &self.rows[start..start + self.dim]
    }

    /// Makes room for the next vertex.
    pub(super) fn push(&mut self) {
        self.rows.resize(self.rows.len() + self.dim, [0.0; 2]);
        self.passed_on.resize(self.rows.len(), [0.0; 2]);
        self.spokes.push(SmallVec::new());
        self.queued.push(false);
    }

    /// The edges, the triangles or the value of this vertex changed: it is to be solved again.
    #[inline]
    pub(super) fn queue(&mut self, vertex: VertexId) {
        self.spokes[vertex as usize].clear();
        self.enqueue(vertex);
    }

    #[inline]
    fn enqueue(&mut self, vertex: VertexId) {
        if !std::mem::replace(&mut self.queued[vertex as usize], true) {
            self.queue.push_back(vertex);
        }
    }

    /// Solves what is on the list, and what this moves. `scale` is one over the range of values; `moved` gets the
    /// triangles around the vertices whose gradient moved by more than matters.
    pub(super) fn relax(
        &mut self,
        mesh: &Triangulation<2>,
        incident: &[u32],
        values: &[f64],
        scale: f64,
        mut moved: impl FnMut(SimplexId),
    ) {
        let mut star = Star::default();
        for _ in 0..MOST_STEPS {
            let Some(vertex) = self.queue.pop_front() else { break };
            self.queued[vertex as usize] = false;
            if self.spokes[vertex as usize].is_empty() {
                star.gather(mesh, incident, vertex);
                self.look(mesh, &star);
            }
            let mut matters = false;
            for component in 0..self.dim {
                matters |= self.solve(vertex, values, scale, component);
            }
            if matters {
                let row = vertex as usize * self.dim..(vertex as usize + 1) * self.dim;
                self.passed_on[row.clone()].copy_from_slice(&self.rows[row]);
                for at in 0..self.spokes[vertex as usize].len() {
                    let Spoke { to, triangle, .. } = self.spokes[vertex as usize][at];
                    self.enqueue(to);
                    if triangle != NONE {
                        moved(triangle);
                    }
                }
            }
        }
    }

    /// Keeps the edges of a star.
    fn look(&mut self, mesh: &Triangulation<2>, star: &Star) {
        let point = mesh.point(star.vertex);
        let spoke = |(at, &to): (usize, &VertexId)| {
            let other = mesh.point(to);
            let (x, y) = (other[0] - point[0], other[1] - point[1]);
            let length2 = x * x + y * y;
            let triangle = star.triangles.get(at).copied().unwrap_or(NONE);
            Spoke { x, y, weight: 1.0 / (length2 * length2.sqrt()), to, triangle }
        };
        self.spokes[star.vertex as usize].extend(star.neighbours.iter().enumerate().map(spoke));
    }

    /// Solves for one component of the gradient at one vertex; says whether it has moved by more than matters.
    #[inline]
    fn solve(&mut self, vertex: VertexId, values: &[f64], scale: f64, component: usize) -> bool {
        let dim = self.dim;
        let at = vertex as usize * dim + component;
        let value = values[at];
        let spokes = &self.spokes[vertex as usize];
        let (mut xx, mut xy, mut yy) = (0.0, 0.0, 0.0);
        let (mut sx, mut sy) = (0.0, 0.0);
        for &Spoke { x, y, weight, to, .. } in spokes {
            let other = to as usize * dim + component;
            let rise = values[other] - value;
            // An edge to a value that is unknown says nothing.
            if !rise.is_finite() {
                continue;
            }
            let [gx, gy] = self.rows[other];
            let pull = (6.0 * rise - 2.0 * (x * gx + y * gy)) * weight;
            let (wx, wy) = (x * weight, y * weight);
            (xx, xy, yy) = (xx + wx * x, xy + wx * y, yy + wy * y);
            (sx, sy) = (sx + pull * x, sy + pull * y);
        }
        let (xx, xy, yy) = (4.0 * xx, 4.0 * xy, 4.0 * yy);
        let determinant = xx * yy - xy * xy;
        let solved = if determinant > 1e-13 * xx * yy {
            [(yy * sx - xy * sy) / determinant, (xx * sy - xy * sx) / determinant]
        } else {
            // Known values lie in one direction only, or nowhere: the shortest gradient that fits.
            let bend = xx * sx * sx + 2.0 * xy * sx * sy + yy * sy * sy;
            let step = if bend > 0.0 { (sx * sx + sy * sy) / bend } else { 0.0 };
            [sx * step, sy * step]
        };
        let [gx, gy] = if solved[0].is_finite() && solved[1].is_finite() { solved } else { [0.0; 2] };
        self.rows[at] = [gx, gy];
        let before = self.passed_on[at];
        let moved = (gx - before[0]).abs().max((gy - before[1]).abs());
        if moved <= self.tolerance * LEAST_SLOPE / scale {
            return false;
        }
        // How steeply the values leave the tangent plane: what the deviations of the triangles are made of.
        let mut steepest2 = (LEAST_SLOPE / scale).powi(2);
        for &Spoke { x, y, to, .. } in spokes {
            let miss = values[to as usize * dim + component] - value - gx * x - gy * y;
            let length2 = x * x + y * y;
            // A division would cost more than all the rest here.
            if miss * miss > steepest2 * length2 {
                steepest2 = miss * miss / length2;
            }
        }
        moved * moved > self.tolerance * self.tolerance * steepest2
    }
}
