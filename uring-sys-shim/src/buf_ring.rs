//! The provided-buffer ring: user space offers buffers, the kernel takes one for each receive.
//!
//! It owns the shared entries, not the buffers: those belong to the pool above. `io_uring_register(2)`,
//! `IORING_REGISTER_PBUF_RING`, Linux 5.19.
#![allow(unsafe_code, reason = "entries in memory shared with the kernel")]

use std::io;
use std::mem::{offset_of, size_of};
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicU16, Ordering};

use crate::fork::ForkMark;

/// `struct io_uring_buf` without its last two bytes: those of the first entry are the ring's tail, which only
/// `publish` may store. Packed, so that a write leaves them alone.
#[repr(C, packed)]
#[derive(Clone, Copy)]
pub(crate) struct Entry {
    pub(crate) addr: u64,
    pub(crate) len: u32,
    pub(crate) id: u16,
}

/// The bytes from one entry to the next, and where the tail lies in the first.
pub(crate) const STRIDE: usize = 16;
pub(crate) const TAIL: usize = 14;

const _: () =
    assert!(size_of::<Entry>() == TAIL && offset_of!(Entry, len) == 8 && offset_of!(Entry, id) == 12);

/// The largest ring that the kernel takes.
const ENTRIES_MAX: u16 = 1 << 15;

/// The entries that user space and the kernel share for one group of provided buffers.
#[derive(Debug)]
pub struct BufRing {
    base: NonNull<u8>,
    entries: u16,
    group: u16,
    /// The next free place, not yet shown to the kernel.
    tail: u16,
    /// Tells a forked child, in which the entries are not mapped.
    mark: ForkMark,
    /// Which buffer was put at each place. The kernel takes buffers in this order, not in that of their
    /// identifiers, and may rewrite the entries: who walks several buffers of one completion needs the copy.
    order: Box<[u16]>,
}

impl BufRing {
    /// Maps the memory of a ring with room for `entries` buffers, rounded up to a power of two and at most 32,768.
    ///
    /// # Errors
    ///
    /// The errno of `mmap(2)`, `ENOMEM` when there is no memory.
    pub fn new(group: u16, entries: u16) -> io::Result<Self> {
        let entries = entries.clamp(1, ENTRIES_MAX).next_power_of_two();
        let bytes = usize::from(entries) * STRIDE;
        // SAFETY: no address is asked for, the length is not zero, and an anonymous mapping takes no descriptor.
        let base = unsafe {
            libc::mmap(
                ptr::null_mut(),
                bytes,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
                -1,
                0,
            )
        };
        if base == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let base = NonNull::new(base.cast()).ok_or(io::ErrorKind::OutOfMemory)?;
        let mark = ForkMark::new()?;
        let ring = Self { base, entries, group, tail: 0, mark, order: vec![0; usize::from(entries)].into() };
        // SAFETY: the range is the mapping made above, which `ring` owns.
        let kept = unsafe { libc::madvise(base.as_ptr().cast(), bytes, libc::MADV_DONTFORK) };
        if kept == 0 { Ok(ring) } else { Err(io::Error::last_os_error()) }
    }

    /// Whether this process is a fork of the one that made the ring. A forked child must put and publish nothing: the
    /// entries are not mapped there.
    #[inline]
    #[must_use]
    pub fn forked(&self) -> bool {
        self.mark.is_child()
    }

    /// The group that operations name in [`Sqe::buf_index`](crate::Sqe::buf_index).
    #[must_use]
    pub fn group(&self) -> u16 {
        self.group
    }

    /// How many buffers there is room for.
    #[must_use]
    pub fn entries(&self) -> u16 {
        self.entries
    }

    /// Where the entries are, for the registration.
    #[must_use]
    pub fn address(&self) -> u64 {
        self.base.as_ptr().expose_provenance() as u64
    }

    /// Puts a buffer at the end, to be shown to the kernel by [`publish`](BufRing::publish).
    ///
    /// # Safety
    ///
    /// `addr` must be valid for writes of `len` bytes, and nobody else may touch it, until the kernel has given
    /// the buffer `id` back in a completion or the group is unregistered with nothing in flight. At most
    /// [`entries`](BufRing::entries) buffers may be with the kernel.
    pub unsafe fn put(&mut self, addr: *mut u8, len: u32, id: u16) {
        let place = usize::from(self.tail & (self.entries - 1));
        // SAFETY: `place` is below `entries`, so the entry is inside of the mapping.
        let entry = unsafe { self.base.add(place * STRIDE) };
        let filled = Entry { addr: addr.expose_provenance() as u64, len, id };
        // SAFETY: the entry is mapped, and the kernel does not read it before the tail has passed it.
        unsafe { entry.cast::<Entry>().write_unaligned(filled) };
        self.order[place] = id;
        self.tail = self.tail.wrapping_add(1);
    }

    /// Shows the kernel everything that was put so far.
    pub fn publish(&self) {
        // SAFETY: the tail lies inside of the first entry, which is mapped.
        let tail = unsafe { self.base.add(TAIL) };
        // SAFETY: the place is mapped while `self` lives, even, and only ever accessed atomically.
        let tail = unsafe { AtomicU16::from_ptr(tail.as_ptr().cast()) };
        // Release: the entries must be visible before the tail that covers them. With Relaxed the kernel could
        // read an entry that is not written yet.
        tail.store(self.tail, Ordering::Release);
    }

    /// The buffer that was put `steps` places after the oldest buffer `from` positions before the tail: the order
    /// in which the kernel takes buffers.
    #[must_use]
    pub fn order(&self, from: u16, steps: u16) -> u16 {
        let place = self.tail.wrapping_sub(from).wrapping_add(steps) & (self.entries - 1);
        self.order[usize::from(place)]
    }
}

impl Drop for BufRing {
    fn drop(&mut self) {
        if self.forked() {
            // Nothing is mapped there, or something else by now.
            return;
        }
        let bytes = usize::from(self.entries) * STRIDE;
        // SAFETY: the mapping was made by `new` with this length, and whoever registered it has unregistered it
        // or leaks this value.
        unsafe { libc::munmap(self.base.as_ptr().cast(), bytes) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_are_taken_in_the_order_they_were_put_and_the_tail_is_apart_from_entry_zero() {
        let mut ring = BufRing::new(3, 4).expect("a page can be mapped");
        let mut memory = [0u8; 16];
        for id in [2u16, 0, 3, 1] {
            // SAFETY: no kernel reads this ring, and `memory` outlives it.
            unsafe { ring.put(memory.as_mut_ptr(), 4, id) };
        }
        ring.publish();
        assert_eq!([0, 1, 2, 3].map(|step| ring.order(4, step)), [2, 0, 3, 1]);
        // Going round overwrites entry 0 and must leave the published tail alone: the break is writing the whole
        // entry with `resv: 0`.
        // SAFETY: as above.
        unsafe { ring.put(memory.as_mut_ptr(), 4, 9) };
        // SAFETY: the tail lies inside of the first entry.
        let tail = unsafe { ring.base.add(TAIL) };
        // SAFETY: as above, and even.
        let tail = unsafe { tail.cast::<u16>().read() };
        assert_eq!(tail, 4);
        assert_eq!(ring.order(1, 0), 9);
    }
}
