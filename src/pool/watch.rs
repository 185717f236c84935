//! Signs of life of the workers' processes: by `/proc` on rank 0's host, by their pulses elsewhere.

use super::presence::{Life, Presence};
use super::pulse::{Address, Beat, PATIENCE, Pulses};
use std::time::Duration;

/// What a look at a worker's process shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sign {
    /// It lives, or was seen to do so not long ago.
    Alive,
    /// It can't be watched: only its answers tell.
    Unknown,
    /// No sign of life at this look: stopped, cut off, or nothing yet.
    Silent,
    /// No sign of life for too long.
    Unresponsive,
    /// It has ended.
    Ended,
}

/// What rank 0 can see with.
pub(super) struct Eyes {
    /// Ranks from this one on are treated as if they were on other hosts.
    pub(super) node_size: u32,
    pub(super) pulses: Option<Pulses>,
}

impl Eyes {
    /// For a world without processes of their own.
    pub(super) fn closed() -> Self {
        Self { node_size: u32::MAX, pulses: None }
    }
}

/// How one worker is watched.
enum Eye {
    /// Its process can be seen from here.
    Process(Presence),
    /// By its pulse, if it has one.
    Pulse,
    /// Not any more: that it has left or ended is known.
    Left,
}

/// The eyes of rank 0. Workers are numbered from 0.
pub(super) struct Watch {
    eyes: Vec<Eye>,
    pulses: Option<Pulses>,
    silent: Vec<Duration>,
    ended: Vec<bool>,
    /// By worker: which host it is on.
    hosts: Vec<usize>,
    /// By host: a pulse has come from there.
    reached: Vec<bool>,
}

/// A worker whose pulse has not begun by then, where others of its host have theirs, has ended before it could.
const LATE: Duration = Duration::from_secs(5);

impl Watch {
    /// Watches workers by their processes where these can be seen, else by their pulses. `hosts`: numbers of their hosts.
    pub(super) fn new(presences: Vec<Option<Presence>>, hosts: Vec<usize>, pulses: Option<Pulses>) -> Self {
        let eyes: Vec<Eye> =
            presences.into_iter().map(|presence| presence.map_or(Eye::Pulse, Eye::Process)).collect();
        let workers = eyes.len();
        let reached = vec![false; hosts.iter().max().map_or(0, |most| most + 1)];
        let silent = vec![Duration::ZERO; workers];
        Self { eyes, pulses, silent, ended: vec![false; workers], hosts, reached }
    }

    /// Where workers send their pulse.
    pub(super) fn address(&self) -> Option<Address> {
        self.pulses.as_ref().and_then(Pulses::address)
    }

    /// Lets in workers whose pulse has begun. Before a round of [`Self::look`].
    pub(super) fn begin_round(&mut self) {
        if let Some(pulses) = &mut self.pulses {
            pulses.welcome();
        }
    }

    /// Looks at one worker, `step` after the last look. If rank 0 itself was away in between, `step` should not say so.
    /// Silence for `limit` is too long; over the network it takes a little more.
    pub(super) fn look(&mut self, worker: u32, step: Duration, mut limit: Duration) -> Sign {
        let place = worker as usize;
        let alive = match &self.eyes[place] {
            Eye::Left => return Sign::Ended,
            Eye::Process(presence) => match presence.life() {
                Life::Running => true,
                Life::Stopped => false,
                Life::Ended => return self.end(worker),
            },
            Eye::Pulse => match self.pulses.as_mut().map_or(Beat::Unknown, |pulses| pulses.feel(worker)) {
                Beat::Unknown if !self.reached[self.hosts[place]] || self.silent[place] < LATE => {
                    self.silent[place] += step;
                    return Sign::Unknown;
                }
                Beat::Unknown => {
                    limit = LATE + limit.max(PATIENCE);
                    false
                }
                Beat::Ended => return self.end(worker),
                Beat::Missed => {
                    limit = limit.max(PATIENCE);
                    false
                }
                Beat::Felt => {
                    self.ended[place] = false;
                    self.reached[self.hosts[place]] = true;
                    true
                }
            },
        };
        let silent = &mut self.silent[place];
        *silent = if alive { Duration::ZERO } else { *silent + step };
        match alive {
            true => Sign::Alive,
            false if *silent >= limit => Sign::Unresponsive,
            false => Sign::Silent,
        }
    }

    fn end(&mut self, worker: u32) -> Sign {
        self.ended[worker as usize] = true;
        Sign::Ended
    }

    /// Whether another look in a moment will tell more.
    pub(super) fn is_in_doubt(&self) -> bool {
        self.pulses.as_ref().is_some_and(Pulses::is_in_doubt)
    }

    /// Whether the worker is known to have ended. A message of it may still be on its way.
    pub(super) fn has_ended(&self, worker: u32) -> bool {
        self.ended[worker as usize]
    }

    /// It has said that it leaves, or the transport knows that it has ended.
    pub(super) fn is_gone(&mut self, worker: u32) {
        self.eyes[worker as usize] = Eye::Left;
        self.ended[worker as usize] = true;
    }

    /// Lets a worker go on that a signal has stopped, where that can be done from here.
    pub(super) fn wake(&self, worker: u32) {
        if let Eye::Process(presence) = &self.eyes[worker as usize]
            && presence.life() == Life::Stopped
        {
            presence.wake();
        }
    }

    /// Ends a worker that does not leave by itself; whether there was one to end. Those elsewhere end themselves when
    /// their pulse is cut by the end of rank 0.
    pub(super) fn kill(&self, worker: u32) -> bool {
        match &self.eyes[worker as usize] {
            Eye::Process(presence) if presence.is_running() => {
                presence.kill();
                true
            }
            _ => false,
        }
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn silence_adds_up_while_a_process_is_stopped_and_its_end_stays_known() {
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let presence = Presence::of(child.id());
        let mut watch = Watch::new(vec![Some(presence.clone()), None], vec![0, 0], None);
        let step = Duration::from_millis(200);
        let limit = 2 * step;
        assert_eq!([0, 1].map(|worker| watch.look(worker, step, limit)), [Sign::Alive, Sign::Unknown]);
        let pid = nix::unistd::Pid::from_raw(child.id() as i32);
        nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGSTOP).unwrap();
        while presence.life() != Life::Stopped {}
        assert_eq!(watch.look(0, step, limit), Sign::Silent);
        assert_eq!(watch.look(0, step, limit), Sign::Unresponsive);
        watch.wake(0);
        while presence.life() == Life::Stopped {}
        assert_eq!(watch.look(0, step, limit), Sign::Alive);
        assert!(watch.kill(0) && !watch.kill(1));
        child.wait().unwrap();
        assert_eq!(watch.look(0, step, limit), Sign::Ended);
        assert!(watch.has_ended(0) && !watch.has_ended(1));
    }

    #[test]
    fn a_worker_that_ends_before_its_pulse_begins_is_missed_where_others_have_theirs() {
        let mut watch = Watch::new(vec![None, None, None], vec![0, 0, 1], Pulses::open(3));
        let address = watch.address().unwrap();
        let pulse = super::super::pulse::Pulse::start(address, 1);
        let (step, limit) = (Duration::from_secs(1), Duration::from_secs(3));
        let until = |watch: &mut Watch, sign: Sign| {
            let began = std::time::Instant::now();
            while began.elapsed() < Duration::from_secs(20) {
                watch.begin_round();
                if watch.look(0, Duration::ZERO, limit) == sign {
                    return;
                }
                std::thread::yield_now();
            }
            panic!("no {sign:?}");
        };
        until(&mut watch, Sign::Alive);
        let signs: Vec<Sign> = (0..9).map(|_| watch.look(1, step, limit)).collect();
        assert_eq!(signs[..5], [Sign::Unknown; 5]);
        assert_eq!((signs[5], signs[8]), (Sign::Silent, Sign::Unresponsive));
        assert!((0..20).all(|_| watch.look(2, step, limit) == Sign::Unknown), "nobody is known on its host");
        pulse.leave();
    }
}
