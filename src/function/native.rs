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

use super::{Call, Context, Function, FunctionSpec, Needs, Shared, Team};
use crate::model::settings::{self, Table, unknown};
use crate::model::{Failure, FailureKind, Value};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// A function written in Rust. Workers of one process may call it at the same time.
pub type NativeFunction = dyn Fn(&Call<'_>) -> Result<Value, Failure> + Send + Sync;

/// One that several ranks call together, with the same point; the first one's value counts.
pub type TogetherFunction = dyn Fn(&Call<'_>, &dyn Team) -> Result<Value, Failure> + Send + Sync;

/// Functions of the running binary, by name.
#[derive(Clone, Default)]
pub struct Natives {
    single: BTreeMap<String, Arc<NativeFunction>>,
    together: BTreeMap<String, Arc<TogetherFunction>>,
}

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
        self.single.insert(name.into(), Arc::new(function));
    }

    /// Registers a function for studies with `ranks`: each of the ranks calls it with the same point.
    ///
    /// ```
    /// use adaptive_mpi::{function::Natives, model::Value};
    ///
    /// let mut natives = Natives::new();
    /// natives.insert_together("series", |call, team| {
    ///     let own = (1..=1000).skip(team.rank() as usize).step_by(team.size() as usize);
    ///     let mut sum = [own.map(|k| call.point.x().powi(k) / f64::from(k)).sum::<f64>()];
    ///     team.sum(&mut sum)?;
    ///     Ok(Value::scalar(sum[0]))
    /// });
    /// ```
    pub fn insert_together(
        &mut self,
        name: impl Into<String>,
        function: impl Fn(&Call<'_>, &dyn Team) -> Result<Value, Failure> + Send + Sync + 'static,
    ) {
        self.together.insert(name.into(), Arc::new(function));
    }

    /// The function of this name.
    pub fn get(&self, name: &str) -> Option<&Arc<NativeFunction>> {
        self.single.get(name)
    }

    /// The function for several ranks of this name.
    pub fn get_together(&self, name: &str) -> Option<&Arc<TogetherFunction>> {
        self.together.get(name)
    }

    /// All names: those for one rank, then those for several.
    pub fn names(&self) -> impl Iterator<Item = &str> + Clone {
        self.single.keys().chain(self.together.keys()).map(String::as_str)
    }
}

impl fmt::Debug for Natives {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.names()).finish()
    }
}

#[derive(Clone)]
struct Native {
    name: String,
    function: Callable,
    shared: Shared,
}

#[derive(Clone)]
enum Callable {
    Single(Arc<NativeFunction>),
    Together(Arc<TogetherFunction>),
}

impl fmt::Debug for Native {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Native").field("name", &self.name).finish_non_exhaustive()
    }
}

pub(super) fn from_settings(
    table: &Table,
    context: &Context,
    shared: &Shared,
) -> settings::Result<Arc<dyn FunctionSpec>> {
    let name = table.text("rust")?.ok_or_else(|| table.missing("rust"))?;
    let single = context.natives.get(name).map(|function| Callable::Single(Arc::clone(function)));
    let together =
        context.natives.get_together(name).map(|function| Callable::Together(Arc::clone(function)));
    let chosen = if shared.ranks > 1 { together.or(single) } else { single.or(together) };
    let Some(function) = chosen else {
        let span = table.get("rust").map_or_else(|| table.span.clone(), |setting| setting.span.clone());
        let message = format!("this program has no Rust function `{name}`");
        let error = unknown(&span, &message, name, context.natives.names());
        return Err(match context.natives.names().next() {
            Some(_) => error,
            None => error.help("Rust functions are registered by your own binary: see the page of adaptive_mpi::function::native"),
        });
    };
    if matches!((&function, shared.ranks), (Callable::Single(_), 2..)) {
        return Err(table
            .error("ranks", format!("the Rust function `{name}` is for one rank"))
            .help("register it with `insert_together`, or leave out `ranks`"));
    }
    if matches!((&function, shared.ranks), (Callable::Together(_), 0 | 1)) {
        return Err(table
            .error("rust", format!("the Rust function `{name}` is for several ranks"))
            .help("say how many: ranks = 4"));
    }
    Ok(Arc::new(Native { name: name.to_owned(), function, shared: shared.clone() }))
}

impl FunctionSpec for Native {
    fn kind(&self) -> &'static str {
        "rust"
    }

    fn describe(&self) -> String {
        format!("rust {}{}", self.name, self.shared.on_ranks())
    }

    fn needs(&self) -> Needs {
        self.shared.needs_inside()
    }

    fn start_with(&self, _: &[(String, String)]) -> Result<Box<dyn Function>, Failure> {
        Ok(Box::new(self.clone()))
    }
}

impl Function for Native {
    fn evaluate(&mut self, call: &Call<'_>) -> Result<Value, Failure> {
        match &self.function {
            Callable::Single(function) => function(call),
            Callable::Together(_) => Err(Failure::new(FailureKind::Setup, "it is for several ranks")),
        }
    }

    fn evaluate_together(&mut self, call: &Call<'_>, team: &dyn Team) -> Result<Value, Failure> {
        match &self.function {
            Callable::Single(function) => function(call),
            Callable::Together(function) => function(call, team),
        }
    }
}
