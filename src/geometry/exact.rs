//! Exact signs of determinants, by sums of floats that don't overlap (expansions).
//!
//! J. R. Shewchuk, "Adaptive Precision Floating-Point Arithmetic and Fast Robust Geometric Predicates", 1997,
//! sections 2.3-2.5. Used only where rounding leaves a sign in doubt, so the simplest operations are taken. Exact as
//! long as no product underflows: differences of coordinates above 1e-40 are safe in 8 dimensions.

use smallvec::{SmallVec, smallvec};

/// A number as a sum of floats of growing magnitude whose bits don't overlap; empty is 0.
pub(super) type Expansion = SmallVec<[f64; 12]>;

#[inline]
fn two_sum(a: f64, b: f64) -> (f64, f64) {
    let sum = a + b;
    let virtual_b = sum - a;
    (sum, (a - (sum - virtual_b)) + (b - virtual_b))
}

#[inline]
fn two_product(a: f64, b: f64) -> (f64, f64) {
    let product = a * b;
    (product, a.mul_add(b, -product))
}

/// `a - b`, exactly.
pub(super) fn difference(a: f64, b: f64) -> Expansion {
    let (high, low) = two_sum(a, -b);
    [low, high].into_iter().filter(|part| *part != 0.0).collect()
}

fn add(sum: &mut Expansion, term: f64) {
    let (mut carry, mut kept) = (term, 0);
    for i in 0..sum.len() {
        let (high, low) = two_sum(carry, sum[i]);
        carry = high;
        if low != 0.0 {
            sum[kept] = low;
            kept += 1;
        }
    }
    sum.truncate(kept);
    if carry != 0.0 {
        sum.push(carry);
    }
}

/// `sum += sign * a * b`.
fn add_product(sum: &mut Expansion, a: &Expansion, b: &Expansion, sign: f64) {
    for &x in a {
        for &y in b {
            let (high, low) = two_product(x, sign * y);
            add(sum, low);
            add(sum, high);
        }
    }
}

/// The sum of the squares.
pub(super) fn sum_of_squares(terms: &[Expansion]) -> Expansion {
    let mut sum = Expansion::new();
    for term in terms {
        add_product(&mut sum, term, term, 1.0);
    }
    sum
}

/// The sign (-1, 0, 1) of the determinant of an n x n matrix, row by row.
///
/// Minors of the first rows are kept for every set of columns: O(n 2^n) products.
pub(super) fn sign_of_determinant(matrix: &[Expansion], n: usize) -> i8 {
    let mut minors: Vec<Expansion> = vec![Expansion::new(); 1 << n];
    minors[0] = smallvec![1.0];
    for columns in 1..1_usize << n {
        let row = columns.count_ones() as usize - 1;
        let mut sum = Expansion::new();
        for column in (0..n).filter(|column| columns >> column & 1 == 1) {
            let entry = &matrix[row * n + column];
            let minor = &minors[columns & !(1 << column)];
            let sign = if (columns >> (column + 1)).count_ones() % 2 == 0 { 1.0 } else { -1.0 };
            add_product(&mut sum, entry, minor, sign);
        }
        minors[columns] = sum;
    }
    match minors[(1 << n) - 1].last() {
        None => 0,
        Some(last) if *last > 0.0 => 1,
        Some(_) => -1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sign(rows: &[&[f64]]) -> i8 {
        let matrix: Vec<Expansion> =
            rows.iter().flat_map(|row| row.iter()).map(|x| difference(*x, 0.0)).collect();
        sign_of_determinant(&matrix, rows.len())
    }

    #[test]
    fn the_sign_is_right_where_floats_cancel() {
        let tiny = 2f64.powi(-200);
        assert_eq!(sign(&[&[1.0, 1.0], &[1.0, 1.0]]), 0);
        assert_eq!(sign(&[&[1.0 + f64::EPSILON, 1.0], &[1.0, 1.0 - f64::EPSILON]]), -1);
        assert_eq!(sign(&[&[1.0, 0.0, 1.0], &[0.0, 1.0, 1.0], &[1.0, 1.0, 2.0]]), 0);
        assert_eq!(sign(&[&[1.0, tiny, 1.0], &[0.0, 1.0, 1.0], &[1.0, 1.0, 2.0]]), 1);
        assert_eq!(sign(&[&[0.0, 1.0], &[1.0, 0.0]]), -1);
    }

    #[test]
    fn a_difference_keeps_what_rounding_would_lose() {
        let tiny = 2f64.powi(-80);
        let exact = difference(1.0, tiny);
        assert_eq!(exact.as_slice(), [-tiny, 1.0]);
        assert_eq!(difference(0.3, 0.3).as_slice(), [0.0; 0]);
    }
}
