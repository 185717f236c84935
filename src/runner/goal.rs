//! Goals: when a run has all that it was made for.
//!
//! A [`Goal`] is plain data, read from `[goal]` of a study. A [`GoalTracker`] holds it against a run: it is told
//! which learner changed, so that its cost does not grow with the number of learners. Neither reads a clock.
//!
//! | key | holds when | over |
//! |---|---|---|
//! | `loss` | the loss is this or less | each learner |
//! | `npoints` | this many values were told | each learner |
//! | `done` | the learner has all that it wants by its own criterion | each learner |
//! | `total_npoints` | all learners together were told this many values | the run |
//! | `duration` | this much time has passed | the run |
//! | `end_time` | this moment has come | the run |
//!
//! A learner is *finished* when the first of its conditions holds; the run reaches its goal when every learner is
//! finished, or when the first condition over the run holds. With `all = true` a learner needs all of its
//! conditions, and the run needs all learners and all conditions over the run.

mod tracker;

pub use tracker::{GoalTracker, Moment, Progress, Reached};

use crate::model::settings::{self, Setting, SettingError, SettingValue, Table, unknown};
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use std::fmt;
use std::time::Duration;

/// When to stop.
#[derive(Clone, Debug, PartialEq)]
pub enum Goal {
    /// Only a signal or the end of the allocation stops the run.
    Forever,
    /// At the first of these conditions, or when all hold.
    When {
        /// At least one, at most one of each kind.
        conditions: Vec<Condition>,
        /// All must hold, not just one.
        all: bool,
    },
}

/// One thing that a goal asks for.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Condition {
    /// Each learner: real loss at most this (upstream: `loss_goal`).
    Loss(f64),
    /// Each learner: at least this many values (upstream: `npoints_goal`).
    Npoints(u64),
    /// Each learner: done by its own criterion.
    Done,
    /// All learners together: at least this many values.
    TotalNpoints(u64),
    /// The run: at least this much time since its start (upstream: `duration_goal`).
    Duration(Duration),
    /// The run: at or after this moment (upstream: `end_time_goal`).
    EndTime(Timestamp),
}

impl Condition {
    /// Whether it is asked of each learner, not of the run as a whole.
    pub fn is_per_learner(&self) -> bool {
        matches!(self, Self::Loss(_) | Self::Npoints(_) | Self::Done)
    }
}

const EXAMPLE: &str = "write\n[goal]\nloss = 0.01          # and/or npoints = 1000, duration = \"2h\"\nor, above the first [section]: goal = \"forever\"";

impl Goal {
    /// A goal of one condition.
    pub fn new(condition: Condition) -> Self {
        Self::When { conditions: vec![condition], all: false }
    }

    /// The conditions; none for a run without an end.
    pub fn conditions(&self) -> &[Condition] {
        match self {
            Self::Forever => &[],
            Self::When { conditions, .. } => conditions,
        }
    }

    /// The loss that learners aim for, if there is such a condition.
    pub fn loss(&self) -> Option<f64> {
        self.conditions().iter().find_map(|condition| match condition {
            Condition::Loss(loss) => Some(*loss),
            _ => None,
        })
    }

    /// Reads the goal of a study: `goal = "forever"`, `goal = "done"` or the table `[goal]`.
    ///
    /// `ends_by_itself` says whether the study's learners have a criterion of their own; `done` is then the goal
    /// if none is given (upstream: `auto_goal`). Times without an offset are of `zone`.
    pub fn from_settings(
        study: &Table,
        ends_by_itself: bool,
        zone: &TimeZone,
    ) -> std::result::Result<Self, Vec<SettingError>> {
        let no_criterion = |error: SettingError| {
            error.help(
                "only learners like `sequence`, `average` and `integrator` come to an end by themselves: give loss, npoints or duration",
            )
        };
        match study.get("goal") {
            None if ends_by_itself => Ok(Self::new(Condition::Done)),
            None => Err(vec![study.missing("goal").help(EXAMPLE)]),
            Some(Setting { value: SettingValue::Table(table), .. }) => {
                let goal = Self::from_table(table, zone)?;
                if goal.conditions().contains(&Condition::Done) && !ends_by_itself {
                    return Err(vec![no_criterion(
                        table.error("done", "`goal.done` never holds for this learner"),
                    )]);
                }
                Ok(goal)
            }
            Some(setting) => match &setting.value {
                SettingValue::Text(text) if text == "forever" => Ok(Self::Forever),
                SettingValue::Text(text) if text == "done" && ends_by_itself => {
                    Ok(Self::new(Condition::Done))
                }
                SettingValue::Text(text) if text == "done" => Err(vec![no_criterion(
                    study.error("goal", "the goal `done` never holds for this learner"),
                )]),
                SettingValue::Text(text) => {
                    let message = format!("unknown goal `{text}`").replace("``", "without text");
                    let mut error = unknown(&setting.span, &message, text, ["forever", "done"].into_iter());
                    error.help = format!("{}; or {EXAMPLE}", error.help);
                    Err(vec![error])
                }
                _ => Err(vec![
                    SettingError::new(&setting.span, format!("`goal` can't be {}", setting.kind()))
                        .help(EXAMPLE),
                ]),
            },
        }
    }

    fn from_table(table: &Table, zone: &TimeZone) -> std::result::Result<Self, Vec<SettingError>> {
        let mut problems = Vec::new();
        let mut conditions = Vec::new();
        let read = [
            loss(table),
            npoints(table, "npoints").map(|n| n.map(Condition::Npoints)),
            table.bool("done").map(|done| done.unwrap_or(false).then_some(Condition::Done)),
            npoints(table, "total_npoints").map(|n| n.map(Condition::TotalNpoints)),
            duration(table),
            table.get("end_time").map(|at| end_time(at, zone).map(Condition::EndTime)).transpose(),
        ];
        for condition in read {
            match condition {
                Ok(condition) => conditions.extend(condition),
                Err(error) => problems.push(error),
            }
        }
        let mut flag = |key: &str| {
            table.bool(key).unwrap_or_else(|error| {
                problems.push(error);
                None
            })
        };
        let (all, any) = (flag("all"), flag("any"));
        if all == any && all.is_some() {
            problems.push(
                table
                    .error("any", "`goal.any` and `goal.all` contradict each other")
                    .help("keep one of them"),
            );
        }
        if let Err(error) = table.finish() {
            problems.push(error);
        }
        if conditions.is_empty() && problems.is_empty() {
            problems.push(SettingError::new(&table.span, "the goal has no condition").help(EXAMPLE));
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        Ok(Self::When { conditions, all: all.unwrap_or(any == Some(false)) })
    }
}

fn loss(table: &Table) -> settings::Result<Option<Condition>> {
    match table.float("loss")? {
        Some(loss) if loss >= 0.0 && loss.is_finite() => Ok(Some(Condition::Loss(loss))),
        Some(_) => Err(table
            .error("loss", "`goal.loss` should be 0 or more, and finite")
            .help("the run stops when the loss of every learner is this or less, as in loss = 0.01")),
        None => Ok(None),
    }
}

fn npoints(table: &Table, key: &str) -> settings::Result<Option<u64>> {
    match table.count(key)? {
        Some(0) => Err(table
            .error(key, format!("`goal.{key}` is 0: nothing would be evaluated"))
            .help("use 1 or more")),
        n => Ok(n),
    }
}

fn duration(table: &Table) -> settings::Result<Option<Condition>> {
    match table.duration("duration")? {
        Some(Duration::ZERO) => Err(table
            .error("duration", "`goal.duration` is 0: nothing would be evaluated")
            .help("write it as \"90s\", \"10min\", \"1h 30m\"")),
        duration => Ok(duration.map(Condition::Duration)),
    }
}

fn end_time(setting: &Setting, zone: &TimeZone) -> settings::Result<Timestamp> {
    let bad = || {
        SettingError::new(&setting.span, "`goal.end_time` should be a date and time")
            .help("write it as 2026-11-20T08:00:00Z, or 2026-11-20 08:00:00 for local time")
    };
    let (SettingValue::Datetime(text) | SettingValue::Text(text)) = &setting.value else {
        return Err(bad());
    };
    // With an offset or a zone the moment is known; else it is a time of this place.
    if let Ok(moment) = text.parse::<Timestamp>() {
        return Ok(moment);
    }
    if let Ok(zoned) = text.parse::<jiff::Zoned>() {
        return Ok(zoned.timestamp());
    }
    let local = text.parse::<DateTime>().map_err(|_| bad())?;
    local.to_zoned(zone.clone()).map(|zoned| zoned.timestamp()).map_err(|_| bad())
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Loss(loss) => write!(f, "loss <= {loss:?}"),
            Self::Npoints(n) => write!(f, "npoints >= {n}"),
            Self::Done => f.write_str("done"),
            Self::TotalNpoints(n) => write!(f, "total npoints >= {n}"),
            Self::Duration(duration) => {
                let span = jiff::SignedDuration::try_from(*duration).unwrap_or(jiff::SignedDuration::MAX);
                write!(f, "duration {span:#}")
            }
            Self::EndTime(at) => write!(f, "end time {at}"),
        }
    }
}

impl fmt::Display for Goal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Forever => f.write_str("forever"),
            Self::When { conditions, all } => {
                let texts: Vec<_> = conditions.iter().map(ToString::to_string).collect();
                f.write_str(&texts.join(if *all { " and " } else { " or " }))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::settings::SettingValue as V;

    fn goal(entries: &[(&str, V)]) -> std::result::Result<Goal, Vec<SettingError>> {
        let table =
            entries.iter().fold(Table::new("goal"), |table, (key, value)| table.with(key, value.clone()));
        Goal::from_settings(&Table::new("").with("goal", V::Table(table)), false, &TimeZone::UTC)
    }

    fn text(s: &str) -> V {
        V::Text(s.into())
    }

    #[test]
    fn all_conditions_are_read() {
        let entries = [
            ("loss", V::Float(0.01)),
            ("npoints", V::Integer(10)),
            ("duration", text("2h")),
            ("end_time", V::Datetime("2026-11-20T08:00:00+01:00".into())),
            ("total_npoints", V::Float(1e6)),
            ("all", V::Bool(true)),
        ];
        let goal = goal(&entries).unwrap();
        assert_eq!(
            goal.to_string(),
            "loss <= 0.01 and npoints >= 10 and total npoints >= 1000000 and duration 2h and end time 2026-11-20T07:00:00Z"
        );
        assert_eq!(goal.loss(), Some(0.01));
    }

    #[test]
    fn a_time_without_offset_is_of_the_given_zone() {
        let zone = TimeZone::fixed(jiff::tz::offset(2));
        for text in ["2026-11-20 08:00", "2026-11-20T08:00:00", "2026-11-20T06:00Z"] {
            let setting = Setting { value: V::Text(text.into()), span: 0..0 };
            assert_eq!(end_time(&setting, &zone).unwrap().to_string(), "2026-11-20T06:00:00Z");
        }
    }

    #[test]
    fn several_problems_of_a_goal_are_found_at_once() {
        let problems = goal(&[("loss", V::Float(-1.0)), ("npoints", V::Integer(0)), ("lost", V::Integer(1))])
            .unwrap_err();
        let messages: Vec<_> = problems.iter().map(|p| p.message.as_str()).collect();
        assert_eq!(
            messages,
            [
                "`goal.loss` should be 0 or more, and finite",
                "`goal.npoints` is 0: nothing would be evaluated",
                "unknown key `lost` in [goal]"
            ]
        );
        assert_eq!(problems[2].help, "did you mean `loss`?");
    }

    #[test]
    fn any_and_all_are_two_words_for_one_thing() {
        let with = |key, value| goal(&[("loss", V::Float(1.0)), (key, V::Bool(value))]).unwrap();
        let all = |goal| matches!(goal, Goal::When { all: true, .. });
        assert!(all(with("all", true)) && all(with("any", false)));
        assert!(!all(with("all", false)) && !all(with("any", true)));
        let both = [("loss", V::Float(1.0)), ("all", V::Bool(true)), ("any", V::Bool(true))];
        assert_eq!(goal(&both).unwrap_err().len(), 1);
    }

    #[test]
    fn running_forever_has_to_be_asked_for() {
        let study = Table::new("");
        assert!(Goal::from_settings(&study, false, &TimeZone::UTC).is_err());
        assert_eq!(Goal::from_settings(&study, true, &TimeZone::UTC), Ok(Goal::new(Condition::Done)));
        let study = study.with("goal", text("forever"));
        assert_eq!(Goal::from_settings(&study, false, &TimeZone::UTC), Ok(Goal::Forever));
        assert!(goal(&[]).is_err());
    }

    #[test]
    fn a_goal_that_can_never_hold_is_refused() {
        assert!(goal(&[("done", V::Bool(true))]).is_err());
        let study = Table::new("").with("goal", text("done"));
        assert!(Goal::from_settings(&study, false, &TimeZone::UTC).is_err());
    }
}
