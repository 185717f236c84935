//! The program as its users see it, on threads of this machine: studies in folders, commands, exit codes.

#![expect(clippy::unwrap_used, reason = "a test may fail loudly")]

#[path = "../study_run/mod.rs"]
mod study_run;

mod cache;
mod changes;
mod commands;
mod failures;
mod giving_up;
mod integrals;
mod kill;
mod noisy;
mod priority;
mod reproduce;
mod saving;
mod stopping;

/// Three learners, done in a moment.
const PEAK: &str = r#"
[function]
builtin = "peak"

[parameters]
offset = [-0.5, 0.0, 0.5]

[learner]
type = "1d"
bounds = [-1, 1]

[goal]
npoints = 30

[run]
workers = 2
"#;

/// The same study under another name: it has no checkpoint of its own.
fn renamed(name: &str, study: &str) -> String {
    format!("name = '{name}'\n{study}")
}

/// The peak's value.
fn peak(row: &study_run::Row) -> f64 {
    let (x, offset, a) = (row.point[0], [-0.5, 0.0, 0.5][row.learner as usize], 0.01);
    x + a * a / (a * a + (x - offset) * (x - offset))
}
