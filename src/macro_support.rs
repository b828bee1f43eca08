//! What the attribute macros call. Not for use by hand.

use std::fmt;
use std::process::{ExitCode, Termination};

use crate::{BuildError, Builder, Features, Runtime};

/// What a `main` that was expanded returns: the standard library prints the error and exits with code 1.
pub type Outcome = Result<ExitCode, StartError>;

/// Why the program's runtime could not be built. Its debug form is the text itself, because that is what the
/// standard library prints.
pub struct StartError(BuildError);

impl fmt::Debug for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// Runs the body of a program.
///
/// # Errors
///
/// When the runtime cannot be built.
pub fn run<F: Future<Output: Termination>>(body: F) -> Outcome {
    let runtime = Runtime::new().map_err(StartError)?;
    Ok(runtime.block_on(body).report())
}

/// The environment variable that names features which tests must do without, separated by commas.
const WITHOUT: &str = "URING_TEST_WITHOUT";

/// A builder for a test's runtime: without the features that the environment variable `URING_TEST_WITHOUT` names, so
/// that a whole suite can be run as on an older kernel.
///
/// # Panics
///
/// When the variable names a feature that is not known.
pub fn test_builder() -> Builder {
    let names = std::env::var(WITHOUT).unwrap_or_default();
    let masked = names.split(',').filter(|name| !name.is_empty()).fold(Features::empty(), |masked, name| {
        masked.with(Features::by_name(name).unwrap_or_else(|| panic!("{WITHOUT} names no feature `{name}`")))
    });
    Builder::new().features(Features::all().without(masked))
}

/// Runs the body of a test.
///
/// # Panics
///
/// When the runtime cannot be built.
pub fn test<F: Future>(body: F) -> F::Output {
    match test_builder().build() {
        Ok(runtime) => runtime.block_on(body),
        Err(error) => panic!("{error}"),
    }
}
