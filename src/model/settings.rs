//! Settings as a user wrote them: a small tree of values that remembers where each stood in its file.
//!
//! Every registry entry (a learner, a loss, a kind of function, …) reads its own keys from a [`Table`] with
//! typed getters, and ends with [`Table::finish`], which refuses keys that nobody read and names the nearest
//! known one. The study layer turns TOML into a `Table` and renders a [`SettingError`] with line and column.

use std::cell::RefCell;
use std::ops::Range;
use std::time::Duration;

/// Byte range in the text that the settings were read from; `0..0` for settings made in code.
pub type Span = Range<usize>;

/// A value and where it stood.
#[derive(Clone, Debug, PartialEq)]
pub struct Setting {
    /// What was written.
    pub value: SettingValue,
    /// Where it was written.
    pub span: Span,
}

/// A value as written.
#[derive(Clone, Debug, PartialEq)]
pub enum SettingValue {
    /// `true`, `false`
    Bool(bool),
    /// `3`
    Integer(i64),
    /// `0.5`, `inf`
    Float(f64),
    /// `"text"`
    Text(String),
    /// `2026-11-20T08:00:00Z`, as text
    Datetime(String),
    /// `[1, 2]`
    List(Vec<Setting>),
    /// `{ a = 1 }`, `[section]`
    Table(Table),
}

/// Named settings, in the order in which they were written.
#[derive(Clone, Debug, Default)]
pub struct Table {
    entries: Vec<(String, Span, Setting)>,
    /// Where the table stood (its header or braces).
    pub span: Span,
    /// Keys that a getter was asked for: the known ones, for advice on unknown ones.
    known: RefCell<Vec<String>>,
    /// How the user refers to this table, as `learner` or `learner.loss`; empty for the whole file.
    pub path: String,
}

impl PartialEq for Table {
    fn eq(&self, other: &Self) -> bool {
        self.entries == other.entries
    }
}

/// A setting that can't be used: what is wrong, where, and how to mend it.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{message}")]
pub struct SettingError {
    /// What is wrong, as a sentence without a full stop.
    pub message: String,
    /// Where in the text.
    pub span: Span,
    /// How to mend it; may be empty.
    pub help: String,
}

impl SettingError {
    /// An error at a place.
    pub fn new(span: &Span, message: impl Into<String>) -> Self {
        Self { message: message.into(), span: span.clone(), help: String::new() }
    }

    /// The same error with advice.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = help.into();
        self
    }
}

/// A thousand years: longer spans would overflow when they are added to a time.
const LONGEST_SPAN: Duration = Duration::from_secs(1000 * 366 * 24 * 3600);

/// Result of reading settings.
pub type Result<T> = std::result::Result<T, SettingError>;

impl Setting {
    /// What kind of thing this is, for messages: "a number", "text", ….
    pub fn kind(&self) -> &'static str {
        match &self.value {
            SettingValue::Bool(_) => "true or false",
            SettingValue::Integer(_) => "a whole number",
            SettingValue::Float(_) => "a number",
            SettingValue::Text(_) => "text",
            SettingValue::Datetime(_) => "a date and time",
            SettingValue::List(_) => "a list",
            SettingValue::Table(_) => "a table",
        }
    }

    fn expected(&self, path: &str, what: &str, example: &str) -> SettingError {
        let message = format!("`{path}` should be {what}, but is {}", self.kind());
        let key = path.rsplit('.').next().unwrap_or(path);
        let help = match &self.value {
            SettingValue::Text(text)
                if ["true", "false"].contains(&text.as_str()) || text.parse::<f64>().is_ok() =>
            {
                format!("write it without quotes: {text}")
            }
            _ if key.contains('[') => format!("as in {example}"),
            _ => format!("as in {key} = {example}"),
        };
        SettingError::new(&self.span, message).help(help)
    }

    /// As a number (whole numbers too).
    pub fn float(&self, path: &str) -> Result<f64> {
        match self.value {
            SettingValue::Float(x) => Ok(x),
            SettingValue::Integer(i) => Ok(i as f64),
            _ => Err(self.expected(path, "a number", "0.5")),
        }
    }

    /// As a whole number that is not negative. `1e4` counts as one.
    pub fn count(&self, path: &str) -> Result<u64> {
        match self.value {
            SettingValue::Integer(i) if i >= 0 => Ok(i as u64),
            SettingValue::Float(x) if x >= 0.0 && x.fract() == 0.0 && x < 9e15 => Ok(x as u64),
            SettingValue::Integer(_) | SettingValue::Float(_) => {
                Err(SettingError::new(&self.span, format!("`{path}` should be a whole number, 0 or more"))
                    .help("as in 100, 10_000 or 1e6"))
            }
            _ => Err(self.expected(path, "a whole number", "100")),
        }
    }

    /// As text.
    pub fn text(&self, path: &str) -> Result<&str> {
        match &self.value {
            SettingValue::Text(s) => Ok(s),
            _ => Err(self.expected(path, "text in quotes", "\"text\"")),
        }
    }

    /// As `true` or `false`.
    pub fn bool(&self, path: &str) -> Result<bool> {
        match self.value {
            SettingValue::Bool(b) => Ok(b),
            _ => Err(self.expected(path, "true or false", "true")),
        }
    }

    /// As a list.
    pub fn list(&self, path: &str) -> Result<&[Setting]> {
        match &self.value {
            SettingValue::List(items) => Ok(items),
            _ => Err(self.expected(path, "a list", "[1, 2]")),
        }
    }

    /// As a list of numbers.
    pub fn floats(&self, path: &str) -> Result<Vec<f64>> {
        self.list(path)?.iter().enumerate().map(|(i, item)| item.float(&format!("{path}[{i}]"))).collect()
    }

    /// As a time span: `"90s"`, `"10min"`, `"1h 30m"`, `"2 days"` (of 24 hours), or a number of seconds.
    pub fn duration(&self, path: &str) -> Result<Duration> {
        let bad = || {
            SettingError::new(&self.span, format!("`{path}` should be a time span"))
                .help("write it as \"90s\", \"10min\", \"1h 30m\", or as a number of seconds")
        };
        let seconds = match &self.value {
            SettingValue::Integer(i) => *i as f64,
            SettingValue::Float(x) => *x,
            SettingValue::Text(text) => return parse_duration(text).ok_or_else(bad),
            _ => return Err(bad()),
        };
        Duration::try_from_secs_f64(seconds).map(|span| span.min(LONGEST_SPAN)).map_err(|_| bad())
    }
}

impl Table {
    /// An empty table made in code.
    pub fn new(path: impl Into<String>) -> Self {
        Self { path: path.into(), ..Self::default() }
    }

    /// Appends an entry (the writer's side: conversion from TOML, tests).
    pub fn push(&mut self, key: impl Into<String>, key_span: Span, setting: Setting) {
        self.entries.push((key.into(), key_span, setting));
    }

    /// The same table with one more entry that has no place in a file.
    #[must_use]
    pub fn with(mut self, key: &str, value: SettingValue) -> Self {
        self.push(key, 0..0, Setting { value, span: 0..0 });
        self
    }

    /// All entries: key, where the key stood, value.
    pub fn entries(&self) -> &[(String, Span, Setting)] {
        &self.entries
    }

    /// How the user refers to a key of this table.
    pub fn path_of(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    /// The keys that a getter was asked for.
    pub fn known(&self) -> Vec<String> {
        self.known.borrow().clone()
    }

    /// The setting of this name; from now on the key counts as known.
    pub fn get(&self, key: &str) -> Option<&Setting> {
        let mut known = self.known.borrow_mut();
        if !known.iter().any(|k| k == key) {
            known.push(key.to_owned());
        }
        self.entries.iter().find(|(k, ..)| k == key).map(|(.., setting)| setting)
    }

    fn read<'a, T>(
        &'a self,
        key: &str,
        as_type: impl FnOnce(&'a Setting, &str) -> Result<T>,
    ) -> Result<Option<T>> {
        self.get(key).map(|setting| as_type(setting, &self.path_of(key))).transpose()
    }

    /// The number of this name.
    pub fn float(&self, key: &str) -> Result<Option<f64>> {
        self.read(key, Setting::float)
    }

    /// The whole number of this name.
    pub fn count(&self, key: &str) -> Result<Option<u64>> {
        self.read(key, Setting::count)
    }

    /// The text of this name.
    pub fn text(&self, key: &str) -> Result<Option<&str>> {
        self.read(key, Setting::text)
    }

    /// The truth value of this name.
    pub fn bool(&self, key: &str) -> Result<Option<bool>> {
        self.read(key, Setting::bool)
    }

    /// The list of this name.
    pub fn list(&self, key: &str) -> Result<Option<&[Setting]>> {
        self.read(key, Setting::list)
    }

    /// The list of numbers of this name.
    pub fn floats(&self, key: &str) -> Result<Option<Vec<f64>>> {
        self.read(key, Setting::floats)
    }

    /// The time span of this name.
    pub fn duration(&self, key: &str) -> Result<Option<Duration>> {
        self.read(key, Setting::duration)
    }

    /// The table of this name.
    pub fn table(&self, key: &str) -> Result<Option<&Table>> {
        self.read(key, |setting, path| match &setting.value {
            SettingValue::Table(table) => Ok(table),
            _ => Err(setting.expected(path, "a table", "{ key = 1 }")),
        })
    }

    /// An error about this key: at its value if it is there, else at the table.
    pub fn error(&self, key: &str, message: impl Into<String>) -> SettingError {
        let span = self.get(key).map_or(&self.span, |setting| &setting.span);
        SettingError::new(span, message)
    }

    /// The error for a key that has to be there. One that nobody knows and that is nearly the same is likely meant.
    pub fn missing(&self, key: &str) -> SettingError {
        let known = self.known.borrow();
        let is_meant = |name: &String| !known.contains(name) && nearest(name, [key].into_iter()).is_some();
        if let Some((name, span, _)) = self.entries.iter().find(|(name, ..)| is_meant(name))
            && !self.path.is_empty()
        {
            let message = format!("unknown key `{name}` in [{}], where `{key}` is missing", self.path);
            return SettingError::new(span, message);
        }
        SettingError::new(&self.span, format!("`{}` is missing", self.path_of(key)))
    }

    /// Ends the reading: a key that no getter asked for is an error that names the nearest known one.
    pub fn finish(&self) -> Result<()> {
        let known = self.known.borrow();
        for (key, span, _) in &self.entries {
            if !known.iter().any(|k| k == key) {
                let place = if self.path.is_empty() { String::new() } else { format!(" in [{}]", self.path) };
                return Err(unknown(
                    span,
                    &format!("unknown key `{key}`{place}"),
                    key,
                    known.iter().map(String::as_str),
                ));
            }
        }
        Ok(())
    }
}

/// A time span as people write it: `90s`, `10min`, `1h 30m`, `2 days` (of 24 hours).
pub fn parse_duration(text: &str) -> Option<Duration> {
    let span: jiff::Span = text.parse().ok()?;
    let length = span.to_duration(jiff::SpanRelativeTo::days_are_24_hours()).ok()?;
    Duration::try_from(length).ok()
}

/// The error for a name that is none of the known ones: names the nearest, or lists them all.
pub fn unknown<'a>(
    span: &Span,
    message: &str,
    name: &str,
    known: impl Iterator<Item = &'a str> + Clone,
) -> SettingError {
    let help = match nearest(name, known.clone()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("known: {}", known.collect::<Vec<_>>().join(", ")),
    };
    SettingError::new(span, message).help(help)
}

/// The known name that is likely meant.
pub fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    known
        .map(|candidate| (strsim::damerau_levenshtein(name, candidate), candidate))
        .filter(|(distance, candidate)| *distance <= (candidate.len().max(name.len()) / 3).max(1))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(value: SettingValue) -> Setting {
        Setting { value, span: 3..5 }
    }

    #[test]
    fn a_duration_reads_friendly_text_and_seconds() {
        let text = |s: &str| value(SettingValue::Text(s.into())).duration("t");
        assert_eq!(text("10min"), Ok(Duration::from_secs(600)));
        assert_eq!(text("1h 30m"), Ok(Duration::from_secs(5400)));
        assert_eq!(text("2h"), Ok(Duration::from_secs(7200)));
        assert_eq!(text("1d 2h"), Ok(Duration::from_secs(26 * 3600)));
        assert!(text("1 month").is_err());
        assert_eq!(value(SettingValue::Float(0.5)).duration("t"), Ok(Duration::from_millis(500)));
        let long = value(SettingValue::Float(1e19)).duration("t").unwrap();
        assert_eq!(long, LONGEST_SPAN);
        assert!(std::time::Instant::now().checked_add(long).is_some());
        assert!(value(SettingValue::Float(1e300)).duration("t").is_err());
        assert!(text("soon").is_err());
        assert!(value(SettingValue::Integer(-1)).duration("t").is_err());
    }

    #[test]
    fn an_unknown_key_names_the_nearest_known_one() {
        let mut table = Table::new("learner");
        table.push("bouds", 7..12, value(SettingValue::Integer(1)));
        assert_eq!(table.float("bounds"), Ok(None));
        let error = table.finish().unwrap_err();
        assert_eq!(error.message, "unknown key `bouds` in [learner]");
        assert_eq!(error.help, "did you mean `bounds`?");
        assert_eq!(error.span, 7..12);
    }

    #[test]
    fn a_wrong_type_names_the_key_by_its_path() {
        let table = Table::new("goal").with("npoints", SettingValue::Text("many".into()));
        let error = table.count("npoints").unwrap_err();
        assert_eq!(error.message, "`goal.npoints` should be a whole number, but is text");
        assert_eq!(error.help, "as in npoints = 100");
        let table = Table::new("goal").with("loss", SettingValue::Text("0.1".into()));
        assert_eq!(table.float("loss").unwrap_err().help, "write it without quotes: 0.1");
    }
}
