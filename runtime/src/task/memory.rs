//! Memory for tasks, kept for the next one.
//!
//! Servers spawn tasks of few sizes at a high rate. Blocks of up to a kilobyte that a task has left are kept, up to a
//! limit, in a list of the thread for their size: spawning and ending a task then costs no call of the allocator.
//! In debug builds nothing is kept, so that sanitizers see each task's memory come and go.
#![allow(unsafe_code, reason = "allocates and frees blocks of memory")]

use std::alloc::{self, Layout};
use std::cell::Cell;
use std::ptr::{self, NonNull};

/// Sizes are rounded up to a multiple of this.
const STEP_BYTES: usize = 64;
/// The largest size that is kept.
const KEPT_BYTES_MAX: usize = 1024;
const CLASSES: usize = KEPT_BYTES_MAX / STEP_BYTES;
/// Blocks of one size that are kept at most: 256 KiB of the largest.
const KEPT_BLOCKS_MAX: usize = 256;
/// The alignment of kept blocks.
const ALIGN: usize = 16;

/// The kept blocks of one size: a list through their first words.
struct List {
    first: Cell<*mut u8>,
    blocks: Cell<usize>,
}

struct Cache([List; CLASSES]);

thread_local! {
    static CACHE: Cache = const {
        Cache([const { List { first: Cell::new(ptr::null_mut()), blocks: Cell::new(0) } }; CLASSES])
    };
}

impl List {
    #[inline]
    fn pop(&self) -> Option<NonNull<u8>> {
        let first = NonNull::new(self.first.get())?;
        // SAFETY: a kept block is nobody else's, and its first word was written by `push`.
        self.first.set(unsafe { first.cast::<*mut u8>().read() });
        self.blocks.set(self.blocks.get() - 1);
        Some(first)
    }

    /// Keeps a block, or gives it back when enough are kept.
    ///
    /// # Safety
    ///
    /// The block has the layout of this list's class, and is nobody else's.
    #[inline]
    unsafe fn push(&self, block: NonNull<u8>) -> bool {
        if self.blocks.get() >= KEPT_BLOCKS_MAX {
            return false;
        }
        // SAFETY: the block is nobody else's, and has room and alignment for a pointer.
        unsafe { block.cast::<*mut u8>().write(self.first.get()) };
        self.first.set(block.as_ptr());
        self.blocks.set(self.blocks.get() + 1);
        true
    }
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
    let kept = CACHE.try_with(|cache| cache.0[class].pop()).ok().flatten();
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
    // SAFETY: the block has the layout of its class, and the caller gives it up.
    let kept = CACHE.try_with(|cache| unsafe { cache.0[class].push(block) });
    if !kept.unwrap_or(false) {
        // SAFETY: the block was allocated with the layout of its class.
        unsafe { alloc::dealloc(block.as_ptr(), class_layout(class)) };
    }
}

impl Drop for Cache {
    fn drop(&mut self) {
        for (class, list) in self.0.iter().enumerate() {
            while let Some(block) = list.pop() {
                // SAFETY: a kept block was allocated with the layout of its class, and nobody uses it.
                unsafe { alloc::dealloc(block.as_ptr(), class_layout(class)) };
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kept_blocks_come_back_last_first_and_no_more_are_kept_than_the_limit() {
        let list = List { first: Cell::new(ptr::null_mut()), blocks: Cell::new(0) };
        let blocks: Vec<_> = (0..=KEPT_BLOCKS_MAX).map(|_| fresh(class_layout(0))).collect();
        for (count, block) in blocks.iter().enumerate() {
            // The break: `>` in the look at the limit.
            // SAFETY: the block was allocated with the layout of the class, and nobody else uses it.
            assert_eq!(unsafe { list.push(*block) }, count < KEPT_BLOCKS_MAX);
        }
        for block in blocks[..KEPT_BLOCKS_MAX].iter().rev() {
            assert_eq!(list.pop(), Some(*block));
        }
        assert_eq!(list.pop(), None);
        for block in blocks {
            // SAFETY: it was allocated with this layout, and no list has it any more.
            unsafe { alloc::dealloc(block.as_ptr(), class_layout(0)) };
        }
    }
}
