//! The allocator that keeps what is freed.
//!
//! Large blocks that are freed while it keeps are filled with a pattern and put into a table instead of being given
//! back. At the end the pattern is looked at, and the blocks are given back. It must not allocate itself.
#![allow(unsafe_code, reason = "an allocator, and a write into freed memory to try it")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicUsize, Ordering};

use nix::libc;

/// Smaller blocks are given back at once. The smallest that the kernel writes to is what `statx` fills, 256 bytes.
const BYTES_MIN: usize = 256;
/// Blocks that can be kept at once, and their bytes.
const BLOCKS_MAX: usize = 1 << 17;
const BYTES_MAX: usize = 4 << 30;
/// What freed memory is filled with. No file and no peer of the tests sends such a byte.
pub(crate) const PATTERN: u8 = 0xa5;

struct Kept {
    start: AtomicPtr<u8>,
    bytes: AtomicUsize,
    align: AtomicUsize,
}

impl Kept {
    const fn new() -> Self {
        Self {
            start: AtomicPtr::new(std::ptr::null_mut()),
            bytes: AtomicUsize::new(0),
            align: AtomicUsize::new(1),
        }
    }
}

/// The allocator.
pub(crate) struct Keeper {
    keeps: AtomicBool,
    blocks: AtomicUsize,
    bytes: AtomicUsize,
    missed: AtomicUsize,
    table: [Kept; BLOCKS_MAX],
}

/// What the quarantine held, and how much of it was written to.
pub(crate) struct Found {
    pub(crate) blocks: usize,
    pub(crate) bytes: usize,
    pub(crate) written: usize,
    /// Blocks that there was no room for.
    pub(crate) missed: usize,
}

impl Keeper {
    pub(crate) const fn new() -> Self {
        Self {
            keeps: AtomicBool::new(false),
            blocks: AtomicUsize::new(0),
            bytes: AtomicUsize::new(0),
            missed: AtomicUsize::new(0),
            table: [const { Kept::new() }; BLOCKS_MAX],
        }
    }

    /// From here on what is freed is kept.
    pub(crate) fn begin(&self) {
        self.keeps.store(true, Ordering::SeqCst);
    }

    /// Looks at everything that was kept, and gives it back.
    pub(crate) fn end(&self) -> Found {
        self.keeps.store(false, Ordering::SeqCst);
        let blocks = self.blocks.swap(0, Ordering::SeqCst).min(BLOCKS_MAX);
        let mut written = 0;
        for kept in &self.table[..blocks] {
            let start = kept.start.swap(std::ptr::null_mut(), Ordering::SeqCst);
            let Some(start) = NonNull::new(start) else { continue };
            let bytes = kept.bytes.load(Ordering::SeqCst);
            // SAFETY: the block has so many bytes, it is filled, and late writes are over by now.
            written += differences(unsafe { std::slice::from_raw_parts(start.as_ptr(), bytes) });
            let layout = Layout::from_size_align(bytes, kept.align.load(Ordering::SeqCst)).unwrap();
            // SAFETY: the block came from the system's allocator with this layout, and its owner has freed it.
            unsafe { System.dealloc(start.as_ptr(), layout) };
        }
        let bytes = self.bytes.swap(0, Ordering::SeqCst);
        Found { blocks, bytes, written, missed: self.missed.swap(0, Ordering::SeqCst) }
    }

    /// Takes a place in the table, if there is one.
    fn place(&self, layout: Layout) -> Option<&Kept> {
        if layout.size() < BYTES_MIN || !self.keeps.load(Ordering::SeqCst) {
            return None;
        }
        let bytes = self.bytes.fetch_add(layout.size(), Ordering::SeqCst) + layout.size();
        let place = self.blocks.fetch_add(1, Ordering::SeqCst);
        if bytes > BYTES_MAX || place >= BLOCKS_MAX {
            self.missed.fetch_add(1, Ordering::SeqCst);
            return None;
        }
        Some(&self.table[place])
    }
}

// SAFETY: blocks come from the system's allocator, and each goes back to it once: at its `dealloc`, or, when it was
// kept, at the end of the quarantine.
unsafe impl GlobalAlloc for Keeper {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's duties are handed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's duties are handed on.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, start: *mut u8, layout: Layout) {
        let Some(place) = self.place(layout) else {
            // SAFETY: the caller's duties are handed on.
            return unsafe { System.dealloc(start, layout) };
        };
        // SAFETY: the block has so many bytes, and its owner has given it up.
        unsafe { start.write_bytes(PATTERN, layout.size()) };
        place.bytes.store(layout.size(), Ordering::SeqCst);
        place.align.store(layout.align(), Ordering::SeqCst);
        place.start.store(start, Ordering::SeqCst);
    }
}

/// How many bytes are not the pattern. Whole pages are compared at once: there are gigabytes of them.
fn differences(block: &[u8]) -> usize {
    static PAGE: [u8; 4096] = [PATTERN; 4096];
    let differ = block.chunks(PAGE.len()).filter(|chunk| **chunk != PAGE[..chunk.len()]);
    differ.map(|chunk| chunk.iter().filter(|byte| **byte != PATTERN).count()).sum()
}

/// Frees a block and lets the kernel write zeros into it: the defect that the quarantine is for.
pub(crate) fn let_the_kernel_write_late(bytes: usize) {
    let zeros = std::fs::File::open("/dev/zero").unwrap();
    let block = vec![1u8; bytes];
    let start = block.as_ptr().cast_mut();
    drop(block);
    let fd = std::os::fd::AsRawFd::as_raw_fd(&zeros);
    // SAFETY: the block is in quarantine: it is allocated as far as the system's allocator knows, and nobody's.
    let done = unsafe { libc::read(fd, start.cast(), bytes) };
    assert_eq!(usize::try_from(done), Ok(bytes));
}

/// Asked by a leak checker, if one is linked in: the tests leak on purpose what the kernel still has.
// SAFETY: no other function of the program has this name, which is the checker's for this purpose.
#[unsafe(no_mangle)]
extern "C" fn __lsan_is_turned_off() -> i32 {
    1
}
