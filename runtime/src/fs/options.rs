//! How a file is opened.

use std::ffi::CString;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::File;
use crate::core::Core;
use crate::op::Op;
use crate::op::manner::Manner;
use crate::op::open::Open;
use crate::op::tries::Tries;

/// How a file is opened: as [`std::fs::OpenOptions`], with the same meaning of each option.
#[derive(Clone, Debug)]
pub struct OpenOptions {
    read: bool,
    write: bool,
    append: bool,
    truncate: bool,
    create: bool,
    create_new: bool,
    mode: u32,
    custom_flags: i32,
    manner: Manner,
}

impl Default for OpenOptions {
    fn default() -> Self {
        Self::new()
    }
}

impl OpenOptions {
    /// Nothing set: at least [`read`](Self::read) or [`write`](Self::write) is needed.
    #[must_use]
    pub fn new() -> Self {
        Self {
            read: false,
            write: false,
            append: false,
            truncate: false,
            create: false,
            create_new: false,
            mode: 0o666,
            custom_flags: 0,
            manner: Manner::Inline,
        }
    }

    /// For reading.
    pub fn read(&mut self, on: bool) -> &mut Self {
        self.read = on;
        self
    }

    /// For writing.
    pub fn write(&mut self, on: bool) -> &mut Self {
        self.write = on;
        self
    }

    /// Every write goes to the end, whatever offset it names (`O_APPEND`).
    pub fn append(&mut self, on: bool) -> &mut Self {
        self.append = on;
        self
    }

    /// An existing file is emptied. Needs [`write`](Self::write).
    pub fn truncate(&mut self, on: bool) -> &mut Self {
        self.truncate = on;
        self
    }

    /// A missing file is created. Needs [`write`](Self::write) or [`append`](Self::append).
    pub fn create(&mut self, on: bool) -> &mut Self {
        self.create = on;
        self
    }

    /// The file is created, and must not exist. Needs [`write`](Self::write) or [`append`](Self::append).
    pub fn create_new(&mut self, on: bool) -> &mut Self {
        self.create_new = on;
        self
    }

    /// The permissions of a file that is created, before the umask: `0o666` unless said.
    pub fn mode(&mut self, mode: u32) -> &mut Self {
        self.mode = mode;
        self
    }

    /// Further `O_*` flags, such as `O_DIRECT`. Flags of the access mode are ignored.
    pub fn custom_flags(&mut self, flags: i32) -> &mut Self {
        self.custom_flags = flags;
        self
    }

    /// Every operation on the file, the open included, is given to a thread of the kernel at once: for file systems that wait
    /// where they are asked, such as FUSE and NFS. Without it, a read that waits for such a server keeps the core from
    /// everything else, for as long as the server likes; with it, only its own future waits.
    ///
    /// It costs some microseconds for each operation, and those on one file that write are done one after another. What waits
    /// keeps one of the threads of [`Builder::kernel_threads_max`](crate::Builder::kernel_threads_max): when all of them wait,
    /// further operations on files that need one stand in line.
    ///
    /// # Kernel
    ///
    /// `IOSQE_ASYNC`.
    pub fn offload(&mut self, on: bool) -> &mut Self {
        self.manner = if on { Manner::Offloaded } else { Manner::Inline };
        self
    }

    fn flags(&self) -> io::Result<i32> {
        let writes = self.write || self.append;
        let creates = self.create || self.create_new;
        if !self.read && !writes {
            return Err(invalid("an open needs `read`, `write` or `append`"));
        }
        if creates && !writes {
            return Err(invalid("creating a file needs `write` or `append`"));
        }
        if self.truncate && !writes {
            return Err(invalid("truncating a file needs `write`, without `append`"));
        }
        if self.truncate && self.append && !self.create_new {
            return Err(invalid("a file cannot be truncated and appended to"));
        }
        let access = match (self.read, writes) {
            (true, true) => libc::O_RDWR,
            (false, true) => libc::O_WRONLY,
            _ => libc::O_RDONLY,
        };
        let bit = |on, flag| if on { flag } else { 0 };
        Ok(access
            | bit(self.append, libc::O_APPEND)
            | bit(self.truncate && !self.create_new, libc::O_TRUNC)
            | bit(creates, libc::O_CREAT)
            | bit(self.create_new, libc::O_EXCL)
            | (self.custom_flags & !libc::O_ACCMODE))
    }

    /// Opens a file, relative to the working directory. It is closed when a new program is executed.
    ///
    /// # Errors
    ///
    /// The errno of `openat(2)`, such as `ENOENT`; `InvalidInput` for options that contradict each other and for a
    /// path with a zero byte.
    ///
    /// # Panics
    ///
    /// Outside of a runtime.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future cancels the open. If it succeeds all the same, the descriptor is closed.
    ///
    /// # Kernel
    ///
    /// `IORING_OP_OPENAT`.
    pub async fn open(&self, path: impl AsRef<Path>) -> io::Result<File> {
        let flags = self.flags()?;
        let path = CString::new(path.as_ref().as_os_str().as_bytes())?;
        let core = Core::current();
        let (mode, manner) = (self.mode, self.manner);
        let fd = Op::new(&core, Open { path, flags, mode, manner, tries: Tries::default() }).await?;
        Ok(File::new(&core, fd, manner))
    }
}

fn invalid(text: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, text)
}
