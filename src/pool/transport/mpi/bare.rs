//! Sends and receives as a plain C program makes them: the yardstick of [`crate::pool::bench`].
#![expect(unsafe_code, reason = "the MPI library is a C library")]

use super::messages::BARE;
use super::world::{MpiWorld, check};
use crate::pool::error::TransportError;
use ::mpi::ffi;
use std::ffi::{c_int, c_void};
use std::mem::MaybeUninit;

impl MpiWorld {
    /// Sends one number and waits until it may go.
    pub(crate) fn bare_send(&self, to: u32, number: u64) -> Result<(), TransportError> {
        let buffer = (&raw const number).cast::<c_void>();
        // SAFETY: the number lives for the whole call, which returns when it may go.
        let code = unsafe { ffi::MPI_Send(buffer, 8, self.byte, to as c_int, BARE, self.comm) };
        check("MPI_Send", Some(to), code)
    }

    /// Waits for one number from anyone; the other half of [`Self::bare_send`].
    pub(crate) fn bare_receive(&self) -> Result<(u32, u64), TransportError> {
        let mut number = 0_u64;
        let mut status = MaybeUninit::<ffi::MPI_Status>::uninit();
        // SAFETY: room for the eight bytes that the other side sends; the status is read after success only.
        unsafe {
            let buffer = (&raw mut number).cast::<c_void>();
            let any = ffi::RSMPI_ANY_SOURCE;
            let code = ffi::MPI_Recv(buffer, 8, self.byte, any, BARE, self.comm, status.as_mut_ptr());
            check("MPI_Recv", None, code)?;
            Ok((status.assume_init().MPI_SOURCE as u32, number))
        }
    }

    /// Sends numbers and waits until they may go.
    pub(crate) fn bare_send_numbers(&self, to: u32, numbers: &[f64]) -> Result<(), TransportError> {
        let (buffer, length) = (numbers.as_ptr().cast::<c_void>(), size_of_val(numbers) as c_int);
        // SAFETY: the numbers live for the whole call, which returns when they may go.
        let code = unsafe { ffi::MPI_Send(buffer, length, self.byte, to as c_int, BARE, self.comm) };
        check("MPI_Send", Some(to), code)
    }

    /// Waits for so many numbers from anyone; the other half of [`Self::bare_send_numbers`].
    pub(crate) fn bare_receive_numbers(&self, room: &mut [f64]) -> Result<u32, TransportError> {
        let mut status = MaybeUninit::<ffi::MPI_Status>::uninit();
        // SAFETY: the library writes no more than it is told there is room for, and any bytes are numbers; the status is
        // read after success only.
        unsafe {
            let (buffer, length) = (room.as_mut_ptr().cast::<c_void>(), size_of_val(room) as c_int);
            let any = ffi::RSMPI_ANY_SOURCE;
            let code = ffi::MPI_Recv(buffer, length, self.byte, any, BARE, self.comm, status.as_mut_ptr());
            check("MPI_Recv", None, code)?;
            Ok(status.assume_init().MPI_SOURCE as u32)
        }
    }
}
