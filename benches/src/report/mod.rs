//! What comes out: the raw rounds of each case, their summary, and the two ways to print them.

mod json;
mod table;

use serde::Serialize;

use crate::arms::Arm;
use crate::meter::Round;
use crate::stats::{Spread, median, ratios};
use crate::verdict::{Refusal, judge};
use crate::workload::Workload;

pub(crate) use json::write;
pub(crate) use table::print;

/// Who measured where.
#[derive(Debug, Serialize)]
pub(crate) struct Environment {
    pub(crate) kernel: String,
    pub(crate) cpu_model: String,
    pub(crate) server_cpu: usize,
    pub(crate) client_cpu: usize,
    pub(crate) version: &'static str,
}

/// One question, answered by several arms in interleaved rounds.
#[derive(Debug, Serialize)]
pub(crate) struct Case {
    pub(crate) workload: Workload,
    pub(crate) title: String,
    pub(crate) baseline: Arm,
    /// What the percentiles are percentiles of.
    pub(crate) latency: Option<&'static str>,
    pub(crate) notes: Vec<&'static str>,
    pub(crate) arms: Vec<Series>,
    /// What the runtime costs in terms of each other arm, round by round; below 1 it is cheaper.
    pub(crate) uring_to: Vec<(Arm, Spread)>,
}

/// The rounds of one arm, and what they come to.
#[derive(Debug, Serialize)]
pub(crate) struct Series {
    pub(crate) arm: Arm,
    pub(crate) refusal: Option<Refusal>,
    pub(crate) summary: Option<Summary>,
    pub(crate) rounds: Vec<Round>,
}

/// Medians over the rounds. A field that the workload does not have is absent.
#[derive(Debug, Serialize)]
pub(crate) struct Summary {
    pub(crate) cpu_ns_per_op: Spread,
    /// CPU time per operation divided by the baseline's in the same round; below 1 is cheaper.
    pub(crate) ratio: Option<Spread>,
    pub(crate) ops_per_second: f64,
    pub(crate) busy: f64,
    pub(crate) p50_ns: Option<f64>,
    pub(crate) p99_ns: Option<f64>,
    pub(crate) p50_polls: Option<f64>,
    pub(crate) p99_polls: Option<f64>,
    pub(crate) syscalls_per_op: Option<f64>,
    pub(crate) allocations_per_op: f64,
    pub(crate) waited: Option<f64>,
    pub(crate) disturbed: Option<f64>,
}

impl Case {
    /// Judges and sums up what the arms did; `rounds` has one entry for each arm.
    pub(crate) fn conclude(mut self, rounds: Vec<(Arm, Vec<Round>)>) -> Self {
        let (workload, baseline) = (self.workload, self.baseline);
        let refusals: Vec<_> = rounds.iter().map(|(arm, rounds)| judge(workload, *arm, rounds)).collect();
        let costs_of_baseline = rounds
            .iter()
            .zip(&refusals)
            .find(|((arm, _), refusal)| *arm == baseline && refusal.is_none())
            .map(|((_, rounds), _)| costs(rounds));
        self.uring_to = compare_uring(&rounds, &refusals);
        self.arms = rounds
            .into_iter()
            .zip(refusals)
            .map(|((arm, rounds), refusal)| {
                let summary =
                    if refusal.is_none() { Summary::of(&rounds, costs_of_baseline.as_deref()) } else { None };
                Series { arm, refusal, summary, rounds }
            })
            .collect();
        self
    }
}

impl Summary {
    fn of(rounds: &[Round], baseline: Option<&[f64]>) -> Option<Self> {
        let costs = costs(rounds);
        let of_all = |value: fn(&Round) -> Option<f64>| median(rounds.iter().filter_map(value));
        Some(Self {
            cpu_ns_per_op: Spread::of(&costs)?,
            ratio: baseline.and_then(|baseline| Spread::of(&ratios(&costs, baseline))),
            ops_per_second: of_all(|round| Some(round.ops_per_second()))?,
            busy: of_all(|round| Some(round.busy()))?,
            p50_ns: of_all(|round| round.p50_ns.map(|ns| ns as f64)),
            p99_ns: of_all(|round| round.p99_ns.map(|ns| ns as f64)),
            p50_polls: of_all(|round| round.p50_polls.map(|polls| polls as f64)),
            p99_polls: of_all(|round| round.p99_polls.map(|polls| polls as f64)),
            syscalls_per_op: of_all(|round| round.syscalls.map(|calls| calls as f64 / round.ops as f64)),
            allocations_per_op: of_all(|round| Some(round.allocations as f64 / round.ops as f64))?,
            waited: of_all(|round| round.waited),
            disturbed: of_all(|round| round.disturbed),
        })
    }
}

/// The ratio of the runtime's costs to those of each other arm that was not refused.
fn compare_uring(rounds: &[(Arm, Vec<Round>)], refusals: &[Option<Refusal>]) -> Vec<(Arm, Spread)> {
    let accepted: Vec<_> = rounds.iter().zip(refusals).filter(|(_, refusal)| refusal.is_none()).collect();
    let Some(((_, own), _)) = accepted.iter().find(|((arm, _), _)| *arm == Arm::Uring) else {
        return Vec::new();
    };
    let own = costs(own);
    accepted
        .iter()
        .filter(|((arm, _), _)| *arm != Arm::Uring)
        .filter_map(|((arm, rounds), _)| Some((*arm, Spread::of(&ratios(&own, &costs(rounds)))?)))
        .collect()
}

fn costs(rounds: &[Round]) -> Vec<f64> {
    rounds.iter().map(Round::cpu_ns_per_op).collect()
}

#[cfg(test)]
mod tests {
    use super::{Arm, Case, Round, Workload};

    fn rounds(cpu_ns: [u64; 3], rings: u32) -> Vec<Round> {
        cpu_ns
            .map(|cpu_ns| Round {
                ops: 10,
                elapsed_ns: 1000,
                cpu_ns,
                syscalls: Some(5),
                rings,
                ..Round::default()
            })
            .to_vec()
    }

    fn case() -> Case {
        let (title, notes, arms) = (String::new(), Vec::new(), Vec::new());
        Case {
            workload: Workload::FileRead,
            title,
            baseline: Arm::Epoll,
            latency: None,
            notes,
            arms,
            uring_to: Vec::new(),
        }
    }

    #[test]
    fn the_ratio_pairs_rounds_and_the_cost_is_per_operation() {
        let concluded = case()
            .conclude(vec![(Arm::Epoll, rounds([100, 200, 400], 0)), (Arm::Raw, rounds([50, 100, 200], 1))]);
        let summary = concluded.arms[1].summary.as_ref().expect("an honest arm");
        assert_eq!(summary.cpu_ns_per_op.median, 10.0);
        let ratio = summary.ratio.expect("a baseline");
        assert_eq!((ratio.low, ratio.median, ratio.high), (0.5, 0.5, 0.5));
    }

    #[test]
    fn a_refused_arm_has_no_numbers_and_a_refused_baseline_gives_no_ratios() {
        let concluded =
            case().conclude(vec![(Arm::Epoll, rounds([0, 0, 0], 0)), (Arm::Raw, rounds([50, 100, 200], 1))]);
        assert!(concluded.arms[0].refusal.is_some() && concluded.arms[0].summary.is_none());
        assert!(concluded.arms[1].summary.as_ref().expect("an honest arm").ratio.is_none());
    }
}
