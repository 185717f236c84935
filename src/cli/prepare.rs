use super::exit::{CommandError, Exit};
use super::together::devices_of;
use crate::function::{Code, DATA, Evaluator, FunctionSpec, Natives};
use crate::learner::Learner;
use crate::model::{Failure, FailureKind, Parameters, Signature};
use crate::runner::goal::{Condition, Goal};
use crate::study::{AllKinds, Study, StudyError};
use jiff::Timestamp;
use std::ffi::OsString;
use std::path::Path;
use std::sync::Arc;

/// A study with everything that its file describes, ready to run.
pub(super) struct Prepared {
    pub(super) study: Study,
    /// Empty: it knows no results yet.
    pub(super) learner: Box<dyn Learner>,
    pub(super) evaluators: Evaluators,
    /// How urgent the points of learner 0, 1, … are.
    pub(super) priorities: Vec<i32>,
    /// The files that the function's code is in, as they are now.
    pub(super) code: Code,
}

/// Makes one [`Evaluator`] per worker.
#[derive(Clone)]
pub(super) struct Evaluators {
    pub(super) function: Arc<dyn FunctionSpec>,
    pub(super) signature: Signature,
    pub(super) combos: Arc<[Parameters]>,
}

impl Evaluators {
    /// For the worker that is this one on its host, from 0. `data`: where the function's files are, if not where the study
    /// says.
    pub(super) fn start(&self, local_worker: u32, data: Option<&Path>) -> Result<Evaluator, Failure> {
        let mut environment = devices_of(self.function.needs().gpus, local_worker);
        environment.extend(data.map(|folder| (DATA.to_owned(), folder.display().to_string())));
        let function = self.function.start_with(&environment)?;
        Ok(Evaluator::new(function, Arc::clone(&self.combos), self.signature.clone()))
    }
}

/// Whose process evaluates functions that ask for a process of their own.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Isolation {
    /// A child of this one.
    AsAsked,
    /// This is that child.
    Inside,
}

/// Reads a study file and makes its learners and its function.
pub(super) fn prepare(path: &Path, natives: &Natives, isolation: Isolation) -> Result<Prepared, StudyError> {
    let study = Study::load(path)?;
    let isolated_command = match isolation {
        Isolation::Inside => None,
        // Without a path (and /proc): a study that needs it says so.
        Isolation::AsAsked => {
            Some(std::env::current_exe().map_or_else(|_| Vec::new(), |program| isolated(&program, &study)))
        }
    };
    // The child's parent sees to it that both have the same.
    let code = match isolation {
        Isolation::Inside => Code::default(),
        Isolation::AsAsked => Code::of(&study.folder(), study.code_files()),
    };
    let (folder, natives) = (study.folder(), natives.clone());
    let kinds = AllKinds { folder, natives, isolated_command, code: code.clone() };
    let built = study.build(&kinds)?;
    let evaluators =
        Evaluators { function: built.function, signature: built.signature, combos: built.combos.into() };
    Ok(Prepared { study, learner: built.learner, evaluators, priorities: built.priorities, code })
}

/// A warning about a goal that ends every run at once.
pub(super) fn past_end(goal: &Goal) -> Option<String> {
    let Goal::When { conditions, all: false } = goal else { return None };
    let past =
        conditions.iter().find(|goal| matches!(goal, Condition::EndTime(end) if *end <= Timestamp::now()))?;
    Some(format!("warning: the time of the goal {past} has passed: a run ends at once, without new points"))
}

fn isolated(program: &Path, study: &Study) -> Vec<OsString> {
    // The child runs in the folder of the study.
    let path = std::path::absolute(&study.path).unwrap_or_else(|_| study.path.clone());
    vec![program.into(), "__evaluate".into(), "--sha256".into(), digest(study).into(), path.into()]
}

/// By which two processes see that they have read the same study.
pub(super) fn digest(study: &Study) -> String {
    study.evaluated()
}

impl From<StudyError> for CommandError {
    fn from(error: StudyError) -> Self {
        Self::new(Exit::Usage, error)
    }
}

/// `adaptive-mpi __evaluate`: serves the function of a study over standard input and output, for an isolated
/// function's parent. That may have read the study long ago: one that was edited since describes another function.
pub(super) fn evaluate(study: &Path, sha256: Option<&str>, natives: &Natives) -> Exit {
    let prepared = prepare(study, natives, Isolation::Inside).map_err(|error| error.to_string());
    let prepared = prepared.and_then(|prepared| match sha256 {
        Some(expected) if digest(&prepared.study) != expected => Err(format!(
            "the study {} has been changed since this run began: stop the run and start it again, or change the \
             study back",
            study.display()
        )),
        _ => Ok(prepared),
    });
    let signature = prepared
        .as_ref()
        .map_or_else(|_| Signature::line(), |prepared| prepared.evaluators.signature.clone());
    let start = || match prepared {
        Ok(prepared) => prepared.evaluators.function.start(),
        Err(error) => Err(Failure::new(FailureKind::Setup, error)),
    };
    match crate::function::serve_process(start, &signature) {
        Ok(()) => Exit::Done,
        // The parent is gone: nobody is left to tell.
        Err(_) => Exit::Fault,
    }
}
