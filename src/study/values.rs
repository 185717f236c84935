//! The values of one parameter: a single one, a list, or a range.
//!
//! Owns: what a value may be, how ranges are spaced, and when two values are the same.

use crate::model::settings::{Result, Setting, SettingError, SettingValue, Table, unknown};
use crate::model::{Parameter, shown};
use std::collections::HashMap;

/// The most combos that a study may have, and so the most values of one parameter.
pub const MOST_COMBOS: usize = 10_000_000;

const VALUE_ADVICE: &str =
    "a parameter is a number, text, true or false, a list of them, or { start = 0.0, stop = 1.0, num = 11 }";

/// The values of one entry of `[parameters]`: at least one, all different.
pub(super) fn values(setting: &Setting, path: &str) -> Result<Vec<Parameter>> {
    match &setting.value {
        SettingValue::List(items) => list(items, setting, path),
        SettingValue::Table(table) => range(table),
        _ => Ok(vec![value(setting, path)?]),
    }
}

/// A single value.
pub(super) fn value(setting: &Setting, path: &str) -> Result<Parameter> {
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
            .error(
                "start",
                format!("`{}` can't have log spacing from {} to {}", table.path, shown(start), shown(stop)),
            )
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
            .error(
                "step",
                format!("`{}` does not lead from {} to {}", table.path_of("step"), shown(start), shown(stop)),
            )
            .help("the step is not 0, and is negative if stop is below start"));
    }
    if steps >= MOST_COMBOS as f64 {
        return Err(table
            .error(
                "step",
                format!("`{}` gives {} values, more than {MOST_COMBOS}", table.path, shown(steps.round())),
            )
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

/// A text that is the same for two values exactly if they are the same: `1` is the same number as `1.0`.
pub(super) fn value_identity(value: &Parameter) -> String {
    match value {
        Parameter::Integer(i) if (*i as f64) as i64 == *i => format!("{:?}", *i as f64),
        // Adding zero turns -0.0 into 0.0: they are equal as numbers.
        Parameter::Float(x) => format!("{:?}", x + 0.0),
        Parameter::Text(text) => format!("{text:?}"),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(entry: &str) -> Result<Vec<Parameter>> {
        let table = super::super::tree::read(&format!("a = {entry}"))?;
        values(&table.entries()[0].2, "a")
    }

    fn numbers(entry: &str) -> Vec<f64> {
        read(entry).unwrap().iter().map(|value| value.number().unwrap()).collect()
    }

    fn shown(entry: &str) -> Vec<String> {
        read(entry).unwrap().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_linspace_has_exact_ends_and_the_values_of_numpy() {
        // As printed by numpy.linspace(0.1, 2.3, 7).
        assert_eq!(
            numbers("{ start = 0.1, stop = 2.3, num = 7 }"),
            [0.1, 0.4666666666666667, 0.8333333333333333, 1.2, 1.5666666666666667, 1.9333333333333333, 2.3]
        );
        assert_eq!(numbers("{ start = 3, stop = 1, num = 3 }"), [3.0, 2.0, 1.0]);
        assert_eq!(numbers("{ start = 3, stop = 3, num = 1 }"), [3.0]);
    }

    #[test]
    fn a_log_range_has_exact_ends() {
        let values = numbers("{ start = 1e-3, stop = 0.7, num = 4, spacing = 'log' }");
        assert_eq!((values[0], values[3]), (1e-3, 0.7));
        approx::assert_relative_eq!(values[1] / values[0], values[3] / values[2], max_relative = 1e-12);
    }

    #[test]
    fn a_step_includes_a_stop_that_it_meets() {
        assert_eq!(numbers("{ start = 0.0, stop = 0.3, step = 0.1 }"), [0.0, 0.1, 0.2, 0.3]);
        assert_eq!(numbers("{ start = 0, stop = 0.35, step = 0.1 }").len(), 4);
        assert_eq!(shown("{ start = 4, stop = 0, step = -2 }"), ["4", "2", "0"]);
        let far = "{ start = -9_000_000_000_000_000_001, stop = 9_000_000_000_000_000_000, step = 5_000_000_000_000_000_000 }";
        assert_eq!(shown(far)[3], "5999999999999999999");
    }

    #[test]
    fn whole_numbers_beside_decimal_ones_become_decimal() {
        assert_eq!(shown("[1, 2.5]"), ["1.0", "2.5"]);
        assert_eq!(read("[1, 'x']").unwrap_err().message, "`a[1]` is text, but `a[0]` is a number");
    }
}
