//! Workers by load: the least loaded one, and moves, in O(1).
//!
//! One list per load (a doubly linked one, in two arrays), and the smallest load that has a worker. The worker
//! that has waited longest comes first, so equal workers take turns, always in the same order.

const NONE: u32 = u32::MAX;

#[derive(Clone, Copy)]
struct List {
    first: u32,
    last: u32,
    len: u32,
}

struct Link {
    before: u32,
    after: u32,
    /// `NONE`: not in the index.
    load: u32,
    /// In the index but on no list: it is not to be found as the least loaded one.
    parked: bool,
}

/// The index. Loads are small numbers (tasks per worker), workers are 0-based.
pub(super) struct LoadIndex {
    lists: Vec<List>,
    links: Vec<Link>,
    least: usize,
    len: usize,
    listed: usize,
    idle: usize,
    /// The loads of parked workers, added up.
    aside: usize,
}

impl LoadIndex {
    /// All of `workers` idle.
    pub(super) fn new(workers: usize) -> Self {
        let links = (0..workers).map(|_| Link { before: NONE, after: NONE, load: NONE, parked: false });
        let links = links.collect();
        let mut index = Self { lists: Vec::new(), links, least: 0, len: 0, listed: 0, idle: 0, aside: 0 };
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

    /// Number of workers with load 0, parked ones among them.
    pub(super) fn idle(&self) -> usize {
        self.idle
    }

    /// Number of workers that are not parked.
    pub(super) fn listed(&self) -> usize {
        self.listed
    }

    /// What parked workers hold together.
    pub(super) fn aside(&self) -> usize {
        self.aside
    }

    /// The least loaded worker that is not parked, and its load.
    pub(super) fn least(&self) -> Option<(u32, u32)> {
        (self.listed > 0).then(|| (self.lists[self.least].first, self.least as u32))
    }

    /// Workers that are not parked with their loads, the least loaded ones first.
    pub(super) fn by_load(&self) -> impl Iterator<Item = (u32, u32)> + '_ {
        let after = |worker: &u32| Some(self.links[*worker as usize].after).filter(|next| *next != NONE);
        let list = move |load: usize| {
            let first = Some(self.lists[load].first).filter(|first| *first != NONE);
            std::iter::successors(first, after).map(move |worker| (worker, load as u32))
        };
        (self.least..self.lists.len()).flat_map(list)
    }

    /// Number of workers with the least load that are not parked.
    pub(super) fn least_loaded(&self) -> usize {
        if self.listed > 0 { self.lists[self.least].len as usize } else { 0 }
    }

    /// Puts a worker in, or moves it to another load. A parked one stays parked.
    pub(super) fn insert(&mut self, worker: u32, load: u32) {
        let parked = self.links[worker as usize].parked;
        self.remove(worker);
        self.links[worker as usize].load = load;
        self.len += 1;
        self.idle += usize::from(load == 0);
        if parked {
            self.links[worker as usize].parked = true;
            self.aside += load as usize;
        } else {
            self.list(worker);
        }
    }

    /// Parks a worker of the index, or ends that.
    pub(super) fn park(&mut self, worker: u32, parked: bool) {
        let link = &mut self.links[worker as usize];
        if link.load == NONE || link.parked == parked {
            return;
        }
        let load = link.load as usize;
        if parked {
            self.unlist(worker);
            self.aside += load;
        } else {
            self.list(worker);
            self.aside -= load;
        }
        self.links[worker as usize].parked = parked;
    }

    /// Takes a worker out.
    pub(super) fn remove(&mut self, worker: u32) {
        let Link { load, parked, .. } = self.links[worker as usize];
        if load == NONE {
            return;
        }
        if parked {
            self.aside -= load as usize;
        } else {
            self.unlist(worker);
        }
        let link = &mut self.links[worker as usize];
        (link.load, link.parked) = (NONE, false);
        self.len -= 1;
        self.idle -= usize::from(load == 0);
    }

    /// Puts a worker at the end of the list of its load.
    fn list(&mut self, worker: u32) {
        let at = self.links[worker as usize].load as usize;
        if self.lists.len() <= at {
            self.lists.resize(at + 1, List { first: NONE, last: NONE, len: 0 });
        }
        let last = self.lists[at].last;
        let link = &mut self.links[worker as usize];
        (link.before, link.after) = (last, NONE);
        if last == NONE {
            self.lists[at].first = worker;
        } else {
            self.links[last as usize].after = worker;
        }
        self.lists[at].last = worker;
        self.lists[at].len += 1;
        self.listed += 1;
        if self.listed == 1 || at < self.least {
            self.least = at;
        }
    }

    fn unlist(&mut self, worker: u32) {
        let Link { before, after, load, .. } = self.links[worker as usize];
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
        self.lists[at].len -= 1;
        self.listed -= 1;
        while self.listed > 0 && self.lists[self.least].first == NONE {
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
        fn the_least_loaded_worker_is_found(moves in prop::collection::vec((0_u32..6, 0_u32..9, 0..4), 0..80)) {
            let mut index = LoadIndex::new(6);
            // The load of each worker, and whether it is parked.
            let mut model = [Some((0_u32, false)); 6];
            for (worker, load, what) in moves {
                let place = &mut model[worker as usize];
                match what {
                    0 | 1 => {
                        index.insert(worker, load);
                        *place = Some((load, place.is_some_and(|(_, parked)| parked)));
                    }
                    2 => {
                        index.remove(worker);
                        *place = None;
                    }
                    _ => {
                        index.park(worker, load > 4);
                        *place = place.map(|(old, _)| (old, load > 4));
                    }
                }
                let known = || model.iter().flatten();
                let listed = || known().filter(|(_, parked)| !parked);
                let least = listed().map(|(load, _)| *load).min();
                prop_assert_eq!(index.least().map(|l| l.1), least);
                let equal = listed().filter(|(load, _)| Some(*load) == least).count();
                prop_assert_eq!(index.least_loaded(), equal);
                prop_assert_eq!((index.len(), index.listed()), (known().count(), listed().count()));
                let aside = known().filter(|(_, parked)| *parked).map(|(load, _)| *load as usize);
                prop_assert_eq!(index.aside(), aside.sum::<usize>());
                prop_assert_eq!(index.idle(), known().filter(|(load, _)| *load == 0).count());
                let loads: Vec<u32> = index.by_load().map(|(_, load)| load).collect();
                prop_assert!(loads.is_sorted() && loads.len() == index.listed());
                if let Some((worker, load)) = index.least() {
                    prop_assert_eq!(index.by_load().next(), Some((worker, load)));
                    prop_assert_eq!(model[worker as usize], Some((load, false)));
                }
            }
        }
    }
}
