//! Does the kernel ever write into memory that was freed? A test binary of its own, because it has an allocator of its
//! own: it keeps what is freed, filled with a pattern, and looks at the pattern later (hazards A1 and A2). The pattern must
//! also reach no peer: a zero-copy send reads memory of ours for as long (hazard A8).
//!
//! Neither valgrind nor AddressSanitizer sees a write of the kernel's.
//!
//! The break that all of them catch: `Driver::cancel` delivers a completion of its own making, as if a cancel ended its
//! operation. Leaving out the drain or the leak at a runtime's end frees nothing, because records that are in flight
//! keep their core; the tests of lifetimes in `tests/it` see that by descriptors and counts. Of A8 it is that
//! `Records::deliver` takes the result of an operation that nobody waits for as its last completion.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "tests")]

mod keeper;
mod late;
mod matrix;

use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use keeper::Keeper;
use matrix::{End, Matrix};
use nix::unistd::alarm;
use uring::macro_support::test_builder;

#[global_allocator]
static ALLOCATOR: Keeper = Keeper::new();

/// The quarantine is the whole process's: one test at a time.
static ONE: Mutex<()> = Mutex::new(());

/// How long late writes are waited for: they were seen within milliseconds after a ring was closed.
const LATE: Duration = Duration::from_millis(400);

/// Runs `body` with everything that it frees in quarantine, and gives how many bytes were written to there.
fn written_into_freed_memory(body: impl FnOnce()) -> usize {
    let _one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    // A hang ends the process.
    alarm::set(90);
    ALLOCATOR.begin();
    body();
    thread::sleep(LATE);
    let found = ALLOCATOR.end();
    alarm::cancel();
    println!("{} blocks and {} MiB were in quarantine", found.blocks, found.bytes >> 20);
    assert!(found.blocks > 0, "nothing was kept: the quarantine is not at work");
    assert_eq!(found.missed, 0, "the quarantine was full");
    found.written
}

#[test]
fn the_quarantine_sees_a_write_of_the_kernel_into_freed_memory() {
    let written = written_into_freed_memory(|| keeper::let_the_kernel_write_late(1 << 20));
    assert!(written > 1 << 19, "{written}");
}

#[test]
fn futures_dropped_at_any_moment_free_nothing_that_the_kernel_still_writes_to() {
    // Hazards A1 and A3.
    let matrix = Matrix::new();
    let written = written_into_freed_memory(|| {
        let runtime = test_builder().build().unwrap();
        for micros in [0, 1, 10, 100, 300, 1000, 3000] {
            runtime.block_on(matrix.drop_futures(Duration::from_micros(micros)));
        }
        assert_eq!(runtime.shutdown(), 0);
    });
    assert_eq!((written, matrix.stale()), (0, 0));
}

#[test]
fn runtimes_dropped_at_any_moment_free_nothing_that_the_kernel_still_writes_to() {
    // Hazard A2.
    let matrix = Matrix::new();
    let written = written_into_freed_memory(|| {
        for micros in [0, 1, 10, 50, 100, 200, 500, 1000] {
            matrix.drop_runtime(Duration::from_micros(micros), End::Drain);
        }
    });
    assert_eq!((written, matrix.stale()), (0, 0));
}

#[test]
fn runtimes_that_may_not_wait_leak_what_the_kernel_still_writes_to() {
    // Hazard A2, when the drain meets its deadline.
    let matrix = Matrix::new();
    let written = written_into_freed_memory(|| {
        for micros in [0, 10, 100, 1000] {
            matrix.drop_runtime(Duration::from_micros(micros), End::Leak);
        }
    });
    assert_eq!((written, matrix.stale()), (0, 0));
}

#[test]
fn futures_that_are_forgotten_free_nothing_that_the_kernel_still_writes_to() {
    // Hazard A5.
    let matrix = Matrix::new();
    let written = written_into_freed_memory(|| {
        for micros in [0, 10, 100, 1000] {
            matrix.forget(Duration::from_micros(micros));
        }
    });
    assert_eq!((written, matrix.stale()), (0, 0));
}

#[test]
fn runtimes_of_thread_locals_free_nothing_that_the_kernel_still_writes_to() {
    // Hazard A4: the destructor of a thread-local drops the runtime.
    let matrix = Matrix::new();
    let written = written_into_freed_memory(|| {
        for _ in 0..4 {
            thread::scope(|scope| scope.spawn(|| matrix.leave_to_the_thread()).join().unwrap());
        }
    });
    assert_eq!((written, matrix.stale()), (0, 0));
}

#[test]
fn threads_that_end_in_the_middle_free_nothing_that_the_kernel_still_writes_to() {
    // Hazard A4: a panic unwinds through the end of the runtime.
    let matrix = Matrix::new();
    std::panic::set_hook(Box::new(|_| {}));
    let written = written_into_freed_memory(|| {
        for _ in 0..4 {
            let ended = thread::scope(|scope| scope.spawn(|| matrix.panic_inside()).join());
            assert!(ended.is_err());
        }
    });
    drop(std::panic::take_hook());
    assert_eq!((written, matrix.stale()), (0, 0));
}
