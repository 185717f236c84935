//! Writes a snapshot beside the generation that is there and puts it in its place, step by step, so that
//! whatever happens between two steps leaves a readable generation under one of the two names.

use super::files::{Files, Part};
use super::snapshot::{self, Snapshot};
use std::fs::File;
use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Number of facts in each generation on disk, where there is one that can be read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Published {
    pub(super) newest: Option<u64>,
    pub(super) old: Option<u64>,
}

impl Published {
    fn on_disk(files: &Files) -> Self {
        let sequence = |part| snapshot::read_sequence(&files.path(part)).ok();
        Self { newest: sequence(Part::Snapshot), old: sequence(Part::SnapshotOld) }
    }
}

/// What a thread needs to write a generation.
pub(super) struct Work {
    pub(super) files: Files,
    pub(super) snapshot: Snapshot,
    /// The journal of those facts of the snapshot that may not be on disk yet. It is synced first: otherwise
    /// a machine that goes down could leave a generation with facts that no journal has.
    pub(super) journal: Arc<File>,
    pub(super) compress: bool,
}

/// Writes and publishes; returns what is on disk then, in either case.
pub(super) fn publish(work: &Work) -> (Published, Result<(), String>) {
    let result = try_publish(work);
    if result.is_err() {
        // A draft that stays behind is removed when the checkpoint is opened next.
        let _ = work.files.remove(Part::SnapshotNew);
    }
    (Published::on_disk(&work.files), result)
}

fn try_publish(work: &Work) -> Result<(), String> {
    let Work { files, snapshot, journal, compress } = work;
    let text = |error: io::Error| error.to_string();
    files.sync(journal).map_err(text)?;
    let draft = files.path(Part::SnapshotNew);
    files.remove(Part::SnapshotNew).map_err(text)?;
    if !*compress {
        enough_room(files, snapshot)?;
    }
    files.step("snapshot").map_err(text)?;
    snapshot::write(&draft, snapshot, *compress)?;
    snapshot::seal(&draft, snapshot.sequence).map_err(text)?;
    files.sync(&files.open_for_writing(Part::SnapshotNew).map_err(text)?).map_err(text)?;
    if files.exists(Part::Snapshot) {
        files.keep_as(Part::Snapshot, Part::SnapshotOld).map_err(text)?;
    }
    files.rename(Part::SnapshotNew, Part::Snapshot).map_err(text)?;
    files.sync_folder().map_err(text)
}

/// HDF5 copes badly with a full disk, so it is not tried where the file can't fit.
fn enough_room(files: &Files, snapshot: &Snapshot) -> Result<(), String> {
    let Ok(disk) = nix::sys::statvfs::statvfs(files.folder()) else { return Ok(()) };
    let free = disk.blocks_available() as u128 * disk.fragment_size() as u128;
    let needed = snapshot.bytes() as u128;
    if free < needed {
        return Err(format!("it needs about {} MB, but only {} MB are free", needed >> 20, free >> 20));
    }
    Ok(())
}

/// A snapshot being written by a thread of its own.
pub(super) struct Job {
    thread: JoinHandle<(Published, Result<(), String>, Duration)>,
    files: Files,
}

impl Job {
    pub(super) fn start(work: Work) -> io::Result<Self> {
        let kept = work.files.clone();
        let thread = std::thread::Builder::new().name("snapshot".into()).spawn(move || {
            let started = Instant::now();
            let (published, result) = publish(&work);
            (published, result, started.elapsed())
        })?;
        Ok(Self { thread, files: kept })
    }

    pub(super) fn is_finished(&self) -> bool {
        self.thread.is_finished()
    }

    /// Waits for it: what is on disk then, how it went, how long it took.
    pub(super) fn join(self) -> (Published, Result<(), String>, Duration) {
        self.thread.join().unwrap_or_else(|_| {
            (Published::on_disk(&self.files), Err("its thread panicked".into()), Duration::ZERO)
        })
    }
}
