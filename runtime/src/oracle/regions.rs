//! The memory that entries in flight point to.
//!
//! Each driver has a ledger of its own entries; all of them together are in one table, which the allocator looks into.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::fmt;
use std::io::Write;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use uring_sys_shim::{Sqe, opcode};

use super::poison::is_poisoned;

/// Who uses memory: an entry of a ledger, or a pool of receive buffers.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct User {
    ledger: u64,
    user_data: u64,
    opcode: u8,
}

/// The user of what a pool has lent to the kernel.
const POOL: User = User { ledger: 0, user_data: 0, opcode: opcode::NOP };

impl fmt::Display for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == POOL {
            return f.write_str("the pool of receive buffers, which is lent to the kernel");
        }
        write!(f, "an operation in flight (opcode {}, user_data {:#x})", self.opcode, self.user_data)
    }
}

/// Start and user of each region, and its bytes.
static TABLE: Mutex<Table> = Mutex::new(BTreeMap::new());

thread_local! {
    /// Set while this thread changes the table: what is freed meanwhile is the table's own.
    static CHANGING: Cell<bool> = const { Cell::new(false) };
}

type Table = BTreeMap<(usize, User), usize>;

/// How many regions begin in each line of memory, by the low bits of its number: most of what is freed is small, and needs
/// no look into the table.
static BEGIN: [AtomicU32; 1 << 12] = [const { AtomicU32::new(0) }; 1 << 12];
const LINE_BYTES: usize = 64;
/// Blocks up to this size are asked line by line.
const SMALL_BYTES: usize = 1024;

fn begin(line: usize) -> &'static AtomicU32 {
    &BEGIN[line % BEGIN.len()]
}

/// Whether a region may begin in this block.
fn may_be_used(start: usize, bytes: usize) -> bool {
    let (mut line, last) = (start / LINE_BYTES, (start + bytes) / LINE_BYTES);
    while line <= last && bytes <= SMALL_BYTES {
        if begin(line).load(Ordering::SeqCst) != 0 {
            return true;
        }
        line += 1;
    }
    bytes > SMALL_BYTES
}

fn insert(start: usize, bytes: usize, user: User) {
    change(|table| {
        if table.insert((start, user), bytes).is_none() {
            begin(start / LINE_BYTES).fetch_add(1, Ordering::SeqCst);
        }
    });
}

fn remove(start: usize, user: User) {
    change(|table| {
        if table.remove(&(start, user)).is_some() {
            begin(start / LINE_BYTES).fetch_sub(1, Ordering::SeqCst);
        }
    });
}

/// Changes the table, without looking at what that frees.
fn change(act: impl FnOnce(&mut Table)) {
    CHANGING.set(true);
    // A panic in between is out of memory, which aborts.
    if let Ok(mut table) = TABLE.lock() {
        act(&mut table);
    }
    CHANGING.set(false);
}

/// How often the allocator tries to look. In a forked child the table may be locked for ever.
const TRIES_MAX: usize = 10_000;

/// Aborts when this memory, which is being freed, is in use.
pub(super) fn freed(start: usize, bytes: usize) {
    if !may_be_used(start, bytes) || CHANGING.try_with(Cell::get).unwrap_or(true) {
        return;
    }
    for _ in 0..TRIES_MAX {
        if let Ok(table) = TABLE.try_lock() {
            // A buffer lies in its block with its beginning.
            let first = User { ledger: 0, user_data: 0, opcode: 0 };
            let used = table.range((start, first)..(start + bytes, first)).next();
            if let Some(((_, user), _)) = used {
                fail("freed", *user);
            }
            return;
        }
        std::hint::spin_loop();
    }
}

/// Ends the process, without allocating.
fn fail(what: &str, user: User) -> ! {
    // Nothing can be done about a closed standard error.
    let _ = writeln!(std::io::stderr(), "uring: memory was {what} that belongs to {user}");
    std::process::abort()
}

/// A pool lends a block of memory to the kernel.
pub(crate) fn lent(start: usize, bytes: usize) {
    insert(start, bytes, POOL);
}

/// A pool's block is the kernel's no more.
pub(crate) fn returned(start: usize) {
    remove(start, POOL);
}

/// Where an entry points to, and how far.
type Regions = [(usize, usize); 2];
const NOWHERE: (usize, usize) = (0, 0);

/// Bytes of `struct statx`.
const STATX_BYTES: usize = 256;

fn regions(sqe: &Sqe) -> Regions {
    let address = sqe.addr as usize;
    match sqe.opcode {
        opcode::RECV if sqe.flags & Sqe::BUFFER_SELECT != 0 => [NOWHERE, NOWHERE],
        opcode::READ | opcode::WRITE | opcode::SEND | opcode::SEND_ZC | opcode::RECV => {
            [(address, sqe.len as usize), NOWHERE]
        }
        // A path: where it ends is not in the entry.
        opcode::OPENAT => [(address, 1), NOWHERE],
        opcode::STATX => [(address, 1), (sqe.off as usize, STATX_BYTES)],
        opcode::CONNECT => [(address, sqe.off as usize), NOWHERE],
        _ => [NOWHERE, NOWHERE],
    }
}

/// The entries of one driver.
pub(crate) struct Ledger {
    id: u64,
    entries: BTreeMap<u64, (User, Regions)>,
}

impl Default for Ledger {
    fn default() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        Self { id: NEXT.fetch_add(1, Ordering::Relaxed), entries: BTreeMap::new() }
    }
}

impl Ledger {
    /// From here on the entry's memory is in use.
    pub(crate) fn submitted(&mut self, sqe: &Sqe) {
        let user = User { ledger: self.id, user_data: sqe.user_data, opcode: sqe.opcode };
        let regions = regions(sqe);
        check(user, &regions);
        for (start, bytes) in regions.into_iter().filter(|region| region.1 > 0) {
            insert(start, bytes, user);
        }
        self.entries.insert(sqe.user_data, (user, regions));
    }

    /// The entry's last completion was reaped.
    pub(crate) fn completed(&mut self, user_data: u64) {
        let Some((user, regions)) = self.entries.remove(&user_data) else { return };
        check(user, &regions);
        for (start, _) in regions {
            remove(start, user);
        }
    }
}

fn check(user: User, regions: &Regions) {
    if regions.iter().any(|(start, bytes)| *bytes > 0 && is_poisoned(*start, *bytes)) {
        fail("poisoned", user);
    }
}
