//! What is left of a transport when all have left: futures may outlive their pool, and must not keep MPI open.

use super::{Link, Received, Transport};
use crate::pool::bulk::Bulk;
use crate::pool::error::TransportError;
use std::time::Duration;

/// Nobody is there any more, and time stands still.
pub(crate) struct Closed {
    since: Duration,
}

impl Closed {
    /// Closed at this time.
    pub(crate) fn since(since: Duration) -> Self {
        Self { since }
    }
}

fn error(call: &'static str, peer: Option<u32>) -> TransportError {
    TransportError { call, peer, message: "the pool has ended".into(), by_death: false }
}

impl Transport for Closed {
    fn now(&self) -> Duration {
        self.since
    }

    fn send(&mut self, to: u32, _: Vec<u8>) -> Result<(), TransportError> {
        Err(error("send", Some(to)))
    }

    fn send_with(&mut self, to: u32, _: Vec<u8>, _: Box<Bulk>) -> Result<(), TransportError> {
        Err(error("send", Some(to)))
    }

    fn try_receive(&mut self) -> Result<Option<Received>, TransportError> {
        Ok(None)
    }

    fn receive(&mut self, _: Duration) -> Result<Option<Received>, TransportError> {
        Ok(None)
    }

    fn unsent(&mut self) -> Result<usize, TransportError> {
        Ok(0)
    }

    fn buffer(&mut self) -> Vec<u8> {
        Vec::new()
    }

    fn recycle(&mut self, _: Vec<u8>) {}

    fn join(&mut self, _: &[u32], _: bool) -> Result<Box<dyn Link>, TransportError> {
        Err(error("join", None))
    }

    fn forget(&mut self, _: &[u32]) {}
}
