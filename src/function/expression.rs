//! `expression = "x + a^2 / (a^2 + (x - offset)^2)"`: a formula, or a list of formulas for several numbers.
//!
//! Variables are the coordinates of the learner (`x`, `y`, …), `seed` where it has one, and the parameters
//! (`true` and `false` count as 1 and 0).
//!
//! | | |
//! |---|---|
//! | operators | `+ - * / %` (remainder, never negative), `^` or `**` (power, from the right), `< <= > >= == !=` (1 or 0) |
//! | constants | `pi`, `e`, `tau`, `inf`, `nan` |
//! | choice | `if(condition, then, else)` |
//! | one argument | `abs sign floor ceil round sqrt cbrt exp expm1 log ln log1p log2 log10 sin cos tan asin acos atan sinh cosh tanh asinh acosh atanh sinc heaviside` |
//! | two arguments | `atan2 hypot max min mod pow` |
//!
//! `log` is the natural logarithm, and `-x^2` is `-(x^2)`.

use super::formula::Formula;
use super::{Call, Context, Function, FunctionSpec, Shared};
use crate::model::settings::{self, Setting, SettingError, SettingValue, Table};
use crate::model::{Failure, FailureKind, Parameter, Value};
use std::sync::Arc;

#[derive(Clone, Debug)]
struct Expression {
    texts: Vec<String>,
    formulas: Vec<Formula>,
    /// Where the value of each name comes from.
    sources: Arc<[Source]>,
}

#[derive(Clone, Debug)]
enum Source {
    Coordinate(usize),
    Seed,
    Parameter(String),
}

pub(super) fn from_settings(
    table: &Table,
    context: &Context,
    _: &Shared,
) -> settings::Result<Arc<dyn FunctionSpec>> {
    let setting = table.get("expression").ok_or_else(|| table.missing("expression"))?;
    let one = std::slice::from_ref(setting);
    let texts = if let SettingValue::List(items) = &setting.value { items } else { one };
    if texts.is_empty() {
        return Err(SettingError::new(&setting.span, "`function.expression` is an empty list")
            .help("write one formula, or one for each component of the value"));
    }
    let (names, sources) = variables(context);
    let formulas = texts.iter().map(|text| compile(text, &names)).collect::<settings::Result<_>>()?;
    let texts = texts
        .iter()
        .map(|t| t.text("function.expression").map(str::to_owned))
        .collect::<settings::Result<_>>()?;
    Ok(Arc::new(Expression { texts, formulas, sources: sources.into() }))
}

fn variables(context: &Context) -> (Vec<String>, Vec<Source>) {
    let coordinates = context.signature.names.iter().enumerate();
    let mut all: Vec<(String, Source)> =
        coordinates.map(|(i, name)| (name.clone(), Source::Coordinate(i))).collect();
    if context.signature.seeded {
        all.push(("seed".into(), Source::Seed));
    }
    all.extend(context.parameter_names.iter().map(|name| (name.clone(), Source::Parameter(name.clone()))));
    all.into_iter().unzip()
}

fn compile(setting: &Setting, names: &[String]) -> settings::Result<Formula> {
    let text = setting.text("function.expression")?;
    Formula::parse(text, names).map_err(|error| {
        let mut span = setting.span.clone();
        // In a plain quoted text the offset is known to the byte.
        if span.len() == text.len() + 2 {
            let at = span.start + 1 + error.at;
            span = at..at + error.unknown.as_ref().map_or(1, String::len);
        }
        let place = match text.trim() {
            "" => "the formula is empty".to_owned(),
            _ => format!("in the formula `{text}`: {}", error.message),
        };
        let Some(unknown) = &error.unknown else {
            return SettingError::new(&span, place)
                .help("a formula looks like x + a^2 / (a^2 + (x - offset)^2)");
        };
        let known = names.iter().map(String::as_str).chain(Formula::known_names());
        let near = settings::nearest(unknown, known);
        let list = if names.is_empty() { "none".into() } else { names.join(", ") };
        let near = near.map_or_else(String::new, |near| format!("did you mean `{near}`? "));
        SettingError::new(&span, place).help(format!("{near}variables here: {list}"))
    })
}

impl FunctionSpec for Expression {
    fn kind(&self) -> &'static str {
        "expression"
    }

    fn describe(&self) -> String {
        format!("expression {}", self.texts.join("; "))
    }

    fn start_with(&self, _: &[(String, String)]) -> Result<Box<dyn Function>, Failure> {
        Ok(Box::new(self.clone()))
    }
}

impl Function for Expression {
    fn evaluate(&mut self, call: &Call<'_>) -> Result<Value, Failure> {
        let mut values: smallvec::SmallVec<[f64; 8]> = smallvec::SmallVec::new();
        for source in self.sources.iter() {
            values.push(match source {
                Source::Coordinate(i) => call.point.get(*i).copied().unwrap_or(f64::NAN),
                Source::Seed => call.replica as f64,
                Source::Parameter(name) => parameter_as_number(call, name)?,
            });
        }
        let components = self.formulas.iter().map(|formula| formula.evaluate(|i| values[i])).collect();
        Ok(Value { components, detail: None })
    }
}

/// The value of a parameter for functions that take numbers only; `true` and `false` are 1 and 0.
pub(super) fn parameter_as_number(call: &Call<'_>, name: &str) -> Result<f64, Failure> {
    let problem = match call.parameters.get(name) {
        Some(Parameter::Bool(b)) => return Ok(f64::from(*b)),
        Some(Parameter::Text(text)) => format!("the parameter {name} is the text \"{text}\", not a number"),
        Some(Parameter::Integer(i)) => return Ok(*i as f64),
        Some(Parameter::Float(x)) => return Ok(*x),
        None => format!("the parameter {name} has no value"),
    };
    Err(Failure::new(FailureKind::Setup, problem))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Parameters, Point, Signature};

    fn context() -> Context {
        Context {
            signature: Signature::line(),
            parameter_names: vec!["offset".into(), "a".into()],
            ..Context::default()
        }
    }

    #[test]
    fn an_unknown_variable_is_named_with_the_nearest_and_all_known_ones() {
        let mut table = Table::new("function");
        let text = SettingValue::Text("x + offest".into());
        table.push("expression", 0..0, Setting { value: text, span: 100..112 });
        let error = from_settings(&table, &context(), &Shared::default()).unwrap_err();
        assert_eq!(error.message, "in the formula `x + offest`: no variable `offest`");
        assert_eq!(error.help, "did you mean `offset`? variables here: x, offset, a");
        assert_eq!(error.span, 105..111);
    }

    #[test]
    fn a_seed_is_a_variable_only_where_there_is_one() {
        let table = Table::new("function").with("expression", SettingValue::Text("seed".into()));
        assert!(from_settings(&table, &context(), &Shared::default()).is_err());
        let signature = Signature { names: vec![], scalar: false, seeded: true };
        let seeded = Context { signature: signature.clone(), ..Context::default() };
        let spec = from_settings(&table, &seeded, &Shared::default()).unwrap();
        let (point, parameters) = (Point::default(), Parameters::default());
        let call = Call { point: &point, replica: 7, parameters: &parameters, signature: &signature };
        assert_eq!(spec.start().unwrap().evaluate(&call).unwrap().y(), 7.0);
    }
}
