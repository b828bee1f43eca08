//! The raw arm: the kernel's interface without a runtime. It is the limit that the runtime is compared with.

mod echo;
mod file;

use crate::Result;
use crate::local::Bench;
use crate::workload::Setting;

pub(crate) use echo::{SPIN, serve_echo};

pub(crate) fn bench(setting: &Setting) -> Result<Option<Box<dyn Bench>>> {
    Ok(match setting {
        Setting::FileRead { path, depth } => Some(Box::new(file::RawReads::open(path, *depth)?)),
        _ => None,
    })
}
