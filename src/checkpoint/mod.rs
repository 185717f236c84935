//! Checkpoint and journal: every result on disk, at any moment.
//!
//! Owned by rank 0. It stores only *facts* (points, values, failures, what is in flight, in which order and
//! from whom), never the state of a learner: learners are rebuilt from the facts. It knows nothing of
//! runners, pools or MPI.
//!
//! ```text
//! append ──► journal buffer ── commit: one write() ──► NAME.journal     survives kill -9
//!    │                                                    │ every other snapshot
//!    ▼                                                    ▼
//! columns ── tick: Arcs to a thread ──► NAME.h5.new    NAME.journal.old
//!                                          │ rename
//!                                          ▼
//!                                       NAME.h5 ──► NAME.h5.old
//! ```
//!
//! `NAME.h5` and the journals hold everything; `NAME.h5.old` and the journals hold everything too. Without
//! the `hdf5` feature there is only `NAME.journal`, which then is never begun anew.
//!
//! The file format is described in [`layout`].

mod codec;
mod columns;
mod error;
mod facts;
mod files;
mod journal;
mod load;
mod loaded;
mod lock;
mod options;
mod publish;
mod resume;
mod snapshot;
mod sync;
mod writer;

#[doc = include_str!("layout.md")]
pub mod layout {}

#[cfg(test)]
mod crash_tests;

pub use columns::{Columns, Row};
pub use error::CheckpointError;
pub use facts::{Ended, Ending, EndingKind, Fact, Failed, Header, Meta, Told};
pub use files::files_of;
pub use load::read;
pub use loaded::Loaded;
pub use lock::Holder;
pub use options::{Options, SyncPolicy};
pub use writer::{Checkpoint, Stats};
