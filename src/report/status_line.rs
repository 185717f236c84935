//! The one line that says how a run is doing.

use super::{count, duration, loss, percent, rate};
use std::fmt;
use std::time::Duration;

/// Figures of a run at one moment. Its text is one line of ASCII:
///
/// ```text
/// resonance  2m 05s  12,345 points  loss 0.0123  98.8/s  15/15 busy  7/100 done  2 failed  42%, 3m 20s left
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StatusLine {
    /// Name of the study.
    pub name: String,
    /// Time since the start of the run.
    pub elapsed: Duration,
    /// Values told to all learners.
    pub npoints: u64,
    /// The largest real loss of all learners; infinite while not known.
    pub loss: f64,
    /// Points per second, lately.
    pub rate: f64,
    /// Workers that evaluate something just now.
    pub busy: usize,
    /// All workers.
    pub workers: usize,
    /// Learners that meet their part of the goal.
    pub finished: usize,
    /// All learners; nothing is said about them if there is one only.
    pub learners: usize,
    /// Attempts that followed failed ones.
    pub retries: u64,
    /// Points that were given up.
    pub failed: u64,
    /// The part of the way to the goal, 0 to 1, if that can be said.
    pub part: Option<f64>,
    /// Time left until the goal, if that can be said.
    pub left: Option<Duration>,
}

impl StatusLine {
    /// The parts of the line, the most important ones first.
    fn parts(&self) -> Vec<String> {
        let mut parts = vec![
            self.name.clone(),
            duration(self.elapsed),
            format!("{} points", count(self.npoints)),
            format!("loss {}", loss(self.loss)),
            rate(self.rate),
            format!("{}/{} busy", self.busy, self.workers),
        ];
        if self.learners > 1 {
            parts.push(format!("{}/{} done", self.finished, self.learners));
        }
        if self.failed > 0 {
            parts.push(format!("{} failed", count(self.failed)));
        }
        if self.retries > 0 {
            parts.push(format!("{} retried", count(self.retries)));
        }
        match (self.part, self.left) {
            (Some(part), Some(left)) => parts.push(format!("{}, {} left", percent(part), duration(left))),
            (Some(part), None) => parts.push(percent(part)),
            (None, Some(left)) => parts.push(format!("{} left", duration(left))),
            (None, None) => {}
        }
        parts.retain(|part| !part.is_empty());
        parts
    }

    /// The line in at most `columns` characters: whole parts are left out from the end; only the first one, if it
    /// alone is too long, is cut.
    pub fn fit(&self, columns: usize) -> String {
        let mut line = String::new();
        for part in self.parts() {
            if line.is_empty() {
                line = part.chars().take(columns).collect();
            } else if line.chars().count() + 2 + part.chars().count() <= columns {
                line.push_str("  ");
                line.push_str(&part);
            } else {
                break;
            }
        }
        line
    }
}

impl fmt::Display for StatusLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.parts().join("  "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line() -> StatusLine {
        StatusLine {
            name: "resonance".into(),
            elapsed: Duration::from_secs(125),
            npoints: 12_345,
            loss: 0.012_345,
            rate: 98.76,
            busy: 15,
            workers: 15,
            finished: 7,
            learners: 100,
            retries: 0,
            failed: 2,
            part: Some(0.42),
            left: Some(Duration::from_secs(200)),
        }
    }

    #[test]
    fn the_whole_line_says_all() {
        assert_eq!(
            line().to_string(),
            "resonance  2m 05s  12,345 points  loss 0.0123  98.8/s  15/15 busy  7/100 done  2 failed  42%, 3m 20s left"
        );
    }

    #[test]
    fn what_is_not_known_is_left_out() {
        let new = StatusLine {
            name: "a".into(),
            loss: f64::INFINITY,
            workers: 3,
            learners: 1,
            ..StatusLine::default()
        };
        assert_eq!(new.to_string(), "a  0 ns  0 points  loss -  0/s  0/3 busy");
    }

    #[test]
    fn a_narrow_terminal_sees_the_first_parts() {
        assert_eq!(line().fit(50), "resonance  2m 05s  12,345 points  loss 0.0123");
        assert_eq!(line().fit(4), "reso");
        assert_eq!(line().fit(500), line().to_string());
        for columns in 0..120 {
            assert!(line().fit(columns).chars().count() <= columns);
        }
    }
}
