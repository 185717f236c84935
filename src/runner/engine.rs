//! The decisions of a run, without clock and I/O.

mod policy;
mod replay;
mod state;

pub use policy::{NanPolicy, Order, Policy};
pub(super) use replay::Replay;

use super::outputs::Outputs;
use crate::checkpoint::{Fact, Failed, Meta, Told};
use crate::learner::{Learner, Suggestion, TellError};
use crate::model::{Failure, FailureKind, Outcome, Sample, Value};
use rustc_hash::FxHashMap;
use smallvec::SmallVec;
use std::collections::{BTreeMap, VecDeque};
use std::fmt;

/// One attempt at one sample, to be handed to a worker.
#[derive(Clone, Debug, PartialEq)]
pub struct Work {
    /// Names the attempt until it is completed.
    pub key: u64,
    /// What to evaluate.
    pub sample: Sample,
    /// Ranks on which it has failed in this run, once for each failure.
    pub failed_on: Ranks,
    /// Where results are told in the order of asks: its place in that order.
    pub turn: Option<u64>,
}

/// Some ranks.
pub(super) type Ranks = SmallVec<[u32; 4]>;

struct Attempt {
    sample: Sample,
    /// Counted from 0, over all runs of the study.
    number: u32,
    /// The place of the sample in the order of asks.
    turn: u64,
    /// Whether the run is not over before it has a value or is given up again.
    owed: bool,
    failed_on: Ranks,
}

type Arrived = (Attempt, Outcome, Meta);

/// The decisions of a run, as a state machine: [`Engine::next`] gives work, [`Engine::completed`] takes what
/// became of it, [`Engine::settle`] tells it to the learner, one result a call, so that a goal can be looked at
/// between any two. What has to be remembered comes out as [`Fact`]s.
pub struct Engine {
    learner: Box<dyn Learner>,
    policy: Policy,
    /// With the pool, by key; freed places are used again.
    attempts: Vec<Option<Attempt>>,
    free: Vec<usize>,
    in_flight: usize,
    /// To evaluate before anything else is asked: failed samples, and those that an earlier run left unfinished.
    first: VecDeque<Attempt>,
    /// Results to be settled as they arrived.
    due: VecDeque<Arrived>,
    /// Results that wait for their turn (only with [`Order::Asked`]).
    early: BTreeMap<u64, Arrived>,
    next_turn: u64,
    turn_to_settle: u64,
    asking: bool,
    exhausted: bool,
    given_up: u64,
    /// By learner.
    needed_in_vain: FxHashMap<u32, Vec<Sample>>,
    /// In this run, but for those that are owed.
    given_up_here: u64,
    failed_attempts: u64,
    /// Further attempts after failed ones.
    retried: u64,
    /// Samples of attempts that are owed.
    owed: usize,
    first_given_up: Option<Failed>,
    outputs: Outputs,
    suggestions: Vec<Suggestion>,
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine").field("npoints", &self.learner().npoints()).finish_non_exhaustive()
    }
}

impl Engine {
    /// An engine around a learner that already knows all earlier results.
    pub fn new(mut learner: Box<dyn Learner>, policy: Policy) -> Self {
        learner.work_in_parallel();
        Self {
            learner,
            policy,
            attempts: Vec::new(),
            free: Vec::new(),
            in_flight: 0,
            first: VecDeque::new(),
            due: VecDeque::new(),
            early: BTreeMap::new(),
            next_turn: 0,
            turn_to_settle: 0,
            asking: true,
            exhausted: false,
            given_up: 0,
            needed_in_vain: FxHashMap::default(),
            given_up_here: 0,
            failed_attempts: 0,
            retried: 0,
            owed: 0,
            first_given_up: None,
            outputs: Outputs::default(),
            suggestions: Vec::new(),
        }
    }

    /// Names of outputs that an earlier run has settled.
    pub(super) fn set_outputs(&mut self, outputs: Outputs) {
        self.outputs = outputs;
    }

    /// A sample of an earlier run that has no value yet: it is evaluated before any new one. `attempts` of it
    /// have failed before.
    pub fn resume(&mut self, sample: Sample, attempts: u32) {
        self.evaluate_first(sample, attempts);
    }

    /// As [`Engine::resume`]; the attempt that is made of it.
    fn evaluate_first(&mut self, sample: Sample, attempts: u32) -> &mut Attempt {
        // Elsewhere nothing has asked for it yet.
        let asked = self.is_deterministic().then(|| self.place_of(&sample)).flatten();
        let place = asked.unwrap_or_else(|| {
            let attempt = self.open(sample, attempts);
            self.first.push_back(attempt);
            self.first.len() - 1
        });
        let attempt = &mut self.first[place];
        attempt.number = attempts;
        attempt
    }

    /// The place of a sample among those to evaluate first: a replay has asked for it again.
    fn place_of(&self, sample: &Sample) -> Option<usize> {
        self.first.iter().position(|attempt| attempt.sample == *sample)
    }

    /// A sample that was asked earlier, with a new turn.
    fn open(&mut self, sample: Sample, attempts: u32) -> Attempt {
        self.learner.tell_pending(&sample);
        Attempt { sample, number: attempts, turn: self.take_turn(), owed: false, failed_on: Ranks::new() }
    }

    /// As [`Engine::resume`], for a sample that earlier runs gave up: see [`Engine::owed`]. Until it has a value the learner
    /// takes it as given up, as it did before: what it knows, and whether a goal holds, stays the same.
    pub fn retry(&mut self, sample: Sample, attempts: u32) {
        let is_deterministic = self.is_deterministic();
        let attempt = self.evaluate_first(sample, attempts);
        attempt.owed = true;
        let sample = attempt.sample.clone();
        if !is_deterministic {
            self.learner.give_up(&sample);
        }
        self.owed += 1;
    }

    /// A sample of an earlier run whose value arrived there and was not told: its turn had not come.
    pub fn resume_arrived(&mut self, told: Told) {
        let Told { sample, value, meta } = told;
        let asked = self.place_of(&sample).and_then(|place| self.first.remove(place));
        let attempt = match asked {
            Some(attempt) => Attempt { number: meta.attempt, ..attempt },
            None => self.open(sample, meta.attempt),
        };
        if self.is_deterministic() {
            self.early.insert(attempt.turn, (attempt, Ok(value), meta));
        } else {
            self.due.push_back((attempt, Ok(value), meta));
        }
    }

    /// A sample that earlier runs gave up: it is not asked again.
    pub fn leave_out(&mut self, sample: &Sample) {
        self.note_given_up(sample);
    }

    fn take_turn(&mut self) -> u64 {
        let turn = self.next_turn;
        self.next_turn += 1;
        turn
    }

    fn ask(&mut self, n: usize) {
        if n == 0 || self.exhausted || !self.asking {
            return;
        }
        let mut suggestions = std::mem::take(&mut self.suggestions);
        self.learner.ask_into(n, &mut suggestions);
        self.exhausted = suggestions.len() < n;
        for suggestion in suggestions.drain(..) {
            let turn = self.take_turn();
            let sample = suggestion.sample;
            self.first.push_back(Attempt { sample, number: 0, turn, owed: false, failed_on: Ranks::new() });
        }
        self.suggestions = suggestions;
    }

    /// With [`Order::Asked`]: as many points as make the window full. Called before each tell, so that asks and
    /// tells alternate in the same way however results arrive.
    fn fill_window(&mut self) {
        if let Order::Asked { window } = self.policy.order {
            let open = (self.next_turn - self.turn_to_settle) as usize;
            self.ask(window.saturating_sub(open));
        }
    }

    /// Appends up to `room` attempts to `work`: failed and resumed samples first, then what the learner asks.
    pub fn next(&mut self, room: usize, work: &mut Vec<Work>) {
        if !self.asking {
            return;
        }
        match self.policy.order {
            Order::Arrival => self.ask(room.saturating_sub(self.first.len())),
            Order::Asked { .. } => self.fill_window(),
        }
        self.again(room, work);
    }

    /// As [`Engine::next`], without asking anything new.
    pub fn again(&mut self, room: usize, work: &mut Vec<Work>) {
        let room = if self.asking { room } else { 0 };
        for _ in 0..room {
            let Some(attempt) = self.first.pop_front() else { break };
            let (sample, failed_on) = (attempt.sample.clone(), attempt.failed_on.clone());
            let turn = self.is_deterministic().then_some(attempt.turn);
            self.in_flight += 1;
            let place = self.free.pop().unwrap_or_else(|| {
                self.attempts.push(None);
                self.attempts.len() - 1
            });
            self.attempts[place] = Some(attempt);
            work.push(Work { key: place as u64, sample, failed_on, turn });
        }
    }

    fn end(&mut self, key: u64) -> Option<Attempt> {
        let place = usize::try_from(key).ok()?;
        let attempt = self.attempts.get_mut(place)?.take()?;
        self.free.push(place);
        self.in_flight -= 1;
        Some(attempt)
    }

    /// Ranks on which the sample of an attempt in flight has failed before, in this run.
    pub(super) fn failed_on(&self, key: u64) -> &[u32] {
        let attempt = usize::try_from(key).ok().and_then(|place| self.attempts.get(place)?.as_ref());
        attempt.map_or(&[], |attempt| &attempt.failed_on)
    }

    /// Takes what became of an attempt; [`Engine::settle`] draws the consequences. A key that is not in flight
    /// (a late answer) changes nothing. `meta.attempt` is filled in here.
    ///
    /// A value that has to wait for its turn is returned too, to be remembered until then.
    pub fn completed(&mut self, key: u64, outcome: Outcome, meta: Meta) -> Option<Told> {
        let attempt = self.end(key)?;
        // A function that can't start says nothing about the sample: no attempt is counted against it.
        if matches!(&outcome, Err(failure) if failure.kind == FailureKind::Setup) {
            self.first.push_front(attempt);
            return None;
        }
        let meta = Meta { attempt: attempt.number, ..meta };
        let outcome = self.checked(outcome);
        // A failure that is tried again keeps its turn, but does not wait for it.
        let again = outcome.is_err() && attempt.number < self.policy.retries;
        if again || self.policy.order == Order::Arrival {
            self.due.push_back((attempt, outcome, meta));
            return None;
        }
        let waiting = match &outcome {
            Ok(value) if attempt.turn > self.turn_to_settle => {
                Some(Told { sample: attempt.sample.clone(), value: value.clone(), meta })
            }
            _ => None,
        };
        self.early.insert(attempt.turn, (attempt, outcome, meta));
        waiting
    }

    /// Tells the next result to the learner, or decides about the next failure, and returns what is to be
    /// remembered. `None`: nothing is due.
    pub fn settle(&mut self) -> Option<Fact> {
        if let Some(arrived) = self.due.pop_front() {
            return Some(self.draw_consequences(arrived));
        }
        let turn = *self.early.first_key_value()?.0;
        if turn > self.turn_to_settle {
            return None;
        }
        self.fill_window();
        self.settle_early()
    }

    /// As [`Engine::settle`], though its turn may not have come. Runs of earlier versions ended so when a point before it did not
    /// come back, and their checkpoints are gone on with.
    pub fn settle_early(&mut self) -> Option<Fact> {
        let (turn, arrived) = self.early.pop_first()?;
        // A stopping run passes turns over, so the turn may be an old one.
        self.turn_to_settle = self.turn_to_settle.max(turn + 1);
        let fact = self.draw_consequences(arrived);
        // A value that the learner refused: the sample is tried again, and keeps its turn.
        if matches!(&fact, Fact::Failed(failed) if !failed.given_up) && self.turn_to_settle == turn + 1 {
            self.turn_to_settle = turn;
        }
        Some(fact)
    }

    /// With [`Order::Asked`]: the value whose turn it is, if it has not been settled because the run is over. Nothing has
    /// been remembered of it, as those that wait for their turn are.
    pub fn due_value(&self) -> Option<Told> {
        let (turn, (attempt, outcome, meta)) = self.early.first_key_value()?;
        let value = outcome.as_ref().ok().filter(|_| *turn <= self.turn_to_settle)?;
        Some(Told { sample: attempt.sample.clone(), value: value.clone(), meta: *meta })
    }

    fn checked(&self, outcome: Outcome) -> Outcome {
        let value = outcome?;
        if self.policy.nan == NanPolicy::Fail && !value.is_finite() {
            let message = format!("the function returned {:?}", value.components.as_slice());
            return Err(Failure::new(FailureKind::NotFinite, message));
        }
        Ok(value)
    }

    fn tell(&mut self, sample: &Sample, value: &mut Value) -> Result<(), Failure> {
        self.outputs.arrange(value)?;
        let told = self.learner.tell(sample, value);
        if told.is_ok() {
            self.outputs.note(value);
        }
        told.map_err(|refused| {
            let kind = match refused {
                TellError::Unusable(_) => FailureKind::BadOutput,
                _ => FailureKind::WrongShape,
            };
            Failure::new(kind, refused.to_string())
        })
    }

    fn draw_consequences(&mut self, (mut attempt, outcome, meta): Arrived) -> Fact {
        let failure = match outcome {
            Ok(mut value) => match self.tell(&attempt.sample, &mut value) {
                Ok(()) => {
                    self.note_told(&attempt.sample);
                    self.owed -= usize::from(attempt.owed);
                    return Fact::Told(Told { sample: attempt.sample, value, meta });
                }
                Err(refused) => refused,
            },
            Err(failure) => failure,
        };
        self.failed_attempts += 1;
        if meta.worker > 0 {
            attempt.failed_on.push(meta.worker);
        }
        let given_up = attempt.number >= self.policy.retries;
        let failed = Failed { sample: attempt.sample.clone(), failure, meta, given_up };
        if given_up {
            self.note_given_up(&failed.sample);
            self.given_up_here += u64::from(!attempt.owed);
            self.owed -= usize::from(attempt.owed);
            self.first_given_up.get_or_insert_with(|| failed.clone());
        } else {
            self.retried += 1;
            self.first.push_back(Attempt { number: attempt.number + 1, ..attempt });
        }
        Fact::Failed(failed)
    }

    /// Makes the learner what a later run would make of its values, where that can differ: which interval of an integral is
    /// divided next depends on what was in flight. Only with nothing in flight; says whether the learner is made anew.
    pub(super) fn forget_how(&mut self) -> bool {
        let is_quiet = self.in_flight == 0 && self.due.is_empty() && self.early.is_empty();
        let made_anew = is_quiet && self.given_up == 0 && self.learner.done().is_some();
        if made_anew {
            self.learner.remove_unfinished();
            self.first.iter().for_each(|attempt| self.learner.tell_pending(&attempt.sample));
            self.exhausted = false;
        }
        made_anew
    }

    fn note_told(&mut self, sample: &Sample) {
        self.exhausted = false;
        // Almost always empty.
        if let Some(in_vain) = self.needed_in_vain.get_mut(&sample.learner) {
            in_vain.retain(|given_up| given_up != sample);
        }
    }

    fn note_given_up(&mut self, sample: &Sample) {
        self.given_up += 1;
        self.give_up(sample);
    }

    fn give_up(&mut self, sample: &Sample) {
        self.learner.give_up(sample);
        if self.learner.needs(sample) {
            let in_vain = self.needed_in_vain.entry(sample.learner).or_default();
            if !in_vain.contains(sample) {
                in_vain.push(sample.clone());
            }
        }
    }

    /// A sample that was given up although its learner [needs](Learner::needs) it.
    pub(super) fn needed_in_vain(&self, learner: usize) -> Option<&Sample> {
        self.needed_in_vain.get(&(learner as u32))?.first()
    }

    /// An attempt that never reached a worker: its sample goes back to the head of the line.
    pub fn withdrawn(&mut self, key: u64) {
        if let Some(attempt) = self.end(key) {
            self.first.push_front(attempt);
        }
    }

    /// Lets one of many learners rest, or wakes it: see [`Learner::rest`].
    pub fn rest(&mut self, learner: usize, resting: bool) {
        self.learner.rest(learner as u32, resting);
        self.exhausted &= resting;
    }

    /// Whether results are told in the order of asks.
    pub fn is_deterministic(&self) -> bool {
        self.policy.order != Order::Arrival
    }

    /// From now on [`Engine::next`] gives nothing: the run is stopping. Results are still welcome.
    pub fn stop_asking(&mut self) {
        self.asking = false;
    }

    /// Asks again.
    pub fn ask_again(&mut self) {
        self.asking = true;
    }
}
