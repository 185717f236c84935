//! Workers by load: the least loaded one, and moves, in O(1).
//!
//! One list per load (a doubly linked one, in two arrays), and the smallest load that has a worker. The worker
//! that has waited longest comes first, so equal workers take turns, always in the same order.

const NONE: u32 = u32::MAX;

#[derive(Clone, Copy)]
struct Ends {
    first: u32,
    last: u32,
}

struct Link {
    before: u32,
    after: u32,
    /// `NONE`: not in the index.
    load: u32,
}

/// The index. Loads are small numbers (tasks per worker), workers are 0-based.
pub(super) struct LoadIndex {
    lists: Vec<Ends>,
    links: Vec<Link>,
    least: usize,
    len: usize,
}

impl LoadIndex {
    /// All of `workers` idle.
    pub(super) fn new(workers: usize) -> Self {
        let links = (0..workers).map(|_| Link { before: NONE, after: NONE, load: NONE }).collect();
        let mut index = Self { lists: Vec::new(), links, least: 0, len: 0 };
        for worker in 0..workers {
            index.insert(worker as u32, 0);
        }
        index
    }

    /// Number of workers in the index.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Whether the worker is in the index.
    pub(super) fn contains(&self, worker: u32) -> bool {
        self.links[worker as usize].load != NONE
    }

    /// The load of a worker; 0 if it is not in the index.
    pub(super) fn load(&self, worker: u32) -> u32 {
        let load = self.links[worker as usize].load;
        if load == NONE { 0 } else { load }
    }

    /// The least loaded worker and its load.
    pub(super) fn least(&self) -> Option<(u32, u32)> {
        (self.len > 0).then(|| (self.lists[self.least].first, self.least as u32))
    }

    /// Puts a worker in, or moves it to another load.
    pub(super) fn insert(&mut self, worker: u32, load: u32) {
        self.remove(worker);
        let at = load as usize;
        if self.lists.len() <= at {
            self.lists.resize(at + 1, Ends { first: NONE, last: NONE });
        }
        let last = self.lists[at].last;
        self.links[worker as usize] = Link { before: last, after: NONE, load };
        if last == NONE {
            self.lists[at].first = worker;
        } else {
            self.links[last as usize].after = worker;
        }
        self.lists[at].last = worker;
        self.len += 1;
        if self.len == 1 || at < self.least {
            self.least = at;
        }
    }

    /// Takes a worker out.
    pub(super) fn remove(&mut self, worker: u32) {
        let Link { before, after, load } = self.links[worker as usize];
        if load == NONE {
            return;
        }
        let at = load as usize;
        if before == NONE {
            self.lists[at].first = after;
        } else {
            self.links[before as usize].after = after;
        }
        if after == NONE {
            self.lists[at].last = before;
        } else {
            self.links[after as usize].before = before;
        }
        self.links[worker as usize].load = NONE;
        self.len -= 1;
        while self.len > 0 && self.lists[self.least].first == NONE {
            self.least += 1;
            if self.least == self.lists.len() {
                self.least = 0;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn equal_workers_take_turns() {
        let mut index = LoadIndex::new(3);
        let mut order = Vec::new();
        for _ in 0..6 {
            let (worker, load) = index.least().unwrap();
            order.push(worker);
            index.insert(worker, load + 1);
        }
        assert_eq!(order, [0, 1, 2, 0, 1, 2]);
    }

    proptest! {
        #[test]
        fn the_least_loaded_worker_is_found(moves in prop::collection::vec((0_u32..6, 0_u32..9, any::<bool>()), 0..80)) {
            let mut index = LoadIndex::new(6);
            let mut model = [Some(0_u32); 6];
            for (worker, load, keep) in moves {
                if keep { index.insert(worker, load) } else { index.remove(worker) }
                model[worker as usize] = keep.then_some(load);
                prop_assert_eq!(index.least().map(|l| l.1), model.iter().flatten().min().copied());
                prop_assert_eq!(index.len(), model.iter().flatten().count());
                if let Some((worker, load)) = index.least() {
                    prop_assert_eq!(model[worker as usize], Some(load));
                }
            }
        }
    }
}
