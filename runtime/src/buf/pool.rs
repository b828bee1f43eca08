//! The core's pool of receive buffers, which the kernel takes from.
//!
//! It owns the memory and the provided-buffer ring. Each buffer is at every moment in exactly one place: with the
//! kernel (in the ring, not yet taken), in a completion that is being delivered, or in a [`RecvBuf`]. It starts
//! small, so that it stays in the cache: the kernel takes buffers in the order they came back. When the kernel
//! finds none, the pool grows up to its limit; at its limit, whoever found none waits in line.
//!
//! [`RecvBuf`]: super::RecvBuf
#![allow(unsafe_code, reason = "memory that is lent to the kernel")]

use std::cell::{Cell, RefCell};
use std::io;
use std::ptr::NonNull;
use std::rc::Rc;

use uring_sys_shim::{BufRing, Register};

use crate::driver::Driver;
use crate::oracle;

/// The one group of provided buffers of a core's ring.
pub(crate) const GROUP: u16 = 0;

/// The size of a pool.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PoolConfig {
    /// Bytes of a buffer.
    pub(crate) buffer_bytes: u32,
    /// Buffers at first.
    pub(crate) buffers_start: u16,
    /// Buffers at most.
    pub(crate) buffers_max: u16,
}

/// Receive buffers, lent to the kernel and to users.
pub(crate) struct Pool {
    config: PoolConfig,
    lent: RefCell<Lent>,
    /// Buffers that the kernel can take.
    free: Cell<u16>,
    /// Whether the ring is still registered: what comes back later is only memory.
    open: Cell<bool>,
}

struct Lent {
    ring: BufRing,
    /// Blocks of memory, each of so many buffers as the block before it brought the total to.
    blocks: Vec<Block>,
    buffers: u16,
}

struct Block {
    first: u16,
    memory: NonNull<[u8]>,
}

impl Pool {
    /// Makes a pool and registers it with the ring of `driver`.
    pub(crate) fn new(config: PoolConfig, driver: &mut Driver) -> io::Result<Rc<Self>> {
        let ring = BufRing::new(GROUP, config.buffers_max)?;
        // SAFETY: the pool is dropped only when the ring was unregistered, or it is leaked with what is in flight
        // (docs/safety.md, S3).
        unsafe { driver.register(Register::BufRing(&ring)) }?;
        let lent = Lent { ring, blocks: Vec::new(), buffers: 0 };
        let pool = Self { config, lent: RefCell::new(lent), free: Cell::new(0), open: Cell::new(true) };
        pool.add(config.buffers_start.min(config.buffers_max));
        Ok(Rc::new(pool))
    }

    /// Bytes of a buffer.
    pub(crate) fn buffer_bytes(&self) -> usize {
        self.config.buffer_bytes as usize
    }

    /// How many buffers there are.
    pub(crate) fn buffers(&self) -> u16 {
        self.lent.borrow().buffers
    }

    /// How many buffers the kernel can take.
    pub(crate) fn free(&self) -> u16 {
        self.free.get()
    }

    /// How many buffers one connection may hold that nobody has taken: an eighth of those that are left, so that
    /// neither one nor many of them take all.
    pub(crate) fn share(&self) -> usize {
        usize::from(self.free.get() / 8).clamp(1, 64)
    }

    /// Whether buffers are short: a receive then takes one buffer at a time.
    pub(crate) fn is_short(&self) -> bool {
        self.free.get() < self.buffers() / 8 || self.buffers() < 64
    }

    /// Doubles the pool. Gives `false` when it is as large as it may be.
    pub(crate) fn grow(&self) -> bool {
        let buffers = self.buffers();
        let more = buffers.min(self.config.buffers_max - buffers);
        if more > 0 && self.is_open() {
            self.add(more);
        }
        more > 0
    }

    /// Whether the kernel can be given buffers: not after the end, and not in a forked child.
    #[inline]
    fn is_open(&self) -> bool {
        self.open.get() && !self.lent.borrow().ring.forked()
    }

    fn add(&self, count: u16) {
        let bytes = usize::from(count) * self.buffer_bytes();
        let memory = NonNull::from(Box::leak(vec![0; bytes].into_boxed_slice()));
        oracle::lent(memory.cast::<u8>().addr().get(), bytes);
        let mut lent = self.lent.borrow_mut();
        let first = lent.buffers;
        lent.blocks.push(Block { first, memory });
        lent.buffers += count;
        for place in 0..count {
            // SAFETY: the block has `count` buffers, of which this is the one at `place`.
            let address = unsafe { memory.cast::<u8>().add(usize::from(place) * self.buffer_bytes()) };
            // SAFETY: the memory is valid until the pool is dropped, and nobody knows of it but the kernel.
            unsafe { lent.ring.put(address.as_ptr(), self.config.buffer_bytes, first + place) };
        }
        lent.ring.publish();
        self.free.set(self.free.get() + count);
    }

    /// Where the buffer is.
    pub(crate) fn address(&self, id: u16) -> NonNull<u8> {
        let lent = self.lent.borrow();
        let block = lent.blocks.iter().rfind(|block| block.first <= id);
        let block = block.expect("invariant: the kernel gives out buffers that were put");
        let offset = usize::from(id - block.first) * self.buffer_bytes();
        assert!(offset < block.memory.len(), "invariant: the kernel gives out buffers that were put");
        // SAFETY: the offset is inside of the block.
        unsafe { block.memory.cast::<u8>().add(offset) }
    }

    /// The kernel has taken a buffer.
    pub(crate) fn taken(&self) {
        self.free.set(self.free.get().saturating_sub(1));
    }

    /// A buffer comes back to the kernel.
    pub(crate) fn give_back(&self, id: u16) {
        let address = self.address(id);
        if self.is_open() {
            let mut lent = self.lent.borrow_mut();
            // SAFETY: the memory is valid until the pool is dropped, and the value that lent it is gone. There are
            // never more buffers than entries.
            unsafe { lent.ring.put(address.as_ptr(), self.config.buffer_bytes, id) };
            lent.ring.publish();
            self.free.set(self.free.get() + 1);
        }
    }

    /// Ends the registration. Nothing that uses the pool may be in flight any more.
    pub(crate) fn close(&self, driver: &mut Driver) {
        self.open.set(false);
        // SAFETY: nothing is registered by this.
        let done = unsafe { driver.register(Register::UnregisterBufRing { group: GROUP }) };
        debug_assert!(done.is_ok(), "the group was registered: {done:?}");
        for block in &self.lent.borrow().blocks {
            oracle::returned(block.memory.cast::<u8>().addr().get());
        }
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        for block in &self.lent.get_mut().blocks {
            // SAFETY: the memory came from a box, and with the last reference to the pool nobody uses it: the kernel
            // does not since the ring was unregistered, and each `RecvBuf` holds a reference.
            drop(unsafe { Box::from_raw(block.memory.as_ptr()) });
        }
    }
}
