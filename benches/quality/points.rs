//! Points that don't look at the function: Sobol's, and those of a regular sparse grid.

use super::functions::Case;
use super::measure::{Errors, Told, errors};
use adaptive_mpi::model::Point;

/// A told point from fractions of the domain.
fn told(case: &Case, unit: impl Iterator<Item = f64>) -> (Point, Vec<f64>) {
    let point: Point = unit.zip(case.bounds).map(|(t, (lo, hi))| lo + (hi - lo) * t).collect();
    let mut y = Vec::new();
    (case.function)(&point, &mut y);
    (point, y)
}

/// The corners of the domain, then the points of Sobol's sequence from its second on: `n` in all. Up to 3 dimensions,
/// with the direction numbers of Joe and Kuo.
pub(crate) fn sobol(case: &Case, n: usize) -> Told {
    let dim = case.bounds.len();
    let corners =
        (0..1usize << dim).map(|corner| told(case, (0..dim).map(move |k| (corner >> k & 1) as f64)));
    // First direction numbers of dimensions 2 and 3: those before follow from them.
    let mut directions = [[0u32; 32]; 3];
    for bit in 0..32 {
        directions[0][bit] = 1 << (31 - bit);
        directions[1][bit] = match bit {
            0 => 1 << 31,
            _ => directions[1][bit - 1] ^ (directions[1][bit - 1] >> 1),
        };
        directions[2][bit] = match bit {
            0 => 1 << 31,
            1 => 3 << 30,
            _ => directions[2][bit - 2] ^ (directions[2][bit - 2] >> 2) ^ directions[2][bit - 1],
        };
    }
    let mut state = [0u32; 3];
    let sequence = (0u32..).map(|index| {
        let bit = index.trailing_ones() as usize;
        state.iter_mut().zip(&directions).for_each(|(x, direction)| *x ^= direction[bit]);
        told(case, state.map(|x| f64::from(x) / 4_294_967_296.0).into_iter())
    });
    corners.chain(sequence).take(n).collect()
}

/// Value of the hierarchical hat function `index` of a level, level 0 being the two linear functions of the ends.
fn hat(level: u32, index: usize, t: f64) -> f64 {
    match (level, index) {
        (0, 0) => 1.0 - t,
        (0, _) => t,
        _ => (1.0 - ((1u32 << level) as f64 * t - index as f64).abs()).max(0.0),
    }
}

/// The hats of one level: ends of the domain, or odd multiples of the width.
fn indices(level: u32) -> Vec<usize> {
    if level == 0 { vec![0, 1] } else { (1..1usize << level).step_by(2).collect() }
}

fn place(level: u32, index: usize) -> f64 {
    if level == 0 { index as f64 } else { index as f64 / f64::from(1u32 << level) }
}

/// A block of hats: its levels, and the surpluses of its hats, component by component.
struct Block {
    levels: Vec<u32>,
    surpluses: Vec<f64>,
}

/// All lists of `dim` levels whose sum is `sum`.
fn levels_of(dim: usize, sum: u32) -> Vec<Vec<u32>> {
    if dim == 1 {
        return vec![vec![sum]];
    }
    let with_first = |first: u32| {
        let rest = levels_of(dim - 1, sum - first);
        rest.into_iter().map(move |rest| [vec![first], rest].concat())
    };
    (0..=sum).flat_map(with_first).collect()
}

fn size(levels: &[u32]) -> usize {
    levels.iter().map(|level| indices(*level).len()).product()
}

/// The value of the hats of a block at a point (fractions of the domain), added to `out`.
fn add(block: &Block, dim: usize, at: &[f64], out: &mut [f64]) {
    for (slot, row) in block.surpluses.chunks(out.len()).enumerate() {
        let mut rest = slot;
        let mut weight = 1.0;
        for (&level, &x) in block.levels.iter().zip(at).take(dim) {
            let count = if level == 0 { 2 } else { 1 << (level - 1) };
            let digit = rest % count;
            rest /= count;
            let index = if level == 0 { digit } else { 2 * digit + 1 };
            weight *= hat(level, index, x);
            if weight == 0.0 {
                break;
            }
        }
        if weight != 0.0 {
            out.iter_mut().zip(row).for_each(|(out, surplus)| *out += weight * surplus);
        }
    }
}

/// Errors of the piecewise linear interpolant on the largest regular sparse grid (with its border) of at most `n` points,
/// and how many these are.
pub(crate) fn sparse_errors(case: &Case, n: usize) -> (usize, Errors) {
    let dim = case.bounds.len();
    let mut blocks: Vec<Block> = Vec::new();
    let mut count = 0;
    for sum in 0.. {
        let layer = levels_of(dim, sum);
        let more: usize = layer.iter().map(|levels| size(levels)).sum();
        if count + more > n {
            break;
        }
        count += more;
        for levels in layer {
            let mut surpluses = Vec::new();
            for slot in 0..size(&levels) {
                let mut rest = slot;
                let mut at = Vec::new();
                for level in &levels {
                    let all = indices(*level);
                    at.push(place(*level, all[rest % all.len()]));
                    rest /= all.len();
                }
                let (_, value) = told(case, at.iter().copied());
                let mut known = vec![0.0; value.len()];
                blocks.iter().for_each(|block| add(block, dim, &at, &mut known));
                surpluses.extend(value.iter().zip(&known).map(|(value, known)| value - known));
            }
            blocks.push(Block { levels, surpluses });
        }
    }
    let mut m = Vec::new();
    let (start, _) = case.bounds[0];
    (case.function)(&vec![start; dim], &mut m);
    let mut unit = vec![0.0; dim];
    let found = errors(case, |at, out| {
        for ((t, x), (lo, hi)) in unit.iter_mut().zip(at).zip(case.bounds) {
            *t = (x - lo) / (hi - lo);
        }
        out.resize(m.len(), 0.0);
        blocks.iter().for_each(|block| near(block, dim, &unit, out));
    });
    (count, found)
}

/// As [`add`], looking only at the hats that are not zero there: one per block, or two at the ends.
fn near(block: &Block, dim: usize, at: &[f64], out: &mut [f64]) {
    let ends: Vec<usize> = (0..dim).filter(|k| block.levels[*k] == 0).collect();
    for choice in 0..1usize << ends.len() {
        let (mut slot, mut stride, mut weight) = (0, 1, 1.0);
        for (k, (&level, &x)) in block.levels.iter().zip(at).enumerate().take(dim) {
            let (digit, count, index) = match ends.iter().position(|end| *end == k) {
                Some(bit) => (choice >> bit & 1, 2, choice >> bit & 1),
                None => {
                    let count = 1usize << (level - 1);
                    let digit = ((x * count as f64) as usize).min(count - 1);
                    (digit, count, 2 * digit + 1)
                }
            };
            weight *= hat(level, index, x);
            slot += digit * stride;
            stride *= count;
        }
        let row = &block.surpluses[slot * out.len()..(slot + 1) * out.len()];
        out.iter_mut().zip(row).for_each(|(out, surplus)| *out += weight * surplus);
    }
}
