//! What people and programs read: status lines, tables, exports.
//!
//! Pure functions from plain data to text. They know nothing of learners, pools or terminals: a caller collects
//! the figures, and prints.

mod estimate;
pub mod export;
mod number;
mod status_line;
mod text_table;

pub use estimate::{Trend, time_left_at_rate};
pub use number::{bytes, count, duration, loss, percent, rate};
pub use status_line::StatusLine;
pub use text_table::{Align, TextTable};
