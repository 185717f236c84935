//! The samples of one point.

use super::quantile::Quantiles;
use crate::learner::moments::Moments;
use crate::learner::seeds::Seeds;

/// The samples of one point, told and pending.
#[derive(Clone, Debug)]
pub(super) struct Samples {
    pub(super) seeds: Seeds,
    pub(super) moments: Moments,
    /// Half the width of the interval of confidence of the mean; infinite for one sample.
    pub(super) error: f64,
    /// Position among the points of its kind: those with a value in the order of their first ones, those without in the
    /// order of asks.
    pub(super) order: u64,
    /// It was asked or told first, and has not got its share of samples since.
    pub(super) undersampled: bool,
    /// Its last sample left it precise enough, or with as many samples as may be.
    pub(super) settled: bool,
}

impl Samples {
    pub(super) fn new(order: u64) -> Self {
        Self {
            seeds: Seeds::default(),
            moments: Moments::default(),
            error: f64::INFINITY,
            order,
            undersampled: true,
            settled: false,
        }
    }

    /// Number of samples told.
    #[inline]
    pub(super) fn ntold(&self) -> u64 {
        self.moments.n
    }

    /// Whether seeds fail here: as many as a new point gets were given up, and they are more than there are values.
    /// Such a point gets no more samples; without any value it stands as told NaN.
    #[inline]
    pub(super) fn is_failing(&self, min_samples: u64) -> bool {
        self.seeds.nfailed() >= min_samples.max(1) && self.seeds.nfailed() > self.ntold()
    }

    /// How many samples there will be when the pending ones have come. As long as none has, those that were given up
    /// count as well: a point where all fail costs no more than its first share.
    #[inline]
    pub(super) fn nexpected(&self) -> u64 {
        if self.ntold() == 0 { self.seeds.nused() } else { self.seeds.nexpected() }
    }

    /// Key in the queue of undersampled points: those with a value come first.
    #[inline]
    pub(super) fn turn(&self, id: u32) -> (bool, u64, u32) {
        (self.ntold() == 0, self.order, id)
    }

    /// Computes the error from two or more samples.
    #[inline]
    pub(super) fn estimate_error(&mut self, quantiles: &Quantiles) {
        let std = self.moments.std_of_mean();
        // With an alpha of 1 the quantile is infinite.
        self.error = if std == 0.0 { 0.0 } else { quantiles.upper(self.ntold() - 1) * std };
    }

    /// What the error will be when the pending samples are told, if the spread stays as it is.
    #[inline]
    pub(super) fn expected_error(&self) -> f64 {
        if self.seeds.nawaited() == 0 {
            return self.error;
        }
        self.error * (self.ntold() as f64 / self.seeds.nexpected() as f64).sqrt()
    }
}
