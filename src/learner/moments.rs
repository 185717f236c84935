//! Mean and spread of numbers that come one by one.

/// Number, mean and sum of squared deviations, updated by Welford's recurrence: exact to rounding however far the mean
/// lies from zero, where a sum of squares would cancel.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Moments {
    pub(super) n: u64,
    pub(super) mean: f64,
    /// Sum of (y - mean)^2.
    squares: f64,
}

impl Moments {
    #[inline]
    pub(super) fn push(&mut self, y: f64) {
        self.n += 1;
        let before = y - self.mean;
        self.mean += before / self.n as f64;
        self.squares += before * (y - self.mean);
    }

    /// Standard deviation with n - 1 in the denominator; NaN for fewer than two numbers.
    #[inline]
    pub(super) fn std(&self) -> f64 {
        (self.squares / (self.n as f64 - 1.0)).sqrt()
    }

    /// Standard deviation of the mean; NaN for fewer than two numbers.
    #[inline]
    pub(super) fn std_of_mean(&self) -> f64 {
        (self.squares / (self.n as f64 - 1.0) / self.n as f64).sqrt()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use approx::assert_relative_eq;

    #[test]
    fn a_mean_far_from_zero_costs_no_digits() {
        let mut near = Moments::default();
        let mut far = Moments::default();
        for i in 0..1000 {
            let y = f64::from(i % 7);
            near.push(y);
            far.push(1e12 + y);
        }
        assert_relative_eq!(far.std(), near.std(), max_relative = 1e-6);
        assert_relative_eq!(near.std(), 2.000_574, max_relative = 1e-3);
        assert_relative_eq!(near.std_of_mean() * 1000f64.sqrt(), near.std(), max_relative = 1e-12);
    }
}
