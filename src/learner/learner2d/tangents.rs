//! The gradients at the vertices, as the loss wants them.

use super::gradients::{Gradients, TOLERANCE};
use super::rings::Rings;
use crate::geometry::{SimplexId, Triangulation, VertexId};
use crate::learner::slopes::Slopes;
use crate::loss::triangle::TriangleLoss;
use smallvec::SmallVec;

/// Gradients of the unscaled values at the corners of a triangle: corner by corner, of each all components.
pub(super) type Rows = SmallVec<[[f64; 2]; 3]>;

#[derive(Clone)]
pub(super) enum Tangents {
    /// The loss does not look at them.
    None,
    /// Upstream's, for which a value far away matters a little.
    Smooth(Gradients),
    /// Means over the triangles around each vertex.
    Local(Slopes<2>),
}

impl Tangents {
    /// For a loss, with so many components of a value.
    pub(super) fn of(loss: &dyn TriangleLoss, dim: usize) -> Self {
        match (loss.needs_gradients(), loss.gradients_are_local()) {
            (false, _) => Self::None,
            (true, false) => Self::Smooth(Gradients::new(dim, TOLERANCE)),
            (true, true) => Self::Local(Slopes::default()),
        }
    }

    #[inline]
    pub(super) fn is_local(&self) -> bool {
        matches!(self, Self::Local(_))
    }

    /// Makes room for the next vertex.
    #[inline]
    pub(super) fn push(&mut self) {
        if let Self::Smooth(gradients) = self {
            gradients.push();
        }
    }

    /// The edges or the value of this vertex changed.
    #[inline]
    pub(super) fn queue(&mut self, vertex: VertexId) {
        if let Self::Smooth(gradients) = self {
            gradients.queue(vertex);
        }
    }

    /// A triangle with these vertices and values (row after row, so many a row) comes (`sign` 1) or goes (-1).
    #[inline]
    pub(super) fn count(
        &mut self,
        sign: f64,
        vertices: &[VertexId],
        mesh: &Triangulation<2>,
        rows: (&[f64], usize),
    ) {
        if let Self::Local(slopes) = self {
            slopes.count(sign, vertices, mesh, rows);
        }
    }

    /// Makes gradients right after changes that were queued; see [`Gradients::relax`].
    pub(super) fn relax(
        &mut self,
        mesh: &Triangulation<2>,
        rings: &mut Rings,
        values: &[f64],
        scale: f64,
        moved: impl FnMut(&[SimplexId]),
    ) {
        if let Self::Smooth(gradients) = self {
            gradients.relax(mesh, rings, values, scale, moved);
        }
    }

    /// Those at the corners of a triangle; none if the loss does not look at them.
    #[inline]
    pub(super) fn rows(&self, corners: [VertexId; 3], dim: usize) -> Rows {
        let mut rows = Rows::new();
        for corner in corners {
            match self {
                Self::None => break,
                Self::Smooth(gradients) => rows.extend_from_slice(gradients.row(corner)),
                Self::Local(slopes) => rows.extend(slopes.rows(corner, dim)),
            }
        }
        rows
    }
}
