//! The bytes of one run, read as decisions. When they end, every further one is zero. It knows nothing of what is
//! decided.

use std::cell::Cell;

/// A place in the bytes of a run.
pub(crate) struct Input {
    bytes: Box<[u8]>,
    at: Cell<usize>,
}

impl Input {
    pub(crate) fn new(bytes: &[u8]) -> Self {
        Self { bytes: bytes.into(), at: Cell::new(0) }
    }

    /// The next byte, while there is one.
    pub(crate) fn next(&self) -> Option<u8> {
        let byte = self.bytes.get(self.at.get()).copied()?;
        self.at.set(self.at.get() + 1);
        Some(byte)
    }

    /// The next byte, or zero.
    pub(crate) fn byte(&self) -> u8 {
        self.next().unwrap_or(0)
    }

    /// The next two bytes as a number.
    pub(crate) fn word(&self) -> u16 {
        u16::from_le_bytes([self.byte(), self.byte()])
    }

    /// A number below `limit`, which is not zero, from one byte.
    pub(crate) fn below(&self, limit: usize) -> usize {
        usize::from(self.byte()) % limit
    }
}
