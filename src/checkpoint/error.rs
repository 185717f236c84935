use super::Holder;
use std::io;
use std::path::{Path, PathBuf};

/// Why a checkpoint can't be opened, read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CheckpointError {
    /// Results could not be written to the journal: from here on, they are in memory only (exit 6).
    #[error(
        "could not {action} {path}: {source}; {} or move the study's files to another `checkpoint.folder`, which begins anew \
         without them",
        mend(source)
    )]
    NotSaved {
        /// What was tried.
        action: &'static str,
        /// On which file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A snapshot could not be written. All results are in the journal; the next interval tries again.
    #[error("could not write the checkpoint {path}: {reason}; all results are safe in the journal beside it")]
    Snapshot {
        /// The file that was to be written.
        path: PathBuf,
        /// What went wrong.
        reason: String,
    },
    /// Something on disk can't be read, and what it holds is nowhere else (exit 5).
    #[error("can't read {path}: {reason}; nothing was changed")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The file was made by a newer version of this program (exit 5).
    #[error(
        "{path} has format {}.{}, but this program knows formats up to {}.{}; use the newer program",
        found.0, found.1, known.0, known.1
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its format, major and minor.
        found: (u16, u16),
        /// The newest known format.
        known: (u16, u16),
    },
    /// Another run holds the checkpoint (exit 7).
    #[error("{path} says that another run holds this checkpoint: {holder}; {advice}")]
    Locked {
        /// The lock file.
        path: PathBuf,
        /// Who holds it.
        holder: Box<Holder>,
        /// How to go on.
        advice: String,
    },
    /// Another run has added learners since the header of the options was made from these files (exit 7).
    #[error("{path} was changed by another run while this one began; start it again")]
    Changed {
        /// The file.
        path: PathBuf,
    },
    /// The file holds something else than what is to be written to it (exit 2).
    #[error("{path} is {what}")]
    Foreign {
        /// The file.
        path: PathBuf,
        /// What it is.
        what: String,
    },
    /// The lock was taken away from this run: another one may write now (exit 7).
    #[error("the lock {path} was taken over by another run, or deleted; this one stops writing")]
    LockLost {
        /// The lock file.
        path: PathBuf,
    },
}

/// What makes writing possible again.
fn mend(error: &io::Error) -> &'static str {
    use io::ErrorKind::{
        FileTooLarge, NotADirectory, PermissionDenied, QuotaExceeded, ReadOnlyFilesystem, StorageFull,
    };
    match error.kind() {
        StorageFull | QuotaExceeded | FileTooLarge => "free space there, raise its limit,",
        PermissionDenied | ReadOnlyFilesystem => "make it writable",
        NotADirectory => "move away what stands there",
        _ => "mend that",
    }
}

impl CheckpointError {
    /// Whether everything told is on disk all the same: a warning, not an end.
    pub fn results_are_safe(&self) -> bool {
        matches!(self, Self::Snapshot { .. })
    }

    pub(super) fn not_saved(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::NotSaved { action, path, source }
    }

    pub(super) fn unreadable(path: &Path, reason: impl Into<String>) -> Self {
        Self::Unreadable { path: path.to_owned(), reason: reason.into() }
    }
}
