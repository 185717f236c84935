//! `isolate = true`: a function of this process in a child process of its own, by the protocol of
//! [`program`](super::program).
//!
//! The child is this same executable with a hidden command, which reads the same study, starts the function, and
//! calls [`serve_process`]. A crash or an endless loop then costs one evaluation and not the rank.

use super::coprocess::{Coprocess, Program};
use super::evaluator::guarded;
use super::launch::Launch;
use super::{Call, Context, Function, FunctionSpec, Needs, Shared, json};
use crate::model::{Failure, FailureKind, Signature, Value};
use nix::sys::signal::{Signal, kill};
use signal_hook::consts::{SIGINT, SIGTERM, SIGUSR1};
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Write};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::Duration;

/// A function that is evaluated in a child process.
#[derive(Debug)]
pub(super) struct Isolated {
    inner: Arc<dyn FunctionSpec>,
    launch: Launch,
    shared: Shared,
}

impl Isolated {
    pub(super) fn new(
        inner: Arc<dyn FunctionSpec>,
        command: &[OsString],
        context: &Context,
        shared: &Shared,
    ) -> Self {
        let mut words = command.iter().cloned();
        let launch = Launch {
            program: words.next().unwrap_or_default(),
            arguments: words.collect(),
            folder: context.folder.clone(),
            environment: shared.environment.clone(),
        };
        Self { inner, launch, shared: shared.clone() }
    }

    fn unknown(&self) -> Option<String> {
        let why = "the path of this program is not known (is /proc there?), so its function can't have a process of \
                   its own";
        self.launch.program.is_empty().then(|| why.to_owned())
    }
}

impl FunctionSpec for Isolated {
    fn kind(&self) -> &'static str {
        self.inner.kind()
    }

    fn describe(&self) -> String {
        format!("{}, isolated{}", self.inner.describe(), self.shared.limit())
    }

    fn check(&self) -> Vec<String> {
        let mut problems = self.inner.check();
        match self.unknown() {
            Some(problem) => problems.push(problem),
            None => problems.extend(self.launch.problems()),
        }
        problems
    }

    fn outline(&self) -> Option<Value> {
        self.inner.outline()
    }

    fn outside(&self) -> bool {
        true
    }

    fn needs(&self) -> Needs {
        self.shared.needs()
    }

    fn start_with(&self, environment: &[(String, String)]) -> Result<Box<dyn Function>, Failure> {
        if let Some(problem) = self.unknown() {
            return Err(Failure::new(FailureKind::Setup, problem));
        }
        let launch = self.launch.with(environment);
        Ok(Box::new(Coprocess::start("isolated process", launch, &self.shared, Program::Ours)?))
    }
}

/// Answers requests with a function until the input ends: the server's side of the protocol of
/// [`program`](super::program). Starts with the line `{"ready":true}`, or with the error that kept `function` from
/// being started. Panics are replies too.
///
/// Fails if the streams do. A process of its own calls [`serve_process`].
pub fn serve(
    function: Result<Box<dyn Function>, Failure>,
    signature: &Signature,
    input: impl BufRead,
    mut output: impl Write,
) -> io::Result<()> {
    let mut say = |line: &str| writeln!(output, "{line}").and_then(|()| output.flush());
    let mut function = match function {
        Ok(function) => function,
        Err(failure) => return say(&json::answer(0, &Err(failure))),
    };
    say("{\"ready\":true}")?;
    for line in input.lines() {
        let line = line?;
        if line.trim().is_empty() {
            continue;
        }
        let answer = match json::read_request(&line) {
            Ok(request) => {
                let call = Call {
                    point: &request.point,
                    replica: request.seed.unwrap_or(0),
                    parameters: &request.parameters,
                    signature,
                };
                json::answer(request.id, &guarded(function.as_mut(), &call))
            }
            Err(why) => {
                let message = format!("not a request: {why}");
                json::answer(0, &Err(Failure::new(FailureKind::BadOutput, message)))
            }
        };
        say(&answer)?;
    }
    Ok(())
}

/// Makes this process a server of the protocol on its standard streams, until its input ends or its parent is gone.
/// `start` makes the function; it is called last, since loading a library may already print.
///
/// Compiled code prints and reads as it likes: from now on its standard output is our standard error, and its standard
/// input is empty. A call that never returns does not outlive the parent either: a thread watches for that.
///
/// SIGINT, SIGUSR1 and SIGTERM do nothing: a scheduler sends the signals that stop a job to all of its processes, and the parent
/// may want to have the calls that have begun. Code that wants them installs its own handlers. The parent ends it by SIGKILL.
pub fn serve_process(
    start: impl FnOnce() -> Result<Box<dyn Function>, Failure>,
    signature: &Signature,
) -> io::Result<()> {
    for signal in [SIGINT, SIGUSR1, SIGTERM] {
        signal_hook::flag::register(signal, Arc::default())?;
    }
    // What the function starts inherits neither.
    let requests = File::from(io::stdin().as_fd().try_clone_to_owned()?);
    let replies = File::from(io::stdout().as_fd().try_clone_to_owned()?);
    nix::unistd::dup2_stdin(File::open("/dev/null")?)?;
    nix::unistd::dup2_stdout(io::stderr())?;
    let parent = nix::unistd::getppid();
    std::thread::Builder::new().name("parent watch".into()).spawn(move || {
        // Orphans are given another parent at once.
        while nix::unistd::getppid() == parent {
            std::thread::sleep(PARENT_WATCH);
        }
        // Not `exit`: the function runs meanwhile, and what it uses must not be taken down under it.
        let _ = kill(nix::unistd::getpid(), Signal::SIGKILL);
    })?;
    serve(start(), signature, BufReader::new(requests), replies)
}

/// How long an evaluation may go on after its worker was killed.
const PARENT_WATCH: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Value;

    struct Odd;

    impl Function for Odd {
        fn evaluate(&mut self, call: &Call<'_>) -> Result<Value, Failure> {
            match call.point.x() {
                x if x > 1.0 => panic!("too large"),
                x if x < 0.0 => Err(Failure::new(FailureKind::NotFinite, "negative")),
                x => Ok(Value::scalar(x + call.seed().unwrap_or(0) as f64)),
            }
        }
    }

    #[test]
    fn a_server_answers_every_line_and_survives_panics_and_junk() {
        let input = "{\"id\":1,\"point\":0.5,\"seed\":4}\n\n{\"id\":2,\"point\":2}\nhello\n{\"id\":4,\"point\":[-1]}\n";
        let signature = Signature { seeded: true, ..Signature::line() };
        let mut output = Vec::new();
        serve(Ok(Box::new(Odd)), &signature, input.as_bytes(), &mut output).unwrap();
        let output = String::from_utf8(output).unwrap();
        let lines: Vec<&str> = output.lines().collect();
        assert_eq!(lines[..2], ["{\"ready\":true}", "{\"id\":1,\"value\":4.5}"]);
        assert!(
            lines[2].starts_with("{\"id\":2,\"error\":\"too large (src/function/isolated.rs"),
            "{}",
            lines[2]
        );
        assert!(lines[3].contains("not a request: not JSON"));
        assert_eq!(lines[4], "{\"id\":4,\"error\":\"negative\",\"kind\":\"not finite\"}");
    }

    #[test]
    fn a_function_that_did_not_start_is_said_at_once() {
        let mut output = Vec::new();
        let failure = Failure::new(FailureKind::Setup, "no such file");
        serve(Err(failure), &Signature::line(), io::empty(), &mut output).unwrap();
        assert_eq!(
            String::from_utf8(output).unwrap(),
            "{\"id\":0,\"error\":\"no such file\",\"kind\":\"setup\"}\n"
        );
    }
}
