//! The oracles of debug builds: a buffer that breaks its contract is caught.
#![allow(unsafe_code, reason = "a buffer that breaks the contract of the unsafe traits, as the test wants")]

use std::cell::RefCell;
use std::os::unix::process::ExitStatusExt;
use std::process::Command;
use std::rc::Rc;

use uring_runtime::buf::{IoBuf, IoBufMut};
use uring_sys_shim::opcode;

use crate::support::{Rig, file, only, poll, quiet, socket, take};

/// A buffer whose memory somebody else may free at any time.
#[derive(Clone)]
struct Torn {
    memory: Rc<RefCell<Option<Box<[u8]>>>>,
    start: *mut u8,
}

const BYTES: usize = 4096;

impl Torn {
    fn new() -> Self {
        let mut memory = vec![0; BYTES].into_boxed_slice();
        let start = memory.as_mut_ptr();
        Self { memory: Rc::new(RefCell::new(Some(memory))), start }
    }

    /// Frees the memory, and leaves the address.
    fn free(&self) {
        drop(self.memory.take());
    }
}

// SAFETY: it is not: the memory can be freed while an operation has it. That is what the oracle is to find, before
// anything touches it.
unsafe impl IoBuf for Torn {
    fn stable_ptr(&self) -> *const u8 {
        self.start
    }

    fn bytes_init(&self) -> usize {
        BYTES
    }
}

// SAFETY: as above.
unsafe impl IoBufMut for Torn {
    fn stable_mut_ptr(&mut self) -> *mut u8 {
        self.start
    }

    fn bytes_total(&self) -> usize {
        BYTES
    }

    unsafe fn set_init(&mut self, _bytes: usize) {}
}

/// Set to the case in the process that plays it.
const CASE: &str = "URING_ORACLE_CASE";

fn play(case: &str) {
    let rig = Rig::new();
    rig.run(async |script| {
        let (file, torn) = (file(), Torn::new());
        let (receiver, sender, _peer) = socket();
        match case {
            "a read" => {
                assert!(poll(&mut Box::pin(file.read_at(torn.clone(), 0))).is_pending());
                torn.free();
            }
            "a write that waits in the backlog" => {
                script.refuse_pushes(u32::MAX);
                let mut write = Box::pin(file.write_at(torn.clone(), 0));
                assert!(poll(&mut write).is_pending());
                torn.free();
            }
            "a receive whose future is gone" => {
                let mut read = Box::pin(receiver.read(torn.clone()));
                assert!(poll(&mut read).is_pending());
                quiet().await;
                drop(read);
                quiet().await;
                torn.free();
            }
            "a send" => {
                assert!(poll(&mut Box::pin(sender.write_all(torn.clone()))).is_pending());
                quiet().await;
                torn.free();
            }
            "freed before" => {
                torn.free();
                let _ = poll(&mut Box::pin(file.write_at(torn.clone(), 0)));
            }
            "nothing" => {
                let mut write = Box::pin(file.write_at(torn.clone(), 0));
                assert!(poll(&mut write).is_pending());
                quiet().await;
                let _ = take(script, &only(script, opcode::WRITE), BYTES);
                drop(write.await);
                torn.free();
            }
            other => panic!("there is no case `{other}`"),
        }
    });
    rig.end();
}

/// Plays a case in a process of its own, and gives how it ended and what it said.
fn child(case: &str) -> (Option<i32>, String) {
    let test = "oracle::memory_that_is_freed_under_an_operation_in_flight_ends_the_process";
    let exe = std::env::current_exe().expect("a test knows itself");
    let child = Command::new(exe).args(["--exact", test, "--nocapture"]).env(CASE, case).output();
    let output = child.expect("a test can be run");
    (output.status.signal(), String::from_utf8_lossy(&output.stderr).into_owned())
}

/// The oracle for A1, A2, A7. The breaks: no `table.insert` in `Ledger::submitted`; no `self.ledger.submitted` in
/// `Driver::queue`; `self.ledger.completed` at any completion of a cancel.
#[test]
fn memory_that_is_freed_under_an_operation_in_flight_ends_the_process() {
    if let Ok(case) = std::env::var(CASE) {
        return play(&case);
    }
    let used = ["a read", "a write that waits in the backlog", "a receive whose future is gone", "a send"];
    for case in used {
        let (signal, said) = child(case);
        assert_eq!(signal, Some(libc::SIGABRT), "{case}: {said}");
        assert!(said.contains("memory was freed that belongs to an operation in flight"), "{case}: {said}");
    }
    // The break: no `self.ledger.completed` in `Driver::reap`.
    let (signal, said) = child("nothing");
    assert_eq!(signal, None, "after the last completion the memory is free to go: {said}");
}

/// A7, in a build for AddressSanitizer. The break: no `check` in `Ledger::submitted`.
#[test]
#[cfg(uring_asan)]
fn an_entry_that_points_to_poisoned_memory_is_not_submitted() {
    let (signal, said) = child("freed before");
    assert_eq!(signal, Some(libc::SIGABRT), "{said}");
    assert!(said.contains("memory was poisoned that belongs to an operation in flight"), "{said}");
}
