//! This process in MPI, and every raw MPI call. rsmpi's safe wrappers ignore return codes; here each one is
//! checked.
#![expect(unsafe_code, reason = "the MPI library is a C library")]

use super::super::{Buffers, Received};
use super::beside::WITH_BULK;
use super::deaths::{self, Deaths};
use super::yields::Yields;
use crate::pool::bulk::{Bulk, Room};
use crate::pool::error::TransportError;
use ::mpi::ffi;
use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use std::cell::{Cell, RefCell};
use std::ffi::{CStr, c_char, c_int, c_void};
use std::mem::MaybeUninit;
use std::os::fd::{BorrowedFd, RawFd};

/// Messages up to [`IN_PLACE`], for which a receive waits at the other end.
const SMALL: c_int = 1;
/// Larger ones, which a probe finds.
const LARGE: c_int = 2;
/// Those that travel as blocks.
const BLOCKS: c_int = 3;
/// The yardstick's own.
pub(super) const BARE: c_int = 4;
const BLOCK: usize = 1 << 20;
/// From this size on, messages travel as blocks.
const BLOCKS_FROM: usize = 1 << 30;
/// Up to this size a message is sent eagerly by every library, so that receiving it never waits.
pub(super) const IN_PLACE: usize = 2048;

/// Whether messages are received by matched probes; off where `ADAPTIVE_MPI_MATCHED_PROBE=0`, for libraries
/// and networks on which these are broken.
pub(crate) fn matched_probe_wanted(setting: Option<&str>) -> bool {
    !matches!(setting.map(str::trim), Some("0" | "false" | "no" | "off"))
}

fn text(bytes: &[u8]) -> String {
    CStr::from_bytes_until_nul(bytes).map(|text| text.to_string_lossy().into_owned()).unwrap_or_default()
}

#[inline]
pub(super) fn check(call: &'static str, peer: Option<u32>, code: c_int) -> Result<(), TransportError> {
    if code == ffi::MPI_SUCCESS as c_int { Ok(()) } else { Err(failure(call, peer, code)) }
}

#[cold]
fn failure(call: &'static str, peer: Option<u32>, code: c_int) -> TransportError {
    let mut buffer = [0_u8; ffi::MPI_MAX_ERROR_STRING as usize + 1];
    let mut length = 0;
    // SAFETY: the buffer has the size that the library asks for.
    let told = unsafe { ffi::MPI_Error_string(code, buffer.as_mut_ptr().cast::<c_char>(), &raw mut length) };
    let message = if told == ffi::MPI_SUCCESS as c_int { text(&buffer) } else { format!("code {code}") };
    TransportError { call, peer, message, by_death: deaths::is_death(code) }
}

/// The library's name and version; may be asked before it is initialised.
pub(crate) fn library() -> String {
    // SAFETY: constants of the library, and a buffer of the size that it asks for.
    unsafe {
        let size = ffi::RSMPI_MAX_LIBRARY_VERSION_STRING.max(0) as usize + 1;
        let mut buffer = vec![0_u8; size];
        let mut length = 0;
        match ffi::MPI_Get_library_version(buffer.as_mut_ptr().cast::<c_char>(), &raw mut length) {
            // Open MPI tells its package and date too, after a comma; MPICH its configuration, line by line.
            0 => text(&buffer)
                .split([',', '\n'])
                .next()
                .unwrap_or_default()
                .replace("\t", " ")
                .trim()
                .to_owned(),
            _ => "unknown MPI library".to_owned(),
        }
    }
}

/// Keeps the connections to launcher and other ranks out of child processes: where a child holds them open, the
/// death of its rank goes unnoticed as long as it lives, and the job hangs.
pub(crate) fn close_on_exec() {
    let Ok(entries) = std::fs::read_dir("/proc/self/fd") else { return };
    let open = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse::<RawFd>().ok());
    for fd in open.filter(|fd| *fd > 2).collect::<Vec<_>>() {
        // SAFETY: the call only sets a flag; for a descriptor that was closed meanwhile it fails, which is fine.
        let _ = unsafe { fcntl(BorrowedFd::borrow_raw(fd), FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC)) };
    }
}

thread_local! {
    /// Whom an abort on this thread ends.
    static ABORTED: Cell<Option<ffi::MPI_Comm>> = const { Cell::new(None) };
}

/// Ends the whole job at once.
pub(crate) fn abort(code: i32) {
    // SAFETY: allowed between initialisation and finalisation; outside of that it ends the process.
    unsafe {
        let (mut up, mut down) = (0, 0);
        if ffi::MPI_Initialized(&raw mut up) == 0
            && ffi::MPI_Finalized(&raw mut down) == 0
            && up != 0
            && down == 0
        {
            // Spawned workers are not in the world of rank 0.
            let all = ABORTED.with(Cell::get).unwrap_or(ffi::RSMPI_COMM_WORLD);
            ffi::MPI_Abort(all, code);
        }
    }
}

/// Ends this process alone, at once: no clean-up of any library runs.
pub(crate) fn leave(code: i32) -> ! {
    // SAFETY: may be called at any time, from any thread.
    unsafe { nix::libc::_exit(code) }
}

/// This process in MPI: a communicator of our own over all ranks.
pub(crate) struct MpiWorld {
    pub(super) comm: ffi::MPI_Comm,
    /// The same ranks. Communicators of groups are made over it, on which nothing is received: for making them, Open MPI
    /// sends messages with a tag like any other, and a probe for whatever comes would take them from the library.
    pub(super) parent_of_groups: ffi::MPI_Comm,
    /// Between rank 0 and the workers that it has spawned.
    bridge: Option<ffi::MPI_Comm>,
    pub(super) byte: ffi::MPI_Datatype,
    block: ffi::MPI_Datatype,
    rank: u32,
    size: u32,
    thread_level: c_int,
    pub(super) yields: Yields,
    /// Shared memory that lives until the end.
    windows: RefCell<Vec<ffi::MPI_Win>>,
    /// Where the library can say who is dead.
    pub(super) deaths: Option<Deaths>,
}

impl MpiWorld {
    /// Initialises MPI and takes all ranks that the launcher started together. Once per process.
    pub(crate) fn init() -> Result<Self, TransportError> {
        let thread_level = Self::start()?;
        // SAFETY: plain MPI calls; every out-pointer is to a live local.
        unsafe {
            let mut comm = MaybeUninit::uninit();
            check("MPI_Comm_dup", None, ffi::MPI_Comm_dup(ffi::RSMPI_COMM_WORLD, comm.as_mut_ptr()))?;
            Self::of(comm.assume_init(), None, thread_level)
        }
    }

    /// Initialises MPI; what it allows threads to do.
    pub(super) fn start() -> Result<c_int, TransportError> {
        // SAFETY: plain MPI calls; every out-pointer is to a live local.
        unsafe {
            let (mut up, mut thread_level) = (0, 0);
            check("MPI_Initialized", None, ffi::MPI_Initialized(&raw mut up))?;
            if up == 0 {
                let code = ffi::MPI_Init_thread(
                    std::ptr::null_mut(),
                    std::ptr::null_mut(),
                    ffi::RSMPI_THREAD_FUNNELED,
                    &raw mut thread_level,
                );
                check("MPI_Init_thread", None, code)?;
            } else {
                check("MPI_Query_thread", None, ffi::MPI_Query_thread(&raw mut thread_level))?;
            }
            if thread_level < ffi::RSMPI_THREAD_FUNNELED {
                return Err(TransportError {
                    call: "MPI_Init_thread",
                    peer: None,
                    message: "the library does not allow threads beside the one that calls it".into(),
                    by_death: false,
                });
            }
            let (world, returning) = (ffi::RSMPI_COMM_WORLD, ffi::RSMPI_ERRORS_RETURN);
            check("MPI_Comm_set_errhandler", None, ffi::MPI_Comm_set_errhandler(world, returning))?;
            Ok(thread_level)
        }
    }

    /// The world of a communicator that nothing else uses. `bridge`: between rank 0 and spawned workers.
    pub(super) fn of(
        comm: ffi::MPI_Comm,
        bridge: Option<ffi::MPI_Comm>,
        thread_level: c_int,
    ) -> Result<Self, TransportError> {
        // An abort of less than the world is a conversation in MPICH, and waits for ranks that are at a function.
        if bridge.is_some() {
            ABORTED.with(|aborted| aborted.set(Some(comm)));
        }
        // SAFETY: plain MPI calls on a live communicator; every out-pointer is to a live local.
        unsafe {
            let returning = ffi::RSMPI_ERRORS_RETURN;
            check("MPI_Comm_set_errhandler", None, ffi::MPI_Comm_set_errhandler(comm, returning))?;
            let (mut rank, mut size) = (0, 0);
            check("MPI_Comm_rank", None, ffi::MPI_Comm_rank(comm, &raw mut rank))?;
            check("MPI_Comm_size", None, ffi::MPI_Comm_size(comm, &raw mut size))?;
            let mut parent_of_groups = MaybeUninit::uninit();
            check("MPI_Comm_dup", None, ffi::MPI_Comm_dup(comm, parent_of_groups.as_mut_ptr()))?;
            let byte = ffi::RSMPI_UINT8_T;
            let mut block = MaybeUninit::uninit();
            let code = ffi::MPI_Type_contiguous(BLOCK as c_int, byte, block.as_mut_ptr());
            check("MPI_Type_contiguous", None, code)?;
            let mut block = block.assume_init();
            check("MPI_Type_commit", None, ffi::MPI_Type_commit(&raw mut block))?;
            Ok(Self {
                comm,
                parent_of_groups: parent_of_groups.assume_init(),
                bridge,
                byte,
                block,
                rank: rank as u32,
                size: size as u32,
                thread_level,
                yields: Yields::find(),
                windows: RefCell::default(),
                deaths: Deaths::of_library(),
            })
        }
    }

    pub(crate) fn rank(&self) -> u32 {
        self.rank
    }

    pub(crate) fn size(&self) -> u32 {
        self.size
    }

    /// What the library allows threads to do.
    pub(crate) fn thread_level(&self) -> &'static str {
        // SAFETY: constants of the library.
        unsafe {
            match self.thread_level {
                level if level == ffi::RSMPI_THREAD_MULTIPLE => "multiple",
                level if level == ffi::RSMPI_THREAD_SERIALIZED => "serialized",
                level if level == ffi::RSMPI_THREAD_FUNNELED => "funneled",
                _ => "single",
            }
        }
    }

    /// Frees a window when MPI is finalised.
    pub(super) fn keep(&self, window: ffi::MPI_Win) {
        self.windows.borrow_mut().push(window);
    }

    /// Finalises MPI. All messages must have been received, and no [`Region`](super::Region) is in use.
    pub(crate) fn finalize(mut self) -> Result<(), TransportError> {
        // SAFETY: called once, as `self` is consumed; no request is open by the caller's promise.
        unsafe {
            for mut window in self.windows.take() {
                check("MPI_Win_free", None, ffi::MPI_Win_free(&raw mut window))?;
            }
            check("MPI_Type_free", None, ffi::MPI_Type_free(&raw mut self.block))?;
            check("MPI_Comm_free", None, ffi::MPI_Comm_free(&raw mut self.parent_of_groups))?;
            check("MPI_Comm_free", None, ffi::MPI_Comm_free(&raw mut self.comm))?;
            if let Some(bridge) = &mut self.bridge {
                check("MPI_Comm_disconnect", None, ffi::MPI_Comm_disconnect(bridge))?;
            }
            check("MPI_Finalize", None, ffi::MPI_Finalize())
        }
    }

    /// Waits for all ranks: between two uses of the same world, so that their messages can't mix.
    pub(crate) fn barrier(&self) -> Result<(), TransportError> {
        // SAFETY: a collective call that all ranks make.
        check("MPI_Barrier", None, unsafe { ffi::MPI_Barrier(self.comm) })
    }

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
