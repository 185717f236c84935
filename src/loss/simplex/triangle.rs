use super::measure::embedded_volume;
use super::{Demands, SimplexLoss, SimplexLossKind, View};
use std::sync::Arc;

/// How far the function bends from the simplex to its neighbours: the mean, over the vertices behind its faces, of the
/// volume that the corners and this vertex span in the space of points and values (upstream: `triangle_loss`).
/// Zero for a simplex without neighbours, and wherever the function is linear.
#[derive(Clone, Copy, Debug)]
pub struct Triangle;

pub(super) const KIND: SimplexLossKind = SimplexLossKind {
    name: "triangle",
    about: "how far the function bends to the neighbouring simplices; blind where it is linear",
    from_settings: |_| Ok(Arc::new(Triangle)),
};

impl SimplexLoss for Triangle {
    fn demands(&self) -> Demands {
        Demands { sees_neighbors: true, ..Demands::default() }
    }

    fn evaluate(&self, simplex: &View<'_>) -> f64 {
        let corners = simplex.dim() + 1;
        let neighbors = simplex.neighbors();
        if neighbors == 0 {
            return 0.0;
        }
        let sum: f64 =
            (corners..corners + neighbors).map(|apex| embedded_volume(simplex, corners, apex)).sum();
        sum / neighbors as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::loss::simplex::tests::triangle;

    #[test]
    fn it_is_the_volume_over_the_neighbours_and_zero_without() {
        assert!((Triangle.evaluate(&triangle(true)) - 1.0 / 3.0).abs() < 1e-14);
        assert_eq!(Triangle.evaluate(&triangle(false)), 0.0);
    }

    #[test]
    fn a_linear_function_does_not_bend() {
        let points = [0.0, 0.0, 1.0, 0.0, 0.0, 1.0, 1.0, 1.0];
        assert!(Triangle.evaluate(&View::new(2, &points, 1, &[0.0, 2.0, 3.0, 5.0], 0.5)) < 1e-15);
    }
}
