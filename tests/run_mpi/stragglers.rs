//! Points that take far longer than all others: they are shown, and can be started elsewhere too.

use crate::study_run::{Folder, check_rows};
use crate::{machine, results};
use std::time::Duration;

/// The first worker to come to x = 0.5 stays there for long.
const MODEL: &str = "import os, time\ndef h(x):\n    time.sleep(0.002)\n    if x == 0.5:\n        try:\n            \
                     os.close(os.open('slow', os.O_CREAT | os.O_EXCL))\n            time.sleep(600)\n        \
                     except FileExistsError:\n            pass\n    return x\n";

fn folder(run: &str) -> Folder {
    let folder = Folder::new(&format!(
        "[function]\npython = 'model.py:h'\n[learner]\ntype = 'sequence'\n\
         sequence = {{ start = 0.0, stop = 1.0, num = 41 }}\n[goal]\ndone = true\n[run]\n{run}"
    ));
    folder.write("model.py", MODEL);
    folder
}

#[test]
fn a_point_that_takes_far_longer_is_shown_by_status() {
    let _machine = machine();
    let folder = folder("grace = 0");
    let mut run = folder.ranks(3, &["run", "--quiet"]).start();
    assert!(run.until(|_| results(&folder) >= 39), "{}", run.said());
    let live = || folder.text("data/adaptive.status.json");
    assert!(run.until(|_| live().contains("\"silent_s\"")), "{}", run.said());
    let status = folder.status();
    let slow = &status["live"]["stragglers"][0];
    assert!(slow["silent_s"].as_f64() > Some(4.9) && slow["usual_s"].as_f64() < Some(4.9), "{status}");
    assert!(slow["rank"] == 1 || slow["rank"] == 2);
    let text = folder.command(&["status"]).end().expect(0).out;
    assert!(text.contains("slow     rank ") && text.contains("where 99 of 100 points take up to "), "{text}");
    crate::study_run::send(run.pid(), nix::sys::signal::Signal::SIGTERM);
    run.end();
    assert!(folder.status()["npoints"].as_u64() < Some(41), "the slow one is left to the next run");
}

#[test]
fn a_point_that_takes_far_longer_is_started_elsewhere_too_where_that_is_wanted() {
    let _machine = machine();
    let folder = folder("duplicate_stragglers = true");
    let ended = folder.ranks(3, &["run"]).end().says("goal reached");
    assert!(ended.took < Duration::from_secs(60), "{:?}", ended.took);
    let rows = folder.rows();
    assert_eq!(rows.len(), 41);
    check_rows(&[], &rows, |row| row.point[0]);
    assert!(folder.read().failures.is_empty());
}
