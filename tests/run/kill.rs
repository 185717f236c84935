//! `kill -9` at random moments.

use crate::study_run::{Folder, Random, check_rows};
use std::time::Duration;

/// Two learners whose points take a moment; a snapshot every few points.
const STUDY: &str = r#"
[function]
builtin = "sleep"
[parameters]
seconds = [0.001, 0.002]
[learner]
type = "1d"
bounds = [0, 1]
[goal]
npoints = 100
[run]
workers = 3
[checkpoint]
interval = "25ms"
"#;

#[test]
fn a_run_that_is_killed_at_any_moment_goes_on_without_loss() {
    let mut random = Random(88_172_645_463_325_252);
    for round in 0..12 {
        let folder = Folder::new(STUDY);
        let mut known = Vec::new();
        for life in 0..3 {
            let mut run = folder.command(&["run", "--quiet"]).start();
            // Some die before they have done anything, some among results, some near the end.
            let (points, moment) = (random.below(90), Duration::from_micros(random.below(3000)));
            let enough = |folder: &Folder| {
                folder.file("data/adaptive.journal").exists() && folder.read().len() as u64 >= points
            };
            if round % 3 > 0 {
                run.until(|_| enough(&folder));
            }
            std::thread::sleep(moment);
            run.kill_all();
            drop(run);
            let loaded = folder.read();
            assert!(loaded.losses.is_empty(), "round {round}, life {life}: {:?}", loaded.losses);
            let now = folder.rows();
            check_rows(&known, &now, |row| row.point[0]);
            known = now;
        }
        let end = folder.run(0, &["--quiet"]);
        assert!(!end.err.contains("panicked"), "{}", end.err);
        let rows = folder.rows();
        check_rows(&known, &rows, |row| row.point[0]);
        assert!((0..2).all(|learner| rows.iter().filter(|row| row.learner == learner).count() >= 100));
        assert_eq!(folder.status()["state"], "goal reached", "round {round}");
    }
}

#[test]
fn the_processes_of_a_function_leave_when_their_run_is_killed() {
    let folder = Folder::new(
        &STUDY
            .replace("builtin = \"sleep\"", "python = \"model.py:f\"")
            .replace("npoints = 100", "npoints = 1000000"),
    );
    folder.write("model.py", "def f(x, seconds):\n    return x\n");
    let mut run = folder.command(&["run", "--quiet"]).start();
    assert!(run.until(|_| folder.file("data/adaptive.journal").exists() && folder.read().len() > 20));
    assert!(run.processes().len() > 3, "three interpreters beside the program");
    crate::study_run::send(run.pid(), nix::sys::signal::Signal::SIGKILL);
    // `end` fails if anything is left behind.
    assert_eq!(run.end().code, None);
    check_rows(&[], &folder.rows(), |row| row.point[0]);
}
