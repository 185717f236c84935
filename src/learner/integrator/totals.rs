//! Sums over the intervals that make up the integral, kept while intervals come, go and change.

/// A sum that keeps what rounding takes from it (Neumaier's variant of Kahan's summation).
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Sum {
    total: f64,
    lost: f64,
}

impl Sum {
    #[inline]
    fn add(&mut self, x: f64) {
        let total = self.total + x;
        // Knuth's two-sum: the exact error of the addition, whichever term is larger.
        let part = total - self.total;
        self.lost += (self.total - (total - part)) + (x - part);
        self.total = total;
    }

    #[inline]
    fn value(self) -> f64 {
        self.total + self.lost
    }
}

/// What one interval contributes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Share {
    pub(super) igral: f64,
    pub(super) err: f64,
    /// The interval can't be improved any more.
    pub(super) removed: bool,
}

/// Integral, error, and the part of the error that can't be improved.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Totals {
    igral: Sum,
    err: Sum,
    excess: Sum,
}

impl Totals {
    #[inline]
    pub(super) fn add(&mut self, share: Share) {
        self.igral.add(share.igral);
        self.err.add(share.err);
        if share.removed {
            self.excess.add(share.err);
        }
    }

    #[inline]
    pub(super) fn subtract(&mut self, share: Share) {
        self.add(Share { igral: -share.igral, err: -share.err, removed: share.removed });
    }

    pub(super) fn igral(&self) -> f64 {
        self.igral.value()
    }

    pub(super) fn err(&self) -> f64 {
        self.err.value()
    }

    pub(super) fn excess(&self) -> f64 {
        self.excess.value()
    }

    /// Whether a number beyond all bounds has passed through: it does not leave by subtraction.
    pub(super) fn is_spoilt(&self) -> bool {
        !(self.igral().is_finite() && self.err().is_finite() && self.excess().is_finite())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_came_and_went_leaves_no_trace() {
        let mut totals = Totals::default();
        let share = |igral, err, removed| Share { igral, err, removed };
        totals.add(share(0.1, 1e-9, true));
        totals.add(share(1e25, 3e20, false));
        totals.add(share(0.2, 1e-10, false));
        totals.subtract(share(1e25, 3e20, false));
        assert_eq!((totals.igral(), totals.err(), totals.excess()), (0.1 + 0.2, 1e-9 + 1e-10, 1e-9));
        totals.add(share(f64::INFINITY, 1.0, false));
        assert!(totals.is_spoilt());
    }
}
