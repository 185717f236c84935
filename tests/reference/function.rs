//! The functions of the recorded runs, and the error of what was learned of them.

use super::case::{Case, number, numbers};
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

    /// The value at x.
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
            other => panic!("unknown function {other}"),
        }
    }
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
