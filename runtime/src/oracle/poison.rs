//! Asks AddressSanitizer whether memory may be used.
#![allow(unsafe_code, reason = "calls the sanitizer's runtime")]

use std::ffi::c_void;
use std::ptr;

unsafe extern "C" {
    /// The first poisoned address of the region, or null (`sanitizer/asan_interface.h`).
    fn __asan_region_is_poisoned(start: *mut c_void, bytes: usize) -> *mut c_void;
}

/// Whether any byte of this memory was freed, or was never handed out.
pub(super) fn is_poisoned(start: usize, bytes: usize) -> bool {
    // SAFETY: the function reads the sanitizer's own notes about the addresses, and not what is there.
    let found = unsafe { __asan_region_is_poisoned(ptr::without_provenance_mut(start), bytes) };
    !found.is_null()
}
