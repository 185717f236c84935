//! Adaptive sampling of expensive functions, on every MPI rank you have.
//!
//! Rank 0 runs the *learners*, which decide where to look next; the other ranks evaluate the function.
//! Points and results travel as MPI point-to-point messages. HDF5 checkpoints let a run stop at any moment
//! and go on later, on any number of ranks.
//!
//! The layers, from bottom to top (arrows point only down; `tests/architecture.rs` holds them):
//!
//! ```text
//! cli                                      commands, output, exit codes
//! study                                    TOML -> functions, learners, goals
//! runner                                   goal, retries, logging: a state machine and a thin loop around it
//! report  cache                            status lines, tables, exports of what a checkpoint holds; known values
//! pool  checkpoint  function               the outside world: MPI, HDF5, user code
//! process                                  the processes of this host
//! learner                                  pure and deterministic
//! loss                                     pure
//! geometry                                 pure
//! model                                    Point, Value, Sample, Outcome, Settings: plain data
//! ```

pub mod cache;
pub mod checkpoint;
pub mod cli;
pub mod function;
pub mod geometry;
pub mod guide;
pub mod learner;
pub mod loss;
pub mod model;
pub mod pool;
mod process;
pub mod report;
pub mod runner;
pub mod study;

pub use cli::App;
pub use pool::Program;
