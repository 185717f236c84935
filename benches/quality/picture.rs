//! The picture of `benches/QUALITY.md`: a small plot per function, error over number of points.

use super::measure::Errors;
use super::several::Plan;
use super::{LOSSES, Row};
use std::fmt::Write as _;

/// All that is drawn: names of the lines, the last one the grid's, and a small plot per function.
pub(crate) struct Drawing {
    names: Vec<String>,
    plots: Vec<Plot>,
}

/// One function: its name, and per number of points the errors in the order of the names.
struct Plot {
    name: &'static str,
    rows: Vec<(usize, Vec<Errors>)>,
}

impl Drawing {
    /// Rows come function by function.
    fn of(mut names: Vec<String>, rows: impl Iterator<Item = (&'static str, usize, Vec<Errors>)>) -> Self {
        names.push("uniform grid".into());
        let mut plots: Vec<Plot> = Vec::new();
        for (name, n, errors) in rows {
            match plots.last_mut().filter(|plot| plot.name == name) {
                Some(plot) => plot.rows.push((n, errors)),
                None => plots.push(Plot { name, rows: vec![(n, errors)] }),
            }
        }
        Self { names, plots }
    }
}

/// Functions of one variable.
pub(crate) fn lines(rows: &[Row]) -> Drawing {
    let errors = |row: &Row| row.learners.iter().copied().chain([row.grid]).collect();
    let rows = rows.iter().map(|row| (row.case.name, row.n, errors(row)));
    Drawing::of(LOSSES.map(String::from).to_vec(), rows)
}

/// Functions of several variables.
pub(crate) fn plane(plan: &Plan) -> Drawing {
    let rows = plan.rows();
    let errors = |row: &super::several::Row| row.learners.iter().copied().chain([row.grid]).collect();
    Drawing::of(plan.names(), rows.iter().map(|row| (row.case.name, row.n, errors(row))))
}

const ACROSS: usize = 5;
const WIDTH: f64 = 200.0;
const HEIGHT: f64 = 150.0;
/// Of the grid, and of the learners in their order.
const GRID: &str = "#000";
const COLOURS: [&str; 7] = ["#c33", "#bbb", "#37a", "#3a6", "#e90", "#939", "#9bd"];
/// Errors below this are drawn here.
const LOWEST: f64 = 1e-8;

/// Root mean square errors of all losses and of the grid, on logarithmic axes.
pub(crate) fn svg(drawing: &Drawing) -> String {
    let names = &drawing.names;
    let colour = |i: usize| if i + 1 == names.len() { GRID } else { COLOURS[i % COLOURS.len()] };
    let down = drawing.plots.len().div_ceil(ACROSS);
    let (width, height) = (WIDTH * ACROSS as f64, HEIGHT * down as f64 + 30.0);
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" font-family=\"sans-serif\" \
         font-size=\"9\">\n<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n"
    );
    for (i, name) in names.iter().enumerate() {
        let colour = colour(i);
        let x = 10.0 + (width - 40.0) / names.len().max(5) as f64 * i as f64;
        let _ = writeln!(
            out,
            "<path d=\"M{x} 14h24\" stroke=\"{colour}\" stroke-width=\"2\"/><text x=\"{}\" y=\"18\" font-size=\"12\">{name}</text>",
            x + 30.0
        );
    }
    for (i, plot) in drawing.plots.iter().enumerate() {
        let (left, top) = (WIDTH * (i % ACROSS) as f64, 30.0 + HEIGHT * (i / ACROSS) as f64);
        small(&mut out, plot, colour, left, top);
    }
    out.push_str("</svg>\n");
    out
}

fn small(out: &mut String, plot: &Plot, colour: impl Fn(usize) -> &'static str, left: f64, top: f64) {
    let Plot { name, rows } = plot;
    let count = rows.first().map_or(0, |(_, errors)| errors.len());
    let series = |i: usize| -> Vec<(f64, f64)> {
        rows.iter().map(|(n, errors)| ((*n as f64).log10(), errors[i].l2.max(LOWEST).log10())).collect()
    };
    let all: Vec<Vec<(f64, f64)>> = (0..count).map(series).collect();
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
            n.0
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
    for (i, points) in all.iter().enumerate().rev() {
        let colour = colour(i);
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
