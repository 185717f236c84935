//! What child processes are made of, and how they are started.

use super::child::Child;
use super::{environment, guard};
use crate::model::{Failure, FailureKind};
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

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
            }
        } else if !self.is_in_path(path) {
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

    /// In the PATH that the process will have: that is where it is looked for.
    fn is_in_path(&self, program: &Path) -> bool {
        let set = self.environment.iter().rev().find(|(name, _)| name == "PATH");
        let path = set.map_or_else(|| std::env::var_os("PATH").unwrap_or_default(), |(_, path)| path.into());
        std::env::split_paths(&path).any(|folder| is_executable(&self.folder.join(folder).join(program)))
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
}
