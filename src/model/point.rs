use serde::{Deserialize, Serialize};
use smallvec::SmallVec;
use std::ops::Deref;

/// Where a function is evaluated: coordinates in user units. Up to four live without a heap allocation.
///
/// A one-dimensional learner uses one coordinate; an `AverageLearner` none (its seed is the replica of the
/// [`Sample`](crate::model::Sample)); a `SequenceLearner` the coordinates of its element.
#[derive(Clone, Debug, Default, PartialEq, PartialOrd, Serialize, Deserialize)]
pub struct Point(SmallVec<[f64; 4]>);

impl Point {
    /// A point from its coordinates.
    pub fn new(coordinates: &[f64]) -> Self {
        Self(SmallVec::from_slice(coordinates))
    }

    /// A point of one coordinate.
    #[inline]
    pub fn scalar(x: f64) -> Self {
        let mut coordinates = SmallVec::new();
        coordinates.push(x);
        Self(coordinates)
    }

    /// The first coordinate, or NaN if there is none.
    #[inline]
    pub fn x(&self) -> f64 {
        self.0.first().copied().unwrap_or(f64::NAN)
    }
}

impl Deref for Point {
    type Target = [f64];

    #[inline]
    fn deref(&self) -> &[f64] {
        &self.0
    }
}

impl FromIterator<f64> for Point {
    fn from_iter<I: IntoIterator<Item = f64>>(coordinates: I) -> Self {
        Self(coordinates.into_iter().collect())
    }
}
