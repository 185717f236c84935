//! Which points are told or pending.

use crate::geometry::SimplexId;
use rustc_hash::FxHashMap;

/// What is known of a point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Told,
    /// Pending in the domain: its position in the order of asking, and a simplex that held it then.
    Pending {
        order: u64,
        cell: Option<SimplexId>,
    },
    /// Pending outside of the domain.
    Outside,
    /// Counted as pending. The vertex that stands for it, if it can be told apart from others.
    GivenUp(Option<u32>),
}

impl State {
    /// The simplex that held the pending point when it was asked. It may be gone by now.
    pub(super) fn cell(self) -> Option<SimplexId> {
        match self {
            Self::Pending { cell, .. } => cell,
            _ => None,
        }
    }
}

/// All points, by the bits of their coordinates (never -0.0).
#[derive(Clone, Default)]
pub(super) struct Known<const D: usize> {
    states: FxHashMap<Bits<D>, State>,
    npending: usize,
    order: u64,
}

/// Coordinates that can be compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Bits<const D: usize>([u64; D]);

#[inline]
fn bits<const D: usize>(point: &[f64; D]) -> Bits<D> {
    Bits(point.map(f64::to_bits))
}

impl<const D: usize> Known<D> {
    pub(super) fn contains(&self, point: &[f64; D]) -> bool {
        self.states.contains_key(&bits(point))
    }

    pub(super) fn is_told(&self, point: &[f64; D]) -> bool {
        self.states.get(&bits(point)) == Some(&State::Told)
    }

    pub(super) fn is_pending(&self, point: &[f64; D]) -> bool {
        self.states
            .get(&bits(point))
            .is_some_and(|state| matches!(state, State::Pending { .. } | State::Outside))
    }

    /// What is known of a point.
    pub(super) fn get(&self, point: &[f64; D]) -> Option<State> {
        self.states.get(&bits(point)).copied()
    }

    /// A pending point is given up.
    pub(super) fn give_up(&mut self, point: &[f64; D], vertex: Option<u32>) {
        self.states.insert(bits(point), State::GivenUp(vertex));
    }

    pub(super) fn npending(&self) -> usize {
        self.npending
    }

    /// A point is told; returns what was known before.
    pub(super) fn tell(&mut self, point: [f64; D]) -> Option<State> {
        let before = self.states.insert(bits(&point), State::Told);
        if before.is_some_and(|state| state != State::Told) {
            self.npending -= 1;
        }
        before
    }

    /// A point of the domain that is not known becomes pending; returns its position in the order.
    pub(super) fn add_pending(&mut self, point: [f64; D]) -> u64 {
        let order = self.order;
        self.order += 1;
        self.npending += 1;
        self.states.insert(bits(&point), State::Pending { order, cell: None });
        order
    }

    /// Remembers a simplex that holds a pending point.
    pub(super) fn set_cell(&mut self, point: &[f64; D], new: Option<SimplexId>) {
        if let Some(State::Pending { cell, .. }) = self.states.get_mut(&bits(point)) {
            *cell = new;
        }
    }

    /// A point outside of the domain that is not known becomes pending.
    pub(super) fn add_outside(&mut self, point: [f64; D]) {
        self.npending += 1;
        self.states.insert(bits(&point), State::Outside);
    }

    /// The pending points in the domain, in the order in which they became pending.
    pub(super) fn pending_inside(&self) -> Vec<([f64; D], u64)> {
        let mut pending: Vec<_> = self
            .states
            .iter()
            .filter_map(|(Bits(point), state)| match state {
                State::Pending { order, .. } => Some((point.map(f64::from_bits), *order)),
                _ => None,
            })
            .collect();
        pending.sort_unstable_by_key(|(_, order)| *order);
        pending
    }

    /// Forgets a pending point.
    pub(super) fn forget(&mut self, point: &[f64; D]) {
        if self.states.remove(&bits(point)).is_some() {
            self.npending -= 1;
        }
    }

    /// Forgets all pending points. O(N).
    pub(super) fn forget_pending(&mut self) {
        self.states.retain(|_, state| matches!(state, State::Told | State::GivenUp(_)));
        self.npending = self.states.values().filter(|state| **state != State::Told).count();
    }

    pub(super) fn order(&self) -> u64 {
        self.order
    }

    pub(super) fn set_order(&mut self, order: u64) {
        self.order = order;
    }
}
