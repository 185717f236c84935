//! TOML text as a [`Table`] of settings that remember where they stood.
//!
//! Owns: the step from TOML's types to ours, and the order of keys. Knows nothing of what the keys mean.

use crate::model::settings::{Setting, SettingError, SettingValue, Span, Table};
use toml::de::{DeInteger, DeTable, DeValue};

/// The whole text as one table with an empty path; keys are in the order of the text.
///
/// The error is the first thing that is not TOML, or a number that does not fit.
pub(super) fn read(text: &str) -> Result<Table, SettingError> {
    let (root, errors) = DeTable::parse_recoverable(text);
    // The parser goes on after an error to find more, but what it finds then is often a consequence of the
    // first one.
    if let Some(error) = errors.iter().min_by_key(|error| error.span().map_or(0, |span| span.start)) {
        let span = error.span().unwrap_or(0..0);
        return Err(SettingError::new(&span, error.message()).help(advice(error.message(), &text[span.start..])));
    }
    table(root.get_ref(), root.span(), String::new())
}

fn table(from: &DeTable<'_>, span: Span, path: String) -> Result<Table, SettingError> {
    let mut table = Table::new(path);
    table.span = span;
    // The parser sorts keys by name; the order of the text is the order that users mean.
    let mut entries: Vec<_> = from.iter().collect();
    entries.sort_by_key(|(key, _)| key.span().start);
    for (key, value) in entries {
        let path = table.path_of(key.get_ref());
        let setting = setting(value.get_ref(), value.span(), path)?;
        table.push(key.get_ref().as_ref(), key.span(), setting);
    }
    Ok(table)
}

fn setting(from: &DeValue<'_>, span: Span, path: String) -> Result<Setting, SettingError> {
    let value = match from {
        DeValue::Boolean(b) => SettingValue::Bool(*b),
        DeValue::Integer(i) => SettingValue::Integer(integer(i, &span, &path)?),
        DeValue::Float(x) => SettingValue::Float(float(x.as_str(), &span, &path)?),
        DeValue::String(s) => SettingValue::Text(s.clone().into_owned()),
        DeValue::Datetime(t) => SettingValue::Datetime(t.to_string()),
        DeValue::Array(items) => {
            let items = items.iter().enumerate();
            let items =
                items.map(|(i, item)| setting(item.get_ref(), item.span(), format!("{path}[{i}]")));
            SettingValue::List(items.collect::<Result<_, _>>()?)
        }
        DeValue::Table(inner) => SettingValue::Table(table(inner, span.clone(), path)?),
    };
    Ok(Setting { value, span })
}

fn integer(from: &DeInteger<'_>, span: &Span, path: &str) -> Result<i64, SettingError> {
    i64::from_str_radix(from.as_str(), from.radix()).map_err(|_| {
        SettingError::new(span, format!("`{path}` is too large for a whole number"))
            .help(format!("whole numbers go up to {}; write 1e30 for a larger one", i64::MAX))
    })
}

fn float(from: &str, span: &Span, path: &str) -> Result<f64, SettingError> {
    match from.parse::<f64>() {
        Ok(x) if x.is_finite() || from.contains("inf") || from.contains("nan") => Ok(x),
        _ => Err(SettingError::new(span, format!("`{path}` is too large for a number"))
            .help(format!("numbers go up to {:e}; write `inf` if you mean infinity", f64::MAX))),
    }
}

/// What to do about a syntax error, from the parser's message and the text at its place.
fn advice(message: &str, rest: &str) -> &'static str {
    if message.contains("duplicate key") {
        "each key and each [section] may be written once: remove one of them"
    } else if message.contains("must be quoted") && rest.trim_start_matches([' ', '\t']).starts_with(['\n', '\r']) {
        "there is no value after the `=`"
    } else if message.contains("must be quoted") && rest.starts_with(['T', 'F']) {
        "text is written in quotes; truth values are `true` and `false`"
    } else if message.contains("must be quoted") {
        "text is written in quotes: \"like this\", and time spans too: \"5min\""
    } else if message.contains("unclosed") {
        "something that was opened is not closed: a `[`, `{` or a quote; an inline table ends on its own line"
    } else if message.contains("escape") {
        "a backslash starts an escape in \"…\"; write '…' for text with backslashes"
    } else if message.contains("basic string") || message.contains("literal string") {
        "close the quote on the same line"
    } else {
        "a study consists of lines `key = value` under [section] headers"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_keep_the_order_of_the_text() {
        let table = read("[parameters]\nz = 1\na = 2\nm.x = 3\n").unwrap();
        let parameters = table.table("parameters").unwrap().unwrap();
        let keys: Vec<_> = parameters.entries().iter().map(|(key, ..)| key.as_str()).collect();
        assert_eq!(keys, ["z", "a", "m"]);
        assert_eq!(parameters.path, "parameters");
        assert_eq!(parameters.table("m").unwrap().unwrap().path, "parameters.m");
    }

    #[test]
    fn every_kind_of_value_keeps_its_place() {
        let text = "a = 0x1F\nb = 1_000.5\nc = 'x'\nd = [true, 2026-01-01]\n";
        let table = read(text).unwrap();
        let at = |key: &str| table.get(key).map(|s| (s.value.clone(), &text[s.span.clone()])).unwrap();
        assert_eq!(at("a"), (SettingValue::Integer(31), "0x1F"));
        assert_eq!(at("b"), (SettingValue::Float(1000.5), "1_000.5"));
        assert_eq!(at("c"), (SettingValue::Text("x".into()), "'x'"));
        let list = table.list("d").unwrap().unwrap();
        assert_eq!(list[0].value, SettingValue::Bool(true));
        assert_eq!(&text[list[1].span.clone()], "2026-01-01");
    }

    #[test]
    fn numbers_that_do_not_fit_are_errors() {
        assert_eq!(read("a = 99999999999999999999").unwrap_err().span, 4..24);
        assert_eq!(read("a = [1e999]").unwrap_err().message, "`a[0]` is too large for a number");
        assert_eq!(read("a = -inf").unwrap().float("a"), Ok(Some(f64::NEG_INFINITY)));
    }

    #[test]
    fn the_first_of_several_syntax_errors_is_named() {
        let error = read("a = 1 b = two\n").unwrap_err();
        assert_eq!(error.span.start, 4);
        assert!(!error.help.is_empty());
    }
}
