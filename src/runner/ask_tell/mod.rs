//! A learner as a conversation: one JSON object a line asks or tells, one line answers.
//!
//! [`Session`] holds the learner and decides; it is pure: no streams, no files, no clock. Whoever drives it reads
//! lines, stores the facts of a [`Reply`], and writes its answer *after* that.
//!
//! ```text
//!  line ──▶ Request::parse ──▶ Session ──▶ Reply { facts ──▶ checkpoint, then answer ──▶ client }
//! ```
#![doc = include_str!("protocol.md")]

mod request;
mod session;

pub use request::{BadRequest, Request, Verb};
pub use session::{About, Reply, Session};
