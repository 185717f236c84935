//! `command = ["./simulate", "--x={x}"]`: one process per point. There is no shell in between.
//!
//! | key | meaning | default |
//! |---|---|---|
//! | `command` | program and arguments; one text is split at spaces with the quotes of a shell | |
//! | `stdin` | `"json"`: the call as JSON; any other text: that text, with placeholders | nothing |
//! | `output` | `"stdout"`, or a table of `file`, and `pattern` or `row` and `column` | `"stdout"` |
//! | `template` | input files: `{ "in.cir" = "filter.cir.in" }`, made in the scratch folder from files of the study | |
//! | `cwd` | `"study"` or `"scratch"` | `"scratch"` if there is a `template` or an output file, else `"study"` |
//! | `keep_scratch` | `"never"`, `"failed"`, `"always"` | `"never"` |
//! | `init` | a command without placeholders that each worker runs once, in the study's folder, before its first point | |
//! | `scratch` | folder in which the scratch folders are made | the system's, by `TMPDIR` |
//!
//! **Several ranks.** With `ranks = 4`, one command is started for each point, by the first of four ranks; the others wait
//! and keep their cores free for it. It starts its own processes: `["mpiexec", "-n", "{ranks}", "-host", "{hosts}", "./sim"]`.
//! `{hosts}` names the hosts of the four with their numbers, as in `n1:2,n2:2`. The launcher sees nothing of ours: it comes up
//! as if it were called by hand.
//!
//! **Placeholders** are the names of the coordinates (`{x}`), of the parameters (`{offset}`), `{seed}` where the learner
//! has one, `{point}` (all coordinates with spaces in between), `{scratch}` (a folder for this evaluation alone) and
//! `{study}` (the study's folder). In arguments, `{{` and `}}` are plain braces. In template files all braces that
//! hold no name are plain, and `{{x}}` is a plain `{x}`. A program with a slash in its path is looked for
//! in the study's folder, another one in PATH.
//!
//! **Input.** With `stdin = "json"` the program reads
//! `{"point":0.25,"seed":3,"parameters":{"offset":0.1},"x":0.25}` (`point` is a list unless the learner is
//! one-dimensional).
//!
//! **Output.** The last line that is not empty: numbers separated by spaces, commas or semicolons, or JSON (a
//! number, a list, an object of named outputs, or a reply of the [protocol](super::program), as
//! `{"value": …, "extra": …}`: an object that has other keys too, as `{"value": 1.0, "std": 0.2}` or
//! `{"mean": 3, "error": 1e-5}`, holds named outputs, unless its `error` is a text). JSON over several lines is
//! read as a whole. With `row` and `column` (from 0, negative from the end), cells of a table. At most 64 MiB are read.
//!
//! A `file` is looked for in the scratch folder. One at another place (`/data/out.txt`, `{study}/out.txt`) has to
//! have changed since the start, so that no point gets the value of the one before; all workers share it, so its name
//! should hold the point. If it holds all coordinates (or `{point}`), all parameters and the `{seed}`, it may stay as it
//! is: the command may find its own earlier results there.
//!
//! With `pattern`, the number after the last place where that text stands, in the same line; a list or table
//! of patterns gives several numbers. Spaces, `=`, `:`, commas and opening brackets may stand in between. A unit
//! directly after the number is passed over and not converted (`1.5V`, `-12.5deg`, `12.5%`; `1.5m` is 1.5). The point
//! fails where the number goes on in a way that is not understood, as in `1.#INF`, `0x1.8p3`, `1.5+0.5i`, `12:30`,
//! `1.5*10^3`, or `1,234.5` and `0,5`, whose comma may be either (a comma separates in `(1,2)` and `1.0,2.0`), and
//! where the text itself goes on, as `E` in `E2 = 7`.
//!
//! Everywhere numbers may have Fortran's exponents (`1.5D-03`, `0.1234-100`). `inf` and `nan` are numbers; one that is
//! too large for 64 bits, as `1e400`, is none.
//!
//! **Failures.** An exit status other than 0 is an error with the last lines of standard error; a signal is a crash. At the
//! time limit the process and all that it started get SIGTERM, and SIGKILL five seconds later, also what has left its
//! process group (`setsid`), as long as what has started it still runs: a daemon, as of `(setsid ./sim &)`, is not
//! found, and goes on. What a process leaves running in its group when it ends is ended too.

use super::child::{Child, Until, how_it_ended, wait_for_news};
use super::launch::Launch;
use super::output::Output;
use super::placeholder::{Braces, Places, Template};
use super::scratch::{Keep, Scratch};
use super::{Call, Context, Function, FunctionSpec, Needs, Shared, Team, json};
use crate::model::settings::{self, Setting, SettingError, SettingValue, Table, unknown};
use crate::model::{Failure, FailureKind, Value};
use std::ffi::OsString;
use std::io::{self, ErrorKind};
use std::ops::ControlFlow;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The most that is read of a command's output.
pub(super) const LONGEST_OUTPUT: usize = 64 << 20;

#[derive(Clone, Debug)]
struct Command {
    program: Template,
    arguments: Vec<Template>,
    stdin: Stdin,
    output: Output,
    /// File in the scratch folder, and what it is made of.
    templates: Vec<(String, Template)>,
    in_scratch: bool,
    keep: Keep,
    scratch_parent: PathBuf,
    study: PathBuf,
    /// What is still to be run before the first point.
    init: Option<Launch>,
    shared: Shared,
}

#[derive(Clone, Debug)]
enum Stdin {
    Nothing,
    Json,
    Text(Template),
}

pub(super) fn from_settings(
    table: &Table,
    context: &Context,
    shared: &Shared,
) -> settings::Result<Arc<dyn FunctionSpec>> {
    let setting = table.get("command").ok_or_else(|| table.missing("command"))?;
    let init = table.get("init").map(|setting| words(setting, "function.init")).transpose()?;
    let init = init.map(|words| {
        let mut words = words.into_iter().map(OsString::from);
        Launch {
            program: words.next().unwrap_or_default(),
            arguments: words.collect(),
            folder: context.folder.clone(),
            environment: Vec::new(),
        }
    });
    let mut words = words(setting, "function.command")?
        .into_iter()
        .map(|word| Template::parse(&word, Braces::Doubled, context).map_err(|error| error.at(setting)))
        .collect::<settings::Result<Vec<_>>>()?
        .into_iter();
    let program = words.next().ok_or_else(|| table.missing("command"))?;
    let output = Output::from_settings(table, context)?;
    let templates = templates(table, context)?;
    let needs_scratch = !templates.is_empty() || output.file.is_some();
    let choices = [("study", false), ("scratch", true)];
    let in_scratch = choice(table, "cwd", &choices)?.unwrap_or(needs_scratch);
    let choices = [("never", Keep::Never), ("failed", Keep::Failed), ("always", Keep::Always)];
    let keep = choice(table, "keep_scratch", &choices)?.unwrap_or(Keep::Never);
    let scratch_parent =
        table.text("scratch")?.map_or_else(std::env::temp_dir, |folder| context.folder.join(folder));
    Ok(Arc::new(Command {
        init,
        program,
        arguments: words.collect(),
        stdin: stdin(table, context)?,
        output,
        templates,
        in_scratch,
        keep,
        scratch_parent,
        study: context.folder.clone(),
        shared: shared.clone(),
    }))
}

/// Program and arguments: a list of texts, or one text with the quotes of a shell. Not empty.
pub(super) fn words(setting: &Setting, path: &str) -> settings::Result<Vec<String>> {
    let words: Vec<String> = match &setting.value {
        SettingValue::Text(text) => shlex::split(text).ok_or_else(|| {
            SettingError::new(&setting.span, format!("`{path}` has a quote that never ends"))
                .help("close the quote; or write a list, in which each argument is a text of its own")
        })?,
        SettingValue::List(items) => {
            items.iter().map(|item| item.text(path).map(str::to_owned)).collect::<settings::Result<_>>()?
        }
        _ => {
            return Err(SettingError::new(
                &setting.span,
                format!("`{path}` is a list of texts, or one text"),
            )
            .help(format!("for example {path} = [\"./simulate\", \"--fast\"]")));
        }
    };
    if words.first().is_none_or(String::is_empty) {
        return Err(SettingError::new(&setting.span, format!("`{path}` names no program"))
            .help(format!("for example {path} = [\"./simulate\", \"--x={{x}}\"]")));
    }
    Ok(words)
}

fn choice<T: Copy>(table: &Table, key: &str, choices: &[(&str, T)]) -> settings::Result<Option<T>> {
    let Some(name) = table.text(key)? else { return Ok(None) };
    if let Some((_, chosen)) = choices.iter().find(|(known, _)| *known == name) {
        return Ok(Some(*chosen));
    }
    let span = table.error(key, "").span;
    let known = choices.iter().map(|(known, _)| *known);
    Err(unknown(&span, &format!("`function.{key}` can't be \"{name}\""), name, known))
}

fn stdin(table: &Table, context: &Context) -> settings::Result<Stdin> {
    let Some(setting) = table.get("stdin") else { return Ok(Stdin::Nothing) };
    match setting.text("function.stdin")? {
        "json" => Ok(Stdin::Json),
        text => {
            Template::parse(text, Braces::Own, context).map(Stdin::Text).map_err(|error| error.at(setting))
        }
    }
}

fn templates(table: &Table, context: &Context) -> settings::Result<Vec<(String, Template)>> {
    let Some(files) = table.table("template")? else { return Ok(Vec::new()) };
    let read = |(target, span, source): &(String, settings::Span, Setting)| {
        if Path::new(target).is_absolute() || target.split('/').any(|part| part == "..") {
            return Err(SettingError::new(span, format!("`{target}` lies outside of the scratch folder"))
                .help("name a file of the scratch folder, as in template = { \"in.txt\" = \"in.txt.in\" }"));
        }
        let path = context.folder.join(source.text("function.template")?);
        let text = std::fs::read_to_string(&path).map_err(|error| {
            SettingError::new(&source.span, format!("can't read the template {}: {error}", path.display()))
                .help("make the file, or correct its path, which starts at the folder of the study file")
        })?;
        let template = Template::parse(&text, Braces::Own, context).map_err(|mut error| {
            error.message = format!("in {}: {}", path.display(), error.message);
            error.at(source)
        })?;
        Ok((target.clone(), template))
    };
    files.entries().iter().map(read).collect()
}

impl Command {
    fn wants_scratch(&self) -> bool {
        let stdin = matches!(&self.stdin, Stdin::Text(text) if text.wants_scratch());
        let arguments = self.arguments.iter().chain([&self.program]).any(Template::wants_scratch);
        self.in_scratch || stdin || arguments || !self.templates.is_empty() || self.output.file.is_some()
    }

    fn make_scratch(&self, call: &Call<'_>, hosts: &[String]) -> io::Result<Option<Scratch>> {
        if !self.wants_scratch() {
            return Ok(None);
        }
        let scratch = Scratch::make(&self.scratch_parent, self.keep)?;
        for (name, template) in &self.templates {
            let file = scratch.path().join(name);
            if let Some(folder) = file.parent() {
                std::fs::create_dir_all(folder)?;
            }
            let places = Places { scratch: scratch.path(), study: &self.study, hosts };
            std::fs::write(file, template.fill(call, places))?;
        }
        Ok(Some(scratch))
    }

    fn run(&self, call: &Call<'_>, places: Places<'_>) -> Result<Value, Failure> {
        let fill = |template: &Template| template.fill(call, places);
        let program = fill(&self.program);
        let launch = Launch {
            program: if program.contains('/') { self.study.join(program).into() } else { program.into() },
            arguments: self.arguments.iter().map(|argument| OsString::from(fill(argument))).collect(),
            folder: if self.in_scratch { places.scratch.to_owned() } else { self.study.clone() },
            environment: self.shared.environment.clone(),
        };
        let input = match &self.stdin {
            Stdin::Nothing => None,
            Stdin::Json => Some(json::call(call) + "\n"),
            Stdin::Text(text) => Some(fill(text)),
        };
        let before = self.output.before(call, places);
        // From before the start: a slow file system counts too.
        let deadline = self.shared.timeout.map(|limit| Instant::now() + limit);
        let mut child = launch.start(input.is_some()).map_err(|error| {
            // Where the words are those of this point (too many of them, a NUL), other points may do.
            let wrong_words =
                matches!(error.kind(), ErrorKind::ArgumentListTooLong | ErrorKind::InvalidInput);
            let is_of_point = wrong_words || self.program.fixed().is_none();
            launch.not_started(if is_of_point { FailureKind::Error } else { FailureKind::Setup }, &error)
        })?;
        let mut printed = Vec::new();
        let mut input = input.as_deref().unwrap_or_default().as_bytes();
        let ended = child.talk(&mut input, Until::Exit, deadline, |bytes| {
            printed.extend_from_slice(bytes);
            if printed.len() > LONGEST_OUTPUT { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        let ended =
            ended.map_err(|error| Failure::new(FailureKind::Crash, format!("lost the process: {error}")))?;
        self.judge(ended, &mut child)?;
        self.output.read(&printed, call, places, before).map_err(|failure| {
            let errors = child.last_errors();
            if failure.detail.is_empty() { failure.with_detail(errors) } else { failure }
        })
    }

    fn judge(&self, ended: Until, child: &mut Child) -> Result<(), Failure> {
        let failure = match ended {
            Until::Exit | Until::Closed => match child.status() {
                Some(status) if status.success() => return Ok(()),
                status => {
                    let killed = status.is_some_and(|status| status.signal().is_some());
                    wait_for_news(status);
                    let kind = if killed { FailureKind::Crash } else { FailureKind::Error };
                    let errors = child.last_errors();
                    let last =
                        errors.lines().next_back().map_or_else(String::new, |line| format!(": {line}"));
                    Failure::new(kind, format!("the command ended with {}{last}", how_it_ended(status)))
                }
            },
            Until::Enough => {
                child.end();
                let message = format!("the command printed more than {} MiB", LONGEST_OUTPUT >> 20);
                Failure::new(FailureKind::BadOutput, message)
            }
            Until::Deadline => {
                child.end();
                let limit = self.shared.timeout.unwrap_or_default();
                Failure::new(FailureKind::Timeout, format!("the command took longer than {limit:?}"))
            }
        };
        Err(failure.with_detail(child.last_errors()))
    }
}

impl FunctionSpec for Command {
    fn kind(&self) -> &'static str {
        "command"
    }

    fn describe(&self) -> String {
        let program = self.program.fixed().unwrap_or("…");
        format!("command {program} ({} arguments){}", self.arguments.len(), self.shared.limit())
    }

    fn check(&self) -> Vec<String> {
        let mut problems = Vec::new();
        if let Some(program) = self.program.fixed() {
            let launch = Launch {
                program: program.into(),
                arguments: Vec::new(),
                folder: self.study.clone(),
                environment: self.shared.environment.clone(),
            };
            problems = launch.problems();
        }
        let init = self.init.iter().map(|init| init.with(&self.shared.environment));
        let of_init = init.flat_map(|init| init.problems());
        problems.extend(of_init.map(|problem| format!("{problem} (function.init)")));
        if self.wants_scratch() && !self.scratch_parent.is_dir() {
            problems.push(format!("the scratch folder {} is missing", self.scratch_parent.display()));
        }
        problems
    }

    fn outside(&self) -> bool {
        true
    }

    fn needs(&self) -> Needs {
        self.shared.needs()
    }

    fn start_with(&self, environment: &[(String, String)]) -> Result<Box<dyn Function>, Failure> {
        // Nothing is started before the first point, but what can't be started is told now.
        if let Some(problem) = self.check().into_iter().next() {
            return Err(Failure::new(FailureKind::Setup, problem));
        }
        let mut command = self.clone();
        command.shared.environment.extend_from_slice(environment);
        Ok(Box::new(command))
    }
}

impl Function for Command {
    /// Runs `init`, if that has not been done on this worker.
    fn prepare(&mut self) -> Result<Duration, Failure> {
        let Some(init) = &self.init else { return Ok(Duration::ZERO) };
        let begin = Instant::now();
        let setup = |what: String| Failure::new(FailureKind::Setup, format!("function.init {what}"));
        let launch = Launch { environment: self.shared.environment.clone(), ..init.clone() };
        let limit = self.shared.start_timeout;
        let mut child = launch.spawn(false)?;
        let ended = child
            .talk(&mut &[][..], Until::Exit, begin.checked_add(limit), |_| ControlFlow::Continue(()))
            .map_err(|error| setup(format!("was lost: {error}")))?;
        if ended == Until::Deadline {
            child.end();
            return Err(setup(format!("took longer than {limit:?} (function.start_timeout)")));
        }
        match child.status() {
            Some(status) if status.success() => {
                self.init = None;
                Ok(begin.elapsed())
            }
            status => {
                let why = format!("ended with {}", how_it_ended(status));
                Err(setup(why).with_detail(child.last_errors()))
            }
        }
    }

    fn evaluate(&mut self, call: &Call<'_>) -> Result<Value, Failure> {
        self.evaluate_on(call, &[])
    }

    fn evaluate_together(&mut self, call: &Call<'_>, team: &dyn Team) -> Result<Value, Failure> {
        let hosts = team.hosts()?;
        let outcome = if team.rank() == 0 { self.evaluate_on(call, &hosts) } else { Ok(Value::default()) };
        team.barrier()?;
        outcome
    }
}

impl Command {
    fn evaluate_on(&mut self, call: &Call<'_>, hosts: &[String]) -> Result<Value, Failure> {
        self.prepare()?;
        self.shared.code.check()?;
        let scratch = self.make_scratch(call, hosts).map_err(|error| {
            let parent = self.scratch_parent.display();
            Failure::new(FailureKind::Setup, format!("can't make a scratch folder in {parent}: {error}"))
        })?;
        let folder = scratch.as_ref().map_or(Path::new(""), Scratch::path);
        let outcome = self.run(call, Places { scratch: folder, study: &self.study, hosts });
        // It may have read what was changed meanwhile: a shell reads a script bit by bit.
        let outcome = match self.shared.code.check() {
            Err(changed) if changed.kind == FailureKind::Changed => Err(changed),
            _ => outcome,
        };
        let keep = match self.keep {
            Keep::Never => false,
            Keep::Failed => outcome.is_err(),
            Keep::Always => true,
        };
        match scratch {
            Some(scratch) if keep => {
                let path = scratch.keep();
                outcome.map_err(|mut failure| {
                    failure.detail =
                        format!("{}\nkept: {}", failure.detail, path.display()).trim_start().to_owned();
                    failure
                })
            }
            _ => outcome,
        }
    }
}
