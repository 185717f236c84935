use super::{SimplexLoss, SimplexLossKind, View};
use std::sync::Arc;

/// Standard deviation of the values at the corners (of the population, per component, then the norm over components)
/// times the D-th root of the volume, plus the volume (upstream: `std_loss`).
#[derive(Clone, Copy, Debug)]
pub struct Std;

pub(super) const KIND: SimplexLossKind = SimplexLossKind {
    name: "std",
    about: "spread of the values at the corners, times the size of the simplex",
    from_settings: |_| Ok(Arc::new(Std)),
};

impl SimplexLoss for Std {
    fn evaluate(&self, simplex: &View<'_>) -> f64 {
        let corners = simplex.dim() + 1;
        let variance = |component: usize| {
            let values = || (0..corners).map(|i| simplex.value(i)[component]);
            let mean = values().sum::<f64>() / corners as f64;
            values().map(|y| (y - mean) * (y - mean)).sum::<f64>() / corners as f64
        };
        let spread = (0..simplex.value_dim()).map(variance).sum::<f64>().sqrt();
        spread * simplex.volume().powf(1.0 / simplex.dim() as f64) + simplex.volume()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::loss::simplex::tests::triangle;

    #[test]
    fn it_is_the_spread_of_the_corners_times_the_length_plus_the_volume() {
        let spread = (2.0f64 / 3.0).sqrt();
        assert!((Std.evaluate(&triangle(false)) - (spread * 0.5f64.sqrt() + 0.5)).abs() < 1e-15);
    }

    #[test]
    fn components_add_up_as_a_norm() {
        let points = [0.0, 0.0, 1.0, 0.0, 0.0, 1.0];
        let values = [0.0, 0.0, 3.0, 4.0, 0.0, 0.0];
        let spread = 5.0 * 2f64.sqrt() / 3.0;
        let expected = spread * 0.5f64.sqrt() + 0.5;
        assert!((Std.evaluate(&View::new(2, &points, 2, &values, 0.5)) - expected).abs() < 1e-14);
    }
}
