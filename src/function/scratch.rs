//! Folders for one evaluation each.

use super::guard;
use std::io;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// When a folder stays behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Keep {
    Never,
    Failed,
    Always,
}

/// A folder that goes away when this is dropped, and one that is never kept also when this process is killed.
#[derive(Debug)]
pub(super) struct Scratch {
    /// Until it is kept.
    folder: Option<TempDir>,
    watched: bool,
}

impl Scratch {
    /// Makes one.
    pub(super) fn make(parent: &Path, keep: Keep) -> io::Result<Self> {
        let folder = tempfile::Builder::new().prefix("adaptive-mpi-").tempdir_in(parent)?;
        // An evaluation that was killed has failed.
        let watched = keep == Keep::Never;
        if watched {
            guard::watch_folder(folder.path());
        }
        Ok(Self { folder: Some(folder), watched })
    }

    pub(super) fn path(&self) -> &Path {
        self.folder.as_ref().map_or(Path::new(""), TempDir::path)
    }

    /// Leaves it where it is.
    pub(super) fn keep(mut self) -> PathBuf {
        self.folder.take().map_or_else(PathBuf::new, TempDir::keep)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let Some(folder) = self.folder.take() else { return };
        let path = folder.path().to_owned();
        // What can't be removed is tried again by the guard.
        if folder.close().is_ok() && self.watched {
            guard::release_folder(&path);
        }
    }
}
