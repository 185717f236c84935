//! How the durations of one kind of task are spread: a histogram with four classes for each doubling, so a quantile
//! is right within a fifth. Pure.

use std::time::Duration;

/// Classes for each doubling.
const PER_DOUBLING: u32 = 4;
/// Of nanoseconds in 64 bits.
const CLASSES: usize = 64 * PER_DOUBLING as usize;

/// A histogram of durations. 2 KiB.
#[derive(Clone, Debug)]
pub(super) struct Spread {
    counts: Box<[u64; CLASSES]>,
    all: u64,
}

impl Default for Spread {
    fn default() -> Self {
        Self { counts: Box::new([0; CLASSES]), all: 0 }
    }
}

impl Spread {
    /// Takes in a duration in nanoseconds. O(1).
    pub(super) fn note(&mut self, nanos: u64) {
        let nanos = nanos.max(1);
        let doublings = nanos.ilog2();
        // The two bits behind the leading one.
        let quarter = if doublings >= 2 { (nanos >> (doublings - 2)) & 3 } else { 0 };
        self.counts[(doublings * PER_DOUBLING + quarter as u32) as usize] += 1;
        self.all += 1;
    }

    /// How many durations it has seen.
    pub(super) fn len(&self) -> u64 {
        self.all
    }

    /// At most so much took this share of the tasks; zero if none is known.
    pub(super) fn quantile(&self, share: f64) -> Duration {
        let wanted = (self.all as f64 * share).ceil() as u64;
        let mut seen = 0;
        for (class, count) in self.counts.iter().enumerate() {
            seen += count;
            if *count > 0 && seen >= wanted {
                let (doublings, quarter) = (class as u32 / PER_DOUBLING, class as u32 % PER_DOUBLING);
                let end =
                    2_f64.powi(doublings as i32) * (1.0 + f64::from(quarter + 1) / f64::from(PER_DOUBLING));
                return Duration::from_secs_f64(end * 1e-9);
            }
        }
        Duration::ZERO
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_right_within_a_fifth_from_nanoseconds_to_days() {
        for unit in [1e-7, 1e-3, 1.0, 1e5] {
            let mut spread = Spread::default();
            (1..=1000).for_each(|n| spread.note((unit * f64::from(n) * 1e9) as u64));
            for share in [0.5, 0.9, 0.99] {
                let got = spread.quantile(share).as_secs_f64() / (unit * 1000.0 * share);
                assert!((0.999..1.26).contains(&got), "{unit} {share}: {got}");
            }
        }
    }

    #[test]
    fn nothing_is_known_at_first_and_extremes_have_a_class() {
        let mut spread = Spread::default();
        assert_eq!((spread.len(), spread.quantile(0.99)), (0, Duration::ZERO));
        spread.note(0);
        spread.note(u64::MAX);
        assert_eq!(spread.len(), 2);
        assert!(spread.quantile(0.5) < Duration::from_nanos(3));
    }
}
