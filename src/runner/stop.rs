use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR1, SIGXFSZ};
use std::cell::Cell;
use std::io::{self, Read};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Why a run stops before its goal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StopReason {
    /// A signal of this name arrived.
    Signal(&'static str),
    /// The time limit of the job or of `--walltime` is near.
    Walltime,
    /// The function can't be started, on any worker.
    CannotStart(String),
    /// The function's files are not those that the run began with.
    Changed(String),
    /// A sample failed too often, and the study says to stop then.
    RetriesExceeded,
    /// So many points failed for good in this run, and not one got a value.
    NothingWorks(u64),
    /// The function did work in this run, and does not any more, on any worker.
    BrokeDown(String),
    /// Results can't be saved any more.
    NotSaved(String),
    /// A worker was lost, and the run can't go on without it.
    WorkerLost(String),
    /// Another run has taken the checkpoint over.
    LockLost(String),
}

impl std::fmt::Display for StopReason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Signal(name) => write!(f, "{name} received"),
            Self::Walltime => f.write_str("the time limit is near"),
            Self::CannotStart(why) => write!(f, "the function can't be started: {why}"),
            Self::Changed(why) => write!(f, "the function was changed: {why}"),
            Self::RetriesExceeded => f.write_str("a point failed more often than `run.retries` allows"),
            Self::NothingWorks(points) => {
                write!(
                    f,
                    "all of the first {points} points of this run failed, each as often as `run.retries` allows"
                )
            }
            Self::BrokeDown(why) => write!(f, "the function does not work any more: {why}"),
            Self::WorkerLost(why) | Self::LockLost(why) => f.write_str(why),
            Self::NotSaved(why) => write!(f, "results could not be saved: {why}"),
        }
    }
}

const SIGNALS: [(i32, &str); 4] =
    [(SIGTERM, "SIGTERM"), (SIGINT, "SIGINT"), (SIGUSR1, "SIGUSR1"), (SIGHUP, "SIGHUP")];

/// Within so long, further signals are the first one over again: launchers hand on what the terminal or the batch
/// system has sent to all processes anyway.
const SAME_SIGNAL: Duration = Duration::from_secs(1);

/// Watches for SIGTERM, SIGINT and SIGUSR1, and for SIGHUP, which comes when the terminal is gone.
///
/// Launchers hand these signals to all ranks. Rank 0 then stops the run in good order; a worker has to live on
/// until rank 0 lets it go, so it catches them too and ignores them.
pub struct StopSignals {
    received: Arc<AtomicUsize>,
    /// One has come since this was last put down.
    again: Arc<AtomicBool>,
    /// When the first one was seen.
    seen: Cell<Option<Instant>>,
    /// From now on, one more is meant.
    armed: Cell<bool>,
}

impl StopSignals {
    /// Catches the signals from now on; SIGHUP unless this process outlives its terminal anyway (`nohup`).
    pub fn catch() -> io::Result<Self> {
        let (received, again) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
        for (index, (signal, _)) in SIGNALS.iter().enumerate() {
            if *signal == SIGHUP && is_taken(SIGHUP) {
                continue;
            }
            signal_hook::flag::register_usize(*signal, Arc::clone(&received), index + 1)?;
            signal_hook::flag::register(*signal, Arc::clone(&again))?;
        }
        // A file that grows beyond the limit of this process is an error of its writer, which is told, and no end.
        signal_hook::flag::register(SIGXFSZ, Arc::default())?;
        Ok(Self { received, again, seen: Cell::new(None), armed: Cell::new(false) })
    }

    /// The last signal that arrived, if any.
    pub fn received(&self) -> Option<StopReason> {
        let index = self.received.load(Ordering::Relaxed).checked_sub(1)?;
        Some(StopReason::Signal(SIGNALS[index].1))
    }

    /// Whether one more would be taken as meant.
    pub fn listens_again(&self) -> bool {
        self.armed.get()
    }

    /// Whether one more has come, a second or longer after the first: then nothing is to be waited for any
    /// more. To be asked now and then once a run stops.
    pub fn insists(&self, now: Instant) -> bool {
        if self.armed.get() {
            return self.again.load(Ordering::Relaxed);
        }
        if self.received.load(Ordering::Relaxed) > 0 {
            let seen = self.seen.get().unwrap_or(now);
            self.seen.set(Some(seen));
            self.armed.set(now - seen >= SAME_SIGNAL);
            self.again.store(false, Ordering::Relaxed);
        }
        false
    }
}

/// Whether a signal does not end this process anyway: it was started with it ignored, or a library has a handler for it. (UCX,
/// under MPICH, takes SIGHUP as soon as it is loaded: whether it was ignored before can't be seen then.)
fn is_taken(signal: i32) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let masks = status.lines().filter_map(|line| {
        let mask = line.strip_prefix("SigIgn:").or_else(|| line.strip_prefix("SigCgt:"))?;
        u64::from_str_radix(mask.trim(), 16).ok()
    });
    masks.fold(0, |all, mask| all | mask) >> (signal - 1) & 1 == 1
}

/// When the time of the job is over, as seconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Walltime {
    end: f64,
}

impl Walltime {
    /// A limit that starts to count now.
    pub fn from_now(limit: Duration) -> Self {
        Self { end: unix_now() + limit.as_secs_f64() }
    }

    /// A limit at a moment, in seconds since 1970.
    pub fn at(end: f64) -> Self {
        Self { end }
    }

    /// What the batch system says: `SLURM_JOB_END_TIME` where SLURM sets it, else what `squeue` answers for the
    /// job. `None` outside of a job, or where the job has no limit. What can't be made out is warned of.
    pub fn from_batch_system() -> Option<Self> {
        if let Ok(end) = std::env::var("SLURM_JOB_END_TIME") {
            let at = end.trim().parse().map(Self::at);
            match at {
                Ok(at) if at.left() > Duration::ZERO => return Some(at),
                Ok(_) => tracing::warn!(
                    "SLURM_JOB_END_TIME={end} has passed: it is taken for that of an earlier job, and left out"
                ),
                Err(_) => {
                    tracing::warn!("SLURM_JOB_END_TIME={end} is no time in seconds since 1970: left out")
                }
            }
        }
        let job = std::env::var("SLURM_JOB_ID").ok()?;
        let said = ask_squeue(&job);
        let left = said.as_deref().ok().and_then(parse_time_left);
        if left.is_none() && said.as_deref() != Ok("UNLIMITED") {
            let why = said.unwrap_or_else(|why| why);
            tracing::warn!(
                "the time limit of the job {job} is not known, as squeue says nothing of it ({why}): \
                 `--walltime` sets one"
            );
        }
        left.map(Self::from_now)
    }

    /// The time that is left; zero after the end.
    pub fn left(&self) -> Duration {
        Duration::try_from_secs_f64(self.end - unix_now()).unwrap_or(Duration::ZERO)
    }
}

/// The longest wait for `squeue`, which itself waits for minutes where its controller does not answer.
const SQUEUE_LIMIT: Duration = Duration::from_secs(5);

/// What `squeue` says of the time left to a job, or why it says nothing.
fn ask_squeue(job: &str) -> Result<String, String> {
    let failed = |error: io::Error| format!("it can't be asked: {error}");
    let mut command = Command::new("squeue");
    command.args(["-h", "-j", job, "-o", "%L"]);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut asked = command.spawn().map_err(failed)?;
    let deadline = Instant::now() + SQUEUE_LIMIT;
    let status = loop {
        if let Some(status) = asked.try_wait().map_err(failed)? {
            break status;
        }
        if Instant::now() > deadline {
            // It is waited for, so that it does not stay as a zombie.
            let _ = asked.kill().and_then(|()| asked.wait());
            return Err(format!("it does not answer within {SQUEUE_LIMIT:?}"));
        }
        std::thread::sleep(Duration::from_millis(10));
    };
    let mut said = String::new();
    asked.stdout.iter_mut().try_for_each(|out| out.read_to_string(&mut said).map(drop)).map_err(failed)?;
    match said.trim() {
        "" => Err(format!("it ends with {status}")),
        said => Ok(said.to_owned()),
    }
}

/// SLURM's `[D-]HH:MM:SS`, `MM:SS` or `SS`; `UNLIMITED`, `INVALID` and `NOT_SET` are none.
fn parse_time_left(text: &str) -> Option<Duration> {
    let (days, clock) = match text.split_once('-') {
        Some((days, clock)) => (days.parse::<u64>().ok()?, clock),
        None => (0, text),
    };
    let mut seconds = 0;
    for part in clock.split(':') {
        seconds = seconds * 60 + part.parse::<u64>().ok()?;
    }
    Some(Duration::from_secs(days * 86_400 + seconds))
}

fn unix_now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signal_insists_only_if_it_comes_a_while_after_the_first() {
        let signals = StopSignals::catch().unwrap();
        let send = || signal_hook::low_level::raise(SIGUSR1).unwrap();
        let begin = Instant::now();
        let insists = |millis| signals.insists(begin + Duration::from_millis(millis));
        assert!(!insists(0) && !insists(5000), "no signal at all");
        send();
        assert_eq!(signals.received(), Some(StopReason::Signal("SIGUSR1")));
        assert!(!insists(6000));
        send();
        assert!(!insists(6010), "the same, handed on by a launcher");
        send();
        // Nobody has looked meanwhile: it may have come at any time since.
        assert!(!insists(7100));
        assert!(!insists(9000));
        send();
        assert!(insists(9001) && insists(9002));
    }

    #[test]
    fn slurms_time_left_is_read_in_all_its_forms() {
        let seconds = |text| parse_time_left(text).map(|d| d.as_secs());
        assert_eq!(seconds("59"), Some(59));
        assert_eq!(seconds("1:05"), Some(65));
        assert_eq!(seconds("2:00:00"), Some(7200));
        assert_eq!(seconds("1-01:00:00"), Some(90_000));
        assert_eq!(seconds("UNLIMITED"), None);
        assert_eq!(seconds("INVALID"), None);
    }
}
