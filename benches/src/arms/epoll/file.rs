//! File reads without a ring: blocking `pread(2)` in a loop. Files are always "ready", so epoll has nothing to add,
//! and one thread has one read at a time whatever depth is asked for.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::Duration;

use crate::Result;
use crate::local::Bench;
use crate::meter::{Meter, Round};
use crate::workload::{BLOCK_BYTES, Reads};

pub(super) struct Pread {
    file: File,
}

impl Pread {
    pub(super) fn open(path: &Path) -> Result<Self> {
        Ok(Self { file: File::open(path)? })
    }
}

impl Bench for Pread {
    fn round(&mut self, length: Duration) -> Result<Vec<Round>> {
        let mut block = vec![0; BLOCK_BYTES];
        let mut offsets = Reads::offsets(0);
        let meter = Meter::start()?;
        let reads = Reads::start(length);
        loop {
            let offset = offsets.next();
            let read = self.file.read_at(&mut block, offset)?;
            if !reads.finish(&block[..read], offset)? {
                break;
            }
        }
        let round = meter.stop(reads.done())?;
        Ok(vec![Round { syscalls: Some(round.ops), ..round }])
    }
}
