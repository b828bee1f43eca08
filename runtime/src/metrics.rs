//! The figures of a core for the crate `metrics`, behind the feature of that name.
//!
//! It writes them down when it is called, into whatever recorder the program has installed, and does nothing by itself.

use crate::{FigureKind, FigureValue, Stats};

/// Writes down the figures of a core. Their names begin with `uring_`, those of times end with `_nanoseconds`, and the label
/// `core` tells the cores apart. Call it on each core as often as figures are wanted.
///
/// ```
/// # fn main() -> Result<(), uring_runtime::BuildError> {
/// let core = uring_runtime::Runtime::new()?;
/// uring_runtime::metrics::record(&core.stats(), 0);
/// # Ok(())
/// # }
/// ```
pub fn record(stats: &Stats, core: usize) {
    let label = core.to_string();
    for figure in stats.iter() {
        let (name, value) = match figure.value {
            FigureValue::Count(count) => (format!("uring_{}", figure.name), count),
            FigureValue::Time(time) => (
                format!("uring_{}_nanoseconds", figure.name),
                u64::try_from(time.as_nanos()).unwrap_or(u64::MAX),
            ),
        };
        let labels = [("core", label.clone())];
        match figure.kind {
            FigureKind::Counter => metrics::counter!(name, &labels).absolute(value),
            FigureKind::Gauge => metrics::gauge!(name, &labels).set(value as f64),
        }
    }
}

/// Writes down how many threads the kernel has for a core, as the gauge `uring_kernel_threads`: see
/// [`kernel_threads`](crate::kernel_threads()), which is to be called on that core.
///
/// ```
/// # fn main() -> Result<(), uring_runtime::BuildError> {
/// let core = uring_runtime::Runtime::new()?;
/// if let Ok(threads) = core.kernel_threads() {
///     uring_runtime::metrics::record_kernel_threads(threads, 0);
/// }
/// # Ok(())
/// # }
/// ```
pub fn record_kernel_threads(threads: usize, core: usize) {
    metrics::gauge!("uring_kernel_threads", "core" => core.to_string()).set(threads as f64);
}
