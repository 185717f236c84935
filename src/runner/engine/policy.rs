//! What the study says about failures and orders.

/// How failures and orders are handled; plain data from `[run]` of the study.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// How often a failed sample is tried again (upstream: `retries`).
    pub retries: u32,
    /// What a NaN or infinite value is.
    pub nan: NanPolicy,
    /// In which order results are told.
    pub order: Order,
}

/// What a value with a NaN or infinite component is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NanPolicy {
    /// A value like any other: learners sample such regions by their length.
    #[default]
    Accept,
    /// A failure of the attempt, to be tried again.
    Fail,
}

/// In which order results are told to the learner.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// As they arrive.
    #[default]
    Arrival,
    /// As their points were asked, with always `window` points between ask and tell: the learner sees the same
    /// calls on any number of workers.
    Asked {
        /// Points asked and not yet told.
        window: usize,
    },
}
