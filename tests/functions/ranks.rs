//! Children of ranks: they must not take themselves for ranks.

use super::{Study, list, settings};
use std::process::Command;

#[cfg(feature = "mpi")]
const CHILD: &str = r#"
#include <mpi.h>
#include <stdio.h>

int main(int argc, char **argv) {
    int size;
    MPI_Init(&argc, &argv);
    MPI_Comm_size(MPI_COMM_WORLD, &size);
    printf("%d\n", size);
    MPI_Finalize();
    return 0;
}
"#;

const CHILD_PATH: &str = "ADAPTIVE_MPI_TEST_CHILD";

/// What each rank does: evaluates a command that is itself an MPI program. Under `cargo test` the command is a plain one.
#[test]
fn the_rank() {
    let study = Study::new();
    let child = std::env::var(CHILD_PATH);
    let words = child.as_deref().map_or(vec!["echo", "1"], |child| vec![child]);
    assert_eq!(study.start(settings(&[("command", list(&words))])).y(0.0), 1.0);
}

#[test]
fn a_child_of_a_rank_sees_variables_of_users_and_not_of_ranks() {
    let script = "env | grep -c -E '^(OMPI_COMM|PMI|HYDI|SLURM_PROCID|SLURM_STEP)'; echo $SLURM_JOB_ID";
    let rank = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "ranks::the_scrubbed_rank", "--nocapture"])
        .envs([
            ("OMPI_COMM_WORLD_SIZE", "4"),
            ("PMI_RANK", "1"),
            ("PMIX_RANK", "1"),
            ("HYDI_CONTROL_FD", "5"),
        ])
        .envs([("SLURM_PROCID", "3"), ("SLURM_STEP_ID", "0"), ("SLURM_JOB_ID", "77"), (CHILD_PATH, script)])
        .output()
        .unwrap();
    assert!(rank.status.success(), "{}", String::from_utf8_lossy(&rank.stdout));
}

/// With a script in the environment: runs it as the command of a rank, which sees the job but no rank.
#[test]
fn the_scrubbed_rank() {
    let study = Study::new();
    let (script, job) = match std::env::var(CHILD_PATH) {
        Ok(script) => (script, 77.0),
        Err(_) => ("echo 0; echo 5".into(), 5.0),
    };
    let first = super::table(&[("row", adaptive_mpi::model::settings::SettingValue::Integer(0))]);
    assert_eq!(study.start(super::sh("command", &script).with("output", first)).y(0.0), 0.0);
    assert_eq!(study.start(super::sh("command", &script)).y(0.0), job);
}

#[cfg(feature = "mpi")]
#[test]
fn a_child_that_uses_mpi_is_a_world_of_its_own() {
    let flavours: Vec<&str> = ["openmpi", "mpich"]
        .into_iter()
        .filter(|name| Command::new(format!("mpiexec.{name}")).arg("--version").output().is_ok())
        .filter(|name| Command::new(format!("mpicc.{name}")).arg("-show").output().is_ok())
        .collect();
    assert!(!flavours.is_empty(), "neither mpicc.openmpi nor mpicc.mpich is installed");
    for flavour in flavours {
        let study = Study::new().file("child.c", CHILD);
        super::compile(&format!("mpicc.{flavour}"), &["-o", "child", "child.c"], study.folder.path());
        let child = study.path("child");
        // As a rank it sees both, so the next test shows something.
        assert_eq!(two_ranks(flavour, &child, &[], &child), "2\n2\n");
        let tests = std::env::current_exe().unwrap();
        let output = two_ranks(flavour, &tests, &["--exact", "ranks::the_rank", "--nocapture"], &child);
        // The lines of the two may be mixed.
        assert_eq!(output.matches("1 passed; 0 failed").count(), 2, "{output}");
    }
}

#[cfg(feature = "mpi")]
fn two_ranks(
    flavour: &str,
    program: &std::path::Path,
    arguments: &[&str],
    child: &std::path::Path,
) -> String {
    let output = Command::new("timeout")
        .args(["60", &format!("mpiexec.{flavour}"), "-n", "2"])
        .arg(program)
        .args(arguments)
        .env(CHILD_PATH, child)
        .envs([("OMPI_ALLOW_RUN_AS_ROOT", "1"), ("OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1")])
        .envs([("OMPI_MCA_rmaps_base_oversubscribe", "1"), ("OMPI_MCA_hwloc_base_binding_policy", "none")])
        .output()
        .unwrap();
    let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "mpiexec.{flavour} of {}: {stdout}{stderr}", program.display());
    stdout
}
