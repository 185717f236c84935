//! Simplices, predicates and triangulations in D dimensions: pure functions and flat data.
//!
//! - [`Triangulation`]: an incremental Delaunay triangulation that tells which simplices each insert removed and
//!   added, for learners that keep one loss per simplex.
//! - [`simplex`]: measures of a single simplex, with dimensions known at run time only.
//! - [`predicates`]: signs of determinants that are right in spite of rounding.
//! - [`hull`]: the bounding box and the extreme points of a set.
//! - [`section`]: where a plane of constant coordinate meets simplices.
//! - [`level`]: points, lines and surfaces on which a piecewise linear function has a given value.
//! - [`data_dependent`]: triangles on which given values are interpolated better than on Delaunay's.
//! - [`finder`]: the triangle that holds a point, in any triangulation.
//!
//! Nothing here knows of losses or scales: the caller divides coordinates by their widths first.

pub mod data_dependent;
mod exact;
pub mod finder;
pub mod hull;
pub mod level;
mod matrix;
pub mod predicates;
pub mod section;
pub mod simplex;
mod triangulation;

pub use triangulation::{GeometryError, InsertError, NONE, SimplexId, Triangulation, VertexId};
