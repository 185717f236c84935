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
        return Err(syntax_error(text, error.message(), error.span().unwrap_or(0..0)));
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
            let items = items.map(|(i, item)| setting(item.get_ref(), item.span(), format!("{path}[{i}]")));
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

/// The parser's message and place with advice. What it could not read as a value at all it takes for text
/// without quotes; there the words are ours.
fn syntax_error(text: &str, message: &str, span: Span) -> SettingError {
    if !message.contains("must be quoted") {
        return SettingError::new(&span, message).help(syntax_advice(message));
    }
    let what = text.get(span.clone()).unwrap_or_default().trim();
    let help = match what.chars().next() {
        None | Some('#') => return SettingError::new(&span, "there is no value after the `=`").help(VALUES),
        Some(c) if c.is_ascii_digit() || "+-.".contains(c) => {
            "numbers are written as 100, 10_000, 0.01 or 1e-3; text and time spans stand in quotes: \"5min\""
        }
        _ if ["yes", "no", "on", "off", "y", "n"].contains(&what.to_lowercase().as_str()) => {
            "truth values are `true` and `false`; text stands in quotes"
        }
        _ => VALUES,
    };
    SettingError::new(&span, format!("`{what}` is not a value")).help(help)
}

const VALUES: &str = "a value is a number, true or false, \"text\", a [list] or a { table }";

fn syntax_advice(message: &str) -> &'static str {
    let advice: [(&str, &str); 10] = [
        ("unquoted key", "keys consist of a-z, 0-9, `_` and `-`; others stand in quotes, as in \"α\" = 1"),
        ("duplicate key", "each key and each [section] may be written once: remove one of them"),
        (
            "missing comma",
            "put a comma; or, if a list or table should have ended before, close it with `]` or `}`",
        ),
        ("unclosed", "close it with the bracket that belongs to it"),
        ("escape", "a backslash starts an escape in \"...\"; write '...' for text with backslashes"),
        ("unicode", "a backslash starts an escape in \"...\"; write '...' for text with backslashes"),
        ("multi-line", "close the text with three quotes, as it was opened"),
        ("string", "close the quote on the same line"),
        ("boolean", "truth values are `true` and `false`, in small letters"),
        ("date", "write dates as 2026-11-20, times as 08:00:00, and both as 2026-11-20T08:00:00Z"),
    ];
    let found = advice.iter().find(|(part, _)| message.contains(part));
    found.map_or("a study consists of lines `key = value` under [section] headers", |(_, advice)| advice)
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
    fn what_is_no_value_is_named_with_advice_that_fits() {
        let error = |text: &str| read(text).map(|_| ()).unwrap_err();
        assert_eq!(error("t = 5 min").message, "`5 min` is not a value");
        assert!(error("t = 5min").help.contains("time spans"));
        assert!(error("t = yes").help.contains("`true`"));
        assert_eq!(error("t =").message, "there is no value after the `=`");
        assert_eq!(error("t = # nothing\na = 1").message, "there is no value after the `=`");
    }

    #[test]
    fn the_first_of_several_syntax_errors_is_named() {
        let error = read("a = 1 b = two\n").unwrap_err();
        assert_eq!(error.span.start, 4);
        assert!(!error.help.is_empty());
    }
}
