//! What people and programs read: status lines, tables, exports.
