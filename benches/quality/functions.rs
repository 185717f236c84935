//! What is sampled: functions of one, two and three variables, with and without features that are hard to find.

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

const SQUARE: &[(f64, f64)] = &[(-1.0, 1.0), (-1.0, 1.0)];
const CUBE: &[(f64, f64)] = &[(-1.0, 1.0), (-1.0, 1.0), (-1.0, 1.0)];

/// Square of the distance from a point.
fn squared_distance(x: &[f64], from: &[f64]) -> f64 {
    x.iter().zip(from).map(|(x, c)| (x - c).powi(2)).sum()
}

/// A Gaussian of height 1 around a point.
fn bump(x: &[f64], centre: &[f64], width: f64) -> f64 {
    (-squared_distance(x, centre) / (width * width)).exp()
}

/// A ridge of height 1 where the distance from the origin is about 0.75.
fn shell(x: &[f64], a: f64) -> f64 {
    let q = x.iter().map(|x| x * x).sum::<f64>() - 0.75 * 0.75;
    (-q * q / a.powi(4)).exp()
}

fn step(there: bool) -> f64 {
    f64::from(u8::from(there))
}

/// Functions of two variables.
pub(crate) const PLANES: &[Case] = &[
    case("ring a=0.2 d=0.75", SQUARE, |x, y| y.push(x[0] + shell(x, 0.2)), true),
    case("ring a=0.4 d=0.75", SQUARE, |x, y| y.push(x[0] + shell(x, 0.4)), true),
    case("gaussian w=0.2 off centre", SQUARE, |x, y| y.push(bump(x, &[0.3, -0.2], 0.2)), true),
    case("tanh(10(x+0.4y))", SQUARE, |x, y| y.push((10.0 * (x[0] + 0.4 * x[1])).tanh()), true),
    case("sin(4x)cos(3y)", SQUARE, |x, y| y.push((4.0 * x[0]).sin() * (3.0 * x[1]).cos()), true),
    case("x^2+y^2", SQUARE, |x, y| y.push(x[0] * x[0] + x[1] * x[1]), false),
    case("exp(x+y/2)", &[(0.0, 3.0), (-1.0, 1.3)], |x, y| y.push((x[0] + 0.5 * x[1]).exp()), false),
    case(
        "saddle x^2 y-y^3/3",
        &[(-1.0, 1.2), (-1.1, 1.0)],
        |x, y| y.push(x[0] * x[0] * x[1] - x[1].powi(3) / 3.0),
        false,
    ),
    case(
        "peak of width 0.05 at (0.137, 0.291)",
        SQUARE,
        |x, y| {
            y.push(1.0 / (1.0 + squared_distance(x, &[0.137, 0.291]) / 0.0025));
        },
        false,
    ),
    case(
        "narrow gaussian w=0.03 on a wide one",
        SQUARE,
        |x, y| {
            y.push(bump(x, &[-0.2, 0.1], 0.6) + 0.5 * bump(x, &[0.43, -0.37], 0.03));
        },
        false,
    ),
    case("flat, one gaussian w=0.08", SQUARE, |x, y| y.push(bump(x, &[-0.41, 0.53], 0.08)), false),
    case("sin(12x+7y)", SQUARE, |x, y| y.push((12.0 * x[0] + 7.0 * x[1]).sin()), false),
    case(
        "chirp sin(8(x^2+y))",
        &[(0.0, 1.5), (0.0, 1.0)],
        |x, y| y.push((8.0 * (x[0] * x[0] + x[1])).sin()),
        false,
    ),
    case(
        "waves cos(12r)/(1+2r)",
        &[(-1.0, 1.1), (-1.0, 1.0)],
        |x, y| {
            let r = squared_distance(x, &[0.1, -0.2]).sqrt();
            y.push((12.0 * r).cos() / (1.0 + 2.0 * r));
        },
        false,
    ),
    case("cone, a kink in a point", SQUARE, |x, y| y.push(squared_distance(x, &[0.23, -0.11]).sqrt()), false),
    case(
        "kink along a circle",
        SQUARE,
        |x, y| y.push((squared_distance(x, &[0.1, 0.05]).sqrt() - 0.61).abs()),
        false,
    ),
    case("kink along a line, abs(x+0.3y-0.1)", SQUARE, |x, y| y.push((x[0] + 0.3 * x[1] - 0.1).abs()), false),
    case(
        "jump along a circle",
        SQUARE,
        |x, y| {
            y.push(0.3 * x[0] + step(squared_distance(x, &[0.1, 0.05]) < 0.36));
        },
        false,
    ),
    case(
        "jump along a curve, on waves",
        SQUARE,
        |x, y| {
            y.push(0.5 * (3.0 * x[0] + x[1]).sin() + step(x[1] > 0.4 * (3.0 * x[0]).sin()));
        },
        false,
    ),
    case(
        "boundary layer of width 0.02",
        &[(0.0, 1.0), (0.0, 1.0)],
        |x, y| {
            y.push(x[1] + (-x[0] / 0.02).exp());
        },
        false,
    ),
    case(
        "root of the distance",
        SQUARE,
        |x, y| y.push(squared_distance(x, &[-0.37, 0.21]).sqrt().sqrt()),
        false,
    ),
    case(
        "smooth with noise of 1e-3",
        SQUARE,
        |x, y| {
            y.push((2.0 * x[0]).sin() * x[1] + bump(x, &[0.2, 0.1], 0.15) + 1e-3 * hash(x[0] + 3.7 * x[1]));
        },
        false,
    ),
    case(
        "vector: gaussian, wave, ramp",
        SQUARE,
        |x, y| {
            y.extend([bump(x, &[0.31, 0.4], 0.1), 0.5 * (4.0 * x[1]).sin(), (8.0 * (x[0] - x[1])).tanh()]);
        },
        false,
    ),
    case(
        "unknown in a disc",
        SQUARE,
        |x, y| {
            let known = squared_distance(x, &[0.25, 0.1]) > 0.16;
            y.push(if known { bump(x, &[-0.4, -0.3], 0.3) + 0.3 * x[1] } else { f64::NAN });
        },
        false,
    ),
    case(
        "unknown beyond a line",
        SQUARE,
        |x, y| {
            let known = x[0] + 0.7 * x[1] < 0.31;
            y.push(if known { (3.0 * x[0]).sin() * x[1] } else { f64::NAN });
        },
        false,
    ),
];

/// Functions of three variables.
pub(crate) const SPACES: &[Case] = &[
    case("sphere a=0.4 d=0.75", CUBE, |x, y| y.push(x[0] + x[2] * x[2] + shell(x, 0.4)), true),
    case("gaussian w=0.35", CUBE, |x, y| y.push(bump(x, &[0.2, -0.1, 0.3], 0.35)), true),
    case("sin(3x+y+2z)", CUBE, |x, y| y.push((3.0 * x[0] + x[1] + 2.0 * x[2]).sin()), true),
    case("x^2+y^2+z^2", CUBE, |x, y| y.push(x.iter().map(|x| x * x).sum()), false),
    case("exp(x+y/2-z)", CUBE, |x, y| y.push((x[0] + 0.5 * x[1] - x[2]).exp()), false),
    case("tanh(6(x+y/2+z/3))", CUBE, |x, y| y.push((6.0 * (x[0] + 0.5 * x[1] + x[2] / 3.0)).tanh()), false),
    case(
        "peak of width 0.2",
        CUBE,
        |x, y| {
            y.push(1.0 / (1.0 + squared_distance(x, &[0.137, 0.291, -0.33]) / 0.04));
        },
        false,
    ),
    case(
        "narrow gaussian w=0.12 on a wide one",
        CUBE,
        |x, y| {
            y.push(bump(x, &[-0.2, 0.1, 0.0], 0.8) + 0.5 * bump(x, &[0.43, -0.37, 0.21], 0.12));
        },
        false,
    ),
    case(
        "cone, a kink in a point",
        CUBE,
        |x, y| y.push(squared_distance(x, &[0.23, -0.11, 0.3]).sqrt()),
        false,
    ),
    case("kink along a plane", CUBE, |x, y| y.push((x[0] + 0.3 * x[1] - 0.2 * x[2] - 0.1).abs()), false),
    case(
        "jump along a sphere",
        CUBE,
        |x, y| {
            y.push(0.3 * x[0] + step(squared_distance(x, &[0.1, 0.05, 0.0]) < 0.36));
        },
        false,
    ),
    case(
        "vector: gaussian, wave",
        CUBE,
        |x, y| {
            y.extend([bump(x, &[0.31, 0.4, -0.2], 0.3), 0.5 * (3.0 * x[1]).sin()]);
        },
        false,
    ),
];
