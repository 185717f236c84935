use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

/// What a function returned at a point: one or more numbers, and seldom something beside them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Value {
    /// The numbers that learners see; one for a scalar function.
    pub components: SmallVec<[f64; 2]>,
    /// What few functions return; boxed so that the common value stays small.
    pub detail: Option<Box<Detail>>,
}

/// The rarer parts of a [`Value`].
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Detail {
    /// Names of the components, from functions that return named outputs; else empty.
    pub names: Vec<String>,
    /// Anything else that the function wants kept with the point, as JSON text (upstream: `extra_data`).
    pub extra: Option<String>,
}

impl Value {
    /// A value of one number.
    #[inline]
    pub fn scalar(y: f64) -> Self {
        let mut components = SmallVec::new();
        components.push(y);
        Self { components, detail: None }
    }

    /// A value of several numbers.
    pub fn vector(components: &[f64]) -> Self {
        Self { components: SmallVec::from_slice(components), detail: None }
    }

    /// The first component, or NaN if there is none.
    #[inline]
    pub fn y(&self) -> f64 {
        self.components.first().copied().unwrap_or(f64::NAN)
    }

    /// Whether every component is a finite number.
    pub fn is_finite(&self) -> bool {
        self.components.iter().all(|y| y.is_finite())
    }
}

impl From<f64> for Value {
    fn from(y: f64) -> Self {
        Self::scalar(y)
    }
}
