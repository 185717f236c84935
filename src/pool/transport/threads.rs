//! Messages between threads of one process: what a pool runs on without a launcher.

use super::{Buffers, Link, Received, Transport, TransportError};
use crate::pool::bulk::Bulk;
use std::collections::{BTreeMap, VecDeque};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, TryRecvError, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// One thread's end: rank 0 is tied to all others, they to rank 0 only.
pub(crate) struct ThreadsTransport {
    rank: u32,
    start: Instant,
    /// By rank; for a worker only rank 0.
    peers: Vec<Sender<Received>>,
    inbox: Receiver<Received>,
    buffers: Buffers,
    /// What workers say to each other; none for rank 0.
    fellows: Option<Arc<Fellows>>,
}

/// A worker's ways to all other workers, for groups.
struct Fellows {
    rank: u32,
    /// By rank, less one.
    peers: Arc<[Sender<Received>]>,
    inbox: Mutex<Inbox>,
}

/// Used by its worker only.
struct Inbox {
    from_all: Receiver<Received>,
    /// What has come from others than the one that was listened to, by rank. Few ever talk to each other: a place for
    /// each would be, for all workers together, as many as their square.
    aside: BTreeMap<u32, VecDeque<Vec<u8>>>,
}

impl Link for Arc<Fellows> {
    fn send(&self, to: u32, message: Vec<u8>) -> Result<(), TransportError> {
        let peer = (to as usize).checked_sub(1).and_then(|at| self.peers.get(at));
        peer.and_then(|peer| peer.send(Received { from: self.rank, message, bulk: None }).ok())
            .ok_or_else(|| closed("send", Some(to)))
    }

    fn try_receive(&self, from: u32) -> Result<Option<Vec<u8>>, TransportError> {
        let mut inbox = self.inbox.lock().unwrap_or_else(PoisonError::into_inner);
        let Inbox { from_all, aside } = &mut *inbox;
        while let Ok(Received { from, message, .. }) = from_all.try_recv() {
            aside.entry(from).or_default().push_back(message);
        }
        Ok(aside.get_mut(&from).and_then(VecDeque::pop_front))
    }

    fn is_done(&self) -> Result<bool, TransportError> {
        Ok(true)
    }
}

/// The ends for rank 0 and for ranks 1 to `workers`.
pub(crate) fn connect(workers: u32) -> (ThreadsTransport, Vec<ThreadsTransport>) {
    let start = Instant::now();
    let (to_manager, inbox) = channel();
    // Rank 0 keeps no sender to itself: its inbox must close when all workers are gone.
    let (unused, _) = channel();
    let mut peers = vec![unused];
    let mut ends = Vec::new();
    let (fellows, inboxes): (Vec<_>, Vec<_>) = (0..workers).map(|_| channel()).unzip();
    let fellows: Arc<[Sender<Received>]> = fellows.into();
    for (rank, from_all) in (1..=workers).zip(inboxes) {
        let (sender, inbox) = channel();
        peers.push(sender);
        let peers = vec![to_manager.clone()];
        let inbox_of_fellows = Mutex::new(Inbox { from_all, aside: BTreeMap::new() });
        let fellows = Fellows { rank, peers: Arc::clone(&fellows), inbox: inbox_of_fellows };
        let fellows = Some(Arc::new(fellows));
        ends.push(ThreadsTransport { rank, start, peers, inbox, buffers: Buffers::default(), fellows });
    }
    (ThreadsTransport { rank: 0, start, peers, inbox, buffers: Buffers::default(), fellows: None }, ends)
}

fn closed(call: &'static str, peer: Option<u32>) -> TransportError {
    TransportError { call, peer, message: "the other thread has ended".into(), by_death: false }
}

impl ThreadsTransport {
    fn hand_over(&self, to: u32, parcel: Received) -> Result<(), TransportError> {
        let peer = self.peers.get(to as usize);
        peer.and_then(|peer| peer.send(parcel).ok()).ok_or_else(|| closed("send", Some(to)))
    }
}

impl Transport for ThreadsTransport {
    fn now(&self) -> Duration {
        self.start.elapsed()
    }

    fn send(&mut self, to: u32, message: Vec<u8>) -> Result<(), TransportError> {
        self.hand_over(to, Received { from: self.rank, message, bulk: None })
    }

    fn send_with(&mut self, to: u32, message: Vec<u8>, bulk: Box<Bulk>) -> Result<(), TransportError> {
        self.hand_over(to, Received { from: self.rank, message, bulk: Some(bulk) })
    }

    fn try_receive(&mut self) -> Result<Option<Received>, TransportError> {
        match self.inbox.try_recv() {
            Ok(received) => Ok(Some(received)),
            Err(TryRecvError::Empty) => Ok(None),
            Err(TryRecvError::Disconnected) => Err(closed("receive", None)),
        }
    }

    fn receive(&mut self, limit: Duration) -> Result<Option<Received>, TransportError> {
        match self.inbox.recv_timeout(limit) {
            Ok(received) => Ok(Some(received)),
            Err(RecvTimeoutError::Timeout) => Ok(None),
            Err(RecvTimeoutError::Disconnected) => Err(closed("receive", None)),
        }
    }

    fn join(&mut self, _: &[u32], _: bool) -> Result<Box<dyn Link>, TransportError> {
        let fellows = self.fellows.as_ref().ok_or_else(|| closed("join", None))?;
        Ok(Box::new(Arc::clone(fellows)))
    }

    fn forget(&mut self, _: &[u32]) {}

    fn unsent(&mut self) -> Result<usize, TransportError> {
        Ok(0)
    }

    fn buffer(&mut self) -> Vec<u8> {
        self.buffers.take()
    }

    fn recycle(&mut self, buffer: Vec<u8>) {
        self.buffers.put(buffer);
    }
}
