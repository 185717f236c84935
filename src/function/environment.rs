//! The environment that child processes get: ours, without what makes an MPI program believe that it is a rank.
//!
//! A child that uses MPI itself must come up as a world of its own. If it saw the launcher's variables it would
//! try to join our world, and hang or end the job. Removed is what launchers set per rank; kept is what a user or
//! administrator sets (`MPICH_…`, `UCX_…`, `I_MPI_…`, permission to run as root) and what describes the whole
//! allocation (`SLURM_JOB_ID`, `SLURM_JOB_NODELIST`, `SLURM_CPUS_PER_TASK`, `PBS_…`), so that a child may still
//! ask where it runs.

use std::ffi::OsString;

/// Set per rank by Open MPI, by PMI and PMIx servers, by Hydra, PRRTE and PALS, and by SLURM and Flux for steps and
/// tasks.
const REMOVED_PREFIXES: [&str; 16] = [
    "OMPI_",
    "ORTE_",
    "PMI",
    "PMIX_",
    "PRTE_",
    "MPIR_",
    "MPI_LOCAL",
    "HYDRA_",
    "HYDI_",
    "PALS_",
    "MV2_COMM_WORLD_",
    "FLUX_TASK_",
    "SLURM_STEP",
    "SLURM_SRUN",
    "SLURM_PMI",
    "SLURM_LAUNCH_NODE",
];

const REMOVED: [&str; 10] = [
    "FLUX_JOB_SIZE",
    "SLURM_PROCID",
    "SLURM_LOCALID",
    "SLURM_NODEID",
    "SLURM_TASK_PID",
    "SLURM_GTIDS",
    "SLURM_MPI_TYPE",
    // How many tasks we are: a child's `srun` without `-n` would start as many. SLURM_TASKS_PER_NODE is what a child's
    // `mpiexec` knows its hosts by.
    "SLURM_NTASKS",
    "SLURM_NPROCS",
    "SLURM_NTASKS_PER_NODE",
];

/// Not a fact about a rank: the user's permission, which a child that calls `mpiexec` needs again.
const KEPT_PREFIXES: [&str; 2] = ["OMPI_ALLOW_RUN_AS_ROOT", "PRTE_ALLOW_RUN_AS_ROOT"];

/// Whether a child must not see the variable of this name.
pub(super) fn is_of_launcher(name: &str) -> bool {
    let starts = |prefixes: &[&str]| prefixes.iter().any(|prefix| name.starts_with(prefix));
    (starts(&REMOVED_PREFIXES) || REMOVED.contains(&name)) && !starts(&KEPT_PREFIXES)
}

/// The names in our environment that children must not see.
pub(super) fn names_of_launcher() -> impl Iterator<Item = OsString> {
    std::env::vars_os().map(|(name, _)| name).filter(|name| name.to_str().is_some_and(is_of_launcher))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_of_a_rank_go_and_those_of_users_and_jobs_stay() {
        for name in [
            "OMPI_COMM_WORLD_RANK",
            "OMPI_MCA_ess",
            "PMI_RANK",
            "PMI_FD",
            "PMI2_PMRANK",
            "PMIX_NAMESPACE",
            "MPI_LOCALRANKID",
            "MPIR_CVAR_CH4_OFI_ENABLE",
            "HYDI_CONTROL_FD",
            "SLURM_PROCID",
            "SLURM_STEPID",
            "SLURM_NTASKS",
            "SLURM_NPROCS",
            "SLURM_STEP_NUM_TASKS",
            "SLURM_PMIXP_ABORT",
            "FLUX_TASK_RANK",
            "FLUX_TASK_LOCAL_ID",
            "FLUX_JOB_SIZE",
        ] {
            assert!(is_of_launcher(name), "{name}");
        }
        for name in [
            "PATH",
            "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM",
            "SLURM_JOB_ID",
            "SLURM_JOB_NODELIST",
            "SLURM_CPUS_PER_TASK",
            "SLURM_TASKS_PER_NODE",
            "SLURM_SUBMIT_DIR",
            "CUDA_VISIBLE_DEVICES",
            "OMP_NUM_THREADS",
            "UCX_TLS",
            "FLUX_URI",
            "FLUX_JOB_ID",
        ] {
            assert!(!is_of_launcher(name), "{name}");
        }
    }
}
