//! The order in which simplices are refined.

use super::super::heap::ordered_bits;
use std::cmp::Ordering;

/// Last bits of a loss that rounding errors may have changed: 2^-34 of it.
const NOISE_BITS: u32 = 18;

/// Rank of a simplex: a large loss comes first; of equal ones, the one whose vertices have the smallest numbers.
///
/// Losses are rounded before they are compared, so that simplices which are alike up to rounding errors are taken in the
/// order of their vertices; upstream's to 8 decimals, as it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Rank<const D: usize> {
    loss: u64,
    /// The D + 1 vertices, ascending.
    first: [u32; D],
    last: u32,
}

/// How losses are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rounding {
    /// To 8 decimals.
    AsUpstream,
    /// Losses may be as small as they like: ten digits count, wherever they begin. Of simplices without a loss the
    /// largest comes first, so that a learner that goes on when all is fine fills the domain evenly.
    Fine,
}

impl Rounding {
    /// The rank of the simplex with this loss, this volume, and these D + 1 vertices, ascending.
    #[inline]
    pub(super) fn rank<const D: usize>(self, loss: f64, volume: f64, vertices: &[u32]) -> Rank<D> {
        let loss = match self {
            Self::AsUpstream => ordered_bits(rounded(loss)),
            Self::Fine => {
                let loss = if loss == 0.0 { -1.0 / volume } else { loss };
                ordered_bits(loss).saturating_add(1 << (NOISE_BITS - 1)) >> NOISE_BITS
            }
        };
        let mut first = [0; D];
        first.copy_from_slice(&vertices[..D]);
        Rank { loss, first, last: vertices[D] }
    }
}

impl<const D: usize> Ord for Rank<D> {
    #[inline]
    fn cmp(&self, other: &Self) -> Ordering {
        self.loss
            .cmp(&other.loss)
            .then_with(|| other.first.cmp(&self.first))
            .then_with(|| other.last.cmp(&self.last))
    }
}

impl<const D: usize> PartialOrd for Rank<D> {
    #[inline]
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// A loss in units of 1e-8, rounded to a whole number as Python rounds to 8 decimals: the exact value decides, and
/// ties go to the even digit.
#[inline]
fn rounded(loss: f64) -> f64 {
    let ticks = loss * 1e8;
    // Beyond 2^52 there is nothing to round.
    if ticks >= 4.5e15 {
        return ticks;
    }
    // A cast is cheaper than `floor` on plain x86-64; losses are not negative.
    let whole = ticks as u64;
    let rest = ticks - whole as f64;
    let up = if rest == 0.5 {
        // What the product above has lost decides, if anything.
        let lost = loss.mul_add(1e8, -ticks);
        lost > 0.0 || lost == 0.0 && whole % 2 == 1
    } else {
        rest > 0.5
    };
    (whole + u64::from(up)) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fine_ranks_tell_small_losses_apart_but_not_by_their_rounding_errors() {
        let rank = |loss| Rounding::Fine.rank::<1>(loss, 1.0, &[3, 4]);
        assert!(rank(2e-12) > rank(1e-12) && rank(1e-300) > rank(0.0) && rank(f64::INFINITY) > rank(1e300));
        assert_eq!(rank(1e-12), rank(1e-12 * (1.0 + 4.0 * f64::EPSILON)));
        assert!(Rounding::Fine.rank::<1>(1e-12, 1.0, &[1, 9]) > rank(1e-12));
    }

    #[test]
    fn simplices_without_a_loss_rank_by_their_volume() {
        let rank = |loss, volume, first| Rounding::Fine.rank::<1>(loss, volume, &[first, 9]);
        assert!(rank(0.0, 0.25, 5) > rank(0.0, 0.125, 1) && rank(0.0, 0.1, 1) > rank(0.0, 0.3 - 0.2, 2));
        assert!(rank(1e-300, 1e-300, 5) > rank(0.0, 1.0, 1) && rank(0.0, 1e-9, 5) > rank(0.0, 0.0, 1));
    }

    #[test]
    fn losses_are_rounded_as_python_does() {
        // 2^-9 has nine decimals and ends in 5: an exact tie, to the even digit.
        assert_eq!(rounded(0.001953125), 195_312.0);
        assert_eq!(rounded(0.005859375), 585_938.0);
        // Here the product with 1e8 is a tie, but the loss itself is a little less.
        assert_eq!((rounded(0.000000015), rounded(0.000000025)), (1.0, 2.0));
        assert_eq!(rounded(1e-9), 0.0);
        assert_eq!(rounded(1e9), 1e17);
        assert_eq!(rounded(f64::INFINITY), f64::INFINITY);
    }

    #[test]
    fn a_larger_loss_comes_first_and_ties_go_to_the_smallest_vertices() {
        let rank = |loss, vertices: [u32; 3]| Rounding::AsUpstream.rank::<2>(loss, 1.0, &vertices);
        assert!(rank(0.3, [5, 6, 7]) > rank(0.2, [0, 1, 2]));
        assert!(rank(0.3, [0, 1, 3]) > rank(0.3 + 1e-12, [0, 1, 4]));
        assert!(rank(0.3, [0, 1, 9]) > rank(0.3, [0, 2, 3]));
        assert!(rank(0.3, [0, 1, 9]) < rank(0.3 + 1e-7, [0, 2, 3]));
    }
}
