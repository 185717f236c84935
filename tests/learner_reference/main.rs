//! Replays recorded runs of Python adaptive 1.5.2 (`tests/reference`): the same calls must give the same points,
//! in the same order, with the same losses.
//!
//! A case is followed up to its `stable_points`: beyond them the recorded program itself takes another path when
//! its values change in the last bit. What comes later, and what we do otherwise on purpose, is compared by the
//! recorded `measures`, in a run of our own.

#![expect(clippy::unwrap_used, reason = "a test may panic, in its own functions too")]
#![expect(unreachable_pub, reason = "modules of a test have no outside")]

mod average;
mod case;
mod function;
mod integrator;
mod line;
mod nd;
mod replay;
mod two;
