//! How messages travel: over MPI, between threads, or in simulated time, behind one small trait.
//!
//! A transport moves byte messages between rank 0 and the workers, in order per pair, and tells the time.
//! It knows nothing of tasks.

#[cfg(feature = "mpi")]
pub(crate) mod mpi;
pub(crate) mod sim;
pub(crate) mod threads;

use super::error::TransportError;
use std::time::Duration;

/// A message that arrived.
#[derive(Debug)]
pub(crate) struct Received {
    /// The rank that sent it.
    pub(crate) from: u32,
    /// Its bytes; there may be padding behind the last entry.
    pub(crate) message: Vec<u8>,
}

/// One end of the message traffic.
pub(crate) trait Transport {
    /// The time since some fixed moment; simulated time in a simulation.
    fn now(&self) -> Duration;

    /// Takes over a message and sees to it that it is sent. Never waits for the receiver.
    fn send(&mut self, to: u32, message: Vec<u8>) -> Result<(), TransportError>;

    /// A message, if one is there.
    fn try_receive(&mut self) -> Result<Option<Received>, TransportError>;

    /// A message, if one comes within `limit`. May return sooner without one. The longer nothing comes, the
    /// less of a core the waiting takes.
    fn receive(&mut self, limit: Duration) -> Result<Option<Received>, TransportError>;

    /// How many messages still lie in this process.
    fn unsent(&mut self) -> Result<usize, TransportError>;

    /// An empty buffer for a message, used before if there is one.
    fn buffer(&mut self) -> Vec<u8>;

    /// Takes a buffer back.
    fn recycle(&mut self, buffer: Vec<u8>);

    /// Ends this process at once, and with it the job.
    fn abandon(&mut self, code: u8) -> ! {
        std::process::exit(i32::from(code))
    }
}

/// Buffers that can be used again. Large ones are not kept: their memory is better given back.
#[derive(Default)]
pub(crate) struct Buffers(Vec<Vec<u8>>);

impl Buffers {
    const LARGEST: usize = 1 << 18;
    const MOST: usize = 4096;

    pub(crate) fn take(&mut self) -> Vec<u8> {
        self.0.pop().unwrap_or_default()
    }

    pub(crate) fn put(&mut self, mut buffer: Vec<u8>) {
        if buffer.capacity() > 0 && buffer.capacity() <= Self::LARGEST && self.0.len() < Self::MOST {
            buffer.clear();
            self.0.push(buffer);
        }
    }
}
