//! The functions of the recorded runs, and the error of what was learned of them.

use crate::case::{Case, number, numbers};
use adaptive_mpi::model::Sample;
use serde_json::Value as Json;

pub struct Function {
    id: String,
    params: Json,
}

impl Function {
    pub fn new(json: &Json) -> Self {
        Self { id: json["id"].as_str().unwrap().into(), params: json["params"].clone() }
    }

    /// The value of a sample.
    pub fn of(&self, sample: &Sample) -> Vec<f64> {
        let p = |name: &str| number(&self.params[name]);
        let at = &*sample.point;
        match self.id.as_str() {
            "noise_0d" => vec![p("mu") + p("sigma") * z(sample.replica)],
            "noisy_peak_1d" => {
                let (x, w) = (at[0], p("w"));
                let distance = x - p("offset");
                let cell = ((x + 16.0) * 65536.0).floor() as u64;
                let noise = z(sample.replica.wrapping_add(1_000_003u64.wrapping_mul(cell)));
                vec![x * x * x - x + 3.0 * w * w / (w * w + distance * distance) + p("sigma") * noise]
            }
            "ring_2d" => vec![ring(at, p("a"), p("d"))],
            "ring_2d_vec" => vec![ring(at, p("a"), p("d")), at[0] * at[1]],
            "gauss_2d" => {
                let (dx, dy) = (at[0] - p("x0"), at[1] - p("y0"));
                vec![(-(dx * dx + p("s") * dy * dy) / (p("w") * p("w"))).exp()]
            }
            "ramp_2d" => vec![(p("k") * (at[0] + p("m") * at[1])).tanh()],
            "sphere_3d" => {
                let (a, d) = (p("a"), p("d"));
                let q = at[0] * at[0] + at[1] * at[1] + at[2] * at[2] - d * d;
                vec![at[0] + at[2] * at[2] + (-(q * q) / (a * a * a * a)).exp()]
            }
            "quartic_3d" => {
                let squares: f64 = at.iter().map(|x| x * x).sum();
                vec![at.iter().map(|x| x.powi(4)).sum::<f64>() - squares * squares]
            }
            "shell_nd" => {
                let q = at.iter().map(|x| x * x).sum::<f64>() - p("d");
                vec![(-(q * q) / p("w")).exp()]
            }
            _ => self.at(at[0]),
        }
    }

    /// The value of a function of one number.
    pub fn at(&self, x: f64) -> Vec<f64> {
        let p = |name: &str| number(&self.params[name]);
        let peak = |a: f64, o: f64| x + a * a / (a * a + (x - o) * (x - o));
        match self.id.as_str() {
            "peak_1d" => vec![peak(p("a"), p("offset"))],
            "sin_gauss_1d" => vec![(p("k") * x).sin() * (-p("c") * x * x).exp()],
            "step_1d" => vec![if x < p("x0") { p("lo") } else { p("hi") }],
            "tanh_1d" => vec![(p("k") * (x - p("x0"))).tanh()],
            "abs_1d" => vec![(x - p("x0")).abs()],
            "linear_1d" => vec![p("m") * x + p("b")],
            "quadratic_1d" => vec![p("m") * x * x + p("b")],
            "exp_1d" => vec![(p("k") * x).exp()],
            "inverse_square_1d" => vec![1.0 / (x * x)],
            "nan_band_1d" => vec![if p("lo") < x && x < p("hi") { f64::NAN } else { (p("k") * x).sin() }],
            "sin_cos_vec" => vec![(p("k1") * x).sin(), (p("k2") * x).cos()],
            "peaks_vec" => {
                numbers(&self.params["offsets"]).into_iter().map(|o| o + peak(p("a"), o)).collect()
            }
            "levels_vec" => numbers(&self.params["cs"]).into_iter().map(|c| x * x - c).collect(),
            "square" => vec![x * x],
            "floor_exp" => vec![x.exp().floor()],
            "sqrt_osc" if x == 0.0 => vec![f64::NAN],
            "sqrt_osc" => vec![x * (1.0 / x).sin() * (1.0 - x).abs().sqrt()],
            "inv_sqrt" => vec![1.0 / x.sqrt()],
            "sech_sum" => {
                let term = |i: i32| match 20f64.powi(i) * (x - 2.0 * f64::from(i) / 10.0) {
                    far if far.abs() > 700.0 => 0.0,
                    near => 1.0 / near.cosh(),
                };
                vec![term(1) + term(2) + term(3)]
            }
            "abs_power" => match (x - p("beta")).abs() {
                0.0 if p("alpha") > 0.0 => vec![0.0],
                0.0 => vec![f64::INFINITY],
                distance => vec![distance.powf(p("alpha"))],
            },
            "quadpack_log" if x == 0.0 => vec![0.0],
            "quadpack_log" => vec![x.powf(p("alpha")) * (1.0 / x).ln()],
            "quadpack_peak" => {
                let (alpha, distance) = (p("alpha"), x - std::f64::consts::FRAC_PI_4);
                vec![4f64.powf(-alpha) / (distance * distance + 16f64.powf(-alpha))]
            }
            "quadpack_cos_sin" => vec![(2f64.powf(p("alpha")) * x.sin()).cos()],
            other => panic!("unknown function {other}"),
        }
    }
}

fn ring(at: &[f64], a: f64, d: f64) -> f64 {
    let q = at[0] * at[0] + at[1] * at[1] - d * d;
    at[0] + (-(q * q) / (a * a * a * a)).exp()
}

/// A number of mean 0 and variance 1 that belongs to k: from four draws of a linear congruential generator.
fn z(k: u64) -> f64 {
    const A: u64 = 6_364_136_223_846_793_005;
    const C: u64 = 1_442_695_040_888_963_407;
    let mut state = A.wrapping_mul(k.wrapping_add(1)).wrapping_add(C);
    let mut draw = || {
        state = A.wrapping_mul(state).wrapping_add(C);
        (state >> 11) as f64 / (1u64 << 53) as f64
    };
    let sum: f64 = (0..4).map(|_| draw()).sum();
    1.732_050_807_568_877_2 * (sum - 2.0)
}

/// Largest and root mean square difference between the function and the lines through the told points, on 2000
/// cell centres.
pub fn errors(case: &Case, told: &[(Sample, f64)]) -> (f64, f64) {
    let function = case.function(0);
    let bounds = numbers(&case.json["params"]["bounds"]);
    let mut points: Vec<(f64, f64)> = told.iter().map(|(sample, y)| (sample.point.x(), *y)).collect();
    points.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (mut max, mut squares) = (0.0f64, 0.0);
    for i in 0..2000 {
        let x = bounds[0] + (bounds[1] - bounds[0]) * (f64::from(i) + 0.5) / 2000.0;
        let right = points.partition_point(|p| p.0 < x).clamp(1, points.len() - 1);
        let ((x0, y0), (x1, y1)) = (points[right - 1], points[right]);
        let error = (y0 + (y1 - y0) * (x - x0) / (x1 - x0) - function.at(x)[0]).abs();
        max = max.max(error);
        squares += error * error;
    }
    (max, (squares / 2000.0).sqrt())
}
