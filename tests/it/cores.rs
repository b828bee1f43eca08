//! Several cores of one process: what they send each other, and how they end.

mod launch;
mod shutdown;
mod spawn;
