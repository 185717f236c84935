//! The time, mostly by the counter of the processor.
//!
//! Both ends of each task are timed, on the way between two messages that are half a microsecond apart. A look at the
//! system's clock costs 20 to 40 ns there, one at the counter half of that. So the system's clock is looked at once in a
//! millisecond, and the counter, which is gauged by it, tells what has passed since then. However odd a counter may be (one that
//! differs from core to core, follows the frequency or jumps), it is not believed for much longer than that.

use std::cell::Cell;
use std::time::{Duration, Instant};

/// The counter is believed for so long.
const TRUST: Duration = Duration::from_millis(1);
/// A pause in which the counter may have stopped, as on a computer that slept: it is not gauged by that.
const PAUSE: Duration = Duration::from_secs(1);
/// With more ticks than this before and after it, something came between the looks at the clock and at the counter.
const TORN: u64 = 10_000;

/// Counts from its making. Never goes back.
pub(super) struct Clock {
    start: Instant,
    gauge: Cell<Gauge>,
    latest: Cell<u64>,
}

/// The counter beside the system's clock. Times are in nanoseconds.
#[derive(Clone, Copy, Debug, Default)]
struct Gauge {
    ticks: u64,
    time: u64,
    /// Time per tick, in units of 2^-32 ns.
    rate: u64,
    /// The counter is believed for so many ticks; 0 as long as there is no rate.
    trust: u64,
}

impl Clock {
    pub(super) fn new() -> Self {
        let start = Instant::now();
        // The first gauge is none: the first looks begin one.
        Self { start, gauge: Cell::default(), latest: Cell::new(0) }
    }

    /// What has passed since it was made.
    #[inline]
    pub(super) fn now(&self) -> Duration {
        let Some(ticks) = counter() else { return self.start.elapsed() };
        let Gauge { ticks: then, time, rate, trust } = self.gauge.get();
        let since = ticks.wrapping_sub(then);
        let time = if since < trust { time + ((since * rate) >> 32) } else { self.look(ticks) };
        let time = time.max(self.latest.get());
        self.latest.set(time);
        Duration::from_nanos(time)
    }

    /// Looks at the system's clock, just after the counter showed so many ticks.
    #[cold]
    fn look(&self, ticks: u64) -> u64 {
        let time = self.start.elapsed().as_nanos() as u64;
        let is_torn = counter().is_none_or(|after| after.wrapping_sub(ticks) > TORN);
        let before = self.gauge.get();
        let gauge = before.next(ticks, time);
        if let Some(gauge) = gauge.filter(|_| !is_torn) {
            self.gauge.set(gauge);
        }
        time
    }
}

impl Gauge {
    /// The next one, after long enough.
    fn next(self, ticks: u64, time: u64) -> Option<Self> {
        let passed = time.saturating_sub(self.time);
        let counted = ticks.wrapping_sub(self.ticks);
        if passed < TRUST.as_nanos() as u64 / 2 {
            // A counter that has gone back, or on too fast, is gauged anew.
            return (self.trust > 0).then_some(Self { ticks, time, ..Self::default() });
        }
        // At least a tick in 10 ns, and at most ten in one.
        let is_sane = passed < PAUSE.as_nanos() as u64 && (passed / 10..passed * 10).contains(&counted);
        if !is_sane {
            return Some(Self { ticks, time, ..Self::default() });
        }
        let rate = ((u128::from(passed) << 32) / u128::from(counted)) as u64;
        if self.trust > 0 && rate.abs_diff(self.rate) > self.rate / 16 {
            return Some(Self { ticks, time, ..Self::default() });
        }
        let trust = TRUST.as_nanos() * u128::from(counted) / u128::from(passed);
        Some(Self { ticks, time, rate, trust: trust as u64 })
    }
}

/// The processor's counter of time; `None` where there is none that programs may read.
#[inline]
fn counter() -> Option<u64> {
    #[cfg(target_arch = "x86_64")]
    #[expect(unsafe_code, reason = "an instruction")]
    // SAFETY: it reads a register, which every processor of this kind has.
    return Some(unsafe { std::arch::x86_64::_rdtsc() });
    #[cfg(not(target_arch = "x86_64"))]
    return None;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_never_goes_back_and_is_never_far_from_the_system_clock() {
        let clock = Clock::new();
        let mut latest = Duration::ZERO;
        let mut is_trusted = false;
        while latest < Duration::from_millis(60) {
            is_trusted |= clock.gauge.get().trust > 0;
            let before = clock.start.elapsed();
            let now = clock.now();
            let after = clock.start.elapsed();
            assert!(
                now >= latest && now + TRUST >= before && now <= after + TRUST,
                "{before:?} {now:?} {after:?}"
            );
            latest = now;
        }
        assert_eq!(is_trusted, cfg!(target_arch = "x86_64"));
    }

    const MS: u64 = 1_000_000;

    fn gauged() -> Gauge {
        let gauge = Gauge { ticks: 500, ..Gauge::default() }.next(500 + 3 * MS, MS).unwrap();
        assert_eq!((gauge.ticks, gauge.time, gauge.trust), (500 + 3 * MS, MS, 3 * MS));
        // A third of a nanosecond for each tick.
        assert_eq!(gauge.rate, (1 << 32) / 3);
        gauge
    }

    #[test]
    fn the_counter_is_gauged_after_a_millisecond_and_again_and_again() {
        let first = Gauge { ticks: 500, ..Gauge::default() };
        assert!(first.next(500 + 3000, 1000).is_none(), "too soon to tell");
        let again = gauged().next(500 + 7 * MS, 2 * MS + MS / 3).unwrap();
        assert!(again.trust.abs_diff(3 * MS) < 10 && again.time == 2 * MS + MS / 3, "{again:?}");
    }

    #[test]
    fn an_odd_counter_is_not_believed_until_it_is_gauged_anew() {
        let odd = [
            ("it has gone back", 400, MS + 10),
            ("it has jumped", 500 + 90 * MS, MS + 10),
            ("it has stopped", 600 + 3 * MS, 5 * MS),
            ("it has rushed", 500 + 2000 * MS, 3 * MS),
            ("it has become slower", 500 + 5 * MS, 2 * MS),
            ("the computer has slept", 500 + 6 * MS, 90_000 * MS),
        ];
        for (what, ticks, time) in odd {
            let gauge = gauged().next(ticks, time).unwrap();
            assert_eq!((gauge.ticks, gauge.time, gauge.trust), (ticks, time, 0), "{what}");
            let anew = gauge.next(ticks + 3 * MS, time + MS).unwrap();
            assert_eq!(anew.trust, 3 * MS, "{what}");
        }
    }
}
