//! Wakers that are names.
//!
//! The data of a waker is a number: the core and the place in its task table. Nothing is owned, so `clone` copies
//! it and `drop` does nothing. On the own core a wake goes straight into the table; from any other thread it goes
//! through the core's inbox, which exists as long as the process.
#![allow(unsafe_code, reason = "a waker is made of a table of functions")]

use std::ptr;
use std::task::{RawWaker, RawWakerVTable, Waker};

use super::inbox;
use crate::core::with_current;

static VTABLE_OF_NAMES: RawWakerVTable = RawWakerVTable::new(clone, wake, wake, drop);
const VTABLE: &RawWakerVTable = &VTABLE_OF_NAMES;

/// The core of a task and its place in the core's table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Name(usize);

impl Name {
    #[inline]
    pub(crate) fn new(core: u16, index: u32) -> Self {
        Self(usize::from(core) << 32 | index as usize)
    }

    #[inline]
    pub(crate) fn core(self) -> u16 {
        (self.0 >> 32) as u16
    }

    #[inline]
    pub(crate) fn index(self) -> u32 {
        self.0 as u32
    }

    /// Makes the task ready, from any thread.
    #[inline]
    pub(crate) fn wake(self) {
        let own = with_current(|current| match current {
            Some(current) if current.id() == self.core() => {
                current.wake(self.index());
                true
            }
            _ => false,
        });
        if !own {
            inbox::wake(self.core(), self.index());
        }
    }

    /// The name as a waker.
    #[inline]
    pub(crate) fn waker(self) -> Waker {
        let raw = RawWaker::new(ptr::without_provenance(self.0), VTABLE);
        // SAFETY: the functions of the table uphold the contract of `RawWaker` for any data: they never dereference
        // it, are callable from every thread, and there is nothing to be freed.
        unsafe { Waker::from_raw(raw) }
    }

    /// The name of a waker that was made here.
    #[inline]
    pub(crate) fn of(waker: &Waker) -> Option<Self> {
        ptr::eq(waker.vtable(), VTABLE).then(|| Self(waker.data().addr()))
    }
}

// A name needs more bits than a pointer of 32-bit machines has.
const _: () = assert!(usize::BITS == 64, "uring runs on 64-bit machines");

fn clone(name: *const ()) -> RawWaker {
    RawWaker::new(name, VTABLE)
}

fn wake(name: *const ()) {
    Name(name.addr()).wake();
}

fn drop(_name: *const ()) {}
