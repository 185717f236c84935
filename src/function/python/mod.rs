//! `python = "model.py:h"`, or `"package.module:h"`: a Python function, in one interpreter per worker.
//!
//! The function gets the point first and the parameters by name: `h(0.5, offset=0.1)` on a line, `h((0.5, 0.1), …)` in
//! more dimensions, `h(seed, …)` for `average`, `h((seed, 0.5), …)` for `average1d`. It returns
//!
//! - a number: `float`, `int`, `bool`, or anything with `__float__`;
//! - several: a list, tuple, nested ones, a numpy array (all flattened, row by row);
//! - named ones: a `dict` or named tuple, with the same names every time. What is no number in it (text, a `dict`,
//!   `None`), and whatever is under the key `extra`, is kept with the point; it may be anything that `json` can write.
//!
//! Complex numbers are refused: only the function knows which of their parts are meant.
//!
//! With `init = "prepare"`, a function of the same module is called once in each interpreter, without arguments, before the first
//! point. The entries of the `dict` that it returns are arguments of the function, where it has them (executorlib's
//! `init_function`): for what takes long to load, or must not be loaded twice.
//!
//! ```python
//! def prepare():
//!     return {"table": np.load(os.environ["ADAPTIVE_MPI_DATA"] + "/table.npz")}
//!
//! def h(x, offset, table): ...
//! ```
//!
//! A path to a file starts at the study's folder, which is the working folder too. It and the file's folder
//! can be imported from. What the code prints is kept apart, so `print` is harmless: the last lines of it are shown
//! when a process dies. An exception is the point's failure, with its traceback; so are `sys.exit` and `KeyboardInterrupt`.
//! SIGINT, SIGUSR1 and SIGTERM are ignored unless the code handles them: schedulers send them to all processes of a job that is
//! to stop, and the points that have begun count. A crash of the interpreter costs one point, as for every
//! [`program`](super::program).
//!
//! **Several ranks.** With `ranks = 4`, four ranks call the function with the same arguments and one more: `comm`, their
//! communicator, an `mpi4py.MPI.Comm`. What the first rank returns counts.
//!
//! ```python
//! def h(x, comm):
//!     return comm.allreduce(x ** 2 * comm.rank)
//! ```
//!
//! The interpreter is part of the rank then, so this program has to be built with the feature `python` (`scripts/build` with
//! `FEATURES=python`), and mpi4py with the same MPI. That interpreter is the one that the build found (`PYO3_PYTHON`); an activated
//! virtual environment of the same version is used, or what `PYTHONPATH` names, but not `python_executable`. An exception
//! must come on all ranks or on none: others that wait for the failed rank in a call of MPI can't be freed and are given up.
//! There is no `timeout`, and a crash takes the rank down.
//!
//! Keys: `python`, `init`, `python_executable` (default: the variable `PYTHON`, else `python3`), `start_timeout` (for imports;
//! 10 minutes), `timeout`, `threads`, `env`. Python 3.8 or newer; nothing has to be installed in it.

#[cfg(feature = "python")]
mod embedded;

use super::coprocess::{Coprocess, Program};
use super::launch::Launch;
use super::{Context, Function, FunctionSpec, Needs, Shared};
use crate::model::Failure;
use crate::model::settings::{self, Table};
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;

/// Runs in the interpreter; speaks the protocol of [`program`](super::program).
const DRIVER: &str = concat!(include_str!("calls.py"), "\n\n", include_str!("driver.py"));

/// What is called.
#[derive(Clone, Debug)]
struct Target {
    /// As the study names it.
    text: String,
    /// The file, if the target is one.
    file: Option<PathBuf>,
    /// A file or a module.
    module: OsString,
    name: String,
    /// Another function there; empty if there is none.
    init: String,
}

#[derive(Clone, Debug)]
struct Python {
    target: Target,
    launch: Launch,
    shared: Shared,
}

pub(super) fn from_settings(
    table: &Table,
    context: &Context,
    shared: &Shared,
) -> settings::Result<Arc<dyn FunctionSpec>> {
    let target = target(table, context)?;
    if shared.ranks > 1 {
        return together(table, target, context, shared);
    }
    let executable = match table.text("python_executable")? {
        Some(executable) => executable.into(),
        None => std::env::var_os("PYTHON").filter(|p| !p.is_empty()).unwrap_or_else(|| "python3".into()),
    };
    let arguments: Vec<OsString> = vec![
        "-c".into(),
        DRIVER.into(),
        target.how().into(),
        target.module.clone(),
        target.name.clone().into(),
        target.init.clone().into(),
    ];
    let launch = Launch {
        program: executable,
        arguments,
        folder: context.folder.clone(),
        environment: shared.environment.clone(),
    };
    Ok(Arc::new(Python { target, launch, shared: shared.clone() }))
}

fn target(table: &Table, context: &Context) -> settings::Result<Target> {
    let text = table.text("python")?.ok_or_else(|| table.missing("python"))?;
    let (module, name) = text.rsplit_once(':').unwrap_or((text, ""));
    if module.is_empty() || name.is_empty() {
        return Err(table
            .error("python", "`function.python` names a file or module, and a function in it")
            .help("for example python = \"model.py:h\" or python = \"package.module:h\""));
    }
    let is_file = module.ends_with(".py") || module.contains('/');
    let file = is_file.then(|| context.folder.join(module));
    let module = file.as_ref().map_or_else(|| module.into(), |file| file.clone().into_os_string());
    let init = table.text("init")?.unwrap_or_default().to_owned();
    Ok(Target { text: text.to_owned(), file, module, name: name.to_owned(), init })
}

/// Evaluated by several ranks: in their own processes.
#[cfg(feature = "python")]
fn together(
    table: &Table,
    target: Target,
    context: &Context,
    shared: &Shared,
) -> settings::Result<Arc<dyn FunctionSpec>> {
    if table.get("python_executable").is_some() {
        return Err(table
            .error(
                "python_executable",
                "on several ranks the interpreter is the one that this program is built with",
            )
            .help("activate its virtual environment, or set PYTHONPATH, and leave out `python_executable`"));
    }
    if context.parameter_names.iter().any(|name| name == "comm") {
        return Err(table
            .error(
                "python",
                "the function gets the communicator as `comm`, and [parameters] has one of this name too",
            )
            .help("give the parameter another name"));
    }
    Ok(Arc::new(embedded::Embedded::new(target, &context.folder, shared)))
}

#[cfg(not(feature = "python"))]
fn together(table: &Table, _: Target, _: &Context, _: &Shared) -> settings::Result<Arc<dyn FunctionSpec>> {
    Err(table
        .error("ranks", "this program has no Python interpreter of its own, which several ranks need")
        .help("build it with the feature `python`: FEATURES=python scripts/build"))
}

impl Target {
    fn how(&self) -> &'static str {
        if self.file.is_some() { "file" } else { "module" }
    }

    /// The problem with its file, if there is one.
    fn missing(&self) -> Option<String> {
        let file = self.file.as_ref().filter(|file| !file.is_file())?;
        Some(format!("the Python file {} is missing", file.display()))
    }
}

impl Python {
    fn coprocess(&self, environment: &[(String, String)]) -> Result<Coprocess, Failure> {
        Coprocess::start("Python process", self.launch.with(environment), &self.shared, Program::Ours)
    }
}

impl FunctionSpec for Python {
    fn kind(&self) -> &'static str {
        "python"
    }

    fn describe(&self) -> String {
        format!("python {}{}", self.target.text, self.shared.limit())
    }

    /// Imports the module, as an evaluation would.
    fn check(&self) -> Vec<String> {
        let mut problems = self.launch.problems();
        problems.extend(self.target.missing());
        if problems.is_empty()
            && let Err(failure) = self.coprocess(&[]).and_then(|mut coprocess| coprocess.wait_until_ready())
        {
            problems.push(format!("{}\n{}", failure.message, failure.detail).trim_end().to_owned());
        }
        problems
    }

    fn outside(&self) -> bool {
        true
    }

    fn needs(&self) -> Needs {
        self.shared.needs()
    }

    fn start_with(&self, environment: &[(String, String)]) -> Result<Box<dyn Function>, Failure> {
        Ok(Box::new(self.coprocess(environment)?))
    }
}
