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
//! A path to a file starts at the study's folder, which is the working folder too. It and the file's folder
//! can be imported from. What the code prints goes to standard error, so `print` is harmless. An exception is the
//! point's failure, with its traceback; so are `sys.exit` and `KeyboardInterrupt`. A crash of the interpreter costs one
//! point, as for every [`program`](super::program).
//!
//! Keys: `python`, `python_executable` (default: the variable `PYTHON`, else `python3`), `start_timeout` (for imports;
//! 10 minutes), `timeout`, `threads`, `env`. Python 3.8 or newer; nothing has to be installed in it.

use super::child::Launch;
use super::coprocess::Coprocess;
use super::{Context, Function, FunctionSpec, Needs, Shared};
use crate::model::Failure;
use crate::model::settings::{self, Table};
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;

/// Runs in the interpreter; speaks the protocol of [`program`](super::program).
const DRIVER: &str = include_str!("driver.py");

#[derive(Clone, Debug)]
struct Python {
    target: String,
    /// The file, if the target is one.
    file: Option<PathBuf>,
    launch: Launch,
    shared: Shared,
}

pub(super) fn from_settings(
    table: &Table,
    context: &Context,
    shared: &Shared,
) -> settings::Result<Arc<dyn FunctionSpec>> {
    let target = table.text("python")?.ok_or_else(|| table.missing("python"))?;
    let (module, name) = target.rsplit_once(':').unwrap_or((target, ""));
    if module.is_empty() || name.is_empty() {
        return Err(table
            .error("python", "`function.python` names a file or module, and a function in it")
            .help("for example python = \"model.py:h\" or python = \"package.module:h\""));
    }
    let is_file = module.ends_with(".py") || module.contains('/');
    let file = is_file.then(|| context.folder.join(module));
    let executable = match table.text("python_executable")? {
        Some(executable) => executable.into(),
        None => std::env::var_os("PYTHON").filter(|p| !p.is_empty()).unwrap_or_else(|| "python3".into()),
    };
    let module = file.as_ref().map_or_else(|| module.into(), |file| file.clone().into_os_string());
    let how = if is_file { "file" } else { "module" };
    let arguments: Vec<OsString> = vec!["-c".into(), DRIVER.into(), how.into(), module, name.into()];
    let launch = Launch {
        program: executable,
        arguments,
        folder: context.folder.clone(),
        environment: shared.environment.clone(),
    };
    Ok(Arc::new(Python { target: target.to_owned(), file, launch, shared: shared.clone() }))
}

impl Python {
    fn coprocess(&self) -> Result<Coprocess, Failure> {
        Coprocess::start("Python process", self.launch.clone(), &self.shared, true)
    }
}

impl FunctionSpec for Python {
    fn kind(&self) -> &'static str {
        "python"
    }

    fn describe(&self) -> String {
        format!("python {}{}", self.target, self.shared.limit())
    }

    /// Imports the module, as an evaluation would.
    fn check(&self) -> Vec<String> {
        let mut problems = self.launch.problems();
        if let Some(file) = self.file.as_ref().filter(|file| !file.is_file()) {
            problems.push(format!("the Python file {} is missing", file.display()));
        }
        if problems.is_empty()
            && let Err(failure) = self.coprocess().and_then(|mut coprocess| coprocess.wait_until_ready())
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
        let mut own = self.clone();
        own.launch.environment.extend_from_slice(environment);
        own.start()
    }

    fn start(&self) -> Result<Box<dyn Function>, Failure> {
        Ok(Box::new(self.coprocess()?))
    }
}
