//! Polls that take long: counted, and told with the task's name and where it was spawned.
//!
//! While a limit is set the loop reads the ring's clock once after each poll; without one it reads none for this. It
//! knows a task by its place in the table and by where it was spawned.

use std::panic::Location;
use std::time::Duration;

use super::Core;
use super::turn::guard;
use crate::task::MAIN;

/// The distance between two reports at least.
const TELL_EVERY_NANOS: u64 = 1_000_000_000;

/// What a core knows of its polls.
#[derive(Debug, Default)]
pub(super) struct Stalls {
    /// Polls may take so long. `None`: nobody looks.
    limit: Option<u64>,
    /// Polls that took longer.
    count: u64,
    /// The longest poll.
    longest: u64,
    /// When the last one was told.
    told: Option<u64>,
    /// Those that were not told since.
    untold: u64,
}

impl Stalls {
    pub(super) fn new(limit: Option<Duration>) -> Self {
        let limit = limit.map(|limit| u64::try_from(limit.as_nanos()).unwrap_or(u64::MAX));
        Self { limit, ..Self::default() }
    }

    /// How many polls took longer than the limit, and how long the longest took.
    pub(super) fn figures(&self) -> (u64, Duration) {
        (self.count, Duration::from_nanos(self.longest))
    }

    /// A poll took so long and ended now. Gives how many others were not told, if it is to be told.
    fn polled(&mut self, took: u64, now: u64) -> Option<u64> {
        self.longest = self.longest.max(took);
        if took <= self.limit? {
            return None;
        }
        self.count += 1;
        if self.told.is_some_and(|told| now - told < TELL_EVERY_NANOS) {
            self.untold += 1;
            return None;
        }
        self.told = Some(now);
        Some(std::mem::take(&mut self.untold))
    }
}

impl Core {
    /// The time, if polls are watched.
    #[inline]
    pub(super) fn watch(&self) -> Option<u64> {
        self.stalls.borrow().limit.map(|_| self.now())
    }

    /// A poll has begun at `since` and is over. Gives the time.
    #[inline(never)]
    pub(super) fn polled(&self, since: u64, index: u32, spawned: &'static Location<'static>) -> u64 {
        let now = self.now();
        let told = self.stalls.borrow_mut().polled(now - since, now);
        if let Some(untold) = told {
            let name = match self.tasks.borrow().name(index) {
                Some(name) => name.to_owned(),
                None if index == MAIN => "the main future".to_owned(),
                None => "a task without a name".to_owned(),
            };
            // Who listens is code of users.
            guard("a subscriber", || tell(&name, spawned, now - since, untold));
        }
        now
    }
}

fn tell(name: &str, spawned: &Location<'_>, took: u64, untold: u64) {
    let took = Duration::from_nanos(took);
    tracing::warn!(
        task = name,
        %spawned,
        ?took,
        untold,
        "a poll took longer than the stall limit, and nothing else ran on its core; cure: `task::spawn_blocking` for \
         calls that block, `task::yield_now` or `task::consume_budget` in long loops"
    );
}
