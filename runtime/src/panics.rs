//! Panics of code that belongs to users, kept from the code that calls it.

use std::any::Any;
use std::mem;
use std::panic::{self, AssertUnwindSafe};

/// Runs code that may be the user's. Gives `false` when it panicked; the panic hook has reported it by then.
///
/// What a panic carries is the user's, too, and its drop may panic in turn.
pub(crate) fn contain(run: impl FnOnce()) -> bool {
    match panic::catch_unwind(AssertUnwindSafe(run)) {
        Ok(()) => true,
        Err(payload) => {
            discard(payload);
            false
        }
    }
}

/// What a panic says, when it says something.
pub(crate) fn text(payload: &(dyn Any + Send)) -> Option<String> {
    let text = payload.downcast_ref::<&str>().map(ToString::to_string);
    text.or_else(|| payload.downcast_ref::<String>().cloned())
}

/// Drops what a panic carries.
#[cold]
pub(crate) fn discard(mut payload: Box<dyn Any + Send>) {
    const TRIES_MAX: usize = 4;
    for _ in 0..TRIES_MAX {
        match panic::catch_unwind(AssertUnwindSafe(|| drop(payload))) {
            Ok(()) => return,
            Err(next) => payload = next,
        }
    }
    // Each drop brings another one: whoever made this gets a leak.
    mem::forget(payload);
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Bomb;

    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("again");
        }
    }

    #[test]
    fn a_payload_that_panics_in_its_drop_is_contained_too() {
        // The break: `catch_unwind(run).is_ok()`, which drops the payload unguarded.
        assert!(!contain(|| panic::panic_any(Bomb)));
        assert!(contain(|| {}));
    }
}
