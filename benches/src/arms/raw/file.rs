//! File reads on the bare ring: `depth` slots, each with a plain buffer on a plain descriptor, as the others have.
#![allow(unsafe_code, reason = "reads into memory that the kernel is told of")]

use std::fs::File;
use std::os::fd::AsRawFd;
use std::path::Path;
use std::time::Duration;

use io_uring::{IoUring, opcode, types};

use crate::Result;
use crate::arms::kernel_error;
use crate::local::Bench;
use crate::meter::{Meter, Round};
use crate::ring::{Key, Queues, ring};
use crate::workload::{BLOCK_BYTES, Offsets, Reads};

pub(super) struct RawReads {
    ring: IoUring,
    file: File,
    depth: u32,
}

/// One read in flight at a time.
struct Slot {
    block: Vec<u8>,
    offset: u64,
    offsets: Offsets,
}

impl RawReads {
    pub(super) fn open(path: &Path, depth: u32) -> Result<Self> {
        Ok(Self { ring: ring()?, file: File::open(path)?, depth })
    }
}

impl Bench for RawReads {
    fn round(&mut self, length: Duration) -> Result<Vec<Round>> {
        let mut slots: Vec<Slot> = (0..self.depth)
            .map(|slot| Slot { block: vec![0; BLOCK_BYTES], offset: 0, offsets: Reads::offsets(slot) })
            .collect();
        let mut queues = Queues::of(&mut self.ring)?;
        let meter = Meter::start()?;
        let reads = Reads::start(length);
        let outcome = read_all(&mut queues, &self.file, &mut slots, &reads);
        if outcome.is_err() {
            // Reads may be in flight into the blocks; the process ends with this error, so they may stay.
            std::mem::forget(slots);
        }
        outcome?;
        let round = meter.stop(reads.done())?;
        Ok(vec![Round { syscalls: Some(queues.enters()), ..round }])
    }
}

fn read_all(queues: &mut Queues<'_>, file: &File, slots: &mut [Slot], reads: &Reads) -> Result<()> {
    for (index, slot) in (0..).zip(&mut *slots) {
        submit(queues, file, slot, index)?;
    }
    let mut in_flight = slots.len();
    while in_flight > 0 {
        queues.enter(1)?;
        while let Some(completion) = queues.next() {
            if completion.result < 0 {
                return Err(kernel_error(completion.result).into());
            }
            let slot = &mut slots[completion.key.slot as usize];
            if reads.finish(&slot.block[..completion.result as usize], slot.offset)? {
                submit(queues, file, slot, completion.key.slot)?;
            } else {
                in_flight -= 1;
            }
        }
    }
    Ok(())
}

fn submit(queues: &mut Queues<'_>, file: &File, slot: &mut Slot, index: u32) -> Result<()> {
    slot.offset = slot.offsets.next();
    let read = opcode::Read::new(types::Fd(file.as_raw_fd()), slot.block.as_mut_ptr(), BLOCK_BYTES as u32)
        .offset(slot.offset)
        .build()
        .user_data(Key { op: 0, slot: index }.user_data());
    // SAFETY: the block is `BLOCK_BYTES` long, is not looked at before this read's completion, and is freed only
    // when no read is in flight (or never, after an error).
    Ok(unsafe { queues.push(&read) }?)
}
