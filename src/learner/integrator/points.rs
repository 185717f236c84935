//! All points that are known by value, pending, or wanted by an interval.

use rustc_hash::FxHashMap;
use smallvec::SmallVec;
use std::collections::VecDeque;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// Wanted by an interval, and not asked yet: on the stack.
    Open,
    /// Being evaluated.
    Pending,
    /// Known.
    Told,
}

/// An interval that has this point, and which of its nodes it is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Owner {
    pub(super) interval: u32,
    pub(super) node: u8,
}

#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) x: f64,
    pub(super) y: f64,
    pub(super) state: State,
    /// By the generation of the interval, then by age.
    pub(super) owners: SmallVec<[Owner; 4]>,
}

/// Points by number, found by their exact coordinate: the nodes of an interval are bit for bit those of its
/// refinements.
#[derive(Clone, Debug, Default)]
pub(super) struct Points {
    nodes: Vec<Node>,
    by_x: FxHashMap<u64, u32>,
    /// In the order in which they are asked; those that are no longer open are skipped.
    stack: VecDeque<u32>,
    n_open: usize,
    n_pending: usize,
    /// Points with a value, in the order of arrival.
    told: Vec<u32>,
    /// Points of intervals that have no value.
    pub(super) missing: usize,
}

impl Points {
    #[inline]
    pub(super) fn node(&self, id: u32) -> &Node {
        &self.nodes[id as usize]
    }

    pub(super) fn find(&self, x: f64) -> Option<u32> {
        self.by_x.get(&x.to_bits()).copied()
    }

    /// Whether a value waits for an interval that wants it.
    pub(super) fn is_told_without_owner(&self, x: f64) -> bool {
        self.find(x).is_some_and(|id| {
            let node = self.node(id);
            node.state == State::Told && node.owners.is_empty()
        })
    }

    pub(super) fn n_open(&self) -> usize {
        self.n_open
    }

    pub(super) fn n_pending(&self) -> usize {
        self.n_pending
    }

    /// Points with a value, in the order of arrival.
    pub(super) fn told(&self) -> impl ExactSizeIterator<Item = &Node> {
        self.told.iter().map(|id| self.node(*id))
    }

    #[inline]
    fn create(&mut self, x: f64, state: State) -> u32 {
        let id = self.nodes.len() as u32;
        self.nodes.push(Node { x, y: f64::NAN, state, owners: SmallVec::new() });
        self.by_x.insert(x.to_bits(), id);
        id
    }

    /// Gives an interval a point. `generation` says how deep in the tree an interval stands.
    #[inline]
    pub(super) fn add_owner(&mut self, x: f64, owner: Owner, generation: impl Fn(u32) -> u32) -> u32 {
        let id = match self.find(x) {
            Some(id) => id,
            None => {
                let id = self.create(x, State::Open);
                self.stack.push_back(id);
                self.n_open += 1;
                id
            }
        };
        let Node { owners, state, .. } = &mut self.nodes[id as usize];
        if owners.is_empty() {
            self.missing += usize::from(*state != State::Told);
        }
        let depth = generation(owner.interval);
        let at = owners.iter().rposition(|other| generation(other.interval) <= depth).map_or(0, |at| at + 1);
        owners.insert(at, owner);
        id
    }

    /// Takes a value, and returns the point's number; `None` if it has a value already.
    #[inline]
    pub(super) fn tell(&mut self, x: f64, y: f64) -> Option<u32> {
        let id = self.find(x).unwrap_or_else(|| {
            let id = self.create(x, State::Open);
            self.n_open += 1;
            id
        });
        let node = &mut self.nodes[id as usize];
        match node.state {
            State::Told => return None,
            State::Open => self.n_open -= 1,
            State::Pending => self.n_pending -= 1,
        }
        node.state = State::Told;
        node.y = y;
        self.missing -= usize::from(!node.owners.is_empty());
        self.told.push(id);
        Some(id)
    }

    pub(super) fn set_pending(&mut self, x: f64) {
        match self.find(x) {
            Some(id) => {
                let state = &mut self.nodes[id as usize].state;
                if *state == State::Open {
                    *state = State::Pending;
                    self.n_open -= 1;
                    self.n_pending += 1;
                }
            }
            None => {
                self.create(x, State::Pending);
                self.n_pending += 1;
            }
        }
    }

    /// The next open point becomes pending.
    #[inline]
    pub(super) fn pop(&mut self) -> Option<u32> {
        while let Some(id) = self.stack.pop_front() {
            let state = &mut self.nodes[id as usize].state;
            if *state == State::Open {
                *state = State::Pending;
                self.n_open -= 1;
                self.n_pending += 1;
                return Some(id);
            }
        }
        None
    }

    /// The open points, the next one first.
    pub(super) fn open(&self) -> impl Iterator<Item = u32> {
        self.stack.iter().copied().filter(|id| self.node(*id).state == State::Open)
    }
}
