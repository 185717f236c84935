//! Child processes, each in a group of its own: talked to without threads, and ended for certain.
//!
//! One loop around `poll` writes to the child, reads its output and error streams and watches the clock, so a
//! child that fills one pipe while we wait at another can't lock us up. Nothing here interprets what is said.

use super::guard;
use crate::process::{Family, Life, Stat};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{Signal, kill, killpg};
use nix::sys::wait::waitpid;
use nix::unistd::Pid;
use std::io::{self, Read, Write};
use std::ops::ControlFlow;
use std::os::fd::AsFd;
use std::os::unix::process::ExitStatusExt;
use std::process::{ChildStderr, ChildStdin, ChildStdout, ExitStatus};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// How long processes may take to end after SIGTERM: an `mpiexec` ends its ranks first, on other hosts too.
const GRACE: Duration = Duration::from_secs(5);
/// How long processes may take to end after SIGKILL.
const DYING: Duration = Duration::from_secs(10);
/// How long a co-process may take to end when its input ends, and a dying one until its status is known.
const FAREWELL: Duration = Duration::from_secs(1);
/// The longest sleep in `poll`: a child may end while others hold its pipes open, and then no pipe tells.
const LONGEST_POLL: Duration = Duration::from_millis(50);
/// Until the run has heard of a signal that has ended a process: schedulers send those that stop a job to all of its
/// processes, one after the other.
const NEWS: Duration = Duration::from_millis(500);
/// A pipe that `poll` calls writable takes this much without blocking (POSIX: PIPE_BUF).
const ATOMIC_WRITE: usize = 4096;
/// What is left in the pipes of a dead child: a few full pipes at most, and no more if others keep writing.
const LEFTOVER: usize = 1 << 20;

/// A running child process and its pipes. Dropping it ends its whole group.
#[derive(Debug)]
pub(super) struct Child {
    process: std::process::Child,
    stdin: Option<ChildStdin>,
    stdout: Option<ChildStdout>,
    stderr: Option<ChildStderr>,
    errors: Tail,
    status: Option<ExitStatus>,
    /// It takes no notice of SIGTERM: see [`Self::shielded`].
    is_shielded: bool,
    /// It can't be ended, and another thread waits for it.
    is_left: bool,
}

/// When [`Child::talk`] shall end, and why it did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Until {
    /// The reader has enough.
    Enough,
    /// The output has ended, though the process may still run.
    Closed,
    /// The process has ended.
    Exit,
    /// The deadline has passed.
    Deadline,
}

impl Child {
    /// Takes over a process that leads a group of its own.
    pub(super) fn new(mut process: std::process::Child) -> Self {
        let (stdin, stdout, stderr) = (process.stdin.take(), process.stdout.take(), process.stderr.take());
        let errors = Tail::default();
        Self { process, stdin, stdout, stderr, errors, status: None, is_shielded: false, is_left: false }
    }

    /// One that takes no notice of the signals that stop a job. It is ended by SIGKILL; what it has started by SIGTERM first, as
    /// always.
    pub(super) fn shielded(mut self) -> Self {
        self.is_shielded = true;
        self
    }

    /// Writes `input`, and hands what the child prints to `take` piece by piece, until `until` or something before
    /// it: [`Until::Enough`] when `take` breaks, or the deadline. What is not written by then stays in `input`.
    pub(super) fn talk(
        &mut self,
        input: &mut &[u8],
        until: Until,
        deadline: Option<Instant>,
        mut take: impl FnMut(&[u8]) -> ControlFlow<()>,
    ) -> io::Result<Until> {
        let mut nap = Duration::from_micros(50);
        let mut asked = Instant::now();
        loop {
            if input.is_empty() && until == Until::Exit {
                self.stdin = None;
            }
            if self.stdout.is_none() && until != Until::Exit {
                return Ok(Until::Closed);
            }
            let left = deadline.map_or(LONGEST_POLL, |d| d.saturating_duration_since(Instant::now()));
            let ready = self.wait_for_pipes(!input.is_empty(), left.min(LONGEST_POLL))?;
            if ready.stdin {
                *input = self.write_some(input);
            }
            if ready.stderr {
                self.read_errors()?;
            }
            if ready.stdout && self.read_some(&mut take)?.is_break() {
                return Ok(Until::Enough);
            }
            let quiet = !(ready.stdin || ready.stdout || ready.stderr);
            let pipes_ended = self.stdout.is_none() && self.stderr.is_none();
            // Others that hold its pipes may keep them busy.
            let is_due = quiet || pipes_ended || asked.elapsed() >= LONGEST_POLL;
            if is_due {
                asked = Instant::now();
            }
            if is_due && self.has_exited()? {
                return Ok(if self.read_leftover(&mut take)?.is_break() {
                    Until::Enough
                } else {
                    Until::Exit
                });
            }
            if deadline.is_some_and(|d| Instant::now() >= d) {
                return Ok(Until::Deadline);
            }
            if quiet && pipes_ended {
                // Nothing left to poll, but the process has not ended yet.
                sleep(nap.min(left));
                nap = (nap * 2).min(LONGEST_POLL);
            }
        }
    }

    fn wait_for_pipes(&self, writing: bool, longest: Duration) -> io::Result<Ready> {
        let stdin = self.stdin.as_ref().filter(|_| writing);
        let mut fds = Vec::with_capacity(3);
        fds.extend(stdin.map(|pipe| PollFd::new(pipe.as_fd(), PollFlags::POLLOUT)));
        fds.extend(self.stdout.as_ref().map(|pipe| PollFd::new(pipe.as_fd(), PollFlags::POLLIN)));
        fds.extend(self.stderr.as_ref().map(|pipe| PollFd::new(pipe.as_fd(), PollFlags::POLLIN)));
        if fds.is_empty() {
            return Ok(Ready::default());
        }
        // Rounded up: a wait of less than a millisecond must not become a busy loop.
        let milliseconds = u16::try_from(longest.as_micros().div_ceil(1000)).unwrap_or(u16::MAX);
        match poll(&mut fds, PollTimeout::from(milliseconds)) {
            Ok(_) => {}
            Err(Errno::EINTR) => return Ok(Ready::default()),
            Err(error) => return Err(error.into()),
        }
        let mut ready = fds.iter().map(|fd| fd.any().unwrap_or(true));
        let mut next = |is_there: bool| is_there && ready.next().unwrap_or(false);
        Ok(Ready {
            stdin: next(stdin.is_some()),
            stdout: next(self.stdout.is_some()),
            stderr: next(self.stderr.is_some()),
        })
    }

    /// Writes what the pipe takes at once; gives back the rest. A child that does not read its input may answer
    /// all the same, so a closed pipe is no error.
    fn write_some<'a>(&mut self, input: &'a [u8]) -> &'a [u8] {
        let Some(pipe) = &mut self.stdin else { return &[] };
        match pipe.write(&input[..input.len().min(ATOMIC_WRITE)]) {
            Ok(written) => &input[written..],
            Err(error) if error.kind() == io::ErrorKind::Interrupted => input,
            Err(_) => {
                self.stdin = None;
                &[]
            }
        }
    }

    fn read_some(&mut self, take: &mut impl FnMut(&[u8]) -> ControlFlow<()>) -> io::Result<ControlFlow<()>> {
        let mut buffer = [0; 65536];
        let Some(pipe) = &mut self.stdout else { return Ok(ControlFlow::Continue(())) };
        match read(pipe, &mut buffer)? {
            0 => self.stdout = None,
            n => return Ok(take(&buffer[..n])),
        }
        Ok(ControlFlow::Continue(()))
    }

    fn read_errors(&mut self) -> io::Result<()> {
        let mut buffer = [0; 8192];
        let Some(pipe) = &mut self.stderr else { return Ok(()) };
        match read(pipe, &mut buffer)? {
            0 => self.stderr = None,
            n => self.errors.push(&buffer[..n]),
        }
        Ok(())
    }

    /// Reads what a dead process left in its pipes, without waiting for others that may hold them open.
    fn read_leftover(
        &mut self,
        take: &mut impl FnMut(&[u8]) -> ControlFlow<()>,
    ) -> io::Result<ControlFlow<()>> {
        for _ in 0..LEFTOVER / 8192 {
            let ready = self.wait_for_pipes(false, Duration::ZERO)?;
            if ready.stderr {
                self.read_errors()?;
            }
            if ready.stdout && self.read_some(take)?.is_break() {
                return Ok(ControlFlow::Break(()));
            }
            if !(ready.stdout || ready.stderr) {
                break;
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    fn has_exited(&mut self) -> io::Result<bool> {
        if self.status.is_none() {
            self.status = self.process.try_wait()?;
        }
        Ok(self.status.is_some())
    }

    /// The status with which the process ended, if it has.
    pub(super) fn status(&self) -> Option<ExitStatus> {
        self.status
    }

    /// The last lines that the child wrote to its standard error.
    pub(super) fn last_errors(&self) -> String {
        self.errors.lines()
    }

    /// Gives a child that is about to end the time to do so, and reads its last words.
    pub(super) fn linger(&mut self) {
        self.stdin = None;
        let deadline = Some(Instant::now() + FAREWELL);
        // Whatever goes wrong here, `end` does the rest.
        let _ = self.talk(&mut &[][..], Until::Exit, deadline, |_| ControlFlow::Continue(()));
    }

    /// Ends the process, its group, and all that came from it while it ran: SIGTERM, then SIGKILL. Those outside of
    /// the group are asked when the group is gone: an `mpiexec` in it knows better how to end its ranks.
    pub(super) fn end(&mut self) {
        if self.is_left {
            return;
        }
        let Ok(id) = i32::try_from(self.process.id()) else { return };
        let group = Pid::from_raw(id);
        // When it has been waited for, nothing tells any more who came from it, and its id may be another's.
        let mut family =
            if self.status.is_none() { Family::of(self.process.id()) } else { Family::default() };
        if self.is_shielded && self.status.is_none() {
            let _ = self.process.kill();
        }
        // ESRCH: nobody is left in the group.
        let mut alive = killpg(group, Signal::SIGTERM).is_ok() || !family.is_empty();
        let deadline = Instant::now() + GRACE;
        let mut nap = Duration::from_micros(100);
        let mut asked = false;
        while alive {
            let _ = self.has_exited();
            let left = Left::of(group, &mut family);
            let late = Instant::now() >= deadline;
            if late {
                let _ = killpg(group, Signal::SIGKILL);
            }
            if late || !left.in_group && !asked {
                let signal = if late { Signal::SIGKILL } else { Signal::SIGTERM };
                for &process in &left.outside {
                    let _ = kill(process, signal);
                }
                asked |= !left.in_group;
            }
            alive = !late && (left.in_group || !left.outside.is_empty());
            if alive {
                sleep(nap);
                nap = (nap * 2).min(Duration::from_millis(20));
            }
        }
        if self.status.is_none() {
            // It may live though it was not seen, where `/proc` can't be read. Until it is waited for, its id is its own.
            let _ = killpg(group, Signal::SIGKILL);
            let _ = self.process.kill();
            self.await_death(DYING);
        }
        let _ = self.read_leftover(&mut |_| ControlFlow::Continue(()));
    }
}

impl Child {
    /// Waits for a process that SIGKILL was sent to. What hangs in the kernel (a file server that is gone) does not die
    /// of it: then the worker goes on without it.
    fn await_death(&mut self, limit: Duration) {
        let deadline = Instant::now() + limit;
        while matches!(self.has_exited(), Ok(false)) {
            if Instant::now() >= deadline {
                let id = self.process.id();
                self.is_left = true;
                self.errors
                    .push(format!("\nprocess {id} is left behind: SIGKILL has not ended it\n").as_bytes());
                let wait = move || waitpid(Pid::from_raw(id.cast_signed()), None);
                // Without a thread for it, it stays a zombie.
                let _ = std::thread::Builder::new().name("last rites".into()).spawn(wait);
                return;
            }
            sleep(Duration::from_millis(1));
        }
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        self.end();
        guard::release(self.process.id());
    }
}

/// Who still runs of a group and a family.
#[derive(Debug, Default)]
struct Left {
    in_group: bool,
    /// Of the family, but not of the group.
    outside: Vec<Pid>,
}

impl Left {
    /// Looks, and takes new members into the family. The dead stay in a group until they are waited for, and whoever
    /// inherits orphans may take its time.
    fn of(group: Pid, family: &mut Family) -> Self {
        let has_group = killpg(group, None).is_ok();
        if !has_group && family.is_empty() {
            return Self::default();
        }
        let Some(processes) = Stat::all() else { return Self { in_group: has_group, outside: Vec::new() } };
        let processes: Vec<Stat> = processes.collect();
        family.grow(&processes);
        let alive = || processes.iter().filter(|process| process.life != Life::Ended);
        let in_group = |process: &Stat| process.group == group.as_raw();
        let outside = alive().filter(|process| !in_group(process) && family.has(process));
        Self {
            in_group: alive().any(in_group),
            outside: outside.map(|process| Pid::from_raw(process.id.cast_signed())).collect(),
        }
    }
}

#[derive(Default)]
struct Ready {
    stdin: bool,
    stdout: bool,
    stderr: bool,
}

fn read(pipe: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    loop {
        match pipe.read(buffer) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

/// Waits for a moment after a process was ended by one of the signals that stop jobs, if it is not of our doing: if the run is to
/// stop, it should know that before it hears of a failure that costs an attempt.
pub(super) fn wait_for_news(status: Option<ExitStatus>) {
    let signal = status.and_then(|status| Signal::try_from(status.signal()?).ok());
    if let Some(Signal::SIGTERM | Signal::SIGINT | Signal::SIGHUP | Signal::SIGUSR1) = signal {
        sleep(NEWS);
    }
}

/// How a process ended, for messages: `exit status 3`, `signal 11 (SIGSEGV)`.
pub(super) fn how_it_ended(status: Option<ExitStatus>) -> String {
    let Some(status) = status else { return "an unknown status".into() };
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit status {code}"),
        (None, Some(signal)) => match Signal::try_from(signal) {
            Ok(name) => format!("signal {signal} ({name})"),
            Err(_) => format!("signal {signal}"),
        },
        (None, None) => status.to_string(),
    }
}

/// The end of what a stream carried.
#[derive(Debug, Default)]
struct Tail {
    kept: Vec<u8>,
}

impl Tail {
    const BYTES: usize = 16 * 1024;
    const LINES: usize = 20;

    fn push(&mut self, bytes: &[u8]) {
        // The only way for users to see what a child says while all goes well.
        tracing::debug!(target: "adaptive_mpi::function", "{}", String::from_utf8_lossy(bytes).trim_end());
        self.kept.extend_from_slice(bytes);
        // Cut only now and then, so that the cost per byte stays constant.
        if self.kept.len() > 2 * Self::BYTES {
            self.kept.drain(..self.kept.len() - Self::BYTES);
        }
    }

    fn lines(&self) -> String {
        let text = String::from_utf8_lossy(&self.kept);
        let lines: Vec<&str> = text.trim_end().lines().collect();
        lines[lines.len().saturating_sub(Self::LINES)..].join("\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::process::CommandExt;
    use std::process::Command;

    #[test]
    fn the_dead_whom_nobody_waits_for_do_not_run() {
        let mut child = Command::new("sleep").arg("100").process_group(0).spawn().unwrap();
        let group = Pid::from_raw(child.id() as i32);
        let runs = || Left::of(group, &mut Family::default()).in_group;
        assert!(runs());
        child.kill().unwrap();
        let deadline = Instant::now() + Duration::from_secs(10);
        while runs() && Instant::now() < deadline {
            sleep(Duration::from_millis(1));
        }
        assert!(!runs() && killpg(group, None).is_ok(), "it is dead, and its group is still there");
        child.wait().unwrap();
        assert!(killpg(group, None).is_err() && !runs());
    }

    #[test]
    fn a_process_that_does_not_die_is_left_behind_and_told() {
        let process = Command::new("sleep").arg("100").process_group(0).spawn().unwrap();
        let id = Pid::from_raw(process.id().cast_signed());
        let mut child = Child::new(process);
        child.await_death(Duration::from_millis(10));
        assert!(child.last_errors().ends_with("is left behind: SIGKILL has not ended it"));
        let begin = Instant::now();
        drop(child);
        assert!(begin.elapsed() < GRACE);
        kill(id, Signal::SIGKILL).unwrap();
        while kill(id, None).is_ok() {
            assert!(begin.elapsed() < Duration::from_secs(20), "it is waited for when it dies after all");
            sleep(Duration::from_millis(5));
        }
    }

    #[test]
    fn a_tail_keeps_the_last_lines_of_any_amount_of_text() {
        let mut tail = Tail::default();
        for i in 0..100_000 {
            tail.push(format!("line {i}\n").as_bytes());
        }
        assert!(tail.kept.len() <= 2 * Tail::BYTES);
        assert!(tail.lines().starts_with("line 99980\n") && tail.lines().ends_with("line 99999"));
    }
}
