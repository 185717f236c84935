//! Snapshots: all facts up to a sequence number as one HDF5 file, written whole and read whole.
//!
//! Without the `hdf5` feature there are none: writing and reading say so, and the journal holds everything.

#[cfg(feature = "hdf5")]
mod learners;
#[cfg(feature = "hdf5")]
mod read;
mod seal;
#[cfg(feature = "hdf5")]
mod text;
#[cfg(feature = "hdf5")]
mod write;

use super::columns::{Chunks, Columns};
use super::{Ended, Failed, Header};
use crate::model::Sample;
pub(super) use seal::{read_sequence, seal};
#[cfg(feature = "hdf5")]
pub(super) use {read::read, write::write};

/// Whether this build writes snapshots.
pub(super) const AVAILABLE: bool = cfg!(feature = "hdf5");

/// What a snapshot file holds.
#[derive(Clone, Debug, Default)]
pub(super) struct Snapshot {
    /// As read: (major, minor). Always written as this program's own.
    pub(super) format: (u16, u16),
    pub(super) header: Header,
    pub(super) columns: Columns,
    /// With the sequence number of each.
    pub(super) failures: Chunks<(u64, Failed)>,
    pub(super) in_flight: Vec<Sample>,
    /// Number of facts.
    pub(super) sequence: u64,
    /// Counts the snapshots of a run, from 1.
    pub(super) generation: u64,
    /// Seconds since 1970.
    pub(super) written: f64,
    pub(super) ended: Option<Ended>,
}

impl Snapshot {
    /// About how many bytes its file has, uncompressed.
    pub(super) fn bytes(&self) -> usize {
        let width = self.columns.x_width() + self.columns.y_width();
        self.columns.len() * (36 + 8 * width) + 300 * self.failures.len() + (1 << 20)
    }
}

/// Why a snapshot file gave nothing.
#[derive(Debug)]
pub(super) enum ReadError {
    Missing,
    Unreadable(String),
    /// Not of this format: (major, minor).
    Newer((u16, u16)),
}

#[cfg(not(feature = "hdf5"))]
mod without {
    use super::{ReadError, Snapshot};
    use std::path::Path;

    const NO_HDF5: &str = "this program was built without HDF5";

    pub(in crate::checkpoint) fn write(_: &Path, _: &Snapshot, _compress: bool) -> Result<(), String> {
        Err(NO_HDF5.into())
    }

    pub(in crate::checkpoint) fn read(path: &Path) -> Result<Snapshot, ReadError> {
        super::seal::check(path)?;
        Err(ReadError::Unreadable(NO_HDF5.into()))
    }
}
#[cfg(not(feature = "hdf5"))]
pub(super) use without::{read, write};
