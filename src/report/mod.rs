//! What people and programs read: status lines, tables, exports.

pub mod export;
