//! One submission queue entry, as the kernel lays it out, and the operation codes.
//!
//! The `io-uring` crate's builders leave out some fields (`ioprio` on multishot receives, for one), so entries are
//! filled in here by name. `io_uring_enter(2)` describes each field for each operation.

use std::mem::{offset_of, size_of};

use io_uring::squeue;

/// A submission queue entry: 64 bytes, the kernel's own layout.
///
/// The fields carry the name of their most common use; the kernel overlays others (`off` is also `addr2`, `len` is
/// also a count of flags for some operations, `op_flags` is `rw_flags`, `msg_flags`, `accept_flags` and so on).
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sqe {
    /// The operation, one of [`opcode`].
    pub opcode: u8,
    /// `IOSQE_*` flags.
    pub flags: u8,
    /// The priority of a file operation, or the `IORING_RECVSEND_*` and `IORING_ACCEPT_*` flags of a socket's.
    pub ioprio: u16,
    /// The descriptor.
    pub fd: i32,
    /// The file offset, or a second address.
    pub off: u64,
    /// The address of the buffer, path or structure.
    pub addr: u64,
    /// The length of the buffer in bytes, or a count.
    pub len: u32,
    /// The flags of this kind of operation.
    pub op_flags: u32,
    /// What the completion carries back.
    pub user_data: u64,
    /// The registered buffer's index, or the group of provided buffers to select from.
    pub buf_index: u16,
    /// The credentials to use, 0 for the caller's.
    pub personality: u16,
    /// A second descriptor, or the slot for a direct one.
    pub file_index: u32,
    /// A third address.
    pub addr3: u64,
    /// Not used.
    pub pad: u64,
}

const _: () = {
    assert!(size_of::<Sqe>() == 64);
    assert!(size_of::<Sqe>() == size_of::<squeue::Entry>());
    assert!(align_of::<Sqe>() == align_of::<squeue::Entry>());
    assert!(offset_of!(Sqe, ioprio) == 2);
    assert!(offset_of!(Sqe, fd) == 4);
    assert!(offset_of!(Sqe, off) == 8);
    assert!(offset_of!(Sqe, addr) == 16);
    assert!(offset_of!(Sqe, len) == 24);
    assert!(offset_of!(Sqe, op_flags) == 28);
    assert!(offset_of!(Sqe, user_data) == 32);
    assert!(offset_of!(Sqe, buf_index) == 40);
    assert!(offset_of!(Sqe, personality) == 42);
    assert!(offset_of!(Sqe, file_index) == 44);
    assert!(offset_of!(Sqe, addr3) == 48);
};

impl Sqe {
    /// `IOSQE_ASYNC`: run in a kernel thread from the start.
    pub const ASYNC: u8 = 1 << 4;
    /// `IOSQE_BUFFER_SELECT`: the kernel takes a buffer of the group [`Sqe::buf_index`].
    pub const BUFFER_SELECT: u8 = 1 << 5;
    /// `IOSQE_CQE_SKIP_SUCCESS`: no completion when the operation succeeds.
    pub const SKIP_SUCCESS: u8 = 1 << 6;

    /// `IORING_RECV_MULTISHOT`, in `ioprio` (6.0).
    pub const RECV_MULTISHOT: u16 = 1 << 1;
    /// `IORING_ACCEPT_MULTISHOT`, in `ioprio` (5.19).
    pub const ACCEPT_MULTISHOT: u16 = 1 << 0;

    /// `IORING_SEND_ZC_REPORT_USAGE`, in `ioprio` (6.2): the notification says whether the kernel has copied.
    pub const SEND_ZC_REPORT_USAGE: u16 = 1 << 3;

    /// An entry for an operation on a descriptor, all else zero.
    #[must_use]
    pub fn new(opcode: u8, fd: i32) -> Self {
        Self { opcode, fd, ..Self::default() }
    }
}

/// The operation codes in use, taken from the `io-uring` crate.
pub mod opcode {
    use io_uring::opcode as op;

    /// Does nothing, and completes.
    pub const NOP: u8 = op::Nop::CODE;
    /// `fsync(2)` and `fdatasync(2)`.
    pub const FSYNC: u8 = op::Fsync::CODE;
    /// `accept4(2)`.
    pub const ACCEPT: u8 = op::Accept::CODE;
    /// Cancels operations in flight.
    pub const ASYNC_CANCEL: u8 = op::AsyncCancel::CODE;
    /// `connect(2)`.
    pub const CONNECT: u8 = op::Connect::CODE;
    /// `openat(2)`.
    pub const OPENAT: u8 = op::OpenAt::CODE;
    /// `close(2)`.
    pub const CLOSE: u8 = op::Close::CODE;
    /// `statx(2)`.
    pub const STATX: u8 = op::Statx::CODE;
    /// `pread(2)`.
    pub const READ: u8 = op::Read::CODE;
    /// `pwrite(2)`.
    pub const WRITE: u8 = op::Write::CODE;
    /// `send(2)`.
    pub const SEND: u8 = op::Send::CODE;
    /// `send(2)` without a copy (6.0).
    pub const SEND_ZC: u8 = op::SendZc::CODE;
    /// `recv(2)`.
    pub const RECV: u8 = op::Recv::CODE;
    /// `shutdown(2)` (5.11).
    pub const SHUTDOWN: u8 = op::Shutdown::CODE;
    /// `socket(2)` (5.19).
    pub const SOCKET: u8 = op::Socket::CODE;
    /// Posts a completion to another ring (5.18).
    pub const MSG_RING: u8 = op::MsgRingData::CODE;
    /// Reads again and again (6.7): its presence tells the kernel's age.
    pub const READ_MULTISHOT: u8 = op::ReadMulti::CODE;
    /// `sendmsg(2)` without a copy (6.1): its presence tells the supported floor.
    pub const SENDMSG_ZC: u8 = op::SendMsgZc::CODE;
}
