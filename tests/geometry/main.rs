//! The triangulation keeps its promises for any points, in two to six dimensions.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test panics with the reason")]

mod books;
mod check;
mod degenerate;
mod level;
mod outside;
mod queries;
mod random;
mod spade_oracle;
