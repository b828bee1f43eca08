//! A part of a buffer, as a buffer.
#![allow(unsafe_code, reason = "implements the unsafe buffer traits for a part of a buffer")]

use std::ops::{Bound, Deref, RangeBounds};

use super::{IoBuf, IoBufMut};

/// A part of an owned buffer, from [`IoBuf::slice`] or [`IoBufMut::slice_mut`].
#[derive(Debug)]
pub struct Slice<B> {
    buf: B,
    begin: usize,
    end: usize,
}

impl<B: IoBuf> Slice<B> {
    pub(super) fn new(buf: B, range: impl RangeBounds<usize>, limit: usize) -> Self {
        let begin = match range.start_bound() {
            Bound::Included(&begin) => begin,
            Bound::Excluded(&before) => before.saturating_add(1),
            Bound::Unbounded => 0,
        };
        let end = match range.end_bound() {
            Bound::Included(&last) => last.saturating_add(1),
            Bound::Excluded(&end) => end,
            Bound::Unbounded => limit,
        };
        assert!(begin <= end, "a slice that begins at {begin} cannot end at {end}");
        assert!(end <= limit, "a slice that ends at {end} is out of a buffer of {limit} bytes");
        let init = buf.bytes_init();
        assert!(begin <= init, "a slice cannot begin at {begin}: only {init} bytes are initialised");
        Self { buf, begin, end }
    }

    /// Where the slice begins in its buffer, in bytes.
    #[must_use]
    pub fn begin(&self) -> usize {
        self.begin
    }

    /// Where the slice ends in its buffer, in bytes.
    #[must_use]
    pub fn end(&self) -> usize {
        self.end
    }

    /// The whole buffer.
    #[must_use]
    pub fn into_inner(self) -> B {
        self.buf
    }

    /// The whole buffer, borrowed.
    #[must_use]
    pub fn get_ref(&self) -> &B {
        &self.buf
    }
}

impl<B: IoBuf> Deref for Slice<B> {
    type Target = [u8];

    /// The initialised bytes of the slice.
    fn deref(&self) -> &[u8] {
        self.init_bytes()
    }
}

// SAFETY: the bytes are those of the inner buffer from `begin`, which is at most its initialised length, and
// `bytes_init` never reaches behind that length. The buffer cannot change while it is inside of the slice.
unsafe impl<B: IoBuf> IoBuf for Slice<B> {
    fn stable_ptr(&self) -> *const u8 {
        // SAFETY: `begin` is at most `bytes_init` of the inner buffer (checked by `new`).
        unsafe { self.buf.stable_ptr().add(self.begin) }
    }

    fn bytes_init(&self) -> usize {
        self.buf.bytes_init().min(self.end).saturating_sub(self.begin)
    }
}

// SAFETY: as above; `end` was at most `bytes_total` of the inner buffer when the slice was made, and a buffer's total
// does not change by reading into it. A slice made by `slice` ends at most at `bytes_init`.
unsafe impl<B: IoBufMut> IoBufMut for Slice<B> {
    fn stable_mut_ptr(&mut self) -> *mut u8 {
        // SAFETY: `begin` is inside of the inner buffer.
        unsafe { self.buf.stable_mut_ptr().add(self.begin) }
    }

    fn bytes_total(&self) -> usize {
        self.end - self.begin
    }

    unsafe fn set_init(&mut self, bytes: usize) {
        let end = self.begin + bytes;
        if end > self.buf.bytes_init() {
            // SAFETY: the inner buffer is initialised up to `begin`, and the caller initialised `bytes` from there.
            unsafe { self.buf.set_init(end) };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reading_into_a_slice_leaves_the_rest_alone() {
        let mut slice = vec![7u8; 10].slice_mut(2..5);
        assert_eq!((slice.bytes_init(), slice.bytes_total()), (3, 3));
        // SAFETY: all ten bytes are initialised.
        unsafe { slice.set_init(1) };
        // The break is setting the length unconditionally, which truncates the vector to 3.
        assert_eq!(slice.into_inner().len(), 10);
    }

    #[test]
    fn reading_behind_the_end_grows_the_buffer() {
        let mut buf = Vec::with_capacity(8);
        buf.extend_from_slice(b"ab");
        let mut slice = buf.slice_mut(2..8);
        assert_eq!(super::super::append(&mut slice, 0, b"cdefghij"), 6);
        assert_eq!(slice.into_inner(), b"abcdefgh");
    }

    #[test]
    #[should_panic(expected = "only 2 bytes are initialised")]
    fn a_slice_begins_inside_of_what_is_initialised() {
        let mut buf = Vec::with_capacity(8);
        buf.extend_from_slice(b"ab");
        drop(buf.slice_mut(3..8));
    }
}
