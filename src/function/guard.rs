//! Sees to it that no process of a function outlives this one, even if this one dies of `kill -9`.
//!
//! A process can't clean up after its own sudden death, and what could tie a child to it (`PR_SET_PDEATHSIG`) would
//! need code of ours between fork and exec, where MPI forbids it. So a small shell waits at the other end of a
//! pipe. It is told which process groups begin and end; when the pipe closes, for whatever reason, it kills those
//! that are left.

use super::environment;
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::process::{ChildStdin, Command, Stdio};
use std::sync::{Mutex, PoisonError};

const SCRIPT: &str = r#"trap '' HUP INT TERM USR1
live=' '
while read -r sign group; do
  case $sign in
    +) live="$live$group " ;;
    -) live="${live%%" $group "*} ${live#*" $group "}" ;;
  esac
done
for group in $live; do kill -s KILL -- "-$group"; done"#;

/// The pipe to the guard of this process, once there is one.
static GUARD: Mutex<Option<ChildStdin>> = Mutex::new(None);

/// Starts the guard, if there is none: to be called before a process group is started.
pub(super) fn prepare() {
    let mut guard = GUARD.lock().unwrap_or_else(PoisonError::into_inner);
    if guard.is_none() {
        *guard = start();
    }
}

/// From now on this process group does not outlive us.
pub(super) fn watch(group: u32) {
    tell(&mut GUARD.lock().unwrap_or_else(PoisonError::into_inner), '+', group);
}

/// This process group, which was watched, has ended.
pub(super) fn release(group: u32) {
    tell(&mut GUARD.lock().unwrap_or_else(PoisonError::into_inner), '-', group);
}

fn tell(guard: &mut Option<ChildStdin>, sign: char, group: u32) {
    let line = format!("{sign} {group}\n");
    // Without a guard all goes on as well, as long as this process lives.
    if guard.as_mut().is_some_and(|pipe| pipe.write_all(line.as_bytes()).is_err()) {
        *guard = None;
    }
}

fn start() -> Option<ChildStdin> {
    let mut command = Command::new("/bin/sh");
    command.args(["-c", SCRIPT]).current_dir("/").process_group(0);
    for name in environment::names_of_launcher() {
        command.env_remove(name);
    }
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    match command.spawn() {
        Ok(mut shell) => shell.stdin.take(),
        Err(error) => {
            tracing::debug!(%error, "no guard: processes of functions may outlive a run that is killed");
            None
        }
    }
}
