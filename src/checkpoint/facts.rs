use crate::model::{Failure, Parameter, Parameters, Sample, Value};
use std::collections::BTreeMap;

/// One evaluated sample with its provenance.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Told {
    /// What was evaluated.
    pub sample: Sample,
    /// What came back.
    pub value: Value,
    /// Who evaluated it, and when.
    pub meta: Meta,
}

/// Where and when an attempt ran.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Meta {
    /// The worker that ran it.
    pub worker: u32,
    /// Which attempt at this sample, counted from 0.
    pub attempt: u32,
    /// When it began, in seconds since 1970 (UTC).
    pub started: f64,
    /// How long it took, in seconds.
    pub duration: f64,
}

/// An attempt that gave no value.
#[derive(Clone, Debug, PartialEq)]
pub struct Failed {
    /// What was attempted.
    pub sample: Sample,
    /// What went wrong.
    pub failure: Failure,
    /// Who attempted it, and when.
    pub meta: Meta,
    /// No further attempt follows.
    pub given_up: bool,
}

/// Something that happened and is never unsaid. Facts are numbered from 0 in the order in which they came.
#[derive(Clone, Debug, PartialEq)]
pub enum Fact {
    /// A value was told.
    Told(Told),
    /// An attempt failed.
    Failed(Failed),
}

impl Fact {
    /// What was evaluated, or attempted.
    pub fn sample(&self) -> &Sample {
        match self {
            Self::Told(told) => &told.sample,
            Self::Failed(failed) => &failed.sample,
        }
    }

    /// The same, to be changed.
    pub fn sample_mut(&mut self) -> &mut Sample {
        match self {
            Self::Told(told) => &mut told.sample,
            Self::Failed(failed) => &mut failed.sample,
        }
    }
}

impl From<Told> for Fact {
    fn from(told: Told) -> Self {
        Self::Told(told)
    }
}

impl From<Failed> for Fact {
    fn from(failed: Failed) -> Self {
        Self::Failed(failed)
    }
}

/// What a file says about the run that it belongs to.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Header {
    /// The name of the study.
    pub name: String,
    /// The study file, as the user wrote it.
    pub study_text: String,
    /// The SHA-256 of [`Self::study_text`], in hexadecimal digits.
    pub study_hash: String,
    /// The files that the function consists of, and the SHA-256 of each, in hexadecimal digits.
    pub function_files: BTreeMap<String, String>,
    /// The names of the coordinates of a point.
    pub dimensions: Vec<String>,
    /// The names of the components of a value; empty until they are known. If it is empty, the first value
    /// that names its components fills it.
    pub outputs: Vec<String>,
    /// The parameters of each learner, by index.
    pub learners: Vec<Parameters>,
    /// When the run was first started, in seconds since 1970. It also tells files of one run from files of
    /// another, so a resumed run keeps the number that it finds on disk.
    pub created: f64,
    /// Which program and version wrote this, as `adaptive-mpi 0.1.0`.
    pub program: String,
}

impl Header {
    /// A header of this name, made now by this program, for one learner without parameters.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            learners: vec![Parameters::default()],
            created: unix_now(),
            program: concat!("adaptive-mpi ", env!("CARGO_PKG_VERSION")).to_owned(),
            ..Self::default()
        }
    }
}

impl Header {
    /// The header in a form that every file keeps exactly: no NUL in any text (HDF5 ends texts there), and
    /// the parameters of all learners in one order, without repetition.
    pub(super) fn normalised(mut self) -> Self {
        let clean = |text: &mut String| {
            if text.contains('\0') {
                *text = text.replace('\0', "\u{fffd}");
            }
        };
        for text in [&mut self.name, &mut self.study_text, &mut self.study_hash, &mut self.program] {
            clean(text);
        }
        self.dimensions.iter_mut().chain(&mut self.outputs).for_each(clean);
        self.function_files.retain(|name, _| !name.contains('\0'));
        let mut order: Vec<String> = Vec::new();
        for Parameters(parameters) in &mut self.learners {
            for (name, value) in &mut *parameters {
                clean(name);
                if let Parameter::Text(text) = value {
                    clean(text);
                }
                if !order.contains(name) {
                    order.push(name.clone());
                }
            }
            let rank = |name: &String| order.iter().position(|known| known == name);
            parameters.sort_by_key(|(name, _)| rank(name));
            parameters.dedup_by(|(a, _), (b, _)| a == b);
        }
        self
    }
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ending {
    /// Which kind of end.
    pub kind: EndingKind,
    /// One line about it: which goal, which signal, which error.
    pub reason: String,
}

/// Kinds of [`Ending`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndingKind {
    /// The goal was reached.
    Goal,
    /// Stopped before the goal, and can go on (walltime, signal).
    Stopped,
    /// Ended by a fault or by failed evaluations.
    Failed,
}

impl Ending {
    /// An ending.
    pub fn new(kind: EndingKind, reason: impl Into<String>) -> Self {
        Self { kind, reason: reason.into() }
    }
}

impl EndingKind {
    /// All kinds with their names, as written to files.
    pub const ALL: [(Self, &'static str); 3] =
        [(Self::Goal, "goal"), (Self::Stopped, "stopped"), (Self::Failed, "failed")];

    /// The name, as written to files.
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(kind, _)| *kind == self).map_or("failed", |(_, name)| name)
    }

    /// The kind of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, n)| *n == name).map(|(kind, _)| *kind)
    }
}

/// An ending and when it was, in seconds since 1970.
#[derive(Clone, Debug, PartialEq)]
pub struct Ended {
    /// How.
    pub ending: Ending,
    /// When.
    pub at: f64,
}

/// Seconds since 1970.
pub(crate) fn unix_now() -> f64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0.0, |t| t.as_secs_f64())
}
