//! Numbers as JSON. JSON has no infinity and no NaN, so these are the strings `"inf"`, `"-inf"`, `"nan"`.

use serde_json::Value as Json;

/// A number as JSON.
pub fn from_number(x: f64) -> Json {
    match serde_json::Number::from_f64(x) {
        Some(number) => Json::Number(number),
        None if x.is_nan() => "nan".into(),
        None if x > 0.0 => "inf".into(),
        None => "-inf".into(),
    }
}

/// The number that JSON holds; `None` for anything else.
pub fn to_number(json: &Json) -> Option<f64> {
    match json {
        Json::Number(number) => number.as_f64(),
        Json::String(text) => match text.to_ascii_lowercase().as_str() {
            "nan" => Some(f64::NAN),
            "inf" | "+inf" | "infinity" | "+infinity" => Some(f64::INFINITY),
            "-inf" | "-infinity" => Some(f64::NEG_INFINITY),
            _ => None,
        },
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_comes_back() {
        for x in [0.1, -0.0, 1e-310, f64::MAX, f64::INFINITY, f64::NEG_INFINITY, f64::NAN] {
            let text = from_number(x).to_string();
            let back = to_number(&serde_json::from_str(&text).unwrap()).unwrap();
            assert!(back.to_bits() == x.to_bits() || (x.is_nan() && back.is_nan()), "{text}");
        }
    }
}
