//! The gradients at the vertices of a triangulation, kept up to date locally.
//!
//! Upstream's losses use the gradients that a Clough-Tocher interpolant would have: those that minimise the bending
//! energy of the curves along all edges. An edge from p to q of length L with values v, w and gradients g, h
//! contributes 4/L³ (a² + a b + b²), a = g·(q - p) - (w - v), b = h·(q - p) - (w - v) (up to a constant factor). For
//! one vertex, all others held, the minimiser is a 2x2 system; sweeping over all vertices until nothing moves is
//! upstream's way (scipy's, at most 400 sweeps, to 1e-6).
//!
//! A new value moves gradients only nearby: its effect falls by more than half from one ring of vertices to the
//! next. So here a list of vertices starts with those whose edges or values changed, which are solved. A gradient that
//! has moved by more than matters is passed on: the systems are linear, so each neighbour's gradient moves by a fixed
//! matrix times that move, without being solved again, and comes on the list if what it has not passed on itself
//! matters by now. So many small moves add up to one that is passed on, and the work per point does not depend on the
//! number of points.

use super::rings::{Ring, Rings, Spoke, inverse};
use crate::geometry::{SimplexId, Triangulation, VertexId};
use std::collections::VecDeque;

/// A move of a gradient is passed on when it can change a loss by more than this part of it.
pub(super) const TOLERANCE: f64 = 0.025;

/// The slope (values of unit range, domain of unit width) whose change by [`TOLERANCE`] of itself matters even where
/// the function is linear: there the default loss is 0.3 times the area, which a deviation of about this slope times
/// the length of an edge equals.
const LEAST_SLOPE: f64 = 0.2;

/// One relaxation stops after this many vertices; what is left on the list is done with the next value.
const MOST_STEPS: usize = 100_000;

/// Gradients per vertex and component of the value, in units of the value per unit of the scaled domain.
#[derive(Clone, Debug)]
pub(super) struct Gradients {
    dim: usize,
    /// As the neighbours know them, and as everybody else does.
    rows: Vec<[f64; 2]>,
    nodes: Vec<Node>,
    queue: VecDeque<VertexId>,
    states: Vec<State>,
    tolerance: f64,
}

/// What is kept of a gradient beside what is passed on.
#[derive(Clone, Copy, Debug, Default)]
struct Node {
    /// From forces to the gradient: the entries xx, xy, yy of the inverse of the system.
    inverse: [f64; 3],
    /// The gradient as it should be by now.
    newest: [f64; 2],
    /// The square of the least move that matters, as of the last look around.
    limit: f64,
}

impl Node {
    /// Whether the gradient is by more than matters from what was passed on.
    #[inline]
    fn matters(&self, passed_on: [f64; 2]) -> bool {
        let (x, y) = (self.newest[0] - passed_on[0], self.newest[1] - passed_on[1]);
        x * x + y * y > self.limit
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Right but for what the neighbours have not passed on.
    Settled,
    /// On the list: the gradient has moved.
    Moved,
    /// On the list: the system itself has changed.
    Stale,
}

impl Gradients {
    pub(super) fn new(dim: usize, tolerance: f64) -> Self {
        Self {
            dim,
            rows: Vec::new(),
            nodes: Vec::new(),
            queue: VecDeque::new(),
            states: Vec::new(),
            tolerance,
        }
    }

    #[cfg(test)]
    pub(super) fn with_tolerance(self, tolerance: f64) -> Self {
        Self { tolerance, ..self }
    }

    /// The gradients of the components at a vertex: right but for moves that don't matter, so that what follows from them
    /// changes only with [`Gradients::relax`]'s `moved`.
    #[inline]
    pub(super) fn row(&self, vertex: VertexId) -> &[[f64; 2]] {
        let start = vertex as usize * self.dim;
        &self.rows[start..start + self.dim]
    }

    /// Makes room for the next vertex.
    pub(super) fn push(&mut self) {
        self.rows.resize(self.rows.len() + self.dim, [0.0; 2]);
        self.nodes.resize(self.rows.len(), Node::default());
        self.states.push(State::Settled);
    }

    /// The edges or the value of this vertex changed: it is to be solved again.
    #[inline]
    pub(super) fn queue(&mut self, vertex: VertexId) {
        if std::mem::replace(&mut self.states[vertex as usize], State::Stale) == State::Settled {
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
        let least = (LEAST_SLOPE / scale).powi(2);
        for _ in 0..MOST_STEPS {
            let Some(vertex) = self.queue.pop_front() else { break };
            let state = std::mem::replace(&mut self.states[vertex as usize], State::Settled);
            let ring = rings.get(mesh, vertex);
            let mut matters = false;
            for component in 0..self.dim {
                if state == State::Stale {
                    self.solve(vertex as usize, ring, values, component);
                }
                matters |= self.matters(vertex as usize, ring, values, least, component);
            }
            if matters {
                for component in 0..self.dim {
                    self.pass_on(vertex as usize, ring, component);
                }
                moved(&ring.triangles);
            }
        }
    }

    /// Solves for one component of the gradient at one vertex, with those of the neighbours as they have passed them on.
    /// Edges to values that are not finite say nothing.
    #[inline]
    fn solve(&mut self, vertex: usize, ring: &Ring, values: &[f64], component: usize) {
        let at = vertex * self.dim + component;
        let (mut sx, mut sy) = (0.0, 0.0);
        for Spoke { to, edge: [x, y], weight } in &ring.spokes {
            let other = *to as usize * self.dim + component;
            let [gx, gy] = self.rows[other];
            let pull = (6.0 * (values[other] - values[at]) - 2.0 * (x * gx + y * gy)) * weight;
            (sx, sy) = (sx + pull * x, sy + pull * y);
        }
        let mut inverse = ring.inverse;
        let mut newest = times(inverse, [sx, sy]);
        if !(newest[0].is_finite() && newest[1].is_finite()) {
            (inverse, newest) = self.solve_among_known(at, ring, values, component);
        }
        (self.nodes[at].inverse, self.nodes[at].newest) = (inverse, newest);
    }

    /// The same where some values are not finite: the inverse and the gradient.
    #[cold]
    fn solve_among_known(
        &self,
        at: usize,
        ring: &Ring,
        values: &[f64],
        component: usize,
    ) -> ([f64; 3], [f64; 2]) {
        let (mut xx, mut xy, mut yy, mut sx, mut sy) = (0.0, 0.0, 0.0, 0.0, 0.0);
        for Spoke { to, edge: [x, y], weight } in &ring.spokes {
            let other = *to as usize * self.dim + component;
            let rise = values[other] - values[at];
            if rise.is_finite() {
                let [gx, gy] = self.rows[other];
                let pull = (6.0 * rise - 2.0 * (x * gx + y * gy)) * weight;
                let (wx, wy) = (4.0 * weight * x, 4.0 * weight * y);
                (xx, xy, yy) = (xx + wx * x, xy + wx * y, yy + wy * y);
                (sx, sy) = (sx + pull * x, sy + pull * y);
            }
        }
        let inverse = inverse(xx, xy, yy);
        let row = times(inverse, [sx, sy]);
        if row[0].is_finite() && row[1].is_finite() { (inverse, row) } else { ([0.0; 3], [0.0; 2]) }
    }

    /// Whether a component of the gradient at a vertex has moved by more than matters since it was passed on.
    #[inline]
    fn matters(&mut self, vertex: usize, ring: &Ring, values: &[f64], least: f64, component: usize) -> bool {
        let at = vertex * self.dim + component;
        let (value, [gx, gy]) = (values[at], self.nodes[at].newest);
        // How steeply the values leave the tangent plane: what the deviations of the triangles are made of.
        let mut steepest = least;
        for Spoke { to, edge: [x, y], weight } in &ring.spokes {
            let miss = values[*to as usize * self.dim + component] - value - gx * x - gy * y;
            let slope = miss * weight * (x * x + y * y);
            let slope2 = slope * slope;
            if slope2.is_finite() && slope2 > steepest {
                steepest = slope2;
            }
        }
        self.nodes[at].limit = self.tolerance * self.tolerance * steepest;
        self.nodes[at].matters(self.rows[at])
    }

    /// Moves the neighbours' gradients by what this one has moved.
    #[inline]
    fn pass_on(&mut self, vertex: usize, ring: &Ring, component: usize) {
        let at = vertex * self.dim + component;
        let [gx, gy] = self.nodes[at].newest;
        let [px, py] = std::mem::replace(&mut self.rows[at], [gx, gy]);
        let (dx, dy) = (gx - px, gy - py);
        for Spoke { to, edge: [x, y], weight } in &ring.spokes {
            let state = &mut self.states[*to as usize];
            // What is to be solved anyway needs no hint.
            if *state == State::Stale {
                continue;
            }
            let other = *to as usize * self.dim + component;
            let pull = -2.0 * (x * dx + y * dy) * weight;
            let node = &mut self.nodes[other];
            let [mx, my] = times(node.inverse, [pull * x, pull * y]);
            node.newest = [node.newest[0] + mx, node.newest[1] + my];
            if *state == State::Settled && node.matters(self.rows[other]) {
                *state = State::Moved;
                self.queue.push_back(*to);
            }
        }
    }
}

#[inline]
fn times([xx, xy, yy]: [f64; 3], [x, y]: [f64; 2]) -> [f64; 2] {
    [xx * x + xy * y, xy * x + yy * y]
}
