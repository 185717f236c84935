//! What is wrong with a study file, shown like a compiler does: message, place, the line, advice.

use super::homes::sent_home;
use crate::model::settings::{SettingError, Span};
use std::fmt;
use std::path::{Path, PathBuf};

/// Why a study can't be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StudyError {
    /// The file could not be read.
    #[error("error: the study {} can't be read: {source}\nhelp: {}", .path.display(), read_advice(.source))]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The text is not a valid study.
    #[error("{0}")]
    Invalid(Problems),
}

fn read_advice(error: &std::io::Error) -> &'static str {
    match error.kind() {
        std::io::ErrorKind::NotFound => "name another file, or write one: adaptive-mpi new",
        std::io::ErrorKind::PermissionDenied => "check the permissions of the file and its folders",
        _ => "a study is a text file in TOML format",
    }
}

impl StudyError {
    /// An error about settings of this text, which came from `path`.
    pub fn invalid(path: &Path, text: &str, errors: impl IntoIterator<Item = SettingError>) -> Self {
        Self::Invalid(Problems::new(path, text, errors.into_iter().map(sent_home)))
    }

    /// The single problems; none if the file could not be read.
    pub fn problems(&self) -> &[Problem] {
        match self {
            Self::Read { .. } => &[],
            Self::Invalid(problems) => &problems.list,
        }
    }
}

/// All that was found wrong with one study, in the order of the text; at least one problem.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problems {
    path: PathBuf,
    list: Vec<Problem>,
}

/// One thing that is wrong with a study, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// What is wrong.
    pub message: String,
    /// Line in the text, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// How to mend it; may be several lines, or empty.
    pub help: String,
    /// The line's text, cut to a window around the place if it is very long.
    excerpt: String,
    /// Where the marks start in the excerpt, in characters, and how many there are.
    marks: (usize, usize),
}

/// Longest part of a line that is shown, in characters.
const WINDOW: usize = 100;

impl Problems {
    fn new(path: &Path, text: &str, errors: impl IntoIterator<Item = SettingError>) -> Self {
        let mut errors: Vec<_> = errors.into_iter().collect();
        errors.sort_by_key(|error| error.span.start);
        let list = errors.into_iter().map(|error| Problem::new(text, error)).collect();
        Self { path: path.to_owned(), list }
    }
}

impl Problem {
    fn new(text: &str, error: SettingError) -> Self {
        let Span { start, end } = inside(text, &error.span);
        let line_start = text[..start].rfind('\n').map_or(0, |at| at + 1);
        let line_end = text[start..].find('\n').map_or(text.len(), |at| start + at);
        let before = text[line_start..start].chars().count();
        let marked = text[start..end.min(line_end)].trim_end().chars().count().max(1);

        let line = text[line_start..line_end].trim_end();
        let (excerpt, mark_start) = window(line, before);
        let marks = (mark_start, marked.min((excerpt.chars().count() + 1).saturating_sub(mark_start).max(1)));
        Self {
            message: error.message,
            line: text[..start].matches('\n').count() + 1,
            column: before + 1,
            help: error.help,
            excerpt,
            marks,
        }
    }
}

/// The span moved to valid places: inside of the text and between characters.
fn inside(text: &str, span: &Span) -> Span {
    let down = |at: usize| (0..=at.min(text.len())).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0);
    let start = down(span.start);
    start..down(span.end).max(start)
}

/// The part of a line around a column (in characters, from 0), and that column's place in it. Control
/// characters, tabs among them, become single spaces, so that marks below stay aligned.
fn window(line: &str, column: usize) -> (String, usize) {
    let clean = |c: char| if c.is_control() { ' ' } else { c };
    let length = line.chars().count();
    if length <= WINDOW {
        return (line.chars().map(clean).collect(), column);
    }
    let first = column.saturating_sub(WINDOW / 2).min(length - WINDOW);
    let part: String = line.chars().skip(first).take(WINDOW).map(clean).collect();
    let (left, right) = (if first > 0 { "…" } else { "" }, if first + WINDOW < length { "…" } else { "" });
    (format!("{left}{part}{right}"), column - first + left.chars().count())
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, problem) in self.list.iter().enumerate() {
            if i > 0 {
                f.write_str("\n\n")?;
            }
            problem.write(f, &self.path)?;
        }
        Ok(())
    }
}

impl Problem {
    fn write(&self, f: &mut fmt::Formatter<'_>, path: &Path) -> fmt::Result {
        let Self { message, line, column, help, excerpt, marks: (start, length) } = self;
        let number = line.to_string();
        let gutter = number.len();
        writeln!(f, "error: {message}")?;
        writeln!(f, "{:gutter$}--> {}:{line}:{column}", "", path.display())?;
        writeln!(f, "{:gutter$} |", "")?;
        writeln!(f, "{number} | {excerpt}")?;
        write!(f, "{:gutter$} | {:start$}{:^<length$}", "", "", "")?;
        for (i, line) in help.lines().enumerate() {
            let label = if i == 0 { "help: " } else { "      " };
            write!(f, "\n{label}{line}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str, span: Span, message: &str, help: &str) -> String {
        let error = SettingError::new(&span, message).help(help);
        StudyError::invalid(Path::new("adaptive.toml"), text, [error]).to_string()
    }

    #[test]
    fn a_problem_is_shown_with_its_line_and_marks_below() {
        let text = "[learner]\nbouds = [-1, 1]\n";
        assert_eq!(
            shown(text, 10..15, "unknown key `bouds` in [learner]", "did you mean `bounds`?"),
            "error: unknown key `bouds` in [learner]\n \
             --> adaptive.toml:2:1\n  \
             |\n\
             2 | bouds = [-1, 1]\n  \
             | ^^^^^\n\
             help: did you mean `bounds`?"
        );
    }

    #[test]
    fn columns_count_characters_and_not_bytes() {
        let text = "é = 'ü'  # x\n";
        let at = text.find("'ü'").unwrap();
        let out = shown(text, at..at + 4, "m", "");
        assert!(out.contains(":1:5\n"), "{out}");
        assert!(out.ends_with("  |     ^^^"), "{out}");
    }

    #[test]
    fn a_very_long_line_is_cut_around_the_place() {
        let text = format!("a = [{}]\n", "1, ".repeat(5000));
        let out = shown(&text, 9005..9006, "m", "");
        let line = out.lines().nth(3).unwrap();
        assert!(line.chars().count() < WINDOW + 10, "{line}");
        let mark = out.lines().nth(4).unwrap().find('^').unwrap();
        assert_eq!(line.chars().nth(mark), Some(text[9005..].chars().next().unwrap()));
    }

    #[test]
    fn any_span_can_be_shown() {
        for text in ["", "\n", "é", "a = 1", "a\r\n\tb"] {
            for start in 0..8 {
                for end in 0..8 {
                    assert!(shown(text, start..end, "m", "h").contains('^'));
                }
            }
        }
    }

    #[test]
    fn several_problems_come_in_the_order_of_the_text() {
        let errors = [SettingError::new(&(4..5), "second"), SettingError::new(&(0..1), "first")];
        let error = StudyError::invalid(Path::new("s"), "a\nb\nc", errors);
        let lines: Vec<_> = error.problems().iter().map(|p| (p.line, p.message.as_str())).collect();
        assert_eq!(lines, [(1, "first"), (3, "second")]);
    }
}
