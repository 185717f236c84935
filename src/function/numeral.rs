//! Numbers in what programs print: one number is read as a whole, however long, or not at all.
//!
//! Beside the numbers of C, Rust and Python, those of Fortran: `1.5D-03`, and `0.1234-100`, which is how it prints an
//! exponent of three digits. `inf`, `infinity` and `nan` count as whole words only.
//!
//! A number that a text leads to ([`leading`]) may be followed directly by what is no part of it: a unit (`1.5V`,
//! `3.2eV`, `-12.5deg`, `12.5%`; units are not converted, so `1.5m` is 1.5), brackets, quotes, a semicolon, `+/-`.
//! What shows that it goes on in a way that is not understood makes it no number, since a part of it would look like
//! one: `1.#INF`, `0x1.8p3`, `1.2.3`, `12:30`, `1.5+0.5i`, `1.5*10^3`, `1_000`. So does a comma between digits that may
//! be a decimal comma or separate thousands (`0,5`, `1,234.5`); it separates two numbers after an opening bracket,
//! and after a number that has a point or an exponent itself: `(1,2)`, `1.0,2.0`.

const WORDS: [&str; 3] = ["inf", "infinity", "nan"];

/// The number that a text is. The error is a part of a sentence.
pub(super) fn whole(text: &str) -> Result<f64, String> {
    match token(text) {
        Some(end) if end == text.len() => value(text),
        _ => Err(format!("`{text}` is no number")),
    }
}

/// The number that a text begins with; `bracketed` if it stands after an opening bracket. The error is a part of a
/// sentence.
pub(super) fn leading(text: &str, bracketed: bool) -> Result<f64, String> {
    let field = || text.split_whitespace().next().unwrap_or_default();
    match token(text) {
        Some(end) if goes_on(&text[..end], &text[end..], bracketed) => Err(format!(
            "`{}` is not just a number, as -1.5, 2e-3 or 1.5D-03 are, with a unit or without",
            super::json::shortened(field())
        )),
        Some(end) => value(&text[..end]),
        None => Err("there is no number".into()),
    }
}

/// How long the number is that a text begins with.
fn token(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let sign = usize::from(matches!(bytes.first(), Some(b'+' | b'-')));
    let letters = bytes[sign..].iter().take_while(|b| b.is_ascii_alphabetic()).count();
    if WORDS.iter().any(|word| word.eq_ignore_ascii_case(&text[sign..sign + letters])) {
        return Some(sign + letters);
    }
    let mut end = sign + digits(&bytes[sign..]);
    let has_point = bytes.get(end) == Some(&b'.');
    let fraction = if has_point { digits(&bytes[end + 1..]) } else { 0 };
    if end + fraction == sign {
        return None;
    }
    end += usize::from(has_point) + fraction;
    Some(end + exponent(&text[end..], has_point))
}

fn digits(bytes: &[u8]) -> usize {
    bytes.iter().take_while(|b| b.is_ascii_digit()).count()
}

/// How long the exponent is: `e-05`, `D+03`, or `-100` as Fortran writes it.
fn exponent(rest: &str, has_point: bool) -> usize {
    let bytes = rest.as_bytes();
    let letter = usize::from(matches!(bytes.first(), Some(b'e' | b'E' | b'd' | b'D')));
    let sign = usize::from(matches!(bytes.get(letter), Some(b'+' | b'-')));
    let digits = digits(&bytes[letter + sign..]);
    let end = letter + sign + digits;
    // Else it is a second number, as in 1.5-200.5 or 0.5+100i.
    let of_fortran = || has_point && sign == 1 && digits == 3 && !starts(&rest[end..], is_of_word_or_point);
    if digits > 0 && (letter == 1 || of_fortran()) { end } else { 0 }
}

fn value(token: &str) -> Result<f64, String> {
    let mut text = token.to_ascii_lowercase().replace('d', "e");
    if let Some(sign) = text[1..].find(['+', '-'])
        && !text.contains('e')
    {
        text.insert(sign + 1, 'e');
    }
    let word = text.ends_with(|c: char| c.is_ascii_alphabetic());
    match text.parse::<f64>() {
        // JSON refuses it, too.
        Ok(number) if number.is_infinite() && !word => {
            Err(format!("`{}` is too large for a number of 64 bits", super::json::shortened(token)))
        }
        Ok(number) => Ok(number),
        Err(_) => Err(format!("`{token}` is no number")),
    }
}

/// Whether what stands directly after a number shows that it was not all of it.
fn goes_on(token: &str, rest: &str, bracketed: bool) -> bool {
    let after = rest.trim_start_matches(char::is_alphabetic);
    let has_unit = after.len() < rest.len();
    let mut characters = after.chars();
    let Some(first) = characters.next() else { return false };
    let next = characters.as_str();
    match first {
        '0'..='9' | '_' | '#' | '×' | '-' => true,
        '+' => !next.starts_with("/-"),
        '.' => starts(next, |c| is_of_word_or_point(c) || c == '#'),
        '\'' | ':' => starts(next, |c| c.is_ascii_digit()),
        '*' => starts(next, |c| c.is_ascii_digit() || c == '^'),
        ',' => !has_unit && !bracketed && starts(next, |c| c.is_ascii_digit()) && !separates(token, next),
        _ => false,
    }
}

/// Whether a comma with digits on both sides can only stand between two numbers.
fn separates(before: &str, after: &str) -> bool {
    let plain = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    let Some((whole, fraction)) = before.trim_start_matches(['+', '-']).split_once('.') else {
        return before.contains(['e', 'E', 'd', 'D', 'n', 'N']);
    };
    let thousands = whole.len() <= 3 && fraction.len() == 3 && plain(fraction);
    let next = &after[..token(after).unwrap_or(0)];
    !(thousands && plain(next))
}

fn starts(text: &str, with: impl Fn(char) -> bool) -> bool {
    text.chars().next().is_some_and(with)
}

/// Of a name or a number.
pub(super) fn is_of_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn is_of_word_or_point(c: char) -> bool {
    is_of_word(c) || c == '.'
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn numbers_of_every_language_are_read_as_a_whole() {
        for (text, number) in [
            ("-12", -12.0),
            ("+.5", 0.5),
            ("42.", 42.0),
            ("1.e3", 1000.0),
            ("1.5D-03", 0.0015),
            ("2d3", 2000.0),
            ("0.1234-100", 0.1234e-100),
            ("-1.5+100", -1.5e100),
            ("Infinity", f64::INFINITY),
            ("-INF", f64::NEG_INFINITY),
            ("1e-400", 0.0),
        ] {
            assert_eq!(whole(text), Ok(number), "{text}");
            assert_eq!(leading(text, false), Ok(number), "{text}");
        }
        let long = format!("0.{}e-05", "1234567890".repeat(8));
        assert_eq!(whole(&long), long.parse::<f64>().map_err(|error| error.to_string()));
        assert_eq!(leading(&long, false), whole(&long));
        assert!(whole("NaN").unwrap().is_nan() && leading("-nan(ind)", false).unwrap().is_nan());
    }

    #[test]
    fn what_follows_a_number_may_be_a_unit_or_its_surroundings() {
        for text in [
            "1.5V",
            "1.5eV",
            "1.5%",
            "1.5 V",
            "1.5°C",
            "1.5µs",
            "1.5m/s",
            "1.5dB.",
            "1.5.",
            "1.5)",
            "1.5;",
            "1.5,",
            "1.5, 2",
            "1.5,-2",
            "1.5,2.5",
            "1.5,2",
            "1.5V,2V",
            "1.5'",
            "1.5\"",
            "1.5(3)",
            "1.5+/-0.1",
            "1.5±0.1",
            "1.5***",
            "1.5/2",
            "1.5: next",
            "1.5]",
            "1.5|",
        ] {
            assert_eq!(leading(text, false), Ok(1.5), "{text}");
        }
        assert_eq!(leading("1,2)", true), Ok(1.0));
        assert_eq!(leading("1.234,5.678", false), Ok(1.234));
        assert_eq!(leading("1e3,5", false), Ok(1000.0));
    }

    #[test]
    fn a_part_of_another_text_is_no_number() {
        for text in [
            "1.#INF",
            "-1.#IND",
            "1.#QNAN0",
            "0x1.8p3",
            "0x1F",
            "1,234.5",
            "0,5",
            "1.234,5",
            "1'234",
            "1_000",
            "1.2.3",
            "1.5+0.5i",
            "1.5-0.5j",
            "0.5+100i",
            "1.5-200.5",
            "10-20",
            "12:30:05",
            "1.5*10^3",
            "1.5*^3",
            "1.5×10",
            "1.5e-",
            "1.5V_rms",
            "1.5m2",
            "2nd3",
            "1.5..2",
        ] {
            let error = leading(text, false).unwrap_err();
            assert!(error.contains(&format!("`{text}`")), "{text}: {error}");
            assert!(whole(text).unwrap_err().contains(text), "{text}");
        }
        for text in ["infeasible", "information", "nano", "-", "+.", ".", "e5", "***", "", "−5"] {
            assert_eq!(leading(text, false).unwrap_err(), "there is no number", "{text}");
        }
        for text in ["1e400", "-1.5+999"] {
            assert!(whole(text).unwrap_err().ends_with("too large for a number of 64 bits"), "{text}");
        }
    }

    proptest! {
        #[test]
        fn every_number_is_read_back_whatever_is_printed(x: f64, junk in "(?s).{0,20}") {
            let text = format!("{x:?}");
            let same = |read: Result<f64, String>| read.is_ok_and(|y| y == x || (x.is_nan() && y.is_nan()));
            prop_assert!(same(whole(&text)), "{}", text);
            prop_assert!(same(leading(&format!("{text} {junk}"), false)), "{}", text);
            let _ = leading(&format!("1{junk}"), true);
            let _ = leading(&junk, false);
        }
    }
}
