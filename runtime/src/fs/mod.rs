//! Files, by positional reads and writes with owned buffers.
//!
//! There is no cursor: each call names its offset, so that many can be in flight at once. What the page cache has is
//! answered during the enter that submits; what it has not is done by the kernel's own threads or the disk.
//!
//! A file system that waits where it is asked holds its core up meanwhile: a read of a FUSE file was seen to wait in the
//! enter on Linux 6.18. [`OpenOptions::offload`] gives all operations on such a file to the kernel's threads.

mod file;
mod metadata;
mod options;

pub use file::File;
pub use metadata::Metadata;
pub use options::OpenOptions;
