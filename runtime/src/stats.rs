//! What a core has done, in numbers.
//!
//! The list at the end of this file is all that there is to know of a figure: its name, whether it grows or moves, and what
//! it means. Everything else (differences, the bridge to `metrics`) is made from it.

use std::time::Duration;

/// Whether a figure only grows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FigureKind {
    /// It counts since the core was made, and only grows.
    Counter,
    /// It says how things are now.
    Gauge,
}

/// How large a figure is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FigureValue {
    /// A number of things.
    Count(u64),
    /// A length of time.
    Time(Duration),
}

impl FigureValue {
    /// The number, or the seconds.
    #[must_use]
    pub fn as_f64(self) -> f64 {
        match self {
            Self::Count(count) => count as f64,
            Self::Time(time) => time.as_secs_f64(),
        }
    }
}

impl From<u64> for FigureValue {
    fn from(count: u64) -> Self {
        Self::Count(count)
    }
}

impl From<Duration> for FigureValue {
    fn from(time: Duration) -> Self {
        Self::Time(time)
    }
}

/// One figure of [`Stats::iter`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Figure {
    /// The name of the field.
    pub name: &'static str,
    /// Whether it only grows.
    pub kind: FigureKind,
    /// What it means, in a sentence.
    pub help: &'static str,
    /// How large it is.
    pub value: FigureValue,
}

macro_rules! stats {
    ($($kind:ident $name:ident: $type:ty = $help:literal;)*) => {
        /// Counts of one core since it was made, and what it holds now.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        #[non_exhaustive]
        pub struct Stats {
            $(#[doc = $help] pub $name: $type,)*
        }

        impl Stats {
            /// Each figure, with its name and what it means: for whoever writes them down.
            pub fn iter(&self) -> impl Iterator<Item = Figure> + use<> {
                [$(Figure {
                    name: stringify!($name),
                    kind: FigureKind::$kind,
                    help: $help,
                    value: FigureValue::from(self.$name),
                },)*].into_iter()
            }

            /// What has happened since an earlier snapshot of the same core: counters are differences, and gauges are as they
            /// are now.
            #[must_use]
            pub fn since(&self, earlier: &Self) -> Self {
                Self { $($name: match FigureKind::$kind {
                    FigureKind::Counter => self.$name.saturating_sub(earlier.$name),
                    FigureKind::Gauge => self.$name,
                },)* }
            }
        }
    };
}

impl Stats {
    /// How long the core was busy: neither asleep nor looking for something to do.
    #[must_use]
    pub fn busy(&self) -> Duration {
        self.age.saturating_sub(self.asleep).saturating_sub(self.looked)
    }
}

stats! {
    Counter age: Duration = "How long ago the core was made.";
    Counter asleep: Duration = "How long it slept in the kernel, submitting included.";
    Counter looked: Duration = "How long it looked for completions before it would have slept.";
    Counter enters: u64 = "Calls of `io_uring_enter(2)`.";
    Counter spins: u64 = "How often the core looked for completions for a while before it would have slept.";
    Counter spins_found: u64 = "How often something came meanwhile: a completion, a timer or a wake from another thread.";
    Counter submissions: u64 = "Entries submitted, cancels and closes included.";
    Counter backlogged: u64 = "Entries that found the submission queue full and waited for the next enter.";
    Counter completions: u64 = "Completions reaped.";
    Counter overflows: u64 = "Completions that the kernel dropped for want of memory: must stay 0.";
    Counter unknown: u64 = "Completions for no operation that is known: must stay 0 on a sound kernel.";
    Counter cancels: u64 = "Cancels submitted.";
    Counter messages: u64 = "Messages to other cores that slept, each sent with an enter that was due anyway.";
    Counter remote_wakes: u64 = "How often the core found wakes or tasks from other threads; each time may bring many.";
    Counter orphaned: u64 = "Operations whose future was dropped before it took the result.";
    Counter starved: u64 = "How often a socket found no buffer in the pool.";
    Counter leaked: u64 = "Operations that were leaked at the end, because they did not complete within the drain timeout.";
    Counter zero_copy_sends: u64 = "Zero-copy sends whose buffer the kernel has released.";
    Counter zero_copy_copied: u64 = "Those of them whose bytes the kernel has copied all the same, where it says so (Linux 6.7).";
    Counter zero_copy_refused: u64 = "Zero-copy sends that the kernel refused, and that were sent with a copy instead.";
    Counter spawned: u64 = "Tasks spawned.";
    Counter polls: u64 = "Polls of tasks, the main future included.";
    Counter stalls: u64 = "Polls that took longer than the stall limit.";
    Gauge longest_poll: Duration = "The longest poll, if there is a stall limit; else zero, for nobody looks.";
    Counter timers_fired: u64 = "Timers whose deadline has come.";
    Gauge timers: u64 = "Timers that are armed now.";
    Gauge in_flight: u64 = "Operations that are in flight now, the core's own bell included.";
    Gauge tasks: u64 = "Tasks that are alive now.";
    Gauge descriptors: u64 = "Sockets and files that are open on the core now.";
    Gauge blocking_threads: u64 = "Threads of the pool for calls that block, which runtimes may share.";
    Gauge blocking_queued: u64 = "Calls that wait for one of these threads.";
    Gauge buffers: u64 = "Receive buffers of the pool, which grows to the most that were ever needed at once.";
    Gauge buffers_free: u64 = "Receive buffers that the kernel can take now.";
}

#[cfg(test)]
mod tests {
    use super::{Duration, FigureKind, FigureValue, Stats};

    #[test]
    fn a_difference_has_counters_since_then_and_gauges_of_now() {
        let earlier = Stats { enters: 10, tasks: 7, age: Duration::from_secs(2), ..Stats::default() };
        let later = Stats { enters: 25, tasks: 3, age: Duration::from_secs(5), ..earlier };
        // The break: gauges are subtracted, too.
        let between = later.since(&earlier);
        assert_eq!((between.enters, between.tasks, between.age), (15, 3, Duration::from_secs(3)));
        assert_eq!(between.busy(), Duration::from_secs(3));
    }

    #[test]
    fn every_figure_has_a_name_of_its_own_and_a_sentence() {
        let stats = Stats { polls: 3, ..Stats::default() };
        let mut names: Vec<_> = stats.iter().map(|figure| figure.name).collect();
        let polls = stats.iter().find(|figure| figure.name == "polls").expect("it is there");
        assert_eq!((polls.kind, polls.value), (FigureKind::Counter, FigureValue::Count(3)));
        assert!(stats.iter().all(|figure| figure.help.ends_with('.')));
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), stats.iter().count());
    }
}
