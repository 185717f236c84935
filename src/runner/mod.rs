//! The runner drives a learner on a pool until its goal.

pub mod goal;
