//! Communicators of groups of ranks, made once per set and kept, and messages between their members.
#![expect(unsafe_code, reason = "the MPI library is a C library")]

use super::super::{Link, RawCommunicator};
use super::world::{MpiWorld, check};
use crate::pool::error::TransportError;
use ::mpi::ffi;
use std::cell::RefCell;
use std::collections::HashMap;
use std::ffi::{c_int, c_void};
use std::mem::MaybeUninit;
use std::rc::Rc;

/// Of messages between members. The standard promises tags up to 32767.
const TAG: c_int = 32_000;
/// Of the making of communicators.
const MAKING: c_int = 32_001;
/// Longer messages do not fit into MPI's counts.
const LONGEST: usize = c_int::MAX as usize;

/// The communicators that this rank has with others, by their members.
#[derive(Default)]
pub(super) struct Communicators(HashMap<Vec<u32>, Rc<Communicator>>);

/// One of them.
pub(super) struct Communicator {
    world: Rc<MpiWorld>,
    comm: ffi::MPI_Comm,
    members: Vec<u32>,
    /// Messages under way, with their buffers.
    sends: RefCell<Vec<(ffi::MPI_Request, Vec<u8>)>>,
    /// A large message that is coming in: from whom.
    coming: RefCell<Vec<(u32, ffi::MPI_Request, Vec<u8>)>>,
}

impl Communicators {
    /// The communicator of a group, which all members ask for together. It is made if it is not there, or `anew`.
    pub(super) fn join(
        &mut self,
        world: &Rc<MpiWorld>,
        members: &[u32],
        anew: bool,
    ) -> Result<Rc<Communicator>, TransportError> {
        if anew {
            self.forget(members);
        }
        if let Some(known) = self.0.get(members) {
            return Ok(Rc::clone(known));
        }
        if !anew {
            // The others would not take part in making it.
            let message = format!("the ranks {members:?} are no group yet");
            return Err(TransportError {
                call: "MPI_Comm_create_group",
                peer: None,
                message,
                by_death: false,
            });
        }
        let comm = Rc::new(Communicator {
            world: Rc::clone(world),
            comm: create(world, members)?,
            members: members.to_vec(),
            sends: RefCell::default(),
            coming: RefCell::default(),
        });
        self.0.insert(members.to_vec(), Rc::clone(&comm));
        Ok(comm)
    }

    /// Frees the communicator of a group, if there is one.
    pub(super) fn forget(&mut self, members: &[u32]) {
        let Some(known) = self.0.remove(members) else { return };
        let mut comm = known.comm;
        // SAFETY: a communicator of ours that is not used any more. What is still under way on it is completed by the
        // library, and its buffers are kept for that.
        if let Err(error) = check("MPI_Comm_free", None, unsafe { ffi::MPI_Comm_free(&raw mut comm) }) {
            tracing::debug!(%error, "a communicator could not be freed");
        }
        std::mem::forget((known.sends.take(), known.coming.take()));
    }
}

fn create(world: &MpiWorld, members: &[u32]) -> Result<ffi::MPI_Comm, TransportError> {
    let ranks: Vec<c_int> = members.iter().map(|rank| *rank as c_int).collect();
    let (mut all, mut some) = (MaybeUninit::uninit(), MaybeUninit::uninit());
    let mut comm = MaybeUninit::uninit();
    // SAFETY: out-pointers to live locals, read after success only; the ranks are those of the world, and all of them
    // make these calls.
    unsafe {
        check("MPI_Comm_group", None, ffi::MPI_Comm_group(world.parent_of_groups, all.as_mut_ptr()))?;
        let mut all: ffi::MPI_Group = all.assume_init();
        let included = ffi::MPI_Group_incl(all, ranks.len() as c_int, ranks.as_ptr(), some.as_mut_ptr());
        let included = check("MPI_Group_incl", None, included);
        check("MPI_Group_free", None, ffi::MPI_Group_free(&raw mut all))?;
        included?;
        let mut some: ffi::MPI_Group = some.assume_init();
        let created = match &world.deaths {
            Some(deaths) => deaths.create(some, members, comm.as_mut_ptr()),
            None => {
                let code =
                    ffi::MPI_Comm_create_group(world.parent_of_groups, some, MAKING, comm.as_mut_ptr());
                check("MPI_Comm_create_group", None, code)
            }
        };
        check("MPI_Group_free", None, ffi::MPI_Group_free(&raw mut some))?;
        created?;
        let comm = comm.assume_init();
        let code = ffi::MPI_Comm_set_errhandler(comm, ffi::RSMPI_ERRORS_RETURN);
        check("MPI_Comm_set_errhandler", None, code)?;
        Ok(comm)
    }
}

/// A communicator as Fortran knows it.
pub(crate) fn fortran_handle(comm: RawCommunicator) -> i32 {
    // SAFETY: a conversion of a handle.
    unsafe { ffi::RSMPI_Comm_c2f(comm) as i32 }
}

/// The communicator of this process alone, while MPI is up.
pub(crate) fn own_communicator() -> Option<RawCommunicator> {
    let (mut up, mut down) = (0, 0);
    // SAFETY: allowed at any time; the constant is read while MPI is up.
    unsafe {
        let known = ffi::MPI_Initialized(&raw mut up) == 0 && ffi::MPI_Finalized(&raw mut down) == 0;
        if known && up != 0 && down == 0 { Some(ffi::RSMPI_COMM_SELF) } else { None }
    }
}

impl Communicator {
    /// The place of a rank of the pool.
    fn place(&self, rank: u32) -> Result<c_int, TransportError> {
        let place = self.members.iter().position(|member| *member == rank);
        place.map(|place| place as c_int).ok_or_else(|| TransportError {
            call: "MPI_Isend",
            peer: Some(rank),
            message: "it is no member of this group".into(),
            by_death: false,
        })
    }

    /// Lets go of the messages that have left.
    fn reap(&self) -> Result<(), TransportError> {
        let mut sends = self.sends.borrow_mut();
        let mut at = 0;
        while at < sends.len() {
            if self.world.test("MPI_Isend", 0, &mut sends[at].0)? {
                sends.swap_remove(at);
            } else {
                at += 1;
            }
        }
        Ok(())
    }

    fn post(&self, to: u32, message: Vec<u8>) -> Result<(), TransportError> {
        let place = self.place(to)?;
        if message.len() > LONGEST {
            let message = "a message between members can't be longer than 2 GiB: send it in parts".into();
            return Err(TransportError { call: "MPI_Isend", peer: Some(to), message, by_death: false });
        }
        let mut request = MaybeUninit::uninit();
        // SAFETY: the buffer, which is on the heap and not changed, is kept until the request completes.
        let code = unsafe {
            let (data, length) = (message.as_ptr().cast::<c_void>(), message.len() as c_int);
            ffi::MPI_Isend(data, length, self.world.byte, place, TAG, self.comm, request.as_mut_ptr())
        };
        check("MPI_Isend", Some(to), code)?;
        // SAFETY: set by the successful call.
        self.sends.borrow_mut().push((unsafe { request.assume_init() }, message));
        self.reap()
    }

    fn look(&self, from: u32) -> Result<Option<Vec<u8>>, TransportError> {
        if !self.sends.borrow().is_empty() {
            self.reap()?;
        }
        let mut coming = self.coming.borrow_mut();
        if let Some(at) = coming.iter().position(|(rank, ..)| *rank == from) {
            return match self.world.test("MPI_Irecv", from, &mut coming[at].1) {
                Ok(false) => Ok(None),
                Ok(true) => Ok(Some(coming.swap_remove(at).2)),
                Err(error) => {
                    coming.swap_remove(at);
                    Err(error)
                }
            };
        }
        let place = self.place(from)?;
        let (mut found, mut count) = (0, 0);
        let mut status = MaybeUninit::<ffi::MPI_Status>::uninit();
        // SAFETY: out-pointers to live locals, read if the call has found a message. A receive with its source and tag takes
        // the same message, because no other thread receives.
        unsafe {
            let code = ffi::MPI_Iprobe(place, TAG, self.comm, &raw mut found, status.as_mut_ptr());
            check("MPI_Iprobe", Some(from), code)?;
            if found == 0 {
                return Ok(None);
            }
            let code = ffi::MPI_Get_count(status.as_ptr(), self.world.byte, &raw mut count);
            check("MPI_Get_count", Some(from), code)?;
        }
        let mut message = vec![0_u8; count.max(0) as usize];
        let mut request = MaybeUninit::uninit();
        // SAFETY: the buffer has `count` bytes, and is kept on the heap, untouched, until the request completes.
        let code = unsafe {
            let target = message.as_mut_ptr().cast::<c_void>();
            ffi::MPI_Irecv(target, count, self.world.byte, place, TAG, self.comm, request.as_mut_ptr())
        };
        check("MPI_Irecv", Some(from), code)?;
        // SAFETY: set by the successful call.
        let mut request = unsafe { request.assume_init() };
        if self.world.test("MPI_Irecv", from, &mut request)? {
            return Ok(Some(message));
        }
        coming.push((from, request, message));
        Ok(None)
    }
}

/// Without the death of a member: it is silent from then on, and rank 0 tells the others to give up. So the attempt counts
/// as lost with its worker, and not as a failure of the function.
fn in_silence<T: Default>(result: Result<T, TransportError>) -> Result<T, TransportError> {
    match result {
        Err(error) if error.by_death => Ok(T::default()),
        result => result,
    }
}

impl Link for Rc<Communicator> {
    fn send(&self, to: u32, message: Vec<u8>) -> Result<(), TransportError> {
        in_silence(self.post(to, message))
    }

    fn try_receive(&self, from: u32) -> Result<Option<Vec<u8>>, TransportError> {
        in_silence(self.look(from))
    }

    fn is_done(&self) -> Result<bool, TransportError> {
        self.reap()?;
        Ok(self.sends.borrow().is_empty())
    }

    fn communicator(&self) -> Option<RawCommunicator> {
        Some(self.comm)
    }
}

impl Drop for Communicator {
    fn drop(&mut self) {
        // The library may still read or write these.
        std::mem::forget((self.sends.take(), self.coming.take()));
    }
}
