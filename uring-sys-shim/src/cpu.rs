//! The processors: which this thread may use, which share a core, and how to stay on one.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::{fs, io, thread};

use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;

/// The processors that this thread may run on (`sched_getaffinity(2)`), by number, in the order in which they are best
/// taken: one of each physical core first, and then those that share a core with one before.
///
/// # Errors
///
/// The errno of `sched_getaffinity(2)`: `EINVAL` on a machine of more than 1,024 processors.
pub fn usable_cpus() -> io::Result<Vec<usize>> {
    let allowed = sched_getaffinity(Pid::from_raw(0))?;
    let cpus = (0..CpuSet::count()).filter(|&cpu| allowed.is_set(cpu).unwrap_or(false));
    Ok(siblings_last(cpus, physical_core))
}

/// How many processors' time this process may use: its affinity, and the quota of its control
/// group in whole processors, at least one.
#[must_use]
pub fn cpu_quota() -> usize {
    thread::available_parallelism().map_or(1, NonZeroUsize::get)
}

/// Lets this thread run on these processors only (`sched_setaffinity(2)`).
///
/// # Errors
///
/// The errno: `EINVAL` when there are no such processors, or the control group does not allow them.
pub fn allow_cpus(cpus: &[usize]) -> io::Result<()> {
    let mut set = CpuSet::new();
    for &cpu in cpus {
        set.set(cpu)?;
    }
    Ok(sched_setaffinity(Pid::from_raw(0), &set)?)
}

/// What tells a physical core from others. Where the kernel does not say, each processor counts as one.
fn physical_core(cpu: usize) -> String {
    let path = format!("/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list");
    fs::read_to_string(path).unwrap_or_else(|_| format!("cpu {cpu}"))
}

fn siblings_last(cpus: impl Iterator<Item = usize>, core_of: impl Fn(usize) -> String) -> Vec<usize> {
    let mut taken: BTreeMap<String, usize> = BTreeMap::new();
    let mut order: Vec<(usize, usize)> = cpus
        .map(|cpu| {
            let siblings = taken.entry(core_of(cpu)).or_default();
            *siblings += 1;
            (*siblings, cpu)
        })
        .collect();
    order.sort_unstable();
    order.into_iter().map(|(_, cpu)| cpu).collect()
}

#[cfg(test)]
mod tests {
    use super::{siblings_last, usable_cpus};

    #[test]
    fn processors_that_share_a_core_with_one_before_come_last() {
        let pairs = |cpu: usize| format!("{}", cpu % 4);
        // The break: `(0, cpu)`, the order by number alone.
        assert_eq!(siblings_last([1, 2, 5, 6, 7].into_iter(), pairs), [1, 2, 7, 5, 6]);
        let alone = |cpu: usize| format!("{cpu}");
        assert_eq!(siblings_last([3, 4, 9].into_iter(), alone), [3, 4, 9]);
    }

    #[test]
    fn this_thread_runs_on_one_of_the_usable_processors() {
        let usable = usable_cpus().expect("a machine of at most 1,024 processors");
        let now = nix::sched::sched_getcpu().expect("the kernel knows");
        assert!(usable.contains(&now), "{now} is not among {usable:?}");
    }
}
