//! Which intervals are split into how many parts, when several points are asked at once.

use super::Loss;
use super::heap::ordered_bits;
use super::line::{Line, NONE};
use super::ranking::Ranking;
use std::cmp::Ordering;
use std::collections::BinaryHeap;

/// The rank of an interval: a large loss comes first; of equal ones, the leftmost. Of those without a loss, the longest
/// comes first, so that one that goes on when all is fine (with a goal of points, say) fills the domain evenly; by
/// upstream's rule, it would split the leftmost interval for ever.
///
/// Losses are rounded to 12 decimals before they are compared, so that intervals which are alike up to rounding
/// errors are taken from left to right. Both numbers are kept as integers of the same order, so that one
/// comparison of 128 bits decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Urgency {
    loss: u64,
    leftness: u64,
}

impl Urgency {
    /// The rank of the `part`-th part of the interval from `a` to `b`. An infinite or undefined loss counts as
    /// the relative length of the part, so that what is unknown is sampled evenly.
    #[inline]
    pub(super) fn new(loss: f64, a: f64, b: f64, parts: u32, x_scale: f64) -> Self {
        let loss = if loss.is_finite() { loss } else { (b - a) / x_scale / f64::from(parts) };
        let ticks = loss * 1e12 + 0.5;
        // Beyond 2^53 there are no decimals to cut; a cast is cheaper than `trunc` on plain x86-64.
        let ticks = if ticks.abs() < 9e15 { (ticks as i64) as f64 } else { ticks };
        let loss =
            if ticks == 0.0 { Self::of_length((b - a) / f64::from(parts), x_scale) } else { ticks / 1e12 };
        Self { loss: ordered_bits(loss), leftness: !ordered_bits(a) }
    }

    /// What ranks intervals without a loss by their length, below all others. Rounded, so that those of one length up
    /// to rounding errors are alike.
    fn of_length(length: f64, x_scale: f64) -> f64 {
        f64::from(-(x_scale / length) as f32)
    }

    #[inline]
    fn packed(self) -> u128 {
        u128::from(self.loss) << 64 | u128::from(self.leftness)
    }
}

impl Ord for Urgency {
    #[inline]
    fn cmp(&self, other: &Self) -> Ordering {
        self.packed().cmp(&other.packed())
    }
}

impl PartialOrd for Urgency {
    #[inline]
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Where a planned point goes among the nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// Before all nodes.
    Front,
    /// After all nodes.
    Back,
    /// After this node.
    After(u32),
    /// After the first node, which is the lower bound that was planned just before.
    AfterHead,
    /// After the point that was planned just before.
    AfterPrevious,
}

/// A point to ask.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Planned {
    pub(super) x: f64,
    pub(super) improvement: f64,
    pub(super) place: Place,
}

/// An interval that is to be split (upstream: an entry of `quals`).
struct Split {
    urgency: Urgency,
    a: f64,
    b: f64,
    parts: u32,
    /// Loss of each part.
    loss: f64,
    place: Place,
}

impl PartialEq for Split {
    fn eq(&self, other: &Self) -> bool {
        self.urgency == other.urgency
    }
}

impl Eq for Split {}

impl Ord for Split {
    fn cmp(&self, other: &Self) -> Ordering {
        self.urgency.cmp(&other.urgency)
    }
}

impl PartialOrd for Split {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Which numbers are points.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Domain {
    /// All floating point numbers.
    Real,
    /// Whole numbers only.
    Whole,
}

impl Domain {
    /// Whether `parts - 1` points fit between `a` and `b`, all different from each other and from the ends.
    #[inline]
    pub(super) fn can_split(self, a: f64, b: f64, parts: u32) -> bool {
        match self {
            Self::Real => can_split(a, b, parts),
            Self::Whole => b - a >= f64::from(parts),
        }
    }

    /// The nearest point; never -0.0.
    #[inline]
    pub(super) fn nearest(self, x: f64) -> f64 {
        match self {
            Self::Real => x + 0.0,
            Self::Whole => x.round() + 0.0,
        }
    }

    /// Intervals shorter than this are fine as they are (upstream: `_dx_eps`).
    pub(super) fn shortest(self, (lo, hi): (f64, f64)) -> f64 {
        match self {
            Self::Real => 2.0 * lo.abs().max(hi.abs()) * f64::EPSILON,
            Self::Whole => 1.5,
        }
    }
}

/// Whether `parts - 1` points fit between `a` and `b`, all different from each other and from the ends.
#[inline]
fn can_split(a: f64, b: f64, parts: u32) -> bool {
    let step = (b - a) / f64::from(parts);
    // With more than a few units in the last place per step there is no doubt.
    if step > 4.0 * f64::EPSILON * a.abs().max(b.abs()) && step > f64::MIN_POSITIVE {
        return true;
    }
    let mut last = a;
    (1..parts).all(|j| {
        let x = a + step * f64::from(j);
        std::mem::replace(&mut last, x) < x && x < b
    })
}

/// What the intervals are and how they rank, as [`plan`] needs it.
pub(super) struct Terrain<'a> {
    pub(super) line: &'a Line,
    pub(super) ranking: &'a Ranking<Urgency>,
    pub(super) bounds: (f64, f64),
    pub(super) x_scale: f64,
    pub(super) domain: Domain,
}

/// The next `n` points, best first: missing bounds, then points that split the most urgent intervals into parts
/// so that the largest loss of a part becomes as small as it can (upstream: `_ask_points_without_adding`).
/// O(n log n), whatever the number of nodes. Fewer than `n` only where floating point numbers run out.
pub(super) fn plan(terrain: &Terrain<'_>, n: usize, out: &mut Vec<Planned>) {
    let Terrain { line, ranking, bounds: (lo, hi), x_scale, domain } = *terrain;
    let first = (line.head != NONE).then(|| line.x(line.head));
    let last = (line.tail != NONE).then(|| line.x(line.tail));
    let missing_lo = first != Some(lo);
    let missing_hi = last != Some(hi);
    let nmissing = usize::from(missing_lo) + usize::from(missing_hi);
    let infinite = |x, place| Planned { x, improvement: f64::INFINITY, place };

    if first.is_none() && n > nmissing {
        let step = (hi - lo) / (n - 1) as f64;
        let mut last = f64::NEG_INFINITY;
        for i in 0..n {
            let x = if i == n - 1 { hi } else { domain.nearest(i as f64 * step + lo) };
            // In a domain of few floating point numbers, neighbouring points of a fine grid coincide.
            if x > last && (x < hi || i == n - 1) {
                out.push(infinite(x, if i == 0 { Place::Front } else { Place::AfterPrevious }));
                last = x;
            }
        }
        return;
    }
    let bounds = [(missing_lo, lo, Place::Front), (missing_hi, hi, Place::Back)];
    out.extend(bounds.iter().filter(|b| b.0).map(|&(_, x, place)| infinite(x, place)).take(n));
    let (Some(first), Some(last)) = (first, last) else { return };
    let wanted = n.saturating_sub(nmissing);
    if wanted == 0 {
        return;
    }

    let mut splits = BinaryHeap::new();
    let grow = |a: f64, b: f64, parts: u32, loss: f64, place: Place| Split {
        urgency: Urgency::new(loss, a, b, parts, x_scale),
        a,
        b,
        parts,
        loss,
        place,
    };
    if missing_lo {
        splits.push(grow(lo, first, 1, f64::INFINITY, Place::AfterHead));
    }
    if missing_hi {
        splits.push(grow(last, hi, 1, f64::INFINITY, Place::After(line.tail)));
    }
    // Intervals between neighbouring floating point numbers can't be split, however urgent.
    let mut intervals = ranking.descending(Loss::Expected).filter_map(|(urgency, id)| {
        let node = line.node(id);
        let (a, b) = (node.x, line.x(node.next));
        domain.can_split(a, b, 2).then_some((urgency, id, a, b, node.expected))
    });
    let mut next = intervals.next();
    let mut exhausted = Vec::new();
    let mut placed = 0;
    while placed < wanted {
        let fresh = match (&next, splits.peek()) {
            (None, None) => break,
            (Some(_), None) => true,
            (None, Some(_)) => false,
            // At equal losses the interval that starts further right wins here, unlike everywhere else.
            (Some(candidate), Some(best)) => {
                let (new, old) = (candidate.0, best.urgency);
                new.loss > old.loss || new.loss == old.loss && new.leftness < old.leftness
            }
        };
        if fresh {
            if let Some((_, id, a, b, loss)) = next.take() {
                splits.push(grow(a, b, 2, loss / 2.0, Place::After(id)));
                placed += 1;
            }
            next = intervals.next();
        } else if let Some(best) = splits.pop() {
            let Split { a, b, parts, loss, place, .. } = best;
            if domain.can_split(a, b, parts + 1) {
                let shared = loss * f64::from(parts) / f64::from(parts + 1);
                splits.push(grow(a, b, parts + 1, shared, place));
                placed += 1;
            } else {
                exhausted.push(best);
            }
        }
    }
    let mut splits = splits.into_vec();
    splits.extend(exhausted);
    splits.sort_unstable_by(|a, b| b.cmp(a));
    for split in splits {
        let step = (split.b - split.a) / f64::from(split.parts);
        for j in 1..split.parts {
            let place = if j == 1 { split.place } else { Place::AfterPrevious };
            let x = domain.nearest(split.a + step * f64::from(j));
            out.push(Planned { x, improvement: split.loss, place });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn losses_that_agree_to_twelve_decimals_rank_from_left_to_right() {
        let rank = |loss, a| Urgency::new(loss, a, a + 1.0, 1, 10.0);
        assert!(rank(0.3, 0.0) > rank(0.3 + 1e-14, 1.0));
        assert!(rank(0.3, 0.0) < rank(0.3 + 1e-11, 1.0));
        assert!(rank(0.3, -2.0) > rank(0.3, -1.0));
        assert_eq!(rank(f64::NAN, 0.0), rank(f64::INFINITY, 0.0));
        assert_eq!(rank(f64::NAN, 0.0), rank(0.1, 0.0));
    }

    #[test]
    fn intervals_without_a_loss_rank_by_their_length() {
        let rank = |loss, a, b| Urgency::new(loss, a, b, 1, 1.0);
        assert!(rank(0.0, 0.5, 0.75) > rank(0.0, 0.0, 0.125));
        assert!(rank(0.0, 0.0, 0.1) > rank(0.0, 0.2, 0.3) && 0.1 != 0.3 - 0.2);
        assert!(rank(1e-13, 0.5, 0.75) > rank(0.0, 0.0, 0.125));
        assert!(rank(1e-11, 0.0, 0.125) > rank(0.0, 0.5, 0.75));
        assert!(Urgency::new(0.0, 0.0, 0.3, 2, 1.0) < rank(0.0, 0.4, 0.6));
    }

    #[test]
    fn whole_numbers_have_room_for_the_numbers_between_them() {
        let whole = Domain::Whole;
        assert!(!whole.can_split(3.0, 4.0, 2) && whole.can_split(3.0, 5.0, 2));
        assert!(whole.can_split(-2.0, 1.0, 3) && !whole.can_split(-2.0, 1.0, 4));
        assert!(whole.nearest(-0.3).is_sign_positive());
        assert_eq!(whole.shortest((0.0, 9.0)), 1.5);
    }

    #[test]
    fn an_interval_without_room_is_not_split() {
        let above = |x: f64, ulps: u64| f64::from_bits(x.to_bits() + ulps);
        assert!(!can_split(1.0, above(1.0, 1), 2));
        assert!(can_split(1.0, above(1.0, 2), 2));
        assert!(!can_split(1.0, above(1.0, 2), 3));
        assert!(can_split(0.0, 1e-300, 1000));
        assert!(!can_split(0.0, f64::from_bits(1), 2));
    }
}
