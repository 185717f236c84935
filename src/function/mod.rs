//! User functions of every kind behind one trait: builtin, expression, external command, co-process, Python,
//! shared library, Rust.
//!
//! What it owns: everything between "evaluate this call" and the numbers that came back, with each way to fail
//! turned into a [`Failure`]. It knows nothing of learners, ranks or files of results.
//!
//! ```text
//! [function] of a study ──from_settings──▶ FunctionSpec ──start, once per worker──▶ Function
//!                                          plain data, checked                      may hold a child process
//! ```
//!
//! | key | evaluated by | cost of one call | page |
//! |---|---|---|---|
//! | `builtin` | this process | 50 ns | [`builtin`] |
//! | `expression` | this process | 200 ns | [`expression`] |
//! | `rust` | this process, your own binary | 10 ns | [`native`] |
//! | `library` | this process, C ABI | 20 ns | [`library`] |
//! | `program` | one child process per worker, JSON lines | 20 µs | [`program`] |
//! | `python` | the same, with a driver of ours | 20 µs | [`python`] |
//! | `command` | one process per point | 1 ms | [`command`] |
//!
//! The first four can crash their rank. With `isolate = true`, or any `timeout`, they run in a child process of
//! their own by the protocol of [`program`] ([`isolated`]).
//!
//! With `cache = true`, or a path, values are kept in a file beside the checkpoints, and no value in it is computed again: not in this
//! run, not in another, not in another study ([`crate::cache`]). Not for functions that depend on chance or on the time.
//!
//! With `data = "table.npz"`, or a list of files of one folder, rank 0 reads them once, and each node has copies of its own, in memory:
//! a thousand processes that open one file of a shared file system wait for each other. The function finds their folder in the
//! variable `ADAPTIVE_MPI_DATA`; in it they have their names. Where several ranks evaluate a `library` or a Rust function together, and
//! without MPI, it is the files' own folder. For all kinds but `builtin` and `expression`; in a process of its own, as
//! with `threads`.
//!
//! A worker on which a function fails 20 times in a row tries it once more where it had a value ([`Doubt`]). If it has none
//! there any more it is started anew (with its `init`), and if that is of no use (a quota is reached, a licence server is gone), that is no
//! fault of the points: the worker pauses, and they go to others, or wait.
//!
//! The files that a function's code is in ([`Code`]) are compared with what they were when the run began: by each worker before
//! it starts a child process and after that one's first answer, when it loads a library, and before and after each call of a `command`.
//! Other contents end the run, and no value that may come from them is kept. What runs already goes on with what it has read, so a Python
//! process is not looked after between its first answer and its end: a module that it imports only later may be a changed one.
//!
//! `command`, `library`, `python` and `rust` can also be evaluated by several ranks together ([`team`]).
//!
//! A new kind is one file with a `from_settings`, and one line in [`FUNCTIONS`].

use crate::model::{Failure, FailureKind, Parameters, Point, Signature, Value};
use std::time::Duration;

pub mod builtin;
mod child;
mod code;
pub mod command;
mod coprocess;
pub mod crashes;
pub mod devices;
mod doubt;
mod environment;
mod evaluator;
pub mod expression;
mod formula;
mod guard;
pub mod isolated;
pub(crate) mod json;
mod launch;
pub mod library;
pub mod native;
mod numeral;
mod output;
mod placeholder;
pub mod program;
pub mod python;
mod registry;
mod scratch;
pub mod team;

pub use code::Code;
pub use doubt::Doubt;
pub use evaluator::Evaluator;
pub use isolated::{serve, serve_process};
pub use native::{NativeFunction, Natives};
pub use registry::{Context, DATA, FUNCTIONS, FunctionKind, Needs, Shared, from_settings};
pub use team::Team;

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

impl Call<'_> {
    /// The replica, where the signature says that functions see it.
    pub fn seed(&self) -> Option<u64> {
        self.signature.seeded.then_some(self.replica)
    }
}

/// Something that can be evaluated. One instance serves one worker and may keep state (a child process).
pub trait Function: Send {
    /// Waits until it can evaluate, where something has to be loaded first: how long that took. What goes wrong
    /// meanwhile is the failure of the evaluation that waits.
    fn prepare(&mut self) -> Result<Duration, Failure> {
        Ok(Duration::ZERO)
    }

    /// Evaluates one call. Must not hang: a time limit is part of the function's settings.
    fn evaluate(&mut self, call: &Call<'_>) -> Result<Value, Failure>;

    /// Evaluates one call on several ranks, all of which call this. The first one's value counts. Only for kinds that
    /// the registry says can do so ([`FunctionKind::together`]).
    fn evaluate_together(&mut self, _: &Call<'_>, _: &dyn Team) -> Result<Value, Failure> {
        Err(Failure::new(FailureKind::Setup, "this function can't be evaluated on several ranks"))
    }
}

/// A function as its settings describe it: plain data, shared by all workers of a process.
pub trait FunctionSpec: Send + Sync + std::fmt::Debug {
    /// The name in [`FUNCTIONS`].
    fn kind(&self) -> &'static str;

    /// One line for people: `python model.py:h, at most 10min a point`.
    fn describe(&self) -> String;

    /// Problems that can be found without evaluating anything, one sentence each: a missing file, a program that
    /// is not in PATH, a module that can't be imported. Empty if all is well. May start processes; reads the disk.
    fn check(&self) -> Vec<String> {
        Vec::new()
    }

    /// A value with the shape and names of all that it returns, its components NaN, if these are known before any
    /// evaluation.
    fn outline(&self) -> Option<Value> {
        None
    }

    /// Whether evaluations happen in other processes: those must be made before MPI is initialised where possible,
    /// and can't take a worker down with them.
    fn outside(&self) -> bool {
        false
    }

    /// What one evaluation takes of the machine.
    fn needs(&self) -> Needs {
        Needs::default()
    }

    /// Makes the instance for one worker, with more variables for child processes: the devices and files of this worker.
    /// Starts its process, if there is one, but does not wait for it: what goes wrong in there is the failure of the first
    /// evaluation.
    fn start_with(&self, environment: &[(String, String)]) -> Result<Box<dyn Function>, Failure>;

    /// The same without any.
    fn start(&self) -> Result<Box<dyn Function>, Failure> {
        self.start_with(&[])
    }
}

/// Whether a crash of this function ends its worker, and the study could keep the two apart (`isolate = true`).
pub fn may_take_its_worker_along(function: &dyn FunctionSpec) -> bool {
    let of_the_user = FUNCTIONS.iter().any(|kind| kind.name == function.kind() && kind.compiled);
    of_the_user && !function.outside() && function.needs().ranks <= 1
}
