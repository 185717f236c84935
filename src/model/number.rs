/// Within these limits a number is written with all its digits before and after the point.
const PLAIN: std::ops::Range<f64> = 1e-5..1e16;

/// A number for messages and figures: the shortest text that reads back to the same number, with an exponent where it
/// is very large or very small. (`{}` alone writes 308 zeros.)
pub fn shown(x: f64) -> String {
    if x == 0.0 || PLAIN.contains(&x.abs()) || !x.is_finite() { x.to_string() } else { format!("{x:e}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short_and_read_back() {
        let all =
            [0.0, -0.0, 1.0, -2.5, 0.1 + 0.2, 1e15, 1e16, 1e308, -1e308, f64::MAX, 1e-5, 9.9e-6, 5e-324];
        for x in all {
            let text = shown(x);
            assert!(text.len() <= 24, "{text}");
            assert_eq!(text.parse::<f64>().map(f64::to_bits), Ok(x.to_bits()), "{text}");
        }
        let texts = [1.0, 1e308, -1e16, 123_456.5, 1e-6, f64::NAN, f64::NEG_INFINITY].map(shown);
        assert_eq!(texts, ["1", "1e308", "-1e16", "123456.5", "1e-6", "NaN", "-inf"]);
    }
}
