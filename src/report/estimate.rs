//! How long a run may still take.

use std::time::Duration;

/// Recent values of a loss over time, kept in a fixed amount of memory.
///
/// Losses of adaptive sampling fall like a power of the time, so the trend is a straight line in logarithms of
/// both; it is fitted to the later half of what was seen.
#[derive(Clone, Debug, Default)]
pub struct Trend {
    /// Logarithms of time (s) and loss.
    seen: Vec<(f64, f64)>,
    /// Times closer together than this factor are not kept.
    spread: f64,
}

/// Most points that are kept; then every other one is dropped.
const KEPT: usize = 64;
/// Nobody waits longer than this, in seconds: what is extrapolated so far says nothing.
const FAR: f64 = 366.0 * 86400.0;

impl Trend {
    /// An empty trend.
    pub fn new() -> Self {
        Self { seen: Vec::new(), spread: 0.0 }
    }

    /// Takes note of the loss at a time since the start of the run; O(1) amortised.
    pub fn add(&mut self, elapsed: Duration, loss: f64) {
        let point = (elapsed.as_secs_f64().ln(), loss.ln());
        if !point.0.is_finite() || !point.1.is_finite() {
            return;
        }
        match self.seen.last() {
            Some(last) if point.0 <= last.0 + self.spread => return,
            _ => self.seen.push(point),
        }
        if self.seen.len() == KEPT {
            let mut keep = false;
            self.seen.retain(|_| {
                keep = !keep;
                keep
            });
            self.spread = (self.spread * 2.0).max(0.01);
        }
    }

    /// The time from `elapsed` until the loss is `goal`, if the trend goes on; `None` if too little is known or
    /// the loss does not fall.
    pub fn time_left(&self, elapsed: Duration, goal: f64) -> Option<Duration> {
        let recent = &self.seen[self.seen.len() / 2..];
        if recent.len() < 3 {
            return None;
        }
        let n = recent.len() as f64;
        let (mean_t, mean_l) =
            (recent.iter().map(|p| p.0).sum::<f64>() / n, recent.iter().map(|p| p.1).sum::<f64>() / n);
        let covariance: f64 = recent.iter().map(|p| (p.0 - mean_t) * (p.1 - mean_l)).sum();
        let variance: f64 = recent.iter().map(|p| (p.0 - mean_t).powi(2)).sum();
        let slope = covariance / variance;
        // NaN too: all at one time.
        if !slope.is_finite() || slope >= -1e-3 {
            return None;
        }
        let end = (mean_t + (goal.ln() - mean_l) / slope).exp();
        let left = (end - elapsed.as_secs_f64()).max(0.0);
        Duration::try_from_secs_f64(left).ok().filter(|_| left < FAR)
    }
}

/// The time until `goal` points are reached at this rate; zero if they are, `None` without a rate.
pub fn time_left_at_rate(points: u64, goal: u64, per_second: f64) -> Option<Duration> {
    match goal.saturating_sub(points) {
        0 => Some(Duration::ZERO),
        left if per_second > 0.0 => Duration::try_from_secs_f64(left as f64 / per_second).ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_power_law_is_extrapolated() {
        let mut trend = Trend::new();
        // loss = 10 / t: 0.01 at 1000 s.
        for second in 1..=100 {
            trend.add(Duration::from_secs(second), 10.0 / second as f64);
        }
        let left = trend.time_left(Duration::from_secs(100), 0.01).unwrap();
        approx::assert_relative_eq!(left.as_secs_f64(), 900.0, max_relative = 1e-6);
        assert_eq!(trend.time_left(Duration::from_secs(100), 1.0), Some(Duration::ZERO));
    }

    #[test]
    fn nothing_is_said_without_a_trend() {
        let mut trend = Trend::new();
        trend.add(Duration::ZERO, 1.0);
        trend.add(Duration::from_secs(1), f64::INFINITY);
        assert_eq!(trend.time_left(Duration::from_secs(1), 0.1), None);
        for second in 1..=9 {
            trend.add(Duration::from_secs(second), 1.0);
        }
        assert_eq!(trend.time_left(Duration::from_secs(9), 0.1), None);
        assert_eq!(trend.time_left(Duration::from_secs(9), 0.0), None);
    }

    #[test]
    fn the_memory_of_a_trend_is_bounded() {
        let mut trend = Trend::new();
        for i in 1..100_000 {
            trend.add(Duration::from_millis(i), 1.0 / i as f64);
        }
        assert!(trend.seen.len() < KEPT);
        assert!(trend.time_left(Duration::from_secs(100), 1e-6).is_some());
    }

    #[test]
    fn points_left_are_a_matter_of_the_rate() {
        assert_eq!(time_left_at_rate(10, 30, 2.0), Some(Duration::from_secs(10)));
        assert_eq!(time_left_at_rate(30, 30, 0.0), Some(Duration::ZERO));
        assert_eq!(time_left_at_rate(0, 30, 0.0), None);
        assert_eq!(time_left_at_rate(0, u64::MAX, 1e-300), None);
    }
}
