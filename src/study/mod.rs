//! A study: what one TOML file describes.
//!
//! The one place that knows every section of the file. [`Study::load`] reads and checks it, with errors that show
//! the line and how to mend it; [`Study::build`] makes learners and functions of it; [`compare()`] says whether a
//! changed study may go on with old results. [`mod@template`] holds studies to start from, with every key explained.
//!
//! ```
//! use adaptive_mpi::study::Study;
//!
//! let text = r#"
//! [function]
//! expression = "x + a^2 / (a^2 + (x - offset)^2)"
//!
//! [parameters]
//! offset = { start = 0.0, stop = 0.9, num = 10 }
//! a = [0.01, 0.1]
//!
//! [learner]
//! type = "1d"
//! bounds = [-1, 1]
//!
//! [goal]
//! loss = 0.01
//! "#;
//! let study = Study::parse(text, "resonance.toml")?;
//! assert_eq!((study.name.as_str(), study.combos.len()), ("resonance", 20));
//!
//! let error = Study::parse(&text.replace("[goal]", "[gaol]"), "resonance.toml").unwrap_err();
//! assert!(error.to_string().contains("did you mean `goal`?"));
//! # Ok::<(), adaptive_mpi::study::StudyError>(())
//! ```

mod build;
mod calls;
mod combos;
mod compare;
mod config;
mod error;
mod files;
mod homes;
mod kinds;
mod options;
mod per_combo;
mod priority;
pub mod template;
mod tree;
mod values;

pub use build::{Built, Learners, Makers};
pub use calls::Calls;
pub use combos::{Combos, identity};
pub use compare::{Difference, Severity, combo_moves, compare, compare_files};
pub use config::{Reader, STRATEGIES, Study};
pub use error::{Problem, Problems, StudyError};
pub use files::sha256;
pub use kinds::AllKinds;
pub use options::{CheckpointOptions, Log, RunOptions};
pub use priority::Priority;
pub use values::MOST_COMBOS;
