//! The end: all workers are released, and rank 0 leaves after them.

use super::{Dispatcher, ROUND};
use crate::pool::error::{TaskErrorKind, TransportError};
use crate::pool::presence::Presence;
use crate::pool::transport::Received;
use crate::pool::wire::{self, Header, Kind};
use std::time::Duration;

/// How long workers that were given up have to leave at the end.
const GRACE: Duration = Duration::from_secs(2);

impl Dispatcher {
    /// Releases all workers and waits until they have left. Open tasks end as cancelled; those that run are
    /// waited for. Returns whether ranks were lost, so that finalising could hang.
    pub(in crate::pool) fn shut_down(&mut self) -> bool {
        if self.closed.is_none() {
            self.close(TaskErrorKind::Cancelled, "the pool has ended");
        }
        let workers = self.stats.len() as u32;
        let mut here: Vec<bool> = (0..workers).map(|worker| self.is_here(worker)).collect();
        for worker in 0..workers {
            let shutdown = wire::signal(Kind::Shutdown, u64::from(self.lost_any), self.transport.buffer());
            // Also to those given up: one that is only slow leaves by it. Nobody waits for its delivery.
            if self.transport.send(worker + 1, shutdown).is_err() {
                here[worker as usize] = false;
            }
        }
        let mut round = self.transport.now();
        while here.contains(&true) || (!self.lost_any && self.transport.unsent().unwrap_or(0) > 0) {
            if !self.hear_goodbye(&mut here) {
                return true;
            }
            let now = self.transport.now();
            if now.saturating_sub(round) >= ROUND {
                round = now;
                for worker in self.lose_stuck(now) {
                    here[worker as usize] = false;
                }
                for (place, presence) in here.iter_mut().zip(&self.presences) {
                    if *place && presence.as_ref().is_some_and(|p| !p.is_running()) {
                        *place = false;
                        self.lost_any = true;
                    }
                }
            }
        }
        self.end_the_silent();
        self.lost_any
    }

    /// Waits a little for the last word of a worker. False if the transport has failed.
    fn hear_goodbye(&mut self, here: &mut [bool]) -> bool {
        match self.transport.receive(ROUND) {
            Ok(Some(Received { from, message })) => {
                let goodbye = Header::read(&message).is_ok_and(|header| header.kind == Kind::Goodbye);
                if let (true, Some(i)) = (goodbye, (from as usize).checked_sub(1).filter(|i| *i < here.len()))
                {
                    here[i] = false;
                    self.presences[i] = None;
                }
                self.transport.recycle(message);
            }
            Ok(None) => {}
            Err(TransportError { peer: Some(rank), .. }) if rank > 0 => {
                self.lost_any = true;
                here[rank as usize - 1] = false;
            }
            Err(_) => return false,
        }
        true
    }

    /// Workers that were given up but still run on this host (stopped, or in an endless task) get a moment to
    /// leave. Then they are killed, since the job would not end before them.
    fn end_the_silent(&mut self) {
        let began = self.transport.now();
        let mut given_up: Vec<bool> = (0..self.stats.len())
            .map(|i| self.stats[i].losses > 0 && self.presences[i].as_ref().is_some_and(Presence::is_running))
            .collect();
        while given_up.contains(&true) && self.transport.now().saturating_sub(began) < GRACE {
            if !self.hear_goodbye(&mut given_up) {
                break;
            }
        }
        for (i, presence) in self.presences.iter().enumerate() {
            if let (true, Some(presence)) = (given_up[i], presence) {
                tracing::warn!(
                    rank = i + 1,
                    pid = presence.pid,
                    "a worker that was given up still runs; killed"
                );
                presence.kill();
            }
        }
    }
}
