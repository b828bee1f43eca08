//! What can go wrong in a channel: the same as between cores, so the errors are the same.

pub use crate::sync::{SendError, TryRecvError, TrySendError};
