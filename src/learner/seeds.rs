//! Which seeds of a noisy function are told, which are pending, and which come next.

use std::collections::{BTreeMap, BTreeSet};

/// A set of whole numbers as runs without gaps: what is told nearly in order takes next to no memory, whatever its size.
#[derive(Clone, Debug, Default)]
struct Runs {
    /// First to last number of each run; between two runs at least one number is missing.
    runs: BTreeMap<u64, u64>,
    len: u64,
}

impl Runs {
    fn contains(&self, k: u64) -> bool {
        self.runs.range(..=k).next_back().is_some_and(|(_, last)| *last >= k)
    }

    /// Adds a number, in O(log runs); false if it was there.
    fn insert(&mut self, k: u64) -> bool {
        let before = match self.runs.range_mut(..=k).next_back() {
            Some((_, last)) if *last >= k => return false,
            Some((_, last)) if *last + 1 == k => Some(last),
            _ => None,
        };
        self.len += 1;
        let joined = before.map(|last| *last = k).is_some();
        if k < u64::MAX
            && let Some(end) = self.runs.remove(&(k + 1))
        {
            match self.runs.range_mut(..=k).next_back().filter(|_| joined) {
                Some((_, last)) => *last = end,
                None => _ = self.runs.insert(k, end),
            }
        } else if !joined {
            self.runs.insert(k, k);
        }
        true
    }

    /// Whether none of the `n` numbers from `first` on is in the set.
    fn is_free(&self, first: u64, n: u64) -> bool {
        let last = first.saturating_add(n - 1);
        self.runs.range(..=last).next_back().is_none_or(|(_, end)| *end < first)
    }

    /// The numbers that are not in the set, ascending.
    fn missing(&self) -> impl Iterator<Item = u64> {
        let ends = self.runs.iter().map(|(first, last)| (*first, last.saturating_add(1)));
        let mut from = 0;
        ends.chain([(u64::MAX, u64::MAX)])
            .flat_map(move |(first, next)| std::mem::replace(&mut from, next)..first)
    }
}

/// The seeds of one noisy quantity.
#[derive(Clone, Debug, Default)]
pub(super) struct Seeds {
    told: Runs,
    /// Told or pending.
    used: Runs,
    /// Pending for good: given up, and without a value so far.
    failed: BTreeSet<u64>,
}

impl Seeds {
    /// Number of seeds told.
    #[inline]
    pub(super) fn ntold(&self) -> u64 {
        self.told.len
    }

    /// Number of seeds told or pending (upstream: `n_requested`), those that were given up too.
    #[inline]
    pub(super) fn nused(&self) -> u64 {
        self.used.len
    }

    /// Number of pending seeds, those that were given up too.
    #[inline]
    pub(super) fn npending(&self) -> u64 {
        self.used.len - self.told.len
    }

    /// Number of seeds that were given up and have no value.
    #[inline]
    pub(super) fn nfailed(&self) -> u64 {
        self.failed.len() as u64
    }

    /// Number of pending seeds whose values are still to come.
    #[inline]
    pub(super) fn nawaited(&self) -> u64 {
        self.npending() - self.nfailed()
    }

    /// How many seeds will be told when those that are awaited have come.
    #[inline]
    pub(super) fn nexpected(&self) -> u64 {
        self.nused() - self.nfailed()
    }

    pub(super) fn is_told(&self, seed: u64) -> bool {
        self.told.contains(seed)
    }

    /// Takes note that a seed is told; false if it was before.
    #[inline]
    pub(super) fn tell(&mut self, seed: u64) -> bool {
        let new = self.told.insert(seed);
        if new && !self.used.insert(seed) {
            self.failed.remove(&seed);
        }
        new
    }

    /// Takes note that no value will come for a seed, which is never asked again; false if that is known, or it has
    /// one.
    pub(super) fn give_up(&mut self, seed: u64) -> bool {
        if self.is_told(seed) {
            return false;
        }
        self.used.insert(seed);
        self.failed.insert(seed)
    }

    /// Takes note that a seed is pending; false if it was, or is told.
    #[inline]
    pub(super) fn tell_pending(&mut self, seed: u64) -> bool {
        self.used.insert(seed)
    }

    /// Forgets the pending seeds but those that were given up, in O(runs + those).
    pub(super) fn remove_unfinished(&mut self) {
        if self.nawaited() > 0 {
            self.used = self.told.clone();
            self.failed.iter().for_each(|seed| _ = self.used.insert(*seed));
        }
    }

    /// The next `n` seeds, ascending: those that follow as many as are used, and where one of these is used already, the
    /// lowest unused ones. (Upstream takes the same ones in the latter case, in the order of a hash set.)
    pub(super) fn next(&self, n: u64, out: &mut Vec<u64>) {
        if n == 0 {
            return;
        }
        let first = self.nused();
        if self.used.is_free(first, n) {
            out.extend(first..first + n);
        } else {
            out.extend(self.used.missing().take(n as usize));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn next(seeds: &Seeds, n: u64) -> Vec<u64> {
        let mut out = Vec::new();
        seeds.next(n, &mut out);
        out
    }

    #[test]
    fn without_gaps_seeds_are_counted_up() {
        let mut seeds = Seeds::default();
        assert_eq!(next(&seeds, 3), [0, 1, 2]);
        seeds.tell(0);
        seeds.tell_pending(1);
        assert_eq!((next(&seeds, 2), seeds.npending()), (vec![2, 3], 1));
        seeds.remove_unfinished();
        assert_eq!((next(&seeds, 2), seeds.npending()), (vec![1, 2], 0));
    }

    #[test]
    fn gaps_are_filled_from_below() {
        let mut seeds = Seeds::default();
        for seed in [1, 2, 5, u64::MAX] {
            assert!(seeds.tell(seed) && !seeds.tell(seed) && !seeds.tell_pending(seed));
        }
        assert_eq!(next(&seeds, 3), [0, 3, 4]);
        // Four are used, and 4 is free.
        assert_eq!(next(&seeds, 1), [4]);
    }

    #[test]
    fn a_seed_that_was_given_up_is_not_asked_again_and_may_still_be_told() {
        let mut seeds = Seeds::default();
        (0..3).for_each(|seed| _ = seeds.tell_pending(seed));
        assert!(seeds.give_up(1) && !seeds.give_up(1));
        assert_eq!((seeds.npending(), seeds.nawaited(), seeds.nexpected()), (3, 2, 2));
        seeds.remove_unfinished();
        assert_eq!((next(&seeds, 3), seeds.npending(), seeds.nawaited()), (vec![0, 2, 3], 1, 0));
        assert!(seeds.tell(1) && !seeds.give_up(1));
        assert_eq!((seeds.npending(), seeds.nfailed(), seeds.nexpected()), (0, 0, 1));
    }

    proptest! {
        #[test]
        fn runs_are_a_set(numbers in prop::collection::vec(prop_oneof![0u64..30, u64::MAX - 3..=u64::MAX], 0..60)) {
            let mut runs = Runs::default();
            let mut set = BTreeSet::new();
            for k in numbers {
                prop_assert_eq!(runs.insert(k), set.insert(k));
                prop_assert_eq!(runs.len, set.len() as u64);
            }
            for k in (0..32).chain([u64::MAX - 1, u64::MAX]) {
                prop_assert_eq!(runs.contains(k), set.contains(&k));
                prop_assert_eq!(runs.is_free(k, 2), !set.contains(&k) && !set.contains(&k.saturating_add(1)));
            }
            let missing: Vec<u64> = (0..40).filter(|k| !set.contains(k)).take(5).collect();
            prop_assert_eq!(runs.missing().take(5).collect::<Vec<_>>(), missing);
            let ends: Vec<_> = runs.runs.into_iter().collect();
            prop_assert!(ends.windows(2).all(|pair| pair[0].1 + 1 < pair[1].0), "{:?}", ends);
        }
    }
}
