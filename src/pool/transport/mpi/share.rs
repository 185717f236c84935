//! What all ranks do together before there are tasks: broadcasts, and memory that the ranks of a node share.
#![expect(unsafe_code, reason = "the MPI library is a C library")]

use super::world::{MpiWorld, check};
use crate::pool::data::Element;
use crate::pool::error::TransportError;
use ::mpi::ffi;
use std::ffi::{c_int, c_void};
use std::mem::MaybeUninit;
use std::time::{Duration, Instant};

/// Bytes of one broadcast: MPI counts are 32 bits wide, and a library may copy as much as this.
const CHUNK: usize = 1 << 26;
/// Announced in place of a length: there is nothing.
const NOTHING: u64 = u64::MAX;
/// A waiting rank looks so often whether rank 0 has read its data.
const LOOK: Duration = Duration::from_millis(1);

/// Numbers in memory that the ranks of a node share. Never written after it is made.
///
/// Valid until MPI is finalised; owners go before that, as [`super::MpiTransport`]s do.
pub(crate) struct Region<E> {
    base: *const E,
    length: usize,
}

// SAFETY: the memory is only read, and mapped for the whole process.
unsafe impl<E: Element> Send for Region<E> {}
// SAFETY: as above.
unsafe impl<E: Element> Sync for Region<E> {}

impl<E: Element> Region<E> {
    pub(crate) fn as_slice(&self) -> &[E] {
        if self.length == 0 {
            return &[];
        }
        // SAFETY: `share` has filled so many elements at an aligned base, and nobody writes any more.
        unsafe { std::slice::from_raw_parts(self.base, self.length) }
    }
}

/// The ranks by nodes, as one of them sees it. To be freed, not dropped: both happen on all ranks at once.
#[derive(Debug)]
pub(crate) struct Nodes {
    /// The ranks of this one's node.
    node: ffi::MPI_Comm,
    /// The first ranks of all nodes, rank 0 among them; on the others, those.
    firsts: ffi::MPI_Comm,
    is_first: bool,
    byte: ffi::MPI_Datatype,
}

impl Nodes {
    /// Whether this rank is the first of its node, as rank 0 always is.
    pub(crate) fn is_first(&self) -> bool {
        self.is_first
    }

    /// Fills the bytes of the first ranks of all nodes, which alone call this, with those of rank 0; at most [`CHUNK`].
    pub(crate) fn broadcast_among_firsts(&self, bytes: &mut [u8]) -> Result<(), TransportError> {
        // SAFETY: an exclusive slice of the length that is told.
        unsafe { broadcast(self.firsts, self.byte, bytes.as_mut_ptr(), bytes.len()) }
    }

    /// Fills the bytes of all ranks of this node with those of its first one; at most [`CHUNK`].
    pub(crate) fn broadcast_in_node(&self, bytes: &mut [u8]) -> Result<(), TransportError> {
        // SAFETY: an exclusive slice of the length that is told.
        unsafe { broadcast(self.node, self.byte, bytes.as_mut_ptr(), bytes.len()) }
    }

    /// All ranks call this.
    pub(crate) fn free(mut self) -> Result<(), TransportError> {
        for comm in [&mut self.node, &mut self.firsts] {
            // SAFETY: ours, and used no more.
            check("MPI_Comm_free", None, unsafe { ffi::MPI_Comm_free(comm) })?;
        }
        Ok(())
    }
}

impl MpiWorld {
    /// On rank 0: tells all others a length, or that there is nothing.
    pub(crate) fn announce(&self, length: Option<u64>, limit: Duration) -> Result<(), TransportError> {
        self.tell(length.unwrap_or(NOTHING), limit).map(drop)
    }

    /// On the others: waits for that, asleep for most of the time.
    pub(crate) fn announced(&self, limit: Duration) -> Result<Option<u64>, TransportError> {
        self.tell(0, limit).map(|length| Some(length).filter(|length| *length != NOTHING))
    }

    fn tell(&self, number: u64, limit: Duration) -> Result<u64, TransportError> {
        let mut place = Box::new(number.to_le_bytes());
        let mut request = MaybeUninit::uninit();
        // SAFETY: the box outlives the request: it is leaked where the request does not complete.
        let code = unsafe {
            let buffer = place.as_mut_ptr().cast::<c_void>();
            ffi::MPI_Ibcast(buffer, 8, self.byte, 0, self.comm, request.as_mut_ptr())
        };
        check("MPI_Ibcast", None, code)?;
        // SAFETY: set by the successful call.
        let mut request = unsafe { request.assume_init() };
        let began = Instant::now();
        while !self.test("MPI_Ibcast", 0, &mut request)? {
            if began.elapsed() > limit {
                Box::leak(place);
                let message = format!("no word of preloaded data within {limit:?}; raise `start_limit`");
                return Err(TransportError { call: "MPI_Ibcast", peer: Some(0), message, by_death: false });
            }
            std::thread::sleep(LOOK);
        }
        Ok(u64::from_le_bytes(*place))
    }

    /// Fills the bytes of all ranks with those of rank 0; all have as many.
    pub(crate) fn broadcast(&self, bytes: &mut [u8]) -> Result<(), TransportError> {
        for chunk in bytes.chunks_mut(CHUNK) {
            // SAFETY: an exclusive slice of the length that is told.
            unsafe { broadcast(self.comm, self.byte, chunk.as_mut_ptr(), chunk.len())? }
        }
        Ok(())
    }

    /// The ranks by the nodes that they are on, or by `node_size` ranks of one at most. All ranks call this.
    pub(crate) fn nodes(&self, node_size: Option<u32>) -> Result<Nodes, TransportError> {
        let rank = self.rank() as c_int;
        // SAFETY: collective calls that all ranks make in this order, with out-pointers to live locals.
        unsafe {
            let mut node = self.split("MPI_Comm_split_type", |comm| {
                let (shared, nothing) = (ffi::RSMPI_COMM_TYPE_SHARED, ffi::RSMPI_INFO_NULL);
                ffi::MPI_Comm_split_type(self.comm, shared, rank, nothing, comm)
            })?;
            if let Some(size) = node_size {
                let at = rank_in(node)?;
                let part = self.split("MPI_Comm_split", |comm| {
                    ffi::MPI_Comm_split(node, at / size.max(1) as c_int, at, comm)
                })?;
                check("MPI_Comm_free", None, ffi::MPI_Comm_free(&raw mut node))?;
                node = part;
            }
            let is_first = rank_in(node)? == 0;
            let firsts = self.split("MPI_Comm_split", |comm| {
                ffi::MPI_Comm_split(self.comm, c_int::from(!is_first), rank, comm)
            })?;
            Ok(Nodes { node, firsts, is_first, byte: self.byte })
        }
    }

    /// Puts the numbers of rank 0 into memory that is there once per node (or per `node_size` ranks of one).
    pub(crate) fn share<E: Element>(
        &self,
        own: &[E],
        length: usize,
        node_size: Option<u32>,
    ) -> Result<Region<E>, TransportError> {
        let nodes = self.nodes(node_size)?;
        let (rank, is_first) = (self.rank(), nodes.is_first);
        // SAFETY: collective calls that all ranks make in this order, with out-pointers to live locals. The first rank of
        // each node writes `length` elements to a window of that size before the fence, others only read after it.
        unsafe {
            let bytes = length * size_of::<E>();
            let mut base: *mut u8 = std::ptr::null_mut();
            let mut window = MaybeUninit::<ffi::MPI_Win>::uninit();
            let code = ffi::MPI_Win_allocate_shared(
                if is_first { bytes as ffi::MPI_Aint } else { 0 },
                1,
                ffi::RSMPI_INFO_NULL,
                nodes.node,
                (&raw mut base).cast::<c_void>(),
                window.as_mut_ptr(),
            );
            check("MPI_Win_allocate_shared", None, code)?;
            let window = window.assume_init();
            self.keep(window);
            let (mut size, mut unit): (ffi::MPI_Aint, c_int) = (0, 0);
            let base_at = (&raw mut base).cast::<c_void>();
            let code = ffi::MPI_Win_shared_query(window, 0, &raw mut size, &raw mut unit, base_at);
            check("MPI_Win_shared_query", None, code)?;
            if bytes > 0
                && (base.is_null() || size < bytes as ffi::MPI_Aint || !base.cast::<E>().is_aligned())
            {
                let message = format!("{size} bytes at {base:?} are no place for {bytes} bytes");
                return Err(TransportError {
                    call: "MPI_Win_shared_query",
                    peer: None,
                    message,
                    by_death: false,
                });
            }
            check("MPI_Win_fence", None, ffi::MPI_Win_fence(0, window))?;
            if is_first {
                if rank == 0 && bytes > 0 {
                    std::ptr::copy_nonoverlapping(
                        own.as_ptr().cast::<u8>(),
                        base,
                        bytes.min(size_of_val(own)),
                    );
                }
                for at in (0..bytes).step_by(CHUNK) {
                    broadcast(nodes.firsts, self.byte, base.add(at), CHUNK.min(bytes - at))?;
                }
            }
            check("MPI_Win_fence", None, ffi::MPI_Win_fence(0, window))?;
            nodes.free()?;
            Ok(Region { base: base.cast::<E>(), length })
        }
    }

    /// A communicator made by `call`, which returns its errors like ours.
    fn split(
        &self,
        name: &'static str,
        call: impl FnOnce(*mut ffi::MPI_Comm) -> c_int,
    ) -> Result<ffi::MPI_Comm, TransportError> {
        let mut comm = MaybeUninit::uninit();
        check(name, None, call(comm.as_mut_ptr()))?;
        // SAFETY: set by the successful call.
        Ok(unsafe { comm.assume_init() })
    }
}

/// # Safety
/// `comm` is a communicator of ours.
unsafe fn rank_in(comm: ffi::MPI_Comm) -> Result<c_int, TransportError> {
    let mut rank = 0;
    // SAFETY: by the caller's promise.
    check("MPI_Comm_rank", None, unsafe { ffi::MPI_Comm_rank(comm, &raw mut rank) })?;
    Ok(rank)
}

/// # Safety
/// All ranks of `comm` call this with as many bytes, which nobody else uses meanwhile.
unsafe fn broadcast(
    comm: ffi::MPI_Comm,
    byte: ffi::MPI_Datatype,
    bytes: *mut u8,
    length: usize,
) -> Result<(), TransportError> {
    // SAFETY: by the caller's promise.
    check("MPI_Bcast", None, unsafe {
        ffi::MPI_Bcast(bytes.cast::<c_void>(), length as c_int, byte, 0, comm)
    })
}
