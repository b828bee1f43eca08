//! `uring-bench mutants`: breaks the runtime in known ways, one at a time, and demands that a named test sees each.
//!
//! Read `data` (what a mutant is), `tree` (the copy that is broken), `verdict` (what a run of a test means). This file
//! owns the order of the steps. It knows nothing of what the mutants break.

mod data;
mod tree;
mod verdict;

use std::collections::BTreeMap;
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use comfy_table::Table;
use comfy_table::presets::UTF8_FULL_CONDENSED;

use crate::Result;
use crate::cli::MutantsArgs;
use data::Mutant;
use tree::Tree;
use verdict::{Outcome, Verdict};

/// Runs what was asked for; fails unless each mutant is killed.
pub(crate) fn run(args: &MutantsArgs) -> Result<ExitCode> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().ok_or("the workspace has no root")?;
    let mutants: Vec<Mutant> = data::load(&root.join("tests/mutants"))?
        .into_iter()
        .filter(|mutant| mutant.is_wanted(args.only.as_deref(), args.hazard.as_deref()))
        .collect();
    if args.list {
        mutants.iter().for_each(|mutant| println!("{:4} {}: {}", mutant.hazard, mutant.name, mutant.test));
        return Ok(ExitCode::SUCCESS);
    }
    if mutants.is_empty() {
        return Err("no mutant has that name or hazard".into());
    }
    let tree = Tree::copy(root)?;
    let limit = Duration::from_secs(args.limit_seconds);
    let healthy = health(&tree, &mutants, limit)?;
    let mut rows = Vec::new();
    for (at, mutant) in mutants.iter().enumerate() {
        let start = Instant::now();
        let (verdict, why) = match &healthy[&key(mutant)] {
            Verdict::Survived => judge(&tree, mutant, limit)?,
            _ => {
                (Verdict::Stale, "the test does not pass, or is not one test, without the mutant".to_owned())
            }
        };
        let row = Row { mutant, verdict, seconds: start.elapsed().as_secs_f64() };
        println!("{:3}/{} {row}{}{why}", at + 1, mutants.len(), if why.is_empty() { "" } else { ": " });
        rows.push(row);
    }
    Ok(conclude(&rows))
}

/// One mutant's line of the report.
struct Row<'a> {
    mutant: &'a Mutant,
    verdict: Verdict,
    seconds: f64,
}

impl std::fmt::Display for Row<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Mutant { hazard, name, .. } = self.mutant;
        write!(f, "{:8} {hazard:4} {name} ({:.1} s)", self.verdict.name(), self.seconds)
    }
}

/// A test under an environment: what is run once without any mutant.
fn key(mutant: &Mutant) -> (String, BTreeMap<String, String>) {
    (mutant.test.clone(), mutant.env.clone())
}

type Health = BTreeMap<(String, BTreeMap<String, String>), Verdict>;

/// What each named test says of the code as it is: `Survived` is good.
fn health(tree: &Tree, mutants: &[Mutant], limit: Duration) -> Result<Health> {
    let mut healthy = Health::new();
    for mutant in mutants {
        if healthy.contains_key(&key(mutant)) {
            continue;
        }
        let outcome = if tree.build(mutant)? { tree.test(mutant, limit)? } else { Outcome::NotBuilt };
        let verdict = verdict::of(&outcome);
        if verdict != Verdict::Survived {
            println!("unmutated: {} {}\n{}", verdict.name(), mutant.test, tree.last_words()?);
        }
        healthy.insert(key(mutant), verdict);
    }
    println!("{} tests were run without a mutant", healthy.len());
    Ok(healthy)
}

/// Breaks the code, runs the test, and mends the code.
fn judge(tree: &Tree, mutant: &Mutant, limit: Duration) -> Result<(Verdict, String)> {
    let broken = match tree.break_with(mutant) {
        Ok(broken) => broken,
        Err(stale) => return Ok((Verdict::Stale, stale.to_string())),
    };
    let outcome = if tree.build(mutant)? { tree.test(mutant, limit)? } else { Outcome::NotBuilt };
    broken.mend()?;
    let why = if outcome == Outcome::NotBuilt { tree.first_error()? } else { String::new() };
    Ok((verdict::of(&outcome), why))
}

fn conclude(rows: &[Row<'_>]) -> ExitCode {
    let count = |verdict| rows.iter().filter(|row| row.verdict == verdict).count();
    let mut table = Table::new();
    table.load_preset(UTF8_FULL_CONDENSED).set_header([
        "mutants",
        "killed",
        "of these hung",
        "survived",
        "stale",
        "s",
    ]);
    let killed = rows.iter().filter(|row| row.verdict.is_kill()).count();
    let seconds: f64 = rows.iter().map(|row| row.seconds).sum();
    table.add_row([
        rows.len().to_string(),
        killed.to_string(),
        count(Verdict::Hung).to_string(),
        count(Verdict::Survived).to_string(),
        count(Verdict::Stale).to_string(),
        format!("{seconds:.0}"),
    ]);
    for row in rows.iter().filter(|row| !row.verdict.is_kill()) {
        println!("{row}");
    }
    println!("{table}\n{}\nkilled {killed} / {}", by_hazard(rows), rows.len());
    if killed == rows.len() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Killed and all of each hazard, in the order of `docs/guarantees.md`.
fn by_hazard(rows: &[Row<'_>]) -> String {
    let mut counts: BTreeMap<(&str, u32), (usize, usize)> = BTreeMap::new();
    for row in rows {
        let (letter, number) = row.mutant.hazard.split_at(1);
        let (killed, all) = counts.entry((letter, number.parse().unwrap_or(0))).or_default();
        *killed += usize::from(row.verdict.is_kill());
        *all += 1;
    }
    let words =
        counts.iter().map(|((letter, number), (killed, all))| format!("{letter}{number} {killed}/{all}"));
    words.collect::<Vec<_>>().join(", ")
}
