use super::exit::{CommandError, Exit};
use crate::model::settings::parse_duration;
use clap::{Args, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;
use std::time::Duration;

/// Samples expensive functions where sampling pays, on every MPI rank you have.
#[derive(Debug, Parser)]
#[command(name = "adaptive-mpi", version, arg_required_else_help = true, max_term_width = 100)]
#[command(after_help = "Exit codes: 0 goal reached, 1 a fault of ours, 2 usage or study file, 3 launch, \
    4 evaluations failed, 5 checkpoint unreadable, 6 not saved, 7 locked, 75 stopped early (run again to go on).")]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run a study until its goal; goes on from its checkpoint. Start it with mpiexec or srun for many ranks
    #[command(
        after_help = "SIGINT (Ctrl-C), SIGTERM, SIGUSR1 and the end of the terminal (unless started by nohup) stop a \
        run in good order: evaluations in flight may finish within `run.grace`, all results are saved, and it ends with 75. \
        What a batch system ends by the same signal (it reaches all processes of a job: a `command` or `program` that does \
        not handle it) begins anew in the next run, without costing an attempt. \
        One more signal, a second or longer after the first, stops it at once. The same command goes on from there.\n\n\
        Open MPI 4's mpiexec has exit codes of its own: 1 where SIGTERM or SIGINT is sent to mpiexec itself (SIGUSR1, which \
        it only hands on, gives 75), and always 0 with --enable-recovery. `adaptive-mpi status --json` tells how a run has \
        ended (`state`) and when (`ended_at`)."
    )]
    Run(RunArgs),
    /// Validate a study without running it
    Check(CheckArgs),
    /// Write a commented study file to start from
    New(NewArgs),
    /// Serve the learner of a study over standard input and output, one JSON object a line: evaluate its points
    /// with any program
    AskTell(AskTellArgs),
    /// Show how a running, stopped or killed study stands
    Status(StatusArgs),
    /// Write the results as a table. Learners are called by their places in the study; one that left it has none
    Export(ExportArgs),
    /// List the builtin functions
    Functions(ReportArgs),
    /// List the types of learners with their keys, and the losses of each
    Learners(ReportArgs),
    /// Show what this program runs on: MPI world, hosts, libraries, round-trip times, Python
    Doctor(ReportArgs),
    /// Measure the pool and the main job on the ranks at hand, beside a bare MPI loop
    Bench(BenchArgs),
    /// Print a completion script for a shell
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Evaluate points over stdin and stdout (how isolated functions run)
    #[command(name = "__evaluate", hide = true)]
    Evaluate {
        /// The study file
        study: PathBuf,
        /// The SHA-256 of the study that the parent has read
        #[arg(long)]
        sha256: Option<String>,
    },
}

/// The study that most commands take.
#[derive(Clone, Debug, Args)]
pub(crate) struct StudyArg {
    /// The study file
    #[arg(default_value = "adaptive.toml")]
    pub(crate) study: PathBuf,
}

/// For commands that only report.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct ReportArgs {
    /// Print one JSON object instead of text
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct RunArgs {
    #[command(flatten)]
    pub(crate) study: StudyArg,
    /// Worker threads when there is no launcher [default: the cores of this machine]
    #[arg(long, value_name = "N", value_parser = parse_workers)]
    pub(crate) workers: Option<usize>,
    /// At most so many workers. Under `mpiexec -n 1`, or without a launcher, they are started by MPI_Comm_spawn
    /// [env: ADAPTIVE_MPI_MAX_WORKERS]
    #[arg(long, value_name = "N", conflicts_with = "workers")]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(crate) max_workers: Option<u32>,
    /// Stop in good order before this much time has passed, as 2h or 90min [default: the limit of the SLURM job]
    #[arg(long, value_name = "TIME", value_parser = parse_walltime)]
    pub(crate) walltime: Option<Duration>,
    #[command(flatten)]
    pub(crate) checkpoint: CheckpointArgs,
    /// Print a JSON summary at the end
    #[arg(long)]
    pub(crate) json: bool,
    /// Print no progress
    #[arg(long, short)]
    pub(crate) quiet: bool,
}

const MAX_WORKERS: &str = "ADAPTIVE_MPI_MAX_WORKERS";

impl RunArgs {
    /// The same with what the environment says, where neither `--workers` nor `--max-workers` is given.
    pub(crate) fn with_environment(mut self) -> Result<Self, CommandError> {
        let text = std::env::var_os(MAX_WORKERS).unwrap_or_default();
        if !text.is_empty() && self.workers.is_none() && self.max_workers.is_none() {
            let most = text.to_str().and_then(|text| text.parse().ok());
            self.max_workers = most.filter(|most| (1..=1_000_000).contains(most));
            if self.max_workers.is_none() {
                let message = format!("the variable {MAX_WORKERS} can't be {text:?}");
                let help = "set it to a whole number from 1 to 1000000, or unset it";
                return Err(CommandError::new(Exit::Usage, message).help(help));
            }
        }
        Ok(self)
    }
}

/// How to go on from what earlier runs left.
#[derive(Clone, Debug, Args)]
pub(crate) struct CheckpointArgs {
    /// Go on although the function (its files, too) or the bounds changed since the last run
    #[arg(long)]
    pub(crate) accept_changes: bool,
    /// Go on although some stored results can't be read any more
    #[arg(long)]
    pub(crate) accept_losses: bool,
    /// Take over a checkpoint whose lock was left by a run on another machine
    #[arg(long)]
    pub(crate) break_lock: bool,
    /// Evaluate points again that earlier runs gave up, with what may have been mended in the function's files
    #[arg(long)]
    pub(crate) retry_failed: bool,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct AskTellArgs {
    #[command(flatten)]
    pub(crate) study: StudyArg,
    #[command(flatten)]
    pub(crate) checkpoint: CheckpointArgs,
    /// Keep everything in memory: read no earlier results, write no files
    #[arg(long, conflicts_with_all = ["accept_changes", "accept_losses", "break_lock", "retry_failed"])]
    pub(crate) no_checkpoint: bool,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct CheckArgs {
    #[command(flatten)]
    pub(crate) study: StudyArg,
    /// Evaluate the function at the first points, too
    #[arg(long, value_name = "N", num_args = 0..=1, default_missing_value = "1")]
    pub(crate) evaluate: Option<usize>,
    /// Check that this log of asks and tells (`run.log`) gives the same points again
    #[arg(long, value_name = "LOG")]
    pub(crate) replay: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) report: ReportArgs,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct NewArgs {
    /// Where to write it
    #[arg(default_value = "adaptive.toml")]
    pub(crate) path: PathBuf,
    /// The kind of function: builtin, expression, command, program, python, library, rust
    #[arg(long, default_value = "expression")]
    pub(crate) function: String,
    /// The type of learner
    #[arg(long, default_value = "1d")]
    pub(crate) learner: String,
    /// Replace the file if it is there
    #[arg(long)]
    pub(crate) force: bool,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct StatusArgs {
    #[command(flatten)]
    pub(crate) study: StudyArg,
    /// List the failed points too
    #[arg(long)]
    pub(crate) failures: bool,
    /// One line per learner
    #[arg(long)]
    pub(crate) learners: bool,
    #[command(flatten)]
    pub(crate) report: ReportArgs,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct ExportArgs {
    #[command(flatten)]
    pub(crate) study: StudyArg,
    /// The format: csv, json; h5 for --grid and --at [default: by the file's ending, else csv]
    #[arg(long, value_name = "FORMAT")]
    pub(crate) format: Option<String>,
    /// Where to write it [default: standard output]
    #[arg(long, short, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// Export what is left although some stored results can't be read any more
    #[arg(long)]
    pub(crate) accept_losses: bool,
    #[command(flatten)]
    pub(crate) interpolation: InterpolationArgs,
}

/// Which learners to show, and what of their interpolants instead of the points themselves.
#[derive(Clone, Debug, Args)]
pub(crate) struct InterpolationArgs {
    /// The piecewise linear interpolant on an even grid: points along each coordinate that varies, as 200 or 200x100
    /// [default: as fine as the smallest simplex]
    #[arg(long, value_name = "N", num_args = 0..=1, default_missing_value = "")]
    pub(crate) grid: Option<String>,
    /// The interpolant at the points of this CSV file
    #[arg(long, value_name = "FILE", conflicts_with_all = ["grid", "slice", "isoline"])]
    pub(crate) at: Option<PathBuf>,
    /// Keep these coordinates fixed; the grid is over the others, and so are isolines
    #[arg(long, value_name = "NAME=X,...", value_delimiter = ',')]
    pub(crate) slice: Vec<String>,
    /// The points (where 1 coordinate varies), lines (2) or surfaces (3) where the function has these values
    #[arg(
        long,
        value_name = "Y,...",
        value_delimiter = ',',
        allow_negative_numbers = true,
        conflicts_with = "grid"
    )]
    pub(crate) isoline: Vec<f64>,
    /// Of 2 coordinates: the triangles on which the interpolant is linear. Data-dependent ones are long along ridges,
    /// kinks and layers, where the error is often half as large or less; at jumps and in noise they gain next to nothing
    #[arg(long, value_enum, value_name = "KIND", default_value_t = TriangulationKind::Delaunay)]
    pub(crate) triangulation: TriangulationKind,
    /// With --isoline: which of the learned outputs of the function [default: the first]
    #[arg(long, value_name = "NAME", requires = "isoline")]
    pub(crate) of: Option<String>,
    /// Only these learners, by their places in the study
    #[arg(long, value_name = "K,...", value_delimiter = ',')]
    pub(crate) learner: Vec<usize>,
    /// Only the learners with these parameter values
    #[arg(long = "where", value_name = "NAME=VALUE,...")]
    pub(crate) with: Vec<String>,
}

// Without comments on its values, so that the help stays a list of one entry for each option.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum TriangulationKind {
    Delaunay,
    DataDependent,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct BenchArgs {
    /// What to measure
    #[arg(value_enum)]
    pub(crate) what: BenchKind,
    /// Rounds in which bare loop and pool take turns; medians are printed
    #[arg(long, default_value_t = 9, value_name = "N")]
    pub(crate) rounds: usize,
    /// Of the pool, only what has this text in its name: 'in flight', 'MB'
    #[arg(long, value_name = "TEXT")]
    pub(crate) only: Option<String>,
    /// Points of the main job
    #[arg(long, default_value_t = 300_000, value_name = "N")]
    pub(crate) points: u64,
    #[command(flatten)]
    pub(crate) report: ReportArgs,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum BenchKind {
    /// The pool beside a bare MPI loop: empty tasks, tasks of 1 and 10 ms, round trips, idle workers
    Pool,
    /// The whole main job with an empty function: study, learner, journal, pool, HDF5 file
    Run,
}

fn parse_workers(text: &str) -> Result<usize, String> {
    let workers = text.parse().ok().filter(|workers| (1..=1_000_000).contains(workers));
    workers.ok_or_else(|| "write a whole number from 1 to 1000000".to_owned())
}

/// As in the study file; a bare number is one of seconds there, too.
fn parse_walltime(text: &str) -> Result<Duration, String> {
    let seconds = || text.parse().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    match parse_duration(text).or_else(seconds) {
        Some(Duration::ZERO) => {
            Err("it has to be more than 0: leave the option out for no time limit".to_owned())
        }
        Some(time) => Ok(time),
        None => Err("write it as 90s, 10min, \"1h 30m\", 2d, or as a number of seconds".to_owned()),
    }
}
