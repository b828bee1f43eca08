//! Tiny queues, tiny pools, tiny stacks: everything still completes, in fair turns, and without spinning.

mod buffers;
mod pool;
mod queues;
mod shortage;
mod stack;
