//! The last words of a process whose function ends it.
//!
//! A function that is called inside of its worker may crash or call `exit`, and the process is gone before anybody
//! can say what it was at; most launchers end all ranks then, rank 0 among them. So the process itself says so before
//! it ends.
#![expect(unsafe_code, reason = "handlers of signals and of the end of a process are C functions")]

use super::evaluator::is_evaluating;
use nix::libc::{self, c_int};
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicI32, AtomicU32, Ordering};

/// What a user can do about such a function.
pub const ADVICE: &str =
    "with `isolate = true` in [function], a function that crashes or calls exit costs one attempt";

const SIGNALS: [(Signal, &str); 5] = [
    (Signal::SIGSEGV, "SIGSEGV"),
    (Signal::SIGBUS, "SIGBUS"),
    (Signal::SIGILL, "SIGILL"),
    (Signal::SIGFPE, "SIGFPE"),
    (Signal::SIGABRT, "SIGABRT"),
];

/// What was done at each of the signals before.
static BEFORE: [OnceLock<SigAction>; SIGNALS.len()] = [const { OnceLock::new() }; SIGNALS.len()];
/// The last words, by signal; the last one is for `exit`. Made in advance: at a crash no memory can be had.
static WORDS: OnceLock<[String; SIGNALS.len() + 1]> = OnceLock::new();
static EXIT: AtomicI32 = AtomicI32::new(0);
/// The process itself: what a function forks off may end as it likes.
static PROCESS: AtomicU32 = AtomicU32::new(0);

/// From now on the process tells of a crash in the function, and then does what it would have done. After an `exit`
/// in there it ends with this code, whatever the function wanted: an `exit(0)` must not look like a goal that was
/// reached.
///
/// `who` begins the message: `rank 3: `, for instance. Only the first call counts.
pub fn tell(who: &str, exit: u8) {
    let words = |what: &str| format!("error: {who}the function {what}\nhelp: {ADVICE}\n");
    let mut all: [String; SIGNALS.len() + 1] = Default::default();
    for (words_of, (_, name)) in all.iter_mut().zip(SIGNALS) {
        *words_of = words(&format!("crashed ({name})"));
    }
    all[SIGNALS.len()] = words("has ended its process (a call of exit)");
    if WORDS.set(all).is_err() {
        return;
    }
    EXIT.store(i32::from(exit), Ordering::Relaxed);
    PROCESS.store(std::process::id(), Ordering::Relaxed);
    for (place, (signal, _)) in SIGNALS.iter().enumerate() {
        let action = SigAction::new(SigHandler::Handler(on_signal), SaFlags::SA_ONSTACK, SigSet::empty());
        // SAFETY: the handler only does what a handler may do: it reads, writes to a file, and sets an action.
        if let Ok(before) = unsafe { sigaction(*signal, &action) } {
            let _ = BEFORE[place].set(before);
        }
    }
    // SAFETY: the function may be called whenever the process ends.
    unsafe { libc::atexit(on_exit) };
}

extern "C" fn on_signal(number: c_int) {
    let Some(place) = SIGNALS.iter().position(|(signal, _)| *signal as c_int == number) else { return };
    say(place);
    if let Some(before) = BEFORE[place].get() {
        // SAFETY: what was there before. The signal comes again at once: the instruction that has failed is tried
        // again, and `abort` insists.
        let _ = unsafe { sigaction(SIGNALS[place].0, before) };
    }
}

extern "C" fn on_exit() {
    if is_of_function() {
        say(SIGNALS.len());
        // SAFETY: writes what the function has printed; then the process is gone.
        unsafe {
            libc::fflush(std::ptr::null_mut());
            libc::_exit(EXIT.load(Ordering::Relaxed));
        }
    }
}

fn say(place: usize) {
    if let (true, Some(words)) = (is_of_function(), WORDS.get()) {
        let words = words[place].as_bytes();
        // SAFETY: the text lives as long as the process.
        unsafe { libc::write(libc::STDERR_FILENO, words.as_ptr().cast(), words.len()) };
    }
}

/// Whether this thread is in the function: what happens elsewhere has other reasons.
fn is_of_function() -> bool {
    is_evaluating() && std::process::id() == PROCESS.load(Ordering::Relaxed)
}
