//! The options in the attribute's parentheses: `#[uring::main(crate = path)]`.
//!
//! Like [`shape`](crate::shape) it works on kinds of tokens and answers with positions.

use std::ops::Range;

use crate::shape::{Fault, Kind};

/// The options that exist, as messages list them.
const KNOWN: &str = "`crate = path`";

/// What the attribute asked for.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Options {
    /// The tokens of the path to the `uring` crate, if it isn't `::uring`.
    pub(crate) crate_path: Option<Range<usize>>,
}

/// Reads `name = value, …`; `attribute` is the name by which messages call the macro.
pub(crate) fn options(attribute: &str, tokens: &[Kind]) -> Result<Options, Fault> {
    let mut options = Options::default();
    let mut at = 0;
    while at < tokens.len() {
        let end =
            tokens[at..].iter().position(|token| token.is_mark(',')).map_or(tokens.len(), |comma| at + comma);
        if !tokens[at].is_word("crate") {
            let text = format!("#[{attribute}] doesn't know this option: the known options are {KNOWN}");
            return Err(Fault::new(at, text));
        }
        if options.crate_path.is_some() {
            return Err(Fault::new(at, format!("#[{attribute}] got `crate` twice: remove one")));
        }
        options.crate_path = Some(crate_path(attribute, tokens, at..end)?);
        at = end + 1;
    }
    Ok(options)
}

/// The path in `crate = path`.
fn crate_path(attribute: &str, tokens: &[Kind], option: Range<usize>) -> Result<Range<usize>, Fault> {
    let value = option.start + 2..option.end;
    let has_value = value.start < value.end && tokens[option.start + 1].is_mark('=');
    let is_path = |token: &Kind| matches!(token, Kind::Word(_) | Kind::Mark(':') | Kind::Fragment);
    if has_value && tokens[value.clone()].iter().all(is_path) {
        return Ok(value);
    }
    let text = format!("#[{attribute}] expects a path after `crate`, without quotes: `crate = some::path`");
    Err(Fault::new(option.start, text))
}

#[cfg(test)]
mod tests {
    use super::{Options, options};
    use crate::shape::kinds;

    fn fault(text: &str) -> String {
        options("uring::main", &kinds(text)).expect_err("the options aren't in order").text
    }

    #[test]
    fn no_options_are_the_defaults() {
        assert_eq!(options("uring::main", &[]), Ok(Options::default()));
    }

    #[test]
    fn the_path_of_the_crate_is_found() {
        let found = |text| options("uring::main", &kinds(text)).expect("the options are in order").crate_path;
        assert_eq!(found("crate = : : a : : b"), Some(2..8));
        assert_eq!(found("crate = a ,"), Some(2..3));
    }

    #[test]
    fn an_unknown_option_is_answered_with_the_known_ones() {
        assert!(fault("flavor = a").contains("the known options are `crate = path`"));
        assert!(fault(", crate = a").contains("the known options are"));
        assert!(fault("crate = a , cores = 2").contains("the known options are"));
    }

    #[test]
    fn a_bad_path_is_answered_with_the_right_form() {
        for text in ["crate", "crate =", "crate = , a", "crate = \"a\"", "crate : a", "crate = (a)"] {
            assert!(fault(text).contains("`crate = some::path`"), "{text}");
        }
    }

    #[test]
    fn an_option_that_comes_twice_is_refused() {
        assert!(fault("crate = a , crate = b").contains("twice"));
    }
}
