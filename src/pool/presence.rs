//! Whether another process on this host still runs: the only evidence of a death that needs no message.

pub(crate) use crate::process::{Life, host};

use crate::process::Stat;
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
        let started = Stat::of(pid).map_or(0, |stat| stat.started);
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
        match Stat::of(self.pid) {
            Some(stat) if stat.started == self.started => stat.life,
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
