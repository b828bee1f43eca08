//! The tables that people read: one for each case, one row for each arm.

use std::io::Write;

use comfy_table::presets::UTF8_FULL_CONDENSED;
use comfy_table::{CellAlignment, ContentArrangement, Table};

use super::{Case, Environment, Series, Summary};
use crate::Result;

/// More than the timer ticks and kernel threads of an otherwise quiet machine take.
const DISTURBED_MAX: f64 = 0.03;

/// How one column is made; a column that is empty for all arms is left out.
struct Column {
    header: String,
    cell: fn(&Summary) -> Option<String>,
}

/// Prints the head and a table for each case.
pub(crate) fn print(out: &mut dyn Write, environment: &Environment, cases: &[Case]) -> Result<()> {
    let Environment { kernel, cpu_model, server_cpu, client_cpu, .. } = environment;
    writeln!(out, "Linux {kernel}, {cpu_model}; server on CPU {server_cpu}, client on CPU {client_cpu}.")?;
    writeln!(out, "CPU is user and system time of the process under test. Medians of interleaved rounds;")?;
    writeln!(
        out,
        "a ratio is taken within each round and given as median [middle half]; below 1 is cheaper."
    )?;
    for case in cases {
        writeln!(out, "\n{}: {}\n{}", case.workload, case.title, table(case))?;
        let ratios = case
            .uring_to
            .iter()
            .map(|(arm, ratio)| format!("{:.3} x {arm} [{:.3} {:.3}]", ratio.median, ratio.low, ratio.high));
        if !case.uring_to.is_empty() {
            writeln!(out, "  CPU of uring: {}.", ratios.collect::<Vec<_>>().join(", "))?;
        }
        for note in &case.notes {
            writeln!(out, "  {note}")?;
        }
        if let Some(disturbed) = disturbance(case) {
            let share = percent(disturbed);
            writeln!(
                out,
                "  WARNING: somebody else had the client's CPU for {share} of a round; use a quiet machine."
            )?;
        }
    }
    Ok(())
}

fn table(case: &Case) -> Table {
    let columns: Vec<Column> = columns(case)
        .into_iter()
        .filter(|column| summaries(case).any(|summary| (column.cell)(summary).is_some()))
        .collect();
    let mut table = Table::new();
    table.load_preset(UTF8_FULL_CONDENSED).set_content_arrangement(ContentArrangement::Disabled);
    let headers = columns.iter().map(|column| column.header.clone());
    table.set_header(std::iter::once("arm".to_owned()).chain(headers));
    for series in &case.arms {
        table.add_row(row(series, &columns));
    }
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

fn row(series: &Series, columns: &[Column]) -> Vec<String> {
    let mut row = vec![series.arm.to_string()];
    match (&series.summary, &series.refusal) {
        (Some(summary), _) => {
            row.extend(columns.iter().map(|column| (column.cell)(summary).unwrap_or_else(|| "-".to_owned())));
        }
        (None, Some(refusal)) => row.push(refusal.to_string()),
        (None, None) => row.push("nothing measured".to_owned()),
    }
    row
}

/// The worst arm's disturbance, if it is large enough to doubt the case.
fn disturbance(case: &Case) -> Option<f64> {
    let worst = summaries(case).filter_map(|summary| summary.disturbed).fold(0.0, f64::max);
    (worst > DISTURBED_MAX).then_some(worst)
}

fn summaries(case: &Case) -> impl Iterator<Item = &Summary> {
    case.arms.iter().filter_map(|series| series.summary.as_ref())
}

fn columns(case: &Case) -> Vec<Column> {
    let latency = case.latency.unwrap_or_default();
    let column = |header: &str, cell| Column { header: header.to_owned(), cell };
    vec![
        column("CPU per op", |summary| Some(nanoseconds(summary.cpu_ns_per_op.median))),
        column(&format!("CPU / {}", case.baseline), |summary| {
            summary.ratio.map(|ratio| format!("{:.3} [{:.3} {:.3}]", ratio.median, ratio.low, ratio.high))
        }),
        column("ops/s", |summary| Some(thousands(summary.ops_per_second))),
        column(&format!("{latency}\np50"), |summary| summary.p50_ns.map(microseconds)),
        column("p99", |summary| summary.p99_ns.map(microseconds)),
        column("polls of others\np50", |summary| summary.p50_polls.map(thousands)),
        column("p99", |summary| summary.p99_polls.map(thousands)),
        column("syscalls/op", |summary| summary.syscalls_per_op.map(|calls| format!("{calls:.3}"))),
        column("allocs/op", |summary| Some(format!("{:.3}", summary.allocations_per_op))),
        column("CPU busy", |summary| Some(percent(summary.busy))),
        column("generator idle", |summary| summary.waited.map(percent)),
    ]
}

fn nanoseconds(ns: f64) -> String {
    if ns < 100.0 { format!("{ns:.1} ns") } else { format!("{ns:.0} ns") }
}

fn percent(share: f64) -> String {
    format!("{:.0} %", share * 100.0)
}

fn microseconds(ns: f64) -> String {
    format!("{:.1} µs", ns / 1000.0)
}

/// A whole number in groups of three digits.
fn thousands(value: f64) -> String {
    let digits = format!("{value:.0}");
    let mut grouped = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index) % 3 == 0 {
            grouped.push(' ');
        }
        grouped.push(digit);
    }
    grouped
}

#[cfg(test)]
mod tests {
    use super::thousands;

    #[test]
    fn digits_come_in_groups_of_three() {
        assert_eq!(thousands(7.0), "7");
        assert_eq!(thousands(123_456.4), "123 456");
        assert_eq!(thousands(1_234_567.0), "1 234 567");
    }
}
