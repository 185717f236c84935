//! Workers that are dead, silent or gone, and what becomes of their tasks.

use super::{Answer, Dispatcher, Owner};
use crate::pool::error::{TaskErrorKind, TransportError};
use crate::pool::wire::{self, Kind};
use std::time::Duration;

impl Dispatcher {
    pub(super) fn look_after_workers(&mut self, now: Duration) {
        self.round = now;
        for worker in self.scheduler.overdue(now) {
            self.lose(worker, "it has been silent for too long");
        }
        self.lose_stuck(now);
        for worker in 0..self.presences.len() as u32 {
            if self.presences[worker as usize].as_ref().is_some_and(|p| !p.is_running()) {
                // Its last answers may still be on their way to us; they are welcome until then.
                self.presences[worker as usize] = None;
                self.lose(worker, "its process has ended");
            }
        }
        let interval = (self.manager_silence / 4).min(Duration::from_secs(60));
        if now.saturating_sub(self.beat) >= interval {
            self.beat = now;
            for worker in 0..self.stats.len() as u32 {
                let beat = wire::signal(Kind::Beat, 0, self.transport.buffer());
                if self.is_here(worker)
                    && let Err(error) = self.transport.send(worker + 1, beat)
                {
                    self.lose(worker, &error.to_string());
                }
            }
        }
    }

    /// Whether a worker is not lost.
    pub(super) fn is_here(&self, worker: u32) -> bool {
        worker >= self.used || self.scheduler.is_alive(worker)
    }

    pub(super) fn lose(&mut self, worker: u32, reason: &str) {
        if worker >= self.used || !self.scheduler.is_alive(worker) {
            return;
        }
        self.lost_any = true;
        self.stats[worker as usize].losses += 1;
        let loss = self.scheduler.lose(worker);
        self.abandon_group(loss.abandoned);
        tracing::warn!(
            rank = worker + 1,
            reissued = loss.reissued,
            given_up = loss.given_up.len(),
            "worker lost: {reason}"
        );
        for slot in loss.given_up {
            let slot = &mut self.slots[slot as usize];
            let owner = std::mem::replace(&mut slot.owner, Owner::Nobody);
            let mut answer = Answer::failed(
                slot.key,
                TaskErrorKind::WorkerLost,
                format!("rank {} was lost: {reason}", worker + 1),
            );
            answer.worker = worker + 1;
            self.deliver(owner, answer);
        }
    }

    /// Takes in an error of the transport: of one worker, or of all.
    pub(super) fn fail(&mut self, error: &TransportError) {
        match error.peer.and_then(|rank| rank.checked_sub(1)) {
            Some(worker) => self.lose(worker, &error.to_string()),
            None => {
                for worker in 0..self.stats.len() as u32 {
                    self.lose(worker, &error.to_string());
                }
                self.close(TaskErrorKind::WorkerLost, &error.to_string());
            }
        }
    }

    /// From now on nothing is sent; every open task is answered as failed.
    pub(super) fn close(&mut self, kind: TaskErrorKind, reason: &str) {
        self.closed = Some(reason.to_owned());
        for i in 0..self.slots.len() {
            let owner = std::mem::replace(&mut self.slots[i].owner, Owner::Nobody);
            if owner != Owner::Nobody {
                let answer = Answer::failed(self.slots[i].key, kind, reason.to_owned());
                self.deliver(owner, answer);
            }
        }
    }
}
