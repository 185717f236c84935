//! How a study file makes a `LearnerNd`.

use super::{DomainError, Options, cuboid, hull};
use crate::learner::lattice::whole_axes;
use crate::learner::{Learner, LearnerKind, points_first};
use crate::loss::simplex::simplex_loss_from_settings;
use crate::model::settings::{self, Setting, Table};

pub(in crate::learner) const KIND: LearnerKind = LearnerKind {
    name: "nd",
    about: "a function of two or more numbers: bounds or hull, loss, anisotropic, integer, points_first",
    from_settings: |table| points_first::from_settings(table, from_settings(table)?),
};

const BOUNDS: &str = "write it as bounds = [[-1, 1], [0, 10]], one pair for each coordinate";
const HULL: &str = "write it as hull = [[0, 0], [2, 0], [0, 1]], a list of points";

/// Reads `bounds` or `hull`, `loss`, `anisotropic` and `integer`.
fn from_settings(table: &Table) -> settings::Result<Box<dyn Learner>> {
    let bounds = rows(table, "bounds", BOUNDS)?;
    let points = rows(table, "hull", HULL)?;
    let anisotropic = table.bool("anisotropic")?.unwrap_or(false);
    let loss = simplex_loss_from_settings(table)?;
    // Who names one of upstream's losses wants the run that upstream would make with it, point by point.
    let as_upstream = !loss.demands().is_current;
    let dim = bounds.as_ref().map_or_else(|| points.iter().flatten().next().map_or(0, Vec::len), Vec::len);
    let integer = whole_axes(table, dim)?;
    let options = Options { loss, anisotropic, integer, as_upstream, ..Options::default() };
    match (bounds, points) {
        (Some(_), Some(_)) => Err(table
            .error("hull", "a domain has either bounds or a hull, not both")
            .help("remove one of `bounds` and `hull`")),
        (None, None) => Err(table.missing("bounds").help(format!("{BOUNDS}; or give a hull"))),
        (Some(rows), None) => {
            let mut bounds = Vec::with_capacity(rows.len());
            for (i, row) in rows.iter().enumerate() {
                let &[lo, hi] = row.as_slice() else {
                    let message = format!("`{}[{i}]` should be two numbers", table.path_of("bounds"));
                    return Err(table.error("bounds", message).help(BOUNDS));
                };
                bounds.push((lo, hi));
            }
            cuboid(&bounds, options).map_err(|error| refused(table, "bounds", &error, BOUNDS))
        }
        (None, Some(points)) => hull(&points, options).map_err(|error| refused(table, "hull", &error, HULL)),
    }
}

fn refused(table: &Table, key: &str, error: &DomainError, help: &str) -> settings::SettingError {
    table.error(key, error.to_string()).help(help)
}

/// A list of lists of numbers.
fn rows(table: &Table, key: &str, help: &str) -> settings::Result<Option<Vec<Vec<f64>>>> {
    let Some(list) = table.list(key)? else { return Ok(None) };
    let path = table.path_of(key);
    let row = |(i, row): (usize, &Setting)| row.floats(&format!("{path}[{i}]"));
    let rows = list.iter().enumerate().map(row).collect::<settings::Result<Vec<_>>>();
    rows.map(Some).map_err(|error| error.help(help))
}
