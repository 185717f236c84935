use super::{Distance, IntervalLoss, IntervalLossKind, Window, weight};
use std::sync::Arc;

/// [`Distance`] between a shortest and a longest length: shorter intervals are split only when all others are as short
/// (loss 0), the longest of them first. The loss of longer ones is infinite, which ranks as their length: beside
/// [`Distance`], which is never less than it, not before all others (as upstream). Lengths are fractions of the domain
/// (upstream: `resolution_loss_function`).
#[derive(Clone, Copy, Debug)]
pub struct Resolution {
    /// Intervals shorter than this are fine as they are.
    pub min_length: f64,
    /// Intervals longer than this have an infinite loss.
    pub max_length: f64,
}

pub(super) const KIND: IntervalLossKind = IntervalLossKind {
    name: "resolution",
    about: "as default, between a min_length and a max_length (fractions of the domain)",
    from_settings: |table| {
        let min_length = weight(table, "min_length", 0.0)?;
        let max_length = weight(table, "max_length", 1.0)?;
        if min_length >= max_length {
            return Err(table
                .error("min_length", "`min_length` should be less than `max_length`")
                .help("they are fractions of the domain, by default 0 and 1"));
        }
        Ok(Arc::new(Resolution { min_length, max_length }))
    },
};

impl IntervalLoss for Resolution {
    fn evaluate(&self, window: &Window<'_>) -> f64 {
        let dx = window.width();
        if dx < self.min_length {
            0.0
        } else if dx > self.max_length {
            f64::INFINITY
        } else {
            Distance.evaluate(window)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::learner::{Learner, Learner1D, Loss};
    use crate::model::settings::{SettingValue, Table};

    #[test]
    fn short_intervals_are_done_and_long_ones_urgent() {
        let loss = Resolution { min_length: 0.1, max_length: 0.5 };
        let of = |dx: f64| loss.evaluate(&Window::new(&[0.0, dx], &[0.0, 0.0], 1, 0));
        assert_eq!((of(0.05), of(0.3), of(0.6)), (0.0, 0.3, f64::INFINITY));
    }

    #[test]
    fn where_all_is_short_enough_the_longest_interval_is_split() {
        let loss = Resolution { min_length: 0.1, max_length: 1.0 };
        let mut learner = Learner1D::new((0.0, 1.0), Arc::new(loss)).unwrap();
        for _ in 0..1025 {
            let sample = learner.ask(1).remove(0).sample;
            learner.tell(&sample, &sample.point.x().into()).unwrap();
        }
        assert!(
            learner.intervals(Loss::Real).iter().all(|(a, b, loss)| (b - a, *loss) == (1.0 / 1024.0, 0.0))
        );
    }

    #[test]
    fn lengths_in_the_wrong_order_are_refused() {
        let table = Table::new("learner.loss").with("min_length", SettingValue::Float(1.5));
        assert!((KIND.from_settings)(&table).is_err());
    }
}
