//! Files, by positional reads and writes with owned buffers.
//!
//! There is no cursor: each call names its offset, so that many can be in flight at once. What the page cache has is
//! answered during the enter that submits; what it has not is done by the kernel's own threads or the disk.

mod file;
mod metadata;
mod options;

pub use file::File;
pub use metadata::Metadata;
pub use options::OpenOptions;
