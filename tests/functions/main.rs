//! Functions that run outside of this process, each way in which they can fail, and what becomes of their
//! processes.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "these are tests, helpers included")]

mod command;
mod examples;
mod isolation;
mod library;
mod program;
mod python;
mod ranks;

use adaptive_mpi::function::{self, Call, Context, Function, FunctionSpec};
use adaptive_mpi::model::settings::{Setting, SettingValue, Table};
use adaptive_mpi::model::{Failure, Parameter, Parameters, Point, Signature, Value};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// `[function]` of a study in a folder of its own, with the parameter `offset = 0.5`.
struct Study {
    folder: tempfile::TempDir,
    signature: Signature,
    parameters: Parameters,
    isolated_command: Option<Vec<std::ffi::OsString>>,
}

impl Study {
    fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            signature: Signature::line(),
            parameters: Parameters(vec![("offset".into(), Parameter::Float(0.5))]),
            isolated_command: None,
        }
    }

    fn with_signature(mut self, names: &[&str], scalar: bool, seeded: bool) -> Self {
        let names = names.iter().map(|name| (*name).to_owned()).collect();
        self.signature = Signature { names, scalar, seeded };
        self
    }

    fn file(self, name: &str, text: &str) -> Self {
        std::fs::write(self.path(name), text).unwrap();
        self
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn context(&self) -> Context {
        Context {
            folder: self.folder.path().to_owned(),
            signature: self.signature.clone(),
            parameter_names: self.parameters.0.iter().map(|(name, _)| name.clone()).collect(),
            isolated_command: self.isolated_command.clone(),
            ..Context::default()
        }
    }

    fn spec(&self, settings: Table) -> Arc<dyn FunctionSpec> {
        function::from_settings(&settings, &self.context())
            .unwrap_or_else(|error| panic!("{} ({})", error.message, error.help))
    }

    fn start(&self, settings: Table) -> Started<'_> {
        Started { study: self, function: self.spec(settings).start().unwrap() }
    }
}

struct Started<'a> {
    study: &'a Study,
    function: Box<dyn Function>,
}

impl Started<'_> {
    fn at(&mut self, point: &[f64]) -> Result<Value, Failure> {
        self.at_seed(point, 0)
    }

    fn at_seed(&mut self, point: &[f64], replica: u64) -> Result<Value, Failure> {
        let Study { parameters, signature, .. } = self.study;
        self.function.evaluate(&Call { point: &Point::new(point), replica, parameters, signature })
    }

    fn y(&mut self, x: f64) -> f64 {
        self.at(&[x]).unwrap_or_else(|failure| panic!("{failure}\n{}", failure.detail)).y()
    }
}

fn text(value: &str) -> SettingValue {
    SettingValue::Text(value.into())
}

fn list(words: &[&str]) -> SettingValue {
    SettingValue::List(words.iter().map(|word| Setting { value: text(word), span: 0..0 }).collect())
}

fn table(entries: &[(&str, SettingValue)]) -> SettingValue {
    SettingValue::Table(settings(entries))
}

fn settings(entries: &[(&str, SettingValue)]) -> Table {
    entries.iter().fold(Table::new("function"), |table, (key, value)| table.with(key, value.clone()))
}

/// Settings that run a shell script.
fn sh(kind: &str, script: &str) -> Table {
    settings(&[(kind, list(&["sh", "-c", script]))])
}

/// Whether a process is there and not just waiting to be collected by its parent.
fn is_alive(pid: i32) -> bool {
    match std::fs::read_to_string(format!("/proc/{pid}/stat")) {
        Ok(stat) => !stat.rsplit(')').next().unwrap().trim_start().starts_with('Z'),
        Err(_) => false,
    }
}

/// Waits for what other processes do; fails the test when it does not come about.
fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < Duration::from_secs(20), "{what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn pid_in(path: &Path) -> i32 {
    let mut pid = None;
    eventually("the process writes its pid", || {
        pid = std::fs::read_to_string(path).ok().and_then(|text| text.trim().parse().ok());
        pid.is_some()
    });
    pid.unwrap()
}

/// Runs a compiler; its output is the message if it fails.
fn compile(compiler: &str, arguments: &[&str], folder: &Path) {
    let output = std::process::Command::new(compiler).args(arguments).current_dir(folder).output();
    let output = output.unwrap_or_else(|error| panic!("{compiler} can't be started: {error}"));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
