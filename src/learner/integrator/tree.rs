//! The tree of intervals: which points they want, and in which order they are refined.
//!
//! Intervals live in one vector and know each other by number. Values are taken in by [`Tree::tell`], points come out
//! of [`Tree::ask`]; what values mean for the integral is in [`super::estimate`].

use super::interval::{Interval, NONE};
use super::points::{Owner, Points, State};
use super::ranking::Ranking;
use super::rule::{DEEPEST, NODES, level};
use super::totals::Totals;
use std::ops::RangeInclusive;

/// With more intervals to refine than this, the one with the smallest error is left as it is.
const MOST_INTERVALS: usize = 1000;

#[derive(Clone, Debug)]
pub(super) struct Tree {
    pub(super) intervals: Vec<Interval>,
    pub(super) points: Points,
    pub(super) ranking: Ranking,
    /// Intervals to split next, the last one first, because a finer rule did not help much. An entry may be out of
    /// date.
    pub(super) to_split: Vec<u32>,
    /// The intervals that make up the integral.
    pub(super) cover: Vec<u32>,
    pub(super) totals: Totals,
    /// Changes of the totals since they were summed up from nothing.
    pub(super) changes: usize,
    /// Intervals that wait for values are left alone while there are others to refine.
    pub(super) patient: bool,
    /// The means grow without end towards some point. Nothing is refined any more.
    pub(super) divergent: bool,
    /// The first interval of which no value is a number: what the integral is there, nobody knows.
    pub(super) blank: Option<(f64, f64)>,
}

/// What to refine, and how.
struct Candidate {
    interval: u32,
    split: bool,
}

impl Tree {
    pub(super) fn new(a: f64, b: f64) -> Self {
        let mut tree = Self {
            intervals: vec![Interval::first(a, b)],
            points: Points::default(),
            ranking: Ranking::default(),
            to_split: Vec::new(),
            cover: Vec::new(),
            totals: Totals::default(),
            changes: 0,
            patient: false,
            divergent: false,
            blank: None,
        };
        tree.want(0, 0..=2);
        tree.enter(0);
        tree
    }

    #[inline]
    pub(super) fn at(&self, id: u32) -> &Interval {
        &self.intervals[id as usize]
    }

    #[inline]
    pub(super) fn at_mut(&mut self, id: u32) -> &mut Interval {
        &mut self.intervals[id as usize]
    }

    pub(super) fn enter(&mut self, id: u32) {
        let merit = self.at(id).merit();
        self.at_mut(id).queued = true;
        self.ranking.insert(id, merit);
    }

    /// Takes an interval out of those that may be refined.
    pub(super) fn leave(&mut self, id: u32) {
        if std::mem::replace(&mut self.at_mut(id).queued, false) {
            self.ranking.remove(id);
        }
    }

    /// Makes an interval want the nodes that these rules add to the coarser ones, from left to right.
    fn want(&mut self, id: u32, depths: RangeInclusive<u8>) {
        let intervals = &mut self.intervals;
        for node in (0..NODES).filter(|node| depths.contains(&level(*node))) {
            let x = intervals[id as usize].x(node);
            let owner = Owner { interval: id, node: node as u8 };
            let point = self.points.add_owner(x, owner, |id| intervals[id as usize].rdepth);
            let interval = &mut intervals[id as usize];
            interval.points[node] = point;
            let missing = self.points.node(point).state != State::Told;
            interval.missing[level(node) as usize] += u8::from(missing);
        }
    }

    /// Takes a value; `false` if the point has one.
    pub(super) fn tell(&mut self, x: f64, y: f64) -> bool {
        let root = self.at(0);
        let inside = root.a <= x && x <= root.b;
        let Some(point) = self.points.tell(x, y) else { return false };
        for i in 0..self.points.node(point).owners.len() {
            let Owner { interval, node } = self.points.node(point).owners[i];
            self.at_mut(interval).note_told(node);
            if !self.divergent {
                self.process(interval);
            }
        }
        if inside && self.points.node(point).owners.is_empty() {
            self.absorb(x);
        }
        if self.points.missing == 0 {
            self.candidate();
        }
        true
    }

    /// The next point, now pending; `None` if there are no more.
    pub(super) fn ask(&mut self) -> Option<u32> {
        loop {
            if self.is_hopeless() {
                return None;
            }
            if let Some(point) = self.points.pop() {
                return Some(point);
            }
            if !self.refine() {
                return None;
            }
        }
    }

    /// Whether the next `n` points are on the stack, perhaps after a step of refinement that would be the next one
    /// whatever happens until then: one that no value can change because none is missing.
    pub(super) fn has_open(&mut self, n: usize) -> bool {
        while self.points.n_open() < n && self.points.missing == 0 && !self.is_hopeless() && self.refine() {}
        self.points.n_open() >= n && !self.is_hopeless()
    }

    /// Whether no point can help any more.
    pub(super) fn is_hopeless(&self) -> bool {
        self.divergent || self.blank.is_some()
    }

    /// The next point and its improvement where nothing is on the stack: the first new node of the next step, found
    /// without taking the step. `None` where that takes more than a look.
    pub(super) fn first_of_next_step(&mut self) -> Option<(f64, f64)> {
        if self.points.n_open() > 0 || self.is_hopeless() {
            return None;
        }
        while self.to_split.last().is_some_and(|id| !self.at(*id).queued) {
            self.to_split.pop();
        }
        let forced = self.to_split.last().copied();
        let id = forced.or_else(|| self.worst())?;
        let interval = self.at(id);
        if interval.is_too_narrow() {
            return None;
        }
        let is_new = |x: &f64| self.points.find(*x).is_none();
        if forced.is_some() || interval.depth == DEEPEST {
            let nodes = interval.halves(id).into_iter().flat_map(|half| [8, 16, 24].map(|node| half.x(node)));
            let x = nodes.into_iter().find(is_new)?;
            return Some((x, interval.err / 2.0));
        }
        let next = interval.depth + 1;
        let x = (0..NODES).filter(|node| level(*node) == next).map(|node| interval.x(node)).find(is_new)?;
        Some((x, interval.err))
    }

    /// The interval that is refined next if none has to be split. Upstream's order takes the one with the largest error,
    /// even if values that it waits for may show that it is done; with many points in flight most would be wasted.
    fn worst(&self) -> Option<u32> {
        if self.patient { self.ranking.worst_complete() } else { self.ranking.worst() }
    }

    /// What is to be refined next. Intervals that are too narrow are dropped on the way.
    fn candidate(&mut self) -> Option<Candidate> {
        loop {
            let forced = self.to_split.last().copied();
            let interval = match forced {
                // It was split by another entry, or dropped.
                Some(id) if !self.at(id).queued => {
                    self.to_split.pop();
                    continue;
                }
                Some(id) => id,
                None => self.worst()?,
            };
            if self.at(interval).is_too_narrow() {
                if !self.at(interval).is_complete() {
                    // Its error is a guess: what its values say comes first.
                    self.leave(interval);
                    continue;
                }
                // Upstream forgets that its error can't be improved; CQUAD counts it, and so can end.
                self.remove(interval);
                self.sum_up_if_due();
                continue;
            }
            return Some(Candidate {
                interval,
                split: forced.is_some() || self.at(interval).depth == DEEPEST,
            });
        }
    }

    /// Refines one interval; `false` if there is none to refine.
    fn refine(&mut self) -> bool {
        if self.divergent {
            return false;
        }
        let Some(Candidate { interval, split }) = self.candidate() else { return false };
        self.step(interval, split);
        true
    }

    fn step(&mut self, interval: u32, split: bool) {
        if split {
            self.split(interval);
        } else {
            let depth = self.at(interval).depth + 1;
            self.at_mut(interval).depth = depth;
            self.rank(interval);
            self.want(interval, depth..=depth);
            self.process(interval);
        }
        if self.ranking.len() > MOST_INTERVALS
            && let Some(best) = self.ranking.best()
        {
            self.leave(best);
        }
    }

    /// Takes the steps that a value at `x`, which no interval has, must have come from, as after a restart: those that
    /// want it, and those that want other values that came before their intervals.
    fn absorb(&mut self, x: f64) {
        let mut leaves = vec![self.leaf(x)];
        while let Some(leaf) = leaves.pop() {
            let interval = self.at(leaf);
            if self.divergent || !interval.queued || interval.is_too_narrow() {
                continue;
            }
            let waits = |x: f64| self.points.is_told_without_owner(x);
            let next = interval.depth + 1;
            if (0..NODES).any(|node| level(node) == next && waits(interval.x(node))) {
                self.step(leaf, false);
                leaves.push(leaf);
            } else if interval
                .halves(leaf)
                .iter()
                .any(|half| [8, 16, 24].iter().any(|node| waits(half.x(*node))))
            {
                self.step(leaf, true);
                leaves.extend(self.children(leaf));
            }
        }
    }

    /// The smallest interval that has a point of the domain.
    fn leaf(&self, x: f64) -> u32 {
        let mut id = 0;
        while self.at(id).children != NONE {
            let left = self.at(id).children;
            id = if x < self.at(left).b { left } else { left + 1 };
        }
        id
    }

    fn split(&mut self, id: u32) {
        self.leave(id);
        let children = self.intervals.len() as u32;
        let halves = self.at(id).halves(id);
        self.at_mut(id).children = children;
        self.intervals.extend(halves);
        for child in [children, children + 1] {
            self.enter(child);
            self.want(child, 0..=0);
            self.process(child);
        }
    }

    /// The two halves of an interval, if it was split.
    #[inline]
    pub(super) fn children(&self, id: u32) -> impl Iterator<Item = u32> + use<> {
        let first = self.at(id).children;
        let n = if first == NONE { 0 } else { 2 };
        (0..n).map(move |i| first + i)
    }

    /// The largest error of the intervals that have this point.
    pub(super) fn improvement(&self, point: u32) -> f64 {
        let owners = &self.points.node(point).owners;
        owners.iter().map(|owner| self.at(owner.interval).err).fold(0.0, f64::max)
    }
}
