//! The runner drives a learner on a pool until its goal.
//!
//! [`Engine`] decides (what to evaluate next, what a result means, when to try again) and is pure: no clock, no
//! files, no messages. [`drive()`] is the thin loop that lets it meet the pool, the checkpoint and the terminal.
//!
//! ```text
//!   pool ── results ──▶ Engine ── facts ──▶ checkpoint
//!    ▲                    │
//!    └────── work ────────┘        goal, signals, walltime ──▶ stop
//! ```
//!
//! [`ask_tell`] is the other way to drive a learner: a client outside asks, evaluates and tells.

mod accounting;
pub mod ask_tell;
mod cached;
mod drive;
mod engine;
#[cfg(test)]
mod engine_tests;
pub mod goal;
mod log;
mod outlook;
mod outputs;
mod resting;
mod restore;
mod stop;

pub use accounting::{Accounting, Phase};
pub use cached::{Cached, LookUp};
pub use drive::{Drive, drive};
pub use engine::{Engine, NanPolicy, Order, Policy, Work};
pub use log::{Log, LogError, is_log, replay};
pub use outlook::{Ended, Finished, Observer, Outlook};
pub use resting::{Resting, look_at, look_at_all};
pub use restore::{Restored, restore};
pub use stop::{StopReason, StopSignals, Walltime};
