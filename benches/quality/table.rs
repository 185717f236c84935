//! The tables of `benches/QUALITY.md`.

use super::functions::LINES;
use super::measure::Errors;
use super::{IN_FLIGHT, LOSSES, Row, measured};
use std::fmt::Write as _;

/// Beyond this, errors are rounding errors and count as none.
const EXACT: f64 = 1e-12;
/// How much worse than the grid counts as worse.
const TOLERANCE: f64 = 1.1;

pub(super) type Part = fn(&Errors) -> f64;
pub(super) const PARTS: [(&str, Part); 2] = [("Linf", |errors| errors.linf), ("L2", |errors| errors.l2)];

/// The smallest error of adaptive's losses.
fn best(row: &Row, part: Part) -> f64 {
    row.learners[1..].iter().map(part).fold(f64::INFINITY, f64::min)
}

/// Gains beyond this are cut off, so that a row with no error at all does not make every mean.
const MOST: f64 = 1000.0;

/// How many times smaller than `other` an error is; 1 where both are rounding errors.
pub(super) fn gain(error: f64, other: f64) -> f64 {
    (other.max(EXACT) / error.max(EXACT)).clamp(1.0 / MOST, MOST)
}

pub(super) fn number(error: f64) -> String {
    if error < EXACT { "exact".into() } else { format!("{error:.2e}") }
}

pub(super) fn factor(gain: f64) -> String {
    match gain {
        gain if gain >= MOST => "> 1000".into(),
        gain if gain <= 1.0 / MOST => "< 0.001".into(),
        gain if gain >= 20.0 => format!("{gain:.0}"),
        gain if gain >= 9.95 => format!("{gain:.1}"),
        gain => format!("{gain:.2}"),
    }
}

/// Geometric mean.
pub(super) fn mean(gains: impl Iterator<Item = f64>) -> f64 {
    let (mut sum, mut count) = (0.0, 0.0);
    for gain in gains {
        sum += gain.ln();
        count += 1.0;
    }
    f64::exp(sum / count)
}

/// How often our loss is at least as good as the best of adaptive's, and never worse than the grid.
pub(crate) fn summary(rows: &[Row]) -> String {
    let mut out = String::from("| rows of the full table | Linf | L2 |\n|---|---|---|\n");
    let mut line = |name: &str, cell: &dyn Fn(Part) -> String| {
        let cells: Vec<String> = PARTS.iter().map(|(_, part)| cell(*part)).collect();
        let _ = writeln!(out, "| {name} | {} |", cells.join(" | "));
    };
    let share =
        |count: usize, of: usize| format!("{count} of {of} ({:.0} %)", 100.0 * count as f64 / of as f64);
    let count = |wanted: &dyn Fn(&Row) -> bool, subset: &dyn Fn(&Row) -> bool| {
        let rows: Vec<&Row> = rows.iter().filter(|row| subset(row)).collect();
        share(rows.iter().filter(|row| wanted(row)).count(), rows.len())
    };
    for (subset_name, subset) in [
        ("all functions", (|_| true) as fn(&Row) -> bool),
        ("those of adaptive-quality.md", |row| row.case.recorded),
    ] {
        line(&format!("{subset_name}: at least as good as the best of adaptive's losses"), &|part| {
            count(&|row| gain(part(&row.learners[0]), best(row, part)) >= 0.9999, &subset)
        });
        for (loss, name) in LOSSES.iter().enumerate() {
            line(&format!("{subset_name}: `{name}` worse than the grid by more than 10 %"), &|part| {
                count(&|row| part(&row.learners[loss]) > TOLERANCE * part(&row.grid).max(EXACT), &subset)
            });
        }
    }
    for (loss, name) in LOSSES.iter().enumerate() {
        line(&format!("gain of `{name}` over the grid, geometric mean"), &|part| {
            factor(mean(rows.iter().map(|row| gain(part(&row.learners[loss]), part(&row.grid)))))
        });
    }
    line("gain of ours over the best of adaptive's in each row, geometric mean", &|part| {
        factor(mean(rows.iter().map(|row| gain(part(&row.learners[0]), best(row, part)))))
    });
    out
}

/// One line per function: gains, as geometric means over the numbers of points.
pub(crate) fn by_function(rows: &[Row]) -> String {
    let mut out = String::from(
        "| function | ours / grid Linf | L2 | best of adaptive / grid Linf | L2 | ours / best of adaptive Linf | L2 |\n\
         |---|---|---|---|---|---|---|\n",
    );
    for case in LINES {
        let of_case = || rows.iter().filter(|row| row.case.name == case.name);
        let mut cells = Vec::new();
        let mut means = |gain_of: &dyn Fn(&Row, Part) -> f64| {
            for (_, part) in PARTS {
                cells.push(factor(mean(of_case().map(|row| gain_of(row, part)))));
            }
        };
        means(&|row, part| gain(part(&row.learners[0]), part(&row.grid)));
        means(&|row, part| gain(best(row, part), part(&row.grid)));
        means(&|row, part| gain(part(&row.learners[0]), best(row, part)));
        let _ = writeln!(out, "| {} | {} |", case.name, cells.join(" | "));
    }
    out
}

/// What many points in flight cost: L2 errors at 1000 points.
pub(crate) fn in_flight() -> String {
    let mut out = String::from("| function | loss |");
    let _ = writeln!(out, "{}", IN_FLIGHT.map(|n| format!(" {n} in flight |")).concat());
    let _ = writeln!(out, "|---|---|{}", "---|".repeat(IN_FLIGHT.len()));
    for case in LINES.iter().filter(|case| case.recorded || case.name.starts_with("three")) {
        for loss in ["interpolation_error", "default", "curvature"] {
            let cell = |n| format!(" {} |", number(measured(case, loss, 1000, n).l2));
            let _ = writeln!(out, "| {} | {loss} |{}", case.name, IN_FLIGHT.map(cell).concat());
        }
    }
    out
}

/// Every error.
pub(crate) fn full(rows: &[Row]) -> String {
    let mut out = String::from("| function | N | uniform grid |");
    let _ = writeln!(
        out,
        "{} L2 gain of ours over the grid | over adaptive's best |",
        LOSSES.map(|l| format!(" {l} |")).concat()
    );
    let _ = writeln!(out, "|---|---|---|{}---|---|", "---|".repeat(LOSSES.len()));
    let cell = |errors: &Errors| format!("{} / {}", number(errors.linf), number(errors.l2));
    for row in rows {
        let errors: Vec<String> = row.learners.iter().map(cell).collect();
        let ours = row.learners[0].l2;
        let _ = writeln!(
            out,
            "| {} | {} | {} | {} | {} | {} |",
            row.case.name,
            row.n,
            cell(&row.grid),
            errors.join(" | "),
            factor(gain(ours, row.grid.l2)),
            factor(gain(ours, best(row, |errors| errors.l2))),
        );
    }
    out
}
