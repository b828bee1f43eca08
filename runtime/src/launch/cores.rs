//! How many cores a service gets, and on which processors. It starts nothing.

use std::fmt;
use std::str::FromStr;

/// How many cores a service is to have.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Cores {
    /// One for each processor that this process may use: its affinity mask, and no more than the quota of its control
    /// group.
    #[default]
    All,
    /// So many, on processors of their own. More than [`Cores::All`] would be is an error.
    Count(usize),
    /// So many, several on one processor if need be: for tests of what many cores do on a machine of few.
    Oversubscribed(usize),
    /// One on each of these processors, by number.
    On(Vec<usize>),
}

impl From<usize> for Cores {
    fn from(count: usize) -> Self {
        Self::Count(count)
    }
}

/// Not a number of cores.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseCoresError(String);

impl fmt::Display for ParseCoresError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` is no number of cores: give `all`, or a number from 1 on", self.0)
    }
}

impl std::error::Error for ParseCoresError {}

impl FromStr for Cores {
    type Err = ParseCoresError;

    /// `all`, or a number.
    fn from_str(text: &str) -> Result<Self, ParseCoresError> {
        match (text, text.parse()) {
            ("all", _) => Ok(Self::All),
            (_, Ok(count)) if count > 0 => Ok(Self::Count(count)),
            _ => Err(ParseCoresError(text.to_owned())),
        }
    }
}

/// Why there are no such cores.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Shortage {
    None,
    TooFew { asked: usize, usable: usize },
    NotUsable(usize),
}

impl Cores {
    /// The processor of each core. `usable` is in the order in which they are best taken, `quota` how many of them this
    /// process has the time of.
    pub(super) fn place(&self, usable: &[usize], quota: usize) -> Result<Vec<usize>, Shortage> {
        let most = usable.len().min(quota.max(1));
        match self {
            Self::Count(0) | Self::Oversubscribed(0) => Err(Shortage::None),
            Self::On(cpus) if cpus.is_empty() => Err(Shortage::None),
            Self::All => Ok(usable[..most].to_vec()),
            Self::Count(asked) if *asked > most => Err(Shortage::TooFew { asked: *asked, usable: most }),
            Self::Count(asked) => Ok(usable[..*asked].to_vec()),
            Self::Oversubscribed(asked) => Ok(usable[..most].iter().copied().cycle().take(*asked).collect()),
            Self::On(cpus) => match cpus.iter().find(|cpu| !usable.contains(cpu)) {
                Some(cpu) => Err(Shortage::NotUsable(*cpu)),
                None => Ok(cpus.clone()),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Cores, Shortage};

    const USABLE: [usize; 4] = [2, 3, 6, 7];

    fn check(cores: &Cores, quota: usize, expected: Result<&[usize], Shortage>) {
        assert_eq!(cores.place(&USABLE, quota), expected.map(<[usize]>::to_vec), "{cores:?}");
    }

    #[test]
    fn cores_are_placed_on_usable_processors_only_and_no_more_than_the_quota() {
        check(&Cores::All, 4, Ok(&USABLE));
        // The break: `usable.len().min(quota.max(1))` becomes `usable.len()`.
        check(&Cores::All, 3, Ok(&[2, 3, 6]));
        check(&Cores::Count(2), 4, Ok(&[2, 3]));
        check(&Cores::On(vec![7, 2]), 1, Ok(&[7, 2]));
    }

    #[test]
    fn asking_for_more_is_an_error_unless_it_is_said_explicitly() {
        // The breaks: no look at `most` for `Self::Count`; `take(most)` for those that share processors.
        check(&Cores::Count(5), 9, Err(Shortage::TooFew { asked: 5, usable: 4 }));
        check(&Cores::Count(2), 1, Err(Shortage::TooFew { asked: 2, usable: 1 }));
        check(&Cores::Oversubscribed(6), 4, Ok(&[2, 3, 6, 7, 2, 3]));
        check(&Cores::On(vec![2, 4]), 4, Err(Shortage::NotUsable(4)));
        for none in [Cores::Count(0), Cores::Oversubscribed(0), Cores::On(Vec::new())] {
            check(&none, 4, Err(Shortage::None));
        }
    }

    #[test]
    fn a_number_of_cores_is_read_from_text() {
        // The break: no `if count > 0`.
        assert_eq!("all".parse(), Ok(Cores::All));
        assert_eq!("3".parse(), Ok(Cores::Count(3)));
        for text in ["", "0", "-1", "ALL", "2.5"] {
            let error = text.parse::<Cores>().expect_err("not a number of cores");
            assert!(error.to_string().contains("give `all`"), "{error}");
        }
    }
}
