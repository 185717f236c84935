//! `[function] priority`: whose points are evaluated first.
//!
//! A whole number, or `"{name}"` for that of the parameter of this name, as the settings of learners have it:
//!
//! ```toml
//! [function]
//! priority = "{urgency}"
//!
//! [[cases]]
//! material = "Si"
//! urgency = 2
//! ```

use super::Combos;
use super::per_combo::{parameter, placeholder};
use crate::model::settings::{Result, Setting, SettingError, SettingValue, Table};
use crate::model::{Parameter, Parameters};

/// How urgent the points of each combo are. Whatever the priorities are, the same points have the same values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Priority {
    /// The same for all (default: 0).
    Same(i32),
    /// The value of the parameter of this name.
    Parameter(String),
}

impl Default for Priority {
    fn default() -> Self {
        Self::Same(0)
    }
}

const KEY: &str = "priority";
const HELP: &str = "write a whole number, as in priority = 1, or \"{a}\" for that of the parameter a in each combo; \
                    higher ones are evaluated first";

impl Priority {
    /// Reads the key of `[function]`; every combo's value of it is checked. O(values of the parameter).
    pub(super) fn read(function: &Table, combos: &Combos) -> Result<Self> {
        let Some(setting) = function.get(KEY) else { return Ok(Self::default()) };
        let path = function.path_of(KEY);
        let wrong = |what: String| SettingError::new(&setting.span, what).help(HELP);
        let refused = |setting: &Setting| {
            let kind = setting.kind();
            wrong(format!(
                "`{path}` should be a whole number from {} to {}, but is {kind}",
                i32::MIN,
                i32::MAX
            ))
        };
        let SettingValue::Text(text) = &setting.value else {
            let number = match setting.value {
                SettingValue::Integer(i) => i32::try_from(i).ok(),
                SettingValue::Float(x) => whole(x),
                _ => None,
            };
            return number.map(Self::Same).ok_or_else(|| refused(setting));
        };
        let Some(name) = placeholder(text) else { return Err(refused(setting)) };
        // Any combo knows all names: this one finds those that don't exist.
        parameter(name, &setting.span, &combos.get(0).unwrap_or_default())?;
        match combos.values_of(name).find(|value| number(value).is_none()) {
            Some(value) => Err(wrong(format!(
                "`{path}` is the parameter `{name}`, which is {value} in some combo, no whole number from {} to {}",
                i32::MIN,
                i32::MAX
            ))),
            None => Ok(Self::Parameter(name.to_owned())),
        }
    }

    /// The priority of the points of this combo.
    pub fn of(&self, combo: &Parameters) -> i32 {
        match self {
            Self::Same(priority) => *priority,
            // What is no number was refused when the study was read.
            Self::Parameter(name) => combo.get(name).and_then(number).unwrap_or_default(),
        }
    }
}

fn number(parameter: &Parameter) -> Option<i32> {
    match parameter {
        Parameter::Integer(i) => i32::try_from(*i).ok(),
        Parameter::Float(x) => whole(*x),
        Parameter::Bool(_) | Parameter::Text(_) => None,
    }
}

/// Ranges with `start`, `stop` and `num` give `2.0` for 2.
fn whole(x: f64) -> Option<i32> {
    let fits = x.fract() == 0.0 && (f64::from(i32::MIN)..=f64::from(i32::MAX)).contains(&x);
    fits.then_some(x as i32)
}

#[cfg(test)]
mod tests {
    use crate::study::{AllKinds, Study};

    fn study(priority: &str) -> std::result::Result<Study, crate::study::StudyError> {
        let text = format!(
            "[function]\nbuiltin = 'peak'\n{priority}\n[parameters]\na = [0.5, 1]\noffset = {{ start = 0.0, stop = 2.0, num = 3 }}\n\
             [learner]\ntype = 'sequence'\nsequence = [0, 1]\n"
        );
        Study::parse(&text, "a.toml")
    }

    #[test]
    fn it_is_one_number_or_one_for_each_combo() {
        let of = |priority| study(priority).unwrap().learners(&AllKinds::default()).unwrap().priorities;
        assert_eq!(of(""), [0; 6]);
        assert_eq!(of("priority = -3"), [-3; 6]);
        assert_eq!(of("priority = 2.0"), [2; 6]);
        assert_eq!(of("priority = '{offset}'"), [0, 1, 2, 0, 1, 2]);
    }

    #[test]
    fn the_learners_of_higher_priority_are_asked_first() {
        let mut learners = study("priority = '{offset}'").unwrap().learners(&AllKinds::default()).unwrap();
        let asked: Vec<u32> = learners.learner.ask(12).iter().map(|next| next.sample.learner).collect();
        let sorted = |part: &[u32]| {
            let mut part = part.to_vec();
            part.sort_unstable();
            part
        };
        assert_eq!(sorted(&asked[..4]), [2, 2, 5, 5]);
        assert_eq!(sorted(&asked[4..8]), [1, 1, 4, 4]);
        assert_eq!(sorted(&asked[8..]), [0, 0, 3, 3]);
    }

    #[test]
    fn what_is_no_whole_number_is_refused_where_it_stands() {
        for (priority, message) in [
            ("priority = 'high'", "but is text"),
            ("priority = 1.5", "but is a number"),
            ("priority = true", "but is true or false"),
            ("priority = 3_000_000_000", "whole number from -2147483648"),
            ("priority = '{a}'", "which is 0.5 in some combo"),
            ("priority = '{ofset}'", "no parameter `ofset`"),
        ] {
            let error = study(priority).unwrap_err();
            let [problem] = error.problems() else { panic!("{error}") };
            assert!(problem.line == 3 && problem.message.contains(message), "{priority}: {error}");
            assert!(!problem.help.is_empty());
        }
    }
}
