//! Buffers that an operation owns while the kernel uses them.
//!
//! An operation on io_uring goes on after the future that waits for it was dropped, so it cannot borrow a buffer:
//! it takes the buffer and gives it back with the result ([`BufResult`]).
//!
//! | you have | use |
//! |---|---|
//! | a socket | [`recv`](../../uring_net/struct.TcpStream.html#method.recv) and its [`RecvBuf`]: no buffer while idle |
//! | a `Vec<u8>`, `Box<[u8]>` or [`BytesMut`] | `read`, `read_at` and their like |
//! | a part of one of those | [`IoBuf::slice`] for writing, [`IoBufMut::slice_mut`] for reading |
//! | bytes that are shared or static | [`Bytes`], `&'static [u8]`, `&'static str` |
#![allow(unsafe_code, reason = "unsafe traits whose contract is about addresses, and their implementations")]

mod pool;
mod recv_buf;
mod result;
mod slice;

use std::ops::RangeBounds;
use std::ptr;

use bytes::{Bytes, BytesMut};

pub(crate) use pool::{GROUP, Pool, PoolConfig};
pub use recv_buf::RecvBuf;
pub use result::BufResult;
pub use slice::Slice;

/// A buffer that the kernel can read from while an operation owns it.
///
/// # Safety
///
/// While the buffer is not borrowed mutably, the bytes from [`stable_ptr`](IoBuf::stable_ptr) to
/// [`bytes_init`](IoBuf::bytes_init) must stay valid, initialised and at the same address, also when the buffer
/// itself is moved. An array, or a vector that keeps small contents inside of itself, does not qualify.
pub unsafe trait IoBuf: 'static {
    /// Where the bytes are.
    fn stable_ptr(&self) -> *const u8;

    /// How many bytes are initialised: what a write sends.
    fn bytes_init(&self) -> usize;

    /// The initialised bytes.
    fn init_bytes(&self) -> &[u8] {
        // SAFETY: the contract of this trait.
        unsafe { std::slice::from_raw_parts(self.stable_ptr(), self.bytes_init()) }
    }

    /// The part of the initialised bytes in `range`, as a buffer to write from.
    ///
    /// # Panics
    ///
    /// When the range ends behind [`bytes_init`](IoBuf::bytes_init) or before it begins.
    fn slice(self, range: impl RangeBounds<usize>) -> Slice<Self>
    where
        Self: Sized,
    {
        let end = self.bytes_init();
        Slice::new(self, range, end)
    }
}

/// A buffer that the kernel can write into while an operation owns it.
///
/// # Safety
///
/// As [`IoBuf`], for the bytes from [`stable_mut_ptr`](IoBufMut::stable_mut_ptr) to
/// [`bytes_total`](IoBufMut::bytes_total), which need not be initialised but must be valid for writes. Both
/// pointers must be the same.
pub unsafe trait IoBufMut: IoBuf {
    /// Where the bytes are.
    fn stable_mut_ptr(&mut self) -> *mut u8;

    /// How many bytes a read can fill. For a `Vec<u8>` that is its capacity.
    fn bytes_total(&self) -> usize;

    /// Tells the buffer that it now holds `bytes` bytes.
    ///
    /// # Safety
    ///
    /// The first `bytes` bytes must be initialised, and `bytes` at most [`bytes_total`](IoBufMut::bytes_total).
    unsafe fn set_init(&mut self, bytes: usize);

    /// The part of the buffer in `range`, as a buffer to read into. What lies outside is left alone.
    ///
    /// # Panics
    ///
    /// When the range begins behind [`bytes_init`](IoBuf::bytes_init), ends behind
    /// [`bytes_total`](IoBufMut::bytes_total) or before it begins.
    fn slice_mut(self, range: impl RangeBounds<usize>) -> Slice<Self>
    where
        Self: Sized,
    {
        let end = self.bytes_total();
        Slice::new(self, range, end)
    }
}

/// Copies as much of `bytes` as there is room for behind the first `filled` bytes, and says how much that was.
pub(crate) fn append<B: IoBufMut>(buf: &mut B, filled: usize, bytes: &[u8]) -> usize {
    let count = bytes.len().min(buf.bytes_total() - filled);
    // SAFETY: `filled` is at most `bytes_total`, so the address is inside of the buffer or at its end.
    let to = unsafe { buf.stable_mut_ptr().add(filled) };
    // SAFETY: there is room for `count` bytes at `to`, and a buffer that is owned overlaps no other.
    unsafe { ptr::copy_nonoverlapping(bytes.as_ptr(), to, count) };
    // SAFETY: the first `filled` bytes are initialised, and so are the `count` behind them now.
    unsafe { buf.set_init(filled + count) };
    count
}

// SAFETY: the heap block of a vector stays where it is when the vector is moved.
unsafe impl IoBuf for Vec<u8> {
    fn stable_ptr(&self) -> *const u8 {
        self.as_ptr()
    }

    fn bytes_init(&self) -> usize {
        self.len()
    }
}

// SAFETY: as above; the block has `capacity` bytes.
unsafe impl IoBufMut for Vec<u8> {
    fn stable_mut_ptr(&mut self) -> *mut u8 {
        self.as_mut_ptr()
    }

    fn bytes_total(&self) -> usize {
        self.capacity()
    }

    unsafe fn set_init(&mut self, bytes: usize) {
        // SAFETY: the caller says that so many bytes are initialised, and that they are at most the capacity.
        unsafe { self.set_len(bytes) };
    }
}

// SAFETY: the heap block of a box stays where it is when the box is moved.
unsafe impl IoBuf for Box<[u8]> {
    fn stable_ptr(&self) -> *const u8 {
        self.as_ptr()
    }

    fn bytes_init(&self) -> usize {
        self.len()
    }
}

// SAFETY: as above.
unsafe impl IoBufMut for Box<[u8]> {
    fn stable_mut_ptr(&mut self) -> *mut u8 {
        self.as_mut_ptr()
    }

    fn bytes_total(&self) -> usize {
        self.len()
    }

    /// Nothing to do: a box is always initialised and keeps its length.
    unsafe fn set_init(&mut self, _bytes: usize) {}
}

// SAFETY: static memory does not move.
unsafe impl IoBuf for &'static [u8] {
    fn stable_ptr(&self) -> *const u8 {
        self.as_ptr()
    }

    fn bytes_init(&self) -> usize {
        self.len()
    }
}

// SAFETY: static memory does not move.
unsafe impl IoBuf for &'static str {
    fn stable_ptr(&self) -> *const u8 {
        self.as_ptr()
    }

    fn bytes_init(&self) -> usize {
        self.len()
    }
}

// SAFETY: `Bytes` points to shared or static memory that does not move with the handle and is not written to.
unsafe impl IoBuf for Bytes {
    fn stable_ptr(&self) -> *const u8 {
        self.as_ptr()
    }

    fn bytes_init(&self) -> usize {
        self.len()
    }
}

// SAFETY: the block behind a `BytesMut` does not move with the handle, and no other handle overlaps its range.
unsafe impl IoBuf for BytesMut {
    fn stable_ptr(&self) -> *const u8 {
        self.as_ptr()
    }

    fn bytes_init(&self) -> usize {
        self.len()
    }
}

// SAFETY: as above; the range has `capacity` bytes.
unsafe impl IoBufMut for BytesMut {
    fn stable_mut_ptr(&mut self) -> *mut u8 {
        self.as_mut_ptr()
    }

    fn bytes_total(&self) -> usize {
        self.capacity()
    }

    unsafe fn set_init(&mut self, bytes: usize) {
        // SAFETY: the caller says that so many bytes are initialised, and that they are at most the capacity.
        unsafe { self.set_len(bytes) };
    }
}
