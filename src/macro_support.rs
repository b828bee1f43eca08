//! What the attribute macros call. Not for use by hand.

use std::fmt;
use std::process::{ExitCode, Termination};

use crate::{Builder, Cores, Features, ParseCoresError, Runtime};

/// What a `main` that was expanded returns: the standard library prints the error and exits with code 1.
pub type Outcome = Result<ExitCode, StartError>;

/// Why the program's runtime could not be built, or its service has failed. Its debug form is the text itself, because
/// that is what the standard library prints.
pub struct StartError(String);

impl fmt::Debug for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl StartError {
    fn of(error: impl fmt::Display) -> Self {
        Self(error.to_string())
    }
}

/// What the attribute's `cores = …` can be.
pub trait CoresOption {
    /// As a number of cores.
    ///
    /// # Errors
    ///
    /// When it is none.
    fn cores(self) -> Result<Cores, ParseCoresError>;
}

impl CoresOption for &str {
    fn cores(self) -> Result<Cores, ParseCoresError> {
        self.parse()
    }
}

impl CoresOption for usize {
    fn cores(self) -> Result<Cores, ParseCoresError> {
        Ok(Cores::Count(self))
    }
}

impl CoresOption for Cores {
    fn cores(self) -> Result<Cores, ParseCoresError> {
        Ok(self)
    }
}

/// What the body of a program on many cores can give.
#[diagnostic::on_unimplemented(
    message = "on many cores `main` returns `()` or `Result<(), E>`, and not `{Self}`",
    note = "to collect what each core returns, use `Builder::cores(..).run(..)`"
)]
pub trait CoreOutcome {
    /// Its error as text.
    ///
    /// # Errors
    ///
    /// When it is one.
    fn outcome(self) -> Result<(), String>;
}

impl CoreOutcome for () {
    fn outcome(self) -> Result<(), String> {
        Ok(())
    }
}

impl<E: fmt::Debug> CoreOutcome for Result<(), E> {
    fn outcome(self) -> Result<(), String> {
        // As the standard library shows the error of a `main`.
        self.map_err(|error| format!("{error:?}"))
    }
}

/// Runs the body of a program once on each core.
///
/// # Errors
///
/// When the service cannot be launched, or one of its cores has failed.
pub fn run_on<M, F>(cores: impl CoresOption, body: M) -> Outcome
where
    M: Fn() -> F + Sync,
    F: Future<Output: CoreOutcome>,
{
    let cores = cores.cores().map_err(StartError::of)?;
    let launched = Builder::new().cores(cores).run(|| async { body().await.outcome() });
    launched.map(|_| ExitCode::SUCCESS).map_err(StartError::of)
}

/// Runs the body of a program.
///
/// # Errors
///
/// When the runtime cannot be built.
#[track_caller]
pub fn run<F: Future<Output: Termination>>(body: F) -> Outcome {
    let runtime = Runtime::new().map_err(StartError::of)?;
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
#[track_caller]
pub fn test<F: Future>(body: F) -> F::Output {
    match test_builder().build() {
        Ok(runtime) => runtime.block_on(body),
        Err(error) => panic!("{error}"),
    }
}
