//! The atomic, the lock and the error of an outcome. The models under `tests/loom` put others in their place.
//!
//! It owns nothing, and must not know the protocol.

pub(super) use std::sync::atomic::{AtomicBool, Ordering};
pub(super) use std::sync::{Arc, Mutex, MutexGuard};

pub(super) use crate::task::JoinError;
