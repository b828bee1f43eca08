//! A buffer that notices when it is dropped too often, never, or while the kernel still uses it.
#![allow(unsafe_code, reason = "implements the unsafe buffer traits over a vector, to watch its drop")]

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use uring::buf::{IoBuf, IoBufMut};

/// What a dropped buffer's memory is filled with.
const DEAD: u8 = 0xa5;

/// Counts buffers, and keeps the memory of the dropped ones: whoever writes to it later is seen.
#[derive(Clone, Default)]
pub(crate) struct Ledger(Rc<Counts>);

#[derive(Default)]
struct Counts {
    made: Cell<usize>,
    /// The memory of each buffer that was dropped, in quarantine.
    dropped: RefCell<Vec<Vec<u8>>>,
}

impl Ledger {
    /// An empty buffer to read into.
    pub(crate) fn room(&self, bytes: usize) -> Counted {
        self.holding(Vec::with_capacity(bytes))
    }

    /// A buffer with bytes to write.
    pub(crate) fn holding(&self, bytes: Vec<u8>) -> Counted {
        self.0.made.set(self.0.made.get() + 1);
        Counted { bytes, ledger: self.clone() }
    }

    /// How many buffers were dropped.
    pub(crate) fn dropped(&self) -> usize {
        self.0.dropped.borrow().len()
    }

    /// Fails unless each buffer was dropped once, and none was written to afterwards.
    #[track_caller]
    pub(crate) fn check(&self) {
        assert_eq!(self.dropped(), self.0.made.get(), "buffers dropped, and buffers made");
        for memory in self.0.dropped.borrow().iter() {
            let touched = memory.iter().position(|byte| *byte != DEAD);
            assert_eq!(touched, None, "a buffer was written to after it was dropped");
        }
    }
}

/// A vector of bytes whose drop is counted.
pub(crate) struct Counted {
    pub(crate) bytes: Vec<u8>,
    ledger: Ledger,
}

impl Drop for Counted {
    fn drop(&mut self) {
        let mut memory = std::mem::take(&mut self.bytes);
        memory.clear();
        memory.resize(memory.capacity(), DEAD);
        self.ledger.0.dropped.borrow_mut().push(memory);
    }
}

// SAFETY: the heap block of a vector stays where it is when the vector is moved.
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
        // SAFETY: the caller says that so many bytes are initialised, and that they are at most the capacity.
        unsafe { self.bytes.set_len(bytes) };
    }
}
