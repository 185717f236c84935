//! A study: what one TOML file describes.
//!
//! The one place that knows every section of the file. [`Study::load`] reads and checks it, with errors that show
//! the line and how to mend it; [`Study::build`] makes learners and functions of it; [`compare`] says
//! whether a changed study may go on with old results.
mod build;
mod combos;
mod compare;
mod config;
mod error;
mod options;
pub mod template;
mod tree;

pub use build::{Built, Makers};
pub use combos::{Combos, MOST_COMBOS, identity};
pub use compare::{Difference, Severity, combo_moves, compare};
pub use config::{STRATEGIES, Study};
pub use error::{Problem, Problems, StudyError};
pub use options::{CheckpointOptions, Log, RunOptions};
