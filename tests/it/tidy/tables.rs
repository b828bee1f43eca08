//! The tables that the rules read: what may stand where, and why. A new line here is a decision, so it has a reason.

use super::homes::{Home, Needle};

pub(super) const FILE_LINES_MAX: usize = 400;
pub(super) const FUNCTION_LINES_MAX: usize = 70;
pub(super) const EXAMPLE_LINES_MAX: usize = 120;

/// The files that may contain `unsafe`: the whole trust base.
pub(super) const UNSAFE_FILES: &[(&str, &str)] = &[
    ("benches/src/alloc.rs", "it counts allocations, and an allocator is unsafe to implement"),
    ("benches/src/arms/raw/echo.rs", "sends memory that the kernel is told of"),
    ("benches/src/arms/raw/file.rs", "reads into memory that the kernel is told of"),
    ("benches/src/ring/buffers.rs", "memory that is shared with the kernel"),
    ("benches/src/ring/queues.rs", "the kernel trusts the addresses in a submission"),
    ("runtime/src/driver/any_ring.rs", "hands the caller's duty on"),
    ("runtime/src/driver/payload.rs", "moves values of erased types in and out of a place of bytes"),
    ("uring-sys-shim/src/buf_ring.rs", "entries in memory shared with the kernel"),
    ("uring-sys-shim/src/enter.rs", "two system calls that libc has no function for"),
    ("uring-sys-shim/src/fork.rs", "one page of memory is mapped, read and unmapped"),
    (
        "uring-sys-shim/src/kernel.rs",
        "entries are pushed and memory is registered: the duties go to the caller",
    ),
    ("uring-sys-shim/src/ring.rs", "two methods whose callers owe the kernel valid memory"),
    (
        "uring-sys-shim/src/scripted.rs",
        "writes into the buffers that the driver submitted, as the kernel does",
    ),
];

/// The only workspace members whose root doesn't forbid unsafe code, by directory.
pub(super) const UNSAFE_CRATES: &[(&str, &str)] = &[
    ("uring-sys-shim", "it is the kernel's ring"),
    ("runtime", "its records own the memory that the kernel sees"),
    ("benches", "it drives the bare ring and epoll to compare with"),
];

/// Each package of the workspace and the packages of the workspace that it depends on, in alphabetical order.
pub(super) const EDGES: &[(&str, &[&str])] = &[
    ("uring-bench", &["uring-rt"]),
    ("uring-macros", &[]),
    ("uring-net", &["uring-runtime"]),
    ("uring-rt", &["uring-macros", "uring-net", "uring-runtime"]),
    ("uring-runtime", &["uring-sys-shim"]),
    ("uring-sys-shim", &[]),
];

/// The directories whose public async functions say what a dropped future does.
pub(super) const CANCEL_SAFETY_SCOPE: &[&str] = &["runtime/src/", "net/src/", "pool/src/"];

/// The crates that take time, chance and system calls only from the ring and the core.
const LIBRARY: &[&str] = &["runtime/src/", "net/src/", "pool/src/", "src/"];
const EVERYWHERE: &[&str] = &[""];

/// What may be named only at home. A path that ends with `/` is a module: `a/` is `a.rs` and all below `a/`.
pub(super) const HOMES: &[Home] = &[
    Home {
        what: "the shim is named only by the runtime",
        needles: &[Needle::Name("uring_sys_shim")],
        scope: EVERYWHERE,
        allowed: &[("runtime/src/", "it drives the ring")],
    },
    Home {
        what: "only the driver touches the ring",
        needles: &[Needle::Name("KernelRing"), Needle::Name("AnyRing")],
        scope: EVERYWHERE,
        allowed: &[("uring-sys-shim/src/", "it is the ring"), ("runtime/src/driver/", "it owns the ring")],
    },
    Home {
        what: "only operations build entries",
        needles: &[Needle::Makes("Sqe")],
        scope: EVERYWHERE,
        allowed: &[
            ("runtime/src/op/", "an operation is an entry and what comes back"),
            ("runtime/src/driver/", "cancels, wakes and closes are the driver's own"),
        ],
    },
    Home {
        what: "time is read only from the ring's clock",
        needles: &[
            Needle::Name("Instant::now"),
            Needle::Name("SystemTime::now"),
            Needle::Name("SystemTime::UNIX_EPOCH"),
        ],
        scope: LIBRARY,
        allowed: &[],
    },
    Home {
        what: "random numbers come only from the core's seeded generator",
        needles: &[
            Needle::Name("RandomState"),
            Needle::Name("HashMap::new"),
            Needle::Name("HashMap::with_capacity"),
            Needle::Name("HashMap::default"),
            Needle::Name("HashSet::new"),
            Needle::Name("HashSet::with_capacity"),
            Needle::Name("HashSet::default"),
            Needle::Name("getrandom"),
        ],
        scope: LIBRARY,
        allowed: &[],
    },
    Home {
        what: "threads are started only by the launcher and the blocking pool",
        needles: &[
            Needle::Name("thread::spawn"),
            Needle::Name("thread::Builder"),
            Needle::Name("thread::scope"),
            Needle::Name("thread::sleep"),
        ],
        scope: LIBRARY,
        allowed: &[],
    },
    Home {
        what: "sockets are made only by operations",
        needles: &[
            Needle::Name("std::net::TcpStream"),
            Needle::Name("std::net::TcpListener"),
            Needle::Name("std::net::UdpSocket"),
            Needle::Name("std::net::ToSocketAddrs"),
            Needle::Name("std::os::unix::net::UnixStream"),
            Needle::Name("std::os::unix::net::UnixListener"),
            Needle::Name("std::os::unix::net::UnixDatagram"),
        ],
        scope: LIBRARY,
        allowed: &[],
    },
    Home {
        what: "files are touched only by operations",
        needles: &[Needle::Name("std::fs")],
        scope: LIBRARY,
        allowed: &[],
    },
    Home {
        what: "programs are started only by the module for processes",
        needles: &[Needle::Name("std::process")],
        scope: LIBRARY,
        allowed: &[],
    },
    Home {
        what: "the kernel's constants and types belong to operations and what lowers into them",
        needles: &[Needle::Name("libc")],
        scope: LIBRARY,
        allowed: &[
            ("runtime/src/op/", "entries are made of them"),
            ("runtime/src/io/", "errors are read with them"),
            ("runtime/src/fs/", "flags of open files"),
        ],
    },
    Home {
        what: "system calls go through the ring or the shim",
        needles: &[Needle::Calls("libc")],
        scope: LIBRARY,
        allowed: &[],
    },
];
