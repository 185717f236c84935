//! Which tasks have to be done by when: the earliest first. Pure; times are those of the transport.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

/// Below so many entries, stale ones are not worth a clean-up.
const FEW: usize = 64;

/// One use of a slot.
pub(super) type Use = (u32, u32);

/// Deadlines of open tasks, and stale ones of tasks that ended before theirs. O(log n) per call.
#[derive(Default)]
pub(super) struct Deadlines {
    heap: BinaryHeap<Reverse<(Duration, Use)>>,
    /// Entries that are not stale.
    live: usize,
}

impl Deadlines {
    /// Adds a deadline. `is_open` tells which uses have not ended: when most have, their entries go.
    pub(super) fn add(&mut self, at: Duration, slot: Use, is_open: impl Fn(Use) -> bool) {
        if self.heap.len() > FEW && self.heap.len() > 2 * self.live {
            self.heap.retain(|Reverse((_, slot))| is_open(*slot));
        }
        self.live += 1;
        self.heap.push(Reverse((at, slot)));
    }

    /// A use with a deadline has ended before it: its entry is stale.
    pub(super) fn drop_one(&mut self) {
        self.live = self.live.saturating_sub(1);
    }

    /// The earliest deadline; perhaps a stale one.
    pub(super) fn next(&self) -> Option<Duration> {
        self.heap.peek().map(|Reverse((at, _))| *at)
    }

    /// Takes out an entry whose time has come; perhaps a stale one.
    pub(super) fn pop(&mut self, now: Duration) -> Option<Use> {
        if self.next()? > now {
            return None;
        }
        self.heap.pop().map(|Reverse((_, slot))| slot)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_earliest_comes_first_and_none_before_its_time() {
        let second = Duration::from_secs;
        let mut deadlines = Deadlines::default();
        for (at, slot) in [(5, 0), (2, 1), (9, 2)] {
            deadlines.add(second(at), (slot, 0), |_| true);
        }
        assert_eq!(deadlines.next(), Some(second(2)));
        assert_eq!(deadlines.pop(second(1)), None);
        assert_eq!([deadlines.pop(second(6)), deadlines.pop(second(6))], [Some((1, 0)), Some((0, 0))]);
        assert_eq!(deadlines.pop(second(6)), None);
    }

    #[test]
    fn tasks_that_end_long_before_their_deadlines_leave_nothing_behind() {
        let mut deadlines = Deadlines::default();
        for n in 0..10_000 {
            deadlines.add(Duration::from_secs(3600), (0, n), |(_, use_)| use_ == n);
            deadlines.drop_one();
        }
        assert!(deadlines.heap.len() <= FEW + 2, "{}", deadlines.heap.len());
    }
}
