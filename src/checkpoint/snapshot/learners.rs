//! The table `/learners`: one row per learner, one column per parameter.
//!
//! A column has the type that its values share. Where they share none, numbers become floats and anything
//! else text, and a column of `/learners/kinds` says what each value was.

use super::read::values;
use super::text::{has, put_texts, texts, unicode};
use super::write::Columnar;
use crate::model::{Parameter, Parameters};
use hdf5::types::VarLenUnicode;
use hdf5::{Error, Group, Result};

const ABSENT: u8 = 0;
const BOOL: u8 = 1;
const INTEGER: u8 = 2;
const FLOAT: u8 = 3;
const TEXT: u8 = 4;

/// All parameter names, in the order in which they first occur.
fn names(learners: &[Parameters]) -> Vec<&str> {
    let mut names: Vec<&str> = Vec::new();
    for (name, _) in learners.iter().flat_map(|parameters| &parameters.0) {
        if !names.contains(&name.as_str()) {
            names.push(name);
        }
    }
    names
}

/// The data set of the `i`th parameter: its name where HDF5 and this table allow it.
fn dataset_name(name: &str, i: usize) -> String {
    let plain = !name.is_empty() && !name.contains(['/', '\0']) && !name.starts_with('.');
    if plain && !["npoints", "kinds"].contains(&name) { name.to_owned() } else { format!("parameter_{i}") }
}

fn kind_of(value: Option<&Parameter>) -> u8 {
    match value {
        None => ABSENT,
        Some(Parameter::Bool(_)) => BOOL,
        Some(Parameter::Integer(_)) => INTEGER,
        Some(Parameter::Float(_)) => FLOAT,
        Some(Parameter::Text(_)) => TEXT,
    }
}

pub(super) fn write(to: &Columnar, group: &Group, learners: &[Parameters], npoints: &[u64]) -> Result<()> {
    let names = names(learners);
    put_texts(group, "names", names.iter().copied())?;
    to.values(group, "npoints", npoints.iter().copied())?;
    for (i, name) in names.iter().enumerate() {
        let column: Vec<Option<&Parameter>> = learners.iter().map(|row| row.get(name)).collect();
        let kinds: Vec<u8> = column.iter().map(|value| kind_of(*value)).collect();
        let first = kinds.first().copied().unwrap_or(ABSENT);
        let dataset = dataset_name(name, i);
        let uniform = kinds.iter().all(|kind| *kind == first);
        let number = |value: &Option<&Parameter>| value.and_then(Parameter::number);
        // Integers beyond 2^53 are no floats.
        let exact = |value: &Option<&Parameter>| match value {
            Some(Parameter::Integer(i)) => i.unsigned_abs() <= 1 << 53,
            Some(Parameter::Float(_)) | None => true,
            Some(_) => false,
        };
        if uniform && first == BOOL {
            to.values(group, &dataset, column.iter().map(|v| matches!(v, Some(Parameter::Bool(true)))))?;
        } else if uniform && first == INTEGER {
            let integers = column.iter().map(|v| if let Some(Parameter::Integer(i)) = v { *i } else { 0 });
            to.values(group, &dataset, integers)?;
        } else if column.iter().all(exact) {
            to.values(group, &dataset, column.iter().map(|v| number(v).unwrap_or(f64::NAN)))?;
        } else {
            let text = |v: &Option<&Parameter>| unicode(&v.map(Parameter::to_string).unwrap_or_default());
            to.values(group, &dataset, column.iter().map(text))?;
        }
        if !uniform {
            let group =
                if has(group, "kinds") { group.group("kinds")? } else { group.create_group("kinds")? };
            to.values(&group, &dataset, kinds.iter().copied())?;
        }
    }
    Ok(())
}

pub(super) fn read(group: &Group) -> Result<Vec<Parameters>> {
    let n = group.dataset("npoints")?.size();
    let mut learners = vec![Parameters::default(); n];
    for (i, name) in texts(group, "names")?.into_iter().enumerate() {
        let dataset = dataset_name(&name, i);
        let column = column(group, &dataset, n)?;
        for (learner, value) in learners.iter_mut().zip(column) {
            learner.0.extend(value.map(|value| (name.clone(), value)));
        }
    }
    Ok(learners)
}

fn column(group: &Group, name: &str, n: usize) -> Result<Vec<Option<Parameter>>> {
    let dtype = group.dataset(name)?.dtype()?;
    let mut column: Vec<Option<Parameter>> = if dtype.is::<bool>() {
        values::<bool>(group, name)?.into_iter().map(|b| Some(Parameter::Bool(b))).collect()
    } else if dtype.is::<i64>() {
        values::<i64>(group, name)?.into_iter().map(|i| Some(Parameter::Integer(i))).collect()
    } else if dtype.is::<f64>() {
        values::<f64>(group, name)?.into_iter().map(|x| Some(Parameter::Float(x))).collect()
    } else {
        let texts = values::<VarLenUnicode>(group, name)?;
        texts.iter().map(|text| Some(Parameter::Text(text.as_str().to_owned()))).collect()
    };
    let wrong = || Error::Internal(format!("learners/{name} does not fit its kinds"));
    if has(group, "kinds") && has(&group.group("kinds")?, name) {
        let kinds = values::<u8>(&group.group("kinds")?, name)?;
        for (value, kind) in column.iter_mut().zip(kinds) {
            *value = match (kind, value.take()) {
                (ABSENT, _) => None,
                (FLOAT, Some(float @ Parameter::Float(_))) => Some(float),
                (INTEGER, Some(Parameter::Float(x))) => Some(Parameter::Integer(x as i64)),
                (TEXT, Some(text @ Parameter::Text(_))) => Some(text),
                (BOOL, Some(Parameter::Text(text))) => text.parse().ok().map(Parameter::Bool),
                (INTEGER, Some(Parameter::Text(text))) => text.parse().ok().map(Parameter::Integer),
                (FLOAT, Some(Parameter::Text(text))) => text.parse().ok().map(Parameter::Float),
                _ => return Err(wrong()),
            };
        }
    }
    if column.len() == n { Ok(column) } else { Err(wrong()) }
}
