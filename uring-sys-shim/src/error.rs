//! Why a ring could not be set up, and what to do about it.

use std::{fmt, fs, io};

/// The system call at which the set-up failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// `io_uring_setup(2)`.
    Setup,
    /// `io_uring_enter(2)`.
    Enter,
    /// `io_uring_register(2)`.
    Register,
}

impl Step {
    fn name(self) -> &'static str {
        match self {
            Step::Setup => "io_uring_setup",
            Step::Enter => "io_uring_enter",
            Step::Register => "io_uring_register",
        }
    }
}

/// The likely cause of a failed set-up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Cause {
    /// The sysctl `kernel.io_uring_disabled` has this value, 1 or 2.
    DisabledBySysctl(u8),
    /// A seccomp filter refuses the call, as the default profiles of container runtimes do.
    Blocked,
    /// The kernel has no io_uring, or a sandbox hides it.
    Absent,
    /// A security module (SELinux, AppArmor, …) refuses the call.
    Forbidden,
    /// The kernel is older than Linux 6.1.
    KernelTooOld,
    /// Memory, or the limit of locked memory (`RLIMIT_MEMLOCK`), is exhausted, even for the smallest ring.
    Memory,
    /// The process or the system has no free descriptor.
    Descriptors,
    /// Something else: see the errno.
    Other,
}

impl Cause {
    /// Reads the cause off an errno, and off the sysctl where that is what decides.
    pub(crate) fn of(step: Step, error: &io::Error) -> Self {
        match error.raw_os_error() {
            Some(libc::EPERM) if step == Step::Setup => match io_uring_disabled() {
                value @ 1..=2 => Cause::DisabledBySysctl(value),
                _ => Cause::Blocked,
            },
            Some(libc::EPERM) => Cause::Blocked,
            Some(libc::ENOSYS) if step == Step::Setup => Cause::Absent,
            Some(libc::ENOSYS) => Cause::Blocked,
            Some(libc::EACCES) => Cause::Forbidden,
            Some(libc::EINVAL) if step == Step::Setup => Cause::KernelTooOld,
            Some(libc::ENOMEM) => Cause::Memory,
            Some(libc::EMFILE | libc::ENFILE) => Cause::Descriptors,
            _ => Cause::Other,
        }
    }

    fn explain(self) -> (String, &'static str) {
        let (why, cure) = match self {
            Cause::DisabledBySysctl(value) => {
                let why = format!("the sysctl kernel.io_uring_disabled is {value}");
                let cure = "set it to 0 (`sysctl -w kernel.io_uring_disabled=0`), or, where it is 1, add the user to \
                            the group of kernel.io_uring_group";
                return (why, cure);
            }
            Cause::Blocked => (
                "a seccomp filter refuses the call, as the default profiles of container runtimes do",
                "allow io_uring_setup, io_uring_enter and io_uring_register in the profile (for Docker: \
                 `--security-opt seccomp=FILE`)",
            ),
            Cause::Absent => (
                "this kernel has no io_uring, or a sandbox (gVisor, an old seccomp profile) hides it",
                "run on Linux 6.1 or newer with CONFIG_IO_URING, outside of that sandbox",
            ),
            Cause::Forbidden => (
                "a security module (SELinux, AppArmor, …) or a filter refuses the call",
                "allow io_uring for this program in the module's policy; the kernel log names the rule",
            ),
            Cause::KernelTooOld => ("the kernel is older than Linux 6.1", "run on Linux 6.1 or newer"),
            Cause::Memory => (
                "memory, or the limit of locked memory, is exhausted even for the smallest ring",
                "raise RLIMIT_MEMLOCK (`ulimit -l`, systemd `LimitMEMLOCK=`), or build smaller or fewer rings",
            ),
            Cause::Descriptors => (
                "no descriptor is free",
                "raise RLIMIT_NOFILE (`ulimit -n`, systemd `LimitNOFILE=`), or look for a leak of descriptors",
            ),
            Cause::Other => {
                ("the kernel refused for another reason", "look the errno up in the man page of the call")
            }
        };
        (why.to_owned(), cure)
    }
}

/// 0 when the file cannot be read: kernels before 6.6 have no such sysctl.
fn io_uring_disabled() -> u8 {
    fs::read_to_string("/proc/sys/kernel/io_uring_disabled")
        .ok()
        .and_then(|text| text.trim().parse().ok())
        .unwrap_or(0)
}

/// A ring could not be set up. The text names the call, the cause and the cure.
#[derive(Debug)]
pub struct SetupError {
    step: Step,
    cause: Cause,
    source: io::Error,
}

impl SetupError {
    pub(crate) fn new(step: Step, source: io::Error) -> Self {
        Self { step, cause: Cause::of(step, &source), source }
    }

    pub(crate) fn too_old() -> Self {
        let source = io::Error::from_raw_os_error(libc::EOPNOTSUPP);
        Self { step: Step::Register, cause: Cause::KernelTooOld, source }
    }

    /// The system call that failed.
    #[must_use]
    pub fn step(&self) -> Step {
        self.step
    }

    /// The likely cause.
    #[must_use]
    pub fn cause(&self) -> Cause {
        self.cause
    }
}

impl fmt::Display for SetupError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (why, cure) = self.cause.explain();
        write!(f, "no ring: {} failed ({}); cause: {why}; cure: {cure}", self.step.name(), self.source)
    }
}

impl std::error::Error for SetupError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.source)
    }
}

impl From<SetupError> for io::Error {
    fn from(error: SetupError) -> Self {
        io::Error::new(error.source.kind(), error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(step: Step, errno: i32, cause: Cause) {
        let error = SetupError::new(step, io::Error::from_raw_os_error(errno));
        assert_eq!(error.cause(), cause);
        let text = error.to_string();
        assert!(text.contains(step.name()) && text.contains("cure: "), "{text}");
    }

    #[test]
    fn each_errno_names_its_cause() {
        check(Step::Setup, libc::ENOSYS, Cause::Absent);
        check(Step::Enter, libc::ENOSYS, Cause::Blocked);
        check(Step::Register, libc::EPERM, Cause::Blocked);
        check(Step::Setup, libc::EACCES, Cause::Forbidden);
        check(Step::Setup, libc::ENOMEM, Cause::Memory);
        check(Step::Setup, libc::EMFILE, Cause::Descriptors);
        check(Step::Setup, libc::EINVAL, Cause::KernelTooOld);
        check(Step::Enter, libc::EINVAL, Cause::Other);
    }
}
