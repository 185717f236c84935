//! Formulas: their text is read and computed by `nanoexpr`; what numbers, functions and names mean is said here.
//!
//! Numbers are IEEE's: `1/0` is `inf`, and nothing is an error when a formula is computed. One thing goes beyond: a
//! comparison or a condition of NaN is neither true nor false, so the formula that needs it is NaN.

use nanoexpr::{Context, Error, ErrorKind, Evaluator, Instruction, Number};
use statrs::function::factorial::factorial;
use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::f64::consts::{E, PI, TAU};
use std::sync::{Mutex, PoisonError};

/// Parentheses, signs and operators nest no deeper than this: no text can overflow the stack.
pub(super) const DEEPEST: usize = 200;

/// With room for all values that wait: one for each level, and one more in the innermost call.
type Program = nanoexpr::Program<'static, 'static, Real, { DEEPEST + 1 }>;

/// A compiled formula. Evaluation is O(length) and does not allocate.
#[derive(Clone, Copy, Debug)]
pub(super) struct Formula(Program);

/// A number of a formula.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Real(pub(super) f64);

type Outcome<T = Real> = Result<T, ErrorKind>;

impl Number for Real {
    fn parse(literal: &str) -> Option<Self> {
        literal.parse().ok().map(Self)
    }

    fn add(self, other: Self) -> Outcome {
        Ok(Self(self.0 + other.0))
    }

    fn subtract(self, other: Self) -> Outcome {
        Ok(Self(self.0 - other.0))
    }

    fn multiply(self, other: Self) -> Outcome {
        Ok(Self(self.0 * other.0))
    }

    fn divide(self, other: Self) -> Outcome {
        Ok(Self(self.0 / other.0))
    }

    fn remainder(self, other: Self) -> Outcome {
        Ok(Self(self.0.rem_euclid(other.0)))
    }

    fn power(self, exponent: Self) -> Outcome {
        // The square has the same digits as x * x, several times faster than the general power.
        Ok(Self(if exponent.0 == 2.0 { self.0 * self.0 } else { self.0.powf(exponent.0) }))
    }

    fn negate(self) -> Outcome {
        Ok(Self(-self.0))
    }

    fn compare(self, other: Self) -> Outcome<Ordering> {
        self.0.partial_cmp(&other.0).ok_or(ErrorKind::Domain)
    }

    fn from_bool(value: bool) -> Outcome {
        Ok(Self(f64::from(value)))
    }

    fn factorial(self) -> Outcome {
        let natural = self.0 >= 0.0 && self.0 == self.0.floor();
        Ok(Self(if natural { factorial(self.0 as u64) } else { f64::NAN }))
    }
}

#[derive(Clone, Copy, Debug)]
enum Function {
    One(fn(f64) -> f64),
    Two(fn(f64, f64) -> f64),
    /// Condition, then, else.
    If,
}
use Function::{If, One, Two};

/// `log` is the natural logarithm, as in C, Fortran and numpy.
const FUNCTIONS: &[(&str, Function)] = &[
    ("abs", One(f64::abs)),
    ("acos", One(f64::acos)),
    ("acosh", One(f64::acosh)),
    ("asin", One(f64::asin)),
    ("asinh", One(f64::asinh)),
    ("atan", One(f64::atan)),
    ("atan2", Two(f64::atan2)),
    ("atanh", One(f64::atanh)),
    ("cbrt", One(f64::cbrt)),
    ("ceil", One(f64::ceil)),
    ("cos", One(f64::cos)),
    ("cosh", One(f64::cosh)),
    ("exp", One(f64::exp)),
    ("expm1", One(f64::exp_m1)),
    ("floor", One(f64::floor)),
    ("heaviside", One(heaviside)),
    ("hypot", Two(f64::hypot)),
    ("if", If),
    ("ln", One(f64::ln)),
    ("log", One(f64::ln)),
    ("log10", One(f64::log10)),
    ("log1p", One(f64::ln_1p)),
    ("log2", One(f64::log2)),
    ("max", Two(|a, b| if a.is_nan() || b.is_nan() { f64::NAN } else { a.max(b) })),
    ("min", Two(|a, b| if a.is_nan() || b.is_nan() { f64::NAN } else { a.min(b) })),
    ("mod", Two(f64::rem_euclid)),
    ("pow", Two(f64::powf)),
    ("round", One(f64::round)),
    ("sign", One(|x| if x == 0.0 { 0.0 } else { x.signum() })),
    ("sin", One(f64::sin)),
    ("sinc", One(|x| if x == 0.0 { 1.0 } else { x.sin() / x })),
    ("sinh", One(f64::sinh)),
    ("sqrt", One(f64::sqrt)),
    ("tan", One(f64::tan)),
    ("tanh", One(f64::tanh)),
];

/// Names of numbers; a variable of the same name goes first.
const CONSTANTS: &[(&str, f64)] =
    &[("pi", PI), ("e", E), ("tau", TAU), ("inf", f64::INFINITY), ("nan", f64::NAN)];

fn heaviside(x: f64) -> f64 {
    if x > 0.0 {
        1.0
    } else if x < 0.0 {
        0.0
    } else if x == 0.0 {
        0.5
    } else {
        f64::NAN
    }
}

/// The names that every formula knows.
struct Library;

impl Context<Real> for Library {
    fn variable(&self, name: &str) -> Option<Real> {
        CONSTANTS.iter().find(|(known, _)| *known == name).map(|(_, x)| Real(*x))
    }

    fn call(&self, name: &str, arguments: &[Real]) -> Option<Outcome> {
        Some(match (function(name)?, arguments) {
            (One(f), [x]) => Ok(Real(f(x.0))),
            (Two(f), [x, y]) => Ok(Real(f(x.0, y.0))),
            // Only counted: the program that is evaluated has `? :` in its place.
            (If, [_, then, _]) => Ok(*then),
            _ => Err(ErrorKind::ArgumentCount),
        })
    }
}

fn function(name: &str) -> Option<Function> {
    // Lengths differ mostly: faster than a search by halves.
    FUNCTIONS.iter().find(|(known, _)| *known == name).map(|(_, function)| *function)
}

impl Formula {
    /// Compiles a text whose variables are `names`.
    pub(super) fn parse(text: &str, names: &[String]) -> Result<Self, Error> {
        // No instruction is written with less than one character. Nothing is computed, so any number may wait.
        let mut code = vec![Instruction::<Real>::default(); text.len()];
        let syntax = Evaluator::<()>::new(&()).max_depth(DEEPEST);
        syntax.compile::<Real, { usize::MAX }>(text, &mut code)?;
        check_names(text, names)?;
        Ok(Self(kept(with_branches(text))?))
    }

    /// The formula's value, where `variables` has all names that it was parsed with.
    pub(super) fn evaluate(&self, variables: &[(&str, Real)]) -> f64 {
        // All names are known, so what fails is a comparison with NaN.
        self.0.evaluate(&(variables, Library)).map_or(f64::NAN, |value| value.0)
    }
}

pub(super) fn functions<'a>() -> impl Iterator<Item = &'a str> {
    FUNCTIONS.iter().map(|(name, _)| *name)
}

pub(super) fn constants<'a>() -> impl Iterator<Item = &'a str> {
    CONSTANTS.iter().map(|(name, _)| *name)
}

/// How many arguments a function takes.
pub(super) fn arguments(name: &str) -> Option<usize> {
    function(name).map(|function| match function {
        One(_) => 1,
        Two(_) => 2,
        If => 3,
    })
}

/// Asks for every name of a well-formed text, also for those that `&&`, `||` and `? :` would skip: computes a text of the
/// same shape that only adds in their places.
fn check_names(text: &str, names: &[String]) -> Result<(), Error> {
    let shape = |c| match c {
        '&' | '|' | '?' | ':' | '<' | '>' | '=' => '+',
        '!' => ' ',
        _ => c,
    };
    let shape: String = text.chars().map(shape).collect();
    let variables: Vec<_> = names.iter().map(|name| (name.as_str(), Real::default())).collect();
    // `a <= b` becomes `a ++ b`: one level more for each level at most.
    Evaluator::<_>::new(&(&variables[..], Library)).max_depth(2 * DEEPEST).evaluate::<Real>(&shape)?;
    Ok(())
}

/// A well-formed text with `((c) ? a : b)` for each `if(c, a, b)`: the branch that is not chosen must not be computed,
/// since a comparison with NaN in there would decide the whole formula.
fn with_branches(text: &str) -> String {
    let mut written = String::new();
    // For each open parenthesis, what its next commas become.
    let mut open = Vec::new();
    for c in text.chars() {
        match c {
            '(' => {
                let before = written.trim_end();
                let name = before.trim_end_matches(|c: char| c.is_ascii_alphanumeric() || c == '_').len();
                let is_if = &before[name..] == "if";
                if is_if {
                    written.replace_range(name.., "(");
                }
                written.push('(');
                open.push(if is_if { [")?", ":"].iter() } else { [].iter() });
            }
            ',' => written.push_str(open.last_mut().and_then(Iterator::next).unwrap_or(&",")),
            _ => {
                written.push(c);
                if c == ')' {
                    open.pop();
                }
            }
        }
    }
    written
}

/// The program of a text that is known to compile. A program borrows its text and its instructions, so it could only be
/// kept beside them with `unsafe` code: they stay for as long as the process lives, once for each text.
fn kept(text: String) -> Result<Program, Error> {
    static KEPT: Mutex<BTreeMap<&str, Program>> = Mutex::new(BTreeMap::new());
    let mut kept = KEPT.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(program) = kept.get(text.as_str()) {
        return Ok(*program);
    }
    let text: &'static str = text.leak();
    let code = vec![Instruction::default(); text.len()].leak();
    // `((c) ? a : b)` has two levels where `if(c, a, b)` has one.
    let program = Evaluator::<()>::new(&()).max_depth(2 * DEEPEST).compile(text, code)?;
    kept.insert(text, program);
    Ok(program)
}

#[cfg(test)]
mod tests;
