//! `library = "libmodel.so:model"`: a function with C ABI in a shared library.
//!
//! ```c
//! int model(const double *x, size_t nx,            // the point
//!           const double *parameters, size_t np,   // in the order of [parameters]
//!           uint64_t seed,                         // 0 where the learner has none
//!           double *y, size_t ny);                 // ny = outputs; filled with NaN before the call
//! ```
//!
//! ```fortran
//! integer(c_int) function model(x, nx, parameters, np, seed, y, ny) bind(c)
//!   use iso_c_binding
//!   integer(c_size_t), value :: nx, np, ny
//!   integer(c_int64_t), value :: seed
//!   real(c_double) :: x(nx), parameters(np), y(ny)
//! ```
//!
//! With `ranks = 4`, four ranks call it with the same arguments, and it has one more: their communicator as Fortran knows
//! it, for C by `MPI_Comm comm = MPI_Comm_f2c(fcomm)`. What the first rank writes to `y` counts.
//!
//! ```c
//! int model(const double *x, size_t nx, const double *parameters, size_t np, uint64_t seed,
//!           double *y, size_t ny, int fcomm);      // in Fortran: integer(c_int), value :: comm
//! ```
//!
//! The library has to be built with the same MPI as this program. Its MPI calls return their errors. It must not end
//! with an error on one rank while others wait for that rank in a call of MPI: those can't be freed and are given up.
//!
//! It returns 0, or another number if there is no value. A library may also have `const char *model_error(void)`
//! (the function's name, then `_error`), which says why; it is asked on the same thread right after.
//! Parameters are numbers (`true` and `false` are 1 and 0), never text. Those of `[[cases]]` come first. Since only
//! their order tells them apart, a checkpoint can't go on with another order, and a cache has other values for it.
//!
//! With `init = "prepare"`, the library's `int prepare(void)` is called once on each worker, before the first point. If it returns
//! another number than 0, the run stops.
//!
//! Keys: `init`, `library` (a path starts at the study's folder; a bare name that is not there is looked for by the
//! system's loader), `outputs` (how many numbers, or a list of their names; default 1), and the shared ones. With `threads` or
//! `env` the function is isolated, since the variables of a running process can't be changed.
//!
//! Workers of one process may call the function at the same time on several threads; under MPI each rank is a
//! process. A library that can't bear that, or that may crash, wants `isolate = true`.

#![expect(unsafe_code, reason = "calling a function of a foreign library is unsafe by nature")]

use super::expression::parameter_as_number;
use super::{Call, Context, Function, FunctionSpec, Needs, Shared, Team};
use crate::model::settings::{self, Setting, SettingError, SettingValue, Table};
use crate::model::{Detail, Failure, FailureKind, Value};
use libloading::Library;
use std::ffi::{CStr, OsString, c_char, c_int};
use std::sync::Arc;

type Model = unsafe extern "C" fn(*const f64, usize, *const f64, usize, u64, *mut f64, usize) -> c_int;
type Together =
    unsafe extern "C" fn(*const f64, usize, *const f64, usize, u64, *mut f64, usize, c_int) -> c_int;
type Init = unsafe extern "C" fn() -> c_int;
type Why = unsafe extern "C" fn() -> *const c_char;

#[derive(Clone, Debug)]
struct Shelf {
    file: OsString,
    symbol: String,
    init: Option<String>,
    parameters: Vec<String>,
    outputs: usize,
    names: Vec<String>,
    shared: Shared,
}

/// A loaded library. The pointers are into it, so it is kept.
struct Loaded {
    shelf: Shelf,
    model: Entry,
    init: Option<Init>,
    why: Option<Why>,
    _library: Library,
}

/// How the function is called.
#[derive(Clone, Copy)]
enum Entry {
    Single(Model),
    /// With the communicator of the ranks that call it.
    Together(Together),
}

pub(super) fn from_settings(
    table: &Table,
    context: &Context,
    shared: &Shared,
) -> settings::Result<Arc<dyn FunctionSpec>> {
    let target = table.text("library")?.ok_or_else(|| table.missing("library"))?;
    let (file, symbol) = target.rsplit_once(':').unwrap_or((target, ""));
    if file.is_empty() || symbol.is_empty() {
        return Err(table
            .error("library", "`function.library` names a shared library, and a function in it")
            .help("for example library = \"libmodel.so:model\""));
    }
    let here = context.folder.join(file);
    let file = if here.exists() || file.contains('/') { here.into_os_string() } else { file.into() };
    let (outputs, names) = outputs(table)?;
    let parameters = context.parameter_names.clone();
    let (shared, init) = (shared.clone(), table.text("init")?.map(str::to_owned));
    Ok(Arc::new(Shelf { file, symbol: symbol.to_owned(), init, parameters, outputs, names, shared }))
}

fn outputs(table: &Table) -> settings::Result<(usize, Vec<String>)> {
    let path = "function.outputs";
    let (outputs, names) = match table.get("outputs") {
        None => (1, Vec::new()),
        Some(Setting { value: SettingValue::List(items), .. }) => {
            let names: Vec<String> = items
                .iter()
                .map(|item| item.text(path).map(str::to_owned))
                .collect::<settings::Result<_>>()?;
            if let Some(twice) =
                names.iter().enumerate().find_map(|(i, n)| names[..i].contains(n).then_some(n))
            {
                let message = format!("`{path}` names {twice:?} twice");
                return Err(table.error("outputs", message).help("give each number a name of its own"));
            }
            (names.len(), names)
        }
        Some(setting) => {
            let count = setting.count(path)?;
            let count = usize::try_from(count).ok().filter(|&n| n <= 1 << 24);
            let too_many = || {
                SettingError::new(&setting.span, format!("`{path}` is too large"))
                    .help("it is how many numbers the function writes")
            };
            (count.ok_or_else(too_many)?, Vec::new())
        }
    };
    if outputs == 0 {
        return Err(table
            .error("outputs", "`function.outputs` has to be 1 or more")
            .help("it is how many numbers the function writes"));
    }
    Ok((outputs, names))
}

/// What the system's loader said, which the error itself leaves to its source.
fn reason(error: &dyn std::error::Error) -> String {
    error.source().map_or_else(|| error.to_string(), ToString::to_string)
}

impl Shelf {
    /// A value whose components are NaN.
    fn blank(&self) -> Value {
        let mut value = Value::default();
        value.components.resize(self.outputs, f64::NAN);
        value
    }

    fn name(&self, value: &mut Value) {
        if !self.names.is_empty() {
            value.detail = Some(Box::new(Detail { names: self.names.clone(), extra: None }));
        }
    }

    fn load(&self) -> Result<Loaded, Failure> {
        let setup = |what: String| Failure::new(FailureKind::Setup, what);
        let file = self.file.display();
        // SAFETY: the user named this library in order to have its code run in this process.
        let library = unsafe { Library::new(&self.file) }
            .map_err(|error| setup(format!("can't load the library {file}: {}", reason(&error))))?;
        // SAFETY: the type is the documented one; the library lives as long as the pointer, in `Loaded`.
        let model = unsafe {
            if self.shared.ranks > 1 {
                library.get::<Together>(self.symbol.as_bytes()).map(|symbol| Entry::Together(*symbol))
            } else {
                library.get::<Model>(self.symbol.as_bytes()).map(|symbol| Entry::Single(*symbol))
            }
        };
        let model =
            model.map_err(|_| setup(format!("the library {file} has no function `{}`", self.symbol)))?;
        // SAFETY: as above.
        let why = unsafe { library.get::<Why>(format!("{}_error", self.symbol)).map(|symbol| *symbol) }.ok();
        let init = self.init.as_ref().map(|name| {
            // SAFETY: as above.
            unsafe { library.get::<Init>(name.as_bytes()).map(|symbol| *symbol) }
                .map_err(|_| setup(format!("the library {file} has no function `{name}` (function.init)")))
        });
        self.shared.code.clone().check()?;
        Ok(Loaded { shelf: self.clone(), model, init: init.transpose()?, why, _library: library })
    }
}

impl FunctionSpec for Shelf {
    fn kind(&self) -> &'static str {
        "library"
    }

    fn describe(&self) -> String {
        format!("library {}:{}{}", self.file.display(), self.symbol, self.shared.on_ranks())
    }

    fn check(&self) -> Vec<String> {
        self.load().err().map(|failure| failure.message).into_iter().collect()
    }

    fn outline(&self) -> Option<Value> {
        let mut value = self.blank();
        self.name(&mut value);
        Some(value)
    }

    fn outside(&self) -> bool {
        false
    }

    fn needs(&self) -> Needs {
        self.shared.needs_inside()
    }

    fn start_with(&self, _: &[(String, String)]) -> Result<Box<dyn Function>, Failure> {
        let loaded = self.load()?;
        if let Some(init) = loaded.init {
            // SAFETY: the type is the documented one.
            let status = unsafe { init() };
            if status != 0 {
                let name = self.init.as_deref().unwrap_or_default();
                let message = format!("{name} returned {status} (function.init)");
                return Err(Failure::new(FailureKind::Setup, message));
            }
        }
        Ok(Box::new(loaded))
    }
}

impl Function for Loaded {
    fn evaluate(&mut self, call: &Call<'_>) -> Result<Value, Failure> {
        self.call(call, None)
    }

    fn evaluate_together(&mut self, call: &Call<'_>, team: &dyn Team) -> Result<Value, Failure> {
        self.call(call, team.communicator())
    }
}

impl Loaded {
    fn call(&self, call: &Call<'_>, communicator: Option<c_int>) -> Result<Value, Failure> {
        let names = self.shelf.parameters.iter();
        let parameters: Vec<f64> =
            names.map(|name| parameter_as_number(call, name)).collect::<Result<_, _>>()?;
        let x = &call.point[..];
        let seed = call.seed().unwrap_or(0);
        // A component that the function forgets shows as NaN, not as a plausible zero.
        let mut value = self.shelf.blank();
        let y = &mut value.components;
        // SAFETY: the pointers are to live arrays of the lengths that go with them. Whether the function keeps to
        // its signature is the user's promise.
        let status = unsafe {
            let (p, np) = (parameters.as_ptr(), parameters.len());
            match (self.model, communicator) {
                (Entry::Single(model), _) => model(x.as_ptr(), x.len(), p, np, seed, y.as_mut_ptr(), y.len()),
                (Entry::Together(model), Some(comm)) => {
                    model(x.as_ptr(), x.len(), p, np, seed, y.as_mut_ptr(), y.len(), comm)
                }
                (Entry::Together(_), None) => {
                    let why = "a library on several ranks needs MPI: start the run with mpiexec or srun";
                    return Err(Failure::new(FailureKind::Setup, why));
                }
            }
        };
        if status != 0 {
            return Err(Failure::new(FailureKind::Error, self.reason(status)));
        }
        self.shelf.name(&mut value);
        Ok(value)
    }
}

impl Loaded {
    fn reason(&self, status: c_int) -> String {
        let text = self.why.and_then(|why| {
            // SAFETY: the documented function returns null or a text that stays until the next call.
            let text = unsafe { why() };
            // SAFETY: as above; it is copied before anything else is called.
            (!text.is_null()).then(|| unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned())
        });
        let text = text.map_or_else(String::new, |text| format!(": {text}"));
        format!("{} returned {status}{text}", self.shelf.symbol)
    }
}
