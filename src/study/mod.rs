//! A study: what one TOML file describes.
mod combos;
mod error;
mod tree;
pub use combos::{Combos, MOST_COMBOS, identity};
pub use error::{Problem, Problems, StudyError};
