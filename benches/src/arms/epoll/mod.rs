//! The epoll arm: system calls, as good as a readiness loop can be written for this.

mod echo;
mod file;

use crate::Result;
use crate::local::Bench;
use crate::workload::Setting;

pub(crate) use echo::serve_echo;

pub(crate) fn bench(setting: &Setting) -> Result<Option<Box<dyn Bench>>> {
    Ok(match setting {
        Setting::FileRead { path, .. } => Some(Box::new(file::Pread::open(path)?)),
        _ => None,
    })
}
