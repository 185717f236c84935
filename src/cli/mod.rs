//! Commands, output, exit codes.

/// The command line, with the functions that a user's own binary adds.
#[derive(Default)]
pub struct App {}

impl App {
    /// A command line without functions of its own.
    pub fn new() -> Self {
        Self::default()
    }

    /// Runs the command line of this process.
    pub fn main(self) -> std::process::ExitCode {
        std::process::ExitCode::SUCCESS
    }
}
