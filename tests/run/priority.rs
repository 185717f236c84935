//! Whose points go first. Each evaluation writes a line, so that their order can be seen.

use crate::study_run::Folder;

/// Three learners with six points each; one worker, and all points asked at once.
const STUDY: &str = "[function]\npython = 'model.py:h'\npriority = '{a}'\n[parameters]\na = [1, 3, 2]\n[learner]\ntype = 'sequence'\n\
                     sequence = [0, 1, 2, 3, 4, 5]\n[run]\nworkers = 1\nin_flight = 18\n";

const MODEL: &str = "import os\n\ndef h(x, a):\n    with open('calls', 'a') as calls:\n        print(a, file=calls)\n    \
                     if os.path.exists('fails') and a == 3 and x == 0:\n        os.remove('fails')\n        raise ValueError('once')\n    \
                     return a * x\n";

fn folder(study: &str) -> Folder {
    let folder = Folder::new(study);
    folder.write("model.py", MODEL);
    folder
}

/// The parameter of each evaluation, as they were evaluated.
fn order(folder: &Folder) -> String {
    folder.text("calls").lines().collect()
}

#[test]
fn points_of_higher_priority_are_evaluated_first() {
    for strategy in ["loss_improvements", "loss", "npoints", "cycle"] {
        let folder = folder(&format!("{STUDY}[balancing]\nstrategy = '{strategy}'\n"));
        folder.run(0, &[]);
        assert_eq!(order(&folder), "333333222222111111", "{strategy}");
    }
}

#[test]
fn a_second_attempt_overtakes_what_waits_with_a_lower_priority() {
    let folder = folder(STUDY);
    folder.write("fails", "");
    folder.run(0, &[]);
    // What the worker had with it already can't be overtaken.
    let order = order(&folder);
    assert_eq!(order.matches('3').count(), 7, "{order}");
    assert!(order.ends_with("2222111111"), "{order}");
}

#[test]
fn one_priority_for_all_changes_nothing() {
    let folder =
        folder(&STUDY.replace("'{a}'", "-7").replace("[run]", "[balancing]\nstrategy = 'cycle'\n[run]"));
    folder.run(0, &[]);
    assert_eq!(order(&folder), "132".repeat(6));
}

#[test]
fn a_deterministic_run_is_the_same_on_any_number_of_workers() {
    let study = "[function]\nexpression = 'exp(-50*(x-a)^2)'\npriority = '{a}'\n[parameters]\na = [0, 1]\n[learner]\ntype = '1d'\n\
                 bounds = [-2, 2]\n[goal]\nnpoints = 60\n[run]\nworkers = 1\ndeterministic = true\nin_flight = 9\n";
    let rows = |workers: &str| {
        let folder = Folder::new(&study.replace("workers = 1", &format!("workers = {workers}")));
        folder.run(0, &[]);
        folder.rows()
    };
    let one = rows("1");
    assert_eq!(rows("4"), one);
    // The first sixty are of the learner of higher priority, but for those asked while its last ones are in flight.
    assert!(one[..60].iter().all(|row| row.learner == 1), "{one:?}");
}

#[test]
fn it_may_change_between_two_runs() {
    let folder = folder(&format!("{STUDY}[goal]\nnpoints = 2\n"));
    folder.run(0, &[]);
    assert!(order(&folder).starts_with("33"));
    folder.write("adaptive.toml", STUDY.replace("'{a}'", "4"));
    folder.run(0, &[]);
    assert_eq!(order(&folder).len(), 18);
}
