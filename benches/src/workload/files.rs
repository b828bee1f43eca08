//! Random reads of a file in the page cache: the file, and the shared count that stops a round.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use crate::Result;
use crate::pattern::{Random, block_matches, file_word};

pub(crate) const BLOCK_BYTES: usize = 4096;
const FILE_BYTES: u64 = 64 << 20;
const BLOCKS: u64 = FILE_BYTES / BLOCK_BYTES as u64;

/// Reads between two looks at the clock.
const READS_PER_LOOK: u64 = 32;

/// A file whose every word says where it lies. It is removed when this is dropped.
pub(crate) struct DataFile {
    path: PathBuf,
}

impl DataFile {
    /// Writes the file and waits until the disk has it, so that no write-back runs during a round. Writing it has
    /// also brought it into the page cache.
    pub(crate) fn create() -> Result<Self> {
        let file = Self { path: std::env::temp_dir().join(format!("uring-bench-{}.data", process::id())) };
        let mut writer = BufWriter::with_capacity(1 << 20, File::create_new(&file.path)?);
        for offset in (0..FILE_BYTES).step_by(8) {
            writer.write_all(&file_word(offset))?;
        }
        writer.into_inner()?.sync_all()?;
        Ok(file)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for DataFile {
    fn drop(&mut self) {
        // A file that cannot be removed is left behind in the directory for temporary files.
        let _ = std::fs::remove_file(&self.path);
    }
}

/// The reads of one round, drawn and counted here for all of its tasks or slots.
pub(crate) struct Reads {
    deadline: Instant,
    done: AtomicU64,
    over: AtomicBool,
}

impl Reads {
    pub(crate) fn start(length: Duration) -> Self {
        Self { deadline: Instant::now() + length, done: AtomicU64::new(0), over: AtomicBool::new(false) }
    }

    /// The stream of offsets of one task or slot.
    pub(crate) fn offsets(slot: u32) -> Offsets {
        Offsets { random: Random::new(0x5eed ^ u64::from(slot)) }
    }

    /// Checks and counts a read; false ends the round for the task or slot that made it.
    pub(crate) fn finish(&self, block: &[u8], offset: u64) -> Result<bool> {
        let nth = (offset / BLOCK_BYTES as u64) as usize % (BLOCK_BYTES / 8);
        if !block_matches(block, offset, nth) {
            return Err(format!("the block at {offset} is not what the file holds").into());
        }
        let done = self.done.fetch_add(1, Relaxed) + 1;
        if done.is_multiple_of(READS_PER_LOOK) && Instant::now() >= self.deadline {
            self.over.store(true, Relaxed);
        }
        Ok(!self.over.load(Relaxed))
    }

    pub(crate) fn done(&self) -> u64 {
        self.done.load(Relaxed)
    }
}

/// Offsets of whole blocks, at random.
pub(crate) struct Offsets {
    random: Random,
}

impl Offsets {
    pub(crate) fn next(&mut self) -> u64 {
        self.random.below(BLOCKS) * BLOCK_BYTES as u64
    }
}
