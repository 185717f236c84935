//! Results that were paid for once: the same function with the same arguments is never computed twice, within a run and
//! across runs that share the file.
//!
//! - [`Cache`] keeps the values of studies (`[function] cache`), [`TaskCache`] the results of a pool's tasks
//!   (`cache_directory` in executorlib, `Memory.cache` in joblib).
//! - Owned by rank 0: workers neither read nor write it.
//! - Everything is kept under its *call*, a text that names what is computed (function, version, parameters), and its
//!   arguments, to the bit. Failures are not kept: they are tried again.
//!
//! All is in one file, a [checkpoint](crate::checkpoint::layout) whose learners are calls, so that a crash at any moment
//! costs nothing here either, and h5py and xarray read it as they read a run: `/learners/parameters` has the calls,
//! `/points` the arguments and values.

mod map;
mod points;
mod store;
mod tasks;
mod text;

pub use map::CachedImap;
pub use points::{Cache, Key};
pub use tasks::{CachedTask, TaskCache};
