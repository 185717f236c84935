//! `rust = "h"`: functions that the user's own binary registers.
//!
//! ```
//! use adaptive_mpi::function::Natives;
//! use adaptive_mpi::model::Value;
//!
//! let mut natives = Natives::new();
//! natives.insert("h", |call| {
//!     let a = call.parameters.number("a").unwrap_or(0.1);
//!     Ok(Value::scalar(call.point.x() + a))
//! });
//! assert!(natives.get("h").is_some());
//! ```

use super::{Call, Context, Function, FunctionSpec, Shared};
use crate::model::settings::{self, Table, unknown};
use crate::model::{Failure, Value};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// A function written in Rust. Workers of one process may call it at the same time.
pub type NativeFunction = dyn Fn(&Call<'_>) -> Result<Value, Failure> + Send + Sync;

/// Functions of the running binary, by name.
#[derive(Clone, Default)]
pub struct Natives(BTreeMap<String, Arc<NativeFunction>>);

impl Natives {
    /// None.
    pub fn new() -> Self {
        Self::default()
    }

    /// Registers a function; one of the same name is replaced.
    pub fn insert(
        &mut self,
        name: impl Into<String>,
        function: impl Fn(&Call<'_>) -> Result<Value, Failure> + Send + Sync + 'static,
    ) {
        self.0.insert(name.into(), Arc::new(function));
    }

    /// The function of this name.
    pub fn get(&self, name: &str) -> Option<&Arc<NativeFunction>> {
        self.0.get(name)
    }

    /// All names, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> + Clone {
        self.0.keys().map(String::as_str)
    }
}

impl fmt::Debug for Natives {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

#[derive(Clone)]
struct Native {
    name: String,
    function: Arc<NativeFunction>,
}

impl fmt::Debug for Native {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Native").field("name", &self.name).finish_non_exhaustive()
    }
}

pub(super) fn from_settings(
    table: &Table,
    context: &Context,
    _: &Shared,
) -> settings::Result<Arc<dyn FunctionSpec>> {
    let name = table.text("rust")?.ok_or_else(|| table.missing("rust"))?;
    let Some(function) = context.natives.get(name) else {
        let span = table.get("rust").map_or_else(|| table.span.clone(), |setting| setting.span.clone());
        let message = format!("this program has no Rust function `{name}`");
        let error = unknown(&span, &message, name, context.natives.names());
        return Err(match context.natives.names().next() {
            Some(_) => error,
            None => error.help("Rust functions are registered by your own binary: see the page of adaptive_mpi::function::native"),
        });
    };
    Ok(Arc::new(Native { name: name.to_owned(), function: function.clone() }))
}

impl FunctionSpec for Native {
    fn kind(&self) -> &'static str {
        "rust"
    }

    fn describe(&self) -> String {
        format!("rust {}", self.name)
    }

    fn start(&self) -> Result<Box<dyn Function>, Failure> {
        Ok(Box::new(self.clone()))
    }
}

impl Function for Native {
    fn evaluate(&mut self, call: &Call<'_>) -> Result<Value, Failure> {
        (self.function)(call)
    }
}
