//! Whether another process on this host still runs: the only evidence of a death that needs no message.

use nix::sys::signal::Signal;
use serde::{Deserialize, Serialize};

/// A process, told apart from a later one with the same id by when it started.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Presence {
    pub(crate) host: String,
    pub(crate) pid: u32,
    /// In clock ticks since the host booted; 0 where that can't be read.
    started: u64,
}

impl Presence {
    /// This process.
    pub(crate) fn own() -> Self {
        Self::of(std::process::id())
    }

    /// A process on this host.
    pub(crate) fn of(pid: u32) -> Self {
        let started = stat(pid).map_or(0, |(_, started)| started);
        Self { host: host(), pid, started }
    }

    /// Whether this host can see the process at all: the same machine and the same process namespace.
    pub(crate) fn is_visible(&self) -> bool {
        self.started != 0 && self.host == host() && self.is_running()
    }

    /// Whether it runs. Only meaningful if [`Self::is_visible`] was true once.
    pub(crate) fn is_running(&self) -> bool {
        self.life() != Life::Ended
    }

    /// What it is doing. Only meaningful if [`Self::is_visible`] was true once.
    pub(crate) fn life(&self) -> Life {
        match stat(self.pid) {
            Some((state, started)) if started == self.started => match state {
                'Z' | 'X' | 'x' => Life::Ended,
                'T' | 't' => Life::Stopped,
                _ => Life::Running,
            },
            _ => Life::Ended,
        }
    }

    /// Kills it, if it still runs.
    pub(crate) fn kill(&self) {
        self.send(Signal::SIGKILL);
    }

    /// Lets it go on, if it was stopped.
    pub(crate) fn wake(&self) {
        self.send(Signal::SIGCONT);
    }

    fn send(&self, signal: Signal) {
        if self.is_running() {
            let pid = nix::unistd::Pid::from_raw(self.pid as i32);
            // It may have ended just now, which is as good.
            let _ = nix::sys::signal::kill(pid, signal);
        }
    }
}

/// What a process is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Life {
    /// It can go on, or waits for something.
    Running,
    /// A signal has stopped it.
    Stopped,
    /// It is gone, or a zombie.
    Ended,
}

/// The name of this host.
pub(crate) fn host() -> String {
    nix::unistd::gethostname().map_or_else(|_| "localhost".into(), |name| name.to_string_lossy().into_owned())
}

/// State and start time of a process, from `/proc`.
fn stat(pid: u32) -> Option<(char, u64)> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in parentheses may contain anything; the fields after it are plain.
    let mut fields = stat.get(stat.rfind(')')? + 1..)?.split_ascii_whitespace();
    let state = fields.next()?.chars().next()?;
    Some((state, fields.nth(18)?.parse().ok()?))
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_seen_running_or_stopped_until_it_ends_even_as_a_zombie() {
        assert!(Presence::own().is_visible());
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let presence = Presence::of(child.id());
        assert!(presence.is_running());
        let until = |life: Life| while presence.life() != life {};
        presence.send(Signal::SIGSTOP);
        until(Life::Stopped);
        presence.wake();
        until(Life::Running);
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(!presence.is_running());
    }

    #[test]
    fn another_process_with_the_same_id_is_not_the_same() {
        let own = Presence::own();
        assert!(!Presence { started: own.started + 1, ..own.clone() }.is_running());
        assert!(!Presence { host: "elsewhere".into(), ..own }.is_visible());
    }
}
