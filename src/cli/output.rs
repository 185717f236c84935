//! The one place that prints. Only rank 0 speaks: many ranks may run the same command.

use super::exit::{CommandError, Exit};
use std::io::{ErrorKind, IsTerminal, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use tracing_subscriber::EnvFilter;

static SILENT: AtomicBool = AtomicBool::new(false);
/// Some output could not be written.
static LOST: AtomicBool = AtomicBool::new(false);

/// From now on nothing is printed: another rank speaks for all.
pub(super) fn be_silent() {
    SILENT.store(true, Ordering::Relaxed);
}

/// Shows what the layers below log: warnings of rank 0, and of any rank what `RUST_LOG` asks for.
pub(super) fn show_log() {
    let usual = if speaks() { "adaptive_mpi=warn" } else { "off" };
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(usual));
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_ansi(on_terminal()).without_time();
    // Where nobody reads on (a launcher that has lost its way), the log is lost; telling of that there would be a panic.
    let log = log.with_writer(std::io::stderr).log_internal_errors(false);
    // A binary around this library may have a log of its own, which then stays.
    let _ = log.try_init();
}

fn speaks() -> bool {
    !SILENT.load(Ordering::Relaxed)
}

/// One piece of output, in a single write: launchers mix the writes of ranks.
pub(super) fn print(text: impl std::fmt::Display) {
    if speaks() {
        let text = format!("{text}\n");
        match std::io::stdout().write_all(text.as_bytes()) {
            // A closed pipe (`| head`) is no fault of ours.
            Err(error) if error.kind() != ErrorKind::BrokenPipe => {
                note(format!("error: the output can't be written: {error}"));
                LOST.store(true, Ordering::Relaxed);
            }
            _ => {}
        }
    }
}

/// How a command ends whose output may be lost.
pub(super) fn told(exit: Exit) -> Exit {
    if exit == Exit::Done && LOST.load(Ordering::Relaxed) { Exit::NotSaved } else { exit }
}

/// A message to people, beside the output.
pub(super) fn note(text: impl std::fmt::Display) {
    if speaks() {
        let text = format!("{text}\n");
        let _ = std::io::stderr().write_all(text.as_bytes());
    }
}

/// An error with its advice.
pub(super) fn error(error: &CommandError) {
    // A study error comes fully rendered, with its own `error:` and `help:`.
    let prefix = if error.message.starts_with("error") { "" } else { "error: " };
    let help = if error.help.is_empty() { String::new() } else { format!("\nhelp: {}", error.help) };
    note(format!("{prefix}{}{help}", error.message.trim_end()));
}

/// Whether someone watches standard error on a terminal.
pub(super) fn on_terminal() -> bool {
    std::io::stderr().is_terminal()
}
