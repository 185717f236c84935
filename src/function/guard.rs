//! Sees to it that no process of a function and no scratch folder outlives this process, even if it dies of `kill -9`.
//!
//! A process can't clean up after its own sudden death, and what could tie a child to it (`PR_SET_PDEATHSIG`) would
//! need code of ours between fork and exec, where MPI forbids it. So a small shell waits at the other end of a
//! pipe. It is told which process groups begin and end, and which folders come and go; when the pipe closes, for
//! whatever reason, it kills those that are left, with all that came from them in other groups, and removes the
//! folders.

use super::environment;
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{ChildStdin, Command, Stdio};
use std::sync::{Mutex, PoisonError};

const SCRIPT: &str = r#"trap '' HUP INT TERM USR1
live=' '
while read -r sign what; do
  case $sign in
    +) live="$live$what " ;;
    -) live="${live%%" $what "*} ${live#*" $what "}" ;;
    made) set -- "$@" "$what" ;;
    gone) for folder; do shift; [ "$folder" = "$what" ] || set -- "$@" "$folder"; done ;;
  esac
done
family=' '
look() {
  for stat in /proc/[0-9]*/stat; do
    read -r line <"$stat" || continue
    id=${line%% *}
    # STATE PARENT GROUP
    set -- ${line##*) }
    case $family in *" $id "*) continue ;; esac
    case $live in *" $3 "*) ;; *) case $family in *" $2 "*) ;; *) continue ;; esac ;; esac
    family="$family$id "
    found=1
  done
}
found=$live
while [ -n "${found# }" ]; do found=; look; done
for group in $live; do kill -s KILL -- "-$group"; done
for id in $family; do kill -s KILL -- "$id"; done
# Those that are dying may still write.
[ $# = 0 ] || rm -rf -- "$@" || { sleep 1; rm -rf -- "$@"; }"#;

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
    tell(&format!("+ {group}\n"));
}

/// This process group, which was watched, has ended.
pub(super) fn release(group: u32) {
    tell(&format!("- {group}\n"));
}

/// From now on this folder does not outlive us.
pub(super) fn watch_folder(folder: &Path) {
    prepare();
    tell_of_folder("made", folder);
}

/// This folder, which was watched, is gone.
pub(super) fn release_folder(folder: &Path) {
    tell_of_folder("gone", folder);
}

fn tell_of_folder(what: &str, folder: &Path) {
    // The guard is elsewhere. A name that it can't be told is not worth an error.
    if let Some(name) = std::path::absolute(folder).ok().as_deref().and_then(Path::to_str)
        && !name.contains('\n')
    {
        tell(&format!("{what} {name}\n"));
    }
}

fn tell(line: &str) {
    let mut guard = GUARD.lock().unwrap_or_else(PoisonError::into_inner);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::{Life, Stat};

    #[test]
    fn what_is_left_is_killed_and_removed_and_nothing_else() {
        let parent = tempfile::tempdir().unwrap();
        let [left, other, gone] = ["left", "left over", "gone"].map(|name| parent.path().join(name));
        for folder in [&left, &other, &gone] {
            std::fs::create_dir_all(folder.join("deep")).unwrap();
            std::fs::write(folder.join("deep/file"), "").unwrap();
        }
        let script = "setsid sleep 1000 & echo $!; exec sleep 1000";
        let mut child =
            Command::new("sh").args(["-c", script]).process_group(0).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        let output = child.stdout.take().unwrap();
        std::io::BufRead::read_line(&mut std::io::BufReader::new(output), &mut line).unwrap();
        let grandchild: u32 = line.trim().parse().unwrap();
        let started = Stat::of(grandchild).unwrap().started;

        let mut guard = Command::new("/bin/sh").args(["-c", SCRIPT]).stdin(Stdio::piped()).spawn().unwrap();
        let mut pipe = guard.stdin.take().unwrap();
        let (gone_name, left_name, other_name) = (gone.display(), left.display(), other.display());
        let told = format!(
            "made {gone_name}\nmade {left_name}\nmade {other_name}\ngone {gone_name}\n+ {}\n+ 2000000000\n",
            child.id()
        );
        pipe.write_all(told.as_bytes()).unwrap();
        drop(pipe);
        assert!(guard.wait().unwrap().success());
        assert_eq!((left.exists(), other.exists(), gone.exists()), (false, false, true));
        assert!(!child.wait().unwrap().success());
        let runs =
            || Stat::of(grandchild).is_some_and(|stat| stat.started == started && stat.life != Life::Ended);
        let begin = std::time::Instant::now();
        while runs() {
            assert!(begin.elapsed().as_secs() < 20, "the grandchild is gone");
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
    }
}
