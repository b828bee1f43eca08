//! Without AddressSanitizer there is no poison to ask for.

/// Nothing is known of this memory.
#[inline(always)]
pub(super) fn is_poisoned(_start: usize, _bytes: usize) -> bool {
    false
}
