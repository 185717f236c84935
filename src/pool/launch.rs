//! What the environment says about how this process was started. Pure: the variables come as a map.
//!
//! Whether a run outlives its workers is up to the launcher. The first line of a run and `adaptive-mpi doctor` say which of
//! these holds ([`Survival`]):
//!
//! | launcher | what a dead worker costs | exit code in the end |
//! |---|---|---|
//! | Open MPI 4: `mpiexec --enable-recovery` | the time of its points | 0 |
//! | Open MPI 5: `mpiexec --with-ft ulfm` | the time of its points; MPI itself tells of the death | 0, or what the worker has exited with |
//! | SLURM: `srun --mpi=pmi2` with MPICH, without `-K` | the time of its points | srun's: 137 after SIGKILL (see `examples/slurm/job.sh`) |
//! | `mpiexec` without these flags, MPICH's, `srun --mpi=pmix` | the run, which goes on with the same command | not 0 |
//!
//! Open MPI 5 may pass on no more output of any rank after a worker has exited by itself with an error; the run goes on, and
//! `adaptive-mpi status` tells its end. Open MPI 4 with `--enable-recovery` ends with 0 whatever the run says: a script
//! asks `adaptive-mpi status --json` for `state` and `ended_at`.
//!
//! In all rows a function that only kills its own process costs one attempt, with `isolate = true`.

use std::collections::BTreeMap;

/// Environment variables by name.
pub type Variables = BTreeMap<String, String>;

/// How this process was started, as far as its environment tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Launch {
    /// Who started it; `None` without a launcher.
    pub launcher: Option<&'static str>,
    /// How many processes the launcher started together; 1 without one.
    pub size: u32,
    /// Which of them this is, where it says so.
    pub rank: Option<u32>,
    /// Which of those on the same host this is, where it says so.
    pub local_rank: Option<u32>,
    /// Whether the others live on when one dies.
    pub survival: Survival,
    /// This process is a worker that rank 0 has started by `MPI_Comm_spawn`. Size and rank count rank 0 in.
    pub spawned: bool,
}

/// Whether a job outlives one of its ranks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Survival {
    /// Whether a lost worker only costs its tasks' time.
    pub possible: bool,
    /// Why, or what would change it; one line.
    pub reason: String,
}

struct Launcher {
    name: &'static str,
    size: &'static str,
    rank: &'static str,
    local_rank: &'static str,
}

/// Most telling first: `srun` of an Open MPI program sets the last, `mpiexec` inside a SLURM job the first too.
const LAUNCHERS: [Launcher; 5] = [
    Launcher {
        name: "Open MPI's mpiexec",
        size: "OMPI_COMM_WORLD_SIZE",
        rank: "OMPI_COMM_WORLD_RANK",
        local_rank: "OMPI_COMM_WORLD_LOCAL_RANK",
    },
    Launcher {
        name: "MVAPICH's mpiexec",
        size: "MV2_COMM_WORLD_SIZE",
        rank: "MV2_COMM_WORLD_RANK",
        local_rank: "MV2_COMM_WORLD_LOCAL_RANK",
    },
    Launcher {
        name: "a PMI launcher (MPICH's mpiexec, srun --mpi=pmi2)",
        size: "PMI_SIZE",
        rank: "PMI_RANK",
        local_rank: "MPI_LOCALRANKID",
    },
    Launcher {
        name: "flux",
        size: "FLUX_JOB_SIZE",
        rank: "FLUX_TASK_RANK",
        local_rank: "FLUX_TASK_LOCAL_ID",
    },
    Launcher {
        name: "srun",
        size: "SLURM_STEP_NUM_TASKS",
        rank: "SLURM_PROCID",
        local_rank: "SLURM_LOCALID",
    },
];

/// Why a job of Open MPI 3 or 4 lives on.
const RECOVERY: &str = "Open MPI's recovery is on";
/// Why a job lives on whose library tells of dead ranks.
const ULFM: &str = "Open MPI's ULFM is on";

/// Set in the environment of workers that rank 0 starts by `MPI_Comm_spawn`: by rank 0 and by MPICH's launcher.
const SPAWNED: [&str; 2] = [SPAWNED_BY_US, "PMI_SPAWNED"];
/// The one that is ours.
pub(super) const SPAWNED_BY_US: &str = "ADAPTIVE_MPI_SPAWNED";

/// The environment of this process, as far as it is text.
pub fn variables_of_process() -> Variables {
    let text = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
        Some((name.into_string().ok()?, value.into_string().ok()?))
    };
    std::env::vars_os().filter_map(text).collect()
}

impl Launch {
    /// Reads the environment of this process.
    pub fn of_process() -> Self {
        Self::from_env(&variables_of_process())
    }

    /// Reads the environment of a process.
    pub fn from_env(variables: &Variables) -> Self {
        let number = |name: &str| variables.get(name)?.trim().parse::<u32>().ok();
        // The largest size counts: `srun` without PMI says 4 while another variable may say 1.
        let found = LAUNCHERS.iter().filter_map(|launcher| Some((launcher, number(launcher.size)?)));
        let Some((launcher, size)) = found.fold(None, |best: Option<(&Launcher, u32)>, next| match best {
            Some(best) if best.1 >= next.1 => Some(best),
            _ => Some(next),
        }) else {
            return Self {
                launcher: None,
                size: 1,
                rank: None,
                local_rank: None,
                survival: Survival { possible: false, reason: "one process".into() },
                spawned: false,
            };
        };
        let spawned = SPAWNED.iter().any(|name| number(name) == Some(1));
        let rank = number(launcher.rank).or_else(|| number("PMIX_RANK"));
        Self {
            launcher: Some(launcher.name),
            size: size + u32::from(spawned),
            rank: rank.map(|rank| rank + u32::from(spawned)),
            spawned,
            local_rank: number(launcher.local_rank).or_else(|| number("SLURM_LOCALID")),
            survival: survival(launcher, variables),
        }
    }

    /// Whether the launcher has told the library to tell of dead ranks.
    pub(super) fn tells_deaths(&self) -> bool {
        self.survival.reason == ULFM
    }

    /// Whether the others live on, with what is known of the library: its name and version, and whether it can say which
    /// ranks are dead.
    pub fn survival_with(&self, library: &str, can_tell_deaths: bool) -> Survival {
        let but = |reason: &str| Survival { possible: false, reason: reason.into() };
        if self.tells_deaths() && !can_tell_deaths {
            return but("ULFM is switched on, but this MPI library is built without it");
        }
        let has_recovery = ["v3.", "v4."].iter().any(|version| library.contains(version));
        if self.survival.reason == RECOVERY && !has_recovery {
            return but(
                "Open MPI's recovery is on, which this version does not have; use `mpiexec --with-ft ulfm`",
            );
        }
        self.survival.clone()
    }

    /// What to change if MPI did not join the processes that the launcher started.
    pub fn advice(&self, library: &str) -> String {
        let open_mpi = library.contains("Open MPI");
        let slurm = self.launcher == Some("srun");
        let own = if open_mpi { "mpiexec.openmpi" } else { "mpiexec.mpich" };
        match (slurm, open_mpi) {
            (true, true) => "use `srun --mpi=pmix`, or `mpirun` inside of the job script".into(),
            (true, false) => "use `srun --mpi=pmi2`".into(),
            _ => format!(
                "use the mpiexec of the library that the binary is linked to ({own} on Debian), \
                 or build it with the launcher's mpicc (MPICC=…)"
            ),
        }
    }
}

/// The name and version of the MPI library that this program is linked to, whether it is in use or not; empty without MPI.
#[cfg(feature = "mpi")]
pub fn linked_mpi() -> String {
    super::transport::mpi::library()
}

/// The name and version of the MPI library that this program is linked to: none.
#[cfg(not(feature = "mpi"))]
pub fn linked_mpi() -> String {
    String::new()
}

fn survival(launcher: &Launcher, variables: &Variables) -> Survival {
    let is_on = |name: &str| {
        variables.get(name).is_some_and(|v| matches!(v.trim(), "1" | "true" | "yes" | "t" | "enabled"))
    };
    let (possible, reason) = match launcher.size {
        "OMPI_COMM_WORLD_SIZE" if is_on("OMPI_MCA_orte_enable_recovery") => (true, RECOVERY.to_owned()),
        "OMPI_COMM_WORLD_SIZE" if is_on("OMPI_MCA_mpi_ft_enable") || is_on("PRTE_MCA_prte_enable_ft") => {
            (true, ULFM.to_owned())
        }
        "OMPI_COMM_WORLD_SIZE" => (
            false,
            "Open MPI ends the whole job; start it with `mpiexec --enable-recovery` (version 4; it ends with 0 then, whatever \
             the run says) or `--with-ft ulfm` (version 5)"
                .to_owned(),
        ),
        // Under srun, PMI_SIZE comes from its pmi2 plugin, and a step outlives a rank unless -K was given.
        "PMI_SIZE" if variables.contains_key("SLURM_STEP_NUM_TASKS") => {
            if is_on("SLURM_KILL_BAD_EXIT") {
                (false, "SLURM_KILL_BAD_EXIT is set; unset it, or use `srun -K0`".to_owned())
            } else {
                (true, "srun keeps a step going, unless it was started with -K".to_owned())
            }
        }
        "SLURM_STEP_NUM_TASKS" => {
            (false, "srun's pmix plugin ends the whole step; `--mpi=pmi2` with MPICH does not".to_owned())
        }
        _ => (false, "the launcher ends the whole job".to_owned()),
    };
    Survival { possible, reason }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn launch(variables: &[(&str, &str)]) -> Launch {
        Launch::from_env(&variables.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect())
    }

    #[test]
    fn no_variable_means_no_launcher() {
        let alone =
            launch(&[("PATH", "/bin"), ("SLURM_JOB_ID", "7"), ("SLURM_NTASKS", "16"), ("SLURM_PROCID", "0")]);
        assert_eq!((alone.launcher, alone.size, alone.rank), (None, 1, None));
    }

    #[test]
    fn every_launcher_is_known_by_its_variables() {
        let open_mpi =
            launch(&[("OMPI_COMM_WORLD_SIZE", "4"), ("OMPI_COMM_WORLD_RANK", "3"), ("PMIX_RANK", "3")]);
        assert_eq!((open_mpi.size, open_mpi.rank), (4, Some(3)));
        assert!(!open_mpi.survival.possible);
        let mpich = launch(&[("PMI_SIZE", "8"), ("PMI_RANK", "0"), ("MPI_LOCALRANKID", "0")]);
        assert_eq!((mpich.size, mpich.rank, mpich.local_rank), (8, Some(0), Some(0)));
        let pmix = launch(&[("SLURM_STEP_NUM_TASKS", "2"), ("SLURM_PROCID", "1"), ("SLURM_LOCALID", "1")]);
        assert_eq!((pmix.launcher, pmix.size, pmix.rank), (Some("srun"), 2, Some(1)));
    }

    #[test]
    fn the_larger_size_counts_when_variables_disagree() {
        let mixed = launch(&[("PMI_SIZE", "1"), ("SLURM_STEP_NUM_TASKS", "4"), ("SLURM_PROCID", "2")]);
        assert_eq!((mixed.launcher, mixed.size, mixed.rank), (Some("srun"), 4, Some(2)));
    }

    #[test]
    fn a_spawned_worker_counts_rank_0_in() {
        let worker =
            launch(&[("OMPI_COMM_WORLD_SIZE", "1"), ("OMPI_COMM_WORLD_RANK", "0"), (SPAWNED_BY_US, "1")]);
        assert_eq!((worker.spawned, worker.size, worker.rank), (true, 2, Some(1)));
    }

    #[test]
    fn nonsense_in_a_variable_is_no_launcher() {
        assert_eq!(launch(&[("PMI_SIZE", "many")]).launcher, None);
    }

    #[test]
    fn survival_depends_on_the_launcher_and_its_flags() {
        let size = ("OMPI_COMM_WORLD_SIZE", "4");
        assert!(launch(&[size, ("OMPI_MCA_orte_enable_recovery", "1")]).survival.possible);
        assert!(launch(&[size]).survival.reason.contains("--enable-recovery"));
        let ulfm = launch(&[size, ("OMPI_MCA_mpi_ft_enable", "1")]);
        let five = "Open MPI v5.0.11";
        assert!(ulfm.survival_with(five, true).possible && !ulfm.survival_with(five, false).possible);
        let recovery = launch(&[size, ("OMPI_MCA_orte_enable_recovery", "1")]);
        assert!(recovery.survival_with("Open MPI v4.1.4", false).possible);
        assert!(!recovery.survival_with(five, true).possible);
        let step = [("PMI_SIZE", "4"), ("SLURM_STEP_NUM_TASKS", "4")];
        assert!(launch(&step).survival.possible);
        assert!(!launch(&[step[0], step[1], ("SLURM_KILL_BAD_EXIT", "1")]).survival.possible);
        assert!(!launch(&[("PMI_SIZE", "4")]).survival.possible);
    }

    #[test]
    fn the_advice_names_the_flag_for_the_library() {
        let step = launch(&[("SLURM_STEP_NUM_TASKS", "4")]);
        assert!(step.advice("Open MPI v4.1.4").contains("--mpi=pmix"));
        assert!(step.advice("MPICH Version: 4.0.2").contains("--mpi=pmi2"));
        assert!(launch(&[("PMI_SIZE", "2")]).advice("Open MPI v4").contains("mpiexec.openmpi"));
    }
}
