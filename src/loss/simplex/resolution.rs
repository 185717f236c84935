use super::{Demands, InterpolationError, SimplexLoss, SimplexLossKind, View};
use crate::loss::weight;
use std::sync::Arc;

/// [`InterpolationError`] between a smallest and a largest size: larger simplices come before all others (loss
/// infinite), and smaller ones are split only when all others are as small (loss 0), the largest of them first. A
/// size is the D-th root of a volume, as a fraction of the domain.
#[derive(Clone, Copy, Debug)]
pub struct Resolution {
    /// Simplices of less than this size are fine as they are.
    pub min_distance: f64,
    /// Simplices of more than this size come first.
    pub max_distance: f64,
    /// What counts between.
    pub base: InterpolationError,
}

pub(super) const KIND: SimplexLossKind = SimplexLossKind {
    name: "resolution",
    about: "interpolation_error, between a min_distance and a max_distance (roots of volumes, fractions of the domain)",
    from_settings: |table| {
        let min_distance = weight(table, "min_distance", 0.0)?;
        let max_distance = weight(table, "max_distance", 1.0)?;
        if min_distance >= max_distance {
            let message = "`min_distance` should be less than `max_distance`";
            return Err(table
                .error("min_distance", message)
                .help("as in { name = \"resolution\", min_distance = 0.005, max_distance = 0.1 }"));
        }
        let base = InterpolationError::from_settings(table)?;
        Ok(Arc::new(Resolution { min_distance, max_distance, base }))
    },
};

impl SimplexLoss for Resolution {
    fn demands(&self) -> Demands {
        self.base.demands()
    }

    fn evaluate(&self, simplex: &View<'_>) -> f64 {
        let (volume, dim) = (simplex.volume(), simplex.dim() as i32);
        let largest = self.max_distance.powi(dim);
        if volume < self.min_distance.powi(dim) {
            0.0
        } else if volume > largest {
            f64::INFINITY
        } else {
            self.base.evaluate(simplex)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::loss::simplex::tests::POINTS;
    use crate::model::settings::{SettingValue, Table};

    #[test]
    fn small_simplices_are_done_and_large_ones_urgent() {
        let loss = Resolution { min_distance: 0.1, max_distance: 0.5, base: InterpolationError::default() };
        let of = |size: f64| {
            let points: Vec<f64> = POINTS[..6].iter().map(|x| x * size).collect();
            let view = View::new(2, &points, 1, &[0.0, 1.0, f64::NAN], 0.5 * size * size);
            (loss.evaluate(&view), loss.base.evaluate(&view))
        };
        // √(½ size²) is 0.0995, 0.106, 0.495 and 0.509.
        assert_eq!(of(0.1407).0, 0.0);
        assert_eq!(of(0.15).0, of(0.15).1);
        assert_eq!(of(0.70).0, of(0.70).1);
        assert_eq!(of(0.72).0, f64::INFINITY);
    }

    #[test]
    fn sizes_in_the_wrong_order_are_refused() {
        let table = Table::new("learner.loss").with("min_distance", SettingValue::Float(1.5));
        assert!((KIND.from_settings)(&table).is_err());
    }
}
