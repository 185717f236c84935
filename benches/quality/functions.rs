//! What is sampled: functions of one variable, with and without features that are hard to find.

/// A function, its domain, and how it is called in the tables.
#[derive(Clone, Copy)]
pub(crate) struct Case {
    /// As in the tables.
    pub(crate) name: &'static str,
    /// One pair per coordinate.
    pub(crate) bounds: &'static [(f64, f64)],
    /// Appends the components of the value at a point.
    pub(crate) function: fn(&[f64], &mut Vec<f64>),
    /// Whether `adaptive-quality.md` has it too.
    pub(crate) recorded: bool,
}

const fn case(
    name: &'static str,
    bounds: &'static [(f64, f64)],
    function: fn(&[f64], &mut Vec<f64>),
    recorded: bool,
) -> Case {
    Case { name, bounds, function, recorded }
}

/// A Lorentzian of height 1.
fn lorentz(x: f64, centre: f64, width: f64) -> f64 {
    width * width / (width * width + (x - centre).powi(2))
}

fn gauss(x: f64, centre: f64, width: f64) -> f64 {
    (-((x - centre) / width).powi(2)).exp()
}

/// A number in -1..1 that looks random and depends on x alone.
fn hash(x: f64) -> f64 {
    let mut bits = x.to_bits().wrapping_mul(0x9e37_79b9_7f4a_7c15);
    bits = (bits ^ (bits >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits ^= bits >> 32;
    (bits >> 11) as f64 / (1u64 << 52) as f64 - 1.0
}

/// Functions of one variable.
pub(crate) const LINES: &[Case] = &[
    case("peak, a=0.01 at 0.123", &[(-1.0, 1.0)], |x, y| y.push(x[0] + lorentz(x[0], 0.123, 0.01)), true),
    case(
        "sin(20x)exp(-x^2)",
        &[(-2.0, 2.0)],
        |x, y| y.push((20.0 * x[0]).sin() * (-x[0] * x[0]).exp()),
        true,
    ),
    case("tanh(20(x-0.1))", &[(-1.0, 1.5)], |x, y| y.push((20.0 * (x[0] - 0.1)).tanh()), true),
    case("1/(1+25x^2)", &[(-5.0, 3.0)], |x, y| y.push(1.0 / (1.0 + 25.0 * x[0] * x[0])), true),
    case("abs(x-0.1)", &[(-1.0, 2.0)], |x, y| y.push((x[0] - 0.1).abs()), true),
    case("sqrt(abs(x-0.7))", &[(-1.0, 3.0)], |x, y| y.push((x[0] - 0.7).abs().sqrt()), true),
    case("step at 0.2", &[(-1.0, 1.0)], |x, y| y.push(if x[0] < 0.2 { 0.0 } else { 1.0 }), true),
    case("exp(x)", &[(0.0, 4.0)], |x, y| y.push(x[0].exp()), true),
    case("x^2", &[(-1.0, 1.3)], |x, y| y.push(x[0] * x[0]), false),
    case("x^4-x^2+x/5", &[(-1.2, 1.1)], |x, y| y.push(x[0].powi(4) - x[0] * x[0] + x[0] / 5.0), false),
    case(
        "three peaks of width 0.1, 0.01, 0.001",
        &[(-1.0, 1.0)],
        |x, y| y.push(lorentz(x[0], -0.53, 0.1) + lorentz(x[0], 0.127, 0.01) + lorentz(x[0], 0.71, 0.001)),
        false,
    ),
    case(
        "gaussian of width 0.004 at 0.3147",
        &[(-1.0, 1.0)],
        |x, y| y.push(gauss(x[0], 0.3147, 0.004)),
        false,
    ),
    case(
        "narrow peak on a wide one",
        &[(0.0, 1.0)],
        |x, y| y.push(gauss(x[0], 0.4, 0.2) + 0.3 * gauss(x[0], 0.613, 0.003)),
        false,
    ),
    case("sin(30x)", &[(0.1, 3.2)], |x, y| y.push((30.0 * x[0]).sin()), false),
    case("sin(200x)", &[(0.0, 1.0)], |x, y| y.push((200.0 * x[0]).sin()), false),
    case("chirp sin(40x^2)", &[(0.0, 2.0)], |x, y| y.push((40.0 * x[0] * x[0]).sin()), false),
    case("sin(1/x)", &[(0.02, 1.0)], |x, y| y.push((1.0 / x[0]).sin()), false),
    case("abs(sin(5x))", &[(-1.0, 1.7)], |x, y| y.push((5.0 * x[0]).sin().abs()), false),
    case(
        "parabola with a kink, max(x^2, 0.5-x)",
        &[(-1.0, 1.2)],
        |x, y| y.push((x[0] * x[0]).max(0.5 - x[0])),
        false,
    ),
    case(
        "sin(5x) with jumps at -0.37 and 0.61",
        &[(-1.0, 1.0)],
        |x, y| {
            let jumps = f64::from(u8::from(x[0] > -0.37)) - 0.6 * f64::from(u8::from(x[0] > 0.61));
            y.push((5.0 * x[0]).sin() + jumps);
        },
        false,
    ),
    case("floor(exp(x)), 19 jumps", &[(0.0, 3.0)], |x, y| y.push(x[0].exp().floor()), false),
    case(
        "boundary layers of width 0.002",
        &[(0.0, 1.0)],
        |x, y| y.push(x[0] + (-x[0] / 0.002).exp() - (-(1.0 - x[0]) / 0.002).exp()),
        false,
    ),
    case("x ln(x)", &[(0.0, 1.0)], |x, y| y.push(if x[0] > 0.0 { x[0] * x[0].ln() } else { 0.0 }), false),
    case(
        "smooth with noise of 1e-3",
        &[(-1.0, 1.0)],
        |x, y| y.push((3.0 * x[0]).sin() + gauss(x[0], 0.2, 0.05) + 1e-3 * hash(x[0])),
        false,
    ),
    case(
        "peak with noisy tails of 1e-4",
        &[(-1.0, 1.0)],
        |x, y| y.push(lorentz(x[0], 0.23, 0.02) + 1e-4 * hash(x[0])),
        false,
    ),
    case("flat, then a bump", &[(0.0, 10.0)], |x, y| y.push(gauss(x[0], 7.3, 0.25)), false),
    case(
        "dispersion, (x-0.3)/((x-0.3)^2+1e-4)",
        &[(-1.0, 1.0)],
        |x, y| y.push((x[0] - 0.3) / ((x[0] - 0.3).powi(2) + 1e-4)),
        false,
    ),
    case("arctan(1000(x-0.3))", &[(0.0, 1.0)], |x, y| y.push((1000.0 * (x[0] - 0.3)).atan()), false),
    case(
        "vector: peak, sine, step",
        &[(-1.0, 1.0)],
        |x, y| {
            y.extend([
                lorentz(x[0], 0.31, 0.02),
                0.5 * (9.0 * x[0]).sin(),
                if x[0] > -0.45 { 0.7 } else { 0.0 },
            ]);
        },
        false,
    ),
    case(
        "vector: cos(12x), sin(12x), x",
        &[(-1.0, 1.0)],
        |x, y| y.extend([(12.0 * x[0]).cos(), (12.0 * x[0]).sin(), x[0]]),
        false,
    ),
];
