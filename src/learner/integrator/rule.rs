//! Clenshaw-Curtis rules of 5, 9, 17 and 33 nodes: from values at the nodes to Legendre coefficients, and from the
//! coefficients of an interval to those of its halves.
//!
//! Everything is in the basis of the orthonormal Legendre polynomials `p_k = sqrt(k + 1/2) P_k` on [-1, 1], in which
//! the norm of a difference of coefficients is the L2 norm of the difference of the functions. The constants are
//! computed at first use from closed forms, so that no digits are lost to the inversion of a matrix: values at
//! Chebyshev points give Chebyshev coefficients by a cosine transform, and these give Legendre coefficients by the
//! connection coefficients of Alpert and Rokhlin (SIAM J. Sci. Stat. Comput. 12, 1991).

use std::f64::consts::PI;
use std::sync::LazyLock;

/// Nodes of the finest rule.
pub(super) const NODES: usize = 33;
/// The depth of the finest rule: depths 0 to 3 have 5, 9, 17 and 33 nodes.
pub(super) const DEEPEST: u8 = 3;
/// Condition number of the matrix of the `p_k` at the nodes, by depth: what rounding of the values may cost.
pub(super) const CONDITION: [f64; 4] =
    [3.334_468_231_561_6, 4.178_091_728_014_327, 5.503_113_393_736_562, 7.506_879_946_097_75];

/// Coefficients in the orthonormal Legendre basis; zero beyond the degree of the rule.
pub(super) type Coefficients = [f64; NODES];

/// From a node of a rule to the next, among the nodes of the finest rule.
#[inline]
pub(super) fn stride(depth: u8) -> usize {
    8 >> depth
}

/// Number of nodes of a rule.
#[inline]
pub(super) fn nodes(depth: u8) -> usize {
    (4 << depth) + 1
}

/// The depth of the coarsest rule that has this node of the finest rule.
#[inline]
pub(super) fn level(node: usize) -> u8 {
    DEEPEST - (node.trailing_zeros().min(3) as u8)
}

/// The tables, made at first use (about 0.1 ms).
pub(super) static RULE: LazyLock<Rule> = LazyLock::new(Rule::new);

pub(super) struct Rule {
    /// Nodes of the finest rule, ascending; exactly antisymmetric. The coarser rules have every 2nd, 4th, 8th.
    pub(super) xi: [f64; NODES],
    /// By depth: coefficients that a value of 1 at node j gives, node after node.
    from_values: [Vec<f64>; 4],
    /// By half (left, right): column j holds the coefficients of `p_j` on that half, up to degree j.
    halves: [Vec<f64>; 2],
    /// By depth: coefficients of the polynomial that is zero at all nodes, up to a factor.
    newton: [Vec<f64>; 4],
}

impl Rule {
    fn new() -> Self {
        // The mean of both halves, as upstream: not a bit may differ, or a point that was asked there is none of ours.
        let cosine = |i: usize| (PI * i as f64 / (NODES - 1) as f64).cos();
        let xi = std::array::from_fn(|i| (cosine(NODES - 1 - i) - cosine(i)) / 2.0);
        let connection = connection();
        let from_values = [0, 1, 2, 3].map(|depth| from_values(depth, &xi, &connection));
        let newton = [0, 1, 2, 3].map(|depth| newton(depth, &connection));
        let mut rule = Self { xi, from_values, halves: [Vec::new(), Vec::new()], newton };
        rule.halves = [-1.0, 1.0].map(|side| rule.half(side));
        rule
    }

    /// Columns of the map from the coefficients of an interval to those of its left (`side` -1) or right half.
    fn half(&self, side: f64) -> Vec<f64> {
        let mut values = [[0.0; NODES]; NODES];
        for (node, xi) in self.xi.iter().enumerate() {
            for (j, p) in legendre((xi + side) / 2.0).into_iter().enumerate() {
                values[j][node] = p;
            }
        }
        let mut columns = vec![0.0; NODES * NODES];
        for (j, values) in values.iter().enumerate() {
            let column = self.interpolate(DEEPEST, values);
            // A polynomial of degree j has no higher coefficients: what is there is rounding.
            columns[j * NODES..][..=j].copy_from_slice(&column[..=j]);
        }
        columns
    }

    /// Coefficients of the polynomial through finite values at the nodes of this depth.
    fn interpolate(&self, depth: u8, values: &[f64]) -> Coefficients {
        let n = nodes(depth);
        let mut c = [0.0; NODES];
        for (column, value) in self.from_values[depth as usize].chunks_exact(n).zip(values) {
            for (c, v) in c[..n].iter_mut().zip(column) {
                *c += v * value;
            }
        }
        c
    }

    /// Coefficients of the polynomial of least degree through the finite ones of the values at the nodes of this
    /// depth: nodes with others are taken out one by one (Gonnet 2010, algorithm 5: "downdating").
    pub(super) fn coefficients(&self, depth: u8, values: &mut [f64]) -> Coefficients {
        let mut missing = [0usize; NODES];
        let mut n_missing = 0;
        for (node, value) in values.iter_mut().enumerate().filter(|(_, value)| !value.is_finite()) {
            *value = 0.0;
            missing[n_missing] = node;
            n_missing += 1;
        }
        let c = self.interpolate(depth, values);
        if n_missing == 0 { c } else { self.downdate(depth, c, &missing[..n_missing]) }
    }

    fn downdate(&self, depth: u8, mut c: Coefficients, missing: &[usize]) -> Coefficients {
        let mut degree = nodes(depth) - 1;
        if missing.len() > degree {
            return [0.0; NODES];
        }
        let mut b = self.newton[depth as usize].clone();
        for node in missing {
            // Divide the Newton polynomial by (x - xi), from the highest coefficient down.
            let xi = self.xi[node * stride(depth)];
            b[degree + 1] /= alpha(degree);
            b[degree] = (b[degree] + xi * b[degree + 1]) / alpha(degree - 1);
            for j in (1..degree).rev() {
                b[j] = (b[j] + xi * b[j + 1] - gamma(j + 1) * b[j + 2]) / alpha(j - 1);
            }
            b.remove(0);
            let factor = c[degree] / b[degree];
            for (c, b) in c[..degree].iter_mut().zip(&b) {
                *c -= factor * b;
            }
            c[degree] = 0.0;
            degree -= 1;
        }
        c
    }

    /// Coefficients on the left or right half of an interval with these coefficients.
    pub(super) fn on_half(&self, right: bool, c: &Coefficients) -> Coefficients {
        let mut half = [0.0; NODES];
        for (j, (column, c)) in self.halves[usize::from(right)].chunks_exact(NODES).zip(c).enumerate() {
            for (half, t) in half[..=j].iter_mut().zip(column) {
                *half += t * c;
            }
        }
        half
    }
}

/// `x p_k = alpha(k) p_(k+1) + gamma(k) p_(k-1)`.
fn alpha(k: usize) -> f64 {
    let k = k as f64;
    ((k + 1.0) * (k + 1.0) / ((2.0 * k + 1.0) * (2.0 * k + 3.0))).sqrt()
}

fn gamma(k: usize) -> f64 {
    let k = k as f64;
    (k * k / (4.0 * k * k - 1.0)).sqrt()
}

/// `p_0(x), p_1(x), …`
fn legendre(x: f64) -> Coefficients {
    let mut p = [0.0; NODES];
    (p[0], p[1]) = (1.0, x);
    for k in 2..NODES {
        let degree = k as f64;
        p[k] = ((2.0 * degree - 1.0) * x * p[k - 1] - (degree - 1.0) * p[k - 2]) / degree;
    }
    for (k, p) in p.iter_mut().enumerate() {
        *p *= (k as f64 + 0.5).sqrt();
    }
    p
}

/// Row n holds the coefficients of the Chebyshev polynomial `T_n` in the basis `p_k`, for n up to 33.
fn connection() -> Vec<Coefficients> {
    // lambda(z) = gamma function at z + 1/2 over that at z + 1, for z = 0, 1/2, 1, 3/2, …
    let mut lambda = vec![PI.sqrt(), 2.0 / PI.sqrt()];
    for i in 0..2 * NODES {
        let z = i as f64 / 2.0;
        lambda.push(lambda[i] * (z + 0.5) / (z + 1.0));
    }
    let entry = |n: usize, k: usize| match n {
        0 => 1.0,
        _ if k == n => PI.sqrt() / (2.0 * lambda[2 * n]),
        _ => {
            let (nf, kf) = (n as f64, k as f64);
            -nf * (kf + 0.5) / ((nf + kf + 1.0) * (nf - kf)) * lambda[n - k - 2] * lambda[n + k - 1]
        }
    };
    let row = |n: usize| {
        let mut row = [0.0; NODES];
        for k in (n % 2..=n.min(NODES - 1)).step_by(2) {
            row[k] = entry(n, k) / (k as f64 + 0.5).sqrt();
        }
        row
    };
    (0..=NODES).map(row).collect()
}

fn from_values(depth: u8, xi: &[f64; NODES], connection: &[Coefficients]) -> Vec<f64> {
    let n = nodes(depth);
    let last = n - 1;
    // cos(m pi / last), from the nodes, so that it is as exact and as symmetric as they are.
    let cosine = |m: usize| {
        let m = m % (2 * last);
        -xi[m.min(2 * last - m) * stride(depth)]
    };
    let half_at_ends = |i: usize| if i == 0 || i == last { 0.5 } else { 1.0 };
    let mut columns = vec![0.0; n * n];
    for j in 0..n {
        for (t, row) in connection[..n].iter().enumerate() {
            let sign = if t % 2 == 0 { 1.0 } else { -1.0 };
            let chebyshev = sign * 2.0 / last as f64 * half_at_ends(t) * half_at_ends(j) * cosine(t * j);
            for k in 0..n {
                columns[j * n + k] += row[k] * chebyshev;
            }
        }
    }
    columns
}

/// The nodes are the zeros of `T_(n+1) - T_(n-1)`, with n + 1 nodes.
fn newton(depth: u8, connection: &[Coefficients]) -> Vec<f64> {
    let n = nodes(depth) - 1;
    let mut b: Vec<f64> =
        connection[n + 1].iter().zip(&connection[n - 1]).map(|(above, below)| above - below).collect();
    b.resize(n + 2, 0.0);
    if n + 1 == NODES {
        // The table of coefficients ends one degree too early for the finest rule.
        b[NODES] = leading_of_t33();
    }
    b
}

/// The coefficient of `p_33` in `T_33`: the leading coefficient 2^32 of the one over that of the other.
fn leading_of_t33() -> f64 {
    // Of P_n it is the product of (2k - 1) / k over k = 1, …, n.
    let of_legendre: f64 = (1..=NODES).map(|k| (2.0 * k as f64 - 1.0) / k as f64).product();
    2f64.powi(NODES as i32 - 1) / of_legendre / (NODES as f64 + 0.5).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn on_nodes(depth: u8, f: impl Fn(f64) -> f64) -> Vec<f64> {
        (0..nodes(depth)).map(|i| f(RULE.xi[i * stride(depth)])).collect()
    }

    fn at(c: &Coefficients, x: f64) -> f64 {
        legendre(x).iter().zip(c).map(|(p, c)| p * c).sum()
    }

    #[test]
    fn the_basis_is_reproduced_by_every_rule() {
        for depth in 0..=DEEPEST {
            for k in 0..nodes(depth) {
                let c = RULE.coefficients(depth, &mut on_nodes(depth, |x| legendre(x)[k]));
                for (i, c) in c.iter().enumerate() {
                    let expected = if i == k { 1.0 } else { 0.0 };
                    assert!((c - expected).abs() < 3e-15, "depth {depth}, {k}, {i}: {c}");
                }
            }
        }
    }

    #[test]
    fn the_first_coefficient_is_the_integral() {
        let c = RULE.coefficients(3, &mut on_nodes(3, f64::exp));
        let integral = 1f64.exp() - (-1f64).exp();
        assert!((2.0 * c[0] / 2f64.sqrt() - integral).abs() < 1e-15);
    }

    #[test]
    fn halves_describe_the_same_function() {
        let c = RULE.coefficients(3, &mut on_nodes(3, |x| (3.0 * x).sin() + x));
        for (right, side) in [(false, -1.0), (true, 1.0)] {
            let half = RULE.on_half(right, &c);
            for x in [-1.0, -0.3, 0.0, 0.8, 1.0] {
                assert!((at(&half, x) - at(&c, (x + side) / 2.0)).abs() < 1e-14);
            }
        }
    }

    #[test]
    fn a_polynomial_survives_the_loss_of_nodes_that_it_does_not_need() {
        for (depth, lost) in [(0, vec![0]), (1, vec![3, 4]), (2, vec![0, 1, 16]), (3, vec![0, 5, 16, 31, 32])]
        {
            let degree = nodes(depth) - 1 - lost.len();
            let f = |x: f64| legendre(x)[degree] + legendre(x)[1] - 2.0;
            let mut values = on_nodes(depth, f);
            for (i, node) in lost.iter().enumerate() {
                values[*node] = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY][i % 3];
            }
            let c = RULE.coefficients(depth, &mut values);
            for x in [-1.0, -0.77, 0.1, 0.5, 1.0] {
                assert!((at(&c, x) - f(x)).abs() < 1e-11, "depth {depth}: {} {}", at(&c, x), f(x));
            }
            assert!(c[degree + 1..].iter().all(|c| *c == 0.0));
        }
    }

    #[test]
    fn nodes_without_any_value_give_zero() {
        for lost in [nodes(1) - 1, nodes(1)] {
            let mut values = vec![4.0; nodes(1)];
            values[..lost].fill(f64::NAN);
            let c = RULE.coefficients(1, &mut values);
            let expected = if lost == nodes(1) { 0.0 } else { 4.0 * 2f64.sqrt() };
            assert!((c[0] - expected).abs() < 1e-10 && c[1..].iter().all(|c| *c == 0.0), "{c:?}");
        }
    }

    /// The largest singular value of a matrix, by its action and that of its transpose.
    fn norm(n: usize, entry: impl Fn(usize, usize) -> f64) -> f64 {
        let mut x: Vec<f64> = (0..n).map(|i| 1.0 + 0.1 * i as f64).collect();
        let mut norm = 0.0;
        for _ in 0..20_000 {
            let y: Vec<f64> = (0..n).map(|i| (0..n).map(|j| entry(i, j) * x[j]).sum()).collect();
            x = (0..n).map(|j| (0..n).map(|i| entry(i, j) * y[i]).sum()).collect();
            let length = x.iter().map(|x| x * x).sum::<f64>().sqrt();
            x.iter_mut().for_each(|x| *x /= length);
            norm = length.sqrt();
        }
        norm
    }

    #[test]
    fn the_condition_numbers_are_those_of_the_matrices() {
        for depth in 0..=DEEPEST {
            let n = nodes(depth);
            let inverse = &RULE.from_values[depth as usize];
            let at_nodes: Vec<_> = (0..n).map(|i| legendre(RULE.xi[i * stride(depth)])).collect();
            let condition = norm(n, |i, j| at_nodes[i][j]) * norm(n, |k, j| inverse[j * n + k]);
            let known = CONDITION[depth as usize];
            assert!((condition - known).abs() < 1e-6, "depth {depth}: {condition} instead of {known}");
        }
    }
}
