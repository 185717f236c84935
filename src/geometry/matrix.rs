//! Determinants and linear systems of D x D matrices on the stack; closed forms up to three dimensions.

/// Rows.
pub(super) type Matrix<const D: usize> = [[f64; D]; D];

#[inline(always)]
pub(super) fn sub<const D: usize>(a: &[f64; D], b: &[f64; D]) -> [f64; D] {
    std::array::from_fn(|i| a[i] - b[i])
}

#[inline(always)]
pub(super) fn dot<const D: usize>(a: &[f64; D], b: &[f64; D]) -> f64 {
    (0..D).map(|i| a[i] * b[i]).sum()
}

/// D!
pub(super) const fn factorial(n: usize) -> f64 {
    let (mut product, mut i) = (1.0, 2);
    while i <= n {
        product *= i as f64;
        i += 1;
    }
    product
}

#[inline(always)]
fn cross<const D: usize>(a: &[f64; D], b: &[f64; D]) -> [f64; 3] {
    [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]]
}

/// The determinant. Its relative error is that of Gaussian elimination with row exchanges (D > 3) or of the
/// expansion by minors.
#[inline(always)]
pub(super) fn determinant<const D: usize>(m: &Matrix<D>) -> f64 {
    match D {
        0 => 1.0,
        1 => m[0][0],
        2 => m[0][0] * m[1][1] - m[0][1] * m[1][0],
        3 => {
            let c = cross(&m[1], &m[2]);
            m[0][0] * c[0] + m[0][1] * c[1] + m[0][2] * c[2]
        }
        _ => eliminate(m, &mut [0.0; D]),
    }
}

/// Solves `m x = right` in place and returns the determinant; at determinant 0 the solution is not finite.
#[inline(always)]
pub(super) fn solve<const D: usize>(m: &Matrix<D>, right: &mut [f64; D]) -> f64 {
    match D {
        1 => {
            right[0] /= m[0][0];
            m[0][0]
        }
        2 => {
            let det = m[0][0] * m[1][1] - m[0][1] * m[1][0];
            let (a, b) = (right[0], right[1]);
            let inverse = 1.0 / det;
            right[0] = (a * m[1][1] - b * m[0][1]) * inverse;
            right[1] = (b * m[0][0] - a * m[1][0]) * inverse;
            det
        }
        3 => {
            let (c0, c1, c2) = (cross(&m[1], &m[2]), cross(&m[2], &m[0]), cross(&m[0], &m[1]));
            let det = m[0][0] * c0[0] + m[0][1] * c0[1] + m[0][2] * c0[2];
            let inverse = 1.0 / det;
            let (a, b, c) = (right[0] * inverse, right[1] * inverse, right[2] * inverse);
            for i in 0..3 {
                right[i] = a * c0[i] + b * c1[i] + c * c2[i];
            }
            det
        }
        _ => eliminate(m, right),
    }
}

/// Gaussian elimination with row exchanges.
fn eliminate<const D: usize>(m: &Matrix<D>, right: &mut [f64; D]) -> f64 {
    let mut m = *m;
    let mut det = 1.0;
    for column in 0..D {
        let mut pivot = column;
        for row in column + 1..D {
            if m[row][column].abs() > m[pivot][column].abs() {
                pivot = row;
            }
        }
        if pivot != column {
            m.swap(pivot, column);
            right.swap(pivot, column);
            det = -det;
        }
        det *= m[column][column];
        let inverse = 1.0 / m[column][column];
        let upper = m[column];
        for row in column + 1..D {
            let factor = m[row][column] * inverse;
            for i in column + 1..D {
                m[row][i] -= factor * upper[i];
            }
            right[row] -= factor * right[column];
        }
        if det == 0.0 {
            *right = [f64::NAN; D];
            return 0.0;
        }
    }
    for row in (0..D).rev() {
        let known: f64 = (row + 1..D).map(|i| m[row][i] * right[i]).sum();
        right[row] = (right[row] - known) / m[row][row];
    }
    det
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Hilbert matrices are far from singular at this size, and their determinants are known.
    fn hilbert<const D: usize>() -> Matrix<D> {
        std::array::from_fn(|i| std::array::from_fn(|j| 1.0 / (1 + i + j) as f64))
    }

    fn check<const D: usize>(expected: f64) {
        let m = hilbert::<D>();
        approx::assert_relative_eq!(determinant(&m), expected, max_relative = 1e-9);
        let x: [f64; D] = std::array::from_fn(|i| i as f64 - 1.5);
        let mut right = std::array::from_fn(|i| dot(&m[i], &x));
        approx::assert_relative_eq!(solve(&m, &mut right), expected, max_relative = 1e-9);
        for i in 0..D {
            approx::assert_relative_eq!(right[i], x[i], max_relative = 1e-8);
        }
    }

    #[test]
    fn determinants_and_solutions_are_right_in_every_dimension() {
        check::<1>(1.0);
        check::<2>(1.0 / 12.0);
        check::<3>(1.0 / 2160.0);
        check::<4>(1.0 / 6_048_000.0);
        check::<5>(1.0 / 266_716_800_000.0);
    }

    #[test]
    fn a_row_exchange_changes_the_sign() {
        let mut m = [[0.0; 4]; 4];
        for (i, row) in m.iter_mut().enumerate() {
            row[(i + 1) % 4] = 2.0;
        }
        assert_eq!(determinant(&m), -16.0);
    }
}
