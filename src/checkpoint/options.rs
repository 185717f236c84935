use super::Header;
use std::path::PathBuf;
use std::time::Duration;

/// How a checkpoint is kept.
#[derive(Clone, Debug)]
pub struct Options {
    /// The folder of all its files; made if it is not there.
    pub folder: PathBuf,
    /// What its files are called: `NAME.h5`, `NAME.journal`, ….
    pub name: String,
    /// What the files say about their run.
    pub header: Header,
    /// Time between two snapshots.
    pub interval: Duration,
    /// When the journal is put on disk for good.
    pub sync: SyncPolicy,
    /// Compress the snapshots: about a third smaller, ten times slower.
    pub compress: bool,
    /// Go on although facts are lost.
    pub accept_losses: bool,
    /// Take the lock although another host holds it.
    pub break_lock: bool,
}

/// When results that the system has are put on disk. They survive the death of any process anyway; this is
/// about the machine itself going down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SyncPolicy {
    /// At most so often, by a thread of its own.
    Every(Duration),
    /// In each commit, which waits for it.
    Always,
    /// When the system likes.
    Never,
}

impl Options {
    /// A snapshot every five minutes, the journal on disk once a second, not compressed.
    pub fn new(folder: impl Into<PathBuf>, name: impl Into<String>, header: Header) -> Self {
        Self {
            folder: folder.into(),
            name: name.into(),
            header,
            interval: Duration::from_secs(300),
            sync: SyncPolicy::Every(Duration::from_secs(1)),
            compress: false,
            accept_losses: false,
            break_lock: false,
        }
    }
}
