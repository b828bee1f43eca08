//! A storm of signals over the whole suite (hazard C5): with `URING_TEST_SIGNALS` set, every thread of every test
//! process gets a SIGALRM each hundred microseconds, from before `main` to the end.
//!
//! It owns the thread that sends them, which has a table of descriptors of its own and allocates nothing: tests count
//! descriptors and fork.
#![allow(unsafe_code, reason = "runs before `main`, installs a handler, and makes system calls by number")]

use std::io;
use std::sync::mpsc::{self, Sender};
use std::thread;
use std::time::Duration;

use nix::libc;
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};

/// Asks for the storm.
const SIGNALS: &str = "URING_TEST_SIGNALS";
const EVERY: Duration = Duration::from_micros(100);

// Child processes of tests are the same program: they start here, too.
// SAFETY: the dynamic linker calls what stands in this section, with arguments that are ignored, before `main`.
#[unsafe(link_section = ".init_array")]
#[used]
static BEFORE_MAIN: extern "C" fn() = start;

fn is_on() -> bool {
    std::env::var_os(SIGNALS).is_some()
}

/// Whether there is a storm, in which a test that counts enters is left out.
pub(crate) fn adds_enters() -> bool {
    if is_on() {
        println!("skipped: each signal is one more enter");
    }
    is_on()
}

/// Makes a blocking call of the test's own until no signal interrupts it.
pub(crate) fn uninterrupted<T>(mut call: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match call() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

extern "C" fn ignore(_signal: i32) {}

extern "C" fn start() {
    if is_on() {
        // Without SA_RESTART, so that every call is interrupted that can be.
        let action = SigAction::new(SigHandler::Handler(ignore), SaFlags::empty(), SigSet::empty());
        // SAFETY: the handler does nothing.
        unsafe { sigaction(Signal::SIGALRM, &action) }.unwrap();
        let (ready, begun) = mpsc::channel();
        drop(thread::spawn(move || send_for_ever(&ready)));
        // Before `main` opens anything: a pipe that the thread had a copy of would never end.
        begun.recv().unwrap();
    }
}

fn send_for_ever(ready: &Sender<()>) {
    // SAFETY: from here on this thread's descriptors are its own; it hands none to another.
    assert_eq!(unsafe { libc::unshare(libc::CLONE_FILES) }, 0);
    // SAFETY: the path is a string with its end.
    let tasks = unsafe { libc::open(c"/proc/self/task".as_ptr(), libc::O_RDONLY | libc::O_DIRECTORY) };
    assert!(tasks >= 0);
    // SAFETY: it takes no arguments.
    let own = unsafe { libc::gettid() };
    ready.send(()).unwrap();
    loop {
        each_thread(tasks, |thread| {
            if thread != own {
                signal(thread);
            }
        });
        thread::sleep(EVERY);
    }
}

fn signal(thread: i32) {
    // SAFETY: numbers only. A thread that has ended meanwhile is an error that is ignored.
    unsafe { libc::syscall(libc::SYS_tgkill, std::process::id(), thread, libc::SIGALRM) };
}

/// The threads of this process, as `getdents64(2)` lists them.
fn each_thread(tasks: i32, mut act: impl FnMut(i32)) {
    const NAME: usize = 19;
    let mut entries = [0_u8; 4096];
    // SAFETY: the descriptor is this thread's.
    unsafe { libc::lseek(tasks, 0, libc::SEEK_SET) };
    loop {
        // SAFETY: the array is as long as is said.
        let bytes =
            unsafe { libc::syscall(libc::SYS_getdents64, tasks, entries.as_mut_ptr(), entries.len()) };
        let Ok(bytes @ 1..) = usize::try_from(bytes) else { return };
        let mut rest = &entries[..bytes];
        while rest.len() > NAME {
            let length = usize::from(u16::from_ne_bytes([rest[16], rest[17]]));
            let name = &rest[NAME..length];
            let digits = name.iter().take_while(|byte| byte.is_ascii_digit());
            let number = digits.fold(0, |number, digit| number * 10 + i32::from(digit - b'0'));
            if number > 0 {
                act(number);
            }
            rest = &rest[length..];
        }
    }
}
