//! Which core runs on this thread.
#![allow(unsafe_code, reason = "a pointer in a thread-local, which a guard keeps valid")]

use std::cell::Cell;
use std::ptr::NonNull;
use std::rc::Rc;

use super::Core;

thread_local! {
    /// A bare pointer, because it is looked at on every wake: it needs no destructor, so it can be read at any time.
    static CURRENT: Cell<Option<NonNull<Rc<Core>>>> = const { Cell::new(None) };
}

/// Shows the core that runs on this thread, if one does.
#[inline]
pub(crate) fn with_current<R>(look: impl FnOnce(Option<&Rc<Core>>) -> R) -> R {
    let current = CURRENT.get();
    // SAFETY: the pointer is set by `Entered` only, to what that guard owns, and put back before the guard goes;
    // guards of one thread go in the reverse order of their coming. `look` cannot end the guard: it is on the stack
    // of who runs the core (docs/safety.md, S4).
    look(current.as_ref().map(|core| unsafe { core.as_ref() }))
}

/// The number of the core that runs on this thread.
#[inline]
pub(crate) fn current_id() -> Option<u16> {
    with_current(|core| core.map(|core| core.id()))
}

/// While it lives, the core is the one of this thread. Dropping it puts back what was before.
pub(super) struct Entered {
    /// Boxed, so that the pointer stays valid when the guard moves.
    core: NonNull<Rc<Core>>,
    before: Option<NonNull<Rc<Core>>>,
}

impl Entered {
    pub(super) fn new(core: &Rc<Core>) -> Self {
        let core = NonNull::from(Box::leak(Box::new(Rc::clone(core))));
        Self { core, before: CURRENT.replace(Some(core)) }
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        CURRENT.set(self.before);
        // SAFETY: the pointer came from a box, and nobody looks at it any more.
        drop(unsafe { Box::from_raw(self.core.as_ptr()) });
    }
}
