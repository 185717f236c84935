use super::*;
use proptest::prelude::*;

fn names() -> Vec<String> {
    vec!["x".to_owned(), "a".to_owned()]
}

fn at(text: &str, x: f64) -> f64 {
    Formula::parse(text, &names()).unwrap().evaluate(&[("x", Real(x)), ("a", Real(3.0))])
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
        ("x < a && a < 1 || !(x > 1)", 0.0),
        ("!x + 1", 1.0),
        ("x > a ? 1 : x == 2 ? 5 : 7", 5.0),
        ("if(x > a, 1, 5)", 5.0),
        ("if (if(x < a, 0, 1), x, if(1 < x, max(x, a), 0)) + 1", 4.0),
        ("a! + 0!", 7.0),
        ("2^a!", 64.0),
        ("max(x, a) - min(x, a)", 1.0),
        ("mod(x - a, 4) - (x - a) mod 4", 0.0),
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
fn numbers_are_ieees() {
    for (text, expected) in [
        ("1 / x", f64::INFINITY),
        ("-1 / x", f64::NEG_INFINITY),
        ("exp(1000)", f64::INFINITY),
        ("1e999", f64::INFINITY),
        ("171!", f64::INFINITY),
        ("inf!", f64::INFINITY),
        ("x / x > 0 ? 1 : 2", f64::NAN),
    ] {
        assert_eq!(at(text, 0.0).to_bits(), expected.to_bits(), "{text}");
    }
    for text in ["x / x", "sqrt(-1)", "log(-1)", "x % 0", "(-1)!", "0.5!"] {
        assert!(at(text, 0.0).is_nan(), "{text}");
    }
}

#[test]
fn no_function_drops_nan() {
    for (name, _) in FUNCTIONS.iter().filter(|(name, _)| *name != "if") {
        let calls = match arguments(name) {
            Some(1) => vec![format!("{name}(nan)")],
            // Not with 0 or inf: IEEE has nan^0 = 1 and hypot(nan, inf) = inf.
            _ => vec![format!("{name}(nan, 2)"), format!("{name}(2, nan)")],
        };
        for call in calls {
            assert!(at(&call, 0.0).is_nan(), "{call}");
        }
    }
    assert_eq!([at("heaviside(x)", 0.0), at("heaviside(-x)", 1.0), at("heaviside(x)", 1.0)], [0.5, 0.0, 1.0]);
    assert_eq!(at("sinc(x)", 2.0), 2.0f64.sin() / 2.0);
    assert!(at("abs(max(nan, 0))", 0.0).is_nan(), "nor a function of a function");
}

#[test]
fn a_comparison_with_nan_is_nan_where_it_is_needed() {
    for text in ["nan < 1", "nan == nan", "nan != nan", "!nan", "nan && 1", "if(nan, 1, 2)", "x + (nan > 1)"]
    {
        assert!(at(text, 1.0).is_nan(), "{text}");
    }
    for text in ["if(x > 0, 5, sqrt(-x) > 1)", "x < 0 ? sqrt(-x) > 1 : 5", "5 * (x > 0 || nan > 1)"] {
        assert_eq!(at(text, 1.0), 5.0, "{text}");
    }
}

#[test]
fn a_variable_hides_a_constant_of_its_name() {
    let formula = Formula::parse("e + 1", &["e".to_owned()]).unwrap();
    assert_eq!(formula.evaluate(&[("e", Real(41.0))]), 42.0);
}

#[test]
fn errors_say_what_and_where() {
    use ErrorKind::*;
    for (text, kind, start, end) in [
        ("x + y", UnknownVariable, 4, 5),
        ("0 && y", UnknownVariable, 5, 6),
        ("1 || (0 && sn(1))", UnknownFunction, 11, 13),
        ("x <= 1 ? 0 : a ? y : 1", UnknownVariable, 17, 18),
        ("if(x, 1, y!)", UnknownVariable, 9, 10),
        ("sn(x)", UnknownFunction, 0, 2),
        ("x(2)", UnknownFunction, 0, 1),
        ("1 ? 0 : max(x)", ArgumentCount, 8, 14),
        ("if(x, 1)", ArgumentCount, 0, 8),
        ("sin()", ArgumentCount, 0, 5),
        ("2x", UnexpectedToken, 1, 2),
        ("2(x + 1)", UnexpectedToken, 1, 2),
        ("(x", UnclosedParenthesis, 0, 1),
        ("x +", UnexpectedEnd, 3, 3),
        ("x ; 1", UnexpectedCharacter, 2, 3),
        ("\u{3b1} + 1", UnexpectedCharacter, 0, 2),
        ("", UnexpectedEnd, 0, 0),
        (".", UnexpectedCharacter, 0, 1),
    ] {
        let error = Formula::parse(text, &names()).unwrap_err();
        assert_eq!((error.kind, error.span.start, error.span.end), (kind, start, end), "{text}");
    }
}

#[test]
fn no_text_overflows_the_stack_and_what_is_accepted_is_computed() {
    let nested = |times: usize, open: &str, close: &str| {
        let text = format!("{}x{}", open.repeat(times), close.repeat(times));
        Formula::parse(&text, &names()).map(|formula| formula.evaluate(&[("x", Real(3.0)), ("a", Real(3.0))]))
    };
    let all = [
        ("(", ")"),
        ("-", ""),
        ("!", ""),
        ("max(a, ", ")"),
        ("a ^ ", ""),
        ("a ? a : ", ""),
        ("if(a, a, ", ")"),
        ("if(", ", a, a)"),
        ("max(1, a + 1 * a ^ -", ")"),
        ("(a || a && a == a < a + a * ", ")"),
    ];
    for (open, close) in all {
        assert_eq!(nested(100_000, open, close).unwrap_err().kind, ErrorKind::TooDeep, "{open}");
        let deepest = (0..DEEPEST).rev().find_map(|times| nested(times, open, close).ok()).unwrap();
        assert!(!deepest.is_nan(), "{open}");
    }
    assert_eq!(nested(DEEPEST - 1, "max(a, ", ")"), Ok(3.0));
    assert_eq!(nested(DEEPEST - 1, "if(a, a, ", ")"), Ok(3.0));
    assert_eq!(at(&format!("{}x", "1 + ".repeat(10_000)), 1.0), 10_001.0);
}

/// What a formula is made of.
#[derive(Clone, Debug)]
enum Tree {
    Leaf(&'static str, f64),
    Before(&'static str, Box<Tree>),
    Factorial(Box<Tree>),
    Between(Box<Tree>, &'static str, Box<Tree>),
    Call(&'static str, Vec<Tree>),
    Choice(Box<[Tree; 3]>),
}
use Tree::*;

/// Loosest first, each from the left but the power.
const BINDING: [&[&str]; 9] = [
    &["?"],
    &["||"],
    &["&&"],
    &["==", "!="],
    &["<", "<=", ">", ">="],
    &["+", "-"],
    &["*", "/", "%"],
    &["sign"],
    &["^", "**"],
];
const SIGN: usize = 7;
const POWER: usize = 8;

fn binding(operator: &str) -> usize {
    BINDING.iter().position(|row| row.contains(&operator)).unwrap()
}

impl Tree {
    fn trees() -> impl Strategy<Value = Tree> {
        let leaf = prop_oneof![
            Just(Leaf("x", -1.5)),
            Just(Leaf("a", 3.0)),
            Just(Leaf("pi", PI)),
            Just(Leaf("nan", f64::NAN)),
            prop::sample::select(&[("0", 0.0), ("1", 1.0), ("2", 2.0), (".5", 0.5), ("1e-3", 1e-3)][..])
                .prop_map(|(text, x)| Leaf(text, x)),
        ];
        leaf.prop_recursive(6, 60, 3, |tree| {
            let operators: Vec<_> =
                BINDING.concat().into_iter().filter(|o| !["?", "sign"].contains(o)).collect();
            let boxed = tree.clone().prop_map(Box::new);
            let choice = [tree.clone(), tree.clone(), tree.clone()];
            prop_oneof![
                (boxed.clone(), prop::sample::select(operators), boxed.clone())
                    .prop_map(|(left, operator, right)| Between(left, operator, right)),
                (prop::sample::select(&["-", "+", "!"][..]), boxed.clone()).prop_map(|(o, t)| Before(o, t)),
                boxed.prop_map(Factorial),
                tree.clone().prop_map(|argument| Call("abs", vec![argument])),
                [tree.clone(), tree].prop_map(|arguments| Call("max", arguments.into())),
                choice.clone().prop_map(|parts| Call("if", parts.into())),
                choice.prop_map(|parts| Choice(Box::new(parts))),
            ]
        })
    }

    /// As text, with parentheses only where what is around binds tighter.
    fn text(&self, around: usize) -> String {
        let (own, text) = match self {
            Leaf(text, _) => return (*text).to_owned(),
            Call(name, arguments) => {
                let arguments: Vec<_> = arguments.iter().map(|argument| argument.text(0)).collect();
                return format!("{name}({})", arguments.join(", "));
            }
            Before(sign, tree) => (SIGN, format!("{sign}{}", tree.text(SIGN))),
            Factorial(tree) => (POWER + 1, format!("{}!", tree.text(POWER + 1))),
            Between(left, operator, right) => {
                let own = binding(operator);
                let (before, after) = if own == POWER { (own + 1, SIGN) } else { (own, own + 1) };
                (own, format!("{} {operator} {}", left.text(before), right.text(after)))
            }
            Choice(parts) => {
                let [condition, then, otherwise] = &**parts;
                (0, format!("{} ? {} : {}", condition.text(1), then.text(0), otherwise.text(0)))
            }
        };
        if own < around { format!("({text})") } else { text }
    }

    /// The value, or none where a comparison or condition of NaN was needed.
    fn value(&self) -> Option<f64> {
        let truth = |tree: &Tree| tree.value().filter(|x| !x.is_nan()).map(|x| x != 0.0);
        Some(match self {
            Leaf(_, x) => *x,
            Before("-", tree) => -tree.value()?,
            Before("+", tree) => tree.value()?,
            Before(_, tree) => f64::from(!truth(tree)?),
            Factorial(tree) => match tree.value()? {
                x if x < 0.0 || x != x.floor() => f64::NAN,
                x => (1..=x.min(200.0) as u32).map(f64::from).product(),
            },
            Between(left, "&&", right) => f64::from(truth(left)? && truth(right)?),
            Between(left, "||", right) => f64::from(truth(left)? || truth(right)?),
            Between(left, operator, right) => {
                let (a, b) = (left.value()?, right.value()?);
                if (3..=4).contains(&binding(operator)) && (a.is_nan() || b.is_nan()) {
                    return None;
                }
                match *operator {
                    "==" => f64::from(a == b),
                    "!=" => f64::from(a != b),
                    "<" => f64::from(a < b),
                    "<=" => f64::from(a <= b),
                    ">" => f64::from(a > b),
                    ">=" => f64::from(a >= b),
                    "+" => a + b,
                    "-" => a - b,
                    "*" => a * b,
                    "/" => a / b,
                    "%" => a.rem_euclid(b),
                    _ if b == 2.0 => a * a,
                    _ => a.powf(b),
                }
            }
            Call("abs", arguments) => arguments[0].value()?.abs(),
            Call("max", arguments) => {
                let (a, b) = (arguments[0].value()?, arguments[1].value()?);
                if a.is_nan() || b.is_nan() { f64::NAN } else { a.max(b) }
            }
            Call(_, parts) => parts[if truth(&parts[0])? { 1 } else { 2 }].value()?,
            Choice(parts) => parts[if truth(&parts[0])? { 1 } else { 2 }].value()?,
        })
    }
}

proptest! {
    #[test]
    fn a_printed_tree_has_the_value_of_the_tree(tree in Tree::trees()) {
        let (text, expected) = (tree.text(0), tree.value().unwrap_or(f64::NAN));
        let value = at(&text, -1.5);
        prop_assert!(value == expected || value.is_nan() && expected.is_nan(), "{text}: {value}, not {expected}");
    }

    #[test]
    fn no_text_makes_the_parser_panic(text in r"[x0-9a-e.+*/^()<>=,% &|!?:-]{0,40}|(x|if|mod|[(),!?: 1-]){0,30}|.{0,30}") {
        if let Ok(formula) = Formula::parse(&text, &names()) {
            formula.evaluate(&[("x", Real(0.5)), ("a", Real(3.0))]);
        }
    }
}
