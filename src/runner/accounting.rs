use std::time::{Duration, Instant};

/// What rank 0 spends its time on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Choosing points.
    Ask,
    /// Taking values.
    Tell,
    /// Encoding, sending, receiving.
    Wire,
    /// Journal and snapshots.
    Checkpoint,
    /// Goals, signals, status lines.
    Other,
    /// Waiting for results.
    Idle,
}

impl Phase {
    /// All phases with their names.
    pub const ALL: [(Self, &'static str); 6] = [
        (Self::Ask, "ask"),
        (Self::Tell, "tell"),
        (Self::Wire, "wire"),
        (Self::Checkpoint, "checkpoint"),
        (Self::Other, "other"),
        (Self::Idle, "idle"),
    ];
}

/// Where the wall time of a run went: on rank 0 by [`Phase`], on the workers by what they measured themselves.
///
/// The efficiency is honest: the time that user functions ran, as the workers' own clocks tell, divided by
/// workers × wall time. Waiting in a queue does not count as work (upstream's `overhead()` counts it).
#[derive(Clone, Debug)]
pub struct Accounting {
    started: Instant,
    last: Instant,
    spent: [Duration; 6],
    /// Sum of the durations that workers measured around the function.
    pub function: Duration,
    /// Evaluations in that sum.
    pub evaluations: u64,
}

impl Accounting {
    /// Starts the clock.
    pub fn start(now: Instant) -> Self {
        Self { started: now, last: now, spent: [Duration::ZERO; 6], function: Duration::ZERO, evaluations: 0 }
    }

    /// Books the time since the last call to a phase of rank 0.
    pub fn book(&mut self, phase: Phase, now: Instant) {
        self.spent[phase as usize] += now.saturating_duration_since(self.last);
        self.last = now;
    }

    /// Books one evaluation on a worker.
    pub fn evaluated(&mut self, duration: Duration) {
        self.function += duration;
        self.evaluations += 1;
    }

    /// Wall time since the start, up to the last booking.
    pub fn elapsed(&self) -> Duration {
        self.last.saturating_duration_since(self.started)
    }

    /// Time of rank 0 in a phase.
    pub fn spent(&self, phase: Phase) -> Duration {
        self.spent[phase as usize]
    }

    /// Function time / (workers × wall time), between 0 and 1; 0 before anything ran.
    pub fn efficiency(&self, workers: usize) -> f64 {
        let available = self.elapsed().as_secs_f64() * workers as f64;
        if available > 0.0 { (self.function.as_secs_f64() / available).min(1.0) } else { 0.0 }
    }

    /// Fraction of the wall time that rank 0 spent in a phase.
    pub fn share(&self, phase: Phase) -> f64 {
        let elapsed = self.elapsed().as_secs_f64();
        if elapsed > 0.0 { self.spent(phase).as_secs_f64() / elapsed } else { 0.0 }
    }
}
