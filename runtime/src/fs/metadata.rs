//! The facts of a file.

use std::fmt;
use std::time::{Duration, SystemTime};

/// The facts of a file, from `statx(2)`.
#[derive(Clone)]
pub struct Metadata(Box<libc::statx>);

impl Metadata {
    pub(super) fn new(facts: Box<libc::statx>) -> Self {
        Self(facts)
    }

    /// The size in bytes.
    #[must_use]
    #[allow(clippy::len_without_is_empty, reason = "as std::fs::Metadata")]
    pub fn len(&self) -> u64 {
        self.0.stx_size
    }

    /// The type and the permissions, as `st_mode` has them.
    #[must_use]
    pub fn mode(&self) -> u32 {
        u32::from(self.0.stx_mode)
    }

    /// Whether it is a regular file.
    #[must_use]
    pub fn is_file(&self) -> bool {
        self.mode() & libc::S_IFMT == libc::S_IFREG
    }

    /// Whether it is a directory.
    #[must_use]
    pub fn is_dir(&self) -> bool {
        self.mode() & libc::S_IFMT == libc::S_IFDIR
    }

    /// When the content was last changed.
    #[must_use]
    pub fn modified(&self) -> SystemTime {
        let time = self.0.stx_mtime;
        let nanos = Duration::from_nanos(u64::from(time.tv_nsec));
        match u64::try_from(time.tv_sec) {
            Ok(secs) => SystemTime::UNIX_EPOCH + Duration::from_secs(secs) + nanos,
            Err(_) => SystemTime::UNIX_EPOCH - Duration::from_secs(time.tv_sec.unsigned_abs()) + nanos,
        }
    }
}

impl fmt::Debug for Metadata {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metadata")
            .field("len", &self.len())
            .field("mode", &self.mode())
            .finish_non_exhaustive()
    }
}
