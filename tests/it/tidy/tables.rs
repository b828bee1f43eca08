//! The tables that the rules read: what may stand where, and why. A new line here is a decision, so it has a reason.

use super::homes::{Home, Needle};

pub(super) const FILE_LINES_MAX: usize = 400;
pub(super) const FUNCTION_LINES_MAX: usize = 70;
pub(super) const EXAMPLE_LINES_MAX: usize = 120;

/// The hazards that the table of guarantees speaks of: memory, loss, hangs, the interface, the environment.
pub(super) const HAZARDS: &[(char, u32)] = &[('A', 18), ('B', 10), ('C', 18), ('D', 9), ('F', 8)];

/// The files that may contain `unsafe`: the whole trust base.
pub(super) const UNSAFE_FILES: &[(&str, &str)] = &[
    ("benches/src/alloc.rs", "it counts allocations, and an allocator is unsafe to implement"),
    ("benches/src/arms/raw/echo.rs", "sends memory that the kernel is told of"),
    ("benches/src/arms/raw/file.rs", "reads into memory that the kernel is told of"),
    ("benches/src/load/driver.rs", "sends memory that the kernel is told of"),
    ("benches/src/ring/buffers.rs", "memory that is shared with the kernel"),
    ("benches/src/ring/queues.rs", "the kernel trusts the addresses in a submission"),
    ("runtime/src/driver/any_ring.rs", "hands the caller's duty on"),
    ("runtime/src/driver/payload.rs", "moves values of erased types in and out of a place of bytes"),
    ("runtime/src/buf/mod.rs", "unsafe traits whose contract is about addresses, and their implementations"),
    ("runtime/src/buf/pool.rs", "memory that is lent to the kernel"),
    ("runtime/src/buf/recv_buf.rs", "reads the pool's memory, and implements the unsafe buffer trait"),
    ("runtime/src/buf/slice.rs", "implements the unsafe buffer traits for a part of a buffer"),
    ("runtime/src/builder.rs", "the duty of a ring goes to who brings one"),
    ("runtime/src/core/place.rs", "a pointer in a thread-local, which a guard keeps valid"),
    ("runtime/src/driver/mod.rs", "the one place where an entry goes to the ring"),
    ("runtime/src/fuzz/pool.rs", "plays the kernel that takes buffers of the pool"),
    ("runtime/src/fuzz/records.rs", "implements the unsafe trait Operation"),
    ("runtime/src/io/fd.rs", "borrows the descriptor that the value keeps open"),
    ("runtime/src/op/accept.rs", "implements the unsafe trait Operation"),
    ("runtime/src/op/bell.rs", "the entry points to the counter"),
    ("runtime/src/op/close.rs", "implements the unsafe trait Operation"),
    ("runtime/src/op/connect.rs", "the entry points to the address"),
    ("runtime/src/op/fsync.rs", "implements the unsafe trait Operation"),
    ("runtime/src/op/mod.rs", "what an entry points to is read and written by the kernel"),
    ("runtime/src/op/open.rs", "the entry points to the path, and the result is a new descriptor"),
    ("runtime/src/op/read.rs", "the entry points into the buffer"),
    ("runtime/src/op/recv.rs", "the entry points into the buffer, and completions name pooled ones"),
    ("runtime/src/op/send.rs", "the entry points into the buffer"),
    ("runtime/src/op/send_zero_copy.rs", "the entry points into the buffer"),
    ("runtime/src/op/shutdown.rs", "implements the unsafe trait Operation"),
    ("runtime/src/op/statx.rs", "the kernel fills in a structure"),
    ("runtime/src/op/write.rs", "the entry points into the buffer"),
    ("runtime/src/oracle/alloc.rs", "an allocator is unsafe to implement"),
    ("runtime/src/oracle/poison.rs", "calls the sanitizer's runtime"),
    ("runtime/src/sync/channel.rs", "the one consumer of the queue"),
    ("runtime/src/sync/slots.rs", "slots whose owner is told by a stamp"),
    ("runtime/src/task/memory.rs", "allocates and frees blocks of memory"),
    ("runtime/src/task/raw.rs", "a type-erased allocation with several holders, and the future pinned in it"),
    ("runtime/src/task/waker.rs", "a waker is made of a table of functions"),
    ("runtime/tests/replay/kernel.rs", "plays the kernel: fills buffers in flight and reads them"),
    (
        "runtime/tests/replay/ledger.rs",
        "implements the unsafe buffer traits, and makes descriptors to count their closes",
    ),
    ("runtime/tests/scripted/buffers.rs", "implements the unsafe buffer traits"),
    ("runtime/tests/scripted/oracle.rs", "a buffer that breaks the contract of the unsafe traits"),
    ("runtime/tests/scripted/wakers.rs", "a waker whose clone can be watched needs a table of its own"),
    ("runtime/tests/scripted/support.rs", "plays the kernel: fills buffers in flight and closes descriptors"),
    ("tests/it/support/counted.rs", "implements the unsafe buffer traits over a vector, to watch its drop"),
    ("tests/it/buffers.rs", "buffers of its own: the buffer traits are unsafe to implement"),
    ("tests/it/environment/signals.rs", "installs a handler of signals"),
    ("tests/it/lifetime/forks.rs", "forks"),
    ("tests/it/storm.rs", "runs before `main`, and signals threads by number"),
    ("tests/quarantine/keeper.rs", "an allocator, and a write into freed memory to try it"),
    ("uring-sys-shim/src/buf_ring.rs", "entries in memory shared with the kernel"),
    ("uring-sys-shim/src/enter.rs", "two system calls that libc has no function for"),
    ("uring-sys-shim/src/fork.rs", "one page of memory is mapped, read and unmapped"),
    ("uring-sys-shim/src/incoming.rs", "one system call with a pointer to its argument"),
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
        allowed: &[
            ("uring-sys-shim/src/", "it is the ring"),
            ("runtime/src/driver/", "it owns the ring"),
            ("runtime/src/builder.rs", "it chooses the ring"),
            ("runtime/src/core/mod.rs", "it hands the ring to its driver"),
            ("runtime/src/fuzz/pool.rs", "it registers a pool with a scripted ring"),
        ],
    },
    Home {
        what: "only operations build entries",
        needles: &[Needle::Makes("Sqe")],
        scope: EVERYWHERE,
        allowed: &[
            ("runtime/src/op/", "an operation is an entry and what comes back"),
            ("runtime/src/driver/", "cancels, wakes and closes are the driver's own"),
            ("runtime/src/oracle/regions.rs", "it reads where entries point to"),
            ("uring-sys-shim/src/scripted.rs", "a script names entries that it has seen"),
            ("runtime/src/fuzz/", "its operations are entries that no ring sees"),
        ],
    },
    Home {
        what: "time is read only from the ring's clock",
        needles: &[Needle::Name("std::time::Instant"), Needle::Name("SystemTime::now")],
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
            Needle::Name("fastrand"),
            Needle::Name("rand"),
        ],
        scope: LIBRARY,
        allowed: &[(
            "runtime/src/core/chance.rs",
            "it is that generator, and needs a seed where none is given",
        )],
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
        allowed: &[
            ("runtime/src/blocking/", "it is the pool of threads for calls that block"),
            ("runtime/src/core/", "the kernel has no memory for a request, a sleep's included"),
            ("runtime/src/launch/launcher.rs", "it starts the cores of a service"),
        ],
    },
    Home {
        what: "what stays within a core has no atomics, and runs without a core",
        needles: &[Needle::Name("std::sync"), Needle::Name("crate::core"), Needle::Name("crate::driver")],
        scope: &["runtime/src/local/"],
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
        allowed: &[
            ("net/src/listener.rs", "takes over a listener that was made elsewhere"),
            ("net/src/stream.rs", "takes over a connection that was made elsewhere"),
        ],
    },
    Home {
        what: "files are touched only by operations",
        needles: &[Needle::Name("std::fs")],
        scope: LIBRARY,
        allowed: &[("runtime/src/fs/file.rs", "takes over a file that was opened elsewhere")],
    },
    Home {
        what: "programs are started only by the module for processes",
        needles: &[Needle::Name("std::process")],
        scope: LIBRARY,
        allowed: &[
            ("runtime/src/op/read.rs", "memory is damaged: the process aborts"),
            ("runtime/src/oracle/regions.rs", "memory in use was freed: the process aborts"),
            ("src/macro_support.rs", "a program's exit code"),
        ],
    },
    Home {
        what: "the kernel's constants and types belong to operations and what lowers into them",
        needles: &[Needle::Name("libc")],
        scope: LIBRARY,
        allowed: &[
            ("runtime/src/op/", "entries are made of them"),
            ("runtime/src/io/", "errors are read with them"),
            ("runtime/src/fs/", "flags of open files"),
            ("runtime/src/driver/mod.rs", "it knows what the errors of an enter mean"),
        ],
    },
    Home {
        what: "system calls go through the ring or the shim",
        needles: &[Needle::Calls("libc")],
        scope: LIBRARY,
        allowed: &[],
    },
];
