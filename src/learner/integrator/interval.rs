//! One interval of the tree, and what is known of the integral over it.

use super::ranking::Merit;
use super::rule::{Coefficients, NODES, RULE, level, nodes, stride};
use super::totals::Share;

/// Stands for "no interval".
pub(super) const NONE: u32 = u32::MAX;

/// Intervals with nodes closer than this, relative to their coordinate, are not refined.
const LEAST_SEPARATION: f64 = 16.0 * f64::EPSILON;

#[derive(Clone, Debug)]
pub(super) struct Interval {
    pub(super) a: f64,
    pub(super) b: f64,
    /// Of the whole integral: rounding leads no node out of it. (Out of an interval it may, as upstream.)
    domain: (f64, f64),
    /// Estimate of the error of `igral`, or a share of the parent's while nothing better is known.
    pub(super) err: f64,
    pub(super) igral: f64,
    /// The first coefficient of the coarsest rule: a mean that is compared with that of the parent.
    pub(super) c00: f64,
    /// Of the finest complete rule.
    pub(super) c: Coefficients,
    /// Numbers of the points, by node of the finest rule.
    pub(super) points: [u32; NODES],
    pub(super) parent: u32,
    /// The left half, or [`NONE`]; the right half has the next number.
    pub(super) children: u32,
    /// Generation: 1 for the first interval.
    pub(super) rdepth: u32,
    /// How many times the mean has doubled from an interval to its half, on the way down to here.
    pub(super) ndiv: u32,
    /// The rule whose nodes are wanted.
    pub(super) depth: u8,
    /// The finest rule whose nodes are all known and used.
    pub(super) complete: Option<u8>,
    /// Unknown points, by the rule that brings them.
    pub(super) missing: [u8; 4],
    /// May still be refined.
    pub(super) queued: bool,
    /// Can't be improved: too narrow, or at the limit of rounding.
    pub(super) removed: bool,
    /// Position among the intervals that make up the integral, or [`NONE`].
    pub(super) place: u32,
    /// Its children stand for it.
    pub(super) superseded: bool,
    /// The best complete cover of this interval by itself or its descendants: empty until there is one, `None` once
    /// it is handed up to the parent.
    pub(super) cover: Option<Vec<u32>>,
}

impl Interval {
    pub(super) fn first(a: f64, b: f64) -> Self {
        Self {
            a,
            b,
            domain: (a, b),
            err: f64::MAX,
            igral: 0.0,
            c00: 0.0,
            c: [0.0; NODES],
            points: [NONE; NODES],
            parent: NONE,
            children: NONE,
            rdepth: 1,
            ndiv: 0,
            depth: 2,
            complete: None,
            missing: [0; 4],
            queued: false,
            removed: false,
            place: NONE,
            superseded: false,
            cover: Some(Vec::new()),
        }
    }

    /// The left and the right half of the interval with this number.
    pub(super) fn halves(&self, number: u32) -> [Self; 2] {
        let middle = self.x(NODES / 2);
        [(self.a, middle), (middle, self.b)].map(|(a, b)| Self {
            domain: self.domain,
            err: self.err / 2.0,
            parent: number,
            rdepth: self.rdepth + 1,
            ndiv: self.ndiv,
            depth: 0,
            ..Self::first(a, b)
        })
    }

    /// The coordinate of a node. The same for all depths, bit for bit. Never -0.0.
    #[inline]
    pub(super) fn x(&self, node: usize) -> f64 {
        let x = (self.a + self.b) / 2.0 + (self.b - self.a) * RULE.xi[node] / 2.0;
        x.clamp(self.domain.0, self.domain.1) + 0.0
    }

    /// The rule that is wanted is known and used.
    pub(super) fn is_complete(&self) -> bool {
        self.complete == Some(self.depth)
    }

    /// Whether two nodes at an end are too close to tell more about the function than its rounding.
    pub(super) fn is_too_narrow(&self) -> bool {
        let step = stride(self.depth);
        let last = NODES - 1;
        let close = |x: f64, y: f64, at: f64| y - x <= at.abs() * LEAST_SEPARATION;
        let (first, second) = (self.x(0), self.x(step));
        let (before, end) = (self.x(last - step), self.x(last));
        close(first, second, first) || close(before, end, before)
    }

    #[inline]
    pub(super) fn is_known(&self, depth: u8) -> bool {
        self.missing[..=depth as usize].iter().all(|missing| *missing == 0)
    }

    #[inline]
    pub(super) fn note_told(&mut self, node: u8) {
        self.missing[level(usize::from(node)) as usize] -= 1;
    }

    /// Coefficients from the values at the nodes of a rule.
    pub(super) fn coefficients(&self, depth: u8, value: impl Fn(u32) -> f64) -> Coefficients {
        let mut values = [0.0; NODES];
        let n = nodes(depth);
        for (value_at, point) in values.iter_mut().zip(self.points.iter().step_by(stride(depth))) {
            *value_at = value(*point);
        }
        RULE.coefficients(depth, &mut values[..n])
    }

    /// How many values of this depth are no numbers, and of how many.
    pub(super) fn missing(&self, depth: u8, value: impl Fn(u32) -> f64) -> (usize, usize) {
        let points = self.points.iter().step_by(stride(depth)).take(nodes(depth));
        (points.filter(|point| !value(**point).is_finite()).count(), nodes(depth))
    }

    /// The integral of the function with these coefficients.
    pub(super) fn integral(&self) -> f64 {
        (self.b - self.a) * self.c[0] / std::f64::consts::SQRT_2
    }

    pub(super) fn merit(&self) -> Merit {
        Merit { complete: self.is_complete(), err: self.err, a: self.a }
    }

    pub(super) fn share(&self) -> Share {
        Share { igral: self.igral, err: self.err, removed: self.removed }
    }
}

/// Squares within these keep all their digits.
const SQUARES: std::ops::Range<f64> = 1e-280..1e300;

/// The length of a vector, also where squares leave the range of numbers: nothing may look done because of that.
pub(super) fn norm(c: impl Iterator<Item = f64> + Clone) -> f64 {
    let square: f64 = c.clone().map(|c| c * c).sum();
    let largest = match SQUARES.contains(&square) {
        true => 0.0,
        false => c.clone().fold(0.0, |largest: f64, c| largest.max(c.abs())),
    };
    if largest == 0.0 || largest.is_infinite() {
        return square.sqrt();
    }
    largest * c.map(|c| (c / largest).powi(2)).sum::<f64>().sqrt()
}
