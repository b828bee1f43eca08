//! What a dropped future loses: the same storm of timeouts on each runtime, counted from outside.
//!
//! Every scenario of every arm has a process of its own, with a watchdog: an arm may hang, crash or leak what it likes.
//! The scenarios are written once (`scenario`), over a small trait that each runtime fills in (`worlds`). The other ends are
//! plain blocking threads (`peer`).

mod peer;
mod scenario;
mod worlds;

use std::io::Read;
use std::process::{Child, Command, ExitCode, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use comfy_table::Table;
use serde::{Deserialize, Serialize};

use crate::Result;
use crate::cli::{LossesArgs, LossesChildArgs};
use crate::control::say;

/// What is dropped in the middle, again and again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Scenario {
    /// Reads of a stream of numbered messages.
    Bytes,
    /// Accepts, of clients that each demand an answer.
    Connections,
    /// Opens of a file.
    Opens,
    /// Connects to a listener that answers.
    Connects,
}

/// Whose futures are dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum World {
    Uring,
    Compio,
    Monoio,
    TokioUring,
}

impl World {
    fn name(self) -> &'static str {
        match self {
            Self::Uring => "uring",
            Self::Compio => "compio",
            Self::Monoio => "monoio",
            Self::TokioUring => "tokio-uring",
        }
    }
}

/// What a scenario found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Found {
    /// Bytes, connections or operations that there were.
    pub(crate) of: u64,
    /// Of these, so many were never seen.
    pub(crate) lost: u64,
    /// Of those that were seen, so many came twice or out of order.
    pub(crate) disordered: u64,
    /// Futures that were dropped in the middle.
    pub(crate) dropped: u64,
    /// Descriptors that are open at the end and were not at the beginning.
    pub(crate) descriptors: i64,
}

/// What became of a scenario.
#[derive(Clone, Copy, Debug, Serialize)]
enum Outcome {
    Found(Found),
    /// It did not end in time.
    Hang,
    /// It ended without a result.
    Crash,
}

#[derive(Serialize)]
struct Row {
    world: World,
    scenario: Scenario,
    outcome: Outcome,
}

/// What a child may take besides its operations, each of which is allowed [`OPERATION`].
const PATIENCE: Duration = Duration::from_secs(60);
const OPERATION: Duration = Duration::from_millis(2);
const LOOK: Duration = Duration::from_millis(20);

pub(crate) fn run(args: &LossesArgs) -> Result<ExitCode> {
    say(&format!("seed {}", args.seed))?;
    let counts = [
        (Scenario::Bytes, args.messages),
        (Scenario::Connections, args.connections),
        (Scenario::Opens, args.opens),
        (Scenario::Connects, args.opens),
    ];
    let mut rows = Vec::new();
    for &world in &args.arm {
        worlds::check(world)?;
        for (scenario, count) in counts {
            let outcome = child(world, scenario, count, args.seed)?;
            say(&format!("{} {scenario:?}: {outcome:?}", world.name()))?;
            rows.push(Row { world, scenario, outcome });
        }
    }
    say(&table(&rows).to_string())?;
    if let Some(path) = &args.json {
        std::fs::write(path, serde_json::to_string_pretty(&rows)?)?;
    }
    match rows.iter().find(|row| row.world == World::Uring && !is_clean(row.outcome)) {
        Some(row) => Err(format!("uring loses something: {:?} {:?}", row.scenario, row.outcome).into()),
        None => Ok(ExitCode::SUCCESS),
    }
}

/// Nothing lost, nothing leaked, and something was dropped at all: a storm without a drop would prove nothing.
fn is_clean(outcome: Outcome) -> bool {
    match outcome {
        Outcome::Found(found) => {
            found.lost == 0 && found.disordered == 0 && found.descriptors <= 0 && found.dropped > 0
        }
        Outcome::Hang | Outcome::Crash => false,
    }
}

fn table(rows: &[Row]) -> Table {
    let mut table = Table::new();
    table.set_header(["arm", "scenario", "dropped", "lost", "disordered", "descriptors left"]);
    for row in rows {
        let (world, scenario) = (row.world.name().to_owned(), format!("{:?}", row.scenario).to_lowercase());
        let cells = match row.outcome {
            Outcome::Found(found) => [
                found.dropped.to_string(),
                format!("{} of {}", found.lost, found.of),
                found.disordered.to_string(),
                found.descriptors.to_string(),
            ],
            Outcome::Hang => ["hang", "", "", ""].map(str::to_owned),
            Outcome::Crash => ["crash", "", "", ""].map(str::to_owned),
        };
        table.add_row([world, scenario].into_iter().chain(cells));
    }
    table
}

fn child(world: World, scenario: Scenario, count: u64, seed: u64) -> Result<Outcome> {
    let mut scenario_name = format!("{scenario:?}");
    scenario_name.make_ascii_lowercase();
    let mut child = Command::new(std::env::current_exe()?)
        .args(["losses-child", "--arm", world.name(), "--scenario", &scenario_name])
        .args(["--count", &count.to_string(), "--seed", &seed.to_string()])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()?;
    let limit = PATIENCE + OPERATION * u32::try_from(count)?;
    if !ends_within(&mut child, limit)? {
        child.kill()?;
        child.wait()?;
        return Ok(Outcome::Hang);
    }
    let mut text = String::new();
    child.stdout.take().ok_or("a child has no standard output")?.read_to_string(&mut text)?;
    Ok(serde_json::from_str(&text).map_or(Outcome::Crash, Outcome::Found))
}

fn ends_within(child: &mut Child, limit: Duration) -> Result<bool> {
    let start = Instant::now();
    while child.try_wait()?.is_none() {
        if start.elapsed() > limit {
            return Ok(false);
        }
        thread::sleep(LOOK);
    }
    Ok(true)
}

/// Runs one scenario in this process and says what it found.
pub(crate) fn run_child(args: &LossesChildArgs) -> Result<()> {
    let found = worlds::run(args.arm, args.scenario, args.count, args.seed)?;
    say(&serde_json::to_string(&found)?)
}

#[cfg(test)]
mod tests {
    use super::{Found, Outcome, is_clean};

    #[test]
    fn whatever_is_lost_leaked_or_not_tried_is_not_clean() {
        let clean = Found { of: 10, dropped: 3, ..Found::default() };
        assert!(is_clean(Outcome::Found(clean)));
        for found in [
            Found { lost: 1, ..clean },
            Found { disordered: 1, ..clean },
            Found { descriptors: 1, ..clean },
            Found { dropped: 0, ..clean },
        ] {
            assert!(!is_clean(Outcome::Found(found)), "{found:?}");
        }
        assert!(!is_clean(Outcome::Hang) && !is_clean(Outcome::Crash));
    }
}
