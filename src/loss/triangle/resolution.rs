use super::{Deviation, Triangle, TriangleLoss, TriangleLossKind};
use crate::loss::weight;
use std::sync::Arc;

/// [`Deviation`] between a smallest and a largest size: smaller triangles are split only when all others are as
/// small (loss 0), the largest of them first; larger ones come before all others (loss infinite). A size is the square
/// root of an area, as a fraction of the domain (upstream: `resolution_loss_function`).
#[derive(Clone, Copy, Debug)]
pub struct Resolution {
    /// Triangles of less than this size are fine as they are.
    pub min_distance: f64,
    /// Triangles of more than this size come first.
    pub max_distance: f64,
}

pub(super) const KIND: TriangleLossKind = TriangleLossKind {
    name: "resolution",
    about: "as default, between a min_distance and a max_distance (roots of areas, fractions of the domain)",
    from_settings: |table| {
        let min_distance = weight(table, "min_distance", 0.0)?;
        let max_distance = weight(table, "max_distance", 1.0)?;
        if min_distance >= max_distance {
            return Err(table
                .error("min_distance", "`min_distance` should be less than `max_distance`")
                .help("they are fractions of the domain, by default 0 and 1"));
        }
        Ok(Arc::new(Resolution { min_distance, max_distance }))
    },
};

impl TriangleLoss for Resolution {
    fn needs_gradients(&self) -> bool {
        true
    }

    fn evaluate(&self, triangle: &Triangle<'_>) -> f64 {
        let area = triangle.area();
        if area < self.min_distance * self.min_distance {
            0.0
        } else if area > self.max_distance * self.max_distance {
            f64::INFINITY
        } else {
            Deviation.evaluate(triangle)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::settings::{SettingValue, Table};

    #[test]
    fn small_triangles_are_done_and_large_ones_urgent() {
        let loss = Resolution { min_distance: 0.1, max_distance: 0.5 };
        let of = |size: f64| {
            let points = [[0.0, 0.0], [size, 0.0], [0.0, 2.0 * size]];
            loss.evaluate(&Triangle::new(points, [&[1.0]; 3], 1.0))
        };
        assert_eq!(of(0.51), f64::INFINITY);
        assert_eq!(of(0.09), 0.0);
        assert!((of(0.2) - 0.3 * 0.04).abs() < 1e-15);
    }

    #[test]
    fn sizes_in_the_wrong_order_are_refused() {
        let table = Table::new("learner.loss").with("min_distance", SettingValue::Float(1.5));
        assert!((KIND.from_settings)(&table).is_err());
    }
}
