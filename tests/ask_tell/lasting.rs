//! What ask-tell was told outlives it.

use crate::LINE;
use crate::client::Client;
use crate::study_run::Folder;
use nix::sys::signal::Signal;
use serde_json::{Value as Json, json};

/// The points of an uninterrupted conversation.
fn uninterrupted(n: usize) -> Vec<Json> {
    Client::start(&Folder::new(LINE), &["--no-checkpoint"]).square(n)
}

#[test]
fn an_answer_means_that_the_value_is_safe_from_kill_9() {
    let folder = Folder::new(LINE);
    let expected = uninterrupted(30);
    let mut points = Vec::new();
    for life in 0..6 {
        let mut client = Client::start(&folder, &[]);
        assert_eq!(client.ask(json!({"status": true}))["npoints"], 5 * life);
        points.extend(client.square(5));
        // These are in flight when it dies: nobody evaluates them any more.
        client.points(3);
        client.kill();
        assert_eq!(folder.rows().len(), 5 * (life + 1));
    }
    assert_eq!(points, expected, "a restart asks as if nothing had happened");
}

#[test]
fn the_end_of_input_saves_and_the_next_session_goes_on() {
    let folder = Folder::new(&format!("{LINE}[goal]\nnpoints = 1000\n"));
    let mut client = Client::start(&folder, &[]);
    let first = client.square(10);
    client.points(4);
    assert_eq!(client.end().0, Some(0));
    let mut client = Client::start(&folder, &[]);
    assert_eq!(client.ask(json!({"status": true}))["pending"], 0);
    let all = [first, client.square(10)].concat();
    assert_eq!(all, uninterrupted(20));
    assert_eq!(client.end().0, Some(0));
    let status = folder.status();
    assert_eq!((&status["npoints"], &status["to_be_finished"]), (&json!(20), &json!(0)));
    let table = folder.command(&["export"]).end().expect(0).out;
    assert_eq!(table.lines().count(), 21);
}

#[test]
fn status_shows_nothing_of_an_earlier_run() {
    let folder = Folder::new(&format!(
        "[function]\nexpression = \"x^2\"\n{LINE}[goal]\nnpoints = 10\n[run]\nworkers = 2\n"
    ));
    folder.run(0, &["--quiet"]);
    let written = folder.text("data/adaptive.status.json");
    assert!(written.contains("\"pid\""), "{written}");
    let mut client = Client::start(&folder, &[]);
    assert_eq!(client.ask(json!({"status": true}))["npoints"], 10);
    // Not even where that run writes once more.
    for _ in 0..2 {
        let text = folder.command(&["status"]).end().expect(0).out;
        assert!(text.starts_with("adaptive: running (process"), "{text}");
        assert!(!text.contains("workers"), "{text}");
        assert_eq!(folder.status()["live"], Json::Null);
        folder.write("data/adaptive.status.json", &written);
    }
    assert_eq!(client.end().0, Some(0));
}

#[test]
fn sigterm_saves_and_says_that_it_can_go_on() {
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let folder = Folder::new(LINE);
        let mut client = Client::start(&folder, &[]);
        client.square(7);
        client.signal(signal);
        let (code, said) = client.wait();
        assert_eq!(code, Some(75), "{said}");
        assert!(said.contains("received"), "{said}");
        let loaded = folder.read();
        assert_eq!((loaded.len(), loaded.ended.is_some(), loaded.holder), (7, true, None));
    }
}

#[test]
fn save_writes_the_file_that_it_names() {
    let folder = Folder::new(LINE);
    let mut client = Client::start(&folder, &[]);
    client.square(3);
    let path = client.ask(json!({"save": true}))["saved"].as_str().unwrap().to_owned();
    assert_eq!(path, if cfg!(feature = "hdf5") { "data/adaptive.h5" } else { "data/adaptive.journal" });
    assert!(folder.file(&path).exists());
    client.kill();
    assert_eq!(folder.rows().len(), 3);
}

#[test]
fn a_second_session_is_kept_out() {
    let folder = Folder::new(LINE);
    let mut first = Client::start(&folder, &[]);
    first.square(2);
    let (code, said) = Client::start(&folder, &[]).end();
    assert_eq!(code, Some(7), "{said}");
    assert_eq!(first.square(1).len(), 1);
}

#[test]
fn another_domain_is_refused_and_another_goal_is_not() {
    let folder = Folder::new(LINE);
    let mut client = Client::start(&folder, &[]);
    client.square(2);
    assert_eq!(client.end().0, Some(0));
    folder.write("adaptive.toml", LINE.replace("[-1, 1]", "[-2, 1]"));
    let (code, said) = Client::start(&folder, &[]).end();
    assert_eq!(code, Some(2));
    assert!(said.contains("learner.bounds"), "{said}");
    folder.write("adaptive.toml", format!("{LINE}[goal]\nnpoints = 2\n"));
    assert_eq!(Client::start(&folder, &[]).ask(json!({"status": true}))["done"], true);
}

#[test]
fn run_goes_on_from_ask_tell_and_ask_tell_from_run() {
    let study = format!("{LINE}[function]\nexpression = \"x^2\"\n[goal]\nnpoints = 12\n");
    let folder = Folder::new(&study);
    let mut client = Client::start(&folder, &[]);
    client.square(5);
    client.points(2);
    assert_eq!(client.end().0, Some(0));
    folder.run(0, &["--quiet", "--workers", "1"]);
    assert_eq!(folder.rows().len(), 12);
    let status = Client::start(&folder, &[]).ask(json!({"status": true}));
    assert_eq!((&status["npoints"], &status["done"]), (&json!(12), &json!(true)));
}

#[test]
fn a_goal_that_holds_by_what_was_given_up_is_reached() {
    let folder = Folder::new("[learner]\ntype = \"1d\"\nbounds = [-1, 1]\n[goal]\nloss = 0.1\n");
    let mut client = Client::start(&folder, &[]);
    client.points(2);
    client.ask(json!({"tell": [[-1, 0], [1, 1]]}));
    let mut done = client.ask(json!({"status": true}))["done"].clone();
    for _ in 0..100 {
        let failed: Vec<_> = client.points(1).into_iter().map(|point| json!([point, "no value"])).collect();
        client.ask(json!({"failed": failed}));
        done = client.ask(json!({"status": true}))["done"].clone();
        if done == true {
            break;
        }
    }
    assert_eq!(done, true);
}

#[test]
fn points_that_were_given_up_stay_out_until_they_are_tried_again() {
    let folder = Folder::new(LINE);
    let mut client = Client::start(&folder, &[]);
    assert_eq!(client.points(2), [json!(-1.0), json!(1.0)]);
    client.ask(json!({"failed": [[-1, {"error": "no luck", "given_up": false}], [-1, "no luck again"]]}));
    client.ask(json!({"tell": [[1, 1]]}));
    assert_eq!(client.ask(json!({"remove_unfinished": true}))["pending"], 0);
    assert_ne!(client.points(1), [json!(-1.0)]);
    assert_eq!(client.end().0, Some(0));
    let status = folder.command(&["status", "--failures", "--json"]).end().expect(0).json();
    assert_eq!((&status["given_up"], &status["failed_attempts"]), (&json!(1), &json!(2)));

    let mut client = Client::start(&folder, &[]);
    assert_eq!(client.ask(json!({"status": true}))["given_up"], 1);
    assert_ne!(client.points(1), [json!(-1.0)]);
    assert_eq!(client.end().0, Some(0));
    let mut client = Client::start(&folder, &["--retry-failed"]);
    assert_eq!(client.points(1), [json!(-1.0)]);
    client.ask(json!({"tell": [[-1, 1]]}));
    assert_eq!(client.end().0, Some(0));
    assert_eq!(Client::start(&folder, &[]).ask(json!({"status": true})).get("given_up"), None);
}

#[test]
fn named_outputs_are_kept_by_name_in_any_order() {
    let folder = Folder::new(LINE);
    let mut client = Client::start(&folder, &[]);
    client.ask(json!({"tell": [[-1, {"y": 1, "index": 0, "extra": ["anything"]}]]}));
    client.ask(json!({"tell": [[1, {"index": 1, "y": 2}]]}));
    let error = client.error(r#"{"tell": [[0, {"y": 2, "idx": 1}]]}"#);
    assert!(error.contains("the outputs y, idx, but y, index before"), "{error}");
    assert_eq!(client.end().0, Some(0));
    let rows = folder.rows();
    assert_eq!((&rows[0].values, &rows[1].values), (&vec![1.0, 0.0], &vec![2.0, 1.0]));
    let table = folder.command(&["export"]).end().expect(0).out;
    assert!(table.starts_with("learner,x,y,index"), "{table}");
    // The order of the names is known after a restart, too.
    let mut client = Client::start(&folder, &[]);
    client.ask(json!({"tell": [[0.5, {"index": 2, "y": 3}]]}));
    assert_eq!(client.end().0, Some(0));
    assert_eq!(folder.rows()[2].values, [3.0, 2.0]);
}

#[test]
fn learners_differ_from_combo_to_combo_where_the_study_says_so() {
    let study = "[[cases]]\nlo = -1.0\nhi = 1\n[[cases]]\nlo = 3\nhi = 4.5\n[learner]\ntype = \"1d\"\n\
                 bounds = [\"{lo}\", \"{hi}\"]\n[balancing]\nstrategy = \"cycle\"\n";
    let folder = Folder::new(study);
    let mut client = Client::start(&folder, &[]);
    let points = client.points(4);
    assert_eq!(points, [json!([0, -1.0]), json!([1, 3.0]), json!([0, 1.0]), json!([1, 4.5])]);
    client.ask(json!({"tell": [[points[1], 1]]}));
    client.kill();
    let mut client = Client::start(&folder, &[]);
    assert_eq!(client.points(3), [json!([0, -1.0]), json!([1, 4.5]), json!([0, 1.0])]);
}
