//! Buffers that tell when they are dropped, that panic then, or that claim a length nobody has.
#![allow(unsafe_code, reason = "implements the unsafe buffer traits")]

use std::cell::Cell;
use std::ptr;
use std::rc::Rc;

use uring_runtime::buf::{IoBuf, IoBufMut};

/// A buffer whose drops are counted.
pub(crate) struct Counted {
    bytes: Vec<u8>,
    drops: Rc<Cell<usize>>,
    on_drop: OnDrop,
}

/// What a [`Counted`] does when it is dropped, besides being counted.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum OnDrop {
    Nothing,
    Panic,
    /// Calls into the runtime.
    AskStats,
}

impl Counted {
    /// An empty buffer with room for `room` bytes.
    pub(crate) fn new(room: usize, drops: &Rc<Cell<usize>>) -> Self {
        Self::from_vec(Vec::with_capacity(room), drops)
    }

    /// A buffer that holds these bytes.
    pub(crate) fn of(bytes: &[u8], drops: &Rc<Cell<usize>>) -> Self {
        Self::from_vec(bytes.to_vec(), drops)
    }

    fn from_vec(bytes: Vec<u8>, drops: &Rc<Cell<usize>>) -> Self {
        Self { bytes, drops: Rc::clone(drops), on_drop: OnDrop::Nothing }
    }

    pub(crate) fn on_drop(mut self, on_drop: OnDrop) -> Self {
        self.on_drop = on_drop;
        self
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        if self.on_drop == OnDrop::AskStats {
            let _ = uring_runtime::stats();
        }
        self.drops.set(self.drops.get() + 1);
        assert!(self.on_drop != OnDrop::Panic, "a buffer panics in its drop, as the test wants");
    }
}

// SAFETY: the bytes are those of a vector, whose heap block does not move with it.
unsafe impl IoBuf for Counted {
    fn stable_ptr(&self) -> *const u8 {
        self.bytes.as_ptr()
    }

    fn bytes_init(&self) -> usize {
        self.bytes.len()
    }
}

// SAFETY: as above; the block has `capacity` bytes.
unsafe impl IoBufMut for Counted {
    fn stable_mut_ptr(&mut self) -> *mut u8 {
        self.bytes.as_mut_ptr()
    }

    fn bytes_total(&self) -> usize {
        self.bytes.capacity()
    }

    unsafe fn set_init(&mut self, bytes: usize) {
        // SAFETY: the caller says that so many bytes are initialised.
        unsafe { self.bytes.set_len(bytes) };
    }
}

/// A buffer of a length that no machine has at hand: address space alone, of which no byte is touched.
pub(crate) struct Huge {
    start: *mut u8,
    bytes: usize,
    /// What the runtime has told of.
    pub(crate) init: usize,
}

impl Huge {
    pub(crate) fn new(bytes: usize) -> Self {
        // SAFETY: no address is asked for, the length is not zero, and an anonymous mapping takes no descriptor.
        let start = unsafe {
            libc::mmap(
                ptr::null_mut(),
                bytes,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE,
                -1,
                0,
            )
        };
        assert!(start != libc::MAP_FAILED, "address space is free");
        Self { start: start.cast(), bytes, init: 0 }
    }

    pub(crate) fn address(&self) -> u64 {
        self.start.addr() as u64
    }
}

impl Drop for Huge {
    fn drop(&mut self) {
        // SAFETY: the mapping was made by `new` with this length, and nobody else knows of it.
        unsafe { libc::munmap(self.start.cast(), self.bytes) };
    }
}

// SAFETY: the mapping stays where it is, and anonymous memory is zero from the start.
unsafe impl IoBuf for Huge {
    fn stable_ptr(&self) -> *const u8 {
        self.start
    }

    fn bytes_init(&self) -> usize {
        self.bytes
    }
}

// SAFETY: as above.
unsafe impl IoBufMut for Huge {
    fn stable_mut_ptr(&mut self) -> *mut u8 {
        self.start
    }

    fn bytes_total(&self) -> usize {
        self.bytes
    }

    unsafe fn set_init(&mut self, bytes: usize) {
        self.init = bytes;
    }
}
