//! Combos: the combinations of parameter values, one learner each.
//!
//! Owns: reading `[parameters]` and `[[cases]]`, the order of combos, and which combos are the same. A combo is
//! made when asked for by its index, so that ten million of them cost no memory.
//!
//! ```toml
//! [parameters]                                     # the product of all lists; the first name varies slowest
//! a = 0.01                                         # one value
//! b = [1, 2, 5]                                    # a list
//! c = { start = 0.0, stop = 1.0, num = 11 }        # evenly spaced, both ends exact
//! d = { start = 0, stop = 10, step = 2 }           # 0, 2, …, 10: the stop is included if it is met
//! e = { start = 1e-3, stop = 1.0, num = 4, spacing = "log" }   # evenly spaced logarithms
//!
//! [[cases]]                                        # combinations that are no product; each of them
//! material = "Si"                                  # is combined with each combination of [parameters]
//! gap = 1.12
//! ```

use super::values::{MOST_COMBOS, value, value_identity, values};
use crate::model::settings::{Result, Setting, SettingError, SettingValue, Span, Table, unknown};
use crate::model::{Parameter, Parameters};
use std::collections::HashMap;

/// All combos of a study, by index. Without parameters there is one combo, with no values.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Combos {
    case_names: Vec<Name>,
    /// Rows of values in the order of `case_names`; no rows if there are no `[[cases]]`.
    cases: Vec<Vec<Parameter>>,
    axes: Vec<Axis>,
}

#[derive(Clone, Debug)]
struct Name {
    text: String,
    span: Span,
}

// Where a name stood is no part of what the combos are.
impl PartialEq for Name {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

#[derive(Clone, Debug, PartialEq)]
struct Axis {
    name: Name,
    values: Vec<Parameter>,
}

impl Combos {
    /// Reads `[parameters]` and `[[cases]]` of a whole study. What is wrong is appended to `problems`; the
    /// combos are then incomplete.
    pub fn read(study: &Table, problems: &mut Vec<SettingError>) -> Self {
        let mut combos = Self::default();
        if let Some(cases) = study.get("cases")
            && let Err(error) = combos.read_cases(cases)
        {
            problems.push(error);
        }
        match study.table("parameters") {
            Ok(Some(parameters)) => combos.read_axes(parameters, problems),
            Ok(None) => {}
            Err(error) => problems.push(error.help(PARAMETERS_EXAMPLE)),
        }
        let place = study.get("parameters").or_else(|| study.get("cases"));
        if let (Some(place), None) = (place, combos.checked_len()) {
            let lengths: Vec<_> = combos.lengths().map(|n| n.to_string()).collect();
            problems.push(
                SettingError::new(
                    &place.span,
                    format!("there are {} combos, more than {MOST_COMBOS}", lengths.join(" x ")),
                )
                .help("each combo gets a learner of its own: use fewer values, or make one of the parameters a coordinate of the learner"),
            );
        }
        combos
    }

    fn read_axes(&mut self, parameters: &Table, problems: &mut Vec<SettingError>) {
        for (key, span, setting) in parameters.entries() {
            let path = parameters.path_of(key);
            let read = check_name(key, span).and_then(|()| {
                if self.case_names.iter().any(|name| name.text == *key) {
                    return Err(SettingError::new(
                        span,
                        format!("`{key}` is in [[cases]] and in [parameters]"),
                    )
                    .help("keep it in one of them"));
                }
                values(setting, &path)
            });
            match read {
                Ok(values) => {
                    self.axes.push(Axis { name: Name { text: key.clone(), span: span.clone() }, values });
                }
                Err(error) => problems.push(error),
            }
        }
    }

    fn read_cases(&mut self, setting: &Setting) -> Result<()> {
        let example = "write each case as\n[[cases]]\na = 1\nb = 2";
        let items = setting.list("cases").map_err(|error| error.help(example))?;
        let mut seen = HashMap::new();
        for (i, item) in items.iter().enumerate() {
            let SettingValue::Table(case) = &item.value else {
                return Err(SettingError::new(
                    &item.span,
                    format!("`cases[{i}]` should be a table, but is {}", item.kind()),
                )
                .help(example));
            };
            if i == 0 {
                for (key, span, _) in case.entries() {
                    check_name(key, span)?;
                    self.case_names.push(Name { text: key.clone(), span: span.clone() });
                }
            }
            let row = self.case(case)?;
            let identity = row.iter().map(value_identity).collect::<Vec<_>>().join(", ");
            if let Some(first) = seen.insert(identity, i) {
                return Err(SettingError::new(
                    &case.span,
                    format!("`cases[{i}]` is the same as `cases[{first}]`"),
                )
                .help("remove one of them"));
            }
            self.cases.push(row);
        }
        if self.case_names.is_empty() {
            return Err(SettingError::new(&setting.span, "`cases` is empty").help(example));
        }
        Ok(())
    }

    /// The values of one case, in the order of the first one's names.
    fn case(&self, case: &Table) -> Result<Vec<Parameter>> {
        let names = || self.case_names.iter().map(|name| name.text.as_str());
        for (key, span, _) in case.entries() {
            if !names().any(|name| name == key) {
                return Err(unknown(
                    span,
                    &format!("`{key}` is not in the first of the [[cases]]"),
                    key,
                    names(),
                ));
            }
        }
        self.case_names
            .iter()
            .map(|name| match case.get(&name.text) {
                Some(setting) => value(setting, &case.path_of(&name.text)),
                None => Err(case.missing(&name.text).help("all [[cases]] have the same names")),
            })
            .collect()
    }

    fn lengths(&self) -> impl Iterator<Item = usize> {
        let cases = self.cases.len().max(1);
        std::iter::once(cases).filter(|&n| n > 1).chain(self.axes.iter().map(|axis| axis.values.len()))
    }

    fn checked_len(&self) -> Option<usize> {
        self.lengths().try_fold(1_usize, usize::checked_mul).filter(|&n| n <= MOST_COMBOS)
    }

    /// How many there are: 1 or more.
    #[expect(clippy::len_without_is_empty, reason = "there is always one combo")]
    pub fn len(&self) -> usize {
        self.lengths().fold(1, usize::saturating_mul)
    }

    /// The combo of this index, made in O(number of parameters); `None` from [`Combos::len`] on.
    pub fn get(&self, index: usize) -> Option<Parameters> {
        if index >= self.len() {
            return None;
        }
        let mut rest = index;
        let mut values: Vec<(String, Parameter)> =
            Vec::with_capacity(self.axes.len() + self.case_names.len());
        // The last name varies fastest.
        for axis in self.axes.iter().rev() {
            let value = axis.values[rest % axis.values.len()].clone();
            rest /= axis.values.len();
            values.push((axis.name.text.clone(), value));
        }
        if let Some(case) = self.cases.get(rest) {
            let row = self.case_names.iter().zip(case).rev();
            values.extend(row.map(|(name, value)| (name.text.clone(), value.clone())));
        }
        values.reverse();
        Some(Parameters(values))
    }

    /// All combos in order.
    pub fn iter(&self) -> impl Iterator<Item = Parameters> + '_ {
        (0..self.len()).filter_map(|index| self.get(index))
    }

    /// The names of the parameters, in the order in which a combo has them.
    pub fn names(&self) -> impl Iterator<Item = &str> + Clone {
        self.all_names().map(|name| name.text.as_str())
    }

    /// The values that a parameter has, each once or more often; none if there is no such parameter.
    pub fn values_of(&self, name: &str) -> impl Iterator<Item = &Parameter> {
        let axis = self.axes.iter().filter(move |axis| axis.name.text == name).flat_map(|axis| &axis.values);
        let column = self.case_names.iter().position(|case| case.text == name);
        axis.chain(
            column.into_iter().flat_map(|column| self.cases.iter().filter_map(move |row| row.get(column))),
        )
    }

    /// Where in the study this parameter was named.
    pub fn place_of(&self, name: &str) -> Option<Span> {
        self.all_names().find(|n| n.text == name).map(|n| n.span.clone())
    }

    fn all_names(&self) -> impl Iterator<Item = &Name> + Clone {
        self.case_names.iter().chain(self.axes.iter().map(|axis| &axis.name))
    }
}

/// A text that is the same for two combos exactly if they are the same: the order of the names does not matter,
/// and `1` is the same number as `1.0`.
pub fn identity(combo: &Parameters) -> String {
    let mut parts: Vec<_> =
        combo.0.iter().map(|(name, value)| format!("{name}={}", value_identity(value))).collect();
    parts.sort();
    parts.join(", ")
}

const PARAMETERS_EXAMPLE: &str =
    "write\n[parameters]\na = [0.01, 0.1]\nb = { start = 0.0, stop = 1.0, num = 11 }";
fn check_name(name: &str, span: &Span) -> Result<()> {
    let mut chars = name.chars();
    let good = chars.next().is_some_and(|c| c.is_alphabetic() || c == '_')
        && chars.all(|c| c.is_alphanumeric() || c == '_');
    if good {
        return Ok(());
    }
    Err(SettingError::new(span, format!("`{name}` can't be the name of a parameter"))
        .help("functions see it as a variable: use letters, digits and `_`, with a letter first"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> std::result::Result<Combos, SettingError> {
        let mut problems = Vec::new();
        let combos = Combos::read(&super::super::tree::read(text)?, &mut problems);
        problems.into_iter().next().map_or(Ok(combos), Err)
    }

    fn shown(text: &str) -> Vec<String> {
        read(text).unwrap().iter().map(|combo| combo.to_string()).collect()
    }

    #[test]
    fn the_first_name_varies_slowest() {
        assert_eq!(
            shown("[parameters]\nb = [1, 2]\na = ['u', 'v']"),
            ["b=1, a=u", "b=1, a=v", "b=2, a=u", "b=2, a=v"]
        );
    }

    #[test]
    fn no_parameters_are_one_empty_combo() {
        assert_eq!(shown(""), [""]);
        assert_eq!(read("[parameters]").unwrap().get(1), None);
    }

    #[test]
    fn each_case_meets_each_combination() {
        let text = "[parameters]\nt = [0, 1]\n[[cases]]\nm = 'Si'\ng = 1.1\n[[cases]]\ng = 0.7\nm = 'Ge'\n";
        assert_eq!(
            shown(text),
            ["m=Si, g=1.1, t=0", "m=Si, g=1.1, t=1", "m=Ge, g=0.7, t=0", "m=Ge, g=0.7, t=1"]
        );
        assert!(read("cases = [{ a = 1 }, { a = 1.0 }]").unwrap_err().message.contains("the same as"));
    }

    #[test]
    fn too_many_combos_are_an_error_with_the_numbers() {
        let one = "{ start = 0, stop = 9999, step = 1 }";
        let error = read(&format!("[parameters]\na = {one}\nb = {one}\n")).unwrap_err();
        assert_eq!(error.message, "there are 10000 x 10000 combos, more than 10000000");
        assert!(read("[parameters]\na = { start = 0, stop = 1, num = 100_000_000_000 }").is_err());
        assert!(read("[parameters]\na = { start = 0, stop = 1e300, step = 1 }").is_err());
    }

    #[test]
    fn combos_are_the_same_whatever_the_order_of_names() {
        let combo = |values: &[(&str, Parameter)]| {
            identity(&Parameters(values.iter().map(|(n, v)| ((*n).to_owned(), v.clone())).collect()))
        };
        let (one, text) = (Parameter::Integer(1), Parameter::Text("1.0".into()));
        assert_eq!(
            combo(&[("a", one.clone()), ("b", text.clone())]),
            combo(&[("b", text.clone()), ("a", Parameter::Float(1.0))])
        );
        assert_ne!(combo(&[("a", one)]), combo(&[("a", text)]));
        assert_eq!(combo(&[("a", Parameter::Float(-0.0))]), combo(&[("a", Parameter::Integer(0))]));
        let big = |i| combo(&[("a", Parameter::Integer(i))]);
        assert_ne!(big(i64::MAX), big(i64::MAX - 1));
    }
}
