//! File reads with a task for each read in flight, each with its own plain buffer.

use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

use uring::Runtime;
use uring::buf::BufResult;
use uring::fs::File;

use super::runtime;
use crate::Result;
use crate::local::Bench;
use crate::meter::{Meter, Round};
use crate::workload::{BLOCK_BYTES, Reads};

pub(super) struct RingReads {
    runtime: Runtime,
    path: PathBuf,
    depth: u32,
}

impl RingReads {
    pub(super) fn new(path: &Path, depth: u32) -> Result<Self> {
        Ok(Self { runtime: runtime()?, path: path.to_owned(), depth })
    }
}

impl Bench for RingReads {
    fn round(&mut self, length: Duration) -> Result<Vec<Round>> {
        self.runtime.block_on(async {
            let file = Rc::new(File::open(&self.path).await?);
            let enters = uring::stats().enters;
            let meter = Meter::start()?;
            let reads = Rc::new(Reads::start(length));
            let tasks: Vec<_> = (0..self.depth)
                .map(|slot| uring::spawn(read_one_by_one(Rc::clone(&file), slot, Rc::clone(&reads))))
                .collect();
            for task in tasks {
                task.await.map_err(|error| error.to_string())??;
            }
            let round = meter.stop(reads.done())?;
            Ok(vec![Round { syscalls: Some(uring::stats().enters - enters), ..round }])
        })
    }
}

async fn read_one_by_one(file: Rc<File>, slot: u32, reads: Rc<Reads>) -> Result<()> {
    let mut offsets = Reads::offsets(slot);
    let mut block = vec![0; BLOCK_BYTES];
    loop {
        let offset = offsets.next();
        let BufResult(read, returned) = file.read_at(block, offset).await;
        block = returned;
        if !reads.finish(&block[..read?], offset)? {
            return Ok(());
        }
    }
}
