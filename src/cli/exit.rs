use std::process::ExitCode;

/// How the program ends, for scripts and batch systems.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// The goal was reached, or the command did what it was asked.
    Done = 0,
    /// A fault of ours.
    Fault = 1,
    /// Wrong usage, or a study file that can't be used.
    Usage = 2,
    /// The MPI world and the launcher disagree.
    Launch = 3,
    /// Evaluations failed and the study says to stop, or the goal can't be reached because of them.
    Evaluations = 4,
    /// A checkpoint can't be read.
    Unreadable = 5,
    /// Results could not be saved.
    NotSaved = 6,
    /// Another run holds the checkpoint.
    Locked = 7,
    /// Stopped early; the same command goes on where it stopped.
    Resumable = 75,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// A command that failed: what to say and how to end.
#[derive(Debug)]
pub struct CommandError {
    /// The exit code.
    pub exit: Exit,
    /// What was wrong and where, ready to be printed after `error: `.
    pub message: String,
    /// How to mend it; may be empty.
    pub help: String,
}

impl CommandError {
    /// An error with an exit code of its own.
    pub fn new(exit: Exit, message: impl std::fmt::Display) -> Self {
        Self { exit, message: message.to_string(), help: String::new() }
    }

    /// The same error with advice.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = help.into();
        self
    }
}
