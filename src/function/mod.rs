//! User functions of every kind behind one trait: builtin, expression, external command, co-process, Python,
//! shared library, Rust.

use crate::model::{Failure, Outcome, Parameters, Point, Signature, Value};

/// One call of a user's function.
#[derive(Clone, Copy, Debug)]
pub struct Call<'a> {
    /// Where.
    pub point: &'a Point,
    /// Which replica; functions see it as `seed` where the signature says so.
    pub replica: u64,
    /// The combo's parameter values.
    pub parameters: &'a Parameters,
    /// How the point is passed.
    pub signature: &'a Signature,
}

/// Something that can be evaluated. One instance serves one worker and may keep state (a child process).
pub trait Function: Send {
    /// Evaluates one call. Must not hang: a time limit is part of the function's settings.
    fn evaluate(&mut self, call: &Call<'_>) -> Result<Value, Failure>;
}

/// What one attempt led to (an alias that reads well at call sites).
pub type Evaluation = Outcome;
