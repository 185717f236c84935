use super::{SimplexLoss, SimplexLossKind, View};
use std::sync::Arc;

/// Volume of the simplex: points fill the domain evenly (upstream: `uniform_loss`).
#[derive(Clone, Copy, Debug)]
pub struct Uniform;

pub(super) const KIND: SimplexLossKind = SimplexLossKind {
    name: "uniform",
    about: "volume of the simplex: points fill the domain evenly",
    from_settings: |_| Ok(Arc::new(Uniform)),
};

impl SimplexLoss for Uniform {
    fn evaluate(&self, simplex: &View<'_>) -> f64 {
        simplex.volume()
    }
}
