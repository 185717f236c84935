//! Sees to it that no process of a function and no scratch folder outlives this process, even if it dies of `kill -9`.
//!
//! A process can't clean up after its own sudden death, and what could tie a child to it (`PR_SET_PDEATHSIG`) would
//! need code of ours between fork and exec, where MPI forbids it. So a small shell waits at the other end of a
//! pipe. It is told which process groups begin and end, and which folders come and go; when the pipe closes, for
//! whatever reason, it kills those that are left, with all that came from them in other groups (but for daemons, whose
//! parents are gone), and removes the folders.

use super::environment;
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{ChildStdin, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};

const SCRIPT: &str = r#"trap '' HUP INT QUIT TERM USR1 USR2 XCPU
live=' '
while read -r sign what; do
  case $sign in
    +) live="$live$what " ;;
    -) case $live in *" $what "*) live="${live%%" $what "*} ${live#*" $what "}" ;; esac ;;
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

/// The guard of this process, once there is one.
static GUARD: Mutex<Guard> = Mutex::new(Guard { pipe: None, live: Vec::new() });

struct Guard {
    pipe: Option<ChildStdin>,
    /// What began and has not ended, as the guard is told: another one has to know it too.
    live: Vec<String>,
}

impl Guard {
    fn begin(&mut self, what: String) {
        self.tell(&what);
        self.live.push(what);
    }

    fn end(&mut self, begun: &str, line: &str) {
        self.live.retain(|known| known != begun);
        self.tell(line);
    }

    fn tell(&mut self, line: &str) {
        // Without a guard all goes on as well, as long as this process lives.
        if self.pipe.as_mut().is_some_and(|pipe| pipe.write_all(line.as_bytes()).is_err()) {
            self.pipe = None;
        }
    }
}

fn guard() -> MutexGuard<'static, Guard> {
    GUARD.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Starts the guard, if there is none: to be called before a process group is started.
pub(super) fn prepare() {
    let mut guard = guard();
    if guard.pipe.is_none() {
        guard.pipe = start();
        let live = guard.live.concat();
        guard.tell(&live);
    }
}

/// From now on this process group does not outlive us.
pub(super) fn watch(group: u32) {
    guard().begin(format!("+ {group}\n"));
}

/// This process group, which was watched, has ended.
pub(super) fn release(group: u32) {
    guard().end(&format!("+ {group}\n"), &format!("- {group}\n"));
}

/// From now on this folder does not outlive us.
pub(super) fn watch_folder(folder: &Path) {
    prepare();
    if let Some(name) = name_of(folder) {
        guard().begin(format!("made {name}\n"));
    }
}

/// This folder, which was watched, is gone.
pub(super) fn release_folder(folder: &Path) {
    if let Some(name) = name_of(folder) {
        guard().end(&format!("made {name}\n"), &format!("gone {name}\n"));
    }
}

/// How the guard, which is elsewhere, is told of a folder. A name that it can't be told is not worth an error.
fn name_of(folder: &Path) -> Option<String> {
    let name = std::path::absolute(folder).ok()?.to_str()?.to_owned();
    (!name.contains('\n')).then_some(name)
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
    use nix::sys::signal::{Signal, kill};
    use nix::unistd::Pid;

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
            "made {gone_name}\nmade {left_name}\nmade {other_name}\ngone {gone_name}\n+ {}\n- 5\n+ 2000000000\n",
            child.id()
        );
        pipe.write_all(told.as_bytes()).unwrap();
        // Schedulers send such signals to all processes of a job; once it has said so, the guard ignores them.
        let is_deaf = || {
            let status = std::fs::read_to_string(format!("/proc/{}/status", guard.id())).unwrap();
            let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:")).unwrap().trim();
            u64::from_str_radix(mask, 16).unwrap() >> (Signal::SIGXCPU as i32 - 1) & 1 == 1
        };
        while !is_deaf() {
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
        for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGUSR1, Signal::SIGUSR2, Signal::SIGXCPU] {
            kill(Pid::from_raw(guard.id().cast_signed()), signal).unwrap();
        }
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

    #[test]
    fn what_is_released_unknown_changes_nothing() {
        let list = SCRIPT.split_once("family=").unwrap().0;
        let said = |told: &str| {
            let script = format!("{list}\necho \"$live\"");
            let mut guard = Command::new("/bin/sh")
                .args(["-c", &script])
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .spawn()
                .unwrap();
            guard.stdin.take().unwrap().write_all(told.as_bytes()).unwrap();
            let output = guard.wait_with_output().unwrap().stdout;
            String::from_utf8(output).unwrap().split_whitespace().map(str::to_owned).collect::<Vec<_>>()
        };
        assert_eq!(said("+ 12\n+ 13\n- 1\n- 2\n"), ["12", "13"]);
        assert_eq!(said("+ 12\n+ 13\n+ 14\n- 13\n"), ["12", "14"]);
    }

    #[test]
    fn another_guard_knows_what_the_lost_one_knew() {
        let mut lost = Guard { pipe: None, live: Vec::new() };
        lost.begin("+ 12\n".into());
        lost.begin("made /a\n".into());
        lost.begin("+ 13\n".into());
        lost.end("+ 12\n", "- 12\n");
        assert_eq!(lost.live.concat(), "made /a\n+ 13\n");
    }
}
