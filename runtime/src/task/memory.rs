//! Memory for tasks, kept for the next one.
//!
//! Servers spawn tasks of few sizes at a high rate. Blocks of up to a kilobyte that a task has left are kept, up to a
//! limit, in a list of the thread for their size: spawning and ending a task then costs no call of the allocator.
//! In debug builds nothing is kept, so that sanitizers see each task's memory come and go.
#![allow(unsafe_code, reason = "allocates and frees blocks of memory")]

use std::alloc::{self, Layout};
use std::cell::RefCell;
use std::ptr::NonNull;

/// Sizes are rounded up to a multiple of this.
const STEP_BYTES: usize = 64;
/// The largest size that is kept.
const KEPT_BYTES_MAX: usize = 1024;
const CLASSES: usize = KEPT_BYTES_MAX / STEP_BYTES;
/// Blocks of one size that are kept at most: 256 KiB of the largest.
const KEPT_BLOCKS_MAX: usize = 256;
/// The alignment of kept blocks.
const ALIGN: usize = 16;

struct Cache([Vec<NonNull<u8>>; CLASSES]);

thread_local! {
    static CACHE: RefCell<Cache> = const { RefCell::new(Cache([const { Vec::new() }; CLASSES])) };
}

/// The list for this layout, if blocks of its size are kept.
#[inline]
const fn class(layout: Layout) -> Option<usize> {
    if cfg!(debug_assertions)
        || layout.size() > KEPT_BYTES_MAX
        || layout.align() > ALIGN
        || layout.size() == 0
    {
        None
    } else {
        Some((layout.size() - 1) / STEP_BYTES)
    }
}

/// The layout that blocks of a list really have.
const fn class_layout(class: usize) -> Layout {
    match Layout::from_size_align((class + 1) * STEP_BYTES, ALIGN) {
        Ok(layout) => layout,
        Err(_) => panic!("invariant: a size of at most a kilobyte is a layout"),
    }
}

/// A block for this layout, whose size is not zero.
#[inline]
pub(super) fn allocate(layout: Layout) -> NonNull<u8> {
    let Some(class) = class(layout) else { return fresh(layout) };
    let kept = CACHE.try_with(|cache| cache.borrow_mut().0[class].pop()).ok().flatten();
    kept.unwrap_or_else(|| fresh(class_layout(class)))
}

#[cold]
fn fresh(layout: Layout) -> NonNull<u8> {
    assert!(layout.size() > 0, "invariant: a task has a header");
    // SAFETY: the size is not zero.
    let block = unsafe { alloc::alloc(layout) };
    NonNull::new(block).unwrap_or_else(|| alloc::handle_alloc_error(layout))
}

/// Takes a block back.
///
/// # Safety
///
/// The block must come from [`allocate`] with the same layout, and nobody may use it any more.
#[inline]
pub(super) unsafe fn free(block: NonNull<u8>, layout: Layout) {
    let Some(class) = class(layout) else {
        // SAFETY: without a class the block was allocated with this very layout.
        return unsafe { alloc::dealloc(block.as_ptr(), layout) };
    };
    let kept = CACHE.try_with(|cache| {
        let list = &mut cache.borrow_mut().0[class];
        let room = list.len() < KEPT_BLOCKS_MAX;
        if room {
            list.push(block);
        }
        room
    });
    if !kept.unwrap_or(false) {
        // SAFETY: the block was allocated with the layout of its class.
        unsafe { alloc::dealloc(block.as_ptr(), class_layout(class)) };
    }
}

impl Drop for Cache {
    fn drop(&mut self) {
        for (class, list) in self.0.iter_mut().enumerate() {
            for block in list.drain(..) {
                // SAFETY: a kept block was allocated with the layout of its class, and nobody uses it.
                unsafe { alloc::dealloc(block.as_ptr(), class_layout(class)) };
            }
        }
    }
}
