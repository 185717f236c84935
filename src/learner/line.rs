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
/// Nodes live in one array and are named by their place in it. A point that the learner itself chose is
/// linked in without a search, because its interval is known; only foreign points need the sorted index, which
/// is made when the first of them comes.
#[derive(Clone, Debug)]
pub(super) struct Line {
    pub(super) nodes: Vec<Node>,
    free: Vec<u32>,
    by_x: FxHashMap<u64, u32>,
    pub(super) head: u32,
    pub(super) tail: u32,
    pub(super) first_told: u32,
    pub(super) last_told: u32,
    /// Numbers of nodes.
    pub(super) ntold: usize,
    pub(super) npending: usize,
    sorted: Option<BTreeMap<u64, u32>>,
    /// Nodes that are not in `sorted` yet.
    unsorted: Vec<u32>,
}

impl Line {
    pub(super) fn new() -> Self {
        Self {
            nodes: Vec::new(),
            free: Vec::new(),
            by_x: FxHashMap::default(),
            head: NONE,
            tail: NONE,
            first_told: NONE,
            last_told: NONE,
            ntold: 0,
            npending: 0,
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

    fn chain(&self, first: u32, next: fn(&Node) -> u32) -> impl Iterator<Item = u32> {
        let some = |id: u32| (id != NONE).then_some(id);
        std::iter::successors(some(first), move |id| some(next(self.node(*id))))
    }

    /// The node at `x`, which must not be -0.0.
    #[inline]
    pub(super) fn find(&self, x: f64) -> Option<u32> {
        self.by_x.get(&x.to_bits()).copied()
    }

    /// The last node before `x`, where no node is. O(log n) amortised.
    pub(super) fn predecessor(&mut self, x: f64) -> u32 {
        if self.head == NONE || x < self.x(self.head) {
            return NONE;
        }
        if x > self.x(self.tail) {
            return self.tail;
        }
        let nodes = &self.nodes;
        let sorted = match &mut self.sorted {
            Some(sorted) => {
                sorted.extend(self.unsorted.drain(..).map(|id| (ordered_bits(nodes[id as usize].x), id)));
                sorted
            }
            empty => empty
                .insert(self.by_x.values().map(|id| (ordered_bits(nodes[*id as usize].x), *id)).collect()),
        };
        sorted.range(..ordered_bits(x)).next_back().map_or(NONE, |(_, id)| *id)
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
        self.by_x.insert(x.to_bits(), id);
        if self.sorted.is_some() {
            self.unsorted.push(id);
        }
        if told {
            self.ntold += 1
        } else {
            self.npending += 1
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
        self.npending -= 1;
    }

    /// Takes all pending nodes out. O(n).
    pub(super) fn remove_pending(&mut self) {
        if self.npending == 0 {
            return;
        }
        let mut id = self.head;
        while id != NONE {
            let next = self.node(id).next;
            if !self.node(id).told {
                self.by_x.remove(&self.x(id).to_bits());
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
        self.npending = 0;
        self.sorted = None;
        self.unsorted.clear();
    }

    /// Links all nodes again, after some were made without links. O(n log n), near O(n) for few new ones.
    pub(super) fn relink(&mut self, new: &[u32]) {
        let mut ids = Vec::with_capacity(self.ntold + self.npending);
        let mut id = self.head;
        while id != NONE {
            ids.push(id);
            id = self.node(id).next;
        }
        ids.extend_from_slice(new);
        // A stable sort recognises the part that is sorted already.
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
        self.npending -= 1;
    }
}
