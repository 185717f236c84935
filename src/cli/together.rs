//! Several ranks that evaluate one point together, and what one evaluation takes of its machine.

use crate::function::{Evaluator, FunctionSpec, Team, devices};
use crate::model::{Failure, FailureKind, Outcome, Sample};
use crate::pool::{Group, GroupError, Launch, WorkerInfo};
use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;

/// Set in the environment of a process that [`enter`] has started anew.
const ENTERED: &str = "ADAPTIVE_MPI_ENTERED";

/// The members of a group of the pool, as functions see them.
struct Members<'a, 'g> {
    group: &'a Group<'g>,
    host: &'a str,
}

impl std::fmt::Debug for Members<'_, '_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.group.members()).finish()
    }
}

fn failure(error: GroupError) -> Failure {
    Failure::new(FailureKind::Error, error.to_string())
}

impl Team for Members<'_, '_> {
    fn rank(&self) -> u32 {
        self.group.rank()
    }

    fn size(&self) -> u32 {
        self.group.size()
    }

    fn hosts(&self) -> Result<Vec<String>, Failure> {
        let hosts = self.group.gather(self.host.to_owned()).map_err(failure)?;
        Ok(hosts.unwrap_or_default())
    }

    fn sum(&self, values: &mut [f64]) -> Result<(), Failure> {
        self.group.sum(values).map_err(failure)
    }

    fn barrier(&self) -> Result<(), Failure> {
        self.group.barrier().map_err(failure)
    }

    fn communicator(&self) -> Option<i32> {
        self.group.fortran_communicator()
    }
}

/// Evaluates a sample as a member of a group. A failure is the outcome at once, whichever member it is of.
pub(super) fn evaluate(
    evaluator: &mut Evaluator,
    info: &WorkerInfo,
    group: &Group<'_>,
    sample: &Sample,
) -> Outcome {
    let outcome = evaluator.evaluate_together(sample, &Members { group, host: &info.host });
    if outcome.is_err() {
        group.finish();
    }
    outcome
}

/// The variables that give a worker its devices.
pub(super) fn devices_of(gpus: u32, local_worker: u32) -> Vec<(String, String)> {
    devices::variables(gpus, local_worker, |name| std::env::var(name).ok())
}

/// Starts this program anew with the variables that the function wants in its own process (`threads`, `env`, `gpus`), since
/// those of a running process can't be changed safely. Only where no child can take them: several ranks evaluate a function
/// together. Has to come before MPI and before any thread. Returns if there is nothing to change.
pub(super) fn enter(function: &dyn FunctionSpec) -> io::Result<()> {
    let needs = function.needs();
    if needs.ranks <= 1 || function.outside() || std::env::var_os(ENTERED).is_some() {
        return Ok(());
    }
    let mut environment = needs.environment;
    let launch = Launch::of_process();
    if let Some(rank @ 1..) = launch.rank {
        let place = WorkerInfo::local_worker_of(rank, launch.local_rank);
        environment.extend(devices_of(needs.gpus, place));
    }
    let is_set = |(name, value): &(String, String)| std::env::var(name).is_ok_and(|now| now == *value);
    if environment.iter().all(is_set) {
        return Ok(());
    }
    let mut anew = Command::new(std::env::current_exe()?);
    Err(anew.args(std::env::args_os().skip(1)).envs(environment).env(ENTERED, "1").exec())
}

/// What is wrong with so many workers on this host, if each runs so many threads.
pub(super) fn too_many_threads(workers: usize, threads: u32, cores: usize) -> Option<String> {
    let wanted = workers * threads.max(1) as usize;
    (threads > 1 && wanted > cores).then(|| {
        format!(
            "{workers} workers with {threads} threads each want {wanted} cores, and this host has {cores}: \
             start fewer ranks here, or lower `function.threads`"
        )
    })
}

/// The cores of this host, whatever this process is bound to.
pub(super) fn cores() -> usize {
    let online = std::fs::read_to_string("/sys/devices/system/cpu/online").unwrap_or_default();
    listed(&online).unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from))
}

/// How many numbers a list like `0-3,8` names.
fn listed(list: &str) -> Option<usize> {
    let count = |part: &str| {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last): (usize, usize) = (first.trim().parse().ok()?, last.trim().parse().ok()?);
        Some((last + 1).saturating_sub(first))
    };
    list.trim().split(',').map(count).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_cores_are_counted() {
        assert_eq!(listed("0-15\n"), Some(16));
        assert_eq!(listed("0,2-3,8-9"), Some(5));
        assert_eq!(listed(""), None);
    }

    #[test]
    fn too_many_threads_are_told_and_unset_ones_are_not() {
        assert_eq!(too_many_threads(8, 0, 4), None);
        assert_eq!(too_many_threads(4, 4, 16), None);
        assert!(too_many_threads(8, 4, 16).is_some_and(|text| text.contains("want 32 cores")));
    }
}
