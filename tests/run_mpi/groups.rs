//! Points that several ranks evaluate together, and what each rank gets of its machine.

use crate::study_run::{Folder, is_mpich, launcher, send};
use crate::{machine, results};
use nix::sys::signal::Signal;
use std::path::Path;
use std::process::Command;

/// Compiles with the compiler of the launcher's MPI.
fn compile(folder: &Folder, arguments: &[&str]) {
    let compiler = if is_mpich() { "mpicc.mpich" } else { "mpicc.openmpi" };
    let output = Command::new(compiler).args(arguments).current_dir(folder.path()).output();
    let output = output.unwrap_or_else(|error| panic!("{compiler}: {error}"));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

fn library(study: &str, source: &str) -> Folder {
    let folder = Folder::new(study);
    folder.write("model.c", source);
    compile(&folder, &["-O2", "-shared", "-fPIC", "-o", "libmodel.so", "model.c", "-lm"]);
    folder
}

const MODEL: &str = r#"
#include <mpi.h>
#include <stdint.h>
#include <stdlib.h>

int model(const double *x, size_t nx, const double *p, size_t np, uint64_t seed, double *y, size_t ny, int fcomm) {
    MPI_Comm comm = MPI_Comm_f2c(fcomm);
    int rank, size;
    MPI_Comm_rank(comm, &rank);
    MPI_Comm_size(comm, &size);
    const char *threads = getenv("OMP_NUM_THREADS"), *device = getenv("CUDA_VISIBLE_DEVICES");
    double own[3] = {x[0], threads ? atof(threads) : 0, device ? atof(device) : -1};
    MPI_Allreduce(own, y, 3, MPI_DOUBLE, MPI_SUM, comm);
    if (x[0] == 0.5 && rank == size - 1) return 7;
    return 0;
}
"#;

#[test]
fn a_c_function_adds_up_over_its_ranks_on_any_number_of_groups() {
    let _machine = machine();
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/ranks");
    let study = std::fs::read_to_string(example.join("adaptive.toml")).unwrap();
    let study = study.replace("name = \"lattice\"", "").replace("npoints = 50", "npoints = 20");
    let source = std::fs::read_to_string(example.join("model.c")).unwrap();
    let serial = |x: f64| (1..=200_000).map(|k| 1.0 / (f64::from(k) * f64::from(k) + x * x)).sum::<f64>();
    for (ranks, groups) in [(3, 1), (5, 2), (8, 3)] {
        let folder = library(&study, &source);
        let ended = folder.ranks(ranks, &["run", "--json"]).end().expect(0).says("on 2 ranks");
        assert_eq!(ended.json()["workers"], groups);
        let rows = folder.rows();
        assert!(rows.len() >= 20);
        for row in rows {
            let wanted = serial(row.point[0]);
            assert!((row.values[0] - wanted).abs() < 1e-12 * wanted, "{row:?} is not {wanted}");
        }
    }
}

#[test]
fn each_rank_of_a_group_has_its_threads_and_devices_before_its_function_runs() {
    let _machine = machine();
    let study = "[function]\nlibrary = 'libmodel.so:model'\noutputs = 3\nranks = 2\nthreads = 3\ngpus = 1\n[learner]\n\
                 type = 'sequence'\nsequence = [0, 1, 2]\n[run]\nretries = 0\n";
    let folder = library(study, MODEL);
    folder.ranks(3, &["run", "--quiet"]).end().expect(0);
    // The sums over ranks 1 and 2, which are the first and the second worker here.
    for row in folder.rows() {
        assert_eq!(row.values, [2.0 * row.point[0], 6.0, 1.0]);
    }
    // What the batch system has set is dealt out.
    folder.write("adaptive.toml", study.replace("[0, 1, 2]", "[4, 5]"));
    std::fs::remove_dir_all(folder.file("data")).unwrap();
    folder.ranks(3, &["run", "--quiet"]).env("CUDA_VISIBLE_DEVICES", "6,3").end().expect(0);
    assert!(folder.rows().iter().all(|row| row.values[2] == 9.0), "{:?}", folder.rows());
}

#[test]
fn a_failure_of_one_rank_is_the_failure_of_its_point_only() {
    let _machine = machine();
    let study = "[function]\nlibrary = 'libmodel.so:model'\noutputs = 3\nranks = 3\n[learner]\ntype = 'sequence'\n\
                 sequence = [0, 0.5, 1, 2]\n[run]\nretries = 1\n";
    let folder = library(study, MODEL);
    folder.ranks(4, &["run"]).end().expect(4);
    let failures = folder.status()["failures"].clone();
    assert_eq!(failures.as_array().unwrap().len(), 2, "both attempts at one point: {failures}");
    assert_eq!((&failures[0]["kind"], &failures[0]["worker"]), (&"error".into(), &3.into()), "{failures}");
    assert!(failures[0]["message"].as_str().unwrap().contains("model returned 7"), "{failures}");
    assert_eq!(folder.rows().len(), 3);
    std::fs::remove_dir_all(folder.file("data")).unwrap();
    let warning = "groups of 3 ranks leave 1 of 4 workers without work";
    folder.ranks(5, &["run", "--quiet"]).end().expect(4).says(warning);
}

#[test]
fn a_run_with_too_few_workers_left_for_a_group_ends_in_good_order() {
    let _machine = machine();
    let study = "[function]\nlibrary = 'libmodel.so:model'\noutputs = 3\nranks = 2\n[learner]\ntype = '1d'\n\
                 bounds = [1, 2]\n[goal]\nnpoints = 1000000\n[run]\nunresponsive_after = '2s'\n";
    let folder = library(study, MODEL);
    let mut run = folder.ranks(3, &["run"]).start();
    assert!(run.until(|_| results(&folder) >= 20), "{}", run.said());
    send(run.rank(1).unwrap(), Signal::SIGSTOP);
    let ended = run.end();
    // MPICH's launcher has the code of a rank that is ended.
    assert!(ended.code == Some(75) || is_mpich() && ended.code != Some(0), "{:?} {}", ended.code, ended.err);
    let says = "too few workers are left (1, where an evaluation takes 2 ranks): rank 1 (";
    assert!(ended.err.contains(says), "{}", ended.err);
    assert!(folder.rows().len() > 10);
    assert!(folder.status()["failures"].as_array().is_none_or(Vec::is_empty), "{}", folder.status());
}

#[test]
fn a_command_starts_its_own_processes_on_the_hosts_of_its_group() {
    let _machine = machine();
    // Open MPI counts the slots of a host that is named by its number of ranks; this host may have fewer cores.
    let flags = if is_mpich() { "" } else { "'--oversubscribe', " };
    let study = format!(
        "[function]\ncommand = ['{}', {flags}'-n', '{{ranks}}', '-host', '{{hosts}}', './simulate', '{{x}}']\n\
         ranks = 2\ntimeout = '60s'\n[learner]\ntype = 'sequence'\nsequence = [1, 2, 3]\n[run]\nretries = 0\n",
        launcher()
    );
    let folder = Folder::new(&study);
    folder.write(
        "simulate.c",
        "#include <mpi.h>\n#include <stdio.h>\n#include <stdlib.h>\nint main(int argc, char **argv) {\n  \
         double own = atof(argv[1]), sum;\n  int rank;\n  MPI_Init(&argc, &argv);\n  \
         MPI_Comm_rank(MPI_COMM_WORLD, &rank);\n  \
         MPI_Allreduce(&own, &sum, 1, MPI_DOUBLE, MPI_SUM, MPI_COMM_WORLD);\n  \
         if (rank == 0) printf(\"%g\\n\", sum);\n  MPI_Finalize();\n  return 0;\n}\n",
    );
    compile(&folder, &["-o", "simulate", "simulate.c"]);
    folder.ranks(3, &["run", "--quiet"]).end().expect(0);
    let rows = folder.rows();
    assert_eq!(rows.len(), 3);
    assert!(rows.iter().all(|row| row.values == [2.0 * row.point[0]]), "{rows:?}");

    // Without a launcher the ranks are threads of this process: the command does not mind.
    std::fs::remove_dir_all(folder.file("data")).unwrap();
    let study = "[function]\ncommand = 'echo {x} {ranks}'\nranks = 3\n[learner]\ntype = 'sequence'\nsequence = [1, 2]\n";
    folder.write("adaptive.toml", study);
    folder.run(0, &["--quiet"]);
    assert!(folder.rows().iter().all(|row| row.values == [row.point[0], 3.0]), "{:?}", folder.rows());
}

#[test]
fn devices_are_dealt_out_to_child_processes_by_worker() {
    let _machine = machine();
    let folder = Folder::new(
        "[function]\ncommand = ['sh', '-c', 'sleep 0.05; echo $CUDA_VISIBLE_DEVICES $OMP_NUM_THREADS']\ngpus = 1\n\
         threads = 2\n[learner]\ntype = 'sequence'\nsequence = [1, 2, 3, 4, 5, 6, 7, 8]\n",
    );
    folder.ranks(3, &["run", "--quiet"]).env("CUDA_VISIBLE_DEVICES", "5,7").end().expect(0);
    let columns = folder.read().columns;
    for (row, told) in folder.rows().iter().zip(columns.iter()) {
        let device = if told.meta.worker == 1 { 5.0 } else { 7.0 };
        assert_eq!(row.values, [device, 2.0], "on rank {}", told.meta.worker);
    }
}

#[test]
fn too_few_ranks_for_a_group_are_told_before_anything_is_touched() {
    let _machine = machine();
    let study = "[function]\ncommand = 'echo {x}'\nranks = 4\n[learner]\ntype = 'sequence'\nsequence = [1]\n";
    let folder = Folder::new(study);
    let before = folder.contents();
    let ended = folder.ranks(4, &["run"]).end().expect(2);
    assert!(ended.err.contains("start 5 ranks or more"), "{}", ended.err);
    assert_eq!(folder.contents(), before);
}
