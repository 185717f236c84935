use serde::{Deserialize, Serialize};

/// How the samples of a learner look to a function: the names of the coordinates and how they are passed.
///
/// | learner | `names` | `scalar` | `seeded` | a Python function sees |
/// |---|---|---|---|---|
/// | 1d | `["x"]` | yes | no | `h(0.5, a=…)` |
/// | 2d, nd | `["x", "y", …]` | no | no | `h((0.5, 0.1), a=…)` |
/// | average | `[]` | no | yes | `h(seed, a=…)` |
/// | average1d | `["x"]` | yes | yes | `h((seed, 0.5), a=…)` |
/// | sequence | `["x", …]` | as its elements | no | `h(element, a=…)` |
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signature {
    /// One name per coordinate.
    pub names: Vec<String>,
    /// The single coordinate is passed as a number, not as a list of one.
    pub scalar: bool,
    /// The replica is passed too, as `seed`.
    pub seeded: bool,
}

impl Signature {
    /// Of a learner over the real line.
    pub fn line() -> Self {
        Self { names: vec!["x".into()], scalar: true, seeded: false }
    }

    /// The usual names of `n` coordinates: x, y, z up to three, else x0, x1, ….
    pub fn usual_names(n: usize) -> Vec<String> {
        match n {
            1..=3 => ["x", "y", "z"][..n].iter().map(|s| (*s).to_owned()).collect(),
            _ => (0..n).map(|i| format!("x{i}")).collect(),
        }
    }
}
