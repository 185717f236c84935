//! The cells of a domain by what is known of their losses, and by what is expected.

use super::Loss;
use super::heap::IndexedHeap;

/// Two orders of cells (intervals of a line, simplices): of those between told points, and of those between any points.
///
/// A cell of told points with no point inside belongs to both orders, with the same rank, and stands in one heap for
/// both. Few others are there at a time, as many as points are pending, so that a point which is asked and told moves one
/// large heap only.
#[derive(Clone, Debug)]
pub(super) struct Ranking<K> {
    /// Of told points with no point inside.
    whole: IndexedHeap<K>,
    /// Of told points with pending ones inside.
    split: IndexedHeap<K>,
    /// Parts of these, or what has a pending point at its border.
    parts: IndexedHeap<K>,
}

impl<K> Default for Ranking<K> {
    fn default() -> Self {
        Self { whole: IndexedHeap::default(), split: IndexedHeap::default(), parts: IndexedHeap::default() }
    }
}

impl<K: Copy + Ord> Ranking<K> {
    /// What an order has beside the whole cells.
    #[inline]
    fn others(&self, which: Loss) -> &IndexedHeap<K> {
        match which {
            Loss::Real => &self.split,
            Loss::Expected => &self.parts,
        }
    }

    /// The cell that comes first: O(1).
    #[inline]
    pub(super) fn top(&self, which: Loss) -> Option<u32> {
        self.whole.top().max(self.others(which).top()).map(|(_, id)| id)
    }

    /// All cells of an order, greatest rank first: O(log n) for each one taken.
    pub(super) fn descending(&self, which: Loss) -> impl Iterator<Item = (K, u32)> {
        let mut whole = self.whole.descending().peekable();
        let mut others = self.others(which).descending().peekable();
        std::iter::from_fn(move || if others.peek() > whole.peek() { others.next() } else { whole.next() })
    }

    /// Ranks a cell of told points that has no point inside, any more or still.
    #[inline]
    pub(super) fn set_whole(&mut self, id: u32, rank: K) {
        if !self.whole.contains(id) {
            self.split.remove(id);
            self.parts.remove(id);
        }
        self.whole.set(id, rank);
    }

    /// Ranks a cell of told points with pending ones inside. Its parts have to be ranked, too.
    #[inline]
    pub(super) fn set_split(&mut self, id: u32, rank: K) {
        self.whole.remove(id);
        self.split.set(id, rank);
    }

    /// Ranks a part of such a cell, or a cell that has a border without told point.
    #[inline]
    pub(super) fn set_part(&mut self, id: u32, rank: K) {
        self.parts.set(id, rank);
    }

    /// Takes a cell out, and the part of the same number.
    pub(super) fn remove(&mut self, id: u32) {
        self.whole.remove(id);
        self.split.remove(id);
        self.parts.remove(id);
    }

    /// No point is pending any more: what was split is whole.
    pub(super) fn remove_parts(&mut self) {
        self.parts.rebuild(std::iter::empty());
        for (rank, id) in self.split.descending() {
            self.whole.set(id, rank);
        }
        self.split.rebuild(std::iter::empty());
    }

    /// Replaces everything, in O(n).
    pub(super) fn rebuild(
        &mut self,
        whole: impl Iterator<Item = (K, u32)>,
        split: impl Iterator<Item = (K, u32)>,
        parts: impl Iterator<Item = (K, u32)>,
    ) {
        self.whole.rebuild(whole);
        self.split.rebuild(split);
        self.parts.rebuild(parts);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::learner::split::Urgency;
    use crate::learner::{Learner, Learner1D};
    use crate::loss::{self, Curvature};
    use crate::model::{Point, Sample, Value};
    use proptest::prelude::*;
    use std::sync::Arc;

    #[derive(Clone, Debug)]
    enum Step {
        Ask(usize),
        Tell(prop::sample::Index),
        TellAt(f64),
        TellMany(Vec<f64>),
        Pending(f64),
        Remove,
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let x = || -1.5..1.5f64;
        let step = prop_oneof![
            4 => (1usize..6).prop_map(Step::Ask),
            8 => any::<prop::sample::Index>().prop_map(Step::Tell),
            2 => x().prop_map(Step::TellAt),
            1 => prop::collection::vec(x(), 3..9).prop_map(Step::TellMany),
            2 => x().prop_map(Step::Pending),
            1 => Just(Step::Remove),
        ];
        prop::collection::vec(step, 0..60)
    }

    fn value(x: f64) -> Value {
        (30.0 * x).sin().into()
    }

    fn take(learner: &mut Learner1D, step: Step) {
        let at = |x: f64| Sample::at(Point::scalar(x));
        match step {
            Step::Ask(n) => drop(learner.ask(n)),
            Step::Tell(index) => {
                let pending: Vec<f64> = learner.pending().collect();
                if !pending.is_empty() {
                    let x = *index.get(&pending);
                    learner.tell(&at(x), &value(x)).unwrap();
                }
            }
            Step::TellAt(x) => learner.tell(&at(x), &value(x)).unwrap(),
            Step::TellMany(xs) => {
                learner.tell_bulk(&xs.iter().map(|x| (at(*x), value(*x))).collect::<Vec<_>>()).unwrap();
            }
            Step::Pending(x) => learner.tell_pending(&at(x)),
            Step::Remove => learner.remove_unfinished(),
        }
    }

    proptest! {
        #[test]
        fn each_interval_stands_once_in_its_orders_at_its_rank(steps in steps(), neighbours in 0..2usize) {
            let loss = if neighbours == 0 { loss::default_interval_loss() } else { Arc::new(Curvature::default()) };
            let mut learner = Learner1D::new((-1.0, 1.0), loss).unwrap();
            for step in steps {
                take(&mut learner, step);
                let mut points: Vec<f64> = learner.told().map(|(x, _)| x).collect();
                for which in [Loss::Real, Loss::Expected] {
                    if which == Loss::Expected {
                        points.extend(learner.pending());
                        points.sort_by(f64::total_cmp);
                    }
                    let listed = learner.intervals(which);
                    let ranks = listed.iter().map(|(a, b, loss)| Urgency::new(*loss, *a, *b, 1, 2.0));
                    prop_assert!(ranks.is_sorted_by(|one, next| one > next), "{listed:?}");
                    let mut ends: Vec<_> = listed.iter().map(|(a, b, _)| (*a, *b)).collect();
                    ends.sort_by(|one, other| one.0.total_cmp(&other.0));
                    prop_assert_eq!(ends, points.windows(2).map(|ends| (ends[0], ends[1])).collect::<Vec<_>>());
                    if let (Some((.., loss)), true) = (listed.first(), learner.loss(which).is_finite()) {
                        prop_assert_eq!(learner.loss(which), *loss);
                    }
                }
            }
        }
    }
}
