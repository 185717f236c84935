//! The program as its users see it, on ranks under a launcher.
//!
//! `MPIEXEC` chooses the launcher (default `mpiexec.openmpi`); it has to fit the library that was built with.

#![cfg(feature = "mpi")]
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a test may fail loudly, and name its seed")]

#[path = "../study_run/mod.rs"]
mod study_run;

mod data;
mod groups;
mod kill;
mod kinds;
mod losses;
#[cfg(feature = "python")]
mod python;
mod ranks;
mod spawned;
mod stopping;
mod stragglers;

use std::sync::{Mutex, MutexGuard, PoisonError};
use study_run::Folder;

/// One job at a time: several would only slow each other down.
fn machine() -> MutexGuard<'static, ()> {
    static MACHINE: Mutex<()> = Mutex::new(());
    MACHINE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Two learners whose points take a moment; their values are x.
const SLEEP: &str = r#"
[function]
builtin = "sleep"

[parameters]
seconds = [0.001, 0.002]

[learner]
type = "1d"
bounds = [0, 1]

[goal]
npoints = 60

[checkpoint]
interval = "40ms"
"#;

/// The same without an end.
fn forever() -> String {
    format!("goal = 'forever'\n{}", SLEEP.replace("[goal]\nnpoints = 60\n", ""))
}

/// Results that are on disk right now, while a run may go on.
fn results(folder: &Folder) -> usize {
    match folder.file("data/adaptive.journal").exists() {
        true => folder.read().len(),
        false => 0,
    }
}
