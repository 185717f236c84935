//! The JSON that functions exchange with programs: requests, replies, values. The format's page is
//! [`program`](super::program).

use super::Call;
use crate::model::json::from_number as number;
use crate::model::{Detail, Failure, FailureKind, Parameter, Parameters, Point, Value};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value as Json, json};
use std::borrow::Cow;

/// What a program answered to one request.
#[derive(Debug, PartialEq)]
pub(super) struct Reply {
    /// Which request; replies without one belong to the last.
    pub(super) id: Option<u64>,
    /// The first line of programs that say when they have loaded; it answers nothing.
    pub(super) ready: bool,
    pub(super) outcome: Result<Value, Failure>,
}

/// A request as the server of the protocol reads it.
pub(super) struct Request {
    pub(super) id: u64,
    pub(super) point: Point,
    pub(super) seed: Option<u64>,
    pub(super) parameters: Parameters,
}

/// One line: `{"id":1,"point":0.25,"parameters":{"offset":0.1}}`.
pub(super) fn request(id: u64, call: &Call<'_>) -> String {
    let mut object = Map::new();
    object.insert("id".into(), id.into());
    describe(call, &mut object);
    Json::Object(object).to_string()
}

/// What a command gets on its standard input: the call, with every coordinate by its name too.
pub(super) fn call(call: &Call<'_>) -> String {
    let mut object = Map::new();
    describe(call, &mut object);
    for (name, &x) in call.signature.names.iter().zip(call.point.iter()) {
        object.entry(name.clone()).or_insert_with(|| number(x));
    }
    Json::Object(object).to_string()
}

fn describe(call: &Call<'_>, object: &mut Map<String, Json>) {
    let point = match &call.point[..] {
        [x] if call.signature.scalar => number(*x),
        all => all.iter().map(|&x| number(x)).collect(),
    };
    object.insert("point".into(), point);
    if let Some(seed) = call.seed() {
        object.insert("seed".into(), seed.into());
    }
    object.insert("parameters".into(), parameters(call.parameters));
}

/// Parameters as an object: name to number, `true` or `false`, or text.
pub(crate) fn parameters(parameters: &Parameters) -> Json {
    let entry = |(name, value): &(String, Parameter)| {
        let value = match value {
            Parameter::Bool(b) => Json::Bool(*b),
            Parameter::Integer(i) => json!(i),
            Parameter::Float(x) => number(*x),
            // A text that would be taken for a number.
            Parameter::Text(text) if is_number_name(text) => json!({ "text": text }),
            Parameter::Text(text) => Json::String(text.clone()),
        };
        (name.clone(), value)
    };
    parameters.0.iter().map(entry).collect::<Map<_, _>>().into()
}

/// How numbers that JSON lacks are written.
fn is_number_name(text: &str) -> bool {
    matches!(text, "nan" | "inf" | "-inf")
}

/// Reads a request.
pub(super) fn read_request(line: &str) -> Result<Request, String> {
    let Json::Object(object) = read(line)? else { return Err("a request is a JSON object".into()) };
    let float = |json: &Json| component(json).ok_or_else(|| format!("not a coordinate: {json}"));
    let point = match object.get("point") {
        Some(Json::Array(all)) => all.iter().map(float).collect::<Result<Point, String>>()?,
        Some(one) => Point::scalar(float(one)?),
        None => Point::default(),
    };
    let mut parameters = Parameters::default();
    if let Some(Json::Object(given)) = object.get("parameters") {
        for (name, value) in given {
            let value = match value {
                Json::Bool(b) => Parameter::Bool(*b),
                Json::Number(n) => n
                    .as_i64()
                    .map_or_else(|| Parameter::Float(n.as_f64().unwrap_or(f64::NAN)), Parameter::Integer),
                Json::String(text) if is_number_name(text) => {
                    Parameter::Float(text.parse().unwrap_or(f64::NAN))
                }
                Json::String(text) => Parameter::Text(text.clone()),
                Json::Object(of) if of.get("text").is_some_and(Json::is_string) => {
                    Parameter::Text(of["text"].as_str().unwrap_or_default().to_owned())
                }
                other => return Err(format!("parameter {name} can't be {other}")),
            };
            parameters.0.push((name.clone(), value));
        }
    }
    let whole = |key: &str| object.get(key).and_then(Json::as_u64);
    Ok(Request { id: whole("id").unwrap_or(0), point, seed: whole("seed"), parameters })
}

/// One line that answers a request, as [`reply`] reads it.
pub(super) fn answer(id: u64, outcome: &Result<Value, Failure>) -> String {
    let mut object = Map::new();
    object.insert("id".into(), id.into());
    match outcome {
        Ok(value) => {
            let names = value.detail.as_ref().map_or(&[][..], |detail| &detail.names[..]);
            let numbers = value.components.iter().map(|&y| number(y));
            let json = match (&value.components[..], names) {
                (_, [_, ..]) => names.iter().cloned().zip(numbers).collect::<Map<_, _>>().into(),
                ([y], []) => number(*y),
                _ => numbers.collect(),
            };
            object.insert("value".into(), json);
            if let Some(extra) = value.detail.as_ref().and_then(|detail| detail.extra.as_ref()) {
                let extra = serde_json::from_str(extra).unwrap_or_else(|_| Json::String(extra.clone()));
                object.insert("extra".into(), extra);
            }
        }
        Err(failure) => {
            object.insert("error".into(), failure.message.clone().into());
            object.insert("kind".into(), failure.kind.name().into());
            if !failure.detail.is_empty() {
                object.insert("traceback".into(), failure.detail.clone().into());
            }
        }
    }
    Json::Object(object).to_string()
}

/// Reads one reply line. The error is a sentence for a person.
pub(super) fn reply(line: &str) -> Result<Reply, String> {
    let Json::Object(mut object) = read(line)? else {
        return Err("a reply is a JSON object like {\"id\": 1, \"value\": 0.5}".into());
    };
    let id = object.get("id").and_then(Json::as_u64);
    let mut ready = false;
    let outcome = if let Some(error) = object.get("error").filter(|error| !error.is_null()) {
        Err(failure(error, &object))
    } else if let Some(value) = object.remove("value") {
        Ok(with_extra(value_of(value)?, object.remove("extra")))
    } else if object.get("ready").and_then(Json::as_bool).unwrap_or(false) {
        ready = true;
        Ok(Value::default())
    } else {
        return Err("the reply has neither \"value\" nor \"error\"".into());
    };
    Ok(Reply { id, ready, outcome })
}

/// The id of a reply, even of one that is not understood otherwise.
pub(super) fn id_of(line: &str) -> Option<u64> {
    #[derive(Deserialize)]
    struct Identified {
        id: u64,
    }
    read::<Identified>(line).ok().map(|reply| reply.id)
}

pub(crate) fn failure(error: &Json, object: &Map<String, Json>) -> Failure {
    let text = |json: &Json| json.as_str().map_or_else(|| json.to_string(), str::to_owned);
    let kind = object.get("kind").and_then(Json::as_str).and_then(FailureKind::from_name);
    let detail = object.get("traceback").map_or_else(String::new, text);
    Failure::new(kind.unwrap_or(FailureKind::Error), text(error)).with_detail(detail)
}

/// Adds what the function itself called `extra` to the outputs that are no numbers.
fn with_extra((mut value, mut rest): (Value, Map<String, Json>), extra: Option<Json>) -> Value {
    let extra = match extra.filter(|extra| !extra.is_null()) {
        Some(extra) if rest.is_empty() => extra,
        Some(Json::Object(extra)) => {
            rest.extend(extra);
            rest.into()
        }
        Some(extra) => {
            rest.insert("extra".into(), extra);
            rest.into()
        }
        None if rest.is_empty() => return value,
        None => rest.into(),
    };
    value.detail.get_or_insert_with(Box::<Detail>::default).extra = Some(extra.to_string());
    value
}

/// Reads JSON that a command printed: a value, or an object like a reply.
pub(super) fn output(text: &str) -> Result<Result<Value, Failure>, String> {
    match read(text)? {
        Json::Object(mut object) => {
            if object.get("error").is_some_and(Json::is_null) {
                object.shift_remove("error");
            }
            if is_reply(&object) {
                reply(&Json::Object(object).to_string()).map(|reply| reply.outcome)
            } else {
                value_from(object.into()).map(Ok)
            }
        }
        json => value_from(json).map(Ok),
    }
}

/// Whether an object that a command printed is a reply, and not outputs some of which have names as in replies:
/// `{"value": 1.0, "std": 0.2}`, `{"mean": 3, "error": 1e-5}`. A text that says what went wrong must not get lost.
fn is_reply(object: &Map<String, Json>) -> bool {
    let all_known = object.keys().all(|key| REPLY.contains(&key.as_str()));
    match (object.get("error"), object.contains_key("value")) {
        (Some(Json::String(text)), _) if !text.is_empty() => true,
        (Some(Json::Number(_)), true) | (None, false) => false,
        _ => all_known,
    }
}

/// The keys of replies.
const REPLY: [&str; 7] = ["id", "value", "extra", "error", "kind", "traceback", "ready"];

/// The value that a JSON value stands for, where an object may have something `extra`.
pub(crate) fn value_from(json: Json) -> Result<Value, String> {
    match json {
        Json::Object(mut named) => {
            let extra = named.shift_remove("extra");
            value_of(named.into()).map(|value| with_extra(value, extra))
        }
        json => value_of(json).map(|(value, _)| value),
    }
}

/// The numbers of a JSON value: a number, a list (lists inside are flattened) or an object of named ones. Named
/// outputs that are none come out as they are, beside at least one that is.
fn value_of(json: Json) -> Result<(Value, Map<String, Json>), String> {
    let (mut value, mut rest) = (Value::default(), Map::new());
    let mut reason = None;
    match json {
        Json::Object(named) => {
            let mut names = Vec::with_capacity(named.len());
            for (name, json) in named {
                let before = value.components.len();
                if let Err(why) = flatten(&json, &mut value) {
                    value.components.truncate(before);
                    reason.get_or_insert(why);
                    rest.insert(name, json);
                    continue;
                }
                match value.components.len() - before {
                    1 if !json.is_array() => names.push(name),
                    n => names.extend((0..n).map(|i| format!("{name}[{i}]"))),
                }
            }
            value.detail = Some(Box::new(Detail { names, extra: None }));
        }
        other => flatten(&other, &mut value)?,
    }
    if value.components.is_empty() {
        return Err(reason.unwrap_or_else(|| "the value is empty: at least one number is needed".to_owned()));
    }
    Ok((value, rest))
}

fn flatten(json: &Json, value: &mut Value) -> Result<(), String> {
    if let Json::Array(items) = json {
        return items.iter().try_for_each(|item| flatten(item, value));
    }
    value
        .components
        .push(component(json).ok_or_else(|| format!("not a number: {}", shortened(&json.to_string())))?);
    Ok(())
}

/// A number, `true` and `false` as 1 and 0, or the texts of the numbers that JSON lacks.
fn component(json: &Json) -> Option<f64> {
    match json {
        Json::Number(n) => n.as_f64(),
        Json::Bool(b) => Some(f64::from(*b)),
        Json::String(text) if not_finite(text.trim_start_matches(['+', '-'])) => text.parse().ok(),
        _ => None,
    }
}

/// Parses JSON, also the bare `NaN`, `-Infinity`, `inf` that many languages write.
pub(crate) fn read<T: DeserializeOwned>(text: &str) -> Result<T, String> {
    serde_json::from_str(text)
        .or_else(|error| match quote_not_finite(text) {
            Cow::Owned(quoted) => serde_json::from_str(&quoted),
            Cow::Borrowed(_) => Err(error),
        })
        .map_err(|error| format!("not JSON ({error}): {}", shortened(text)))
}

fn not_finite(word: &str) -> bool {
    ["nan", "inf", "infinity"].iter().any(|known| word.eq_ignore_ascii_case(known))
}

/// Puts quotes around bare words that stand for numbers that JSON lacks.
fn quote_not_finite(text: &str) -> Cow<'_, str> {
    let mut quoted = String::new();
    let mut copied = 0;
    let mut in_string = false;
    let bytes = text.as_bytes();
    let mut i = 0;
    while i < bytes.len() {
        match bytes[i] {
            b'\\' if in_string => i += 1,
            b'"' => in_string = !in_string,
            b if !in_string && b.is_ascii_alphabetic() => {
                let end = (i..bytes.len()).find(|&k| !bytes[k].is_ascii_alphabetic()).unwrap_or(bytes.len());
                if not_finite(&text[i..end]) {
                    let start = if i > 0 && matches!(bytes[i - 1], b'-' | b'+') { i - 1 } else { i };
                    quoted.push_str(&text[copied..start]);
                    quoted.push('"');
                    quoted.push_str(&text[start..end]);
                    quoted.push('"');
                    copied = end;
                }
                i = end;
                continue;
            }
            _ => {}
        }
        i += 1;
    }
    if copied == 0 {
        return Cow::Borrowed(text);
    }
    quoted.push_str(&text[copied..]);
    Cow::Owned(quoted)
}

/// The start of a text, for messages.
pub(crate) fn shortened(text: &str) -> String {
    const LONGEST: usize = 200;
    let text = text.trim();
    match text.char_indices().nth(LONGEST) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}… ({} bytes)", &text[..end], text.len()),
    }
}

#[cfg(test)]
mod tests;
