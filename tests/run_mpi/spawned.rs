//! Workers that rank 0 starts itself.

use crate::study_run::{Folder, check_rows, is_mpich, send};
use crate::{SLEEP, forever, machine, results};
use nix::sys::signal::Signal;

/// `run` with this many spawned workers, under a launcher or without one.
fn launch(folder: &Folder, with_launcher: bool, workers: &str) -> crate::study_run::Launch {
    let words = ["run", "--max-workers", workers];
    if with_launcher {
        return folder.ranks(1, &words);
    }
    let root = [("OMPI_ALLOW_RUN_AS_ROOT", "1"), ("OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1")];
    let launch = folder.command(&words).env("OMPI_MCA_rmaps_base_oversubscribe", "1");
    root.into_iter().fold(launch, |launch, (name, value)| launch.env(name, value))
}

#[test]
fn a_single_rank_starts_its_workers_itself_or_says_how_else() {
    let _machine = machine();
    for with_launcher in [true, false] {
        let folder = Folder::new(SLEEP);
        let ended = launch(&folder, with_launcher, "3").end();
        if is_mpich() {
            // MPICH of Debian can't spawn. What matters: no hang, no silence, and nothing is computed by halves.
            assert_ne!(ended.code, Some(0));
            assert!(ended.err.contains("spawn"), "{}", ended.err);
            continue;
        }
        let ended = ended.expect(0).says("1 manager, 3 workers on 1 host over Open MPI");
        assert_eq!(ended.err.matches("goal reached").count(), 1, "only rank 0 speaks\n{}", ended.err);
        let loaded = folder.read();
        let workers: std::collections::BTreeSet<u32> =
            loaded.columns.iter().map(|row| row.meta.worker).collect();
        assert_eq!(workers.into_iter().collect::<Vec<_>>(), [1, 2, 3]);
        check_rows(&[], &folder.rows(), |row| row.point[0]);
    }
}

#[test]
fn the_variable_does_the_same_and_many_ranks_are_enough_without_it() {
    if is_mpich() {
        return;
    }
    let _machine = machine();
    let folder = Folder::new(SLEEP);
    let most = ("ADAPTIVE_MPI_MAX_WORKERS", "2");
    folder.ranks(1, &["run"]).env(most.0, most.1).end().expect(0).says("1 manager, 2 workers");
    let folder = Folder::new(SLEEP);
    folder.ranks(4, &["run"]).env(most.0, most.1).end().expect(0).says("1 manager, 3 workers");
    let used = folder.read().columns.iter().map(|row| row.meta.worker).max();
    assert_eq!(used, Some(2), "at most two of them work");
}

#[test]
fn spawned_workers_leave_with_rank_0_however_it_ends() {
    if is_mpich() {
        return;
    }
    let _machine = machine();
    // In good order, and by force: at points that take longer than the grace time.
    for seconds in ["0.001", "1000"] {
        let study = forever().replace("[0.001, 0.002]", &format!("[{seconds}]"));
        let folder = Folder::new(&format!("{study}\n[run]\ngrace = '100ms'\n"));
        let mut run = launch(&folder, false, "3").start();
        let enough = if seconds == "1000" { 0 } else { 20 };
        let begun = |folder: &Folder| folder.file("data/adaptive.status.json").exists();
        assert!(run.until(|_| begun(&folder) && results(&folder) >= enough), "{}", run.said());
        send(run.pid(), Signal::SIGTERM);
        // `end` fails if anything is left behind.
        run.end().expect(75).says("stopped: SIGTERM received");
    }
}
