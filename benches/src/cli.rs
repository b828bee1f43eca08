//! The command line: what can be asked for. It knows no defaults that depend on the machine.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::arms::Arm;
use crate::losses::{Scenario, World};
use crate::serve::CORES_MAX;
use crate::workload::Workload;

/// Compare the uring runtime with epoll, with the bare ring and with tokio.
#[derive(Parser)]
#[command(name = "uring-bench", version)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Measure arms against each other in interleaved rounds and print a table.
    Compare(CompareArgs),
    /// Run one echo server, for load generators from outside.
    Serve(ServeArgs),
    /// Measure the user memory that an idle connection costs the server.
    IdleMemory(IdleMemoryArgs),
    /// Break the runtime in known ways, one at a time, and see that a test notices each.
    Mutants(MutantsArgs),
    /// Count what dropped futures lose: bytes, connections, descriptors.
    Losses(LossesArgs),
    /// One scenario of `losses`, which starts it.
    #[command(hide = true)]
    LossesChild(LossesChildArgs),
    /// The load generator; `compare` starts it.
    #[command(hide = true)]
    Load(LoadArgs),
    /// A workload without a client; `compare` starts it.
    #[command(hide = true)]
    Local(LocalArgs),
}

#[derive(Args)]
pub(crate) struct MutantsArgs {
    /// Only mutants whose name has this in it.
    #[arg(long, value_name = "SUBSTRING")]
    pub(crate) only: Option<String>,
    /// Only mutants of this hazard, such as A2.
    #[arg(long)]
    pub(crate) hazard: Option<String>,
    /// Print them, and run none.
    #[arg(long)]
    pub(crate) list: bool,
    /// A test that takes longer has hung, which is a kill.
    #[arg(long, default_value_t = 120)]
    pub(crate) limit_seconds: u64,
}

#[derive(Args)]
pub(crate) struct CompareArgs {
    /// What to measure; give several separated by commas, or `all`.
    #[arg(long, value_enum, value_delimiter = ',', default_value = "all")]
    pub(crate) workload: Vec<WorkloadChoice>,
    /// Who takes part; unless said, all that the workload usually has.
    #[arg(long, value_enum, value_delimiter = ',')]
    pub(crate) arms: Vec<Arm>,
    /// tcp-echo: open connections, each with one message in flight.
    #[arg(long, value_delimiter = ',', default_values_t = [64, 1], value_parser = clap::value_parser!(u32).range(1..=16384))]
    pub(crate) connections: Vec<u32>,
    /// tcp-echo: cores of the server. With as many as there are CPUs it shares one with the load generator. One connection
    /// has only one of them, by chance, and is left out.
    #[arg(long, value_delimiter = ',', default_values_t = [1], value_parser = cores())]
    pub(crate) cores: Vec<u32>,
    /// tcp-echo: bytes of a message, a multiple of 8.
    #[arg(long, default_value_t = 64, value_parser = message_size)]
    pub(crate) size: u32,
    /// tcp-echo: microseconds that a connection rests between an answer and its next message.
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u32).range(0..=1_000_000))]
    pub(crate) gap_us: u32,
    /// mesh: nodes, each on a CPU of its own.
    #[arg(long, value_delimiter = ',', default_values_t = [2], value_parser = clap::value_parser!(u32).range(2..=64))]
    pub(crate) nodes: Vec<u32>,
    /// file-read: reads in flight.
    #[arg(long, value_delimiter = ',', default_values_t = [1, 32], value_parser = clap::value_parser!(u32).range(1..=256))]
    pub(crate) depth: Vec<u32>,
    /// Measured rounds of each arm; more rounds narrow the spread.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(crate) rounds: Option<u32>,
    /// Length of a measured tcp-echo round; other workloads use a third of it.
    #[arg(long)]
    pub(crate) seconds_per_round: Option<f64>,
    /// Write every round and every summary to this file, `-` for standard output.
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
    /// A few seconds in all: does everything run? The numbers are rough.
    #[arg(long)]
    pub(crate) quick: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum WorkloadChoice {
    /// Messages over TCP, to a server and back.
    TcpEcho,
    /// Random reads of a file in the page cache.
    FileRead,
    /// Spawning a task and joining it.
    Spawn,
    /// Yielding, alone and among others.
    Yield,
    /// Arming, cancelling and waiting for timers.
    Timers,
    /// A channel within a core.
    Mpsc,
    /// Values from one core to another.
    Stream,
    /// A value to another core and back.
    PingPong,
    /// Values from every core to every other one.
    Mesh,
    /// How long a task that is woken waits among 10,000 that are always ready.
    Urgent,
    /// Waking a core that sleeps.
    Bell,
    /// All of these.
    All,
}

#[derive(Args)]
pub(crate) struct ServeArgs {
    /// The protocol to speak.
    #[arg(value_enum)]
    pub(crate) protocol: Protocol,
    /// Which implementation serves.
    #[arg(long, value_enum)]
    pub(crate) arm: Arm,
    /// Where to listen; port 0 lets the kernel choose.
    #[arg(long, default_value = "127.0.0.1:0")]
    pub(crate) addr: SocketAddr,
    /// Stop after so many seconds; without it, at SIGINT or SIGTERM.
    #[arg(long)]
    pub(crate) seconds: Option<f64>,
    /// Cores, each with a listener of its own, on one port.
    #[arg(long, default_value_t = 1, value_parser = cores())]
    pub(crate) cores: u32,
    /// The CPU of each core.
    #[arg(long, hide = true, value_delimiter = ',')]
    pub(crate) cpu: Vec<usize>,
    /// Answer control lines on standard input, and end with it.
    #[arg(long, hide = true)]
    pub(crate) control: bool,
}

#[derive(Clone, Copy, clap::ValueEnum)]
pub(crate) enum Protocol {
    TcpEcho,
}

#[derive(Args)]
pub(crate) struct IdleMemoryArgs {
    /// Connections to open; the descriptor limit bounds them.
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(crate) connections: u32,
    /// Which server to look at.
    #[arg(long, value_enum, default_value_t = Arm::Uring)]
    pub(crate) arm: Arm,
    /// Bytes of the one message that each connection exchanges first, a multiple of 8.
    #[arg(long, default_value_t = 64, value_parser = message_size)]
    pub(crate) size: u32,
}

#[derive(Args)]
pub(crate) struct LossesArgs {
    /// Whose futures are dropped; all but `uring` need a build with `--features peers`.
    #[arg(long, value_enum, value_delimiter = ',', default_value = "uring")]
    pub(crate) arm: Vec<World>,
    /// Messages of four bytes that are sent to a reader that times out again and again.
    #[arg(long, default_value_t = 20_000, value_parser = clap::value_parser!(u64).range(1..=100_000_000))]
    pub(crate) messages: u64,
    /// Clients of a listener whose accepts time out again and again.
    #[arg(long, default_value_t = 2000, value_parser = clap::value_parser!(u64).range(1..=10_000_000))]
    pub(crate) connections: u64,
    /// Opens of a file, and connects, that time out.
    #[arg(long, default_value_t = 5000, value_parser = clap::value_parser!(u64).range(1..=10_000_000))]
    pub(crate) opens: u64,
    /// Repeats the deadlines and gaps of an earlier run.
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// Write every result to this file.
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
}

#[derive(Args)]
pub(crate) struct LossesChildArgs {
    /// Whose futures are dropped.
    #[arg(long, value_enum)]
    pub(crate) arm: World,
    /// What is dropped.
    #[arg(long, value_enum)]
    pub(crate) scenario: Scenario,
    /// How many there are.
    #[arg(long)]
    pub(crate) count: u64,
    /// The seed of deadlines and gaps.
    #[arg(long)]
    pub(crate) seed: u64,
}

#[derive(Args)]
pub(crate) struct LoadArgs {
    /// The servers; rounds name them by position.
    #[arg(long, required = true)]
    pub(crate) target: Vec<SocketAddr>,
    /// Connections to each target.
    #[arg(long)]
    pub(crate) connections: u32,
    /// Bytes of a message.
    #[arg(long, value_parser = message_size)]
    pub(crate) size: u32,
    /// A core of the server is on the same CPU: leave it to that one when there is nothing to do.
    #[arg(long)]
    pub(crate) shares_cpu: bool,
    /// Pin the process to this CPU.
    #[arg(long)]
    pub(crate) cpu: Option<usize>,
}

#[derive(Args)]
pub(crate) struct LocalArgs {
    /// Which workload.
    #[arg(long, value_enum)]
    pub(crate) workload: Workload,
    /// Which implementation.
    #[arg(long, value_enum)]
    pub(crate) arm: Arm,
    /// file-read: reads in flight.
    #[arg(long, default_value_t = 1)]
    pub(crate) depth: u32,
    /// file-read: the file, filled by `compare`.
    #[arg(long)]
    pub(crate) file: Option<PathBuf>,
    /// stream, ping-pong, mesh, urgent, bell: the CPU of each other thread.
    #[arg(long)]
    pub(crate) other_cpu: Vec<usize>,
    /// Pin the process to this CPU.
    #[arg(long)]
    pub(crate) cpu: Option<usize>,
}

fn cores() -> clap::builder::RangedI64ValueParser<u32> {
    clap::value_parser!(u32).range(1..=CORES_MAX as i64)
}

/// A message is a whole number of pattern words, so that every byte of it can be checked word by word.
fn message_size(text: &str) -> Result<u32, String> {
    let size: u32 = text.parse().map_err(|error| format!("{error}"))?;
    if size == 0 || !size.is_multiple_of(8) || size > 1 << 20 {
        return Err("a message is 8 to 1048576 bytes and a multiple of 8".to_owned());
    }
    Ok(size)
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, Parser};

    use super::{Cli, Command, CompareArgs};
    use crate::arms::Arm;

    fn compare(args: &str) -> Result<CompareArgs, clap::Error> {
        match Cli::try_parse_from(["uring-bench", "compare"].into_iter().chain(args.split_whitespace()))?
            .command
        {
            Command::Compare(args) => Ok(args),
            _ => unreachable!("it was `compare`"),
        }
    }

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_comparison_is_of_one_core_and_of_the_usual_arms_unless_said() {
        let args = compare("").expect("all have defaults");
        assert_eq!((args.cores, args.nodes, args.arms), (vec![1], vec![2], vec![]));
        let args = compare("--cores 1,2 --arms uring-low-latency,raw-spin,tokio-multi").expect("sound");
        assert_eq!(args.cores, [1, 2]);
        assert_eq!(args.arms, [Arm::UringLowLatency, Arm::RawSpin, Arm::TokioMulti]);
    }

    #[test]
    fn what_cannot_be_is_refused() {
        for args in ["--cores 0", "--cores 65", "--nodes 1", "--size 7", "--arms nobody"] {
            assert!(compare(args).is_err(), "{args}");
        }
    }
}
