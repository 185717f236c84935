//! Which interval is refined next, and which is given up first.

use crate::learner::heap::{IndexedHeap, ordered_bits};
use std::cmp::Reverse;

/// By error, then by left end.
type Rank = (u64, u64);

/// What the place of an interval depends on.
#[derive(Clone, Copy)]
pub(super) struct Merit {
    /// It waits for no value.
    pub(super) complete: bool,
    pub(super) err: f64,
    pub(super) a: f64,
}

/// The intervals that may still be refined, by error. All operations are O(log n).
#[derive(Clone, Debug, Default)]
pub(super) struct Ranking {
    worst: IndexedHeap<Rank>,
    /// Complete ones first.
    worst_complete: IndexedHeap<(bool, Rank)>,
    best: IndexedHeap<Reverse<Rank>>,
    len: usize,
}

impl Ranking {
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Puts an interval in that was out.
    pub(super) fn insert(&mut self, id: u32, merit: Merit) {
        self.len += 1;
        self.update(id, merit);
    }

    /// Takes an interval out that was in.
    pub(super) fn remove(&mut self, id: u32) {
        self.len -= 1;
        self.worst.remove(id);
        self.worst_complete.remove(id);
        self.best.remove(id);
    }

    /// Something has changed for an interval that is in.
    #[inline]
    pub(super) fn update(&mut self, id: u32, Merit { complete, err, a }: Merit) {
        let rank = (ordered_bits(err), ordered_bits(a));
        self.worst.set(id, rank);
        self.worst_complete.set(id, (complete, rank));
        self.best.set(id, Reverse(rank));
    }

    /// The one with the largest error among those that wait for no value, if there are any; of equals the rightmost.
    pub(super) fn worst_complete(&self) -> Option<u32> {
        self.worst_complete.top().map(|(_, id)| id)
    }

    /// The one with the largest error, of equals the rightmost.
    pub(super) fn worst(&self) -> Option<u32> {
        self.worst.top().map(|(_, id)| id)
    }

    /// The one with the smallest error, of equals the leftmost.
    pub(super) fn best(&self) -> Option<u32> {
        self.best.top().map(|(_, id)| id)
    }
}
