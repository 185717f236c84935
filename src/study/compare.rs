//! What changed between the study that made a checkpoint and the study that wants to go on with it.
//!
//! Results of another function or another domain must not be mixed with new ones, so such changes are refused.
//! Goals, run options, resources and the like may change freely: they do not appear here at all.

use super::{Combos, StudyError, identity, tree};
use crate::model::settings::{Setting, SettingValue, Table};
use std::collections::HashMap;
use std::fmt;
use std::path::Path;

/// One change that matters for a restart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The key, as `learner.bounds`; `parameters` for combos.
    pub key: String,
    /// What the old study says; empty if nothing.
    pub before: String,
    /// What the new study says; empty if nothing.
    pub after: String,
    /// Whether the run may go on.
    pub severity: Severity,
}

/// What a [`Difference`] means for a restart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The user should know; the run goes on.
    Notice,
    /// The old results are not those of the new study.
    Refuse,
}

/// Keys of `[function]` that say how a value is computed, not which value.
const FREE_FUNCTION_KEYS: [&str; 12] = [
    "timeout",
    "isolate",
    "ranks",
    "threads",
    "gpus",
    "env",
    "cache",
    "priority",
    "scratch",
    "keep_scratch",
    "cwd",
    "python_executable",
];

/// Keys of `[learner]` that say when enough is known, or what comes next: not what is sampled.
const FREE_LEARNER_KEYS: [&str; 4] = ["atol", "rtol", "min_npoints", "points_first"];

/// How many combos are named in a difference.
const NAMED: usize = 3;

/// The differences that matter between the study kept with the data and the present one, in the order of keys;
/// empty if the run can just go on.
///
/// Numbers are compared as numbers (`1` is `1.0`), and a key that says `"default"` equals one that is left out.
/// Combos may be added and reordered; removed ones are a notice: their data stays, but is not continued.
///
/// The error is that of a text which is no TOML, or whose combos can't be read; `path` names it in messages.
pub fn compare(before: &str, after: &str, path: &Path) -> Result<Vec<Difference>, StudyError> {
    let (before, old_combos) = read(before, path)?;
    let (after, new_combos) = read(after, path)?;
    let mut differences = Vec::new();
    for section in ["function", "learner"] {
        let old = before.get(section).map(|setting| &setting.value);
        let new = after.get(section).map(|setting| &setting.value);
        settings(section, old, new, &mut differences);
    }
    combos(&old_combos, &new_combos, &mut differences);
    Ok(differences)
}

/// For each old combo, the index of the same combo among the new ones.
///
/// `O(n)` in the number of combos; results of a checkpoint move to their learners by this.
pub fn combo_moves(before: &Combos, after: &Combos) -> Vec<Option<usize>> {
    if before == after {
        return (0..before.len()).map(Some).collect();
    }
    let new: HashMap<String, usize> = after.iter().map(|combo| identity(&combo)).zip(0..).collect();
    before.iter().map(|combo| new.get(&identity(&combo)).copied()).collect()
}

fn read(text: &str, path: &Path) -> Result<(Table, Combos), StudyError> {
    let mut problems = Vec::new();
    match tree::read(text) {
        Ok(root) => {
            let combos = Combos::read(&root, &mut problems);
            if problems.is_empty() {
                return Ok((root, combos));
            }
        }
        Err(problem) => problems.push(problem),
    }
    Err(StudyError::invalid(path, text, problems))
}

fn settings(path: &str, old: Option<&SettingValue>, new: Option<&SettingValue>, out: &mut Vec<Difference>) {
    match (old, new) {
        (Some(SettingValue::Table(old)), Some(SettingValue::Table(new))) => {
            let find = |table: &'_ Table, key: &str| table.entries().iter().position(|(k, ..)| k == key);
            let value =
                |table: &'_ Table, key: &str| find(table, key).map(|i| table.entries()[i].2.value.clone());
            let added = new.entries().iter().filter(|(key, ..)| find(old, key).is_none());
            for (key, ..) in old.entries().iter().chain(added) {
                let free: &[&str] = match path {
                    "function" => &FREE_FUNCTION_KEYS,
                    "learner" => &FREE_LEARNER_KEYS,
                    _ => &[],
                };
                if free.contains(&key.as_str()) {
                    continue;
                }
                settings(&format!("{path}.{key}"), value(old, key).as_ref(), value(new, key).as_ref(), out);
            }
        }
        (old, new) if same(old, new) => {}
        (old, new) => out.push(Difference {
            key: path.to_owned(),
            before: old.map_or_else(String::new, shown),
            after: new.map_or_else(String::new, shown),
            severity: Severity::Refuse,
        }),
    }
}

fn same(old: Option<&SettingValue>, new: Option<&SettingValue>) -> bool {
    let is_default = |value: &SettingValue| matches!(value, SettingValue::Text(text) if text == "default");
    match (old, new) {
        (None, None) => true,
        (Some(value), None) | (None, Some(value)) => is_default(value),
        (Some(old), Some(new)) => match (old, new) {
            (SettingValue::Integer(i), SettingValue::Float(x))
            | (SettingValue::Float(x), SettingValue::Integer(i)) => *i as f64 == *x,
            // The same bits, or else both NaN would be a difference; the same number, or else 0 and -0 would be.
            (SettingValue::Float(a), SettingValue::Float(b)) => a == b || a.to_bits() == b.to_bits(),
            (SettingValue::List(a), SettingValue::List(b)) => {
                a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(Some(&a.value), Some(&b.value)))
            }
            (SettingValue::Table(_), SettingValue::Table(_)) => {
                let mut differences = Vec::new();
                settings("", Some(old), Some(new), &mut differences);
                differences.is_empty()
            }
            (old, new) => old == new,
        },
    }
}

/// The value as in a study file; long lists are cut.
fn shown(value: &SettingValue) -> String {
    let all = |items: &[Setting]| {
        items.iter().take(8).map(|item| shown(&item.value)).collect::<Vec<_>>().join(", ")
    };
    match value {
        SettingValue::Bool(b) => b.to_string(),
        SettingValue::Integer(i) => i.to_string(),
        SettingValue::Float(x) => format!("{x:?}"),
        SettingValue::Text(text) => format!("{text:?}"),
        SettingValue::Datetime(text) => text.clone(),
        SettingValue::List(items) if items.len() > 8 => format!("[{}, … {} in all]", all(items), items.len()),
        SettingValue::List(items) => format!("[{}]", all(items)),
        SettingValue::Table(table) => {
            let entries =
                table.entries().iter().map(|(key, _, item)| format!("{key} = {}", shown(&item.value)));
            format!("{{ {} }}", entries.collect::<Vec<_>>().join(", "))
        }
    }
}

fn combos(old: &Combos, new: &Combos, out: &mut Vec<Difference>) {
    let names = |combos: &Combos| {
        let mut names: Vec<_> = combos.names().map(str::to_owned).collect();
        names.sort();
        names.join(", ")
    };
    let (old_names, new_names) = (names(old), names(new));
    if old_names != new_names {
        // Another set of arguments is another function, even where all values agree.
        out.push(Difference {
            key: "parameters".into(),
            before: old_names,
            after: new_names,
            severity: Severity::Refuse,
        });
        return;
    }
    let removed: Vec<usize> =
        combo_moves(old, new).iter().enumerate().filter(|(_, to)| to.is_none()).map(|(i, _)| i).collect();
    if removed.is_empty() {
        return;
    }
    let named: Vec<_> =
        removed.iter().take(NAMED).filter_map(|&i| old.get(i)).map(|c| c.to_string()).collect();
    let more = if removed.len() > NAMED { format!("; … {} in all", removed.len()) } else { String::new() };
    out.push(Difference {
        key: "parameters".into(),
        before: format!("{}{more}", named.join("; ")),
        after: String::new(),
        severity: Severity::Notice,
    });
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { key, before, after, severity } = self;
        match (severity, before.as_str(), after.as_str()) {
            (Severity::Notice, gone, _) => {
                write!(f, "no longer in the study, their results are kept as they are: {gone}")
            }
            (Severity::Refuse, "", after) => write!(f, "`{key}` was not there before, now it is {after}"),
            (Severity::Refuse, before, "") => write!(f, "`{key}` was {before}, now it is gone"),
            (Severity::Refuse, before, after) => write!(f, "`{key}` was {before}, now it is {after}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STUDY: &str = "[function]\npython = 'model.py:h'\ntimeout = '1min'\n[parameters]\na = [1, 2]\nb = [0.5, 1.5]\n\
                         [learner]\ntype = '1d'\nbounds = [-1, 1]\n[goal]\nloss = 0.1\n";

    fn differences(edit: impl Fn(&str) -> String) -> Vec<(String, Severity)> {
        let found = compare(STUDY, &edit(STUDY), Path::new("a.toml")).unwrap();
        found.into_iter().map(|d| (d.to_string(), d.severity)).collect()
    }

    fn refused(from: &str, to: &str) -> String {
        let found = differences(|text| text.replace(from, to));
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!(found[0].1, Severity::Refuse);
        found[0].0.clone()
    }

    #[test]
    fn what_does_not_change_results_may_change() {
        for (from, to) in [
            ("loss = 0.1", "npoints = 7"),
            ("[goal]", "[run]\nretries = 3\n[checkpoint]\nfolder = 'x'\n[scheduler]\nntasks = 4\n[goal]"),
            ("timeout = '1min'", "isolate = true"),
            ("[-1, 1]", "[-1.0, 1]"),
            ("bounds", "loss = 'default'\nbounds"),
            ("[function]", "# a comment\nname = 'other'\n[function]"),
        ] {
            assert_eq!(differences(|text| text.replace(from, to)), [], "{from} -> {to}");
        }
    }

    #[test]
    fn another_function_or_learner_is_refused_and_named() {
        assert_eq!(
            refused("model.py:h", "model.py:g"),
            "`function.python` was \"model.py:h\", now it is \"model.py:g\""
        );
        assert_eq!(refused("[-1, 1]", "[-1, 2]"), "`learner.bounds` was [-1, 1], now it is [-1, 2]");
        assert_eq!(refused("'1d'", "'2d'"), "`learner.type` was \"1d\", now it is \"2d\"");
        assert_eq!(
            refused("bounds", "loss = { name = 'curvature' }\nbounds"),
            "`learner.loss` was not there before, now it is { name = \"curvature\" }"
        );
        assert_eq!(differences(|text| text.replace("python = 'model.py:h'", "builtin = 'peak'")).len(), 2);
    }

    #[test]
    fn combos_may_be_added_and_reordered() {
        assert_eq!(differences(|text| text.replace("a = [1, 2]", "a = [3, 2.0, 1]")), []);
        let swapped = "b = { start = 1.5, stop = 0.5, num = 3 }\na = [1, 2]";
        assert_eq!(differences(|text| text.replace("a = [1, 2]\nb = [0.5, 1.5]", swapped)), []);
    }

    #[test]
    fn removed_combos_are_a_notice() {
        let found = differences(|text| text.replace("b = [0.5, 1.5]", "b = [0.5, 2.5]"));
        assert_eq!(
            found,
            [(
                "no longer in the study, their results are kept as they are: a=1, b=1.5; a=2, b=1.5".into(),
                Severity::Notice
            )]
        );
    }

    #[test]
    fn other_names_of_parameters_are_refused() {
        assert_eq!(refused("a = [1, 2]\n", ""), "`parameters` was a, b, now it is b");
    }

    #[test]
    fn results_move_with_their_combos() {
        let combos = |text: &str| read(text, Path::new("a")).unwrap().1;
        let (old, new) = (combos("[parameters]\na = [1, 2, 3]"), combos("[parameters]\na = [3, 4, 1]"));
        assert_eq!(combo_moves(&old, &new), [Some(2), None, Some(0)]);
        assert_eq!(combo_moves(&old, &old), [Some(0), Some(1), Some(2)]);
    }
}
