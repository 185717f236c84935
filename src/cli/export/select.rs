//! Which learners are shown.

use super::super::args::InterpolationArgs;
use super::super::exit::CommandError;
use super::points::{pair, unknown, usage};
use crate::checkpoint::Loaded;
use crate::model::{Parameter, Parameters};
use crate::study::{Study, identity};
use std::collections::HashSet;

/// The places of the learners that `--learner` and `--where` leave, in the order of the study.
pub(super) fn selected(wish: &InterpolationArgs, combos: &[Parameters]) -> Result<Vec<usize>, CommandError> {
    if let Some(place) = wish.learner.iter().find(|place| **place >= combos.len()) {
        let message = format!("there is no learner {place}");
        return Err(usage(
            message,
            format!("the study has {}, from 0 to {}", combos.len(), combos.len() - 1),
        ));
    }
    let mut conditions = Vec::new();
    for text in wish.with.iter().flat_map(|texts| conditions_of(texts)) {
        let (name, value) = pair("--where", text)?;
        let names = || combos.iter().flat_map(|combo| &combo.0).map(|(name, _)| name.as_str());
        if !names().any(|known| known == name) {
            let mut known: Vec<&str> = names().collect();
            known.dedup();
            known.truncate(combos[0].0.len().max(1));
            return Err(unknown("parameter", name, &known));
        }
        conditions.push((name, value));
    }
    let fits = |combo: &Parameters| {
        conditions.iter().all(|(name, value)| combo.get(name).is_some_and(|own| is(own, value)))
    };
    let chosen: Vec<usize> = (0..combos.len())
        .filter(|place| wish.learner.is_empty() || wish.learner.contains(place))
        .filter(|place| fits(&combos[*place]))
        .collect();
    if chosen.is_empty() {
        return Err(usage(
            "no learner has all of these parameter values",
            "`adaptive-mpi status --learners` lists them",
        ));
    }
    Ok(chosen)
}

/// The same by their indices in the checkpoint; `None` if all are wanted, also those that left the study file.
pub(super) fn stored(
    wish: &InterpolationArgs,
    study: &Study,
    loaded: &Loaded,
) -> Result<Option<Vec<u32>>, CommandError> {
    if wish.learner.is_empty() && wish.with.is_empty() {
        return Ok(None);
    }
    let combos: Vec<Parameters> = study.combos.iter().collect();
    let chosen: HashSet<String> =
        selected(wish, &combos)?.into_iter().map(|place| identity(&combos[place])).collect();
    let stored = loaded.header.iter().flat_map(|header| &header.learners).enumerate();
    let chosen = stored.filter(|(_, combo)| chosen.contains(&identity(combo)));
    Ok(Some(chosen.map(|(index, _)| index as u32).collect()))
}

/// What `NAME=VALUE,...` is made of. A comma with no `=` up to the next one is a part of a value.
fn conditions_of(texts: &str) -> Vec<&str> {
    let (mut all, mut begin) = (Vec::new(), 0);
    for (comma, _) in texts.match_indices(',') {
        let next = &texts[comma + 1..];
        if next[..next.find(',').unwrap_or(next.len())].contains('=') {
            all.push(&texts[begin..comma]);
            begin = comma + 1;
        }
    }
    all.push(&texts[begin..]);
    all
}

/// Numbers are compared as numbers, so that 1 and 1.0 are the same.
fn is(own: &Parameter, text: &str) -> bool {
    match (own.number(), text.parse::<f64>()) {
        (Some(own), Ok(number)) => own == number,
        _ => own.to_string() == text,
    }
}

#[cfg(test)]
mod tests {
    use super::conditions_of;

    #[test]
    fn a_value_may_have_commas() {
        assert_eq!(conditions_of("a=1,b=x, y,c=,d=2"), ["a=1", "b=x, y", "c=", "d=2"]);
        assert_eq!(conditions_of("a"), ["a"]);
        assert_eq!(conditions_of("a=1,"), ["a=1,"]);
    }
}
