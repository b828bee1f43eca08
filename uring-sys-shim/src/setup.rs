//! Setting a ring up by trial: the best flags first, stepping down only where the kernel says `EINVAL`, and
//! smaller queues where it says `ENOMEM`.

use std::time::Duration;
use std::{io, thread};

use io_uring::{IoUring, Probe};

use crate::error::{SetupError, Step};
use crate::{Features, opcode};

/// The sizes of a ring and what it may use.
#[derive(Clone, Copy, Debug)]
pub struct RingConfig {
    /// Entries of the submission queue, rounded up to a power of two, at most 32,768.
    pub submissions: u32,
    /// Entries of the completion queue, rounded up to a power of two, at least as many as submissions, at most
    /// 65,536.
    pub completions: u32,
    /// The features that may be used where the kernel has them. Fewer than [`Features::all`] is for tests.
    pub allow: Features,
    /// At most this many kernel threads for operations on files (bounded work), 0 for the kernel's default.
    pub bounded_workers: u32,
    /// At most this many kernel threads for operations that can block for ever (unbounded work), 0 for the
    /// kernel's default, which is close to no limit.
    pub unbounded_workers: u32,
}

impl Default for RingConfig {
    fn default() -> Self {
        Self {
            submissions: 256,
            completions: 4096,
            allow: Features::all(),
            bounded_workers: 8,
            unbounded_workers: 64,
        }
    }
}

/// Smaller queues than this are not tried when memory is short.
const SUBMISSIONS_MIN: u32 = 64;
const COMPLETIONS_MIN: u32 = 128;
/// A ring that was closed gives its locked memory back only when a kernel thread has cleaned up, which took up to
/// 17 ms on Linux 6.18.
const MEMORY_WAIT: Duration = Duration::from_millis(20);

/// The steps down, best first. Each needs the kernel in the comment.
const LADDER: [Features; 5] = [
    // 6.6
    Features::DEFER_TASKRUN.with(Features::NO_SQARRAY),
    // 6.1
    Features::DEFER_TASKRUN,
    // 6.6, where deferred work is masked
    Features::COOP_TASKRUN.with(Features::NO_SQARRAY),
    // 5.19
    Features::COOP_TASKRUN,
    Features::empty(),
];

/// Creates the ring. The features returned are those of the step that succeeded.
pub(crate) fn create(config: &RingConfig) -> Result<(IoUring, Features), SetupError> {
    let mut submissions = config.submissions;
    let mut completions = config.completions;
    let mut waited = false;
    loop {
        match climb_down(config, submissions, completions) {
            Err(error) if error.raw_os_error() == Some(libc::ENOMEM) => {
                if !waited {
                    waited = true;
                    thread::sleep(MEMORY_WAIT);
                } else if completions / 2 >= COMPLETIONS_MIN.max(submissions) {
                    completions /= 2;
                } else if submissions / 2 >= SUBMISSIONS_MIN {
                    submissions /= 2;
                } else {
                    return Err(SetupError::new(Step::Setup, error));
                }
            }
            result => return result.map_err(|error| SetupError::new(Step::Setup, error)),
        }
    }
}

fn climb_down(config: &RingConfig, submissions: u32, completions: u32) -> io::Result<(IoUring, Features)> {
    let mut refused = io::Error::from_raw_os_error(libc::EINVAL);
    for step in LADDER.into_iter().filter(|step| config.allow.contains(*step)) {
        match build(step, submissions, completions) {
            Err(error) if error.raw_os_error() == Some(libc::EINVAL) => refused = error,
            result => return result.map(|ring| (ring, step)),
        }
    }
    Err(refused)
}

fn build(step: Features, submissions: u32, completions: u32) -> io::Result<IoUring> {
    let mut builder = IoUring::builder();
    builder.dontfork().setup_submit_all().setup_clamp().setup_cqsize(completions.max(submissions));
    if step.contains(Features::DEFER_TASKRUN) {
        builder.setup_single_issuer().setup_defer_taskrun().setup_taskrun_flag();
    }
    if step.contains(Features::COOP_TASKRUN) {
        builder.setup_single_issuer().setup_coop_taskrun().setup_taskrun_flag();
    }
    if step.contains(Features::NO_SQARRAY) {
        builder.setup_no_sqarray();
    }
    builder.build(submissions)
}

/// Asks the kernel what it has, and refuses one below the floor.
///
/// Flags in `ioprio` have no probe of their own: an operation that came with the same release stands for them.
pub(crate) fn probe(ring: &IoUring) -> Result<Features, SetupError> {
    let mut probe = Probe::new();
    ring.submitter().register_probe(&mut probe).map_err(|error| SetupError::new(Step::Register, error))?;
    if !probe.is_supported(opcode::SENDMSG_ZC) {
        return Err(SetupError::too_old());
    }
    let mut found = Features::REGISTERED_RING
        .with(Features::BUF_RING)
        .with(Features::RECV_MULTISHOT)
        .with(Features::ACCEPT_MULTISHOT);
    if ring.params().is_feature_min_timeout() {
        // The minimum wait and the absolute timer are both of 6.12.
        found = found.with(Features::ABS_TIMER);
    }
    if ring.params().is_feature_no_iowait() {
        found = found.with(Features::NO_IOWAIT);
    }
    // Messages are older, but before 6.3 one to a ring with deferred work raced with its owner. Of what has a probe the
    // multishot read (6.7) is the next that came.
    if probe.is_supported(opcode::READ_MULTISHOT) && probe.is_supported(opcode::MSG_RING) {
        found = found.with(Features::MSG_RING);
    }
    // The report has no probe, and nothing that has one came with it (6.2): the multishot read stands for it, too.
    if probe.is_supported(opcode::READ_MULTISHOT) {
        found = found.with(Features::ZERO_COPY_REPORT);
    }
    Ok(found)
}
