//! Sends and receives, as raw MPI calls. Who waits for what is decided in [`super::end`].
#![expect(unsafe_code, reason = "the MPI library is a C library")]

use super::super::{Buffers, Received};
use super::beside::WITH_BULK;
use super::world::{MpiWorld, check};
use crate::pool::bulk::{Bulk, Room};
use crate::pool::error::TransportError;
use ::mpi::ffi;
use std::ffi::{c_int, c_void};
use std::mem::MaybeUninit;

/// Messages up to [`IN_PLACE`], for which a receive waits at the other end.
const SMALL: c_int = 1;
/// Larger ones, which a probe finds.
const LARGE: c_int = 2;
/// Those that travel as blocks.
const BLOCKS: c_int = 3;
/// The yardstick's own.
pub(super) const BARE: c_int = 4;
/// Size of a block.
pub(super) const BLOCK: usize = 1 << 20;
/// From this size on, messages travel as blocks.
const BLOCKS_FROM: usize = 1 << 30;
/// Up to this size a message is sent eagerly by every library, so that receiving it never waits.
pub(super) const IN_PLACE: usize = 2048;

/// Whether messages are received by matched probes; off where `ADAPTIVE_MPI_MATCHED_PROBE=0`, for libraries
/// and networks on which these are broken.
pub(crate) fn matched_probe_wanted(setting: Option<&str>) -> bool {
    !matches!(setting.map(str::trim), Some("0" | "false" | "no" | "off"))
}

impl MpiWorld {
    /// Starts to send. The buffer must live, unmoved on the heap, until the request completes.
    pub(super) fn isend(&self, to: u32, message: &mut Vec<u8>) -> Result<ffi::MPI_Request, TransportError> {
        let (count, datatype, tag) = if message.len() < BLOCKS_FROM {
            (message.len(), self.byte, if message.len() <= IN_PLACE { SMALL } else { LARGE })
        } else {
            let blocks = message.len().div_ceil(BLOCK);
            message.resize(blocks * BLOCK, 0);
            (blocks, self.block, BLOCKS)
        };
        // SAFETY: the buffer holds `count` items; the caller keeps it until the request completes.
        unsafe { self.start_send(to, tag, message.as_ptr(), (count, datatype)) }
    }

    /// # Safety
    /// `from` points to so many items, which live until the request completes.
    pub(super) unsafe fn start_send(
        &self,
        to: u32,
        tag: c_int,
        from: *const u8,
        (count, datatype): (usize, ffi::MPI_Datatype),
    ) -> Result<ffi::MPI_Request, TransportError> {
        let mut request = MaybeUninit::uninit();
        let (from, count, to_rank) = (from.cast::<c_void>(), count as c_int, to as c_int);
        // SAFETY: by the caller's promise.
        let code =
            unsafe { ffi::MPI_Isend(from, count, datatype, to_rank, tag, self.comm, request.as_mut_ptr()) };
        check("MPI_Isend", Some(to), code)?;
        // SAFETY: set by the successful call.
        Ok(unsafe { request.assume_init() })
    }

    /// Whether a request has completed.
    pub(super) fn test(
        &self,
        call: &'static str,
        peer: u32,
        request: &mut ffi::MPI_Request,
    ) -> Result<bool, TransportError> {
        let mut done = 0;
        // SAFETY: an open request of ours; no status is wanted.
        let code = unsafe { ffi::MPI_Test(request, &raw mut done, ffi::RSMPI_STATUS_IGNORE) };
        check(call, Some(peer), code)?;
        Ok(done != 0)
    }

    fn irecv_small(&self, room: &mut [u8; IN_PLACE]) -> Result<ffi::MPI_Request, TransportError> {
        let mut request = MaybeUninit::uninit();
        // SAFETY: the room has the size that is told, and its owner keeps it until the request completes.
        let code = unsafe {
            let (target, any) = (room.as_mut_ptr().cast::<c_void>(), ffi::RSMPI_ANY_SOURCE);
            ffi::MPI_Irecv(target, IN_PLACE as c_int, self.byte, any, SMALL, self.comm, request.as_mut_ptr())
        };
        check("MPI_Irecv", None, code)?;
        // SAFETY: set by the successful call.
        Ok(unsafe { request.assume_init() })
    }

    /// A small message from anyone, if one has come. The receive for it is made first where there is none; after an error
    /// there is none.
    pub(super) fn collect(
        &self,
        posted: &mut Posted,
        buffers: &mut Buffers,
    ) -> Result<Option<Received>, TransportError> {
        let request = match &mut posted.request {
            Some(request) => request,
            none => none.insert(self.irecv_small(&mut posted.room)?),
        };
        let (mut done, mut count) = (0, 0);
        let mut status = MaybeUninit::<ffi::MPI_Status>::uninit();
        // SAFETY: an open request of ours; the status is read only if the call says that it is done.
        let from = unsafe {
            let code = ffi::MPI_Test(request, &raw mut done, status.as_mut_ptr());
            if done == 0 && code == ffi::MPI_SUCCESS as c_int {
                return Ok(None);
            }
            // An error of another rank's death may leave it as it was.
            if *request == ffi::RSMPI_REQUEST_NULL {
                posted.request = None;
            }
            check("MPI_Irecv", None, code)?;
            check("MPI_Get_count", None, ffi::MPI_Get_count(status.as_ptr(), self.byte, &raw mut count))?;
            status.assume_init().MPI_SOURCE as u32
        };
        let mut message = buffers.take();
        message.extend_from_slice(&posted.room[..(count.max(0) as usize).min(IN_PLACE)]);
        Ok(Some(Received { from, message, bulk: None }))
    }

    /// Takes a receive back. A message that it has taken in meanwhile is lost.
    pub(super) fn withdraw(&self, mut posted: Posted) -> Result<(), TransportError> {
        let Some(request) = &mut posted.request else { return Ok(()) };
        // SAFETY: an open request of ours. Cancelling is local, and a cancelled or matched small receive ends without
        // any doing of others.
        unsafe {
            let cancelled = check("MPI_Cancel", None, ffi::MPI_Cancel(request));
            if cancelled.is_err() {
                // The library may still write to it.
                std::mem::forget(posted);
                return cancelled;
            }
            let waited = check("MPI_Wait", None, ffi::MPI_Wait(request, ffi::RSMPI_STATUS_IGNORE));
            if *request != ffi::RSMPI_REQUEST_NULL {
                std::mem::forget(posted);
            }
            waited
        }
    }

    /// Looks for a message, and receives it or starts to.
    pub(super) fn probe(&self, matched: bool, buffers: &mut Buffers) -> Result<Probed, TransportError> {
        let mut found = 0;
        let mut handle = MaybeUninit::<ffi::MPI_Message>::uninit();
        let mut status = MaybeUninit::<ffi::MPI_Status>::uninit();
        // SAFETY: out-pointers to live locals, read only if the call says that it has found a message.
        let code = unsafe {
            let (any_source, any_tag) = (ffi::RSMPI_ANY_SOURCE, ffi::RSMPI_ANY_TAG);
            if matched {
                ffi::MPI_Improbe(
                    any_source,
                    any_tag,
                    self.comm,
                    &raw mut found,
                    handle.as_mut_ptr(),
                    status.as_mut_ptr(),
                )
            } else {
                ffi::MPI_Iprobe(any_source, any_tag, self.comm, &raw mut found, status.as_mut_ptr())
            }
        };
        check(if matched { "MPI_Improbe" } else { "MPI_Iprobe" }, None, code)?;
        if found == 0 {
            return Ok(Probed::Nothing);
        }
        // SAFETY: set by a successful probe that found something.
        let status = unsafe { status.assume_init() };
        let (from, tag) = (status.MPI_SOURCE as u32, status.MPI_TAG);
        let (datatype, item) = if tag == BLOCKS { (self.block, BLOCK) } else { (self.byte, 1) };
        let mut count = 0;
        // SAFETY: the status of a found message.
        let code = unsafe { ffi::MPI_Get_count(&raw const status, datatype, &raw mut count) };
        check("MPI_Get_count", Some(from), code)?;
        let length = count.max(0) as usize * item;
        let mut message = buffers.take();
        message.reserve_exact(length);
        let target = message.as_mut_ptr().cast::<c_void>();
        // SAFETY (all calls): `target` has room for `count` items. A probe without match followed by a receive
        // with its source and tag takes the same message, because no other thread receives.
        // A message with a vector beside it is short, but for a group of hundreds, whose members it names.
        if length <= IN_PLACE || tag == WITH_BULK {
            let code = unsafe {
                let ignore = ffi::RSMPI_STATUS_IGNORE;
                if matched {
                    ffi::MPI_Mrecv(target, count, datatype, handle.as_mut_ptr(), ignore)
                } else {
                    ffi::MPI_Recv(target, count, datatype, from as c_int, tag, self.comm, ignore)
                }
            };
            check("MPI_Recv", Some(from), code)?;
            // SAFETY: the call has filled them.
            unsafe { message.set_len(length) };
            if tag == WITH_BULK {
                return self.receive_bulk(from, message).map(Probed::Begun);
            }
            return Ok(Probed::Whole(Received { from, message, bulk: None }));
        }
        let mut request = MaybeUninit::uninit();
        let code = unsafe {
            if matched {
                ffi::MPI_Imrecv(target, count, datatype, handle.as_mut_ptr(), request.as_mut_ptr())
            } else {
                ffi::MPI_Irecv(target, count, datatype, from as c_int, tag, self.comm, request.as_mut_ptr())
            }
        };
        check("MPI_Irecv", Some(from), code)?;
        // SAFETY: set by the successful call.
        let request = unsafe { request.assume_init() };
        Ok(Probed::Begun(Open { request, peer: from, message, length, room: None, bulk: None }))
    }
}

/// What a probe has found.
pub(super) enum Probed {
    /// No message.
    Nothing,
    /// One that is received.
    Whole(Received),
    /// One whose receive has begun.
    Begun(Open),
}

/// A receive for a small message from anyone, with room for it.
pub(super) struct Posted {
    /// `None`: not made yet.
    request: Option<ffi::MPI_Request>,
    room: Box<[u8; IN_PLACE]>,
}

impl Default for Posted {
    fn default() -> Self {
        Self { request: None, room: Box::new([0; IN_PLACE]) }
    }
}

/// A send or receive under way, with its buffer.
pub(super) struct Open {
    pub(super) request: ffi::MPI_Request,
    pub(super) peer: u32,
    pub(super) message: Vec<u8>,
    /// What the buffer will hold.
    pub(super) length: usize,
    /// What is received beside it.
    pub(super) room: Option<Room>,
    /// What is sent beside it.
    #[expect(dead_code, reason = "kept until the request completes")]
    pub(super) bulk: Option<Box<Bulk>>,
}

impl Open {
    /// The message of a receive that has completed.
    pub(super) fn complete(mut self) -> Received {
        // SAFETY: the receive has completed, so the library has filled so many bytes.
        unsafe { self.message.set_len(self.length) };
        // SAFETY: as above; where there is room beside the buffer, it is what the request fills.
        let bulk = self.room.map(|room| Box::new(unsafe { room.filled() }));
        Received { from: self.peer, message: self.message, bulk }
    }
}

#[cfg(test)]
mod tests {
    use super::matched_probe_wanted;

    #[test]
    fn matched_probes_are_used_unless_switched_off() {
        assert!(matched_probe_wanted(None));
        assert!(matched_probe_wanted(Some("1")));
        assert!(!matched_probe_wanted(Some("0")));
        assert!(!matched_probe_wanted(Some(" off ")));
    }
}
