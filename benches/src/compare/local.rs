//! The cases without a client: one process for each arm, which runs a round when asked.

use std::slice;
use std::time::Duration;

use super::{Measured, Plan, interleave, rounds_of};
use crate::Result;
use crate::arms::Arm;
use crate::child::Child;
use crate::control::AskLocal;
use crate::meter::Round;
use crate::report::Case;
use crate::workload::{Setting, Workload};

struct Contestant {
    arm: Arm,
    process: Child,
    /// One list of rounds for each part of the workload.
    parts: Vec<Vec<Round>>,
}

pub(super) fn run(plan: &Plan, arms: &[Arm], setting: &Setting) -> Result<Vec<Case>> {
    let workload = setting.workload();
    plan.progress.begin(&format!("{workload}, {}", setting.title(0)));
    let mut contestants = Vec::new();
    for &arm in arms {
        contestants.push(Contestant::start(arm, setting, plan.placement.server)?);
    }
    interleave(&mut contestants, rounds_of(workload, plan.rounds), |contestant| {
        plan.progress.visit(contestant.arm);
        // Arming the million warms timers up, inside the round and before what is measured.
        if workload != Workload::Timers {
            contestant.round(plan.warm_up / 3)?;
        }
        let rounds = contestant.round(plan.length / 3)?;
        contestant.parts.iter_mut().zip(rounds).for_each(|(part, round)| part.push(round));
        Ok(())
    })?;
    Ok((0..workload.parts().len())
        .map(|part| case(setting, part).conclude(take(&mut contestants, part)))
        .collect())
}

fn take(contestants: &mut [Contestant], part: usize) -> Measured {
    contestants.iter_mut().map(|one| (one.arm, std::mem::take(&mut one.parts[part]))).collect()
}

impl Contestant {
    fn start(arm: Arm, setting: &Setting, cpu: usize) -> Result<Self> {
        let mut args = vec!["local".to_owned()];
        let mut option = |name: &str, value: String| args.extend([name.to_owned(), value]);
        option("--workload", setting.workload().to_string());
        option("--arm", arm.to_string());
        option("--cpu", cpu.to_string());
        let others = match setting {
            Setting::Stream { other_cpu }
            | Setting::PingPong { other_cpu }
            | Setting::Urgent { other_cpu }
            | Setting::Bell { other_cpu } => slice::from_ref(other_cpu),
            Setting::Mesh { cpus } => &cpus[1..],
            _ => &[],
        };
        others.iter().for_each(|cpu| option("--other-cpu", cpu.to_string()));
        if let Setting::FileRead { path, depth } = setting {
            option("--depth", depth.to_string());
            option(
                "--file",
                path.to_str().ok_or("the directory for temporary files is not UTF-8")?.to_owned(),
            );
        }
        let mut process = Child::start(format!("{} on {arm}", setting.workload()), &args)?;
        process.wait_until_ready()?;
        Ok(Self { arm, process, parts: vec![Vec::new(); setting.workload().parts().len()] })
    }

    fn round(&mut self, length: Duration) -> Result<Vec<Round>> {
        self.process.ask(&AskLocal { length_ns: length.as_nanos() as u64 })
    }
}

fn case(setting: &Setting, part: usize) -> Case {
    let workload = setting.workload();
    let notes: &[&str] = match workload {
        Workload::FileRead => &[
            "epoll: blocking pread(2), one at a time at any depth. tokio: spawn_blocking and pread(2).",
            "Every arm, its helper threads included, is pinned to one CPU.",
        ],
        Workload::Yield if part == 0 => &[
            "When nobody else is ready tokio looks at its sockets after each yield; that is most of its cost here.",
        ],
        Workload::Timers if part < 2 => {
            &["A million sleeps stay armed meanwhile, 10 to 1000 s away; none fires."]
        }
        Workload::Stream => &[
            "uring, tokio, flume: between two one-thread runtimes. crossbeam: between threads that block.",
            "CPU is that of both threads; who waits by looking burns it. Compare the throughput, too.",
        ],
        Workload::Mesh => &[
            "uring: one mesh. The others: a channel into each node, with the same room. tokio, flume: between one-thread",
            "runtimes. crossbeam: two threads a node, one that sends and one that receives. CPU is that of all nodes.",
        ],
        Workload::Urgent if part == 0 => &[
            "The delay is that of the task that is woken: uring has spawned it as urgent, uring-normal and tokio like the rest.",
            "Each poll of a busy task looks at the clock. tokio's timers fire at whole milliseconds, up to one later.",
        ],
        Workload::Urgent => &[
            "The other core is a thread that wakes the task by its waker, 0.1 to 1 ms after the last time. Every so many polls",
            "tokio takes what other threads have woken first, so there it does not wait for the others.",
        ],
        Workload::Bell => &[
            "No core looks before it sleeps. uring: messages from ring to ring, Linux 6.7 or newer. uring-eventfd: without",
            "them. bare: two threads with two eventfds. System calls are the enters and writes, CPU that of both threads.",
        ],
        Workload::PingPong => &["bare: two threads with two eventfds. CPU is that of both threads."],
        _ => &[],
    };
    Case {
        workload,
        title: setting.title(part),
        baseline: workload.baseline(),
        latency: match workload {
            Workload::Timers => Some("woken late by"),
            Workload::PingPong | Workload::Bell => Some("round-trip time"),
            Workload::Urgent => Some("from wake to poll"),
            _ => None,
        },
        notes: notes.to_vec(),
        arms: Vec::new(),
        uring_to: Vec::new(),
    }
}
