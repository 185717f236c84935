//! Numbers as people read them. All results are plain ASCII, without trailing spaces.

use std::time::Duration;

/// A whole number with its digits in groups of three: `1,234,567`.
pub fn count(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// A time span by its two largest units: `1.5 s`, `2m 05s`, `3h 20m`, `4d 06h`; below a second `120 ms`, `3 us`.
pub fn duration(duration: Duration) -> String {
    let seconds = duration.as_secs_f64();
    let whole = duration.as_secs();
    // The borders lie where rounding would lead to the next unit.
    match seconds {
        s if s < 1e-6 => format!("{} ns", duration.as_nanos()),
        s if s < 0.999_5e-3 => format!("{:.0} us", s * 1e6),
        s if s < 0.999_5 => format!("{:.0} ms", s * 1e3),
        s if s < 59.95 => format!("{s:.1} s"),
        s if s < 3600.0 => format!("{}m {:02}s", whole.max(60) / 60, if whole < 60 { 0 } else { whole % 60 }),
        s if s < 86_400.0 => format!("{}h {:02}m", whole / 3600, whole / 60 % 60),
        _ => format!("{}d {:02}h", whole / 86_400, whole / 3600 % 24),
    }
}

/// A number of bytes in binary units, as in `ls -h`: `512 B`, `1.5 KiB`, `20 GiB`.
pub fn bytes(n: u64) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    if n < 1024 {
        return format!("{n} B");
    }
    let mut value = n as f64 / 1024.0;
    let mut unit = 0;
    // 1023.95 would be shown as 1024.
    while value >= 1023.95 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    if value < 9.95 { format!("{value:.1} {}", UNITS[unit]) } else { format!("{value:.0} {}", UNITS[unit]) }
}

/// A loss with three significant digits; `-` while it is not known.
pub fn loss(loss: f64) -> String {
    if loss.is_infinite() && loss > 0.0 { "-".to_owned() } else { significant(loss) }
}

/// A rate per second: `1.20k/s`, `35.0/s`; below one per second, per minute or hour: `4.00/min`.
pub fn rate(per_second: f64) -> String {
    match per_second {
        r if !r.is_finite() || r < 0.0 => "-".to_owned(),
        0.0 => "0/s".to_owned(),
        r if r >= 0.999_5 => format!("{}/s", scaled(r)),
        r if r * 60.0 >= 0.999_5 => format!("{}/min", scaled(r * 60.0)),
        r => format!("{}/h", scaled(r * 3600.0)),
    }
}

/// A part of a whole as `42%`; rounded down, so that 100% means all.
pub fn percent(part: f64) -> String {
    if part.is_finite() { format!("{}%", (part.clamp(0.0, 1.0) * 100.0).floor()) } else { "-".to_owned() }
}

fn scaled(x: f64) -> String {
    let (value, suffix) = match x {
        x if x >= 999.5e6 => (x / 1e9, "G"),
        x if x >= 999.5e3 => (x / 1e6, "M"),
        x if x >= 999.5 => (x / 1e3, "k"),
        x => (x, ""),
    };
    format!("{}{suffix}", significant(value))
}

/// Three significant digits, in scientific form for very large and small numbers.
fn significant(x: f64) -> String {
    let size = x.abs();
    match size {
        _ if !x.is_finite() => x.to_string(),
        0.0 => "0".to_owned(),
        s if !(0.999_5e-3..999_500.0).contains(&s) => format!("{x:.2e}"),
        s if s >= 99.95 => format!("{x:.0}"),
        s if s >= 9.995 => format!("{x:.1}"),
        s if s >= 0.999_5 => format!("{x:.2}"),
        s if s >= 0.099_95 => format!("{x:.3}"),
        s if s >= 0.009_995 => format!("{x:.4}"),
        _ => format!("{x:.5}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn counts_are_grouped_by_three() {
        assert_eq!(
            [0, 7, 999, 1000, 12_345, 1_234_567].map(count),
            ["0", "7", "999", "1,000", "12,345", "1,234,567"]
        );
    }

    #[test]
    fn durations_show_two_units() {
        let shown =
            [0.0, 3e-6, 0.12, 0.9996, 1.54, 59.9, 59.96, 60.0, 125.0, 3599.9, 12_000.0, 86_399.0, 367_200.0]
                .map(|s| duration(Duration::from_secs_f64(s)));
        assert_eq!(
            shown,
            [
                "0 ns", "3 us", "120 ms", "1.0 s", "1.5 s", "59.9 s", "1m 00s", "1m 00s", "2m 05s",
                "59m 59s", "3h 20m", "23h 59m", "4d 06h"
            ]
        );
    }

    #[test]
    fn bytes_are_in_binary_units() {
        assert_eq!(
            [0, 1023, 1024, 1536, 20 << 30, (1 << 20) - 1, u64::MAX].map(bytes),
            ["0 B", "1023 B", "1.0 KiB", "1.5 KiB", "20 GiB", "1.0 MiB", "16 EiB"]
        );
    }

    #[test]
    fn losses_have_three_digits() {
        assert_eq!(
            [f64::INFINITY, 0.0, 12345.678, 1.0, 0.012345, 1.2345e-5, 2.5e7, f64::NAN].map(loss),
            ["-", "0", "12346", "1.00", "0.0123", "1.23e-5", "2.50e7", "NaN"]
        );
    }

    #[test]
    fn rates_choose_their_unit() {
        assert_eq!(
            [1234.0, 35.0, 0.0, 0.0667, 0.001, 2.5e6, f64::NAN, 999.9].map(rate),
            ["1.23k/s", "35.0/s", "0/s", "4.00/min", "3.60/h", "2.50M/s", "-", "1.00k/s"]
        );
    }

    #[test]
    fn a_hundred_percent_means_all() {
        assert_eq!(
            [0.0, 0.4299, 0.9999, 1.0, 7.0, f64::NAN].map(percent),
            ["0%", "42%", "99%", "100%", "100%", "-"]
        );
    }

    proptest! {
        #[test]
        fn every_number_is_short(x in any::<f64>(), n in any::<u64>(), s in 0.0..1e12_f64) {
            for text in [loss(x), rate(x), percent(x), bytes(n), duration(Duration::from_secs_f64(s))] {
                prop_assert!(text.is_ascii() && (1..=18).contains(&text.len()), "{}", text);
            }
        }
    }
}
