//! Commands, output, exit codes.
//!
//! [`App`] is the whole command line. A user's own binary adds Rust functions to it, and has every command:
//!
//! ```no_run
//! use adaptive_mpi::function::Call;
//! use adaptive_mpi::model::{Failure, Value};
//!
//! fn wave(call: &Call<'_>) -> Result<Value, Failure> {
//!     let k = call.parameters.number("k").unwrap_or(1.0);
//!     Ok((k * call.point.x()).sin().into())
//! }
//!
//! fn main() -> std::process::ExitCode {
//!     // The study file says: [function] rust = "wave"
//!     adaptive_mpi::App::new().function("wave", wave).main()
//! }
//! ```

mod args;
mod ask_tell;
mod bench;
mod check;
mod doctor;
mod exit;
mod export;
mod figures;
mod functions;
mod learners;
mod limits;
mod lines;
mod new;
mod open;
mod output;
mod own;
mod prepare;
mod run;
mod status;
mod summary;
mod together;
mod watch;

pub use exit::{CommandError, Exit};

use crate::function::{Call, Natives};
use crate::model::{Failure, Value};
use args::{Cli, Command};
use clap::{CommandFactory, Parser};
use std::ffi::OsString;
use std::process::ExitCode;

/// The command line, with the functions that a user's own binary adds.
#[derive(Default)]
pub struct App {
    natives: Natives,
}

impl App {
    /// A command line without functions of its own.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a function that a study names as `rust = "NAME"`.
    #[must_use]
    pub fn function(
        mut self,
        name: &str,
        function: impl Fn(&Call<'_>) -> Result<Value, Failure> + Send + Sync + 'static,
    ) -> Self {
        self.natives.insert(name, function);
        self
    }

    /// Runs the command line of this process, on whatever rank it is.
    pub fn main(self) -> ExitCode {
        self.run(std::env::args_os()).into()
    }

    /// The same for any words, of which the first is the name of the program. Ends the process if they make no
    /// command.
    pub fn run(self, words: impl IntoIterator<Item = OsString>) -> Exit {
        let cli = Cli::parse_from(words);
        // `ask-tell` has a client of its own, whatever has started that.
        let is_one_of_many = !matches!(cli.command, Command::AskTell(_));
        if is_one_of_many && crate::pool::launch::Launch::of_process().rank.is_some_and(|rank| rank > 0) {
            output::be_silent();
        }
        output::show_log();
        output::told(self.dispatch(cli.command))
    }

    fn dispatch(self, command: Command) -> Exit {
        let natives = &self.natives;
        let done = |result: Result<Exit, CommandError>| {
            result.unwrap_or_else(|error| {
                output::error(&error);
                error.exit
            })
        };
        match command {
            Command::Run(args) => done(args.with_environment().map(|args| run::run(&args, natives))),
            Command::Check(args) => done(check::check(&args, natives)),
            Command::AskTell(args) => done(ask_tell::ask_tell(&args)),
            Command::New(args) => done(new::new(&args)),
            Command::Status(args) => done(status::status(&args)),
            Command::Export(args) => done(export::export(&args)),
            Command::Functions(args) => functions::functions(args),
            Command::Learners(args) => learners::learners(args),
            Command::Doctor(args) => done(doctor::doctor(args)),
            Command::Bench(args) => done(bench::bench(&args)),
            Command::Completions { shell } => {
                let mut script = Vec::new();
                clap_complete::generate(shell, &mut Cli::command(), "adaptive-mpi", &mut script);
                output::print(String::from_utf8_lossy(&script));
                Exit::Done
            }
            Command::Evaluate { study, sha256 } => prepare::evaluate(&study, sha256.as_deref(), natives),
        }
    }
}
