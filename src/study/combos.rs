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

use crate::model::settings::{Result, Setting, SettingError, SettingValue, Span, Table, unknown};
use crate::model::{Parameter, Parameters};
use std::collections::HashMap;

/// The most combos that a study may have.
pub const MOST_COMBOS: usize = 10_000_000;

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
        self.lengths().product()
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

fn value_identity(value: &Parameter) -> String {
    match value {
        Parameter::Integer(i) if (*i as f64) as i64 == *i => format!("{:?}", *i as f64),
        // Adding zero turns -0.0 into 0.0: they are equal as numbers.
        Parameter::Float(x) => format!("{:?}", x + 0.0),
        Parameter::Text(text) => format!("{text:?}"),
        other => other.to_string(),
    }
}

const PARAMETERS_EXAMPLE: &str =
    "write\n[parameters]\na = [0.01, 0.1]\nb = { start = 0.0, stop = 1.0, num = 11 }";
const VALUE_ADVICE: &str =
    "a parameter is a number, text, true or false, a list of them, or { start = 0.0, stop = 1.0, num = 11 }";

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

/// The values of one entry of `[parameters]`: at least one, all different.
fn values(setting: &Setting, path: &str) -> Result<Vec<Parameter>> {
    match &setting.value {
        SettingValue::List(items) => list(items, setting, path),
        SettingValue::Table(table) => range(table),
        _ => Ok(vec![value(setting, path)?]),
    }
}

fn value(setting: &Setting, path: &str) -> Result<Parameter> {
    match &setting.value {
        SettingValue::Bool(b) => Ok(Parameter::Bool(*b)),
        SettingValue::Integer(i) => Ok(Parameter::Integer(*i)),
        SettingValue::Float(x) if x.is_nan() => {
            Err(SettingError::new(&setting.span, format!("`{path}` is nan"))
                .help("combos are told apart by their values, and nan equals nothing"))
        }
        SettingValue::Float(x) => Ok(Parameter::Float(*x)),
        SettingValue::Text(text) => Ok(Parameter::Text(text.clone())),
        _ => Err(SettingError::new(&setting.span, format!("`{path}` can't be {}", setting.kind()))
            .help(VALUE_ADVICE)),
    }
}

fn list(items: &[Setting], setting: &Setting, path: &str) -> Result<Vec<Parameter>> {
    let too_long = items.len() > MOST_COMBOS;
    if items.is_empty() || too_long {
        let problem = if too_long { "has too many values" } else { "has no values" };
        return Err(SettingError::new(&setting.span, format!("`{path}` {problem}")).help(VALUE_ADVICE));
    }
    let mut values = Vec::with_capacity(items.len());
    for (i, item) in items.iter().enumerate() {
        values.push(value(item, &format!("{path}[{i}]"))?);
    }
    one_type(&mut values, items, path)?;
    let mut seen = HashMap::with_capacity(values.len());
    for (i, value) in values.iter().enumerate() {
        if seen.insert(value_identity(value), i).is_some() {
            return Err(SettingError::new(&items[i].span, format!("`{path}` has the value {value} twice"))
                .help("each combo gets one learner: remove one of the two"));
        }
    }
    Ok(values)
}

/// Makes all values of a list one type, so that they fit one column of a table: whole numbers beside others
/// become decimal ones.
fn one_type(values: &mut [Parameter], items: &[Setting], path: &str) -> Result<()> {
    let class = |value: &Parameter| match value {
        Parameter::Bool(_) => "true or false",
        Parameter::Integer(_) | Parameter::Float(_) => "a number",
        Parameter::Text(_) => "text",
    };
    let first = class(&values[0]);
    if let Some(i) = values.iter().position(|value| class(value) != first) {
        return Err(SettingError::new(
            &items[i].span,
            format!("`{path}[{i}]` is {}, but `{path}[0]` is {first}", class(&values[i])),
        )
        .help("the values of one parameter have one type; numbers can be written as text, in quotes"));
    }
    if values.iter().any(|value| matches!(value, Parameter::Float(_))) {
        for value in values {
            if let Parameter::Integer(i) = value {
                *value = Parameter::Float(*i as f64);
            }
        }
    }
    Ok(())
}

const SPACINGS: [&str; 2] = ["linear", "log"];

fn range(table: &Table) -> Result<Vec<Parameter>> {
    let example = "write { start = 0.0, stop = 1.0, num = 11 } or { start = 0, stop = 10, step = 2 }";
    let (start, stop) = (table.float("start")?, table.float("stop")?);
    let (num, step) = (table.count("num")?, table.float("step")?);
    let spacing = table.text("spacing")?.unwrap_or("linear");
    table.finish()?;
    let finite = |key: &str, value: Option<f64>| match value {
        None => Err(table.missing(key).help(example)),
        Some(x) if x.is_finite() => Ok(x),
        Some(_) => Err(table.error(key, format!("`{}` should be finite", table.path_of(key))).help(example)),
    };
    let (start, stop) = (finite("start", start)?, finite("stop", stop)?);
    if !SPACINGS.contains(&spacing) {
        let span = &table.error("spacing", "").span;
        return Err(unknown(span, &format!("unknown spacing `{spacing}`"), spacing, SPACINGS.into_iter()));
    }
    match (num, step) {
        (Some(_), Some(_)) => Err(table
            .error("step", format!("`{}` has both a num and a step", table.path))
            .help("remove one of them")),
        (None, None) => {
            Err(SettingError::new(&table.span, format!("`{}` needs a num or a step", table.path))
                .help(example))
        }
        (Some(num), None) => spaced(table, start, stop, num, spacing == "log"),
        (None, Some(_)) if spacing == "log" => {
            Err(table.error("step", "log spacing has no fixed step").help("give a num instead"))
        }
        (None, Some(step)) => stepped(table, start, stop, step),
    }
}

/// `num` values from start to stop, both exact; the formula of numpy's `linspace` (and `geomspace`).
fn spaced(table: &Table, start: f64, stop: f64, num: u64, log: bool) -> Result<Vec<Parameter>> {
    let bad = |message: &str, help: &str| {
        Err(table.error("num", format!("`{}` {message}", table.path_of("num"))).help(help))
    };
    let num = match usize::try_from(num) {
        Ok(0) => return bad("is 0: there would be no combo", "use 1 or more"),
        Ok(num) if num <= MOST_COMBOS => num,
        _ => {
            return bad(
                &format!("is {num}, more than {MOST_COMBOS}"),
                "each combo gets a learner of its own",
            );
        }
    };
    if num > 1 && start == stop {
        return bad("is more than 1, but start and stop are equal", "combos must differ: use num = 1");
    }
    let same_sign = (start > 0.0 && stop > 0.0) || (start < 0.0 && stop < 0.0);
    if log && !same_sign {
        return Err(table
            .error("start", format!("`{}` can't have log spacing from {start} to {stop}", table.path))
            .help("start and stop must both be positive or both be negative"));
    }
    let (from, to) = if log { (start.abs().log10(), stop.abs().log10()) } else { (start, stop) };
    let step = (to - from) / (num.max(2) - 1) as f64;
    let sign = if start < 0.0 { -1.0 } else { 1.0 };
    let value = |i: usize| match i {
        0 => start,
        _ if i == num - 1 => stop,
        _ if log => sign * 10_f64.powf(i as f64 * step + from),
        _ => i as f64 * step + from,
    };
    distinct(table, (0..num).map(value).collect())
}

/// start, start + step, … as long as stop is not passed; a value within rounding of stop is stop itself.
fn stepped(table: &Table, start: f64, stop: f64, step: f64) -> Result<Vec<Parameter>> {
    let steps = (stop - start) / step;
    if !step.is_finite() || step == 0.0 || steps < 0.0 || !steps.is_finite() {
        return Err(table
            .error("step", format!("`{}` does not lead from {start} to {stop}", table.path_of("step")))
            .help("the step is not 0, and is negative if stop is below start"));
    }
    if steps >= MOST_COMBOS as f64 {
        return Err(table
            .error("step", format!("`{}` gives {steps:.0} values, more than {MOST_COMBOS}", table.path))
            .help("each combo gets a learner of its own: use a larger step"));
    }
    let meets_stop = (steps - steps.round()).abs() < 1e-9 * steps.max(1.0);
    let last = if meets_stop { steps.round() } else { steps.floor() } as usize;
    let whole = |key: &str| match table.get(key).map(|setting| &setting.value) {
        Some(SettingValue::Integer(i)) => Some(*i),
        _ => None,
    };
    if let (Some(start), Some(stop), Some(step)) = (whole("start"), whole("stop"), whole("step")) {
        // Wide numbers: the distance between two of i64 need not fit an i64.
        let (start, stop, step) = (i128::from(start), i128::from(stop), i128::from(step));
        let values = (0..=(stop - start) / step).map(|i| i64::try_from(start + i * step));
        return Ok(values.flatten().map(Parameter::Integer).collect());
    }
    let value = |i: usize| if meets_stop && i == last { stop } else { start + i as f64 * step };
    distinct(table, (0..=last).map(value).collect())
}

/// Values of a range may still coincide where they lie closer together than floating point numbers do.
fn distinct(table: &Table, values: Vec<f64>) -> Result<Vec<Parameter>> {
    if let Some(pair) = values.windows(2).find(|pair| pair[0] == pair[1]) {
        return Err(SettingError::new(
            &table.span,
            format!("`{}` has the value {} twice", table.path, pair[0]),
        )
        .help("the values lie too close together for floating point numbers"));
    }
    Ok(values.into_iter().map(Parameter::Float).collect())
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

    fn axis(entry: &str) -> Vec<f64> {
        let combos = read(&format!("[parameters]\na = {entry}")).unwrap();
        combos.iter().map(|combo| combo.number("a").unwrap()).collect()
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
    fn a_linspace_has_exact_ends_and_the_values_of_numpy() {
        // As printed by numpy.linspace(0.1, 2.3, 7).
        assert_eq!(
            axis("{ start = 0.1, stop = 2.3, num = 7 }"),
            [0.1, 0.4666666666666667, 0.8333333333333333, 1.2, 1.5666666666666667, 1.9333333333333333, 2.3]
        );
        assert_eq!(axis("{ start = 3, stop = 1, num = 3 }"), [3.0, 2.0, 1.0]);
        assert_eq!(axis("{ start = 3, stop = 3, num = 1 }"), [3.0]);
    }

    #[test]
    fn a_log_range_has_exact_ends() {
        let values = axis("{ start = 1e-3, stop = 0.7, num = 4, spacing = 'log' }");
        assert_eq!((values[0], values[3]), (1e-3, 0.7));
        approx::assert_relative_eq!(values[1] / values[0], values[3] / values[2], max_relative = 1e-12);
    }

    #[test]
    fn a_step_includes_a_stop_that_it_meets() {
        assert_eq!(axis("{ start = 0.0, stop = 0.3, step = 0.1 }"), [0.0, 0.1, 0.2, 0.3]);
        assert_eq!(axis("{ start = 0, stop = 0.35, step = 0.1 }").len(), 4);
        assert_eq!(shown("[parameters]\na = { start = 4, stop = 0, step = -2 }"), ["a=4", "a=2", "a=0"]);
        let far = "{ start = -9_000_000_000_000_000_001, stop = 9_000_000_000_000_000_000, step = 5_000_000_000_000_000_000 }";
        assert_eq!(shown(&format!("[parameters]\na = {far}"))[3], "a=5999999999999999999");
    }

    #[test]
    fn whole_numbers_beside_decimal_ones_become_decimal() {
        assert_eq!(shown("[parameters]\na = [1, 2.5]"), ["a=1.0", "a=2.5"]);
        assert_eq!(
            read("[parameters]\na = [1, 'x']").unwrap_err().message,
            "`parameters.a[1]` is text, but `parameters.a[0]` is a number"
        );
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
