//! How a rank waits: at full speed first, then giving its core away between polls, then asleep for longer and
//! longer. No clock in here; time is an argument.

use std::time::{Duration, Instant};

/// Polls at full speed at the start of waiting. Between two messages of a busy pool pass microseconds; whoever gives
/// the core away for these gets it back after milliseconds, where other programs want it.
const HOT_POLLS: u32 = 256;
/// Where these are in vain again and again, because whoever is waited for wants this very core, there are fewer of them.
const FEWEST_HOT_POLLS: u32 = 16;
/// So many of them pass between two looks at the clock.
const POLLS_PER_LOOK: u32 = 16;
/// The first sleep.
const SHORTEST_SLEEP: Duration = Duration::from_micros(50);
/// A sleep is this much shorter than the quiet before it. So two ranks that wait for each other in turns can't
/// both sleep for long again and again: each sleep cuts the other's quiet, until both are awake.
const QUIET_PER_SLEEP: u32 = 8;
/// How long a rank does not sleep while a large message does not get on.
const TRANSFER_SPIN: Duration = Duration::from_millis(20);

/// What to do before the next poll.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Nothing.
    Poll,
    /// Let others have the core.
    Yield,
    /// Sleep for so long.
    Sleep(Duration),
}

/// Where a rank stands in its waiting. It goes on from call to call until a message comes.
pub(crate) struct Ladder {
    spin: Duration,
    longest_sleep: Duration,
    /// Polls since the last message, up to `hot`.
    polls: u32,
    /// Polls at full speed before others get the core, between [`FEWEST_HOT_POLLS`] and [`HOT_POLLS`].
    hot: u32,
    /// It has slept since the last message.
    slept: bool,
    /// Since when nothing has come, and when that was last looked at.
    quiet: Option<(Instant, Instant)>,
}

impl Ladder {
    /// Polls without sleep for `spin`, and never sleeps for more than `longest_sleep`.
    pub(crate) fn new(spin: Duration, longest_sleep: Duration) -> Self {
        Self { spin, longest_sleep, polls: 0, hot: HOT_POLLS, slept: false, quiet: None }
    }

    /// A message has come: back to the start.
    pub(super) fn found(&mut self) {
        if self.polls < self.hot {
            self.hot = (self.hot + self.polls).min(HOT_POLLS);
        } else if !self.slept {
            self.hot = (self.hot / 2).max(FEWEST_HOT_POLLS);
        }
        (self.polls, self.slept, self.quiet) = (0, false, None);
    }

    /// Counts a poll that has found nothing. False: poll again at once, no need to look at the clock.
    pub(super) fn needs_the_time(&mut self) -> bool {
        if self.polls >= self.hot {
            return true;
        }
        self.polls += 1;
        self.polls.is_multiple_of(POLLS_PER_LOOK)
    }

    /// What comes next at `now`. `busy`: a large message is under way, which needs frequent visits; but one that is stuck
    /// must not burn the core.
    pub(super) fn step(&mut self, now: Instant, busy: bool) -> Step {
        let since = match self.quiet {
            Some((since, last)) if now - last <= 4 * self.longest_sleep => since,
            // Away for a while: the quiet before that says nothing about now.
            Some(_) => {
                self.polls = 0;
                now
            }
            None => now,
        };
        self.quiet = Some((since, now));
        if self.polls < self.hot {
            return Step::Poll;
        }
        let quiet = now - since;
        if quiet < self.spin || (busy && quiet < TRANSFER_SPIN) {
            return Step::Yield;
        }
        self.slept = true;
        Step::Sleep((quiet / QUIET_PER_SLEEP).max(SHORTEST_SLEEP).min(self.longest_sleep))
    }

    /// Takes in that a sleep has ended, however long it was.
    pub(super) fn awake(&mut self, now: Instant) {
        if let Some((_, last)) = &mut self.quiet {
            *last = now;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPIN: Duration = Duration::from_micros(300);
    const LONGEST: Duration = Duration::from_millis(1);

    /// The steps after each 10 us, as runs of equal kind with their sleeps.
    fn steps(ladder: &mut Ladder, mut now: Instant, polls: usize, busy: bool) -> Vec<Step> {
        (0..polls)
            .map(|_| {
                now += Duration::from_micros(10);
                if ladder.needs_the_time() { ladder.step(now, busy) } else { Step::Poll }
            })
            .collect()
    }

    #[test]
    fn the_first_polls_never_give_the_core_away() {
        let mut ladder = Ladder::new(Duration::ZERO, LONGEST);
        let first = HOT_POLLS as usize - 1;
        for _ in 0..3 {
            assert!(steps(&mut ladder, Instant::now(), first, false).iter().all(|step| *step == Step::Poll));
            ladder.found();
        }
    }

    #[test]
    fn where_full_speed_is_in_vain_the_core_is_given_away_sooner_until_it_pays_again() {
        let mut ladder = Ladder::new(100 * SPIN, LONGEST);
        let until_yield = |ladder: &mut Ladder| {
            let all = steps(ladder, Instant::now(), HOT_POLLS as usize, false);
            all.iter().position(|step| *step == Step::Yield).map_or(HOT_POLLS, |at| at as u32 + 1)
        };
        let mut waits = Vec::new();
        for _ in 0..6 {
            waits.push(until_yield(&mut ladder));
            ladder.found();
        }
        assert_eq!(waits, [256, 128, 64, 32, 16, 16]);
        for _ in 0..60 {
            steps(&mut ladder, Instant::now(), 10, false);
            ladder.found();
        }
        assert_eq!(until_yield(&mut ladder), HOT_POLLS);
        // A sleep says nothing about who wants this core.
        steps(&mut ladder, Instant::now(), 5000, false);
        ladder.found();
        assert_eq!(until_yield(&mut ladder), HOT_POLLS);
    }

    #[test]
    fn then_the_rank_yields_and_then_it_sleeps_ever_longer() {
        let mut ladder = Ladder::new(10 * SPIN, LONGEST);
        let all = steps(&mut ladder, Instant::now(), 2000, false);
        let yields = all.iter().position(|step| *step == Step::Yield).unwrap();
        let sleeps = all.iter().position(|step| matches!(step, Step::Sleep(_))).unwrap();
        assert!(yields < sleeps);
        let lengths: Vec<_> = all
            .iter()
            .filter_map(|step| if let Step::Sleep(time) = step { Some(*time) } else { None })
            .collect();
        assert!(lengths.is_sorted() && lengths.last() == Some(&LONGEST));
    }

    #[test]
    fn a_large_message_under_way_keeps_the_rank_awake_but_not_for_ever() {
        let mut ladder = Ladder::new(SPIN, LONGEST);
        let all = steps(&mut ladder, Instant::now(), 4000, true);
        let awake = all.iter().take_while(|step| !matches!(step, Step::Sleep(_))).count() as u32;
        assert!(Duration::from_micros(10) * awake >= TRANSFER_SPIN && awake < 4000);
    }

    #[test]
    fn who_was_away_begins_anew() {
        let mut ladder = Ladder::new(SPIN, LONGEST);
        let now = Instant::now();
        steps(&mut ladder, now, 4000, false);
        let later = now + Duration::from_secs(1);
        assert_eq!(ladder.step(later, false), Step::Poll);
        assert!(!ladder.needs_the_time());
    }
}
