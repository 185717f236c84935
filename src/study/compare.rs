//! What changed between the study that made a checkpoint and the study that wants to go on with it.
//!
//! Results of another function or another domain must not be mixed with new ones, so such changes are refused.
//! Goals, run options, resources and the like may change freely: they do not appear here at all.

use super::calls::{FREE_KEYS, takes_parameters_by_place};
use super::{Combos, StudyError, files, identity, tree};
use crate::model::settings::{Setting, SettingValue, Table};
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::path::Path;

/// One change that matters for a restart. Its text names it, with what was there before and what is there now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    text: String,
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

/// Keys of `[function]` that may change values, so that a cache tells them apart, but hardly do in the middle of a run: a
/// study that moves to another machine changes them. `nan` was accepted there once, and did nothing.
const FREE_FOR_RESTARTS: [&str; 4] = ["env", "cwd", "python_executable", "nan"];

/// Keys of `[learner]` that say what is sampled. With the others learners choose, or know when they have enough: all results
/// stay what they are.
pub(super) const SAMPLED: [&str; 5] = ["type", "bounds", "hull", "sequence", "integer"];
/// Keys of `[learner]` whose change is nobody's surprise.
const FREE_LEARNER_KEYS: [&str; 4] = ["atol", "rtol", "min_npoints", "points_first"];

/// How many combos are named in a difference.
const NAMED: usize = 3;

/// The differences that matter between the study kept with the data and the present one, in the order of keys;
/// empty if the run can just go on.
///
/// Numbers are compared as numbers (`1` is `1.0`), and a key that says `"default"` equals one that is left out.
/// Combos may be added and reordered, and their names too, unless the function takes parameters by place; removed
/// ones are a notice: their data stays, but is not continued.
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
    let by_place =
        matches!(after.table("function"), Ok(Some(function)) if takes_parameters_by_place(function));
    combos(&old_combos, &new_combos, by_place, &mut differences);
    Ok(differences)
}

/// The differences between the files that a function consisted of, by name with their digests, and those of now.
///
/// A change of the file that is the function itself, or of a module that it imports, is refused; others, which the function may only read or even write, are a
/// notice. A function that names its `version` says itself when its values change: then files may.
pub fn compare_files(
    before: &BTreeMap<String, String>,
    after: &BTreeMap<String, String>,
    function: &Table,
) -> Vec<Difference> {
    if function.get("version").is_some() {
        return Vec::new();
    }
    let changed = after.iter().filter(|(name, digest)| before.get(*name).is_some_and(|old| old != *digest));
    let difference = |(name, _): (&String, &String)| match files::is_code(function, name) {
        true => Difference {
            text: format!(
                "{name} has other contents (with a `version` in [function], that alone says when values change)"
            ),
            severity: Severity::Refuse,
        },
        false => Difference {
            text: format!("{name}, which [function] names, has other contents"),
            severity: Severity::Notice,
        },
    };
    changed.map(difference).collect()
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
                let name = key.as_str();
                let is_free = match path {
                    "function" => FREE_KEYS.contains(&name) || FREE_FOR_RESTARTS.contains(&name),
                    "learner" => FREE_LEARNER_KEYS.contains(&name),
                    _ => false,
                };
                if is_free {
                    continue;
                }
                settings(&format!("{path}.{key}"), value(old, key).as_ref(), value(new, key).as_ref(), out);
            }
        }
        (old, new) if same(old, new) => {}
        (old, new) => {
            let text = match (old.map(shown), new.map(shown)) {
                (None, after) => {
                    format!("`{path}` was not there before, now it is {}", after.unwrap_or_default())
                }
                (Some(before), None) => format!("`{path}` was {before}, now it is gone"),
                (Some(before), Some(after)) => format!("`{path}` was {before}, now it is {after}"),
            };
            let is_how = |key: &str| !SAMPLED.contains(&key.rsplit('.').next().unwrap_or(key));
            let severity = match path.strip_prefix("learner.") {
                Some(key) if is_how(key) => Severity::Notice,
                _ => Severity::Refuse,
            };
            out.push(Difference { text, severity });
        }
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

/// `by_place`: the order of the parameters counts.
fn combos(old: &Combos, new: &Combos, by_place: bool, out: &mut Vec<Difference>) {
    let names = |combos: &Combos| {
        let mut names: Vec<_> = combos.names().map(str::to_owned).collect();
        if !by_place {
            names.sort();
        }
        names.join(", ")
    };
    let (old_names, new_names) = (names(old), names(new));
    if old_names != new_names {
        // Another set of arguments is another function, even where all values agree.
        let text = match (old_names.as_str(), new_names.as_str()) {
            ("", new) => format!("`parameters` was not there before, now it is {new}"),
            (old, "") => format!("`parameters` was {old}, now it is gone"),
            (old, new) => format!("`parameters` was {old}, now it is {new}"),
        };
        let text = if by_place { text + " (a library takes them in this order)" } else { text };
        out.push(Difference { text, severity: Severity::Refuse });
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
    let text =
        format!("no longer in the study, their results are kept as they are: {}{more}", named.join("; "));
    out.push(Difference { text, severity: Severity::Notice });
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
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
        assert_eq!(differences(|text| text.replace("python = 'model.py:h'", "builtin = 'peak'")).len(), 2);
    }

    #[test]
    fn another_way_to_choose_points_is_a_notice() {
        let found = differences(|text| text.replace("bounds", "loss = { name = 'curvature' }\nbounds"));
        let text = "`learner.loss` was not there before, now it is { name = \"curvature\" }";
        assert_eq!(found, [(text.into(), Severity::Notice)]);
        let inner = "learner = { type = '1d', bounds = [-1, 1] }";
        let outer = |text: &str| {
            text.replace("type = '1d'\nbounds = [-1, 1]", &format!("type = 'data_saver'\n{inner}"))
        };
        let (before, after) = (outer(STUDY), outer(STUDY).replace("[-1, 1]", "[-1, 2]"));
        let found = compare(&before, &after, Path::new("a.toml")).unwrap();
        assert_eq!(found[0].severity, Severity::Refuse, "{found:?}");
    }

    #[test]
    fn another_model_is_refused_unless_a_version_answers_for_it() {
        let files = |model: &str, input: &str| {
            BTreeMap::from([("model.py".into(), model.into()), ("input".into(), input.into())])
        };
        let function = |text: &str| read(text, Path::new("a")).unwrap().0.table("function").unwrap().cloned();
        let found = |before, after, text: &str| {
            let found = compare_files(&before, &after, &function(text).unwrap());
            found.into_iter().map(|d| (d.to_string(), d.severity)).collect::<Vec<_>>()
        };
        assert_eq!(found(files("a", "b"), files("a", "b"), STUDY), []);
        assert_eq!(found(BTreeMap::new(), files("a", "b"), STUDY), []);
        let changed = found(files("a", "b"), files("c", "d"), STUDY);
        assert!(changed[0].0.starts_with("input, which") && changed[0].1 == Severity::Notice, "{changed:?}");
        assert!(changed[1].0.starts_with("model.py has") && changed[1].1 == Severity::Refuse, "{changed:?}");
        let versioned = STUDY.replace("timeout", "version = '1'\ntimeout");
        assert_eq!(found(files("a", "b"), files("c", "d"), &versioned), []);
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
    fn another_order_of_parameters_is_refused_where_it_counts() {
        let library = STUDY.replace("python = 'model.py:h'", "library = 'libmodel.so:h'");
        let swapped = library.replace("a = [1, 2]\nb = [0.5, 1.5]", "b = [0.5, 1.5]\na = [1, 2]");
        let found = compare(&library, &swapped, Path::new("a.toml")).unwrap();
        let text = "`parameters` was a, b, now it is b, a (a library takes them in this order)";
        assert_eq!(found, [Difference { text: text.into(), severity: Severity::Refuse }]);
    }

    #[test]
    fn results_move_with_their_combos() {
        let combos = |text: &str| read(text, Path::new("a")).unwrap().1;
        let (old, new) = (combos("[parameters]\na = [1, 2, 3]"), combos("[parameters]\na = [3, 4, 1]"));
        assert_eq!(combo_moves(&old, &new), [Some(2), None, Some(0)]);
        assert_eq!(combo_moves(&old, &old), [Some(0), Some(1), Some(2)]);
    }
}
