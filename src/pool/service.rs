//! A worker's service: it takes tasks, runs them one after the other, answers.

use super::bulk::Bulk;
use super::clock::Clock;
use super::error::{LaunchError, TransportError};
use super::group::{Group, Place};
use super::options::PoolOptions;
use super::presence::{Life, Presence};
use super::pulse::Pulse;
use super::runners::{Arguments, Runners};
use super::transport::{Received, Transport};
use super::wire::{self, HEADER, Header, Kind};
use super::worker::Worker;
use super::world::{Hello, Welcome, WorkerInfo};
use std::collections::VecDeque;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Answers wait for the rest of their bundle, but not longer than this.
const ANSWERS_WAIT: Duration = Duration::from_micros(200);
/// How often a worker that has tasks looks whether it should leave.
const LOOK_UP: Duration = Duration::from_millis(1);
/// Larger answers are seen off before the next task: their transfer needs this thread.
const LARGE: usize = 4096;
/// Answers of this size together are sent before they grow large: small messages leave by themselves.
const FULL: usize = LARGE * 3 / 4;
/// So long it may take until rank 0 has heard of a death that this worker knows of.
const NEWS: Duration = Duration::from_secs(5);
/// How often an idle worker looks after rank 0.
const CHECK: Duration = Duration::from_millis(250);

/// How the service of a worker ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Released {
    /// Ranks are missing, so finalising would hang.
    pub(crate) with_losses: bool,
}

struct Service<'t> {
    transport: &'t mut dyn Transport,
    worker: Worker,
    queue: VecDeque<(Vec<u8>, Option<Box<Bulk>>)>,
    /// It is to leave.
    released: bool,
    /// How to leave, once that is known.
    farewell: Option<Released>,
    manager: Option<Presence>,
    pulse: Option<Pulse>,
    silence: Duration,
    /// The task of a group that is not to go on.
    given_up: Option<u64>,
    /// Tasks that are not to be begun.
    withdrawn: Vec<u64>,
    /// When rank 0 last spoke, as far as a check has looked.
    heard: Duration,
    /// Rank 0 has spoken since that check.
    spoken: bool,
    /// When it last looked for messages while it had tasks. Not before each task: a look that finds nothing
    /// may give the core away (Open MPI does, with more ranks than cores).
    looked: Duration,
    clock: Clock,
    /// The unix time at which the clock began, in seconds.
    base: f64,
}

/// Serves rank 0 until it releases this worker.
///
/// The states of the tasks are dropped before this returns, on every way out.
pub(crate) fn serve(
    transport: &mut dyn Transport,
    mut runners: Runners,
    info: WorkerInfo,
    options: &PoolOptions,
) -> Result<Released, LaunchError> {
    let hello = Hello {
        info: info.clone(),
        presence: Presence::own(),
        init_error: runners.init_error.clone(),
        fatal: runners.fatal.clone(),
        tasks: runners.names.clone(),
        alike: runners.alike.clone(),
    };
    let hello = wire::single(Kind::Hello, &hello).map_err(|error| LaunchError::Start(error.to_string()))?;
    transport.send(0, hello)?;
    let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
    let heard = transport.now();
    let mut service = Service {
        transport,
        worker: Worker::new(info, &mut runners),
        queue: VecDeque::new(),
        released: false,
        farewell: None,
        manager: None,
        pulse: None,
        silence: options.start_limit,
        given_up: None,
        withdrawn: Vec::new(),
        heard,
        spoken: false,
        looked: Duration::ZERO,
        clock: Clock::new(),
        base: unix,
    };
    let ran = service.run(&mut runners);
    if let (Err(_), Some(pulse)) = (&ran, &service.pulse) {
        pulse.leave();
    }
    service.worker.drop_states();
    drop(runners);
    ran.map_err(|error| service.without_manager(error))?;
    let released = service.leave();
    if let Some(pulse) = &service.pulse {
        pulse.leave();
    }
    released
}

impl Service<'_> {
    fn run(&mut self, runners: &mut Runners) -> Result<(), LaunchError> {
        let mut idle_since = self.clock.now();
        loop {
            if self.released {
                return Ok(());
            }
            if let Some((message, bulk)) = self.queue.pop_front() {
                idle_since = match Header::read(&message) {
                    Ok(Header { kind: Kind::Group, .. }) => {
                        self.group(runners, &message, bulk, idle_since)?
                    }
                    _ => self.bundle(runners, &message, bulk, idle_since)?,
                };
                self.transport.recycle(message);
                continue;
            }
            // Of what has ended already.
            self.withdrawn.clear();
            match self.transport.receive(CHECK.min(self.silence))? {
                Some(received) => self.take(received),
                None => self.check_manager()?,
            }
        }
    }

    /// Takes in all messages that are there.
    fn listen(&mut self) -> Result<(), TransportError> {
        while let Some(received) = self.transport.try_receive()? {
            self.take(received);
        }
        Ok(())
    }

    fn take(&mut self, Received { message, bulk, .. }: Received) {
        self.spoken = true;
        match Header::read(&message).map(|header| (header.kind, header.extra)) {
            Ok((Kind::Tasks | Kind::Group, _)) => return self.queue.push_back((message, bulk)),
            Ok((Kind::GiveUp, id)) => self.given_up = Some(id),
            Ok((Kind::Withdraw, id)) => self.withdrawn.push(id),
            Ok((Kind::Forget, _)) => {
                if let Some((members, ..)) = wire::group_at(&message) {
                    self.transport.forget(&members);
                }
            }
            Ok((Kind::Shutdown, extra)) => {
                self.released = true;
                self.farewell = (extra != 0).then_some(Released { with_losses: true });
            }
            Ok((Kind::Farewell, extra)) => self.farewell = Some(Released { with_losses: extra != 0 }),
            Ok((Kind::Welcome, _)) => {
                if let Ok(welcome) = wire::decode::<Welcome>(&message[HEADER..]) {
                    self.silence = welcome.manager_silence;
                    self.manager = Some(welcome.presence).filter(Presence::is_visible);
                    let rank = self.worker.rank();
                    self.pulse = welcome.pulse.map(|address| Pulse::start(address, rank));
                }
            }
            Ok((kind @ (Kind::Results | Kind::Hello | Kind::Goodbye), _)) => {
                tracing::warn!(?kind, "rank 0 sent what only workers send; ignored");
            }
            Ok((Kind::Beat, _)) => {}
            Err(error) => tracing::warn!(%error, "rank 0 sent a malformed message; ignored"),
        }
        self.transport.recycle(message);
    }

    /// The library may be the first to know that rank 0 is dead.
    fn without_manager(&self, error: LaunchError) -> LaunchError {
        match error {
            LaunchError::Transport(TransportError { peer: Some(0), by_death: true, .. }) => {
                let reason = "rank 0 has ended without a word".into();
                LaunchError::ManagerLost { rank: self.worker.rank(), reason }
            }
            error => error,
        }
    }

    fn check_manager(&mut self) -> Result<(), LaunchError> {
        let now = self.transport.now();
        if std::mem::take(&mut self.spoken) {
            self.heard = now;
        }
        let lost = |reason: String| LaunchError::ManagerLost { rank: self.worker.rank(), reason };
        if self.manager_has_ended() {
            return Err(lost("rank 0 has ended without a word".into()));
        }
        let silent = now.saturating_sub(self.heard);
        // On this host it can be seen that it only takes its time.
        let computes = || self.manager.as_ref().is_some_and(|manager| manager.life() == Life::Running);
        if silent >= self.silence && !computes() {
            return Err(lost(format!("rank 0 has been silent for {silent:.1?}")));
        }
        Ok(())
    }

    fn manager_has_ended(&self) -> bool {
        self.manager.as_ref().is_some_and(|manager| !manager.is_running())
            || self.pulse.as_ref().is_some_and(Pulse::manager_is_gone)
    }

    /// Runs the tasks of one message. Their answers share a message too, unless they take long.
    fn bundle(
        &mut self,
        runners: &mut Runners,
        message: &[u8],
        mut bulk: Option<Box<Bulk>>,
        idle_since: Duration,
    ) -> Result<Duration, LaunchError> {
        let count = Header::read(message).map_or(0, |header| header.count);
        let mut out = self.transport.buffer();
        wire::begin(Kind::Results, &mut out);
        let (mut at, mut answers) = (HEADER, 0);
        let mut then = self.clock.now();
        let mut waited = then - idle_since;
        let mut first = then;
        for left in (0..count).rev() {
            let Some((head, arguments)) = wire::task_at(message, at) else {
                tracing::warn!(left, "rank 0 sent a torn message; its last tasks are lost");
                break;
            };
            at = arguments.end;
            if let Some(place) = self.withdrawn.iter().position(|id| *id == head.id()) {
                self.withdrawn.swap_remove(place);
                continue;
            }
            let started = self.base + then.as_secs_f64();
            let mut end = then;
            let mut stopwatch = || {
                end = self.clock.now();
                (started, (end - then).as_nanos() as u64)
            };
            // A message with something beside it holds one task.
            let arguments = Arguments { bytes: &message[arguments], bulk: bulk.take() };
            let before = out.len();
            let task = (head, arguments, None);
            let result = runners.answer(&mut self.worker, task, &mut out, &mut stopwatch);
            then = end;
            if let Some(result) = result {
                let answer = out.split_off(before);
                if answers > 0 {
                    self.reply(std::mem::take(&mut out), answers, std::mem::take(&mut waited))?;
                    answers = 0;
                }
                wire::begin(Kind::Results, &mut out);
                out.extend_from_slice(&answer);
                let message = std::mem::replace(&mut out, self.transport.buffer());
                self.reply_with(message, Box::new(result), std::mem::take(&mut waited))?;
                wire::begin(Kind::Results, &mut out);
                then = self.clock.now();
                first = then;
            } else {
                answers += 1;
            }
            if answers > 0 && (left == 0 || end - first > ANSWERS_WAIT || out.len() > FULL) {
                let next = self.transport.buffer();
                self.reply(std::mem::replace(&mut out, next), answers, std::mem::take(&mut waited))?;
                wire::begin(Kind::Results, &mut out);
                if left > 0 {
                    // Sending is not part of the next task's time.
                    then = self.clock.now();
                }
                (answers, first) = (0, then);
            }
            if end - self.looked > LOOK_UP {
                self.looked = end;
                self.listen()?;
                if self.released {
                    break;
                }
                then = self.clock.now();
            }
        }
        if answers > 0 {
            self.reply(out, answers, waited)?;
        } else {
            self.transport.recycle(out);
        }
        Ok(then)
    }

    /// Runs a task together with others. While it waits for them, rank 0 is listened to: it tells when one has failed.
    fn group(
        &mut self,
        runners: &mut Runners,
        message: &[u8],
        bulk: Option<Box<Bulk>>,
        idle_since: Duration,
    ) -> Result<Duration, LaunchError> {
        let (begin, since) = (self.clock.now(), Instant::now());
        let parts = wire::group_at(message)
            .and_then(|(members, anew, at)| Some((members, anew, wire::task_at(message, at)?)));
        let Some((members, anew, (head, arguments))) = parts else {
            tracing::warn!("rank 0 sent a torn message; its task is lost");
            return Ok(begin);
        };
        let mut out = self.transport.buffer();
        wire::begin(Kind::Results, &mut out);
        let started = self.base + begin.as_secs_f64();
        let mut stopwatch = || (started, since.elapsed().as_nanos() as u64);
        // Before all else, whatever has happened meanwhile: the others wait for this.
        let link = self.transport.join(&members, anew);
        let mut result = None;
        let mut aside = Vec::new();
        match link {
            Err(error) => {
                if error.by_death {
                    self.wait_to_give_up(head.id())?;
                }
                Runners::refuse(head, error.to_string(), &mut out, &mut stopwatch);
            }
            Ok(_) if self.given_up == Some(head.id()) => {
                Runners::refuse(head, "another member has failed".into(), &mut out, &mut stopwatch);
            }
            Ok(link) => {
                let (transport, manager) = (&mut *self.transport, self.manager.as_ref());
                let mut given_up = false;
                let mut checked = since;
                let mut ears = || {
                    while let Ok(Some(received)) = transport.try_receive() {
                        let header = Header::read(&received.message);
                        given_up |= header.is_ok_and(|h| h.kind == Kind::GiveUp && h.extra == head.id());
                        aside.push(received);
                    }
                    if checked.elapsed() > CHECK {
                        checked = Instant::now();
                        given_up |= manager.is_some_and(|manager| !manager.is_running());
                    }
                    given_up
                };
                let place = Place { rank: self.worker.rank(), members: &members, id: head.id() };
                let group = Group::new(place, link, &mut ears);
                let task = (head, Arguments { bytes: &message[arguments], bulk }, Some(&group));
                result = runners.answer(&mut self.worker, task, &mut out, &mut stopwatch);
                group.see_off();
            }
        }
        for received in aside {
            self.take(received);
        }
        match result {
            Some(result) => self.reply_with(out, Box::new(result), begin - idle_since)?,
            None => self.reply(out, 1, begin - idle_since)?,
        }
        Ok(self.clock.now())
    }

    /// A member has died: its end is what counts, so this one's failure should not reach rank 0 before that does.
    fn wait_to_give_up(&mut self, id: u64) -> Result<(), LaunchError> {
        let began = Instant::now();
        while self.given_up != Some(id) && !self.released && began.elapsed() < NEWS {
            match self.transport.receive(CHECK.min(self.silence))? {
                Some(received) => self.take(received),
                None => self.check_manager()?,
            }
        }
        Ok(())
    }

    fn reply(&mut self, mut out: Vec<u8>, answers: u32, waited: Duration) -> Result<(), LaunchError> {
        wire::set_count(&mut out, answers);
        wire::set_extra(&mut out, waited.as_nanos() as u64);
        let large = out.len() > LARGE;
        self.transport.send(0, out)?;
        if large { self.see_off() } else { Ok(()) }
    }

    /// Sends an answer whose result travels beside it.
    fn reply_with(
        &mut self,
        mut out: Vec<u8>,
        result: Box<Bulk>,
        waited: Duration,
    ) -> Result<(), LaunchError> {
        wire::set_count(&mut out, 1);
        wire::set_extra(&mut out, waited.as_nanos() as u64);
        self.transport.send_with(0, out, result)?;
        self.see_off()
    }

    /// Waits until all sends are done.
    fn see_off(&mut self) -> Result<(), LaunchError> {
        let mut checked = self.transport.now();
        while self.transport.unsent()? > 0 {
            if let Some(received) = self.transport.receive(LOOK_UP)? {
                self.take(received);
            }
            if self.transport.now() - checked > CHECK {
                checked = self.transport.now();
                self.check_manager()?;
            }
        }
        Ok(())
    }

    /// Says goodbye and waits for the farewell, which may take as long as the last task of another worker.
    fn leave(&mut self) -> Result<Released, LaunchError> {
        let message = wire::signal(Kind::Goodbye, 0, self.transport.buffer());
        self.transport.send(0, message)?;
        self.see_off()?;
        loop {
            if let Some(farewell) = self.farewell {
                return Ok(farewell);
            }
            match self.transport.receive(CHECK.min(self.silence)) {
                Ok(Some(received)) => self.take(received),
                Ok(None) if self.manager.as_ref().is_some_and(Presence::is_running) => {}
                Ok(None) if self.check_manager().is_ok() => {}
                // Rank 0 has ended, or given this worker up: no more is to be said.
                Ok(None) | Err(_) => return Ok(Released { with_losses: true }),
            }
        }
    }
}
