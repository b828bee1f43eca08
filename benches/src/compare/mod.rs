//! The comparison: which cases are run, in which order, and what the process says about itself at the end.
//!
//! Method. Every arm has a process of its own, pinned to one CPU; all of them are started before the first round and
//! sleep while another is measured. Rounds are interleaved (A B C D, D C B A, …), each after a warm-up, so that a
//! drift of the machine meets all arms alike, and ratios are taken within a round.

mod echo;
mod local;
mod progress;

use std::io::{Write, stderr, stdout};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use crate::Result;
use crate::affinity::Placement;
use crate::arms::Arm;
use crate::cli::{CompareArgs, WorkloadChoice};
use crate::meter::Round;
use crate::report::{self, Case, Environment};
use crate::workload::{DataFile, Setting, Workload};

use echo::Echo;
pub(crate) use echo::generator;
use progress::Progress;

/// How long everything takes.
struct Plan {
    placement: Placement,
    rounds: u32,
    length: Duration,
    warm_up: Duration,
    progress: Progress,
}

/// A measurable question that is not yet answered.
enum Question {
    Echo(Echo),
    Local(Setting),
}

impl Question {
    fn workload(&self) -> Workload {
        match self {
            Self::Echo(_) => Workload::TcpEcho,
            Self::Local(setting) => setting.workload(),
        }
    }

    /// Who takes part: those who were asked for and can, or the usual ones.
    fn arms(&self, asked: &[Arm]) -> Vec<Arm> {
        match self {
            _ if !asked.is_empty() => asked.iter().copied().filter(|&arm| self.workload().has(arm)).collect(),
            Self::Echo(echo) => echo.usual().to_vec(),
            Self::Local(setting) => setting.workload().usual().to_vec(),
        }
    }
}

pub(crate) fn run(args: &CompareArgs) -> Result<ExitCode> {
    let placement = Placement::choose()?;
    let environment = environment(placement)?;
    let workloads = workloads(&args.workload);
    // Kept until the end: dropping it removes the file.
    let data = workloads.contains(&Workload::FileRead).then(DataFile::create).transpose()?;
    let questions = questions(args, &workloads, data.as_ref(), placement.client)?;
    let plan = plan(args, placement, &questions)?;
    let mut cases = Vec::new();
    for question in &questions {
        let arms = question.arms(&args.arms);
        match question {
            _ if arms.is_empty() => {}
            Question::Echo(echo) => cases.push(echo::run(&plan, &arms, *echo)?),
            Question::Local(setting) => cases.extend(local::run(&plan, &arms, setting)?),
        }
    }
    plan.progress.finish();
    publish(args.json.as_deref(), &environment, &cases)?;
    conclude(&cases)
}

fn plan(args: &CompareArgs, placement: Placement, questions: &[Question]) -> Result<Plan> {
    let (rounds, seconds) = if args.quick { (2, 0.1) } else { (7, 0.35) };
    let rounds = args.rounds.unwrap_or(rounds);
    let length = Duration::try_from_secs_f64(args.seconds_per_round.unwrap_or(seconds))?;
    let visits = |question: &Question| {
        question.arms(&args.arms).len() as u64 * u64::from(rounds_of(question.workload(), rounds))
    };
    let progress = Progress::new(questions.iter().map(visits).sum());
    Ok(Plan { placement, rounds, length, warm_up: length / 4, progress })
}

/// A round of timers arms a million of them first and so takes seconds, whatever length is asked for.
fn rounds_of(workload: Workload, rounds: u32) -> u32 {
    if workload == Workload::Timers { rounds.div_ceil(2).min(3) } else { rounds }
}

fn workloads(choices: &[WorkloadChoice]) -> Vec<Workload> {
    let chosen = |workload: &Workload| {
        let choice = match workload {
            Workload::TcpEcho => WorkloadChoice::TcpEcho,
            Workload::FileRead => WorkloadChoice::FileRead,
            Workload::Spawn => WorkloadChoice::Spawn,
            Workload::Yield => WorkloadChoice::Yield,
            Workload::Timers => WorkloadChoice::Timers,
            Workload::Mpsc => WorkloadChoice::Mpsc,
            Workload::Stream => WorkloadChoice::Stream,
            Workload::PingPong => WorkloadChoice::PingPong,
            Workload::Mesh => WorkloadChoice::Mesh,
            Workload::Urgent => WorkloadChoice::Urgent,
            Workload::Bell => WorkloadChoice::Bell,
        };
        choices.contains(&WorkloadChoice::All) || choices.contains(&choice)
    };
    Workload::ALL.into_iter().filter(chosen).collect()
}

fn questions(
    args: &CompareArgs,
    workloads: &[Workload],
    data: Option<&DataFile>,
    other_cpu: usize,
) -> Result<Vec<Question>> {
    let mut questions = Vec::new();
    for workload in workloads {
        match workload {
            Workload::TcpEcho => {
                let (size, gap) = (args.size, Duration::from_micros(args.gap_us.into()));
                for &cores in &args.cores {
                    let echo = |&connections| Question::Echo(Echo { cores, connections, size, gap });
                    let connections = args.connections.iter().filter(|&&count| cores == 1 || count > 1);
                    questions.extend(connections.map(echo));
                }
            }
            Workload::FileRead => {
                let path = data.map(DataFile::path).unwrap_or(Path::new("")).to_owned();
                let read = |&depth| Question::Local(Setting::FileRead { path: path.clone(), depth });
                questions.extend(args.depth.iter().map(read));
            }
            Workload::Spawn => questions.push(Question::Local(Setting::Spawn)),
            Workload::Yield => questions.push(Question::Local(Setting::Yield)),
            Workload::Timers => questions.push(Question::Local(Setting::Timers)),
            Workload::Mpsc => questions.push(Question::Local(Setting::Mpsc)),
            Workload::Stream => questions.push(Question::Local(Setting::Stream { other_cpu })),
            Workload::PingPong => questions.push(Question::Local(Setting::PingPong { other_cpu })),
            Workload::Urgent => questions.push(Question::Local(Setting::Urgent { other_cpu })),
            Workload::Bell => questions.push(Question::Local(Setting::Bell { other_cpu })),
            Workload::Mesh => {
                for &nodes in &args.nodes {
                    let cpus = Placement::cores(nodes as usize)?;
                    questions.push(Question::Local(Setting::Mesh { cpus }));
                }
            }
        }
    }
    Ok(questions)
}

/// Visits the arms in order in even rounds and backwards in odd ones.
fn interleave<T>(arms: &mut [T], rounds: u32, mut visit: impl FnMut(&mut T) -> Result<()>) -> Result<()> {
    for round in 0..rounds {
        if round % 2 == 0 {
            arms.iter_mut().try_for_each(&mut visit)?;
        } else {
            arms.iter_mut().rev().try_for_each(&mut visit)?;
        }
    }
    Ok(())
}

/// Tables to standard output, unless that is where the JSON goes.
fn publish(json: Option<&Path>, environment: &Environment, cases: &[Case]) -> Result<()> {
    let to_stdout = json == Some(Path::new("-"));
    let mut out: Box<dyn Write> = if to_stdout { Box::new(stderr()) } else { Box::new(stdout()) };
    report::print(&mut out, environment, cases)?;
    json.map_or(Ok(()), |path| report::write(path, environment, cases))
}

/// A broken arm fails the whole run; a saturated generator fails it only if nothing else was measured.
fn conclude(cases: &[Case]) -> Result<ExitCode> {
    let series = || cases.iter().flat_map(|case| &case.arms);
    if series().any(|series| series.refusal.is_some_and(|refusal| refusal.is_failure())) {
        return Err("an arm did not do what it claims, see the refused rows".into());
    }
    if !series().any(|series| series.summary.is_some()) {
        return Err("there is no result".into());
    }
    Ok(ExitCode::SUCCESS)
}

fn environment(placement: Placement) -> Result<Environment> {
    let cpu_info = std::fs::read_to_string("/proc/cpuinfo")?;
    let model = cpu_info.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    Ok(Environment {
        kernel: std::fs::read_to_string("/proc/sys/kernel/osrelease")?.trim().to_owned(),
        cpu_model: model.map_or("unknown CPU", |(_, name)| name).to_owned(),
        server_cpu: placement.server,
        client_cpu: placement.client,
        version: env!("CARGO_PKG_VERSION"),
    })
}

/// The rounds of each arm, as a case wants them.
type Measured = Vec<(Arm, Vec<Round>)>;

#[cfg(test)]
mod tests {
    use super::interleave;

    #[test]
    fn odd_rounds_run_backwards() {
        let mut seen = String::new();
        let visited = interleave(&mut ['a', 'b', 'c'], 3, |arm| {
            seen.push(*arm);
            Ok(())
        });
        assert!(visited.is_ok());
        assert_eq!(seen, "abccbaabc");
    }
}
