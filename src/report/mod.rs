//! What people and programs read: status lines, tables, exports, interpolants on grids.
//!
//! Mostly pure functions from plain data to text; [`grid`], [`Sheet`] and [`LevelSets`] read learners, and none changes
//! them. A caller collects the figures, and prints.

mod estimate;
pub mod export;
pub mod grid;
#[cfg(feature = "hdf5")]
pub mod labelled;
mod level_sets;
mod number;
mod sheet;
mod status_line;
mod text_table;

pub use estimate::{Trend, time_left_at_rate};
pub use level_sets::{LevelSet, LevelSetError, LevelSets};
pub use number::{bytes, count, duration, loss, percent, rate};
pub use sheet::{Part, Sheet, SheetError, Triangles};
pub use status_line::StatusLine;
pub use text_table::{Align, TextTable};
