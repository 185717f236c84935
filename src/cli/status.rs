use super::args::StatusArgs;
use super::exit::{CommandError, Exit};
use super::open::{MEND, Rebuilt, checkpoint_error, lost, rebuild, refused_changes, status_path};
use super::{figures, output};
use crate::checkpoint::{self, EndingKind, Loaded};
use crate::learner::{Learner, Loss};
use crate::report::{Align, TextTable, count, duration, loss, percent, rate};
use crate::runner::goal::{GoalTracker, Moment};
use crate::runner::look_at_all;
use crate::study::{Reader, Study};
use jiff::Timestamp;
use serde_json::{Value as Json, json};
use std::collections::BTreeMap;
use std::time::Duration;

/// How a study stands, told from its files alone: works while a run goes on, after it and after its death.
pub(super) fn status(args: &StatusArgs) -> Result<Exit, CommandError> {
    // The function is not needed, and a study for `ask-tell` has none.
    let study = Study::load_for(Reader::Learners, &args.study.study)?;
    let loaded = checkpoint::read(&study.checkpoint.folder, &study.name).map_err(checkpoint_error)?;
    let Rebuilt { engine, restored, combos, stored, places, .. } = match rebuild(&study, &loaded) {
        Err(unfit) if unfit.exit == Exit::Unreadable => return files_alone(args, &study, &loaded, unfit),
        rebuilt => rebuilt?,
    };
    let mut goals = GoalTracker::new(study.goal.clone(), combos.len());
    look_at_all(&mut goals, engine.learner());
    let mut state = State::of(&loaded, restored.told);
    let live = live(&study);
    let mut ending = loaded.ended.as_ref().map(|ended| ended.ending.reason.clone());
    // A run that could not save any more may have left its last word beside the checkpoint.
    if state == State::Killed
        && let Some(reason) = live.as_ref().and_then(|live| live.get("ended")?.as_str())
    {
        (state, ending) = (State::Ended(EndingKind::Failed), Some(reason.to_owned()));
    }
    if state == State::Ended(EndingKind::Goal) && !still_reached(&study, &loaded, &goals) {
        state = State::Ended(EndingKind::Stopped);
        ending =
            ending.map(|reason| format!("{reason}, before the study was changed; the same command goes on"));
    }
    // Of the process that has the lock, not of a run that has lost it.
    let mut live = live.filter(|live| loaded.holder.as_ref().is_some_and(|holder| live["pid"] == holder.pid));
    let silent = live.as_ref().and_then(silence);
    // What it last said of its pace does not hold any more.
    if let (Some(live), Some(_)) = (&mut live, silent) {
        ["rate_per_s", "busy", "time_left_s"].iter().for_each(|key| live[*key] = Json::Null);
    }
    // Of the study alone: to read the function's files may take long.
    let changed = refused_changes(&study, &BTreeMap::new(), &loaded);
    let notices: Vec<_> = loaded.notices.iter().cloned().chain(changed).collect();
    let learner = engine.learner();
    if args.report.json {
        let mut all = json!({
            "study": study.name,
            "state": state.name(),
            "npoints": learner.npoints(),
            "loss": crate::model::json::from_number(learner.loss(Loss::Real)),
            "goal": study.goal.to_string(),
            "learners": combos.len(),
            "finished_learners": goals.finished(),
            "to_be_finished": restored.resumed,
            "given_up": restored.given_up,
            "failed_attempts": loaded.failures.len(),
            "generation": loaded.generation,
            "written": loaded.written,
            "ending": ending,
            "early": restored.early,
            "ended_at": loaded.ended.as_ref().map(|ended| ended.at),
            "holder": loaded.holder.as_ref().map(ToString::to_string),
            "notices": notices,
            "losses": loaded.losses,
            "figures": figures::json(learner),
            "live": live,
            "silent_s": silent.map(|silent| silent.as_secs_f64()),
        });
        if args.failures {
            all["failures"] = loaded.failures.iter().map(|failed| failure_json(failed, &places)).collect();
        }
        if args.learners {
            all["by_learner"] = figures::each(learner)
                .zip(combos.iter())
                .map(|(learner, combo)| {
                    let loss = crate::model::json::from_number(learner.loss(Loss::Real));
                    json!({
                        "parameters": combo.to_string(), "npoints": learner.npoints(), "loss": loss,
                        "figures": figures::json(learner),
                    })
                })
                .collect();
        }
        output::print(all);
        return whole(&loaded);
    }
    notices.iter().for_each(output::note);
    output::print(text(
        &study,
        (&state, ending),
        &loaded,
        learner,
        &goals,
        (live.as_ref(), silent, restored.given_up),
    ));
    if args.learners {
        let mut table = TextTable::new(&[
            ("parameters", Align::Left),
            ("points", Align::Right),
            ("loss", Align::Right),
            ("figures", Align::Left),
        ]);
        for (learner, combo) in figures::each(learner).zip(combos.iter()) {
            let (points, loss) = (count(learner.npoints() as u64), loss(learner.loss(Loss::Real)));
            table.row([combo.to_string(), points, loss, figures::text(learner)]);
        }
        output::print(format!("\n{table}"));
    }
    if args.failures {
        let columns = ["point", "parameters", "attempt", "failure"].map(|name| (name, Align::Left));
        let mut table = TextTable::new(&columns);
        for failed in &loaded.failures {
            let combo =
                stored.get(failed.sample.learner as usize).map(ToString::to_string).unwrap_or_default();
            let last = if failed.given_up { " (given up)" } else { "" };
            let point = format!("{:?}", &failed.sample.point[..]);
            table.row([
                point,
                combo,
                format!("{}{last}", failed.meta.attempt + 1),
                failed.failure.to_string(),
            ]);
        }
        output::print(format!("\n{table}"));
    }
    whole(&loaded)
}

/// What is shown is no whole picture where results are lost: no script should take it for one.
fn whole(loaded: &Loaded) -> Result<Exit, CommandError> {
    lost(loaded).map_or(Ok(Exit::Done), |lost| Err(lost.help(MEND)))
}

/// What is stored, where the learners can't take it, and why they can't.
fn files_alone(
    args: &StatusArgs,
    study: &Study,
    loaded: &Loaded,
    unfit: CommandError,
) -> Result<Exit, CommandError> {
    let state = State::of(loaded, loaded.len() as u64);
    let failures = loaded.failures.len();
    if args.report.json {
        output::print(json!({
            "study": study.name,
            "state": state.name(),
            "npoints": loaded.len(),
            "failed_attempts": failures,
            "generation": loaded.generation,
            "written": loaded.written,
            "holder": loaded.holder.as_ref().map(ToString::to_string),
            "notices": loaded.notices,
            "losses": loaded.losses,
            "unfit": unfit.message,
        }));
        return Err(unfit);
    }
    loaded.notices.iter().for_each(output::note);
    let holder = loaded.holder.as_ref().map(|holder| format!(" ({holder})")).unwrap_or_default();
    output::print(format!("{}: {}{holder}", study.name, state.name()));
    output::print(format!("points   {} are stored, which do not fit the study", count(loaded.len() as u64)));
    if failures > 0 {
        output::print(format!("failures {failures} attempts"));
    }
    Err(unfit)
}

#[derive(Clone, Debug, PartialEq)]
enum State {
    NotStarted,
    Running,
    /// It ended without saying so.
    Killed,
    /// Some of what it left can't be read.
    Damaged,
    Ended(EndingKind),
}

impl State {
    fn of(loaded: &Loaded, told: u64) -> Self {
        match (&loaded.holder, &loaded.ended) {
            (Some(_), _) => Self::Running,
            (None, _) if !loaded.losses.is_empty() => Self::Damaged,
            (None, Some(ended)) => Self::Ended(ended.ending.kind),
            (None, None) if loaded.header.is_none() && told == 0 => Self::NotStarted,
            (None, None) => Self::Killed,
        }
    }

    fn name(&self) -> &'static str {
        match self {
            Self::NotStarted => "not started",
            Self::Running => "running",
            Self::Killed => "killed",
            Self::Damaged => "damaged",
            Self::Ended(EndingKind::Goal) => "goal reached",
            Self::Ended(EndingKind::Stopped) => "stopped",
            Self::Ended(EndingKind::Failed) => "failed",
        }
    }
}

/// What the running process last wrote about itself.
fn live(study: &Study) -> Option<Json> {
    serde_json::from_str(&std::fs::read_to_string(status_path(study)).ok()?).ok()
}

/// A process that has not written for so long about itself, which it does every two seconds, is stopped, cut off or
/// dead on another host. Clocks of two hosts may differ by some seconds.
const SILENT: Duration = Duration::from_secs(60);

/// How long the process has been silent, if that is long.
fn silence(live: &Json) -> Option<Duration> {
    let updated: Timestamp = live["updated"].as_str()?.parse().ok()?;
    let silent = Duration::try_from(Timestamp::now().duration_since(updated)).ok()?;
    (silent > SILENT).then_some(silent)
}

/// Whether the goal that a run has reached is still reached with the study as it is now.
fn still_reached(study: &Study, loaded: &Loaded, goals: &GoalTracker) -> bool {
    let Some(header) = &loaded.header else { return true };
    if header.study_text == study.text {
        return true;
    }
    let before = Study::parse_for(Reader::Learners, &header.study_text, &study.path);
    // A time that a run was to take has passed for that run only.
    let same = before.is_ok_and(|before| before.goal == study.goal);
    let elapsed = if same { Duration::MAX } else { Duration::ZERO };
    goals.reached(Moment { elapsed, now: Timestamp::now() }).is_some()
}

fn text(
    study: &Study,
    (state, ending): (&State, Option<String>),
    loaded: &Loaded,
    learner: &dyn Learner,
    goals: &GoalTracker,
    (live, silent, given_up): (Option<&Json>, Option<Duration>, u64),
) -> String {
    let mut lines = vec![format!("{}: {}", study.name, state.name())];
    if let Some(silent) = silent {
        lines[0].push_str(&format!(", but no sign of life for {}", duration(silent)));
    }
    if let Some(holder) = &loaded.holder {
        lines[0].push_str(&format!(" ({holder})"));
    }
    if let (State::Ended(_), Some(reason)) = (state, ending) {
        lines.push(format!("ended    {reason}"));
    }
    if *state == State::Killed {
        lines.push("ended    without a last word; the same command goes on".to_owned());
    }
    lines.push(format!("points   {}", count(learner.npoints() as u64)));
    let learners = learner.children().map_or(1, <[_]>::len);
    if learners > 1 {
        lines.push(format!("learners {} of {} finished", goals.finished(), count(learners as u64)));
    }
    lines.push(format!("loss     {}", loss(learner.loss(Loss::Real))));
    lines.push(format!("goal     {}", study.goal));
    let shown = figures::text(learner);
    if !shown.is_empty() {
        lines.push(format!("figures  {shown}"));
    }
    if !loaded.failures.is_empty() {
        lines.push(format!("failures {} attempts, {given_up} points given up", loaded.failures.len()));
    }
    if let Some(live) = live.filter(|_| silent.is_none()) {
        let number = |key: &str| live.get(key).and_then(Json::as_f64).unwrap_or(f64::NAN);
        let mut line = format!(
            "now      {}, {} of {} workers busy, efficiency {}",
            rate(number("rate_per_s")),
            number("busy"),
            number("workers"),
            percent(number("efficiency")),
        );
        if let Some(left) = live.get("time_left_s").and_then(Json::as_f64) {
            line.push_str(&format!(
                ", {} left",
                duration(Duration::try_from_secs_f64(left).unwrap_or_default())
            ));
        }
        lines.push(line);
        lines.extend(troubled_workers(live));
    }
    if let Some(world) = live.and_then(|live| live.get("world")?.as_str()) {
        lines.push(format!("on       {world}"));
    }
    lines.join("\n")
}

/// Most workers that are listed one by one.
const LISTED: usize = 8;

/// A line for each worker that is slow or lost.
fn troubled_workers(live: &Json) -> Vec<String> {
    let list = |key: &str| live.get(key).and_then(Json::as_array).cloned().unwrap_or_default();
    let text = |of: &Json, key: &str| of[key].as_str().unwrap_or("?").to_owned();
    let time = |of: &Json, key: &str| {
        duration(Duration::try_from_secs_f64(of[key].as_f64().unwrap_or_default()).unwrap_or_default())
    };
    let slow = |worker: &Json| {
        let stopped = if worker["stopped"] == true { "; its process is stopped or cut off" } else { "" };
        format!(
            "slow     rank {} on {}: no answer for {}, where 99 of 100 points take up to {}{stopped}",
            worker["rank"],
            text(worker, "host"),
            time(worker, "silent_s"),
            time(worker, "usual_s"),
        )
    };
    let lost = |worker: &Json| {
        format!(
            "lost     rank {} on {} (pid {}): {}",
            worker["rank"],
            text(worker, "host"),
            worker["pid"],
            text(worker, "reason")
        )
    };
    let mut lines: Vec<String> = list("stragglers").iter().map(slow).collect();
    lines.extend(list("lost_workers").iter().map(lost));
    if lines.len() > LISTED {
        let more = lines.len() - LISTED;
        lines.truncate(LISTED);
        lines.push(format!("         and {more} more (status --json)"));
    }
    lines
}

/// `places`: by index in the checkpoint, the places of the learners in the study.
fn failure_json(failed: &checkpoint::Failed, places: &[Option<u32>]) -> Json {
    let learner = failed.sample.learner;
    json!({
        // That of a combo which has left the study is null.
        "learner": places.get(learner as usize).copied().unwrap_or(Some(learner)),
        "point": failed.sample.point.to_vec(),
        "replica": failed.sample.replica,
        "attempt": failed.meta.attempt,
        "given_up": failed.given_up,
        "kind": failed.failure.kind.name(),
        "message": failed.failure.message,
        "detail": failed.failure.detail,
        "worker": failed.meta.worker,
    })
}
