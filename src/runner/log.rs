use crate::learner::inner::left_to_inner;
use crate::learner::{Learner, Suggestion, TellError};
use crate::model::{Detail, Point, Sample, Value, json};
use serde_json::{Value as Json, json as object};
use std::io::{self, BufRead, Read, Write};

/// A learner that writes every call that changes it to a log, one JSON object a line, so that a run can be
/// replayed exactly (upstream: `Runner(log=True)` and `replay_log`).
///
/// | line | call |
/// |---|---|
/// | `{"ask": 2, "points": [[0, 0, [0.5]], …]}` | `ask(2)` returned these samples: learner, replica, coordinates |
/// | `{"tell": [0, 0, [0.5]], "value": [1.25]}` | `tell`; with `"names": ["y"]` where the components have names |
/// | `{"tell_pending": [0, 0, [0.5]]}` | `tell_pending` |
/// | `{"give_up": [0, 0, [0.5]]}` | `give_up` |
/// | `{"remove_unfinished": true}` | `remove_unfinished` |
/// | `{"rest": 3, "resting": true}` | `rest` |
/// | `{"work_in_parallel": true}` | `work_in_parallel` |
///
/// A run that goes on tells its learner first what is stored: its log begins with that, and can be replayed by
/// itself. The command line keeps the logs of earlier runs as `NAME.log.1`, `NAME.log.2`, ….
pub struct Log {
    inner: Box<dyn Learner>,
    out: Box<dyn Write + Send>,
    /// The first error of writing; a log that can't be written must not end a run.
    failed: Option<io::Error>,
}

impl Log {
    /// Logs the calls to `inner` from now on.
    pub fn new(inner: Box<dyn Learner>, out: Box<dyn Write + Send>) -> Self {
        Self { inner, out, failed: None }
    }

    fn write(&mut self, line: &Json) {
        if self.failed.is_none()
            && let Err(error) = writeln!(self.out, "{line}").and_then(|()| self.out.flush())
        {
            tracing::warn!("the log of asks and tells can't be written and ends here: {error}");
            self.failed = Some(error);
        }
    }
}

fn sample_to_json(sample: &Sample) -> Json {
    let coordinates: Vec<Json> = sample.point.iter().copied().map(json::from_number).collect();
    object!([sample.learner, sample.replica, coordinates])
}

fn sample_from_json(json: &Json) -> Option<Sample> {
    let [learner, replica, coordinates] = json.as_array()?.as_slice() else { return None };
    Some(Sample {
        learner: u32::try_from(learner.as_u64()?).ok()?,
        replica: replica.as_u64()?,
        point: coordinates.as_array()?.iter().map(json::to_number).collect::<Option<Point>>()?,
    })
}

impl Learner for Log {
    fn kind(&self) -> &'static str {
        self.inner.kind()
    }

    left_to_inner!();

    fn learned(&self, outputs: Vec<String>) -> Vec<String> {
        self.inner.learned(outputs)
    }

    fn ask_into(&mut self, n: usize, out: &mut Vec<Suggestion>) {
        let before = out.len();
        self.inner.ask_into(n, out);
        let points: Vec<Json> = out[before..].iter().map(|s| sample_to_json(&s.sample)).collect();
        self.write(&object!({"ask": n, "points": points}));
    }

    fn suggest(&mut self, n: usize) -> Vec<Suggestion> {
        self.inner.suggest(n)
    }

    fn tell(&mut self, sample: &Sample, value: &Value) -> Result<(), TellError> {
        let components: Vec<Json> = value.components.iter().copied().map(json::from_number).collect();
        let mut line = object!({"tell": sample_to_json(sample), "value": components});
        if let Some(detail) = value.detail.as_ref().filter(|detail| !detail.names.is_empty()) {
            line["names"] = detail.names.as_slice().into();
        }
        let told = self.inner.tell(sample, value);
        // A value without numbers only asks whether the learner knows the point, which a replay would stop at if not.
        if !(value.components.is_empty() || matches!(told, Err(TellError::Foreign(_)))) {
            self.write(&line);
        }
        told
    }

    fn tell_pending(&mut self, sample: &Sample) {
        self.write(&object!({"tell_pending": sample_to_json(sample)}));
        self.inner.tell_pending(sample);
    }

    fn give_up(&mut self, sample: &Sample) {
        self.write(&object!({"give_up": sample_to_json(sample)}));
        self.inner.give_up(sample);
    }

    fn remove_unfinished(&mut self) {
        self.write(&object!({"remove_unfinished": true}));
        self.inner.remove_unfinished();
    }

    fn rest(&mut self, child: u32, resting: bool) {
        self.write(&object!({"rest": child, "resting": resting}));
        self.inner.rest(child, resting);
    }

    fn work_in_parallel(&mut self) {
        self.write(&object!({"work_in_parallel": true}));
        self.inner.work_in_parallel();
    }

    fn new_empty(&self) -> Box<dyn Learner> {
        self.inner.new_empty()
    }

    /// The copy writes no log.
    fn boxed_clone(&self) -> Box<dyn Learner> {
        self.inner.boxed_clone()
    }

    fn children(&self) -> Option<&[Box<dyn Learner>]> {
        self.inner.children()
    }
}

/// How each line of a log begins.
const CALLS: [&str; 7] =
    ["ask", "tell", "tell_pending", "give_up", "remove_unfinished", "rest", "work_in_parallel"];

/// Whether this is the log of a run, by how it begins; a kill may have left nothing, or a part of a line.
pub fn is_log(mut file: impl Read) -> io::Result<bool> {
    let line_of = |call: &str| format!("{{\"{call}\":");
    let longest = CALLS.iter().map(|call| line_of(call).len()).max().unwrap_or_default();
    let mut begin = Vec::new();
    file.by_ref().take(longest as u64).read_to_end(&mut begin)?;
    let begin = begin.trim_ascii_start();
    let fits = |line: String| begin.starts_with(line.as_bytes()) || line.as_bytes().starts_with(begin);
    Ok(CALLS.iter().map(|call| line_of(call)).any(fits))
}

/// A log that can't be replayed.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// There is no call in it.
    #[error("it holds no calls to replay")]
    Empty,
    /// The log can't be read.
    #[error("line {line}: {source}")]
    Io {
        /// Counted from 1.
        line: usize,
        /// The reason.
        source: io::Error,
    },
    /// A line is none of those of [`Log`].
    #[error("line {line} is not a line of a log of asks and tells: {text}")]
    Malformed {
        /// Counted from 1.
        line: usize,
        /// The line.
        text: String,
    },
    /// The learner asked other points than those in the log.
    #[error("line {line}: the log says that {logged} was asked, but the learner now asks {asked}")]
    Differs {
        /// Counted from 1.
        line: usize,
        /// From the log.
        logged: String,
        /// From the learner.
        asked: String,
    },
    /// The learner refuses a value of the log.
    #[error("line {line}: {source}")]
    Tell {
        /// Counted from 1.
        line: usize,
        /// The reason.
        source: TellError,
    },
}

/// Makes the calls of a log on a learner and checks that it asks the same points. Returns the number of calls,
/// of which there has to be one at least. A last line that was cut off with its run is none.
pub fn replay(learner: &mut dyn Learner, mut log: impl BufRead) -> Result<usize, LogError> {
    let (mut calls, mut line, mut text) = (0, 0, String::new());
    loop {
        text.clear();
        line += 1;
        if log.read_line(&mut text).map_err(|source| LogError::Io { line, source })? == 0 {
            break;
        }
        if text.trim().is_empty() {
            continue;
        }
        let malformed = || LogError::Malformed { line, text: text.trim_end().chars().take(120).collect() };
        let call: Json = match serde_json::from_str(&text) {
            Err(error) if error.is_eof() && !text.ends_with('\n') => break,
            call => call.map_err(|_| malformed())?,
        };
        if let Some(n) = call.get("ask").and_then(Json::as_u64) {
            let asked: Vec<Json> =
                learner.ask(n as usize).iter().map(|s| sample_to_json(&s.sample)).collect();
            let (asked, logged) = (Json::from(asked), call.get("points").cloned().unwrap_or_default());
            if asked != logged {
                return Err(LogError::Differs { line, logged: logged.to_string(), asked: asked.to_string() });
            }
        } else if let Some(sample) = call.get("tell") {
            let sample = sample_from_json(sample).ok_or_else(malformed)?;
            let components = call.get("value").and_then(Json::as_array).ok_or_else(malformed)?;
            let components: Option<Vec<f64>> = components.iter().map(json::to_number).collect();
            let mut value = Value::vector(&components.ok_or_else(malformed)?);
            if let Some(names) = call.get("names").and_then(Json::as_array) {
                let names: Option<_> = names.iter().map(|name| name.as_str().map(str::to_owned)).collect();
                let names = names.ok_or_else(malformed)?;
                value.detail = Some(Box::new(Detail { names, extra: None }));
            }
            // A refused value is part of the run as it was: the run went on after it.
            match learner.tell(&sample, &value) {
                Ok(()) | Err(TellError::WrongShape { .. } | TellError::Unusable(_)) => {}
                Err(source) => return Err(LogError::Tell { line, source }),
            }
        } else if let Some(sample) = call.get("tell_pending") {
            learner.tell_pending(&sample_from_json(sample).ok_or_else(malformed)?);
        } else if let Some(sample) = call.get("give_up") {
            learner.give_up(&sample_from_json(sample).ok_or_else(malformed)?);
        } else if call.get("work_in_parallel").is_some() {
            learner.work_in_parallel();
        } else if call.get("remove_unfinished").is_some() {
            learner.remove_unfinished();
        } else if let Some(child) = call.get("rest").and_then(Json::as_u64) {
            let resting = call.get("resting").and_then(Json::as_bool).ok_or_else(malformed)?;
            learner.rest(u32::try_from(child).map_err(|_| malformed())?, resting);
        } else {
            return Err(malformed());
        }
        calls += 1;
    }
    if calls == 0 { Err(LogError::Empty) } else { Ok(calls) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::settings::{SettingValue, Table};

    #[test]
    fn a_last_line_that_was_cut_is_no_call() {
        let table = Table::new("learner").with("type", SettingValue::Text("average".into()));
        let table = table.with("atol", SettingValue::Float(0.1));
        let mut learner = crate::learner::from_settings(&table).unwrap();
        let mut calls = |text: &str| replay(learner.as_mut(), text.as_bytes());
        let whole = "{\"remove_unfinished\":true}\n";
        assert!(matches!(calls(&format!("{whole}{{\"tell\":[0, 0.")), Ok(1)));
        assert!(matches!(
            calls(&format!("{whole}{{\"tell\":[0, 0.\n")),
            Err(LogError::Malformed { line: 2, .. })
        ));
        assert!(matches!(calls(&format!("{whole}nonsense")), Err(LogError::Malformed { line: 2, .. })));
    }

    #[test]
    fn a_log_is_known_by_its_first_line_even_where_a_kill_has_cut_it() {
        let is = |text: &str| is_log(text.as_bytes()).unwrap();
        for call in CALLS {
            let line = object!({ call: 1, "points": [] }).to_string();
            let is = |part: &str| is(part) && is(&format!("\n{part}"));
            assert!((0..=line.len()).all(|end| is(&line[..end])), "{line}");
        }
        for other in ["{}", "def h(x):", "\u{89}HDF\r\n", "{\"asked\": 1}", "\n[]"] {
            assert!(!is(other), "{other:?}");
        }
    }
}
