//! The pool: typed tasks on every worker, over MPI, threads or simulated time.
//!
//! A general executor in the style of `mpi4py.futures`. It knows nothing of learners. All ranks build the same
//! [`Program`]; rank 0 gets a [`Pool`] to hand tasks to, the others serve.
//!
//! ```text
//! Program ── run ──┬─ rank 0:  Pool, Future, Queue, maps what users hold
//!                  │            └ dispatcher            encoded tasks, unread answers, tickets of futures
//!                  │               ├ scheduler          pure: who gets what, and when
//!                  │               └ transport          mpi | threads | sim
//!                  └─ others:  worker ── transport      runs tasks, answers
//! ```
//!
//! Those who come from Python find their calls in [`coming_from_mpi4py`].
//!
//! What it promises:
//!
//! - Rank 0 never waits for a receiver. Messages move while a method of the pool is called, on one thread.
//! - How many tasks a worker holds and how many share a message follows from measured durations: one at a
//!   time when tasks are long, more when they are short.
//! - An error, a panic or a malformed payload is the answer of one task and touches no other. A panic anywhere
//!   else ends the job at once, on all ranks.
//! - A large vector of numbers (`Vec<f64>`, `Vec<u8>` … of 16 KiB to 1 GiB) that is the argument or the result of a task
//!   travels beside its message, from the memory it lies in, at the speed of plain MPI. Inside of other types it is encoded.
//! - A lost worker's tasks are given to others, where the launcher lets the others live ([`World::survival`]);
//!   late answers are told apart by attempt number and dropped. Rank 0 sees a worker's end at once, on its own host by
//!   `/proc`, elsewhere by a connection beside MPI (a *pulse*); a stopped worker, or one whose host is gone, after
//!   [`PoolOptions::unresponsive_after`]. One that was only stopped is welcome again. Who is lost or slow: [`Pool::health`].
//! - Ranks leave in two rounds, so that nobody finalises MPI while another is missing, which would hang.
//! - A task with inputs starts when they are there; a failure or a cancellation goes on to all that depends on it. Results
//!   of inputs travel through rank 0.
//! - A task may ask for several ranks ([`Program::group_task`]): it gets a communicator of their own. The failure of one
//!   member is the failure of the task, and ends the others' waiting for it.
//! - Nothing is started for nobody: a dropped future withdraws its task, a passed deadline too.
//! - User code on rank 0 (callbacks, what makes arguments of results) runs with nothing locked, and a panic in it fails
//!   its own task only.
//! - Workers leave when rank 0 releases them, when its process ends, or when it is silent for
//!   [`PoolOptions::manager_silence`].

#[doc = include_str!("../guide/coming_from_mpi4py.md")]
pub mod coming_from_mpi4py {}

mod appetite;
#[cfg(feature = "mpi")]
pub mod bench;
mod bulk;
mod clock;
mod completion;
mod data;
mod dispatcher;
mod error;
mod files;
mod future;
mod group;
mod handle;
mod health;
mod inputs;
pub mod launch;
mod load;
mod map;
mod options;
mod pace;
mod panics;
mod presence;
mod program;
mod promise;
mod pulse;
mod queue;
mod run;
mod runners;
mod scheduler;
mod service;
mod spread;
mod stats;
mod transport;
mod turn;
mod watch;
mod wire;
mod worker;
mod world;

pub use completion::{AsCompleted, Batched, Until, Waited};
pub use data::{Data, DataStore, Element, NodeData, Preloaded};
pub use error::{LaunchError, TaskError, TaskErrorKind, TransportError};
pub use files::NodeFiles;
pub use future::Future;
pub use group::{Group, GroupError};
pub use handle::Pool;
pub use health::{Health, LostWorker, Straggler};
pub use inputs::{Inputs, Reader};
pub use launch::{Launch, linked_mpi};
pub use map::{Imap, MapError, MapOptions, MapUnordered};
pub use options::{PoolOptions, TaskOptions};
pub use program::{GroupTask, Program, Task};
pub(crate) use promise::{Promise, Submitter, WeakSubmitter};
pub use queue::{Completed, Queue};
pub(crate) use scheduler::Standing;
pub use stats::{ManagerStats, Stats, WorkerStats};
pub use transport::RawCommunicator;
pub use transport::sim::{DurationModel, Fault, Sim};
pub use worker::Worker;
pub use world::{WorkerInfo, WorkerSummary, World};
