//! The picture of `benches/QUALITY.md`: a small plot per function, error over number of points.

use super::functions::LINES;
use super::{LOSSES, Row};
use std::fmt::Write as _;

const ACROSS: usize = 5;
const WIDTH: f64 = 200.0;
const HEIGHT: f64 = 150.0;
const COLOURS: [&str; 5] = ["#c33", "#bbb", "#37a", "#3a6", "#000"];
/// Errors below this are drawn here.
const LOWEST: f64 = 1e-8;

/// Root mean square errors of all losses and of the grid, on logarithmic axes.
pub(crate) fn svg(rows: &[Row]) -> String {
    let down = LINES.len().div_ceil(ACROSS);
    let (width, height) = (WIDTH * ACROSS as f64, HEIGHT * down as f64 + 30.0);
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" font-family=\"sans-serif\" \
         font-size=\"9\">\n<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n"
    );
    let names = LOSSES.iter().copied().chain(["uniform grid"]);
    for (i, (name, colour)) in names.zip(COLOURS).enumerate() {
        let x = 10.0 + 170.0 * i as f64;
        let _ = writeln!(
            out,
            "<path d=\"M{x} 14h24\" stroke=\"{colour}\" stroke-width=\"2\"/><text x=\"{}\" y=\"18\" font-size=\"12\">{name}</text>",
            x + 30.0
        );
    }
    for (i, case) in LINES.iter().enumerate() {
        let (left, top) = (WIDTH * (i % ACROSS) as f64, 30.0 + HEIGHT * (i / ACROSS) as f64);
        let of_case: Vec<&Row> = rows.iter().filter(|row| row.case.name == case.name).collect();
        small(&mut out, case.name, &of_case, left, top);
    }
    out.push_str("</svg>\n");
    out
}

fn small(out: &mut String, name: &str, rows: &[&Row], left: f64, top: f64) {
    let series = |i: usize| -> Vec<(f64, f64)> {
        let error = |row: &&Row| row.learners.get(i).unwrap_or(&row.grid).l2.max(LOWEST);
        rows.iter().map(|row| ((row.n as f64).log10(), error(row).log10())).collect()
    };
    let all: Vec<Vec<(f64, f64)>> = (0..=LOSSES.len()).map(series).collect();
    let ys = || all.iter().flatten().map(|(_, y)| *y);
    let (low, high) = (ys().fold(f64::MAX, f64::min), ys().fold(f64::MIN, f64::max));
    let x0 = all[0].first().map_or(0.0, |p| p.0);
    let x1 = all[0].last().map_or(1.0, |p| p.0);
    let place = |(x, y): (f64, f64)| {
        let across = left + 30.0 + (x - x0) / (x1 - x0) * (WIDTH - 40.0);
        (across, top + 20.0 + (high - y) / (high - low).max(1e-9) * (HEIGHT - 45.0))
    };
    let _ = writeln!(out, "<text x=\"{}\" y=\"{}\">{name}</text>", left + 30.0, top + 12.0);
    for (n, x) in rows.iter().zip(&all[0]) {
        let (across, _) = place(*x);
        let _ = writeln!(
            out,
            "<text x=\"{across:.1}\" y=\"{}\" text-anchor=\"middle\" fill=\"#777\">{}</text>",
            top + HEIGHT - 12.0,
            n.n
        );
    }
    for y in [low, high] {
        let _ = writeln!(
            out,
            "<text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\" fill=\"#777\">{:.0e}</text>",
            left + 27.0,
            place((x0, y)).1 + 3.0,
            10f64.powf(y)
        );
    }
    for (points, colour) in all.iter().zip(COLOURS).rev() {
        let line: Vec<String> = points
            .iter()
            .map(|point| {
                let (x, y) = place(*point);
                format!("{x:.1},{y:.1}")
            })
            .collect();
        let _ = writeln!(
            out,
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"1.5\"/>",
            line.join(" ")
        );
    }
}
