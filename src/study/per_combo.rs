//! Settings that differ from combo to combo: a text `"{name}"` in `[learner]` stands for the parameter of this name.
//!
//! ```toml
//! [[cases]]
//! material = "Si"
//! gap = 1.12
//!
//! [learner]
//! type = "1d"
//! bounds = [0, "{gap}"]
//! ```

use crate::model::settings::{self, Setting, SettingError, SettingValue, Table, unknown};
use crate::model::{Parameter, Parameters};

/// The table for one combo: every `"{name}"`, at any depth, replaced by the combo's value.
pub(super) fn filled(table: &Table, combo: &Parameters) -> settings::Result<Table> {
    if !mentions_parameters(table) {
        return Ok(table.clone());
    }
    let mut filled = Table::new(table.path.clone());
    filled.span = table.span.clone();
    for (key, span, setting) in table.entries() {
        filled.push(key.clone(), span.clone(), fill(setting, combo)?);
    }
    Ok(filled)
}

/// Whether learners made of this table differ from combo to combo.
pub(super) fn mentions_parameters(table: &Table) -> bool {
    fn mentions(value: &SettingValue) -> bool {
        match value {
            SettingValue::Text(text) => placeholder(text).is_some(),
            SettingValue::List(items) => items.iter().any(|item| mentions(&item.value)),
            SettingValue::Table(table) => mentions_parameters(table),
            _ => false,
        }
    }
    table.entries().iter().any(|(.., setting)| mentions(&setting.value))
}

/// The name in `"{name}"`.
pub(super) fn placeholder(text: &str) -> Option<&str> {
    text.strip_prefix('{')?.strip_suffix('}')
}

fn fill(setting: &Setting, combo: &Parameters) -> settings::Result<Setting> {
    let value = match &setting.value {
        SettingValue::Text(text) => match placeholder(text) {
            Some(name) => parameter(name, &setting.span, combo)?,
            None => setting.value.clone(),
        },
        SettingValue::List(items) => {
            SettingValue::List(items.iter().map(|item| fill(item, combo)).collect::<settings::Result<_>>()?)
        }
        SettingValue::Table(table) => SettingValue::Table(filled(table, combo)?),
        other => other.clone(),
    };
    Ok(Setting { value, span: setting.span.clone() })
}

/// What `"{name}"` stands for in this combo.
pub(super) fn parameter(
    name: &str,
    span: &settings::Span,
    combo: &Parameters,
) -> settings::Result<SettingValue> {
    match combo.get(name) {
        Some(Parameter::Bool(b)) => Ok(SettingValue::Bool(*b)),
        Some(Parameter::Integer(i)) => Ok(SettingValue::Integer(*i)),
        Some(Parameter::Float(x)) => Ok(SettingValue::Float(*x)),
        Some(Parameter::Text(text)) => Ok(SettingValue::Text(text.clone())),
        None if combo.0.is_empty() => {
            let message = format!("there is no parameter `{name}`: the study has none");
            Err(SettingError::new(span, message).help("add it to [parameters] or to the [[cases]]"))
        }
        None => {
            let names = combo.0.iter().map(|(name, _)| name.as_str());
            Err(unknown(span, &format!("there is no parameter `{name}`"), name, names))
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::study::{AllKinds, Study};

    fn study(learner: &str) -> Study {
        let text = format!(
            "[function]\nbuiltin = 'peak'\n[[cases]]\noffset = 0.5\nlo = -1\n[[cases]]\noffset = 0\nlo = -2.5\n\
             [learner]\ntype = '1d'\n{learner}\n[goal]\nloss = 1\n"
        );
        Study::parse(&text, "a.toml").unwrap()
    }

    #[test]
    fn each_combo_fills_its_own_values_in() {
        let learners = study("bounds = ['{lo}', 1]").learners(&AllKinds::default()).unwrap();
        let boxes: Vec<_> = learners
            .learner
            .children()
            .unwrap()
            .iter()
            .map(|child| child.bounding_box().unwrap()[0])
            .collect();
        assert_eq!(boxes, [(-1.0, 1.0), (-2.5, 1.0)]);
    }

    #[test]
    fn a_parameter_that_is_not_there_is_named_with_its_line() {
        let error = study("bounds = ['{low}', 1]").learners(&AllKinds::default()).err().unwrap();
        assert_eq!((error.problems()[0].line, error.problems()[0].help.as_str()), (11, "did you mean `lo`?"));
    }

    #[test]
    fn what_only_one_combo_makes_wrong_is_refused() {
        assert!(study("bounds = ['{lo}', -2]").learners(&AllKinds::default()).is_err());
    }
}
