use super::request::{Request, show};
use crate::checkpoint::{Fact, Failed, Loaded, Meta, Told};
use crate::function::json::{failure, parameters, value_from};
use crate::learner::{Learner, Loss, Suggestion, TellError, point_form};
use crate::model::json::from_number;
use crate::model::{Failure, FailureKind, Parameters, PointForm, Sample, Value};
use crate::runner::goal::{GoalTracker, Moment};
use crate::runner::outputs::Outputs;
use crate::runner::restore::{Key, key, restore_values};
use crate::runner::{NanPolicy, Restored, look_at, look_at_all};
use rustc_hash::{FxHashMap, FxHashSet};
use serde_json::{Map, Value as Json, json};
use std::ops::Range;

/// What a client may want to know about its study.
#[derive(Clone, Debug, Default)]
pub struct About {
    /// Its name.
    pub name: String,
    /// The parameter values of learner 0, 1, ….
    pub combos: Vec<Parameters>,
    /// How often a failed point should be tried again.
    pub retries: u32,
}

/// What became of a line.
#[derive(Debug, Default)]
pub struct Reply {
    /// What has to be stored before the answer is written.
    pub facts: Vec<Fact>,
    /// The answer; `null` for a request to save, which only the one who stores can answer.
    pub answer: Json,
    /// Whether a checkpoint is to be written now.
    pub save: bool,
}

/// A learner and all that a conversation with it has to remember.
///
/// O(1) beside the learner's own work for each pair; every told sample is remembered (some 50 bytes), so that a
/// second value for it is no second fact.
pub struct Session {
    learner: Box<dyn Learner>,
    form: PointForm,
    about: About,
    nan: NanPolicy,
    goals: GoalTracker,
    /// Children told since the goals looked at them.
    changed: FxHashSet<u32>,
    known: FxHashSet<Key>,
    given_up: FxHashMap<Key, Sample>,
    /// Failed attempts at samples that have no value.
    attempts: FxHashMap<Key, u32>,
    /// Names of the components, if the values name them.
    outputs: Outputs,
}

/// Why a pair is refused.
type Refusal = String;

impl Session {
    /// A conversation with an empty learner.
    pub fn new(learner: Box<dyn Learner>, about: About, nan: NanPolicy, goals: GoalTracker) -> Self {
        Self {
            form: point_form(learner.as_ref()),
            learner,
            about,
            nan,
            goals,
            changed: FxHashSet::default(),
            known: FxHashSet::default(),
            given_up: FxHashMap::default(),
            attempts: FxHashMap::default(),
            outputs: Outputs::default(),
        }
    }

    /// Takes what earlier sessions and runs left: all values in the order in which they were told, and the samples that
    /// were given up, unless they are to be tried again. What was in flight is forgotten: nobody evaluates it any
    /// more, so it may be asked again.
    ///
    /// `learner_now` gives, by index in the checkpoint, the index of the learner in this study, if it still has one.
    pub fn restore(
        &mut self,
        loaded: &Loaded,
        learner_now: &dyn Fn(u32) -> Option<u32>,
        retry_given_up: bool,
    ) -> Result<Restored, TellError> {
        let known = &mut self.known;
        let mut remember = |sample: &Sample| {
            known.insert(key(sample));
        };
        let (given_up, restored) =
            restore_values(self.learner.as_mut(), loaded, learner_now, &mut remember, retry_given_up)?;
        self.given_up.extend(given_up.into_iter().map(|sample| (key(&sample), sample)));
        self.outputs = Outputs::of(loaded);
        look_at_all(&mut self.goals, self.learner.as_ref());
        Ok(restored)
    }

    /// The learner.
    pub fn learner(&self) -> &dyn Learner {
        self.learner.as_ref()
    }

    /// Whether the goal of the study is reached, or the learner has all that it wants by its own criterion.
    pub fn is_done(&mut self, moment: Moment) -> bool {
        for child in self.changed.drain() {
            look_at(&mut self.goals, self.learner.as_ref(), child as usize);
        }
        self.goals.reached(moment).is_some() || self.learner.done() == Some(true)
    }

    /// Answers one line. `now`, in seconds since 1970, is when what it tells is said to have been evaluated.
    pub fn answer(&mut self, line: &str, now: f64, moment: Moment) -> Reply {
        let mut facts = Vec::new();
        let answer = match Request::parse(line) {
            Err(error) => Err(error.to_string()),
            Ok(Request::Save) => return Reply { save: true, ..Reply::default() },
            Ok(request) => self.act(request, now, moment, &mut facts),
        };
        Reply { facts, answer: answer.unwrap_or_else(|error| json!({ "error": error })), save: false }
    }

    fn act(
        &mut self,
        request: Request,
        now: f64,
        moment: Moment,
        facts: &mut Vec<Fact>,
    ) -> Result<Json, Refusal> {
        match request {
            Request::Ask { n, tell_pending } => Ok(self.ask(n, tell_pending)),
            Request::Tell(pairs) => {
                let told = self.read_told("tell", &pairs)?;
                self.tell_each("tell", &told, 0..told.len(), now, facts)?;
                Ok(self.told(told.len()))
            }
            Request::TellMany(pairs) => {
                let told = self.read_told("tell_many", &pairs)?;
                self.tell_many(&told, now, facts)?;
                Ok(self.told(told.len()))
            }
            Request::TellPending(points) => {
                let read = |(i, point)| self.sample("tell_pending", i, point);
                let samples = points.iter().enumerate().map(read).collect::<Result<Vec<_>, _>>()?;
                self.refuse_foreign("tell_pending", &samples)?;
                samples.iter().for_each(|sample| self.learner.tell_pending(sample));
                Ok(self.pending())
            }
            Request::RemoveUnfinished => {
                self.learner.remove_unfinished();
                self.given_up.values().for_each(|sample| self.learner.give_up(sample));
                Ok(self.pending())
            }
            Request::Failed(pairs) => self.failed(&pairs, now, facts),
            Request::Loss(which) => Ok(json!({ "loss": from_number(self.learner.loss(which)) })),
            Request::Status => Ok(self.status(moment)),
            Request::Study => Ok(self.study()),
            Request::Save => Ok(Json::Null),
        }
    }

    fn ask(&mut self, n: usize, tell_pending: bool) -> Json {
        let mut asked: Vec<Suggestion> = Vec::new();
        if n == 0 {
            // A learner need not know how to suggest nothing.
        } else if tell_pending {
            self.learner.ask_into(n, &mut asked);
        } else {
            asked = self.learner.suggest(n);
        }
        let points: Vec<Json> = asked.iter().map(|next| self.form.to_json(&next.sample)).collect();
        let improvements: Vec<Json> = asked.iter().map(|next| from_number(next.loss_improvement)).collect();
        json!({ "points": points, "loss_improvements": improvements })
    }

    fn told(&self, told: usize) -> Json {
        json!({ "told": told, "npoints": self.learner.npoints() })
    }

    /// Points that somebody evaluates: those given up are pending for the learner only.
    fn pending(&self) -> Json {
        json!({ "pending": self.npending() })
    }

    fn npending(&self) -> usize {
        self.learner.npending().saturating_sub(self.given_up.len())
    }

    fn status(&mut self, moment: Moment) -> Json {
        let mut status = Map::new();
        status.insert("npoints".into(), self.learner.npoints().into());
        status.insert("pending".into(), self.npending().into());
        status.insert("loss".into(), from_number(self.learner.loss(Loss::Real)));
        status.insert("done".into(), self.is_done(moment).into());
        if !self.given_up.is_empty() {
            status.insert("given_up".into(), self.given_up.len().into());
        }
        for (name, figure) in self.learner.figures() {
            status.insert(name.into(), from_number(figure));
        }
        Json::Object(status)
    }

    fn study(&self) -> Json {
        let learner =
            self.learner.children().and_then(<[_]>::first).map_or(self.learner.as_ref(), AsRef::as_ref);
        json!({
            "study": self.about.name,
            "learner": learner.kind(),
            "point": self.form.to_string(),
            "learners": self.form.children(),
            "indexed": self.form.is_indexed(),
            "parameters": self.about.combos.iter().map(parameters).collect::<Vec<_>>(),
            "retries": self.about.retries,
        })
    }

    fn sample(&self, key: &str, index: usize, json: &Json) -> Result<Sample, Refusal> {
        self.form.from_json(json).map_err(|error| format!("{key}[{index}]: {error}"))
    }

    /// A learner over a list says nothing when it is told that another element is pending. It does when it is told a
    /// value without numbers, which it can't take.
    fn refuse_foreign(&mut self, key: &str, samples: &[Sample]) -> Result<(), Refusal> {
        if !self.form.is_indexed() {
            return Ok(());
        }
        let nothing = Value::default();
        for (index, sample) in samples.iter().enumerate() {
            if let Err(error @ TellError::Foreign(_)) = self.learner.tell(sample, &nothing) {
                return Err(format!("{key}[{index}]: {error}"));
            }
        }
        Ok(())
    }

    /// Points and values of a whole request: nothing is told if one of them can't be read.
    fn read_told(&self, key: &str, pairs: &[(Json, Json)]) -> Result<Vec<(Sample, Value)>, Refusal> {
        // The first value with names decides their order, also for those that come with it.
        let mut outputs = self.outputs.clone();
        let read = |(index, (point, value)): (usize, &(Json, Json))| {
            let sample = self.sample(key, index, point)?;
            let value = self.value(value, &mut outputs).map_err(|why| {
                format!(
                    "{key}[{index}]: {why}; a value is a number, a list of numbers or an object of named numbers, \
                     each a number or \"inf\", \"-inf\", \"nan\""
                )
            })?;
            Ok((sample, value))
        };
        pairs.iter().enumerate().map(read).collect()
    }

    fn value(&self, json: &Json, outputs: &mut Outputs) -> Result<Value, Refusal> {
        let mut value = value_from(json.clone())?;
        outputs.arrange(&mut value).map_err(|failure| failure.message)?;
        outputs.note(&value);
        if self.nan == NanPolicy::Fail && !value.is_finite() {
            return Err(format!("{} is not finite, and the study says nan = \"fail\"", show(json)));
        }
        Ok(value)
    }

    /// Tells a part of the pairs until one is refused, when all before them are told.
    fn tell_each(
        &mut self,
        request: &str,
        told: &[(Sample, Value)],
        part: Range<usize>,
        now: f64,
        facts: &mut Vec<Fact>,
    ) -> Result<(), Refusal> {
        for index in part {
            let (sample, value) = &told[index];
            if let Err(error) = self.learner.tell(sample, value) {
                let before = match index {
                    0 => "nothing was told".to_owned(),
                    n => format!("only the {n} before it were told"),
                };
                return Err(format!("{request}[{index}]: {error}; {before}"));
            }
            self.remember(sample, value, now, facts);
        }
        Ok(())
    }

    fn tell_many(
        &mut self,
        told: &[(Sample, Value)],
        now: f64,
        facts: &mut Vec<Fact>,
    ) -> Result<(), Refusal> {
        // Values of different shapes are found before the learner takes any of them.
        if let Some(index) = told.iter().position(|(sample, value)| {
            let first = told.iter().find(|(other, _)| other.learner == sample.learner);
            first.is_some_and(|(_, first)| first.components.len() != value.components.len())
        }) {
            return Err(format!(
                "tell_many[{index}]: {} numbers, but other values of the request have another number; nothing was told",
                told[index].1.components.len()
            ));
        }
        // Many learners would take theirs out of turn, some of them also from behind a pair that is refused.
        let mut start = 0;
        for run in told.chunk_by(|(a, _), (b, _)| a.learner == b.learner) {
            let part = start..start + run.len();
            start = part.end;
            match self.learner.tell_many(run) {
                Ok(()) => run.iter().for_each(|(sample, value)| self.remember(sample, value, now, facts)),
                // Which of them it took is not known: those before the refused one are told now, at the latest.
                Err(_) => self.tell_each("tell_many", told, part, now, facts)?,
            }
        }
        Ok(())
    }

    /// A value that the learner has: a fact, unless it had one before.
    fn remember(&mut self, sample: &Sample, value: &Value, now: f64, facts: &mut Vec<Fact>) {
        let key = key(sample);
        self.given_up.remove(&key);
        let attempt = self.attempts.remove(&key).unwrap_or(0);
        if !self.known.insert(key) {
            return;
        }
        self.changed.insert(sample.learner);
        self.outputs.note(value);
        let meta = Meta { worker: 0, attempt, started: now, duration: 0.0 };
        facts.push(Fact::Told(Told { sample: sample.clone(), value: value.clone(), meta }));
    }

    fn failed(&mut self, pairs: &[(Json, Json)], now: f64, facts: &mut Vec<Fact>) -> Result<Json, Refusal> {
        let read = |(index, (point, why)): (usize, &(Json, Json))| {
            let sample = self.sample("failed", index, point)?;
            let (failure, given_up) = read_failure(why).map_err(|why| format!("failed[{index}]: {why}"))?;
            Ok((sample, failure, given_up))
        };
        let failed = pairs.iter().enumerate().map(read).collect::<Result<Vec<_>, Refusal>>()?;
        let samples: Vec<Sample> = failed.iter().map(|(sample, ..)| sample.clone()).collect();
        self.refuse_foreign("failed", &samples)?;
        for (sample, failure, given_up) in failed {
            let key = key(&sample);
            if self.known.contains(&key) {
                continue;
            }
            let attempts = self.attempts.entry(key.clone()).or_insert(0);
            let meta = Meta { worker: 0, attempt: *attempts, started: now, duration: 0.0 };
            *attempts += 1;
            if given_up {
                self.learner.give_up(&sample);
                self.given_up.insert(key, sample.clone());
                self.changed.insert(sample.learner);
            }
            facts.push(Fact::Failed(Failed { sample, failure, meta, given_up }));
        }
        Ok(json!({ "failed": pairs.len(), "given_up": self.given_up.len() }))
    }
}

/// A failure as a client reports it, and whether it was the last attempt.
fn read_failure(json: &Json) -> Result<(Failure, bool), Refusal> {
    match json {
        Json::String(text) => Ok((Failure::new(FailureKind::Error, text.clone()), true)),
        Json::Object(object) => {
            const KEYS: [&str; 4] = ["error", "traceback", "kind", "given_up"];
            if let Some(key) = object.keys().find(|key| !KEYS.contains(&key.as_str())) {
                return Err(format!("unknown key `{key}`; known: {}", KEYS.join(", ")));
            }
            let error = object.get("error").ok_or("`error` is missing")?;
            let given_up = match object.get("given_up") {
                None => true,
                Some(Json::Bool(given_up)) => *given_up,
                Some(other) => return Err(format!("`given_up` is true or false: not {}", show(other))),
            };
            Ok((failure(error, object), given_up))
        }
        other => Err(format!("a failure is a text or {{\"error\": \"text\"}}: not {}", show(other))),
    }
}
