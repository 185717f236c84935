//! What child processes are made of, and how they are started.

use super::child::Child;
use super::{environment, guard};
use crate::model::{Failure, FailureKind};
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// How many bytes of a script the system reads for its interpreter.
const FIRST_LINE: u64 = 256;

/// What to start and how.
#[derive(Clone, Debug)]
pub(super) struct Launch {
    pub(super) program: OsString,
    pub(super) arguments: Vec<OsString>,
    pub(super) folder: PathBuf,
    pub(super) environment: Vec<(String, String)>,
}

impl Launch {
    /// The same with more variables.
    pub(super) fn with(&self, environment: &[(String, String)]) -> Self {
        let mut more = self.clone();
        more.environment.extend_from_slice(environment);
        more
    }

    /// Starts the process, in its own process group and without the launcher's variables.
    ///
    /// Nothing is set up between fork and exec, so std may use `posix_spawn`: a rank that has initialised MPI
    /// must not run code of its own in a forked child.
    pub(super) fn spawn(&self, stdin: bool) -> Result<Child, Failure> {
        self.start(stdin).map_err(|error| self.not_started(FailureKind::Setup, &error))
    }

    /// The same, for whoever knows what it means that it can't be started.
    pub(super) fn start(&self, stdin: bool) -> io::Result<Child> {
        let mut command = Command::new(located(&self.program, &self.folder));
        command.args(&self.arguments).current_dir(&self.folder).process_group(0);
        for name in environment::names_of_launcher() {
            command.env_remove(name);
        }
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command.stdin(if stdin { Stdio::piped() } else { Stdio::null() });
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        guard::prepare();
        let process = command.spawn()?;
        guard::watch(process.id());
        Ok(Child::new(process))
    }

    /// The failure that says why it could not be started.
    pub(super) fn not_started(&self, kind: FailureKind, error: &io::Error) -> Failure {
        let problem = self.problems().into_iter().next();
        let message = match problem {
            Some(problem) => problem,
            None => format!("can't start {}: {error}", self.program.display()),
        };
        Failure::new(kind, message)
    }

    /// What will keep the process from being started, without starting it.
    pub(super) fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        if !self.folder.is_dir() {
            problems.push(format!("the folder {} is missing", self.folder.display()));
        }
        let program = located(&self.program, &self.folder);
        let path = Path::new(&program);
        if has_slash(&program) {
            if !path.exists() {
                problems.push(format!("the program {} is missing", path.display()));
            } else if !is_executable(path) {
                let path = path.display();
                problems.push(format!("the program {path} can't be executed: try chmod +x {path}"));
            } else {
                problems.extend(self.problem_of_script(path));
            }
        } else if let Some(found) = self.in_path(path) {
            problems.extend(self.problem_of_script(&found));
        } else {
            let beside = self.folder.join(path);
            let advice = if is_executable(&beside) {
                format!(": write ./{} for the one in the study's folder", path.display())
            } else {
                String::new()
            };
            problems.push(format!("the program {} is not in PATH{advice}", path.display()));
        }
        problems
    }

    /// Where a program is in the PATH that the process will have: that is where it is looked for.
    fn in_path(&self, program: &Path) -> Option<PathBuf> {
        let set = self.environment.iter().rev().find(|(name, _)| name == "PATH");
        let path = set.map_or_else(|| std::env::var_os("PATH").unwrap_or_default(), |(_, path)| path.into());
        std::env::split_paths(&path)
            .map(|folder| self.folder.join(folder).join(program))
            .find(|path| is_executable(path))
    }

    /// What is wrong with the first line of a script. The system would only say that there is no such file, although
    /// it is there.
    fn problem_of_script(&self, path: &Path) -> Option<String> {
        let mut begin = Vec::new();
        File::open(path).and_then(|file| file.take(FIRST_LINE).read_to_end(&mut begin)).ok()?;
        let path = path.display();
        let Some(rest) = begin.strip_prefix(b"#!") else {
            // Other kinds of programs are for the system to know; none of them is text.
            return (!begin.contains(&0)).then(|| {
                format!(
                    "the script {path} does not begin with `#!` and its interpreter: make `#!/bin/sh`, or what it is \
                     written for, its first line"
                )
            });
        };
        let line = String::from_utf8_lossy(rest.split(|byte| *byte == b'\n').next().unwrap_or_default());
        let mut words = line.split([' ', '\t']).filter(|word| !word.is_empty());
        let interpreter = words.next().unwrap_or_default();
        let missing = |name: &str| {
            let name = match name.strip_suffix('\r') {
                None => format!("{name}: install it, or correct the first line"),
                Some(name) => format!(
                    "{name} with a carriage return behind it: let its lines end as on Unix, by sed -i 's/\\r$//' {path}"
                ),
            };
            Some(format!("the script {path} asks for the interpreter {name}"))
        };
        if !self.folder.join(interpreter).is_file() {
            return missing(interpreter);
        }
        // `env` looks for it in PATH.
        match (interpreter.ends_with("/env"), words.next(), words.next()) {
            (true, Some(name), None) if !name.starts_with('-') && self.in_path(Path::new(name)).is_none() => {
                missing(name)
            }
            _ => None,
        }
    }
}

/// A relative path with a slash means the study's folder, wherever the process is started.
fn located(program: &OsStr, folder: &Path) -> OsString {
    if has_slash(program) { folder.join(program).into_os_string() } else { program.to_owned() }
}

fn has_slash(program: &OsStr) -> bool {
    program.as_encoded_bytes().contains(&b'/')
}

fn is_executable(path: &Path) -> bool {
    path.is_file() && nix::unistd::access(path, nix::unistd::AccessFlags::X_OK).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn what_was_not_found_is_said_before_starting_it() {
        let launch = |program: &str| Launch {
            program: program.into(),
            arguments: Vec::new(),
            folder: "/".into(),
            environment: Vec::new(),
        };
        assert_eq!(launch("no-such-program").problems(), ["the program no-such-program is not in PATH"]);
        assert_eq!(launch("./no/program").problems(), ["the program /./no/program is missing"]);
        assert_eq!(launch("sh").problems(), Vec::<String>::new());
        assert_eq!(launch("no-such-program").spawn(false).unwrap_err().kind, FailureKind::Setup);
    }

    #[test]
    fn what_is_wrong_with_the_first_line_of_a_script_is_said() {
        let folder = tempfile::tempdir().unwrap();
        let script = folder.path().join("a.sh");
        let launch = Launch {
            program: "./a.sh".into(),
            arguments: Vec::new(),
            folder: folder.path().to_owned(),
            environment: Vec::new(),
        };
        for (text, problem) in [
            ("#!/bin/sh\necho 1\n", None),
            ("#! /usr/bin/env sh\n", None),
            ("#!/usr/bin/env -S sh -e\r\n", None),
            ("#!/bin/sh", None),
            ("\u{7f}ELF\0", None),
            ("#!/no/python -u\n", Some("the interpreter /no/python: install it")),
            ("#!/usr/bin/env no-such\n", Some("the interpreter no-such: install it")),
            ("#!/bin/sh\r\necho 1\r\n", Some("the interpreter /bin/sh with a carriage return")),
            ("#!/usr/bin/env sh\r\n", Some("the interpreter sh with a carriage return")),
            ("echo 1\n", Some("does not begin with `#!`")),
            ("", Some("does not begin with `#!`")),
        ] {
            std::fs::write(&script, text).unwrap();
            std::fs::set_permissions(&script, PermissionsExt::from_mode(0o755)).unwrap();
            let problems = launch.problems();
            let said = problems.first().map_or("", String::as_str);
            assert!(said.contains(problem.unwrap_or_default()), "{text:?}: {said}");
            assert_eq!(problems.len(), usize::from(problem.is_some()), "{text:?}: {said}");
        }
    }
}
