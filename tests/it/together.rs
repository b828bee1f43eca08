//! Several futures in one task: `select!`, `join!` and `try_join!`.

mod chance;
mod join;
mod select;
