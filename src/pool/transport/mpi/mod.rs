//! Messages over MPI.
//!
//! - Sends are `MPI_Isend` with buffers that the transport owns until the request completes, so nothing ever
//!   waits for a receiver.
//! - For small messages a receive is posted ahead, as they are most of the traffic: one call finds and fetches
//!   a message. Larger ones are found by a probe and received by a request, because their sender may be busy or
//!   stopped in the middle, and the rest must go on.
//! - While looks are in vain, the core is given away by our [`Ladder`], not by the library at every look.
//! - Large vectors of numbers are messages of their own, sent and received where they lie; see `beside`.
//! - Messages beyond 1 GiB travel as blocks of 1 MiB, since MPI counts are 32 bits wide. The last block is
//!   padded; readers go by the lengths inside.
//! - The members of a group have a communicator of their own, made by `MPI_Comm_create_group`: ranks outside of it take no
//!   part. It is kept for the next task of the same group.
//! - Where the library tells of dead ranks (ULFM), each is an error about that rank and the others go on; see `deaths`.
//! - All calls come from one thread (`MPI_THREAD_FUNNELED`).

mod bare;
mod beside;
mod deaths;
mod end;
mod group;
mod ladder;
mod messages;
mod share;
mod spawn;
mod world;
mod yields;

pub(crate) use end::{LAST_WORDS, MpiTransport};
pub(crate) use group::{fortran_handle, own_communicator};
pub(crate) use ladder::Ladder;
pub(crate) use messages::matched_probe_wanted;
pub(crate) use share::{Nodes, Region};
pub(crate) use world::{MpiWorld, abort, close_on_exec, library};
