//! Workers that are dead, silent or gone, and what becomes of their tasks.

use super::{Answer, Dispatcher, Owner, ROUND};
use crate::pool::error::{TaskErrorKind, TransportError};
use crate::pool::health::{Health, LostWorker, Straggler};
use crate::pool::scheduler::{Late, TakenBack};
use crate::pool::watch::Sign;
use crate::pool::wire::{self, Kind, TaskHead};
use std::time::Duration;

/// Between two visits rank 0 was busy with something else, if for at least this long: nobody was given work meanwhile,
/// though tasks are sent with the time of the visit before.
const ABSENT: Duration = Duration::from_millis(20);
/// Rank 0 did not get on for at least this long: what workers said meanwhile is not read yet.
const AWAY: Duration = Duration::from_secs(2);

/// Looks in a row where it is known that something has happened, and the time between two.
const CLOSE_LOOKS: u32 = 8;
const LEAST_LOOKS: u32 = 4;
const CLOSE_LOOK: Duration = Duration::from_millis(20);

impl Dispatcher {
    /// Takes in that rank 0 has dealt with other things for so long, and could not hear anyone.
    pub(super) fn note_absence(&mut self, time: Duration) {
        if self.scheduler.out() > 0 {
            self.scheduler.note_gap(time);
        }
        if time > ABSENT {
            self.scheduler.excuse(time);
            self.excused += time;
        }
    }

    pub(super) fn look_after_workers(&mut self, now: Duration) {
        let gap = now.saturating_sub(self.round);
        self.round = now;
        let away = gap.saturating_sub(std::mem::take(&mut self.excused));
        if away > AWAY {
            self.scheduler.excuse(away);
        }
        self.lose_stuck(now);
        self.look_at_processes(gap.min(2 * ROUND));
        for worker in self.scheduler.overdue(now) {
            if self.deadline_for_all || self.is_blind(worker) {
                self.lose(worker, "it has not answered for too long");
            }
        }
        if self.duplicate_stragglers {
            self.start_copies(now);
        }
        self.take_back();
        self.send_beats(now);
    }

    /// Withdraws what waits behind a task that takes long. It is sent to others with the next flush.
    fn take_back(&mut self) {
        let slots = &self.slots;
        let taken = self.scheduler.take_back(self.dry, |slot| !slots[slot as usize].message.is_empty());
        for TakenBack { worker, slot, attempt } in taken {
            tracing::debug!(rank = worker + 1, "a task is taken back from behind a long one");
            let head = TaskHead { slot, attempt, task: self.slots[slot as usize].task };
            let message = wire::signal(Kind::Withdraw, head.id(), self.transport.buffer());
            if let Err(error) = self.transport.send(worker + 1, message) {
                self.lose(worker, &error.to_string());
            }
        }
    }

    /// Starts what stragglers hold on idle workers too.
    fn start_copies(&mut self, now: Duration) {
        if !self.scheduler.has_idle() {
            return;
        }
        for late in self.scheduler.stragglers(now) {
            while let Some((slot, worker)) = self.scheduler.copy_of(late.worker, now) {
                tracing::info!(from = late.worker + 1, to = worker + 1, silent = ?late.silent, "a straggler's task is started elsewhere too");
                self.send_batch(worker, &[slot]);
            }
        }
    }

    /// Tells workers now and then that rank 0 is there.
    pub(super) fn send_beats(&mut self, now: Duration) {
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

    /// Looks at the processes of all workers, which were last looked at `step` ago.
    fn look_at_processes(&mut self, step: Duration) {
        self.watch.begin_round();
        for worker in 0..self.stats.len() as u32 {
            let sign = self.watch.look(worker, step, self.unresponsive_after);
            self.signs[worker as usize] = sign;
            match sign {
                Sign::Ended => self.lose(worker, "its process has ended"),
                Sign::Unresponsive => {
                    self.lose(worker, "it was stopped, or its host is gone: no sign of life");
                }
                Sign::Alive | Sign::Unknown | Sign::Silent => {}
            }
        }
    }

    /// Looks at all processes until there is no doubt about any of them, which takes a moment at most.
    pub(in crate::pool) fn look_closely(&mut self) {
        // A launcher may say that a rank has died (by ending the others) before that can be seen from here.
        let launcher_is_first = self.world.transport == "mpi" && !self.world.survival.possible;
        let least = if launcher_is_first { LEAST_LOOKS } else { 1 };
        for look in 1..=CLOSE_LOOKS {
            self.look_at_processes(Duration::ZERO);
            let is_sure = look >= least && !self.watch.is_in_doubt();
            if is_sure || self.fatal_loss(1).is_some() {
                return;
            }
            std::thread::sleep(CLOSE_LOOK);
        }
    }

    /// How the workers are.
    pub(in crate::pool) fn health(&self) -> Health {
        let straggler = |late: Late| Straggler {
            rank: late.worker + 1,
            host: self.world.host_of(late.worker + 1).to_owned(),
            silent: late.silent,
            usual: late.usual,
            stopped: matches!(self.signs[late.worker as usize], Sign::Silent | Sign::Unresponsive),
        };
        let late = self.scheduler.stragglers(self.transport.now());
        Health { lost: self.lost.clone(), stragglers: late.into_iter().map(straggler).collect() }
    }

    /// Why a run whose tasks need so many workers has to end, if it has to: a worker has died and the launcher does not let
    /// the others live, or too few are left.
    pub(in crate::pool) fn fatal_loss(&self, ranks: u32) -> Option<String> {
        let survival = &self.world.survival;
        if let Some(lost) = self.lost.iter().find(|lost| lost.ended)
            && !survival.possible
        {
            return Some(format!("{lost}, and {}", survival.reason));
        }
        let alive = self.scheduler.alive();
        let last = self.lost.last().filter(|_| alive < ranks.max(1) as usize)?;
        Some(match alive {
            0 => format!("no worker is left: {last}"),
            _ => {
                format!("too few workers are left ({alive}, where an evaluation takes {ranks} ranks): {last}")
            }
        })
    }

    /// Whether only its answers tell of a worker.
    pub(super) fn is_blind(&self, worker: u32) -> bool {
        self.signs[worker as usize] == Sign::Unknown
    }

    /// Whether a worker is not lost.
    pub(super) fn is_here(&self, worker: u32) -> bool {
        if worker < self.used { self.scheduler.is_alive(worker) } else { !self.watch.has_ended(worker) }
    }

    pub(super) fn lose(&mut self, worker: u32, reason: &str) {
        let had_tasks = worker < self.used && self.scheduler.is_alive(worker);
        if had_tasks || self.watch.has_ended(worker) {
            self.put_down(worker, reason);
        }
        if !had_tasks {
            return;
        }
        self.stats[worker as usize].losses += 1;
        let slots = &self.slots;
        let mut loss = self.scheduler.lose(worker, |slot| !slots[slot as usize].message.is_empty());
        // It may live, and wait for the others of its group when it is back.
        if let Some(group) = loss.abandoned.as_mut().filter(|_| !self.watch.has_ended(worker)) {
            group.rest.push(worker);
        }
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

    /// Remembers that a worker is lost; of one that is given up first and ends later, the end counts.
    fn put_down(&mut self, worker: u32, reason: &str) {
        let (rank, ended) = (worker + 1, self.watch.has_ended(worker));
        let place = self.lost.iter().position(|lost| lost.rank == rank);
        if place.is_some_and(|place| self.lost[place].ended || !ended) {
            return;
        }
        let (host, pid) = self.world.place_of(rank);
        let lost = LostWorker { rank, host, pid, reason: reason.to_owned(), ended };
        match place {
            Some(place) => self.lost[place] = lost,
            None => self.lost.push(lost),
        }
    }

    /// Takes in that a worker has said something. One that had been given up is back.
    pub(super) fn hear(&mut self, worker: u32, now: Duration) {
        // What a dead worker had said before is no sign of life.
        if self.watch.has_ended(worker) {
            return;
        }
        if !self.scheduler.is_alive(worker) {
            tracing::info!(rank = worker + 1, "a worker that was given up is back");
            self.lost.retain(|lost| lost.rank != worker + 1);
        }
        self.scheduler.heard(worker, now);
    }

    /// Takes in an error of the transport: of one worker, or of all.
    pub(super) fn fail(&mut self, error: &TransportError) {
        match error.peer.and_then(|rank| rank.checked_sub(1)) {
            Some(worker) if error.by_death => {
                if (worker as usize) < self.stats.len() {
                    self.watch.is_gone(worker);
                    self.lose(worker, "its process has ended");
                }
            }
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
