//! The other end of the conversation.

use crate::study_run::{Folder, program};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value as Json, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

pub(crate) struct Client {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Client {
    /// A conversation about `adaptive.toml` in this folder.
    pub(crate) fn start(folder: &Folder, options: &[&str]) -> Self {
        let mut child = Command::new(program())
            .arg("ask-tell")
            .args(options)
            .current_dir(folder.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (input, output) = (child.stdin.take(), BufReader::new(child.stdout.take().unwrap()));
        Self { child, input, output }
    }

    pub(crate) fn send(&mut self, bytes: &[u8]) {
        let input = self.input.as_mut().unwrap();
        input.write_all(bytes).unwrap();
        input.flush().unwrap();
    }

    /// The next line of output; empty at its end.
    pub(crate) fn line(&mut self) -> String {
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        line
    }

    /// The answer to one line of any bytes.
    pub(crate) fn raw(&mut self, line: &[u8]) -> Json {
        self.send(line);
        self.send(b"\n");
        let answer = self.line();
        serde_json::from_str(&answer).unwrap_or_else(|error| panic!("{error}: {answer:?}"))
    }

    pub(crate) fn ask(&mut self, request: Json) -> Json {
        self.raw(request.to_string().as_bytes())
    }

    /// The points that are next.
    pub(crate) fn points(&mut self, n: usize) -> Vec<Json> {
        self.ask(json!({ "ask": n }))["points"].as_array().unwrap().clone()
    }

    /// Asks and tells `n` points of f(x) = x², one at a time.
    pub(crate) fn square(&mut self, n: usize) -> Vec<Json> {
        (0..n)
            .map(|_| {
                let point = self.points(1).remove(0);
                let x = point.as_f64().unwrap();
                assert_eq!(self.ask(json!({ "tell": [[x, x * x]] }))["told"], 1);
                point
            })
            .collect()
    }

    pub(crate) fn error(&mut self, line: &str) -> String {
        let answer = self.raw(line.as_bytes());
        assert_eq!(answer.as_object().unwrap().len(), 1, "{answer}");
        answer["error"].as_str().unwrap_or_else(|| panic!("{line} gave {answer}")).to_owned()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.child.id() as i32), signal).unwrap();
    }

    pub(crate) fn close_input(&mut self) {
        self.input = None;
    }

    /// Ends the input; the exit code and what was said to standard error.
    pub(crate) fn end(mut self) -> (Option<i32>, String) {
        self.input = None;
        self.wait()
    }

    pub(crate) fn wait(&mut self) -> (Option<i32>, String) {
        let mut said = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        (self.child.wait().unwrap().code(), said)
    }

    /// `kill -9`.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}
