//! Losses that triangles have in common with simplices of any dimension.

use super::{Triangle, TriangleLoss, TriangleLossKind};
use crate::loss::Level;
use crate::loss::simplex::{InterpolationError, SimplexLoss, View};
use smallvec::SmallVec;
use std::sync::Arc;

pub(super) const KIND: TriangleLossKind = TriangleLossKind {
    name: "interpolation_error",
    about: "estimated error of linear interpolation, the best for most: exploration, nan_resolution",
    from_settings: |table| Ok(Arc::new(InterpolationError::from_settings(table)?)),
};

pub(super) const LEVEL: TriangleLossKind = TriangleLossKind {
    name: "level",
    about: "where a value crosses one of the levels: levels, component, resolution",
    from_settings: |table| Ok(Arc::new(Level::from_settings(table, 1e-3)?)),
};

/// The points and values of a triangle and its neighbours row after row, as a loss of simplices sees them.
fn with_view<T>(triangle: &Triangle<'_>, see: impl FnOnce(&View<'_>) -> T) -> T {
    let (mut points, mut values) = (SmallVec::<[f64; 12]>::new(), SmallVec::<[f64; 12]>::new());
    for (point, row) in triangle.rows() {
        points.extend_from_slice(point);
        values.extend(row.iter().map(|y| y * triangle.scale()));
    }
    let mut gradients = SmallVec::<[f64; 12]>::new();
    for corner in 0..3 {
        gradients
            .extend(triangle.gradients(corner).as_flattened().iter().map(|slope| slope * triangle.scale()));
    }
    let view = View::new(2, &points, triangle.components(), &values, triangle.area());
    see(&view.with_gradients(&gradients).with_scale(1.0 / triangle.scale()))
}

impl TriangleLoss for InterpolationError {
    fn needs_gradients(&self) -> bool {
        true
    }

    fn gradients_are_local(&self) -> bool {
        true
    }

    fn needs_neighbours(&self) -> bool {
        true
    }

    fn splits_towards_circumcentre(&self) -> bool {
        true
    }

    fn uses_every_value(&self) -> bool {
        true
    }

    fn evaluate(&self, triangle: &Triangle<'_>) -> f64 {
        with_view(triangle, |view| SimplexLoss::evaluate(self, view))
    }
}

impl TriangleLoss for Level {
    fn component(&self) -> Option<usize> {
        Some(self.component)
    }

    fn needs_neighbours(&self) -> bool {
        true
    }

    fn splits_towards_circumcentre(&self) -> bool {
        true
    }

    fn uses_every_value(&self) -> bool {
        true
    }

    fn evaluate(&self, triangle: &Triangle<'_>) -> f64 {
        with_view(triangle, |view| SimplexLoss::evaluate(self, view))
    }
}
