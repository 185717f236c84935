//! `expression = "x + a^2 / (a^2 + (x - offset)^2)"`: a formula, or a list of formulas for several numbers.
//!
//! Variables are the coordinates of the learner (`x`, `y`, …), `seed` where it has one, and the parameters
//! (`true` and `false` count as 1 and 0).
//!
//! | | |
//! |---|---|
//! | operators | tightest first: `n!` (factorial); `^` or `**` (power, from the right); `-a`, `!a` (not); `* / %` (remainder, never negative); `+ -`; `< <= > >=`; `== !=`; `&&`; `\|\|` |
//! | choice | `c ? a : b`, or `if(c, a, b)` |
//! | constants | `pi`, `e`, `tau`, `inf`, `nan` |
//! | one argument | `abs sign floor ceil round sqrt cbrt exp expm1 log ln log1p log2 log10 sin cos tan asin acos atan sinh cosh tanh asinh acosh atanh sinc heaviside` |
//! | two arguments | `atan2 hypot max min mod pow` |
//!
//! `log` is the natural logarithm, `sinc(x)` is `sin(x)/x`, `heaviside(0)` is 0.5, and `-x^2` is `-(x^2)`. What is true
//! is 1, what is false is 0, and all but 0 counts as true. Choices, `&&` and `||` compute only what they need.
//! Divisions by zero give `inf` or `nan`, as in IEEE arithmetic; `max` and `min` of a `nan` are `nan`, and a formula that has to
//! compare `nan`, or to decide by it, is `nan`. Names are of ASCII letters, digits and `_`.

use super::formula::{self, DEEPEST, Formula, Real};
use super::{Call, Context, Function, FunctionSpec, Shared};
use crate::model::settings::{self, Setting, SettingError, SettingValue, Table};
use crate::model::{Failure, FailureKind, Parameter, Value};
use nanoexpr::ErrorKind;
use smallvec::SmallVec;
use std::sync::Arc;

const LOOKS_LIKE: &str = "a formula looks like x + a^2 / (a^2 + (x - offset)^2)";

#[derive(Clone, Debug)]
struct Expression {
    texts: Vec<String>,
    formulas: Vec<Formula>,
    names: Arc<[String]>,
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
    Ok(Arc::new(Expression { texts, formulas, names: names.into(), sources: sources.into() }))
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
    Formula::parse(text, names).map_err(|error| explain(error, setting, text, names))
}

fn explain(error: nanoexpr::Error, setting: &Setting, text: &str, names: &[String]) -> SettingError {
    let mut span = setting.span.clone();
    // In a plain quoted text the offset is known to the byte.
    if span.len() == text.len() + 2 {
        let at = span.start + 1;
        span = at + error.span.start..at + error.span.end.max(error.span.start + 1);
    }
    if text.trim().is_empty() {
        return SettingError::new(&span, "the formula is empty").help(LOOKS_LIKE);
    }
    let part = text.get(error.span.start..error.span.end).unwrap_or_default();
    let near = |known: &[&str]| {
        let near = settings::nearest(part, known.iter().copied());
        near.map_or_else(String::new, |near| format!("did you mean `{near}`? "))
    };
    let (problem, help) = match error.kind {
        ErrorKind::UnknownVariable => {
            let known: Vec<_> = names.iter().map(String::as_str).chain(formula::constants()).collect();
            let list = if names.is_empty() { "none".into() } else { names.join(", ") };
            (format!("no variable `{part}`"), format!("{}variables here: {list}", near(&known)))
        }
        ErrorKind::UnknownFunction => {
            let known: Vec<_> = formula::functions().collect();
            (format!("no function `{part}`"), format!("{}functions: {}", near(&known), known.join(", ")))
        }
        ErrorKind::ArgumentCount => {
            let name = part.split('(').next().unwrap_or(part).trim();
            let wanted = formula::arguments(name).unwrap_or(0);
            (format!("wrong number of arguments: `{part}`"), format!("`{name}` takes {wanted}"))
        }
        ErrorKind::UnexpectedEnd => ("it ends too early".into(), LOOKS_LIKE.into()),
        // What can begin an operand stands where an operator should.
        ErrorKind::UnexpectedToken
            if part.starts_with(|c: char| c.is_alphanumeric() || "_.(".contains(c)) =>
        {
            let before = text[..error.span.start].trim_end();
            let called = formula::functions().filter(|name| before.ends_with(name));
            let help = match called.max_by_key(|name| name.len()) {
                Some(name) => format!("a function has its argument in parentheses, as in {name}(x)"),
                None => "a product is written with `*`, as in 2 * x".into(),
            };
            (format!("no operator before `{part}`"), help)
        }
        ErrorKind::UnexpectedCharacter if part.contains(char::is_alphabetic) => (
            format!("unexpected letter `{part}`"),
            "names in a formula are of the letters a to z and A to Z, digits and `_`: rename what has others"
                .into(),
        ),
        ErrorKind::TooDeep => {
            let problem = format!("more than {DEEPEST} levels of parentheses and operators");
            (problem, "write a longer function in Python, Rust or C".into())
        }
        kind => (format!("{kind} `{part}`"), LOOKS_LIKE.into()),
    };
    SettingError::new(&span, format!("in the formula `{text}`: {problem}")).help(help)
}

impl FunctionSpec for Expression {
    fn kind(&self) -> &'static str {
        "expression"
    }

    fn describe(&self) -> String {
        format!("expression {}", self.texts.join("; "))
    }

    fn outline(&self) -> Option<Value> {
        Some(Value { components: self.formulas.iter().map(|_| f64::NAN).collect(), detail: None })
    }

    fn start_with(&self, _: &[(String, String)]) -> Result<Box<dyn Function>, Failure> {
        Ok(Box::new(self.clone()))
    }
}

impl Function for Expression {
    fn evaluate(&mut self, call: &Call<'_>) -> Result<Value, Failure> {
        let mut variables: SmallVec<[(&str, Real); 8]> = SmallVec::new();
        for (name, source) in self.names.iter().zip(self.sources.iter()) {
            let value = match source {
                Source::Coordinate(i) => call.point.get(*i).copied().unwrap_or(f64::NAN),
                Source::Seed => call.replica as f64,
                Source::Parameter(name) => parameter_as_number(call, name)?,
            };
            variables.push((name, Real(value)));
        }
        let components = self.formulas.iter().map(|formula| formula.evaluate(&variables)).collect();
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
    // Other combos may have a number.
    Err(Failure::new(FailureKind::Error, problem))
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
    fn errors_say_what_to_do() {
        for (text, message, help) in [
            ("x + sqr(x)", "no function `sqr`", "did you mean `sqrt`? functions: abs, acos, "),
            (
                "1 ? x : (0 && ofset)",
                "no variable `ofset`",
                "did you mean `offset`? variables here: x, offset, a",
            ),
            ("max(x)", "wrong number of arguments: `max(x)`", "`max` takes 2"),
            ("2x", "no operator before `x`", "a product is written with `*`, as in 2 * x"),
            (
                "1 + sin x",
                "no operator before `x`",
                "a function has its argument in parentheses, as in sin(x)",
            ),
            ("2(x + 1)", "no operator before `(`", "a product is written with `*`, as in 2 * x"),
            ("x * \u{3b1}", "unexpected letter `\u{3b1}`", "names in a formula are of the letters a to z"),
            ("x \u{2212} 1", "unexpected character `\u{2212}`", LOOKS_LIKE),
            ("(x", "unclosed parenthesis `(`", LOOKS_LIKE),
            ("x +", "it ends too early", LOOKS_LIKE),
        ] {
            let table = Table::new("function").with("expression", SettingValue::Text(text.into()));
            let error = from_settings(&table, &context(), &Shared::default()).unwrap_err();
            assert_eq!(error.message, format!("in the formula `{text}`: {message}"));
            assert!(error.help.starts_with(help), "{}", error.help);
        }
        let table = Table::new("function").with("expression", SettingValue::Text("-".repeat(1000)));
        let error = from_settings(&table, &context(), &Shared::default()).unwrap_err();
        assert!(
            error.message.ends_with("more than 200 levels of parentheses and operators"),
            "{}",
            error.message
        );
    }

    #[test]
    fn a_text_where_a_number_is_wanted_is_the_fault_of_its_combo() {
        let (point, signature) = (Point::scalar(0.0), Signature::line());
        let parameters = Parameters(vec![("a".into(), Parameter::Text("auto".into()))]);
        let call = Call { point: &point, replica: 0, parameters: &parameters, signature: &signature };
        let failure = parameter_as_number(&call, "a").unwrap_err();
        assert_eq!(failure.message, "the parameter a is the text \"auto\", not a number");
        assert_eq!(failure.kind, FailureKind::Error);
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
