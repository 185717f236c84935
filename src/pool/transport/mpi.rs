//! Messages over MPI. The only module with raw MPI calls: rsmpi's safe wrappers ignore return codes, and here
//! each one is checked.
//!
//! - Sends are `MPI_Isend` with buffers that this module owns until the request completes, so nothing ever
//!   waits for a receiver.
//! - A message is received when a probe has found it. Small ones are received in place; larger ones with a
//!   request, because their sender may be busy or stopped in the middle, and the rest must go on.
//! - Messages beyond 1 GiB travel as blocks of 1 MiB, since MPI counts are 32 bits wide. The last block is
//!   padded; readers go by the lengths inside.
//! - All calls come from one thread (`MPI_THREAD_FUNNELED`).
#![expect(unsafe_code, reason = "the MPI library is a C library")]

use super::{Buffers, Received, Transport, TransportError};
use ::mpi::ffi;
use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use std::ffi::{CStr, c_char, c_int, c_void};
use std::mem::MaybeUninit;
use std::os::fd::{BorrowedFd, RawFd};
use std::rc::Rc;
use std::time::{Duration, Instant};

const SMALL: c_int = 1;
const BLOCKS: c_int = 2;
const BLOCK: usize = 1 << 20;
/// From this size on, messages travel as blocks.
const BLOCKS_FROM: usize = 1 << 30;
/// Up to this size a message is sent eagerly by every library, so that receiving it never waits.
const IN_PLACE: usize = 2048;
/// Requests looked at per visit, so that a stuck one does not make every visit long.
const REQUESTS_PER_VISIT: usize = 8;
/// Polls without giving the core away, at the start of waiting.
const HOT_POLLS: u32 = 32;
/// Between the last words of a job and its abort.
const LAST_WORDS: Duration = Duration::from_millis(300);

/// Whether messages are received by matched probes; off where `ADAPTIVE_MPI_MATCHED_PROBE=0`, for libraries
/// and networks on which these are broken.
pub(crate) fn matched_probe_wanted(setting: Option<&str>) -> bool {
    !matches!(setting.map(str::trim), Some("0" | "false" | "no" | "off"))
}

fn text(bytes: &[u8]) -> String {
    CStr::from_bytes_until_nul(bytes).map(|text| text.to_string_lossy().into_owned()).unwrap_or_default()
}

fn check(call: &'static str, peer: Option<u32>, code: c_int) -> Result<(), TransportError> {
    if code == ffi::MPI_SUCCESS as c_int {
        return Ok(());
    }
    let mut buffer = [0_u8; ffi::MPI_MAX_ERROR_STRING as usize + 1];
    let mut length = 0;
    // SAFETY: the buffer has the size that the library asks for.
    let told = unsafe { ffi::MPI_Error_string(code, buffer.as_mut_ptr().cast::<c_char>(), &raw mut length) };
    let message = if told == ffi::MPI_SUCCESS as c_int { text(&buffer) } else { format!("code {code}") };
    Err(TransportError { call, peer, message })
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
            ffi::MPI_Abort(ffi::RSMPI_COMM_WORLD, code);
        }
    }
}

/// This process in MPI: a communicator of our own over all ranks.
pub(crate) struct MpiWorld {
    comm: ffi::MPI_Comm,
    byte: ffi::MPI_Datatype,
    block: ffi::MPI_Datatype,
    rank: u32,
    size: u32,
    thread_level: c_int,
}

impl MpiWorld {
    /// Initialises MPI. Once per process.
    pub(crate) fn init() -> Result<Self, TransportError> {
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
                });
            }
            let world = ffi::RSMPI_COMM_WORLD;
            let returning = ffi::RSMPI_ERRORS_RETURN;
            check("MPI_Comm_set_errhandler", None, ffi::MPI_Comm_set_errhandler(world, returning))?;
            let mut comm = MaybeUninit::uninit();
            check("MPI_Comm_dup", None, ffi::MPI_Comm_dup(world, comm.as_mut_ptr()))?;
            let comm = comm.assume_init();
            check("MPI_Comm_set_errhandler", None, ffi::MPI_Comm_set_errhandler(comm, returning))?;
            let (mut rank, mut size) = (0, 0);
            check("MPI_Comm_rank", None, ffi::MPI_Comm_rank(comm, &raw mut rank))?;
            check("MPI_Comm_size", None, ffi::MPI_Comm_size(comm, &raw mut size))?;
            let byte = ffi::RSMPI_UINT8_T;
            let mut block = MaybeUninit::uninit();
            let code = ffi::MPI_Type_contiguous(BLOCK as c_int, byte, block.as_mut_ptr());
            check("MPI_Type_contiguous", None, code)?;
            let mut block = block.assume_init();
            check("MPI_Type_commit", None, ffi::MPI_Type_commit(&raw mut block))?;
            Ok(Self { comm, byte, block, rank: rank as u32, size: size as u32, thread_level })
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

    /// Finalises MPI. All messages must have been received.
    pub(crate) fn finalize(mut self) -> Result<(), TransportError> {
        // SAFETY: called once, as `self` is consumed; no request is open by the caller's promise.
        unsafe {
            check("MPI_Type_free", None, ffi::MPI_Type_free(&raw mut self.block))?;
            check("MPI_Comm_free", None, ffi::MPI_Comm_free(&raw mut self.comm))?;
            check("MPI_Finalize", None, ffi::MPI_Finalize())
        }
    }

    /// Starts to send. The buffer must live, unmoved on the heap, until the request completes.
    fn isend(&self, to: u32, message: &mut Vec<u8>) -> Result<ffi::MPI_Request, TransportError> {
        let (count, datatype, tag) = if message.len() < BLOCKS_FROM {
            (message.len(), self.byte, SMALL)
        } else {
            let blocks = message.len().div_ceil(BLOCK);
            message.resize(blocks * BLOCK, 0);
            (blocks, self.block, BLOCKS)
        };
        let mut request = MaybeUninit::uninit();
        // SAFETY: the buffer holds `count` items; the caller keeps it until the request completes.
        let code = unsafe {
            ffi::MPI_Isend(
                message.as_ptr().cast::<c_void>(),
                count as c_int,
                datatype,
                to as c_int,
                tag,
                self.comm,
                request.as_mut_ptr(),
            )
        };
        check("MPI_Isend", Some(to), code)?;
        // SAFETY: set by the successful call.
        Ok(unsafe { request.assume_init() })
    }

    /// Whether a request has completed.
    fn test(
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

    /// Looks for a message, and receives it or starts to.
    fn probe(&self, matched: bool, buffers: &mut Buffers) -> Result<Probed, TransportError> {
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
        if length <= IN_PLACE {
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
            return Ok(Probed::Whole(Received { from, message }));
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
        Ok(Probed::Begun(Open { request, peer: from, message, length }))
    }
}

enum Probed {
    Nothing,
    Whole(Received),
    Begun(Open),
}

/// A send or receive under way, with its buffer.
struct Open {
    request: ffi::MPI_Request,
    peer: u32,
    message: Vec<u8>,
    /// What the buffer will hold.
    length: usize,
}

/// How a waiting rank spends its time: poll, then poll and yield, then sleep longer and longer.
pub(crate) struct Ladder {
    pub(crate) spin: Duration,
    pub(crate) longest_sleep: Duration,
}

/// A rank's end of the traffic.
pub(crate) struct MpiTransport {
    world: Rc<MpiWorld>,
    matched: bool,
    start: Instant,
    sends: Vec<Open>,
    receives: Vec<Open>,
    next_send: usize,
    buffers: Buffers,
    ladder: Ladder,
    /// Since when nothing has come, and when that was last looked at.
    quiet: Option<(Instant, Instant)>,
    sleep: Duration,
    hot: u32,
}

const FIRST_SLEEP: Duration = Duration::from_micros(50);
/// How long a rank polls at full speed for a large message that does not get on.
const TRANSFER_SPIN: Duration = Duration::from_millis(20);

impl MpiTransport {
    pub(crate) fn new(world: Rc<MpiWorld>, ladder: Ladder, matched: bool) -> Self {
        Self {
            world,
            matched,
            start: Instant::now(),
            sends: Vec::new(),
            receives: Vec::new(),
            next_send: 0,
            buffers: Buffers::default(),
            ladder,
            quiet: None,
            sleep: FIRST_SLEEP,
            hot: 0,
        }
    }

    /// Looks at some of the open sends and frees the buffers of completed ones.
    fn reap(&mut self, most: usize) -> Result<(), TransportError> {
        for _ in 0..most.min(self.sends.len()) {
            if self.next_send >= self.sends.len() {
                self.next_send = 0;
            }
            let open = &mut self.sends[self.next_send];
            match self.world.test("MPI_Isend", open.peer, &mut open.request) {
                Ok(true) => {
                    let open = self.sends.swap_remove(self.next_send);
                    self.buffers.put(open.message);
                }
                Ok(false) => self.next_send += 1,
                Err(error) => {
                    // The request is over; its buffer may go.
                    self.sends.swap_remove(self.next_send);
                    return Err(error);
                }
            }
        }
        Ok(())
    }

    fn poll(&mut self) -> Result<Option<Received>, TransportError> {
        if !self.sends.is_empty() {
            self.reap(REQUESTS_PER_VISIT)?;
        }
        for i in 0..self.receives.len().min(REQUESTS_PER_VISIT) {
            let open = &mut self.receives[i];
            match self.world.test("MPI_Irecv", open.peer, &mut open.request) {
                Ok(true) => return Ok(Some(Self::complete(self.receives.remove(i)))),
                Ok(false) => {}
                Err(error) => {
                    self.receives.remove(i);
                    return Err(error);
                }
            }
        }
        match self.world.probe(self.matched, &mut self.buffers)? {
            Probed::Nothing => Ok(None),
            Probed::Whole(received) => Ok(Some(received)),
            Probed::Begun(mut open) => {
                if self.world.test("MPI_Irecv", open.peer, &mut open.request)? {
                    return Ok(Some(Self::complete(open)));
                }
                self.receives.push(open);
                Ok(None)
            }
        }
    }

    fn complete(mut open: Open) -> Received {
        // SAFETY: the receive has completed, so the library has filled so many bytes.
        unsafe { open.message.set_len(open.length) };
        Received { from: open.peer, message: open.message }
    }
}

impl Transport for MpiTransport {
    fn abandon(&mut self, code: u8) -> ! {
        // MPICH's launcher throws away what it has not passed on by then: the last words of this run.
        std::thread::sleep(LAST_WORDS);
        abort(i32::from(code));
        std::process::exit(i32::from(code))
    }

    fn now(&self) -> Duration {
        self.start.elapsed()
    }

    fn send(&mut self, to: u32, mut message: Vec<u8>) -> Result<(), TransportError> {
        let length = message.len();
        let mut request = self.world.isend(to, &mut message)?;
        // Most sends are small and done at once.
        if self.world.test("MPI_Isend", to, &mut request)? {
            self.buffers.put(message);
        } else {
            self.sends.push(Open { request, peer: to, message, length });
        }
        Ok(())
    }

    fn try_receive(&mut self) -> Result<Option<Received>, TransportError> {
        let received = self.poll()?;
        if received.is_some() {
            self.quiet = None;
        }
        Ok(received)
    }

    fn receive(&mut self, limit: Duration) -> Result<Option<Received>, TransportError> {
        let mut began = None;
        loop {
            if let Some(received) = self.try_receive()? {
                return Ok(Some(received));
            }
            if self.quiet.is_some() && self.hot < HOT_POLLS {
                self.hot += 1;
                std::hint::spin_loop();
                continue;
            }
            let now = Instant::now();
            let began = *began.get_or_insert(now);
            // The ladder goes on from call to call; who was away for a while begins anew.
            let since = match self.quiet {
                Some((since, last)) if now - last <= 4 * self.ladder.longest_sleep => since,
                _ => {
                    (self.sleep, self.hot) = (FIRST_SLEEP, 0);
                    now
                }
            };
            self.quiet = Some((since, now));
            let Some(left) = limit.checked_sub(now - began).filter(|left| !left.is_zero()) else {
                return Ok(None);
            };
            // A large message under way needs frequent visits; one that is stuck must not burn the core.
            let busy = !(self.receives.is_empty() && self.sends.is_empty());
            if now - since < self.ladder.spin || (busy && now - since < TRANSFER_SPIN) {
                std::thread::yield_now();
            } else {
                std::thread::sleep(self.sleep.min(left));
                self.sleep = (2 * self.sleep).min(self.ladder.longest_sleep);
                self.quiet = Some((since, Instant::now()));
            }
        }
    }

    fn unsent(&mut self) -> Result<usize, TransportError> {
        self.reap(usize::MAX)?;
        Ok(self.sends.len())
    }

    fn buffer(&mut self) -> Vec<u8> {
        self.buffers.take()
    }

    fn recycle(&mut self, buffer: Vec<u8>) {
        self.buffers.put(buffer);
    }
}

impl Drop for MpiTransport {
    fn drop(&mut self) {
        // The library may still read or write the buffers of open requests: they must outlive the process's
        // use of MPI.
        std::mem::forget((std::mem::take(&mut self.sends), std::mem::take(&mut self.receives)));
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
