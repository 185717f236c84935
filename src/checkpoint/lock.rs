//! The lock: `NAME.lock` says who writes a checkpoint.
//!
//! Two things hold it. The file exists and names host, process and job, which works on any shared file
//! system; and the writer holds an advisory lock (`flock`) on it, which the kernel drops when the process
//! dies, so that on one host a stale lock is told from a live one without guessing.

use super::CheckpointError;
use super::facts::unix_now;
use super::files::{Files, Part, identity};
use crate::process;
use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use serde::{Deserialize, Serialize};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

/// Who holds a checkpoint: the contents of `NAME.lock`, as JSON.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Holder {
    /// Name of the host.
    pub host: String,
    /// Process id there.
    pub pid: u32,
    /// Job of the batch system, if any (`SLURM_JOB_ID`, `PBS_JOBID`).
    pub job: Option<String>,
    /// How often that job had been requeued (`SLURM_RESTART_COUNT`).
    pub restarts: u32,
    /// When the lock was taken, in seconds since 1970.
    pub started: f64,
    /// Program and version.
    pub program: String,
}

impl Holder {
    /// This process.
    pub fn me() -> Self {
        let variable = |name| std::env::var(name).ok().filter(|text: &String| !text.is_empty());
        Self {
            host: process::host(),
            pid: std::process::id(),
            job: variable("SLURM_JOB_ID").or_else(|| variable("PBS_JOBID")),
            restarts: variable("SLURM_RESTART_COUNT").and_then(|n| n.parse().ok()).unwrap_or(0),
            started: unix_now(),
            program: concat!("adaptive-mpi ", env!("CARGO_PKG_VERSION")).into(),
        }
    }

    /// Whether the process still runs, as far as this host can tell. One that was killed does not, though perhaps some of
    /// its threads have its files open for a moment, and with them its `flock`.
    fn runs_here(&self) -> bool {
        if let Some(stat) = process::Stat::of(self.pid) {
            return stat.life != process::Life::Ended;
        }
        let Ok(pid) = i32::try_from(self.pid) else { return false };
        // EPERM: there is such a process, of another user, and `/proc` hides it.
        !matches!(nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), None), Err(Errno::ESRCH))
    }
}

impl std::fmt::Display for Holder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "process {} on {}", self.pid, self.host)?;
        if let Some(job) = &self.job {
            write!(f, ", job {job}")?;
        }
        Ok(())
    }
}

/// Between two looks at a lock whose holder is dying; there are at most sixty.
const LEAVING: std::time::Duration = std::time::Duration::from_millis(30);

/// Tells apart the drafts of several threads.
static DRAFTS: AtomicU32 = AtomicU32::new(0);

/// A held lock; dropping it releases it.
#[derive(Debug)]
pub(super) struct Lock {
    path: PathBuf,
    /// Kept open for its `flock`; `None` where the file system has none.
    _held: Held,
    identity: Option<(u64, u64)>,
}

#[derive(Debug)]
enum Held {
    Flock(#[expect(dead_code, reason = "held until dropped")] Flock<File>),
    FileOnly,
}

enum Try {
    Got(Held),
    /// Another process has the `flock`.
    Busy,
}

impl Lock {
    /// Takes the lock, with a notice if it was left over by a dead run.
    pub(super) fn acquire(
        files: &Files,
        break_lock: bool,
        notices: &mut Vec<String>,
    ) -> Result<Self, CheckpointError> {
        let path = files.path(Part::Lock);
        let me = Holder::me();
        let failed = |error| CheckpointError::not_saved("take the lock", &path)(error);
        // Each turn ends the loop unless another process changed the file meanwhile.
        for turn in 0..100 {
            if let Some(lock) = create(&path, &me).map_err(failed)? {
                return Ok(lock);
            }
            let opened = OpenOptions::new().read(true).write(true).open(&path);
            let is_writable = opened.is_ok();
            let opened = opened.or_else(|error| match error.kind() {
                // Another user's: who holds it can be read all the same, and whether it is held.
                io::ErrorKind::PermissionDenied => File::open(&path).map_err(|_| error),
                _ => Err(error),
            });
            let mut file = match opened {
                Ok(file) => file,
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(failed(error)),
            };
            let holder = holder_in(&mut file);
            let inode = file.metadata().ok().map(|meta| (meta.dev(), meta.ino()));
            let flock = match try_flock(file.try_clone().map_err(failed)?) {
                Try::Got(held) => Some(held),
                Try::Busy => None,
            };
            // The lock may have been released, and made anew by another, before the flock was ours.
            if flock.is_some() && identity(&path) != inode {
                continue;
            }
            let state = match &flock {
                Some(Held::Flock(_)) => State::Free,
                Some(Held::FileOnly) => State::Unknown,
                None => State::Held,
            };
            if turn < 60 && matches!(state, State::Held) && holder.host == me.host && !holder.runs_here() {
                std::thread::sleep(LEAVING);
                continue;
            }
            match verdict(&holder, &me, state, holder.runs_here(), break_lock) {
                Verdict::Refuse(advice) => return Err(locked(&path, holder, &advice)),
                Verdict::TakeOver => {
                    notices.push(format!("took over the lock of a run that is gone ({holder})"));
                    // A requeued job may come from another host, and its last run may live on there after all, cut off
                    // from the batch system alone. On this host the `flock` is proof.
                    if let Some(held @ Held::Flock(_)) = flock
                        && holder.host == me.host
                        && is_writable
                    {
                        rewrite(&mut file, &me).map_err(failed)?;
                        return Ok(Self { identity: identity(&path), path, _held: held });
                    }
                }
                Verdict::Replace => notices.push(format!("broke the lock of {holder}")),
            }
            // A new file, so that the old holder, should it live, finds its own gone.
            remove(&path, inode).map_err(failed)?;
        }
        Err(locked(&path, Holder::default(), "it changes hands all the time: try again"))
    }

    /// Whether the file is still the one that was taken, as far as can be seen: an error of the file system is no sign of
    /// another run.
    pub(super) fn is_ours(&self) -> bool {
        match fs::metadata(&self.path) {
            Ok(meta) => self.identity.is_none_or(|own| own == (meta.dev(), meta.ino())),
            Err(error) => error.kind() != io::ErrorKind::NotFound,
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

/// What the kernel says about the `flock` of a lock file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Nobody has it on this host, and on some file systems nobody at all.
    Free,
    /// Another process has it.
    Held,
    /// The file system has no such locks.
    Unknown,
}

/// What to do about a lock file that is there.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    /// Its holder is gone.
    TakeOver,
    /// The user says that its holder is gone.
    Replace,
    /// Respect it; how the user can go on.
    Refuse(String),
}

/// Decides from what is known; `runs` is whether there is a process of that number on this host.
fn verdict(holder: &Holder, me: &Holder, state: State, runs: bool, break_lock: bool) -> Verdict {
    let here = holder.host == me.host;
    // The batch system starts a requeued job only when its last run is gone.
    let requeued = holder.job.is_some() && holder.job == me.job && holder.restarts < me.restarts;
    let gone = requeued || here && (state == State::Free || state == State::Unknown && !runs);
    if gone && state != State::Held {
        Verdict::TakeOver
    } else if here && runs && state == State::Held {
        Verdict::Refuse("wait for it to end, or stop it first".into())
    } else if break_lock {
        Verdict::Replace
    } else if here && state == State::Held {
        let why = "it is gone, but a process that it started still holds the lock";
        Verdict::Refuse(format!("{why}: end that, or use --break-lock"))
    } else {
        let check = match &holder.job {
            // A count of requeues that a job has inherited from the one that has submitted it tells nothing.
            Some(job) if holder.job == me.job => {
                format!(
                    "it is of this very job: another step of it, see `squeue -s -j {job}`, or its last start"
                )
            }
            Some(job) => format!("check with `squeue -j {job}`"),
            None => format!("look on {}", holder.host),
        };
        Verdict::Refuse(format!("if it runs no more ({check}), use --break-lock"))
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Removed while the flock is held: whoever waits for that then sees that the name is gone.
        if self.is_ours() {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Who holds the lock of this checkpoint now, for readers. A lock that a dead process left on this host
/// counts as none.
pub(super) fn holder(files: &Files) -> Option<Holder> {
    let mut file = File::open(files.path(Part::Lock)).ok()?;
    let holder = holder_in(&mut file);
    let stale = holder.host == Holder::me().host && !holder.runs_here();
    (!stale).then_some(holder)
}

fn locked(path: &Path, holder: Holder, advice: &str) -> CheckpointError {
    CheckpointError::Locked { path: path.to_owned(), holder: Box::new(holder), advice: advice.to_owned() }
}

/// Makes the lock file, or `None` if there is one. It appears whole and locked: it is filled under another
/// name first and then linked, which fails if the name is taken.
fn create(path: &Path, me: &Holder) -> io::Result<Option<Lock>> {
    let turn = DRAFTS.fetch_add(1, Ordering::Relaxed);
    let draft = path.with_extension(format!("lock.{}.{}.{turn}", me.host, me.pid));
    let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(true).open(&draft)?;
    let made = (|| {
        rewrite(&mut file, me)?;
        let Try::Got(held) = try_flock(file.try_clone()?) else { return Ok(None) };
        match fs::hard_link(&draft, path) {
            Ok(()) => Ok(Some(held)),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(None),
            // No hard links here: the name is taken first and filled then.
            Err(_) => match OpenOptions::new().read(true).write(true).create_new(true).open(path) {
                Ok(mut file) => {
                    let held = try_flock(file.try_clone()?);
                    rewrite(&mut file, me)?;
                    Ok(match held {
                        Try::Got(held) => Some(held),
                        Try::Busy => None,
                    })
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(None),
                Err(error) => Err(error),
            },
        }
    })();
    let _ = fs::remove_file(&draft);
    Ok(made?.map(|held| Lock { identity: identity(path), path: path.to_owned(), _held: held }))
}

/// Removes a lock file, if it is still that one: another process may have replaced it by its own meanwhile, which is put
/// back then. (Should that process look for it in this moment, or a third one make its own, then it finds that it has lost
/// its lock, and stops: nothing is lost by that.)
fn remove(path: &Path, inode: Option<(u64, u64)>) -> io::Result<()> {
    let (turn, me) = (DRAFTS.fetch_add(1, Ordering::Relaxed), Holder::me());
    let aside = path.with_extension(format!("lock.{}.{}.{turn}.broken", me.host, me.pid));
    match fs::rename(path, &aside) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        moved => moved?,
    }
    if inode.is_some() && identity(&aside) != inode {
        match fs::hard_link(&aside, path) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return fs::rename(&aside, path),
            _ => {}
        }
    }
    fs::remove_file(&aside)
}

fn try_flock(file: File) -> Try {
    match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
        Ok(flock) => Try::Got(Held::Flock(flock)),
        Err((_, Errno::EWOULDBLOCK)) => Try::Busy,
        Err(_) => Try::Got(Held::FileOnly),
    }
}

/// In one write and then cut to length, so that a process that is killed in between leaves a readable lock: at
/// worst with the end of an older text behind it.
fn rewrite(file: &mut File, holder: &Holder) -> io::Result<()> {
    let mut text = serde_json::to_string_pretty(holder).map_err(io::Error::other)?;
    text.push('\n');
    file.rewind()?;
    file.write_all(text.as_bytes())?;
    file.set_len(text.len() as u64)
}

/// An empty or garbled lock file has an unknown holder: it is respected like one of another host.
fn holder_in(file: &mut File) -> Holder {
    let mut text = String::new();
    let read = file.read_to_string(&mut text);
    read.ok()
        .and_then(|_| serde_json::Deserializer::from_str(&text).into_iter().next()?.ok())
        .unwrap_or_else(|| Holder { host: "an unknown host".into(), ..Holder::default() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holder(host: &str, job: Option<&str>, restarts: u32) -> Holder {
        Holder { host: host.into(), pid: 7, job: job.map(str::to_owned), restarts, ..Holder::default() }
    }

    #[test]
    fn only_a_holder_that_is_known_to_be_gone_loses_its_lock() {
        use State::{Free, Held, Unknown};
        let me = holder("a", Some("12"), 1);
        let takes =
            |theirs: &Holder, state, runs| verdict(theirs, &me, state, runs, false) == Verdict::TakeOver;
        // On this host the flock decides, and the process only where there is no flock.
        let here = holder("a", None, 0);
        assert!(takes(&here, Free, true) && takes(&here, Free, false) && takes(&here, Unknown, false));
        assert!(!takes(&here, Held, false) && !takes(&here, Unknown, true));
        // Elsewhere nothing is known, except about an earlier start of this very job.
        for state in [Free, Held, Unknown] {
            assert!(!takes(&holder("b", None, 0), state, false));
            assert!(!takes(&holder("b", Some("13"), 0), state, false));
            assert!(!takes(&holder("b", Some("12"), 1), state, false), "another step of the same start");
        }
        assert!(takes(&holder("b", Some("12"), 0), Free, false));
        let Verdict::Refuse(advice) = verdict(&holder("b", Some("12"), 1), &me, Free, false, false) else {
            panic!("not refused");
        };
        assert!(advice.contains("this very job"), "{advice}");
    }

    #[test]
    fn only_the_lock_that_was_looked_at_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.lock");
        fs::write(&path, "old").unwrap();
        let old = identity(&path);
        fs::write(folder.path().join("b"), "new").unwrap();
        fs::rename(folder.path().join("b"), &path).unwrap();
        remove(&path, old).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "new");
        remove(&path, identity(&path)).unwrap();
        remove(&path, old).unwrap();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_user_can_break_any_lock_but_that_of_a_live_process_here() {
        let me = holder("a", None, 0);
        let broken = |host, state, runs| verdict(&holder(host, None, 0), &me, state, runs, true);
        assert_eq!(broken("b", State::Free, false), Verdict::Replace);
        assert_eq!(broken("b", State::Held, true), Verdict::Replace);
        assert_eq!(broken("a", State::Held, false), Verdict::Replace);
        assert!(matches!(broken("a", State::Held, true), Verdict::Refuse(_)));
    }
}
