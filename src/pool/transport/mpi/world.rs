//! This process in MPI. rsmpi's safe wrappers ignore return codes; all raw MPI calls in this folder are checked.
#![expect(unsafe_code, reason = "the MPI library is a C library")]

use super::deaths::{self, Deaths};
use super::messages::BLOCK;
use super::yields::Yields;
use crate::pool::error::TransportError;
use crate::pool::launch::Launch;
use ::mpi::ffi;
use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use std::cell::{Cell, RefCell};
use std::ffi::{CStr, c_char, c_int};
use std::mem::MaybeUninit;
use std::os::fd::{BorrowedFd, RawFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::RecvTimeoutError;
use std::time::Duration;

/// A pool of this process is at work over MPI.
static AT_WORK: AtomicBool = AtomicBool::new(false);
/// MPI was initialised for a pool, and not by the program around it.
static OURS: AtomicBool = AtomicBool::new(false);

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
    pub(super) block: ffi::MPI_Datatype,
    rank: u32,
    size: u32,
    thread_level: c_int,
    pub(super) yields: Yields,
    /// Shared memory that lives until the end.
    windows: RefCell<Vec<ffi::MPI_Win>>,
    /// Where the library can say who is dead.
    pub(super) deaths: Option<Deaths>,
}

/// So long MPI may take to come up before that is told.
const SLOW: Duration = Duration::from_secs(60);

/// Says that MPI does not come up, once and on one rank: if a rank ends meanwhile, some libraries let the others wait for ever.
fn told_if_slow<T>(init: impl FnOnce() -> T) -> T {
    let (_done, waiting) = std::sync::mpsc::channel::<()>();
    let watch = move || {
        if waiting.recv_timeout(SLOW) == Err(RecvTimeoutError::Timeout) {
            tracing::warn!(
                "MPI has not come up for {SLOW:?}: not all ranks are there yet, or one has ended while it was to come up, \
                 which some launchers do not tell the others. If this lasts, end the job and start it again"
            );
        }
    };
    if Launch::of_process().rank.unwrap_or(0) == 0 {
        // It is only for the message.
        let _ = std::thread::Builder::new().name("mpi start".into()).spawn(watch);
    }
    init()
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

    /// Initialises MPI, unless the program has done so; what it allows threads to do. The calls that follow are those of all
    /// ranks together: for a single rank, as in a task of another pool, they would never end.
    pub(super) fn start() -> Result<c_int, TransportError> {
        let refused = |message: &str| {
            Err(TransportError {
                call: "MPI_Init_thread",
                peer: None,
                message: message.into(),
                by_death: false,
            })
        };
        if AT_WORK.swap(true, Ordering::Relaxed) {
            return refused(
                "a pool is at work in this process already, as in a task or the main function of another: tasks are \
                 handed in there",
            );
        }
        // SAFETY: plain MPI calls; every out-pointer is to a live local.
        unsafe {
            let (mut up, mut down, mut thread_level) = (0, 0, 0);
            check("MPI_Initialized", None, ffi::MPI_Initialized(&raw mut up))?;
            check("MPI_Finalized", None, ffi::MPI_Finalized(&raw mut down))?;
            if down != 0 {
                return refused("MPI was finalised in this process, and can't be initialised again");
            }
            OURS.store(up == 0, Ordering::Relaxed);
            if up == 0 {
                let code = told_if_slow(|| {
                    let (none, wanted) = (std::ptr::null_mut(), ffi::RSMPI_THREAD_FUNNELED);
                    ffi::MPI_Init_thread(none, std::ptr::null_mut(), wanted, &raw mut thread_level)
                });
                check("MPI_Init_thread", None, code)?;
            } else {
                check("MPI_Query_thread", None, ffi::MPI_Query_thread(&raw mut thread_level))?;
            }
            if thread_level < ffi::RSMPI_THREAD_FUNNELED {
                return refused("the library does not allow threads beside the one that calls it");
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

    /// Finalises MPI, if it was initialised by [`Self::init`]. All messages must have been received, and no
    /// [`Region`](super::Region) is in use.
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
            AT_WORK.store(false, Ordering::Relaxed);
            if OURS.load(Ordering::Relaxed) {
                check("MPI_Finalize", None, ffi::MPI_Finalize())
            } else {
                Ok(())
            }
        }
    }

    /// Waits for all ranks: between two uses of the same world, so that their messages can't mix.
    pub(crate) fn barrier(&self) -> Result<(), TransportError> {
        // SAFETY: a collective call that all ranks make.
        check("MPI_Barrier", None, unsafe { ffi::MPI_Barrier(self.comm) })
    }
}
