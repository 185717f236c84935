use std::time::Duration;

/// What a pool has done so far. Busy times are measured where the work is done, so an efficiency from them
/// counts waiting as what it is.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Stats {
    /// Per worker, by rank.
    pub workers: Vec<WorkerStats>,
    /// Of rank 0.
    pub manager: ManagerStats,
    /// Since the pool began.
    pub elapsed: Duration,
}

/// What one worker has done so far, by the answers that have arrived.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct WorkerStats {
    /// Its rank, from 1.
    pub rank: u32,
    /// Time inside of tasks.
    pub busy: Duration,
    /// Time between its tasks without one to run.
    pub waited: Duration,
    /// Tasks run.
    pub tasks: u64,
    /// Messages that carried their answers.
    pub messages: u64,
    /// How often it was given up.
    pub losses: u64,
}

/// What rank 0 has done so far for the pool.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct ManagerStats {
    /// Time spent on messages.
    pub wire: Duration,
    /// Time spent waiting for messages.
    pub idle: Duration,
    /// Messages with tasks.
    pub messages_sent: u64,
    /// Messages from workers.
    pub messages_received: u64,
    /// Answers dropped because they came late.
    pub late: u64,
}

impl Stats {
    /// The share of the workers' time spent inside of tasks, 0 to 1.
    pub fn efficiency(&self) -> f64 {
        let busy: f64 = self.workers.iter().map(|worker| worker.busy.as_secs_f64()).sum();
        let all = self.elapsed.as_secs_f64() * self.workers.len() as f64;
        if all > 0.0 { busy / all } else { 0.0 }
    }
}
