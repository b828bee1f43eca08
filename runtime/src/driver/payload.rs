//! An operation of any type in a place of one size.
//!
//! A record must hold operations of many types, and the steady state must not allocate. So an operation that fits
//! lies in the record itself, and a larger one in a box. It knows nothing of rings and records.
//!
//! A payload that is forgotten leaks its operation. That is the safe side: the kernel may still use its memory.
#![allow(unsafe_code, reason = "moves values of erased types in and out of a place of bytes")]

use std::any::TypeId;
use std::mem::MaybeUninit;

use uring_sys_shim::Cqe;

use crate::op::{More, Operation};

/// Room for a slice of a vector, a descriptor, an offset and a socket's state without a box.
const WORDS: usize = 9;
type Space = MaybeUninit<[usize; WORDS]>;

/// An operation whose type was erased.
pub(crate) struct Payload {
    table: &'static Table,
    space: Space,
}

struct Table {
    type_id: TypeId,
    more: unsafe fn(&mut Space, Cqe) -> More,
    orphaned: unsafe fn(Space, Cqe),
}

struct TableOf<T>(T);

impl<T: Operation> TableOf<T> {
    const TABLE: &'static Table =
        &Table { type_id: TypeId::of::<T>(), more: more::<T>, orphaned: orphaned::<T> };
}

/// What lies in the space for a `T`: the operation, or a box of it when it is too large.
enum Fit {
    Inline,
    Boxed,
}

const fn fit<T>() -> Fit {
    if size_of::<T>() <= size_of::<Space>() && align_of::<T>() <= align_of::<Space>() {
        Fit::Inline
    } else {
        Fit::Boxed
    }
}

impl Payload {
    #[inline(always)]
    pub(crate) fn new<T: Operation>(op: T) -> Self {
        let mut space = Space::uninit();
        match const { fit::<T>() } {
            // SAFETY: `fit` says that a `T` fits into the space and its alignment.
            Fit::Inline => unsafe { space.as_mut_ptr().cast::<T>().write(op) },
            // SAFETY: a box is one word.
            Fit::Boxed => unsafe { space.as_mut_ptr().cast::<Box<T>>().write(Box::new(op)) },
        }
        Self { table: TableOf::<T>::TABLE, space }
    }

    /// The operation, in its place.
    ///
    /// # Panics
    ///
    /// As [`take`](Payload::take).
    pub(crate) fn get_mut<T: Operation>(&mut self) -> &mut T {
        assert!(
            self.table.type_id == const { TypeId::of::<T>() },
            "invariant: a key names a record of its own type"
        );
        // SAFETY: the space was filled by `new` with a `T`.
        unsafe { borrow(&mut self.space) }
    }

    /// Takes the operation out.
    ///
    /// # Panics
    ///
    /// When this payload was made of another type: a defect of the driver.
    #[inline(always)]
    pub(crate) fn take<T: Operation>(self) -> T {
        assert!(
            self.table.type_id == const { TypeId::of::<T>() },
            "invariant: a key names a record of its own type"
        );
        // SAFETY: the space was filled by `new` with a `T`, and `self` is consumed.
        unsafe { take(self.space) }
    }

    /// Tells the operation of a completion that is not its last.
    pub(crate) fn more(&mut self, cqe: Cqe) -> More {
        // SAFETY: the table and the space were made for the same type, by `new`.
        unsafe { (self.table.more)(&mut self.space, cqe) }
    }

    /// Gives the operation its last completion, there being no future that waits for it.
    pub(crate) fn orphaned(self, cqe: Cqe) {
        // SAFETY: as in `more`, and `self` is consumed.
        unsafe { (self.table.orphaned)(self.space, cqe) }
    }
}

/// # Safety
///
/// `space` holds a `T`, which moves out.
#[inline(always)]
unsafe fn take<T: Operation>(space: Space) -> T {
    match const { fit::<T>() } {
        // SAFETY: the caller says that the space holds a `T`, and `fit` that it lies there itself.
        Fit::Inline => unsafe { space.as_ptr().cast::<T>().read() },
        Fit::Boxed => {
            // SAFETY: as above, in a box.
            let boxed = unsafe { space.as_ptr().cast::<Box<T>>().read() };
            *boxed
        }
    }
}

/// # Safety
///
/// `space` holds a `T`.
unsafe fn borrow<T: Operation>(space: &mut Space) -> &mut T {
    match const { fit::<T>() } {
        // SAFETY: the caller says that the space holds a `T`; it is borrowed as long as `space`.
        Fit::Inline => unsafe { &mut *space.as_mut_ptr().cast::<T>() },
        // SAFETY: as above, in a box.
        Fit::Boxed => unsafe { &mut *space.as_mut_ptr().cast::<Box<T>>() },
    }
}

/// # Safety
///
/// `space` holds a `T`.
unsafe fn more<T: Operation>(space: &mut Space, cqe: Cqe) -> More {
    // SAFETY: handed on.
    let op = unsafe { borrow::<T>(space) };
    op.more(cqe)
}

/// # Safety
///
/// `space` holds a `T`, which moves out.
unsafe fn orphaned<T: Operation>(space: Space, cqe: Cqe) {
    // SAFETY: handed on.
    let op = unsafe { take::<T>(space) };
    op.orphaned(cqe);
}

const _: () = assert!(size_of::<Payload>() == (WORDS + 1) * size_of::<usize>());
