//! Points on the real line in order, told or pending, with links to their neighbours.

use super::heap::ordered_bits;
use rustc_hash::FxHashMap;
use std::collections::BTreeMap;

/// No node.
pub(super) const NONE: u32 = u32::MAX;

/// A point, and the interval that starts there.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) x: f64,
    /// Of a told node: the loss of the interval up to `told_next`.
    pub(super) loss: f64,
    /// The expected loss of the interval up to `next`.
    pub(super) expected: f64,
    /// Neighbours among all points.
    pub(super) prev: u32,
    pub(super) next: u32,
    /// Neighbours among the told points. A pending node between the first and the last told one keeps its
    /// nearest told node to the left in `told_prev`; elsewhere it has none.
    pub(super) told_prev: u32,
    pub(super) told_next: u32,
    pub(super) told: bool,
}

/// All points of a learner within its bounds.
///
/// Nodes live in one array and are named by their place in it. A point that the learner itself chose is linked in
/// without a search, because its interval is known, and found by the few that are pending when its value comes; only
/// foreign points and told ones need the sorted index, which is made when the first of them comes. So what is looked up
/// for each point stays in the caches while few are pending, however many are told.
#[derive(Clone, Debug)]
pub(super) struct Line {
    pub(super) nodes: Vec<Node>,
    free: Vec<u32>,
    /// The pending nodes by the bits of x.
    pending: FxHashMap<u64, u32>,
    pub(super) head: u32,
    pub(super) tail: u32,
    pub(super) first_told: u32,
    pub(super) last_told: u32,
    /// Number of told nodes.
    pub(super) ntold: usize,
    /// All nodes by x but for those in `unsorted`, once a search was needed.
    sorted: Option<BTreeMap<u64, u32>>,
    /// Nodes that are not in `sorted` yet.
    unsorted: Vec<u32>,
}

impl Line {
    pub(super) fn new() -> Self {
        Self {
            nodes: Vec::new(),
            free: Vec::new(),
            pending: FxHashMap::default(),
            head: NONE,
            tail: NONE,
            first_told: NONE,
            last_told: NONE,
            ntold: 0,
            sorted: None,
            unsorted: Vec::new(),
        }
    }

    #[inline]
    pub(super) fn node(&self, id: u32) -> &Node {
        &self.nodes[id as usize]
    }

    #[inline]
    pub(super) fn node_mut(&mut self, id: u32) -> &mut Node {
        &mut self.nodes[id as usize]
    }

    #[inline]
    pub(super) fn x(&self, id: u32) -> f64 {
        self.nodes[id as usize].x
    }

    /// All nodes from left to right.
    pub(super) fn all(&self) -> impl Iterator<Item = u32> {
        self.chain(self.head, |node| node.next)
    }

    /// The told nodes from left to right.
    pub(super) fn told(&self) -> impl Iterator<Item = u32> {
        self.chain(self.first_told, |node| node.told_next)
    }

    /// Number of pending nodes.
    #[inline]
    pub(super) fn npending(&self) -> usize {
        self.pending.len()
    }

    fn chain(&self, first: u32, next: fn(&Node) -> u32) -> impl Iterator<Item = u32> {
        let some = |id: u32| (id != NONE).then_some(id);
        std::iter::successors(some(first), move |id| some(next(self.node(*id))))
    }

    /// The pending node at `x`, which must not be -0.0. O(1).
    #[inline]
    pub(super) fn find_pending(&self, x: f64) -> Option<u32> {
        self.pending.get(&x.to_bits()).copied()
    }

    /// The node at `x`, which must not be -0.0, or else the last one before it. O(1) for a pending one, otherwise O(log n)
    /// amortised.
    #[inline]
    pub(super) fn seek(&mut self, x: f64) -> Result<u32, u32> {
        if let Some(id) = self.find_pending(x) {
            return Ok(id);
        }
        let id = self.last_up_to(x);
        if id != NONE && self.x(id) == x { Ok(id) } else { Err(id) }
    }

    /// The last node at or before `x`. O(log n) amortised.
    pub(super) fn last_up_to(&mut self, x: f64) -> u32 {
        if self.head == NONE || x < self.x(self.head) {
            return NONE;
        }
        if x >= self.x(self.tail) {
            return self.tail;
        }
        let key = |id: u32| (ordered_bits(self.nodes[id as usize].x), id);
        let sorted = match self.sorted.take() {
            Some(mut sorted) => {
                sorted.extend(self.unsorted.drain(..).map(key));
                sorted
            }
            None => self.all().map(key).collect(),
        };
        let last = sorted.range(..=ordered_bits(x)).next_back().map_or(NONE, |(_, id)| *id);
        self.sorted = Some(sorted);
        last
    }

    /// Makes a node without links.
    pub(super) fn create(&mut self, x: f64, told: bool) -> u32 {
        let node = Node {
            x,
            loss: f64::INFINITY,
            expected: f64::INFINITY,
            prev: NONE,
            next: NONE,
            told_prev: NONE,
            told_next: NONE,
            told,
        };
        let id = match self.free.pop() {
            Some(id) => {
                self.nodes[id as usize] = node;
                id
            }
            None => {
                self.nodes.push(node);
                (self.nodes.len() - 1) as u32
            }
        };
        if self.sorted.is_some() {
            self.unsorted.push(id);
        }
        if told {
            self.ntold += 1
        } else {
            self.pending.insert(x.to_bits(), id);
        }
        id
    }

    /// Makes a pending node right after `prev` (at the front if there is none).
    #[inline]
    pub(super) fn insert_after(&mut self, prev: u32, x: f64) -> u32 {
        let id = self.create(x, false);
        let next = if prev == NONE { self.head } else { self.node(prev).next };
        let node = self.node_mut(id);
        (node.prev, node.next) = (prev, next);
        if prev == NONE {
            self.head = id
        } else {
            self.node_mut(prev).next = id
        }
        if next == NONE {
            self.tail = id
        } else {
            self.node_mut(next).prev = id
        }
        id
    }

    /// The told interval around the gap after `prev`, as its left node; `None` outside of all told points.
    #[inline]
    pub(super) fn told_interval(&self, prev: u32, x: f64) -> Option<u32> {
        if self.ntold < 2 || x < self.x(self.first_told) || x > self.x(self.last_told) {
            return None;
        }
        let prev_node = self.node(prev);
        Some(if prev_node.told { prev } else { prev_node.told_prev })
    }

    /// Turns a pending node into a told one. Pending nodes to its right keep their old `told_prev`: the caller
    /// visits them anyway, for their expected loss.
    #[inline]
    pub(super) fn mark_told(&mut self, id: u32) {
        let x = self.x(id);
        let (prev, next) = if self.ntold == 0 {
            (NONE, NONE)
        } else if x < self.x(self.first_told) {
            (NONE, self.first_told)
        } else if x > self.x(self.last_told) {
            (self.last_told, NONE)
        } else {
            let prev = self.node(id).told_prev;
            (prev, self.node(prev).told_next)
        };
        let node = self.node_mut(id);
        (node.told, node.told_prev, node.told_next) = (true, prev, next);
        if prev == NONE {
            self.first_told = id
        } else {
            self.node_mut(prev).told_next = id
        }
        if next == NONE {
            self.last_told = id
        } else {
            self.node_mut(next).told_prev = id
        }
        self.ntold += 1;
        self.pending.remove(&x.to_bits());
    }

    /// Takes all pending nodes out. O(n).
    pub(super) fn remove_pending(&mut self) {
        if self.pending.is_empty() {
            return;
        }
        let mut id = self.head;
        while id != NONE {
            let next = self.node(id).next;
            if !self.node(id).told {
                self.free.push(id);
            }
            id = next;
        }
        let mut id = self.first_told;
        while id != NONE {
            let node = self.node_mut(id);
            (node.prev, node.next) = (node.told_prev, node.told_next);
            id = node.told_next;
        }
        (self.head, self.tail) = (self.first_told, self.last_told);
        self.pending = FxHashMap::default();
        self.sorted = None;
        self.unsorted.clear();
    }

    /// Links all nodes again, after some were made without links, from left to right. Near O(n).
    pub(super) fn relink(&mut self, new: &[u32]) {
        let mut ids = Vec::with_capacity(self.ntold + self.pending.len());
        let mut id = self.head;
        while id != NONE {
            ids.push(id);
            id = self.node(id).next;
        }
        ids.extend_from_slice(new);
        // A stable sort recognises the two parts that are sorted already.
        ids.sort_by_key(|id| ordered_bits(self.x(*id)));
        let (mut prev, mut told_prev) = (NONE, NONE);
        (self.head, self.first_told) = (NONE, NONE);
        for &id in &ids {
            let node = self.node_mut(id);
            (node.prev, node.next) = (prev, NONE);
            (node.told_prev, node.told_next) = (told_prev, NONE);
            let told = node.told;
            if prev == NONE {
                self.head = id
            } else {
                self.node_mut(prev).next = id
            }
            if told {
                if told_prev == NONE {
                    self.first_told = id
                } else {
                    self.node_mut(told_prev).told_next = id
                }
                told_prev = id;
            }
            prev = id;
        }
        (self.tail, self.last_told) = (prev, told_prev);
    }

    /// Turns a pending node into a told one without links; [`Line::relink`] has to follow.
    pub(super) fn mark_told_unlinked(&mut self, id: u32) {
        self.node_mut(id).told = true;
        self.ntold += 1;
        let x = self.x(id);
        self.pending.remove(&x.to_bits());
    }
}

#[cfg(test)]
mod tests {
    use crate::learner::{Learner, Learner1D};
    use crate::loss;
    use crate::model::{Point, Sample};
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    #[derive(Clone, Debug)]
    enum Step {
        Ask,
        Pending(i8),
        Tell(i8, f64),
        TellBulk(Vec<(i8, f64)>),
        GiveUp(i8),
        Remove,
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        // Few places, so that most of them are met again.
        let told = || (-8i8..=8, 0.0..1.0f64);
        let step = prop_oneof![
            2 => Just(Step::Ask),
            3 => (-8i8..=8).prop_map(Step::Pending),
            6 => told().prop_map(|(x, y)| Step::Tell(x, y)),
            2 => prop::collection::vec(told(), 0..6).prop_map(Step::TellBulk),
            1 => (-8i8..=8).prop_map(Step::GiveUp),
            1 => Just(Step::Remove),
        ];
        prop::collection::vec(step, 0..60)
    }

    #[derive(Clone, Copy, Debug, PartialEq)]
    enum Known {
        Pending,
        GivenUp,
        Told(f64),
    }

    /// What a first value does to a place; later ones do nothing.
    fn tell(model: &mut BTreeMap<i8, Known>, x: i8, y: f64) {
        let known = model.entry(x).or_insert(Known::Pending);
        if !matches!(known, Known::Told(_)) {
            *known = Known::Told(y);
        }
    }

    proptest! {
        #[test]
        fn each_point_is_found_again_whatever_it_was(steps in steps()) {
            let mut learner = Learner1D::over_whole_numbers((-8.0, 8.0), loss::default_interval_loss()).unwrap();
            let mut model = BTreeMap::new();
            let at = |x: i8| Sample::at(Point::scalar(x.into()));
            for step in steps {
                match step {
                    Step::Ask => for suggestion in learner.ask(1) {
                        let x = suggestion.sample.point.x() as i8;
                        prop_assert_eq!(model.insert(x, Known::Pending), None);
                    },
                    Step::Pending(x) => {
                        learner.tell_pending(&at(x));
                        model.entry(x).or_insert(Known::Pending);
                    }
                    Step::Tell(x, y) => {
                        learner.tell(&at(x), &y.into()).unwrap();
                        tell(&mut model, x, y);
                    }
                    Step::TellBulk(told) => {
                        learner.tell_bulk(&told.iter().map(|(x, y)| (at(*x), (*y).into())).collect::<Vec<_>>()).unwrap();
                        told.iter().for_each(|(x, y)| tell(&mut model, *x, *y));
                    }
                    Step::GiveUp(x) => {
                        learner.give_up(&at(x));
                        let known = model.entry(x).or_insert(Known::Pending);
                        if *known == Known::Pending {
                            *known = Known::GivenUp;
                        }
                    }
                    Step::Remove => {
                        learner.remove_unfinished();
                        // What was given up before the first value was known is pending like any other.
                        let is_known = model.values().any(|known| matches!(known, Known::Told(_)));
                        model.retain(|_, known| match known {
                            Known::Pending => false,
                            Known::GivenUp => is_known,
                            Known::Told(_) => true,
                        });
                    }
                }
                let told = model.iter().filter_map(|(x, known)| match known {
                    Known::Told(y) => Some((f64::from(*x), *y)),
                    _ => None,
                });
                let listed: Vec<_> = learner.told().map(|(x, value)| (x, value[0])).collect();
                prop_assert_eq!(listed, told.collect::<Vec<_>>());
                prop_assert_eq!(learner.npoints() + learner.npending(), model.len());
            }
        }
    }
}
