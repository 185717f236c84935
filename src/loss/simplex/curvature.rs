use super::{Demands, SimplexLoss, SimplexLossKind, Triangle, View};
use crate::loss::weight;
use std::sync::Arc;

/// `(Triangle + exploration * V^((2 + D) / D))^(1 / (2 + D))`: mostly where the function bends, but never blind
/// (upstream: `curvature_loss_function`).
#[derive(Clone, Copy, Debug)]
pub struct Curvature {
    /// Weight of the volume V of the simplex.
    pub exploration: f64,
}

pub(super) const KIND: SimplexLossKind = SimplexLossKind {
    name: "curvature",
    about: "mostly where the function bends: exploration",
    from_settings: |table| {
        let exploration = weight(table, "exploration", Curvature::default().exploration)?;
        Ok(Arc::new(Curvature { exploration }))
    },
};

impl Default for Curvature {
    fn default() -> Self {
        Self { exploration: 0.05 }
    }
}

impl SimplexLoss for Curvature {
    fn demands(&self) -> Demands {
        Demands { sees_neighbors: true, ..Demands::default() }
    }

    fn evaluate(&self, simplex: &View<'_>) -> f64 {
        let dim = simplex.dim() as f64;
        let size = simplex.volume().powf((2.0 + dim) / dim);
        (Triangle.evaluate(simplex) + self.exploration * size).powf(1.0 / (2.0 + dim))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::loss::simplex::tests::triangle;

    #[test]
    fn without_bend_the_exploration_is_left() {
        let loss = Curvature { exploration: 0.1 }.evaluate(&triangle(false));
        assert!((loss - (0.1 * 0.25f64).powf(0.25)).abs() < 1e-15);
    }

    #[test]
    fn the_bend_is_added() {
        let loss = Curvature { exploration: 0.0 }.evaluate(&triangle(true));
        assert!((loss - (1.0f64 / 3.0).powf(0.25)).abs() < 1e-14);
    }
}
