//! Integrals: they end by their own criterion, go on after a stop, and say when they have no end.

use crate::study_run::{Folder, check_rows};

/// x^-p over [0, 1]; at 0 it is infinite.
fn study(p: &str, rest: &str) -> String {
    format!(
        "[function]\nexpression = 'x^(-p)'\n[parameters]\np = {p}\n[learner]\ntype = 'integrator'\n\
         bounds = [0, 1]\ntol = 1e-6\n[run]\nworkers = 2\n{rest}"
    )
}

fn value(p: f64) -> impl Fn(&crate::study_run::Row) -> f64 {
    move |row| row.point[0].powf(-p)
}

#[test]
fn integrals_without_a_goal_run_until_they_are_done() {
    let folder = Folder::new(&study("[0.25, 0.5]", "in_flight = 1\n"));
    let summary = folder.command(&["run", "--json"]).end().expect(0).json();
    assert_eq!(summary["ended"], "goal reached: done");
    for (figures, exact) in summary["figures"].as_array().unwrap().iter().zip([4.0 / 3.0, 2.0]) {
        let (igral, err) = (figures["igral"].as_f64().unwrap(), figures["err"].as_f64().unwrap());
        assert!((igral - exact).abs() <= err && err <= 1e-6 * exact, "{figures}");
    }
    let rows = folder.rows();
    // Done is done: nothing is evaluated again.
    let ended = folder.command(&["run"]).end().expect(0).says("goal reached: done");
    assert!(ended.err.contains("p=0.5: igral 1.99999"), "{}", ended.err);
    check_rows(&rows, &folder.rows(), |row| row.point[0].powf([-0.25, -0.5][row.learner as usize]));
    assert_eq!(folder.rows().len(), rows.len());
}

#[test]
fn an_integral_that_is_done_stays_so_with_what_was_still_in_flight() {
    let folder = Folder::new(
        "[function]\nexpression = '1/(1+25*x^2)'\n[learner]\ntype = 'integrator'\nbounds = [0, 1]\ntol = 1e-6\n\
         [run]\nworkers = 4\nin_flight = 16\n",
    );
    let exact = 5_f64.atan() / 5.0;
    let mut before = 0;
    for _ in 0..2 {
        let summary = folder.command(&["run", "--json"]).end().expect(0).json();
        assert_eq!(summary["ended"], "goal reached: done");
        let figures = &summary["figures"][0];
        let (igral, err) = (figures["igral"].as_f64().unwrap(), figures["err"].as_f64().unwrap());
        assert!(err <= 1e-6 * exact && (igral - exact).abs() <= err, "{figures}");
        let after = folder.rows().len();
        assert!(before == 0 || before == after, "done is done: {before} {after}");
        before = after;
    }
}

#[test]
fn a_stopped_integral_goes_on_with_the_points_that_it_would_have_asked() {
    let one_by_one = "in_flight = 1\n";
    let whole = Folder::new(&study("0.5", one_by_one));
    whole.run(0, &[]);
    let parts = Folder::new(&study("0.5", &format!("{one_by_one}[goal]\nnpoints = 100\n")));
    for npoints in [100, 101, 350] {
        parts.write("adaptive.toml", study("0.5", &format!("{one_by_one}[goal]\nnpoints = {npoints}\n")));
        parts.run(0, &[]);
        assert_eq!(parts.rows().len(), npoints);
    }
    parts.write("adaptive.toml", study("0.5", one_by_one));
    parts.run(0, &[]);
    assert_eq!(parts.rows(), whole.rows());
    check_rows(&[], &whole.rows(), value(0.5));
}

#[test]
fn a_divergent_integral_ends_the_run_once_the_others_are_done() {
    // With more in flight, values that come back while the run stops may open what was done.
    let folder = Folder::new(&study("[0.5, 1.5, 0.25]", "in_flight = 1\n"));
    let ended = folder.command(&["run"]).end().expect(4).says("the goal can't be reached: learner 1: ");
    assert!(ended.err.contains("the integral over [0, 1] seems to be infinite"), "{}", ended.err);
    assert!(ended.err.contains("divergent 1"), "{}", ended.err);
    let rows = folder.rows();
    // What is known can't be mended by another run, and costs nothing.
    folder.command(&["run"]).end().expect(4).says("seems to be infinite");
    assert_eq!(folder.rows().len(), rows.len());
}

#[test]
fn several_integrals_that_are_done_are_done_for_status_and_for_the_next_run() {
    let folder = Folder::new(
        "[function]\nexpression = 'sqrt(x) + a'\n[parameters]\n\
         a = { start = 1e-3, stop = 1.0, num = 4, spacing = 'log' }\n[learner]\ntype = 'integrator'\n\
         bounds = [0, '{a}']\ntol = 1e-10\n[run]\nworkers = 3\n",
    );
    let summary = folder.command(&["run", "--json"]).end().expect(0).json();
    assert_eq!(summary["ended"], "goal reached: done");
    let (rows, status) = (folder.rows(), folder.status());
    let (said, later) = (summary["figures"].as_array().unwrap(), status["by_learner"].as_array().unwrap());
    assert_eq!((said.len(), later.len()), (4, 4));
    assert_eq!(status["finished_learners"], 4);
    for (said, later) in said.iter().zip(later) {
        assert_eq!(said["igral"], later["figures"]["igral"], "{said} {later}");
    }
    folder.run(0, &["--quiet"]);
    assert_eq!(folder.rows().len(), rows.len(), "nothing is evaluated again");
}
