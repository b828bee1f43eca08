//! Why a service did not start, or ended before it was told to.

use std::{fmt, io};

use super::cores::Shortage;
use crate::BuildError;

/// A service could not be launched, or one of its cores has failed. `E` is the error of the main future.
#[derive(Debug)]
#[non_exhaustive]
pub enum LaunchError<E> {
    /// The cores that were asked for cannot be had. The text names cause and cure.
    Cores(String),
    /// The main thread of a core could not be started or kept on its processor.
    Thread {
        /// Which core.
        core: usize,
        /// Its processor.
        cpu: usize,
        /// The errno.
        error: io::Error,
    },
    /// The runtime of a core could not be made.
    Build {
        /// Which core.
        core: usize,
        /// Why.
        error: BuildError,
    },
    /// The main future of a core has returned an error. The other cores were shut down.
    Failed {
        /// Which core.
        core: usize,
        /// What it returned.
        error: E,
    },
    /// A core has panicked, in its main future or while it was set up. The other cores were shut down.
    Panicked {
        /// Which core.
        core: usize,
        /// What it panicked with, when that was a text.
        message: String,
    },
}

impl<E> LaunchError<E> {
    pub(super) fn shortage(shortage: &Shortage) -> Self {
        Self::Cores(match shortage {
            Shortage::None => "no service: it was given no core; cure: ask for one at least".to_owned(),
            Shortage::TooFew { asked, usable } => format!(
                "no service: {asked} cores were asked for, and this process may use {usable} processors (its affinity \
                 mask, and the quota of its control group); cure: ask for fewer or for all, raise the limit, or say \
                 `Cores::Oversubscribed`"
            ),
            Shortage::NotUsable(cpu) => format!(
                "no service: processor {cpu} was asked for, which this process may not use; cure: choose among those \
                 of its affinity mask (`taskset -p`)"
            ),
        })
    }
}

impl<E: fmt::Display> fmt::Display for LaunchError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cores(text) => f.write_str(text),
            Self::Thread { core, cpu, error } => {
                write!(f, "no service: core {core} could not be started on processor {cpu}: {error}")
            }
            Self::Build { core, error } => write!(f, "core {core}: {error}"),
            Self::Failed { core, error } => write!(f, "core {core}: {error}"),
            Self::Panicked { core, message } => write!(f, "core {core} panicked: {message}"),
        }
    }
}

impl<E: std::error::Error + 'static> std::error::Error for LaunchError<E> {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Cores(_) | Self::Panicked { .. } => None,
            Self::Thread { error, .. } => Some(error),
            Self::Build { error, .. } => Some(error),
            Self::Failed { error, .. } => Some(error),
        }
    }
}
