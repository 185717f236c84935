use std::time::Duration;

/// Settings of a pool. The defaults suit nearly everyone: what can be measured is measured.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct PoolOptions {
    /// How many workers to use; `None`: all other ranks, or without a launcher all cores of this machine.
    pub workers: Option<usize>,
    /// Where the launcher has started one process only: start so many workers by `MPI_Comm_spawn`, with the command line
    /// of this process, as `MPI4PY_FUTURES_MAX_WORKERS` does for mpi4py. Under a launcher that has started several, nothing
    /// is spawned.
    pub spawn: Option<u32>,
    /// How many tasks a worker holds at most; `None`: from measured durations.
    pub depth: Option<usize>,
    /// How many tasks share a message at most; `None`: from measured durations.
    pub bundle: Option<usize>,
    /// How long a waiting rank polls at full speed (yielding its core) before it starts to sleep.
    pub spin: Duration,
    /// The longest sleep between two polls of a waiting rank.
    pub longest_sleep: Duration,
    /// A worker leaves after this time without a word from rank 0. Rank 0 speaks whenever it uses the pool, so
    /// this has to exceed the longest computation of rank 0 itself. On the host of rank 0, workers see whether it runs, and
    /// leave by this only if it was stopped.
    pub manager_silence: Duration,
    /// How long rank 0 waits for the first word of every worker (which includes making their states).
    pub start_limit: Duration,
    /// A worker whose process shows no sign of life for this time counts as lost, until it is back: it was stopped, or
    /// its host is gone. (One whose process has ended is lost at once.) Signs of life are its process on rank 0's host,
    /// its pulse elsewhere; a slow task does not stop either. Its tasks go to others; but where no rank can be lost without the job,
    /// arguments beyond 64 KiB are not kept for that, and their tasks fail unless they have `retries`.
    pub unresponsive_after: Duration,
    /// A worker counts as lost when it holds tasks and answers nothing for this time, and for ten times the longest
    /// task seen, whatever its process looks like. `None`: only a worker whose process can't be watched, after an hour
    /// and ten times the longest task.
    pub lost_after: Option<Duration>,
    /// A task that takes far longer than others do (three times what 99 of 100 take, and five seconds at least) is also
    /// started on a worker that has nothing to do, and the first answer counts.
    pub duplicate_stragglers: bool,
    /// How long the members of a group may go on after one of them has failed. Who uses [`Group`](super::Group) for what
    /// is said between them ends at once; who waits for the failed one in an MPI call of its own can't be told, and
    /// counts as lost after this time and that of the longest task seen. So does who still computes then: a member that
    /// computes for long should look at [`Group::has_given_up`](super::Group::has_given_up) now and then.
    pub group_grace: Duration,
    /// Groups whose communicators are kept for their next task, at most: making one costs the more the more ranks it has, and
    /// the library may run out of them (MPICH has some 2000 on each rank).
    pub kept_groups: usize,
    /// To how many workers a task is given, one after the other, if they are lost.
    pub max_attempts: u32,
}

impl Default for PoolOptions {
    fn default() -> Self {
        Self {
            workers: None,
            spawn: None,
            depth: None,
            bundle: None,
            spin: Duration::from_micros(300),
            // With 1 ms, an idle rank takes 3.4 percent of a core where waking up is slow (virtual machines).
            longest_sleep: Duration::from_micros(1250),
            manager_silence: Duration::from_secs(1800),
            start_limit: Duration::from_secs(600),
            unresponsive_after: Duration::from_secs(10),
            lost_after: None,
            duplicate_stragglers: false,
            group_grace: Duration::from_secs(60),
            kept_groups: 256,
            max_attempts: 3,
        }
    }
}

/// How one task wants to be treated. The default: priority 0, no time limit, no second attempt.
///
/// ```
/// use adaptive_mpi::pool::TaskOptions;
/// use std::time::Duration;
///
/// let urgent = TaskOptions::new().priority(5).timeout(Duration::from_secs(60)).retries(2);
/// assert_eq!(urgent.priority, 5);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct TaskOptions {
    /// Among waiting tasks, those of higher priority go first; equal ones in the order in which they came.
    pub priority: i32,
    /// From handing it in to having its result, retries and waiting for inputs included. A task that no worker has by then
    /// is never started; an idle worker gets it at once, even with no time at all. One that runs fails with
    /// [`TaskErrorKind::TimedOut`](super::TaskErrorKind::TimedOut) at that moment; its late answer is dropped, and its
    /// worker takes no other task until the function returns.
    ///
    /// Such a task is sent only to a worker that has nothing else to do, so that it does not wait there.
    pub timeout: Option<Duration>,
    /// Further attempts if one ends with an error, a panic or a malformed result: on workers where it has not failed yet,
    /// unless they are busy for much longer than tasks usually take. Attempts that end because a worker is lost don't
    /// count; see [`PoolOptions::max_attempts`].
    pub retries: u32,
}

impl TaskOptions {
    /// The default.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets [`Self::priority`].
    pub fn priority(mut self, priority: i32) -> Self {
        self.priority = priority;
        self
    }

    /// Sets [`Self::timeout`].
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Sets [`Self::retries`].
    pub fn retries(mut self, retries: u32) -> Self {
        self.retries = retries;
        self
    }
}
