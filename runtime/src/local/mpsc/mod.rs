//! A channel for many senders and one receiver: values come out in the order in which they went in.
//!
//! [`channel`] has room for so many values, and its senders wait for room in the order of their coming.
//! [`unbounded_channel`] takes whatever comes; take it only where something else bounds what is sent.
//!
//! The senders are one side, and the receiver the other: when the last sender is dropped, the receiver gets what was
//! sent and then `None`. When the receiver is closed or dropped, whoever sends or waits for room gets an error.

mod bounded;
mod queue;
mod unbounded;

pub mod error;

pub use bounded::{OwnedPermit, Permit, Receiver, Sender, channel};
pub use unbounded::{UnboundedReceiver, UnboundedSender, unbounded_channel};
