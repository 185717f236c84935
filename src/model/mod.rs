//! Plain data that every layer shares: points, values, samples, outcomes, parameters, settings.
//!
//! One concrete model serves every learner, so that learners can be `Box<dyn Learner>`, one wire message and
//! one HDF5 layout serve all, and a balancing learner can mix kinds. Nothing here does I/O or reads a clock.

pub mod json;
mod number;
mod outcome;
mod parameters;
mod point;
mod point_form;
mod sample;
pub mod settings;
mod signature;
mod value;

pub use number::shown;
pub use outcome::{Failure, FailureKind, Outcome};
pub use parameters::{Parameter, Parameters};
pub use point::Point;
pub use point_form::{NoPoint, PointForm};
pub use sample::Sample;
pub use signature::Signature;
pub use value::{Detail, Value};
