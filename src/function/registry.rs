use super::{FunctionSpec, Natives};
use super::{builtin, command, expression, isolated, library, native, program, python};
use crate::model::Signature;
use crate::model::settings::{self, SettingError, SettingValue, Table};
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// One kind of function: how a study file makes it.
pub struct FunctionKind {
    /// The key in `[function]`.
    pub name: &'static str,
    /// One line for `--help` and error messages.
    pub about: &'static str,
    /// Whether evaluations happen in this process unless they are isolated.
    pub inside: bool,
    /// Whether it runs compiled code of the user, which may read environment variables (`OMP_NUM_THREADS`).
    pub compiled: bool,
    /// Reads its own key and those that only it has. Does not call [`Table::finish`]: the caller does.
    pub from_settings: fn(&Table, &Context, &Shared) -> settings::Result<Arc<dyn FunctionSpec>>,
}

/// All kinds of functions.
pub const FUNCTIONS: &[FunctionKind] = &[
    FunctionKind {
        name: "builtin",
        about: "a well-known test function, by name",
        inside: true,
        compiled: false,
        from_settings: builtin::from_settings,
    },
    FunctionKind {
        name: "expression",
        about: "a formula of the coordinates and parameters",
        inside: true,
        compiled: false,
        from_settings: expression::from_settings,
    },
    FunctionKind {
        name: "command",
        about: "a program that is started once per point",
        inside: false,
        compiled: true,
        from_settings: command::from_settings,
    },
    FunctionKind {
        name: "program",
        about: "a program that each worker starts once and talks to in JSON lines",
        inside: false,
        compiled: true,
        from_settings: program::from_settings,
    },
    FunctionKind {
        name: "python",
        about: "a Python function: \"model.py:h\" or \"package.module:h\"",
        inside: false,
        compiled: true,
        from_settings: python::from_settings,
    },
    FunctionKind {
        name: "library",
        about: "a function with C ABI in a shared library: \"libmodel.so:model\"",
        inside: true,
        compiled: true,
        from_settings: library::from_settings,
    },
    FunctionKind {
        name: "rust",
        about: "a function that your own binary has registered",
        inside: true,
        compiled: true,
        from_settings: native::from_settings,
    },
];

/// What a function's settings are read against.
#[derive(Clone, Debug, Default)]
pub struct Context {
    /// The folder of the study file: relative paths start there, and so do child processes.
    pub folder: PathBuf,
    /// How samples look, from the learner.
    pub signature: Signature,
    /// The names in `[parameters]`, in order.
    pub parameter_names: Vec<String>,
    /// Functions that the running binary brings.
    pub natives: Natives,
    /// Program and arguments of the process that evaluates this same study's function in isolation; it has to call
    /// [`serve_process`](super::serve_process). It runs in `folder`, so paths in it should be absolute. `None` means: whatever the settings say, evaluate in this process; the isolated
    /// child itself says so.
    pub isolated_command: Option<Vec<OsString>>,
}

/// The keys that all kinds share.
#[derive(Clone, Debug, Default)]
pub struct Shared {
    /// `timeout`: the longest that one evaluation may take.
    pub timeout: Option<Duration>,
    /// `start_timeout`: the longest that a Python module or an isolated function may take to load.
    pub start_timeout: Duration,
    /// `isolate`: in a child process.
    pub isolate: bool,
    /// `threads` and `env`: variables for child processes.
    pub environment: Vec<(String, String)>,
}

/// Variables that set the number of threads of OpenMP, of the usual BLAS libraries and of numba and numexpr.
const THREAD_VARIABLES: [&str; 6] = [
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "NUMBA_NUM_THREADS",
];

/// Keys of `[function]` that the layers above read: workers of several ranks, devices, the policy on NaN, the cache and
/// what its values are values of.
const KEYS_OF_OTHERS: [&str; 5] = ["ranks", "gpus", "nan", "cache", "version"];

/// Generous: a cluster where thousands of ranks import from one file system takes minutes.
const START_TIMEOUT: Duration = Duration::from_secs(600);

/// Reads `[function]` whole: exactly one kind, its keys, the shared keys, and nothing else.
///
/// The keys of others (`ranks`, `cache`, …) are left for the layers above. Touches no file except the templates that a
/// `command` names.
pub fn from_settings(table: &Table, context: &Context) -> settings::Result<Arc<dyn FunctionSpec>> {
    let kind = chosen_kind(table)?;
    let shared = Shared::from_settings(table)?;
    for key in KEYS_OF_OTHERS {
        table.get(key);
    }
    // Children run elsewhere than we do, so their folder has to be absolute.
    let folder = std::path::absolute(&context.folder).unwrap_or_else(|_| context.folder.clone());
    let context = Context { folder, ..context.clone() };
    let spec = (kind.from_settings)(table, &context, &shared)?;
    table.finish()?;

    let wants_process =
        shared.isolate || shared.timeout.is_some() || (kind.compiled && !shared.environment.is_empty());
    Ok(match &context.isolated_command {
        Some(command) if kind.inside && wants_process => {
            Arc::new(isolated::Isolated::new(spec, command, &context, &shared))
        }
        _ => spec,
    })
}

fn chosen_kind(table: &Table) -> settings::Result<&'static FunctionKind> {
    let mut chosen = FUNCTIONS.iter().filter(|kind| table.get(kind.name).is_some());
    let known = || FUNCTIONS.iter().map(|kind| kind.name).collect::<Vec<_>>().join(", ");
    let Some(kind) = chosen.next() else {
        // A misspelt kind is the likelier mistake than none at all.
        for (key, span, _) in table.entries() {
            if let Some(near) = settings::nearest(key, FUNCTIONS.iter().map(|kind| kind.name)) {
                return Err(SettingError::new(span, format!("unknown key `{key}` in [function]"))
                    .help(format!("did you mean `{near}`?")));
            }
        }
        return Err(SettingError::new(&table.span, "[function] names no function")
            .help(format!("give one of: {}", known())));
    };
    match chosen.next() {
        None => Ok(kind),
        Some(second) => Err(table
            .error(second.name, format!("[function] has both `{}` and `{}`", kind.name, second.name))
            .help(format!("keep exactly one of: {}", known()))),
    }
}

impl Shared {
    fn from_settings(table: &Table) -> settings::Result<Self> {
        let timeout = table.duration("timeout")?;
        if timeout.is_some_and(|t| t.is_zero()) {
            return Err(table
                .error("timeout", "`function.timeout` has to be more than 0")
                .help("leave the key out for no time limit"));
        }
        let mut environment = Vec::new();
        if let Some(threads) = table.count("threads")? {
            if threads == 0 {
                return Err(table
                    .error("threads", "`function.threads` has to be 1 or more")
                    .help("leave the key out to set no number of threads"));
            }
            environment.extend(THREAD_VARIABLES.iter().map(|name| ((*name).to_owned(), threads.to_string())));
        }
        if let Some(variables) = table.table("env")? {
            for (name, span, setting) in variables.entries() {
                if name.is_empty() || name.contains(['=', '\0']) {
                    return Err(SettingError::new(span, format!("`{name}` can't name a variable")));
                }
                let text = match &setting.value {
                    SettingValue::Integer(i) => i.to_string(),
                    _ => setting.text(&format!("function.env.{name}"))?.to_owned(),
                };
                environment.push((name.clone(), text));
            }
        }
        Ok(Self {
            timeout,
            start_timeout: table.duration("start_timeout")?.unwrap_or(START_TIMEOUT),
            isolate: table.bool("isolate")?.unwrap_or(false),
            environment,
        })
    }

    /// How [`FunctionSpec::describe`] ends: the time limit, if there is one.
    pub(super) fn limit(&self) -> String {
        self.timeout.map_or_else(String::new, |t| format!(", at most {t:?} a point"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn context() -> Context {
        Context { signature: Signature::line(), ..Context::default() }
    }

    fn text(s: &str) -> SettingValue {
        SettingValue::Text(s.into())
    }

    fn refused(table: &Table) -> SettingError {
        from_settings(table, &context()).unwrap_err()
    }

    #[test]
    fn no_kind_and_two_kinds_are_errors_that_list_the_kinds() {
        let none = refused(&Table::new("function"));
        assert_eq!(none.message, "[function] names no function");
        assert!(none.help.contains("builtin, expression, command"));
        let two = Table::new("function").with("builtin", text("peak")).with("expression", text("x"));
        assert_eq!(refused(&two).message, "[function] has both `builtin` and `expression`");
    }

    #[test]
    fn a_misspelt_kind_names_the_nearest() {
        let error = refused(&Table::new("function").with("expresion", text("x")));
        assert_eq!(error.help, "did you mean `expression`?");
    }

    #[test]
    fn unknown_keys_are_refused_and_keys_of_other_layers_are_not() {
        let table = Table::new("function").with("expression", text("x"));
        let with_ranks = table.clone().with("ranks", SettingValue::Integer(2));
        assert!(from_settings(&with_ranks, &context()).is_ok());
        let misspelt = table.with("tiemout", text("1s"));
        assert_eq!(refused(&misspelt).help, "did you mean `timeout`?");
    }

    #[test]
    fn threads_set_all_the_usual_variables_and_env_wins() {
        let env = Table::new("function.env").with("OMP_NUM_THREADS", text("7"));
        let table = Table::new("function")
            .with("threads", SettingValue::Integer(3))
            .with("env", SettingValue::Table(env));
        let shared = Shared::from_settings(&table).unwrap();
        assert_eq!(shared.environment.len(), 7);
        assert!(shared.environment.contains(&("NUMBA_NUM_THREADS".into(), "3".into())));
        assert_eq!(shared.environment.last().unwrap().1, "7");
    }

    #[test]
    fn a_time_limit_puts_a_function_of_this_process_into_a_child() {
        let table = Table::new("function").with("builtin", text("peak")).with("timeout", text("1s"));
        let child = Context { isolated_command: Some(vec!["adaptive-mpi".into()]), ..context() };
        assert!(from_settings(&table, &child).unwrap().outside());
        assert!(!from_settings(&table, &context()).unwrap().outside());
    }
}
