//! What TCP does, over the loopback: bytes both ways, ends and errors, names and options, order, halves.

mod bytes;
mod dropped;
mod ends;
mod halves;
mod names;
mod order;
mod zero_copy;
