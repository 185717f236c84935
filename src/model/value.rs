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

    /// Puts named components in the order of these names; false if it has others. Nothing to do where either has none.
    pub fn arrange(&mut self, names: &[String]) -> bool {
        let Self { components, detail: Some(detail) } = self else { return true };
        let own = &mut detail.names;
        if own.is_empty() || names.is_empty() || own == names {
            return true;
        }
        let place = |name: &String| own.iter().position(|known| known == name);
        match names.iter().map(place).collect::<Option<Vec<usize>>>() {
            Some(places) if own.len() == places.len() && components.len() == places.len() => {
                *components = places.iter().map(|place| components[*place]).collect();
                *own = names.to_vec();
                true
            }
            _ => false,
        }
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
