//! Workers that rank 0 starts itself, by `MPI_Comm_spawn`, where the launcher started one process only.
#![expect(unsafe_code, reason = "the MPI library is a C library")]

use super::world::{MpiWorld, check};
use crate::pool::error::TransportError;
use crate::pool::launch::SPAWNED_BY_US;
use ::mpi::ffi;
use std::ffi::{CStr, CString, OsStr, c_char, c_int};
use std::mem::MaybeUninit;
use std::os::unix::ffi::OsStrExt;

fn text(text: &OsStr) -> Result<CString, TransportError> {
    CString::new(text.as_bytes()).map_err(|_| TransportError {
        call: "MPI_Comm_spawn",
        peer: None,
        message: "a word of the command line has a zero byte in it".into(),
        by_death: false,
    })
}

fn own_program() -> Result<CString, TransportError> {
    let program = std::env::current_exe().map_err(|error| TransportError {
        call: "MPI_Comm_spawn",
        peer: None,
        message: format!("the path of this program is not known: {error}"),
        by_death: false,
    })?;
    text(program.as_os_str())
}

impl MpiWorld {
    /// Initialises MPI, starts `workers` processes with the command line of this one, and makes one world of all: this
    /// process is its rank 0.
    pub(crate) fn spawn(workers: u32) -> Result<Self, TransportError> {
        let thread_level = Self::start()?;
        let program = own_program()?;
        let words = std::env::args_os().skip(1).map(|word| text(&word)).collect::<Result<Vec<_>, _>>()?;
        let mut arguments: Vec<*mut c_char> = words.iter().map(|word| word.as_ptr().cast_mut()).collect();
        arguments.push(std::ptr::null_mut());
        let folder = std::env::current_dir().ok().and_then(|folder| text(folder.as_os_str()).ok());
        let mark = text(OsStr::new(&format!("{SPAWNED_BY_US}=1")))?;
        let mut codes = vec![0 as c_int; workers as usize];
        let mut bridge = MaybeUninit::uninit();
        // SAFETY: all strings and arrays live until the call returns; out-pointers are to live locals, read after success.
        unsafe {
            let mut info = MaybeUninit::uninit();
            check("MPI_Info_create", None, ffi::MPI_Info_create(info.as_mut_ptr()))?;
            let mut info = info.assume_init();
            let set = |key: &CStr, value: &CString| {
                check("MPI_Info_set", None, ffi::MPI_Info_set(info, key.as_ptr(), value.as_ptr()))
            };
            // Known to Open MPI; others pass over keys that they don't know.
            set(c"env", &mark)?;
            if let Some(folder) = &folder {
                set(c"wdir", folder)?;
            }
            let code = ffi::MPI_Comm_spawn(
                program.as_ptr(),
                arguments.as_mut_ptr(),
                workers as c_int,
                info,
                0,
                ffi::RSMPI_COMM_WORLD,
                bridge.as_mut_ptr(),
                codes.as_mut_ptr(),
            );
            check("MPI_Comm_spawn", None, code)?;
            check("MPI_Info_free", None, ffi::MPI_Info_free(&raw mut info))?;
            if let Some(failed) = codes.iter().find(|code| **code != ffi::MPI_SUCCESS as c_int) {
                check("MPI_Comm_spawn", None, *failed)?;
            }
            Self::merge(bridge.assume_init(), false, thread_level)
        }
    }

    /// Initialises MPI and joins the world of the process that has started this one.
    pub(crate) fn join() -> Result<Self, TransportError> {
        let thread_level = Self::start()?;
        let mut parent = MaybeUninit::uninit();
        // SAFETY: an out-pointer to a live local, read after success.
        unsafe {
            check("MPI_Comm_get_parent", None, ffi::MPI_Comm_get_parent(parent.as_mut_ptr()))?;
            let parent = parent.assume_init();
            if parent == ffi::RSMPI_COMM_NULL {
                return Err(TransportError {
                    call: "MPI_Comm_get_parent",
                    peer: None,
                    message: format!("{SPAWNED_BY_US} is set, but nobody has spawned this process: unset it"),
                    by_death: false,
                });
            }
            Self::merge(parent, true, thread_level)
        }
    }

    /// One world of both sides of an inter-communicator.
    fn merge(bridge: ffi::MPI_Comm, is_child: bool, thread_level: c_int) -> Result<Self, TransportError> {
        let mut comm = MaybeUninit::uninit();
        // SAFETY: both sides call it; the out-pointer is to a live local, read after success.
        unsafe {
            let code = ffi::MPI_Intercomm_merge(bridge, c_int::from(is_child), comm.as_mut_ptr());
            check("MPI_Intercomm_merge", None, code)?;
            Self::of(comm.assume_init(), Some(bridge), thread_level)
        }
    }
}
