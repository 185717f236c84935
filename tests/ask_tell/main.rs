//! `adaptive-mpi ask-tell` as any program sees it: lines in, lines out.

#![expect(clippy::unwrap_used, reason = "a test may panic, in its own functions too")]

#[path = "../study_run/mod.rs"]
mod study_run;

mod client;
mod lasting;
mod protocol;
mod python;
mod replay;

const LINE: &str = "[learner]\ntype = \"1d\"\nbounds = [-1, 1]\nloss = \"default\"\n";
