//! A provided-buffer ring: memory from which the kernel takes a buffer when a message has arrived, not before.
#![allow(unsafe_code, reason = "memory that is shared with the kernel")]

use std::alloc::{Layout, alloc_zeroed, handle_alloc_error};
use std::io;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU16, Ordering::Release};

use io_uring::Submitter;
use io_uring::types::BufRingEntry;

use super::Completion;

/// The only group of each ring here.
pub(crate) const GROUP: u16 = 0;

const PAGE_BYTES: usize = 4096;

/// A buffer that the kernel has filled and handed over. It is worth exactly one [`ProvidedBuffers::give_back`].
#[derive(Debug)]
pub(crate) struct Lease {
    id: u16,
    len: u32,
}

impl Lease {
    pub(crate) fn len(&self) -> u32 {
        self.len
    }
}

/// The buffers of one ring. They are never freed: the kernel may hold them until the ring is really gone, which is
/// later than its closing, and both users of this type live as long as their process.
pub(crate) struct ProvidedBuffers {
    entries: NonNull<BufRingEntry>,
    storage: NonNull<u8>,
    buffer_bytes: usize,
    mask: u16,
    tail: u16,
}

impl ProvidedBuffers {
    /// Registers `count` buffers (a power of two) of `buffer_bytes` each as [`GROUP`].
    pub(crate) fn register(submitter: &Submitter<'_>, count: u16, buffer_bytes: usize) -> io::Result<Self> {
        assert!(count.is_power_of_two(), "the kernel indexes the ring with a mask");
        let entries = leak_pages(usize::from(count) * size_of::<BufRingEntry>()).cast();
        // SAFETY: the address is page-aligned, has room for `count` entries and is never freed.
        unsafe { submitter.register_buf_ring_with_flags(entries.as_ptr() as u64, count, GROUP, 0) }?;
        let storage = leak_pages(usize::from(count) * buffer_bytes);
        let mut buffers = Self { entries, storage, buffer_bytes, mask: count - 1, tail: 0 };
        for id in 0..count {
            buffers.put(id);
        }
        buffers.publish();
        Ok(buffers)
    }

    /// The buffer that came with a completion, if one did. Taking it leaves none behind for a second lease.
    pub(crate) fn take(&self, completion: &mut Completion) -> Option<Lease> {
        let id = completion.buffer.take()?;
        let len = u32::try_from(completion.result).unwrap_or(0);
        Some(Lease { id, len })
    }

    /// What the kernel has written.
    pub(crate) fn bytes(&self, lease: &Lease) -> &[u8] {
        let start = self.address(lease.id);
        // SAFETY: the kernel wrote `len` bytes, at most a buffer's, to the start of this buffer, which lies inside
        // `storage`, is initialised, is never freed, and is ours until the lease is given back; the borrow of the
        // lease keeps that from happening meanwhile.
        unsafe { std::slice::from_raw_parts(start, lease.len as usize) }
    }

    /// Where a leased buffer starts, for an entry that sends it.
    pub(crate) fn pointer(&self, lease: &Lease) -> *const u8 {
        self.address(lease.id)
    }

    /// Puts a buffer back; the kernel sees it after [`Self::publish`].
    pub(crate) fn give_back(&mut self, lease: Lease) {
        self.put(lease.id);
    }

    /// Makes all buffers that were put back visible to the kernel, at one store for the whole turn.
    pub(crate) fn publish(&self) {
        // SAFETY: `entries` is the start of the buffer ring.
        let tail = unsafe { BufRingEntry::tail(self.entries.as_ptr()) };
        // SAFETY: the tail is an aligned u16 in never-freed memory, and every access to it, here and in the kernel,
        // is atomic.
        let tail = unsafe { AtomicU16::from_ptr(tail.cast_mut()) };
        // Release: the kernel must not see the tail before the entries below it.
        tail.store(self.tail, Release);
    }

    fn put(&mut self, id: u16) {
        let address = self.address(id) as u64;
        // SAFETY: the masked index is below the count that the ring was allocated for.
        let entry = unsafe { self.entries.add(usize::from(self.tail & self.mask)) };
        // SAFETY: the pointer is valid and aligned, and the kernel does not read an entry beyond the published tail
        // nor write one; the setters leave the tail, which overlays the first entry, alone.
        let entry = unsafe { &mut *entry.as_ptr() };
        entry.set_addr(address);
        entry.set_len(self.buffer_bytes as u32);
        entry.set_bid(id);
        self.tail = self.tail.wrapping_add(1);
    }

    fn address(&self, id: u16) -> *mut u8 {
        let offset = usize::from(id & self.mask) * self.buffer_bytes;
        // SAFETY: a masked id is below the count, so the offset lies inside `storage`.
        unsafe { self.storage.add(offset) }.as_ptr()
    }
}

/// Zeroed pages for the rest of the process.
fn leak_pages(bytes: usize) -> NonNull<u8> {
    let layout = Layout::from_size_align(bytes.next_multiple_of(PAGE_BYTES), PAGE_BYTES)
        .expect("invariant: a few MiB, aligned to a power of two");
    // SAFETY: the layout's size is at least a page, so not zero.
    let pointer = unsafe { alloc_zeroed(layout) };
    NonNull::new(pointer).unwrap_or_else(|| handle_alloc_error(layout))
}
