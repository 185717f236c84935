//! `DataSaver`: a learner that learns a part of what the function returns.

use super::inner::left_to_inner;
use super::{Learner, LearnerKind, Suggestion, TellError};
use crate::model::settings::{self, SettingValue, Table};
use crate::model::{Sample, Value};
use std::fmt::Write as _;
use std::sync::Arc;

/// Shows its inner learner the picked components of each value (upstream: `DataSaver` and `make_datasaver`).
///
/// All else that the function returns stays with the point where results are kept: other outputs as components of the
/// value, records that are no numbers as its `extra`. The learner itself keeps nothing of it.
///
/// In all other ways it is its inner learner. It costs one small copy a value besides.
pub struct DataSaver {
    inner: Box<dyn Learner>,
    picker: Arc<ArgPicker>,
}

/// Which part of a value is learned (upstream: a function `arg_picker`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ArgPicker {
    /// The outputs of these names, in this order. The name of a list, as `r` where the outputs are `r[0]`, `r[1]`,
    /// stands for all of it.
    Names(Vec<String>),
    /// The component at this place, counted from 0.
    Index(usize),
}

pub(super) const KIND: LearnerKind = LearnerKind {
    name: "data_saver",
    about: "a learner of a part of what the function returns; all of it is kept: arg_picker, learner",
    from_settings: |table| Ok(Box::new(DataSaver::from_settings(table)?)),
};

const HELP: &str = "the name of an output, a list of names, or a place counted from 0: arg_picker = \"y\"";

impl ArgPicker {
    /// Reads `arg_picker`.
    pub fn from_settings(table: &Table) -> settings::Result<Self> {
        let setting = table.get("arg_picker").ok_or_else(|| table.missing("arg_picker").help(HELP))?;
        let path = table.path_of("arg_picker");
        let wrong = |what: String| table.error("arg_picker", format!("`{path}` {what}")).help(HELP);
        match &setting.value {
            SettingValue::Text(name) if !name.is_empty() => Ok(Self::Names(vec![name.clone()])),
            SettingValue::Integer(index) if *index >= 0 => Ok(Self::Index(*index as usize)),
            SettingValue::List(names) if !names.is_empty() => {
                let name = |(i, name): (usize, &settings::Setting)| {
                    name.text(&format!("{path}[{i}]")).map(str::to_owned)
                };
                names.iter().enumerate().map(name).collect::<settings::Result<_>>().map(Self::Names)
            }
            SettingValue::Text(_) | SettingValue::List(_) => Err(wrong("is empty".into())),
            SettingValue::Integer(index) => Err(wrong(format!("can't be negative, but is {index}"))),
            _ => Err(wrong(format!("should be a name, but is {}", setting.kind()))),
        }
    }

    /// The names of the picked components, if all components have these.
    fn names(&self, outputs: &[String]) -> Vec<String> {
        match self {
            Self::Index(index) => outputs.get(*index).cloned().into_iter().collect(),
            Self::Names(wanted) => {
                let all = wanted.iter().flat_map(|wanted| outputs.iter().map(move |output| (output, wanted)));
                all.filter(|(output, wanted)| is_part(output, wanted))
                    .map(|(output, _)| output.clone())
                    .collect()
            }
        }
    }

    /// The picked components of a value.
    pub fn pick(&self, value: &Value) -> Result<Value, TellError> {
        let components = &value.components;
        match self {
            Self::Index(index) => components.get(*index).map(|y| Value::scalar(*y)).ok_or_else(|| {
                let n = components.len();
                TellError::Unusable(format!("it has {n} components, but the one at place {index} is learned"))
            }),
            Self::Names(wanted) => {
                let names = value.detail.as_ref().map_or(&[][..], |detail| &detail.names);
                let mut picked = Value::default();
                for wanted in wanted {
                    let before = picked.components.len();
                    let named = names.iter().zip(components).filter(|(name, _)| is_part(name, wanted));
                    picked.components.extend(named.map(|(_, y)| *y));
                    if picked.components.len() == before {
                        return Err(missing(wanted, names));
                    }
                }
                Ok(picked)
            }
        }
    }
}

/// Whether an output is the wanted one, or an item of it: `r[0]` of `r`.
fn is_part(name: &str, wanted: &str) -> bool {
    name.strip_prefix(wanted).is_some_and(|rest| rest.is_empty() || rest.starts_with('['))
}

fn missing(wanted: &str, names: &[String]) -> TellError {
    let mut message = format!("it has no output `{wanted}`");
    if names.is_empty() {
        message.push_str(&format!(
            "; its components have no names: let the function return named outputs, as {{\"{wanted}\": 0.5}}, or pick by place"
        ));
    } else {
        let _ = write!(message, ", but {}", names.join(", "));
    }
    TellError::Unusable(message)
}

impl DataSaver {
    /// A learner of the picked part of values.
    pub fn new(inner: Box<dyn Learner>, picker: ArgPicker) -> Self {
        Self { inner, picker: Arc::new(picker) }
    }

    /// Reads `arg_picker`, and the inner learner from the table `learner`.
    pub fn from_settings(table: &Table) -> settings::Result<Self> {
        let picker = ArgPicker::from_settings(table)?;
        let help = "write it as learner = { type = \"1d\", bounds = [-1, 1] }";
        let inner = table
            .table("learner")
            .map_err(|error| error.help(help))?
            .ok_or_else(|| table.missing("learner").help(help))?;
        Ok(Self::new(super::from_settings(inner)?, picker))
    }

    /// The learner of the picked part.
    pub fn inner(&self) -> &dyn Learner {
        self.inner.as_ref()
    }
}

impl Learner for DataSaver {
    fn kind(&self) -> &'static str {
        KIND.name
    }

    fn ask_into(&mut self, n: usize, out: &mut Vec<Suggestion>) {
        self.inner.ask_into(n, out);
    }

    fn suggest(&mut self, n: usize) -> Vec<Suggestion> {
        self.inner.suggest(n)
    }

    fn tell(&mut self, sample: &Sample, value: &Value) -> Result<(), TellError> {
        self.inner.tell(sample, &self.picker.pick(value)?)
    }

    /// One by one, as upstream.
    fn tell_many(&mut self, told: &[(Sample, Value)]) -> Result<(), TellError> {
        told.iter().try_for_each(|(sample, value)| self.tell(sample, value))
    }

    fn remove_unfinished(&mut self) {
        self.inner.remove_unfinished();
    }

    fn work_in_parallel(&mut self) {
        self.inner.work_in_parallel();
    }

    fn new_empty(&self) -> Box<dyn Learner> {
        Box::new(Self { inner: self.inner.new_empty(), picker: self.picker.clone() })
    }

    fn boxed_clone(&self) -> Box<dyn Learner> {
        Box::new(Self { inner: self.inner.boxed_clone(), picker: self.picker.clone() })
    }

    left_to_inner!();

    fn tell_pending(&mut self, sample: &Sample) {
        self.inner.tell_pending(sample);
    }

    fn give_up(&mut self, sample: &Sample) {
        self.inner.give_up(sample);
    }

    fn learned(&self, outputs: Vec<String>) -> Vec<String> {
        self.inner.learned(self.picker.names(&outputs))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Detail;

    fn named(outputs: &[(&str, f64)]) -> Value {
        let mut value = Value::vector(&outputs.iter().map(|(_, y)| *y).collect::<Vec<_>>());
        let names = outputs.iter().map(|(name, _)| (*name).to_owned()).collect();
        value.detail = Some(Box::new(Detail { names, extra: None }));
        value
    }

    fn names(names: &[&str]) -> ArgPicker {
        ArgPicker::Names(names.iter().map(|name| (*name).to_owned()).collect())
    }

    #[test]
    fn outputs_are_picked_by_name_in_the_order_wanted() {
        let value = named(&[("t", 1.0), ("r[0]", 2.0), ("r[1]", 3.0), ("rest", 4.0)]);
        assert_eq!(names(&["t"]).pick(&value), Ok(Value::scalar(1.0)));
        assert_eq!(names(&["r", "t"]).pick(&value), Ok(Value::vector(&[2.0, 3.0, 1.0])));
        assert_eq!(names(&["r[1]"]).pick(&value), Ok(Value::scalar(3.0)));
        assert_eq!(ArgPicker::Index(3).pick(&value), Ok(Value::scalar(4.0)));
    }

    #[test]
    fn what_is_learned_has_the_names_of_the_picked_outputs() {
        let outputs: Vec<String> = ["t", "r[0]", "r[1]", "rest"].map(str::to_owned).to_vec();
        for picker in [names(&["r", "t"]), names(&["rest"]), ArgPicker::Index(2), ArgPicker::Index(4)] {
            let value = named(&[("t", 0.0), ("r[0]", 1.0), ("r[1]", 2.0), ("rest", 3.0)]);
            let picked = picker.pick(&value).unwrap_or_default().components;
            let expected: Vec<String> = picked.iter().map(|y| outputs[*y as usize].clone()).collect();
            assert_eq!(picker.names(&outputs), expected, "{picker:?}");
        }
        assert_eq!(names(&["t"]).names(&[]), [""; 0]);
    }

    #[test]
    fn a_value_without_the_picked_output_is_refused_with_those_that_there_are() {
        let value = named(&[("t", 1.0), ("r", 2.0)]);
        assert_eq!(
            names(&["y"]).pick(&value).unwrap_err().to_string(),
            "the value is of no use to the learner: it has no output `y`, but t, r"
        );
        let bare = names(&["y"]).pick(&Value::scalar(1.0)).unwrap_err().to_string();
        assert!(bare.contains("have no names") && bare.contains("{\"y\": 0.5}"), "{bare}");
        let place = ArgPicker::Index(2).pick(&value).unwrap_err().to_string();
        assert!(place.contains("2 components"), "{place}");
    }
}
