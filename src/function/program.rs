#![doc = include_str!("protocol.md")]

use super::command::words;
use super::coprocess::{self, Coprocess};
use super::launch::Launch;
use super::{Context, Function, FunctionSpec, Needs, Shared};
use crate::model::Failure;
use crate::model::settings::{self, Table};
use std::sync::Arc;

#[derive(Clone, Debug)]
struct Program {
    launch: Launch,
    shared: Shared,
    /// It says when it has loaded.
    announces: bool,
}

pub(super) fn from_settings(
    table: &Table,
    context: &Context,
    shared: &Shared,
) -> settings::Result<Arc<dyn FunctionSpec>> {
    let setting = table.get("program").ok_or_else(|| table.missing("program"))?;
    let mut words = words(setting, "function.program")?.into_iter();
    let launch = Launch {
        program: words.next().unwrap_or_default().into(),
        arguments: words.map(Into::into).collect(),
        folder: context.folder.clone(),
        environment: shared.environment.clone(),
    };
    let announces = table.get("start_timeout").is_some();
    Ok(Arc::new(Program { launch, shared: shared.clone(), announces }))
}

impl FunctionSpec for Program {
    fn kind(&self) -> &'static str {
        "program"
    }

    fn describe(&self) -> String {
        format!("program {}{}", self.launch.program.display(), self.shared.limit())
    }

    fn check(&self) -> Vec<String> {
        self.launch.problems()
    }

    fn outside(&self) -> bool {
        true
    }

    fn needs(&self) -> Needs {
        self.shared.needs()
    }

    fn start_with(&self, environment: &[(String, String)]) -> Result<Box<dyn Function>, Failure> {
        let launch = self.launch.with(environment);
        let program = coprocess::Program::Users { announces: self.announces };
        Ok(Box::new(Coprocess::start("program", launch, &self.shared, program)?))
    }
}
