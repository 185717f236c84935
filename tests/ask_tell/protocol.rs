use crate::LINE;
use crate::client::Client;
use crate::study_run::Folder;
use serde_json::{Value as Json, json};

fn client(study: &str) -> (Folder, Client) {
    let folder = Folder::new(study);
    let client = Client::start(&folder, &["--no-checkpoint"]);
    (folder, client)
}

#[test]
fn each_request_has_its_answer() {
    let (folder, mut client) = client(LINE);
    let steps: [(Json, Json); 16] = [
        (json!({"ask": 2}), json!({"points": [-1.0, 1.0], "loss_improvements": ["inf", "inf"]})),
        (json!({"ask": 1, "tell_pending": false}), json!({"points": [0.0], "loss_improvements": ["inf"]})),
        (json!({"ask": 1, "tell_pending": true}), json!({"points": [0.0], "loss_improvements": ["inf"]})),
        (json!({"loss": "real"}), json!({"loss": "inf"})),
        (json!({"tell": [[-1, 0.0], [1, 2]]}), json!({"told": 2, "npoints": 2})),
        (json!({"loss": "real"}), json!({"loss": 2_f64.sqrt()})),
        (json!({"loss": "expected"}), json!({"loss": 0.5_f64.sqrt()})),
        (json!({"status": true}), json!({"npoints": 2, "pending": 1, "loss": 2_f64.sqrt(), "done": false})),
        (json!({"tell_many": [[0.0, 1.0], [0.25, 1.25], [0.5, 1.5]]}), json!({"told": 3, "npoints": 5})),
        (json!({"tell_pending": [0.75, -0.5]}), json!({"pending": 2})),
        (json!({"tell": [[0.5, 99.0]]}), json!({"told": 1, "npoints": 5})),
        (json!({"remove_unfinished": true}), json!({"pending": 0})),
        (json!({"ask": 0}), json!({"points": [], "loss_improvements": []})),
        (json!({"tell": []}), json!({"told": 0, "npoints": 5})),
        (json!({"failed": [[0.75, "it broke"]]}), json!({"failed": 1, "given_up": 1})),
        (
            json!({"status": true}),
            json!({"npoints": 5, "pending": 0, "loss": 0.5_f64.sqrt(), "done": false, "given_up": 1}),
        ),
    ];
    for (request, answer) in steps {
        assert_eq!(client.ask(request.clone()), answer, "{request}");
    }
    assert!(client.error(r#"{"save": true}"#).contains("--no-checkpoint"));
    assert_eq!(client.end(), (Some(0), String::new()));
    assert!(!folder.file("data").exists(), "without a checkpoint nothing is written");
}

#[test]
fn numbers_that_json_lacks_are_texts_both_ways_and_digits_are_exact() {
    let (_folder, mut client) = client(LINE);
    for value in [r#""inf""#, r#""-inf""#, r#""nan""#, "NaN", "-Infinity"] {
        client.ask(json!({ "ask": 1 }));
        assert_eq!(client.raw(format!("{{\"tell\": [[0.1, {value}]]}}").as_bytes())["told"], 1);
    }
    for x in ["0.30000000000000004", "1e-310", "-0.1"] {
        let answer = client.raw(format!("{{\"failed\": [[{x}, \"why\"]], \"x\": 1}}").as_bytes());
        assert!(answer["error"].as_str().unwrap().contains("unknown key"));
    }
    let (_folder, mut client) =
        self::client("[learner]\ntype = \"sequence\"\nsequence = [0.30000000000000004, 1e-310, 5]\n");
    client.send(b"{\"ask\": 9}\n");
    let answer = client.line();
    assert!(answer.starts_with("{\"points\":[[0,0.30000000000000004],[1,1e-310],[2,5.0]],"), "{answer}");
    assert_eq!(client.ask(json!({"tell": [[[2.0, 5], 1]]}))["npoints"], 1, "integers may be written as 2.0");
}

#[test]
fn every_learner_has_its_form_of_points() {
    let balanced = format!("{LINE}[parameters]\na = [1, 2]\n");
    let (_folder, mut client) = client(&balanced);
    assert_eq!(client.points(3), [json!([0, -1.0]), json!([1, -1.0]), json!([0, 1.0])]);
    assert_eq!(
        client.ask(json!({"tell": [[[0, -1], 1.0], [[1, -1], 1.0]]})),
        json!({"told": 2, "npoints": 2})
    );
    let about = client.ask(json!({"study": true}));
    assert_eq!(about["parameters"], json!([{"a": 1}, {"a": 2}]));
    assert_eq!((&about["learners"], &about["point"]), (&json!(2), &json!("[learner, x]")));
    for (point, why) in [
        ("0.5", "it is no list of two"),
        ("[2, 0.5]", "there is no learner 2"),
        ("[0, [0.5]]", "a list instead"),
    ] {
        let error = client.error(&format!("{{\"tell\": [[{point}, 1]]}}"));
        assert!(error.contains(why) && error.contains("write it as [learner, x]"), "{error}");
    }

    let points = "[learner]\ntype = \"sequence\"\nsequence = [[0, 1], [2, 3]]\n[parameters]\na = [1, 2]\n";
    let (_folder, mut client) = self::client(points);
    assert_eq!(client.points(1), [json!([0, [0, [0.0, 1.0]]])]);
    let wrong = client.error(r#"{"tell_pending": [[1, [0, [2, 3]]]]}"#);
    assert!(wrong.contains("element 0 of the sequence is [0.0, 1.0]"), "{wrong}");
}

#[test]
fn whatever_is_wrong_is_said_and_nothing_is_lost() {
    let (_folder, mut client) = client(LINE);
    assert_eq!(client.ask(json!({"tell": [[-1, 0], [1, 1]]}))["npoints"], 2);
    for (line, why) in [
        ("", "empty"),
        ("   ", "empty"),
        ("ask", "not JSON"),
        ("[]", "a JSON object"),
        ("{\"ask\": 1}}", "not JSON"),
        ("{\"ask\": \"one\"}", "number of points"),
        ("{\"ask\": 1e18}", "at most"),
        ("{\"ask\": 1, \"tell\": [[0, 1]]}", "two requests"),
        ("{\"ask\": 1, \"tel_pending\": false}", "did you mean `tell_pending`?"),
        ("{\"told\": []}", "unknown key `told`"),
        ("{\"tell\": [0.5, 1]}", "tell[0] is no pair"),
        ("{\"tell\": [[0.5, null]]}", "not a number: null"),
        ("{\"tell\": [[0.5, \"fast\"]]}", "not a number"),
        ("{\"tell\": [[0.5, []]]}", "empty"),
        ("{\"tell\": [[\"inf\", 1]]}", "no finite number"),
        ("{\"tell\": [[[0, 0.5], 1]]}", "write it as x"),
        ("{\"tell\": [[0.5, [1, 2]]]}", "2 numbers instead of 1; nothing was told"),
        ("{\"tell\": [[0.5, 1], [0.6, true, 2]]}", "tell[1] is no pair"),
        ("{\"tell_many\": [[0.5, 1], [0.6, [1, 2]], [0.7, 1]]}", "nothing was told"),
        ("{\"tell_pending\": 0.5}", "is a list"),
        ("{\"loss\": \"rael\"}", "\"real\" or \"expected\""),
        ("{\"remove_unfinished\": 1}", "write {\"remove_unfinished\": true}"),
        ("{\"failed\": [[0.5, 3]]}", "a failure is a text"),
        ("{\"failed\": [[0.5, {\"eror\": \"x\"}]]}", "unknown key `eror`"),
    ] {
        let error = client.error(line);
        assert!(error.contains(why), "{line}: {error}");
    }
    let error = client.error("{\"tell\": [[0.5, 1], [0.6, [1, 2]], [0.7, 1]]}");
    assert!(error.contains("tell[1]") && error.contains("only the 1 before it were told"), "{error}");
    assert!(client.raw(b"{\"ask\": \xff}")["error"].as_str().unwrap().contains("UTF-8"));
    let status = client.ask(json!({"status": true}));
    assert_eq!((&status["npoints"], &status["pending"]), (&json!(3), &json!(0)));
}

#[test]
fn a_line_without_end_is_an_error_and_a_last_line_without_newline_counts() {
    let (_folder, mut client) = client(LINE);
    let mut long = vec![b' '; 65 << 20];
    long.push(b'x');
    assert!(client.raw(&long)["error"].as_str().unwrap().contains("more than 67108864"));
    assert_eq!(client.ask(json!({"ask": 1}))["points"], json!([-1.0]));
    client.send(b"{\"loss\": \"real\"}");
    let (code, _) = {
        let mut ended = client;
        ended.close_input();
        assert_eq!(ended.line(), "{\"loss\":\"inf\"}\n");
        ended.wait()
    };
    assert_eq!(code, Some(0));
}

#[test]
fn a_study_needs_neither_function_nor_goal_and_its_goal_decides_when_there_is_one() {
    let with_goal = format!("{LINE}[goal]\nnpoints = 3\n[function]\nbuiltin = \"peak\"\n");
    let (_folder, mut client) = client(&with_goal);
    for told in 1..=3 {
        client.square(1);
        assert_eq!(client.ask(json!({"status": true}))["done"], told == 3);
    }
    let (_folder, mut client) = self::client("[learner]\ntype = \"sequence\"\nsequence = [1, 2]\n");
    client.ask(json!({"tell": [[[0, 1], 0]]}));
    assert_eq!(client.ask(json!({"status": true}))["done"], false);
    client.ask(json!({"tell": [[[1, 2], 0]]}));
    assert_eq!(client.ask(json!({"status": true}))["done"], true);
    let folder = Folder::new(LINE);
    folder.command(&["run"]).end().expect(2).says("`function` is missing").says("`goal` is missing");
}

#[test]
fn a_study_that_can_not_be_used_ends_it_before_the_first_answer() {
    for (study, why) in [
        ("[learner]\ntype = \"1d\"\nbounds = [0, 1]\nlos = 3\n", "did you mean `loss`?"),
        ("[learner]\ntype = \"3d\"\n", "unknown learner type `3d`"),
        ("[lerner]\n", "did you mean `learner`?"),
    ] {
        let folder = Folder::new(study);
        let (code, said) = Client::start(&folder, &[]).end();
        assert_eq!(code, Some(2), "{said}");
        assert!(said.contains(why), "{said}");
        assert!(!folder.file("data").exists());
    }
}

#[test]
fn check_writes_the_first_points_as_ask_tell_does() {
    let folder = Folder::new(&format!(
        "{LINE}[parameters]\na = [0.5, 1]\n[goal]\nloss = 1\n[function]\nbuiltin = \"peak\"\n"
    ));
    let json = folder.command(&["check", "--json"]).end().expect(0).json();
    assert_eq!(json["first_points"], json!([[0, -1.0], [1, -1.0], [0, 1.0], [1, 1.0]]));
    assert_eq!(json["point"], "[learner, x]");
    let text = folder.command(&["check"]).end().expect(0).out;
    assert!(text.contains("starts at  -1.0 with a=0.5") && text.contains("2 of type 1d"), "{text}");
}

#[test]
fn outputs_of_one_request_are_put_in_one_order() {
    let study = format!("{LINE}[goal]\nnpoints = 9\n");
    for request in ["tell", "tell_many"] {
        let folder = Folder::new(&study);
        let mut client = Client::start(&folder, &[]);
        let pairs = json!([[0, {"a": 1, "b": 2}], [1, {"b": 20, "a": 10}]]);
        assert_eq!(client.ask(json!({ request: pairs }))["told"], 2);
        let error = client.error(&format!(r#"{{"{request}": [[0.5, {{"a": 1, "c": 2}}]]}}"#));
        assert!(error.contains("a, c") && error.contains("a, b before"), "{error}");
        assert_eq!(client.end().0, Some(0));
        let rows: Vec<_> = folder.rows().into_iter().map(|row| row.values).collect();
        assert_eq!(rows, [[1.0, 2.0], [10.0, 20.0]], "{request}");
    }
}

#[test]
fn of_many_values_for_several_combos_those_before_a_wrong_one_are_told_and_stored() {
    let folder = Folder::new(&format!("{LINE}[parameters]\na = [1, 2]\n"));
    let mut client = Client::start(&folder, &[]);
    client.ask(json!({"tell": [[[0, -1], 1.0], [[1, -1], [1.0, 2.0]]]}));
    // The learner of the last pair is before that of the refused one.
    let error = client.error(r#"{"tell_many": [[[0, 1], 1], [[1, 1], 1], [[0, 0], 1]]}"#);
    assert!(error.contains("tell_many[1]") && error.contains("only the 1 before it were told"), "{error}");
    assert_eq!(client.ask(json!({"status": true}))["npoints"], 3);
    assert_eq!(folder.rows().len(), 3, "all that the learner knows is stored");
    assert_eq!(client.ask(json!({"tell_many": [[[0, 0], 1], [[1, 1], [3, 4]]]}))["npoints"], 5);
    assert_eq!(folder.rows().len(), 5);
}

#[test]
fn a_log_can_be_replayed_although_the_client_told_of_points_that_are_none() {
    let folder = Folder::new(
        "[function]\nexpression = \"x\"\n[learner]\ntype = \"sequence\"\nsequence = [1, 2, 3]\n[run]\nlog = true\n",
    );
    let mut client = Client::start(&folder, &[]);
    client.points(1);
    for request in [
        r#"{"tell_pending": [[1, 9]]}"#,
        r#"{"tell": [[[2, 9], 1]]}"#,
        r#"{"failed": [[[7, 9], "it broke"]]}"#,
    ] {
        assert!(client.error(request).contains("sequence"), "{request}");
    }
    client.ask(json!({"tell_pending": [[1, 2]]}));
    client.ask(json!({"tell": [[[0, 1], 5]]}));
    assert_eq!(client.end().0, Some(0));
    assert!(!folder.text("data/adaptive.log").contains("\"value\":[]"));
    let check = folder.command(&["check", "--replay", "data/adaptive.log"]).end().expect(0);
    assert!(check.out.contains("1 told, 1 pending"), "{}", check.out);
}
