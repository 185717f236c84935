use super::child::{Child, Until, how_it_ended, wait_for_news};
use super::json::{self, Reply};
use super::launch::Launch;
use super::{Call, Code, Function, Shared};
use crate::model::{Failure, FailureKind, Value};
use std::io;
use std::ops::ControlFlow;
use std::thread::sleep;
use std::time::{Duration, Instant};

/// The longest line that is taken as a reply.
const LONGEST_LINE: usize = 256 << 20;
/// From this many deaths in a row without a single answer on, a death before any request is the program's own fault, and
/// not that of a point.
const HOPELESS: u32 = 3;
/// So long a program that has died at its first requests is watched before it gets another one.
const TRIAL: Duration = Duration::from_secs(1);
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// The client's side of the protocol of [`program`](super::program): one child process that answers calls, replaced
/// when it dies, is too late, or talks nonsense.
#[derive(Debug)]
pub(super) struct Coprocess {
    what: &'static str,
    launch: Launch,
    shared: Shared,
    program: Program,
    running: Option<Running>,
    next_id: u64,
    /// Processes in a row that ended before they answered anything.
    early_deaths: u32,
}

/// Whose program it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Program {
    /// The user's. Whether it says when it has loaded; loading then has a time limit of its own.
    Users { announces: bool },
    /// Ours, which says so, and takes no notice of the signals that stop jobs.
    Ours,
}

impl Program {
    fn announces(self) -> bool {
        self != Self::Users { announces: false }
    }
}

#[derive(Debug)]
struct Running {
    child: Child,
    /// Read, but not yet handed on.
    unread: Vec<u8>,
    /// Not yet written: it may print a line before it has read all of a request.
    unsent: Vec<u8>,
    ready: bool,
    answered: bool,
}

impl Coprocess {
    /// Starts the process without waiting for it.
    pub(super) fn start(
        what: &'static str,
        launch: Launch,
        shared: &Shared,
        program: Program,
    ) -> Result<Self, Failure> {
        let mut shared = shared.clone();
        let running = Some(Running::start(&launch, program, &mut shared.code)?);
        Ok(Self { what, launch, shared, program, running, next_id: 1, early_deaths: 0 })
    }

    /// Waits until the process has loaded. Only for those that say so.
    pub(super) fn wait_until_ready(&mut self) -> Result<(), Failure> {
        if self.running.is_none() {
            // A program that can't live must not be started as fast as the machine can.
            let pause = match self.early_deaths {
                0 | 1 => Duration::ZERO,
                deaths => FIRST_PAUSE.saturating_mul(1 << (deaths - 2).min(16)).min(LONGEST_PAUSE),
            };
            sleep(pause);
            self.running = Some(Running::start(&self.launch, self.program, &mut self.shared.code)?);
        }
        let on_trial = !self.program.announces() && self.early_deaths + 1 >= HOPELESS;
        let Some(running) =
            self.running.as_mut().filter(|running| !running.ready || on_trial && !running.answered)
        else {
            return Ok(());
        };
        let limit = if on_trial { TRIAL } else { self.shared.start_timeout };
        let deadline = Instant::now().checked_add(limit);
        let mut line = running.line(&[], deadline);
        while self.program.announces() && matches!(&line, Ok(Line::Text(text)) if json::reply(text).is_err())
        {
            // What it runs on may have something to say first, as a `sitecustomize` of Python; nothing is asked yet.
            let is_late = deadline.is_some_and(|deadline| Instant::now() >= deadline);
            line = if is_late { Ok(Line::TooLate) } else { running.line(&[], deadline) };
        }
        match line {
            Ok(Line::TooLate) if on_trial => Ok(()),
            Ok(Line::Text(line)) => match json::reply(&line) {
                Ok(Reply { ready: true, .. }) => {
                    running.ready = true;
                    Ok(())
                }
                Ok(Reply { outcome: Err(failure), .. }) => {
                    let errors = self.give_up();
                    let detail = if failure.detail.is_empty() { errors } else { failure.detail };
                    Err(Failure::new(FailureKind::Setup, failure.message).with_detail(detail))
                }
                Ok(_) => Err(self.nonsense("an answer before the line that says that it is ready")),
                Err(why) => Err(self.nonsense(&why)),
            },
            Ok(Line::TooLong) => Err(self.nonsense("a line without an end")),
            Ok(Line::TooLate) => {
                let limit = self.shared.start_timeout;
                let or = match self.what {
                    "program" => ", or did not say so by the line {\"ready\":true}",
                    _ => "",
                };
                let message =
                    format!("the {} did not load within {limit:?} (function.start_timeout){or}", self.what);
                Err(Failure::new(FailureKind::Setup, message).with_detail(self.give_up()))
            }
            Ok(Line::End) => Err(self.died(Moment::Loading)),
            Err(error) => Err(self.lost(&error)),
        }
    }

    fn ask(&mut self, call: &Call<'_>) -> Result<Value, Failure> {
        self.wait_until_ready()?;
        let Some(running) = self.running.as_mut() else {
            return Err(Failure::new(FailureKind::Crash, format!("the {} is not running", self.what)));
        };
        let id = self.next_id;
        self.next_id += 1;
        let mut request = json::request(id, call);
        request.push('\n');
        let deadline = self.shared.timeout.map(|limit| Instant::now() + limit);
        match running.surplus() {
            Ok(None) => {}
            Ok(Some(line)) => {
                let line = json::shortened(&line);
                return Err(self.nonsense(&format!("a line that nobody has asked for: {line}")));
            }
            Err(error) => return Err(self.lost(&error)),
        }
        let mut line = running.line(request.as_bytes(), deadline);
        if let Ok(Line::Text(text)) = &line
            && json::reply(text).is_ok_and(|reply| reply.ready)
        {
            // A program may say that it is ready without being asked to.
            let is_late = deadline.is_some_and(|deadline| Instant::now() >= deadline);
            line = if is_late { Ok(Line::TooLate) } else { running.line(&[], deadline) };
        }
        match line {
            Ok(Line::Text(text)) => {
                // By now it has read its code.
                if !std::mem::replace(&mut running.answered, true)
                    && let Err(failure) = self.shared.code.check()
                {
                    self.give_up();
                    return Err(failure);
                }
                match json::reply(&text) {
                    Ok(reply) if reply.id.is_some_and(|got| got != id) => {
                        let got = reply.id.unwrap_or_default();
                        Err(self.nonsense(&format!("an answer to request {got} instead of {id}")))
                    }
                    Ok(reply) => {
                        self.early_deaths = 0;
                        reply.outcome
                    }
                    // It is clear what it answers, so the next line may answer the next request.
                    Err(why) if json::id_of(&text) == Some(id) => {
                        self.early_deaths = 0;
                        let message = format!("bad reply of the {}: {why}", self.what);
                        Err(Failure::new(FailureKind::BadOutput, message))
                    }
                    Err(why) => Err(self.nonsense(&why)),
                }
            }
            Ok(Line::TooLong) => Err(self.nonsense("a line without an end")),
            Ok(Line::TooLate) => {
                let limit = self.shared.timeout.unwrap_or_default();
                let message = format!("the {} took longer than {limit:?} and was ended", self.what);
                Err(Failure::new(FailureKind::Timeout, message).with_detail(self.give_up()))
            }
            Ok(Line::End) => Err(self.died(Moment::Evaluation)),
            Err(error) => Err(self.lost(&error)),
        }
    }

    /// Ends the process group; gives its last error lines.
    fn give_up(&mut self) -> String {
        let Some(mut running) = self.running.take() else { return String::new() };
        running.child.end();
        running.child.last_errors()
    }

    fn died(&mut self, moment: Moment) -> Failure {
        let Some(mut running) = self.running.take() else {
            return Failure::new(FailureKind::Crash, format!("the {} is not running", self.what));
        };
        running.child.linger();
        running.child.end();
        if running.answered {
            self.early_deaths = 0;
        } else {
            self.early_deaths += 1;
        }
        wait_for_news(running.child.status());
        let how = how_it_ended(running.child.status());
        let (when, kind, again) = match moment {
            Moment::Evaluation => ("during the evaluation", FailureKind::Crash, String::new()),
            Moment::Loading if self.early_deaths < HOPELESS => {
                // Without a request no point is at fault; those that don't announce themselves may have read one.
                let kind = if self.program.announces() { FailureKind::Setup } else { FailureKind::Crash };
                ("while it was loading", kind, String::new())
            }
            Moment::Loading => {
                let again = format!(", for the {}th time in a row without an answer", self.early_deaths);
                ("before it was asked anything", FailureKind::Setup, again)
            }
        };
        Failure::new(kind, format!("the {} ended with {how} {when}{again}", self.what))
            .with_detail(running.child.last_errors())
    }

    /// After a line that can't be understood nobody knows which request the next line answers.
    fn nonsense(&mut self, why: &str) -> Failure {
        let message =
            format!("bad reply of the {} (its standard output is for replies alone): {why}", self.what);
        Failure::new(FailureKind::BadOutput, message).with_detail(self.give_up())
    }

    fn lost(&mut self, error: &io::Error) -> Failure {
        Failure::new(FailureKind::Crash, format!("lost the {}: {error}", self.what))
            .with_detail(self.give_up())
    }
}

impl Function for Coprocess {
    fn prepare(&mut self) -> Result<Duration, Failure> {
        if self.running.as_ref().is_some_and(|running| running.ready) {
            return Ok(Duration::ZERO);
        }
        let begin = Instant::now();
        self.wait_until_ready().map(|()| begin.elapsed())
    }

    fn evaluate(&mut self, call: &Call<'_>) -> Result<Value, Failure> {
        self.ask(call)
    }
}

impl Drop for Coprocess {
    fn drop(&mut self) {
        if let Some(running) = &mut self.running {
            // The end of its input asks it to leave; dropping the child insists.
            running.child.linger();
        }
    }
}

/// When a process has died.
#[derive(Clone, Copy)]
enum Moment {
    /// Before it had anything to evaluate.
    Loading,
    Evaluation,
}

enum Line {
    Text(String),
    TooLong,
    TooLate,
    End,
}

impl Running {
    fn start(launch: &Launch, program: Program, code: &mut Code) -> Result<Self, Failure> {
        code.check()?;
        let child = launch.spawn(true)?;
        Ok(Self {
            child: if program == Program::Ours { child.shielded() } else { child },
            unread: Vec::new(),
            unsent: Vec::new(),
            ready: !program.announces(),
            answered: false,
        })
    }

    /// A line that it has printed before it was asked, unless that says that it is ready. Without ids such a line
    /// would answer the next request.
    fn surplus(&mut self) -> io::Result<Option<String>> {
        loop {
            if self.unread.is_empty() {
                let unread = &mut self.unread;
                self.child.talk(&mut &[][..], Until::Closed, Some(Instant::now()), |bytes| {
                    unread.extend_from_slice(bytes);
                    ControlFlow::Break(())
                })?;
            }
            match self.next_line() {
                Some(line) if json::reply(&line).is_ok_and(|reply| reply.ready) => {}
                line => return Ok(line),
            }
        }
    }

    /// The next line that was read and is not blank.
    fn next_line(&mut self) -> Option<String> {
        loop {
            let end = self.unread.iter().position(|&b| b == b'\n')?;
            let rest = self.unread.split_off(end + 1);
            let line = std::mem::replace(&mut self.unread, rest);
            let text = String::from_utf8_lossy(&line).trim().to_owned();
            if !text.is_empty() {
                return Some(text);
            }
        }
    }

    /// Writes `input`, after what is still to be written, and reads the next line that is not blank.
    fn line(&mut self, input: &[u8], deadline: Option<Instant>) -> io::Result<Line> {
        self.unsent.extend_from_slice(input);
        loop {
            if let Some(text) = self.next_line() {
                return Ok(Line::Text(text));
            }
            if self.unread.len() > LONGEST_LINE {
                return Ok(Line::TooLong);
            }
            let unread = &mut self.unread;
            let mut input = &self.unsent[..];
            let ended = self.child.talk(&mut input, Until::Closed, deadline, |bytes| {
                unread.extend_from_slice(bytes);
                let full = bytes.contains(&b'\n') || unread.len() > LONGEST_LINE;
                if full { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            })?;
            let written = self.unsent.len() - input.len();
            self.unsent.drain(..written);
            match ended {
                Until::Enough => {}
                Until::Deadline => return Ok(Line::TooLate),
                Until::Closed | Until::Exit => return Ok(Line::End),
            }
        }
    }
}
