//! The tables for functions of two and three variables.

use super::functions::{Case, PLANES, SPACES};
use super::measure::{self, Errors};
use super::table::{PARTS, Part, factor, gain, mean, number};
use super::{IN_FLIGHT, learner_of, points};
use std::fmt::Write as _;

/// A learner and its loss.
pub(crate) type Method = (&'static str, &'static str);

/// What is measured in so many dimensions.
pub(crate) struct Plan {
    title: &'static str,
    pub(crate) cases: &'static [Case],
    points: &'static [usize],
    /// Ours, then adaptive's.
    ours: usize,
    methods: &'static [Method],
}

/// Functions of two variables.
pub(crate) const PLANE: Plan = Plan {
    title: "Two variables",
    cases: PLANES,
    points: &[100, 300, 1000, 3000],
    ours: 2,
    methods: &[
        ("nd", "interpolation_error"),
        ("2d", "interpolation_error"),
        ("2d", "default"),
        ("2d", "uniform"),
        ("nd", "default"),
        ("nd", "curvature"),
        ("nd", "uniform"),
    ],
};

/// Functions of three variables.
pub(crate) const SPACE: Plan = Plan {
    title: "Three variables",
    cases: SPACES,
    points: &[125, 1000],
    ours: 1,
    methods: &[("nd", "interpolation_error"), ("nd", "default"), ("nd", "curvature"), ("nd", "uniform")],
};

/// A function at a number of points.
pub(crate) struct Row {
    pub(crate) case: &'static Case,
    pub(crate) n: usize,
    pub(crate) grid: Errors,
    sobol: Errors,
    sparse: Errors,
    pub(crate) learners: Vec<Errors>,
    /// Ours of two variables, on data-dependent triangulations of the same points.
    swapped: Vec<Errors>,
}

/// Errors of a learner after `n` points.
pub(crate) fn measured(case: &Case, (kind, loss): Method, n: usize, in_flight: usize) -> Errors {
    let mut learner = learner_of(kind, case, loss);
    let told = measure::sampled(learner.as_mut(), case, n, in_flight);
    measure::learner_errors(learner.as_ref(), case, &told)
}

/// The same on a data-dependent triangulation.
fn swapped(case: &Case, (kind, loss): Method, n: usize) -> Errors {
    let mut learner = learner_of(kind, case, loss);
    measure::sampled(learner.as_mut(), case, n, 1);
    measure::data_dependent_errors(learner.as_ref(), case)
}

impl Plan {
    /// Ours that have a choice of triangles.
    fn with_choice(&self) -> &'static [Method] {
        if self.cases.iter().all(|case| case.bounds.len() == 2) { &self.methods[..self.ours] } else { &[] }
    }

    /// Every figure.
    pub(crate) fn rows(&self) -> Vec<Row> {
        let row = |case: &'static Case, n| Row {
            case,
            n,
            grid: measure::grid_errors(case, n),
            sobol: measure::scattered_errors(case, &points::sobol(case, n)),
            sparse: points::sparse_errors(case, n).1,
            learners: self.methods.iter().map(|method| measured(case, *method, n, 1)).collect(),
            swapped: self.with_choice().iter().map(|method| swapped(case, *method, n)).collect(),
        };
        self.cases.iter().flat_map(|case| self.points.iter().map(move |n| row(case, *n))).collect()
    }

    /// The smallest error of adaptive's learners and losses.
    fn best(&self, row: &Row, part: Part) -> f64 {
        row.learners[self.ours..].iter().map(part).fold(f64::INFINITY, f64::min)
    }

    /// The smallest error of the losses of one of adaptive's learners.
    fn best_of(&self, kind: &str, row: &Row, part: Part) -> f64 {
        let methods = self.methods.iter().zip(&row.learners).skip(self.ours);
        methods
            .filter(|(method, _)| method.0 == kind)
            .map(|(_, errors)| part(errors))
            .fold(f64::INFINITY, f64::min)
    }

    /// How learners are called in the picture.
    pub(crate) fn names(&self) -> Vec<String> {
        self.methods.iter().map(|(kind, loss)| format!("{kind} {loss}")).collect()
    }

    /// The tables.
    pub(crate) fn tables(&self, rows: &[Row]) -> String {
        let mut out = format!("### {}\n\n| rows of the table | Linf | L2 |\n|---|---|---|\n", self.title);
        let mut line = |name: &str, cell: &dyn Fn(Part) -> String| {
            let cells: Vec<String> = PARTS.iter().map(|(_, part)| cell(*part)).collect();
            let _ = writeln!(out, "| {name} | {} |", cells.join(" | "));
        };
        let count = |wanted: &dyn Fn(&Row) -> bool| {
            let found = rows.iter().filter(|row| wanted(row)).count();
            format!("{found} of {} ({:.0} %)", rows.len(), 100.0 * found as f64 / rows.len() as f64)
        };
        for (at, (kind, loss)) in self.methods.iter().enumerate() {
            let name = format!("`{kind}`, `{loss}`");
            line(&format!("{name}: worse than the grid by more than 10 %"), &|part| {
                count(&|row| gain(part(&row.learners[at]), part(&row.grid)) < 1.0 / 1.1)
            });
            line(&format!("{name}: gain over the grid, geometric mean"), &|part| {
                factor(mean(rows.iter().map(|row| gain(part(&row.learners[at]), part(&row.grid)))))
            });
        }
        for (at, (kind, _)) in self.methods[..self.ours].iter().enumerate() {
            for (limit, words) in [(1.0, "at least as good as"), (1.1, "at most 10 % worse than")] {
                line(&format!("ours, `{kind}`: {words} the best of adaptive's in each row"), &|part| {
                    count(&|row| gain(part(&row.learners[at]), self.best(row, part)) >= 0.9999 / limit)
                });
            }
            line(
                &format!("ours, `{kind}`: at least as good as the best loss of adaptive's `{kind}` alone"),
                &|part| count(&|row| gain(part(&row.learners[at]), self.best_of(kind, row, part)) >= 0.9999),
            );
            line(&format!("ours, `{kind}`: gain over the best of adaptive's in each row"), &|part| {
                factor(mean(rows.iter().map(|row| gain(part(&row.learners[at]), self.best(row, part)))))
            });
        }
        for (at, (kind, loss)) in self.with_choice().iter().enumerate() {
            let name = format!("`{kind}`, `{loss}`, data-dependent triangulation");
            line(&format!("{name}: worse than the grid by more than 10 %"), &|part| {
                count(&|row| gain(part(&row.swapped[at]), part(&row.grid)) < 1.0 / 1.1)
            });
            line(&format!("{name}: gain over the grid, geometric mean"), &|part| {
                factor(mean(rows.iter().map(|row| gain(part(&row.swapped[at]), part(&row.grid)))))
            });
            for (limit, words) in [(1.0, "at least as good as"), (1.1, "at most 10 % worse than")] {
                line(&format!("{name}: {words} the best of adaptive's in each row"), &|part| {
                    count(&|row| gain(part(&row.swapped[at]), self.best(row, part)) >= 0.9999 / limit)
                });
            }
            line(&format!("{name}: gain over the best of adaptive's in each row"), &|part| {
                factor(mean(rows.iter().map(|row| gain(part(&row.swapped[at]), self.best(row, part)))))
            });
            line(&format!("{name}: more than 1 % worse than without"), &|part| {
                count(&|row| gain(part(&row.swapped[at]), part(&row.learners[at])) < 1.0 / 1.01)
            });
        }
        out.push_str("\n| function | N | grid | Sobol | sparse grid |");
        let heads: Vec<String> =
            self.methods.iter().map(|(kind, loss)| format!(" {kind} {loss} |")).collect();
        out.push_str(&heads.concat());
        for (kind, _) in self.with_choice() {
            let _ = write!(out, " {kind} data-dependent |");
        }
        out.push_str(
            " L2 gain of ours over the grid | over adaptive's best |\n|---|---|---|---|---|---|---|",
        );
        out.push_str(&"---|".repeat(self.methods.len() + self.with_choice().len()));
        out.push('\n');
        for row in rows {
            let others = [row.grid, row.sobol, row.sparse];
            let cells: Vec<String> = others
                .iter()
                .chain(&row.learners)
                .chain(&row.swapped)
                .map(|errors| format!("{} / {}", number(errors.linf), number(errors.l2)))
                .collect();
            let ours = row.learners[0].l2;
            let _ = writeln!(
                out,
                "| {} | {} | {} | {} | {} |",
                row.case.name,
                row.n,
                cells.join(" | "),
                factor(gain(ours, row.grid.l2)),
                factor(gain(ours, self.best(row, |errors| errors.l2))),
            );
        }
        out
    }
}

/// What many points in flight cost: L2 errors at 1000 points.
pub(crate) fn in_flight() -> String {
    let mut out = String::from("| function | learner, loss |");
    let _ = writeln!(out, "{}", IN_FLIGHT.map(|n| format!(" {n} in flight |")).concat());
    let _ = writeln!(out, "|---|---|{}", "---|".repeat(IN_FLIGHT.len()));
    for case in PLANES.iter().chain(SPACES).filter(|case| case.recorded) {
        let methods = [
            ("nd", "interpolation_error"),
            ("2d", "interpolation_error"),
            ("2d", "default"),
            ("nd", "default"),
        ];
        for method in methods.iter().filter(|(kind, _)| *kind == "nd" || case.bounds.len() == 2) {
            let cell = |n| format!(" {} |", number(measured(case, *method, 1000, n).l2));
            let _ = writeln!(
                out,
                "| {} | {} {} |{}",
                case.name,
                method.0,
                method.1,
                IN_FLIGHT.map(cell).concat()
            );
        }
    }
    out
}
