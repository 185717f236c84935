//! `builtin = "peak"`: well-known test functions, for tutorials, tests and benchmarks.
//!
//! Each has default parameters, which parameters of the same name in the study replace. [`BUILTINS`] lists them all.

use super::expression::parameter_as_number;
use super::{Call, Context, Function, FunctionSpec, Shared};
use crate::model::settings::{self, Table, unknown};
use crate::model::{Failure, FailureKind, Value};
use std::f64::consts::PI;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// One function of the library.
pub struct Builtin {
    /// The name in the study file.
    pub name: &'static str,
    /// The formula, for people.
    pub formula: &'static str,
    /// What it is good for, and where it is from.
    pub about: &'static str,
    /// How many coordinates it takes.
    pub dimension: Dimension,
    /// Parameters and their defaults.
    pub parameters: &'static [(&'static str, f64)],
    /// The usual lower and upper bound of every coordinate.
    pub domain: (f64, f64),
    compute: fn(&Arguments<'_>) -> Result<Value, Failure>,
}

/// Numbers of coordinates that a [`Builtin`] takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dimension {
    /// Just so many.
    Exactly(usize),
    /// One or more.
    Any,
}

/// What a formula sees.
struct Arguments<'a> {
    x: &'a [f64],
    /// In the order of [`Builtin::parameters`].
    p: &'a [f64],
    seed: u64,
}

impl Arguments<'_> {
    /// A number between 0 and 1 that only the point and the seed decide; `stream` gives independent ones.
    fn uniform(&self, stream: u64) -> f64 {
        let hash = self.x.iter().fold(self.seed ^ (stream << 56), |hash, x| mixed(hash ^ x.to_bits()));
        (mixed(hash) >> 11) as f64 / (1u64 << 53) as f64
    }

    /// The same with a normal distribution of mean 0 and deviation 1 (Box and Muller).
    fn normal(&self) -> f64 {
        (-2.0 * (1.0 - self.uniform(1)).ln()).sqrt() * (2.0 * PI * self.uniform(2)).cos()
    }

    fn squares(&self) -> f64 {
        self.x.iter().map(|x| x * x).sum()
    }
}

/// One step of the generator splitmix64 (Steele, Lea, Flood 2014).
fn mixed(state: u64) -> u64 {
    let mut z = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[expect(clippy::unnecessary_wraps, reason = "formulas that can't fail share the type of those that can")]
fn number(y: f64) -> Result<Value, Failure> {
    Ok(Value::scalar(y))
}

const UNIT: (f64, f64) = (-1.0, 1.0);
const CUBE: (f64, f64) = (0.0, 1.0);
const LINE: Dimension = Dimension::Exactly(1);
const PLANE: Dimension = Dimension::Exactly(2);
const SPACE: Dimension = Dimension::Exactly(3);

/// All builtin functions.
pub const BUILTINS: &[Builtin] = &[
    Builtin {
        name: "peak",
        formula: "x + a^2 / (a^2 + (x - offset)^2)",
        about: "a narrow peak on a slope, from the tutorial of Python adaptive",
        dimension: LINE,
        parameters: &[("offset", 0.0), ("a", 0.01)],
        domain: UNIT,
        compute: |f| number(peak(f.x[0], f.p[0], f.p[1])),
    },
    Builtin {
        name: "noisy_peak",
        formula: "peak + noise * normal(seed, x)",
        about: "the peak with normal noise that only point and seed decide",
        dimension: LINE,
        parameters: &[("offset", 0.0), ("a", 0.1), ("noise", 0.1)],
        domain: UNIT,
        compute: |f| number(peak(f.x[0], f.p[0], f.p[1]) + f.p[2] * f.normal()),
    },
    Builtin {
        name: "noise",
        formula: "mean + deviation * normal(seed)",
        about: "a random number, for averaging learners; takes any number of coordinates, also none",
        dimension: Dimension::Any,
        parameters: &[("mean", 1.0), ("deviation", 1.0)],
        domain: UNIT,
        compute: |f| number(f.p[0] + f.p[1] * f.normal()),
    },
    Builtin {
        name: "runge",
        formula: "1 / (1 + steepness * x^2)",
        about: "interpolation on equal steps diverges (Runge 1901)",
        dimension: LINE,
        parameters: &[("steepness", 25.0)],
        domain: UNIT,
        compute: |f| number(1.0 / (1.0 + f.p[0] * f.squares())),
    },
    Builtin {
        name: "tanh",
        formula: "tanh(steepness * (x - offset))",
        about: "a smooth step",
        dimension: LINE,
        parameters: &[("steepness", 20.0), ("offset", 0.0)],
        domain: UNIT,
        compute: |f| number((f.p[0] * (f.x[0] - f.p[1])).tanh()),
    },
    Builtin {
        name: "step",
        formula: "x < offset ? 0 : 1",
        about: "a jump",
        dimension: LINE,
        parameters: &[("offset", 0.0)],
        domain: UNIT,
        compute: |f| number(f64::from(f.x[0] >= f.p[0])),
    },
    Builtin {
        name: "abs",
        formula: "|x - offset|",
        about: "a kink",
        dimension: LINE,
        parameters: &[("offset", 0.0)],
        domain: UNIT,
        compute: |f| number((f.x[0] - f.p[0]).abs()),
    },
    Builtin {
        name: "sin_gauss",
        formula: "sin(frequency * x) * exp(-x^2 / (2 * width^2))",
        about: "a wave packet",
        dimension: LINE,
        parameters: &[("frequency", 20.0), ("width", 0.3)],
        domain: UNIT,
        compute: |f| {
            let (x, width) = (f.x[0], f.p[1]);
            number((f.p[0] * x).sin() * (-x * x / (2.0 * width * width)).exp())
        },
    },
    Builtin {
        name: "chirp",
        formula: "sin(frequency * x^2)",
        about: "oscillates faster and faster",
        dimension: LINE,
        parameters: &[("frequency", 50.0)],
        domain: CUBE,
        compute: |f| number((f.p[0] * f.x[0] * f.x[0]).sin()),
    },
    Builtin {
        name: "lissajous",
        formula: "(cos(2 pi x), sin(2 pi * turns * x))",
        about: "two numbers at every point",
        dimension: LINE,
        parameters: &[("turns", 2.0)],
        domain: CUBE,
        compute: |f| {
            let angle = 2.0 * PI * f.x[0];
            Ok(Value::vector(&[angle.cos(), (f.p[0] * angle).sin()]))
        },
    },
    Builtin {
        name: "ring_2d",
        formula: "x + exp(-(x^2 + y^2 - radius^2)^2 / a^4)",
        about: "a thin ring on a slope, from the tutorial of Python adaptive",
        dimension: PLANE,
        parameters: &[("radius", 0.75), ("a", 0.2)],
        domain: UNIT,
        compute: |f| number(f.x[0] + ring(f.squares(), f.p[0], f.p[1])),
    },
    Builtin {
        name: "gauss_2d",
        formula: "exp(-(x^2 + y^2) / (2 * width^2))",
        about: "a bump",
        dimension: PLANE,
        parameters: &[("width", 0.2)],
        domain: UNIT,
        compute: |f| number((-f.squares() / (2.0 * f.p[0] * f.p[0])).exp()),
    },
    Builtin {
        name: "sphere_3d",
        formula: "x + z^2 + exp(-(x^2 + y^2 + z^2 - radius^2)^2 / a^4)",
        about: "a thin shell, from the tutorial of Python adaptive",
        dimension: SPACE,
        parameters: &[("radius", 0.75), ("a", 0.2)],
        domain: UNIT,
        compute: |f| number(f.x[0] + f.x[2] * f.x[2] + ring(f.squares(), f.p[0], f.p[1])),
    },
    Builtin {
        name: "rosenbrock",
        formula: "sum of 100 (x[i+1] - x[i]^2)^2 + (1 - x[i])^2",
        about: "a bent valley (Rosenbrock 1960)",
        dimension: Dimension::Any,
        parameters: &[],
        domain: (-2.0, 2.0),
        compute: |f| {
            let valley = |w: &[f64]| 100.0 * (w[1] - w[0] * w[0]).powi(2) + (1.0 - w[0]).powi(2);
            number(f.x.windows(2).map(valley).sum())
        },
    },
    Builtin {
        name: "genz_oscillatory",
        formula: "cos(2 pi w + a * sum x)",
        about: "integration test 1 of Genz (1984)",
        dimension: Dimension::Any,
        parameters: &[("a", 5.0), ("w", 0.5)],
        domain: CUBE,
        compute: |f| number((2.0 * PI * f.p[1] + f.p[0] * f.x.iter().sum::<f64>()).cos()),
    },
    Builtin {
        name: "genz_product_peak",
        formula: "product of 1 / (a^-2 + (x - w)^2)",
        about: "integration test 2 of Genz (1984)",
        dimension: Dimension::Any,
        parameters: &[("a", 5.0), ("w", 0.5)],
        domain: CUBE,
        compute: |f| number(f.x.iter().map(|x| 1.0 / (f.p[0].powi(-2) + (x - f.p[1]).powi(2))).product()),
    },
    Builtin {
        name: "genz_corner_peak",
        formula: "(1 + a * sum x)^-(n + 1)",
        about: "integration test 3 of Genz (1984)",
        dimension: Dimension::Any,
        parameters: &[("a", 5.0)],
        domain: CUBE,
        compute: |f| number((1.0 + f.p[0] * f.x.iter().sum::<f64>()).powf(-(f.x.len() as f64 + 1.0))),
    },
    Builtin {
        name: "genz_gaussian",
        formula: "exp(-a^2 * sum (x - w)^2)",
        about: "integration test 4 of Genz (1984)",
        dimension: Dimension::Any,
        parameters: &[("a", 5.0), ("w", 0.5)],
        domain: CUBE,
        compute: |f| number((-f.p[0].powi(2) * f.x.iter().map(|x| (x - f.p[1]).powi(2)).sum::<f64>()).exp()),
    },
    Builtin {
        name: "genz_continuous",
        formula: "exp(-a * sum |x - w|)",
        about: "integration test 5 of Genz (1984)",
        dimension: Dimension::Any,
        parameters: &[("a", 5.0), ("w", 0.5)],
        domain: CUBE,
        compute: |f| number((-f.p[0] * f.x.iter().map(|x| (x - f.p[1]).abs()).sum::<f64>()).exp()),
    },
    Builtin {
        name: "genz_discontinuous",
        formula: "0 where x[0] > w or x[1] > w, else exp(a * sum x)",
        about: "integration test 6 of Genz (1984)",
        dimension: Dimension::Any,
        parameters: &[("a", 5.0), ("w", 0.5)],
        domain: CUBE,
        compute: |f| {
            let beyond = f.x.iter().take(2).any(|x| *x > f.p[1]);
            number(if beyond { 0.0 } else { (f.p[0] * f.x.iter().sum::<f64>()).exp() })
        },
    },
    Builtin {
        name: "constant",
        formula: "value",
        about: "the same everywhere, at no cost: for measuring everything else",
        dimension: Dimension::Any,
        parameters: &[("value", 0.0)],
        domain: UNIT,
        compute: |f| number(f.p[0]),
    },
    Builtin {
        name: "sleep",
        formula: "x after `seconds` plus up to `jitter` seconds",
        about: "costs time without computing",
        dimension: Dimension::Any,
        parameters: &[("seconds", 0.01), ("jitter", 0.0)],
        domain: UNIT,
        compute: |f| {
            let seconds = f.p[0] + f.p[1] * f.uniform(3);
            let time = Duration::try_from_secs_f64(seconds);
            std::thread::sleep(time.map_err(|_| {
                Failure::new(FailureKind::Error, format!("can't sleep for {seconds} seconds"))
            })?);
            number(f.x.iter().sum())
        },
    },
    Builtin {
        name: "nan_band",
        formula: "NaN where |x - offset| < width, else x",
        about: "gives no number in a band of the first coordinate",
        dimension: Dimension::Any,
        parameters: &[("offset", 0.0), ("width", 0.1)],
        domain: UNIT,
        compute: |f| {
            let x = f.x.first().copied().unwrap_or(0.0);
            number(if (x - f.p[0]).abs() < f.p[1] { f64::NAN } else { x })
        },
    },
    Builtin {
        name: "fail",
        formula: "an error at a share `rate` of all points, else the sum of x",
        about: "fails at points that only their coordinates decide, for trying out retries",
        dimension: Dimension::Any,
        parameters: &[("rate", 0.5)],
        domain: UNIT,
        compute: |f| {
            if f.uniform(4) < f.p[0] {
                return Err(Failure::new(FailureKind::Error, format!("fails by design at {:?}", f.x)));
            }
            number(f.x.iter().sum())
        },
    },
];

fn peak(x: f64, offset: f64, a: f64) -> f64 {
    x + a * a / (a * a + (x - offset) * (x - offset))
}

fn ring(squares: f64, radius: f64, a: f64) -> f64 {
    (-(squares - radius * radius).powi(2) / a.powi(4)).exp()
}

impl Builtin {
    /// The function of this name.
    pub fn find(name: &str) -> Option<&'static Self> {
        BUILTINS.iter().find(|builtin| builtin.name == name)
    }

    /// The function's value at a point, with default parameters and seed 0.
    pub fn at(&self, point: &[f64]) -> Result<Value, Failure> {
        let defaults: Vec<f64> = self.parameters.iter().map(|(_, default)| *default).collect();
        self.compute(&Arguments { x: point, p: &defaults, seed: 0 })
    }

    fn compute(&self, arguments: &Arguments<'_>) -> Result<Value, Failure> {
        match self.dimension {
            Dimension::Exactly(n) if n != arguments.x.len() => {
                let got = arguments.x.len();
                let message = format!("builtin {} takes {n} coordinates, but the point has {got}", self.name);
                Err(Failure::new(FailureKind::Setup, message))
            }
            _ => (self.compute)(arguments),
        }
    }
}

impl fmt::Debug for Builtin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builtin").field("name", &self.name).finish_non_exhaustive()
    }
}

/// A builtin whose parameters a study may have replaced.
#[derive(Clone, Debug)]
struct Chosen {
    builtin: &'static Builtin,
    /// For each parameter of the builtin: whether the study has it.
    given: Vec<bool>,
}

pub(super) fn from_settings(
    table: &Table,
    context: &Context,
    _: &Shared,
) -> settings::Result<Arc<dyn FunctionSpec>> {
    let name = table.text("builtin")?.ok_or_else(|| table.missing("builtin"))?;
    let span = table.get("builtin").map_or_else(|| table.span.clone(), |setting| setting.span.clone());
    let Some(builtin) = Builtin::find(name) else {
        let known = BUILTINS.iter().map(|builtin| builtin.name);
        return Err(unknown(&span, &format!("unknown builtin function `{name}`"), name, known));
    };
    let n = context.signature.names.len();
    match builtin.dimension {
        Dimension::Exactly(wanted) if wanted != n => {
            let message =
                format!("builtin `{name}` takes {wanted} coordinates, but the learner's points have {n}");
            return Err(table
                .error("builtin", message)
                .help("choose another one, or another learner; `adaptive-mpi functions` lists all"));
        }
        _ => {}
    }
    let known = builtin.parameters.iter().map(|(known, _)| *known);
    for parameter in &context.parameter_names {
        if !known.clone().any(|known| known == parameter) {
            let message = format!("builtin `{name}` has no parameter `{parameter}`");
            return Err(unknown(&span, &message, parameter, known));
        }
    }
    let given = known.map(|known| context.parameter_names.iter().any(|given| given == known)).collect();
    Ok(Arc::new(Chosen { builtin, given }))
}

impl FunctionSpec for Chosen {
    fn kind(&self) -> &'static str {
        "builtin"
    }

    fn describe(&self) -> String {
        format!("builtin {}: {}", self.builtin.name, self.builtin.formula)
    }

    fn start_with(&self, _: &[(String, String)]) -> Result<Box<dyn Function>, Failure> {
        Ok(Box::new(self.clone()))
    }
}

impl Function for Chosen {
    fn evaluate(&mut self, call: &Call<'_>) -> Result<Value, Failure> {
        let mut parameters: smallvec::SmallVec<[f64; 4]> = smallvec::SmallVec::new();
        for ((name, default), given) in self.builtin.parameters.iter().zip(&self.given) {
            parameters.push(if *given { parameter_as_number(call, name)? } else { *default });
        }
        self.builtin.compute(&Arguments { x: call.point, p: &parameters, seed: call.replica })
    }
}

#[cfg(test)]
mod tests;
