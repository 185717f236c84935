//! What a completed rule says about the integral, its error, and the intervals above and below.

use super::interval::{NONE, norm};
use super::rule::{CONDITION, Coefficients, RULE};
use super::totals::Totals;
use super::tree::Tree;

/// A finer rule that changes the coefficients by more than this part of them is no way forward: split.
const HINT: f64 = 0.1;
/// The mean of an interval over that of its parent that counts as doubled. Upstream: 2, which 1/x just misses by
/// rounding, half of the time.
const DOUBLED: f64 = 2.0 * (1.0 - 1e-6);
/// The mean may double this many times on the way down before the integral is taken to diverge.
const MOST_DOUBLINGS: u32 = 20;
/// Fewer intervals than this are summed up from nothing after every change.
const FEW: usize = 32;

/// So many values of a rule that are no numbers are done without (upstream: any number of them), as at the ends of 1/√x;
/// of fine rules one in eight.
const FEW_MISSING: usize = 2;

/// The integral seems to be infinite.
struct Divergent;

impl Tree {
    /// Uses the rules of an interval that have become complete, from coarse to fine.
    pub(super) fn process(&mut self, id: u32) {
        let interval = self.at(id);
        let coarsest = if interval.parent == NONE { 2 } else { 0 };
        let from = interval.complete.map_or(coarsest, |depth| depth + 1);
        for depth in from..=interval.depth {
            if !self.at(id).is_known(depth) {
                break;
            }
            if self.complete(id, depth).is_err() {
                self.divergent = true;
                break;
            }
        }
        self.sum_up_if_due();
    }

    fn complete(&mut self, id: u32, depth: u8) -> Result<(), Divergent> {
        let is_first = self.at(id).parent == NONE && depth == 2;
        let points = &self.points;
        let (missing, of) = self.at(id).missing(depth, |point| points.node(point).y);
        if missing == of {
            let interval = self.at(id);
            let bounds = (interval.a, interval.b);
            self.blank.get_or_insert(bounds);
        }
        let c = self.at(id).coefficients(depth, |point| points.node(point).y);
        let before = std::mem::replace(&mut self.at_mut(id).c, c);
        self.at_mut(id).complete = Some(depth);
        self.rank(id);
        if is_first {
            // There is nothing to compare with, and so no error: the next finer rule follows.
            return Ok(());
        }
        let igral = self.at(id).integral();
        self.change(id, |interval| interval.igral = igral);
        // A few values that are no numbers are done without. More of them are a region, and not known from beyond it.
        let is_region = missing > FEW_MISSING.max(of / 8);
        let mut split = is_region;
        let size = norm(c.iter().copied());
        if depth > 0 {
            split |= self.compare(id, &before) > HINT * size;
        } else {
            self.compare_generations(id)?;
        }
        if is_region {
            let interval = self.at(id);
            let all = (interval.b - interval.a) * size;
            self.set_err(id, all.max(interval.err));
        }
        self.hand_up(id);
        let interval = self.at(id);
        // Upstream compares with the integral; where that is zero by symmetry, it would split for ever.
        let rounding = (interval.b - interval.a) * size * f64::EPSILON * CONDITION[depth as usize];
        let (has_children, queued) = (interval.children != NONE, interval.queued);
        if interval.superseded {
            // Its values come late, with more points in flight: the children are on their own.
        } else if interval.err < rounding && !is_region {
            self.remove(id);
        } else if !has_children && !interval.removed {
            if split {
                self.to_split.push(id);
            }
            if !queued {
                self.enter(id);
            }
        }
        Ok(())
    }

    /// The coarsest rule of an interval is complete: compares it with its parent, and its children with it.
    fn compare_generations(&mut self, id: u32) -> Result<(), Divergent> {
        let (c, parent) = (self.at(id).c, self.at(id).parent);
        self.at_mut(id).c00 = c[0];
        if self.at(parent).complete.is_some() {
            let from_parent = RULE.on_half(id != self.at(parent).children, &self.at(parent).c);
            self.compare(id, &from_parent);
            self.count_doubling(id)?;
        }
        for (right, child) in self.children(id).enumerate() {
            if self.at(child).complete.is_some() {
                self.count_doubling(child)?;
            }
            if self.at(child).complete == Some(0) {
                let from_parent = RULE.on_half(right == 1, &c);
                self.compare(child, &from_parent);
            }
        }
        Ok(())
    }

    /// Sets the error of an interval from the coefficients that another rule gave; returns how far these are apart.
    fn compare(&mut self, id: u32, other: &Coefficients) -> f64 {
        let interval = self.at(id);
        let difference = norm(interval.c.iter().zip(other).map(|(c, other)| c - other));
        let err = (interval.b - interval.a) * difference;
        self.set_err(id, err);
        for child in self.children(id) {
            if self.at(child).complete.is_none() {
                self.guess_err(child, err / 2.0);
            }
        }
        difference
    }

    /// Half the error of the parent, for an interval without an estimate of its own, and so on down.
    fn guess_err(&mut self, id: u32, err: f64) {
        self.set_err(id, err);
        for child in self.children(id) {
            let has_own = match self.at(child).complete {
                None => false,
                Some(0) => self.at(id).complete.is_some(),
                Some(_) => true,
            };
            if !has_own {
                self.guess_err(child, err / 2.0);
            }
        }
    }

    fn count_doubling(&mut self, id: u32) -> Result<(), Divergent> {
        let interval = self.at(id);
        let of_parent = self.at(interval.parent).c00;
        if of_parent != 0.0 && interval.c00 / of_parent > DOUBLED {
            self.count_down(id)
        } else {
            self.check_doublings(id)
        }
    }

    /// One doubling more for an interval and all below it.
    fn count_down(&mut self, id: u32) -> Result<(), Divergent> {
        self.at_mut(id).ndiv += 1;
        self.check_doublings(id)?;
        self.children(id).try_for_each(|child| self.count_down(child))
    }

    fn check_doublings(&self, id: u32) -> Result<(), Divergent> {
        let interval = self.at(id);
        let divergent = interval.ndiv > MOST_DOUBLINGS && 2 * interval.ndiv > interval.rdepth;
        if divergent { Err(Divergent) } else { Ok(()) }
    }

    /// A rule of this interval is complete. If it had no cover, it is its own; complete covers of both halves replace
    /// that of an interval, all the way up.
    fn hand_up(&mut self, id: u32) {
        if self.is_uncovered(id) {
            self.cover_by(id, vec![id]);
        } else {
            return;
        }
        let mut above = self.at(id).parent;
        // An interval that can't be improved was divided before its values were there: its children can only be worse.
        while above != NONE && !self.at(above).removed {
            if self.children(above).any(|child| self.is_uncovered(child)) {
                return;
            }
            self.supersede(above);
            let mut cover = self.at_mut(above).cover.take().unwrap_or_default();
            cover.retain(|member| !self.at(*member).superseded);
            for child in self.children(above) {
                let mut of_child = self.at_mut(child).cover.take().unwrap_or_default();
                if cover.len() < of_child.len() {
                    std::mem::swap(&mut cover, &mut of_child);
                }
                cover.append(&mut of_child);
            }
            self.cover_by(above, cover);
            above = self.at(above).parent;
        }
    }

    /// Whether an interval has neither a cover nor handed one up.
    fn is_uncovered(&self, id: u32) -> bool {
        let nothing_counted = id != 0 || self.cover.is_empty();
        nothing_counted && self.at(id).cover.as_ref().is_some_and(Vec::is_empty)
    }

    /// The cover of the first interval is the integral.
    fn cover_by(&mut self, id: u32, members: Vec<u32>) {
        if id != 0 {
            self.at_mut(id).cover = Some(members);
            return;
        }
        for member in members {
            self.at_mut(member).place = self.cover.len() as u32;
            self.cover.push(member);
            self.totals.add(self.at(member).share());
            self.changes += 1;
        }
        self.at_mut(0).cover = Some(Vec::new());
    }

    /// From now on the children of an interval stand for it.
    fn supersede(&mut self, id: u32) {
        let interval = self.at_mut(id);
        interval.superseded = true;
        let place = std::mem::replace(&mut interval.place, NONE);
        if place != NONE {
            let share = self.at(id).share();
            self.totals.subtract(share);
            self.changes += 1;
            self.cover.swap_remove(place as usize);
            if let Some(&moved) = self.cover.get(place as usize) {
                self.at_mut(moved).place = place;
            }
        }
    }

    /// Neither this interval nor its descendants can be improved.
    pub(super) fn remove(&mut self, id: u32) {
        self.change(id, |interval| interval.removed = true);
        self.leave(id);
        for child in self.children(id) {
            self.remove(child);
        }
    }

    fn set_err(&mut self, id: u32, err: f64) {
        self.change(id, |interval| interval.err = err);
        self.rank(id);
    }

    /// Gives an interval the place that it has earned.
    pub(super) fn rank(&mut self, id: u32) {
        let interval = self.at(id);
        if interval.queued {
            let merit = interval.merit();
            self.ranking.update(id, merit);
        }
    }

    /// Changes what an interval contributes.
    fn change(&mut self, id: u32, change: impl FnOnce(&mut super::interval::Interval)) {
        let before = self.at(id).share();
        change(self.at_mut(id));
        if self.at(id).place != NONE {
            let after = self.at(id).share();
            self.totals.subtract(before);
            self.totals.add(after);
            self.changes += 1;
        }
    }

    /// Sums of many terms that come and go gather rounding errors: now and then they are computed from nothing.
    pub(super) fn sum_up_if_due(&mut self) {
        let due = self.cover.len() <= FEW || self.changes > self.cover.len() || self.totals.is_spoilt();
        if self.changes == 0 || !due {
            return;
        }
        let mut totals = Totals::default();
        for id in &self.cover {
            totals.add(self.at(*id).share());
        }
        self.totals = totals;
        self.changes = 0;
    }

    /// The integral: 0 while there is no estimate.
    pub(super) fn igral(&self) -> f64 {
        self.totals.igral()
    }

    /// Its error: infinite while there is no estimate.
    pub(super) fn err(&self) -> f64 {
        if self.cover.is_empty() { f64::INFINITY } else { self.totals.err() }
    }

    /// Nothing is left to refine, and no value is waited for.
    fn is_exhausted(&self) -> bool {
        self.ranking.len() == 0 && self.points.missing == 0
    }

    /// Whether the integral is known up to a relative error, or as well as possible.
    pub(super) fn is_done(&self, tol: f64) -> bool {
        if self.cover.is_empty() || self.is_hopeless() {
            return false;
        }
        let (err, excess, wanted) = (self.err(), self.totals.excess(), self.igral().abs() * tol);
        err == 0.0 || err < wanted || (err - excess < wanted && wanted < excess) || self.is_exhausted()
    }
}
