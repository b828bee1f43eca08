//! Several cores of one process: what they send each other, and how they end.

mod launch;
mod moving;
mod shutdown;
mod spawn;
