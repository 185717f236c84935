//! Which triangle to split next, worked out when somebody looks.

use crate::geometry::SimplexId;
use crate::learner::heap::{IndexedHeap, ordered_bits};
use std::cmp::Reverse;

/// Largest rank first; among equals the smaller triangle id.
type Key = (u64, Reverse<SimplexId>);

/// The losses of triangles, and those that are to be computed again.
///
/// Many a triangle changes several times, or is no more, before the next points are chosen: so changes are only noted, and
/// [`Ranking::refresh`] computes what is needed.
#[derive(Clone, Default)]
pub(super) struct Ranking {
    /// By triangle.
    losses: Vec<f64>,
    heap: IndexedHeap<Key>,
    /// Triangles whose loss is to be computed again; some may be no more.
    dirty: Vec<SimplexId>,
    is_dirty: Vec<bool>,
}

impl Ranking {
    /// The loss of a triangle is to be computed again.
    #[inline]
    pub(super) fn touch(&mut self, id: SimplexId) {
        if self.is_dirty.len() <= id as usize {
            self.is_dirty.resize(id as usize + 1, false);
            self.losses.resize(id as usize + 1, f64::NAN);
        }
        if !std::mem::replace(&mut self.is_dirty[id as usize], true) {
            self.dirty.push(id);
        }
    }

    /// Computes what is to be computed: `loss` gives the loss of a triangle and its rank, which is `None` if it can't be
    /// split; `None` instead of both for a triangle that is no more.
    pub(super) fn refresh(&mut self, mut loss: impl FnMut(SimplexId) -> Option<(f64, Option<f64>)>) {
        for id in self.dirty.drain(..) {
            self.is_dirty[id as usize] = false;
            let Some((loss, rank)) = loss(id) else { continue };
            self.losses[id as usize] = loss;
            match rank {
                Some(rank) => self.heap.set(id, (ordered_bits(rank), Reverse(id))),
                None => self.heap.remove(id),
            }
        }
    }

    /// The triangle is no more, or is not split any more.
    #[inline]
    pub(super) fn remove(&mut self, id: SimplexId) {
        self.heap.remove(id);
    }

    #[inline]
    pub(super) fn loss(&self, id: SimplexId) -> f64 {
        self.losses[id as usize]
    }

    /// Whether no triangle can be split any more.
    pub(super) fn is_empty(&self) -> bool {
        self.heap.top().is_none()
    }

    /// The largest loss; 0 if no triangle can be split any more.
    pub(super) fn largest(&self) -> f64 {
        self.heap.top().map_or(0.0, |(_, id)| self.loss(id))
    }

    /// Triangles with their losses, the next to split first: O(log n) for each one taken. Those that can't be split are
    /// left out.
    pub(super) fn descending(&self) -> impl Iterator<Item = (SimplexId, f64)> {
        self.heap.descending().map(|(_, id)| (id, self.loss(id)))
    }
}
