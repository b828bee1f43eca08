//! An allocator that aborts when memory is freed that an operation in flight uses.
#![allow(unsafe_code, reason = "an allocator is unsafe to implement")]

use std::alloc::{GlobalAlloc, Layout, System};

use super::notes;

/// An allocator that looks, in debug builds, whether what is freed is still used by an operation in flight, and aborts
/// the process with a text that names the operation if it is. In release builds it only hands on.
///
/// Safe code can't bring that about; an [`IoBuf`](crate::buf::IoBuf) that breaks its contract can.
///
/// ```
/// use uring_runtime::oracle::Allocator;
///
/// #[global_allocator]
/// static ALLOCATOR: Allocator = Allocator::system();
/// # fn main() {}
/// ```
#[derive(Debug, Default)]
pub struct Allocator<A = System>(A);

impl Allocator {
    /// Over the system's allocator.
    #[must_use]
    pub const fn system() -> Self {
        Self(System)
    }
}

impl<A> Allocator<A> {
    /// Over another allocator.
    #[must_use]
    pub const fn new(inner: A) -> Self {
        Self(inner)
    }
}

// SAFETY: every call is handed on as it is; looking touches no memory of the caller's.
unsafe impl<A: GlobalAlloc> GlobalAlloc for Allocator<A> {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's duties are handed on.
        unsafe { self.0.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's duties are handed on.
        unsafe { self.0.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, start: *mut u8, layout: Layout) {
        notes::freed(start.addr(), layout.size());
        // SAFETY: the caller's duties are handed on.
        unsafe { self.0.dealloc(start, layout) }
    }

    unsafe fn realloc(&self, start: *mut u8, layout: Layout, bytes: usize) -> *mut u8 {
        // Whether it moves or not: the block is not the old one any more.
        notes::freed(start.addr(), layout.size());
        // SAFETY: the caller's duties are handed on.
        unsafe { self.0.realloc(start, layout, bytes) }
    }
}
