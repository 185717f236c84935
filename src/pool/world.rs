use super::launch::Survival;
use super::presence::Presence;
use super::pulse;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Everyone who takes part, as rank 0 sees it at the start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct World {
    /// What messages travel over: `mpi`, `threads` or `simulation`.
    pub transport: &'static str,
    /// The MPI library's name and version; empty without MPI.
    pub library: String,
    /// Who started the processes; `none` without a launcher.
    pub launcher: &'static str,
    /// What the MPI library allows threads to do: `funneled` is all that the pool needs; empty without MPI.
    pub thread_level: &'static str,
    /// Each host with its ranks (rank 0 among them), in the order of their first rank.
    pub hosts: Vec<(String, Vec<u32>)>,
    /// Whether a lost worker only costs its tasks' time, and why.
    pub survival: Survival,
    /// The workers, by rank.
    pub workers: Vec<WorkerSummary>,
}

/// A worker, as it introduced itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkerSummary {
    /// Its rank, from 1.
    pub rank: u32,
    /// The host it runs on.
    pub host: String,
    /// Its process.
    pub pid: u32,
    /// Why a state of a task could not be made; every such task will fail on this worker.
    pub init_error: Option<String>,
}

/// Who a worker is: given to the makers of states, and to tasks through [`super::Worker`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkerInfo {
    /// Its rank, from 1.
    pub rank: u32,
    /// How many workers there are.
    pub workers: u32,
    /// Which of the processes on its host it is, where the launcher says so: chooses a GPU, for instance.
    pub local_rank: Option<u32>,
    /// The host it runs on.
    pub host: String,
    /// Its process.
    pub pid: u32,
}

impl WorkerInfo {
    /// Which of the workers of its host it is, from 0: chooses a device, for instance.
    pub fn local_worker(&self) -> u32 {
        Self::local_worker_of(self.rank, self.local_rank)
    }

    /// The same from a rank and its number on its host. Rank 0 is no worker: where both numbers agree, ranks were dealt out
    /// host by host and this host is the first.
    pub(crate) fn local_worker_of(rank: u32, local_rank: Option<u32>) -> u32 {
        match local_rank {
            Some(local) if local != rank => local,
            _ => rank.saturating_sub(1),
        }
    }
}

impl World {
    /// One line for people: workers, hosts, transport, and what a loss would mean.
    pub fn summary(&self) -> String {
        let (workers, hosts) = (self.workers.len(), self.hosts.len());
        let over = if self.library.is_empty() { self.transport } else { &self.library };
        let loss = if self.survival.possible { "survivable" } else { "fatal" };
        let threads = match self.thread_level {
            "" => String::new(),
            level => format!(", thread level {level}"),
        };
        format!(
            "1 manager, {workers} worker{} on {hosts} host{} over {over}{threads}; worker loss: {loss} ({})",
            if workers == 1 { "" } else { "s" },
            if hosts == 1 { "" } else { "s" },
            self.survival.reason
        )
    }

    /// Host and process of a worker.
    pub(crate) fn place_of(&self, rank: u32) -> (String, u32) {
        let worker = (rank as usize).checked_sub(1).and_then(|place| self.workers.get(place));
        worker.map_or_else(Default::default, |worker| (worker.host.clone(), worker.pid))
    }

    /// The host of a rank; empty if there is no such rank.
    pub(crate) fn host_of(&self, rank: u32) -> &str {
        self.hosts.iter().find(|(_, ranks)| ranks.contains(&rank)).map_or("", |(host, _)| host)
    }
}

/// The first word of a worker.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Hello {
    pub(crate) info: WorkerInfo,
    pub(crate) presence: Presence,
    pub(crate) init_error: Option<String>,
    /// Why it can't take part at all.
    pub(crate) fatal: Option<String>,
    /// The names of its tasks, in order.
    pub(crate) tasks: String,
    /// What all ranks should have alike: names, and what it has.
    pub(crate) alike: Vec<(String, String)>,
}

/// The answer of rank 0.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Welcome {
    pub(crate) presence: Presence,
    pub(crate) manager_silence: Duration,
    /// Where to send a pulse.
    pub(crate) pulse: Option<pulse::Address>,
}
