use super::Point;
use serde::{Deserialize, Serialize};

/// One thing to evaluate: a point of one learner, in one replica.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Sample {
    /// Index of the learner, and so of the combo of parameters; a learner on its own says 0.
    pub learner: u32,
    /// Which of several evaluations at the same point: the seed of an averaging learner, the index in the
    /// sequence of a `SequenceLearner`, else 0.
    pub replica: u64,
    /// Where.
    pub point: Point,
}

impl Sample {
    /// Replica 0 of a point, for learner 0.
    #[inline]
    pub fn at(point: Point) -> Self {
        Self { learner: 0, replica: 0, point }
    }

    /// The same sample, owned by another learner.
    #[inline]
    #[must_use]
    pub fn of_learner(mut self, learner: u32) -> Self {
        self.learner = learner;
        self
    }
}
