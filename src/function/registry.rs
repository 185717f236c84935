use super::{Code, FunctionSpec, Natives};
use super::{builtin, command, expression, isolated, library, native, program, python};
use crate::model::Signature;
use crate::model::settings::{self, SettingError, SettingValue, Table};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
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
    /// Whether several ranks can evaluate one call together.
    pub together: bool,
    /// Whether it takes parameters that are text, not only numbers.
    pub takes_text: bool,
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
        together: false,
        takes_text: false,
        from_settings: builtin::from_settings,
    },
    FunctionKind {
        name: "expression",
        about: "a formula of the coordinates and parameters",
        inside: true,
        compiled: false,
        together: false,
        takes_text: false,
        from_settings: expression::from_settings,
    },
    FunctionKind {
        name: "command",
        about: "a program that is started once per point",
        inside: false,
        compiled: true,
        together: true,
        takes_text: true,
        from_settings: command::from_settings,
    },
    FunctionKind {
        name: "program",
        about: "a program that each worker starts once and talks to in JSON lines",
        inside: false,
        compiled: true,
        together: false,
        takes_text: true,
        from_settings: program::from_settings,
    },
    FunctionKind {
        name: "python",
        about: "a Python function: \"model.py:h\" or \"package.module:h\"",
        inside: false,
        compiled: true,
        together: true,
        takes_text: true,
        from_settings: python::from_settings,
    },
    FunctionKind {
        name: "library",
        about: "a function with C ABI in a shared library: \"libmodel.so:model\"",
        inside: true,
        compiled: true,
        together: true,
        takes_text: false,
        from_settings: library::from_settings,
    },
    FunctionKind {
        name: "rust",
        about: "a function that your own binary has registered",
        inside: true,
        compiled: true,
        together: true,
        takes_text: true,
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
    /// child itself says so. Empty: it is not known, and a function that needs it can't be evaluated.
    pub isolated_command: Option<Vec<OsString>>,
    /// The files that the function's code is in, as this run knows them.
    pub code: Code,
    /// Ranks per evaluation; filled in by [`from_settings`]. 0 and 1: one.
    pub ranks: u32,
}

/// What one evaluation takes of the machine.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    /// Ranks that evaluate it together; 0 and 1: one.
    pub ranks: u32,
    /// Threads on each rank; 0: the study does not say.
    pub threads: u32,
    /// Devices for each rank.
    pub gpus: u32,
    /// Variables that have to be set in the process of the rank itself, because the function runs there and can't be put
    /// into a child (several ranks evaluate it together).
    pub environment: Vec<(String, String)>,
    /// Files that every node should have for itself, all of one folder: the function finds the folder in [`DATA`].
    pub data: Vec<PathBuf>,
}

/// The variable that tells a function where its `data` lies: a folder with files of the same names.
pub const DATA: &str = "ADAPTIVE_MPI_DATA";

/// The keys that all kinds share.
#[derive(Clone, Debug, Default)]
pub struct Shared {
    /// `timeout`: the longest that one evaluation may take.
    pub timeout: Option<Duration>,
    /// `start_timeout`: the longest that a Python module, an isolated function or a program may take to load.
    pub start_timeout: Duration,
    /// `isolate`: in a child process.
    pub isolate: bool,
    /// `threads` and `env`: variables for child processes.
    pub environment: Vec<(String, String)>,
    /// `ranks`: how many evaluate one call together; 0 and 1: one.
    pub ranks: u32,
    /// `threads`; 0: not given.
    pub threads: u32,
    /// `gpus`: devices for each rank.
    pub gpus: u32,
    /// `data`: files that every node should have for itself.
    pub data: Vec<PathBuf>,
    /// What has to be the same whenever something is started.
    pub(super) code: Code,
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

/// Keys of `[function]` that the layers above read: the cache, what its values are values of, and whose points go first.
const KEYS_OF_OTHERS: [&str; 3] = ["cache", "version", "priority"];

/// Generous: a cluster where thousands of ranks import from one file system takes minutes.
const START_TIMEOUT: Duration = Duration::from_secs(600);

/// Reads `[function]` whole: exactly one kind, its keys, the shared keys, and nothing else.
///
/// The keys of others (`cache`, `version`, `priority`) are left for the layers above. Touches no file except the templates that a
/// `command` names.
pub fn from_settings(table: &Table, context: &Context) -> settings::Result<Arc<dyn FunctionSpec>> {
    let kind = chosen_kind(table)?;
    if let Some((_, span, _)) = table.entries().iter().find(|(key, ..)| key == "nan") {
        return Err(SettingError::new(span, "`nan` stands in [function]")
            .help("move it to [run]: it says what a run makes of such values"));
    }
    // Children run elsewhere than we do, so their folder has to be absolute.
    let folder = std::path::absolute(&context.folder).unwrap_or_else(|_| context.folder.clone());
    let shared = Shared { code: context.code.clone(), ..Shared::from_settings(table, &folder)? };
    if !(kind.compiled || shared.data.is_empty()) {
        return Err(table
            .error("data", format!("a function of the kind `{}` reads no files", kind.name))
            .help("leave out `data`"));
    }
    for key in KEYS_OF_OTHERS {
        table.get(key);
    }
    let context = Context { folder, ranks: shared.ranks, ..context.clone() };
    if shared.ranks > 1 {
        shared.check_together(table, kind)?;
    }
    let spec = (kind.from_settings)(table, &context, &shared)?;
    table.finish()?;

    let wants_process =
        shared.isolate || shared.timeout.is_some() || (kind.compiled && !shared.environment.is_empty());
    let wants_process = shared.ranks <= 1 && (wants_process || (kind.compiled && shared.gpus > 0));
    Ok(match &context.isolated_command {
        Some(command) if kind.inside && wants_process => {
            Arc::new(isolated::Isolated::new(spec, command, &context, &shared))
        }
        _ => spec,
    })
}

/// A whole number that is not large.
fn small(table: &Table, key: &str, least: u32) -> settings::Result<Option<u32>> {
    let Some(number) = table.count(key)? else { return Ok(None) };
    match u32::try_from(number).ok().filter(|number| (least..=1 << 20).contains(number)) {
        Some(number) => Ok(Some(number)),
        None => Err(table
            .error(key, format!("`function.{key}` has to be from {least} to {}", 1 << 20))
            .help(format!("leave the key out for {least}"))),
    }
}

/// The files that `data` names: one, or a list of them, all of one folder.
fn data(table: &Table, folder: &Path) -> settings::Result<Vec<PathBuf>> {
    let Some(setting) = table.get("data") else { return Ok(Vec::new()) };
    let names: Vec<&str> = match &setting.value {
        SettingValue::List(names) => {
            names.iter().map(|name| name.text("function.data")).collect::<settings::Result<_>>()?
        }
        _ => vec![setting.text("function.data")?],
    };
    let files: Vec<PathBuf> = names.into_iter().map(|name| folder.join(name)).collect();
    let mut places = files.iter().map(|file| (file.file_name(), file.parent()));
    if places.any(|(name, place)| name.is_none() || place != files[0].parent()) {
        return Err(table
            .error("data", "`function.data` names files, all of them in one folder")
            .help("for example data = [\"tables/water.npz\", \"tables/salt.npz\"]"));
    }
    Ok(files)
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
    fn from_settings(table: &Table, folder: &Path) -> settings::Result<Self> {
        let timeout = table.duration("timeout")?;
        if timeout.is_some_and(|t| t.is_zero()) {
            return Err(table
                .error("timeout", "`function.timeout` has to be more than 0")
                .help("leave the key out for no time limit"));
        }
        let mut environment = Vec::new();
        let data = data(table, folder)?;
        if let Some(folder) = data.first().and_then(|file| file.parent()) {
            // Where they are, until this worker has its copies.
            environment.push((DATA.to_owned(), folder.display().to_string()));
        }
        let threads = table.count("threads")?;
        if let Some(threads) = threads {
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
                    return Err(SettingError::new(span, format!("`{name}` can't name a variable"))
                        .help("write env = { NAME = \"value\" }"));
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
            ranks: small(table, "ranks", 1)?.unwrap_or(1),
            threads: threads.map_or(0, |threads| u32::try_from(threads).unwrap_or(u32::MAX)),
            gpus: small(table, "gpus", 0)?.unwrap_or(0),
            data,
            code: Code::default(),
        })
    }

    /// Whether a function of this kind can be evaluated by several ranks, with these keys.
    fn check_together(&self, table: &Table, kind: &FunctionKind) -> settings::Result<()> {
        if !kind.together {
            let able = FUNCTIONS.iter().filter(|kind| kind.together).map(|kind| kind.name);
            let able = able.collect::<Vec<_>>().join(", ");
            return Err(table
                .error("ranks", format!("a function of the kind `{}` is evaluated by one rank", kind.name))
                .help(format!("kinds for several ranks: {able}")));
        }
        let key = if self.isolate { "isolate" } else { "timeout" };
        // A command is a process in any case; everything else that several ranks call is called inside of them.
        if kind.name != "command" && (self.isolate || self.timeout.is_some()) {
            return Err(table
                .error(
                    key,
                    format!(
                        "`function.{key}` needs a process of its own, but several ranks share a communicator"
                    ),
                )
                .help(format!("leave out `ranks` or `{key}`; a `command` can have both")));
        }
        Ok(())
    }

    /// What one evaluation in child processes takes.
    pub(super) fn needs(&self) -> Needs {
        let Self { ranks, threads, gpus, .. } = *self;
        Needs { ranks, threads, gpus, environment: Vec::new(), data: self.data.clone() }
    }

    /// What one evaluation in this process takes.
    pub(super) fn needs_inside(&self) -> Needs {
        let environment = if self.ranks > 1 { self.environment.clone() } else { Vec::new() };
        Needs { environment, ..self.needs() }
    }

    /// How [`FunctionSpec::describe`] ends: the time limit, if there is one.
    pub(super) fn limit(&self) -> String {
        let limit = self.timeout.map_or_else(String::new, |t| format!(", at most {t:?} a point"));
        self.on_ranks() + &limit
    }

    /// How [`FunctionSpec::describe`] tells that several ranks evaluate a call.
    pub(super) fn on_ranks(&self) -> String {
        if self.ranks > 1 { format!(", on {} ranks", self.ranks) } else { String::new() }
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
        let with_version = table.clone().with("version", text("2"));
        assert!(from_settings(&with_version, &context()).is_ok());
        let with_nan = table.clone().with("nan", text("fail"));
        assert!(refused(&with_nan).help.contains("[run]"));
        let misspelt = table.with("tiemout", text("1s"));
        assert_eq!(refused(&misspelt).help, "did you mean `timeout`?");
    }

    #[test]
    fn threads_set_all_the_usual_variables_and_env_wins() {
        let env = Table::new("function.env").with("OMP_NUM_THREADS", text("7"));
        let table = Table::new("function")
            .with("threads", SettingValue::Integer(3))
            .with("env", SettingValue::Table(env));
        let shared = Shared::from_settings(&table, Path::new("/study")).unwrap();
        assert_eq!(shared.environment.len(), 7);
        assert!(shared.environment.contains(&("NUMBA_NUM_THREADS".into(), "3".into())));
        assert_eq!(shared.environment.last().unwrap().1, "7");
    }

    #[test]
    fn data_is_files_of_one_folder_for_functions_that_can_read_them() {
        let read = |names: &[&str]| {
            let names =
                names.iter().map(|name| settings::Setting { span: 0..0, value: text(name) }).collect();
            let table = Table::new("function").with("command", text("./sim {x}"));
            from_settings(&table.with("data", SettingValue::List(names)), &context())
        };
        let needs = read(&["tables/a.npz", "tables/b.npz"]).unwrap().needs();
        assert!(needs.data.len() == 2 && needs.data[1].ends_with("tables/b.npz"), "{needs:?}");
        for names in [&["a.npz", "tables/b.npz"][..], &["tables/.."]] {
            assert!(read(names).unwrap_err().message.contains("in one folder"));
        }
        let builtin = Table::new("function").with("builtin", text("peak")).with("data", text("a.npz"));
        assert_eq!(refused(&builtin).help, "leave out `data`");
    }

    #[test]
    fn several_ranks_are_for_kinds_that_can_use_them_and_for_no_process_of_its_own() {
        let ranks = |table: Table| table.with("ranks", SettingValue::Integer(4));
        let command = ranks(Table::new("function").with("command", text("mpiexec -n {ranks} ./sim {x}")));
        let spec = from_settings(&command.with("timeout", text("1s")), &context()).unwrap();
        assert_eq!((spec.needs().ranks, spec.needs().threads), (4, 0));
        let library = ranks(Table::new("function").with("library", text("libm.so:f")));
        let threaded = library.clone().with("threads", SettingValue::Integer(2));
        let needs = from_settings(&threaded, &context()).unwrap().needs();
        assert_eq!((needs.ranks, needs.threads, needs.environment.len()), (4, 2, 6));
        assert!(refused(&library.with("timeout", text("1s"))).message.contains("`function.timeout`"));
        let builtin = ranks(Table::new("function").with("builtin", text("peak")));
        assert_eq!(refused(&builtin).help, "kinds for several ranks: command, python, library, rust");
    }

    #[test]
    fn a_time_limit_puts_a_function_of_this_process_into_a_child() {
        let table = Table::new("function").with("builtin", text("peak")).with("timeout", text("1s"));
        let child = Context { isolated_command: Some(vec!["adaptive-mpi".into()]), ..context() };
        assert!(from_settings(&table, &child).unwrap().outside());
        assert!(!from_settings(&table, &context()).unwrap().outside());
    }
}
