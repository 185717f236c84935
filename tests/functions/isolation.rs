use super::library::study as library_study;
use super::{Study, settings, text};
use adaptive_mpi::function::{self, Context, Natives};
use adaptive_mpi::model::settings::{SettingValue, Table};
use adaptive_mpi::model::{FailureKind, Signature, Value};
use std::fs::File;
use std::path::PathBuf;

/// The environment variables that make [`the_isolated_child`] a child, with the kind and value of its function.
const KIND: &str = "ADAPTIVE_MPI_TEST_KIND";
const FOLDER: &str = "ADAPTIVE_MPI_TEST_FOLDER";

fn natives() -> Natives {
    let mut natives = Natives::new();
    natives.insert("h", |call| {
        let x = call.point.x();
        assert!(x != 13.0, "no point at {x}");
        if x == 14.0 {
            std::process::exit(5);
        }
        if x == 15.0 {
            for signal in [nix::sys::signal::Signal::SIGINT, nix::sys::signal::Signal::SIGUSR1] {
                nix::sys::signal::raise(signal).unwrap();
            }
        }
        if x == 16.0 {
            return Ok(Value::scalar(inheritable_pipes() as f64));
        }
        println!("printing is harmless");
        Ok(Value::scalar(x + call.parameters.number("offset").unwrap_or(0.0)))
    });
    natives
}

/// How many pipes a program gets that this process starts, beside its own and the one of [`the_isolated_child`].
fn inheritable_pipes() -> usize {
    let is_one = |fd: &u32| {
        let target = std::fs::read_link(format!("/proc/self/fd/{fd}")).unwrap_or_default();
        let info = std::fs::read_to_string(format!("/proc/self/fdinfo/{fd}")).unwrap_or_default();
        let flags = info.lines().find_map(|line| line.strip_prefix("flags:")).unwrap_or("0").trim();
        const CLOSED: u32 = 0o2_000_000;
        target.to_string_lossy().starts_with("pipe:") && u32::from_str_radix(flags, 8).unwrap() & CLOSED == 0
    };
    (4..64).filter(is_one).count()
}

/// What a program does that is started again to evaluate in isolation. Under `cargo test` it talks to nobody, and shows
/// that a server whose input has ended only says that it is ready.
#[test]
fn the_isolated_child() {
    let Ok(settings) = std::env::var(KIND) else {
        let mut output = Vec::new();
        let spec = function::from_settings(&table("expression=x"), &context(PathBuf::new())).unwrap();
        function::serve(spec.start(), &Signature::line(), std::io::empty(), &mut output).unwrap();
        assert_eq!(output, b"{\"ready\":true}\n");
        return;
    };
    let folder = PathBuf::from(std::env::var_os(FOLDER).unwrap());
    let spec = function::from_settings(&table(&settings), &context(folder)).unwrap();
    // The test harness has written to standard output, so the parent's pipe came as number 3.
    nix::unistd::dup2_stdout(File::options().write(true).open("/dev/fd/3").unwrap()).unwrap();
    function::serve_process(|| spec.start(), &Signature::line()).unwrap();
}

fn table(setting: &str) -> Table {
    let (key, value) = setting.split_once('=').unwrap();
    settings(&[(key, text(value))])
}

fn context(folder: PathBuf) -> Context {
    Context {
        folder,
        signature: Signature::line(),
        parameter_names: vec!["offset".into()],
        natives: natives(),
        isolated_command: None,
        ranks: 1,
        ..Context::default()
    }
}

/// The study, with a command that starts these tests again as the isolated child of this function.
fn isolated(mut study: Study, setting: &str) -> (Study, Table) {
    let script = format!(
        "{KIND}='{setting}' {FOLDER}='{}' exec \"$0\" --exact isolation::the_isolated_child \
                          --nocapture 3>&1 1>&2",
        study.folder.path().display()
    );
    let program = std::env::current_exe().unwrap();
    study.isolated_command = Some(vec!["sh".into(), "-c".into(), script.into(), program.into()]);
    let table = table(setting).with("isolate", SettingValue::Bool(true));
    (study, table)
}

fn start<'a>(study: &'a Study, settings: &Table) -> super::Started<'a> {
    let context = Context { natives: natives(), ..study.context() };
    let spec = function::from_settings(settings, &context).unwrap();
    assert!(spec.outside() && spec.describe().contains("isolated"), "{}", spec.describe());
    super::Started { study, function: spec.start().unwrap() }
}

#[test]
fn an_isolated_function_gives_the_same_values() {
    let (study, settings) = isolated(Study::new(), "expression=sin(x) + offset");
    let mut started = start(&study, &settings);
    for i in 0..20 {
        let x = f64::from(i) / 3.0;
        assert_eq!(started.y(x), x.sin() + 0.5);
    }
}

#[test]
fn what_an_isolated_function_starts_does_not_hold_its_requests_and_replies() {
    let (study, settings) = isolated(Study::new(), "rust=h");
    assert_eq!(start(&study, &settings).y(16.0), inheritable_pipes() as f64);
}

#[test]
fn a_crash_of_compiled_code_costs_one_point() {
    let (study, settings) = isolated(library_study(), "library=libmodel.so:model");
    let mut started = start(&study, &settings);
    assert_eq!(started.y(3.0), 9.5);
    let failure = started.at(&[1000.0]).unwrap_err();
    assert_eq!(failure.kind, FailureKind::Crash);
    assert!(failure.message.contains("signal 11 (SIGSEGV)"), "{}", failure.message);
    assert_eq!(started.at(&[-2.0]).unwrap_err().message, "model returned 3: x is too small");
    assert_eq!(started.y(3.0), 9.5);
}

/// A worker that is killed can't end its children: they notice by themselves.
#[test]
fn an_endless_loop_does_not_outlive_a_killed_worker() {
    let (study, _) = isolated(library_study(), "library=libmodel.so:model");
    let [sh, option, script, program] = &study.isolated_command.as_ref().unwrap()[..] else { panic!() };
    let script = format!("echo $$ > pid; {}", script.to_str().unwrap());
    let request = r#"{"id":1,"point":50.0,"parameters":{"offset":0.5}}"#;
    // This shell stands for the worker. It is killed when the child has loaded, with a request to answer.
    let worker = format!(
        "(echo '{request}'; sleep 1000 & echo $! > feeder; wait) | \"$0\" \"$@\" > replies &
         for i in $(seq 1000); do test -s replies && break; sleep 0.01; done; kill -9 $$"
    );
    let status = std::process::Command::new("sh")
        .args(["-c", &worker])
        .arg(sh)
        .arg(option)
        .arg(script)
        .arg(program)
        .current_dir(study.folder.path())
        .stderr(std::process::Stdio::null())
        .status()
        .unwrap();
    assert!(!status.success());
    assert_eq!(std::fs::read_to_string(study.path("replies")).unwrap(), "{\"ready\":true}\n");
    let child = super::pid_in(&study.path("pid"));
    super::eventually("the orphan has left", || !super::is_alive(child));
    let feeder = nix::unistd::Pid::from_raw(super::pid_in(&study.path("feeder")));
    nix::sys::signal::kill(feeder, nix::sys::signal::Signal::SIGKILL).unwrap();
}

#[test]
fn an_endless_loop_of_compiled_code_ends_at_the_time_limit() {
    let (study, settings) = isolated(library_study(), "library=libmodel.so:model");
    let mut started = start(&study, &settings.with("timeout", text("500ms")));
    assert_eq!(started.at(&[50.0]).unwrap_err().kind, FailureKind::Timeout);
    assert_eq!(started.y(3.0), 9.5);
}

#[test]
fn a_panic_and_an_exit_of_a_rust_function_come_back_as_what_they_are() {
    let (study, settings) = isolated(Study::new(), "rust=h");
    let mut started = start(&study, &settings);
    assert_eq!(started.y(1.0), 1.5);
    let failure = started.at(&[13.0]).unwrap_err();
    assert_eq!(failure.kind, FailureKind::Panic);
    assert!(
        failure.message.starts_with("no point at 13 (tests/functions/isolation.rs:"),
        "{}",
        failure.message
    );
    assert_eq!(started.at(&[14.0]).unwrap_err().kind, FailureKind::Crash);
    assert_eq!(started.y(1.0), 1.5);
}

#[test]
fn signals_that_stop_a_job_leave_the_point_that_has_begun() {
    let (study, settings) = isolated(Study::new(), "rust=h");
    assert_eq!(start(&study, &settings).y(15.0), 15.5);
}

#[test]
fn a_program_that_does_not_know_its_path_says_so() {
    let (mut study, settings) = isolated(Study::new(), "rust=h");
    study.isolated_command = Some(Vec::new());
    let context = Context { natives: natives(), ..study.context() };
    let spec = function::from_settings(&settings, &context).unwrap();
    let problem = "the path of this program is not known";
    assert!(spec.check()[0].starts_with(problem), "{:?}", spec.check());
    assert!(spec.start().err().unwrap().message.starts_with(problem));
}

#[test]
fn a_function_that_can_not_start_in_there_says_why() {
    let (study, settings) = isolated(Study::new(), "library=./libnothing.so:model");
    let failure = start(&study, &settings).at(&[0.0]).unwrap_err();
    assert_eq!(failure.kind, FailureKind::Setup);
    assert!(failure.message.contains("can't load the library"), "{}", failure.message);
}

#[test]
fn threads_put_a_library_into_a_process_that_has_them() {
    let (study, _) = isolated(library_study(), "library=libmodel.so:threads");
    let settings = table("library=libmodel.so:threads").with("threads", SettingValue::Integer(6));
    assert_eq!(start(&study, &settings).y(0.0), 6.0);
}

#[test]
fn a_rust_function_of_this_process_is_called_and_an_unknown_one_named() {
    let study = Study::new();
    let context = Context { natives: natives(), ..study.context() };
    let spec = function::from_settings(&table("rust=h"), &context).unwrap();
    let mut started = super::Started { study: &study, function: spec.start().unwrap() };
    assert_eq!(started.y(1.0), 1.5);
    let error = function::from_settings(&table("rust=g"), &context).unwrap_err();
    assert_eq!(
        (error.message.as_str(), error.help.as_str()),
        ("this program has no Rust function `g`", "did you mean `h`?")
    );
}
