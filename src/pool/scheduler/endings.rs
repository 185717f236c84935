//! How tasks end without an answer: cancelled, out of time, of no interest any more, or lost with their workers.

use super::{Abandoned, Place, Scheduler};
use crate::pool::pace::Pace;
use std::time::Duration;

/// The least silence that counts where no other is asked for.
const GENEROUS: Duration = Duration::from_secs(3600);

/// A task whose time is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::pool) struct Expired {
    pub(in crate::pool) slot: u32,
    /// Who still runs it. `None`: it was never started, and its slot is free.
    pub(in crate::pool) worker: Option<u32>,
}

/// The work of a lost worker.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::pool) struct Loss {
    /// Tasks that wait for another worker now.
    pub(in crate::pool) reissued: usize,
    /// Slots of tasks that have lost too many workers, or that no worker is left for. They are free now.
    pub(in crate::pool) given_up: Vec<u32>,
    /// The rest of the group that the worker belonged to.
    pub(in crate::pool) abandoned: Option<Abandoned>,
}

impl Scheduler {
    /// Drops a task that no worker has yet; false if it is too late for that. The slot is free then.
    pub(in crate::pool) fn cancel(&mut self, slot: u32) -> bool {
        let task = &mut self.tasks[slot as usize];
        match task.place {
            Place::Ready => {
                task.place = Place::Cancelled;
                self.note_waiting(slot, false);
            }
            Place::Blocked => {
                self.blocked -= 1;
                self.free_slot(slot);
            }
            _ => return false,
        }
        true
    }

    /// Nobody wants the answer of a task: it is not started, or not given to another worker if it is.
    pub(in crate::pool) fn disown(&mut self, slot: u32) {
        if self.cancel(slot) {
            return;
        }
        let task = &mut self.tasks[slot as usize];
        if matches!(task.place, Place::With(_) | Place::Group(_))
            && !std::mem::replace(&mut task.unwanted, true)
        {
            self.unwanted += 1;
        }
    }

    /// The earliest time at which [`Self::expire`] may find something.
    pub(in crate::pool) fn next_deadline(&self) -> Option<Duration> {
        self.deadlines.next()
    }

    /// A task whose time is over: withdrawn, or disowned if a worker has it. Call it until it finds none.
    pub(in crate::pool) fn expire(&mut self, now: Duration) -> Option<Expired> {
        loop {
            let (slot, serial) = self.deadlines.pop(now)?;
            let task = &mut self.tasks[slot as usize];
            let ended = matches!(task.place, Place::Free | Place::Cancelled) || task.unwanted;
            if task.serial != serial || ended || task.order.deadline.take().is_none() {
                continue;
            }
            let worker = match task.place {
                Place::With(worker) => Some(worker),
                Place::Group(run) => self.groups.first_of(run),
                _ => None,
            };
            self.deadlines.drop_one();
            self.disown(slot);
            return Some(Expired { slot, worker });
        }
    }

    /// Gives up a worker: its tasks go to others, ahead of the queue; but not those that can't be sent again. Once more
    /// is harmless.
    pub(in crate::pool) fn lose(&mut self, worker: u32, can_be_sent: impl Fn(u32) -> bool) -> Loss {
        self.loads.remove(worker);
        let (run, abandoned) = self.groups.leave(worker).unzip();
        let mut loss = Loss { abandoned: abandoned.flatten(), ..Loss::default() };
        self.release_reserved();
        for slot in (0..self.tasks.len() as u32).rev() {
            if self.lose_copy(worker, slot) {
                continue;
            }
            let task = self.tasks[slot as usize];
            let given_up = match task.place {
                Place::With(_) | Place::Group(_) if Self::is_with(task.place, worker, run) => {
                    self.out -= 1;
                    if task.unwanted {
                        self.free_slot(slot);
                        continue;
                    }
                    task.given >= self.max_attempts || self.alive() == 0 || !can_be_sent(slot)
                }
                Place::Ready if self.alive() == 0 => {
                    self.note_waiting(slot, false);
                    true
                }
                _ => continue,
            };
            if given_up {
                loss.given_up.push(slot);
            } else {
                self.push_front(slot);
                loss.reissued += 1;
            }
        }
        if self.alive() == 0 {
            while let Some(slot) =
                self.ready.pop().or_else(|| self.elsewhere.pop()).or_else(|| self.groups.pop())
            {
                if self.tasks[slot as usize].place == Place::Cancelled {
                    self.free_slot(slot);
                }
            }
        }
        for &slot in &loss.given_up {
            self.free_slot(slot);
        }
        loss
    }

    fn is_with(place: Place, worker: u32, run: Option<u32>) -> bool {
        place == Place::With(worker) || run.is_some_and(|run| place == Place::Group(run))
    }

    /// How many tasks workers hold for nobody.
    pub(in crate::pool) fn unwanted(&self) -> usize {
        self.unwanted
    }

    /// How many tasks a worker holds.
    pub(in crate::pool) fn held_by(&self, worker: u32) -> u32 {
        self.loads.load(worker)
    }

    /// Rank 0 was away for so long and could not hear anyone.
    pub(in crate::pool) fn excuse(&mut self, time: Duration) {
        self.heard.iter_mut().for_each(|heard| *heard += time);
    }

    /// Workers that hold tasks and have said nothing for so long that they count as lost, unless they show other signs of
    /// life. Where no limit is asked for: none as long as nobody knows how long tasks take.
    pub(in crate::pool) fn overdue(&self, now: Duration) -> Vec<u32> {
        let longest = self.paces.iter().map(Pace::longest).max().unwrap_or_default();
        let lost_after = match self.lost_after {
            Some(lost_after) => lost_after,
            None if longest.is_zero() => return Vec::new(),
            None => GENEROUS,
        };
        let limit = lost_after.max(longest.saturating_mul(10));
        (0..self.heard.len() as u32)
            .filter(|&worker| {
                self.loads.load(worker) > 0 && now.saturating_sub(self.heard[worker as usize]) > limit
            })
            .collect()
    }
}
