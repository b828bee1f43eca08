//! What is not a result: an arm that did nothing, that did not use what it claims to use, or that the generator
//! could not load. Such a number is refused, not printed with a footnote.

use std::fmt;

use serde::Serialize;

use crate::arms::Arm;
use crate::meter::Round;
use crate::stats::median;
use crate::workload::Workload;

/// A generator that waited less than this had no time to spare.
const WAITED_MIN: f64 = 0.02;
/// A server that was busier than this was as good as loaded to the full, so what it cost is what it costs under load,
/// even if the generator had no time to spare either: over loopback a client pays as much for TCP as a server does.
const BUSY_MIN: f64 = 0.9;

/// Why there is no number.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) enum Refusal {
    /// A round without a single operation, or without any CPU time.
    NoWork,
    /// A ring arm whose process has no ring, or that never entered it.
    RingUnused,
    /// A ring in an arm that stands for the world without rings.
    RingInBaseline,
    /// Client and server disagree about what was done.
    Miscounted { client: u64, server: u64 },
    /// The generator set the pace: it had nothing to wait for, and the server had.
    GeneratorSaturated { waited: f64, busy: f64 },
}

impl Refusal {
    /// Whether the harness or an arm is broken. A saturated generator is not: it is a limit of the machine.
    pub(crate) fn is_failure(self) -> bool {
        !matches!(self, Self::GeneratorSaturated { .. })
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoWork => f.write_str("refused: a round without any work"),
            Self::RingUnused => f.write_str("refused: no ring was used"),
            Self::RingInBaseline => f.write_str("refused: the process has a ring"),
            Self::Miscounted { client, server } => {
                write!(f, "refused: client counted {client}, server {server}")
            }
            Self::GeneratorSaturated { waited, busy } => {
                let (waited, busy) = (waited * 100.0, busy * 100.0);
                write!(f, "refused: generator saturated, idle {waited:.1} %, server busy {busy:.0} %")
            }
        }
    }
}

/// Judges all rounds of an arm. One broken round refuses the arm; saturation is judged by the middle round.
pub(crate) fn judge(workload: Workload, arm: Arm, rounds: &[Round]) -> Option<Refusal> {
    if rounds.is_empty() {
        return Some(Refusal::NoWork);
    }
    if let Some(refusal) = rounds.iter().find_map(|round| judge_round(workload, arm, round)) {
        return Some(refusal);
    }
    let waited = median(rounds.iter().filter_map(|round| round.waited))?;
    let busy = median(rounds.iter().map(Round::busy))?;
    (waited < WAITED_MIN && busy < BUSY_MIN).then_some(Refusal::GeneratorSaturated { waited, busy })
}

fn judge_round(workload: Workload, arm: Arm, round: &Round) -> Option<Refusal> {
    if round.ops == 0 || round.cpu_ns == 0 {
        return Some(Refusal::NoWork);
    }
    let entered = !workload.is_io() || round.syscalls.is_some_and(|enters| enters > 0);
    if arm.uses_ring() && (round.rings == 0 || !entered) {
        return Some(Refusal::RingUnused);
    }
    if !arm.uses_ring() && round.rings > 0 {
        return Some(Refusal::RingInBaseline);
    }
    match round.ops_of_server {
        Some(server) if server != round.ops => Some(Refusal::Miscounted { client: round.ops, server }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::{Refusal, judge};
    use crate::arms::Arm;
    use crate::meter::Round;
    use crate::workload::Workload;

    fn good(rings: u32) -> Round {
        Round {
            ops: 1000,
            elapsed_ns: 1_000_000,
            cpu_ns: 900_000,
            syscalls: Some(500),
            rings,
            waited: Some(0.3),
            ops_of_server: Some(1000),
            ..Round::default()
        }
    }

    fn echo(arm: Arm, round: Round) -> Option<Refusal> {
        judge(Workload::TcpEcho, arm, &[round])
    }

    #[test]
    fn honest_rounds_stand() {
        assert_eq!(echo(Arm::Uring, good(1)), None);
        assert_eq!(echo(Arm::Epoll, good(0)), None);
    }

    #[test]
    fn an_arm_without_work_is_refused() {
        assert_eq!(judge(Workload::TcpEcho, Arm::Raw, &[]), Some(Refusal::NoWork));
        assert_eq!(echo(Arm::Epoll, Round { ops: 0, ..good(0) }), Some(Refusal::NoWork));
        let rounds = [good(0), Round { cpu_ns: 0, ..good(0) }];
        assert_eq!(judge(Workload::TcpEcho, Arm::Epoll, &rounds), Some(Refusal::NoWork));
    }

    #[test]
    fn a_ring_arm_without_a_ring_or_without_enters_is_refused() {
        assert_eq!(echo(Arm::Uring, good(0)), Some(Refusal::RingUnused));
        assert_eq!(echo(Arm::Uring, Round { syscalls: Some(0), ..good(1) }), Some(Refusal::RingUnused));
        assert_eq!(echo(Arm::Raw, Round { syscalls: None, ..good(1) }), Some(Refusal::RingUnused));
    }

    #[test]
    fn a_task_workload_needs_no_enters() {
        let round = Round { syscalls: None, waited: None, ops_of_server: None, ..good(1) };
        assert_eq!(judge(Workload::Yield, Arm::Uring, &[round]), None);
    }

    #[test]
    fn a_baseline_with_a_ring_is_refused() {
        assert_eq!(echo(Arm::Epoll, good(1)), Some(Refusal::RingInBaseline));
        assert_eq!(echo(Arm::Tokio, good(1)), Some(Refusal::RingInBaseline));
    }

    #[test]
    fn sides_that_disagree_are_refused() {
        let refusal = echo(Arm::Epoll, Round { ops_of_server: Some(999), ..good(0) });
        assert_eq!(refusal, Some(Refusal::Miscounted { client: 1000, server: 999 }));
    }

    #[test]
    fn a_saturated_generator_is_refused_by_its_middle_round_and_is_no_failure() {
        let rounds =
            [0.001, 0.5, 0.01].map(|waited| Round { waited: Some(waited), cpu_ns: 800_000, ..good(0) });
        let refusal = judge(Workload::TcpEcho, Arm::Epoll, &rounds);
        assert_eq!(refusal, Some(Refusal::GeneratorSaturated { waited: 0.01, busy: 0.8 }));
        assert!(refusal.is_some_and(|refusal| !refusal.is_failure()));
        assert!(Refusal::NoWork.is_failure());
    }

    #[test]
    fn a_busy_generator_is_no_objection_to_a_server_that_was_loaded_to_the_full() {
        let round = Round { waited: Some(0.01), cpu_ns: 950_000, ..good(0) };
        assert_eq!(echo(Arm::Epoll, round), None);
    }
}
