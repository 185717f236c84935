//! Vectors that travel beside their message: a short message says what comes, and the vector follows from where it lies.
#![expect(unsafe_code, reason = "the MPI library is a C library")]

use super::messages::Open;
use super::world::{MpiWorld, check};
use crate::pool::bulk::{Bulk, Room};
use crate::pool::error::TransportError;
use ::mpi::ffi;
use std::ffi::{c_int, c_void};
use std::mem::MaybeUninit;

/// Short messages with a vector beside them: they end in its size and the code of its numbers, 8 bytes each.
pub(super) const WITH_BULK: c_int = 5;
/// That vector, for which a receive is made as soon as its message has come.
const BULK: c_int = 6;

impl MpiWorld {
    /// Starts to send a short message and the vector beside it, which both have to live until their requests complete.
    pub(super) fn isend_with(
        &self,
        to: u32,
        message: &mut Vec<u8>,
        bulk: &Bulk,
    ) -> Result<[ffi::MPI_Request; 2], TransportError> {
        message.extend_from_slice(&(bulk.size() as u64).to_le_bytes());
        message.extend_from_slice(&u64::from(bulk.code()).to_le_bytes());
        // SAFETY: both hold as many bytes as is said; the caller keeps them until the requests complete.
        unsafe {
            Ok([
                self.start_send(to, WITH_BULK, message.as_ptr(), (message.len(), self.byte))?,
                self.start_send(to, BULK, bulk.as_ptr(), (bulk.size(), self.byte))?,
            ])
        }
    }

    /// Begins to receive the vector that belongs to a message.
    pub(super) fn receive_bulk(&self, from: u32, mut message: Vec<u8>) -> Result<Open, TransportError> {
        let size = message.len().saturating_sub(16);
        let word = |at: usize| Some(u64::from_le_bytes(message.get(at..at + 8)?.try_into().ok()?));
        let room =
            word(size).zip(word(size + 8)).and_then(|(bytes, code)| Room::new(code as u32, bytes as usize));
        let Some(mut room) = room else {
            let message = "a message does not say what comes beside it".into();
            return Err(TransportError { call: "MPI_Irecv", peer: Some(from), message, by_death: false });
        };
        message.truncate(size);
        let mut request = MaybeUninit::uninit();
        // SAFETY: the room is as large as is said, and kept until the request completes.
        let code = unsafe {
            let (target, count) = (room.as_mut_ptr().cast::<c_void>(), room.size() as c_int);
            ffi::MPI_Irecv(target, count, self.byte, from as c_int, BULK, self.comm, request.as_mut_ptr())
        };
        check("MPI_Irecv", Some(from), code)?;
        // SAFETY: set by the successful call.
        let request = unsafe { request.assume_init() };
        Ok(Open { request, peer: from, length: message.len(), message, room: Some(room), bulk: None })
    }
}
