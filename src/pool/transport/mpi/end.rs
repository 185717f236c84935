//! One rank's end of the traffic over MPI.

use super::super::{Buffers, Link, Received, Transport};
use super::group::Communicators;
use super::ladder::{Ladder, Step};
use super::messages::{Open, Posted, Probed};
use super::world::{self, MpiWorld};
use crate::pool::bulk::Bulk;
use crate::pool::clock::Clock;
use crate::pool::error::TransportError;
use std::rc::Rc;
use std::time::{Duration, Instant};

/// Between the last words of a job and its abort.
pub(crate) const LAST_WORDS: Duration = Duration::from_millis(300);

/// For an abort to be heard.
const ABORT: Duration = Duration::from_millis(400);

/// While a rank waits, it looks for large messages and after its sends at one of so many looks for small ones: a probe takes
/// longer than a small message may take to come. After a pause it looks for all.
const LOOKS_PER_PROBE: u32 = 8;

/// Requests looked at per visit, so that a stuck one does not make every visit long.
const REQUESTS_PER_VISIT: usize = 8;

/// Which of the open requests is looked at next: with some at each visit, all have their turn, whatever the first
/// ones wait for. What a dead rank has begun to send never comes to an end.
#[derive(Default)]
struct Turn(usize);

impl Turn {
    /// The place among so many open requests, of which there is one at least.
    fn among(&mut self, open: usize) -> usize {
        if self.0 >= open {
            self.0 = 0;
        }
        self.0
    }

    /// The one that was looked at stays open: the next one has its turn.
    fn pass(&mut self) {
        self.0 += 1;
    }
}

/// A rank's end of the traffic.
pub(crate) struct MpiTransport {
    world: Rc<MpiWorld>,
    matched: bool,
    clock: Clock,
    /// The receive for small messages. `None`: they are received by probes like the others, as a posted receive has failed.
    /// Some libraries end these when a rank dies.
    small: Option<Posted>,
    /// Ranks that are known to be dead and not told yet.
    dead: Vec<u32>,
    sends: Vec<Open>,
    receives: Vec<Open>,
    next_send: Turn,
    next_receive: Turn,
    /// Looks since the last one for all messages.
    looks: u32,
    buffers: Buffers,
    ladder: Ladder,
    communicators: Communicators,
}

impl MpiTransport {
    pub(crate) fn new(world: Rc<MpiWorld>, ladder: Ladder, matched: bool) -> Self {
        Self {
            world,
            matched,
            clock: Clock::new(),
            small: Some(Posted::default()),
            dead: Vec::new(),
            sends: Vec::new(),
            receives: Vec::new(),
            next_send: Turn::default(),
            next_receive: Turn::default(),
            looks: 0,
            buffers: Buffers::default(),
            ladder,
            communicators: Communicators::default(),
        }
    }

    /// Looks at some of the open sends and frees the buffers of completed ones.
    fn reap(&mut self, most: usize) -> Result<(), TransportError> {
        for _ in 0..most.min(self.sends.len()) {
            let at = self.next_send.among(self.sends.len());
            let open = &mut self.sends[at];
            match self.world.test("MPI_Isend", open.peer, &mut open.request) {
                Ok(true) => {
                    let open = self.sends.swap_remove(at);
                    self.buffers.put(open.message);
                }
                Ok(false) => self.next_send.pass(),
                Err(error) => {
                    // The request is over; its buffer may go.
                    self.sends.swap_remove(at);
                    return Err(error);
                }
            }
        }
        Ok(())
    }

    /// Looks once for a message of any size.
    fn poll(&mut self) -> Result<Option<Received>, TransportError> {
        if let Some(received) = self.poll_small()? {
            return Ok(Some(received));
        }
        if !self.sends.is_empty() {
            self.reap(REQUESTS_PER_VISIT)?;
        }
        for _ in 0..self.receives.len().min(REQUESTS_PER_VISIT) {
            let at = self.next_receive.among(self.receives.len());
            let open = &mut self.receives[at];
            match self.world.test("MPI_Irecv", open.peer, &mut open.request) {
                Ok(true) => return Ok(Some(self.receives.remove(at).complete())),
                Ok(false) => self.next_receive.pass(),
                Err(error) => {
                    self.receives.remove(at);
                    return Err(error);
                }
            }
        }
        match self.world.probe(self.matched, &mut self.buffers)? {
            Probed::Nothing => Ok(None),
            Probed::Whole(received) => Ok(Some(received)),
            Probed::Begun(mut open) => {
                if self.world.test("MPI_Irecv", open.peer, &mut open.request)? {
                    return Ok(Some(open.complete()));
                }
                self.receives.push(open);
                Ok(None)
            }
        }
    }

    /// Looks for a small message. The receive for the next one is made at the next look, not before this one is dealt with:
    /// others may wait for what follows from it.
    fn poll_small(&mut self) -> Result<Option<Received>, TransportError> {
        let Some(small) = &mut self.small else { return Ok(None) };
        match self.world.collect(small, &mut self.buffers) {
            Err(error) if !error.by_death => {
                tracing::debug!(%error, "small messages are received by probes from now on");
                // The library may still write to its room.
                std::mem::forget(self.small.take());
                Ok(None)
            }
            collected => collected,
        }
    }

    /// One look for a message, and what follows from finding one. A death is told before any other message.
    #[inline]
    fn look(&mut self, for_large_ones: bool) -> Result<Option<Received>, TransportError> {
        if let Some(&rank) = self.dead.last() {
            return Err(self.tell_death(rank));
        }
        let found = if for_large_ones { self.poll() } else { self.poll_small() };
        let found = found.or_else(|error| self.take_error(error))?;
        if found.is_some() {
            self.ladder.found();
        }
        Ok(found)
    }

    /// What an error of a look comes to: a death is told rank by rank.
    #[cold]
    fn take_error(&mut self, error: TransportError) -> Result<Option<Received>, TransportError> {
        if error.peer.is_some() || !error.by_death {
            return Err(error);
        }
        self.dead = self.world.acknowledge_deaths(error)?;
        if self.world.rank() > 0 {
            // Workers need each other only within groups, where rank 0 tells them to give up.
            self.dead.retain(|rank| *rank == 0);
        }
        Ok(None)
    }

    /// That of rank 0 is told again and again, as nothing can come after it.
    #[cold]
    fn tell_death(&mut self, rank: u32) -> TransportError {
        if rank > 0 {
            self.dead.pop();
        }
        let message = "its process has ended".into();
        TransportError { call: "MPI_Improbe", peer: Some(rank), message, by_death: true }
    }
}

impl Transport for MpiTransport {
    fn abandon(&mut self, code: u8) -> ! {
        // MPICH's launcher throws away what it has not passed on by then: the last words of this run.
        std::thread::sleep(LAST_WORDS);
        // An abort waits for a launcher that may be about to end the job itself, and take its time. Without a thread: as
        // long as that takes.
        let _ = std::thread::Builder::new().spawn(move || {
            std::thread::sleep(ABORT);
            world::leave(i32::from(code));
        });
        world::abort(i32::from(code));
        std::process::exit(i32::from(code))
    }

    fn now(&self) -> Duration {
        self.clock.now()
    }

    fn send(&mut self, to: u32, mut message: Vec<u8>) -> Result<(), TransportError> {
        let length = message.len();
        let mut request = self.world.isend(to, &mut message)?;
        // Most sends are small and done at once.
        if self.world.test("MPI_Isend", to, &mut request)? {
            self.buffers.put(message);
        } else {
            self.sends.push(Open { request, peer: to, message, length, room: None, bulk: None });
        }
        Ok(())
    }

    fn send_with(&mut self, to: u32, mut message: Vec<u8>, bulk: Box<Bulk>) -> Result<(), TransportError> {
        let [short, large] = match self.world.isend_with(to, &mut message, &bulk) {
            Ok(requests) => requests,
            Err(error) => {
                // The first of the two may be on its way.
                std::mem::forget(message);
                return Err(error);
            }
        };
        let length = message.len();
        self.sends.push(Open { request: short, peer: to, message, length, room: None, bulk: None });
        let (message, bulk) = (Vec::new(), Some(bulk));
        self.sends.push(Open { request: large, peer: to, message, length: 0, room: None, bulk });
        Ok(())
    }

    fn try_receive(&mut self) -> Result<Option<Received>, TransportError> {
        let world = Rc::clone(&self.world);
        let _off = world.yields.off();
        self.look(true)
    }

    fn receive(&mut self, limit: Duration) -> Result<Option<Received>, TransportError> {
        let world = Rc::clone(&self.world);
        let _off = world.yields.off();
        let mut began = None;
        loop {
            let found = self.look(self.looks.is_multiple_of(LOOKS_PER_PROBE))?;
            self.looks = self.looks.wrapping_add(1);
            if found.is_some() {
                return Ok(found);
            }
            if !self.ladder.needs_the_time() {
                std::hint::spin_loop();
                continue;
            }
            let now = Instant::now();
            let left = limit.saturating_sub(now - *began.get_or_insert(now));
            if left.is_zero() {
                return Ok(None);
            }
            match self.ladder.step(now, !(self.receives.is_empty() && self.sends.is_empty())) {
                Step::Poll => std::hint::spin_loop(),
                Step::Yield => {
                    std::thread::yield_now();
                    self.looks = 0;
                }
                Step::Sleep(time) => {
                    std::thread::sleep(time.min(left));
                    self.ladder.awake(Instant::now());
                    self.looks = 0;
                }
            }
        }
    }

    fn join(&mut self, members: &[u32], anew: bool) -> Result<Box<dyn Link>, TransportError> {
        Ok(Box::new(self.communicators.join(&self.world, members, anew)?))
    }

    fn forget(&mut self, members: &[u32]) {
        self.communicators.forget(members);
    }

    fn unsent(&mut self) -> Result<usize, TransportError> {
        self.reap(usize::MAX)?;
        Ok(self.sends.len())
    }

    fn buffer(&mut self) -> Vec<u8> {
        self.buffers.take()
    }

    fn recycle(&mut self, buffer: Vec<u8>) {
        self.buffers.put(buffer);
    }
}

impl Drop for MpiTransport {
    fn drop(&mut self) {
        if let Some(posted) = self.small.take()
            && let Err(error) = self.world.withdraw(posted)
        {
            tracing::debug!(%error, "a receive could not be taken back");
        }
        // The library may still read or write the buffers of open requests: they must outlive the process's
        // use of MPI.
        std::mem::forget((std::mem::take(&mut self.sends), std::mem::take(&mut self.receives)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_behind_more_stuck_ones_than_a_visit_looks_at_have_their_turn() {
        let mut open: Vec<&str> = vec!["stuck"; REQUESTS_PER_VISIT + 2];
        open.extend(["done", "stuck", "done"]);
        let (mut turn, mut visits) = (Turn::default(), 0);
        while open.contains(&"done") {
            visits += 1;
            for _ in 0..REQUESTS_PER_VISIT {
                let at = turn.among(open.len());
                if open[at] == "done" {
                    open.remove(at);
                } else {
                    turn.pass();
                }
            }
            assert!(visits <= 2, "left open: {open:?}");
        }
        // What is taken away behind the turn's place does not make it pass anyone over.
        open.truncate(1);
        assert_eq!(turn.among(open.len()), 0);
    }
}
