//! Tasks in reserve behind one that takes long: they wait for any worker again. Pure.
//!
//! Short tasks are held in reserve, so that their workers never wait. But now and then one takes thousands of times as long as
//! the others, and what its worker holds beside it would wait for its end, while others have nothing to do.

use super::{Place, Scheduler};
use std::time::Duration;

/// Less silence than this is no matter, however short tasks are.
const LEAST: Duration = Duration::from_millis(100);
/// So many times longer than tasks take on average is far longer.
const FAR: u32 = 10;

/// A task that a worker has not begun, and that is not to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::pool) struct TakenBack {
    pub(in crate::pool) worker: u32,
    pub(in crate::pool) slot: u32,
    /// The attempt that is over.
    pub(in crate::pool) attempt: u32,
}

impl Scheduler {
    /// Takes back what workers hold in reserve that have been at one task for far longer than tasks take: it waits ahead of the
    /// queue, and they get no more until they are free. Not what has come in one message with the task that they are at: they
    /// may be at any of these. Nor what can't be sent again. O(workers), and O(tasks) if there are such workers.
    pub(in crate::pool) fn take_back(
        &mut self,
        now: Duration,
        can_be_sent: impl Fn(u32) -> bool,
    ) -> Vec<TakenBack> {
        let is_late = |worker: u32| {
            let held = self.held[worker as usize];
            let silent = now.saturating_sub(self.heard[worker as usize]);
            let far = |mean: Duration| silent > LEAST.max(mean.saturating_mul(FAR));
            self.loads.load(worker) > 1
                && !held.alone
                && self.paces[held.kind as usize].mean().is_some_and(far)
        };
        let mut late: Vec<Option<u64>> =
            (0..self.heard.len() as u32).map(|worker| is_late(worker).then_some(u64::MAX)).collect();
        if late.iter().all(Option::is_none) {
            return Vec::new();
        }
        for task in &self.tasks {
            if let Place::With(worker) = task.place
                && let Some(first) = &mut late[worker as usize]
            {
                *first = task.message.min(*first);
            }
        }
        let mut taken: Vec<(u64, TakenBack)> = Vec::new();
        for (slot, task) in (0..).zip(&self.tasks) {
            if let Place::With(worker) = task.place
                && late[worker as usize].is_some_and(|first| task.message > first)
                && task.twin.is_none()
                && !task.unwanted
                && !self.elsewhere.knows(slot)
                && can_be_sent(slot)
            {
                taken.push((task.message, TakenBack { worker, slot, attempt: task.attempt }));
            }
        }
        taken.sort_unstable_by_key(|(message, taken)| (*message, taken.slot));
        for (_, TakenBack { worker, slot, .. }) in taken.iter().rev() {
            self.tasks[*slot as usize].given -= 1;
            self.out -= 1;
            self.loads.insert(*worker, self.loads.load(*worker) - 1);
            self.held[*worker as usize].alone = true;
            self.push_front(*slot);
        }
        taken.into_iter().map(|(_, taken)| taken).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Order, Verdict};
    use super::*;
    use crate::pool::options::PoolOptions;

    const MILLI: Duration = Duration::from_millis(1);

    /// What is sent now, by worker.
    fn sent(s: &mut Scheduler, now: Duration) -> Vec<(u32, Vec<u32>)> {
        let mut batch = Vec::new();
        std::iter::from_fn(|| s.next_batch(now, &mut batch).map(|worker| (worker, batch.clone()))).collect()
    }

    /// Two workers hold two tasks each, of a kind that takes 20 ms; a fifth one waits.
    fn busy() -> Scheduler {
        let options = PoolOptions { depth: Some(2), bundle: Some(1), ..PoolOptions::default() };
        let mut s = Scheduler::new(1, 2, &options);
        let slot = s.add(0, Order::default());
        sent(&mut s, Duration::ZERO);
        s.answered(0, slot, s.attempt(slot), 20 * MILLI);
        s.relieve(0, 1);
        (0..5).for_each(|_| _ = s.add(0, Order::default()));
        let all = sent(&mut s, Duration::ZERO);
        assert_eq!(all, [(1, vec![0]), (0, vec![1]), (1, vec![2]), (0, vec![3])]);
        s
    }

    #[test]
    fn what_waits_behind_a_task_that_takes_far_longer_than_usual_is_the_next_for_others() {
        let mut s = busy();
        assert_eq!(s.take_back(200 * MILLI, |_| true), []);
        s.heard(0, 200 * MILLI);
        let attempt = s.attempt(2);
        let taken = s.take_back(201 * MILLI, |_| true);
        assert_eq!(taken, [TakenBack { worker: 1, slot: 2, attempt }]);
        assert_eq!((s.out(), s.open(), s.held_by(1)), (3, 5, 1));
        assert_eq!(s.answered(1, 2, attempt, MILLI), Verdict::Late, "it is begun anew");
        for (done, next) in [(1, 2), (3, 4)] {
            assert_eq!(s.answered(0, done, s.attempt(done), 20 * MILLI), Verdict::Accepted);
            s.relieve(0, 1);
            assert_eq!(sent(&mut s, 202 * MILLI), [(0, vec![next])], "the late one gets nothing");
        }
        assert_eq!(s.answered(1, 0, s.attempt(0), 300 * MILLI), Verdict::Accepted);
        s.relieve(1, 1);
        (0..2).for_each(|_| _ = s.add(0, Order::default()));
        assert_eq!(sent(&mut s, 303 * MILLI).len(), 2, "it is as any other again");
        assert_eq!(s.held_by(1), 2);
    }

    #[test]
    fn what_came_in_one_message_or_cannot_be_sent_again_stays() {
        let options = PoolOptions { depth: Some(4), bundle: Some(2), ..PoolOptions::default() };
        let mut s = Scheduler::new(1, 1, &options);
        (0..5).for_each(|_| _ = s.add(0, Order::default()));
        sent(&mut s, Duration::ZERO);
        s.answered(0, 0, s.attempt(0), MILLI);
        s.relieve(0, 1);
        let before: Vec<u64> = s.tasks.iter().map(|task| task.message).collect();
        assert!(before[0] == before[1] && before[2] == before[3] && before[1] < before[2], "{before:?}");
        assert_eq!(s.take_back(Duration::from_secs(1), |slot| slot != 2).len(), 1);
        assert_eq!((s.held_by(0), s.tasks[1].place, s.tasks[2].place), (2, Place::With(0), Place::With(0)));
        assert_eq!(s.tasks[3].place, Place::Ready);
    }
}
