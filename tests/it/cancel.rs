//! Dropped futures lose nothing: no connection, no byte, no descriptor, and no message is torn.

mod accept;
mod close;
mod connect;
mod reads;
mod storm;
mod writes;
