//! Workers that are at a task for far longer than such tasks take, and second copies of their tasks on others. Pure.
//!
//! A task with a copy is held by two workers: its place is with the later one, [`Task::twin`] names the earlier. The first
//! answer counts. The other copy is then held for nobody, as the task of a future that was dropped is, until its
//! worker answers or is lost.

use super::{Held, Place, Scheduler, Task};
use std::time::Duration;

/// Less silence than this is no matter, however short tasks are.
const LEAST: Duration = Duration::from_secs(5);
/// So many times longer than usual is far longer.
const FAR: u32 = 3;

/// A worker that has been at a task for too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::pool) struct Late {
    pub(in crate::pool) worker: u32,
    /// Since when it has answered nothing.
    pub(in crate::pool) silent: Duration,
    /// What such tasks take.
    pub(in crate::pool) usual: Duration,
}

impl Scheduler {
    /// What 99 of 100 tasks take at most, of the kind that takes longest.
    fn usual(&self) -> Option<Duration> {
        self.paces.iter().filter_map(|pace| pace.usual()).max()
    }

    /// Workers that hold tasks and have answered nothing for far longer than tasks take. O(workers).
    pub(in crate::pool) fn stragglers(&self, now: Duration) -> Vec<Late> {
        let Some(usual) = self.usual() else { return Vec::new() };
        let limit = LEAST.max(usual.saturating_mul(FAR));
        let silent = |worker: u32| now.saturating_sub(self.heard[worker as usize]);
        (0..self.heard.len() as u32)
            .filter(|&worker| self.loads.load(worker) > 0 && silent(worker) > limit)
            .map(|worker| Late { worker, silent: silent(worker), usual })
            .collect()
    }

    /// Whether a worker has nothing to do, and nothing waits for one, but for what waits for another one.
    pub(in crate::pool) fn has_idle(&self) -> bool {
        self.waiting <= self.elsewhere.waiting() && self.loads.least().is_some_and(|(_, load)| load == 0)
    }

    /// Starts a second copy of a task that a straggler holds on a worker that has nothing to do: the copy's slot and
    /// worker. `None`: there is no such task, or no such worker. O(tasks).
    pub(in crate::pool) fn copy_of(&mut self, straggler: u32, now: Duration) -> Option<(u32, u32)> {
        let idle = self.idle()?;
        let may_be_copied = |task: &Task| {
            task.place == Place::With(straggler)
                && task.twin.is_none()
                && !task.unwanted
                && task.order.deadline.is_none()
        };
        let slot = self.tasks.iter().position(may_be_copied).filter(|_| idle != straggler)? as u32;
        let task = &mut self.tasks[slot as usize];
        self.held[idle as usize] = Held { kind: task.kind, alone: false };
        task.twin = Some((straggler, task.attempt));
        task.place = Place::With(idle);
        task.attempt = task.attempt.wrapping_add(1);
        task.given += 1;
        self.out += 1;
        self.heard[idle as usize] = now;
        self.loads.insert(idle, 1);
        Some((slot, idle))
    }

    /// A worker that has nothing to do and may be trusted with a copy.
    fn idle(&mut self) -> Option<u32> {
        for _ in 0..self.loads.idle() {
            let (idle, 0) = self.loads.least()? else { break };
            if !self.on_trial[idle as usize] {
                return Some(idle);
            }
            // Behind the others.
            self.loads.insert(idle, 0);
        }
        None
    }

    /// Takes in the first answer to a task with two copies: true if this is one. The other copy is held for nobody now.
    pub(super) fn first_of_two(&mut self, worker: u32, slot: u32, attempt: u32) -> bool {
        let Some(task) = self.tasks.get_mut(slot as usize) else { return false };
        let Some(twin) = task.twin else { return false };
        if (worker, attempt) != twin {
            if task.place != Place::With(worker) || task.attempt != attempt {
                return false;
            }
            (task.place, task.attempt) = (Place::With(twin.0), twin.1);
        }
        task.twin = None;
        self.out -= 1;
        if !std::mem::replace(&mut task.unwanted, true) {
            self.unwanted += 1;
        }
        true
    }

    /// Takes in that one copy of a task is lost with its worker: true if there is another, which counts now.
    pub(super) fn lose_copy(&mut self, worker: u32, slot: u32) -> bool {
        let task = &mut self.tasks[slot as usize];
        match task.twin {
            Some((earlier, _)) if earlier == worker => {}
            Some(twin) if task.place == Place::With(worker) => {
                (task.place, task.attempt) = (Place::With(twin.0), twin.1);
            }
            _ => return false,
        }
        task.twin = None;
        self.out -= 1;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Order, Standing, Verdict};
    use super::*;
    use crate::pool::options::PoolOptions;

    const SECOND: Duration = Duration::from_secs(1);

    /// Three workers; the last task is with worker 0, all others are done, each in a second.
    fn late() -> (Scheduler, u32) {
        let options = PoolOptions { depth: Some(1), ..PoolOptions::default() };
        let mut s = Scheduler::new(1, 3, &options);
        let mut batch = Vec::new();
        for _ in 0..10 {
            s.add(0, Order::default());
            let worker = s.next_batch(Duration::ZERO, &mut batch).unwrap();
            assert_eq!(s.answered(worker, batch[0], s.attempt(batch[0]), SECOND), Verdict::Accepted);
            s.relieve(worker, 1);
        }
        let slot = s.add(0, Order::default());
        let worker = s.next_batch(Duration::ZERO, &mut batch).unwrap();
        assert_eq!((batch.as_slice(), worker), ([slot].as_slice(), 1));
        (s, slot)
    }

    #[test]
    fn a_worker_is_late_after_three_times_the_usual_and_five_seconds() {
        let (s, _) = late();
        assert_eq!(s.stragglers(5 * SECOND), []);
        let late = s.stragglers(6 * SECOND);
        assert_eq!((late.len(), late[0].worker, late[0].silent), (1, 1, 6 * SECOND));
        assert!(late[0].usual >= SECOND && late[0].usual < 2 * SECOND);
    }

    #[test]
    fn a_worker_on_trial_gets_no_copy_and_keeps_none_from_the_others() {
        let (mut s, _) = late();
        // Idle: first 2, then 0.
        assert_eq!(s.loads.least(), Some((2, 0)));
        s.set_standing(2, Standing::OnTrial);
        assert_eq!(s.copy_of(1, 6 * SECOND).map(|(_, worker)| worker), Some(0));
        let (mut s, _) = late();
        [0, 2].iter().for_each(|worker| s.set_standing(*worker, Standing::OnTrial));
        assert_eq!(s.copy_of(1, 6 * SECOND), None);
    }

    #[test]
    fn the_first_of_two_copies_counts_and_the_other_is_held_for_nobody() {
        for first in [0, 1] {
            let (mut s, slot) = late();
            let old = (1, s.attempt(slot));
            let (copied, other) = s.copy_of(1, 6 * SECOND).unwrap();
            let copies = [old, (other, s.attempt(slot))];
            assert_eq!((copied, s.out(), s.open()), (slot, 2, 2));
            assert_eq!(s.copy_of(1, 6 * SECOND), None, "one copy is enough");
            let (worker, attempt) = copies[first];
            assert_eq!(s.answered(worker, slot, attempt, SECOND), Verdict::Accepted);
            s.relieve(worker, 1);
            assert_eq!((s.out(), s.open()), (1, 0));
            assert_eq!(s.answered(worker, slot, attempt, SECOND), Verdict::Late, "not twice");
            let (worker, attempt) = copies[1 - first];
            assert_eq!(s.answered(worker, slot, attempt, SECOND), Verdict::Accepted, "its worker is free");
            s.relieve(worker, 1);
            assert_eq!((s.out(), s.open()), (0, 0));
        }
    }

    #[test]
    fn a_copy_that_fails_or_is_lost_leaves_the_other_one() {
        for (lost, fails) in [(0, false), (1, false), (0, true), (1, true)] {
            let (mut s, slot) = late();
            let old = (1, s.attempt(slot));
            let (_, other) = s.copy_of(1, 6 * SECOND).unwrap();
            let copies = [old, (other, s.attempt(slot))];
            let (worker, attempt) = copies[lost];
            if fails {
                assert_eq!(s.failed(worker, slot, attempt, SECOND), Verdict::Accepted);
                s.relieve(worker, 1);
            } else {
                assert!(s.lose(worker, |_| true).given_up.is_empty());
            }
            assert_eq!((s.out(), s.open()), (1, 1));
            let (worker, attempt) = copies[1 - lost];
            assert_eq!(s.answered(worker, slot, attempt, SECOND), Verdict::Accepted);
            assert_eq!((s.out(), s.open()), (0, 0));
        }
    }
}
