use super::measure::embedded_volume;
use super::{SimplexLoss, SimplexLossKind, View};
use std::sync::Arc;

/// Volume of the simplex in the space of points and values: large where the function is steep or the simplex is big
/// (upstream: `default_loss`).
#[derive(Clone, Copy, Debug)]
pub struct GraphVolume;

pub(super) const KIND: SimplexLossKind = SimplexLossKind {
    name: "default",
    about: "size of the piece of the function's graph over the simplex",
    from_settings: |_| Ok(Arc::new(GraphVolume)),
};

impl SimplexLoss for GraphVolume {
    #[inline]
    fn evaluate(&self, simplex: &View<'_>) -> f64 {
        embedded_volume(simplex, simplex.dim(), simplex.dim())
    }
}
