//! How tasks end with an answer: one that counts, one that comes late, or one that says that another attempt is wanted.

use super::{Place, Scheduler, Verdict};
use std::time::Duration;

impl Scheduler {
    /// Takes in an answer of a worker, and how long the task took, if that says anything about others.
    pub(in crate::pool) fn answered(
        &mut self,
        worker: u32,
        slot: u32,
        attempt: u32,
        duration: impl Into<Option<Duration>>,
    ) -> Verdict {
        if self.first_of_two(worker, slot, attempt) {
            self.note_pace(slot, duration.into());
            return Verdict::Accepted;
        }
        match self.tasks.get(slot as usize) {
            Some(task) if task.place == Place::With(worker) && task.attempt == attempt => {
                self.note_pace(slot, duration.into());
                self.out -= 1;
                self.free_slot(slot);
                Verdict::Accepted
            }
            _ => Verdict::Late,
        }
    }

    pub(super) fn note_pace(&mut self, slot: u32, duration: Option<Duration>) {
        if let Some(duration) = duration {
            self.paces[self.tasks[slot as usize].kind as usize].note(duration);
        }
    }

    /// Takes in that a worker's attempt has failed and another one is wanted: the task waits again, behind those of its
    /// priority, for another worker if there is one. As [`Self::answered`] if nobody wants it any more.
    pub(in crate::pool) fn failed(
        &mut self,
        worker: u32,
        slot: u32,
        attempt: u32,
        duration: impl Into<Option<Duration>>,
    ) -> Verdict {
        let of_two = self.tasks.get(slot as usize).is_some_and(|task| {
            let holders =
                [task.twin, Some((worker, task.attempt)).filter(|_| task.place == Place::With(worker))];
            task.twin.is_some() && !task.unwanted && holders.contains(&Some((worker, attempt)))
        });
        if of_two && self.lose_copy(worker, slot) {
            return Verdict::Accepted;
        }
        match self.tasks.get_mut(slot as usize) {
            Some(task) if task.place == Place::With(worker) && task.attempt == attempt && !task.unwanted => {
                task.given -= 1;
                self.note_pace(slot, duration.into());
                self.out -= 1;
                self.elsewhere.note(slot, [worker]);
                self.push_back(slot);
                Verdict::Accepted
            }
            _ => self.answered(worker, slot, attempt, duration),
        }
    }

    /// Takes in that a worker has answered `n` of the tasks that it holds (after [`Self::answered`] for each).
    pub(in crate::pool) fn relieve(&mut self, worker: u32, n: u32) {
        if n > 0 && self.loads.contains(worker) {
            self.loads.insert(worker, self.loads.load(worker).saturating_sub(n));
        }
    }
}
