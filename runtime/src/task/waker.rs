//! Wakers that are names.
//!
//! The data of a waker is a number: the core and the place in its task table. Nothing is owned, so `clone` copies
//! it and `drop` does nothing. On the own core a wake goes straight into the table; from any other thread it goes
//! through the core's inbox, which exists as long as the process.
#![allow(unsafe_code, reason = "a waker is made of a table of functions")]

use std::ptr;
use std::task::{RawWaker, RawWakerVTable, Waker};

use super::inbox;
use crate::core::{current_id, with_current};

const VTABLE: &RawWakerVTable = &RawWakerVTable::new(clone, wake, wake, drop);

/// The waker of the task at `index` on the core `core`.
#[inline]
pub(crate) fn waker(core: u16, index: u32) -> Waker {
    let name = usize::from(core) << 32 | index as usize;
    let raw = RawWaker::new(ptr::without_provenance(name), VTABLE);
    // SAFETY: the functions of the table uphold the contract of `RawWaker` for any data: they never dereference it,
    // are callable from every thread, and there is nothing to be freed.
    unsafe { Waker::from_raw(raw) }
}

// A name needs more bits than a pointer of 32-bit machines has.
const _: () = assert!(usize::BITS == 64, "uring runs on 64-bit machines");

fn clone(name: *const ()) -> RawWaker {
    RawWaker::new(name, VTABLE)
}

fn wake(name: *const ()) {
    let name = name.addr();
    let (core, index) = ((name >> 32) as u16, name as u32);
    if current_id() == Some(core) {
        with_current(|current| {
            if let Some(current) = current {
                current.tasks.borrow_mut().schedule(index);
            }
        });
    } else {
        inbox::wake(core, index);
    }
}

fn drop(_name: *const ()) {}
