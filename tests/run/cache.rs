//! Values that were paid for once. Each evaluation writes a line, so that they can be counted.

use crate::renamed;
use crate::study_run::{Folder, check_rows};

const MODEL: &str = "def h(x, a):\n    with open('calls', 'a') as calls:\n        print(x, a, file=calls)\n    \
                     if x == 0.75 and a == 2:\n        raise ValueError('not here')\n    return {'y': a * x, 'z': 1}\n";

const STUDY: &str = "[function]\npython = 'model.py:h'\ncache = true\n[parameters]\na = [1, 2]\n[learner]\ntype = 'sequence'\n\
                     sequence = [0, 0.25, 0.5, 0.75, 1]\n[run]\nworkers = 3\nretries = 0\nin_flight = 6\n";

fn folder(study: &str) -> Folder {
    let folder = Folder::new(study);
    folder.write("model.py", MODEL);
    folder
}

fn calls(folder: &Folder) -> usize {
    folder.text("calls").lines().count()
}

#[test]
fn another_study_computes_only_what_is_new() {
    let folder = folder(STUDY);
    folder.run(4, &[]); // one point fails
    assert_eq!(calls(&folder), 10);
    // Another learner, one more element and one more combo: two learners lack one value each, which no failure stands for,
    // and the third has none.
    folder.write(
        "adaptive.toml",
        renamed("more", &STUDY.replace("1]\n[run]", "1, 2]\n[run]").replace("[1, 2]", "[2, 3, 1]")),
    );
    let summary = folder.command(&["run", "--json"]).end().expect(4).json();
    assert_eq!((calls(&folder), &summary["from_cache"]), (10 + 1 + 2 + 6, &9.into()), "{summary}");
    let status = folder.status();
    assert_eq!((&status["npoints"], &status["given_up"]), (&17.into(), &1.into()), "{status}");
    // The names of the values came through the cache too.
    let exported = folder.export();
    assert!(exported.iter().all(|row| row["y"].is_number() && row["z"].is_number()), "{exported:?}");
}

#[test]
fn a_changed_file_or_version_is_another_function() {
    let folder = folder(STUDY);
    folder.run(4, &[]);
    let changes: [&dyn Fn(); 2] = [&|| folder.write("model.py", MODEL.replace("'z': 1", "'z': 2")), &|| {
        folder.write("model.py", MODEL);
        let versioned = STUDY.replace("cache", "version = 'b'\ncache");
        folder.write("adaptive.toml", renamed("versioned", &versioned));
    }];
    for (round, change) in changes.iter().enumerate() {
        folder.write("adaptive.toml", renamed("again", STUDY));
        change();
        let summary = folder.command(&["run", "--json"]).end().expect(4).json();
        assert_eq!((calls(&folder), &summary["from_cache"]), (10 * (round + 2), &0.into()), "{summary}");
    }
}

#[test]
fn what_is_asked_twice_at_once_is_computed_once() {
    for deterministic in [false, true] {
        let study = STUDY.replace("[0, 0.25, 0.5, 0.75, 1]", "[1, 1, 1, 0.5, 1, 0.5, 1]");
        let folder = folder(&format!("{study}deterministic = {deterministic}\n"));
        let summary = folder.command(&["run", "--json"]).end().expect(0).json();
        assert_eq!((&summary["npoints"], &summary["from_cache"]), (&14.into(), &10.into()), "{summary}");
        assert_eq!(calls(&folder), 4);
        for row in folder.rows() {
            assert_eq!(row.values, [row.point[0] * f64::from(row.learner + 1), 1.0]);
        }
    }
}

#[test]
fn in_the_order_of_asks_nobody_waits_for_a_value_that_is_told_after_its_own() {
    // The first attempt fails, and then another one for the same value is the first.
    let folder = Folder::new(
        "[function]\ncommand = ['sh', '-c', 'mkdir failed 2>/dev/null && exit 1; echo 1']\ncache = true\n[learner]\n\
         type = 'sequence'\nsequence = [0.5, 0.5, 0.5, 1]\n[run]\nworkers = 1\ndeterministic = true\nin_flight = 4\n",
    );
    let summary = folder.command(&["run", "--json"]).end().expect(0).json();
    assert_eq!((&summary["npoints"], &summary["failed_attempts"]), (&4.into(), &1.into()), "{summary}");
}

#[test]
fn whoever_waits_for_a_failure_has_its_own_attempts() {
    let folder = folder(&STUDY.replace("[0, 0.25, 0.5, 0.75, 1]", "[0.75, 0.75, 0.75, 1]"));
    let summary = folder.command(&["run", "--json"]).end().expect(4).json();
    // The three at 0.75 of a = 1 are one evaluation, those of a = 2 three that fail.
    assert_eq!((calls(&folder), &summary["given_up"]), (1 + 3 + 2, &3.into()), "{summary}");
}

#[test]
fn replicas_that_the_function_sees_are_evaluated_each() {
    let study = "[function]\ncommand = ['sh', '-c', 'echo {seed} >> calls; echo {seed}']\ncache = true\n[learner]\n\
                 type = 'average'\natol = 1e-9\n[goal]\nnpoints = 8\n[run]\nworkers = 2\n";
    let folder = Folder::new(study);
    folder.run(0, &[]);
    let computed = calls(&folder);
    assert!(computed >= 8, "{computed}");
    folder.write("adaptive.toml", renamed("again", study));
    let summary = folder.command(&["run", "--json"]).end().expect(0).json();
    assert!(summary["from_cache"].as_u64().unwrap() >= 8, "{summary}");
}

#[test]
fn an_adaptive_run_from_the_cache_is_the_same_run() {
    let study = "[function]\nexpression = 'exp(-50*(x-0.3)^2)'\ncache = 'kept/values.h5'\n[learner]\ntype = '1d'\nbounds = [-1, 1]\n\
                 [goal]\nnpoints = 200\n[run]\nworkers = 3\ndeterministic = true\nin_flight = 4\n";
    let folder = Folder::new(study);
    folder.run(0, &[]);
    let first = folder.rows();
    std::fs::rename(folder.file("data"), folder.file("gone")).unwrap();
    let summary = folder.command(&["run", "--json"]).end().expect(0).json();
    assert_eq!((&summary["npoints"], &summary["evaluations"]), (&200.into(), &0.into()), "{summary}");
    assert_eq!(folder.rows(), first);
    check_rows(&first, &folder.rows(), |row| (-50.0 * (row.point[0] - 0.3).powi(2)).exp());
}

#[test]
fn two_runs_at_once_share_what_was_known_before() {
    let slow = "[function]\ncommand = ['sh', '-c', 'echo {x} >> calls; test -e slow && sleep 0.2; echo 1']\ncache = true\n\
                [learner]\ntype = 'sequence'\nsequence = { start = 0.0, stop = 1.0, num = 20 }\n[run]\nworkers = 1\n";
    let folder = Folder::new(slow);
    folder.write("adaptive.toml", renamed("first", &slow.replace("num = 20", "num = 2")));
    folder.run(0, &[]);
    folder.write("slow", "");
    folder.write("adaptive.toml", renamed("second", slow));
    let running = folder.command(&["run"]).start();
    while calls(&folder) < 4 {
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    folder.write("adaptive.toml", renamed("third", &slow.replace("num = 20", "num = 2")));
    let third = folder.command(&["run", "--json"]).end().expect(0).says("nothing is added").json();
    assert_eq!(third["from_cache"], 2, "{third}");
    running.end().expect(0);
}

#[test]
fn a_cache_that_cannot_be_read_is_named() {
    let folder = folder(STUDY);
    std::fs::create_dir(folder.file("data")).unwrap();
    folder.write("data/cache.journal", "no journal at all, but not empty either");
    folder.write("data/cache.h5", "no HDF5");
    let ended = folder.command(&["run"]).end();
    assert!(ended.err.contains("cache"), "{}", ended.err);
    assert_eq!((ended.code, calls(&folder)), (Some(5), 0), "{}", ended.err);
}

#[test]
fn the_results_of_another_study_are_no_cache() {
    let folder = folder(STUDY);
    folder.write("adaptive.toml", renamed("other", &STUDY.replace("cache = true\n", "")));
    folder.run(4, &[]);
    folder.write("adaptive.toml", STUDY.replace("true", "'data/other.h5'"));
    let results = || {
        let found = folder.contents().into_iter();
        found.filter(|(path, _)| path.to_string_lossy().contains("other.")).collect::<Vec<_>>()
    };
    let before = results();
    for command in ["check", "run"] {
        let said = folder.command(&[command]).end().expect(2);
        said.says("other.h5 is the results file of the study `other`, not a cache").says("help: give");
    }
    assert!(results() == before);
}
