//! Which section a key belongs to: advice on keys that stand in another place.

use super::config::{check_scheduler, strategy};
use super::template::{FUNCTION_PARTS, LEARNER_PARTS, template};
use super::{CheckpointOptions, RunOptions, tree};
use crate::function::{self, Context};
use crate::learner;
use crate::model::Signature;
use crate::model::settings::{SettingError, SettingValue, Table};
use crate::runner::goal::Goal;
use jiff::tz::TimeZone;

/// The section that a key belongs to, if it is a key of any but this one.
pub(super) fn home_of(key: &str, but: &str) -> Option<&'static str> {
    let homes = sections().into_iter().filter(|(section, _)| *section != but);
    homes.into_iter().find(|(_, keys)| keys.iter().any(|known| known == key)).map(|(section, _)| section)
}

/// The same problem; that of an unknown key says where the key belongs.
pub(super) fn sent_home(mut problem: SettingError) -> SettingError {
    let unknown = problem.message.strip_prefix("unknown key `").and_then(|rest| rest.split_once("` in ["));
    let Some((key, section)) = unknown else { return problem };
    let Some(home) = section.strip_suffix(']').and_then(|section| home_of(key, section)) else {
        return problem;
    };
    let belongs = format!("`{key}` is a key of [{home}]");
    problem.help = match problem.help.starts_with("did you mean") {
        true => format!("{} ({belongs})", problem.help),
        false => format!("{belongs}: write it there"),
    };
    problem
}

/// The sections with the keys that whoever reads them asks for.
fn sections() -> Vec<(&'static str, Vec<String>)> {
    let read = |name: &'static str, read: &dyn Fn(&Table)| {
        let table = Table::new(name);
        // What is wrong with an empty section does not matter here.
        read(&table);
        (name, table.known())
    };
    let of_study = |name: &'static str, read: &dyn Fn(&Table)| {
        let study = Table::new("").with(name, SettingValue::Table(Table::new(name)));
        read(&study);
        (name, study.table(name).ok().flatten().map(Table::known).unwrap_or_default())
    };
    let mut learner = ("learner", Vec::new());
    for part in LEARNER_PARTS {
        learner.1.extend(keys_of("expression", part.name, "learner", &|table| {
            let _ = learner::from_settings(table);
        }));
    }
    let mut function = ("function", Vec::new());
    let parameter_names = vec!["offset".to_owned(), "a".to_owned()];
    let context = Context { signature: Signature::line(), parameter_names, ..Context::default() };
    for part in FUNCTION_PARTS {
        function.1.extend(keys_of(part.name, "1d", "function", &|table| {
            let _ = function::from_settings(table, &context);
        }));
    }
    vec![
        of_study("goal", &|study| drop(Goal::from_settings(study, true, &TimeZone::UTC))),
        learner,
        function,
        read("run", &|table| drop(RunOptions::read(table, &mut Vec::new()))),
        read("checkpoint", &|table| drop(CheckpointOptions::read(table, &mut Vec::new()))),
        of_study("balancing", &|study| drop(strategy(study))),
        read("scheduler", &|table| drop(check_scheduler(table))),
    ]
}

/// The keys of a section that is read whole: that of a template.
fn keys_of(function: &str, learner: &str, section: &str, read: &dyn Fn(&Table)) -> Vec<String> {
    let text = template(function, learner).unwrap_or_default();
    let root = tree::read(&text).unwrap_or_default();
    let Ok(Some(table)) = root.table(section) else { return Vec::new() };
    read(table);
    table.known()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_have_a_section() {
        for (key, home) in [
            ("total_npoints", "goal"),
            ("bounds", "learner"),
            ("atol", "learner"),
            ("python", "function"),
            ("init", "function"),
            ("cache", "function"),
            ("timeout", "function"),
            ("retries", "run"),
            ("compress", "checkpoint"),
            ("strategy", "balancing"),
            ("partition", "scheduler"),
        ] {
            assert_eq!(home_of(key, ""), Some(home), "{key}");
        }
        assert_eq!((home_of("loss", ""), home_of("loss", "goal")), (Some("goal"), Some("learner")));
        assert_eq!(home_of("nothing", ""), None);
    }
}
