//! The options in the attribute's parentheses: `#[uring::main(crate = path, cores = "all")]`.
//!
//! Like [`shape`](crate::shape) it works on kinds of tokens and answers with positions.

use std::ops::Range;

use crate::shape::{Fault, Kind};

/// The options that exist, as messages list them.
const KNOWN: &str = "`crate = path` and, for main, `cores = \"all\"` or `cores = 4`";

/// What the attribute asked for.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Options {
    /// The tokens of the path to the `uring` crate, if it isn't `::uring`.
    pub(crate) crate_path: Option<Range<usize>>,
    /// The tokens that say on how many cores the program runs, if not on one.
    pub(crate) cores: Option<Range<usize>>,
}

/// Reads `name = value, …`; `attribute` is the name by which messages call the macro.
pub(crate) fn options(attribute: &str, tokens: &[Kind]) -> Result<Options, Fault> {
    let mut options = Options::default();
    let mut at = 0;
    while at < tokens.len() {
        let end =
            tokens[at..].iter().position(|token| token.is_mark(',')).map_or(tokens.len(), |comma| at + comma);
        let (name, place) = match &tokens[at] {
            token if token.is_word("crate") => ("crate", &mut options.crate_path),
            token if token.is_word("cores") => ("cores", &mut options.cores),
            _ => {
                let text = format!("#[{attribute}] doesn't know this option: the known options are {KNOWN}");
                return Err(Fault::new(at, text));
            }
        };
        if place.is_some() {
            return Err(Fault::new(at, format!("#[{attribute}] got `{name}` twice: remove one")));
        }
        let option = at..end;
        *place = Some(if name == "crate" {
            crate_path(attribute, tokens, option)?
        } else {
            cores(attribute, tokens, option)?
        });
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

/// The number in `cores = "all"`, `cores = 4` or `cores = EXPRESSION`. What is a literal is looked at here.
fn cores(attribute: &str, tokens: &[Kind], option: Range<usize>) -> Result<Range<usize>, Fault> {
    let value = option.start + 2..option.end;
    let has_value = value.start < value.end && tokens[option.start + 1].is_mark('=');
    let is_cores = match tokens.get(value.start) {
        Some(Kind::Literal(text)) if value.len() == 1 => {
            let text = text.trim_matches('"');
            text == "all" || text.trim_end_matches("usize").parse().is_ok_and(|count: usize| count > 0)
        }
        _ => true,
    };
    if has_value && is_cores {
        return Ok(value);
    }
    let text =
        format!("#[{attribute}] expects `cores = \"all\"`, or a number of cores from 1 on: `cores = 4`");
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
        assert!(fault("core = 2").contains("`cores = 4`"));
        assert!(fault(", crate = a").contains("the known options are"));
        assert!(fault("crate = a , core = 2").contains("the known options are"));
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
        assert!(fault("cores = 1 , cores = 2").contains("`cores` twice"));
    }

    #[test]
    fn a_number_of_cores_is_all_or_a_number_or_an_expression() {
        let found = |text| options("uring::main", &kinds(text)).expect("the options are in order").cores;
        assert_eq!(found("cores = \"all\""), Some(2..3));
        assert_eq!(found("crate = a , cores = 4"), Some(6..7));
        assert_eq!(found("cores = CORES"), Some(2..3));
        for text in ["cores", "cores =", "cores = 0", "cores = \"some\"", "cores : 2", "cores = , crate = a"]
        {
            assert!(fault(text).contains("`cores = \"all\"`"), "{text}");
        }
    }
}
