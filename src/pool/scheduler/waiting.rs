//! Slots that wait for a worker: higher priorities first, equal ones in the order in which they came.

use std::cmp::Reverse;
use std::collections::{BTreeMap, VecDeque};

/// The waiting slots. Every call is O(1) for priority 0, and O(log p) with p other priorities waiting.
#[derive(Default)]
pub(super) struct Waiting {
    /// Priority 0: nearly everything, so it costs no look into the map.
    usual: VecDeque<u32>,
    /// All other priorities. No lane in here is empty.
    lanes: BTreeMap<Reverse<i32>, VecDeque<u32>>,
}

impl Waiting {
    fn lane(&mut self, priority: i32) -> &mut VecDeque<u32> {
        if priority == 0 { &mut self.usual } else { self.lanes.entry(Reverse(priority)).or_default() }
    }

    /// Puts a slot behind those of its priority.
    pub(super) fn push_back(&mut self, priority: i32, slot: u32) {
        self.lane(priority).push_back(slot);
    }

    /// Puts a slot ahead of those of its priority.
    pub(super) fn push_front(&mut self, priority: i32, slot: u32) {
        self.lane(priority).push_front(slot);
    }

    /// Whether the next slot is not one of priority 0.
    fn next_is_unusual(&self) -> bool {
        let first = self.lanes.first_key_value();
        first.is_some_and(|(Reverse(priority), _)| *priority > 0 || self.usual.is_empty())
    }

    /// The next slot.
    pub(super) fn front(&self) -> Option<u32> {
        if !self.lanes.is_empty() && self.next_is_unusual() {
            return self.lanes.first_key_value()?.1.front().copied();
        }
        self.usual.front().copied()
    }

    /// Takes the next slot out.
    pub(super) fn pop(&mut self) -> Option<u32> {
        if self.lanes.is_empty() || !self.next_is_unusual() {
            return self.usual.pop_front();
        }
        let mut lane = self.lanes.first_entry()?;
        let slot = lane.get_mut().pop_front();
        if lane.get().is_empty() {
            lane.remove();
        }
        slot
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn higher_priorities_come_first_and_equals_in_order() {
        let mut waiting = Waiting::default();
        for (slot, priority) in [0, 5, -1, 0, 5, 0].into_iter().enumerate() {
            waiting.push_back(priority, slot as u32);
        }
        waiting.push_front(5, 9);
        let order: Vec<u32> = std::iter::from_fn(|| waiting.pop()).collect();
        assert_eq!(order, [9, 1, 4, 0, 3, 5, 2]);
    }

    proptest! {
        #[test]
        fn the_order_is_that_of_a_stable_sort(priorities in prop::collection::vec(-3..4, 0..60)) {
            let mut waiting = Waiting::default();
            let mut expected: Vec<(usize, i32)> = priorities.into_iter().enumerate().collect();
            for (slot, priority) in &expected {
                waiting.push_back(*priority, *slot as u32);
            }
            expected.sort_by_key(|(_, priority)| Reverse(*priority));
            for (slot, _) in expected {
                prop_assert_eq!(waiting.front(), Some(slot as u32));
                prop_assert_eq!(waiting.pop(), Some(slot as u32));
            }
            prop_assert_eq!(waiting.pop(), None);
        }
    }
}
