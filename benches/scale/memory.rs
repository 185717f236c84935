//! Whose memory is whose: an allocator that counts what rank 0 holds, apart from the world that is simulated around it.
#![expect(unsafe_code, reason = "an allocator")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};

static OTHERS: AtomicBool = AtomicBool::new(true);
static HELD: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

/// From now on, what is allocated is rank 0's, or not. It stays so until it is freed, whoever frees it.
pub(crate) fn switch(to_rank_0: bool) {
    OTHERS.store(!to_rank_0, Relaxed);
}

/// The most bytes that were rank 0's at any time since the last call.
pub(crate) fn take_peak() -> usize {
    PEAK.swap(HELD.load(Relaxed), Relaxed)
}

fn grow(bytes: usize) {
    PEAK.fetch_max(HELD.fetch_add(bytes, Relaxed) + bytes, Relaxed);
}

/// Keeps in front of each piece of memory whose it is.
pub(crate) struct Counting;

impl Counting {
    const RANK_0: usize = 1;

    /// A piece with room in front, and that room.
    fn with_head(layout: Layout) -> Option<(Layout, usize)> {
        let head = layout.align().max(16);
        Some((Layout::from_size_align(layout.size().checked_add(head)?, head).ok()?, head))
    }

    /// # Safety
    /// `start` is null or the start of a piece with such a head.
    unsafe fn begin(start: *mut u8, head: usize, size: usize) -> *mut u8 {
        if start.is_null() {
            return start;
        }
        let owner = if OTHERS.load(Relaxed) { 0 } else { Self::RANK_0 };
        if owner == Self::RANK_0 {
            grow(size);
        }
        // SAFETY: the head lies within the piece, and is as aligned as it is large.
        unsafe {
            let piece = start.add(head);
            piece.cast::<usize>().sub(1).write(owner);
            piece
        }
    }

    /// # Safety
    /// `piece` comes from [`Self::begin`].
    unsafe fn is_rank_0(piece: *mut u8) -> bool {
        // SAFETY: by the caller's promise.
        unsafe { piece.cast::<usize>().sub(1).read() == Self::RANK_0 }
    }
}

// SAFETY: all is passed on to the system's allocator, larger by a head that keeps the alignment.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let Some((whole, head)) = Self::with_head(layout) else { return std::ptr::null_mut() };
        // SAFETY: the layout is not empty.
        unsafe { Self::begin(System.alloc(whole), head, layout.size()) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        let Some((whole, head)) = Self::with_head(layout) else { return std::ptr::null_mut() };
        // SAFETY: the layout is not empty.
        unsafe { Self::begin(System.alloc_zeroed(whole), head, layout.size()) }
    }

    unsafe fn dealloc(&self, piece: *mut u8, layout: Layout) {
        // SAFETY: `piece` comes from here, with this layout.
        unsafe {
            if Self::is_rank_0(piece) {
                HELD.fetch_sub(layout.size(), Relaxed);
            }
            if let Some((whole, head)) = Self::with_head(layout) {
                System.dealloc(piece.sub(head), whole);
            }
        }
    }

    unsafe fn realloc(&self, piece: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        let new = Layout::from_size_align(size, layout.align()).ok().and_then(Self::with_head);
        let (Some((whole, head)), Some((new, _))) = (Self::with_head(layout), new) else {
            return std::ptr::null_mut();
        };
        // SAFETY: `piece` comes from here, with this layout. Its head moves with it.
        unsafe {
            let is_rank_0 = Self::is_rank_0(piece);
            let start = System.realloc(piece.sub(head), whole, new.size());
            if start.is_null() {
                return start;
            }
            if is_rank_0 {
                HELD.fetch_sub(layout.size(), Relaxed);
                grow(size);
            }
            start.add(head)
        }
    }
}
