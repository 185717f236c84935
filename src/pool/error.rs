use std::sync::Arc;
use std::time::Duration;

/// Why a task gave no result. It is an answer like any other: the pool goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskError {
    /// What kind of failure, for policies.
    pub kind: TaskErrorKind,
    /// What went wrong, in the words of the task.
    pub message: String,
    /// Where: `file:line:column` of a panic and its backtrace if `RUST_BACKTRACE` asks for one; else empty.
    pub location: String,
    /// The rank that ran the task last; 0 if it never left rank 0.
    pub rank: u32,
    /// The host of that rank.
    pub host: String,
    /// For a task that was not started because of another one: that one's error. Of a very long chain, some in the
    /// middle are left out.
    pub cause: Option<Arc<TaskError>>,
}

/// Shows the whole chain of causes, so there is no `source`, which would show it twice.
impl std::fmt::Display for TaskError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { kind, message, location, rank, host, cause } = self;
        if *rank == 0 {
            write!(f, "{kind}: {message}")?;
        } else {
            write!(f, "{kind} on rank {rank} ({host}): {message}")?;
        }
        if let Some(place) = location.lines().next() {
            write!(f, " ({place})")?;
        }
        cause.as_ref().map_or(Ok(()), |cause| write!(f, " <- {cause}"))
    }
}

impl std::error::Error for TaskError {}

impl From<super::panics::Caught> for TaskError {
    /// Of a panic on rank 0, in what prepares a task or reads its result.
    fn from(caught: super::panics::Caught) -> Self {
        let kind = TaskErrorKind::Panic;
        Self { kind, location: caught.location, ..Self::local(caught.message) }
    }
}

impl TaskError {
    /// An error of rank 0 itself; its host is filled in when it is read.
    pub(super) fn local(message: String) -> Self {
        let (location, host) = (String::new(), String::new());
        Self { kind: TaskErrorKind::Malformed, message, location, rank: 0, host, cause: None }
    }

    /// With the error that led to it.
    pub(super) fn because(self, cause: Self) -> Self {
        let cause = match &cause.cause {
            Some(deeper) if cause.chain() >= LONGEST_CHAIN => Arc::clone(deeper),
            _ => Arc::new(cause),
        };
        Self { cause: Some(cause), ..self }
    }

    /// The number of errors from this one to the root.
    fn chain(&self) -> usize {
        std::iter::successors(Some(self), |error| error.cause.as_deref()).count()
    }

    /// The error at the end of the chain: what went wrong first.
    pub fn root(&self) -> &Self {
        let mut error = self;
        while let Some(cause) = &error.cause {
            error = cause;
        }
        error
    }
}

/// Most errors in a chain of causes.
const LONGEST_CHAIN: usize = 32;

/// Kinds of [`TaskError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TaskErrorKind {
    /// The task (or the making of its state) returned an error.
    Error,
    /// The task panicked; its worker goes on.
    Panic,
    /// The worker died or fell silent, and no other could take the task over.
    WorkerLost,
    /// The task was dropped before a worker had it: cancelled (it or one of its inputs), or the pool ended.
    Cancelled,
    /// Its time was over, before it started or while it ran.
    TimedOut,
    /// It was not started because a task whose result it needs has failed.
    Input,
    /// It came after [`Pool::shutdown`](super::Pool::shutdown).
    Closed,
    /// The arguments or the result could not be encoded or decoded.
    Malformed,
    /// It asks for more ranks than there are workers.
    TooLarge,
}

impl std::fmt::Display for TaskErrorKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Error => "task failed",
            Self::Panic => "task panicked",
            Self::WorkerLost => "worker lost",
            Self::Cancelled => "task cancelled",
            Self::TimedOut => "task timed out",
            Self::Input => "input failed",
            Self::Closed => "pool is shut down",
            Self::Malformed => "malformed value",
            Self::TooLarge => "too few workers",
        })
    }
}

/// A call of the transport that did not succeed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{call} failed{}: {message}", .peer.map(|rank| format!(" for rank {rank}")).unwrap_or_default())]
pub struct TransportError {
    /// The failed call, such as `MPI_Isend`.
    pub call: &'static str,
    /// The rank it concerned, where it concerned one.
    pub peer: Option<u32>,
    /// The reason, as the library words it.
    pub message: String,
    /// The library says that a rank is dead: the one it concerned, or some rank.
    pub by_death: bool,
}

/// Why a program could not start, or had to leave.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LaunchError {
    /// The launcher started several processes, but MPI joined none of them to this one.
    #[error(
        "{launcher} started {expected} processes, but each is alone in its MPI world\n\
         library: {library}\nhelp: {advice}"
    )]
    Mismatch {
        /// Who started the processes, by its environment variables.
        launcher: &'static str,
        /// How many it says it started.
        expected: u32,
        /// The MPI library of this binary.
        library: String,
        /// What to change.
        advice: String,
    },
    /// A binary built without MPI was started as several processes.
    #[error(
        "{launcher} started {expected} processes, but this binary is built without MPI\n\
         help: build it with the feature `mpi`, or start it without a launcher"
    )]
    WithoutMpi {
        /// Who started the processes.
        launcher: &'static str,
        /// How many it says it started.
        expected: u32,
    },
    /// Workers could not be started by `MPI_Comm_spawn`.
    #[error(
        "{workers} workers could not be spawned: {error}\nhelp: this MPI, launcher or site does not allow it (or has no \
         room for so many); start all ranks together, as `mpiexec -n {}`", .workers + 1
    )]
    Spawn {
        /// How many were asked for.
        workers: u32,
        /// What MPI said.
        error: TransportError,
    },
    /// Not all workers could be started as threads of this process.
    #[error(
        "only {started} of {workers} worker threads could be started: {error}\nhelp: start fewer (`--workers`), or \
         raise the limits of this process: `ulimit -u`, `ulimit -v`, its control group's"
    )]
    Threads {
        /// How many there were, which have left again.
        started: u32,
        /// How many were asked for.
        workers: u32,
        /// What the system said.
        error: String,
    },
    /// MPI could not be initialised.
    #[error("could not start: {0}")]
    Start(String),
    /// MPI reported an error that leaves nothing to go on with.
    #[error(transparent)]
    Transport(#[from] TransportError),
    /// Ranks that said nothing within the time given to start.
    #[error(
        "no word from ranks {ranks:?} within {limit:?}\nhelp: raise `start_limit`, or see what their hosts print"
    )]
    Missing {
        /// The silent ranks.
        ranks: Vec<u32>,
        /// How long rank 0 waited.
        limit: Duration,
    },
    /// A rank has registered other tasks than rank 0.
    #[error(
        "rank {rank} has other tasks than rank 0: {theirs} instead of {ours}\nhelp: start the same binary on every rank"
    )]
    DifferentPrograms {
        /// The odd rank.
        rank: u32,
        /// Its tasks.
        theirs: String,
        /// Those of rank 0.
        ours: String,
    },
    /// A rank has read something else than rank 0, where all should have read the same.
    #[error(
        "rank {rank} on {host} has read another {name} than rank 0\nhelp: each rank reads it by itself when it starts: \
         start the run again, when the {name} is the same on all hosts and not being edited"
    )]
    Unlike {
        /// The odd rank.
        rank: u32,
        /// Its host.
        host: String,
        /// What it has read.
        name: String,
    },
    /// An initialiser of the program failed on some workers.
    #[error("the initialiser failed on {} of {workers} workers:{}", .failures.len(), list(.failures))]
    Initialiser {
        /// Ranks, their hosts, and what went wrong there.
        failures: Vec<(u32, String, String)>,
        /// How many workers there are.
        workers: u32,
    },
    /// Rank 0 could not read data that all workers need.
    #[error("the data `{name}` could not be read: {message}")]
    Data {
        /// The name under which it was registered.
        name: String,
        /// What went wrong.
        message: String,
    },
    /// Seen by a worker: rank 0 is gone or silent, so the worker leaves.
    #[error("worker {rank} leaves: {reason}")]
    ManagerLost {
        /// The rank that leaves.
        rank: u32,
        /// What it saw.
        reason: String,
    },
}

/// Most failures that a message lists one by one.
const LISTED: usize = 8;

fn list(failures: &[(u32, String, String)]) -> String {
    let line = |(rank, host, message): &(u32, String, String)| format!("\n  rank {rank} ({host}): {message}");
    let mut text: String = failures.iter().take(LISTED).map(line).collect();
    if failures.len() > LISTED {
        text.push_str(&format!("\n  and {} more", failures.len() - LISTED));
    }
    text
}
