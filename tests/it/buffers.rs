//! Buffers of the tests' own: one for disks, one that is huge and costs no memory, and one that panics when it is
//! dropped.
#![allow(unsafe_code, reason = "implements the unsafe buffer traits, and maps memory")]

use std::num::NonZeroUsize;
use std::ptr::NonNull;

use nix::sys::mman::{MapFlags, ProtFlags, mmap_anonymous, munmap};
use uring::buf::{IoBuf, IoBufMut, Slice};

/// A part of a vector that begins and ends where a disk wants it.
pub(crate) fn aligned(bytes: usize) -> Slice<Vec<u8>> {
    let whole = vec![0; bytes + 4096];
    let start = whole.as_ptr().align_offset(4096);
    whole.slice_mut(start..start + bytes)
}

/// A mapping that takes memory only where it is written to. It begins with zeros, all of them initialised.
pub(crate) struct Mapped {
    memory: NonNull<u8>,
    bytes: usize,
}

impl Mapped {
    pub(crate) fn new(bytes: usize) -> Self {
        let length = NonZeroUsize::new(bytes).unwrap();
        let access = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
        let flags = MapFlags::MAP_PRIVATE | MapFlags::MAP_NORESERVE;
        // SAFETY: no address is asked for: the mapping is new memory.
        let memory = unsafe { mmap_anonymous(None, length, access, flags) }.unwrap();
        Self { memory: memory.cast(), bytes }
    }
}

// SAFETY: the mapping stays where it is until this value is dropped, and the kernel fills it with zeros.
unsafe impl IoBuf for Mapped {
    fn stable_ptr(&self) -> *const u8 {
        self.memory.as_ptr()
    }

    fn bytes_init(&self) -> usize {
        self.bytes
    }
}

// SAFETY: as above; the mapping is writable.
unsafe impl IoBufMut for Mapped {
    fn stable_mut_ptr(&mut self) -> *mut u8 {
        self.memory.as_ptr()
    }

    fn bytes_total(&self) -> usize {
        self.bytes
    }

    unsafe fn set_init(&mut self, _bytes: usize) {}
}

impl Drop for Mapped {
    fn drop(&mut self) {
        // SAFETY: the mapping is this value's own, and nothing borrows from it any more.
        unsafe { munmap(self.memory.cast(), self.bytes) }.unwrap();
    }
}

/// A vector that panics when it is dropped.
pub(crate) struct PanicsWhenDropped(Vec<u8>);

impl PanicsWhenDropped {
    pub(crate) fn new(bytes: usize) -> Self {
        Self(vec![0; bytes])
    }
}

impl Drop for PanicsWhenDropped {
    fn drop(&mut self) {
        panic!("in a buffer's drop");
    }
}

// SAFETY: as for the vector inside.
unsafe impl IoBuf for PanicsWhenDropped {
    fn stable_ptr(&self) -> *const u8 {
        self.0.as_ptr()
    }

    fn bytes_init(&self) -> usize {
        self.0.len()
    }
}

// SAFETY: as for the vector inside, whose length does not change.
unsafe impl IoBufMut for PanicsWhenDropped {
    fn stable_mut_ptr(&mut self) -> *mut u8 {
        self.0.as_mut_ptr()
    }

    fn bytes_total(&self) -> usize {
        self.0.len()
    }

    unsafe fn set_init(&mut self, _bytes: usize) {}
}
