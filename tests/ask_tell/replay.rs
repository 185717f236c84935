//! The recorded runs of Python adaptive, through this door (`scripts/replay-recorded`).

use crate::study_run::program;
use std::path::Path;
use std::process::Command;

#[test]
fn recorded_runs_give_the_same_points_through_ask_tell() {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/replay-recorded");
    let ended = Command::new("/usr/bin/python3")
        .arg(script)
        .env("ADAPTIVE_MPI_PROGRAM", program())
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .output()
        .unwrap();
    let table = String::from_utf8_lossy(&ended.stdout);
    assert!(ended.status.success(), "{table}\n{}", String::from_utf8_lossy(&ended.stderr));
    let row = |name: &str| table.lines().find(|line| line.starts_with(&format!("{name} "))).unwrap();
    for name in ["l1d_peak_seq", "l1d_script_unasked_points", "seq_restart", "bal_cycle_async6"] {
        assert_eq!(row(name).split_whitespace().nth(1), Some("same"), "{table}");
    }
    let known: Vec<&str> = adaptive_mpi::learner::LEARNERS.iter().map(|kind| kind.name).collect();
    for (prefix, kind) in [
        ("l2d_", "2d"),
        ("lnd", "nd"),
        ("avg_", "average"),
        ("avg1d_", "average1d"),
        ("int_", "integrator"),
        ("datasaver", "data_saver"),
    ] {
        let unknown = table.lines().filter(|line| line.starts_with(prefix) && line.ends_with("unknown type"));
        assert_eq!(unknown.count() == 0, known.contains(&kind), "{kind}\n{table}");
    }
}
