//! Arguments and results as text: JSON, which people and other programs read; CBOR in hexadecimal where JSON would not
//! give back the same (NaN, infinity, maps whose keys are no texts).
//!
//! The entries of maps are in the order of their keys, so that equal hash maps have equal texts, whatever order they are in.

use ciborium::Value;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

/// A value as text that gives back the same value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Text {
    Json(String),
    Cbor(String),
}

/// Endings of the names of texts in an entry.
const CBOR: &str = "_cbor";
const ARGUMENTS: &str = "arguments";
const RESULT: &str = "result";

/// Longer texts are not looked through for numbers.
const SHORT: usize = 1 << 12;

fn cbor<T: Serialize>(value: &T) -> Option<Vec<u8>> {
    let mut value = Value::serialized(value).ok()?;
    order(&mut value);
    written(&value)
}

fn written(value: &Value) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    ciborium::into_writer(value, &mut bytes).ok()?;
    Some(bytes)
}

fn order(value: &mut Value) {
    match value {
        Value::Map(entries) => {
            entries.iter_mut().for_each(|(_, value)| order(value));
            entries.sort_by_cached_key(|(key, _)| written(key));
        }
        Value::Array(values) => values.iter_mut().for_each(order),
        Value::Tag(_, value) => order(value),
        _ => {}
    }
}

/// The same JSON with its objects in order. Numbers stay as they are written.
fn ordered(json: &str) -> Option<String> {
    if json.starts_with('{') {
        let entries: BTreeMap<String, &RawValue> = serde_json::from_str(json).ok()?;
        let entry = |(key, value): (&String, &&RawValue)| {
            Some(format!("{}:{}", serde_json::to_string(key).ok()?, ordered(value.get())?))
        };
        let entries: Option<Vec<String>> = entries.iter().map(entry).collect();
        Some(format!("{{{}}}", entries?.join(",")))
    } else if json.starts_with('[') && json.contains('{') {
        let values: Vec<&RawValue> = serde_json::from_str(json).ok()?;
        let values: Option<Vec<String>> = values.iter().map(|value| ordered(value.get())).collect();
        Some(format!("[{}]", values?.join(",")))
    } else {
        Some(json.to_owned())
    }
}

fn from_cbor<T: DeserializeOwned>(bytes: &[u8]) -> Option<T> {
    ciborium::from_reader(bytes).ok()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digits = |at: usize| text.get(at..at + 2).and_then(|pair| u8::from_str_radix(pair, 16).ok());
    (0..text.len()).step_by(2).map(digits).collect()
}

impl Text {
    /// `None`: neither form gives the value back.
    pub(super) fn of<T: Serialize + DeserializeOwned>(value: &T) -> Option<Self> {
        let bytes = cbor(value)?;
        if let Ok(json) = serde_json::to_string(value)
            && let Ok(back) = serde_json::from_str::<T>(&json)
            && cbor(&back).as_deref() == Some(&bytes)
            && let Some(json) = ordered(&json)
        {
            return Some(Self::Json(json));
        }
        from_cbor::<T>(&bytes).map(|_| Self::Cbor(hex(&bytes)))
    }

    pub(super) fn value<T: DeserializeOwned>(&self) -> Option<T> {
        match self {
            Self::Json(json) => serde_json::from_str(json).ok(),
            Self::Cbor(text) => from_cbor(&from_hex(text)?),
        }
    }

    /// Equal for equal texts, and so for equal values, only.
    pub(super) fn digest(&self) -> [u8; 32] {
        let (kind, text) = match self {
            Self::Json(text) => (0_u8, text),
            Self::Cbor(text) => (1, text),
        };
        Sha256::new().chain_update([kind]).chain_update(text).finalize().into()
    }

    /// The numbers, if the value is one or a list of them: for who reads the file.
    pub(super) fn numbers(&self) -> Vec<f64> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Numbers {
            One(f64),
            Many(Vec<f64>),
        }
        match self {
            Self::Json(json) if json.len() <= SHORT => match serde_json::from_str(json) {
                Ok(Numbers::One(x)) => vec![x],
                Ok(Numbers::Many(all)) => all,
                Err(_) => Vec::new(),
            },
            _ => Vec::new(),
        }
    }

    fn put(&self, name: &str, out: &mut String) {
        match self {
            Self::Json(json) => out.push_str(&format!("\"{name}\":{json}")),
            Self::Cbor(text) => out.push_str(&format!("\"{name}{CBOR}\":\"{text}\"")),
        }
    }

    /// Takes the text of this name off the front.
    fn take(name: &str, from: &mut &str) -> Option<Self> {
        let rest = from.strip_prefix('"')?.strip_prefix(name)?;
        let (is_cbor, rest) = match rest.strip_prefix(CBOR) {
            Some(rest) => (true, rest),
            None => (false, rest),
        };
        let rest = rest.strip_prefix("\":")?;
        let mut values = serde_json::Deserializer::from_str(rest).into_iter::<IgnoredAny>();
        values.next()?.ok()?;
        let (text, rest) = rest.split_at(values.byte_offset());
        *from = rest;
        Some(if is_cbor {
            Self::Cbor(text.trim_matches('"').to_owned())
        } else {
            Self::Json(text.to_owned())
        })
    }
}

/// Arguments and result as one JSON object.
pub(super) fn entry(arguments: &Text, result: &Text) -> String {
    let mut out = String::from("{");
    arguments.put(ARGUMENTS, &mut out);
    out.push(',');
    result.put(RESULT, &mut out);
    out.push('}');
    out
}

/// The parts of an [`entry`]; `None` for anything else.
pub(super) fn parts(entry: &str) -> Option<(Text, Text)> {
    let mut rest = entry.strip_prefix('{')?;
    let arguments = Text::take(ARGUMENTS, &mut rest)?;
    rest = rest.strip_prefix(',')?;
    let result = Text::take(RESULT, &mut rest)?;
    (rest == "}").then_some((arguments, result))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;
    use std::fmt::Debug;

    fn there_and_back<T: Serialize + DeserializeOwned + Debug>(value: T, is_json: bool) {
        let text = Text::of(&value).unwrap();
        assert_eq!(matches!(text, Text::Json(_)), is_json, "{text:?}");
        let (arguments, result) = parts(&entry(&text, &text)).unwrap();
        assert_eq!((&arguments, &result), (&text, &text));
        assert_eq!(format!("{:?}", result.value::<T>().unwrap()), format!("{value:?}"));
    }

    #[derive(Debug, Serialize, serde::Deserialize)]
    enum Shape {
        Circle { radius: f64 },
        Empty,
        Pair(u8, Box<Shape>),
    }

    #[test]
    fn any_value_comes_back() {
        there_and_back((), true);
        there_and_back(0.1 + 0.2, true);
        there_and_back(-0.0, true);
        there_and_back(u64::MAX, true);
        there_and_back(i128::MIN, true);
        there_and_back((1_u8, "a \"quoted\"\n}{ text".to_owned(), Some(true), None::<u8>), true);
        there_and_back(Shape::Pair(3, Box::new(Shape::Circle { radius: 1.0 })), true);
        there_and_back(vec![Shape::Empty], true);
        there_and_back(f64::NAN, false);
        there_and_back(vec![1.0, f64::NEG_INFINITY], false);
        there_and_back(BTreeMap::from([((1, 2), 3)]), false);
    }

    #[test]
    fn equal_maps_have_equal_texts_whatever_order_they_are_in() {
        use std::collections::{BTreeMap, HashMap};
        let map = || -> HashMap<String, (f64, HashMap<u8, u64>)> {
            let inner = || (0..9_u8).map(|i| (i, u64::MAX - u64::from(i))).collect();
            (0..20_u8).map(|i| (format!("{}\"", (i * 7) % 20), (0.1 * f64::from(i), inner()))).collect()
        };
        let first = Text::of(&map()).unwrap();
        assert!(matches!(&first, Text::Json(json) if json.contains("18446744073709551615")), "{first:?}");
        assert!((0..10).all(|_| Text::of(&map()).unwrap() == first));
        assert_eq!(first.value::<HashMap<String, (f64, HashMap<u8, u64>)>>().unwrap(), map());
        let odd = || -> HashMap<(u8, u8), f64> { (0..20_u8).map(|i| ((i * 7 % 20, i), f64::NAN)).collect() };
        let first = Text::of(&odd()).unwrap();
        assert!(matches!(first, Text::Cbor(_)) && (0..10).all(|_| Text::of(&odd()).unwrap() == first));
        assert_eq!(first.value::<BTreeMap<(u8, u8), f64>>().unwrap().len(), 20);
    }

    #[test]
    fn different_values_have_different_digests() {
        let digest = |x: f64| Text::of(&x).unwrap().digest();
        let all = [0.0, -0.0, 1.0, f64::NAN, f64::INFINITY, f64::NEG_INFINITY].map(digest);
        for (i, one) in all.iter().enumerate() {
            assert!(all[..i].iter().all(|other| other != one), "{i}");
        }
        assert_eq!(digest(0.5), digest(0.5));
    }

    #[test]
    fn numbers_are_seen_where_there_is_nothing_else() {
        let numbers = |json: &str| Text::Json(json.into()).numbers();
        assert_eq!((numbers("2"), numbers("[1,2.5]")), (vec![2.0], vec![1.0, 2.5]));
        assert_eq!((numbers("\"2\""), numbers("[1,true]"), numbers("[]")), (vec![], vec![], vec![]));
    }

    #[test]
    fn what_is_no_entry_is_none() {
        for text in ["", "{}", "7", "{\"arguments\":1}", "{\"arguments\":1,\"result\":2}x", "{\"result\":2}"]
        {
            assert_eq!(parts(text), None, "{text}");
        }
    }
}
