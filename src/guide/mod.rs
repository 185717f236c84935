//! Pages for users of studies. They need no Rust.

#[doc = include_str!("learners.md")]
pub mod learners {}
