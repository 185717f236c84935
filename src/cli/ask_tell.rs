use super::args::AskTellArgs;
use super::exit::{CommandError, Exit};
use super::lines::{Line, Lines};
use super::open::{Places, checkpoint_error, logged, open, unfit};
use super::output;
use crate::checkpoint::{Checkpoint, CheckpointError, Ending, EndingKind, Fact};
use crate::report::count;
use crate::runner::ask_tell::{About, Session};
use crate::runner::goal::{GoalTracker, Moment};
use crate::runner::{Restored, StopReason, StopSignals};
use crate::study::{AllKinds, Learners, Reader, Study};
use jiff::Timestamp;
use serde_json::{Value as Json, json};
use std::io::Write;
use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// The longest wait for a line before signals and the checkpoint are looked at again.
const LONGEST_WAIT: Duration = Duration::from_millis(500);
/// Between two looks at the checkpoint while lines stream in.
const CHORES_EVERY: Duration = Duration::from_millis(50);

/// `adaptive-mpi ask-tell`: the learner of a study over standard input and output. The protocol is that of
/// [`crate::runner::ask_tell`]. Uses no MPI.
pub(super) fn ask_tell(args: &AskTellArgs) -> Result<Exit, CommandError> {
    let study = Study::load_for(Reader::Learners, &args.study.study)?;
    let kinds = AllKinds { folder: study.folder(), ..AllKinds::default() };
    let Learners { learner, signature, combos, .. } = study.learners(&kinds)?;
    let signals = StopSignals::catch()
        .map_err(|error| CommandError::new(Exit::Fault, format!("signals can't be caught: {error}")))?;
    let goals = GoalTracker::new(study.goal.clone(), combos.len());
    let about = About { name: study.name.clone(), combos: combos.clone(), retries: study.run.retries };
    if args.no_checkpoint {
        let session = Session::new(learner, about, study.run.nan, goals);
        return Conversation::new(session, None, &signals).run();
    }
    let (mut checkpoint, loaded, places) = open(&args.checkpoint, &study, &signature, &combos)?;
    loaded.notices.iter().for_each(output::note);
    let mut session = Session::new(logged(&study, learner)?, about, study.run.nan, goals);
    let restored = session
        .restore(&loaded, &|stored| places.now(stored), args.checkpoint.retry_failed)
        .map_err(|error| unfit(&study, error))?;
    drop(loaded);
    if restored != Restored::default() {
        output::note(format!(
            "{} goes on with {} points; {} were given up earlier",
            study.name,
            count(restored.told),
            count(restored.given_up)
        ));
    }
    // A folder that can't be written is found before the first question.
    checkpoint.commit().map_err(checkpoint_error)?;
    let ending = if cfg!(feature = "hdf5") { "h5" } else { "journal" };
    let path = study.checkpoint.folder.join(format!("{}.{ending}", study.name));
    Conversation::new(session, Some(Store { checkpoint, places, path }), &signals).run()
}

/// Where results are kept.
struct Store {
    checkpoint: Checkpoint,
    places: Places,
    /// The file that a checkpoint is written to.
    path: PathBuf,
}

impl Store {
    /// From here on the facts survive the death of this process.
    fn keep(&mut self, facts: Vec<Fact>) -> Result<(), CheckpointError> {
        for mut fact in facts {
            if let Some(stored) = &self.places.stored {
                let learner = fact.sample().learner as usize;
                fact.sample_mut().learner = stored[learner];
            }
            self.checkpoint.append(&fact);
        }
        self.checkpoint.commit()
    }
}

struct Conversation<'a> {
    session: Session,
    store: Option<Store>,
    signals: &'a StopSignals,
    started: Instant,
    chores_due: Instant,
}

/// Why a conversation is over.
enum End {
    /// The client has nothing more to say, or does not listen any more.
    Client,
    Signal(StopReason),
    Output(std::io::Error),
    /// Another process writes the checkpoint now.
    LockLost(CheckpointError),
}

impl<'a> Conversation<'a> {
    fn new(session: Session, store: Option<Store>, signals: &'a StopSignals) -> Self {
        let now = Instant::now();
        Self { session, store, signals, started: now, chores_due: now }
    }

    fn run(mut self) -> Result<Exit, CommandError> {
        let end = self.until_something_ends_it(&mut Lines::of_stdin());
        let moment = self.moment();
        let reached = self.session.is_done(moment);
        let Some(Store { checkpoint, .. }) = self.store else { return exit(end, None) };
        if matches!(end, End::LockLost(_)) {
            return exit(end, None);
        }
        let ending = match &end {
            _ if reached => Ending::new(EndingKind::Goal, "goal reached"),
            End::Signal(reason) => Ending::new(EndingKind::Stopped, format!("stopped: {reason}")),
            _ => Ending::new(EndingKind::Stopped, "the client of ask-tell ended"),
        };
        exit(end, checkpoint.close(Vec::new(), ending).err())
    }

    fn until_something_ends_it(&mut self, lines: &mut Lines) -> End {
        loop {
            if let Some(reason) = self.signals.received() {
                return End::Signal(reason);
            }
            let answer = match lines.next(LONGEST_WAIT) {
                Ok(Line::None) => None,
                Ok(Line::End) | Err(_) => return End::Client,
                Ok(Line::Text(text)) => Some(self.answer(&text)),
                Ok(Line::Bad(why)) => Some((json!({ "error": why }), None)),
            };
            if let Some((answer, end)) = answer {
                match write(&answer) {
                    Ok(()) => {}
                    Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => return End::Client,
                    Err(error) => return End::Output(error),
                }
                if let Some(end) = end {
                    return end;
                }
            }
            if let Some(end) = self.chores() {
                return end;
            }
        }
    }

    /// What to say, after all that it means is stored; and whether it is the last.
    fn answer(&mut self, line: &str) -> (Json, Option<End>) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64());
        let moment = self.moment();
        let reply = self.session.answer(line, now, moment);
        let Some(store) = &mut self.store else {
            let answer = if reply.save {
                json!({ "error": "nothing can be saved: this session was started with --no-checkpoint" })
            } else {
                reply.answer
            };
            return (answer, None);
        };
        let result = match (reply.save, reply.facts.is_empty()) {
            (true, _) => store.checkpoint.snapshot_now(Vec::new()),
            (false, false) => store.keep(reply.facts),
            (false, true) => Ok(()),
        };
        match result {
            Ok(()) if reply.save => (json!({ "saved": store.path }), None),
            Ok(()) => (reply.answer, None),
            Err(error @ CheckpointError::LockLost { .. }) => {
                (json!({ "error": error.to_string() }), Some(End::LockLost(error)))
            }
            Err(error) if error.results_are_safe() => (json!({ "error": error.to_string() }), None),
            Err(error) => {
                let error = format!("not saved yet, which the next tell tries again: {error}");
                (json!({ "error": error, "saved": false }), None)
            }
        }
    }

    /// Keeps the checkpoint up, some times a second.
    fn chores(&mut self) -> Option<End> {
        let now = Instant::now();
        if now < self.chores_due {
            return None;
        }
        self.chores_due = now + CHORES_EVERY;
        match self.store.as_mut()?.checkpoint.tick(now, &Vec::new) {
            Ok(()) => None,
            Err(error @ CheckpointError::LockLost { .. }) => Some(End::LockLost(error)),
            Err(error) => {
                output::note(format!("warning: {error}"));
                None
            }
        }
    }

    fn moment(&self) -> Moment {
        Moment { elapsed: self.started.elapsed(), now: Timestamp::now() }
    }
}

/// One answer, in a single write, at once.
fn write(answer: &Json) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    out.write_all(format!("{answer}\n").as_bytes())?;
    out.flush()
}

fn exit(end: End, not_closed: Option<CheckpointError>) -> Result<Exit, CommandError> {
    match not_closed {
        Some(error) if error.results_are_safe() => {
            output::note(format!("warning: {error}; all results are in the journal"));
        }
        Some(error) => return Err(checkpoint_error(error)),
        None => {}
    }
    match end {
        End::Client => Ok(Exit::Done),
        End::Signal(reason) => {
            output::note(format!("{reason}: all results are saved; start the same command again to go on"));
            Ok(Exit::Resumable)
        }
        End::Output(error) => {
            Err(CommandError::new(Exit::Fault, format!("the answers can't be written: {error}")))
        }
        End::LockLost(error) => Err(checkpoint_error(error)),
    }
}
