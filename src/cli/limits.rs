//! How many workers this system lets one process start.

use super::exit::{CommandError, Exit};
use crate::pool::Launch;
use std::path::{Path, PathBuf};

/// Pieces of memory that a thread has: its stack, the one for signals, and a guard before each; and one to spare.
const MAPS_PER_THREAD: usize = 5;

/// Why so many worker threads can't run in this process: a thread that finds no memory of its own ends the program.
pub(super) fn too_many_workers(workers: usize) -> Option<CommandError> {
    if Launch::of_process().size > 1 {
        return None;
    }
    let maps = number(Path::new("/proc/sys/vm/max_map_count")).map(|maps| maps / MAPS_PER_THREAD);
    let threads = number(Path::new("/proc/sys/kernel/threads-max"));
    let groups = std::fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let most = [maps, threads, room_in(&control_groups(&groups))].into_iter().flatten().min();
    let most = most.filter(|most| workers > *most)?;
    let message =
        format!("{workers} worker threads can't be started: this system allows {most} more in this process");
    let help = "lower --workers, or `workers` in [run]; more than the cores seldom pay";
    Some(CommandError::new(Exit::Launch, message).help(help))
}

fn number(file: &Path) -> Option<usize> {
    std::fs::read_to_string(file).ok()?.trim().parse().ok()
}

/// The folders of the control groups of a process that may limit its threads, as `/proc/self/cgroup` names them, with
/// all above them: each may have a limit of its own.
fn control_groups(listed: &str) -> Vec<PathBuf> {
    let mut folders = Vec::new();
    for line in listed.lines() {
        let mut fields = line.splitn(3, ':');
        let (Some(_), Some(controllers), Some(path)) = (fields.next(), fields.next(), fields.next()) else {
            continue;
        };
        let root = match controllers {
            "" => "/sys/fs/cgroup",
            _ if controllers.split(',').any(|name| name == "pids") => "/sys/fs/cgroup/pids",
            _ => continue,
        };
        let below = Path::new(path.trim_start_matches('/'));
        folders.extend(below.ancestors().map(|part| Path::new(root).join(part)));
    }
    folders
}

/// How many more processes and threads these control groups let start.
fn room_in(groups: &[PathBuf]) -> Option<usize> {
    let room = |group: &PathBuf| {
        let (most, now) = (number(&group.join("pids.max"))?, number(&group.join("pids.current"))?);
        Some(most.saturating_sub(now))
    };
    groups.iter().filter_map(room).min()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_groups_of_both_kinds_are_found_with_those_above() {
        let found = control_groups("12:cpu,cpuacct:/x\n8:misc,pids:/job\n0::/a/b.scope\nodd\n");
        let expected = ["pids/job", "pids", "a/b.scope", "a", ""];
        assert_eq!(found, expected.map(|path| Path::new("/sys/fs/cgroup").join(path)));
    }

    #[test]
    fn the_tightest_control_group_counts_less_what_runs_in_it() {
        let folder = tempfile::tempdir().unwrap();
        let group = |name: &str, most: &str, now: &str| {
            let path = folder.path().join(name);
            std::fs::create_dir(&path).unwrap();
            std::fs::write(path.join("pids.max"), most).unwrap();
            std::fs::write(path.join("pids.current"), now).unwrap();
            path
        };
        let free = group("free", "max\n", "7\n");
        assert_eq!(room_in(&[free.clone(), folder.path().join("none")]), None);
        let groups = [free, group("wide", "1000\n", "100\n"), group("tight", "300\n", "20\n")];
        assert_eq!(room_in(&groups), Some(280));
        assert_eq!(room_in(&[group("full", "5\n", "6\n")]), Some(0));
    }

    #[test]
    fn a_few_workers_are_never_too_many_and_a_million_are() {
        assert!(too_many_workers(1).is_none());
        let told = too_many_workers(1 << 40).unwrap();
        assert_eq!(told.exit, Exit::Launch);
        assert!(told.message.contains("this system allows") && told.help.contains("--workers"));
    }
}
