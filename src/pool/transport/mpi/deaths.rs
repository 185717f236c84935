//! What the library says of dead ranks: ULFM (user-level failure mitigation), in Open MPI 5 under
//! `mpiexec --with-ft ulfm`.
//!
//! A receive or a probe from anyone fails once a rank has died, on every rank, until that rank has acknowledged the
//! death; then it is told whose it was, and goes on. The functions for that are an extension: rsmpi does not know them and
//! not every library has them, so they are looked up when the program runs. Where they are missing, or the launcher has not
//! switched them on, nothing of this is ever called.
#![expect(unsafe_code, reason = "the MPI library is a C library")]

use super::world::{MpiWorld, check};
use crate::pool::error::TransportError;
use crate::pool::launch::Launch;
use ::mpi::ffi;
use std::cell::RefCell;
use std::ffi::{CString, c_char, c_int};
use std::mem::MaybeUninit;

/// The classes `MPI_ERR_PROC_FAILED` and `MPI_ERR_PROC_FAILED_PENDING` of Open MPI, the only library that comes to tell
/// them here. The headers of others do not have these names.
const CLASSES: [c_int; 2] = [75, 76];

/// So often in a row an error may say that somebody has died without there being anyone; then it is an error.
const IN_VAIN: u32 = 1000;

type Acknowledge = unsafe extern "C" fn(ffi::MPI_Comm) -> c_int;
type Acknowledged = unsafe extern "C" fn(ffi::MPI_Comm, *mut ffi::MPI_Group) -> c_int;
type CreateFromGroup = unsafe extern "C" fn(
    ffi::MPI_Group,
    *const c_char,
    ffi::MPI_Info,
    ffi::MPI_Errhandler,
    *mut ffi::MPI_Comm,
) -> c_int;

/// The functions of the library, and who is known to be dead.
pub(super) struct Deaths {
    acknowledge: Acknowledge,
    acknowledged: Acknowledged,
    create_from_group: CreateFromGroup,
    book: RefCell<Book>,
}

#[derive(Default)]
struct Book {
    known: Vec<u32>,
    in_vain: u32,
}

/// Whether an error of this code is about the death of a rank.
#[cold]
pub(super) fn is_death(code: c_int) -> bool {
    let mut class = 0;
    // SAFETY: may be called with any code that the library has returned.
    let told = unsafe { ffi::MPI_Error_class(code, &raw mut class) };
    told == ffi::MPI_SUCCESS as c_int && CLASSES.contains(&class)
}

impl Deaths {
    /// Those of the library that this process runs with, if it has them and the launcher has switched them on.
    pub(super) fn of_library() -> Option<Self> {
        if !Launch::of_process().tells_deaths() {
            return None;
        }
        let program = libloading::os::unix::Library::this();
        // SAFETY: the types are those of the standard's proposal, which all libraries with these names follow. MPI stays
        // loaded as long as the process lives.
        unsafe {
            Some(Self {
                acknowledge: *program.get::<Acknowledge>(b"MPIX_Comm_failure_ack\0").ok()?,
                acknowledged: *program.get::<Acknowledged>(b"MPIX_Comm_failure_get_acked\0").ok()?,
                create_from_group: *program.get::<CreateFromGroup>(b"MPI_Comm_create_from_group\0").ok()?,
                book: RefCell::default(),
            })
        }
    }
}

impl Deaths {
    /// Makes the communicator of a group, which all members call. Nobody outside of it has to live for that: with ULFM,
    /// what is made from another communicator fails for ever when somebody of that one has died.
    ///
    /// # Safety
    /// The group is a live one, and the pointer is to a place for a communicator.
    pub(super) unsafe fn create(
        &self,
        group: ffi::MPI_Group,
        members: &[u32],
        comm: *mut ffi::MPI_Comm,
    ) -> Result<(), TransportError> {
        let tag = CString::new(format!("adaptive-mpi {members:?}")).unwrap_or_default();
        // SAFETY: by the caller's promise; constants of the library, and a text that outlives the call.
        let code = unsafe {
            let (nothing, returning) = (ffi::RSMPI_INFO_NULL, ffi::RSMPI_ERRORS_RETURN);
            (self.create_from_group)(group, tag.as_ptr(), nothing, returning, comm)
        };
        check("MPI_Comm_create_from_group", None, code)
    }
}

impl MpiWorld {
    /// Whether the library can say who is dead.
    pub(crate) fn can_tell_deaths(&self) -> bool {
        self.deaths.is_some()
    }

    /// After an error that is about deaths: acknowledges them, so that messages from the others come again. Returns which
    /// ranks are newly dead.
    #[cold]
    pub(super) fn acknowledge_deaths(&self, error: TransportError) -> Result<Vec<u32>, TransportError> {
        let Some(deaths) = &self.deaths else { return Err(error) };
        // SAFETY: local calls of the library on a live communicator.
        let group = unsafe {
            check("MPIX_Comm_failure_ack", None, (deaths.acknowledge)(self.comm))?;
            let mut group = MaybeUninit::uninit();
            let code = (deaths.acknowledged)(self.comm, group.as_mut_ptr());
            check("MPIX_Comm_failure_get_acked", None, code)?;
            group.assume_init()
        };
        let dead = self.ranks_of(group)?;
        let mut book = deaths.book.borrow_mut();
        let new: Vec<u32> = dead.into_iter().filter(|rank| !book.known.contains(rank)).collect();
        book.known.extend(&new);
        book.in_vain = if new.is_empty() { book.in_vain + 1 } else { 0 };
        if book.in_vain > IN_VAIN { Err(error) } else { Ok(new) }
    }

    /// The ranks of a group of ours, which is freed.
    fn ranks_of(&self, mut group: ffi::MPI_Group) -> Result<Vec<u32>, TransportError> {
        let (mut size, mut all) = (0, MaybeUninit::uninit());
        // SAFETY: local calls on live groups, with out-pointers to live locals; both arrays have `size` places.
        unsafe {
            check("MPI_Group_size", None, ffi::MPI_Group_size(group, &raw mut size))?;
            check("MPI_Comm_group", None, ffi::MPI_Comm_group(self.comm, all.as_mut_ptr()))?;
            let mut all: ffi::MPI_Group = all.assume_init();
            let places: Vec<c_int> = (0..size).collect();
            let mut ranks = vec![0; places.len()];
            let (from, to) = (places.as_ptr(), ranks.as_mut_ptr());
            let code = ffi::MPI_Group_translate_ranks(group, size, from, all, to);
            check("MPI_Group_translate_ranks", None, code)?;
            check("MPI_Group_free", None, ffi::MPI_Group_free(&raw mut all))?;
            check("MPI_Group_free", None, ffi::MPI_Group_free(&raw mut group))?;
            Ok(ranks.into_iter().filter_map(|rank| u32::try_from(rank).ok()).collect())
        }
    }
}
