//! What the run of one test means for a mutant. It runs nothing.

/// How the test of a mutant ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    NotBuilt,
    TimedOut,
    Failed,
    /// The test program was content; its output.
    Passed(String),
}

/// What that says of the mutant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Killed,
    /// Killed by the time limit.
    Hung,
    Survived,
    /// The data does not fit the code any more: it does not build, or the name is not exactly one test's.
    Stale,
}

impl Verdict {
    pub(super) fn is_kill(self) -> bool {
        matches!(self, Verdict::Killed | Verdict::Hung)
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Verdict::Killed => "killed",
            Verdict::Hung => "hung",
            Verdict::Survived => "SURVIVED",
            Verdict::Stale => "STALE",
        }
    }
}

/// A break that does not build proves nothing, and neither does a test that did not run.
pub(super) fn of(outcome: &Outcome) -> Verdict {
    match outcome {
        Outcome::NotBuilt => Verdict::Stale,
        Outcome::TimedOut => Verdict::Hung,
        Outcome::Failed => Verdict::Killed,
        Outcome::Passed(output) if output.contains("test result: ok. 1 passed;") => Verdict::Survived,
        Outcome::Passed(_) => Verdict::Stale,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_test_that_fails_or_hangs_kills() {
        assert_eq!(of(&Outcome::Failed), Verdict::Killed);
        assert_eq!(of(&Outcome::TimedOut), Verdict::Hung);
        assert!(Verdict::Killed.is_kill() && Verdict::Hung.is_kill());
    }

    #[test]
    fn a_break_that_does_not_build_is_stale_and_no_kill() {
        assert_eq!(of(&Outcome::NotBuilt), Verdict::Stale);
        assert!(!Verdict::Stale.is_kill() && !Verdict::Survived.is_kill());
    }

    #[test]
    fn only_exactly_one_test_that_passed_is_a_survival() {
        let passed = |count| Outcome::Passed(format!("test result: ok. {count} passed; 0 failed"));
        assert_eq!(of(&passed(1)), Verdict::Survived);
        for count in [0, 2, 11] {
            assert_eq!(of(&passed(count)), Verdict::Stale);
        }
    }
}
