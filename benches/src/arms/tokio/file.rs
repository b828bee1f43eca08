//! File reads as `tokio::fs` does them: each goes to the blocking pool and is a `pread(2)` there. One task for each
//! read in flight.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Runtime;
use tokio::task::spawn_blocking;

use super::runtime;
use crate::Result;
use crate::local::Bench;
use crate::meter::{Meter, Round};
use crate::workload::{BLOCK_BYTES, Reads};

pub(super) struct Pool {
    runtime: Runtime,
    file: Arc<File>,
    depth: u32,
}

impl Pool {
    pub(super) fn open(path: &Path, depth: u32) -> Result<Self> {
        Ok(Self { runtime: runtime()?, file: Arc::new(File::open(path)?), depth })
    }
}

impl Bench for Pool {
    fn round(&mut self, length: Duration) -> Result<Vec<Round>> {
        self.runtime.block_on(async {
            let meter = Meter::start()?;
            let reads = Arc::new(Reads::start(length));
            let tasks: Vec<_> = (0..self.depth)
                .map(|slot| tokio::spawn(read_one_by_one(Arc::clone(&self.file), slot, Arc::clone(&reads))))
                .collect();
            for task in tasks {
                task.await??;
            }
            Ok(vec![meter.stop(reads.done())?])
        })
    }
}

async fn read_one_by_one(file: Arc<File>, slot: u32, reads: Arc<Reads>) -> Result<()> {
    let mut offsets = Reads::offsets(slot);
    let mut block = vec![0; BLOCK_BYTES];
    loop {
        let offset = offsets.next();
        let file = Arc::clone(&file);
        let read;
        (read, block) = spawn_blocking(move || (file.read_at(&mut block, offset), block)).await?;
        if !reads.finish(&block[..read?], offset)? {
            return Ok(());
        }
    }
}
