//! A global allocator that counts, per thread and without atomics, so that counting cannot slow the arm it counts.
#![allow(unsafe_code, reason = "implements GlobalAlloc, which is an unsafe trait")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

thread_local! {
    // Constant initialisers and no destructors: reading them can neither allocate nor fail late in a thread's life.
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
    static LIVE_BYTES: Cell<i64> = const { Cell::new(0) };
}

/// What the calling thread has allocated so far.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Heap {
    /// Calls that asked for memory, growth of an allocation included.
    pub(crate) allocations: u64,
    /// Bytes asked for less bytes freed; memory freed by another thread counts there.
    pub(crate) live_bytes: i64,
}

impl Heap {
    pub(crate) fn of_this_thread() -> Self {
        Self { allocations: ALLOCATIONS.get(), live_bytes: LIVE_BYTES.get() }
    }
}

/// The system allocator, counted.
pub(crate) struct Counting;

// SAFETY: every method hands its arguments unchanged to `System`, which upholds the contract of `GlobalAlloc`, and
// returns what it returned; the counters are plain thread-local cells that neither allocate nor unwind.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size(), 0);
        // SAFETY: the caller of this method promises what `System::alloc` asks: a layout of non-zero size.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(layout.size(), 0);
        // SAFETY: the caller of this method promises what `System::alloc_zeroed` asks: a layout of non-zero size.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        count(new_size, layout.size());
        // SAFETY: the caller promises a block of this allocator (so of `System`) with this layout, and a new size
        // that is not zero and does not overflow.
        unsafe { System.realloc(pointer, layout, new_size) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        LIVE_BYTES.set(LIVE_BYTES.get() - layout.size() as i64);
        // SAFETY: the caller promises a block of this allocator (so of `System`) with this layout.
        unsafe { System.dealloc(pointer, layout) }
    }
}

fn count(asked: usize, released: usize) {
    ALLOCATIONS.set(ALLOCATIONS.get() + 1);
    LIVE_BYTES.set(LIVE_BYTES.get() + asked as i64 - released as i64);
}

#[cfg(test)]
mod tests {
    use super::Heap;

    #[test]
    fn a_box_is_one_allocation_and_leaves_nothing() {
        let before = Heap::of_this_thread();
        drop(std::hint::black_box(Box::new([0u8; 100])));
        let after = Heap::of_this_thread();
        assert_eq!(after.allocations - before.allocations, 1);
        assert_eq!(after.live_bytes, before.live_bytes);
    }
}
