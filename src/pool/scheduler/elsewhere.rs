//! Tasks that have failed, and where: they are tried on other workers, if there are any. Pure.
//!
//! A worker that fails at once is always the one that has time. Without this it would get the same task again and again, until
//! that has no attempts left. But the others may be busy for hours, or for ever, so a task waits for them for some time only:
//! for what tasks usually take, if its worker is in good standing; and for longer with each failure, if it is not.

use super::{LOOKED_AT, Place, Scheduler};
use rustc_hash::FxHashMap;
use smallvec::SmallVec;
use std::collections::VecDeque;
use std::time::Duration;

/// So long a task that has failed once waits for a worker in good standing before any other gets it, and twice as long after
/// each further failure.
const FIRST_WAIT: Duration = Duration::from_secs(5);
/// So many times as long as tasks usually take, it waits for one on which it has not failed.
const USUAL_WAIT: u32 = 2;

/// The failures of a task.
#[derive(Default)]
struct Failed {
    /// On which workers.
    on: SmallVec<[u32; 4]>,
    /// Since when it has waited for the next one.
    since: Option<Duration>,
}

#[derive(Default)]
pub(super) struct Elsewhere {
    /// Tasks that wait for a worker, in the order in which they came.
    waiting: VecDeque<u32>,
    /// By slot.
    failed: FxHashMap<u32, Failed>,
}

impl Elsewhere {
    /// Whether a task has failed.
    #[inline]
    pub(super) fn knows(&self, slot: u32) -> bool {
        !self.failed.is_empty() && self.failed.contains_key(&slot)
    }

    /// A task has failed on these workers.
    pub(super) fn note(&mut self, slot: u32, workers: impl IntoIterator<Item = u32>) {
        self.failed.entry(slot).or_default().on.extend(workers);
    }

    /// The slot is free.
    #[inline]
    pub(super) fn forget(&mut self, slot: u32) {
        if !self.failed.is_empty() {
            self.failed.remove(&slot);
        }
    }

    pub(super) fn push_back(&mut self, slot: u32) {
        if let Some(failed) = self.failed.get_mut(&slot) {
            failed.since = None;
        }
        self.waiting.push_back(slot);
    }

    pub(super) fn pop(&mut self) -> Option<u32> {
        self.waiting.pop_front()
    }

    /// How many wait, or have waited and were cancelled.
    #[inline]
    pub(super) fn waiting(&self) -> usize {
        self.waiting.len()
    }
}

impl Scheduler {
    /// The next task that has failed before, in `batch`, and its worker. `None`: it is the turn of others, or no worker
    /// that should have one has room.
    pub(super) fn next_elsewhere(&mut self, now: Duration, batch: &mut Vec<u32>) -> Option<u32> {
        let rank = |s: &Self, slot: u32| {
            let task = &s.tasks[slot as usize];
            (-i64::from(task.order.priority), task.stamp)
        };
        let usual = self.front().map(|slot| rank(self, slot));
        let mut at = 0;
        while at < self.elsewhere.waiting.len().min(LOOKED_AT) {
            let slot = self.elsewhere.waiting[at];
            if self.tasks[slot as usize].place != Place::Ready {
                self.elsewhere.waiting.remove(at);
                self.free_slot(slot);
                continue;
            }
            if let Some(failed) = self.elsewhere.failed.get_mut(&slot) {
                failed.since.get_or_insert(now);
            }
            let is_turn = usual.is_none_or(|usual| rank(self, slot) < usual);
            if let Some(worker) = is_turn.then(|| self.find_elsewhere(slot, now)).flatten() {
                self.elsewhere.waiting.remove(at);
                batch.push(slot);
                self.give(worker, false, now, batch);
                return Some(worker);
            }
            at += 1;
        }
        None
    }

    /// A worker with room for a task that has failed: one in good standing on which it has not. When it has waited long enough,
    /// or there is no such worker: one on which it has; one that is not in good standing.
    fn find_elsewhere(&self, slot: u32, now: Duration) -> Option<u32> {
        let task = self.tasks[slot as usize];
        let Failed { on, since } = self.elsewhere.failed.get(&slot)?;
        let waited = now.saturating_sub(since.unwrap_or(now));
        let long = FIRST_WAIT.saturating_mul(1 << (on.len().max(1) - 1).min(16));
        let usual = self.paces[task.kind as usize].usual();
        let short = usual.map_or(long, |usual| usual.saturating_mul(USUAL_WAIT).min(long));
        // Also those that are busy.
        let any = |which: &dyn Fn(u32) -> bool| {
            (0..self.heard.len() as u32).any(|worker| self.loads.contains(worker) && which(worker))
        };
        let is_good = |worker: u32| !self.on_trial[worker as usize];
        let some_are_good = any(&is_good);
        let is_peer = |worker: u32| is_good(worker) || !some_are_good;
        let is_fresh = |worker: u32| !on.contains(&worker);
        let may_repeat = waited > short || !any(&|worker| is_peer(worker) && is_fresh(worker));
        let takes_it = |worker: u32| {
            if is_peer(worker) { is_fresh(worker) || may_repeat } else { waited > long }
        };
        let room = self.room(task.kind, task.order);
        let has_room = |worker: u32, load: u32| self.takes(worker, load, task.kind, room, false) > 0;
        let mut workers = self.loads.by_load().filter(|(worker, _)| takes_it(*worker)).take(LOOKED_AT);
        workers.find(|(worker, load)| has_room(*worker, *load)).map(|(worker, _)| worker)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Order, Standing, Verdict};
    use super::*;
    use crate::pool::options::PoolOptions;

    const NOW: Duration = Duration::ZERO;

    fn scheduler(workers: usize) -> Scheduler {
        Scheduler::new(1, workers, &PoolOptions { depth: Some(1), ..PoolOptions::default() })
    }

    /// Hands out what can be, and lets some workers fail at once, until nothing happens. Who got the tasks.
    fn serve(s: &mut Scheduler, fails: impl Fn(u32) -> bool) -> Vec<(u32, u32)> {
        let (mut batch, mut given) = (Vec::new(), Vec::new());
        while let Some(worker) = s.next_batch(NOW, &mut batch) {
            for &slot in &batch {
                given.push((slot, worker));
                if fails(worker) {
                    assert_eq!(s.failed(worker, slot, s.attempt(slot), NOW), Verdict::Accepted);
                    s.relieve(worker, 1);
                }
            }
            assert!(given.len() < 1000, "on and on");
        }
        given
    }

    #[test]
    fn what_has_failed_waits_for_a_worker_on_which_it_has_not() {
        let mut s = scheduler(4);
        let slots = [(); 6].map(|()| s.add(0, Order::default()));
        let given = serve(&mut s, |worker| worker < 2);
        // Two are with the good ones; the others have failed on both bad ones, once each.
        for slot in slots {
            let mut on: Vec<u32> = given.iter().filter(|(s, _)| *s == slot).map(|(_, w)| *w).collect();
            on.sort_unstable();
            on.dedup_by(|a, b| a == b && panic!("twice on {a}"));
        }
        assert_eq!((s.out(), s.waiting), (2, 4));
        // As soon as these have time, they get them, in order.
        let busy = |s: &Scheduler| slots.into_iter().filter(|slot| s.is_out(*slot)).collect::<Vec<_>>();
        let mut done = 0;
        while let [slot, ..] = busy(&s)[..] {
            let Place::With(worker) = s.tasks[slot as usize].place else { unreachable!() };
            assert!(worker >= 2);
            assert_eq!(s.answered(worker, slot, s.attempt(slot), NOW), Verdict::Accepted);
            s.relieve(worker, 1);
            done += 1;
            serve(&mut s, |worker| worker < 2);
        }
        assert_eq!((done, s.open(), s.elsewhere.failed.len()), (6, 0, 0));
    }

    #[test]
    fn where_it_has_failed_everywhere_any_worker_will_do() {
        for (workers, times) in [(1, 5), (3, 7)] {
            let mut s = scheduler(workers);
            let slot = s.add(0, Order::default());
            let mut batch = Vec::new();
            for n in 0..times {
                let worker = s.next_batch(NOW, &mut batch).unwrap();
                assert_eq!((batch.as_slice(), worker), ([slot].as_slice(), n % workers as u32));
                assert_eq!(s.failed(worker, slot, s.attempt(slot), NOW), Verdict::Accepted);
                s.relieve(worker, 1);
            }
        }
    }

    #[test]
    fn workers_in_good_standing_come_first_and_others_are_no_obstacle() {
        let mut s = scheduler(4);
        s.set_standing(1, Standing::OnTrial);
        s.set_standing(2, Standing::Aside);
        let mut batch = Vec::new();
        let long = s.add(0, Order::default());
        // The good one that is left is busy.
        while s.next_batch(NOW, &mut batch) != Some(3) {
            let Place::With(worker) = s.tasks[long as usize].place else { unreachable!() };
            s.answered(worker, batch[0], s.attempt(batch[0]), NOW);
            s.relieve(worker, 1);
            s.add(0, Order::default());
        }
        let slot = s.add_failed(0, Order::default(), &[0]);
        assert_eq!(s.next_batch(NOW, &mut batch), None, "it waits for 3");
        let other = s.add(0, Order::default());
        assert!(matches!(s.next_batch(NOW, &mut batch), Some(0 | 1)), "and keeps nothing from the others");
        assert_eq!(batch, [other]);
        // Two are left: the one on which it has failed, which is busy, and one that is not to be trusted.
        s.set_standing(3, Standing::Aside);
        assert_eq!(s.next_batch(FIRST_WAIT, &mut batch), None, "it waits for 0");
        let later = FIRST_WAIT + Duration::from_millis(1);
        assert_eq!((s.next_batch(later, &mut batch), batch[0]), (Some(1), slot), "but not for ever");
        let slot = s.add_failed(0, Order::default(), &[0]);
        assert!(s.cancel(slot));
        let before = s.free.len();
        assert_eq!((s.next_batch(NOW, &mut batch), s.free.len()), (None, before + 1));
    }

    #[test]
    fn nobody_is_waited_for_much_longer_than_tasks_take() {
        let second = Duration::from_secs;
        for (takes, waits) in [(second(1), second(2)), (second(100), second(5)), (NOW, NOW)] {
            let mut s = scheduler(2);
            let mut batch = Vec::new();
            for _ in 0..20 {
                let slot = s.add(0, Order::default());
                let worker = s.next_batch(NOW, &mut batch).unwrap();
                s.answered(worker, slot, s.attempt(slot), takes);
                s.relieve(worker, 1);
            }
            // One hangs.
            s.add(0, Order::default());
            assert_eq!(s.next_batch(NOW, &mut batch), Some(0));
            let slot = s.add_failed(0, Order::default(), &[1]);
            assert_eq!(s.next_batch(NOW, &mut batch), None);
            assert!(s.has_idle(), "what waits is nothing for those that have time");
            assert_eq!(s.next_batch(waits * 9 / 10, &mut batch), None, "{takes:?}");
            let later = waits + waits / 4 + Duration::from_millis(1);
            assert_eq!((s.next_batch(later, &mut batch), batch[0]), (Some(1), slot), "{takes:?}");
        }
    }

    #[test]
    fn priorities_count_among_all() {
        let mut s = scheduler(2);
        let order = |priority| Order { priority, ..Order::default() };
        let failed = s.add_failed(0, order(1), &[0]);
        let (low, high) = (s.add(0, order(0)), s.add(0, order(2)));
        let given = serve(&mut s, |_| false);
        assert_eq!(given.iter().map(|(slot, _)| *slot).collect::<Vec<_>>(), [high, failed]);
        assert_eq!(given[1].1, 1);
        assert!(!s.is_out(low));
    }

    #[test]
    fn without_workers_nothing_waits() {
        let mut s = scheduler(1);
        let slot = s.add_failed(0, Order::default(), &[0]);
        let gone = s.add_failed(0, Order::default(), &[0]);
        assert!(s.cancel(gone));
        assert_eq!(s.lose(0, |_| true).given_up, [slot]);
        assert_eq!((s.open(), s.elsewhere.waiting(), s.free.len()), (0, 0, 2));
    }
}
