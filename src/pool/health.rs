use std::time::Duration;

/// How the workers are, as far as rank 0 can tell.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Health {
    /// Those that are lost, in the order in which they were missed.
    pub lost: Vec<LostWorker>,
    /// Those that have been at one task for far longer than such tasks take, by rank.
    pub stragglers: Vec<Straggler>,
}

/// A worker that gets no tasks any more, unless it comes back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LostWorker {
    /// Its rank, from 1.
    pub rank: u32,
    /// The host it ran on.
    pub host: String,
    /// Its process.
    pub pid: u32,
    /// What rank 0 saw.
    pub reason: String,
    /// Its process has ended; else it may come back.
    pub ended: bool,
}

impl std::fmt::Display for LostWorker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { rank, host, pid, reason, .. } = self;
        write!(f, "rank {rank} ({host}, pid {pid}) was lost: {reason}")
    }
}

/// A worker that is slow, or stuck.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Straggler {
    /// Its rank, from 1.
    pub rank: u32,
    /// The host it runs on.
    pub host: String,
    /// Since when it has answered nothing.
    pub silent: Duration,
    /// What 99 of 100 tasks have taken at most.
    pub usual: Duration,
    /// Its process shows no sign of life: stopped, or cut off.
    pub stopped: bool,
}
