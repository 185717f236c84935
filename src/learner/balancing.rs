//! `BalancingLearner`: many learners as one.

use super::heap::{IndexedHeap, ordered_bits};
use super::{Learner, Loss, Suggestion, TellError};
use crate::model::settings::{self, Table};
use crate::model::{Sample, Signature, Value};
use std::cell::RefCell;
use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::str::FromStr;

/// Which child is asked next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Strategy {
    /// The one whose best point promises the largest improvement of its loss.
    #[default]
    LossImprovements,
    /// The one with the largest expected loss.
    Loss,
    /// The one with the fewest points, told and pending.
    Npoints,
    /// Each in turn.
    Cycle,
}

/// A name that is no strategy.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown strategy `{0}`; known: loss_improvements, loss, npoints, cycle")]
pub struct UnknownStrategy(pub String);

impl Strategy {
    /// All strategies: the name in the study file, and one line for help.
    pub const ALL: &[(Self, &'static str, &'static str)] = &[
        (Self::LossImprovements, "loss_improvements", "the learner whose next point promises most"),
        (Self::Loss, "loss", "the learner with the largest expected loss"),
        (Self::Npoints, "npoints", "the learner with the fewest points"),
        (Self::Cycle, "cycle", "each learner in turn"),
    ];

    /// Reads `strategy` of a study's `[balancing]` table; the default if absent.
    pub fn from_settings(table: &Table) -> settings::Result<Self> {
        let Some(name) = table.text("strategy")? else { return Ok(Self::default()) };
        name.parse().map_err(|_| {
            let span = table.get("strategy").map_or(&table.span, |setting| &setting.span);
            let known = Self::ALL.iter().map(|(_, name, _)| *name);
            settings::unknown(span, &format!("unknown strategy `{name}`"), name, known)
        })
    }

    /// The name in the study file.
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(strategy, ..)| *strategy == self).map_or("", |(_, name, _)| name)
    }
}

impl FromStr for Strategy {
    type Err = UnknownStrategy;

    fn from_str(name: &str) -> Result<Self, UnknownStrategy> {
        let found = Self::ALL.iter().find(|(_, n, _)| *n == name);
        found.map(|(strategy, ..)| *strategy).ok_or_else(|| UnknownStrategy(name.to_owned()))
    }
}

/// Serves many learners of any mix of kinds as one (upstream: `BalancingLearner`).
///
/// A sample's `learner` is the index of the child; the child itself sees 0. (So children can't be balancing
/// learners.) The children are ranked in a heap and only those that changed since are ranked anew: an `ask` or
/// `tell` costs O(log children) besides the child's own work. Ties go to the child with fewer points, then to the
/// lower index. A child that has nothing left to ask is passed over until it changes; one that rests
/// ([`Learner::rest`]) until it is woken.
///
/// Unlike upstream, the strategy `loss` sees points as soon as they are asked, not only when they are told: many
/// points asked at once are spread over the children. An undefined (NaN) loss or improvement ranks as infinite
/// (upstream: as it happens): nobody knows how much there is to do, and a lower rank would keep it so. Such children
/// share what there is, but the others wait; losses that know of NaN, as the default ones, are never NaN. Each child is told
/// its part of many values at once, by its own bulk path; `cycle` goes on after the child that was told last, as in a
/// restarted run; and points of an [`AverageLearner1D`](super::AverageLearner1D) are its samples, which is what costs.
pub struct BalancingLearner {
    children: Vec<Box<dyn Learner>>,
    strategy: Strategy,
    /// Children that are not asked.
    resting: Vec<bool>,
    /// Children that had nothing to ask and have not changed since; for `cycle`.
    exhausted: Vec<bool>,
    /// By child. A child is asked only when those of higher priority have nothing to ask.
    priorities: Vec<i32>,
    /// The children of each priority, the highest first; for `cycle`.
    levels: Vec<Vec<u32>>,
    /// By the strategy; not used by `cycle`.
    choice: Ranking,
    /// By loss; ranked when a loss is asked for.
    real: RefCell<Ranking>,
    expected: RefCell<Ranking>,
    /// The child whose turn is next, for `cycle`.
    turn: usize,
    /// The turn after the child that was told last: where a restarted run goes on.
    turn_after_told: usize,
    /// Something was asked since the beginning, or since all that is pending was forgotten.
    has_asked: bool,
    npoints: usize,
    npending: usize,
}

/// Higher priority first, then the larger measure, then fewer points, then the lower index.
type Rank = (i32, u64, Reverse<u64>, Reverse<u32>);

/// A heap of children that remembers which ones have to be looked at again.
#[derive(Clone)]
struct Ranking {
    heap: IndexedHeap<Rank>,
    changed: Vec<u32>,
    is_changed: Vec<bool>,
}

impl Ranking {
    fn new(children: usize) -> Self {
        let changed = (0..children as u32).collect();
        Self { heap: IndexedHeap::default(), changed, is_changed: vec![true; children] }
    }

    #[inline]
    fn touch(&mut self, child: usize) {
        if !std::mem::replace(&mut self.is_changed[child], true) {
            self.changed.push(child as u32);
        }
    }

    /// Takes a child out until it is touched again.
    fn drop(&mut self, child: usize) {
        self.heap.remove(child as u32);
    }

    /// The first child, after all changed ones are measured again: a priority, a measure and a number of points, or `None`
    /// for a child that is out.
    fn first(&mut self, mut measure: impl FnMut(usize) -> Option<(i32, f64, u64)>) -> Option<usize> {
        for child in self.changed.drain(..) {
            self.is_changed[child as usize] = false;
            match measure(child as usize) {
                Some((priority, measure, points)) => {
                    let measure = if measure.is_nan() { f64::INFINITY } else { measure };
                    let rank = (priority, ordered_bits(measure), Reverse(points), Reverse(child));
                    self.heap.set(child, rank);
                }
                None => self.heap.remove(child),
            }
        }
        self.heap.top().map(|(_, child)| child as usize)
    }
}

fn total(child: &dyn Learner) -> u64 {
    (child.npoints() + child.npending()) as u64
}

impl BalancingLearner {
    /// Serves these children. Points that they know or have pending count from the start.
    pub fn new(children: Vec<Box<dyn Learner>>, strategy: Strategy) -> Self {
        let ranking = Ranking::new(children.len());
        Self {
            strategy,
            resting: vec![false; children.len()],
            exhausted: vec![false; children.len()],
            priorities: vec![0; children.len()],
            levels: vec![(0..children.len() as u32).collect()],
            choice: ranking.clone(),
            real: RefCell::new(ranking.clone()),
            expected: RefCell::new(ranking),
            turn: 0,
            turn_after_told: 0,
            has_asked: false,
            npoints: children.iter().map(|child| child.npoints()).sum(),
            npending: children.iter().map(|child| child.npending()).sum(),
            children,
        }
    }

    /// Children of higher priority are asked first, whatever the strategy says: it decides among equals. The others get
    /// what is left, when those have nothing to ask or rest. Children beyond the end of `priorities` have 0.
    #[must_use]
    pub fn with_priorities(mut self, priorities: &[i32]) -> Self {
        for (own, given) in self.priorities.iter_mut().zip(priorities) {
            *own = *given;
        }
        let mut levels: BTreeMap<Reverse<i32>, Vec<u32>> = BTreeMap::new();
        for (child, priority) in (0..).zip(&self.priorities) {
            levels.entry(Reverse(*priority)).or_default().push(child);
        }
        self.levels = levels.into_values().collect();
        self.choice = Ranking::new(self.children.len());
        self
    }

    /// Which child is asked next.
    pub fn strategy(&self) -> Strategy {
        self.strategy
    }

    /// Changes the strategy; `cycle` begins with the first child again.
    pub fn set_strategy(&mut self, strategy: Strategy) {
        self.strategy = strategy;
        self.choice = Ranking::new(self.children.len());
        self.exhausted.fill(false);
        self.turn = 0;
    }

    /// Does something with a child that may change it, and keeps the books. `None` if there is no such child.
    /// Whatever changes a child changes how many points it has, told or pending.
    #[inline]
    fn with_child<T>(&mut self, index: usize, action: impl FnOnce(&mut dyn Learner) -> T) -> Option<T> {
        let child = self.children.get_mut(index)?;
        let (told, pending) = (child.npoints(), child.npending());
        let result = action(child.as_mut());
        let (told_now, pending_now) = (child.npoints(), child.npending());
        if (told_now, pending_now) != (told, pending) {
            self.npoints = self.npoints + told_now - told;
            self.npending = self.npending + pending_now - pending;
            self.touch(index);
        }
        Some(result)
    }

    /// All that a child is ranked by is to be looked at again.
    fn touch(&mut self, index: usize) {
        self.exhausted[index] = false;
        self.choice.touch(index);
        self.real.get_mut().touch(index);
        self.expected.get_mut().touch(index);
    }

    /// The child whose turn it is by the ranking.
    #[inline]
    fn choose(&mut self) -> Option<usize> {
        let Self { children, resting, strategy, priorities, .. } = self;
        self.choice.first(|index| {
            if resting[index] {
                return None;
            }
            let child = children[index].as_mut();
            let measure = match *strategy {
                Strategy::LossImprovements => child.suggest(1).first()?.loss_improvement,
                Strategy::Loss => child.loss(Loss::Expected),
                Strategy::Npoints | Strategy::Cycle => 0.0,
            };
            Some((priorities[index], measure, total(child)))
        })
    }

    /// Asks one child for one point; false if it has none.
    #[inline]
    fn ask_child(&mut self, index: usize, out: &mut Vec<Suggestion>) -> bool {
        let before = out.len();
        self.with_child(index, |child| child.ask_into(1, out));
        for suggestion in &mut out[before..] {
            suggestion.sample.learner = index as u32;
        }
        out.len() > before
    }

    /// Asks the next child that has a point, in turn; false if none has.
    fn ask_in_turn(&mut self, out: &mut Vec<Suggestion>) -> bool {
        for level in 0..self.levels.len() {
            let children = self.levels[level].len();
            let start = self.levels[level].partition_point(|child| (*child as usize) < self.turn);
            for place in (start..children).chain(0..start) {
                let index = self.levels[level][place] as usize;
                if self.resting[index] || self.exhausted[index] {
                    continue;
                }
                if self.ask_child(index, out) {
                    self.turn = (index + 1) % self.children.len();
                    return true;
                }
                // To find that out may cost a walk over all that it knows.
                self.exhausted[index] = true;
            }
        }
        false
    }

    /// Asks the first child by rank that has a point; false if none has.
    fn ask_by_rank(&mut self, out: &mut Vec<Suggestion>) -> bool {
        while let Some(index) = self.choose() {
            if self.ask_child(index, out) {
                return true;
            }
            // It has nothing left: out until it changes.
            self.choice.drop(index);
        }
        false
    }

    /// Notes that values of a child were told. Before anything is asked they come from a restart, after which `cycle`
    /// goes on where it had stopped.
    fn note_told(&mut self, index: usize) {
        self.turn_after_told = (index + 1) % self.children.len();
        if !self.has_asked {
            self.turn = self.turn_after_told;
        }
    }

    fn foreign(&self, sample: &Sample) -> TellError {
        TellError::Foreign(format!("learner {} of {}", sample.learner, self.children.len()))
    }
}

impl Learner for BalancingLearner {
    fn kind(&self) -> &'static str {
        "balancing"
    }

    /// Of the first child; children of other kinds have their own.
    fn signature(&self) -> Signature {
        self.children.first().map_or_else(Signature::line, |child| child.signature())
    }

    fn ask_into(&mut self, n: usize, out: &mut Vec<Suggestion>) {
        self.has_asked |= n > 0;
        for _ in 0..n {
            let found = match self.strategy {
                Strategy::Cycle => self.ask_in_turn(out),
                _ => self.ask_by_rank(out),
            };
            if !found {
                return;
            }
        }
    }

    fn tell(&mut self, sample: &Sample, value: &Value) -> Result<(), TellError> {
        let own = sample.clone().of_learner(0);
        let (index, told) = (sample.learner as usize, self.npoints);
        self.with_child(index, |child| child.tell(&own, value))
            .unwrap_or_else(|| Err(self.foreign(sample)))?;
        if self.npoints != told {
            self.note_told(index);
        }
        Ok(())
    }

    /// Each child gets its own values at once, in the order in which they are told.
    fn tell_many(&mut self, told: &[(Sample, Value)]) -> Result<(), TellError> {
        if let Some((sample, _)) =
            told.iter().find(|(sample, _)| sample.learner as usize >= self.children.len())
        {
            return Err(self.foreign(sample));
        }
        let mut order: Vec<u32> = (0..told.len() as u32).collect();
        order.sort_by_key(|i| told[*i as usize].0.learner);
        for group in order.chunk_by(|i, j| told[*i as usize].0.learner == told[*j as usize].0.learner) {
            let own: Vec<_> = group
                .iter()
                .map(|i| &told[*i as usize])
                .map(|(sample, value)| (sample.clone().of_learner(0), value.clone()))
                .collect();
            let index = told[group[0] as usize].0.learner as usize;
            self.with_child(index, |child| child.tell_many(&own)).transpose()?;
        }
        if let Some((sample, _)) = told.last() {
            self.note_told(sample.learner as usize);
        }
        Ok(())
    }

    fn tell_pending(&mut self, sample: &Sample) {
        let own = sample.clone().of_learner(0);
        self.with_child(sample.learner as usize, |child| child.tell_pending(&own));
    }

    fn give_up(&mut self, sample: &Sample) {
        let (own, index) = (sample.clone().of_learner(0), sample.learner as usize);
        if self.with_child(index, |child| child.give_up(&own)).is_some() {
            // It is pending before and after, but losses are others.
            self.touch(index);
        }
    }

    fn remove_unfinished(&mut self) {
        for index in 0..self.children.len() {
            self.with_child(index, |child| child.remove_unfinished());
            // What a child has planned may be forgotten too, though it has as many points as before.
            self.touch(index);
        }
        self.turn = self.turn_after_told;
        self.has_asked = false;
    }

    /// The largest loss of a child. O(log children) for each child that changed since the last call.
    fn loss(&self, which: Loss) -> f64 {
        let children = &self.children;
        let ranking = match which {
            Loss::Real => &self.real,
            Loss::Expected => &self.expected,
        };
        let worst = ranking.borrow_mut().first(|index| Some((0, children[index].loss(which), 0)));
        worst.map_or(f64::INFINITY, |index| self.children[index].loss(which))
    }

    fn npoints(&self) -> usize {
        self.npoints
    }

    fn npending(&self) -> usize {
        self.npending
    }

    /// Whether all children are done, if each has a criterion.
    fn done(&self) -> Option<bool> {
        self.children.iter().try_fold(true, |all, child| child.done().map(|done| all && done))
    }

    fn most_in_flight(&self) -> Option<usize> {
        let each = self.children.iter().zip(&self.resting).filter(|(_, resting)| !**resting);
        each.map(|(child, _)| child.most_in_flight())
            .try_fold(0, |sum, most| Some(sum + most?))
            .filter(|most| *most > 0)
    }

    fn needs(&self, sample: &Sample) -> bool {
        self.children.get(sample.learner as usize).is_some_and(|child| child.needs(sample))
    }

    fn work_in_parallel(&mut self) {
        self.children.iter_mut().for_each(|child| child.work_in_parallel());
    }

    fn rest(&mut self, child: u32, resting: bool) {
        if let Some(now) = self.resting.get_mut(child as usize) {
            *now = resting;
            self.exhausted[child as usize] = false;
            self.choice.touch(child as usize);
        }
    }

    fn new_empty(&self) -> Box<dyn Learner> {
        let children = self.children.iter().map(|child| child.new_empty()).collect();
        Box::new(Self::new(children, self.strategy).with_priorities(&self.priorities))
    }

    fn boxed_clone(&self) -> Box<dyn Learner> {
        Box::new(Self {
            children: self.children.iter().map(|child| child.boxed_clone()).collect(),
            strategy: self.strategy,
            resting: self.resting.clone(),
            exhausted: self.exhausted.clone(),
            priorities: self.priorities.clone(),
            levels: self.levels.clone(),
            choice: self.choice.clone(),
            real: self.real.clone(),
            expected: self.expected.clone(),
            turn: self.turn,
            turn_after_told: self.turn_after_told,
            has_asked: self.has_asked,
            npoints: self.npoints,
            npending: self.npending,
        })
    }

    fn children(&self) -> Option<&[Box<dyn Learner>]> {
        Some(&self.children)
    }
}
