//! Exporters: the told points of a checkpoint as a flat table for other programs.
//!
//! One row per point, in the order told. The columns are, for every exporter: the learner's index and its
//! parameters, the coordinates, the components of the value, and the provenance. Numbers are written so that
//! reading them gives the same floating point number. Adding a format is one file and one line in
//! [`EXPORTERS`].

mod csv;
mod json;
mod table;

use crate::checkpoint::Loaded;
use std::io::{self, Write};

pub use csv::CSV;
pub use json::JSON;
pub use table::Table;

/// A way to write the points of a checkpoint.
pub struct Exporter {
    /// The name, which is also the usual file extension.
    pub name: &'static str,
    /// One line for `--help`.
    pub about: &'static str,
    /// Writes all points, row by row, with memory for one row.
    pub write: fn(&Loaded, &mut dyn Write) -> io::Result<()>,
}

/// All exporters.
pub const EXPORTERS: &[Exporter] = &[CSV, JSON];

/// The exporter of this name.
pub fn exporter(name: &str) -> Option<&'static Exporter> {
    EXPORTERS.iter().find(|exporter| exporter.name == name)
}
