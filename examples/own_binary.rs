//! A user's own binary: a Rust function with the whole command line of adaptive-mpi around it.
//!
//! ```text
//! cd examples/rust
//! mpiexec -n 4 ../../target/openmpi/release/examples/own_binary run
//! ```

use adaptive_mpi::App;
use adaptive_mpi::function::Call;
use adaptive_mpi::model::{Failure, FailureKind, Value};
use std::f64::consts::PI;
use std::process::ExitCode;

/// Standard gravity, m/s².
const GRAVITY: f64 = 9.80665;

/// Period in s of a pendulum of `length` m that swings to `amplitude` rad, by the arithmetic-geometric mean.
fn period(call: &Call<'_>) -> Result<Value, Failure> {
    let length = call
        .parameters
        .number("length")
        .ok_or_else(|| Failure::new(FailureKind::Setup, "the study has to set `length`"))?;
    let amplitude = call.point.x();
    let (mut a, mut g) = (1.0, (amplitude / 2.0).cos());
    while (a - g).abs() > 1e-15 * a {
        (a, g) = ((a + g) / 2.0, (a * g).sqrt());
    }
    Ok((2.0 * PI * (length / GRAVITY).sqrt() / a).into())
}

fn main() -> ExitCode {
    App::new().function("period", period).main()
}
