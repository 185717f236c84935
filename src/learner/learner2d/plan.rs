//! Which points to ask next: a stack of them, chosen from one state.

use super::field::Field;
use super::{Learner2D, key};
use crate::geometry::SimplexId;
use crate::learner::Suggestion;
use crate::model::{Point, Sample};
use std::collections::VecDeque;

#[derive(Clone, Copy, Debug)]
pub(super) struct Candidate {
    pub(super) point: [f64; 2],
    pub(super) improvement: f64,
    /// The triangle that it was put into.
    pub(super) hint: Hint,
}

/// A triangle at or near a point, where the search for its place begins.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Hint {
    /// Of the told points.
    pub(super) told: Option<SimplexId>,
    /// Of told and pending points.
    pub(super) expected: Option<SimplexId>,
}

/// The next points, and triangles into which no point can be put.
#[derive(Default)]
pub(super) struct Plan {
    pub(super) candidates: VecDeque<Candidate>,
    pub(super) hopeless: Vec<SimplexId>,
}

impl Learner2D {
    pub(super) fn stack_corners(&mut self) {
        let corners =
            self.domain.corners().into_iter().filter(|corner| !self.known.contains_key(&key(*corner)));
        let candidate = |point| Candidate { point, improvement: f64::INFINITY, hint: Hint::default() };
        self.stack = corners.map(candidate).collect();
    }

    /// Whether the next points are chosen among the triangles of the told points alone.
    pub(super) fn told_is_all(&self) -> bool {
        self.npending_inside == 0 && self.told.is_some()
    }

    /// The next `n` or more points, best first, from the present state; does not look at the stack.
    pub(super) fn plan(&self, n: usize) -> Plan {
        let wanted = n.max(self.stack_size);
        if self.told_is_all() {
            let hint = |id| Hint { told: Some(id), expected: None };
            return self.told.as_ref().map_or_else(Plan::default, |told| self.plan_from(told, wanted, hint));
        }
        let hint = |id| Hint { told: None, expected: Some(id) };
        match &self.expected {
            Some(expected) => self.plan_from(&expected.field, wanted, hint),
            None => self
                .expect()
                .map_or_else(Plan::default, |expected| self.plan_from(&expected.field, wanted, hint)),
        }
    }

    pub(super) fn plan_from(&self, field: &Field, wanted: usize, hint: impl Fn(SimplexId) -> Hint) -> Plan {
        let mut plan = Plan::default();
        let towards_circumcentre = self.loss.splits_towards_circumcentre();
        // Two triangles may share the side that both would be cut through.
        let mut chosen = rustc_hash::FxHashSet::default();
        field.descending(|(id, loss)| {
            let corners = field.corners(id);
            let slopes = towards_circumcentre.then(|| field.slopes(id));
            let wrong = slopes.as_ref().map(|(slopes, scale)| (&slopes[..], *scale));
            let mut point = self.domain.choose(corners, wrong);
            let is_known = |point: &[f64; 2]| self.known.contains_key(&key(*point));
            if let Some(lattice) = &self.domain.lattice {
                let is_taken = |point: &[f64; 2]| is_known(point) || chosen.contains(&key(*point));
                point = match lattice.free_point(&corners, &point, is_taken) {
                    Some(free) => free,
                    // One that another triangle of this plan has, or else a corner.
                    None => lattice.free_point(&corners, &point, is_known).unwrap_or(corners[0]),
                };
            }
            if is_known(&point) {
                plan.hopeless.push(id);
            } else if chosen.insert(key(point)) {
                plan.candidates.push_back(Candidate { point, improvement: loss, hint: hint(id) });
            }
            plan.candidates.len() < wanted
        });
        // What the triangles have not shown, if there is anything left.
        if plan.candidates.is_empty()
            && let Some(lattice) = &self.domain.lattice
            && let Some(point) = lattice.first_free(|point| self.known.contains_key(&key(*point)))
        {
            plan.candidates.push_back(Candidate { point, improvement: 0.0, hint: Hint::default() });
        }
        plan
    }

    /// Fills the empty stack with `n` points or more, if there are so many.
    pub(super) fn fill_stack(&mut self, n: usize) {
        if !self.told_is_all() && self.expected.is_none() {
            self.expected = self.expect();
        }
        self.settle_if_looked_at();
        let plan = self.plan(n);
        self.stack = plan.candidates;
        let field = match (&mut self.told, &mut self.expected) {
            (Some(told), _) if self.npending_inside == 0 => told,
            (_, Some(expected)) => &mut expected.field,
            _ => return,
        };
        plan.hopeless.into_iter().for_each(|id| field.give_up(id));
    }

    /// Makes the field of told and pending points right if the next points are chosen there now.
    pub(super) fn settle_if_looked_at(&mut self) {
        if let Some(expected) = self.expected.as_mut().filter(|_| self.stack.is_empty()) {
            expected.field.settle();
        }
    }
}

#[inline]
pub(super) fn suggestion(candidate: &Candidate) -> Suggestion {
    let sample = Sample::at(Point::new(&candidate.point));
    Suggestion { sample, loss_improvement: candidate.improvement }
}
