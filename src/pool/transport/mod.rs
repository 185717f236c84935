//! How messages travel: over MPI, between threads, or in simulated time, behind one small trait.
//!
//! A transport moves byte messages between rank 0 and the workers, in order per pair, and tells the time.
//! It knows nothing of tasks.

mod closed;
#[cfg(feature = "mpi")]
pub(crate) mod mpi;
pub(crate) mod sim;
pub(crate) mod threads;

pub(crate) use closed::Closed;

use super::bulk::Bulk;
use super::error::TransportError;
use std::time::Duration;

/// A message that arrived.
#[derive(Debug)]
pub(crate) struct Received {
    /// The rank that sent it.
    pub(crate) from: u32,
    /// Its bytes; there may be padding behind the last entry.
    pub(crate) message: Vec<u8>,
    /// What has come beside it.
    pub(crate) bulk: Option<Box<Bulk>>,
}

/// One end of the message traffic.
pub(crate) trait Transport {
    /// The time since some fixed moment; simulated time in a simulation.
    fn now(&self) -> Duration;

    /// Takes over a message and sees to it that it is sent. Never waits for the receiver.
    fn send(&mut self, to: u32, message: Vec<u8>) -> Result<(), TransportError>;

    /// The same for a short message, with a vector beside it.
    fn send_with(&mut self, to: u32, message: Vec<u8>, bulk: Box<Bulk>) -> Result<(), TransportError>;

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

    /// What this rank speaks to the other members of a group through. All members call it, at about the same time,
    /// and it may wait for them. `anew`: as if they had never been a group.
    fn join(&mut self, members: &[u32], anew: bool) -> Result<Box<dyn Link>, TransportError>;

    /// This group will not come again. All members are told.
    fn forget(&mut self, members: &[u32]);

    /// Ends this process at once, and with it the job.
    fn abandon(&mut self, code: u8) -> ! {
        std::process::exit(i32::from(code))
    }
}

/// The ways between the members of a group. Messages keep their order per pair; members are named by their ranks in the
/// pool.
pub(crate) trait Link {
    /// Takes over a message and sees to it that it is sent, while methods of this link are called.
    fn send(&self, to: u32, message: Vec<u8>) -> Result<(), TransportError>;

    /// The next message of a member, if one is there.
    fn try_receive(&self, from: u32) -> Result<Option<Vec<u8>>, TransportError>;

    /// Whether all messages have left.
    fn is_done(&self) -> Result<bool, TransportError>;

    /// The group as MPI knows it.
    fn communicator(&self) -> Option<RawCommunicator> {
        None
    }
}

/// A communicator of MPI, as its C interface has it.
#[cfg(feature = "mpi")]
pub type RawCommunicator = ::mpi::ffi::MPI_Comm;

/// A communicator of MPI: there is none in this build.
#[cfg(not(feature = "mpi"))]
pub type RawCommunicator = std::convert::Infallible;

/// The link of a group of one.
pub(crate) struct Alone;

impl Link for Alone {
    fn send(&self, to: u32, _: Vec<u8>) -> Result<(), TransportError> {
        let message = "this group has one member".into();
        Err(TransportError { call: "send", peer: Some(to), message, by_death: false })
    }

    fn try_receive(&self, _: u32) -> Result<Option<Vec<u8>>, TransportError> {
        Ok(None)
    }

    fn is_done(&self) -> Result<bool, TransportError> {
        Ok(true)
    }

    #[cfg(feature = "mpi")]
    fn communicator(&self) -> Option<RawCommunicator> {
        mpi::own_communicator()
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
