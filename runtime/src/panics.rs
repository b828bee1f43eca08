//! Panics of code that belongs to users, kept from the code that calls it.

use std::any::Any;
use std::mem;
use std::panic::{self, AssertUnwindSafe};

/// Runs code that may be the user's. Gives `false` when it panicked; the panic hook has reported it by then.
///
/// What a panic carries is the user's, too: when its drop panics in turn, that is the end of it.
pub(crate) fn contain(run: impl FnOnce()) -> bool {
    match panic::catch_unwind(AssertUnwindSafe(run)) {
        Ok(()) => true,
        Err(payload) => {
            discard(payload);
            false
        }
    }
}

#[cold]
fn discard(payload: Box<dyn Any + Send>) {
    if let Err(second) = panic::catch_unwind(AssertUnwindSafe(|| drop(payload))) {
        mem::forget(second);
    }
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
