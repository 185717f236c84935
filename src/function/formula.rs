//! Formulas: text to a small stack program, with the precedence that every scientist expects.
//!
//! Own code, because the maintained parsers for Rust bind a sign tighter than a power: `exp(-x^2)` would silently
//! be `exp(x^2)`. Here `-x^2` is `-(x^2)`, `2^3^2` is `2^9`, and `2^-x` is allowed.

use smallvec::SmallVec;
use std::f64::consts::{E, PI, TAU};

/// A compiled formula. Evaluation is O(length) and does not allocate.
#[derive(Clone, Debug)]
pub(super) struct Formula {
    code: Vec<Op>,
}

/// Why a text is no formula.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct FormulaError {
    pub(super) message: String,
    /// Byte offset in the text.
    pub(super) at: usize,
    /// The name that is unknown, if that is the reason.
    pub(super) unknown: Option<String>,
}

type One = fn(f64) -> f64;
type Two = fn(f64, f64) -> f64;
/// Text, how tightly it binds, meaning.
type Operator = (&'static str, u8, Two);

#[derive(Clone, Copy, Debug)]
enum Op {
    Constant(f64),
    Variable(usize),
    One(One),
    Two(Two),
    /// Condition, then, else: all are computed, which is harmless.
    Choose,
}

/// Functions of one argument. `log` is the natural logarithm, as in C, Fortran and numpy.
const ONE: &[(&str, One)] = &[
    ("abs", f64::abs),
    ("acos", f64::acos),
    ("acosh", f64::acosh),
    ("asin", f64::asin),
    ("asinh", f64::asinh),
    ("atan", f64::atan),
    ("atanh", f64::atanh),
    ("cbrt", f64::cbrt),
    ("ceil", f64::ceil),
    ("cos", f64::cos),
    ("cosh", f64::cosh),
    ("exp", f64::exp),
    ("expm1", f64::exp_m1),
    ("floor", f64::floor),
    ("heaviside", |x| {
        if x > 0.0 {
            1.0
        } else if x < 0.0 {
            0.0
        } else {
            0.5
        }
    }),
    ("ln", f64::ln),
    ("log", f64::ln),
    ("log10", f64::log10),
    ("log1p", f64::ln_1p),
    ("log2", f64::log2),
    ("round", f64::round),
    ("sign", |x| if x == 0.0 { 0.0 } else { x.signum() }),
    ("sin", f64::sin),
    ("sinc", |x| if x == 0.0 { 1.0 } else { x.sin() / x }),
    ("sinh", f64::sinh),
    ("sqrt", f64::sqrt),
    ("tan", f64::tan),
    ("tanh", f64::tanh),
];

/// Functions of two arguments.
const TWO: &[(&str, Two)] = &[
    ("atan2", f64::atan2),
    ("hypot", f64::hypot),
    ("max", f64::max),
    ("min", f64::min),
    ("mod", f64::rem_euclid),
    ("pow", f64::powf),
];

/// Names of numbers; a variable of the same name goes first.
const CONSTANTS: &[(&str, f64)] =
    &[("pi", PI), ("e", E), ("tau", TAU), ("inf", f64::INFINITY), ("nan", f64::NAN)];

/// Binary operators. Longer texts first.
const OPERATORS: &[Operator] = &[
    ("<=", 1, |a, b| f64::from(a <= b)),
    (">=", 1, |a, b| f64::from(a >= b)),
    ("==", 1, |a, b| f64::from(a == b)),
    ("!=", 1, |a, b| f64::from(a != b)),
    ("<", 1, |a, b| f64::from(a < b)),
    (">", 1, |a, b| f64::from(a > b)),
    ("+", 2, |a, b| a + b),
    ("-", 2, |a, b| a - b),
    ("**", POWER, f64::powf),
    ("*", 3, |a, b| a * b),
    ("/", 3, |a, b| a / b),
    ("%", 3, f64::rem_euclid),
    ("^", POWER, f64::powf),
];

const SIGN: u8 = 4;
const POWER: u8 = 5;

/// Parentheses and signs nest no deeper than this: no text can overflow the stack.
const DEEPEST: usize = 200;

impl Formula {
    /// Compiles a text whose variables are `names`: the i-th name is read from the i-th value.
    pub(super) fn parse(text: &str, names: &[String]) -> Result<Self, FormulaError> {
        let mut parser = Parser { text, at: 0, names, code: Vec::new(), depth: 0 };
        parser.operand_and_operators(0)?;
        parser.skip_space();
        if parser.at < text.len() {
            return Err(parser.unexpected("an operator"));
        }
        Ok(Self { code: parser.code })
    }

    /// The formula's value; `variable(i)` is the value of the i-th name.
    pub(super) fn evaluate(&self, variable: impl Fn(usize) -> f64) -> f64 {
        let mut stack: SmallVec<[f64; 16]> = SmallVec::new();
        // The parser only writes programs that find their operands; NaN stands in for the impossible.
        let pop = |stack: &mut SmallVec<[f64; 16]>| stack.pop().unwrap_or(f64::NAN);
        for op in &self.code {
            let result = match *op {
                Op::Constant(x) => x,
                Op::Variable(i) => variable(i),
                Op::One(f) => f(pop(&mut stack)),
                Op::Two(f) => {
                    let b = pop(&mut stack);
                    f(pop(&mut stack), b)
                }
                Op::Choose => {
                    let (otherwise, then) = (pop(&mut stack), pop(&mut stack));
                    if pop(&mut stack) != 0.0 { then } else { otherwise }
                }
            };
            stack.push(result);
        }
        pop(&mut stack)
    }

    /// Names of all functions and constants, sorted.
    pub(super) fn known_names() -> Vec<&'static str> {
        let mut names: Vec<_> = ONE.iter().map(|(name, _)| *name).collect();
        names.extend(TWO.iter().map(|(name, _)| *name));
        names.extend(CONSTANTS.iter().map(|(name, _)| *name));
        names.push("if");
        names.sort_unstable();
        names
    }
}

/// Precedence climbing: each operand is followed by the operators that bind at least as tightly as asked.
struct Parser<'a> {
    text: &'a str,
    at: usize,
    names: &'a [String],
    code: Vec<Op>,
    depth: usize,
}

impl Parser<'_> {
    fn operand_and_operators(&mut self, tightest: u8) -> Result<(), FormulaError> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err(self.error(format!("more than {DEEPEST} levels of parentheses")));
        }
        self.operand()?;
        while let Some((text, binding, apply)) = self.operator().filter(|(_, b, _)| *b >= tightest) {
            self.at += text.len();
            // A power takes all of the power to its right: 2^3^2 is 2^(3^2).
            self.operand_and_operators(if binding == POWER { POWER } else { binding + 1 })?;
            let exponent = self.code.last();
            match exponent {
                // The same digits as x * x, several times faster than the general power.
                Some(&Op::Constant(2.0)) if binding == POWER => {
                    self.code.pop();
                    self.code.push(Op::One(|x| x * x));
                }
                _ => self.code.push(Op::Two(apply)),
            }
        }
        self.depth -= 1;
        Ok(())
    }

    fn operator(&mut self) -> Option<Operator> {
        self.skip_space();
        OPERATORS.iter().find(|(text, ..)| self.text[self.at..].starts_with(text)).copied()
    }

    fn operand(&mut self) -> Result<(), FormulaError> {
        self.skip_space();
        match self.peek() {
            Some('-') => {
                self.at += 1;
                self.operand_and_operators(SIGN)?;
                self.code.push(Op::One(|x| -x));
                Ok(())
            }
            Some('+') => {
                self.at += 1;
                self.operand_and_operators(SIGN)
            }
            Some('(') => {
                self.at += 1;
                self.operand_and_operators(0)?;
                self.expect(')')
            }
            Some(c) if c.is_ascii_digit() || c == '.' => self.number(),
            Some(c) if c.is_alphabetic() || c == '_' => self.name(),
            _ => Err(self.unexpected("a number, a name or `(`")),
        }
    }

    fn number(&mut self) -> Result<(), FormulaError> {
        let rest = &self.text.as_bytes()[self.at..];
        let digits = |from: usize| rest[from..].iter().take_while(|b| b.is_ascii_digit()).count();
        let mut end = digits(0);
        if rest.get(end) == Some(&b'.') {
            end += 1 + digits(end + 1);
        }
        if matches!(rest.get(end), Some(b'e' | b'E')) {
            let sign = usize::from(matches!(rest.get(end + 1), Some(b'+' | b'-')));
            let exponent = digits(end + 1 + sign);
            if exponent > 0 {
                end += 1 + sign + exponent;
            }
        }
        let text = &self.text[self.at..self.at + end];
        let Ok(x) = text.parse() else { return Err(self.error(format!("`{text}` is no number"))) };
        self.at += end;
        if let Some(c) = self.peek().filter(|c| c.is_alphabetic() || matches!(c, '_' | '(')) {
            return Err(self.error(format!("`{text}{c}`: a product is written with `*`")));
        }
        self.code.push(Op::Constant(x));
        Ok(())
    }

    fn name(&mut self) -> Result<(), FormulaError> {
        let start = self.at;
        let rest = &self.text[start..];
        let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
        let name = &rest[..end];
        self.at += end;
        self.skip_space();
        let op = if self.peek() == Some('(') {
            self.at += 1;
            let arguments = self.arguments()?;
            let one = ONE.iter().find(|(known, _)| *known == name).map(|(_, f)| (1, Op::One(*f)));
            let two = || TWO.iter().find(|(known, _)| *known == name).map(|(_, f)| (2, Op::Two(*f)));
            let choose = || (name == "if").then_some((3, Op::Choose));
            match one.or_else(two).or_else(choose) {
                Some((wanted, op)) if wanted == arguments => op,
                Some((wanted, _)) => {
                    let message = format!("`{name}` takes {wanted} arguments, but has {arguments}");
                    return Err(FormulaError { message, at: start, unknown: None });
                }
                None => return Err(Self::unknown(format!("no function `{name}`"), name, start)),
            }
        } else if let Some(i) = self.names.iter().position(|known| known == name) {
            Op::Variable(i)
        } else if let Some((_, x)) = CONSTANTS.iter().find(|(known, _)| *known == name) {
            Op::Constant(*x)
        } else {
            return Err(Self::unknown(format!("no variable `{name}`"), name, start));
        };
        self.code.push(op);
        Ok(())
    }

    fn unknown(message: String, name: &str, at: usize) -> FormulaError {
        FormulaError { message, at, unknown: Some(name.to_owned()) }
    }

    fn arguments(&mut self) -> Result<usize, FormulaError> {
        let mut count = 0;
        loop {
            self.operand_and_operators(0)?;
            count += 1;
            self.skip_space();
            if self.peek() == Some(',') {
                self.at += 1;
            } else {
                self.expect(')')?;
                return Ok(count);
            }
        }
    }

    fn expect(&mut self, wanted: char) -> Result<(), FormulaError> {
        self.skip_space();
        if self.peek() == Some(wanted) {
            self.at += 1;
            return Ok(());
        }
        Err(self.unexpected(&format!("`{wanted}`")))
    }

    fn peek(&self) -> Option<char> {
        self.text[self.at..].chars().next()
    }

    fn skip_space(&mut self) {
        let rest = &self.text[self.at..];
        self.at += rest.len() - rest.trim_start().len();
    }

    fn unexpected(&self, wanted: &str) -> FormulaError {
        match self.peek() {
            Some(c) => self.error(format!("`{c}` where {wanted} should be")),
            None => self.error(format!("the formula ends where {wanted} should be")),
        }
    }

    fn error(&self, message: String) -> FormulaError {
        FormulaError { message, at: self.at, unknown: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(text: &str, x: f64) -> f64 {
        let names = ["x".to_owned(), "a".to_owned()];
        Formula::parse(text, &names).unwrap().evaluate(|i| [x, 3.0][i])
    }

    fn refused(text: &str) -> FormulaError {
        Formula::parse(text, &["x".to_owned()]).unwrap_err()
    }

    #[test]
    fn operators_bind_as_in_textbooks() {
        for (text, expected) in [
            ("-x^2", -4.0),
            ("-x**2 + 1", -3.0),
            ("2^3^2", 512.0),
            ("2^-x", 0.25),
            ("-2^-x^2", -0.0625),
            ("1 - 2 - 3", -4.0),
            ("12 / 3 / 2", 2.0),
            ("2 + 3 * x", 8.0),
            ("(2 + 3) * x", 10.0),
            ("2 * -x", -4.0),
            ("--x", 2.0),
            ("-7 % 4", 1.0),
            ("x < a == 1", 1.0),
            ("if(x > a, 1, 5)", 5.0),
            ("max(x, a) - min(x, a)", 1.0),
            ("1e-3 * 2.5E+2 + .5", 0.75),
            ("2 * pi - tau", 0.0),
            ("log(e)", 1.0),
            ("e", E),
            ("sin (pi / 2)", 1.0),
            ("hypot(3, 4)", 5.0),
        ] {
            assert_eq!(at(text, 2.0), expected, "{text}");
        }
    }

    #[test]
    fn the_tutorial_peak_is_what_it_says() {
        let peak = |x: f64| x + 9.0 / (9.0 + (x - 0.5) * (x - 0.5));
        assert_eq!(at("x + a^2 / (a^2 + (x - 0.5)^2)", 0.3), peak(0.3));
    }

    #[test]
    fn a_variable_hides_a_constant_of_its_name() {
        let formula = Formula::parse("e + 1", &["e".to_owned()]).unwrap();
        assert_eq!(formula.evaluate(|_| 41.0), 42.0);
    }

    #[test]
    fn errors_say_what_and_where() {
        for (text, message, at) in [
            ("x + y", "no variable `y`", 4),
            ("2x", "`2x`: a product is written with `*`", 1),
            ("(x", "the formula ends where `)` should be", 2),
            ("x +", "the formula ends where a number, a name or `(` should be", 3),
            ("x ; 1", "`;` where an operator should be", 2),
            ("sn(x)", "no function `sn`", 0),
            ("max(x)", "`max` takes 2 arguments, but has 1", 0),
            ("", "the formula ends where a number, a name or `(` should be", 0),
            (".", "`.` is no number", 0),
        ] {
            let error = refused(text);
            assert_eq!((error.message.as_str(), error.at), (message, at), "{text}");
        }
        assert!(refused(&"(".repeat(100_000)).message.contains("levels"));
        assert!(refused(&"-".repeat(100_000)).message.contains("levels"));
    }

    proptest! {
        #[test]
        fn no_text_makes_the_parser_panic(text in r"[x0-9a-e.+*/^()<>=,% -]{0,40}|.{0,30}") {
            let names = ["x".to_owned()];
            if let Ok(formula) = Formula::parse(&text, &names) {
                formula.evaluate(|_| 0.5);
            }
        }
    }
}
