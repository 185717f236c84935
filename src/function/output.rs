//! How the numbers are found in what a command printed or wrote.

use super::json::{self, shortened};
use super::numeral;
use super::placeholder::{Braces, Places, Template};
use super::{Call, Context};
use crate::model::settings::{self, Setting, SettingError, SettingValue, Table};
use crate::model::{Detail, Failure, FailureKind, Value};
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path};
use std::time::Duration;

/// Where the output is, and which part of it is the value.
#[derive(Clone, Debug, Default)]
pub(super) struct Output {
    /// A file, relative to the scratch folder; else standard output.
    pub(super) file: Option<Template>,
    /// The file may be that of another evaluation.
    is_shared: bool,
    part: Part,
}

#[derive(Clone, Debug, Default)]
enum Part {
    /// JSON as a whole, or the last line that is not empty.
    #[default]
    Last,
    /// Fields of one row, counted from 0; rows from the end if negative.
    Cells { row: Option<i64>, columns: Vec<i64> },
    /// The number after each text; with the name of the output, if it has one.
    Patterns(Vec<(Option<String>, String)>),
}

impl Output {
    pub(super) fn from_settings(table: &Table, context: &Context) -> settings::Result<Self> {
        let Some(setting) = table.get("output") else { return Ok(Self::default()) };
        let options = match &setting.value {
            SettingValue::Text(text) if text == "stdout" => return Ok(Self::default()),
            SettingValue::Table(options) => options,
            _ => {
                return Err(SettingError::new(&setting.span, "`function.output` is \"stdout\" or a table")
                    .help("for example { file = \"out.txt\" } or { pattern = \"result =\" }"));
            }
        };
        let file = match options.get("file") {
            Some(setting) => {
                let text = setting.text("function.output.file")?;
                Some(Template::parse(text, Braces::Doubled, context).map_err(|error| error.at(setting))?)
            }
            None => None,
        };
        let row = options.get("row").map(|s| whole(s, "function.output.row")).transpose()?;
        let columns =
            options.get("column").map(|s| several(s, whole, "function.output.column")).transpose()?;
        let part = match options.get("pattern") {
            Some(_) if row.is_some() || columns.is_some() => {
                return Err(options.error("pattern", "`pattern` goes with neither `row` nor `column`").help(
                    "keep `pattern` for the number after a text, or `row` and `column` for cells of a table",
                ));
            }
            Some(setting) => Part::Patterns(patterns(setting)?),
            None if row.is_none() && columns.is_none() => Part::Last,
            None => Part::Cells { row, columns: columns.unwrap_or_default() },
        };
        options.finish()?;
        let is_shared = file.as_ref().is_some_and(|file| !file.tells_apart(context));
        Ok(Self { file, is_shared, part })
    }

    /// What an earlier evaluation has left in the place of the file, before a command starts: [`Self::read`] does not take it
    /// for the value of this one. In the scratch folder nothing has, but an input file may be there that the command is to
    /// change.
    pub(super) fn before(&self, call: &Call<'_>, places: Places<'_>) -> Option<Stamp> {
        let file = self.file.as_ref().filter(|_| self.is_shared)?;
        let path = places.scratch.join(file.fill(call, places));
        let leaves = path.components().any(|part| part == Component::ParentDir);
        if path.starts_with(places.scratch) && !leaves {
            return None;
        }
        let about = path.metadata().ok()?;
        // One that was written a moment ago could be written again without a trace: clocks of files tick slowly.
        let age = about.modified().ok().and_then(|at| at.elapsed().ok()).unwrap_or_default();
        std::thread::sleep(TICKS.saturating_sub(age));
        Some(Stamp::of(&about))
    }

    /// Reads the value from standard output, or from the file.
    pub(super) fn read(
        &self,
        printed: &[u8],
        call: &Call<'_>,
        places: Places<'_>,
        before: Option<Stamp>,
    ) -> Result<Value, Failure> {
        let bad = |message: String| Failure::new(FailureKind::BadOutput, message);
        let Some(file) = &self.file else {
            let text = String::from_utf8_lossy(printed);
            return self.part.read(&text).unwrap_or_else(|why| Err(bad(format!("in the output: {why}"))));
        };
        let path = places.scratch.join(file.fill(call, places));
        if before.is_some() && path.metadata().ok().map(|about| Stamp::of(&about)) == before {
            return Err(bad(format!("the command has not written its output file {}", path.display())));
        }
        let bytes = read_bounded(&path).map_err(|error| bad(format!("the output file {error}")))?;
        let name = path.file_name().map_or_else(|| path.display().to_string(), |n| n.display().to_string());
        let text = String::from_utf8_lossy(&bytes);
        self.part.read(&text).unwrap_or_else(|why| Err(bad(format!("in {name}: {why}"))))
    }
}

/// Longer than a tick of the clock by which a file system dates its files.
const TICKS: Duration = Duration::from_millis(20);

/// A file as it was: when it was changed last, its length, and which one it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp((i64, i64), u64, u64);

impl Stamp {
    fn of(about: &Metadata) -> Self {
        Self((about.mtime(), about.mtime_nsec()), about.len(), about.ino())
    }
}

fn read_bounded(path: &Path) -> Result<Vec<u8>, String> {
    let size = std::fs::metadata(path).map_err(|error| format!("{}: {error}", path.display()))?.len();
    if size > super::command::LONGEST_OUTPUT as u64 {
        return Err(format!("{} has {size} bytes: too much for a value", path.display()));
    }
    std::fs::read(path).map_err(|error| format!("{}: {error}", path.display()))
}

fn whole(setting: &Setting, path: &str) -> settings::Result<i64> {
    match setting.value {
        SettingValue::Integer(i) => Ok(i),
        _ => Err(SettingError::new(
            &setting.span,
            format!("`{path}` is a whole number, negative from the end"),
        )
        .help("0 is the first, -1 the last")),
    }
}

fn several<T>(
    setting: &Setting,
    one: impl Fn(&Setting, &str) -> settings::Result<T>,
    path: &str,
) -> settings::Result<Vec<T>> {
    match &setting.value {
        SettingValue::List(items) => items.iter().map(|item| one(item, path)).collect(),
        _ => Ok(vec![one(setting, path)?]),
    }
}

fn patterns(setting: &Setting) -> settings::Result<Vec<(Option<String>, String)>> {
    let path = "function.output.pattern";
    let text = |setting: &Setting, path: &str| match setting.text(path)? {
        "" => Err(SettingError::new(&setting.span, format!("`{path}` is empty"))
            .help("write the text that stands before the number, as in { pattern = \"result =\" }")),
        text => Ok(text.to_owned()),
    };
    if let SettingValue::Table(named) = &setting.value {
        let entries = named.entries().iter();
        return entries.map(|(name, _, setting)| Ok((Some(name.clone()), text(setting, path)?))).collect();
    }
    Ok(several(setting, text, path)?.into_iter().map(|text| (None, text)).collect())
}

impl Part {
    /// The outer error is a sentence on what can't be read; the inner one a failure that the program reported.
    fn read(&self, text: &str) -> Result<Result<Value, Failure>, String> {
        match self {
            Self::Last => last(text),
            Self::Cells { row, columns } => cells(text, *row, columns).map(Ok),
            Self::Patterns(patterns) => after(text, patterns).map(Ok),
        }
    }
}

fn last(text: &str) -> Result<Result<Value, Failure>, String> {
    let whole = text.trim();
    // JSON over several lines; a single line is tried below, with a better message.
    if whole.starts_with(['{', '['])
        && whole.contains('\n')
        && let Ok(outcome) = json::output(whole)
    {
        return Ok(outcome);
    }
    let line = whole.lines().next_back().unwrap_or_default().trim();
    if line.is_empty() {
        return Err("it is empty: a number was expected".into());
    }
    if line.starts_with(['{', '[']) {
        return json::output(line);
    }
    let numbers: Result<Vec<f64>, String> = fields(line).map(numeral::whole).collect();
    match numbers {
        Ok(numbers) => Ok(Ok(Value::vector(&numbers))),
        Err(why) => Err(format!(
            "the last line is neither numbers nor JSON: `{}`: {} (for text before a number, set \
             function.output = {{ pattern = \"…\" }})",
            shortened(line),
            shortened(&why)
        )),
    }
}

/// Fields are separated by spaces, tabs, commas or semicolons.
fn fields(line: &str) -> impl Iterator<Item = &str> {
    line.split(|c: char| c.is_whitespace() || matches!(c, ',' | ';')).filter(|field| !field.is_empty())
}

fn cells(text: &str, row: Option<i64>, columns: &[i64]) -> Result<Value, String> {
    let rows: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    let row = row.unwrap_or(-1);
    let line =
        pick(&rows, row).ok_or_else(|| format!("there is no row {row}: it has {} rows", rows.len()))?;
    let cells: Vec<&str> = fields(line).collect();
    let read =
        |cell: &str| numeral::whole(cell).map_err(|why| format!("{why} in row {row}: {}", shortened(line)));
    let numbers: Result<Vec<f64>, String> = if columns.is_empty() {
        cells.iter().map(|cell| read(cell)).collect()
    } else {
        let cell = |column: &i64| {
            let missing = || format!("there is no column {column} in row {row}: {}", shortened(line));
            read(pick(&cells, *column).ok_or_else(missing)?)
        };
        columns.iter().map(cell).collect()
    };
    Ok(Value::vector(&numbers?))
}

fn pick<'a>(items: &[&'a str], index: i64) -> Option<&'a str> {
    let index =
        if index < 0 { items.len().checked_sub(index.unsigned_abs() as usize)? } else { index as usize };
    items.get(index).copied()
}

/// The number after the last place where each text stands.
fn after(text: &str, patterns: &[(Option<String>, String)]) -> Result<Value, String> {
    let mut value = Value::default();
    let mut names = Vec::new();
    for (name, pattern) in patterns {
        let at = text.rfind(pattern.as_str()).ok_or_else(|| format!("the text `{pattern}` is not there"))?;
        let rest = &text[at + pattern.len()..];
        let line = rest.lines().next().unwrap_or_default();
        if is_within(text[..at].chars().next_back(), pattern, rest) {
            return Err(format!(
                "the last `{pattern}` is a part of a longer word or number: `{pattern}{}` (a longer text tells \
                 them apart, as in \"{pattern} =\")",
                shortened(line)
            ));
        }
        let number = line.trim_start_matches(is_between);
        let bracketed = line[..line.len() - number.len()].ends_with(['(', '[']);
        let y = numeral::leading(number, bracketed)
            .map_err(|why| format!("after `{pattern}`: {why}: `{}`", shortened(line)))?;
        value.components.push(y);
        names.extend(name.clone());
    }
    if !names.is_empty() {
        value.detail = Some(Box::new(Detail { names, extra: None }));
    }
    Ok(value)
}

/// What may stand between a text and its number.
fn is_between(c: char) -> bool {
    c.is_whitespace() || matches!(c, ',' | ';' | '=' | ':' | '(' | ')' | '[')
}

/// Whether a text goes on as another word, as `E` in `E2 = 7`, or is the exponent of a number, as in `1.5E+02`.
fn is_within(before: Option<char>, pattern: &str, rest: &str) -> bool {
    let ends_in_word = pattern.ends_with(numeral::is_of_word);
    let of_number = before.is_some_and(|c| c.is_ascii_digit() || c == '.') && rest.starts_with(['+', '-']);
    ends_in_word && (rest.starts_with(numeral::is_of_word) || of_number)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Signature;
    use proptest::prelude::*;

    fn output(settings: Option<SettingValue>) -> settings::Result<Output> {
        let mut table = Table::new("function");
        if let Some(value) = settings {
            table = table.with("output", value);
        }
        Output::from_settings(&table, &Context { signature: Signature::line(), ..Context::default() })
    }

    fn options(entries: &[(&str, SettingValue)]) -> Output {
        let table = Table::new("function.output");
        let table = entries.iter().fold(table, |table, (key, value)| table.with(key, value.clone()));
        output(Some(SettingValue::Table(table))).unwrap()
    }

    fn read(output: &Output, text: &str) -> Result<Vec<f64>, String> {
        output.part.read(text).map(|value| value.unwrap().components.to_vec())
    }

    fn text(s: &str) -> SettingValue {
        SettingValue::Text(s.into())
    }

    #[test]
    fn by_default_the_last_line_counts_or_the_json() {
        let default = output(None).unwrap();
        assert_eq!(read(&default, "starting up\n0.5\n\n"), Ok(vec![0.5]));
        assert_eq!(read(&default, "1, 2;3\t1.5D-01"), Ok(vec![1.0, 2.0, 3.0, 0.15]));
        assert_eq!(read(&default, "log\n{\"value\": [1, NaN], \"extra\": 3}").unwrap()[0], 1.0);
        assert_eq!(read(&default, "[\n1,\n2\n]\n"), Ok(vec![1.0, 2.0]));
        assert!(read(&default, "nan").unwrap()[0].is_nan());
        assert!(read(&default, " \n").unwrap_err().contains("empty"));
        assert!(read(&default, "y = 3").unwrap_err().contains("pattern"));
    }

    #[test]
    fn rows_and_columns_pick_cells() {
        let integer = SettingValue::Integer;
        let table = "f gain\n1 0.5\n2 0.7\n";
        assert_eq!(read(&options(&[("column", integer(1))]), table), Ok(vec![0.7]));
        assert_eq!(read(&options(&[("column", integer(-1)), ("row", integer(1))]), table), Ok(vec![0.5]));
        assert_eq!(read(&options(&[("row", integer(-1))]), table), Ok(vec![2.0, 0.7]));
        assert!(read(&options(&[("row", integer(7))]), table).unwrap_err().contains("3 rows"));
        assert!(read(&options(&[("column", integer(2))]), table).unwrap_err().contains("no column 2"));
        assert!(read(&options(&[("row", integer(0))]), table).unwrap_err().contains("`f` is no number"));
    }

    #[test]
    fn patterns_find_the_number_after_a_text() {
        let log = "vmax = 1.0 at= 2\nvmax                =  3.5e+00 at= 1.2e+03\nphase: -12.5deg\n";
        assert_eq!(read(&options(&[("pattern", text("vmax"))]), log), Ok(vec![3.5]));
        let named = Table::new("").with("v", text("vmax")).with("phi", text("phase"));
        let output = options(&[("pattern", SettingValue::Table(named))]);
        let value = output.part.read(log).unwrap().unwrap();
        assert_eq!(value.components[..], [3.5, -12.5]);
        assert_eq!(value.detail.unwrap().names, ["v", "phi"]);
        assert!(read(&options(&[("pattern", text("zmax"))]), log).unwrap_err().contains("not there"));
    }

    #[test]
    fn a_part_of_a_word_or_of_another_number_is_no_value() {
        let after = |pattern: &str, log: &str| read(&options(&[("pattern", text(pattern))]), log);
        for (pattern, log, value) in [
            ("E =", "dE = 1\nE =  -3.2eV\n", -3.2),
            ("energy", "energy-123.5\n", -123.5),
            ("z", "z: (1,2)", 1.0),
            ("z", "z = [ 1.5 2.5]", 1.5),
            ("cost", "cost 0.1234-100", 0.1234e-100),
        ] {
            assert_eq!(after(pattern, log), Ok(vec![value]), "{log}");
        }
        for (pattern, log, why) in [
            ("E", "E2 = 7", "the last `E` is a part of a longer word or number: `E2 = 7`"),
            ("E", "energy 1.5E+02", "the last `E` is a part of a longer word or number: `E+02`"),
            ("cost", "cost: infeasible", "after `cost`: there is no number: `: infeasible`"),
            ("cost", "cost: 1,234.5 EUR", "after `cost`: `1,234.5` is not just a number"),
            ("cost", "cost = 1.#INF", "`1.#INF` is not just a number"),
            ("cost", "cost = 1e400", "too large"),
        ] {
            let error = after(pattern, log).unwrap_err();
            assert!(error.contains(why), "{log}: {error}");
        }
        let default = output(None).unwrap();
        assert_eq!(read(&default, "0.5-100 1e-3"), Ok(vec![0.5e-100, 1e-3]));
        for log in ["1e400", "1.#INF", "1.5V"] {
            assert!(read(&default, log).unwrap_err().contains(&format!("`{log}`")), "{log}");
        }
    }

    #[test]
    fn misspelt_options_are_refused() {
        let table = Table::new("function.output").with("colum", SettingValue::Integer(1));
        let error = output(Some(SettingValue::Table(table))).unwrap_err();
        assert_eq!(error.help, "did you mean `column`?");
        assert!(output(Some(text("stderr"))).is_err());
    }

    proptest! {
        #[test]
        fn no_output_makes_a_reader_panic(junk in "(?s).{0,80}", row in -3i64..3) {
            let _ = read(&output(None).unwrap(), &junk);
            let _ = read(&options(&[("row", SettingValue::Integer(row)), ("column", SettingValue::Integer(row))]), &junk);
            let _ = read(&options(&[("pattern", text("a"))]), &junk);
        }
    }
}
