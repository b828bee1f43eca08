//! The process of a workload that needs no client: it waits for requests and runs one round for each.

use std::time::Duration;

use crate::cli::LocalArgs;
use crate::control::{AskLocal, answer, say};
use crate::meter::Round;
use crate::workload::{Setting, Workload};
use crate::{Result, affinity, arms};

/// A workload that is set up and can be run again and again.
pub(crate) trait Bench {
    /// Runs for about `length` and returns one round for each of [`Workload::parts`].
    fn round(&mut self, length: Duration) -> Result<Vec<Round>>;
}

pub(crate) fn run(args: &LocalArgs) -> Result<()> {
    affinity::pin(args.cpu)?;
    let mut bench = arms::bench(args.arm, &setting(args)?)?;
    say("ready")?;
    answer(|AskLocal { length_ns }| bench.round(Duration::from_nanos(length_ns)))
}

fn setting(args: &LocalArgs) -> Result<Setting> {
    let other_cpu = || args.other_cpu.first().copied().ok_or("it needs --other-cpu");
    match args.workload {
        Workload::TcpEcho => Err("tcp-echo is run by `serve` and `load`".into()),
        Workload::FileRead => {
            let path = args.file.clone().ok_or("file-read needs --file")?;
            Ok(Setting::FileRead { path, depth: args.depth })
        }
        Workload::Spawn => Ok(Setting::Spawn),
        Workload::Yield => Ok(Setting::Yield),
        Workload::Timers => Ok(Setting::Timers),
        Workload::Mpsc => Ok(Setting::Mpsc),
        Workload::Stream => Ok(Setting::Stream { other_cpu: other_cpu()? }),
        Workload::PingPong => Ok(Setting::PingPong { other_cpu: other_cpu()? }),
        Workload::Urgent => Ok(Setting::Urgent { other_cpu: other_cpu()? }),
        Workload::Bell => Ok(Setting::Bell { other_cpu: other_cpu()? }),
        Workload::Mesh => {
            Ok(Setting::Mesh { cpus: args.cpu.into_iter().chain(args.other_cpu.iter().copied()).collect() })
        }
    }
}
