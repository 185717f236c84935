//! The interpreter inside a rank, for functions that several ranks evaluate together.

use super::Target;
use crate::function::{Call, Function, FunctionSpec, Needs, Shared, Team, json};
use crate::model::{Failure, FailureKind, Value};
use pyo3::prelude::*;
use pyo3::types::PyModule;
use std::collections::BTreeMap;
use std::ffi::CString;
use std::path::{Path, PathBuf};

/// Runs in the interpreter.
const CODE: &str = concat!(include_str!("calls.py"), "\n\n", include_str!("embedded.py"));

#[derive(Clone, Debug)]
pub(super) struct Embedded {
    target: Target,
    folder: PathBuf,
    shared: Shared,
    /// Variables that are known only when a worker starts.
    environment: Vec<(String, String)>,
}

/// One for each worker. The function is loaded with the first call, when it is known that this rank evaluates.
#[derive(Debug)]
struct Loader {
    spec: Embedded,
    loaded: Option<Loaded>,
    next_id: u64,
}

/// A module of ours, which holds the function of the user.
#[derive(Debug)]
struct Loaded(Py<PyModule>);

impl Embedded {
    pub(super) fn new(target: Target, folder: &Path, shared: &Shared) -> Self {
        Self { target, folder: folder.to_owned(), shared: shared.clone(), environment: Vec::new() }
    }

    fn load(&self) -> Result<Loaded, Failure> {
        let Target { module, name, init, .. } = &self.target;
        Python::attach(|py| {
            let code =
                CString::new(CODE).map_err(|_| setup("the code of the interpreter has a zero byte"))?;
            let ours = PyModule::from_code(py, &code, c"adaptive_mpi/embedded.py", c"adaptive_mpi_embedded");
            let ours = ours.map_err(|error| of_ours(py, &error))?;
            let variables: BTreeMap<&String, &String> =
                self.environment.iter().map(|(k, v)| (k, v)).collect();
            let place = (self.target.how(), module, name, init, &self.folder, variables);
            let reply = ours.getattr("prepare").and_then(|prepare| prepare.call1(place));
            let reply: Option<String> =
                reply.and_then(|reply| reply.extract()).map_err(|error| of_ours(py, &error))?;
            match reply.map(|line| json::reply(&line)) {
                None => Ok(Loaded(ours.unbind())),
                Some(Ok(json::Reply { outcome: Err(failure), .. })) => {
                    Err(Failure::new(FailureKind::Setup, failure.message).with_detail(failure.detail))
                }
                Some(_) => Err(setup("the function could not be loaded")),
            }
        })
    }
}

fn setup(what: impl Into<String>) -> Failure {
    Failure::new(FailureKind::Setup, what)
}

/// An exception in code of ours, which should catch all.
fn of_ours(py: Python<'_>, error: &PyErr) -> Failure {
    let trace = error.traceback(py).and_then(|trace| trace.format().ok()).unwrap_or_default();
    setup(format!("the Python interpreter: {error}")).with_detail(trace)
}

impl FunctionSpec for Embedded {
    fn kind(&self) -> &'static str {
        "python"
    }

    fn describe(&self) -> String {
        format!("python {}{}", self.target.text, self.shared.limit())
    }

    /// Imports the module into this process, without MPI.
    fn check(&self) -> Vec<String> {
        let missing = self.target.missing();
        let load = || self.load().err().map(|failure| format!("{}\n{}", failure.message, failure.detail));
        missing.or_else(load).map(|problem| problem.trim_end().to_owned()).into_iter().collect()
    }

    fn outside(&self) -> bool {
        false
    }

    fn needs(&self) -> Needs {
        self.shared.needs_inside()
    }

    fn start_with(&self, environment: &[(String, String)]) -> Result<Box<dyn Function>, Failure> {
        let spec = Self { environment: environment.to_vec(), ..self.clone() };
        Ok(Box::new(Loader { spec, loaded: None, next_id: 1 }))
    }
}

impl Function for Loader {
    fn evaluate(&mut self, _: &Call<'_>) -> Result<Value, Failure> {
        Err(setup("it is for several ranks"))
    }

    fn evaluate_together(&mut self, call: &Call<'_>, team: &dyn Team) -> Result<Value, Failure> {
        let Some(communicator) = team.communicator() else {
            return Err(setup("Python on several ranks needs MPI: start the run with mpiexec or srun"));
        };
        let loaded = match &mut self.loaded {
            Some(loaded) => loaded,
            none => {
                let loaded = self.spec.load()?;
                self.spec.shared.code.check()?;
                none.insert(loaded)
            }
        };
        let id = self.next_id;
        self.next_id += 1;
        let request = json::request(id, call);
        let reply = Python::attach(|py| {
            let reply = loaded.0.bind(py).getattr("evaluate")?.call1((request, communicator))?;
            reply.extract::<String>()
        });
        let line = reply.map_err(|error| Python::attach(|py| of_ours(py, &error)))?;
        json::reply(&line).map_err(|why| Failure::new(FailureKind::BadOutput, why))?.outcome
    }
}
