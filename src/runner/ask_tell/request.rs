use crate::function::json::{read, shortened};
use crate::learner::Loss;
use crate::model::settings::nearest;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::Value as Json;

/// The most points that one request may ask for.
const MOST_POINTS: u64 = 1_000_000;

/// What a line asks for. Points and values are still JSON: only the session knows their form.
#[derive(Clone, Debug, PartialEq)]
pub enum Request {
    /// The next points.
    Ask {
        /// How many.
        n: usize,
        /// Whether they become pending.
        tell_pending: bool,
    },
    /// Points and their values, told one by one.
    Tell(Vec<(Json, Json)>),
    /// Points and their values, told at once.
    TellMany(Vec<(Json, Json)>),
    /// Points that are evaluated elsewhere.
    TellPending(Vec<Json>),
    /// Points and why they have no value.
    Failed(Vec<(Json, Json)>),
    /// Forget what is pending.
    RemoveUnfinished,
    /// The loss.
    Loss(Loss),
    /// How the learner stands.
    Status,
    /// Write a checkpoint.
    Save,
    /// What the study is.
    Study,
}

/// The key that says what a request is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// `ask`
    Ask,
    /// `tell`
    Tell,
    /// `tell_many`
    TellMany,
    /// `tell_pending`
    TellPending,
    /// `failed`
    Failed,
    /// `remove_unfinished`
    RemoveUnfinished,
    /// `loss`
    Loss,
    /// `status`
    Status,
    /// `save`
    Save,
    /// `study`
    Study,
}

impl Verb {
    /// All of them, with their keys and an example of what follows the key.
    pub const ALL: [(Self, &'static str, &'static str); 10] = [
        (Self::Ask, "ask", "4"),
        (Self::Tell, "tell", "[[point, value], ...]"),
        (Self::TellMany, "tell_many", "[[point, value], ...]"),
        (Self::TellPending, "tell_pending", "[point, ...]"),
        (Self::Failed, "failed", "[[point, \"why\"], ...]"),
        (Self::RemoveUnfinished, "remove_unfinished", "true"),
        (Self::Loss, "loss", "\"real\""),
        (Self::Status, "status", "true"),
        (Self::Save, "save", "true"),
        (Self::Study, "study", "true"),
    ];

    fn of(key: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, name, _)| *name == key).map(|(verb, ..)| *verb)
    }

    fn entry(self) -> (&'static str, &'static str) {
        Self::ALL.iter().find(|(verb, ..)| *verb == self).map_or(("", ""), |(_, key, example)| (key, example))
    }
}

/// A line that is no request: one sentence that says what is wrong and how to mend it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BadRequest(pub String);

type Result<T> = std::result::Result<T, BadRequest>;

fn bad<T>(message: impl Into<String>) -> Result<T> {
    Err(BadRequest(message.into()))
}

impl Request {
    /// Reads one line.
    pub fn parse(line: &str) -> Result<Self> {
        if line.trim().is_empty() {
            return bad(format!("the line is empty: a request is {}", examples()));
        }
        let entries = match read(line) {
            Ok(Line(entries)) => entries,
            Err(_) if read::<Json>(line).is_ok_and(|json| !json.is_object()) => {
                return bad(format!(
                    "a request is a JSON object, as {}: not {}",
                    examples(),
                    shortened(line)
                ));
            }
            Err(message) => return bad(message),
        };
        if let Some((key, _)) = entries.iter().find(|(key, _)| Verb::of(key).is_none()) {
            let names = || Verb::ALL.iter().map(|(_, name, _)| *name);
            let help = match nearest(key, names()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("known: {}", names().collect::<Vec<_>>().join(", ")),
            };
            return bad(format!("unknown key `{}`; {help}", shortened(key)));
        }
        let (tell_pending, verbs): (Vec<_>, Vec<_>) = match entries.iter().any(|(key, _)| key == "ask") {
            // Beside `ask` it is an option, else a request of its own.
            true => entries.into_iter().partition(|(key, _)| key == "tell_pending"),
            false => (Vec::new(), entries),
        };
        let [(key, argument)] = <[_; 1]>::try_from(verbs).or_else(|verbs| match &verbs[..] {
            [] => bad(format!("the request is empty: write {}", examples())),
            [(first, _), (second, _), ..] if first == second => bad(format!("`{first}` is there twice")),
            [(first, _), (second, _), ..] => {
                bad(format!("`{first}` and `{second}` are two requests: write each on a line of its own"))
            }
            [_] => bad("the request can't be read"),
        })?;
        let Some(verb) = Verb::of(&key) else { return bad(format!("unknown key `{key}`")) };
        match verb {
            Verb::Ask => ask(&argument, &tell_pending),
            Verb::Tell => Ok(Self::Tell(pairs(verb, argument)?)),
            Verb::TellMany => Ok(Self::TellMany(pairs(verb, argument)?)),
            Verb::Failed => Ok(Self::Failed(pairs(verb, argument)?)),
            Verb::TellPending => Ok(Self::TellPending(list(verb, argument)?)),
            Verb::Loss => loss(&argument),
            Verb::RemoveUnfinished => only_true(verb, &argument, Self::RemoveUnfinished),
            Verb::Status => only_true(verb, &argument, Self::Status),
            Verb::Save => only_true(verb, &argument, Self::Save),
            Verb::Study => only_true(verb, &argument, Self::Study),
        }
    }
}

fn examples() -> String {
    "{\"ask\": 1}, {\"tell\": [[point, value]]} or {\"status\": true}".to_owned()
}

fn ask(argument: &Json, tell_pending: &[(String, Json)]) -> Result<Request> {
    let whole = |x: f64| (x >= 0.0 && x.fract() == 0.0 && x < 1e19).then_some(x as u64);
    let n = match argument.as_u64().or_else(|| argument.as_f64().and_then(whole)) {
        Some(n) if n <= MOST_POINTS => n as usize,
        Some(n) => {
            return bad(format!(
                "`ask` is {n}: at most {MOST_POINTS} points can be asked for in one request"
            ));
        }
        None => {
            return bad(format!(
                "`ask` is a number of points, 0 or more, as in {{\"ask\": 4}}: not {}",
                show(argument)
            ));
        }
    };
    let tell_pending = match tell_pending {
        [] => true,
        [(_, Json::Bool(tell_pending))] => *tell_pending,
        [(_, other)] => {
            return bad(format!("beside `ask`, `tell_pending` is true or false: not {}", show(other)));
        }
        _ => return bad("`tell_pending` is there twice"),
    };
    Ok(Request::Ask { n, tell_pending })
}

fn loss(argument: &Json) -> Result<Request> {
    match argument.as_str() {
        Some("real") => Ok(Request::Loss(Loss::Real)),
        Some("expected") => Ok(Request::Loss(Loss::Expected)),
        _ => bad(format!("`loss` is \"real\" or \"expected\": not {}", show(argument))),
    }
}

fn only_true(verb: Verb, argument: &Json, request: Request) -> Result<Request> {
    match argument {
        Json::Bool(true) => Ok(request),
        other => bad(format!("write {}: not {}", written(verb), show(other))),
    }
}

fn list(verb: Verb, argument: Json) -> Result<Vec<Json>> {
    match argument {
        Json::Array(items) => Ok(items),
        other => {
            bad(format!("`{}` is a list, as in {}: not {}", verb.entry().0, written(verb), show(&other)))
        }
    }
}

fn pairs(verb: Verb, argument: Json) -> Result<Vec<(Json, Json)>> {
    let mut pairs = Vec::new();
    for (index, item) in list(verb, argument)?.into_iter().enumerate() {
        let pair: std::result::Result<[Json; 2], Json> = match item {
            Json::Array(pair) => pair.try_into().map_err(Json::Array),
            other => Err(other),
        };
        match pair {
            Ok([point, value]) => pairs.push((point, value)),
            Err(item) => {
                let key = verb.entry().0;
                return bad(format!("{key}[{index}] is no pair, as in {}: {}", written(verb), show(&item)));
            }
        }
    }
    Ok(pairs)
}

/// The request as it should be written.
fn written(verb: Verb) -> String {
    let (key, example) = verb.entry();
    format!("{{\"{key}\": {example}}}")
}

pub(super) fn show(json: &Json) -> String {
    shortened(&json.to_string())
}

/// The entries of an object in their order, also where a key comes twice.
struct Line(Vec<(String, Json)>);

impl<'de> Deserialize<'de> for Line {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        struct Entries;
        impl<'de> Visitor<'de> for Entries {
            type Value = Line;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a JSON object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> std::result::Result<Line, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(Line(entries))
            }
        }
        deserializer.deserialize_map(Entries)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn each_request_is_read() {
        for (line, request) in [
            (r#"{"ask": 4}"#, Request::Ask { n: 4, tell_pending: true }),
            (r#"{"ask": 2.0, "tell_pending": false}"#, Request::Ask { n: 2, tell_pending: false }),
            (r#"{"tell_pending": true, "ask": 0}"#, Request::Ask { n: 0, tell_pending: true }),
            (r#"{"tell": [[0.5, NaN]]}"#, Request::Tell(vec![(json!(0.5), json!("NaN"))])),
            (r#"{"tell_many": []}"#, Request::TellMany(vec![])),
            (r#"{"tell_pending": [[1, 2]]}"#, Request::TellPending(vec![json!([1, 2])])),
            (r#"{"failed": [[3, "why"]]}"#, Request::Failed(vec![(json!(3), json!("why"))])),
            (r#"{"remove_unfinished": true}"#, Request::RemoveUnfinished),
            (r#"{"loss": "expected"}"#, Request::Loss(Loss::Expected)),
            (r#" {"status":true} "#, Request::Status),
            (r#"{"save": true}"#, Request::Save),
            (r#"{"study": true}"#, Request::Study),
        ] {
            assert_eq!(Request::parse(line), Ok(request), "{line}");
        }
    }

    #[test]
    fn what_is_wrong_is_said_with_how_to_mend_it() {
        for (line, message) in [
            ("", "the line is empty"),
            ("hello", "not JSON"),
            ("{\"ask\": 1", "not JSON"),
            ("[1]", "a JSON object"),
            ("3", "a JSON object"),
            ("{}", "the request is empty"),
            (r#"{"aks": 1}"#, "did you mean `ask`?"),
            (r#"{"ask": 1, "pending": false}"#, "unknown key `pending`; known: ask, tell"),
            (r#"{"ask": 1, "tell": []}"#, "`ask` and `tell` are two requests"),
            (r#"{"ask": 1, "ask": 2}"#, "`ask` is there twice"),
            (r#"{"ask": -1}"#, "`ask` is a number of points"),
            (r#"{"ask": 1.5}"#, "not 1.5"),
            (r#"{"ask": 1e9}"#, "at most 1000000"),
            (r#"{"ask": 1, "tell_pending": [0.5]}"#, "true or false"),
            (r#"{"tell": [0.5, 1]}"#, "tell[0] is no pair"),
            (r#"{"tell": {"x": 1}}"#, "`tell` is a list"),
            (r#"{"tell_pending": false}"#, "`tell_pending` is a list"),
            (r#"{"loss": true}"#, "\"real\" or \"expected\""),
            (r#"{"status": false}"#, "write {\"status\": true}"),
        ] {
            let error = Request::parse(line).unwrap_err().to_string();
            assert!(error.contains(message), "{line}: {error}");
        }
    }

    proptest! {
        #[test]
        fn no_line_makes_the_reader_panic(junk in ".{0,80}", key in "(ask|tell|loss|status)", value in "[-\\[\\]0-9.,\"a-z{}]{0,20}") {
            let _ = Request::parse(&junk);
            let _ = Request::parse(&format!("{{\"{key}\": {value}}}"));
        }
    }
}
