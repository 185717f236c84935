//! `program = ["./simulator", "--serve"]`: one process per worker for the whole run, which answers calls in JSON
//! lines. Any language will do; twenty lines suffice.
//!
//! # The protocol
//!
//! The program reads one request per line from its standard input and writes one reply per line to its standard
//! output, flushed. It never has more than one request. When its input ends it leaves.
//!
//! ```text
//! → {"id":1,"point":0.25,"parameters":{"offset":0.1}}
//! ← {"id":1,"value":0.5}
//! → {"id":2,"point":0.75,"parameters":{"offset":0.1}}
//! ← {"id":2,"error":"no convergence","traceback":"…"}
//! ```
//!
//! | in a request | |
//! |---|---|
//! | `id` | a whole number, to be given back |
//! | `point` | a number if the learner is one-dimensional, else a list of numbers (empty for `average`) |
//! | `seed` | a whole number; only where the learner has one |
//! | `parameters` | name to number, `true`/`false` or text; numbers that JSON lacks are `"nan"`, `"inf"`, `"-inf"` |
//!
//! | in a reply | |
//! |---|---|
//! | `id` | as in the request; without it the reply belongs to the last request |
//! | `value` | a number; a list (lists inside are flattened); or an object of named outputs. `true` and `false` are 1 and 0. NaN and infinity may be written `"nan"`, `"inf"`, `"-inf"` or bare: `NaN`, `-Infinity` |
//! | `extra` | any JSON, kept with the point |
//! | `error` | instead of `value`: what went wrong, in one line |
//! | `traceback` | more about the error |
//! | `ready` | a line `{"ready":true}` before the first reply is allowed, and ignored |
//!
//! In Python, without our driver:
//!
//! ```python
//! import json, sys
//! for line in sys.stdin:
//!     request = json.loads(line)
//!     x = request["point"]
//!     reply = {"id": request["id"], "value": x ** 2 + request["parameters"].get("offset", 0)}
//!     print(json.dumps(reply), flush=True)
//! ```
//!
//! Replies have to be written at once (`flush`), and requests read line by line: C's `fgets` does, Debian's `awk` only with
//! `-W interactive`. A program that waits for a full buffer waits for ever, unless there is a `timeout`.
//!
//! # When it fails
//!
//! A process that dies costs the point that it was at (a crash, with its status and last error lines) and is started anew
//! for the next. If it dies again and again before answering anything, the starts are spaced out up to five
//! seconds, and the failures say so. A line that is no reply is a failure, and the process is replaced, since replies
//! and requests can't be matched any more. After `timeout` its whole process group is ended. It also ends with its
//! worker, since its input ends then.
//!
//! Keys: `program` (a list, or one text that is split at spaces with the quotes of a shell; a path with a slash starts at the
//! study's folder), `timeout`, `threads`, `env`. The working folder is the study's.

use super::child::Launch;
use super::command::words;
use super::coprocess::Coprocess;
use super::{Context, Function, FunctionSpec, Shared};
use crate::model::Failure;
use crate::model::settings::{self, Table};
use std::sync::Arc;

#[derive(Clone, Debug)]
struct Program {
    launch: Launch,
    shared: Shared,
}

pub(super) fn from_settings(
    table: &Table,
    context: &Context,
    shared: &Shared,
) -> settings::Result<Arc<dyn FunctionSpec>> {
    let setting = table.get("program").ok_or_else(|| table.missing("program"))?;
    let mut words = words(setting, "function.program")?.into_iter();
    let launch = Launch {
        program: words.next().unwrap_or_default().into(),
        arguments: words.map(Into::into).collect(),
        folder: context.folder.clone(),
        environment: shared.environment.clone(),
    };
    Ok(Arc::new(Program { launch, shared: shared.clone() }))
}

impl FunctionSpec for Program {
    fn kind(&self) -> &'static str {
        "program"
    }

    fn describe(&self) -> String {
        format!("program {}{}", self.launch.program.display(), self.shared.limit())
    }

    fn check(&self) -> Vec<String> {
        self.launch.problems()
    }

    fn outside(&self) -> bool {
        true
    }

    fn start(&self) -> Result<Box<dyn Function>, Failure> {
        Ok(Box::new(Coprocess::start("program", self.launch.clone(), &self.shared, false)?))
    }
}
