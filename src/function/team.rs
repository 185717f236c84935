//! Several ranks that evaluate one call together (`ranks = 4`).
//!
//! | kind | who calls | how they talk |
//! |---|---|---|
//! | `command` | the first rank starts one command; the others keep their cores free for it | `{ranks}`, `{hosts}` |
//! | `library` | every rank calls the function | one more argument: `int comm`, for `MPI_Comm_f2c` |
//! | `python` | every rank calls the function | one more argument: `comm`, an `mpi4py.MPI.Comm` |
//! | `rust` | every rank calls the function, see [`Natives::insert_together`](super::Natives::insert_together) | [`Team`] |
//!
//! The value of the first rank counts. A failure of any rank is the failure of the evaluation.

use crate::model::Failure;

/// The ranks that evaluate one call together, as one of them sees it.
pub trait Team: std::fmt::Debug {
    /// The place of this rank, from 0.
    fn rank(&self) -> u32;

    /// How many ranks there are.
    fn size(&self) -> u32;

    /// The hosts of all of them, on the first one. All call it.
    ///
    /// # Errors
    /// If another rank has failed meanwhile.
    fn hosts(&self) -> Result<Vec<String>, Failure>;

    /// Adds up arrays of the same length, element by element; every rank gets the sums. All call it.
    ///
    /// # Errors
    /// If another rank has failed meanwhile, or the lengths differ.
    fn sum(&self, values: &mut [f64]) -> Result<(), Failure>;

    /// Waits until all have come here.
    ///
    /// # Errors
    /// If another rank has failed meanwhile.
    fn barrier(&self) -> Result<(), Failure>;

    /// The communicator of these ranks as Fortran knows it, for MPI calls of the function's own; C makes it a communicator
    /// by `MPI_Comm_f2c`. `None` where workers are threads. Never free it.
    fn communicator(&self) -> Option<i32>;
}
