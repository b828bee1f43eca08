//! Which core runs on this thread.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use super::Core;

/// No core has this number.
const NONE: u16 = u16::MAX;

thread_local! {
    /// The number of the core in `CURRENT`, apart from it because it needs no destructor and is looked at on every
    /// wake.
    static CURRENT_ID: Cell<u16> = const { Cell::new(NONE) };
    static CURRENT: RefCell<Option<Rc<Core>>> = const { RefCell::new(None) };
}

/// Shows the core that runs on this thread, if one does.
#[inline]
pub(crate) fn with_current<R>(look: impl FnOnce(Option<&Rc<Core>>) -> R) -> R {
    // A thread that is ending has no current core: its runtime, if it was kept in a thread-local, ends by itself.
    let mut look = Some(look);
    let seen = CURRENT.try_with(|current| {
        let look = look.take().expect("invariant: taken once");
        look(current.borrow().as_ref())
    });
    match (seen, look) {
        (Ok(seen), _) => seen,
        (Err(_), look) => look.expect("invariant: not taken without a thread-local")(None),
    }
}

/// The number of the core that runs on this thread.
#[inline]
pub(crate) fn current_id() -> Option<u16> {
    let id = CURRENT_ID.get();
    (id != NONE).then_some(id)
}

/// While it lives, the core is the one of this thread. Dropping it puts back what was before.
pub(super) struct Entered {
    before: Option<Rc<Core>>,
}

impl Entered {
    pub(super) fn new(core: &Rc<Core>) -> Self {
        let before = CURRENT.try_with(|current| current.replace(Some(Rc::clone(core))));
        CURRENT_ID.set(core.id());
        Self { before: before.unwrap_or(None) }
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        let before = self.before.take();
        CURRENT_ID.set(before.as_ref().map_or(NONE, |core| core.id()));
        // On a thread that is ending there is nothing to put back.
        let _ = CURRENT.try_with(|current| drop(current.replace(before)));
    }
}
