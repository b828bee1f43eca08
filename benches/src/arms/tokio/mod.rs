//! The tokio arm: a current-thread runtime, and for servers on many cores also one of many threads, used as the
//! documentation teaches.

mod channels;
mod crowd;
mod echo;
mod file;
mod mesh;
mod tasks;

use ::tokio::runtime::{Builder, Runtime};

use crate::Result;
use crate::local::Bench;
use crate::workload::Setting;

pub(crate) use echo::{serve_echo, serve_echo_on_workers};

pub(crate) fn bench(setting: &Setting) -> Result<Option<Box<dyn Bench>>> {
    Ok(Some(match setting {
        Setting::FileRead { path, depth } => Box::new(file::Pool::open(path, *depth)?),
        Setting::Spawn => Box::new(tasks::Spawn(runtime()?)),
        Setting::Yield => Box::new(tasks::Yield(runtime()?)),
        Setting::Timers => Box::new(tasks::Timers(runtime()?)),
        Setting::Mpsc => Box::new(channels::Local(runtime()?)),
        Setting::Stream { other_cpu } => Box::new(channels::Stream(runtime()?, *other_cpu)),
        Setting::PingPong { other_cpu } => Box::new(channels::PingPong(runtime()?, *other_cpu)),
        Setting::Mesh { cpus } => Box::new(mesh::Mesh(runtime()?, cpus.clone())),
        Setting::Urgent { other_cpu } => Box::new(crowd::Urgent(runtime()?, *other_cpu)),
        Setting::Bell { .. } => return Ok(None),
    }))
}

fn runtime() -> Result<Runtime> {
    Ok(Builder::new_current_thread().enable_io().enable_time().build()?)
}
