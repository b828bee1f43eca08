//! The arm under test: the runtime through its public interface, as its documentation teaches.

mod bell;
mod channels;
mod crowd;
mod echo;
mod file;
mod mesh;
mod tasks;

use std::time::Duration;

use ::uring::task::Priority;
use ::uring::{Builder, Features, Runtime};

use crate::Result;
use crate::arms::Arm;
use crate::local::Bench;
use crate::workload::Setting;

pub(crate) use echo::{serve_echo, serve_echo_on_cores};

/// How the runtime is built in each of its arms.
pub(crate) fn builder(arm: Arm) -> Option<Builder> {
    match arm {
        Arm::Uring => Some(Builder::new()),
        Arm::UringNoSpin => Some(Builder::new().spin(Duration::ZERO)),
        Arm::UringLowLatency => Some(Builder::low_latency()),
        _ => None,
    }
}

pub(crate) fn bench(arm: Arm, setting: &Setting) -> Result<Option<Box<dyn Bench>>> {
    Ok(match (arm, setting) {
        (Arm::Uring, setting) => Some(own(setting)?),
        (Arm::UringMpsc, Setting::Mesh { cpus }) => Some(Box::new(mesh::Channels(runtime()?, cpus.clone()))),
        (Arm::UringNormal, Setting::Urgent { other_cpu }) => {
            Some(Box::new(crowd::Urgent(runtime()?, Priority::Normal, *other_cpu)))
        }
        (Arm::UringEventfd, Setting::Bell { other_cpu }) => {
            let features = Features::all().without(Features::MSG_RING);
            Some(Box::new(bell::Bell::with(features, *other_cpu)?))
        }
        _ => None,
    })
}

fn own(setting: &Setting) -> Result<Box<dyn Bench>> {
    Ok(match setting {
        Setting::FileRead { path, depth } => Box::new(file::RingReads::new(path, *depth)?),
        Setting::Spawn => Box::new(tasks::Spawn(runtime()?)),
        Setting::Yield => Box::new(tasks::Yield(runtime()?)),
        Setting::Timers => Box::new(tasks::Timers(runtime()?)),
        Setting::Mpsc => Box::new(channels::Local(runtime()?)),
        Setting::Stream { other_cpu } => Box::new(channels::Stream(runtime()?, *other_cpu)),
        Setting::PingPong { other_cpu } => Box::new(channels::PingPong(runtime()?, *other_cpu)),
        Setting::Mesh { cpus } => Box::new(mesh::Mesh(runtime()?, cpus.clone())),
        Setting::Urgent { other_cpu } => Box::new(crowd::Urgent(runtime()?, Priority::Urgent, *other_cpu)),
        Setting::Bell { other_cpu } => Box::new(bell::Bell::with(Features::all(), *other_cpu)?),
    })
}

fn runtime() -> Result<Runtime> {
    Ok(Builder::new().build()?)
}
