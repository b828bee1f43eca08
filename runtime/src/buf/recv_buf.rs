//! Received bytes, in a buffer that the kernel took from the core's pool.
#![allow(unsafe_code, reason = "reads the pool's memory, and implements the unsafe buffer trait")]

use std::fmt;
use std::ops::Deref;
use std::ptr::NonNull;
use std::rc::Rc;

use super::{IoBuf, Pool};

/// Bytes that a socket received.
///
/// It reads as a `[u8]`, and it is itself a buffer to write from, so that an echo sends the very memory that the
/// kernel filled. Dropping it gives the memory back to the core's pool. It cannot leave its thread.
pub struct RecvBuf {
    start: NonNull<u8>,
    home: Home,
    bytes: u32,
    /// The pool's number of the buffer. Beside `home` and not in it, so that the whole is four plain words, which
    /// move without a stall.
    id: u16,
}

enum Home {
    Pool(Rc<Pool>),
    /// The memory is a box that this value owns, from `Box::into_raw`.
    Heap(Box<NonNull<[u8]>>),
    Nowhere,
}

const _: () = assert!(size_of::<RecvBuf>() == 32);

impl RecvBuf {
    /// No bytes: the end of a stream.
    pub(crate) fn empty() -> Self {
        Self { start: NonNull::dangling(), home: Home::Nowhere, bytes: 0, id: 0 }
    }

    /// The first `bytes` bytes of the pool's buffer `id`.
    ///
    /// # Safety
    ///
    /// The kernel must have given the buffer out in a completion, with so many bytes written, and this must be the
    /// only value made for that completion.
    pub(crate) unsafe fn pooled(pool: &Rc<Pool>, id: u16, bytes: u32) -> Self {
        Self { start: pool.address(id), home: Home::Pool(Rc::clone(pool)), bytes, id }
    }

    /// Bytes on the heap, in pieces of at most a gibibyte. No bytes are no piece.
    pub(crate) fn pieces(bytes: &[u8]) -> impl DoubleEndedIterator<Item = Self> {
        bytes.chunks(1 << 30).map(Self::heap)
    }

    /// At most a gibibyte of bytes on the heap, where there is no pool.
    fn heap(bytes: &[u8]) -> Self {
        let memory = NonNull::from(Box::leak(Box::<[u8]>::from(bytes)));
        let home = Home::Heap(Box::new(memory));
        Self { start: memory.cast(), home, bytes: bytes.len() as u32, id: 0 }
    }

    /// Forgets the first `bytes` bytes, which somebody has taken.
    pub(crate) fn advance(&mut self, bytes: usize) {
        assert!(bytes <= self.len(), "invariant: no more is taken than there is");
        // SAFETY: the address stays inside of the bytes or at their end.
        self.start = unsafe { self.start.add(bytes) };
        self.bytes -= bytes as u32;
    }
}

impl Deref for RecvBuf {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        // SAFETY: `start` and `bytes` lie in the pool's buffer, which nobody else uses until it is given back, or
        // in the box that this value owns, or there are no bytes (docs/safety.md, S3).
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.bytes as usize) }
    }
}

// SAFETY: the bytes are in the pool or in a box, do not move with this value and are not written to while it lives.
unsafe impl IoBuf for RecvBuf {
    fn stable_ptr(&self) -> *const u8 {
        self.start.as_ptr()
    }

    fn bytes_init(&self) -> usize {
        self.bytes as usize
    }
}

impl Drop for RecvBuf {
    fn drop(&mut self) {
        match &self.home {
            Home::Pool(pool) => pool.give_back(self.id),
            // SAFETY: the memory came from a box, and this value is its only owner.
            Home::Heap(memory) => drop(unsafe { Box::from_raw(memory.as_ptr()) }),
            Home::Nowhere => {}
        }
    }
}

impl AsRef<[u8]> for RecvBuf {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl fmt::Debug for RecvBuf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let home = match self.home {
            Home::Pool(_) => format!("pool {}", self.id),
            Home::Heap(_) => "heap".to_owned(),
            Home::Nowhere => "nowhere".to_owned(),
        };
        f.debug_struct("RecvBuf").field("bytes", &self.bytes).field("home", &home).finish()
    }
}
