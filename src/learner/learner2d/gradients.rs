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

use super::rings::{Ring, Rings, Spoke, inverse};
use crate::geometry::{SimplexId, Triangulation, VertexId};
use std::collections::VecDeque;

/// A move of a gradient is passed on when it can change a loss by more than this part of it.
pub(super) const TOLERANCE: f64 = 0.05;

/// The slope (values of unit range, domain of unit width) whose change by [`TOLERANCE`] of itself matters even where
/// the function is linear: there the default loss is 0.3 times the area, which a deviation of about this slope times
/// the length of an edge equals.
const LEAST_SLOPE: f64 = 0.2;

/// One relaxation stops after this many solved vertices; what is left on the list is done with the next value.
const MOST_STEPS: usize = 100_000;

/// Gradients per vertex and component of the value, in units of the value per unit of the scaled domain.
#[derive(Clone, Debug)]
pub(super) struct Gradients {
    dim: usize,
    rows: Vec<[f64; 2]>,
    /// As the neighbours know them.
    passed_on: Vec<[f64; 2]>,
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
        self.queued.push(false);
    }

    /// The edges or the value of this vertex changed: it is to be solved again.
    #[inline]
    pub(super) fn queue(&mut self, vertex: VertexId) {
        if !std::mem::replace(&mut self.queued[vertex as usize], true) {
            self.queue.push_back(vertex);
        }
    }

    /// Solves what is on the list, and what this moves. `scale` is one over the range of values; `moved` gets the
    /// triangles at the vertices whose gradient moved by more than matters.
    pub(super) fn relax(
        &mut self,
        mesh: &Triangulation<2>,
        rings: &mut Rings,
        values: &[f64],
        scale: f64,
        mut moved: impl FnMut(&[SimplexId]),
    ) {
        for _ in 0..MOST_STEPS {
            let Some(vertex) = self.queue.pop_front() else { break };
            self.queued[vertex as usize] = false;
            let ring = rings.get(mesh, vertex);
            let mut matters = false;
            for component in 0..self.dim {
                matters |= self.solve(vertex as usize, ring, values, scale, component);
            }
            if matters {
                let row = vertex as usize * self.dim..(vertex as usize + 1) * self.dim;
                self.passed_on[row.clone()].copy_from_slice(&self.rows[row]);
                ring.spokes.iter().for_each(|spoke| self.queue(spoke.to));
                moved(&ring.triangles);
            }
        }
    }

    /// Solves for one component of the gradient at one vertex; says whether it has moved by more than matters.
    #[inline]
    fn solve(&mut self, vertex: usize, ring: &Ring, values: &[f64], scale: f64, component: usize) -> bool {
        let dim = self.dim;
        let at = vertex * dim + component;
        let value = values[at];
        let (mut sx, mut sy) = (0.0, 0.0);
        for Spoke { to, edge: [x, y], weight } in &ring.spokes {
            let other = *to as usize * dim + component;
            let [gx, gy] = self.rows[other];
            let pull = (6.0 * (values[other] - value) - 2.0 * (x * gx + y * gy)) * weight;
            (sx, sy) = (sx + pull * x, sy + pull * y);
        }
        let [xx, xy, yy] = ring.inverse;
        let (mut gx, mut gy) = (xx * sx + xy * sy, xy * sx + yy * sy);
        if !(gx.is_finite() && gy.is_finite()) {
            [gx, gy] = self.solve_among_known(vertex, ring, values, component);
        }
        self.rows[at] = [gx, gy];
        let before = self.passed_on[at];
        let moved = (gx - before[0]).abs().max((gy - before[1]).abs());
        if moved <= self.tolerance * LEAST_SLOPE / scale {
            return false;
        }
        // How steeply the values leave the tangent plane: what the deviations of the triangles are made of.
        let mut steepest = (LEAST_SLOPE / scale).powi(2);
        for Spoke { to, edge: [x, y], .. } in &ring.spokes {
            let miss = values[*to as usize * dim + component] - value - gx * x - gy * y;
            let slope2 = miss * miss / (x * x + y * y);
            if slope2.is_finite() {
                steepest = steepest.max(slope2);
            }
        }
        moved * moved > self.tolerance * self.tolerance * steepest
    }

    /// The same where some values are not finite: the edges to these say nothing.
    #[cold]
    fn solve_among_known(&self, vertex: usize, ring: &Ring, values: &[f64], component: usize) -> [f64; 2] {
        let value = values[vertex * self.dim + component];
        let (mut xx, mut xy, mut yy, mut sx, mut sy) = (0.0, 0.0, 0.0, 0.0, 0.0);
        for Spoke { to, edge: [x, y], weight } in &ring.spokes {
            let other = *to as usize * self.dim + component;
            let rise = values[other] - value;
            if rise.is_finite() {
                let [gx, gy] = self.rows[other];
                let pull = (6.0 * rise - 2.0 * (x * gx + y * gy)) * weight;
                let (wx, wy) = (4.0 * weight * x, 4.0 * weight * y);
                (xx, xy, yy) = (xx + wx * x, xy + wx * y, yy + wy * y);
                (sx, sy) = (sx + pull * x, sy + pull * y);
            }
        }
        let [gx, gy] = match inverse(xx, xy, yy) {
            Some([xx, xy, yy]) => [xx * sx + xy * sy, xy * sx + yy * sy],
            None => {
                // Known values lie in one direction only, or nowhere: the shortest gradient that fits.
                let bend = xx * sx * sx + 2.0 * xy * sx * sy + yy * sy * sy;
                let step = if bend > 0.0 { (sx * sx + sy * sy) / bend } else { 0.0 };
                [sx * step, sy * step]
            }
        };
        if gx.is_finite() && gy.is_finite() { [gx, gy] } else { [0.0; 2] }
    }
}
