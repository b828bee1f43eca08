//! The kernel's threads that work for this thread's rings, as the process sees them: it asks, and changes nothing.

use std::{fs, io};

use nix::unistd::gettid;

/// The number that the first of all PID namespaces has (`PROC_PID_INIT_INO`, `include/linux/proc_ns.h`).
const FIRST_NAMESPACE: &str = "pid:[4026531836]";

/// How many threads the kernel has now for what this thread's rings cannot do at once. They are threads of the process, and
/// bear the number of the thread that they work for in their names (`io_wq_worker`, `io_uring/io-wq.c`).
///
/// # Errors
///
/// The errno of reading `/proc/self`; `Unsupported` in a PID namespace of its own, because the kernel uses the number that
/// the thread has outside of it.
pub fn kernel_threads() -> io::Result<usize> {
    if fs::read_link("/proc/self/ns/pid")?.to_str() != Some(FIRST_NAMESPACE) {
        return Err(io::Error::new(
            io::ErrorKind::Unsupported,
            "the kernel's threads cannot be told apart in a PID namespace: it names them by numbers of the first one",
        ));
    }
    let wanted = format!("iou-wrk-{}\n", gettid());
    let mut count = 0;
    for thread in fs::read_dir("/proc/self/task")? {
        // One that is gone meanwhile is none.
        let name = fs::read_to_string(thread?.path().join("comm")).unwrap_or_default();
        count += usize::from(name == wanted);
    }
    Ok(count)
}
