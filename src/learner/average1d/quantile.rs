//! Quantiles of Student's t distribution, which turn the spread of a few samples into a confidence interval.

use statrs::distribution::{ContinuousCDF, Normal, StudentsT};
use std::sync::{Arc, OnceLock};

/// Beyond this many degrees of freedom the expansion is exact to rounding, and cheaper than a table.
const TABLE: usize = 1024;

/// For one `alpha`: the t with P(T > t) = alpha, by degrees of freedom. A clone shares the table.
#[derive(Clone, Debug)]
pub(super) struct Quantiles {
    alpha: f64,
    /// The quantile of the normal distribution.
    z: f64,
    table: Arc<[OnceLock<f64>]>,
}

impl Quantiles {
    /// For an `alpha` in (0, 1].
    pub(super) fn new(alpha: f64) -> Self {
        let z = Normal::new(0.0, 1.0).map_or(f64::NAN, |normal| -normal.inverse_cdf(alpha));
        Self { alpha, z, table: (0..TABLE).map(|_| OnceLock::new()).collect() }
    }

    pub(super) fn alpha(&self) -> f64 {
        self.alpha
    }

    /// The quantile for `freedom` degrees of freedom, one or more. O(1); some microseconds the first time.
    #[inline]
    pub(super) fn upper(&self, freedom: u64) -> f64 {
        match self.table.get(freedom as usize - 1) {
            Some(known) => *known.get_or_init(|| exact(self.alpha, freedom as f64)),
            None => expansion(self.z, freedom as f64),
        }
    }
}

fn exact(alpha: f64, freedom: f64) -> f64 {
    StudentsT::new(0.0, 1.0, freedom).map_or(f64::NAN, |t| -t.inverse_cdf(alpha))
}

/// The asymptotic expansion in 1/freedom (Abramowitz and Stegun, 26.7.5).
fn expansion(z: f64, freedom: f64) -> f64 {
    let q = z * z;
    let terms = [
        (q + 1.0) / 4.0,
        ((5.0 * q + 16.0) * q + 3.0) / 96.0,
        (((3.0 * q + 19.0) * q + 17.0) * q - 15.0) / 384.0,
        ((((79.0 * q + 776.0) * q + 1482.0) * q - 1920.0) * q - 945.0) / 92160.0,
    ];
    z + z * terms.iter().rev().fold(0.0, |sum, term| (sum + term) / freedom)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FREEDOMS: [u64; 9] = [1, 2, 3, 9, 49, 200, 1024, 1025, 100_000];

    /// Computed with 30 digits by numerical integration of the density.
    const KNOWN: [(f64, [f64; 9]); 4] = [
        (
            0.005,
            [
                63.656_741_162_871_58,
                9.924_843_200_918_293,
                5.840_909_309_733_357,
                3.249_835_541_592_126_3,
                2.679_951_973_631_552,
                2.600_634_436_191_558,
                2.580_639_056_370_085,
                2.580_634_355_694_273_3,
                2.575_878_469_908_375,
            ],
        ),
        (
            0.05,
            [
                6.313_751_514_675_043,
                2.919_985_580_353_725_7,
                2.353_363_434_801_824,
                1.833_112_932_656_237_2,
                1.676_550_892_616_854,
                1.652_508_100_910_877_5,
                1.646_343_038_086_644_5,
                1.646_341_583_680_738_4,
                1.644_868_864_784_97,
            ],
        ),
        (
            1e-6,
            [
                318_309.886_182_743_5,
                707.105_720_525_933_8,
                103.299_467_780_419_34,
                10.720_160_409_909_5,
                5.390_798_999_260_053,
                4.897_302_102_826_782,
                4.780_944_719_453_439,
                4.780_917_735_002_417,
                4.753_704_716_391_288,
            ],
        ),
        (
            0.4,
            [
                0.324_919_696_232_906_33,
                0.288_675_134_594_812_9,
                0.276_670_662_332_689_9,
                0.260_955_336_473_911_04,
                0.254_727_025_599_191_13,
                0.253_684_379_190_147_7,
                0.253_412_935_610_185_76,
                0.253_412_871_373_469_4,
                0.253_347_777_157_179_94,
            ],
        ),
    ];

    #[test]
    fn quantiles_agree_with_known_ones_to_ten_digits() {
        for (alpha, known) in KNOWN {
            let quantiles = Quantiles::new(alpha);
            for (freedom, known) in FREEDOMS.into_iter().zip(known) {
                for _ in 0..2 {
                    approx::assert_relative_eq!(quantiles.upper(freedom), known, max_relative = 1e-10);
                }
            }
        }
    }

    #[test]
    fn table_and_expansion_meet() {
        for alpha in [1e-9, 0.005, 0.3, 0.5, 0.9] {
            let z = Quantiles::new(alpha).z;
            let (table, series) = (exact(alpha, TABLE as f64), expansion(z, TABLE as f64));
            assert!((table - series).abs() < 1e-9 * (1.0 + table.abs()), "{alpha}: {table} {series}");
        }
    }
}
