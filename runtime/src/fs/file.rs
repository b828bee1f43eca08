//! An open file.

use std::fmt;
use std::future::poll_fn;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::path::Path;
use std::rc::Rc;

use super::{Metadata, OpenOptions};
use crate::buf::{BufResult, IoBuf, IoBufMut};
use crate::core::Core;
use crate::io::Fd;
use crate::op::Op;
use crate::op::close::Close;
use crate::op::fsync::{Extent, Fsync};
use crate::op::manner::Manner;
use crate::op::read::ReadAt;
use crate::op::statx::Statx;
use crate::op::tries::Tries;
use crate::op::write::WriteAt;

/// An open file, on the core that opened it.
///
/// Reading and writing take `&self`, so many operations can be in flight. Dropping it closes the descriptor after
/// the last of them; [`close`](File::close) waits for that and gives the error.
///
/// ```no_run
/// # async fn demo() -> std::io::Result<()> {
/// use uring_runtime::fs::File;
///
/// let file = File::open("Cargo.toml").await?;
/// let (bytes, buf) = file.read_at(Vec::with_capacity(4096), 0).await.into_result()?;
/// println!("{bytes} bytes: {}", String::from_utf8_lossy(&buf));
/// # Ok(())
/// # }
/// ```
pub struct File {
    fd: Fd,
    manner: Manner,
}

impl File {
    pub(super) fn new(core: &Rc<Core>, fd: OwnedFd, manner: Manner) -> Self {
        Self { fd: Fd::new(core, fd), manner }
    }

    /// Opens a file for reading.
    ///
    /// # Errors
    ///
    /// See [`OpenOptions::open`].
    ///
    /// # Cancel safety
    ///
    /// See [`OpenOptions::open`].
    pub async fn open(path: impl AsRef<Path>) -> io::Result<Self> {
        OpenOptions::new().read(true).open(path).await
    }

    /// Creates a file for writing, or empties it.
    ///
    /// # Errors
    ///
    /// See [`OpenOptions::open`].
    ///
    /// # Cancel safety
    ///
    /// See [`OpenOptions::open`].
    pub async fn create(path: impl AsRef<Path>) -> io::Result<Self> {
        OpenOptions::new().write(true).create(true).truncate(true).open(path).await
    }

    /// Takes over a file that was opened elsewhere.
    ///
    /// # Panics
    ///
    /// Outside of a runtime.
    #[must_use]
    pub fn from_std(file: std::fs::File) -> Self {
        Self::new(&Core::current(), file.into(), Manner::Inline)
    }

    /// Reads at an offset in bytes from the beginning, and gives how many bytes that was. 0 is the end of the file,
    /// or a buffer without room.
    ///
    /// # Errors
    ///
    /// The errno of `pread(2)`, such as `EISDIR`.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future cancels the read; the buffer is lost, the file is as it was.
    ///
    /// # Kernel
    ///
    /// `IORING_OP_READ`; at most 2,147,479,552 bytes at once (`read(2)`).
    pub fn read_at<B: IoBufMut>(
        &self,
        buf: B,
        offset: u64,
    ) -> impl Future<Output = BufResult<usize, B>> + use<B> {
        self.read_behind(buf, 0, offset)
    }

    /// Reads into `buf[filled..]`, whose beginning is at `start` in the file. No `async fn`, because each layer of
    /// those moves the buffer once more.
    #[inline]
    fn read_behind<B: IoBufMut>(&self, buf: B, filled: usize, start: u64) -> Op<ReadAt<B>> {
        let core = self.fd.core();
        if buf.bytes_total() == filled {
            return Op::answered(core, BufResult(Ok(0), buf));
        }
        match position(start, filled) {
            Ok(offset) => {
                let (fd, manner, tries) = (self.fd.clone(), self.manner, Tries::default());
                Op::new(core, ReadAt { fd, buf, filled, offset, manner, tries })
            }
            Err(error) => Op::answered(core, BufResult(Err(error), buf)),
        }
    }

    /// Fills the whole buffer from an offset.
    ///
    /// # Errors
    ///
    /// As [`read_at`](File::read_at), and `UnexpectedEof` when the file ends before the buffer is full.
    ///
    /// # Cancel safety
    ///
    /// As [`read_at`](File::read_at).
    pub async fn read_exact_at<B: IoBufMut>(&self, mut buf: B, offset: u64) -> BufResult<(), B> {
        let mut filled = 0;
        while filled < buf.bytes_total() {
            let result;
            BufResult(result, buf) = self.read_behind(buf, filled, offset).await;
            match result {
                Ok(0) => return BufResult(Err(io::ErrorKind::UnexpectedEof.into()), buf),
                Ok(bytes) => filled += bytes,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return BufResult(Err(error), buf),
            }
        }
        BufResult(Ok(()), buf)
    }

    /// Writes at an offset in bytes from the beginning, and gives how many bytes that was.
    ///
    /// # Errors
    ///
    /// The errno of `pwrite(2)`, such as `ENOSPC`.
    ///
    /// # Cancel safety
    ///
    /// Before its first poll, dropping the future writes nothing. A write that has begun is finished.
    ///
    /// # Kernel
    ///
    /// `IORING_OP_WRITE`; at most 2,147,479,552 bytes at once (`write(2)`).
    pub fn write_at<B: IoBuf>(
        &self,
        buf: B,
        offset: u64,
    ) -> impl Future<Output = BufResult<usize, B>> + use<B> {
        self.write_behind(buf, 0, offset)
    }

    /// Writes `buf[done..]`, whose beginning goes to `start` in the file.
    #[inline]
    fn write_behind<B: IoBuf>(&self, buf: B, done: usize, start: u64) -> Op<WriteAt<B>> {
        let core = self.fd.core();
        if buf.bytes_init() == done {
            return Op::answered(core, BufResult(Ok(0), buf));
        }
        match position(start, done) {
            Ok(offset) => {
                let (fd, manner, tries) = (self.fd.clone(), self.manner, Tries::default());
                Op::new(core, WriteAt { fd, buf, done, offset, manner, tries })
            }
            Err(error) => Op::answered(core, BufResult(Err(error), buf)),
        }
    }

    /// Writes the whole buffer at an offset.
    ///
    /// # Errors
    ///
    /// As [`write_at`](File::write_at), and `WriteZero` when the kernel takes nothing more.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future may leave a part written: the write in flight is finished, and no further one begins.
    pub async fn write_all_at<B: IoBuf>(&self, mut buf: B, offset: u64) -> BufResult<(), B> {
        let mut done = 0;
        while done < buf.bytes_init() {
            let result;
            BufResult(result, buf) = self.write_behind(buf, done, offset).await;
            match result {
                Ok(0) => return BufResult(Err(io::ErrorKind::WriteZero.into()), buf),
                Ok(bytes) => done += bytes,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return BufResult(Err(error), buf),
            }
        }
        BufResult(Ok(()), buf)
    }

    /// Makes the content and the metadata durable (`fsync(2)`).
    ///
    /// # Errors
    ///
    /// The errno, such as `EIO`: the writes before may be lost then, and trying again does not bring them back.
    ///
    /// # Cancel safety
    ///
    /// A sync that has begun is finished.
    pub async fn sync_all(&self) -> io::Result<()> {
        self.sync(Extent::All).await
    }

    /// Makes the content durable, and of the metadata what is needed to read it (`fdatasync(2)`).
    ///
    /// # Errors
    ///
    /// As [`sync_all`](File::sync_all).
    ///
    /// # Cancel safety
    ///
    /// A sync that has begun is finished.
    pub async fn sync_data(&self) -> io::Result<()> {
        self.sync(Extent::Data).await
    }

    fn sync(&self, extent: Extent) -> Op<Fsync> {
        let (fd, manner, tries) = (self.fd.clone(), self.manner, Tries::default());
        Op::new(self.fd.core(), Fsync { fd, extent, manner, tries })
    }

    /// Asks for the facts of the file, such as its size.
    ///
    /// # Errors
    ///
    /// The errno of `statx(2)`.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future cancels the question.
    pub async fn metadata(&self) -> io::Result<Metadata> {
        Op::new(self.fd.core(), Statx::new(self.fd.clone(), self.manner)).await.map(Metadata::new)
    }

    /// Closes the file after the operations in flight, and gives the error if there is one.
    ///
    /// # Errors
    ///
    /// The errno of `close(2)`, such as `EIO` or `EDQUOT` on network file systems. The descriptor is closed all the
    /// same.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes the file all the same; only the error is lost.
    pub async fn close(self) -> io::Result<()> {
        let core = Rc::clone(self.fd.core());
        match poll_fn(|cx| self.fd.poll_take(cx)).await {
            Some(fd) => Op::new(&core, Close::new(fd)).await,
            None => Ok(()),
        }
    }
}

/// The offset of the next byte. The kernel takes −1 for "the file's own position", which is none of ours, and
/// offsets are signed there.
fn position(offset: u64, done: usize) -> io::Result<u64> {
    let end = offset.checked_add(done as u64).filter(|end| i64::try_from(*end).is_ok());
    end.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "the offset is larger than a file can be"))
}

impl AsFd for File {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl AsRawFd for File {
    fn as_raw_fd(&self) -> RawFd {
        self.fd.as_raw_fd()
    }
}

impl fmt::Debug for File {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("File").field("fd", &self.fd.as_raw_fd()).finish()
    }
}
