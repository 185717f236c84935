use super::output;
use crate::pool::{LostWorker, Straggler};
use crate::report::{StatusLine, Trend, time_left_at_rate};
use crate::runner::goal::Condition;
use crate::runner::{Observer, Outlook};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::json;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// How often `NAME.status.json` is written for `adaptive-mpi status` in another process.
const STATUS_EVERY: Duration = Duration::from_secs(2);
const LINE_EVERY: Duration = Duration::from_millis(200);
/// The first plain line comes after this time, and each later one after twice the time of the one before, until they keep the
/// interval of the study: behind a launcher's pipe, too, somebody may watch how a run begins.
const FIRST_LINE: Duration = Duration::from_secs(2);

/// Shows a run: a live line on a terminal, plain lines elsewhere, and a small status file for other processes.
pub(super) struct Watch {
    name: String,
    status_path: PathBuf,
    world: String,
    live: Option<ProgressBar>,
    plain_every: Option<Duration>,
    started: Instant,
    line_due: Instant,
    plain_due: Instant,
    status_due: Instant,
    estimate: Trend,
    recent: Recent,
}

/// Points a second over the last seconds.
#[derive(Default)]
struct Recent {
    marks: std::collections::VecDeque<(Duration, u64)>,
}

impl Recent {
    fn rate(&mut self, elapsed: Duration, told: u64) -> f64 {
        self.marks.push_back((elapsed, told));
        while self.marks.len() > 2 && elapsed.saturating_sub(self.marks[0].0) > Duration::from_secs(10) {
            self.marks.pop_front();
        }
        let (since, before) = self.marks[0];
        let seconds = elapsed.saturating_sub(since).as_secs_f64();
        if seconds > 0.0 { (told - before) as f64 / seconds } else { 0.0 }
    }
}

impl Watch {
    /// `plain_every` is `None` for silence.
    pub(super) fn new(
        name: &str,
        status_path: PathBuf,
        world: String,
        plain_every: Option<Duration>,
    ) -> Self {
        let now = Instant::now();
        let live = (plain_every.is_some() && output::on_terminal()).then(|| {
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
            if let Ok(style) = ProgressStyle::with_template("{msg}") {
                bar.set_style(style);
            }
            bar
        });
        Self {
            name: name.to_owned(),
            status_path,
            world,
            live,
            plain_every,
            started: now,
            line_due: now,
            plain_due: now + FIRST_LINE.min(plain_every.unwrap_or_default()),
            status_due: now,
            estimate: Trend::new(),
            recent: Recent::default(),
        }
    }

    pub(super) fn line(&mut self, outlook: &Outlook<'_>) -> StatusLine {
        let elapsed = outlook.accounting.elapsed();
        let npoints = outlook.engine.learner().npoints() as u64;
        let loss = outlook.loss();
        let rate = self.recent.rate(elapsed, outlook.told);
        self.estimate.add(elapsed, loss);
        let (part, left) = self.way_to_goal(outlook, npoints, rate, elapsed);
        StatusLine {
            name: self.name.clone(),
            elapsed,
            npoints,
            loss,
            rate,
            busy: outlook.busy(),
            workers: outlook.workers,
            finished: outlook.goals.finished(),
            learners: outlook.engine.learner().children().map_or(1, <[_]>::len),
            retries: outlook.engine.retried(),
            failed: outlook.engine.given_up(),
            part,
            left,
        }
    }

    /// The first condition of which something can be said.
    fn way_to_goal(
        &self,
        outlook: &Outlook<'_>,
        npoints: u64,
        rate: f64,
        elapsed: Duration,
    ) -> (Option<f64>, Option<Duration>) {
        let learners = outlook.engine.learner().children().map_or(1, <[_]>::len) as u64;
        for condition in outlook.goals.goal().conditions() {
            let points = match *condition {
                Condition::TotalNpoints(goal) => goal,
                Condition::Npoints(goal) => goal.saturating_mul(learners),
                Condition::Loss(goal) => match self.estimate.time_left(elapsed, goal) {
                    Some(left) => return (None, Some(left)),
                    None => continue,
                },
                Condition::Duration(goal) => {
                    let part = elapsed.as_secs_f64() / goal.as_secs_f64();
                    return (Some(part.min(1.0)), Some(goal.saturating_sub(elapsed)));
                }
                _ => continue,
            };
            let part = npoints as f64 / points.max(1) as f64;
            return (Some(part.min(1.0)), time_left_at_rate(npoints, points, rate));
        }
        (None, None)
    }

    /// `ended`: why the run is over, where that could not be saved with its results.
    fn write_status(&self, line: &StatusLine, outlook: &Outlook<'_>, ended: Option<&str>) {
        let silent = |straggler: &Straggler| {
            json!({
                "rank": straggler.rank, "host": straggler.host, "silent_s": straggler.silent.as_secs_f64(),
                "usual_s": straggler.usual.as_secs_f64(), "stopped": straggler.stopped,
            })
        };
        let health = (outlook.health)();
        let lost = |lost: &LostWorker| json!({"rank": lost.rank, "host": lost.host, "pid": lost.pid, "reason": lost.reason, "ended": lost.ended});
        let status = json!({
            "world": self.world,
            "pid": std::process::id(),
            "updated": jiff::Timestamp::now().to_string(),
            "elapsed_s": line.elapsed.as_secs_f64(),
            "npoints": line.npoints,
            "loss": crate::model::json::from_number(line.loss),
            "rate_per_s": line.rate,
            "busy": line.busy,
            "workers": line.workers,
            "in_flight": outlook.engine.in_flight(),
            "finished_learners": line.finished,
            "learners": line.learners,
            "failed_attempts": outlook.engine.failed_attempts(),
            "given_up": line.failed,
            "from_cache": outlook.from_cache,
            "efficiency": outlook.accounting.efficiency(line.workers),
            "stragglers": health.stragglers.iter().map(silent).collect::<Vec<_>>(),
            "lost_workers": health.lost.iter().map(lost).collect::<Vec<_>>(),
            "ended": ended,
            "time_left_s": line.left.map(|left| left.as_secs_f64()),
        });
        // Written aside and renamed, so that no reader sees half of it. It is only a convenience: a full disk
        // shows up where results are saved, so an error here is passed over.
        let aside = self.status_path.with_extension("json.new");
        if std::fs::write(&aside, format!("{status}\n")).is_ok() {
            let _ = std::fs::rename(&aside, &self.status_path);
        }
    }

    /// Takes the live line off the terminal and shows where the run stands at its end.
    pub(super) fn finish(mut self, outlook: &Outlook<'_>, ended: Option<&str>) {
        if let Some(live) = self.live.take() {
            live.finish_and_clear();
        }
        let line = self.line(outlook);
        self.write_status(&line, outlook, ended);
    }
}

impl Observer for Watch {
    fn progress(&mut self, outlook: &Outlook<'_>) {
        let now = Instant::now();
        let plain = self.live.is_none() && self.plain_every.is_some();
        let (show, write) = (now >= self.line_due && (self.live.is_some() || plain), now >= self.status_due);
        if !show && !write {
            return;
        }
        self.line_due = now + LINE_EVERY;
        let line = self.line(outlook);
        if let Some(live) = &self.live {
            let columns = usize::from(console_width());
            live.set_message(line.fit(columns.max(40)));
        } else if plain && now >= self.plain_due {
            self.plain_due = now + (now - self.started).min(self.plain_every.unwrap_or_default());
            output::note(&line);
        }
        if write {
            self.status_due = now + STATUS_EVERY;
            self.write_status(&line, outlook, None);
        }
    }

    fn note(&mut self, text: &str) {
        match &self.live {
            Some(live) => live.suspend(|| output::note(text)),
            None => output::note(format!("[{}] {text}", crate::report::duration(self.started.elapsed()))),
        }
    }
}

fn console_width() -> u16 {
    console::Term::stderr().size().1
}
