//! The end: all workers are released, and rank 0 leaves with them.
//!
//! Two rounds: each worker is told to leave and says goodbye; then all are told whether anyone is missing, because only a
//! complete world can finalise MPI without a hang. Where one is missing, all just end.

use super::{Dispatcher, ROUND};
use crate::pool::error::{TaskErrorKind, TransportError};
use crate::pool::pulse::PATIENCE;
use crate::pool::transport::{Closed, Received};
use crate::pool::watch::Sign;
use crate::pool::wire::{self, Header, Kind};
use std::time::Duration;

/// How long workers that were given up have to leave at the end, and last words to be on their way.
const GRACE: Duration = Duration::from_millis(500);

/// A worker without a task that can't be watched may take so many times longer to leave than others may be silent: it may
/// have to end processes of its function.
const UNSEEN: u32 = 6;

/// Between two looks at those that leave.
const STEP: Duration = Duration::from_millis(2);

/// A worker, at the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// It will leave when its task is done.
    Expected,
    /// It was given up: it may leave, or not.
    GivenUp,
    /// It has said goodbye.
    Left,
    /// It can't be expected to say anything.
    Missing,
}

impl Dispatcher {
    /// Nothing new is begun; what still runs in groups is waited for.
    pub(in crate::pool) fn begin_end(&mut self) {
        self.cancel_waiting("the pool has ended");
        self.scheduler.begin_end();
    }

    /// Releases all workers and waits until they have left. Open tasks end as cancelled; those that run are
    /// waited for. Returns whether ranks were lost, so that finalising would hang.
    pub(in crate::pool) fn shut_down(&mut self) -> bool {
        if self.closed.is_none() {
            self.close(TaskErrorKind::Cancelled, "the pool has ended");
        }
        let mut ends: Vec<End> = (0..self.stats.len() as u32).map(|worker| self.let_go(worker)).collect();
        let told = self.transport.now();
        let mut round = told;
        while ends.contains(&End::Expected) {
            if !self.hear_goodbye(&mut ends) {
                return true;
            }
            let now = self.transport.now();
            if now.saturating_sub(round) >= ROUND {
                self.look_for_missing(&mut ends, now.saturating_sub(round).min(2 * ROUND));
                self.give_up_the_unseen(&mut ends, now, now.saturating_sub(told));
                self.send_beats(now);
                round = now;
                for worker in self.lose_stuck(now) {
                    ends[worker as usize] = End::GivenUp;
                }
            }
        }
        let began = self.transport.now();
        while ends.contains(&End::GivenUp) && self.transport.now().saturating_sub(began) < GRACE {
            if !self.hear_goodbye(&mut ends) {
                return true;
            }
        }
        let mut beyond_reach = false;
        for (worker, end) in ends.iter_mut().enumerate().filter(|(_, end)| **end == End::GivenUp) {
            *end = End::Missing;
            if self.watch.kill(worker as u32) {
                tracing::warn!(rank = worker + 1, "a worker that was given up still runs; killed");
            } else {
                beyond_reach |= !self.watch.has_ended(worker as u32);
            }
        }
        // Also those that wait for the farewell may have died.
        self.look_for_missing(&mut ends, Duration::ZERO);
        let missing = self.say_farewell(&mut ends);
        if missing && self.world.survival.possible {
            beyond_reach |= self.see_out(&ends);
        }
        if let Some(code) = self.exit_code.filter(|_| beyond_reach) {
            self.end_by_force(code);
        }
        // Futures may still hold on to this. Without the transport, MPI can be finalised.
        self.transport = Box::new(Closed::since(self.transport.now()));
        missing
    }

    /// Ends the job although a worker still runs on another host, perhaps stopped: only the launcher can end it there, and
    /// would wait for it otherwise.
    fn end_by_force(&mut self, code: u8) -> ! {
        if self.world.survival.possible && self.world.launcher.starts_with("Open MPI") {
            // With its recovery, Open MPI takes an abort for the end of one rank.
            let launcher = nix::unistd::getppid();
            let _ = nix::sys::signal::kill(launcher, nix::sys::signal::Signal::SIGTERM);
        }
        self.abandon(code)
    }

    /// Tells a worker to leave.
    fn let_go(&mut self, worker: u32) -> End {
        if self.watch.has_ended(worker) {
            return End::Missing;
        }
        // Also one that was given up: if it is only slow or stopped, it leaves by it. Nobody waits for its delivery.
        let shutdown = wire::signal(Kind::Shutdown, 0, self.transport.buffer());
        let sent = self.transport.send(worker + 1, shutdown).is_ok();
        self.watch.wake(worker);
        match (sent, self.is_here(worker)) {
            (false, _) => End::Missing,
            (true, true) => End::Expected,
            (true, false) => End::GivenUp,
        }
    }

    /// Waits a little for the last word of a worker. False if the transport has failed.
    fn hear_goodbye(&mut self, ends: &mut [End]) -> bool {
        match self.transport.receive(ROUND) {
            Ok(Some(Received { from, message, .. })) => {
                let goodbye = Header::read(&message).is_ok_and(|header| header.kind == Kind::Goodbye);
                if let (true, Some(i)) = (goodbye, (from as usize).checked_sub(1).filter(|i| *i < ends.len()))
                {
                    ends[i] = End::Left;
                }
                self.transport.recycle(message);
            }
            Ok(None) => {}
            Err(TransportError { peer: Some(rank), .. }) if rank > 0 => {
                ends[rank as usize - 1] = End::Missing
            }
            Err(_) => return false,
        }
        true
    }

    /// Whether those that are waited for can still come.
    fn look_for_missing(&mut self, ends: &mut [End], step: Duration) {
        self.watch.begin_round();
        for (worker, end) in ends.iter_mut().enumerate().filter(|(_, end)| **end != End::Missing) {
            match (self.watch.look(worker as u32, step, self.unresponsive_after), &end) {
                (Sign::Ended, _) => *end = End::Missing,
                (Sign::Unresponsive, End::Expected) => *end = End::GivenUp,
                (Sign::Silent, End::Expected) => self.watch.wake(worker as u32),
                _ => {}
            }
        }
    }

    /// Gives up workers whose process can't be watched, and that should have said goodbye by now: `since` has passed since
    /// they were told to leave.
    fn give_up_the_unseen(&mut self, ends: &mut [End], now: Duration, since: Duration) {
        let overdue = self.scheduler.overdue(now);
        for (worker, end) in ends.iter_mut().enumerate().filter(|(_, end)| **end == End::Expected) {
            let worker = worker as u32;
            let idle = worker >= self.used || self.scheduler.held_by(worker) == 0;
            let late = idle && since >= UNSEEN * self.unresponsive_after;
            if (self.deadline_for_all || self.is_blind(worker)) && (late || overdue.contains(&worker)) {
                *end = End::GivenUp;
            }
        }
    }

    /// Waits until those have ended that leave on their own, as MPI is not finalised together: the launcher waits for them,
    /// and would do so for ever if one were stopped on its last steps. Whether one seems to be, where nobody can wake it.
    fn see_out(&mut self, ends: &[End]) -> bool {
        let mut leaving: Vec<u32> = (0..ends.len() as u32).collect();
        leaving.retain(|worker| ends[*worker as usize] == End::Left);
        let limit = self.unresponsive_after.max(PATIENCE);
        let began = self.transport.now();
        let mut last = began;
        loop {
            self.watch.begin_round();
            let now = self.transport.now();
            let (step, late) = (now.saturating_sub(last), now.saturating_sub(began) > 2 * limit);
            last = now;
            let mut stopped = false;
            leaving.retain(|&worker| {
                let sign = self.watch.look(worker, step, limit);
                self.watch.wake(worker);
                stopped |= sign == Sign::Unresponsive;
                !matches!(sign, Sign::Ended | Sign::Unknown)
            });
            if leaving.is_empty() || late || stopped {
                return stopped;
            }
            // What the dead have left behind is of no interest any more.
            let _ = self.transport.receive(STEP);
        }
    }

    /// Tells those that have said goodbye how to leave. Whether anyone is missing.
    fn say_farewell(&mut self, ends: &mut [End]) -> bool {
        if !ends.contains(&End::Missing) {
            // While all still receive: nobody does after its farewell.
            self.send_all(ends);
        }
        let missing = ends.contains(&End::Missing);
        for (worker, _) in ends.iter().enumerate().filter(|(_, end)| **end == End::Left) {
            let farewell = wire::signal(Kind::Farewell, u64::from(missing), self.transport.buffer());
            // Who can't be told leaves when rank 0 has ended.
            let _ = self.transport.send(worker as u32 + 1, farewell);
        }
        self.send_all(ends);
        missing
    }

    /// Waits until all messages are on their way.
    fn send_all(&mut self, ends: &mut [End]) {
        let began = self.transport.now();
        let mut round = began;
        loop {
            let (unsent, now) = (self.transport.unsent(), self.transport.now());
            // Messages to the missing stay here for ever, or fail one by one while the others leave.
            let hopeless = unsent.is_err() || ends.contains(&End::Missing);
            if unsent == Ok(0) || (hopeless && now.saturating_sub(began) >= GRACE) {
                return;
            }
            if now.saturating_sub(round) >= ROUND {
                self.look_for_missing(ends, now.saturating_sub(round).min(2 * ROUND));
                (0..ends.len() as u32).for_each(|worker| self.watch.wake(worker));
                round = now;
            }
            if let Ok(Some(received)) = self.transport.receive(Duration::from_millis(1)) {
                self.transport.recycle(received.message);
            }
        }
    }
}
