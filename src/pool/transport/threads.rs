//! Messages between threads of one process: what a pool runs on without a launcher.

use super::{Buffers, Received, Transport, TransportError};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, TryRecvError, channel};
use std::time::{Duration, Instant};

/// One thread's end: rank 0 is tied to all others, they to rank 0 only.
pub(crate) struct ThreadsTransport {
    rank: u32,
    start: Instant,
    /// By rank; for a worker only rank 0.
    peers: Vec<Sender<Received>>,
    inbox: Receiver<Received>,
    buffers: Buffers,
}

/// The ends for rank 0 and for ranks 1 to `workers`.
pub(crate) fn connect(workers: u32) -> (ThreadsTransport, Vec<ThreadsTransport>) {
    let start = Instant::now();
    let (to_manager, inbox) = channel();
    // Rank 0 keeps no sender to itself: its inbox must close when all workers are gone.
    let (unused, _) = channel();
    let mut peers = vec![unused];
    let mut ends = Vec::new();
    for rank in 1..=workers {
        let (sender, inbox) = channel();
        peers.push(sender);
        let peers = vec![to_manager.clone()];
        ends.push(ThreadsTransport { rank, start, peers, inbox, buffers: Buffers::default() });
    }
    (ThreadsTransport { rank: 0, start, peers, inbox, buffers: Buffers::default() }, ends)
}

fn closed(call: &'static str, peer: Option<u32>) -> TransportError {
    TransportError { call, peer, message: "the other thread has ended".into() }
}

impl Transport for ThreadsTransport {
    fn now(&self) -> Duration {
        self.start.elapsed()
    }

    fn send(&mut self, to: u32, message: Vec<u8>) -> Result<(), TransportError> {
        self.peers
            .get(to as usize)
            .and_then(|peer| peer.send(Received { from: self.rank, message }).ok())
            .ok_or_else(|| closed("send", Some(to)))
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
