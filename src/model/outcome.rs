use super::Value;
use serde::{Deserialize, Serialize};

/// What one attempt at evaluating a sample led to.
pub type Outcome = Result<Value, Failure>;

/// An evaluation that gave no value. It travels back to rank 0 like a value does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{kind}: {message}")]
pub struct Failure {
    /// What kind of failure, for counting and for policies.
    pub kind: FailureKind,
    /// One line: what went wrong.
    pub message: String,
    /// More: a traceback, the last lines of standard error; may be empty.
    pub detail: String,
}

impl Failure {
    /// A failure without further detail. Of a message beyond 4 kB, the middle is left out.
    pub fn new(kind: FailureKind, message: impl Into<String>) -> Self {
        Self { kind, message: without_middle(message.into(), 4 << 10), detail: String::new() }
    }

    /// The same failure with a traceback or the like, of which the middle is left out beyond 32 kB.
    #[must_use]
    pub fn with_detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = without_middle(detail.into(), 32 << 10);
        self
    }
}

/// A text of not much more than `most` bytes. Failures are kept for every attempt, and an exception may well print a large
/// array: such texts would fill a disk.
fn without_middle(text: String, most: usize) -> String {
    if text.len() <= most {
        return text;
    }
    let (head, tail) = (text.floor_char_boundary(most / 2), text.ceil_char_boundary(text.len() - most / 2));
    format!("{} … {} bytes are left out … {}", &text[..head], tail - head, &text[tail..])
}

/// Kinds of [`Failure`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum FailureKind {
    /// The function itself reported an error (an exception, a non-zero exit status).
    Error,
    /// The function panicked.
    Panic,
    /// The time limit of the point passed.
    Timeout,
    /// The process that ran the function died.
    Crash,
    /// What came back could not be read as a value.
    BadOutput,
    /// The number of components differs from earlier values.
    WrongShape,
    /// A component is NaN or infinite and the study forbids that.
    NotFinite,
    /// The worker was lost.
    WorkerLost,
    /// The function could not be started (missing file, wrong settings).
    Setup,
    /// The function's files are not those that the run began with. It ends the run, and is never stored.
    Changed,
}

impl FailureKind {
    /// All kinds that are stored, with their names, as written to files; the position is the number in HDF5.
    pub const ALL: [(Self, &'static str); 9] = [
        (Self::Error, "error"),
        (Self::Panic, "panic"),
        (Self::Timeout, "timeout"),
        (Self::Crash, "crash"),
        (Self::BadOutput, "bad output"),
        (Self::WrongShape, "wrong shape"),
        (Self::NotFinite, "not finite"),
        (Self::WorkerLost, "worker lost"),
        (Self::Setup, "setup"),
    ];

    /// The name, as written to files and messages.
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(kind, _)| *kind == self).map_or("error", |(_, name)| name)
    }

    /// The kind of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, n)| *n == name).map(|(kind, _)| *kind)
    }
}

impl std::fmt::Display for FailureKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_text_that_would_fill_a_disk_the_middle_is_left_out() {
        let failure = Failure::new(FailureKind::Error, "é".repeat(1_000_000)).with_detail("short");
        assert!(failure.message.len() < 4200 && failure.message.contains("bytes are left out"));
        assert!(failure.message.starts_with("éé") && failure.message.ends_with("éé"));
        assert_eq!(failure.detail, "short");
        let whole = "x".repeat(4096);
        assert_eq!(Failure::new(FailureKind::Error, whole.clone()).message, whole);
    }
}
