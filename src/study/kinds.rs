//! The real makers of learners and functions: the one place that knows every kind.

use super::Makers;
use crate::function::{Code, Context, FUNCTIONS, FunctionSpec, Natives};
use crate::learner::{BalancingLearner, Learner};
use crate::model::settings::{self, Table};
use crate::model::{Signature, Value};
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;

/// Makes learners and functions of all kinds that there are.
#[derive(Clone, Debug, Default)]
pub struct AllKinds {
    /// The folder of the study file: relative paths start there.
    pub folder: PathBuf,
    /// Functions that the running binary brings.
    pub natives: Natives,
    /// As [`Context::isolated_command`].
    pub isolated_command: Option<Vec<OsString>>,
    /// As [`Context::code`].
    pub code: Code,
}

impl Makers for AllKinds {
    type Function = Arc<dyn FunctionSpec>;

    fn learner(&self, table: &Table) -> settings::Result<Box<dyn Learner>> {
        crate::learner::from_settings(table)
    }

    fn balance(
        &self,
        children: Vec<Box<dyn Learner>>,
        strategy: &str,
        priorities: Vec<i32>,
    ) -> Box<dyn Learner> {
        // The study has checked the name.
        let strategy = strategy.parse().unwrap_or_default();
        Box::new(BalancingLearner::new(children, strategy).with_priorities(&priorities))
    }

    fn function(
        &self,
        table: &Table,
        signature: &Signature,
        parameters: &[String],
    ) -> settings::Result<Self::Function> {
        let context = Context {
            folder: self.folder.clone(),
            signature: signature.clone(),
            parameter_names: parameters.to_vec(),
            natives: self.natives.clone(),
            isolated_command: self.isolated_command.clone(),
            code: self.code.clone(),
            ..Context::default()
        };
        crate::function::from_settings(table, &context)
    }

    fn outline(&self, function: &Self::Function) -> Option<Value> {
        function.outline()
    }

    fn takes_text(&self, table: &Table) -> bool {
        FUNCTIONS.iter().filter(|kind| table.get(kind.name).is_some()).all(|kind| kind.takes_text)
    }
}
