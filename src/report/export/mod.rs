//! Exporters: tables for other programs.
//!
//! What is written is any [`Rows`]: the told points of a checkpoint ([`Table`]), an interpolant at many points
//! ([`Sheet`](super::Sheet)), level lines ([`LevelSets`](super::LevelSets)). Numbers are written so that reading them
//! gives the same floating point number. Adding a format is one file and one line in [`EXPORTERS`].

mod csv;
mod json;
mod table;

use std::io::{self, Write};

pub use csv::CSV;
pub use json::JSON;
pub(crate) use table::usual_outputs;
pub use table::{Cell, Table};
pub(super) use table::{free_name, parameter_columns};

/// A table that can be written.
pub trait Rows {
    /// The name of the study, and its text, where they are known.
    fn study(&self) -> Option<(&str, &str)>;

    /// The names of the columns, all different.
    fn columns(&self) -> Vec<String>;

    /// Shows each row in turn: one cell per column.
    fn for_each(&self, row: &mut dyn FnMut(&[Cell<'_>]) -> io::Result<()>) -> io::Result<()>;
}

/// A way to write a table.
pub struct Exporter {
    /// The name, which is also the usual file extension.
    pub name: &'static str,
    /// One line for `--help`.
    pub about: &'static str,
    /// Writes all rows, with memory for one row.
    pub write: fn(&dyn Rows, &mut dyn Write) -> io::Result<()>,
}

/// All exporters.
pub const EXPORTERS: &[Exporter] = &[CSV, JSON];

/// The exporter of this name.
pub fn exporter(name: &str) -> Option<&'static Exporter> {
    EXPORTERS.iter().find(|exporter| exporter.name == name)
}
