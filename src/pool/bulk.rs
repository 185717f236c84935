//! Large vectors of plain numbers. They travel beside their message, straight from the memory they lie in to the memory
//! they are wanted in: encoding and decoding would take several times as long as their transfer.
#![cfg_attr(feature = "mpi", expect(unsafe_code, reason = "a receive fills memory that holds nothing yet"))]

use super::wire::{self, WireError};
use std::any::Any;

/// Vectors of so many bytes are worth a message of their own.
const FROM: usize = 1 << 14;
/// Larger ones are encoded: the counts of MPI are 32 bits wide.
const TO: usize = 1 << 30;

/// Sizes from which the kernel is asked for large pages.
#[cfg(feature = "mpi")]
const HUGE: usize = 1 << 22;

/// Lets the allocator keep some of what was freed. Glibc's hands vectors of 1 MB back to the kernel nearly each time, as soon
/// as a few of them have come and gone, and fetches and clears their pages again for the next: several times as long as it
/// takes to send them. Vectors beyond [`HUGE`] are mapped by themselves, as before.
#[cfg(feature = "mpi")]
pub(super) fn keep_freed_memory() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: settings of the allocator, which may be changed at any time; a failure does no harm.
    unsafe {
        nix::libc::mallopt(nix::libc::M_MMAP_THRESHOLD, HUGE as i32);
        nix::libc::mallopt(nix::libc::M_TRIM_THRESHOLD, 2 * HUGE as i32);
    }
}

macro_rules! bulk {
    ($($code:literal $name:ident $number:ty,)*) => {
        /// A vector of numbers whose type is known at run time only.
        #[derive(Clone, Debug, PartialEq)]
        pub(crate) enum Bulk {
            $($name(Vec<$number>),)*
        }

        impl Bulk {
            /// The vector that a value is, if it is one and worth it; otherwise the value comes back.
            pub(crate) fn take<T: 'static>(value: T) -> Result<Self, T> {
                let mut value = Some(value);
                let any: &mut dyn Any = &mut value;
                $(if let Some(vector) = any.downcast_mut::<Option<Vec<$number>>>() {
                    let size = vector.as_deref().map_or(0, size_of_val);
                    if (FROM..TO).contains(&size) && let Some(vector) = vector.take() {
                        return Ok(Self::$name(vector));
                    }
                })*
                match value {
                    Some(value) => Err(value),
                    None => unreachable!("only what is returned has been taken"),
                }
            }

            /// The same of a value that stays where it is.
            pub(crate) fn of<T: 'static>(value: &T) -> Packed<&T> {
                let any: &dyn Any = value;
                $(if let Some(vector) = any.downcast_ref::<Vec<$number>>()
                    && (FROM..TO).contains(&size_of_val(vector.as_slice()))
                {
                    return Ok(Self::$name(vector.clone()));
                })*
                Err(value)
            }

            /// The vector, if that is what is asked for.
            pub(crate) fn give<T: 'static>(self) -> Option<T> {
                let mut value: Option<T> = None;
                let any: &mut dyn Any = &mut value;
                match self {
                    $(Self::$name(vector) => *any.downcast_mut()? = Some(vector),)*
                }
                value
            }

            /// The vector as part of a message.
            pub(crate) fn encode(&self, out: &mut Vec<u8>) -> Result<(), WireError> {
                match self {
                    $(Self::$name(vector) => wire::encode(vector, out),)*
                }
            }

            /// A code for the type of the numbers.
            #[cfg(feature = "mpi")]
            pub(crate) fn code(&self) -> u32 {
                match self {
                    $(Self::$name(_) => $code,)*
                }
            }

            /// The size in bytes.
            #[cfg(feature = "mpi")]
            pub(crate) fn size(&self) -> usize {
                match self {
                    $(Self::$name(vector) => size_of_val(vector.as_slice()),)*
                }
            }

            /// Where the numbers lie.
            #[cfg(feature = "mpi")]
            pub(crate) fn as_ptr(&self) -> *const u8 {
                match self {
                    $(Self::$name(vector) => vector.as_ptr().cast(),)*
                }
            }
        }

        #[cfg(feature = "mpi")]
        impl Room {
            /// Room for a vector: the code of its numbers, and its size in bytes.
            pub(crate) fn new(code: u32, size: usize) -> Option<Self> {
                let bulk = match code {
                    $($code => Bulk::$name(Vec::with_capacity(size / size_of::<$number>())),)*
                    _ => return None,
                };
                let mut room = Self { bulk, size };
                room.ask_for_large_pages();
                Some(room)
            }

            /// Where the numbers are to be written.
            pub(crate) fn as_mut_ptr(&mut self) -> *mut u8 {
                match &mut self.bulk {
                    $(Bulk::$name(vector) => vector.as_mut_ptr().cast(),)*
                }
            }

            /// The vector.
            ///
            /// # Safety
            /// All of the room has been written.
            pub(crate) unsafe fn filled(mut self) -> Bulk {
                match &mut self.bulk {
                    // SAFETY: the capacity was asked for, and any bytes are numbers of these types.
                    $(Bulk::$name(vector) => unsafe { vector.set_len(self.size / size_of::<$number>()) },)*
                }
                self.bulk
            }
        }

        #[cfg(all(test, feature = "mpi"))]
        mod tests {
            use super::*;

            $(#[test]
            #[allow(non_snake_case, reason = "named after the variant")]
            fn $name() {
                let numbers: Vec<$number> = (0..FROM).map(|i| (i % 100) as $number).collect();
                let bulk = Bulk::take(numbers.clone()).unwrap();
                let mut room = Room::new(bulk.code(), bulk.size()).unwrap();
                // SAFETY: both are as large as the vector.
                let copy = unsafe {
                    std::ptr::copy_nonoverlapping(bulk.as_ptr(), room.as_mut_ptr(), bulk.size());
                    room.filled()
                };
                assert_eq!(copy, bulk);
                assert_eq!(copy.give::<Vec<$number>>(), Some(numbers));
                assert_eq!(bulk.give::<String>(), None);
            })*
        }
    };
}

bulk! {
    1 U8 u8,
    2 I8 i8,
    3 U16 u16,
    4 I16 i16,
    5 U32 u32,
    6 I32 i32,
    7 U64 u64,
    8 I64 i64,
    9 F32 f32,
    10 F64 f64,
    11 Usize usize,
    12 Isize isize,
}

/// A value to be sent: as a vector, or else to be encoded.
pub(crate) type Packed<T> = Result<Bulk, T>;

/// Memory for a vector that is yet to arrive.
#[cfg(feature = "mpi")]
#[derive(Debug)]
pub(crate) struct Room {
    bulk: Bulk,
    size: usize,
}

#[cfg(feature = "mpi")]
impl Room {
    /// The size in bytes.
    pub(crate) fn size(&self) -> usize {
        self.size
    }

    /// Fresh memory is mapped page by page as it is written, which takes longer than the transfer where pages are small.
    fn ask_for_large_pages(&mut self) {
        #[cfg(target_os = "linux")]
        if self.size >= HUGE {
            let (start, page) = (self.as_mut_ptr(), 4096);
            let skip = start.align_offset(page);
            let length = (self.size.saturating_sub(skip)) / page * page;
            // SAFETY: advice about memory of ours, which changes nothing that can be seen; a failure does no harm.
            unsafe {
                nix::libc::madvise(start.wrapping_add(skip).cast(), length, nix::libc::MADV_HUGEPAGE);
            }
        }
    }
}

#[cfg(test)]
mod sizes {
    use super::*;

    #[test]
    fn small_vectors_and_other_values_come_back() {
        assert_eq!(Bulk::take(vec![1.0, 2.0]), Err(vec![1.0, 2.0]));
        assert_eq!(Bulk::take("text".to_owned()), Err("text".to_owned()));
        assert_eq!(Bulk::take((1, vec![0_u8; FROM])), Err((1, vec![0_u8; FROM])));
    }

    #[test]
    #[cfg(feature = "mpi")]
    fn unknown_codes_get_no_room() {
        assert!(Room::new(0, 100).is_none());
    }
}
