use std::time::Duration;

/// Settings of a pool. The defaults suit nearly everyone: what can be measured is measured.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct PoolOptions {
    /// How many workers to use; `None`: all other ranks, or without a launcher all cores of this machine.
    pub workers: Option<usize>,
    /// How many tasks a worker holds at most; `None`: from measured durations.
    pub depth: Option<usize>,
    /// How many tasks share a message at most; `None`: from measured durations.
    pub bundle: Option<usize>,
    /// How long a waiting rank polls at full speed (yielding its core) before it starts to sleep.
    pub spin: Duration,
    /// The longest sleep between two polls of a waiting rank.
    pub longest_sleep: Duration,
    /// A worker leaves after this time without a word from rank 0. Rank 0 speaks whenever it uses the pool, so
    /// this has to exceed the longest computation of rank 0 itself. On the host of rank 0, workers see its
    /// death at once and don't wait for this.
    pub manager_silence: Duration,
    /// How long rank 0 waits for the first word of every worker (which includes making their states).
    pub start_limit: Duration,
    /// A worker counts as lost when it holds tasks and says nothing for this time, and for ten times the
    /// longest task seen. `None`: never by time (a death on rank 0's host is seen all the same).
    pub lost_after: Option<Duration>,
    /// To how many workers a task is given, one after the other, if they are lost.
    pub max_attempts: u32,
}

impl Default for PoolOptions {
    fn default() -> Self {
        Self {
            workers: None,
            depth: None,
            bundle: None,
            spin: Duration::from_micros(300),
            longest_sleep: Duration::from_millis(1),
            manager_silence: Duration::from_secs(1800),
            start_limit: Duration::from_secs(600),
            lost_after: None,
            max_attempts: 3,
        }
    }
}
